"""
The compiled filter of localization densities; each value is one sum, whoever makes it.

Grids are large, and what is not in the cache is far away: what no window
reaches is not looked at, and what is filtered along one axis is put into the map
itself, where both others follow plane by plane.
Sums of models are float64; they are filtered in float32, of which the map is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_vectors import filter_four, filter_one, filter_two
from congruence.compute._density_window import COLUMNS, LANES, aligned_zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import Float32Array, FloatArray, IntArray

_compiled = compiled(nogil=True)

_TWO, _FOUR = 2 * LANES, 4 * LANES
_BAND = 32


def finish(
    lattice: FloatArray,
    extra: FloatArray | None,
    taps: FloatArray,
    spans: IntArray,
    scale: float,
    mean: Float32Array,
    threads: int,
) -> None:
    """
    Convolve a lattice with an even kernel along all axes, add the extra, scale and write.

    The lattice is zero beyond its edges. `spans` are the first and the last
    plane that may hold something, of each row and of COLUMNS columns at a
    time. `mean` is zero before.
    """
    reach, weights = len(taps) - 1, taps.astype(np.float32)
    first, last = spans[0] - reach, spans[1] + reach
    held = spans[1] >= spans[0]
    (nz, ny, row), side = lattice.shape, -(-reach // LANES) * LANES
    room = partial(aligned_zeros, dtype=np.float32)

    def filter_rows(rows: tuple[int, int]) -> None:
        work = (room(nz + 2 * reach, COLUMNS), room(COLUMNS))
        _filter_columns(lattice, weights, spans, mean, work, rows)

    each(filter_rows, shares(np.where(held, last - first + 1, 0).sum(axis=1), threads))
    if extra is not None:
        first, last = np.zeros_like(first), np.full_like(last, len(lattice))
        held = np.ones_like(held)
    first, last = np.where(held, first, len(lattice)), np.where(held, last, -1)
    planes = np.arange(len(lattice) + 1)
    begun, ended = (np.searchsorted(np.sort(ends[held]), planes) for ends in (first - 1, last))
    apart = lattice[:0] if extra is None else extra

    def write(planes: tuple[int, int]) -> None:
        work = (room(ny + 2 * reach, row), room(_BAND, row + 4 * side), room(row))
        _write_planes(apart, weights, (first, last), scale, mean, work, planes)

    each(write, shares((begun - ended)[:-1] + 1, threads))


def each(job: Callable[[tuple[int, int]], Any], parts: list[tuple[int, int]]) -> list[Any]:
    """Do a job for all parts, each on a thread of its own."""
    if len(parts) == 1:
        return [job(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(job, parts))


def shares(work: IntArray, threads: int) -> list[tuple[int, int]]:
    """Divide a row of jobs so that each thread gets as much work."""
    done = np.cumsum(work)
    inner = np.searchsorted(done, np.arange(1, threads) * (done[-1] / threads))
    return list(pairwise(sorted({0, *inner.tolist(), len(work)})))


@_compiled
def _filter_line(
    into: Float32Array,
    to: int,
    part: Float32Array,
    at: int,
    step: int,
    taps: Float32Array,
    count: int,
) -> None:
    """Convolve `count` values, a multiple of LANES, that follow each other."""
    reach, c = taps.shape[0] - 1, 0
    while c + _FOUR <= count:
        filter_four(into, to + c, part, at + c, step, taps, reach)
        c += _FOUR
    if c + _TWO <= count:
        filter_two(into, to + c, part, at + c, step, taps, reach)
        c += _TWO
    if c < count:
        filter_one(into, to + c, part, at + c, step, taps, reach)


@_compiled
def _copy(into: Float32Array, source: Any) -> None:
    for i in range(source.shape[0]):
        into[i] = source[i]


@_compiled
def _write(into: Float32Array, line: Float32Array, extra: FloatArray, scale: float) -> None:
    """Write scaled sums of a line and of what is extra, if there is such."""
    single = np.float32(scale)
    if extra.shape[0]:
        apart = extra[0]
        for c in range(into.shape[0]):
            into[c] = (line[c] + apart[c]) * scale
    else:
        for c in range(into.shape[0]):
            into[c] = line[c] * single


@_compiled
def _filter_columns(
    lattice: FloatArray,
    taps: Float32Array,
    spans: IntArray,
    into: Float32Array,
    work: tuple[Float32Array, Float32Array],
    rows: tuple[int, int],
) -> None:
    """Convolve some rows of all planes along the first axis; `work` is room for this."""
    (part, line), (nz, _, row), nx = work, lattice.shape, into.shape[2]
    reach, source = taps.shape[0] - 1, part.reshape(-1)
    for y in range(rows[0], rows[1]):
        for c in range(spans.shape[2]):
            low, high = spans[0, y, c], spans[1, y, c]
            if high < low:
                continue
            left = c * COLUMNS
            width = min(COLUMNS, row - left)
            # Plane k is at k + reach; what is left of the columns before is around it.
            part[max(low - reach, 0) : low + reach] = 0.0
            for k in range(low, high + 1):
                _copy(part[k + reach], lattice[k, y, left : left + width])
            part[high + reach + 1 : high + 3 * reach + 1] = 0.0
            for k in range(max(low - reach, 0), min(high + reach + 1, nz)):
                _filter_line(line, 0, source, (k + reach) * COLUMNS, COLUMNS, taps, width)
                _copy(into[k, y, left:], line[: max(min(width, nx - left), 0)])


@_compiled
def _held(
    spans: tuple[IntArray, IntArray], plane: int, rows: tuple[int, int], row: int
) -> tuple[int, int]:
    """Return the first column that some rows of a plane may hold, and the one after the last."""
    first, last = spans
    low, high = first.shape[1], -1
    for y in range(max(rows[0], 0), min(rows[1], first.shape[0])):
        for c in range(first.shape[1]):
            if first[y, c] <= plane <= last[y, c]:
                low, high = min(low, c), max(high, c)
    return low * COLUMNS, min((high + 1) * COLUMNS, row)


@_compiled
def _write_planes(
    extra: FloatArray,
    taps: Float32Array,
    spans: tuple[IntArray, IntArray],
    scale: float,
    mean: Float32Array,
    work: tuple[Float32Array, Float32Array, Float32Array],
    planes: tuple[int, int],
) -> None:
    """Convolve some planes along both axes, a band of rows at a time, which stays in the cache; write."""
    near, (_, ny, nx) = work[0], mean.shape
    reach, row = taps.shape[0] - 1, near.shape[1]
    for k in range(planes[0], planes[1]):
        left, right = _held(spans, k, (0, ny), row)
        for y in range(ny if left < right else 0):
            _copy(near[y + reach, left : min(right, nx)], mean[k, y, left:right])
        for top in range(0, ny, _BAND):
            end = min(top + _BAND, ny)
            columns = _held(spans, k, (top - reach, end + reach), row)
            if columns[0] < columns[1]:
                apart, rows = extra[k : k + 1, top:end], near[top:]
                _write_band(mean[k, top:end], rows, work[1:], taps, columns, apart, scale)


@_compiled
def _write_band(
    into: Float32Array,
    near: Float32Array,
    work: tuple[Float32Array, Float32Array],
    taps: Float32Array,
    columns: tuple[int, int],
    extra: FloatArray,
    scale: float,
) -> None:
    """Convolve some rows along both axes and write them."""
    (band, line), (left, right) = work, columns
    source, middle, row, long = near.reshape(-1), band.reshape(-1), near.shape[1], band.shape[1]
    reach, side = taps.shape[0] - 1, (long - row) // 4
    for c in range(left, right, COLUMNS):
        width = min(COLUMNS, right - c)
        for y in range(into.shape[0]):
            to, at = y * long + 2 * side + c, (y + reach) * row + c
            _filter_line(middle, to, source, at, row, taps, width)
    low, high = max(left - side, 0), min(right + side, row)
    for y in range(into.shape[0]):
        band[y, left : left + 2 * side] = 0.0
        band[y, right + 2 * side : right + 4 * side] = 0.0
        _filter_line(line, 0, middle, y * long + 2 * side + low, 1, taps, high - low)
        _write(into[y, low : min(high, into.shape[1])], line, extra[:, y, low:high], scale)
