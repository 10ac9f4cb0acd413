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
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from congruence.compute._again import Again
from congruence.compute._greedy import greedy_clusters
from congruence.compute._resolve import resolve
from congruence.compute._tiles import chosen_precision
from congruence.compute.bins import ClusterSums
from congruence.compute.compression import Compression, compress
from congruence.compute.neighbours import NeighbourBits
from congruence.compute.partition import describe_partition
from congruence.compute.rmsd import rmsd_tiles
from congruence.compute.rows import DistanceRows
from congruence.compute.screening import screen
from congruence.compute.tiler import NeighbourTiler
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.compute.screening import Screening
    from congruence.compute.tiler import Neighbours, Tiler
    from congruence.core.results import Clustering
    from congruence.core.sources import TileSink
    from congruence.typing import FloatArray, IntArray, ObjectArray

__all__ = ["NeighbourBits", "ThresholdClusters", "describe_streamed", "threshold_clusters"]

_CLOSE = 1e-6
_CLOSE_MIXED = 1e-3
_MEMORY = 4 << 30
_EDGE = 1024


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
        Pairs so near to the threshold that their side depends on the last
        digits.
    way : {"bits", "rows"}
        Whether bits of all pairs were kept or rows computed again.
    definition : dict of str to str
        Words on how the distances were made.
    within : float
        How near, in Å.
    centers : ndarray, dtype=int64, shape=(k,)
        The model that each cluster was made around.
    """

    labels: IntArray
    threshold: float
    close_pairs: int
    way: Literal["bits", "rows"]
    definition: dict[str, str] = field(default_factory=dict)
    within: float = _CLOSE
    centers: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def clusters(self) -> tuple[IntArray, ...]:
        """
        Return the members of each cluster.

        Returns
        -------
        clusters : tuple of ndarray, dtype=int64
            In order of creation; in each the center first, then the others,
            ascending, as `congruence.compute.scan.neighbourhood_clusters` has them.
        """
        order = np.argsort(self.labels, kind="stable")
        starts = np.flatnonzero(np.diff(self.labels[order])) + 1
        return tuple(
            np.concatenate([[center], members[members != center]])
            for center, members in zip(self.centers, np.split(order, starts), strict=True)
        )


def threshold_clusters(  # noqa: PLR0913 - the keywords of a tiler and its own
    data: Data,
    metric: Metric,
    threshold: float,
    *,
    memory: int = _MEMORY,
    threads: int | None = None,
    compression: Literal["auto", "off"] = "auto",
    precision: Precision = "auto",
    tiler: Tiler = rmsd_tiles,
    progress: Callable[[int, int], None] | None = None,
    within: float | None = None,
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
        Whether pseudo-beads may be used, see `congruence.compute.screening` and
        `congruence.compute.compression`.
    precision : {"auto", "double", "mixed"}
        See `congruence.compute.rmsd.rmsd_matrix`. ``"mixed"`` is twice as fast
        where there is no compression, and needs memory for the bits:
        ``"auto"`` is ``"double"`` where they do not fit.
    tiler : Tiler
        What computes the distances of the first pass, see
        `congruence.compute.tiler`; a device computes rows again too.
    progress : callable, optional
        Called with the number of tiles done and of all tiles of the first pass.
    within : float, optional
        Distance from the threshold up to which pairs are counted as close, in
        Å; by default 1e-6, with mixed precision 1e-3. It changes no label.

    Returns
    -------
    clusters : ThresholdClusters
        The same labels for any number of threads, and in one precision for
        any memory.

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

    >>> import numpy as np
    >>> from congruence.compute.metric import Metric
    >>> line = np.zeros((4, 1, 3))
    >>> line[:, 0, 0] = [0, 1, 2, 9]
    >>> threshold_clusters(line, Metric("none"), 1.5).labels.tolist()
    [0, 0, 0, 1]
    """
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"a threshold of {threshold} Å", hint="Give a distance of 0 Å or more.")
    m = resolve(data, metric).source.shape[0]
    fits = m * ((m + 7) // 8) <= memory // 2
    screened = found = None
    if compression == "auto":
        # A device or a cluster has a tiler of its own, which screening has no use for.
        room = memory // 2 if fits and tiler is rmsd_tiles else 0
        screened, found = _reduced(data, metric, threshold, room, threads)
    if precision == "auto" and not fits:
        precision = "double"
    if precision == "mixed" and not fits:
        raise ConfigError(
            f"rows of {m:,} models can be computed again in double precision only",
            hint=f"Use double precision, or give {m * m / 4e9:.1f} GB of memory for the bits.",
        )
    double = chosen_precision(precision, m * (m - 1) // 2) == "double" or screened is not None
    if within is None:
        within = _CLOSE if double else _CLOSE_MIXED
    sink = NeighbourBits(m, threshold, bits=fits, within=within)
    options: dict[str, Any] = {"edge": _EDGE, "threads": threads, "memory": memory // 2}
    options |= {"precision": precision, "progress": progress}
    if screened is not None:
        definition = screened.put(sink, threads=threads, progress=progress)
    else:
        definition = _pass(data, metric, found, sink, options | {"tiler": tiler})
    if fits:
        labels, centers = sink.clusters()
    else:
        source, words = (data, metric) if found is None else (found.source, found.metric)
        again: Neighbours
        if isinstance(tiler, NeighbourTiler):
            how: dict[str, Any] = {"memory": memory // 2, "threads": threads}
            again = tiler.neighbours(source, words, threshold, **how)
        else:
            rows = DistanceRows(source, words, threads=threads, memory=memory // 2)
            again = Again(rows, threshold, memory // 2)
        labels, centers = greedy_clusters(sink.counts, again.members, again.leave, again.finish)
    return ThresholdClusters(
        labels=labels,
        threshold=float(threshold),
        close_pairs=sink.close_pairs,
        way="bits" if fits else "rows",
        definition=definition,
        within=within,
        centers=centers,
    )


def _reduced(
    data: Data, metric: Metric, threshold: float, room: int, threads: int | None
) -> tuple[Screening | None, Compression | None]:
    """Return fewer beads that tell most pairs apart (given room for all beads), or all pairs."""
    screened = None
    if room:
        screened = screen(data, metric, threshold, memory=room, threads=threads)
    found = compress(data, metric, threads=threads) if screened is None else None
    if found is not None and threshold <= found.near + 2.0 * found.residuals.max():
        found = None  # the pairs in question would all be recomputed from all beads
    return screened, found


def _pass(
    data: Data,
    metric: Metric,
    compression: Compression | None,
    sink: TileSink,
    options: dict[str, Any],
) -> dict[str, str]:
    if compression is not None:
        return compression.tiles(sink, **options)
    tiler: Tiler = options.pop("tiler", rmsd_tiles)
    return tiler(data, sink, metric, **options)


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
        Keywords of `congruence.compute.rmsd.rmsd_tiles`, and `tiler`.

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
