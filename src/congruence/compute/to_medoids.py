"""Distances of all models to a few of them, exact and without a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.rows import DistanceRows

if TYPE_CHECKING:
    from congruence.compute._resolve import Data
    from congruence.compute.metric import Metric
    from congruence.typing import FloatArray, IntArray

__all__ = ["distances_to_centers", "nearest_medoids"]


def nearest_medoids(
    data: Data, metric: Metric, medoids: IntArray, *, threads: int | None = None
) -> tuple[IntArray, FloatArray]:
    """
    Give every model to the nearest of some models.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    medoids : ndarray, dtype=int64, shape=(k,)
        Which models to choose from; each belongs to itself.
    threads : int, optional
        Threads; all available cores by default.

    Returns
    -------
    labels : ndarray, dtype=int64, shape=(m,)
        Position in `medoids`; the first among equals.
    distances : ndarray, dtype=float64, shape=(m,)
        Distance to it in Å, within 1e-6 Å the entry of the matrix.

    Examples
    --------
    >>> from congruence.compute.metric import Metric
    >>> line = np.zeros((4, 1, 3))
    >>> line[:, 0, 0] = [0, 1, 2, 9]
    >>> labels, distances = nearest_medoids(line, Metric("none"), np.array([3, 0]))
    >>> labels.tolist(), distances.round(6).tolist()
    ([1, 1, 1, 0], [0.0, 1.0, 2.0, 0.0])
    """
    medoids = np.asarray(medoids, dtype=np.int64)
    rows = DistanceRows(data, metric, threads=threads)
    labels = np.zeros(rows.m, dtype=np.int64)
    nearest = np.full(rows.m, np.inf)

    def take(at: int, start: int, block: FloatArray) -> None:
        first = block.argmin(axis=0)
        found = block[first, np.arange(block.shape[1])]
        models = start + np.flatnonzero(found < nearest[start : start + len(found)])
        labels[models] = at + first[models - start]
        nearest[models] = found[models - start]

    rows.visit(medoids, take)
    labels[medoids], nearest[medoids] = np.arange(len(medoids)), 0.0
    return labels, nearest


def distances_to_centers(
    data: Data,
    metric: Metric,
    labels: IntArray,
    centers: IntArray,
    *,
    threads: int | None = None,
) -> FloatArray:
    """
    Compute the distance of every model to the center of its cluster.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, 0 to k - 1; negative for none.
    centers : ndarray, dtype=int64, shape=(k,)
        Center of each cluster.
    threads : int, optional
        Threads; all available cores by default.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(m,)
        In Å, within 1e-6 Å the entry of the matrix; NaN for models in none.
    """
    labels = np.asarray(labels, dtype=np.int64)
    out = np.full(len(labels), np.nan)
    rows = DistanceRows(data, metric, threads=threads)

    def take(at: int, start: int, block: FloatArray) -> None:
        own = labels[start : start + block.shape[1]] - at
        mine = np.flatnonzero((own >= 0) & (own < len(block)))
        out[start + mine] = block[own[mine], mine]

    rows.visit(np.asarray(centers, dtype=np.int64), take, wanted=labels >= 0)
    out[centers] = 0.0
    return out
