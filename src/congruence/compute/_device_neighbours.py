"""Neighbours from rows that a device computes again; only counts and bits are brought back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_blocks import Kept, model_bytes
from congruence.compute.neighbours import NeighbourBits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from congruence.compute._device_blocks import Block, Blocks
    from congruence.compute._device_pairs import Pairs
    from congruence.typing import BoolArray, IntArray

__all__ = ["DeviceNeighbours"]

_CLOSE = 1e-6  # tiles of the first pass may differ by less from explicit distances
_KEPT = 4
_SPARSE = 0.7  # blocks of which fewer models are left are made anew of these
_AT_ONCE = 3


@dataclass(frozen=True, eq=False)
class _Group:
    """Models of a block, and which of them (by their positions) are asked about."""

    block: Block
    models: IntArray
    asked: Any


@dataclass(frozen=True, eq=False)
class _Asked:
    """A pair of blocks that the device was asked for."""

    one: _Group
    two: _Group
    near: Any
    unsure: Any
    any_unsure: Callable[[], Any]


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
        self._device = pairs.blocks.arrays
        self._limit = self._device.array(np.array(float(threshold)))
        self._dense: list[tuple[IntArray, Block]] = []
        self._covered = self._blocks.m
        self._whole: Kept[Any] = Kept(_KEPT)

    def members(self, center: int, free: BoolArray) -> IntArray:
        """Return the free neighbours of a model, itself included."""
        near = np.zeros(len(free), dtype=bool)
        others = free.copy()
        others[center] = False
        with self._device.working():
            one = self._gathered(np.array([center]), -1)
            found = [
                (asked.two.models, self._device.fetch(asked.near[0, :]))
                for asked in self._near((one, two) for two in self._columns(others))
            ]
            for models, row in found:
                near[models] = row()
        near &= others
        near[center] = True
        return np.flatnonzero(near)

    def leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        """Take members out of the counts of the models that are still free."""
        xp, size = self._device.xp, self._blocks.size
        if not free.any():
            return
        with self._device.working():
            columns = self._columns(free)
            lost = [self._device.kept(np.zeros(len(two.models), np.int64)) for two in columns]
            for at in range(0, len(members), size):
                one = self._gathered(members[at : at + size], -1)
                for k, asked in enumerate(self._near((one, two) for two in columns)):
                    lost[k] = lost[k] + xp.sum(asked.near, axis=0, dtype=xp.int64)
            models = np.concatenate([two.models for two in columns])
            counts[models] -= np.where(free[models], self._device.host(xp.concat(lost)), 0)

    def finish(self, free: BoolArray, counts: IntArray) -> tuple[IntArray, IntArray] | None:
        """Cluster the models that are left by their bits, once these fit."""
        rest = np.flatnonzero(free)
        if len(rest) * ((len(rest) + 7) // 8) > self._memory:
            return None
        if counts[rest].max() == 1:
            return np.arange(len(rest)), rest
        sink, size, device = (
            NeighbourBits(len(rest), self._threshold),
            self._blocks.size,
            self._device,
        )
        with device.working():
            for i in range(0, len(rest), size):
                one = self._gathered(rest[i : i + size], -1)
                starts = range(i, len(rest), size)
                pairs = (
                    (one, one if i == j else self._gathered(rest[j : j + size], -2)) for j in starts
                )
                for j, asked in zip(starts, self._near(pairs), strict=True):
                    parts = sink.reduce_near(device, asked.near)
                    sink.put_reduced(i, j, tuple(device.host(part) for part in parts))
        labels, centers = sink.clusters()
        return labels, rest[centers]

    def _gathered(self, models: IntArray, name: int) -> _Group:
        everyone = self._device.kept(np.ones(len(models), dtype=bool))
        return _Group(self._blocks.gather(models, name), models, everyone)

    def _columns(self, asked: BoolArray) -> list[_Group]:
        """Return blocks that hold the models that are asked about, and not many others."""
        left = np.flatnonzero(asked)
        room = self._blocks.room_bytes // 4 // model_bytes(self._blocks.resolved)
        if len(left) <= _SPARSE * self._covered and len(left) <= room:
            size = self._blocks.size
            chunks = [left[at : at + size] for at in range(0, len(left), size)]
            self._dense = [(models, self._blocks.gather(models, -2)) for models in chunks]
            self._covered = len(left)
        groups = []
        for models, block in self._dense or self._everyone():
            own = asked[models]
            if own.any():
                groups.append(_Group(block, models, self._device.array(own)))
        return groups

    def _everyone(self) -> Iterator[tuple[IntArray, Block]]:
        for start in self._blocks.starts():
            block = self._blocks.get(start)
            yield np.arange(start, start + block.count), block

    def _near(self, pairs: Iterable[tuple[_Group, _Group]]) -> Iterator[_Asked]:
        """Tell neighbours of one pair of blocks after the other, some computed ahead."""
        waiting: deque[_Asked] = deque()
        for one, two in pairs:
            waiting.append(self._ask(one, two))
            if len(waiting) >= _AT_ONCE:
                yield self._settled(waiting.popleft())
        while waiting:
            yield self._settled(waiting.popleft())

    def _ask(self, one: _Group, two: _Group) -> _Asked:
        xp = self._device.xp
        near, unsure = self._pairs.near(one.block, two.block, self._limit)
        unsure = xp.logical_and(unsure, two.asked[None, :])
        if one is two:  # a model is near itself
            itself = self._device.kept(np.eye(len(one.models), dtype=bool))
            near, unsure = xp.logical_or(near, itself), xp.logical_and(unsure, ~itself)
        any_unsure = self._device.fetch(xp.any(unsure))
        return _Asked(one, two, near, unsure, any_unsure)

    def _settled(self, asked: _Asked) -> _Asked:
        """Look at the pairs so close to the threshold that products do not decide."""
        if not asked.any_unsure():
            return asked
        host, array = self._device.host, self._device.array
        left, right = (host(at) for at in self._device.xp.nonzero(asked.unsure))
        first, second = asked.one.models[left], asked.two.models[right]
        low, high = np.minimum(first, second), np.maximum(first, second)
        near, apart = low == high, low < high
        distance = self._pairs.exact(low[apart], high[apart])
        close = np.abs(distance - self._threshold) <= _CLOSE
        distance[close] = self._entries(low[apart][close], high[apart][close])
        near[apart] = distance <= self._threshold
        asked.near[array(left), array(right)] = array(near)
        return asked

    def _entries(self, models: IntArray, others: IntArray) -> Any:
        """Return distances exactly as the tiles of the first pass have them."""
        size, host = self._blocks.size, self._device.host
        found = np.empty(len(models))
        for k, (i, j) in enumerate(zip(models.tolist(), others.tolist(), strict=True)):
            at = (i // size * size, j // size * size)
            whole = self._whole.get(at, lambda at=at: self._pairs.between(*at))  # type: ignore[misc]
            found[k] = host(whole[i % size, j % size])
        return found
