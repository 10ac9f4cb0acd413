"""The reference's densities: values of the specification and the drifting grid."""

import numpy as np
import pytest

from congruence.compute.density_compat import (
    reference_density,
    reference_model_density,
    reference_sum,
)
from congruence.core.grid import Grid
from congruence.errors import ShapeError

ONE = np.zeros(1)


def test_peak_is_the_mass_times_the_fast_exponential_of_zero():
    grid, values = reference_model_density(np.zeros((1, 3)), ONE, np.array([100.0]), voxel=5.0)
    # normalisation 8.2909316e-4 at 20 Å, exp(0) -> 0.9710078239
    assert values.max() == pytest.approx(100 * 8.2909316e-4 * 0.9710078239, rel=1e-7)
    assert grid == Grid((-60.0, -60.0, -60.0), (24, 24, 24), 5.0)


def test_nothing_lies_beyond_three_sigma():
    grid, values = reference_model_density(np.zeros((1, 3)), ONE, np.array([100.0]), voxel=1.0)
    z, y, x = np.nonzero(values)
    distance = np.sqrt(sum((grid.origin[0] + a) ** 2 for a in (x, y, z)))
    assert 12.0 < distance.max() <= 12.739828


def test_fast_exponential_keeps_to_its_error():
    grid, values = reference_model_density(np.zeros((1, 3)), ONE, np.array([1.0]), voxel=0.5)
    z, y, x = np.nonzero(values)
    square = sum((grid.origin[0] + 0.5 * a) ** 2 for a in (x, y, z))
    exact = 8.2909316e-4 * np.exp(-square / (2 * 4.246609**2))
    ratio = values[z, y, x] / exact - 1
    assert -0.0395 < ratio.min() < -0.02
    assert 0.01 < ratio.max() < 0.0198


def test_sums_move_by_the_nearest_voxel():
    voxel = 5.0
    one = (Grid((0.0, 0.0, 0.0), (2, 1, 1), voxel), np.array([[[1.0, 2.0]]]))
    two = (Grid((2.0, 0.0, 0.0), (2, 1, 1), voxel), np.array([[[10.0, 20.0]]]))
    grid, values = reference_sum(one, two)
    # Box -2.5 ... 9.5 is 12 Å, three voxels; 2 Å round to no voxel at all.
    assert grid == Grid((0.0, 0.0, 0.0), (3, 1, 1), voxel)
    assert values.tolist() == [[[11.0, 22.0, 0.0]]]


def test_mean_of_equal_models_is_one_model():
    points = np.random.default_rng(0).normal(size=(4, 3)) * 9
    radius, mass = np.full(4, 2.0), np.full(4, 110.0)
    single = reference_density([points], radius, mass, name="A")
    pair = reference_density([points, points], radius, mass)
    assert single.name == "A"
    assert pair.models == 2
    assert pair.grid == single.grid
    assert np.array_equal(pair.values, single.values)


def test_nothing_makes_no_map():
    with pytest.raises(ShapeError, match="at least one model"):
        reference_density([], ONE, ONE)
    with pytest.raises(ShapeError, match="at least one bead"):
        reference_model_density(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
