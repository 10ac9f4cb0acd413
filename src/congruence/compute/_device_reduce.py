"""What sinks do with a tile on the device that computed it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from congruence.compute.tiler import ArrayDevice
    from congruence.typing import FloatArray

__all__ = ["CountTable", "binned_parts", "counts_of_all", "levels_below", "packed_bits"]


def packed_bits(device: ArrayDevice, near: Any) -> Any:
    """Return eight columns a byte, as `numpy.packbits`, of booleans of shape (rows,columns)."""
    xp = device.xp
    rows, columns = near.shape
    bits = xp.astype(near, xp.uint8)
    if columns % 8:
        pad = device.array(np.zeros((rows, 8 - columns % 8), np.uint8))
        bits = xp.concat([bits, pad], axis=1)
    weights = device.kept(np.array([128, 64, 32, 16, 8, 4, 2, 1], np.uint8))
    eights = xp.reshape(bits, (rows, -1, 8)) * weights
    return xp.sum(eights, axis=2, dtype=xp.uint8)


def levels_below(
    device: ArrayDevice,
    levels: FloatArray,
    tile: Any,
    *,
    side: str = "left",
    diagonal: bool = False,
) -> Any:
    """
    Count the ascending levels below each distance, as `numpy.searchsorted`.

    On a diagonal tile a model is below all levels, whatever they are.
    """
    xp = device.xp
    flat = xp.reshape(tile, (-1,))
    below = xp.reshape(xp.searchsorted(device.kept(levels), flat, side=side), tile.shape)
    if diagonal:
        own = device.kept(np.arange(tile.shape[0]))
        below[own, own] = 0
    return below


def binned_parts(device: ArrayDevice, binned: Any, bins: int, *, twice: bool) -> tuple[Any, ...]:
    """Return bins in as few bytes as hold them, and their transpose where wanted."""
    xp = device.xp
    # 16 bits without a sign are not everywhere to be had.
    small = xp.astype(binned, xp.uint8 if bins <= 256 else xp.int32, copy=True)
    return (small, xp.asarray(xp.matrix_transpose(small), copy=True)) if twice else (small,)


def counts_of_all(device: ArrayDevice, binned: Any, bins: int) -> Any:
    """Count the values 0 to ``bins - 1``, shape (bins,)."""
    xp, rows = device.xp, binned.shape[0]
    # By row first: many who add to few numbers would wait for each other.
    table = xp.zeros((rows, bins), dtype=xp.int32, device=binned.device)
    device.count(table, _flat(device, binned, bins, 0))
    return xp.sum(table, axis=0, dtype=xp.int64)


def _flat(device: ArrayDevice, binned: Any, bins: int, axis: int) -> Any:
    """Return where the counts of rows (or columns) are in a table of theirs."""
    first = device.kept(np.arange(0, binned.shape[axis] * bins, bins))
    return device.xp.reshape(binned + (first[None, :] if axis else first[:, None]), (-1,))


class CountTable:
    """
    Counts by model and bin, on this machine or, while a device fills them, there.

    Parameters
    ----------
    m, bins : int
        Models and bins; 4 m bins bytes are kept.
    """

    def __init__(self, m: int, bins: int) -> None:
        self.bins = bins
        self.counts: npt.NDArray[np.int32] = np.zeros((m, bins), dtype=np.int32)
        self._there: Any = None
        self._lock = threading.Lock()

    def put(self, first: int, binned: npt.NDArray[Any]) -> None:
        """Count the bins of the models from `first` on, shape (models,others)."""
        rows = len(binned)
        at = binned + np.arange(0, rows * self.bins, self.bins)[:, None]
        found = np.bincount(at.ravel(), minlength=rows * self.bins).reshape(rows, self.bins)
        self.counts[first : first + rows] += found.astype(np.int32)

    def reduce(self, device: ArrayDevice, i: int, j: int, binned: Any) -> None:
        """Count a tile on the device, by rows and, off the diagonal, by columns."""
        for axis, first in enumerate((i,) if i == j else (i, j)):
            at = _flat(device, binned, self.bins, axis)
            with self._lock:
                if self._there is None:
                    self._there = device.array(self.counts)
                device.count(self._there[first : first + binned.shape[axis], :], at)

    def collect(self, device: ArrayDevice) -> None:
        """Bring the counts back."""
        if self._there is not None:
            self.counts, self._there = device.host(self._there), None
