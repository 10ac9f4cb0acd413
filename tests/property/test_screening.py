"""Neighbours by screening against explicit singular values, on shapes that are hard to superpose."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from congruence.compute.metric import Metric
from congruence.compute.neighbours import NeighbourBits
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.screening import screen

MODELS = 12


def hard(seed, beads, shape, offset):
    """Return models near two arrangements: also lines, planes, points, copies and mirror images."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(2, beads, 3)) * rng.choice([1.0, 30.0])
    middle *= {"solid": [1, 1, 1], "flat": [1, 1, 0], "line": [1, 0, 0], "point": [0, 0, 0]}[shape]
    found = middle[rng.integers(0, 2, MODELS)]
    found = found + rng.normal(size=found.shape) * rng.choice([0.0, 1e-6, 0.1, 3.0])
    found[1], found[2] = found[0], -found[0]
    turns = np.linalg.qr(rng.normal(size=(MODELS, 3, 3)))[0]
    turns *= np.sign(np.linalg.det(turns))[:, None, None]
    return found @ turns + rng.normal(size=(MODELS, 1, 3)) * offset


@pytest.mark.parametrize("kernel", ["numba", "numpy"])
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    beads=st.integers(1, 20),
    shape=st.sampled_from(["solid", "flat", "line", "point"]),
    offset=st.sampled_from([0.0, 1000.0]),
    alignment=st.sampled_from(["superpose", "center", "none"]),
    rank=st.floats(0, 1),
)
@example(seed=1189, beads=15, shape="line", offset=0.0, alignment="superpose", rank=0.0)
def test_neighbours_are_those_of_exact_distances(
    kernel, seed, beads, shape, offset, alignment, rank
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONGRUENCE_KERNEL", kernel)
        models, metric = hard(seed, beads, shape, offset), Metric(alignment)
        distances = rmsd_matrix(models, metric, precision="double")
        threshold = float(np.quantile(distances.condensed, rank)) + 2e-6
        sink = NeighbourBits(MODELS, threshold)
        screen(models, metric, threshold, always=True).put(sink)
    found = np.unpackbits(sink.bits, axis=1, count=MODELS).astype(bool)
    square = distances.square()
    clear = np.abs(square - threshold) > 1e-6
    np.testing.assert_array_equal(found[clear], (square <= threshold)[clear])
