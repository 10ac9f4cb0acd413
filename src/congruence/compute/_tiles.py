"""
Distances of one tile of models against another, by matrix products.

One product of the packed rows gives all inner products of a tile; what remains
per pair is small. Pairs whose distance comes out of a cancellation, or whose
rotation is nearly undetermined, are found by an error bound and recomputed
explicitly, so that the double-precision distances hold 1e-6 Å everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from congruence.compute._eigen import COMPILED_PAIRS, Stage, rotations, unsure
from congruence.compute._exact import exact_distances
from congruence.compute._packing import TILE, as_rows
from congruence.compute.assignment import best_totals, fitted_assignments
from congruence.core.results import Alignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.compute._packing import Laying, Packed, Rows
    from congruence.compute._resolve import Resolved
    from congruence.typing import BoolArray, FloatArray

__all__ = ["Arithmetic", "Precision", "TileComputer", "chosen_precision"]

Precision: TypeAlias = Literal["auto", "double", "mixed"]
Arithmetic: TypeAlias = Literal["double", "mixed"]

_EPS = float(np.finfo(np.float64).eps)
_EPS_SINGLE = float(np.finfo(np.float32).eps)
_DOUBLE_TOLERANCE = 2e-7
_MIXED_TOLERANCE = 1e-3
_QUARTIC_ERROR = 64.0
_SINGLE_ERROR = 4.0
_SAFETY = 1.5
_FLAT = 1e-3
_FEW = 256
_TINY = 1e-300


def chosen_precision(precision: Precision, pairs: int) -> Arithmetic:
    """Return what `precision` means for so many pairs: automatic is mixed from a million on."""
    if precision == "auto":
        return "mixed" if pairs >= COMPILED_PAIRS else "double"
    return precision


@dataclass(frozen=True, eq=False)
class TileComputer:
    """
    Computes tiles of one resolved metric with one eigenvalue stage.

    `single_error` bounds what single precision changes in an overlap, as a
    multiple of its rounding unit and of the mean square of the two models.
    """

    resolved: Resolved
    stage: Stage
    precision: Arithmetic
    single_error: float = _SINGLE_ERROR

    @property
    def laying(self) -> Laying | None:
        """How rows of single precision are laid, where they are used."""
        return self.stage.single.laid if self.precision == "mixed" else None

    def distances(self, one: Packed, two: Packed) -> FloatArray:
        """Return the distances in Å, shape (one.count, two.count)."""
        distance, doubtful, found = self._approximate(one, two, single=self.precision == "mixed")
        if found:
            doubtful &= _wanted(one, two)
        if found and self.precision == "mixed" and np.count_nonzero(doubtful) > _FEW:
            distance, doubtful, _ = self._approximate(one, two, single=False)
            doubtful &= _wanted(one, two)
        if found:
            rows, columns = np.nonzero(doubtful)
            distance[rows, columns] = exact_distances(self.resolved, one, two, (rows, columns))
        if one.start == two.start:
            distance = np.triu(distance, 1)
            distance += distance.T
        return distance[: one.count, : two.count]

    def calibrated(self, one: Packed) -> TileComputer:
        """
        Return this computer with the error of single precision as a tile shows it.

        How far rounding errors add up depends on the number and the likeness of
        the beads and on the matrix library: both products of one tile tell.
        """
        # Matrix libraries multiply a matrix with itself in another way than with its copy.
        again = replace(one.measure, single=tuple(part.copy("K") for part in one.measure.single))
        two = replace(one, measure=again, fit=again)
        overlaps = [self._overlap(one, two, single)[0] for single in (False, True)]
        change = np.abs(overlaps[1] - overlaps[0])
        scale = _mean(one.measure, two.measure)
        worst = float((change / np.maximum(scale, _TINY)).max()) / _EPS_SINGLE
        return replace(self, single_error=max(_SINGLE_ERROR, _SAFETY * worst))

    def doubtful_share(self, one: Packed) -> float:
        """Return which share of a tile single precision cannot give."""
        _, doubtful, _ = self._approximate(one, one, single=True)
        wanted = _wanted(one, one)
        return float((doubtful & wanted).sum() / max(wanted.sum(), 1))

    def _approximate(
        self, one: Packed, two: Packed, *, single: bool
    ) -> tuple[FloatArray, BoolArray, int]:
        """Return the distances, which of them are doubtful, and how many (of padding too)."""
        width = sum(p.shape[0] * p.shape[3] for p in one.measure.parts)
        factor = self.single_error * _EPS_SINGLE if single else (8.0 + np.sqrt(width)) * _EPS
        tolerance = _MIXED_TOLERANCE if single else _DOUBLE_TOLERANCE
        bounds = (factor, _QUARTIC_ERROR * _EPS, tolerance)
        squares = one.measure.squares, two.measure.squares
        if self._one_covariance:
            covariance, _ = next(self._covariances(one.measure, two.measure, single))
            return self.stage.distances(covariance, *squares, bounds)
        overlap, slope = self._overlap(one, two, single)
        if slope is None:
            return self.stage.still(overlap, *squares, bounds)
        scale = _mean(one.measure, two.measure)
        distance = _root(scale, overlap)
        fit = scale if one.fit is one.measure else _mean(one.fit, two.fit)
        doubtful = unsure(distance, slope, (scale, fit), bounds)
        if not self.resolved.same:
            doubtful |= slope < _FLAT * (fit * fit * fit)
        return distance, doubtful, int(np.count_nonzero(doubtful))

    @property
    def _one_covariance(self) -> bool:
        """Whether a pair has one covariance, that of the measured beads, and no assignment."""
        superposed = self.resolved.alignment is Alignment.SUPERPOSE
        return superposed and self.resolved.same and not self.resolved.groups

    def _overlap(
        self, one: Packed, two: Packed, single: bool
    ) -> tuple[FloatArray, FloatArray | None]:
        """Return the best overlaps and, with rotations, the slopes of the quartic there."""
        if self.resolved.alignment is not Alignment.SUPERPOSE:
            return self._still(one.measure, two.measure, single), None
        if self.resolved.same:
            return self._turned(one.measure, two.measure, single)
        return self._turned_apart(one, two)

    def _turned(self, one: Rows, two: Rows, single: bool) -> tuple[FloatArray, FloatArray]:
        """Return the best overlaps when the measured beads are those superposed."""
        best: FloatArray | None = None
        for covariance, _ in self._covariances(one, two, single):
            value, slope = self.stage.solve(covariance, one.squares, two.squares)
            if best is None:
                best, slopes = value, slope
            else:
                better = value > best
                best[better], slopes[better] = value[better], slope[better]
        assert best is not None  # there is always the identity
        return best, slopes

    def _covariances(
        self, one: Rows, two: Rows, single: bool
    ) -> Iterator[tuple[Any, dict[int, tuple[int, ...]]]]:
        """Yield the covariance of each assignment of the fitted groups."""
        blocks = [
            self._product(one, two, at, single)
            if at == 0 or self.resolved.groups[at - 1].fitted
            else None
            for at in range(len(one.parts))
        ]
        for assignment in fitted_assignments(self.resolved.groups):
            total = blocks[0][0, :, :, 0]  # type: ignore[index]
            if assignment:
                total = total.copy()
            for at, permutation in assignment.items():
                for k, image in enumerate(permutation):
                    total += blocks[at + 1][k, :, :, image]  # type: ignore[index]
            yield total.reshape(3 * TILE, 3 * TILE), assignment

    def _product(self, one: Rows, two: Rows, part: int, single: bool) -> Any:
        """Return all inner products of a part, shape (copies, planes, TILE, copies, planes, TILE)."""
        x, y = one.parts[part], two.parts[part]
        if not single:
            return _product(x, y)
        multiplied = self.stage.single.multiplied(one.single[part], two.single[part])
        return multiplied.reshape(*x.shape[:3], *y.shape[:3])

    def _still(self, one: Rows, two: Rows, single: bool) -> FloatArray:
        """Return the best overlaps of models as they are."""
        rest, *groups = (self._product(one, two, at, single) for at in range(len(one.parts)))
        overlap: FloatArray = rest[0, 0, :, 0, 0]
        for block in groups:
            scores = block[:, 0, :, :, 0].transpose(0, 2, 1, 3)
            overlap = overlap + best_totals(np.asarray(scores, np.float64))
        return overlap

    def _turned_apart(self, one: Packed, two: Packed) -> tuple[FloatArray, FloatArray]:
        """Return the overlaps when others than the measured beads are superposed."""
        best: FloatArray | None = None
        fits = self._covariances(one.fit, two.fit, False)
        measures = self._covariances(one.measure, two.measure, False)
        for (fit, _), (measure, _) in zip(fits, measures, strict=True):
            value, slope = self.stage.solve(fit, one.fit.squares, two.fit.squares)
            rotation = rotations(fit, value)
            overlap = _contract(rotation, measure)
            for at, group in enumerate(self.resolved.groups):
                if not group.fitted:
                    x, y = one.measure.parts[at + 1], two.measure.parts[at + 1]
                    overlap += best_totals(_copy_overlaps(rotation, x, y))
            if best is None:
                best, slopes = overlap, slope
            else:
                better = overlap > best
                best[better], slopes[better] = overlap[better], slope[better]
        assert best is not None  # there is always the identity
        return best, slopes


def _wanted(one: Packed, two: Packed) -> BoolArray:
    wanted = np.zeros((TILE, TILE), dtype=bool)
    wanted[: one.count, : two.count] = True
    return np.triu(wanted, 1) if one.start == two.start else wanted


def _mean(one: Rows, two: Rows) -> FloatArray:
    mean = one.squares[:, None] + two.squares
    mean *= 0.5
    return mean


def _root(scale: FloatArray, overlap: FloatArray) -> FloatArray:
    """Return the distances from the mean squares and the overlaps."""
    square = scale - overlap
    square *= 2.0
    np.maximum(square, 0.0, out=square)
    return np.sqrt(square, out=square)


def _product(x: Any, y: Any) -> Any:
    """Return all inner products, shape (copies, planes, TILE, copies, planes, TILE)."""
    return (as_rows(x) @ as_rows(y).T).reshape(*x.shape[:3], *y.shape[:3])


def _contract(rotation: FloatArray, covariance: Any) -> FloatArray:
    split = covariance.reshape(3, TILE, 3, TILE)
    overlap = np.zeros((TILE, TILE))
    for d in range(3):
        for e in range(3):
            overlap += rotation[d, e] * split[d, :, e]
    return overlap


def _copy_overlaps(rotation: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the overlap of each copy with each, row by row to bound the memory."""
    return np.stack(
        [np.stack([_contract(rotation, _product(a[None], b[None])) for b in y]) for a in x]
    )
