"""The two sides of a threshold: what pseudo-beads tell, and what all beads must."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._basis import packed_rows
from congruence.compute._eigen import quartic
from congruence.compute._exact import exact_distances
from congruence.compute._packing import TILE
from congruence.compute.superpose import optimal_rotations

if TYPE_CHECKING:
    from congruence.compute._basis import Basis
    from congruence.compute._packing import Packed, Packer
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

__all__ = ["BLOCK", "ROUNDING", "Axes", "BeadRows", "Levels", "open_sides", "pair_distances"]

_UNIT = 2.0**-24
_LEAST = 1e-6

ROUNDING = 64.0 * 2.0**-52
BLOCK = 256
"""Beads whose products loops add up in single precision before they are in double."""
# Beads are rounded, twice for a product; four sums side by side is what every processor makes
# of a block.
_ROUNDED, _SUMMED = 4.0, 8.0 + BLOCK / 4


@dataclass(frozen=True)
class Levels:
    """A threshold, and up to how far from it pairs are to be computed exactly; Å."""

    threshold: float
    within: float

    @property
    def margin(self) -> float:
        """How far from the threshold pseudo-beads may decide, in Å."""
        return max(self.within, _LEAST)

    def squared(self, rank: int) -> tuple[float, float, float]:
        """Return the squares of both sides of the margin, and the error of products."""
        low, high = self.threshold - self.margin, self.threshold + self.margin
        # Every product of norms is off by so much in single precision, an overlap by sqrt(3) of it.
        error = float(np.sqrt(3.0)) * (rank + 8.0) * _UNIT
        return (low * low if low >= 0.0 else -1.0), high * high, error


@dataclass(frozen=True, eq=False)
class Axes:
    """
    Some models along the directions of a basis, and what that leaves out of them.

    `values` have shape (k, planes*models): direction by direction in memory.
    """

    values: Float32Array
    squares: FloatArray
    residuals: FloatArray

    @classmethod
    def of(cls, packed: Packed, basis: Basis) -> Axes:
        """Return the models of a tile."""
        (rows,), (columns,) = packed_rows(packed), basis.columns
        placed = rows[0] @ columns  # 3, models, k
        squares = np.einsum("dik,dik->i", placed, placed)
        if packed.measure.parts[0].shape[1] == 3:
            values = placed.reshape(-1, placed.shape[2]).T
        else:
            values = placed.transpose(0, 2, 1).reshape(-1, placed.shape[1])
        residuals = basis.residuals(packed)
        return cls(np.ascontiguousarray(values, np.float32), squares, residuals)


def open_sides(one: Axes, two: Axes, levels: tuple[float, float, float]) -> tuple[BoolArray, ...]:
    """
    Tell which pairs are within a threshold, and which may be.

    Returns
    -------
    near : ndarray, dtype=bool, shape=(rows,columns)
        Certainly at most the lower level.
    unsure : ndarray, dtype=bool, shape=(rows,columns)
        Neither that nor certainly above the upper level.
    """
    shape = len(one.squares), len(two.squares)
    product = one.values.T @ two.values
    overlaid = product.shape[0] == 3 * shape[0]
    near, unsure = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
    squares, residuals = (one.squares, two.squares), (one.residuals, two.residuals)
    kernels = _kernels()
    if kernels is not None:
        side = kernels.overlaid_sides if overlaid else kernels.still_sides
        side(product, squares, residuals, levels, near, unsure)
        return near, unsure
    low, high, factor = levels
    total = squares[0][:, None] + squares[1]
    most = total + (residuals[0][:, None] + residuals[1]) ** 2 + factor * total
    least = total + (residuals[0][:, None] - residuals[1]) ** 2 - factor * total
    if not overlaid:
        near = most - 2.0 * product <= low
        return near, ~near & (least - 2.0 * product <= high)
    c0, c1, c2 = quartic(product)
    near = _overlap_reaches(0.5 * (most - low), (c0, c1, c2), 0.5 * total)
    return near, ~near & ~_overlap_misses(0.5 * (least - high), (c0, c1, c2), 0.5 * total)


_Quartic = tuple["FloatArray", "FloatArray", "FloatArray"]


def _values(at: FloatArray, coefficients: _Quartic) -> _Quartic:
    """Return a quartic, its slope and its bend."""
    c0, c1, c2 = coefficients
    value = ((at * at + c2) * at + c1) * at + c0
    return value, (4.0 * at * at + 2.0 * c2) * at + c1, 12.0 * at * at + 2.0 * c2


def _overlap_reaches(at: FloatArray, coefficients: _Quartic, scale: FloatArray) -> BoolArray:
    """Tell whether the largest root is certainly no less: all roots are real."""
    value, slope, bend = _values(at, coefficients)
    q = ROUNDING * scale**2
    reaches: BoolArray = (at <= 0.0) | (value < -q * scale**2) | (slope < -q * scale) | (bend < -q)
    return reaches


def _overlap_misses(at: FloatArray, coefficients: _Quartic, scale: FloatArray) -> BoolArray:
    """Tell whether the largest root is certainly less: beyond it everything rises."""
    value, slope, bend = _values(at, coefficients)
    q = ROUNDING * scale**2
    misses: BoolArray = (at > 0.0) & (value > q * scale**2) & (slope > q * scale) & (bend > q)
    return misses


def _kernels() -> Any:
    """Return the compiled loops, or None where there is no numba."""
    if os.environ.get("CONGRUENCE_KERNEL") == "numpy":
        return None
    try:
        from congruence.compute import _screening_kernels
    except ImportError:
        return None
    return _screening_kernels


class BeadRows:
    """
    All beads of models, centred and weighted, in single precision, and of pairs exactly.

    Kept in memory, or packed again block by block: the numbers are the same.
    """

    def __init__(self, packer: Packer, *, kept: bool, blocks: int) -> None:
        self.packer, self._blocks = packer, blocks
        self.turned = packer.resolved.planes == 3
        m = packer.resolved.source.shape[0]
        self.squares: FloatArray = np.empty(m)
        shape = m, 3, len(packer.resolved.measure.beads)
        self._kept: Float32Array | None = np.empty(shape, np.float32) if kept else None
        self._last: dict[tuple[int, int], Float32Array] = {}
        self._lock = threading.Lock()

    def fill(self, packed: Packed) -> None:
        """Take in the sums of squares of a tile, and its beads where they are kept."""
        own = slice(packed.start, packed.start + packed.count)
        self.squares[own] = packed.measure.squares[: packed.count]
        if self._kept is not None:
            self._kept[own] = _single(packed)

    def block(self, start: int, stop: int) -> Float32Array:
        """Return consecutive models, shape (models,3,beads)."""
        if self._kept is not None:
            return self._kept[start:stop]
        key = start, stop
        found = self._last.get(key)
        if found is None:
            rows = [_single(self.packer.tile(at)) for at in range(start, stop, TILE)]
            found = np.concatenate(rows)[: stop - start]
        with self._lock:
            # Those used last stay: the rows of a block are wanted again and again.
            self._last.pop(key, None)
            self._last[key] = found
            while len(self._last) > self._blocks:
                self._last.pop(next(iter(self._last)))
        return found

    def exact(self, i: int, j: int) -> float:
        """Return a distance in Å, computed explicitly in double precision."""
        one, two = (self.packer.models(np.array([model])) for model in (i, j))
        first = np.zeros(1, np.int64)
        return float(exact_distances(self.packer.resolved, one, two, (first, first))[0])


def _single(packed: Packed) -> Float32Array:
    (rows,) = packed_rows(packed)
    return np.ascontiguousarray(rows[0].transpose(1, 0, 2)[: packed.count], np.float32)


_Pairs = tuple["IntArray", "IntArray"]


def pair_distances(
    rows: BeadRows, blocks: tuple[slice, slice], pairs: _Pairs, levels: Levels
) -> tuple[FloatArray, int]:
    """
    Return distances of pairs of two blocks that tell on which side of a threshold they are.

    The second is the number of those that were computed in double precision.
    """
    (first, second), (i, j) = blocks, pairs
    both = rows.block(first.start, first.stop), rows.block(second.start, second.stop)
    squares = rows.squares[i + first.start] + rows.squares[j + second.start]
    measure = _overlaid_distances if rows.turned else _still_distances
    distance = np.empty(len(i))
    left = np.arange(len(i))
    # Ever fewer pairs are left to ways that take ever longer.
    for kernels in dict.fromkeys((_kernels(), None)):
        found, error = measure(both, (i[left], j[left]), squares[left], kernels)
        distance[left] = found
        left = left[np.abs(found - levels.threshold) <= error + levels.margin]
    for p in left.tolist():
        distance[p] = rows.exact(first.start + int(i[p]), second.start + int(j[p]))
    return distance, len(left)


_Blocks = tuple["Float32Array", "Float32Array"]


def _still_distances(
    blocks: _Blocks, pairs: _Pairs, squares: FloatArray, kernels: Any
) -> tuple[FloatArray, FloatArray]:
    """Return distances of pairs of two blocks as they are, and how much they may be off."""
    (one, two), (rows, columns) = blocks, pairs
    total = np.empty(len(rows))
    if kernels is not None:
        kernels.pair_squares(one, two, rows, columns, total)
    else:
        for p, (a, b) in enumerate(zip(rows, columns, strict=True)):
            total[p] = np.square(np.subtract(one[a], two[b], dtype=np.float64)).sum()
    distance = np.sqrt(total)
    terms = _ROUNDED if kernels is None else _SUMMED
    return distance, _UNIT * (terms * distance + 4.0 * np.sqrt(squares))


def _overlaid_distances(
    blocks: _Blocks, pairs: _Pairs, squares: FloatArray, kernels: Any
) -> tuple[FloatArray, FloatArray]:
    """Return distances of pairs of two blocks after superposition, and their errors."""
    (one, two), (rows, columns) = blocks, pairs
    products = np.empty((3, 3, len(rows)))
    lost: FloatArray = np.zeros(len(rows))
    if kernels is not None:
        from congruence.compute._kernels import pair_overlaps

        kernels.pair_products(one, two, rows, columns, products)
        overlap, slope = pair_overlaps(products, squares)
        # On a line (and of some mirror images) roots coincide: the quartic does not tell them.
        reach = np.minimum(0.5 * squares, 3.0 * overlap)
        lost[:] = np.inf
        np.divide(ROUNDING * reach**4, slope, out=lost, where=slope > 0.0)
    else:
        for p, (a, b) in enumerate(zip(rows, columns, strict=True)):
            products[:, :, p] = np.matmul(one[a], two[b].T, dtype=np.float64)
        _, overlap = optimal_rotations(products.transpose(2, 0, 1))
    distance = np.sqrt(np.maximum(squares - 2.0 * overlap, 0.0))
    # An error of the products changes the overlap by at most sqrt(3) times its norm.
    terms = _ROUNDED if kernels is None else _SUMMED
    lost += np.sqrt(3.0) * terms * _UNIT * 0.5 * squares
    return distance, lost / np.maximum(distance, _LEAST)
