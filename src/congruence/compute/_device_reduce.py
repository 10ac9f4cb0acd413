"""What sinks do with a tile on the device that computed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from congruence.compute.tiler import ArrayDevice
    from congruence.typing import FloatArray

__all__ = ["binned_parts", "counts_by_row", "levels_below", "packed_bits"]


def packed_bits(device: ArrayDevice, near: Any) -> Any:
    """Return eight columns a byte, as `numpy.packbits`, of booleans of shape (rows,columns)."""
    xp = device.xp
    rows, columns = near.shape
    bits = xp.astype(near, xp.uint8)
    if columns % 8:
        pad = device.array(np.zeros((rows, 8 - columns % 8), np.uint8))
        bits = xp.concat([bits, pad], axis=1)
    weights = device.array(np.array([128, 64, 32, 16, 8, 4, 2, 1], np.uint8))
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
    below = xp.reshape(xp.searchsorted(device.array(levels), flat, side=side), tile.shape)
    if diagonal:
        own = device.array(np.arange(tile.shape[0]))
        below[own, own] = 0
    return below


def binned_parts(device: ArrayDevice, binned: Any, bins: int, *, twice: bool) -> tuple[Any, ...]:
    """Return bins and their counts by row, and the same of the transpose."""
    xp = device.xp
    parts: list[Any] = []
    for own in (binned, xp.matrix_transpose(binned))[: 1 + twice]:
        # 16 bits without a sign are not everywhere to be had.
        small = xp.astype(own, xp.uint8 if bins <= 256 else xp.int32, copy=True)
        parts += [small, counts_by_row(device, own, bins)]
    return tuple(parts)


def counts_by_row(device: ArrayDevice, binned: Any, bins: int) -> Any:
    """Count the values 0 to ``bins - 1`` in each row, shape (rows,bins)."""
    xp = device.xp
    rows = binned.shape[0]
    first = device.array(np.arange(0, rows * bins, bins))
    flat = xp.reshape(binned + first[:, None], (-1,))
    # Not in the standard, but in each of the libraries.
    return xp.reshape(xp.bincount(flat, minlength=rows * bins), (rows, bins))
