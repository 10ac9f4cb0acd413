"""Windows: what a bead adds to the voxels around it, and the filter that makes Gaussians of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.rectangle import one_blas_thread

if TYPE_CHECKING:
    from congruence.core.grid import Grid
    from congruence.typing import FloatArray, IntArray

LANES = 8
"""Values that are added at once; rows of windows and of lattices are multiples of it."""

CUT = 4.6
"""Where a Gaussian that is added itself ends, in sigma; 2.5e-5 of its peak."""

_WIDTHS = {4: 2.4, 5: 1.6, 6: 1.4, 7: 1.2, 8: 1.1}
_BOUND = 8.5e-5
_REACH = 4.7
_ROWS = 256
_NODES = 40


@dataclass(frozen=True, eq=False)
class Window:
    """
    What one bead adds along one axis.

    Parameters
    ----------
    kind : {"kaiser", "gaussian"}
        Whether a filter follows, which it does from about 1.2 voxels per sigma on.
    sigma : float
        Width of the Gaussian in Å.
    width : int
        Voxels along one axis.
    table : ndarray, dtype=float64, shape=(rows+3,lanes)
        Weights of these voxels, zero beyond `width`; after a row of zeros, one
        per place of the bead, 0 to 1, after the voxel ``0.5 * (width - 2)``.
    taps : ndarray, dtype=float64, shape=(reach+1,)
        Half of the even kernel that turns windows into Gaussians; empty where
        they are Gaussians.
    error : float
        Estimated bound of the error: of one bead, of its largest voxel; of
        beads at every second voxel, of the mean.
    """

    kind: str
    sigma: float
    width: int
    table: FloatArray
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
        4 from 2.4 voxels per sigma on, 5 from about 1.7, 6 from 1.46, 7 from
        1.23; 8, from 1.11, otherwise. Its filter is that of the window of Barnett et al. (2019),
        doi:10.1137/18M120885X; its weights are those which that filter
        brings nearest to the Gaussian. Where voxels are coarser still, the
        Gaussian itself, cut at `CUT` sigma.
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
    size = nz * ny * row
    # Rows that start at cache lines are a fifth faster.
    space = np.zeros(size + LANES)
    start = (-space.ctypes.data // 8) % LANES
    return space[start : start + size].reshape(nz, ny, row)


def _padded(weights: FloatArray) -> FloatArray:
    rows, width = weights.shape
    table = np.zeros((1 + rows, -(-width // LANES) * LANES))
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
    """Return weights, one row per place, half of their filter, and the bound of the error."""
    reach, places = math.ceil(_REACH * s), _places(s)
    taps = _taps(s, width, reach)
    voxels = np.arange(-reach, width + reach)[:, None]
    away = np.abs(voxels - np.arange(width))
    spread = np.where(away <= reach, taps[np.minimum(away, reach)], 0.0)
    wanted = _gaussians(voxels, s, width, places)
    weights = np.asarray(np.linalg.lstsq(spread, wanted, rcond=None)[0], dtype=np.float64)
    error = spread @ weights - wanted
    one = float((np.abs(error).max(axis=0) / wanted.max(axis=0)).max())
    # Beads at every second voxel: their errors add up in a mean, and in its alternation.
    even, odd = error[::2].sum(axis=0), error[1::2].sum(axis=0)
    many = float((np.abs(even + odd) + np.abs(even - odd)).max())
    # Errors of three axes add up at worst.
    return weights.T, taps, 3.0 * max(one, many)


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
    wide = 1.72 + 1.85 * (s - 1.25) if width == 7 else 1.15 + 2.9 * (s - 1.1)
    return fixed.get(width, wide)
