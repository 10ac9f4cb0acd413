"""
Distances of a few models to all, without a matrix.

The same arithmetic as `congruence.compute.rmsd.rmsd_tiles`, over gathered models
on one side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._blocks import in_order, thread_count
from congruence.compute._eigen import stage
from congruence.compute._packing import TILE, Packed, Packer, Rows
from congruence.compute._resolve import Data, resolve
from congruence.compute._tiles import TileComputer

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.metric import Metric
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["DistanceRows"]

_MEMORY = 2 << 30


class DistanceRows:
    """
    Rows of a distance matrix, computed when asked for.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    threads : int, optional
        Threads; all available cores by default.
    memory : int
        Bytes that packed models may take; models beyond are read again for
        every call.
    """

    def __init__(
        self, data: Data, metric: Metric, *, threads: int | None = None, memory: int = _MEMORY
    ) -> None:
        self._resolved = resolve(data, metric)
        self.m = self._resolved.source.shape[0]
        self._packer = Packer(self._resolved)
        self._computer = TileComputer(self._resolved, stage(self.m * (self.m - 1) // 2), "double")
        self._threads = thread_count(threads)
        beads = len(self._resolved.measure.beads)
        if not self._resolved.same:
            beads += len(self._resolved.fit.beads)
        self._room = memory // (TILE * beads * 24)
        self._kept: dict[int, Packed] = {}

    @property
    def definition(self) -> dict[str, str]:
        """Words for ``DistanceMatrix.definition``."""
        return self._resolved.definition | {"precision": "double"}

    def rows(self, models: IntArray) -> FloatArray:
        """
        Compute the distances of some models to all.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            The models. 128 at once cost as much as one.

        Returns
        -------
        rows : ndarray, dtype=float64, shape=(k,m)
            In Å; within 1e-6 Å the entries of the matrix.
        """
        models = np.asarray(models, dtype=np.int64)
        out = np.empty((len(models), self.m))
        self.visit(models, lambda at, start, block: _assign(out, at, start, block))
        out[np.arange(len(models)), models] = 0.0
        return out

    def visit(
        self,
        models: IntArray,
        take: Callable[[int, int, FloatArray], None],
        *,
        wanted: BoolArray | None = None,
    ) -> None:
        """
        Compute rows block by block.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            The models.
        take : callable
            Called in a fixed order with the position in `models`, the first
            model of the columns, and the distances, shape (up to 128, up to 128).
        wanted : ndarray, dtype=bool, shape=(m,), optional
            Blocks of columns without a wanted model are left out.
        """
        from threadpoolctl import threadpool_limits

        starts = list(range(0, self.m, TILE))
        if wanted is not None:
            starts = [start for start in starts if wanted[start : start + TILE].any()]
        with threadpool_limits(1, user_api="blas"):
            for at in range(0, len(models), TILE):
                chosen = self._gather(models[at : at + TILE], -1)

                def block(start: int, chosen: Packed = chosen) -> FloatArray:
                    return self._computer.distances(chosen, self._tile(start))

                for start, found in in_order(block, starts, self._threads):
                    take(at, start, found)

    def between(self, models: IntArray) -> FloatArray:
        """
        Compute the distances among some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            The models.

        Returns
        -------
        square : ndarray, dtype=float64, shape=(k,k)
            In Å, symmetric. Takes 8 k² bytes.
        """
        square = np.zeros((len(models), len(models)))

        def put(i: int, j: int, tile: FloatArray) -> None:
            square[i : i + len(tile), j : j + tile.shape[1]] = tile
            square[j : j + tile.shape[1], i : i + len(tile)] = tile.T

        self.visit_between(models, put)
        return square

    def visit_between(self, models: IntArray, put: Callable[[int, int, FloatArray], None]) -> None:
        """
        Compute the distances among some models, tile by tile.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            The models.
        put : callable
            Called in a fixed order with positions in `models` of the first row
            and column (never below the diagonal) and a tile of distances.
        """
        from threadpoolctl import threadpool_limits

        starts = range(0, len(models), TILE)
        with threadpool_limits(1, user_api="blas"):
            for i in starts:
                own = self._gather(models[i : i + TILE], -1 - i)

                def tile(j: int, i: int = i, own: Packed = own) -> FloatArray:
                    other = own if i == j else self._gather(models[j : j + TILE], -1 - j)
                    return self._computer.distances(own, other)

                for j, found in in_order(tile, starts[i // TILE :], self._threads):
                    put(i, j, found)

    def entry(self, i: int, j: int) -> float:
        """
        Return a distance exactly as the tiles of the whole matrix have it.

        Parameters
        ----------
        i, j : int
            Two models.

        Returns
        -------
        distance : float
            In Å.
        """
        from threadpoolctl import threadpool_limits

        i, j = min(i, j), max(i, j)
        with threadpool_limits(1, user_api="blas"):
            tile = self._computer.distances(
                self._tile(i // TILE * TILE), self._tile(j // TILE * TILE)
            )
        return float(tile[i % TILE, j % TILE])

    def _tile(self, start: int) -> Packed:
        packed = self._kept.get(start)
        if packed is None:
            packed = self._packer.tile(start)
            if len(self._kept) < self._room:
                self._kept[start] = packed
        return packed

    def _gather(self, models: IntArray, name: int) -> Packed:
        """Return arbitrary models as one padded tile, under a negative name."""
        single = [self._one(int(model)) for model in models]
        single += single[-1:] * (TILE - len(single))
        measure = _joined([packed.measure for packed in single])
        fit = measure
        if single[0].fit is not single[0].measure:
            fit = _joined([packed.fit for packed in single])
        return Packed(name, len(models), measure, fit)

    def _one(self, model: int) -> Packed:
        packed = self._kept.get(model // TILE * TILE)
        if packed is None:
            return self._packer.models(np.array([model]))
        measure = _picked(packed.measure, model % TILE)
        same = packed.fit is packed.measure
        return Packed(model, 1, measure, measure if same else _picked(packed.fit, model % TILE))


def _picked(rows: Rows, at: int) -> Rows:
    parts = tuple(part[:, :, at : at + 1] for part in rows.parts)
    return Rows(parts, rows.squares[at : at + 1])


def _joined(several: list[Rows]) -> Rows:
    parts = tuple(np.concatenate(p, axis=2) for p in zip(*(r.parts for r in several), strict=True))
    return Rows(parts, np.concatenate([r.squares for r in several]))


def _assign(out: FloatArray, at: int, start: int, block: FloatArray) -> None:
    out[at : at + len(block), start : start + block.shape[1]] = block
