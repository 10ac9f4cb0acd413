"""The compiled loops that add Gaussians themselves: those at the edge of a grid, and the reference's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_window import CUT

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

_compiled = compiled(nogil=True)


@_compiled
def holds(x: float, y: float, z: float, width: int, shape: tuple[int, int, int]) -> bool:
    """Say whether the window that starts there is all inside."""
    nx, ny, nz = shape
    low = x >= 0 and y >= 0 and z >= 0
    return low and x < nx - width + 1 and y < ny - width + 1 and z < nz - width + 1


@_compiled
def _inside(x: float, first: float, h: float, cut: float, n: int) -> tuple[int, int]:
    low = max(math.ceil(min((x - cut - first) / h, 1e9)), 0)
    high = min(math.floor(max((x + cut - first) / h, -1e9)), n - 1)
    return low, high


@_compiled
def _fill(x: float, first: float, h: float, sigma: float, profile: FloatArray) -> tuple[int, int]:
    """Evaluate a Gaussian along one axis where it is not cut; return its first and last voxel."""
    low, high = _inside(x, first, h, CUT * sigma, profile.shape[0])
    for k in range(low, high + 1):
        profile[k - low] = math.exp(-0.5 * ((first + k * h - x) / sigma) ** 2)
    return low, high


@_compiled
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


@_compiled
def splat_outside(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    frame: tuple[float, float, float, float],
    scale: tuple[float, int],
    out: FloatArray,
) -> None:
    """Add the Gaussians of beads whose window is not all inside; `scale`: sigma, width."""
    h, inverse = frame[3], 1.0 / frame[3]
    sigma, width = scale
    nz, ny, nx = out.shape
    half, first = 0.5 * (width - 2), np.array(frame[:3])
    profiles = (np.empty(nx), np.empty(ny), np.empty(nz))
    for i in range(block.shape[0]):
        for b in range(beads.shape[0]):
            point = block[i, beads[b]]
            x = (point[0] - first[0]) * inverse - half
            y = (point[1] - first[1]) * inverse - half
            z = (point[2] - first[2]) * inverse - half
            if not holds(x, y, z, width, (nx, ny, nz)):
                _add_gaussian(point, mass[b], first, h, sigma, profiles, out)


@_compiled
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


@_compiled
def _fast_exp(x: float) -> float:
    # The high word of the double is linear in x; its low word is zero.
    word = np.int64(1048576.0 / math.log(2.0) * x + (1072693248.0 - 60801.0))
    mantissa = 1.0 + np.float64(word & 0xFFFFF) / 1048576.0
    return math.ldexp(mantissa, int(word >> 20) - 1023)
