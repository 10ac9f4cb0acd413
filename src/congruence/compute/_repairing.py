"""Pairs that pseudo-beads cannot tell apart well enough, recomputed from all beads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._exact import exact_distances
from congruence.compute._packing import TILE, Packed, Packer
from congruence.compute.tiler import DeviceSink, on_device

if TYPE_CHECKING:
    import numpy.typing as npt

    from congruence.compute.compression import Compression
    from congruence.compute.tiler import ArrayDevice
    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["Repairing"]

_TILES_KEPT = 32


class Repairing:
    """Puts tiles on to a sink, with near pairs recomputed from all beads."""

    def __init__(self, compression: Compression, sink: TileSink) -> None:
        self._compression, self._sink = compression, sink
        self._packer = Packer(compression.resolved)
        self._kept: dict[int, Packed] = {}
        self._lock = threading.Lock()

    def done(self) -> set[tuple[int, int]]:
        """Return the tiles that the sink has."""
        return self._sink.done()

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """Repair a tile and put it on."""
        near = self._compression.near
        if near > 0.0:
            rows, columns = np.nonzero(tile < near)
            self._write(i, j, tile, self._repaired(i, j, rows, columns, tile[rows, columns]))
        self._sink.put(i, j, tile)

    @property
    def on_device(self) -> bool:
        """Whether the sink reduces tiles where they are computed."""
        return on_device(self._sink)

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """Repair a tile on the device that computed it and let the sink reduce it."""
        near = self._compression.near
        if near > 0.0:
            at = device.xp.nonzero(tile < near)
            rows, columns, values = (device.host(part) for part in (*at, tile[at[0], at[1]]))
            found = self._repaired(i, j, rows, columns, values)
            self._write(i, j, tile, tuple(device.array(part) for part in found))
        assert isinstance(self._sink, DeviceSink)  # as `on_device` says
        return self._sink.reduce(device, i, j, tile)

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """Hand on what the sink kept of a tile."""
        assert isinstance(self._sink, DeviceSink)  # as `on_device` says
        self._sink.put_reduced(i, j, parts)

    def collect(self, device: ArrayDevice) -> None:
        """Let the sink take in what was left on the device."""
        assert isinstance(self._sink, DeviceSink)  # as `on_device` says
        self._sink.collect(device)

    @staticmethod
    def _write(i: int, j: int, tile: Any, found: tuple[Any, ...]) -> None:
        rows, columns, values = found
        if len(rows):
            tile[rows, columns] = values
            if i == j:
                tile[columns, rows] = values

    def _repaired(
        self, i: int, j: int, rows: IntArray, columns: IntArray, values: Float32Array | FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Return which of the near pairs are to be changed, and to what."""
        residuals = self._compression.residuals
        both = residuals[rows + i] + residuals[columns + j]
        wrong = (rows + i < columns + j) & (values < self._compression.limit(both))
        rows, columns = rows[wrong], columns[wrong]
        found = np.empty(len(rows))
        blocks = (rows + i) // TILE, (columns + j) // TILE
        with self._lock:
            for a, b in sorted(set(zip(blocks[0].tolist(), blocks[1].tolist(), strict=True))):
                own = (blocks[0] == a) & (blocks[1] == b)
                local = (rows[own] + i - a * TILE, columns[own] + j - b * TILE)
                found[own] = exact_distances(
                    self._compression.resolved, self._tile(a * TILE), self._tile(b * TILE), local
                )
        return rows, columns, found

    def _tile(self, start: int) -> Packed:
        if start not in self._kept:
            while len(self._kept) >= _TILES_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[start] = self._packer.tile(start)
        return self._kept[start]
