"""Packed models on a device: blocks of fixed size, brought there when needed."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from congruence.compute._packing import TILE, Packed, Packer, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from congruence.compute._device_arrays import Arrays
    from congruence.compute._resolve import Resolved
    from congruence.typing import IntArray

__all__ = ["Block", "Blocks", "Kept", "Layers", "block_size", "model_bytes"]

T = TypeVar("T")

LARGEST = 2048
_WORK = 2 << 30
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
                while len(self._kept) >= self.room:
                    self._kept.popitem(last=False)
                self._kept[key] = make()
            self._kept.move_to_end(key)
            return self._kept[key]


def model_bytes(resolved: Resolved) -> int:
    """Return the bytes of one packed model in double precision."""
    beads = len(resolved.measure.beads)
    if not resolved.same:
        beads += len(resolved.fit.beads)
    return 24 * beads


def block_size(resolved: Resolved) -> int:
    """
    Choose the models of a block: from the data and the metric alone, never from free memory.

    So every pair is always part of the same matrix product, whatever tiles are put.
    """
    m = resolved.source.shape[0]
    size = min(LARGEST, TILE << math.ceil(math.log2(max(1.0, m / TILE))))
    # Of copies all are held against all, in one product.
    planes = resolved.planes**2 * (1 + sum(group.copies**2 for group in resolved.groups))
    planes *= 1 if resolved.same else 2
    while size > TILE and (
        8 * size * size * (planes + _PLANES) > _WORK or 2 * size * model_bytes(resolved) > _WORK
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
    """

    def __init__(self, resolved: Resolved, arrays: Arrays, size: int, memory: int) -> None:
        self.resolved, self.arrays, self.size = resolved, arrays, size
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
        return self._tiles.get(start, lambda: self._packer.tile(start))

    def get(self, start: int, *, single: bool = False) -> Block:
        """Return the block that begins with a model, in single precision if wanted."""
        return self._blocks.get((start, single), lambda: self._brought(start, single))

    def _brought(self, start: int, single: bool) -> Block:
        stop = min(start + self.size, self.m)
        tiles = [self.host(at) for at in range(start, stop, TILE)]
        measure = self._layers([tile.measure for tile in tiles], single)
        fit = measure
        if tiles[0].fit is not tiles[0].measure:
            fit = self._layers([tile.fit for tile in tiles], single)
        return Block(start, stop - start, measure, fit)

    def _layers(self, several: list[Rows], single: bool) -> Layers:
        missing = self.size - TILE * len(several)
        kind = np.float32 if single else np.float64
        parts = []
        for same in zip(*(rows.parts for rows in several), strict=True):
            pad = [np.repeat(same[-1][:, :, -1:], missing, axis=2)] if missing else []
            parts.append(self.arrays.array(np.concatenate([*same, *pad], axis=2).astype(kind)))
        squares = [rows.squares for rows in several]
        pad = [np.repeat(squares[-1][-1:], missing)] if missing else []
        return Layers(tuple(parts), self.arrays.array(np.concatenate([*squares, *pad])))

    def gather(self, models: IntArray, name: int) -> Block:
        """Return any models as one block (of 8 when they are few), under a negative name."""
        which = models // self.size
        pieces: list[list[Any]] = []
        for at in np.unique(which):
            local = self.arrays.array(models[which == at] % self.size)
            block = self.get(int(at) * self.size)
            layers = [block.measure] if block.fit is block.measure else [block.measure, block.fit]
            flat = [array for layer in layers for array in (*layer.parts, layer.squares)]
            pieces.append([self._taken(array, local) for array in flat])
        size = _SMALL if len(models) <= _SMALL else self.size
        order = np.argsort(np.argsort(which, kind="stable"), kind="stable")
        place = self.arrays.array(
            np.concatenate([order, np.repeat(order[-1:], size - len(models))])
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
