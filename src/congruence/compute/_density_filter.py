"""The compiled filter of localization densities; each value is one sum, whoever makes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_vectors import filter_four, filter_one
from congruence.compute._density_window import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import FloatArray

_compiled = compiled(nogil=True)

_COLUMNS = 8 * LANES
_FOUR = 4 * LANES


def smooth(lattice: FloatArray, taps: FloatArray, threads: int) -> None:
    """Convolve a lattice with an even kernel along all axes, in place; it is zero beyond its edges."""
    nz, ny, nx = lattice.shape
    columns = lattice.reshape(1, nz, ny * nx)
    parts = [(a * LANES, b * LANES) for a, b in _spans(ny * nx // LANES, threads)]
    each(lambda span: _filter_columns(columns, taps, *span), parts)
    # A plane stays in the cache for both of its axes.
    each(lambda span: _filter_planes(lattice[span[0] : span[1]], taps), _spans(nz, threads))


def each(job: Callable[[tuple[int, int]], Any], parts: list[tuple[int, int]]) -> list[Any]:
    """Do a job for all parts, each on a thread of its own."""
    if len(parts) == 1:
        return [job(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(job, parts))


def _spans(count: int, threads: int) -> list[tuple[int, int]]:
    ends = np.linspace(0, count, min(threads, count) + 1).astype(int).tolist()
    return list(pairwise(ends))


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
def _filter_chunk(
    plane: FloatArray, taps: FloatArray, left: int, width: int, part: FloatArray
) -> None:
    """Convolve some columns of a plane along its first axis; `part` is zero before and after them."""
    reach, n, row = taps.shape[0] - 1, plane.shape[0], plane.shape[1]
    low, high = n, -1
    for k in range(n):
        line, kept = plane[k, left : left + width], part[k + reach]
        some = False
        for c in range(width):
            kept[c] = line[c]
            some |= line[c] != 0.0
        if some:
            low, high = min(low, k), k
    flat, source = plane.reshape(-1), part.reshape(-1)
    for k in range(max(low - reach, 0), min(high + reach + 1, n)):
        at = (k + reach) * _COLUMNS
        _filter_line(flat, k * row + left, source, at, _COLUMNS, taps, width)


@_compiled
def _filter_columns(planes: FloatArray, taps: FloatArray, start: int, stop: int) -> None:
    """Convolve along the middle axis, some columns of the last at a time."""
    part = np.zeros((planes.shape[1] + 2 * (taps.shape[0] - 1), _COLUMNS))
    for a in range(planes.shape[0]):
        for left in range(start, stop, _COLUMNS):
            _filter_chunk(planes[a], taps, left, min(_COLUMNS, stop - left), part)


@_compiled
def _filter_planes(planes: FloatArray, taps: FloatArray) -> None:
    """Convolve along the middle and the last axis."""
    reach, ny, nx = taps.shape[0] - 1, planes.shape[1], planes.shape[2]
    part = np.zeros((ny + 2 * reach, _COLUMNS))
    line = np.zeros(nx + 2 * reach)
    for a in range(planes.shape[0]):
        for left in range(0, nx, _COLUMNS):
            _filter_chunk(planes[a], taps, left, min(_COLUMNS, nx - left), part)
        for b in range(ny):
            row, some = planes[a, b], False
            for c in range(nx):
                line[reach + c] = row[c]
                some |= row[c] != 0.0
            if some:
                _filter_line(row, 0, line, reach, 1, taps, nx)
