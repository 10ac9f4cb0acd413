import pytest

from congruence.workflow.config import ClusterConfig
from congruence.workflow.member_sets import _differs


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ({"copies": "off"}, True),
        ({"swaps": ("A.0+B.0=A.1+B.1",)}, True),
        ({"weights": "none"}, True),
        ({"clusters": 3, "threads": 2}, False),
    ],
)
def test_runs_that_compare_models_in_different_ways_differ(options, differs):
    own = ClusterConfig(align="superpose", rmsd=("*",))
    other = ClusterConfig(align="superpose", rmsd=("*",), **options)
    assert _differs(own, other) is differs
    assert not _differs(own, own)
