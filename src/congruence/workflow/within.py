"""One more pass over the distances within clusters only, where clusters are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from congruence.compute.partition_sums import PartitionSums
    from congruence.typing import Float32Array, FloatArray, IntArray
    from congruence.workflow.streamed import Streaming

__all__ = ["sums_within", "within_pays"]

_EDGE = 1024
_GAIN = 0.5


class _Shared:
    """A sink of models in the order of their clusters that skips tiles without a shared cluster."""

    def __init__(self, sums: PartitionSums, edge: int) -> None:
        self._sums = sums
        self._done = _apart(sums.labels, edge)

    def done(self) -> set[tuple[int, int]]:
        """Return the tiles that no sum within a cluster needs."""
        return self._done

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """Add a tile."""
        self._sums.put(i, j, tile)


def _apart(labels: IntArray, edge: int) -> set[tuple[int, int]]:
    """Return the tiles of ascending labels in which no row and column share a cluster."""
    starts = range(0, len(labels), edge)
    ends = [(int(labels[at]), int(labels[min(at + edge, len(labels)) - 1])) for at in starts]
    return {
        (i, j)
        for a, i in enumerate(starts)
        for b, j in enumerate(starts)
        if a < b and ends[b][0] > ends[a][1]
    }


def within_pays(labels: IntArray) -> bool:
    """
    Tell whether the distances within clusters are much fewer than all.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, from 0 on; negative for none.

    Returns
    -------
    pays : bool
        Whether less than half of the tiles hold a pair of one cluster.
    """
    ordered = np.sort(labels)
    rows = -(-len(labels) // _EDGE)
    return bool(1.0 - len(_apart(ordered, _EDGE)) / (rows * (rows + 1) / 2) < _GAIN)


def sums_within(
    job: Streaming, labels: IntArray, runs: IntArray
) -> tuple[FloatArray, dict[str, str]]:
    """
    Add up the distances of each model to the members of its cluster, by run.

    Parameters
    ----------
    job : Streaming
        The job.
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, from 0 on; negative for none.
    runs : ndarray, dtype=int64, shape=(m,)
        Run of each model, by number.

    Returns
    -------
    by_run : ndarray, dtype=float64, shape=(m,r)
        As of `congruence.compute.partition_sums.PartitionSums`.
    definition : dict of str to str
        How the distances were made.
    """
    from congruence.compute.compression import compressed_tiles
    from congruence.compute.partition_sums import PartitionSums
    from congruence.core.reordered import reordered

    order = np.argsort(labels, kind="stable")
    sums = PartitionSums(labels[order], runs[order])
    models = reordered(job.ensemble, order)
    options: dict[str, Any] = job.options("distances within clusters")
    sink = _Shared(sums, _EDGE)
    definition = compressed_tiles(models, sink, job.metric, edge=_EDGE, **options)
    by_run = np.empty_like(sums.by_run)
    by_run[order] = sums.by_run
    return by_run, definition
