"""Distances of all pairs that are measured again for each question instead of being kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.bins import BinsSink, ClusterSums, ReducingSink
from congruence.compute.pairs import Spread
from congruence.compute.scan import neighbourhood_clusters
from congruence.core.results import DistanceMatrix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from congruence.compute.rows import DistanceRows
    from congruence.compute.scan import Bins
    from congruence.core.results import Alignment, Weights
    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["StreamedPairs"]

_CLOSE = 1e-6


class StreamedPairs:
    """
    Distances that are not kept: each answer takes one pass over all pairs.

    Parameters
    ----------
    walk : callable
        Hands all tiles of distances to a sink and returns the words that
        define them, as `congruence.compute.rmsd.rmsd_tiles` does.
    rows : DistanceRows
        Measures single rows of the same distances.
    alignment : Alignment
        Alignment of the distance.
    weights : {"residues", "none"}
        Weight of a bead.
    single : bool
        Round distances to single precision before they are compared, as the
        reference program does.
    file : Path, optional
        Where the m² bytes of bins are kept; in memory by default.
    from_center : callable, optional
        Takes the members of a cluster, the center first, and returns their
        distances to it; instead of a row.

    Notes
    -----
    Scan, clusters and their spread are those of the matrix, without its 4 m²
    bytes. The bins of the last question are kept.
    """

    def __init__(
        self,
        walk: Callable[[TileSink], dict[str, str]],
        rows: DistanceRows,
        alignment: Alignment,
        weights: Weights,
        *,
        single: bool = False,
        file: Path | None = None,
        from_center: Callable[[IntArray], FloatArray] | None = None,
    ) -> None:
        self._walk, self._rows, self._file, self._single = walk, rows, file, single
        self._from_center = from_center
        self.m, self.alignment, self._weights = rows.m, alignment, weights
        self.definition = rows.definition
        self.passes = 0
        self._spread: Spread | None = None
        self._bins: Bins | None = None

    def _pass(self, sink: TileSink) -> None:
        self.definition = self._walk(_Rounded(sink) if self._single else sink)
        self.passes += 1

    def spread(self) -> Spread:
        """
        Return the range of the distances and their mean.

        Returns
        -------
        spread : Spread
            In Å.
        """
        if self._spread is None:
            sink = _RangeSink()
            self._pass(sink)
            self._spread = Spread(sink.low, sink.high, sink.total / max(sink.pairs, 1))
        return self._spread

    def bins(self, thresholds: Sequence[float] | FloatArray) -> Bins:
        """
        Return the number of thresholds below each distance.

        Parameters
        ----------
        thresholds : sequence of float
            Strictly ascending, in Å.

        Returns
        -------
        bins : Bins
            Valid until the next call with other thresholds.
        """
        levels = np.asarray(thresholds, dtype=np.float64)
        if self._bins is None or not np.array_equal(self._bins.thresholds, levels):
            self._bins = None
            sink = BinsSink(self.m, levels, file=self._file)
            self._pass(sink)
            self._bins = sink.bins()
        return self._bins

    def clusters(self, threshold: float) -> tuple[IntArray, ...]:
        """
        Cluster at one threshold.

        Parameters
        ----------
        threshold : float
            In Å.

        Returns
        -------
        clusters : tuple of ndarray, dtype=int64
            As of `congruence.compute.scan.neighbourhood_clusters`.
        """
        kept = self._bins
        if kept is not None and threshold in kept.thresholds:
            return neighbourhood_clusters(kept, int(np.searchsorted(kept.thresholds, threshold)))
        return neighbourhood_clusters(self.bins([threshold]), 0)

    def row(self, i: int) -> FloatArray:
        """
        Return the distances of one model to all.

        Parameters
        ----------
        i : int
            The model.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(m,)
            In Å; zero at `i`.
        """
        found: FloatArray = self._rows.rows(np.array([i]))[0]
        return found

    def to_center(self, members: IntArray) -> FloatArray:
        """
        Return the distances of members to the first of them.

        Parameters
        ----------
        members : ndarray, dtype=int64, shape=(n,)
            Members, the center first.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(n,)
            In Å.
        """
        if self._from_center is not None:
            return self._from_center(members)
        return self.row(int(members[0]))[members]

    def sums(self, clusters: Sequence[IntArray]) -> tuple[FloatArray, ...]:
        """
        Return the sum of the distances of each member to the others of its cluster.

        Parameters
        ----------
        clusters : sequence of ndarray, dtype=int64
            Members of each cluster; no model is in two.

        Returns
        -------
        sums : tuple of ndarray, dtype=float64
            In Å, in the order of the members.
        """
        if not clusters:
            return ()
        labels = np.full(self.m, -1, dtype=np.int64)
        for index, members in enumerate(clusters):
            labels[members] = index
        sink = ClusterSums(labels)
        self._pass(sink)
        return tuple(sink.sums[members] for members in clusters)

    def take(self, models: IntArray) -> DistanceMatrix:
        """
        Measure the matrix of some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Models, each once.

        Returns
        -------
        matrix : DistanceMatrix
            Of *k* models; takes 8 k² bytes for a moment.
        """
        square = self._rows.between(models)
        values = square[np.triu_indices(len(models), 1)]
        if self._single:
            values = values.astype(np.float32)
        return DistanceMatrix(
            values, len(models), self.alignment, self._weights, (), self.definition
        )

    def close(self, thresholds: Sequence[float]) -> tuple[int, ...]:
        """
        Count the pairs whose side of a threshold depends on the last digits.

        Parameters
        ----------
        thresholds : sequence of float
            In Å.

        Returns
        -------
        counts : tuple of int
            Pairs within 1e-6 Å of each.
        """
        sink = _CloseSink(thresholds)
        self._pass(sink)
        return tuple(sink.counts)


class _Rounded:
    """Hands tiles on in single precision."""

    def __init__(self, sink: TileSink) -> None:
        self._sink = sink

    def done(self) -> set[tuple[int, int]]:
        return self._sink.done()

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        self._sink.put(i, j, tile.astype(np.float32).astype(np.float64))


def _values(i: int, j: int, tile: Float32Array | FloatArray) -> Float32Array | FloatArray:
    """Return each pair of a tile once."""
    return tile[np.triu_indices(len(tile), 1)] if i == j else tile.ravel()


class _RangeSink(ReducingSink):
    def __init__(self) -> None:
        self.low, self.high, self.total, self.pairs = np.inf, 0.0, 0.0, 0

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        values = _values(i, j, tile)
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.total += float(values.sum(dtype=np.float64))
            self.pairs += values.size


class _CloseSink(ReducingSink):
    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = list(thresholds)
        self.counts = [0] * len(self.thresholds)

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        values = _values(i, j, tile)
        for at, threshold in enumerate(self.thresholds):
            self.counts[at] += int(np.count_nonzero(np.abs(values - threshold) <= _CLOSE))
