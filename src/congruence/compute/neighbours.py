"""
Sinks that keep whether pairs of models are neighbours, not how far they are apart.

They take tiles of `congruence.compute.rmsd.rmsd_tiles`; where distances are
computed on a device, they are compared there and only bits or counts come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_reduce import CountTable, levels_below, packed_bits
from congruence.compute._greedy import greedy_clusters
from congruence.compute.reducing import ReducingSink, check_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from congruence.compute.tiler import ArrayDevice
    from congruence.typing import BoolArray, ByteArray, Float32Array, FloatArray, IntArray

__all__ = ["NeighbourBits", "NeighbourCounts"]

_CLOSE = 1e-6
_IN_CACHE = 32  # rows of a tile
_ROWS = 255  # so many true values fit into the sum of one byte


class NeighbourBits(ReducingSink):
    """
    A sink that keeps one bit per pair: whether a distance is at most a threshold.

    Parameters
    ----------
    m : int
        Number of models; m²/8 bytes are kept.
    threshold : float
        In Å.
    bits : bool
        Whether to keep the bits, and not only the counts of neighbours.
    within : float
        Pairs at most so far from the threshold, in Å, are counted as close.
    """

    def __init__(
        self, m: int, threshold: float, *, bits: bool = True, within: float = _CLOSE
    ) -> None:
        self.m, self.threshold, self.within = m, float(threshold), within
        width = (m + 7) // 8 if bits else 0
        self.bits: ByteArray = np.zeros((m, width), dtype=np.uint8)
        self.counts: IntArray = np.zeros(m, dtype=np.int64)
        self.close_pairs = 0

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Compare a tile with the threshold.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column, multiples of 8.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.
        """
        near = np.empty(tile.shape, dtype=np.bool_)
        low, high = self.threshold - self.within, self.threshold + self.within
        close = 0
        for at in range(0, len(tile), _IN_CACHE):
            few = tile[at : at + _IN_CACHE]
            np.less_equal(few, self.threshold, out=near[at : at + _IN_CACHE])
            close += int(np.count_nonzero(few <= high) - np.count_nonzero(few < low))
        self.close_pairs += close // 2 if i == j else close
        self.put_near(i, j, near)

    def put_near(self, i: int, j: int, near: BoolArray) -> None:
        """
        Store which pairs are neighbours.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column, multiples of 8.
        near : ndarray, dtype=bool, shape=(rows,columns)
            Whether they are; on the diagonal symmetric, true for a model itself.
        """
        several = [(i, j, near, 1)] if i == j else [(i, j, near, 1), (j, i, near, 0)]
        for first, other, near, axis in several:
            rows = slice(first, first + near.shape[1 - axis])
            self.counts[rows] += near.sum(axis=axis, dtype=np.int32)
            if self.bits.shape[1]:
                packed = np.packbits(near, axis=1) if axis else _packed_columns(near)
                self.bits[rows, other // 8 : other // 8 + packed.shape[1]] = packed

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Compare a tile with the threshold where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        i, j : int
            Model of the first row and of the first column, multiples of 8.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`.
        """
        xp = device.xp
        close = xp.sum(xp.astype(xp.abs(tile - self.threshold) <= self.within, xp.int64))
        return (*self.reduce_near(device, tile <= self.threshold), close)

    def reduce_near(self, device: ArrayDevice, near: Any) -> tuple[Any, ...]:
        """
        Pack which pairs are neighbours where that was found.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        near : array of the device, dtype=bool, shape=(rows,columns)
            Whether they are; on the diagonal symmetric, true for a model itself.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`.
        """
        xp = device.xp
        counts = tuple(xp.sum(near, axis=axis, dtype=xp.int64) for axis in (1, 0))
        if not self.bits.shape[1]:
            return counts
        return (*counts, packed_bits(device, near), packed_bits(device, xp.matrix_transpose(near)))

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Store what `reduce` or `reduce_near` returned for a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            What was returned, on this machine.
        """
        if len(parts) % 2:
            self.close_pairs += int(parts[-1]) // 2 if i == j else int(parts[-1])
            parts = parts[:-1]
        several = [(i, j, parts[::2])] if i == j else [(i, j, parts[::2]), (j, i, parts[1::2])]
        for first, other, (counts, *bits) in several:
            self.counts[first : first + len(counts)] += counts
            for packed in bits:
                at = slice(other // 8, other // 8 + packed.shape[1])
                self.bits[first : first + len(counts), at] = packed

    def labels(self) -> IntArray:
        """
        Cluster by largest neighbourhoods (Daura et al. 1999).

        Returns
        -------
        labels : ndarray, dtype=int64, shape=(m,)
            Clusters in order of creation; see
            `congruence.compute.clustering.threshold_labels`.
        """
        return self.clusters()[0]

    def clusters(self) -> tuple[IntArray, IntArray]:
        """
        Cluster by largest neighbourhoods, and tell the centers.

        Returns
        -------
        labels : ndarray, dtype=int64, shape=(m,)
            As of `labels`.
        centers : ndarray, dtype=int64, shape=(k,)
            The model with the most free neighbours that each cluster was made around.
        """
        return greedy_clusters(self.counts, self._members, self._leave)

    def _members(self, center: int, free: BoolArray) -> IntArray:
        near = np.unpackbits(self.bits[center], count=self.m).view(np.bool_)
        return np.flatnonzero(near & free)

    def _leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        for at in range(0, len(members), _ROWS):
            rows = self.bits[members[at : at + _ROWS]]
            near = np.unpackbits(rows, axis=1, count=self.m)
            counts -= np.add.reduce(near, axis=0, dtype=np.uint8)


def _packed_columns(near: BoolArray) -> ByteArray:
    """Return what `numpy.packbits` does of the transpose, four times as fast."""
    rows, columns = near.shape
    eights = np.zeros((-(-rows // 8), 8, columns), dtype=np.uint8)
    eights.reshape(-1, columns)[:rows] = near
    packed = np.zeros((len(eights), columns), dtype=np.uint8)
    for k in range(8):
        packed |= eights[:, k] << np.uint8(7 - k)
    return np.ascontiguousarray(packed.T)


class NeighbourCounts(ReducingSink):
    """
    A sink that keeps how many neighbours each model has at many thresholds.

    Parameters
    ----------
    m : int
        Number of models; 4 t m bytes are kept, on a device too.
    thresholds : sequence of float
        Strictly ascending, in Å; at most 65,535.

    Raises
    ------
    ConfigError
        If there is no threshold, there are too many, or they do not ascend.
    """

    def __init__(self, m: int, thresholds: Sequence[float] | FloatArray) -> None:
        self.m, self.thresholds = m, check_levels(thresholds)
        self._table = CountTable(m, len(self.thresholds) + 1)

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Count in a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric.
        """
        binned = np.searchsorted(self.thresholds, tile, side="left")
        if i == j:
            np.fill_diagonal(binned, 0)
        for first, own in [(i, binned)] if i == j else [(i, binned), (j, binned.T)]:
            self._table.put(first, own)

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Count in a tile where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device; the counts stay there until `collect`.
        i, j : int
            Model of the first row and of the first column.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å; on the diagonal symmetric and zero.

        Returns
        -------
        parts : tuple
            Empty.
        """
        binned = levels_below(device, self.thresholds, tile, diagonal=i == j)
        self._table.reduce(device, i, j, binned)
        return ()

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Store nothing: the counts are on the device.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            Empty.
        """

    def collect(self, device: ArrayDevice) -> None:
        """
        Bring the counts back.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        """
        self._table.collect(device)

    def counts(self) -> npt.NDArray[np.int32]:
        """
        Return the counts, after the pass.

        Returns
        -------
        counts : ndarray, dtype=int32, shape=(t,m)
            Models at most so far away at each threshold, itself included.
        """
        return np.ascontiguousarray(self._table.counts[:, :-1].cumsum(axis=1, dtype=np.int32).T)
