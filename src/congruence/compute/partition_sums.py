"""
What clusters need of their distances, summed while tiles pass by.

One pass over all distances gives the centers, the spread of every cluster with
its interval, and how far clusters are apart, without a matrix. The numbers are
those of `congruence.compute.partition.describe_partition` and
`congruence.compute.precision.precision` on the matrix, up to the rounding of sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.bins import ReducingSink

if TYPE_CHECKING:
    from congruence.core.results import Clustering
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["PartitionSums", "with_spread"]

_PAIRS_OF_UP_TO = 1000


class PartitionSums(ReducingSink):
    """
    Sums of the distances within and between clusters.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, 0 to k - 1; negative for none.
    runs : ndarray, dtype=int64, shape=(m,)
        Run of each model, by number.

    Attributes
    ----------
    by_run : ndarray, dtype=float64, shape=(m,r)
        Sum of the distances of each model to the members of its cluster that
        are of a run, in Å.
    between, smallest : ndarray, dtype=float64, shape=(c,c)
        Sum and smallest of the distances between the members of two clusters,
        in Å, of the first 1,000 clusters. The diagonal means nothing.

    Notes
    -----
    Takes 8 m r bytes. The sums do not depend on threads, but on the edge of
    the tiles in their last digits.
    """

    def __init__(self, labels: IntArray, runs: IntArray) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.runs = np.asarray(runs, dtype=np.int64)
        width = int(self.runs.max(initial=0)) + 1
        followed = min(int(self.labels.max(initial=-1)) + 1, _PAIRS_OF_UP_TO)
        self.by_run: FloatArray = np.zeros((len(self.labels), width))
        self.between: FloatArray = np.zeros((followed, followed))
        self.smallest: FloatArray = np.full((followed, followed), np.inf)

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
        rows, columns = np.arange(i, i + tile.shape[0]), np.arange(j, j + tile.shape[1])
        values = np.asarray(tile, dtype=np.float64)
        self._add(rows, columns, values, apart=True)
        if i != j:
            self._add(columns, rows, values.T, apart=False)

    def _add(self, rows: IntArray, columns: IntArray, values: FloatArray, *, apart: bool) -> None:
        """Add distances to the sums of the rows; of clusters apart only once for both."""
        width = self.by_run.shape[1]
        key = self.labels[columns] * width + self.runs[columns]
        order = np.argsort(key, kind="stable")
        order = order[self.labels[columns[order]] >= 0]
        if not len(order):
            return
        key = key[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        values = values[:, order]
        sums = np.add.reduceat(values, starts, axis=1)
        label, run = np.divmod(key[starts], width)
        at, group = np.nonzero(self.labels[rows][:, None] == label)
        self.by_run[rows[at], run[group]] += sums[at, group]
        if apart:
            firsts = np.flatnonzero(np.diff(label, prepend=-1))
            totals = np.add.reduceat(sums, firsts, axis=1)
            least = np.minimum.reduceat(values, starts[firsts], axis=1)
            self._apart(rows, label[firsts], totals, least, square=rows[0] == columns[0])

    def _apart(
        self,
        rows: IntArray,
        others: IntArray,
        totals: FloatArray,
        least: FloatArray,
        *,
        square: bool,
    ) -> None:
        order = np.argsort(self.labels[rows], kind="stable")
        order = order[self.labels[rows[order]] >= 0]
        if not len(order):
            return
        own = self.labels[rows[order]]
        starts = np.flatnonzero(np.diff(own, prepend=-1))
        own = own[starts]
        total = np.add.reduceat(totals[order], starts, axis=0)
        smallest = np.minimum.reduceat(least[order], starts, axis=0)
        mine, theirs = own < len(self.between), others < len(self.between)
        total, smallest = total[np.ix_(mine, theirs)], smallest[np.ix_(mine, theirs)]
        here, there = np.ix_(own[mine], others[theirs]), np.ix_(others[theirs], own[mine])
        self.between[here] += total
        self.smallest[here] = np.minimum(self.smallest[here], smallest)
        if not square:
            self.between[there] += total.T
            self.smallest[there] = np.minimum(self.smallest[there], smallest.T)


def with_spread(clustering: Clustering, sums: FloatArray, models: IntArray) -> Clustering:
    """
    Complete clusters by their centers and average distances.

    Parameters
    ----------
    clustering : Clustering
        The clusters; what it says of centers and distances is replaced.
    sums : ndarray, dtype=float64, shape=(s,)
        Sum of the distances of some models to those of their cluster that are
        among them, in Å.
    models : ndarray, dtype=int64, shape=(s,)
        Which models these are, ascending; all for exact numbers. Of every
        cluster at least one.

    Returns
    -------
    clustering : Clustering
        Centers are medoids among these models, the lowest index among equals;
        averages are over their pairs.

    Examples
    --------
    Three models at 0, 1 and 5 Å on a line, one cluster:

    >>> from congruence.compute.partition import describe_partition
    >>> labels = np.zeros(3, dtype=np.int64)
    >>> outline = describe_partition(np.zeros(3), labels, method="threshold")
    >>> (found,) = with_spread(outline, np.array([6.0, 5.0, 9.0]), np.arange(3)).clusters
    >>> found.center, round(found.average_rmsd, 3)
    (1, 3.333)
    """
    own = clustering.labels[models]
    clusters = []
    for cluster in clustering.clusters:
        at = np.flatnonzero(own == cluster.index)
        n, within = len(at), sums[at]
        # A tie must not be decided by the rounding of a sum.
        center = int(models[at[np.flatnonzero(within <= within.min() * (1 + 1e-12))[0]]])
        average = float(within.sum() / (n * (n - 1))) if n > 1 else 0.0
        clusters.append(replace(cluster, center=center, average_rmsd=average))
    return replace(clustering, clusters=tuple(clusters))
