"""
The loops of localization densities without a compiler, for jobs too small to wait for one.

Each function does what its namesake in `congruence.compute._density_kernels`
does. Sums have one order: NumPy adds in the order of its input, and matrix
products run on one thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._density_window import CUT, spans_for
from congruence.compute.rectangle import one_blas_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._density_window import Window
    from congruence.core.grid import Grid
    from congruence.typing import Float32Array, FloatArray, IntArray

_CELL = 8
_SMALL_CELL, _FULL = 4, 8
_POINTS = 1 << 12
_TOGETHER = 1 << 17
_FAR = 1e9
_KEYS = 1 << 16


def add(
    block: FloatArray,
    beads: IntArray,
    mass: FloatArray,
    grid: Grid,
    window: Window,
    lattice: FloatArray,
    extra: Callable[[], FloatArray],
    threads: int,
) -> IntArray:
    """
    Add the window of every bead to the lattice; Gaussians of beads near the edge to the extra.

    What the points of one cell of the grid add is one matrix product, in
    float32; the sum of these is float64.
    """
    points, masses = block[:, beads].reshape(-1, 3), np.tile(mass, len(block))
    with one_blas_thread():  # others would change the order of sums
        outside = _deposit(points, masses, grid, window, lattice)
        if len(outside):
            out = extra()[:, :, : grid.shape[0]]
            first, points = np.array(grid.origin), points[outside]
            _splat(points, masses[outside], first, grid.voxel, window.sigma, out)
    return spans_for(lattice, full=True)


def _deposit(
    points: FloatArray, masses: FloatArray, grid: Grid, window: Window, lattice: FloatArray
) -> IntArray:
    """Spread masses on the lattice; return which are not all inside."""
    width, shape = window.width, np.array(grid.shape)[:, None]
    scale = 1.0 / grid.voxel
    first = np.array(grid.origin)[:, None] * scale + 0.5 * (width - 2)
    # Small cells for many beads: fewer zeros in the products, but more of these.
    cell = _SMALL_CELL if len(points) * _SMALL_CELL**3 > _FULL * grid.size else _CELL
    places = np.multiply(points.T, scale, order="C")
    places -= first
    inside = ((places >= 0) & (places < shape - width + 1)).all(axis=0)
    places *= 1.0 / cell
    cells = tuple(-(-shape[::-1, 0] // cell))
    chosen = np.flatnonzero(inside)
    if len(chosen) < len(points):
        places = places[:, chosen]
    keys = np.ravel_multi_index(tuple(places[::-1].astype(np.int32)), cells)
    order = _sorted(keys, math.prod(cells))
    keys, order = keys[order], chosen[order]
    table, single = _table(window, cell), masses.astype(np.float32)
    for start in range(0, len(order), _POINTS):
        part = slice(start, start + _POINTS)
        # Points far from each other: all three numbers of one at once.
        places = points.take(order[part], axis=0).T * scale - first
        weights = _weights(places, cell, table)
        weights[2] *= single.take(order[part])
        _add_cells(keys[part], weights, (cells, cell), lattice)
    return np.flatnonzero(~inside)


def _sorted(keys: IntArray, most: int) -> IntArray:
    """Return the order of keys below `most`; small numbers are sorted several times faster."""
    order = np.argsort((keys % _KEYS).astype(np.uint16), kind="stable")
    if most > _KEYS:
        order = order[np.argsort((keys[order] // _KEYS).astype(np.uint16), kind="stable")]
    return order


def _table(window: Window, cell: int) -> tuple[Float32Array, Float32Array]:
    """Return weights of a window, between zeros for other places in a cell, and how much more the next row has."""
    rows: Float32Array = window.table[1:, : window.width]
    rows = np.pad(rows, ((0, 0), (cell - 1, cell - 1)))
    return rows[:-1].copy(), np.diff(rows, axis=0)


def _weights(
    places: FloatArray, cell: int, table: tuple[Float32Array, Float32Array]
) -> Float32Array:
    """Return what points add to each voxel that those of their cell reach, shape (3,voxels,points)."""
    (rows, row), voxels = table[0].shape, np.arange(table[0].shape[1] - cell + 1)
    corner = places.astype(np.int32)
    along = (places - corner) * (rows - 1)
    line = along.astype(np.int32)
    first = line * row + (cell - 1) - corner % cell
    at = first.astype(np.int64)[:, None] + voxels[:, None]
    weights: Float32Array = table[1].take(at)
    weights *= (along - line).astype(np.float32)[:, None]
    weights += table[0].take(at)
    return weights


def _add_cells(
    keys: IntArray, weights: Float32Array, size: tuple[tuple[int, ...], int], lattice: FloatArray
) -> None:
    """Add points, sorted by the keys of their cells."""
    cells, cell = size
    wide = weights.shape[1]
    ends = [*(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    starts = [0, *ends[:-1]]
    corners = np.transpose(np.unravel_index(keys[starts], cells)) * cell
    for start, end, (z, y, x) in zip(starts, ends, corners.tolist(), strict=True):
        row, column, pile = weights[:, :, start:end]
        # Points come last, so that NumPy's inner loops are long.
        planes = (pile[:, None] * column).reshape(-1, end - start)
        into = lattice[z : z + wide, y : y + wide, x : x + wide]
        nz, ny, nx = into.shape
        into += (planes @ row.T).reshape(wide, wide, wide)[:nz, :ny, :nx]


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

    Each axis is one matrix product, in float32.
    """
    _, ny, nx = mean.shape
    along_z, along_y, along_x = (_filter(n, taps) for n in mean.shape)
    with one_blas_thread():
        for y in range(ny):
            rows = lattice[:, y, :nx]
            if rows.any():
                mean[:, y] = along_z @ rows.astype(np.float32)
        for k, plane in enumerate(mean):
            if plane.any():
                plane[...] = along_y @ plane @ along_x
            if extra is not None:
                plane += extra[k, :, :nx]
            plane *= np.float32(scale)


