"""Windows and their filters, along one axis, against Gaussians; and the filter itself."""

import math

import numpy as np
import pytest

from congruence.compute import _density_numpy
from congruence.compute._density_window import LANES, lattice_for, window_for
from congruence.core.grid import Grid

GRID = Grid((0.0, 0.0, 0.0), (20, 3, 2), 1.0)


def made(window, place):
    """Return what one bead, at this place after the middle voxel of its window, adds along one axis."""
    table = window.table[1:, : window.width]
    row, part = divmod(place * (len(table) - 2), 1.0)
    weights = (1 - part) * table[int(row)] + part * table[int(row) + 1]
    if not len(window.taps):
        return weights
    return np.convolve(weights, np.concatenate([window.taps[:0:-1], window.taps]))


@pytest.mark.parametrize("sigma", [*np.geomspace(0.2, 12.0, 40), 1.1, 1.2, 1.4, 1.6, 2.4])
def test_a_window_is_a_gaussian_after_its_filter(sigma):
    window = window_for(GRID, sigma)
    reach = max(len(window.taps) - 1, 0)
    voxels = np.arange(window.width + 2 * reach) - reach - 0.5 * (window.width - 2)
    for place in np.random.default_rng(4).random(20):
        wanted = np.exp(-0.5 * ((voxels - place) / sigma) ** 2) / math.sqrt(2 * math.pi) / sigma
        error = np.abs(made(window, place) - wanted).max() / wanted.max()
        # Three axes; the rest is what the table loses between its rows.
        assert 3 * error < window.error + 1.5e-5
    assert window.error < 8.6e-5


def test_finer_voxels_take_narrower_windows():
    widths = [window_for(GRID, sigma).width for sigma in (1.15, 1.3, 1.55, 2.0, 3.0, 30.0)]
    assert widths == [8, 7, 6, 5, 4, 4]
    assert [window_for(GRID, sigma).width for sigma in (0.2, 0.425, 0.85, 1.06)] == [2, 4, 8, 10]


def test_windows_in_units_of_length_keep_the_mass():
    for voxel in (1.0, 3.0):
        for sigma in (0.8 * voxel, 2.0 * voxel):
            window = window_for(Grid((0.0, 0.0, 0.0), (9, 9, 9), voxel), sigma)
            assert made(window, 0.3).sum() * voxel == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("sigma", [0.3, 1.06, 1.15, 2.0, 5.0])
def test_a_lattice_holds_windows_that_start_anywhere(sigma):
    window = window_for(GRID, sigma)
    lattice, lanes = lattice_for(GRID, window), window.table.shape[1]
    assert lattice.shape[:2] == (2, 3)
    assert lattice.shape[2] % LANES == 0
    assert lattice.ctypes.data % 64 == 0
    assert lanes % LANES == 0
    # Rows of the table follow each other: what is before one is zero, so that it can be read shifted.
    assert not window.table[0].any()
    assert not window.table[:, window.width :].any()
    assert lattice.shape[2] >= 20 - window.width + lanes


@pytest.mark.parametrize("shape", [(5, 4, 24), (1, 2, 8), (40, 70, 72)])
@pytest.mark.parametrize("reach", [2, 9])
def test_the_compiled_filter_is_the_plain_one_whatever_the_threads(shape, reach):
    pytest.importorskip("numba")
    from congruence.compute import _density_kernels

    random = np.random.default_rng(1)
    lattice = np.zeros(shape)
    lattice[: shape[0] // 2 + 1, 1:, 3:7] = random.normal(size=(shape[0] // 2 + 1, shape[1] - 1, 4))
    taps = random.normal(size=reach + 1)
    plain = lattice.copy()
    _density_numpy.smooth(plain, taps, 1)
    results = []
    for threads in (1, 2, 7):
        results.append(lattice.copy())
        _density_kernels.smooth(results[-1], taps, threads)
    np.testing.assert_allclose(results[0], plain, rtol=1e-9, atol=1e-9 * np.abs(plain).max())
    assert all(np.array_equal(results[0], other) for other in results[1:])
