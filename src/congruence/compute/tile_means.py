"""
k-means on the rows of a matrix that is on disk.

Lloyd's algorithm as on a matrix in memory, but every step is a pass over the
tiles, so that it takes two rows per cluster of memory and not the matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from congruence.compute.bins import ReducingSink

if TYPE_CHECKING:
    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["RowMeans", "TiledMatrix", "kmeans_of_tiles"]

_STEPS = 100


class TiledMatrix(Protocol):
    """A symmetric matrix that can be read again tile by tile."""

    @property
    def m(self) -> int:
        """Number of models."""

    def replay(self, sink: TileSink) -> None:
        """Put all tiles into a sink, in a fixed order."""


@dataclass(frozen=True, eq=False)
class RowMeans:
    """
    Clusters around means of rows.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, the one with the nearest mean row.
    steps : int
        Steps taken.
    converged : bool
        Whether the last step changed no label.
    """

    labels: IntArray
    steps: int
    converged: bool


def kmeans_of_tiles(
    tiles: TiledMatrix, start: IntArray, k: int, *, steps: int = _STEPS
) -> RowMeans:
    """
    Cluster the rows of a matrix by k-means, from given labels of some models.

    Parameters
    ----------
    tiles : TiledMatrix
        Distances in Å.
    start : ndarray, dtype=int64, shape=(m,)
        Cluster of some models, 0 to k - 1; negative for the others, which join
        at the first step. Every cluster has one.
    k : int
        Number of clusters.
    steps : int
        Most steps.

    Returns
    -------
    means : RowMeans
        A local optimum of the objective that k-means on the whole matrix has,
        unless `steps` were too few. One start, not the best of many.

    Notes
    -----
    Reads all tiles twice a step; takes 32 m k bytes.

    Examples
    --------
    >>> class Whole:
    ...     m = 4
    ...     def replay(self, sink):
    ...         x = np.array([0.0, 1, 10, 12])
    ...         sink.put(0, 0, abs(x[:, None] - x))
    >>> kmeans_of_tiles(Whole(), np.array([0, -1, 1, -1]), 2).labels.tolist()
    [0, 0, 1, 1]
    """
    from threadpoolctl import threadpool_limits

    labels = np.asarray(start, dtype=np.int64).copy()
    centers = np.zeros((k, tiles.m))
    with threadpool_limits(1, user_api="blas"):
        for step in range(1, steps + 1):
            sums = _RowSums(labels, k)
            tiles.replay(sums)
            sizes = np.bincount(labels[labels >= 0], minlength=k)
            # A cluster that has lost its members keeps its mean.
            filled = sizes > 0
            centers[filled] = sums.sums[filled] / sizes[filled, None]
            products = _Products(centers)
            tiles.replay(products)
            nearest = ((centers**2).sum(axis=1) - 2.0 * products.products).argmin(axis=1)
            if np.array_equal(nearest, labels):
                return RowMeans(labels, step, True)
            labels = nearest.astype(np.int64)
    return RowMeans(labels, steps, False)


class _RowSums(ReducingSink):
    """Sum of the rows of the models of each cluster."""

    def __init__(self, labels: IntArray, k: int) -> None:
        self._member = np.zeros((len(labels), k))
        known = np.flatnonzero(labels >= 0)
        self._member[known, labels[known]] = 1.0
        self.sums: FloatArray = np.zeros((k, len(labels)))

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        values = np.asarray(tile, dtype=np.float64)
        rows, columns = slice(i, i + tile.shape[0]), slice(j, j + tile.shape[1])
        self.sums[:, columns] += self._member[rows].T @ values
        if i != j:
            self.sums[:, rows] += (values @ self._member[columns]).T


class _Products(ReducingSink):
    """Inner products of all rows with some."""

    def __init__(self, centers: FloatArray) -> None:
        self._centers = np.ascontiguousarray(centers.T)
        self.products: FloatArray = np.zeros(self._centers.shape)

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        values = np.asarray(tile, dtype=np.float64)
        rows, columns = slice(i, i + tile.shape[0]), slice(j, j + tile.shape[1])
        self.products[rows] += values @ self._centers[columns]
        if i != j:
            self.products[columns] += values.T @ self._centers[rows]
