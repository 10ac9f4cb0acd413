import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congruence.errors import ConfigError
from congruence.workflow.config import ClusterConfig, load_config, toml_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXT.filter(lambda t: t.isprintable() and t and "/" not in t and t[0] != ".")


@given(
    st.builds(
        ClusterConfig,
        runs=st.tuples(TEXT),
        score=st.none() | TEXT,
        below=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        best=st.none() | st.integers(1),
        rmsd=st.tuples(TEXT, TEXT),
        members=st.sampled_from(["auto", "all", "center", "none"]) | st.integers(1),
        state=st.just("all") | st.integers(0),
        densities=st.dictionaries(NAMES, TEXT, max_size=3),
        strict=st.booleans(),
    ),
    st.booleans(),
)
def test_toml_comes_back(config, comments):
    assert ClusterConfig.checked(tomllib.loads(toml_text(config, comments=comments))) == config


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ({"bset": 3}, "there is no option 'bset'", "Did you mean 'best'?"),
        ({"qqqq": 3}, "there is no option 'qqqq'", "Options are: runs, score"),
        ({"best": 0}, "option 'best' is 0, expected greater than or equal to 1|greater than 0", ""),
        ({"members": "few"}, "option 'members' is 'few', expected 'auto', 'all'", ""),
        ({"state": -1}, "option 'state' is -1, expected a number from 0 on", ""),
        ({"voxel": float("nan")}, "option 'voxel' is nan", ""),
        ({"clusters": 2, "threshold": 3.0}, "give clusters or threshold, not both", ""),
        ({"densities": {"../x": "A"}}, "density name '../x' cannot be a file name", ""),
        ({"densities": {"x\0y": "A"}}, "cannot be a file name", ""),
        ({"runs": "one"}, "option 'runs' is 'one'", ""),
    ],
)
def test_wrong_options_are_told_in_words(data, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        ClusterConfig.checked(data, where="job.toml")
    assert caught.value.message.startswith("job.toml: ")
    assert hint in caught.value.hint


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file"):
        load_config(tmp_path / "x.toml")
