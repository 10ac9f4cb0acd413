import numpy as np
import pytest

from congruence.core.results import Alignment, DistanceMatrix
from congruence.workflow.close_pairs import close_pairs
from congruence.workflow.resources import Resources

NEAR = np.array([2.0 + 1e-8, 2.0 - 5e-4, 2.1])


def matrix(precision):
    return DistanceMatrix(NEAR, 3, Alignment.NONE, definition={"precision": precision})


@pytest.mark.parametrize(
    ("precision", "asked", "pairs", "within"),
    [
        ("double", None, 1, 1e-6),
        ("mixed", None, 2, 1e-3),
        ("double", 1e-3, 2, 1e-3),
        ("double", 0.2, 3, 0.2),
    ],
)
def test_pairs_are_counted_within_the_error(precision, asked, pairs, within):
    found = close_pairs(matrix(precision), 2.0, within=asked)
    expected = {"pairs_close_to_threshold": {"pairs": pairs, "within": within}}
    assert found.record() == expected
    assert f"within {within:g} Å of the threshold of 2 Å" in found.text()


def test_cluster_and_card_may_differ_from_this_machine():
    assert not Resources().elsewhere
    assert Resources(engine="dask").elsewhere
    assert Resources(device="gpu").elsewhere
