"""
The compiled loops of localization densities.

Sums have one order: a thread owns planes of the lattice, takes the beads of
each layer of cells after the other, and adds to its own planes only. The few
beads of one brick are summed in float32, all others in float64.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_filter import each, finish
from congruence.compute._density_splat import holds, reference_gaussians, splat_outside
from congruence.compute._density_vectors import TILE_ROWS, add_tile, mix_rows
from congruence.compute._density_window import COLUMNS, CUT, LANES, aligned_zeros, joined, spans_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._density_window import Window
    from congruence.core.grid import Grid
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["add", "finish", "reference_gaussians"]

_compiled = compiled(nogil=True)

_TOGETHER, _TILE = 32, 8
_POINTS_PER_THREAD = 1 << 14
_UNITS = float(1 << 31)
_LEAST_BAND, _MOST_BAND = 4, 12
_CACHED = 1 << 16


def add(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    grid: Grid,
    window: Window,
    lattice: FloatArray,
    extra: Callable[[], FloatArray],
    threads: int,
) -> IntArray | None:
    """
    Add the window of every bead to the lattice; return where, as spans.

    Gaussians of beads whose window is not all in the grid go to what `extra`
    returns, which is of the lattice's shape and not filtered.

    `spans`, shape (2,ny,columns/COLUMNS): first and last plane that was added
    to, of each row and of COLUMNS columns at a time; none: unknown.
    """
    frame, size = (*grid.origin, grid.voxel), (grid.shape[0], _skipped(grid, window))
    many = len(block) * len(beads)
    heights = block[:, beads[:: 1 + many // _POINTS_PER_THREAD], 2]
    parts = _slabs(heights, grid, min(threads, 1 + many // _POINTS_PER_THREAD))
    spread = partial(_spread, block, beads, mass, frame, size, window.table, lattice)
    outside, starts = zip(*each(spread, parts), strict=True)
    if max(outside):
        scale = (window.sigma, window.width)
        splat_outside(block, beads, mass, frame, scale, extra()[:, :, : grid.shape[0]])
    return _reached(list(starts), window.width)


def _reached(starts: list[IntArray], width: int) -> IntArray:
    """Return where windows reach that start at rows and planes."""
    spans = starts[0]
    for more in starts[1:]:
        spans = joined(spans, more)
    rows = spans.copy()
    for k in range(1, width):
        rows[:, k:] = joined(rows[:, k:], spans[:, :-k])
    rows[1, rows[1] >= 0] += width - 1
    return rows


def _skipped(grid: Grid, window: Window) -> IntArray:
    """Return how many rows are left out on either side of each plane of a window; a Gaussian's are cut."""
    if len(window.taps):
        return np.zeros(window.width, dtype=np.int64)
    half, plane = window.width // 2, np.arange(window.width)
    away = np.maximum(half - 1 - plane, plane - half)
    cut = away[:, None] ** 2 + away**2 > (CUT * window.sigma / grid.voxel) ** 2
    skipped: IntArray = np.count_nonzero(cut, axis=1).astype(np.int64) // 2
    return skipped


def _slabs(heights: FloatArray, grid: Grid, threads: int) -> list[tuple[int, int]]:
    """Divide planes so that each part gets as many beads; the sums do not depend on it."""
    nz = grid.shape[2]
    shares = np.quantile(heights, np.arange(1, threads) / threads) if threads > 1 else np.empty(0)
    inner = np.clip((shares - grid.origin[2]) / grid.voxel, 0, nz).astype(int)
    ends = sorted({0, *inner.tolist(), nz})
    return list(pairwise(ends))


@_compiled
def _weigh(
    place: int,
    scale: float,
    table: Float32Array,
    size: tuple[int, int, int],
    weights: Float32Array,
    to: int,
) -> None:
    """Read weights of a window, after some zeros, from its flat table, linear between rows."""
    rows, lanes, zeros = size
    along = place * (rows / _UNITS)
    row = int(along)
    part = along - row
    one, two = np.float32(scale * (1.0 - part)), np.float32(scale * part)
    for c in range(0, lanes, LANES):
        # The zeros are those at the end of the row before.
        at = (row + 1) * lanes + c - zeros
        mix_rows(weights, to + c, one, two, table, at, at + lanes)


