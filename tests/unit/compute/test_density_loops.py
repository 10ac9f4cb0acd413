"""The loops of densities with and without a compiler, and when which is taken."""

import subprocess
import sys

import numpy as np
import pytest

from congruence.compute import _density_blocks, _density_numpy
from congruence.compute._density_window import lattice_for, spans_for, window_for
from congruence.compute.density import densities, gaussian_sigma, localization_density
from congruence.compute.density_compat import reference_model_density
from congruence.core.grid import Grid

FREE = """
import sys
import numpy as np
if {hide}:
    sys.modules["numba"] = None
from congruence.compute.density import localization_density
from congruence.compute.density_compat import reference_density
from congruence.compute.rmsd import rmsd_matrix
random = np.random.default_rng(0)
x = random.normal(scale=20.0, size=({m}, 3, 3))
rmsd_matrix(x, alignment="superpose")
localization_density(x, np.ones(3), voxel=5.0)
localization_density(x, np.ones(3), voxel=2.0)
reference_density(x[:5], np.ones(3), np.ones(3))
assert sys.modules.get("numba") is None
"""


@pytest.mark.parametrize(("m", "hide"), [(60, False), (1500, True)])
def test_no_compiler_is_needed(m, hide):
    """Neither for a small job where there is one, nor for any where there is none."""
    subprocess.run([sys.executable, "-c", FREE.format(m=m, hide=hide)], check=True)


def test_loops_are_compiled_from_a_million_pairs_on(monkeypatch):
    monkeypatch.delenv("CONGRUENCE_KERNEL", raising=False)
    assert _density_blocks.loops(1_000) is _density_numpy
    assert _density_blocks.loops(1_415).__name__.endswith("_density_kernels")
    monkeypatch.setenv("CONGRUENCE_KERNEL", "numpy")
    assert _density_blocks.loops(10_000) is _density_numpy


@pytest.mark.parametrize("voxel", [1.5, 3.0, 5.0, 12.0])
@pytest.mark.parametrize("cut", [False, True])
def test_both_give_the_same_map(monkeypatch, voxel, cut):
    """On a grid of their own, and on one that cuts many beads off."""
    random = np.random.default_rng(5)
    x = random.normal(scale=25.0, size=(8, 30, 3))
    mass = random.uniform(50.0, 500.0, 30)
    grid = Grid((-30.0, -24.0, -18.0), (12, 10, 9), voxel) if cut else None
    made = {}
    for kernel in ("numpy", "numba"):
        monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
        made[kernel] = localization_density(x, mass, grid=grid, voxel=voxel).values
    assert np.abs(made["numpy"] - made["numba"]).max() < 1e-4 * made["numba"].max()


@pytest.mark.parametrize("voxel", [1.7, 5.0])
def test_cells_do_not_change_a_map(monkeypatch, voxel):
    """Neither their size, beyond rounding, nor how their numbers are sorted."""
    monkeypatch.setenv("CONGRUENCE_KERNEL", "numpy")
    random = np.random.default_rng(6)
    x, mass = random.normal(scale=20.0, size=(6, 40, 3)), random.uniform(50.0, 500.0, 40)
    small, large, sorted_twice = (
        _with(monkeypatch, x, mass, voxel, _FULL=full, _KEYS=keys)
        for full, keys in ((0, 1 << 16), (1e9, 1 << 16), (0, 64))
    )
    assert np.abs(small - large).max() < 2e-6 * small.max()
    assert np.array_equal(small, sorted_twice)


def _with(monkeypatch, x, mass, voxel, **constants):
    for name, value in constants.items():
        monkeypatch.setattr(_density_numpy, name, value)
    return localization_density(x, mass, voxel=voxel).values


@pytest.mark.parametrize("nx", [9, 17, 33, 40, 50])
def test_the_filter_writes_to_its_map_only(nx):
    """Rows of a lattice are longer than those of the map, and columns are filtered several at a time."""
    from congruence.compute import _density_kernels

    grid = Grid((0.0, 0.0, 0.0), (nx, 12, 11), 2.0)
    window = window_for(grid, gaussian_sigma(20.0))
    lattice = lattice_for(grid, window)
    lattice[:, :, :nx] = np.random.default_rng(7).random((11, 12, nx))
    made = []
    for kernels in (_density_numpy, _density_kernels):
        room = np.zeros((13, 12, nx), dtype=np.float32)
        spans = spans_for(lattice, full=True)
        kernels.finish(lattice.copy(), None, window.taps, spans, 0.5, room[1:-1], 1)
        assert not room[0].any()
        assert not room[-1].any()
        made.append(room)
    assert np.abs(made[0] - made[1]).max() < 1e-5 * made[1].max()


def test_a_bead_far_from_the_grid_adds_nothing(monkeypatch):
    monkeypatch.setenv("CONGRUENCE_KERNEL", "numpy")
    x = np.array([[[0.0, 0, 0], [1e8, 0, 0]], [[0.0, 0, 0], [0, -1e30, 0]]])
    for voxel in (5.0, 2.0):
        grid = Grid((-20.0, -20.0, -20.0), (20, 20, 20), voxel)
        both = densities(x, np.ones(2), {"near": np.array([0]), "all": np.arange(2)}, grid=grid)
        assert np.array_equal(both["near"].values, both["all"].values)


@pytest.mark.parametrize("voxel", [2.0, 5.0, 30.0])
def test_the_reference_is_the_same_to_the_last_bit(monkeypatch, voxel):
    random = np.random.default_rng(8)
    points = random.normal(scale=20.0, size=(300, 3))
    made = []
    for kernel in ("numpy", "numba"):
        monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
        made.append(reference_model_density(points, np.ones(300), np.arange(1.0, 301), voxel=voxel))
    assert made[0][0] == made[1][0]
    assert np.array_equal(made[0][1], made[1][1])
