"""
Distances reduced while they are computed: bins, histograms, counts, sums.

Sinks for `congruence.compute.rmsd.rmsd_tiles` that keep less than a number per
pair. One pass may feed several of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from congruence.compute._device_reduce import (
    CountTable,
    binned_parts,
    counts_of_all,
    levels_below,
)
from congruence.compute.reducing import ReducingSink, Several, check_levels
from congruence.compute.scan import Bins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.compute.tiler import ArrayDevice
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["BinsSink", "ClusterSums", "HistogramSink", "ReducingSink", "Several"]


class BinsSink(ReducingSink):
    """
    Each distance as the number of thresholds below it.

    Parameters
    ----------
    m : int
        Number of models.
    thresholds : sequence of float
        Strictly ascending, in Å; at most 65,535. Up to 255 take one byte a
        pair, more take two.
    file : Path, optional
        Where the m² bytes are kept; in memory by default.

    Raises
    ------
    ConfigError
        If there is no threshold, there are too many, or they do not ascend.
    """

    def __init__(
        self, m: int, thresholds: Sequence[float] | FloatArray, *, file: Path | None = None
    ) -> None:
        levels = check_levels(thresholds)
        self.m, self.thresholds = m, levels
        kind: Any = np.uint8 if len(levels) <= 255 else np.uint16
        self._square: npt.NDArray[Any]
        if file is None:
            self._square = np.zeros((m, m), kind)
        else:
            self._square = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=(m, m))
        self._table = CountTable(m, len(levels) + 1)

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Bin a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.
        """
        rows, columns = tile.shape
        binned = np.searchsorted(self.thresholds, tile, side="left").astype(self._square.dtype)
        if i == j:
            np.fill_diagonal(binned, 0)
        self._square[i : i + rows, j : j + columns] = binned
        self._table.put(i, binned)
        if i != j:
            self._square[j : j + columns, i : i + rows] = binned.T
            self._table.put(j, binned.T)

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Bin a tile where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        i, j : int
            Model of the first row and of the first column.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`: bins and, off the diagonal, their transpose; counts
            stay on the device until `collect`.
        """
        binned = levels_below(device, self.thresholds, tile, diagonal=i == j)
        self._table.reduce(device, i, j, binned)
        return binned_parts(device, binned, len(self.thresholds) + 1, twice=i != j)

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Store what `reduce` returned for a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            What was returned, on this machine.
        """
        for (first, other), binned in zip(((i, j), (j, i)), parts, strict=False):
            rows, columns = slice(first, first + len(binned)), slice(other, other + len(binned.T))
            self._square[rows, columns] = binned

    def collect(self, device: ArrayDevice) -> None:
        """
        Bring the counts back.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        """
        self._table.collect(device)

    def bins(self) -> Bins:
        """
        Return what was binned, after the pass.

        Returns
        -------
        bins : Bins
            For `congruence.compute.scan.neighbourhood_clusters`.
        """
        counts = self._table.counts[:, :-1].cumsum(axis=1, dtype=np.int64)
        return Bins(self.thresholds, self._square, np.ascontiguousarray(counts.T))


class HistogramSink(ReducingSink):
    """
    Counts of distances in bins.

    Parameters
    ----------
    edges : sequence of float
        Ascending edges in Å; the last bin is closed, as in `numpy.histogram`.
    """

    def __init__(self, edges: Sequence[float] | FloatArray) -> None:
        self.edges = np.asarray(edges, dtype=np.float64)
        self.counts: IntArray = np.zeros(len(self.edges) - 1, dtype=np.int64)
        self.pairs = 0
        self.largest = 0.0

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Count a tile, every pair of models once.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å.
        """
        values = tile[np.triu_indices(len(tile), 1)] if i == j else tile.ravel()
        if values.size:
            self.counts += np.histogram(values, self.edges)[0]
            self.pairs += values.size
            self.largest = max(self.largest, float(values.max()))

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Count a tile where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        i, j : int
            Model of the first row and of the first column.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`: counts below, in and above the bins, and the largest distance.
        """
        xp, last = device.xp, len(self.edges)
        above = levels_below(device, self.edges, tile, side="right")
        # The last bin is closed.
        above = xp.where(tile == float(self.edges[-1]), above - 1, above)
        return counts_of_all(device, above, last + 1), xp.max(tile)

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Store what `reduce` returned for a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            What was returned, on this machine.
        """
        counts = parts[0].copy()
        if i == j:
            models = round(math.sqrt(counts.sum()))
            itself = int(np.searchsorted(self.edges, 0.0, side="right"))
            counts[itself - (self.edges[-1] == 0.0)] -= models
            counts //= 2
        self.counts += counts[1:-1]
        self.pairs += int(counts.sum())
        self.largest = max(self.largest, float(parts[1]))


class ClusterSums(ReducingSink):
    """
    Sum of the distances of each model to the members of its cluster.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model; negative for none.
    """

    def __init__(self, labels: IntArray) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.sums: FloatArray = np.zeros(len(self.labels))

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Add a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.
        """
        rows, columns = slice(i, i + tile.shape[0]), slice(j, j + tile.shape[1])
        left, right = self.labels[rows], self.labels[columns]
        within = (left[:, None] == right) & (left >= 0)[:, None]
        chosen = np.where(within, tile, 0.0)
        self.sums[rows] += chosen.sum(axis=1)
        if i != j:
            self.sums[columns] += chosen.sum(axis=0)

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Add up a tile where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        i, j : int
            Model of the first row and of the first column.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`: sums of rows and of columns.
        """
        xp = device.xp
        left, right = (
            device.array(self.labels[k : k + size])
            for k, size in zip((i, j), tile.shape, strict=True)
        )
        within = xp.logical_and(left[:, None] == right[None, :], (left >= 0)[:, None])
        chosen = xp.where(within, tile, xp.zeros_like(tile))
        return xp.sum(chosen, axis=1), xp.sum(chosen, axis=0)

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Store what `reduce` returned for a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            What was returned, on this machine.
        """
        for first, sums in zip((i, j)[: 1 + (i != j)], parts, strict=False):
            self.sums[first : first + len(sums)] += sums
