"""The facade's Precision on a simulated sampling: its interface and its errors."""

import numpy as np
import pytest

from congruence.errors import ConfigError, InputError, SelectionError
from congruence.pmi.analysis import Precision


def rmf(sampling, run=1):
    return str(sampling[0] / f"run{run}" / "output" / "rmfs" / "0.rmf3")


@pytest.fixture
def tool(sampling):
    made = Precision(None, 1, {"Alpha": ["Alpha"], "some": [(1, 5, "Beta"), "Gamma"]})
    made.add_structures(zip([rmf(sampling)] * 4, range(4), strict=True), "one")
    made.add_structures([(rmf(sampling, 2), 0), (rmf(sampling, 2), 1)], "two")
    return made


def test_sets_grow(tool, sampling):
    tool.add_structure(rmf(sampling), 4, "one", setup_index_map=True)
    assert [f for _, f in tool.structures_dictionary["one"].frames] == [0, 1, 2, 3, 4]
    assert tool.structures_dictionary["one"].coordinates.shape[0] == 5
    assert tool.get_precision("one", "two") == 0


def test_selections_are_the_users_own(tool, tmp_path):
    mine = {"Delta": ["Delta"]}
    tool.selection_dictionary = mine
    tool.get_precision("one", "one", str(tmp_path / "out"))
    assert mine == {"Delta": ["Delta"]}
    heads = {line.split()[0] for line in (tmp_path / "out").read_text().splitlines()}
    assert heads == {"Delta", "All"}
    assert Precision(None).selection_dictionary == {}


def test_only_some_selections(tool, tmp_path):
    tool.get_precision("one", "two", str(tmp_path / "out"), selection_keywords=["some"])
    (line,) = (tmp_path / "out").read_text().splitlines()
    assert line.startswith("some one two average pairwise distance ")


def test_styles_and_threshold(tool, tmp_path):
    values = []
    for threshold in (5.0, 1e6):
        tool.set_precision_style("pairwise_drmsd_Q")
        tool.set_threshold(threshold)
        tool.get_precision("one", "one", str(tmp_path / "out"))
        values.append((tmp_path / "out").read_text().splitlines()[-1])
    assert values[0] != values[1]
    tool.set_precision_style("pairwise_drmsd_k")
    tool.get_precision("one", "one", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text().splitlines()[-1] == values[1]


def test_rmsf_of_molecules_that_are_selections(tool, tmp_path):
    tool.get_rmsf("one", str(tmp_path / "new" / "folder"), set_plot_yaxis_range=(0, 9))
    names = sorted(p.name for p in (tmp_path / "new" / "folder").iterdir())
    assert names == ["rmsf.Alpha.dat", "rmsf.Alpha.pdf"]


def test_a_model_against_itself(tool, sampling):
    tool.set_precision_style("pairwise_rmsd")
    tool.set_reference_structure(rmf(sampling), 2)
    plain = tool.get_average_distance_wrt_reference_structure("one")
    assert list(plain) == ["Alpha", "some", "All"]
    for found in plain.values():
        assert found["all_distances"][2] == found["minimum_distance"] == 0
        assert found["average_distance"] == pytest.approx(np.mean(found["all_distances"]))
    moved = tool.get_rmsd_wrt_reference_structure_with_alignment("one", "All")
    assert moved["All"]["average_distance"] <= plain["All"]["average_distance"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.get_precision("one", "three"), InputError, "no structure set 'three'"),
        (lambda t: t.get_precision("one", "one", selection_keywords=["x"]), SelectionError, "no selection 'x'"),
        (lambda t: t.set_precision_style("drmsd_from_center"), ConfigError, "no style"),
        (lambda t: t.get_average_distance_wrt_reference_structure("one"), ConfigError, "no reference"),
        (lambda t: t.add_structure("missing.rmf3", 0, "one"), InputError, "missing.rmf3"),
        (lambda t: t.set_reference_structure("missing.rmf3", 0), InputError, "missing.rmf3"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(tool, call, error, message):
    with pytest.raises(error, match=message) as caught:
        call(tool)
    assert caught.value.hint


def test_unknown_resolutions_and_alignments(tool, sampling):
    with pytest.raises(ConfigError, match="resolution is 5"):
        Precision(None, 5)
    tool.set_reference_structure(rmf(sampling), 0)
    with pytest.raises(SelectionError, match="no selection 'Zeta'"):
        tool.get_rmsd_wrt_reference_structure_with_alignment("one", "Zeta")
    tool.selection_dictionary = {"first": [("Gamma", 0)]}
    with pytest.raises(SelectionError, match="copies that are not used here"):
        tool.get_precision("one", "one")
