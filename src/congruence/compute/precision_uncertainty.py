"""
How sure sampling precision and cluster populations are.

The distances stay as they are; what changes is which models are there: resampled
runs (or blocks of one run), or the first part of the sampling.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.exhaustiveness import sampling_precision, scan_thresholds
from congruence.compute.resampling import models_of
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.core.exhaustiveness import Rule
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "drawn_matrix",
    "population_statistic",
    "precision_of_models",
    "precision_statistic",
]

_SMALLEST = 11


def drawn_matrix(matrix: DistanceMatrix, models: IntArray) -> DistanceMatrix:
    """
    Return the distances of models some of which come more than once.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances of all models.
    models : ndarray, dtype=int64, shape=(k,)
        Models; one and the same are 0 Å apart.

    Returns
    -------
    drawn : DistanceMatrix
        Of *k* models, without names. Takes k²/2 numbers.
    """
    k = len(models)
    found = np.empty(k * (k - 1) // 2, dtype=matrix.condensed.dtype)
    start = 0
    for i in range(k - 1):  # row by row: no index arrays of the size of the matrix
        found[start : start + k - i - 1] = matrix.row(int(models[i]))[models[i + 1 :]]
        start += k - i - 1
    return replace(matrix, condensed=found, m=k, names=())


def precision_of_models(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    thresholds: FloatArray,
    *,
    rule: Rule = "right",
) -> Callable[[IntArray], float]:
    """
    Make the function that gives the sampling precision of some models.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances of all models.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    thresholds : ndarray, dtype=float64, shape=(t,)
        Thresholds in Å, ascending: the same for any models, so that values
        can be compared. Their spacing is the resolution of the value.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.

    Returns
    -------
    function : callable
        Takes model numbers, each as often as it counts; returns Å, infinity
        when no threshold passes or a sample has fewer than 11 models. For
        `congruence.compute.running.running_estimate`.
    """

    def function(models: IntArray) -> float:
        mine = in_a[models]
        if min(int(mine.sum()), int((~mine).sum())) < _SMALLEST:
            return math.inf
        drawn = drawn_matrix(matrix, models)
        if drawn.condensed.max() <= 0:
            return math.inf
        scan = scan_thresholds(drawn, mine, thresholds, smallest=_SMALLEST)
        found = sampling_precision(scan, rule)
        return found.value if found.converged else math.inf

    return function


def precision_statistic(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    thresholds: FloatArray,
    *,
    rule: Rule = "right",
) -> Callable[[IntArray], list[float]]:
    """
    Make the statistic of the sampling precision for a bootstrap.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances of all models.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    thresholds : ndarray, dtype=float64, shape=(t,)
        As in `precision_of_models`.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.

    Returns
    -------
    statistic : callable
        Takes counts; for `congruence.compute.resampling.percentiles_over_runs`
        with ``samples=in_a``.
    """
    function = precision_of_models(matrix, in_a, thresholds, rule=rule)

    def statistic(counts: IntArray) -> list[float]:
        return [function(models_of(counts))]

    return statistic


def population_statistic(labels: IntArray, k: int) -> Callable[[IntArray], FloatArray]:
    """
    Make the statistic of the populations of clusters for a bootstrap.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model; -1 for none.
    k : int
        Number of clusters.

    Returns
    -------
    statistic : callable
        Takes counts; returns the share of all models in each cluster, shape
        (k,). The clusters stay the same.

    Raises
    ------
    ShapeError
        If a label is *k* or more.

    Examples
    --------
    >>> population_statistic(np.array([0, 0, 1, -1]), 2)(np.array([1, 1, 1, 1])).tolist()
    [0.5, 0.25]
    """
    if len(labels) and int(labels.max()) >= k:
        raise ShapeError(f"label {int(labels.max())} for {k} clusters")
    known = labels >= 0

    def statistic(counts: IntArray) -> FloatArray:
        inside = np.bincount(labels[known], weights=counts[known], minlength=k)
        share: FloatArray = inside / counts.sum()
        return share

    return statistic
