"""Neighbours from rows that are computed again, where not even bits of pairs fit in memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.neighbours import NeighbourBits

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.rows import DistanceRows
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["Again"]

_CLOSE = 1e-6


class Again:
    """Neighbours from rows that are computed again."""

    def __init__(self, rows: DistanceRows, threshold: float, memory: int) -> None:
        self._rows, self._threshold, self._memory = rows, threshold, memory

    def members(self, center: int, free: BoolArray) -> IntArray:
        near = np.zeros(len(free), dtype=bool)
        one = np.array([center])
        self._visit(one, free, partial(_set_row, near))
        near[center] = True
        return np.flatnonzero(near & free)

    def leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        if free.any():
            self._visit(members, free, partial(_subtract, counts))

    def finish(self, free: BoolArray, counts: IntArray) -> tuple[IntArray, IntArray] | None:
        """Cluster the models that are left by their bits, once these fit."""
        rest = np.flatnonzero(free)
        if len(rest) * ((len(rest) + 7) // 8) > self._memory:
            return None
        if counts[rest].max() == 1:
            return np.arange(len(rest)), rest
        sink = NeighbourBits(len(rest), self._threshold)

        def put(i: int, j: int, tile: FloatArray) -> None:
            near = self._near(tile, rest[i : i + len(tile)], rest[j : j + tile.shape[1]])
            if i == j:
                np.fill_diagonal(near, True)
            sink.put_near(i, j, near)

        self._rows.visit_between(rest, put)
        labels, centers = sink.clusters()
        return labels, rest[centers]

    def _visit(
        self, models: IntArray, free: BoolArray, take: Callable[[int, BoolArray], None]
    ) -> None:
        def block(at: int, start: int, tile: FloatArray) -> None:
            own, others = models[at : at + len(tile)], start + np.arange(tile.shape[1])
            take(start, self._near(tile, own, others))

        self._rows.visit(models, block, wanted=free)

    def _near(self, tile: FloatArray, rows: IntArray, columns: IntArray) -> BoolArray:
        near: BoolArray = tile <= self._threshold
        # Gathered models may differ in the last digits from the tiles of the first pass.
        for r, c in np.argwhere(np.abs(tile - self._threshold) <= _CLOSE):
            one, two = int(rows[r]), int(columns[c])
            near[r, c] = one == two or self._rows.entry(one, two) <= self._threshold
        return near


def _set_row(row: BoolArray, start: int, near: BoolArray) -> None:
    row[start : start + near.shape[1]] = near[0]


def _subtract(counts: IntArray, start: int, near: BoolArray) -> None:
    counts[start : start + near.shape[1]] -= np.count_nonzero(near, axis=0)
