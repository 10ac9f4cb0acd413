# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
"""
The work per pair after the matrix products as one kernel, in Triton (with torch on a card).

Twins of `bounded_turned`, `near_turned` and `largest_eigenvalues` in
`congruence.compute._device_stage`, which say what is computed: what takes a
hundred passes over memory there takes one here. Imported only where Triton is.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from congruence.compute._device_stage import MARGIN, STEPS, Found, Pair
from congruence.compute._tiles import _EPS, _QUARTIC_ERROR

__all__ = ["bounded_turned", "largest_eigenvalues", "near_turned"]

_BLOCK = 256
_QUARTIC = _QUARTIC_ERROR * _EPS
_HOW: dict[str, Any] = {"steps": STEPS, "block": _BLOCK, "enable_fp_fusion": True}


@triton.jit
def _entry(covariance, d, e, i, at, rows, columns, inside):
    """Load one of the nine numbers of some pairs of a row."""
    where = covariance + ((d * rows + i) * 3 + e) * columns + at
    return tl.load(where, mask=inside, other=0.0).to(tl.float64)


@triton.jit
def _largest(covariance, one, two, i, at, rows, columns, steps: tl.constexpr):
    """Return what `largest_eigenvalues` returns, and mean squares."""
    inside = at < columns
    xx = _entry(covariance, 0, 0, i, at, rows, columns, inside)
    xy = _entry(covariance, 0, 1, i, at, rows, columns, inside)
    xz = _entry(covariance, 0, 2, i, at, rows, columns, inside)
    yx = _entry(covariance, 1, 0, i, at, rows, columns, inside)
    yy = _entry(covariance, 1, 1, i, at, rows, columns, inside)
    yz = _entry(covariance, 1, 2, i, at, rows, columns, inside)
    zx = _entry(covariance, 2, 0, i, at, rows, columns, inside)
    zy = _entry(covariance, 2, 1, i, at, rows, columns, inside)
    zz = _entry(covariance, 2, 2, i, at, rows, columns, inside)
    scale = 0.5 * (tl.load(one + i) + tl.load(two + at, mask=inside, other=0.0))
    square = xx * xx + xy * xy + xz * xz + yx * yx + yy * yy + yz * yz
    square += zx * zx + zy * zy + zz * zz
    # The cofactors, by the rows of the matrix.
    ax, ay, az = yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx
    bx, by, bz = zy * xz - zz * xy, zz * xx - zx * xz, zx * xy - zy * xx
    cx, cy, cz = xy * yz - xz * yy, xz * yx - xx * yz, xx * yy - xy * yx
    determinant = xx * ax + xy * ay + xz * az
    cofactors = ax * ax + ay * ay + az * az + bx * bx + by * by + bz * bz
    cofactors += cx * cx + cy * cy + cz * cz
    c2, c1, c0 = -2.0 * square, -8.0 * determinant, square * square - 4.0 * cofactors
    value = tl.minimum(scale, tl.sqrt(3.0 * square))
    step = value - tl.sqrt(square / 3.0)
    for _ in range(steps):
        squared = value * value
        inner = (squared + c2) * value
        outer = inner + c1
        slope = 2.0 * squared * value + inner + outer
        wanted = (outer * value + c0) / (slope + 1e-300)
        step = tl.minimum(tl.maximum(wanted, 0.0), step)
        value -= step
    slope = 4.0 * value * value * value + 2.0 * c2 * value + c1
    terms = value * value + square
    return value, slope, 3.0 * step, 0.5 * terms * terms, scale


@triton.jit
def _error(slope, slack, size, scale, factor, quartic: tl.constexpr):
    return size * quartic + scale * slope * factor + slack * slope


@triton.jit
def _eigenvalues(  # noqa: PLR0913 - of a kernel
    covariance,
    one,
    two,
    values,
    slopes,
    slacks,
    sizes,
    rows,
    columns,
    steps: tl.constexpr,
    block: tl.constexpr,
):
    i = tl.program_id(1)
    at = tl.program_id(0) * block + tl.arange(0, block)
    value, slope, slack, size, _ = _largest(covariance, one, two, i, at, rows, columns, steps)
    inside, to = at < columns, i * columns + at
    tl.store(values + to, value, mask=inside)
    tl.store(slopes + to, slope, mask=inside)
    tl.store(slacks + to, slack, mask=inside)
    tl.store(sizes + to, size, mask=inside)


@triton.jit
def _distances(  # noqa: PLR0913 - of a kernel
    covariance,
    one,
    two,
    factor,
    tolerance,
    distances,
    doubts,
    rows,
    columns,
    quartic: tl.constexpr,
    steps: tl.constexpr,
    block: tl.constexpr,
):
    i = tl.program_id(1)
    at = tl.program_id(0) * block + tl.arange(0, block)
    value, slope, slack, size, scale = _largest(covariance, one, two, i, at, rows, columns, steps)
    distance = tl.sqrt(tl.maximum(2.0 * (scale - value), 0.0))
    error = _error(slope, slack, size, scale, tl.load(factor), quartic)
    doubtful = (error > tl.load(tolerance) * distance * slope) | (slope < 0.0)
    inside, to = at < columns, i * columns + at
    tl.store(distances + to, distance, mask=inside)
    tl.store(doubts + to, doubtful, mask=inside)


@triton.jit
def _neighbours(  # noqa: PLR0913 - of a kernel
    covariance,
    one,
    two,
    factor,
    limit,
    nears,
    unsures,
    rows,
    columns,
    margin: tl.constexpr,
    quartic: tl.constexpr,
    steps: tl.constexpr,
    block: tl.constexpr,
):
    i = tl.program_id(1)
    at = tl.program_id(0) * block + tl.arange(0, block)
    value, slope, slack, size, scale = _largest(covariance, one, two, i, at, rows, columns, steps)
    threshold = tl.load(limit)
    beyond = 2.0 * (scale - value) - threshold * threshold
    error = 4.0 * _error(slope, slack, size, scale, tl.load(factor), quartic)
    error += margin * (2.0 * threshold + margin) * slope
    unsure = (tl.abs(beyond) * slope <= error) | (slope < 0.0)
    inside, to = at < columns, i * columns + at
    tl.store(nears + to, beyond <= 0.0, mask=inside)
    tl.store(unsures + to, unsure, mask=inside)


def bounded_turned(xp: Any, covariance: Any, squares: Pair, errors: Pair) -> Pair:
    """Do what `congruence.compute._device_stage.bounded_turned` does; `xp` is not used."""
    covariance = covariance.contiguous()
    shape, grid = _shape(covariance)
    distance = covariance.new_empty(shape, dtype=torch.float64)
    doubtful = covariance.new_empty(shape, dtype=torch.bool)
    words = {"quartic": _QUARTIC, **_HOW}
    with torch.cuda.device_of(covariance):
        _distances[grid](covariance, *squares, *errors, distance, doubtful, *shape, **words)
    return distance, doubtful


def near_turned(xp: Any, covariance: Any, squares: Pair, errors: Pair) -> Pair:
    """Do what `congruence.compute._device_stage.near_turned` does; `xp` is not used."""
    covariance = covariance.contiguous()
    shape, grid = _shape(covariance)
    near, unsure = (covariance.new_empty(shape, dtype=torch.bool) for _ in range(2))
    words = {"margin": MARGIN, "quartic": _QUARTIC, **_HOW}
    with torch.cuda.device_of(covariance):
        _neighbours[grid](covariance, *squares, *errors, near, unsure, *shape, **words)
    return near, unsure


def largest_eigenvalues(xp: Any, covariance: Any, squares: Pair) -> Found:
    """Do what `congruence.compute._device_stage.largest_eigenvalues` does; `xp` is not used."""
    covariance = covariance.contiguous()
    shape, grid = _shape(covariance)
    found = [covariance.new_empty(shape, dtype=torch.float64) for _ in range(4)]
    with torch.cuda.device_of(covariance):
        _eigenvalues[grid](covariance, *squares, *found, *shape, **_HOW)
    return found[0], found[1], found[2], found[3]


def _shape(covariance: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return rows and columns of a product of shape (3,rows,3,columns), and the grid."""
    rows, columns = covariance.shape[1], covariance.shape[3]
    return (rows, columns), (triton.cdiv(columns, _BLOCK), rows)
