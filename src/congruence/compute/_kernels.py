"""The compiled eigenvalue stage; imported only when it is used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._packing import TILE

if TYPE_CHECKING:
    from congruence.typing import BoolArray, FloatArray

__all__ = ["largest_eigenvalues", "pair_overlaps", "still_distances", "superposed_distances"]

_ITERATIONS = 40
_TINY = 1e-300
_HIGHEST, _LOWEST = math.sqrt(3.0), math.sqrt(1.0 / 3.0)  # of an eigenvalue, in |C|

f64 = np.float64  # numba leaves float(x) of single precision as it is


# Without "nnan" and "ninf": a padded or empty model may divide zero by zero.
_compiled = compiled(
    nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
)


@_compiled
def _coefficients(covariance: Any, axes: Any, c0: Any, c1: Any, c2: Any) -> None:
    n = c0.shape[0]
    x, y, z = axes
    for j in range(n):
        xx, yx, zx = f64(covariance[x, j]), f64(covariance[y, j]), f64(covariance[z, j])
        k = n + j
        xy, yy, zy = f64(covariance[x, k]), f64(covariance[y, k]), f64(covariance[z, k])
        k = 2 * n + j
        xz, yz, zz = f64(covariance[x, k]), f64(covariance[y, k]), f64(covariance[z, k])
        fxx, fxy, fxz = yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx
        fyx, fyy, fyz = zy * xz - zz * xy, zz * xx - zx * xz, zx * xy - zy * xx
        fzx, fzy, fzz = xy * yz - xz * yy, xz * yx - xx * yz, xx * yy - xy * yx
        square = (
            (xx * xx + xy * xy + xz * xz)
            + (yx * yx + yy * yy + yz * yz)
            + (zx * zx + zy * zy + zz * zz)
        )
        cofactors = (
            (fxx * fxx + fxy * fxy + fxz * fxz)
            + (fyx * fyx + fyy * fyy + fyz * fyz)
            + (fzx * fzx + fzy * fzy + fzz * fzz)
        )
        c2[j] = -2.0 * square
        c1[j] = -8.0 * (xx * fxx + xy * fxy + xz * fxz)
        c0[j] = square * square - 4.0 * cofactors


@_compiled
def _begin(one: float, two: Any, c2: Any, value: Any, step: Any) -> None:
    for j in range(value.shape[0]):
        size = np.sqrt(-0.5 * c2[j])
        value[j] = min(0.5 * (one + two[j]), _HIGHEST * size)
        step[j] = value[j] - _LOWEST * size


@_compiled
def _newton(c0: Any, c1: Any, c2: Any, value: Any, step: Any) -> int:
    moving = 0
    for j in range(value.shape[0]):
        v = value[j]
        squared = v * v
        inner = (squared + c2[j]) * v
        outer = inner + c1[j]
        slope = 2.0 * squared * v + inner + outer
        s = min(max((outer * v + c0[j]) / (slope + _TINY), 0.0), step[j])
        v -= s
        step[j] = s
        value[j] = v
        moving += s * s > 1e-22 * v * v
    return moving


@_compiled
def _row(covariance: Any, axes: Any, one: float, two: Any, work: Any) -> None:
    """
    Leave the eigenvalues of a row of pairs, and the coefficients, in the work space.

    `axes` are the rows of the covariance that are x, y and z of the first model.
    """
    c0, c1, c2, value, step = work[0], work[1], work[2], work[3], work[4]
    _coefficients(covariance, axes, c0, c1, c2)
    _begin(one, two, c2, value, step)
    for _ in range(_ITERATIONS):
        if _newton(c0, c1, c2, value, step) == 0:
            break


@_compiled
def _slope(value: float, c1: float, c2: float) -> float:
    return 4.0 * value * value * value + 2.0 * c2 * value + c1


@_compiled
def _eigenvalues(covariance: Any, one: Any, two: Any, values: Any, slopes: Any) -> None:
    n = two.shape[0]
    work = np.empty((5, n))
    for i in range(n):
        _row(covariance, (i, n + i, 2 * n + i), one[i], two, work)
        for j in range(n):
            values[i, j] = work[3, j]
            slopes[i, j] = _slope(work[3, j], work[1, j], work[2, j])


@_compiled
def _distances(
    covariance: Any, one: Any, two: Any, bounds: Any, distances: Any, doubtful: Any
) -> int:
    n = two.shape[0]
    work = np.empty((5, n))
    factor, quartic, tolerance = bounds
    found = 0
    for i in range(n):
        _row(covariance, (i, n + i, 2 * n + i), one[i], two, work)
        c1, c2, value = work[1], work[2], work[3]
        for j in range(n):
            v = value[j]
            slope = _slope(v, c1[j], c2[j])
            scale = 0.5 * (one[i] + two[j])
            distance = np.sqrt(max(2.0 * (scale - v), 0.0))
            reach = min(scale, 3.0 * v)  # see `unsure` of `_eigen`
            reach *= reach
            error = reach * reach * quartic + slope * factor * scale
            unsure = (error > tolerance * distance * slope) | (slope < 0.0)
            distances[i, j] = distance
            doubtful[i, j] = unsure
            found += unsure
    return found


@_compiled
def _still(overlaps: Any, one: Any, two: Any, bounds: Any, distances: Any, doubtful: Any) -> int:
    factor, _, tolerance = bounds
    found = 0
    for i in range(one.shape[0]):
        for j in range(two.shape[0]):
            scale = 0.5 * (one[i] + two[j])
            distance = np.sqrt(max(2.0 * (scale - f64(overlaps[i, j])), 0.0))
            unsure = scale * factor > tolerance * distance
            distances[i, j] = distance
            doubtful[i, j] = unsure
            found += unsure
    return found


def pair_overlaps(products: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return the best overlaps of pairs, and the slopes of the quartic there.

    From products (3,3,p) and sums of both squares (p,).
    """
    work = np.empty((5, len(squares)))
    _row(products.reshape(3, -1), (0, 1, 2), 0.0, squares, work)
    overlaps: FloatArray = work[3]
    slopes: FloatArray = (4.0 * overlaps**2 + 2.0 * work[2]) * overlaps + work[1]
    return overlaps, slopes


def largest_eigenvalues(
    covariance: Any, one: FloatArray, two: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve one tile as `congruence.compute._eigen.largest_eigenvalues` does."""
    values = np.empty((TILE, TILE))
    slopes = np.empty((TILE, TILE))
    _eigenvalues(covariance, one, two, values, slopes)
    return values, slopes


def superposed_distances(
    covariance: Any, one: FloatArray, two: FloatArray, bounds: tuple[float, float, float]
) -> tuple[FloatArray, BoolArray, int]:
    """Do what `congruence.compute._eigen.superposed_distances` does, in one go."""
    distances = np.empty((TILE, TILE))
    doubtful = np.empty((TILE, TILE), dtype=np.bool_)
    found = _distances(covariance, one, two, bounds, distances, doubtful)
    return distances, doubtful, found


def still_distances(
    overlaps: Any, one: FloatArray, two: FloatArray, bounds: tuple[float, float, float]
) -> tuple[FloatArray, BoolArray, int]:
    """Do what `congruence.compute._eigen.still_distances` does, in one go."""
    distances = np.empty((TILE, TILE))
    doubtful = np.empty((TILE, TILE), dtype=np.bool_)
    found = _still(overlaps, one, two, bounds, distances, doubtful)
    return distances, doubtful, found
