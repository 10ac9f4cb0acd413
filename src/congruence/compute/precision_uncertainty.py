"""
How sure sampling precision and cluster populations are.

The distances stay as they are; what changes is which models are there: resampled
runs (or blocks of one run), or the first part of the sampling.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.exhaustiveness import sampling_precision, scan_bins
from congruence.compute.scan import bin_distances
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.core.exhaustiveness import Rule
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "population_statistic",
    "precision_of_models",
]

SMALLEST = 11
_LEAST_MODELS = 10


def precision_of_models(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    thresholds: FloatArray,
    *,
    rule: Rule = "right",
    smallest: int = SMALLEST,
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
    smallest : int
        Models of each sample that a kept cluster has at least.

    Returns
    -------
    function : callable
        Takes model numbers, each as often as it counts; returns Å, infinity
        when no threshold passes or a sample has too few models. For
        `congruence.compute.running.running_estimate`.
    """
    bins = bin_distances(matrix, thresholds)  # once: a drawn model keeps its numbers

    def function(models: IntArray) -> float:
        mine = in_a[models]
        if len(models) < _LEAST_MODELS or min(int(mine.sum()), int((~mine).sum())) < smallest:
            return math.inf
        found = sampling_precision(scan_bins(bins.take(models), mine, smallest=smallest), rule)
        return found.value if found.converged else math.inf

    return function


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
