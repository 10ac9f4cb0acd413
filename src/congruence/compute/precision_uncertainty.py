"""
How sure sampling precision and cluster populations are.

The distances stay as they are; what changes is which models are there: resampled
runs (or blocks of one run), or the first part of the sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.resampled_scan import resampled_precisions
from congruence.compute.scan import bin_distances
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.scan import Bins
    from congruence.core.exhaustiveness import Rule
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "PrecisionOfModels",
    "population_statistic",
    "precision_of_models",
]

SMALLEST = 11


@dataclass(frozen=True, eq=False)
class PrecisionOfModels:
    """
    The sampling precision of any models, each as often as it counts.

    Parameters
    ----------
    bins : Bins
        Distances of all models as numbers of thresholds below them.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.
    smallest : int
        Models of each sample that a kept cluster has at least.
    """

    bins: Bins
    in_a: BoolArray
    rule: Rule = "right"
    smallest: int = SMALLEST
    _known: dict[bytes, float] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, models: IntArray) -> float:
        """
        Return the sampling precision of some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Model numbers, each as often as it counts.

        Returns
        -------
        value : float
            In Å; infinity when no threshold passes or a sample has too few
            models.
        """
        counts = np.bincount(models, minlength=self.bins.m)
        return float(self.of_counts(counts[None])[0])

    def of_counts(self, counts: IntArray) -> FloatArray:
        """
        Return the sampling precision of many resamples.

        Parameters
        ----------
        counts : ndarray, dtype=int64, shape=(d,m)
            How often each model is in each.

        Returns
        -------
        values : ndarray, dtype=float64, shape=(d,)
            In Å; what was computed before is remembered.
        """
        keys = [row.tobytes() for row in np.asarray(counts, dtype=np.int64)]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            found = resampled_precisions(
                self.bins.square,
                self.bins.thresholds,
                self.in_a,
                counts[list(new.values())],
                rule=self.rule,
                smallest=self.smallest,
            )
            self._known.update(zip(new, found.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])


def precision_of_models(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    thresholds: FloatArray,
    *,
    rule: Rule = "right",
    smallest: int = SMALLEST,
) -> PrecisionOfModels:
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
    function : PrecisionOfModels
        Takes model numbers, each as often as it counts; returns Å, infinity
        when no threshold passes or a sample has too few models. For
        `congruence.compute.running.running_estimate`.
    """
    # binned once: a drawn model keeps its numbers
    return PrecisionOfModels(bin_distances(matrix, thresholds), in_a, rule, smallest)


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
