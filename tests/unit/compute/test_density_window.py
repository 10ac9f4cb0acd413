"""Windows and their filters, along one axis, against Gaussians; and the filter itself."""

import math

import numpy as np
import pytest

from congruence.compute import _density_numpy
from congruence.compute._density_window import COLUMNS, LANES, lattice_for, spans_for, window_for
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
    widths = [
        window_for(GRID, sigma).width for sigma in (0.97, 1.06, 1.2, 1.42, 1.55, 2.0, 3.0, 30.0)
    ]
    assert widths == [8, 7, 8, 7, 6, 5, 4, 4]
    assert [window_for(GRID, sigma).width for sigma in (0.2, 0.425, 0.85, 0.94)] == [2, 4, 8, 10]


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


@pytest.mark.parametrize("shape", [(5, 4, 32), (1, 2, 16), (40, 70, 80), (20, 40, 176)])
@pytest.mark.parametrize("reach", [2, 9])
@pytest.mark.parametrize("apart", [False, True])
def test_the_compiled_filter_is_the_plain_one_whatever_the_threads(shape, reach, apart):
    pytest.importorskip("numba")
    from congruence.compute import _density_kernels

    random = np.random.default_rng(1)
    (nz, ny, row), taps = shape, random.normal(size=reach + 1)
    lattice = np.zeros(shape)
    lattice[: nz // 2 + 1, 1:, 3:7] = random.normal(size=(nz // 2 + 1, ny - 1, 4))
    lattice[nz // 2 :, 0, row - 5 :] = random.normal(size=(nz - nz // 2, 5))
    spans = spans_for(lattice, full=False)
    spans[0, 1:, 0], spans[1, 1:, 0] = 0, nz // 2
    spans[0, 0, -1], spans[1, 0, -1] = nz // 2, nz - 1
    extra = random.normal(size=shape) if apart else None

    def finished(kernels, where, threads):
        mean = np.zeros((nz, ny, row - 3), dtype=np.float32)
        kernels.finish(lattice.copy(), extra, taps, where, 0.5, mean, threads)
        return mean

    everywhere = spans_for(lattice, full=True)
    plain = finished(_density_numpy, everywhere, 1)
    results = [finished(_density_kernels, spans, threads) for threads in (1, 2, 7)]
    results += [finished(_density_kernels, everywhere, threads) for threads in (1, 3)]
    np.testing.assert_allclose(results[0], plain, rtol=1e-6, atol=1e-6 * np.abs(plain).max())
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_a_lattice_without_anything_gives_zeros():
    pytest.importorskip("numba")
    from congruence.compute import _density_kernels

    lattice, mean = np.zeros((5, 4, 32)), np.zeros((5, 4, 20), dtype=np.float32)
    spans = spans_for(lattice, full=False)
    _density_kernels.finish(lattice, None, np.ones(3), spans, 1.0, mean, 3)
    assert not mean.any()


@pytest.mark.parametrize("sigma", [0.7, 1.06, 1.42, 2.1, 2.8])
def test_what_is_added_is_within_the_spans(sigma):
    pytest.importorskip("numba")
    from congruence.compute import _density_kernels

    grid = Grid((0.0, 0.0, 0.0), (90, 60, 40), 1.0)
    x = np.random.default_rng(3).uniform(8.0, 30.0, size=(2, 20, 3)) * (2.3, 1.6, 1.0)
    window = window_for(grid, sigma)
    lattice = lattice_for(grid, window)
    spans = _density_kernels.add(
        x, np.arange(20), np.ones(20), grid, window, lattice, lambda: np.zeros(lattice.shape), 2
    )
    planes, rows, columns = np.nonzero(lattice)
    first, last = spans[:, rows, columns // COLUMNS]
    assert len(planes) > 1000
    assert (first <= planes).all() and (planes <= last).all()
    assert (spans[1] < 0).mean() > 0.2


@pytest.mark.parametrize("sigma", [0.7, 1.06, 1.55, 2.8])
def test_blocks_are_summed_in_float64(sigma):
    """What float32 rounds is within a block, and the same in each."""
    pytest.importorskip("numba")
    from congruence.compute import _density_kernels

    grid, times = Grid((0.0, 0.0, 0.0), (40, 32, 30), 1.0), 1000
    x = np.random.default_rng(6).uniform(8.0, 20.0, size=(1, 50, 3))
    mass, window = np.random.default_rng(7).uniform(0.1, 300.0, 50), window_for(grid, sigma)
    lattice = lattice_for(grid, window)

    def add():
        _density_kernels.add(
            x, np.arange(50), mass, grid, window, lattice, lambda: np.empty(0), threads=1
        )

    add()
    once = lattice.copy()
    exact = np.zeros_like(once)
    half = 0.5 * (window.width - 2)
    for point, m in zip(x[0], mass, strict=True):
        corner = np.floor(point - half).astype(int)
        table = window.table[1:, : window.width].astype(np.float64)
        at = (point - half - corner) * (len(table) - 2)
        row, part = at.astype(int), (at % 1.0)[:, None]
        wx, wy, wz = (1 - part) * table[row] + part * table[row + 1]
        i, j, k = (slice(c, c + window.width) for c in corner)
        exact[k, j, i] += m * wz[:, None, None] * wy[:, None] * wx
    cut = 1e-4 if window.kind == "gaussian" else 0.0  # corners of Gaussians are left out
    assert np.abs(once - exact).max() < (1e-6 + cut) * exact.max()
    for _ in range(times - 1):
        add()
    np.testing.assert_allclose(lattice, times * once, rtol=1e-12, atol=0)
