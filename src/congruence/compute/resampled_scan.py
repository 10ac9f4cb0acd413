"""
The sampling precision of many resamples at once.

Resamples differ only in how often each model was drawn. At one threshold the
neighbours of all models in all resamples are one matrix product of these counts
with the table of close pairs, and so are the neighbours that leave with a
cluster. Counts are whole numbers below 2**24, which single precision holds
exactly: clusters and tables are those that a scan of each resample gives.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.exhaustiveness import COVERAGE_LIMIT, LEAST_MODELS, passes
from congruence.compute.homogeneity import table_homogeneity
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.compute.scan import BinArray
    from congruence.core.exhaustiveness import Rule
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

__all__ = ["cluster_tables", "resampled_precisions"]

_PART = 2  # a part of the table of close pairs is copied if it is so many times smaller


def resampled_precisions(
    square: BinArray,
    thresholds: FloatArray,
    in_a: BoolArray,
    counts: IntArray,
    *,
    rule: Rule = "right",
    smallest: int = 11,
) -> FloatArray:
    """
    Compute the sampling precision of each resample.

    Parameters
    ----------
    square : ndarray, dtype=uint8 or uint16, shape=(m,m)
        Number of thresholds below each distance, of
        `congruence.compute.scan.bin_distances`.
    thresholds : ndarray, dtype=float64, shape=(t,)
        Thresholds in Å, ascending.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    counts : ndarray, dtype=int64, shape=(d,m)
        How often each model is in each resample.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.
    smallest : int
        Models of each sample that a kept cluster has at least.

    Returns
    -------
    values : ndarray, dtype=float64, shape=(d,)
        In Å; infinity where no threshold passes, a sample has fewer than
        `smallest` models or there are fewer than ten. The same as
        `congruence.compute.exhaustiveness.sampling_precision` of a scan of the
        models of each resample, a model drawn twice being two models 0 Å apart.
        At most ``t d m**2`` multiplications and additions, and 4 m² bytes.

    Raises
    ------
    ShapeError
        If the lengths differ.
    """
    from threadpoolctl import threadpool_limits

    m = len(square)
    if counts.ndim != 2 or counts.shape[1] != m or len(in_a) != m:
        raise ShapeError(
            f"counts of shape {counts.shape} and {len(in_a)} samples for {m} models",
            hint="There is one row of counts for each resample, one column for each model.",
        )
    sizes = np.stack([counts[:, in_a].sum(axis=1), counts[:, ~in_a].sum(axis=1)], axis=1)
    enough = (sizes.sum(axis=1) >= LEAST_MODELS) & (sizes.min(axis=1) >= smallest)
    # One BLAS thread: waiting for another costs more than it takes over in such products.
    with threadpool_limits(1, user_api="blas"):
        tables = _tables(square, len(thresholds), in_a, counts, np.flatnonzero(enough), smallest)
    values = np.full(len(counts), math.inf)
    for i, several in enumerate(tables):
        for back in range(len(several), 0, -1):
            point = table_homogeneity(several[back - 1], (sizes[i, 0], sizes[i, 1]))
            if passes(point, rule):
                values[i] = thresholds[len(thresholds) - back]
                break
    return values


def _tables(
    square: BinArray, levels: int, in_a: BoolArray, counts: IntArray, rows: IntArray, smallest: int
) -> list[list[IntArray]]:
    """
    Return the tables of each resample, from the coarsest threshold down.

    They end before the first threshold at which too few models are in kept
    clusters: what passes below it does not count.
    """
    tables: list[list[IntArray]] = [[] for _ in counts]
    models, weights = counts.sum(axis=1), counts.astype(np.float32)
    found: list[IntArray] = []
    pairs = -1
    for k in range(levels - 1, -1, -1):
        if not len(rows):
            break
        close = square <= k
        before, pairs = pairs, int(np.count_nonzero(close))
        if pairs != before:  # else there is no distance in between
            found = cluster_tables(close.astype(np.float32), weights[rows], in_a, smallest=smallest)
            kept = np.array([table.sum() for table in found])
            covered = 100.0 * kept / models[rows] > COVERAGE_LIMIT
            rows = rows[covered]
            found = [found[i] for i in np.flatnonzero(covered)]
        for row, table in zip(rows.tolist(), found, strict=True):
            tables[row].append(table)
    return tables


def cluster_tables(
    near: Float32Array, weights: Float32Array, in_a: BoolArray, *, smallest: int
) -> list[IntArray]:
    """
    Cluster resamples at one threshold and count what the kept clusters hold.

    Parameters
    ----------
    near : ndarray, dtype=float32, shape=(m,m)
        1 for pairs within the threshold and for each model with itself, else 0.
    weights : ndarray, dtype=float32, shape=(d,m)
        How often each model is in each resample; whole numbers.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    smallest : int
        Models of each sample that a kept cluster has at least.

    Returns
    -------
    tables : list of ndarray, dtype=int64, shape=(c,2)
        Of each resample: models of A and B in each kept cluster, in order of
        creation; as `congruence.compute.scan.neighbourhood_clusters` makes them.

    Examples
    --------
    Models 0 and 1 are close, 2 is alone but drawn twice:

    >>> near = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32)
    >>> drawn = np.array([[1, 1, 2]], dtype=np.float32)
    >>> [t.tolist() for t in cluster_tables(near, drawn, np.array([True, False, True]), smallest=1)]
    [[[1, 1]]]
    """
    tables: list[list[tuple[int, int]]] = [[] for _ in weights]
    rows = np.arange(len(weights))
    free = weights.copy()
    counts = np.where(free > 0, free @ near, np.float32(0.0))
    least = max(2 * smallest, 2)
    while True:
        center = counts.argmax(axis=1)
        going = counts[np.arange(len(rows)), center] >= least
        rows, free, counts, center = rows[going], free[going], counts[going], center[going]
        if not len(rows):
            break
        leaving = near[center] * free
        from_a, of_all = leaving[:, in_a].sum(axis=1), leaving.sum(axis=1)
        for row, a, every in zip(rows.tolist(), from_a.tolist(), of_all.tolist(), strict=True):
            if min(a, every - a) >= smallest:
                tables[row].append((int(a), int(every - a)))
        free -= leaving
        going = free.sum(axis=1) >= least
        rows, free, counts, leaving = rows[going], free[going], counts[going], leaving[going]
        _leave(near, free, counts, leaving)
    return [np.array(table, dtype=np.int64).reshape(-1, 2) for table in tables]


def _leave(
    near: Float32Array, free: Float32Array, counts: Float32Array, leaving: Float32Array
) -> None:
    """Take models that leave out of the counts of those that are still free, which others lose."""
    gone = np.flatnonzero(leaving.any(axis=0))
    rest = np.flatnonzero(free.any(axis=0))
    if _PART * len(gone) * len(rest) < near.size:
        counts[:, rest] -= leaving[:, gone] @ near[np.ix_(gone, rest)]
    else:
        counts -= leaving @ near
    counts[free == 0] = 0
