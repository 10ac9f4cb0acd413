"""Distances with the arithmetic of the reference program."""

import numpy as np
import pytest

from congruence.compute.reference_distance import one_by_one, reference_distances
from congruence.compute.rmsd import rmsd_matrix
from congruence.errors import ShapeError


@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
def test_they_are_the_distances_of_the_matrix(alignment):
    models = np.random.default_rng(41).normal(size=(12, 30, 3)) * 25 + 100
    row = rmsd_matrix(models, alignment=alignment, weights="none").row(3)
    others = np.delete(np.arange(12), 3)
    found = reference_distances(models[3], models[others], alignment)
    assert found == pytest.approx(row[others], abs=1e-10)


def test_a_mirror_image_is_not_laid_on_by_a_reflection():
    x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    mirrored = x * [1, 1, -1]
    (found,) = reference_distances(x, mirrored[None])
    expected = rmsd_matrix(np.stack([x, mirrored]), alignment="superpose", weights="none")
    assert found == pytest.approx(expected.condensed[0], abs=1e-9)
    assert found > 0.1


def test_equal_models_are_nothing_apart():
    x = np.random.default_rng(42).normal(size=(5, 3)) * 50
    assert reference_distances(x, np.stack([x, x + 7.0])) == pytest.approx([0, 0], abs=1e-5)


def test_sums_are_neither_pairwise_nor_compensated():
    values = np.full(1000, 0.1)
    plain = 0.0
    for value in values.tolist():
        plain += value
    assert one_by_one(values) == plain != 100.0
    assert one_by_one(np.empty(0)) == 0.0


def test_shapes_must_fit():
    with pytest.raises(ShapeError, match="cannot measure"):
        reference_distances(np.zeros((3, 3)), np.zeros((2, 4, 3)))
