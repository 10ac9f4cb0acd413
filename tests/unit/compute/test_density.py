"""Localization densities against the direct sum of Gaussians."""

import math
from dataclasses import replace

import numpy as np
import pytest

from congruence.compute.density import (
    common_grid,
    densities,
    gaussian_sigma,
    localization_density,
)
from congruence.core.grid import Grid
from congruence.core.sources import ArraySource
from congruence.core.topology import Molecule, Topology
from congruence.errors import SelectionError, ShapeError


def direct(coordinates, masses, grid, sigma):
    """Sum untruncated Gaussians in float64."""
    axes = [o + grid.voxel * np.arange(n) for o, n in zip(grid.origin, grid.shape, strict=True)]
    total = np.zeros(grid.shape[::-1])
    for model in coordinates:
        for point, mass in zip(model, masses, strict=True):
            ex, ey, ez = (np.exp(-0.5 * ((axes[a] - point[a]) / sigma) ** 2) for a in range(3))
            total += mass * ez[:, None, None] * ey[:, None] * ex
    return total / len(coordinates) / (2 * np.pi) ** 1.5 / sigma**3


def relative_error(density, coordinates, masses, map_resolution):
    exact = direct(coordinates, masses, density.grid, gaussian_sigma(map_resolution))
    return np.abs(density.values - exact).max() / exact.max()


# sigma per voxel from 0.21 to 4.2: all windows.
SCALES = [(20, 20), (8, 20), (3.54, 20), (3.53, 20), (1.77, 20), (1.76, 20), (3, 60)]
USUAL = [
    (2, 10), (3, 10), (5, 10), (4, 15), (5, 15), (2, 20), (3, 20), (4, 20), (5, 20), (6, 20), (3, 40), (10, 40),
]  # fmt: skip


@pytest.mark.parametrize(("voxel", "map_resolution"), SCALES + USUAL)
@pytest.mark.parametrize("beads", [1, 12])
def test_density_is_the_sum_of_gaussians(voxel, map_resolution, beads):
    random = np.random.default_rng(3)
    coordinates = random.normal(scale=12.0, size=(2, beads, 3)) + 7.3
    if beads == 1:
        coordinates[1] = coordinates[0]
    masses = random.uniform(50, 500, beads)
    density = localization_density(coordinates, masses, voxel=voxel, map_resolution=map_resolution)
    assert relative_error(density, coordinates, masses, map_resolution) < 1e-4
    assert density.values.dtype == np.float32
    assert density.models == 2


def crystal(spacing):
    """Place beads where errors of windows add up: all alike in their voxels."""
    steps = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
    return spacing * steps + 0.37


@pytest.mark.parametrize(("voxel", "map_resolution"), USUAL)
@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_usual_maps_are_right_wherever_beads_are(monkeypatch, voxel, map_resolution, kernel):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    random = np.random.default_rng(6)
    arrangements = {
        "near each other": 9.1 + random.normal(scale=0.2 * voxel, size=(3, 40, 3)),
        "in one place": np.full((2, 70, 3), 4.4),
        "in every second voxel": crystal(2.0 * voxel)[None],
        "in every third voxel": crystal(3.0 * voxel)[None],
    }
    for name, x in arrangements.items():
        masses = np.ones(x.shape[1])
        density = localization_density(x, masses, voxel=voxel, map_resolution=map_resolution)
        assert relative_error(density, x, masses, map_resolution) < 1e-4, name


@pytest.mark.parametrize("offset", np.linspace(0.0, 1.0, 9))
def test_one_bead_is_right_wherever_it_lies_in_its_voxel(offset):
    # The worst case of the narrowest window: one bead, just fine enough a voxel.
    voxel = gaussian_sigma(20.0) / 2.41
    coordinates = np.full((1, 1, 3), offset * voxel)
    density = localization_density(coordinates, np.ones(1), voxel=voxel)
    assert relative_error(density, coordinates, np.ones(1), 20.0) < 1e-4


def test_peak_of_one_bead_by_hand():
    density = localization_density(np.zeros((1, 1, 3)), np.array([100.0]), voxel=5.0)
    sigma = 20.0 / (4 * math.sqrt(2 * math.log(2)))
    assert float(density.values.max()) == pytest.approx(
        100.0 / ((2 * math.pi) ** 1.5 * sigma**3), rel=1e-6
    )


@pytest.mark.parametrize("voxel", [5.0, 3.0, 1.5])
def test_mass_is_kept_with_the_grid_that_is_made(voxel):
    random = np.random.default_rng(5)
    coordinates = random.normal(scale=15.0, size=(3, 20, 3))
    masses = random.uniform(50, 500, 20)
    density = localization_density(coordinates, masses, voxel=voxel)
    assert density.mass == pytest.approx(masses.sum(), rel=1e-3)


