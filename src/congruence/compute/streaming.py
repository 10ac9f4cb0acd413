"""
Threshold clustering of ensembles whose distances do not fit in memory.

Distances are computed tile by tile and only one bit of each is kept: whether it
is at most the threshold. Where even the bits do not fit, neighbours are counted
in one pass and the rows of models that leave are computed again. Both give the
labels of `congruence.compute.clustering.threshold_labels` on the whole matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from congruence.compute._resolve import resolve
from congruence.compute.bins import ClusterSums
from congruence.compute.compression import Compression, compress
from congruence.compute.partition import describe_partition
from congruence.compute.rmsd import rmsd_tiles
from congruence.compute.rows import DistanceRows
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.core.results import Clustering
    from congruence.core.sources import TileSink
    from congruence.typing import (
        BoolArray,
        ByteArray,
        Float32Array,
        FloatArray,
        IntArray,
        ObjectArray,
    )

__all__ = ["NeighbourBits", "ThresholdClusters", "describe_streamed", "threshold_clusters"]

_CLOSE = 1e-6
_CLOSE_MIXED = 1e-3
_ROWS = 255  # so many true values fit into the sum of one byte
_MEMORY = 4 << 30
_EDGE = 1024


class NeighbourBits:
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

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Always empty.
        """
        return set()

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
        close = int(np.count_nonzero(np.abs(tile - self.threshold) <= self.within))
        self.close_pairs += close // 2 if i == j else close
        self.put_near(i, j, tile <= self.threshold)

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
        self._store(i, j, near)
        if i != j:
            self._store(j, i, near.T)

    def _store(self, i: int, j: int, near: BoolArray) -> None:
        rows = slice(i, i + len(near))
        self.counts[rows] += np.count_nonzero(near, axis=1)
        if self.bits.shape[1]:
            packed = np.packbits(near, axis=1)
            self.bits[rows, j // 8 : j // 8 + packed.shape[1]] = packed

    def labels(self) -> IntArray:
        """
        Cluster by largest neighbourhoods (Daura et al. 1999).

        Returns
        -------
        labels : ndarray, dtype=int64, shape=(m,)
            Clusters in order of creation; see
            `congruence.compute.clustering.threshold_labels`.
        """
        return _greedy(self.counts, self._members, self._leave)

    def _members(self, center: int, free: BoolArray) -> IntArray:
        near = np.unpackbits(self.bits[center], count=self.m).view(np.bool_)
        return np.flatnonzero(near & free)

    def _leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        for at in range(0, len(members), _ROWS):
            rows = self.bits[members[at : at + _ROWS]]
            near = np.unpackbits(rows, axis=1, count=self.m)
            counts -= np.add.reduce(near, axis=0, dtype=np.uint8)


def _greedy(
    counts: IntArray,
    members_of: Callable[[int, BoolArray], IntArray],
    leave: Callable[[IntArray, BoolArray, IntArray], None],
    finish: Callable[[BoolArray, IntArray], IntArray | None] = lambda free, counts: None,
) -> IntArray:
    """Take the largest neighbourhood away until only lone models are left."""
    counts = counts.copy()
    labels = np.full(len(counts), -1, dtype=np.int64)
    free = np.ones(len(counts), dtype=bool)
    found = 0
    while free.any():
        rest = finish(free, counts)
        if rest is not None:
            labels[free] = found + rest
            break
        center = int(counts.argmax())
        if counts[center] == 1:
            labels[free] = found + np.arange(free.sum())
            break
        members = members_of(center, free)
        labels[members] = found
        free[members] = False
        leave(members, free, counts)
        counts[members] = 0
        found += 1
    return labels


@dataclass(frozen=True, eq=False)
class ThresholdClusters:
    """
    Labels of a threshold clustering made without a matrix.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Clusters in order of creation.
    threshold : float
        In Å.
    close_pairs : int
        Pairs within 1e-6 Å (1e-3 Å with mixed precision) of the threshold,
        whose side depends on the last digits.
    way : {"bits", "rows"}
        Whether bits of all pairs were kept or rows computed again.
    definition : dict of str to str
        Words on how the distances were made.
    """

    labels: IntArray
    threshold: float
    close_pairs: int
    way: Literal["bits", "rows"]
    definition: dict[str, str] = field(default_factory=dict)


def threshold_clusters(
    data: Data,
    metric: Metric,
    threshold: float,
    *,
    memory: int = _MEMORY,
    threads: int | None = None,
    compression: Literal["auto", "off"] = "auto",
    precision: Precision = "double",
    progress: Callable[[int, int], None] | None = None,
) -> ThresholdClusters:
    """
    Cluster by neighbours within a threshold, without keeping distances.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    threshold : float
        Distance in Å.
    memory : int
        Bytes to use. Up to half are for bits of pairs (m²/8 bytes); if these do
        not fit, rows are computed again, at about three times the time or more.
    threads : int, optional
        Threads; all available cores by default.
    compression : {"auto", "off"}
        Whether pseudo-beads may be used, see `congruence.compute.compression`.
    precision : {"double", "mixed"}
        See `congruence.compute.rmsd.rmsd_matrix`. ``"mixed"`` is twice as fast
        where there is no compression, and needs memory for the bits.
    progress : callable, optional
        Called with the number of tiles done and of all tiles of the first pass.

    Returns
    -------
    clusters : ThresholdClusters
        The same labels for any memory and any number of threads.

    Raises
    ------
    ConfigError
        If the threshold is not a distance, or the bits do not fit and the
        precision is mixed.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.

    References
    ----------
    doi:10.1002/(SICI)1521-3773(19990115)38:1/2<236::AID-ANIE236>3.0.CO;2-M

    Examples
    --------
    Models of one bead on a line at 0, 1, 2 and 9 Å:

    >>> from congruence.compute.metric import Metric
    >>> line = np.zeros((4, 1, 3))
    >>> line[:, 0, 0] = [0, 1, 2, 9]
    >>> threshold_clusters(line, Metric("none"), 1.5).labels.tolist()
    [0, 0, 0, 1]
    """
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"a threshold of {threshold} Å", hint="Give a distance of 0 Å or more.")
    found = compress(data, metric, threads=threads) if compression == "auto" else None
    if found is not None and threshold <= found.near + 2.0 * found.residuals.max():
        found = None  # the pairs in question would all be recomputed from all beads
    m = resolve(data, metric).source.shape[0]
    fits = m * ((m + 7) // 8) <= memory // 2
    if precision == "mixed" and not fits:
        raise ConfigError(
            f"rows of {m:,} models can be computed again in double precision only",
            hint=f"Use double precision, or give {m * m / 4e9:.1f} GB of memory for the bits.",
        )
    within = _CLOSE if precision == "double" else _CLOSE_MIXED
    sink = NeighbourBits(m, threshold, bits=fits, within=within)
    options: dict[str, Any] = {"edge": _EDGE, "threads": threads, "memory": memory // 2}
    options |= {"precision": precision, "progress": progress}
    definition = _pass(data, metric, found, sink, options)
    if fits:
        labels = sink.labels()
    else:
        source, words = (data, metric) if found is None else (found.source, found.metric)
        again = _Again(
            DistanceRows(source, words, threads=threads, memory=memory // 2),
            threshold,
            memory // 2,
        )
        labels = _greedy(sink.counts, again.members, again.leave, again.finish)
    return ThresholdClusters(
        labels, float(threshold), sink.close_pairs, "bits" if fits else "rows", definition
    )


def _pass(
    data: Data,
    metric: Metric,
    compression: Compression | None,
    sink: TileSink,
    options: dict[str, Any],
) -> dict[str, str]:
    if compression is not None:
        return compression.tiles(sink, **options)
    return rmsd_tiles(data, sink, metric, **options)


class _Again:
    """Neighbours from rows that are computed again."""

    def __init__(self, rows: DistanceRows, threshold: float, memory: int) -> None:
        self._rows, self._threshold, self._memory = rows, threshold, memory

    def members(self, center: int, free: BoolArray) -> IntArray:
        near = np.zeros(len(free), dtype=bool)
        one = np.array([center])
        self._visit(one, free, partial(_set_row, near))
        near[center] = True
        return np.flatnonzero(near & free)

    def leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        if free.any():
            self._visit(members, free, partial(_subtract, counts))

    def finish(self, free: BoolArray, counts: IntArray) -> IntArray | None:
        """Cluster the models that are left by their bits, once these fit."""
        rest = np.flatnonzero(free)
        if len(rest) * ((len(rest) + 7) // 8) > self._memory:
            return None
        if counts[rest].max() == 1:
            return np.arange(len(rest))
        sink = NeighbourBits(len(rest), self._threshold)

        def put(i: int, j: int, tile: FloatArray) -> None:
            near = self._near(tile, rest[i : i + len(tile)], rest[j : j + tile.shape[1]])
            if i == j:
                np.fill_diagonal(near, True)
            sink.put_near(i, j, near)

        self._rows.visit_between(rest, put)
        return sink.labels()

    def _visit(
        self, models: IntArray, free: BoolArray, take: Callable[[int, BoolArray], None]
    ) -> None:
        def block(at: int, start: int, tile: FloatArray) -> None:
            own, others = models[at : at + len(tile)], start + np.arange(tile.shape[1])
            take(start, self._near(tile, own, others))

        self._rows.visit(models, block, wanted=free)

    def _near(self, tile: FloatArray, rows: IntArray, columns: IntArray) -> BoolArray:
        near: BoolArray = tile <= self._threshold
        # Gathered models may differ in the last digits from the tiles of the first pass.
        for r, c in np.argwhere(np.abs(tile - self._threshold) <= _CLOSE):
            one, two = int(rows[r]), int(columns[c])
            near[r, c] = one == two or self._rows.entry(one, two) <= self._threshold
        return near


def _set_row(row: BoolArray, start: int, near: BoolArray) -> None:
    row[start : start + near.shape[1]] = near[0]


def _subtract(counts: IntArray, start: int, near: BoolArray) -> None:
    counts[start : start + near.shape[1]] -= np.count_nonzero(near, axis=0)


def describe_streamed(
    data: Data,
    metric: Metric,
    clusters: ThresholdClusters,
    *,
    scores: FloatArray | None = None,
    runs: Sequence[str] | ObjectArray | None = None,
    **options: Any,
) -> Clustering:
    """
    Find centers and spreads of clusters in a second pass over the distances.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    clusters : ThresholdClusters
        Their labels.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores, lower is better.
    runs : sequence of str, length m, optional
        Run of each model.
    **options : Any
        Keywords of `congruence.compute.rmsd.rmsd_tiles`.

    Returns
    -------
    clustering : Clustering
        As from `congruence.compute.clustering.cluster`.

    Raises
    ------
    ShapeError
        As `congruence.compute.partition.describe_partition`.
    """
    sink = ClusterSums(clusters.labels)
    found = compress(data, metric, threads=options.get("threads"))
    _pass(data, metric, found, sink, {"edge": _EDGE} | options)
    return describe_partition(
        sink.sums,
        clusters.labels,
        method="threshold",
        parameters={"threshold": clusters.threshold},
        scores=scores,
        runs=runs,
    )