@_compiled
def _place(
    point: FloatArray, frame: tuple[float, float, float, float], half: float
) -> tuple[float, float, float]:
    """Return where the window of a point starts on the lattice."""
    x0, y0, z0, h = frame
    inverse = 1.0 / h
    x, y, z = (point[0] - x0) * inverse, (point[1] - y0) * inverse, (point[2] - z0) * inverse
    return x - half, y - half, z - half


@_compiled
def _count_groups(
    block: FloatArray,
    beads: IntArray,
    frame: tuple[float, float, float, float],
    width: int,
    shape: tuple[int, int, int],
    layers: tuple[int, int, int],
) -> tuple[IntArray, int]:
    """
    Return where the points of each group end, and how many are outside.

    `layers` are the first and the one after the last, and of how many rows,
    as a power of two, a band is. A group is a layer of a band.
    """
    first, last, power = layers
    deep = last - first
    ends = np.zeros(((shape[1] >> power) + 1) * deep + 1, dtype=np.int64)
    half, outside = 0.5 * (width - 2), 0
    for i in range(block.shape[0]):
        for b in range(beads.shape[0]):
            x, y, z = _place(block[i, beads[b]], frame, half)
            if not holds(x, y, z, width, shape):
                outside += 1
            elif first <= int(z) < last:
                ends[(int(y) >> power) * deep + int(z) - first + 1] += 1
    for group in range(1, ends.shape[0]):
        ends[group] += ends[group - 1]
    return ends, outside


@_compiled
def _fill_groups(
    block: FloatArray,
    beads: IntArray,
    frame: tuple[float, float, float, float],
    size: tuple[int, int],
    shape: tuple[int, int, int],
    groups: tuple[tuple[int, int, int], IntArray],
    points: IntArray,
) -> None:
    """
    Set the points of each group.

    Brick, row of the band, cell in the brick, bead, and three places in the
    cell, in units of 2^-31; all in one half of a cache line.
    """
    width, brick = size
    (first, last, power), ends = groups
    deep = last - first
    half, following = 0.5 * (width - 2), ends.copy()
    for i in range(block.shape[0]):
        for b in range(beads.shape[0]):
            x, y, z = _place(block[i, beads[b]], frame, half)
            if holds(x, y, z, width, shape) and first <= int(z) < last:
                ix, iy, iz = int(x), int(y), int(z)
                group = (iy >> power) * deep + iz - first
                point = points[following[group]]
                following[group] += 1
                along = np.uint32(ix) // np.uint32(brick)
                point[0], point[1] = along, iy - (iy >> power << power)
                point[2], point[3] = ix - along * brick, b
                point[4], point[5] = int((x - ix) * _UNITS), int((y - iy) * _UNITS)
                point[6] = int((z - iz) * _UNITS)


@_compiled
def _sorted(came: IntArray, keys: IntArray, sizes: IntArray, out: IntArray) -> None:
    """Sort numbers of points by their keys; those with the same key stay in their order."""
    sizes[:] = 0
    for at in range(came.shape[0]):
        sizes[keys[at] + 1] += 1
    for key in range(1, sizes.shape[0]):
        sizes[key] += sizes[key - 1]
    for at in range(came.shape[0]):
        key = keys[came[at]]
        out[sizes[key]] = came[at]
        sizes[key] += 1


