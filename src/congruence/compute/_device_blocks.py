"""Packed models on a device: blocks of fixed size, brought there when needed."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from congruence.compute._blocks import in_order
from congruence.compute._packing import TILE, Packed, Packer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from congruence.compute._device_arrays import Arrays
    from congruence.compute._resolve import Resolved
    from congruence.typing import IntArray

__all__ = ["Block", "Blocks", "Kept", "Layers", "block_size", "model_bytes"]

T = TypeVar("T")

LARGEST = 2048
_WORK = 2 << 30
_MUCH_WORK = 8 << 30
_VERY_MANY = 1 << 18
_SMALL = 8
_PLANES = 40  # of a block of pairs, beside the products


@dataclass(frozen=True, eq=False)
class Layers:
    """One layer of a block: parts of shape (copies,planes,B,b) and squares of shape (B,)."""

    parts: tuple[Any, ...]
    squares: Any


@dataclass(frozen=True, eq=False)
class Block:
    """
    Models on a device, padded with the last one to the size of a block.

    `start` names them (negative for gathered models); `fit` is `measure` itself
    where the same beads are superposed.
    """

    start: int
    count: int
    measure: Layers
    fit: Layers


class Kept(Generic[T]):
    """The last things that were made, up to a number of them; for several threads."""

    def __init__(self, room: int) -> None:
        self.room = max(1, room)
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it; one thread makes at a time."""
        with self._lock:
            if key not in self._kept:
                self._leave_room()
                self._kept[key] = make()
            return self._used(key)

    def get_beside(self, key: Hashable, make: Callable[[], T]) -> T:
        """Do the same while other threads make what they want (or even the same)."""
        with self._lock:
            if key in self._kept:
                return self._used(key)
        made = make()
        with self._lock:
            if key not in self._kept:
                self._leave_room()
                self._kept[key] = made
            return self._used(key)

    def _leave_room(self) -> None:
        while len(self._kept) >= self.room:
            self._kept.popitem(last=False)

    def _used(self, key: Hashable) -> T:
        self._kept.move_to_end(key)
        return self._kept[key]


def model_bytes(resolved: Resolved) -> int:
    """Return the bytes of one packed model in double precision."""
    beads = len(resolved.measure.beads)
    if not resolved.same:
        beads += len(resolved.fit.beads)
    return 24 * beads


def block_size(resolved: Resolved, card_bytes: int = 0) -> int:
    """
    Choose the models of a block: from the data, the metric and the card, never from free memory.

    So every pair is always part of the same matrix product, whatever tiles are put.
    Of very many models large cards take larger blocks: they wait less to be asked.
    """
    m = resolved.source.shape[0]
    largest, work = LARGEST, _WORK
    if m >= _VERY_MANY and card_bytes >= 4 * _MUCH_WORK:
        largest, work = 2 * LARGEST, _MUCH_WORK
    size = min(largest, TILE << math.ceil(math.log2(max(1.0, m / TILE))))
    # Of copies all are held against all, in one product.
    planes = resolved.planes**2 * (1 + sum(group.copies**2 for group in resolved.groups))
    planes *= 1 if resolved.same else 2
    while size > TILE and (
        8 * size * size * (planes + _PLANES) > work or 2 * size * model_bytes(resolved) > work
    ):
        size //= 2
    return size


