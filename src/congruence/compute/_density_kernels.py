"""
The compiled loops of localization densities.

Sums have one order: a thread owns planes of the lattice, goes through all
beads in their order, and adds to its own planes only.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.extending import intrinsic

from congruence.compute._compiling import compiled
from congruence.compute._density_window import CUT, LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._density_window import Window
    from congruence.core.grid import Grid
    from congruence.typing import FloatArray, IntArray

_compiled = compiled(nogil=True)

_NEAR = 1 << 20
_BEADS = (128, 2)
_COLUMNS = 64
_POINTS_PER_THREAD = 1 << 14


def add(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    grid: Grid,
    window: Window,
    lattice: FloatArray,
    extra: Callable[[], FloatArray],
    threads: int,
) -> None:
    """
    Add the window of every bead to the lattice.

    Gaussians of beads whose window is not all in the grid go to what `extra`
    returns, which is of the lattice's shape and not filtered.
    """
    frame, size = (*grid.origin, grid.voxel), (grid.shape[0], window.width)
    many = len(block) * len(beads)
    heights = block[:, beads[:: 1 + many // _POINTS_PER_THREAD], 2]
    parts = _slabs(heights, grid, min(threads, 1 + many // _POINTS_PER_THREAD))
    spread = partial(_spread, block, beads, mass, frame, size, window.table, lattice)
    if max(_each(spread, parts)):
        scale = (window.sigma, window.width)
        _splat_outside(block, beads, mass, frame, scale, extra()[:, :, : grid.shape[0]])


def smooth(lattice: FloatArray, taps: FloatArray, threads: int) -> None:
    """Convolve a lattice with an even kernel along all axes, in place; it is zero beyond its edges."""
    taps = np.pad(taps, (0, -(len(taps) - 1) % 4))
    nz, ny, nx = lattice.shape
    columns = lattice.reshape(1, nz, ny * nx)
    _each(lambda span: _filter_columns(columns, taps, *span), _spans(ny * nx, threads))
    _each(
        lambda span: _filter_columns(lattice[span[0] : span[1]], taps, 0, nx), _spans(nz, threads)
    )
    rows = lattice.reshape(nz * ny, nx)
    _each(lambda span: _filter_rows(rows[span[0] : span[1]], taps), _spans(nz * ny, threads))


def _each(job: Callable[[tuple[int, int]], Any], parts: list[tuple[int, int]]) -> list[Any]:
    if len(parts) == 1:
        return [job(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(job, parts))


def _spans(count: int, threads: int) -> list[tuple[int, int]]:
    ends = np.linspace(0, count, min(threads, count) + 1).astype(int).tolist()
    return list(pairwise(ends))


def _slabs(heights: FloatArray, grid: Grid, threads: int) -> list[tuple[int, int]]:
    """Divide planes so that each part gets as many beads; the sums do not depend on it."""
    nz = grid.shape[2]
    shares = np.quantile(heights, np.arange(1, threads) / threads) if threads > 1 else np.empty(0)
    inner = np.clip((shares - grid.origin[2]) / grid.voxel, 0, nz).astype(int)
    ends = sorted({0, *inner.tolist(), nz})
    return list(pairwise(ends))


def _vectors(context: Any, builder: Any, signature: Any) -> tuple[Any, Any]:
    """Return how code for a processor points to LANES values of an argument, and repeats a number."""
    from llvmlite import ir  # type: ignore[import-untyped]

    vector, index = ir.VectorType(ir.DoubleType(), LANES), ir.IntType(32)
    empty = ir.Constant(vector, ir.Undefined)
    every = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)

    def pointer(arguments: Any, which: int, at: Any) -> Any:
        array = context.make_array(signature.args[which])(context, builder, arguments[which])
        return builder.bitcast(builder.gep(array.data, [at]), vector.as_pointer())

    def repeated(number: Any) -> Any:
        lone = builder.insert_element(empty, number, ir.Constant(index, 0))
        return builder.shuffle_vector(lone, empty, every)

    return pointer, repeated


def _row_added(context: Any, into: Any, at: Any, scale: Any, row: Any, start: Any) -> Any:
    """
    Add ``scale * row[start : start + LANES]`` to ``into[at : at + LANES]``; bounds are not checked.

    The compiler makes no vectors of loops of so few steps. Product and sum
    are rounded each, so that every processor gives the same bits.
    """
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, repeated = _vectors(context, builder, signature)
        target = pointer(arguments, 0, arguments[1])
        weights = builder.load(pointer(arguments, 3, arguments[4]), align=8)
        more = builder.fmul(repeated(arguments[2]), weights)
        builder.store(builder.fadd(builder.load(target, align=8), more), target, align=8)
        return context.get_dummy_value()

    return types.void(into, at, scale, row, start), code


def _rows_mixed(
    context: Any, into: Any, at: Any, one: Any, two: Any, table: Any, first: Any, second: Any
) -> Any:
    """Set LANES values to ``one * table[first :] + two * table[second :]``; as `_row_added`."""
    from numba import types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, repeated = _vectors(context, builder, signature)
        parts = [
            builder.fmul(repeated(scale), builder.load(pointer(arguments, 4, start), align=8))
            for scale, start in zip(arguments[2:4], arguments[5:], strict=True)
        ]
        builder.store(builder.fadd(*parts), pointer(arguments, 0, arguments[1]), align=8)
        return context.get_dummy_value()

    return types.void(into, at, one, two, table, first, second), code


_add_row: Any = intrinsic(_row_added)
_mix_rows: Any = intrinsic(_rows_mixed)


@_compiled
def _weigh(
    place: float, scale: float, table: FloatArray, rows: int, lanes: int, weights: FloatArray
) -> None:
    """Read the weights of a window from its flat table, linear between rows."""
    row = int(place * rows)
    part = place * rows - row
    one, two = scale * (1.0 - part), scale * part
    for c in range(0, lanes, LANES):
        at = row * lanes + c
        _mix_rows(weights, c, one, two, table, at, at + lanes)


@_compiled
def _holds(x: float, y: float, z: float, width: int, shape: tuple[int, int, int]) -> bool:
    """Say whether the window that starts there is all inside."""
    nx, ny, nz = shape
    low = x >= 0 and y >= 0 and z >= 0
    return low and x < nx - width + 1 and y < ny - width + 1 and z < nz - width + 1


@_compiled
def _spread(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    frame: tuple[float, float, float, float],
    size: tuple[int, int],
    table: FloatArray,
    lattice: FloatArray,
    planes: tuple[int, int],
) -> int:
    """
    Add windows to some planes; return how many beads have none all inside.

    `frame` is the first point of the lattice and the voxel, `size` how many
    points of a row count and the width of windows.
    """
    x0, y0, z0, h = frame
    nx, width = size
    low, high = planes
    nz, ny, row = lattice.shape
    rows, lanes = table.shape[0] - 2, table.shape[1]
    flat, weights, inverse, half = (
        lattice.reshape(-1),
        table.reshape(-1),
        1.0 / h,
        0.5 * (width - 2),
    )
    wx, wy, wz = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    outside = 0
    # Where the lattice is larger than caches, few beads of all models at a time: their windows
    # stay near. Else more, since windows that overlap wait for each other.
    some = _BEADS[0] if lattice.size <= _NEAR else _BEADS[1]
    for start in range(0, beads.shape[0], some):
        for i in range(block.shape[0]):
            for b in range(start, min(start + some, beads.shape[0])):
                bead = beads[b]
                x = (block[i, bead, 0] - x0) * inverse - half
                y = (block[i, bead, 1] - y0) * inverse - half
                z = (block[i, bead, 2] - z0) * inverse - half
                if not _holds(x, y, z, width, (nx, ny, nz)):
                    outside += 1
                    continue
                ix, iy, iz = int(x), int(y), int(z)
                if iz >= high or iz + width <= low:
                    continue
                _weigh(x - ix, 1.0, weights, rows, lanes, wx)
                _weigh(y - iy, 1.0, weights, rows, lanes, wy)
                _weigh(z - iz, mass[b], weights, rows, lanes, wz)
                for p in range(max(iz, low), min(iz + width, high)):
                    at = (p * ny + iy) * row + ix
                    plane = wz[p - iz]
                    for q in range(width):
                        for c in range(0, lanes, LANES):
                            _add_row(flat, at + c, plane * wy[q], wx, c)
                        at += row
    return outside


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
def _splat_outside(
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
            if not _holds(x, y, z, width, (nx, ny, nz)):
                _add_gaussian(point, mass[b], first, h, sigma, profiles, out)


@_compiled
def _add_pairs(part: FloatArray, at: int, step: int, taps: FloatArray, total: FloatArray) -> None:
    """Add the values `step`, 2 `step`, ... before and after those from `at` on; four taps at once."""
    n = total.shape[0]
    for j in range(1, taps.shape[0], 4):
        t1, t2, t3, t4 = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
        d1, d2, d3, d4 = j * step, (j + 1) * step, (j + 2) * step, (j + 3) * step
        b1, a1 = part[at - d1 : at - d1 + n], part[at + d1 : at + d1 + n]
        b2, a2 = part[at - d2 : at - d2 + n], part[at + d2 : at + d2 + n]
        b3, a3 = part[at - d3 : at - d3 + n], part[at + d3 : at + d3 + n]
        b4, a4 = part[at - d4 : at - d4 + n], part[at + d4 : at + d4 + n]
        for c in range(n):
            near = t1 * (b1[c] + a1[c]) + t2 * (b2[c] + a2[c])
            total[c] += near + (t3 * (b3[c] + a3[c]) + t4 * (b4[c] + a4[c]))


@_compiled
def _filter_columns(lattice: FloatArray, taps: FloatArray, start: int, stop: int) -> None:
    """Convolve along the middle axis, some columns of the last at a time."""
    reach, n = taps.shape[0] - 1, lattice.shape[1]
    part = np.zeros((n + 2 * reach, _COLUMNS))
    flat, total = part.reshape(-1), np.empty(_COLUMNS)
    for a in range(lattice.shape[0]):
        for left in range(start, stop, _COLUMNS):
            width = min(_COLUMNS, stop - left)
            low, high = n, -1
            for k in range(n):
                part[k + reach, :width] = lattice[a, k, left : left + width]
                if part[k + reach].any():
                    low, high = min(low, k), k
            for k in range(max(low - reach, 0), min(high + reach + 1, n)):
                total[:] = taps[0] * part[k + reach]
                _add_pairs(flat, (k + reach) * _COLUMNS, _COLUMNS, taps, total)
                lattice[a, k, left : left + width] = total[:width]


@_compiled
def _filter_rows(rows: FloatArray, taps: FloatArray) -> None:
    """Convolve along the last axis."""
    reach, n = taps.shape[0] - 1, rows.shape[1]
    part = np.zeros(n + 2 * reach)
    for a in range(rows.shape[0]):
        row = rows[a]
        if row.any():
            part[reach : reach + n] = row
            row *= taps[0]
            _add_pairs(part, reach, 1, taps, row)


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