@pytest.mark.parametrize("voxel", [5.0, 3.0, 1.5])
def test_beads_at_and_beyond_the_edges_do_not_come_back_on_the_other_side(voxel):
    grid = Grid((0.0, 0.0, 0.0), (12, 14, 16), voxel)
    edge = voxel * 11
    coordinates = np.array(
        [
            [
                [0.0, 0, 0],
                [-5, 3, 9],
                [edge, edge, edge],
                [edge + 4, 20, 1],
                [edge / 2] * 3,
                [9e9, 0, 0],
            ]
        ]
    )
    masses = np.arange(100.0, 700.0, 100.0)
    density = localization_density(coordinates, masses, grid=grid)
    assert relative_error(density, coordinates, masses, 20.0) < 1e-4


@pytest.mark.parametrize("voxel", [5.0, 3.0])
@pytest.mark.parametrize("models_per_block", [1000, 2])
def test_blocks_do_not_change_a_bit(monkeypatch, voxel, models_per_block):
    monkeypatch.setattr(
        "congruence.compute._density_blocks._BLOCK_VALUES", 3 * 5 * models_per_block
    )
    coordinates = np.random.default_rng(7).normal(scale=10.0, size=(7, 5, 3))
    masses = np.linspace(100, 200, 5)
    grid = common_grid(coordinates, voxel=voxel)
    whole = localization_density(coordinates, masses, grid=grid)
    for blocks in (
        iter([coordinates[:3], coordinates[3:4], coordinates[4:]]),
        ArraySource(coordinates),
    ):
        again = localization_density(blocks, masses, grid=grid)
        assert np.array_equal(whole.values, again.values)
        assert again.models == 7


def test_a_grid_is_made_from_blocks_that_can_be_read_once():
    coordinates = np.random.default_rng(7).normal(scale=10.0, size=(4, 5, 3))
    masses = np.full(5, 110.0)
    once = localization_density(iter([coordinates[:1], coordinates[1:]]), masses)
    assert np.array_equal(once.values, localization_density(coordinates, masses).values)


def test_selections_are_made_in_one_pass_and_add_up():
    coordinates = np.random.default_rng(9).normal(scale=10.0, size=(3, 6, 3))
    topology = Topology.simple([Molecule("A"), Molecule("B")], beads_per_molecule=3)
    grid = common_grid(coordinates, voxel=4.0)
    picks = {"A": np.arange(3), "B": np.arange(3, 6), "all": np.arange(6)}
    made = densities(iter([coordinates]), topology, picks, grid=grid)
    assert list(made) == ["A", "B", "all"]
    assert [made[name].name for name in made] == ["A", "B", "all"]
    np.testing.assert_allclose(
        made["A"].values + made["B"].values,
        made["all"].values,
        atol=1e-4 * made["all"].values.max(),
    )
    alone = localization_density(coordinates, topology, beads=picks["B"], grid=grid)
    assert np.array_equal(alone.values, made["B"].values)


@pytest.mark.parametrize("voxel", [5.0, 4.0, 3.0, 2.0, 1.5])
def test_threads_do_not_change_a_bit(monkeypatch, voxel):
    monkeypatch.setenv("CONGRUENCE_KERNEL", "numba")
    monkeypatch.setattr("congruence.compute._density_kernels._POINTS_PER_THREAD", 50)
    coordinates = np.random.default_rng(9).normal(scale=20.0, size=(60, 7, 3))
    coordinates[:, 3] = [2.0, 1.0, -3.0]  # more beads in one cell than are summed at once
    masses = np.linspace(80.0, 300.0, 7)
    # Some beads are beyond the edges of the grid.
    grid = Grid((-30.0, -30.0, -40.0), (16, 14, 17), voxel)
    one = localization_density(coordinates, masses, grid=grid, threads=1)
    assert relative_error(one, coordinates, masses, 20.0) < 1e-4
    for threads in (2, 3, 40):
        made = localization_density(coordinates, masses, grid=grid, threads=threads)
        assert np.array_equal(made.values, one.values)


# The narrowest windows start at about 1.1, 1.2, 1.45, 1.7 and 2.4 voxels per sigma.
BOUNDS = (0.3, 1.08, 1.11, 1.19, 1.24, 1.45, 1.48, 1.65, 1.69, 2.39, 2.41, 4.0)


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
@pytest.mark.parametrize("voxel", [4.24661 / s for s in BOUNDS])
def test_one_bead_is_right_at_the_bounds_of_all_windows(monkeypatch, kernel, voxel):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    for place in np.random.default_rng(2).random((6, 3)):
        bead = place[None, None] * voxel
        density = localization_density(bead, np.ones(1), voxel=voxel)
        assert relative_error(density, bead, np.ones(1), 20.0) < 1e-4


