"""
Distances of one block of models against another, on a device.

What `congruence.compute._tiles` does for a tile: matrix products, the eigenvalue
stage, an error bound; the pairs that the bound leaves in doubt are brought back
and recomputed explicitly by this machine.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_stage import (
    best_totals,
    bounded_apart,
    bounded_still,
    bounded_turned,
    contract,
    largest_eigenvalues,
    rotations,
)
from congruence.compute._exact import exact_distances
from congruence.compute._packing import TILE
from congruence.compute._tiles import (
    _DOUBLE_TOLERANCE,
    _EPS,
    _EPS_SINGLE,
    _MIXED_TOLERANCE,
    _SAFETY,
    _SINGLE_ERROR,
    _TINY,
)
from congruence.compute.assignment import fitted_assignments
from congruence.core.results import Alignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.compute._device_blocks import Block, Blocks, Layers
    from congruence.typing import IntArray

__all__ = ["Pairs", "unsupported"]

_MOST_ASSIGNMENTS = 720
_MOST_COPIES = 5
_FEW = 4096


def unsupported(groups: Any) -> str:
    """Say why copies are too many for a device; empty when they are not."""
    tried = math.prod(math.factorial(group.copies) for group in groups if group.fitted)
    if tried > _MOST_ASSIGNMENTS:
        return f"{tried:,} assignments of copies for each pair"
    if any(group.copies > _MOST_COPIES for group in groups):
        return f"more than {_MOST_COPIES} interchangeable copies"
    return ""


class Pairs:
    """
    Computes distances of blocks.

    Parameters
    ----------
    blocks : Blocks
        The models.
    single : bool
        Whether products are in single precision.
    """

    def __init__(self, blocks: Blocks, *, single: bool) -> None:
        self.blocks, self.resolved, self.single = blocks, blocks.resolved, single
        self._arrays, self._xp = blocks.arrays, blocks.arrays.xp
        self._still = self._arrays.fused(bounded_still)
        self._turned = self._arrays.fused(bounded_turned)
        self._stage = self._arrays.fused(largest_eigenvalues)
        self._apart = self._arrays.fused(bounded_apart)
        self._errors = {False: self._error(), True: self._error(_SINGLE_ERROR)}
        self._upper: Any = None

    def between(self, start: int, other: int) -> Any:
        """Return the distances (Å) of two blocks, without padding; on the diagonal symmetric."""
        xp, device = self._xp, self._arrays
        distance, doubtful, (one, two) = self._approximate(start, other, single=self.single)
        left, right = self._doubtful(doubtful, one, two)
        if self.single and len(left) > _FEW:
            distance, doubtful, (one, two) = self._approximate(start, other, single=False)
            left, right = self._doubtful(doubtful, one, two)
        distance = distance[: one.count, : two.count]
        if len(left):
            found = self.exact(left + start, right + other)
            distance[device.array(left), device.array(right)] = device.array(found)
        if start == other:
            distance = xp.triu(distance, k=1)
            distance = distance + xp.matrix_transpose(distance)
        return distance

    def against(self, one: Block, models: IntArray, two: Block, others: IntArray) -> Any:
        """
        Return the distances of gathered models, in double precision.

        `models` and `others` are the models of the blocks; of a pair of a model
        with itself the distance is 0.
        """
        distance, doubtful = self._bounded(one, two, single=False)
        distance, doubtful = (a[: one.count, : two.count] for a in (distance, doubtful))
        left, right = (self._arrays.host(at) for at in self._xp.nonzero(doubtful))
        if len(left):
            first, second = models[left], others[right]
            found = np.zeros(len(left))
            other = first != second
            low, high = np.minimum(first, second), np.maximum(first, second)
            found[other] = self.exact(low[other], high[other])
            distance[self._arrays.array(left), self._arrays.array(right)] = self._arrays.array(
                found
            )
        return distance

    def doubtful_share(self) -> float:
        """Return which share of the first block single precision cannot give."""
        _, doubtful, (one, two) = self._approximate(0, 0, single=True)
        return len(self._doubtful(doubtful, one, two)[0]) / max(one.count * (one.count - 1) / 2, 1)

    def exact(self, models: IntArray, others: IntArray) -> Any:
        """Return distances recomputed explicitly by this machine, shape (k,)."""
        found = np.empty(len(models))
        tiles, inverse = np.unique(
            np.stack([models // TILE, others // TILE]), axis=1, return_inverse=True
        )
        inverse = inverse.reshape(-1)
        order = np.argsort(inverse, kind="stable")
        bounds = np.searchsorted(inverse[order], np.arange(tiles.shape[1] + 1))
        for k, (a, b) in enumerate(tiles.T.tolist()):
            own = order[bounds[k] : bounds[k + 1]]
            local = (models[own] % TILE, others[own] % TILE)
            one, two = self.blocks.host(a * TILE), self.blocks.host(b * TILE)
            found[own] = exact_distances(self.resolved, one, two, local)
        return found

    def _approximate(
        self, start: int, other: int, *, single: bool
    ) -> tuple[Any, Any, tuple[Block, Block]]:
        one, two = (self.blocks.get(at, single=single) for at in (start, other))
        distance, doubtful = self._bounded(one, two, single=single)
        return distance, doubtful, (one, two)

    def _doubtful(self, doubtful: Any, one: Block, two: Block) -> tuple[IntArray, IntArray]:
        """Return the positions of doubtful pairs; on the diagonal those above it."""
        xp = self._xp
        if one.start == two.start:
            if self._upper is None:
                self._upper = xp.triu(xp.ones_like(doubtful), k=1)
            doubtful = xp.logical_and(doubtful, self._upper)
        rows, columns = xp.nonzero(doubtful[: one.count, : two.count])
        return self._arrays.host(rows), self._arrays.host(columns)

    def _bounded(self, one: Block, two: Block, *, single: bool) -> tuple[Any, Any]:
        """Return distances and which of them the bound leaves in doubt, shape (B,B)."""
        with np.errstate(over="ignore", divide="ignore"):
            distance, doubtful = self._bounded_any(one, two, self._errors[single])
            return distance, doubtful

    def _bounded_any(self, one: Block, two: Block, errors: tuple[Any, Any]) -> Any:
        xp, squares = self._xp, (one.measure.squares, two.measure.squares)
        if self.resolved.alignment is not Alignment.SUPERPOSE:
            return self._still(xp, self._still_overlap(one, two), squares, errors)
        if not self.resolved.same:
            both = (squares, (one.fit.squares, two.fit.squares))
            return self._apart(xp, self._overlap_apart(one, two), both, errors, same=False)
        if not any(group.fitted for group in self.resolved.groups):
            covariance = next(self._covariances(one.measure, two.measure))
            return self._turned(xp, covariance, squares, errors)
        best = self._best_overlap(one, two)
        return self._apart(xp, best, (squares, squares), errors, same=True)

    def calibrate(self) -> None:
        """
        Find on the first and the last block by how much single precision changes an overlap.

        Cards add long products up in other ways than processors, and one in
        another way than the next.
        """
        starts = self.blocks.starts()
        with np.errstate(over="ignore", divide="ignore"):
            several = [self._overlap(0, starts[-1], single=word) for word in (False, True)]
        scale = several[0][1]
        change = float(self._xp.max(self._xp.abs(several[1][0] - several[0][0]) / (scale + _TINY)))
        self._errors[True] = self._error(max(_SINGLE_ERROR, _SAFETY * change / _EPS_SINGLE))

    def _overlap(self, start: int, other: int, *, single: bool) -> tuple[Any, Any]:
        """Return the best overlaps of two blocks and their mean squares, float64."""
        one, two = (self.blocks.get(at, single=single) for at in (start, other))
        if one is two:
            # A matrix may be multiplied with itself in another way than with others.
            copied = tuple(self._xp.asarray(part, copy=True) for part in two.measure.parts)
            two = replace(two, measure=replace(two.measure, parts=copied))
        scale = 0.5 * (one.measure.squares[:, None] + two.measure.squares[None, :])
        if self.resolved.planes == 1:
            overlap = self._xp.astype(self._still_overlap(one, two), self._xp.float64)
        else:
            overlap = self._best_overlap(one, two)[0]
        return overlap, scale

    def _error(self, single: float | None = None) -> tuple[Any, Any]:
        """Return the relative error of a product and the tolerance in Å."""
        width = sum(part.beads.size for part in self.resolved.measure.parts)
        if self.resolved.planes == 1:
            width *= 3
        factor, tolerance = (8.0 + math.sqrt(width)) * _EPS, _DOUBLE_TOLERANCE
        if single is not None:
            factor, tolerance = single * _EPS_SINGLE, _MIXED_TOLERANCE
        # As arrays: what is compiled then holds for other numbers of beads too.
        array = self._arrays.array
        return array(np.array(factor)), array(np.array(tolerance))

    def _product(self, x: Any, y: Any) -> Any:
        """Return all inner products, shape (copies, planes, B, copies, planes, B)."""
        left = self._xp.reshape(x, (math.prod(x.shape[:3]), x.shape[3]))
        right = self._xp.reshape(y, (math.prod(y.shape[:3]), y.shape[3]))
        whole = self._xp.matmul(left, self._xp.matrix_transpose(right))
        return self._xp.reshape(whole, (*x.shape[:3], *y.shape[:3]))

    def _still_overlap(self, one: Block, two: Block) -> Any:
        xp = self._xp
        several = zip(one.measure.parts, two.measure.parts, strict=True)
        overlap, *groups = (self._product(x, y) for x, y in several)
        overlap = overlap[0, 0, :, 0, 0, :]
        for block in groups:
            block = xp.astype(block, xp.float64)
            copies = range(block.shape[0])
            scores = [[block[k, 0, :, image, 0, :] for image in copies] for k in copies]
            overlap = overlap + best_totals(xp, scores)
        return overlap

    def _covariances(self, one: Layers, two: Layers) -> Iterator[Any]:
        """Yield the covariance of each assignment of the fitted groups, shape (3,B,3,B)."""
        blocks = [
            self._product(x, y) if at == 0 or self.resolved.groups[at - 1].fitted else None
            for at, (x, y) in enumerate(zip(one.parts, two.parts, strict=True))
        ]
        for assignment in fitted_assignments(self.resolved.groups):
            total = blocks[0][0, :, :, 0, :, :]  # type: ignore[index]
            for at, permutation in assignment.items():
                for k, image in enumerate(permutation):
                    total = total + blocks[at + 1][k, :, :, image, :, :]  # type: ignore[index]
            yield total

    def _best_overlap(self, one: Block, two: Block) -> tuple[Any, Any, Any]:
        best: tuple[Any, Any, Any] | None = None
        squares = one.measure.squares, two.measure.squares
        for covariance in self._covariances(one.measure, two.measure):
            best = self._better(best, self._stage(self._xp, covariance, squares))
        assert best is not None  # there is always the identity
        return best

    def _overlap_apart(self, one: Block, two: Block) -> tuple[Any, Any, Any]:
        """Return the overlaps when others than the measured beads are superposed."""
        xp = self._xp
        best: tuple[Any, Any, Any] | None = None
        fits = self._covariances(one.fit, two.fit)
        measures = self._covariances(one.measure, two.measure)
        for fit, measure in zip(fits, measures, strict=True):
            value, slope, slack = self._stage(xp, fit, (one.fit.squares, two.fit.squares))
            rotation = rotations(xp, fit, value)
            overlap = contract(rotation, measure)
            for at, group in enumerate(self.resolved.groups):
                if not group.fitted:
                    x, y = one.measure.parts[at + 1], two.measure.parts[at + 1]
                    overlap = overlap + best_totals(xp, self._copy_overlaps(rotation, x, y))
            best = self._better(best, (overlap, slope, slack))
        assert best is not None  # there is always the identity
        return best

    def _copy_overlaps(self, rotation: Any, x: Any, y: Any) -> list[list[Any]]:
        copies = range(x.shape[0])
        table: list[list[Any]] = [[None] * len(copies) for _ in copies]
        for k, image in itertools.product(copies, copies):
            block = self._product(x[k : k + 1, ...], y[image : image + 1, ...])
            table[k][image] = contract(rotation, block[0, :, :, 0, :, :])
        return table

    def _better(
        self, best: tuple[Any, Any, Any] | None, new: tuple[Any, Any, Any]
    ) -> tuple[Any, Any, Any]:
        if best is None:
            return new
        where, better = self._xp.where, new[0] > best[0]
        return (
            where(better, new[0], best[0]),
            where(better, new[1], best[1]),
            # What lacks steps is too large: it must not hide another assignment.
            where(better, new[2], best[2]),
        )