class Blocks:
    """
    Blocks of one source for one metric on one device.

    Parameters
    ----------
    resolved : Resolved
        The metric and the source.
    arrays : Arrays
        The device.
    size : int
        Models of a block, a multiple of 128.
    memory : int
        Bytes for packed models on this machine.
    threads : int
        Threads that pack models.
    """

    def __init__(
        self, resolved: Resolved, arrays: Arrays, size: int, memory: int, threads: int = 1
    ) -> None:
        self.resolved, self.arrays, self.size = resolved, arrays, size
        self._threads = threads
        self.m = resolved.source.shape[0]
        each = model_bytes(resolved)
        # Half of a card is for blocks, the rest for the work.
        self.room_bytes = arrays.free_bytes(2 * memory) // 2
        self._packer = Packer(resolved)
        self._tiles: Kept[Packed] = Kept(memory // (TILE * each))
        self._blocks: Kept[Block] = Kept(self.room_bytes // (size * each))

    def need(self, blocks: int) -> None:
        """Keep at least so many blocks."""
        self._blocks.room = max(self._blocks.room, blocks)

    def starts(self) -> list[int]:
        """Return the first models of all blocks."""
        return list(range(0, self.m, self.size))

    def host(self, start: int) -> Packed:
        """Return a tile of 128 models on this machine."""
        return self._tiles.get_beside(start, lambda: self._packer.tile(start))

    def get(self, start: int, *, single: bool = False) -> Block:
        """Return the block that begins with a model, in single precision if wanted."""
        return self._blocks.get((start, single), lambda: self._brought(start, single))

    def _brought(self, start: int, single: bool) -> Block:
        stop = min(start + self.size, self.m)
        kind = np.float32 if single else np.float64

        def tile(at: int) -> list[list[Any]]:
            packed = self.host(at)
            layers = (
                [packed.measure] if packed.fit is packed.measure else [packed.measure, packed.fit]
            )
            return [[*(p.astype(kind, copy=False) for p in r.parts), r.squares] for r in layers]

        tiles = [found for _, found in in_order(tile, range(start, stop, TILE), self._threads)]
        layers = [self._layer(same) for same in zip(*tiles, strict=True)]
        return Block(start, stop - start, layers[0], layers[-1])

    def _layer(self, tiles: Sequence[list[Any]]) -> Layers:
        missing = self.size - TILE * len(tiles)
        whole = []
        for same in zip(*tiles, strict=True):
            axis = 2 if same[0].ndim == 4 else 0
            last = same[-1].take([-1], axis=axis)
            pad = [np.repeat(last, missing, axis=axis)] if missing else []
            whole.append(self.arrays.array(np.concatenate([*same, *pad], axis=axis)))
        return Layers(tuple(whole[:-1]), whole[-1])

    def gather(self, models: IntArray, name: int) -> Block:
        """Return any models as one block (of 8 when they are few), under a negative name."""
        which = models // self.size
        order = np.argsort(which, kind="stable")
        local = self.arrays.array(models[order] % self.size)
        starts, first = np.unique(which[order], return_index=True)
        bounds = [*first.tolist(), len(models)]
        pieces: list[list[Any]] = []
        for at, low, high in zip(starts.tolist(), bounds, bounds[1:], strict=False):
            block = self.get(at * self.size)
            layers = [block.measure] if block.fit is block.measure else [block.measure, block.fit]
            flat = [array for layer in layers for array in (*layer.parts, layer.squares)]
            pieces.append([self._taken(array, local[low:high]) for array in flat])
        size = _SMALL if len(models) <= _SMALL else self.size
        place = np.argsort(order, kind="stable")
        place = self.arrays.array(
            np.concatenate([place, np.repeat(place[-1:], size - len(models))])
        )
        whole = [self._joined(list(same), place) for same in zip(*pieces, strict=True)]
        width = len(self.resolved.measure.parts) + 1
        measure = Layers(tuple(whole[: width - 1]), whole[width - 1])
        fit = Layers(tuple(whole[width:-1]), whole[-1]) if len(whole) > width else measure
        return Block(name, len(models), measure, fit)

    def _taken(self, array: Any, at: Any) -> Any:
        return self.arrays.xp.take(array, at, axis=2 if array.ndim == 4 else 0)

    def _joined(self, pieces: list[Any], place: Any) -> Any:
        axis = 2 if pieces[0].ndim == 4 else 0
        return self._taken(self.arrays.xp.concat(pieces, axis=axis), place)
