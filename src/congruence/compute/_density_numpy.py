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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from congruence.compute._density_window import Window
    from congruence.core.grid import Grid
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

_CELL = 8
_NARROW = 5
_POINTS = 1 << 14
_TOGETHER = 1 << 17
_FAR = 1e9
_COLUMNS = 512


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
    Add narrow windows to the lattice; in place of others the Gaussians themselves.

    Those are added by one matrix product for all points of one cell of the
    grid, and their windows are those of the cell: a little more of each
    Gaussian is added than point by point.
    """
    first, chosen = np.array(grid.origin), block[:, beads]
    points, masses = chosen.reshape(-1, 3), np.tile(mass, len(block))
    if window.kind == "kaiser" and window.width <= _NARROW:
        inside = _deposit(points, masses, grid, window, lattice)
        points, masses = points[~inside], masses[~inside]
    if len(points):
        out = lattice if window.kind == "gaussian" else extra()
        _splat(points, masses, first, grid.voxel, window.sigma, out[:, :, : grid.shape[0]])
    return spans_for(lattice, full=True)


def _deposit(
    points: FloatArray, masses: FloatArray, grid: Grid, window: Window, lattice: FloatArray
) -> BoolArray:
    """Spread masses on the lattice; return which are all inside."""
    width = window.width
    places = (points - np.array(grid.origin)) / grid.voxel - 0.5 * (width - 2)
    places = np.clip(places, -_FAR, _FAR)
    corner = np.floor(places)
    inside: BoolArray = ((corner >= 0) & (corner + width <= np.array(grid.shape))).all(axis=1)
    places, corner, masses = places[inside], corner[inside].astype(np.int64), masses[inside]
    flat = lattice.reshape(-1)
    around = _offsets((width,) * 3, lattice.shape)
    for part in _parts(len(masses)):
        wx, wy, wz = _weights(places[part] - corner[part], window).transpose(1, 0, 2)
        plane = (wz * masses[part, None])[:, :, None] * wy[:, None, :]
        weights = plane[:, :, :, None] * wx[:, None, None, :]
        x, y, z = corner[part].T
        at = (z * lattice.shape[1] + y) * lattice.shape[2] + x
        _scatter(flat, at[:, None] + around, weights)
    return inside


def _weights(places: FloatArray, window: Window) -> FloatArray:
    """Read the weights of windows from their table, linear between rows."""
    table = window.table[1:, : window.width]
    row, part = np.divmod(places * (len(table) - 2), 1.0)
    at, part = row.astype(np.int64), part[..., None]
    weights: FloatArray = (1.0 - part) * table[at] + part * table[at + 1]
    return weights


def finish(
    lattice: FloatArray,
    extra: FloatArray | None,
    taps: FloatArray,
    spans: IntArray,
    scale: float,
    mean: Float32Array,
    threads: int,
) -> None:
    """Convolve a lattice with an even kernel along all axes, add the extra, scale and write."""
    nz, ny, nx = lattice.shape
    columns = lattice.reshape(nz, ny * nx)
    for start in range(0, ny * nx, _COLUMNS):
        _filter(columns[:, start : start + _COLUMNS], taps)
    for k, plane in enumerate(lattice):
        _filter(plane, taps)
        _filter(plane.T, taps)
        if extra is not None:
            plane += extra[k]
        np.multiply(plane[:, : mean.shape[2]], scale, out=mean[k], casting="same_kind")


def _filter(source: FloatArray, taps: FloatArray) -> None:
    """Convolve along the first axis, in place."""
    if not source.any():
        return
    reach, n = taps.shape[0] - 1, len(source)
    part = np.zeros((n + 2 * reach, source.shape[1]))
    part[reach : reach + n] = source
    total = taps[0] * part[reach : reach + n]
    for j in range(1, reach + 1):
        total += taps[j] * (part[reach - j : reach - j + n] + part[reach + j : reach + j + n])
    source[...] = total


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


def _parts(count: int) -> Iterator[slice]:
    return (slice(at, at + _POINTS) for at in range(0, count, _POINTS))


def _scatter(flat: FloatArray, at: IntArray, weights: FloatArray) -> None:
    if flat.size < weights.size:
        flat += np.bincount(at.reshape(-1), weights.reshape(-1), minlength=flat.size)
    else:
        np.add.at(flat, at.reshape(-1), weights.reshape(-1))


def _offsets(window: tuple[int, int, int], shape: tuple[int, ...]) -> IntArray:
    """Return the flat distance of each voxel of a window from its first."""
    c, b, a = np.ogrid[: window[0], : window[1], : window[2]]
    offsets: IntArray = ((c * shape[1] + b) * shape[2] + a).reshape(-1)
    return offsets


def _splat(
    points: FloatArray,
    mass: FloatArray,
    first: FloatArray,
    h: float,
    sigma: float,
    out: FloatArray,
) -> None:
    from threadpoolctl import threadpool_limits

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
    # Threads of the BLAS would change the order of sums.
    with threadpool_limits(1, user_api="blas"):
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
