"""Distances between clusters are those of the matrix, however many are read at once."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from congruence.core.results import Alignment, DistanceMatrix
from congruence.workflow.spread import MatrixPart


@pytest.mark.parametrize("size", [2, 5, 20])
def test_a_part_of_a_matrix_has_its_values(size):
    points = np.random.default_rng(size).normal(size=(40, 3))
    square = squareform(pdist(points))
    matrix = DistanceMatrix(pdist(points), 40, Alignment.NONE)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(40)[:size], rng.permutation(40)[:size]
    part = MatrixPart(matrix, rows, columns)
    assert part.shape == (size, size)
    for i, row in enumerate(rows.tolist()):
        assert np.array_equal(part[i], square[row, columns])
    own = MatrixPart(matrix, columns, columns)
    assert [own[i][i] for i in range(size)] == [0.0] * size
