"""
The compiled filter of localization densities; each value is one sum, whoever makes it.

Grids are large, and what is not in the cache is far away: what no window
reaches is not looked at, and the last two axes are filtered on the way to the map.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_vectors import filter_four, filter_one
from congruence.compute._density_window import COLUMNS, LANES, aligned_zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import Float32Array, FloatArray, IntArray

_compiled = compiled(nogil=True)

_FOUR = 4 * LANES
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

    The lattice is zero beyond its edges, and is not kept. `spans` are the
    first and the last plane that may hold something, of each row and of
    COLUMNS columns at a time. `mean` is zero before.
    """
    reach = len(taps) - 1
    first, last = spans[0] - reach, spans[1] + reach
    held = spans[1] >= spans[0]
    (nz, _, row), side = lattice.shape, -(-reach // LANES) * LANES
    each(
        lambda rows: _filter_columns(
            lattice, taps, spans, aligned_zeros(nz + 2 * reach, COLUMNS), rows
        ),
        shares(np.where(held, last - first + 1, 0).sum(axis=1), threads),
    )
    if extra is not None:
        first, last = np.zeros_like(first), np.full_like(last, len(lattice))
        held = np.ones_like(held)
    first, last = np.where(held, first, len(lattice)), np.where(held, last, -1)
    planes = np.arange(len(lattice) + 1)
    begun, ended = (np.searchsorted(np.sort(ends[held]), planes) for ends in (first - 1, last))
    apart = lattice[:0] if extra is None else extra

    def write(planes: tuple[int, int]) -> None:
        near, band = aligned_zeros(_BAND + 2 * reach, row), aligned_zeros(_BAND, row + 4 * side)
        work = (near, band, aligned_zeros(row))
        _write_planes((lattice, apart), taps, (first, last), scale, mean, work, planes)

    each(
        write,
        shares((begun - ended)[:-1] + 1, threads),
    )


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
    into: FloatArray, to: int, part: FloatArray, at: int, step: int, taps: FloatArray, count: int
) -> None:
    """Convolve `count` values, a multiple of LANES, that follow each other."""
    reach, c = taps.shape[0] - 1, 0
    while c + _FOUR <= count:
        filter_four(into, to + c, part, at + c, step, taps, reach)
        c += _FOUR
    while c < count:
        filter_one(into, to + c, part, at + c, step, taps, reach)
        c += LANES


@_compiled
def _copy(into: FloatArray, source: FloatArray) -> None:
    for i in range(source.shape[0]):
        into[i] = source[i]


@_compiled
def _copy_rows(into: FloatArray, plane: FloatArray, start: int, stop: int) -> None:
    """Copy some rows of a plane, which are zero where it has none."""
    for y in range(start, stop):
        if 0 <= y < plane.shape[0]:
            _copy(into[y - start], plane[y])
        else:
            into[y - start] = 0.0


@_compiled
def _write(into: Float32Array, line: FloatArray, extra: FloatArray, scale: float) -> None:
    """Write scaled sums of a line and of what is extra, if there is such."""
    if extra.shape[0]:
        apart = extra[0]
        for c in range(into.shape[0]):
            into[c] = (line[c] + apart[c]) * scale
    else:
        for c in range(into.shape[0]):
            into[c] = line[c] * scale


@_compiled
def _filter_columns(
    lattice: FloatArray,
    taps: FloatArray,
    spans: IntArray,
    part: FloatArray,
    rows: tuple[int, int],
) -> None:
    """Convolve some rows of all planes along the first axis, in place; `part` is room for this."""
    reach, (nz, ny, row) = taps.shape[0] - 1, lattice.shape
    flat, source = lattice.reshape(-1), part.reshape(-1)
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
                to, at = (k * ny + y) * row + left, (k + reach) * COLUMNS
                _filter_line(flat, to, source, at, COLUMNS, taps, width)


@_compiled
def _held(
    spans: tuple[IntArray, IntArray], plane: int, start: int, stop: int, row: int
) -> tuple[int, int]:
    """Return the first column that some rows of a plane may hold, and the one after the last."""
    first, last = spans
    low, high = first.shape[1], -1
    for y in range(start, stop):
        for c in range(first.shape[1]):
            if first[y, c] <= plane <= last[y, c]:
                low, high = min(low, c), max(high, c)
    return low * COLUMNS, min((high + 1) * COLUMNS, row)


@_compiled
def _write_planes(
    sums: tuple[FloatArray, FloatArray],
    taps: FloatArray,
    spans: tuple[IntArray, IntArray],
    scale: float,
    mean: Float32Array,
    work: tuple[FloatArray, FloatArray, FloatArray],
    planes: tuple[int, int],
) -> None:
    """Convolve some planes along both axes, a band of rows at a time, which stays in the cache; write."""
    (lattice, extra), (near, band, line) = sums, work
    reach, (_, ny, row), nx = taps.shape[0] - 1, lattice.shape, mean.shape[2]
    side = (reach + LANES - 1) // LANES * LANES
    source, middle = near.reshape(-1), band.reshape(-1)
    for k in range(planes[0], planes[1]):
        for top in range(0, ny, _BAND):
            end = min(top + _BAND, ny)
            left, right = _held(spans, k, max(top - reach, 0), min(end + reach, ny), row)
            if right <= left:
                continue
            _copy_rows(near[:, left:right], lattice[k, :, left:right], top - reach, end + reach)
            for c in range(left, right, COLUMNS):
                width = min(COLUMNS, right - c)
                for y in range(end - top):
                    to, at = y * band.shape[1] + 2 * side + c, (y + reach) * row + c
                    _filter_line(middle, to, source, at, row, taps, width)
            low, high = max(left - side, 0), min(right + side, row)
            for y in range(end - top):
                band[y, left : left + 2 * side] = 0.0
                band[y, right + 2 * side : right + 4 * side] = 0.0
                at = y * band.shape[1] + 2 * side + low
                _filter_line(line, 0, middle, at, 1, taps, high - low)
                apart = extra[k : k + 1, top + y, low:high]
                _write(mean[k, top + y, low : min(high, nx)], line, apart, scale)
