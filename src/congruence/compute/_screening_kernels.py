"""Compiled loops of screening; imported only when they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._kernels import _coefficients
from congruence.compute._screening import BLOCK, ROUNDING

__all__ = ["overlaid_sides", "pair_products", "pair_squares", "still_sides"]

_compiled = compiled(nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@_compiled
def overlaid_sides(
    covariance: Any, squares: Any, residuals: Any, levels: Any, near: Any, unsure: Any
) -> None:
    """Do what `congruence.compute._screening.open_sides` does after superposition."""
    (one, two), (left, right), (low, high, factor) = squares, residuals, levels
    rows, columns = near.shape
    c0, c1, c2 = np.empty(columns), np.empty(columns), np.empty(columns)
    for i in range(rows):
        _coefficients(covariance, (i, rows + i, 2 * rows + i), c0, c1, c2)
        for j in range(columns):
            total = one[i] + two[j]
            slack, scale = factor * total, 0.5 * total
            plus, minus = left[i] + right[j], left[i] - right[j]
            a = 0.5 * (total + minus * minus - slack - high)
            b = 0.5 * (total + plus * plus + slack - low)
            q2 = ROUNDING * scale * scale
            q1, q0 = q2 * scale, q2 * scale * scale
            far = (
                (a > 0.0)
                & (((a * a + c2[j]) * a + c1[j]) * a + c0[j] > q0)
                & ((4.0 * a * a + 2.0 * c2[j]) * a + c1[j] > q1)
                & (12.0 * a * a + 2.0 * c2[j] > q2)
            )
            sure = (
                (b <= 0.0)
                | (((b * b + c2[j]) * b + c1[j]) * b + c0[j] < -q0)
                | ((4.0 * b * b + 2.0 * c2[j]) * b + c1[j] < -q1)
                | (12.0 * b * b + 2.0 * c2[j] < -q2)
            )
            near[i, j] = sure
            unsure[i, j] = (not sure) & (not far)


@_compiled
def still_sides(
    overlap: Any, squares: Any, residuals: Any, levels: Any, near: Any, unsure: Any
) -> None:
    """Do what `congruence.compute._screening.open_sides` does of models as they are."""
    (one, two), (left, right), (low, high, factor) = squares, residuals, levels
    for i in range(near.shape[0]):
        for j in range(near.shape[1]):
            total = one[i] + two[j]
            square = total - 2.0 * np.float64(overlap[i, j])
            plus, minus = left[i] + right[j], left[i] - right[j]
            sure = square + plus * plus + factor * total <= low
            near[i, j] = sure
            unsure[i, j] = (not sure) & (square + minus * minus - factor * total <= high)


@_compiled
def _nine(ax: Any, ay: Any, az: Any, bx: Any, by: Any, bz: Any, out: Any) -> None:
    """Add up the products of all coordinates of a few beads."""
    zero = np.float32(0.0)
    xx, xy, xz, yx, yy, yz, zx, zy, zz = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    for k in range(ax.shape[0]):
        xx += ax[k] * bx[k]
        xy += ax[k] * by[k]
        xz += ax[k] * bz[k]
        yx += ay[k] * bx[k]
        yy += ay[k] * by[k]
        yz += ay[k] * bz[k]
        zx += az[k] * bx[k]
        zy += az[k] * by[k]
        zz += az[k] * bz[k]
    out[0, 0] += xx
    out[0, 1] += xy
    out[0, 2] += xz
    out[1, 0] += yx
    out[1, 1] += yy
    out[1, 2] += yz
    out[2, 0] += zx
    out[2, 1] += zy
    out[2, 2] += zz


@_compiled
def _square(a: Any, b: Any) -> float:
    total = np.float32(0.0)
    for k in range(a.shape[0]):
        off = a[k] - b[k]
        total += off * off
    return np.float64(total)


@_compiled
def pair_products(one: Any, two: Any, rows: Any, columns: Any, out: Any) -> None:
    """Fill in the products of the x, y and z of pairs of models, shape (3,3,p)."""
    n = one.shape[2]
    c = np.empty((3, 3))
    for p in range(rows.shape[0]):
        a, b = one[rows[p]], two[columns[p]]
        c[:] = 0.0
        for begin in range(0, n, BLOCK):
            few = slice(begin, min(begin + BLOCK, n))
            _nine(a[0][few], a[1][few], a[2][few], b[0][few], b[1][few], b[2][few], c)
        out[:, :, p] = c


@_compiled
def pair_squares(one: Any, two: Any, rows: Any, columns: Any, out: Any) -> None:
    """Fill in the sums of squared differences of pairs of models, shape (p,)."""
    n = one.shape[2]
    for p in range(rows.shape[0]):
        a, b = one[rows[p]], two[columns[p]]
        total = 0.0
        for d in range(3):
            for begin in range(0, n, BLOCK):
                few = slice(begin, min(begin + BLOCK, n))
                total += _square(a[d][few], b[d][few])
        out[p] = total
