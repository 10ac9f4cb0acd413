"""Windows: what a bead adds to the voxels around it, and the filter that makes Gaussians of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute.rectangle import one_blas_thread

if TYPE_CHECKING:
    from congruence.core.grid import Grid
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

LANES = 16
"""Values of float32 that are added at once; rows of windows and of lattices are multiples of it."""

COLUMNS = 2 * LANES
"""Columns of a lattice that are filtered together."""

CUT = 4.6
"""Where a Gaussian that is added itself ends, in sigma; 2.5e-5 of its peak."""

_WIDTHS = {4: 2.3, 5: 1.7, 6: 1.46, 7: 1.0, 8: 0.95}
_BOUND = 8.5e-5
_REACH = 4.7
_LINE = 64
_ROWS = 256
_NODES = 40
_TURNS = 9
_EVERY = 8
_PERIODS = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class Window:
    """
    What one bead adds along one axis.

    Parameters
    ----------
    kind : {"kaiser", "gaussian"}
        Whether a filter follows, which it does from about one voxel per sigma on.
    sigma : float
        Width of the Gaussian in Å.
    width : int
        Voxels along one axis.
    table : ndarray, dtype=float32, shape=(rows+3,lanes)
        Weights of these voxels, zero beyond `width`; after a row of zeros, one
        per place of the bead, 0 to 1, after the voxel ``0.5 * (width - 2)``.
    taps : ndarray, dtype=float64, shape=(reach+1,)
        Half of the even kernel that turns windows into Gaussians; empty where
        they are Gaussians.
    error : float
        Estimated bound of the error, of the largest voxel: of one bead, and of
        beads at every one to four voxels.
    """

    kind: str
    sigma: float
    width: int
    table: Float32Array
    taps: FloatArray
    error: float


def window_for(grid: Grid, sigma: float) -> Window:
    """
    Choose the window whose error is below 1e-4 of the maximum.

    Parameters
    ----------
    grid : Grid
        The grid.
    sigma : float
        Width of the Gaussians in Å.

    Returns
    -------
    window : Window
        The narrowest window of 4 to 8 voxels whose error is at most 8.5e-5:
        4 from 2.4 voxels per sigma on, 5 from about 1.8, 6 from 1.47, 7 from
        1.0 to 1.1 and from 1.3 on; 8, from 0.95, otherwise. Its filter is that
        of the window of Barnett et al. (2019), doi:10.1137/18M120885X; its
        weights are those which that filter brings nearest to the Gaussian.
        Where this is not good enough, below about 1.3, both are fitted in turn.
        Where voxels are coarser still, the Gaussian itself, cut at `CUT` sigma.
    """
    return _window_for(sigma, grid.voxel)


@lru_cache(maxsize=16)
def _window_for(sigma: float, h: float) -> Window:
    s = sigma / h
    for width in (w for w, least in _WIDTHS.items() if s >= least):
        with one_blas_thread():
            weights, taps, error = _fitted(s, width)
        if error <= _BOUND:
            return Window("kaiser", sigma, width, _padded(weights), taps / h, error)
    width = 2 * math.ceil(CUT * s)
    weights = _gaussians(np.arange(width)[:, None], s, width, _places(s)).T / h
    return Window("gaussian", sigma, width, _padded(weights), np.empty(0), math.exp(-0.5 * CUT**2))


def lattice_for(grid: Grid, window: Window) -> FloatArray:
    """Return zeros, dtype=float64, shape (nz,ny,row): rows hold a window that starts anywhere."""
    nx, ny, nz = grid.shape
    row = -(-(nx + window.table.shape[1] - window.width) // LANES) * LANES
    lattice: FloatArray = aligned_zeros(nz, ny, row)
    return lattice


def aligned_zeros(*shape: int, dtype: type = np.float64) -> Any:
    """Return zeros that start at a cache line: vectors across two take twice as long."""
    size = math.prod(shape)
    space: Any = np.zeros(size + LANES, dtype=dtype)
    start = (-space.ctypes.data % _LINE) // space.itemsize
    return space[start : start + size].reshape(shape)


def spans_for(lattice: FloatArray, *, full: bool) -> IntArray:
    """
    Return the first and the last plane that may hold something, of all rows and columns.

    Shape (2,ny,row/COLUMNS), for COLUMNS columns at a time: all planes, or none.
    """
    nz, ny, row = lattice.shape
    spans = np.empty((2, ny, -(-row // COLUMNS)), dtype=np.int64)
    spans[0], spans[1] = (0, nz - 1) if full else (nz, -1)
    return spans


def joined(spans: IntArray, more: IntArray) -> IntArray:
    """Return the first and last planes of which those of `spans` and `more` are."""
    return np.stack([np.minimum(spans[0], more[0]), np.maximum(spans[1], more[1])])


def _padded(weights: FloatArray) -> Float32Array:
    rows, width = weights.shape
    table: Float32Array = aligned_zeros(1 + rows, -(-width // LANES) * LANES, dtype=np.float32)
    table[1:, :width] = weights
    return table


def _places(s: float) -> FloatArray:
    rows = _ROWS * max(1, math.ceil(1.0 / s))
    return np.arange(rows + 2) / rows


def _gaussians(voxels: IntArray, s: float, width: int, places: FloatArray) -> FloatArray:
    """Sample Gaussians of all places of a bead at voxels, which the window counts from 0 on."""
    away = voxels - 0.5 * (width - 2) - places
    gaussians: FloatArray = np.exp(-0.5 * (away / s) ** 2) / (math.sqrt(2.0 * math.pi) * s)
    return gaussians


def _fitted(s: float, width: int) -> tuple[FloatArray, FloatArray, float]:
    """
    Return weights, one row per place, half of their filter, and the bound of the error.

    Where the usual filter is not good enough, weights and filter are fitted
    in turn, where errors are large more closely, until they are.
    """
    reach, places = math.ceil(_REACH * s), _places(s)
    taps = _taps(s, width, reach)
    voxels = np.arange(-reach, width + reach)[:, None]
    at = np.abs(voxels - np.arange(width))[:, :, None] == np.arange(reach + 1)
    wanted = _gaussians(voxels, s, width, places)
    closer = np.ones_like(wanted[:, ::_EVERY])
    for turn in range(_TURNS):
        spread = at @ taps
        weights = np.asarray(np.linalg.lstsq(spread, wanted, rcond=None)[0], dtype=np.float64)
        error = spread @ weights - wanted
        bound = _error_bound(error, wanted)
        if bound <= _BOUND or turn == _TURNS - 1:
            break
        away = np.abs(error[:, ::_EVERY])
        closer *= (away / away.max() + 0.05) ** 0.3
        closer /= closer.mean()
        taps = _refitted(at, weights[:, ::_EVERY], wanted[:, ::_EVERY], closer)
    return weights.T, taps, bound


def _error_bound(error: FloatArray, wanted: FloatArray) -> float:
    """Bound the error of a map, relative to its maximum, by that along one axis."""
    worst = float((np.abs(error).max(axis=0) / wanted.max(axis=0)).max())
    for period in _PERIODS:  # beads at every so many voxels, whose errors add up
        least = np.zeros((-len(error) % period, error.shape[1]))
        wrong, right = (
            np.concatenate([part, least]).reshape(-1, period, error.shape[1]).sum(axis=0)
            for part in (error, wanted)
        )
        worst = max(worst, float((np.abs(wrong).max(axis=0) / right.max(axis=0)).max()))
    # Errors of three axes add up at worst.
    return 3.0 * worst


def _refitted(
    at: BoolArray, weights: FloatArray, wanted: FloatArray, closer: FloatArray
) -> FloatArray:
    """Return half of the filter that brings weights nearest to Gaussians."""
    made = np.einsum("vwj,wp->vpj", at, weights) * closer[:, :, None]
    values = (wanted * closer).reshape(-1)
    taps = np.linalg.lstsq(made.reshape(len(values), -1), values, rcond=None)[0]
    return np.asarray(taps, dtype=np.float64)


def _taps(s: float, width: int, reach: int) -> FloatArray:
    """
    Return half of the even kernel that turns the usual window into Gaussians (unit spacing).

    Among the kernels of this length the one nearest to that at all wave
    numbers that the lattice can hold.
    """
    k = np.linspace(0.0, np.pi, 100 + 4 * reach)
    waves = np.cos(np.outer(k, np.arange(reach + 1)))
    waves[:, 1:] *= 2.0
    # Where the window's own waves end, the Gaussian has none left to be mistaken for them.
    beta = width * (math.pi - _margin(s, width) / s)
    place, share = np.polynomial.legendre.leggauss(_NODES)
    place, share = 0.5 * (1.0 + place), 0.5 * width * share
    window = np.exp(beta * (np.sqrt(1.0 - place**2) - 1.0))
    hat = np.cos(np.outer(k, 0.5 * width * place)) @ (share * window)
    wanted = np.exp(-0.5 * (s * k) ** 2)
    taps: FloatArray = np.linalg.lstsq(waves * hat[:, None], wanted, rcond=None)[0]
    return taps


def _margin(s: float, width: int) -> float:
    """Return where the Gaussian ends for its window, in 1 / sigma; found by trial."""
    fixed = {4: 2.4, 5: 1.7, 6: 1.8}
    wide = 1.15 + 2.4 * (s - 1.0) if width == 7 else 0.85 + 3.4 * (s - 1.0)
    return fixed.get(width, wide)
