"""
Distances reduced while they are computed: bins, histograms, counts, sums.

Sinks for `congruence.compute.rmsd.rmsd_tiles` that keep less than a number per
pair. One pass may feed several of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from congruence.compute.scan import Bins
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["BinsSink", "ClusterSums", "HistogramSink", "Several"]

_MOST = 65_535


class Several:
    """
    Several sinks fed by one pass.

    Parameters
    ----------
    *sinks : TileSink
        None of them may have tiles done already.
    """

    def __init__(self, *sinks: TileSink) -> None:
        self._sinks = sinks

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Those that all sinks have.
        """
        sets = [sink.done() for sink in self._sinks]
        return set.intersection(*sets) if sets else set()

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Hand a tile to every sink.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å.
        """
        for sink in self._sinks:
            sink.put(i, j, tile)


class _Reducing:
    """A sink of which nothing outlives the process."""

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Always empty.
        """
        return set()


class BinsSink(_Reducing):
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
        levels = np.asarray(thresholds, dtype=np.float64)
        if not 0 < len(levels) <= _MOST or not (np.diff(levels) > 0).all():
            raise ConfigError(
                f"{len(levels)} thresholds, expected 1 to {_MOST:,}, each larger than the one before",
                hint="Take a larger step between thresholds.",
            )
        self.m, self.thresholds = m, levels
        kind: Any = np.uint8 if len(levels) <= 255 else np.uint16
        self._square: npt.NDArray[Any]
        if file is None:
            self._square = np.zeros((m, m), kind)
        else:
            self._square = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=(m, m))
        self._counts = np.zeros((m, len(levels) + 1), dtype=np.int64)

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
        self._count(i, binned)
        if i != j:
            self._square[j : j + columns, i : i + rows] = binned.T
            self._count(j, binned.T)

    def _count(self, start: int, binned: npt.NDArray[Any]) -> None:
        rows, bins = len(binned), len(self.thresholds) + 1
        at = binned + np.arange(0, rows * bins, bins)[:, None]
        counts = np.bincount(at.ravel(), minlength=rows * bins).reshape(rows, bins)
        self._counts[start : start + rows] += counts

    def bins(self) -> Bins:
        """
        Return what was binned, after the pass.

        Returns
        -------
        bins : Bins
            For `congruence.compute.scan.neighbourhood_clusters`.
        """
        counts = self._counts[:, :-1].cumsum(axis=1)
        return Bins(self.thresholds, self._square, np.ascontiguousarray(counts.T))


class HistogramSink(_Reducing):
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


class ClusterSums(_Reducing):
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