def _filter(n: int, taps: FloatArray) -> Float32Array:
    """Return the matrix that convolves `n` values."""
    away = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    matrix: Float32Array = np.append(taps, 0.0).astype(np.float32)[np.minimum(away, len(taps))]
    return matrix


def reference_gaussians(
    points: FloatArray,
    mass: FloatArray,
    first: FloatArray,
    h: float,
    constants: tuple[float, float, float],
    out: FloatArray,
) -> None:
    """Add Gaussians as the reference does, bit for bit as the compiled loop."""
    cut, cut2, inverse = constants
    top = np.array(out.shape[::-1]) - 1
    low = np.maximum(np.floor((points - cut - first) / h).astype(np.int64), 0)
    high = np.minimum(np.floor((points + cut - first) / h).astype(np.int64), top)
    width = int((high - low).max(initial=-1)) + 1
    if width <= 0:
        return
    flat = out.reshape(-1)
    step = max(1, (1 << 20) // width**3)
    for part in (slice(at, at + step) for at in range(0, len(points), step)):
        index = low[part, :, None] + np.arange(width)
        squares = (first[:, None] + index * h - points[part, :, None]) ** 2
        x, y, z = squares.transpose(1, 0, 2)
        square = z[:, :, None, None] + (y[:, None, :, None] + x[:, None, None, :])
        i, j, k = (index <= high[part, :, None]).transpose(1, 0, 2)
        here = (square <= cut2) & (k[:, :, None, None] & j[:, None, :, None] & i[:, None, None, :])
        bead, a, b, c = np.nonzero(here)
        values = mass[part][bead] * _fast_exp((-square[here] * inverse).astype(np.float32))
        at = np.stack([index[bead, 2, a], index[bead, 1, b], index[bead, 0, c]])
        # In this order a voxel gets its beads one after the other, as in the loop.
        np.add.at(flat, np.ravel_multi_index(tuple(at), out.shape), values)


def _splat(
    points: FloatArray,
    mass: FloatArray,
    first: FloatArray,
    h: float,
    sigma: float,
    out: FloatArray,
) -> None:
    reach = math.ceil(CUT * sigma / h)
    size = np.array(out.shape[::-1])
    nearest = np.clip(np.floor((points - first) / h), -_FAR, _FAR).astype(np.int64)
    near = ((nearest >= -reach - 1) & (nearest <= size + reach)).all(axis=1)
    if not near.any():
        return
    cells = nearest[near] // _CELL
    corner = cells.min(axis=0)
    key = np.ravel_multi_index(tuple((cells - corner).T), tuple(cells.max(axis=0) - corner + 1))
    # Small numbers are sorted several times faster.
    order = np.argsort(key.astype(np.min_scalar_type(key.max())), kind="stable")
    ends = np.append(np.flatnonzero(np.diff(key[order])) + 1, len(order)).tolist()
    cells = cells[order[[0, *ends[:-1]]]]
    places = ((points[near][order] - first) / sigma).T.copy()
    peak = (mass[near][order] / ((2.0 * math.pi) ** 1.5 * sigma**3)).astype(np.float32)
    lows = np.maximum(cells * _CELL - reach, 0)
    highs = np.minimum((cells + 1) * _CELL + reach + 1, size)
    for start, end, low, high in zip([0, *ends[:-1]], ends, lows, highs, strict=True):
        if (low < high).all():
            _add_cell(places[:, start:end], peak[start:end], h / sigma, (low, high), out)


def _add_cell(
    places: FloatArray,
    peak: Float32Array,
    h: float,
    window: tuple[IntArray, IntArray],
    out: FloatArray,
) -> None:
    """Add Gaussians in units of their width; the sum of some is float32, that of these float64."""
    low, high = window
    away = (places - low[:, None] * h).astype(np.float32)
    (x0, y0, z0), (x1, y1, z1) = low.tolist(), high.tolist()
    into = out[z0:z1, y0:y1, x0:x1]
    voxels = [(np.arange(n)[:, None] * h).astype(np.float32) for n in into.shape[::-1]]
    step = max(1, _TOGETHER // (into.shape[0] * into.shape[1]))
    for at in range(0, len(peak), step):
        part = slice(at, at + step)
        row, column, pile = (
            np.exp(np.float32(-0.5) * (along - away[axis, part]) ** 2)
            for axis, along in enumerate(voxels)
        )
        pile *= peak[part]
        # Points come last, so that NumPy's inner loops are long.
        planes = (pile[:, None] * column).reshape(-1, row.shape[1])
        into += (planes @ row.T).reshape(into.shape)


def _fast_exp(x: FloatArray) -> FloatArray:
    # The high word of the double is linear in x; its low word is zero.
    word = (1048576.0 / math.log(2.0) * x.astype(np.float64) + (1072693248.0 - 60801.0)).astype(
        np.int64
    )
    mantissa = 1.0 + (word & 0xFFFFF).astype(np.float64) / 1048576.0
    value: FloatArray = np.ldexp(mantissa, ((word >> 20) - 1023).astype(np.int64))
    return value