@_compiled
def _add_group(
    order: IntArray,
    points: IntArray,
    mass: FloatArray,
    where: tuple[int, int, IntArray],
    table: Float32Array,
    weights: Float32Array,
    sums: tuple[FloatArray, IntArray],
    planes: tuple[int, int],
) -> None:
    """
    Add the windows of one group to some planes.

    `where` is its layer, its first row, and how many rows are left out of windows.
    """
    lattice, spans = sums
    layer, first, skipped = where
    width = skipped.shape[0]
    row, rows, lanes = lattice.shape[2], table.shape[0] - 3, table.shape[1]
    flat, values = lattice.reshape(-1), table.reshape(-1)
    at = 0
    while at < order.shape[0]:
        x, y = points[order[at], 0], first + points[order[at], 1]
        left = x * (lanes - width + 1)
        for c in range(left // COLUMNS, (left + lanes - 1) // COLUMNS + 1):
            spans[0, y, c] = min(spans[0, y, c], layer)
            spans[1, y, c] = max(spans[1, y, c], layer)
        count = 0
        while count < _TOGETHER and at < order.shape[0]:
            point = points[order[at]]
            if point[0] != x or first + point[1] != y:
                break
            to, scale = 3 * lanes * count, mass[point[3]]
            _weigh(point[4], 1.0, values, (rows, lanes, point[2]), weights, to)
            _weigh(point[5], 1.0, values, (rows, lanes, 0), weights, to + lanes)
            _weigh(point[6], scale, values, (rows, lanes, 0), weights, to + 2 * lanes)
            count += 1
            at += 1
        for p in range(max(layer, planes[0]), min(layer + width, planes[1])):
            start = (p * lattice.shape[1] + y) * row + left
            rest = width - 2 * skipped[p - layer]
            start, y_first = start + skipped[p - layer] * row, lanes + skipped[p - layer]
            tile, q = (rest if rest <= TILE_ROWS[-1] else _TILE), 0
            while q < rest:
                c = 0
                while c < lanes:
                    rows_of_tile = (start + q * row + c, row, min(tile, rest - q))
                    at_once = (count, 3 * lanes, c, y_first + q, 2 * lanes + p - layer)
                    add_tile(flat, rows_of_tile, weights, at_once)
                    c += LANES
                q += tile


def _spread(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    frame: tuple[float, float, float, float],
    size: tuple[int, IntArray],
    table: Float32Array,
    lattice: FloatArray,
    planes: tuple[int, int],
) -> tuple[int, IntArray]:
    """
    Add windows to some planes; return how many beads have none all inside, and where windows start.

    `frame` is the first point of the lattice and the voxel, `size` how many
    points of a row count, and how many rows of each plane of a window do not,
    on either side.

    Beads are sorted: by bands of rows, in a band by layers of cells, in these
    by rows, in a row by bricks of cells whose windows fit in the same lanes.
    What those of a brick add is summed before it is added to the lattice,
    which is large, and far away.
    """
    (nz, ny, row), width = lattice.shape, len(size[1])
    first = max(planes[0] - width + 1, 0)
    last = max(min(planes[1], nz - width + 1), first + 1)
    power = _LEAST_BAND
    while power < _MOST_BAND and ((2 << power) + width) * width * row <= _CACHED:
        power += 1
    shape, layers = (size[0], ny, nz), (first, last, power)
    ends, outside = _count_groups(block, beads, frame, width, shape, layers)
    points = np.empty((ends[-1], 8), dtype=np.int32)
    bricks = (width, table.shape[1] - width + 1)
    _fill_groups(block, beads, frame, bricks, shape, (layers, ends), points)
    spans = spans_for(lattice, full=False)
    weights = aligned_zeros(3 * table.shape[1] * _TOGETHER, dtype=np.float32)
    groups, sums = (layers, ends), (lattice, spans)
    _add_groups(points, groups, mass, size[1], table, weights, sums, planes)
    return outside, spans


@_compiled
def _add_groups(
    points: IntArray,
    groups: tuple[tuple[int, int, int], IntArray],
    mass: FloatArray,
    skipped: IntArray,
    table: Float32Array,
    weights: Float32Array,
    sums: tuple[FloatArray, IntArray],
    planes: tuple[int, int],
) -> None:
    """Sort the points of each group, and add their windows."""
    (first, last, power), ends = groups
    lanes, most = table.shape[1], 0
    for i in range(1, ends.shape[0]):
        most = max(most, ends[i] - ends[i - 1])
    one, two = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
    order = np.empty(most, dtype=np.int32)
    for i in range(most):
        one[i] = i
    rows = np.empty((1 << power) + 1, dtype=np.int64)
    across = np.empty(sums[0].shape[2] // (lanes - skipped.shape[0] + 1) + 2, dtype=np.int64)
    for i in range(ends.shape[0] - 1):
        low, high = ends[i], ends[i + 1]
        if low < high:
            count, group = high - low, points[low:high]
            _sorted(one[:count], group[:, 0], across, two[:count])
            _sorted(two[:count], group[:, 1], rows, order[:count])
            where = (first + i % (last - first), i // (last - first) << power, skipped)
            _add_group(order[:count], group, mass, where, table, weights, sums, planes)