def test_common_grid_holds_five_sigma_and_sits_on_the_lattice_of_the_voxel():
    coordinates = np.array([[[0.0, 0, 0], [100, 0, 0]]])
    grid = common_grid(iter([coordinates, coordinates - 30.0]), voxel=3.0, map_resolution=20.0)
    assert grid.origin[0] % 3.0 == 0.0
    assert grid.origin[0] <= -30 - 5 * gaussian_sigma(20.0)
    assert grid.origin[0] + 3.0 * (grid.shape[0] - 1) >= 100 + 5 * gaussian_sigma(20.0)
    of_one = common_grid(coordinates, beads=np.array([0]), voxel=3.0)
    assert of_one.shape[0] == of_one.shape[1]


def test_sigma_of_the_specification():
    assert gaussian_sigma(20.0) == pytest.approx(4.246609, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_map_resolution_must_be_positive(value):
    with pytest.raises(ShapeError, match="map resolution") as caught:
        gaussian_sigma(value)
    assert "20" in caught.value.hint


def test_empty_selection_makes_no_map():
    with pytest.raises(SelectionError, match="'Rpb4' selects no bead"):
        densities(
            np.zeros((1, 2, 3)), np.ones(2), {"Rpb4": np.array([], dtype=np.int64)},
            grid=Grid((0.0, 0.0, 0.0), (2, 2, 2), 5.0),
        )  # fmt: skip


def test_no_models_make_no_map():
    grid = Grid((0.0, 0.0, 0.0), (2, 2, 2), 5.0)
    with pytest.raises(ShapeError, match="at least one model"):
        localization_density(np.zeros((0, 2, 3)), np.ones(2), grid=grid)
    with pytest.raises(ShapeError, match="no coordinates"):
        common_grid(np.zeros((0, 2, 3)))


def test_bad_coordinates_name_model_and_bead():
    coordinates = np.zeros((4, 3, 3))
    coordinates[2, 1, 0] = np.nan
    with pytest.raises(ShapeError, match="model 2 has no finite coordinates for bead 1"):
        localization_density(
            iter([coordinates[:1], coordinates[1:]]),
            np.ones(3),
            grid=Grid((0.0, 0.0, 0.0), (2, 2, 2), 5.0),
        )


@pytest.mark.parametrize(
    ("masses", "beads", "message"),
    [
        (np.zeros(3), None, "masses from 0.0 to 0.0"),
        (np.array([1.0, np.nan, 1.0]), None, "masses from nan"),
        (np.array([1.0, -2.0, 1.0]), None, "masses from -2.0"),
        (np.ones(4), None, "models have 3 beads, but there are 4 masses"),
        (np.ones(3), np.array([0, 3]), "names bead 3"),
        (np.ones(3), np.array([-1]), "names bead -1"),
    ],
)
def test_bad_masses_and_beads(masses, beads, message):
    grid = Grid((0.0, 0.0, 0.0), (2, 2, 2), 5.0)
    with pytest.raises(ShapeError, match=message):
        localization_density(np.zeros((1, 3, 3)), masses, beads=beads, grid=grid)


def test_parts_must_agree_on_the_number_of_beads():
    grid = Grid((0.0, 0.0, 0.0), (2, 2, 2), 5.0)
    with pytest.raises(ShapeError, match="models have 2 beads, those before had 3"):
        localization_density([np.zeros((1, 3, 3)), np.zeros((1, 2, 3))], np.ones(3), grid=grid)


def test_one_model_without_its_axis_is_refused():
    with pytest.raises(ShapeError, match="models, beads, 3") as caught:
        localization_density(np.zeros((3, 3)), np.ones(3))
    assert "[None]" in caught.value.hint


def test_a_stray_bead_does_not_fill_the_memory():
    with pytest.raises(ShapeError, match="voxels; they reach from") as caught:
        common_grid(np.array([[[0.0, 0, 0], [1e5, 1e5, 1e5]]]))
    assert "stray" in caught.value.hint


def test_masses_of_a_topology_are_used():
    topology = Topology.simple([Molecule("A")], beads_per_molecule=2)
    topology = replace(topology, mass=np.array([100.0, 300.0]))
    density = localization_density(np.zeros((1, 2, 3)), topology)
    assert density.mass == pytest.approx(400.0, rel=1e-3)
