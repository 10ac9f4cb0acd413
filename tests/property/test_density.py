"""Properties that every localization density has."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from congruence.compute.density import common_grid, localization_density

POINT = st.floats(-40, 40, width=32)
MODELS = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 3), st.integers(1, 6), st.just(3)), elements=POINT
)
VOXEL = st.sampled_from([5.0, 3.0, 2.0])


@settings(deadline=None, max_examples=30)
@given(MODELS, VOXEL)
def test_mass_and_center_of_mass_are_those_of_the_beads(coordinates, voxel):
    masses = np.linspace(80, 300, coordinates.shape[1])
    density = localization_density(coordinates, masses, voxel=voxel)
    assert abs(density.mass / masses.sum() - 1) < 1e-3
    grid = density.grid
    expected = np.tensordot(coordinates.mean(axis=0), masses, (0, 0)) / masses.sum()
    for axis in range(3):
        others = tuple(a for a in range(3) if a != 2 - axis)
        profile = density.values.sum(axis=others, dtype=np.float64)
        positions = grid.origin[axis] + voxel * np.arange(grid.shape[axis])
        assert abs(positions @ profile / profile.sum() - expected[axis]) < 0.02


@settings(deadline=None, max_examples=20)
@given(MODELS, VOXEL, st.tuples(*[st.integers(-4, 4)] * 3))
def test_moving_by_whole_voxels_moves_the_map(coordinates, voxel, steps):
    masses = np.full(coordinates.shape[1], 110.0)
    here = localization_density(coordinates, masses, voxel=voxel)
    moved = coordinates + voxel * np.array(steps)
    there = localization_density(moved, masses, voxel=voxel)
    shift = np.subtract(there.grid.origin, here.grid.origin) / voxel
    if there.grid.shape == here.grid.shape and tuple(shift) == steps:
        assert np.abs(there.values - here.values).max() <= 1e-5 * here.values.max()
    else:  # rounding moved a border of the box
        assert there.mass == np.float64(here.mass) or abs(there.mass / here.mass - 1) < 1e-3


@settings(deadline=None, max_examples=20)
@given(MODELS, VOXEL)
def test_mean_of_models_is_the_mean_of_their_maps(coordinates, voxel):
    masses = np.full(coordinates.shape[1], 110.0)
    grid = common_grid(coordinates, voxel=voxel)
    whole = localization_density(coordinates, masses, grid=grid)
    parts = [localization_density(model[None], masses, grid=grid).values for model in coordinates]
    mean = np.mean(parts, axis=0, dtype=np.float64)
    assert np.abs(whole.values - mean).max() <= 1e-6 * max(whole.values.max(), 1e-9)
