"""
Distances of one block of models against another, on a device.

What `congruence.compute._tiles` does for a tile: matrix products, the eigenvalue
stage, an error bound; the pairs that the bound leaves in doubt are brought back
and recomputed explicitly by this machine.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_stage import (
    best_totals,
    bounded_apart,
    bounded_still,
    contract,
    near_apart,
    near_still,
    residual_distances,
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
    from collections.abc import Callable, Iterator

    from congruence.compute._device_blocks import Block, Blocks, Layers
    from congruence.compute._device_stage import Found
    from congruence.typing import IntArray

__all__ = ["Begun", "Pairs", "unsupported"]

_MOST_ASSIGNMENTS = 720
_MOST_COPIES = 5
_FEW = 4096
_AT_ONCE = 1 << 22  # numbers of pairs that are repaired at once


def unsupported(groups: Any) -> str:
    """Say why copies are too many for a device; empty when they are not."""
    tried = math.prod(math.factorial(group.copies) for group in groups if group.fitted)
    if tried > _MOST_ASSIGNMENTS:
        return f"{tried:,} assignments of copies for each pair"
    if any(group.copies > _MOST_COPIES for group in groups):
        return f"more than {_MOST_COPIES} interchangeable copies"
    return ""


@dataclass(frozen=True, eq=False)
class Begun:
    """
    A pair of blocks that the device was asked for.

    `any_doubtful` waits until it is known whether there is a pair to repair.
    """

    one: Block
    two: Block
    distance: Any
    doubtful: Any
    any_doubtful: Callable[[], Any]


@dataclass(frozen=True)
class _Kind:
    """What is asked of products: with no rotation, with the best one, with the one of other beads."""

    still: Callable[..., Any]
    turned: Callable[..., Any]
    apart: Callable[..., Any]


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
        self._stage = self._arrays.stage()
        self._distances = _Kind(bounded_still, self._stage.turned, bounded_apart)
        self._errors = {False: self._error(), True: self._error(_SINGLE_ERROR)}
        self._upper: Any = None

    def between(self, start: int, other: int) -> Any:
        """Return the distances (Å) of two blocks, without padding; on the diagonal symmetric."""
        return self.finish(self.begin(start, other))

    def begin(self, start: int, other: int, *, single: bool | None = None) -> Begun:
        """Ask the device for the distances of two blocks, and do not wait."""
        single = self.single if single is None else single
        one, two = (self.blocks.get(at, single=single) for at in (start, other))
        distance, doubtful = self._bounded(one, two, self._errors[single])
        doubtful = self._once(doubtful, one, two)
        return Begun(one, two, distance, doubtful, self._arrays.fetch(self._xp.any(doubtful)))

    def finish(self, begun: Begun) -> Any:
        """Return what was begun, as `between`."""
        xp, one, two = self._xp, begun.one, begun.two
        at = xp.nonzero(begun.doubtful) if begun.any_doubtful() else ()
        if at and self.single and at[0].shape[0] > _FEW:
            begun = self.begin(one.start, two.start, single=False)
            at = xp.nonzero(begun.doubtful)
        distance = begun.distance[: one.count, : two.count]
        if at and at[0].shape[0]:
            distance[at] = self._repaired(one, two, at)
        if one.start == two.start:
            distance = xp.triu(distance, k=1)
            distance = distance + xp.matrix_transpose(distance)
        return distance

    def near(self, one: Block, two: Block, threshold: Any) -> tuple[Any, Any]:
        """
        Return which models of two blocks are within a threshold, and where that is not sure.

        `threshold` is an array of the device. In double precision, without padding;
        not sure are pairs that other products of the same models could separate
        in another way.
        """
        errors = self._errors[False][0], threshold
        near, unsure = self._bounded(
            one, two, errors, _Kind(near_still, self._stage.near, near_apart)
        )
        return near[: one.count, : two.count], unsure[: one.count, : two.count]

    def doubtful_share(self) -> float:
        """Return which share of the first block single precision cannot give."""
        begun = self.begin(0, 0, single=True)
        count = begun.one.count
        doubtful = self._xp.nonzero(begun.doubtful)[0].shape[0]
        return float(doubtful / max(count * (count - 1) / 2, 1))

    def _repaired(self, one: Block, two: Block, at: tuple[Any, Any]) -> Any:
        """Return distances recomputed explicitly, on the device; those of copies by this machine."""
        device = self._arrays
        if self.resolved.groups:
            left, right = (device.host(positions) for positions in at)
            return device.array(self.exact(left + one.start, right + two.start))
        # In double precision, whatever the products were in.
        one, two = (self.blocks.get(block.start) for block in (one, two))
        beads = max(one.measure.parts[0].shape[3], one.fit.parts[0].shape[3])
        step = max(1, _AT_ONCE // beads)
        several = [
            (at[0][k : k + step], at[1][k : k + step]) for k in range(0, at[0].shape[0], step)
        ]
        return self._xp.concat([self._residuals(one, two, few) for few in several])

    def _residuals(self, one: Block, two: Block, at: tuple[Any, Any]) -> Any:
        def gathered(layers: tuple[Layers, Layers]) -> tuple[Any, Any]:
            x, y = (
                self._xp.take(layer.parts[0][0, ...], few, axis=1)
                for layer, few in zip(layers, at, strict=True)
            )
            return self._xp.permute_dims(x, (1, 0, 2)), self._xp.permute_dims(y, (1, 0, 2))

        fits = None
        if self.resolved.alignment is Alignment.SUPERPOSE:
            fits = gathered((one.fit, two.fit))
        return residual_distances(self._xp, gathered((one.measure, two.measure)), fits)

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

    def _once(self, doubtful: Any, one: Block, two: Block) -> Any:
        """Return the doubtful pairs without padding; on the diagonal those above it."""
        xp = self._xp
        if one.start == two.start:
            if self._upper is None:
                self._upper = xp.triu(xp.ones_like(doubtful), k=1)
            doubtful = xp.logical_and(doubtful, self._upper)
        return doubtful[: one.count, : two.count]

    def _bounded(
        self, one: Block, two: Block, errors: tuple[Any, Any], kind: _Kind | None = None
    ) -> tuple[Any, Any]:
        """Return distances and which of them the bound leaves in doubt, shape (B,B)."""
        with np.errstate(over="ignore", divide="ignore"):
            found = self._bounded_any(one, two, errors, kind or self._distances)
            return found[0], found[1]

    def _bounded_any(self, one: Block, two: Block, errors: tuple[Any, Any], kind: _Kind) -> Any:
        xp, squares = self._xp, (one.measure.squares, two.measure.squares)
        if self.resolved.alignment is not Alignment.SUPERPOSE:
            return kind.still(xp, self._still_overlap(one, two), squares, errors)
        if not self.resolved.same:
            both = (squares, (one.fit.squares, two.fit.squares))
            return kind.apart(xp, self._overlap_apart(one, two), both, errors, same=False)
        if not any(group.fitted for group in self.resolved.groups):
            covariance = next(self._covariances(one.measure, two.measure))
            return kind.turned(xp, covariance, squares, errors)
        best = self._best_overlap(one, two)
        return kind.apart(xp, best, (squares, squares), errors, same=True)

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

    def _best_overlap(self, one: Block, two: Block) -> Found:
        best: Found | None = None
        squares = one.measure.squares, two.measure.squares
        for covariance in self._covariances(one.measure, two.measure):
            best = self._better(best, self._stage.largest(self._xp, covariance, squares))
        assert best is not None  # there is always the identity
        return best

    def _overlap_apart(self, one: Block, two: Block) -> Found:
        """Return the overlaps when others than the measured beads are superposed."""
        xp = self._xp
        best: Found | None = None
        fits = self._covariances(one.fit, two.fit)
        measures = self._covariances(one.measure, two.measure)
        for fit, measure in zip(fits, measures, strict=True):
            value, slope, slack, size = self._stage.largest(
                xp, fit, (one.fit.squares, two.fit.squares)
            )
            rotation = rotations(xp, fit, value)
            overlap = contract(rotation, measure)
            for at, group in enumerate(self.resolved.groups):
                if not group.fitted:
                    x, y = one.measure.parts[at + 1], two.measure.parts[at + 1]
                    overlap = overlap + best_totals(xp, self._copy_overlaps(rotation, x, y))
            best = self._better(best, (overlap, slope, slack, size))
        assert best is not None  # there is always the identity
        return best

    def _copy_overlaps(self, rotation: Any, x: Any, y: Any) -> list[list[Any]]:
        copies = range(x.shape[0])
        table: list[list[Any]] = [[None] * len(copies) for _ in copies]
        for k, image in itertools.product(copies, copies):
            block = self._product(x[k : k + 1, ...], y[image : image + 1, ...])
            table[k][image] = contract(rotation, block[0, :, :, 0, :, :])
        return table

    def _better(self, best: Found | None, new: Found) -> Found:
        if best is None:
            return new
        where, better = self._xp.where, new[0] > best[0]
        return (
            where(better, new[0], best[0]),
            where(better, new[1], best[1]),
            # What lacks steps is too large: it must not hide another assignment.
            where(better, new[2], best[2]),
            where(better, new[3], best[3]),
        )
