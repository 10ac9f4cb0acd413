"""Windows: what a bead adds to the voxels around it, and the filter that makes Gaussians of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.rectangle import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.core.grid import Grid
    from congruence.typing import FloatArray

LANES = 8
"""Values that are added at once; rows of windows and of lattices are multiples of it."""

CUT = 4.6
"""Where a Gaussian that is added itself ends, in sigma; 2.5e-5 of its peak."""

SPLINE = 5
"""Voxels along one axis that a quartic B-spline touches."""

_KAISER = 8
_BETA = 16.0
_FINE = 2.4
_MIDDLE = 1.2
_REACH = 4.7
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Window:
    """
    What one bead adds along one axis.

    Parameters
    ----------
    kind : {"spline", "kaiser", "gaussian"}
        How it was chosen: from 2.4 voxels per sigma on, from 1.2 on, below.
    sigma : float
        Width of the Gaussian in Å.
    width : int
        Voxels along one axis.
    table : ndarray, dtype=float64, shape=(rows+2,lanes)
        Weights of these voxels, zero beyond `width`; one row per place of the
        bead, 0 to 1, after the voxel ``0.5 * (width - 2)``.
    taps : ndarray, dtype=float64, shape=(reach+1,)
        Half of the even kernel that turns windows into Gaussians; empty where
        they are Gaussians.
    """

    kind: str
    sigma: float
    width: int
    table: FloatArray
    taps: FloatArray


def window_for(grid: Grid, sigma: float) -> Window:
    """
    Choose the window whose error is below 1e-4 of the peak of one bead.

    Parameters
    ----------
    grid : Grid
        The grid.
    sigma : float
        Width of the Gaussians in Å.

    Returns
    -------
    window : Window
        Quartic B-splines where voxels are fine (error 7e-5 at 2.4 voxels per
        sigma), the wider Kaiser-Bessel-like window of Barnett et al. (2019),
        doi:10.1137/18M120885X, where they are less so (3e-5), else the
        Gaussians themselves, cut at `CUT` sigma.
    """
    s, h = sigma / grid.voxel, grid.voxel
    rows = _ROWS * max(1, math.ceil(1.0 / s))
    place = np.arange(rows + 2)[:, None] / rows
    if s >= _FINE:
        weights = splines(place[:, 0])
        return Window("spline", sigma, SPLINE, _padded(weights), _taps(s, _spline_hat) / h)
    width = _KAISER if s >= _MIDDLE else 2 * math.ceil(CUT * s)
    away = np.arange(width) - 0.5 * (width - 2) - place
    if s >= _MIDDLE:
        weights = _kaiser(away)
        return Window("kaiser", sigma, width, _padded(weights), _taps(s, _kaiser_hat) / h)
    weights = np.exp(-0.5 * (away / s) ** 2) / (math.sqrt(2.0 * math.pi) * sigma)
    return Window("gaussian", sigma, width, _padded(weights), np.empty(0))


def lattice_for(grid: Grid, window: Window) -> FloatArray:
    """Return zeros, dtype=float64, shape (nz,ny,row): rows hold a window that starts anywhere."""
    nx, ny, nz = grid.shape
    row = -(-(nx + window.table.shape[1] - window.width) // LANES) * LANES
    size = nz * ny * row
    # Rows that start at cache lines are a fifth faster.
    space = np.zeros(size + LANES)
    start = (-space.ctypes.data // 8) % LANES
    return space[start : start + size].reshape(nz, ny, row)


def splines(u: FloatArray) -> FloatArray:
    """Return the weights of quartic B-splines, shape (*u.shape, SPLINE)."""
    # Cox-de Boor recurrence for uniform knots.
    w = [np.ones_like(u)]
    for d in range(1, SPLINE):
        inner = [((u + d - j) * w[j - 1] + (1.0 - u + j) * w[j]) / d for j in range(1, d)]
        w = [(1.0 - u) * w[0] / d, *inner, u * w[d - 1] / d]
    return np.stack(w, axis=-1)


def _padded(weights: FloatArray) -> FloatArray:
    rows, width = weights.shape
    table = np.zeros((rows, -(-width // LANES) * LANES))
    table[:, :width] = weights
    return table


def _kaiser(away: FloatArray) -> FloatArray:
    square = np.clip(1.0 - (2.0 * away / _KAISER) ** 2, 0.0, None)
    return np.where(square > 0, np.exp(_BETA * (np.sqrt(square) - 1.0)), 0.0)


def _spline_hat(k: FloatArray) -> FloatArray:
    hat: FloatArray = np.sinc(k / (2.0 * np.pi)) ** SPLINE
    return hat


def _kaiser_hat(k: FloatArray) -> FloatArray:
    x, step = np.linspace(-0.5 * _KAISER, 0.5 * _KAISER, 2001, retstep=True)
    hat: FloatArray = np.cos(np.outer(k, x)) @ _kaiser(x) * step
    return hat


def _taps(sigma: float, hat: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """
    Return half of the even kernel that turns windows into Gaussians (unit spacing).

    Among the kernels of this length the one nearest to that at all wave
    numbers that the lattice can hold.
    """
    reach = math.ceil(_REACH * sigma)
    k = np.linspace(0.0, np.pi, 400 + 4 * reach)
    waves = np.cos(np.outer(k, np.arange(reach + 1)))
    waves[:, 1:] *= 2.0
    wanted = np.exp(-0.5 * (sigma * k) ** 2)
    with one_blas_thread():
        taps: FloatArray = np.linalg.lstsq(waves * hat(k)[:, None], wanted, rcond=None)[0]
    return taps
