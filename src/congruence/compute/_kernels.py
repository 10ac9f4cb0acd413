"""The compiled eigenvalue stage; imported only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._packing import TILE

if TYPE_CHECKING:
    from congruence.typing import FloatArray

__all__ = ["largest_eigenvalues"]

_ITERATIONS = 40
_TINY = 1e-300


# Without "nnan" and "ninf": a padded or empty model may divide zero by zero.
_compiled = compiled(
    nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
)


@_compiled
def _coefficients(c: Any, c0: Any, c1: Any, c2: Any) -> None:
    for j in range(c0.shape[0]):
        xx, xy, xz = c[0, j], c[1, j], c[2, j]
        yx, yy, yz = c[3, j], c[4, j], c[5, j]
        zx, zy, zz = c[6, j], c[7, j], c[8, j]
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
def _tile(covariance: Any, one: Any, two: Any, values: Any, slopes: Any) -> None:
    size = one.shape[0]
    c = np.empty((9, size))
    c0, c1, c2 = np.empty(size), np.empty(size), np.empty(size)
    value, step = np.empty(size), np.empty(size)
    for i in range(size):
        for d in range(3):
            for e in range(3):
                for j in range(size):
                    c[3 * d + e, j] = covariance[d * size + i, e * size + j]
        _coefficients(c, c0, c1, c2)
        for j in range(size):
            value[j] = 0.5 * (one[i] + two[j])
            step[j] = value[j]
        for _ in range(_ITERATIONS):
            if _newton(c0, c1, c2, value, step) == 0:
                break
        for j in range(size):
            v = value[j]
            values[i, j] = v
            slopes[i, j] = 4.0 * v * v * v + 2.0 * c2[j] * v + c1[j]


def largest_eigenvalues(
    covariance: Any, one: FloatArray, two: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Solve one tile as `congruence.compute._eigen.largest_eigenvalues` does."""
    values = np.empty((TILE, TILE))
    slopes = np.empty((TILE, TILE))
    _tile(covariance, one, two, values, slopes)
    return values, slopes
