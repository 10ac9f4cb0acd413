"""The compiled loops of localization densities; single-threaded, so their sums have one order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

SUPPORT = 5
"""Lattice points along one axis that a quartic B-spline touches."""

_CHUNK = 128

CUT = 4.6
"""Where a Gaussian that is added point by point ends, in sigma; 2.5e-5 of its peak."""


@njit(cache=True, nogil=True)
def _spline(u: float, w: FloatArray) -> None:
    # Cox-de Boor recurrence for uniform knots.
    w[0] = 1.0
    for d in range(1, SUPPORT):
        inverse = 1.0 / d
        w[d] = u * w[d - 1] * inverse
        for j in range(d - 1, 0, -1):
            w[j] = ((u + d - j) * w[j - 1] + (1.0 - u + j) * w[j]) * inverse
        w[0] = (1.0 - u) * w[0] * inverse


@njit(cache=True, nogil=True)
def _inside(x: float, first: float, h: float, cut: float, n: int) -> tuple[int, int]:
    low = max(math.ceil(min((x - cut - first) / h, 1e9)), 0)
    high = min(math.floor(max((x + cut - first) / h, -1e9)), n - 1)
    return low, high


@njit(cache=True, nogil=True)
def _fill(x: float, first: float, h: float, sigma: float, profile: FloatArray) -> tuple[int, int]:
    """Evaluate a Gaussian along one axis where it is not cut; return its first and last voxel."""
    low, high = _inside(x, first, h, CUT * sigma, profile.shape[0])
    for k in range(low, high + 1):
        profile[k - low] = math.exp(-0.5 * ((first + k * h - x) / sigma) ** 2)
    return low, high


@njit(cache=True, nogil=True)
def _add_gaussian(
    point: FloatArray,
    mass: float,
    first: FloatArray,
    h: float,
    sigma: float,
    profiles: tuple[FloatArray, FloatArray, FloatArray],
    out: FloatArray,
) -> None:
    row, column, pile = profiles
    z0, z1 = _fill(point[2], first[2], h, sigma, pile)
    y0, y1 = _fill(point[1], first[1], h, sigma, column)
    x0, x1 = _fill(point[0], first[0], h, sigma, row)
    if x1 < x0 or y1 < y0 or z1 < z0:
        return
    peak = mass / ((2.0 * math.pi) ** 1.5 * sigma**3)
    for a in range(z1 - z0 + 1):
        for b in range(y1 - y0 + 1):
            scale = peak * pile[a] * column[b]
            line = out[z0 + a, y0 + b, x0 : x1 + 1]
            for k in range(line.shape[0]):
                line[k] += scale * row[k]


@njit(cache=True, nogil=True)
def splat(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    first: FloatArray,
    h: float,
    sigma: float,
    out: FloatArray,
) -> None:
    """Add every Gaussian point by point."""
    profiles = (np.empty(out.shape[2]), np.empty(out.shape[1]), np.empty(out.shape[0]))
    for b in range(beads.shape[0]):
        for i in range(block.shape[0]):
            _add_gaussian(block[i, beads[b]], mass[b], first, h, sigma, profiles, out)


@njit(cache=True, nogil=True)
def deposit(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    first: FloatArray,
    widths: tuple[float, float, float],
    lattice: FloatArray,
    out: FloatArray,
) -> None:
    """
    Spread masses on the lattice; a bead too near its edge is added to `out` point by point.

    `widths` are the voxel, the step of the lattice and sigma.
    """
    h, step, sigma = widths
    profiles = (np.empty(out.shape[2]), np.empty(out.shape[1]), np.empty(out.shape[0]))
    wx, wy, wz = np.empty(SUPPORT), np.empty(SUPPORT), np.empty(SUPPORT)
    nz, ny, nx = lattice.shape
    half = 0.5 * (SUPPORT - 2)
    # Bead by bead: one bead of many models stays near, and so in the cache.
    for b in range(beads.shape[0]):
        for i in range(block.shape[0]):
            point = block[i, beads[b]]
            x = min(max((point[0] - first[0]) / step - half, -1e9), 1e9)
            y = min(max((point[1] - first[1]) / step - half, -1e9), 1e9)
            z = min(max((point[2] - first[2]) / step - half, -1e9), 1e9)
            ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
            inside = ix + SUPPORT <= nx and iy + SUPPORT <= ny and iz + SUPPORT <= nz
            if min(ix, iy, iz) < 0 or not inside:
                _add_gaussian(point, mass[b], first, h, sigma, profiles, out)
                continue
            _spline(x - ix, wx)
            _spline(y - iy, wy)
            _spline(z - iz, wz)
            for p in range(SUPPORT):
                plane = mass[b] * wz[p]
                for q in range(SUPPORT):
                    line = plane * wy[q]
                    for r in range(SUPPORT):
                        lattice[iz + p, iy + q, ix + r] += line * wx[r]


@njit(cache=True, nogil=True)
def filter_rows(source: FloatArray, taps: FloatArray, factor: int, out: FloatArray) -> None:
    """
    Convolve along the middle axis with an even kernel and keep every `factor`-th point.

    ``out[:, k] = sum over j of taps[|j|] * source[:, factor * k + j]``; beyond
    the edges the source is zero.
    """
    reach = taps.shape[0] - 1
    part = np.empty(_CHUNK)
    for a in range(out.shape[0]):
        for start in range(0, out.shape[2], _CHUNK):
            width = min(_CHUNK, out.shape[2] - start)
            for k in range(out.shape[1]):
                centre = k * factor
                part[:] = 0.0
                low = max(-reach, -centre)
                high = min(reach, source.shape[1] - 1 - centre)
                for j in range(low, high + 1):
                    tap = taps[abs(j)]
                    line = source[a, centre + j, start : start + width]
                    for c in range(line.shape[0]):
                        part[c] += tap * line[c]
                out[a, k, start : start + width] = part[:width]


@njit(cache=True, nogil=True)
def reference_gaussians(
    points: FloatArray,
    mass: FloatArray,
    first: FloatArray,
    h: float,
    constants: tuple[float, float, float],
    out: FloatArray,
) -> None:
    """Add Gaussians as the reference does: cut, and with its fast exponential."""
    cut, cut2, inverse = constants[0], constants[1], np.float64(constants[2])
    shape = (out.shape[2], out.shape[1], out.shape[0])
    low = np.empty(3, dtype=np.int64)
    high = np.empty(3, dtype=np.int64)
    for i in range(points.shape[0]):
        for axis in range(3):
            low[axis] = max(math.floor((points[i, axis] - cut - first[axis]) / h), 0)
            top = math.floor((points[i, axis] + cut - first[axis]) / h)
            high[axis] = min(top, shape[axis] - 1)
        for a in range(low[2], high[2] + 1):
            z = (first[2] + a * h - points[i, 2]) ** 2
            for b in range(low[1], high[1] + 1):
                y = (first[1] + b * h - points[i, 1]) ** 2
                for k in range(low[0], high[0] + 1):
                    square = z + (y + (first[0] + k * h - points[i, 0]) ** 2)
                    if square <= cut2:
                        exponent = np.float64(np.float32(-square * inverse))
                        out[a, b, k] += mass[i] * _fast_exp(exponent)


@njit(cache=True, nogil=True)
def _fast_exp(x: float) -> float:
    # The high word of the double is linear in x; its low word is zero.
    word = np.int64(1048576.0 / math.log(2.0) * x + (1072693248.0 - 60801.0))
    mantissa = 1.0 + np.float64(word & 0xFFFFF) / 1048576.0
    return math.ldexp(mantissa, int(word >> 20) - 1023)
