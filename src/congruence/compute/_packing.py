"""
Models made ready for matrix products: selected, centred, weighted, in planes.

The unit is a tile of `TILE` models. Every tile is packed in the same way
whatever block it is read with, so that bytes depend on the data alone.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.core.results import Alignment
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._resolve import Layer, Resolved
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

__all__ = ["TILE", "Laying", "Packed", "Packer", "Rows", "as_rows"]

Laying: TypeAlias = "Callable[[FloatArray], Float32Array]"

TILE = 128
_HUGE = 1e60
_IN_CACHE = 1 << 18  # numbers
_LINE = 1e-9


@dataclass(frozen=True, eq=False)
class Rows:
    """
    One layer of a tile.

    `parts` have shape (copies, planes, TILE, b), the first being the beads
    outside of active groups; `squares` are the sums of all squares of a model;
    `single` are the parts in single precision, when wanted, laid as products read them.
    """

    parts: tuple[FloatArray, ...]
    squares: FloatArray
    single: tuple[Float32Array, ...] = ()


@dataclass(frozen=True, eq=False)
class Packed:
    """A tile: measured and fitted rows (the same object where they are the same)."""

    start: int
    count: int
    measure: Rows
    fit: Rows


class Packer:
    """
    Reads and packs tiles of one source for one metric.

    Parameters
    ----------
    resolved : Resolved
        The metric and the source.
    single : callable, optional
        Lays rows in single precision, to be kept too: `Products.laid`.
    shifted : bool
        Without superposition, whether to take the mean of the first tile from
        all models: it changes no distance and keeps the numbers small.
    """

    def __init__(
        self, resolved: Resolved, *, single: Laying | None = None, shifted: bool = True
    ) -> None:
        self.resolved = resolved
        self.single = single
        self._lock = threading.Lock()
        self._shift: FloatArray | None = None
        if shifted and resolved.alignment is not Alignment.SUPERPOSE:
            self._shift = self._first_mean()

    def tile(self, start: int) -> Packed:
        """Return the tile that begins with a model; the last one is padded with its last model."""
        stop = min(start + TILE, self.resolved.source.shape[0])
        return self.models(np.arange(start, stop), pad=TILE)

    def models(self, models: IntArray, pad: int = 0) -> Packed:
        """Return consecutive (or single) models, packed."""
        resolved = self.resolved
        first, count = int(models[0]), len(models)
        with self._lock:
            block = np.asarray(resolved.source.read(first, first + count), np.float64)
        if count < pad:
            block = np.concatenate([block, np.repeat(block[-1:], pad - count, axis=0)])
        apart = not resolved.same and resolved.alignment is Alignment.SUPERPOSE
        measuring = _Filling(resolved.measure, len(block), resolved.planes)
        fitting = _Filling(resolved.fit, len(block), resolved.planes) if apart else measuring
        # A few models at a time stay in the cache of a core from the first step to the last.
        step = max(1, _IN_CACHE // max(block[0].size, 1))
        # What is not finite is refused below, by name; until then it may be carried along.
        with np.errstate(invalid="ignore", over="ignore"):
            for at in range(0, len(block), step):
                few = block[at : at + step]
                centroid = self.centroids(few)
                for filling in (measuring, fitting) if apart else (measuring,):
                    filling.fill(at, few, centroid, self._shift)
            measure = measuring.rows(single=self.single)
            fit = fitting.rows(single=self.single) if apart else measure
        _refuse_unusable(first, measure.squares[:count], fit.squares[:count])
        if resolved.loose:
            _refuse_lines(first, fit, count)
        return Packed(first, count, measure, fit)

    def centroids(self, block: FloatArray) -> FloatArray:
        """Return what is taken from each model, shape (models,3); zero without alignment."""
        if self.resolved.alignment is Alignment.NONE:
            return np.zeros((len(block), 3))
        layer = self.resolved.fit
        beads = block if len(layer.beads) == block.shape[1] else block[:, layer.beads]
        # The first bead is taken away before averaging: far from the origin nothing is lost.
        origin = beads[:, 0]
        planes = np.empty((3, *beads.shape[:2]))
        np.subtract(beads.transpose(2, 0, 1), origin.T[:, :, None], out=planes)
        centroid: FloatArray = origin + np.einsum("dib,b->id", planes, layer.share)
        return centroid

    def _first_mean(self) -> FloatArray:
        resolved = self.resolved
        block = np.asarray(resolved.source.read(0, min(TILE, resolved.source.shape[0])), np.float64)
        used = np.union1d(resolved.measure.beads, resolved.fit.beads)
        block = block[np.isfinite(block[:, used]).all(axis=(1, 2))]
        mean: FloatArray = np.zeros(block.shape[1:])
        if len(block):
            with np.errstate(invalid="ignore"):
                mean = (block - self.centroids(block)[:, None]).mean(axis=0)
        for group in resolved.groups:
            # Copies share one mean, else an exchange of copies would change distances.
            beads = resolved.all_groups[group.index].beads
            mean[beads] = mean[beads].mean(axis=0)
        return mean


class _Filling:
    """The rows of one layer while models are put into them."""

    def __init__(self, layer: Layer, models: int, planes: int) -> None:
        self.layer, self.planes = layer, planes
        self.squares = np.zeros(models)
        self._whole: list[FloatArray] = []
        for part in layer.parts:
            copies, width = part.beads.shape
            shape = (copies, 3, models, width) if planes == 3 else (copies, models, 3, width)
            self._whole.append(np.empty(shape))

    def fill(
        self, at: int, block: FloatArray, centroid: FloatArray, shift: FloatArray | None
    ) -> None:
        """Put models in, the first of them at `at`."""
        models, n, _ = block.shape
        own = slice(at, at + models)
        for part, whole in zip(self.layer.parts, self._whole, strict=True):
            packed = whole[:, :, own] if self.planes == 3 else whole[:, own].transpose(0, 2, 1, 3)
            for k, beads in enumerate(part.beads):
                chosen = block if len(beads) == n else block[:, beads]
                for d in range(3):
                    np.subtract(chosen[:, :, d], centroid[:, d, None], out=packed[k, d])
                    if shift is not None:
                        packed[k, d] -= shift[beads, d]
                    packed[k, d] *= part.root
            self.squares[own] += np.einsum("kdib,kdib->i", packed, packed)

    def rows(self, *, single: Laying | None) -> Rows:
        """Return what was put in."""
        parts = tuple(self._whole)
        if self.planes == 1:
            parts = tuple(p.reshape(len(p), 1, len(self.squares), -1) for p in parts)
        if single is None:
            return Rows(parts, self.squares)
        return Rows(parts, self.squares, tuple(single(as_rows(p)) for p in parts))


def as_rows(part: FloatArray) -> FloatArray:
    """Return a part as a matrix: a row for each copy, plane and model."""
    return part.reshape(math.prod(part.shape[:3]), part.shape[3])


def _refuse_unusable(first: int, *squares: FloatArray) -> None:
    bad: BoolArray = ~np.logical_and.reduce([s < _HUGE for s in squares])
    if bad.any():
        models = ", ".join(str(first + int(i)) for i in np.flatnonzero(bad)[:5])
        more = f" and {int(bad.sum()) - 5} more" if bad.sum() > 5 else ""
        raise ShapeError(
            f"coordinates of model {models}{more} are not finite",
            hint="Leave these models out, or look at why their files hold NaN or infinite numbers.",
        )


def _refuse_lines(first: int, fit: Rows, count: int) -> None:
    """Refuse to measure beads beside a superposition that leaves a free turn."""
    inner = np.zeros((fit.squares.size, 3, 3))
    for part in fit.parts:
        inner += np.einsum("kdib,keib->ide", part, part)
    spread = np.linalg.eigvalsh(inner[:count])
    lines = spread[:, 1] <= _LINE * np.maximum(spread[:, 2], 1e-300)
    if lines.any():
        raise ShapeError(
            f"the superposed beads of model {first + int(np.flatnonzero(lines)[0])} lie on a line "
            "(or are fewer than three): the rotation of the other measured beads is not determined",
            hint="Superpose on three or more beads that are not on one line (on=...).",
        )
