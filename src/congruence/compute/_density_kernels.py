"""
The compiled loops of localization densities.

Sums have one order: a thread owns planes of the lattice, takes the beads of
each layer of cells after the other, and adds to its own planes only.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._compiling import compiled
from congruence.compute._density_filter import each, smooth
from congruence.compute._density_vectors import TILE_ROWS, add_tile, mix_rows
from congruence.compute._density_window import CUT, LANES

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._density_window import Window
    from congruence.core.grid import Grid
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["add", "reference_gaussians", "smooth"]

_compiled = compiled(nogil=True)

_TOGETHER = 32
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
    frame, size = (*grid.origin, grid.voxel), (grid.shape[0], _skipped(grid, window))
    many = len(block) * len(beads)
    heights = block[:, beads[:: 1 + many // _POINTS_PER_THREAD], 2]
    parts = _slabs(heights, grid, min(threads, 1 + many // _POINTS_PER_THREAD))
    spread = partial(_spread, block, beads, mass, frame, size, window.table, lattice)
    if max(each(spread, parts)):
        scale = (window.sigma, window.width)
        _splat_outside(block, beads, mass, frame, scale, extra()[:, :, : grid.shape[0]])


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
    place: float,
    scale: float,
    table: FloatArray,
    size: tuple[int, int, int],
    weights: FloatArray,
    to: int,
) -> None:
    """Read the weights of a window, after some zeros, from its flat table, linear between rows."""
    rows, lanes, zeros = size
    row = int(place * rows)
    part = place * rows - row
    one, two = scale * (1.0 - part), scale * part
    for c in range(0, lanes, LANES):
        # The zeros are those at the end of the row before.
        at = (row + 1) * lanes + c - zeros
        mix_rows(weights, to + c, one, two, table, at, at + lanes)


@_compiled
def _holds(x: float, y: float, z: float, width: int, shape: tuple[int, int, int]) -> bool:
    """Say whether the window that starts there is all inside."""
    nx, ny, nz = shape
    low = x >= 0 and y >= 0 and z >= 0
    return low and x < nx - width + 1 and y < ny - width + 1 and z < nz - width + 1


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
def _count_layers(
    block: FloatArray,
    beads: IntArray,
    frame: tuple[float, float, float, float],
    width: int,
    shape: tuple[int, int, int],
    planes: tuple[int, int],
) -> tuple[int, IntArray, int]:
    """Return the first layer of cells that reaches some planes, where points of layers end, and how many are outside."""
    first, last = max(planes[0] - width + 1, 0), min(planes[1], shape[2] - width + 1)
    ends = np.zeros(max(last - first, 1) + 1, dtype=np.int64)
    half, outside = 0.5 * (width - 2), 0
    for i in range(block.shape[0]):
        for b in range(beads.shape[0]):
            x, y, z = _place(block[i, beads[b]], frame, half)
            if not _holds(x, y, z, width, shape):
                outside += 1
            elif first <= int(z) < last:
                ends[int(z) - first + 1] += 1
    for layer in range(1, ends.shape[0]):
        ends[layer] += ends[layer - 1]
    return first, ends, outside


@_compiled
def _fill_layers(
    block: FloatArray,
    beads: IntArray,
    frame: tuple[float, float, float, float],
    size: tuple[int, int],
    shape: tuple[int, int, int],
    layers: tuple[int, IntArray],
    points: tuple[Float32Array, IntArray],
) -> None:
    """Set the points of each layer: places in cells; brick, row, cell in the brick, and bead."""
    width, brick = size
    first, ends = layers
    places, cells = points
    half, following = 0.5 * (width - 2), ends.copy()
    for i in range(block.shape[0]):
        for b in range(beads.shape[0]):
            x, y, z = _place(block[i, beads[b]], frame, half)
            layer = int(max(z, -1.0)) - first if _holds(x, y, z, width, shape) else -1
            if 0 <= layer < ends.shape[0] - 1:
                at = following[layer]
                following[layer] += 1
                ix, iy = int(x), int(y)
                places[at, 0], places[at, 1], places[at, 2] = x - ix, y - iy, z - int(z)
                cells[at, 0], cells[at, 1] = ix // brick, iy
                cells[at, 2], cells[at, 3] = ix % brick, b


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
def _add_layer(
    order: IntArray,
    points: tuple[Float32Array, IntArray],
    mass: FloatArray,
    size: tuple[int, IntArray],
    table: FloatArray,
    weights: FloatArray,
    lattice: FloatArray,
    planes: tuple[int, int],
) -> None:
    """Add the windows of one layer to some planes; `size` is the layer, and rows left out of windows."""
    places, cells = points
    layer, skipped = size
    width = skipped.shape[0]
    row, rows, lanes = lattice.shape[2], table.shape[0] - 3, table.shape[1]
    flat, values = lattice.reshape(-1), table.reshape(-1)
    at = 0
    while at < order.shape[0]:
        x, y = cells[order[at], 0], cells[order[at], 1]
        count = 0
        while count < _TOGETHER and at < order.shape[0]:
            i = order[at]
            if cells[i, 0] != x or cells[i, 1] != y:
                break
            to, scale = 3 * lanes * count, mass[cells[i, 3]]
            _weigh(places[i, 0], 1.0, values, (rows, lanes, cells[i, 2]), weights, to)
            _weigh(places[i, 1], 1.0, values, (rows, lanes, 0), weights, to + lanes)
            _weigh(places[i, 2], scale, values, (rows, lanes, 0), weights, to + 2 * lanes)
            count += 1
            at += 1
        for p in range(max(layer, planes[0]), min(layer + width, planes[1])):
            start = (p * lattice.shape[1] + y) * row + x * (lanes - width + 1)
            rest = width - 2 * skipped[p - layer]
            start, y_first = start + skipped[p - layer] * row, lanes + skipped[p - layer]
            tile = rest if rest <= TILE_ROWS[-1] else LANES
            for q in range(0, rest, tile):
                for c in range(0, lanes, LANES):
                    rows_of_tile = (start + q * row + c, row, min(tile, rest - q))
                    at_once = (count, 3 * lanes, c, y_first + q, 2 * lanes + p - layer)
                    add_tile(flat, rows_of_tile, weights, at_once)


@_compiled
def _spread(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    frame: tuple[float, float, float, float],
    size: tuple[int, IntArray],
    table: FloatArray,
    lattice: FloatArray,
    planes: tuple[int, int],
) -> int:
    """
    Add windows to some planes; return how many beads have none all inside.

    `frame` is the first point of the lattice and the voxel, `size` how many
    points of a row count, and how many rows of each plane of a window do not,
    on either side.

    Beads are sorted: by layers of cells, in a layer by rows, in a row by bricks
    of cells whose windows fit in the same lanes. What those of a brick add is
    summed before it is added to the lattice, which is large, and far away.
    """
    lanes, width = table.shape[1], size[1].shape[0]
    shape = (size[0], lattice.shape[1], lattice.shape[0])
    first, ends, outside = _count_layers(block, beads, frame, width, shape, planes)
    places = np.empty((ends[-1], 3), dtype=np.float32)
    cells = np.empty((ends[-1], 4), dtype=np.int32)
    bricks = (width, lanes - width + 1)
    _fill_layers(block, beads, frame, bricks, shape, (first, ends), (places, cells))
    most = 0
    for i in range(1, ends.shape[0]):
        most = max(most, ends[i] - ends[i - 1])
    one, two = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
    order = np.empty(most, dtype=np.int32)
    for i in range(most):
        one[i] = i
    sizes = np.empty(max(shape) + 1, dtype=np.int64)
    weights = np.empty(3 * lanes * _TOGETHER)
    for i in range(ends.shape[0] - 1):
        low, high = ends[i], ends[i + 1]
        count, layer = high - low, (places[low:high], cells[low:high])
        _sorted(one[:count], cells[low:high, 0], sizes, two[:count])
        _sorted(two[:count], cells[low:high, 1], sizes, order[:count])
        _add_layer(
            order[:count], layer, mass, (first + i, size[1]), table, weights, lattice, planes
        )
    return int(outside)


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
