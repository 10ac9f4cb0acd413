"""Neighbours from rows that a device computes again; only counts and bits are brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_blocks import Kept
from congruence.compute.neighbours import NeighbourBits

if TYPE_CHECKING:
    from congruence.compute._device_blocks import Block, Blocks
    from congruence.compute._device_pairs import Pairs
    from congruence.typing import BoolArray, IntArray

__all__ = ["DeviceNeighbours"]

_CLOSE = 1e-6
_KEPT = 4


class DeviceNeighbours:
    """
    Neighbours within a threshold, as the tiles of the same device have them.

    Parameters
    ----------
    pairs : Pairs
        In double precision.
    threshold : float
        In Å.
    memory : int
        Bytes for the bits of the models that are left in the end.
    """

    def __init__(self, pairs: Pairs, threshold: float, memory: int) -> None:
        self._pairs, self._threshold, self._memory = pairs, threshold, memory
        self._blocks: Blocks = pairs.blocks
        self._whole: Kept[Any] = Kept(_KEPT)

    def members(self, center: int, free: BoolArray) -> IntArray:
        """Return the free neighbours of a model, itself included."""
        near = np.zeros(len(free), dtype=bool)
        with self._blocks.arrays.working():
            models = np.array([center])
            row = self._blocks.gather(models, -1)
            for start in self._wanted(free):
                block = self._near(row, models, *self._column(start))
                near[start : start + block.shape[1]] = self._blocks.arrays.host(block)[0]
        near[center] = True
        return np.flatnonzero(near & free)

    def leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        """Take members out of the counts of the models that are still free."""
        xp, size = self._blocks.arrays.xp, self._blocks.size
        with self._blocks.arrays.working():
            for at in range(0, len(members), size):
                models = members[at : at + size]
                rows = self._blocks.gather(models, -1)
                for start in self._wanted(free):
                    near = self._near(rows, models, *self._column(start))
                    lost = self._blocks.arrays.host(xp.sum(near, axis=0, dtype=xp.int64))
                    counts[start : start + len(lost)] -= lost

    def finish(self, free: BoolArray, counts: IntArray) -> tuple[IntArray, IntArray] | None:
        """Cluster the models that are left by their bits, once these fit."""
        rest = np.flatnonzero(free)
        if len(rest) * ((len(rest) + 7) // 8) > self._memory:
            return None
        if counts[rest].max() == 1:
            return np.arange(len(rest)), rest
        sink, size = NeighbourBits(len(rest), self._threshold), self._blocks.size
        device = self._blocks.arrays
        with device.working():
            for i in range(0, len(rest), size):
                models = rest[i : i + size]
                rows = self._blocks.gather(models, -1)
                for j in range(i, len(rest), size):
                    others = rest[j : j + size]
                    columns = rows if i == j else self._blocks.gather(others, -2)
                    near = self._near(rows, models, columns, others)
                    parts = sink.reduce_near(device, near)
                    sink.put_reduced(i, j, tuple(device.host(part) for part in parts))
        labels, centers = sink.clusters()
        return labels, rest[centers]

    def _wanted(self, free: BoolArray) -> list[int]:
        """Return the blocks that hold a free model."""
        size = self._blocks.size
        return [start for start in self._blocks.starts() if free[start : start + size].any()]

    def _column(self, start: int) -> tuple[Block, IntArray]:
        block = self._blocks.get(start)
        return block, np.arange(start, start + block.count)

    def _near(self, one: Block, models: IntArray, two: Block, others: IntArray) -> Any:
        device = self._blocks.arrays
        tile = self._pairs.against(one, models, two, others)
        near = tile <= self._threshold
        # Gathered models may differ in the last digits from the tiles of the first pass.
        close = device.xp.abs(tile - self._threshold) <= _CLOSE
        left, right = (device.host(at) for at in device.xp.nonzero(close))
        if len(left):
            pairs = zip(models[left].tolist(), others[right].tolist(), strict=True)
            found = np.array([a == b or self._entry(a, b) <= self._threshold for a, b in pairs])
            near[device.array(left), device.array(right)] = device.array(found)
        return near

    def _entry(self, model: int, other: int) -> float:
        """Return a distance exactly as the tiles of the first pass have it."""
        size = self._blocks.size
        i, j = min(model, other), max(model, other)
        at = (i // size * size, j // size * size)
        whole = self._whole.get(at, lambda: self._pairs.between(*at))
        return float(whole[i % size, j % size])
