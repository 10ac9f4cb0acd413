"""
Test 3 of exhaustive sampling: the sampling precision, and the clusters at it.

Two samples of models are clustered together at many thresholds. The sampling
precision is the finest threshold at which both samples have their models in the
same clusters in the same proportions (Viswanath et al. 2017,
doi:10.1016/j.bpj.2017.10.005). `scan_thresholds` makes the table,
`sampling_precision` reads it by one of three rules, `refined_precision` narrows
the answer down. `congruence.compute.sampled_clusters` describes the clusters.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.homogeneity import homogeneity
from congruence.compute.pairs import as_pairs
from congruence.compute.scan import neighbourhood_clusters
from congruence.core.exhaustiveness import Rule, SamplingPrecision, ThresholdScan
from congruence.errors import ConfigError, InputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.compute.pairs import Pairs
    from congruence.compute.scan import Bins
    from congruence.core.exhaustiveness import Homogeneity
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray

__all__ = [
    "check_samples",
    "passes",
    "refined_precision",
    "sampling_precision",
    "scan_bins",
    "scan_thresholds",
    "threshold_grid",
]

P_LIMIT = 0.05
V_LIMIT = 0.10
COVERAGE_LIMIT = 80.0
MOST_THRESHOLDS = 100
LEAST_MODELS = 10
_ROUNDING = 1e-6
_HALVINGS = 7


def check_samples(distances: DistanceMatrix | Pairs, in_a: BoolArray) -> None:
    """
    Refuse samples on which no test means anything.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.

    Raises
    ------
    ShapeError
        If `in_a` does not fit, or a distance is not a number.
    InputError
        If a sample is empty, there are fewer than ten models, or all models
        are identical: distances up to 1e-6 Å are rounding.
    """
    m = distances.m
    if len(in_a) != m:
        raise ShapeError(
            f"the samples have {len(in_a)} models, the distances {m}",
            hint="Both must be of the same models, A first.",
        )
    n_a = int(np.count_nonzero(in_a))
    for name, size in (("A", n_a), ("B", m - n_a)):
        if not size:
            raise InputError(
                f"sample {name} is empty: {n_a} models in A and {m - n_a} in B",
                hint="The tests compare two independent samples: give two folders, or at least "
                "two runs, or split at random.",
            )
    if m < LEAST_MODELS:
        raise InputError(
            f"there are {m} models in both samples together, at least {LEAST_MODELS} are needed",
            hint="Loosen the filter of good models or sample more; the tests need hundreds of "
            "models to say anything.",
        )
    spread = as_pairs(distances).spread()
    if spread.high - spread.low <= _ROUNDING * max(1.0, spread.high):
        raise InputError(
            "all models are identical"
            if spread.high <= _ROUNDING
            else f"all models are {spread.high:g} Å apart from each other",
            hint="Nothing was sampled: was the same frame taken again and again, or did the "
            "system not move?",
        )


def threshold_grid(
    distances: DistanceMatrix | Pairs, step: float | None = None
) -> tuple[FloatArray, float]:
    """
    Lay thresholds over the range of distances.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    step : float, optional
        Distance of thresholds in Å. Without it 100 thresholds divide the range.

    Returns
    -------
    thresholds : ndarray, dtype=float64, shape=(t,)
        ``min + step``, ``min + 2 step``, ... below the largest distance; the
        same numbers as the reference program has for this step.
    step : float
        The step.

    Raises
    ------
    ConfigError
        If the step is not positive or leaves no threshold.
    """
    low, high, _ = as_pairs(distances).spread()
    if step is None:
        step = (high - low) / (MOST_THRESHOLDS + 1)
        return low + np.arange(1, MOST_THRESHOLDS + 1, dtype=np.float64) * step, step
    if not (step > 0 and np.isfinite(step)):
        raise ConfigError(f"the step of thresholds is {step} Å, expected a positive number")
    if (high - low) / step > 65_535:
        raise ConfigError(
            f"a step of {step:g} Å from {low:g} to {high:g} Å makes more than 65,535 thresholds",
            hint="Take a larger step, or none.",
        )
    thresholds = np.arange(low + step, high, step, dtype=np.float64)
    if not len(thresholds):
        raise ConfigError(
            f"a step of {step:g} Å leaves no threshold between the smallest distance, {low:g} Å, "
            f"and the largest, {high:g} Å",
            hint=f"Take a step well below {high - low:.3g} Å, or none.",
        )
    return thresholds, step


def scan_thresholds(
    distances: DistanceMatrix | Pairs,
    in_a: BoolArray,
    thresholds: Sequence[float] | FloatArray,
    *,
    step: float = float("nan"),
    smallest: int = 11,
    progress: Callable[[int, int], None] | None = None,
) -> ThresholdScan:
    """
    Test at each threshold whether the samples share the clusters.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    thresholds : sequence of float
        Ascending, in Å.
    step : float
        Their distance, kept in the result.
    smallest : int
        Models of each sample that a kept cluster has at least.
    progress : callable, optional
        Called with thresholds done and in all.

    Returns
    -------
    scan : ThresholdScan
        Distances are read once and at most m² bytes per threshold: 2 s for
        10,000 models and 100 thresholds. Clusters too small to hold
        `smallest` models of both samples are not made.

    Raises
    ------
    InputError
        As `check_samples`.
    """
    check_samples(distances, in_a)
    bins = as_pairs(distances).bins(thresholds)
    return scan_bins(bins, in_a, step=step, smallest=smallest, progress=progress)


def scan_bins(
    bins: Bins,
    in_a: BoolArray,
    *,
    step: float = float("nan"),
    smallest: int = 11,
    progress: Callable[[int, int], None] | None = None,
) -> ThresholdScan:
    """
    Do what `scan_thresholds` does, on distances that were binned before.

    Parameters
    ----------
    bins : Bins
        From `congruence.compute.scan.bin_distances`.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    step : float
        Distance of the thresholds, kept in the result.
    smallest : int
        Models of each sample that a kept cluster has at least.
    progress : callable, optional
        Called with thresholds done and in all.

    Returns
    -------
    scan : ThresholdScan
        The scan. Samples are not checked.
    """
    points: list[Homogeneity] = []
    for k in range(len(bins.thresholds)):
        if k and np.array_equal(bins.counts[k], bins.counts[k - 1]):
            points.append(points[-1])  # no distance in between: the same neighbours
        else:
            clusters = neighbourhood_clusters(bins, k, smallest=2 * smallest)
            points.append(homogeneity(clusters, in_a, smallest=smallest))
        if progress is not None:
            progress(k + 1, len(bins.thresholds))
    return ThresholdScan(bins.thresholds, tuple(points), step, smallest, in_a)


def passes(point: Homogeneity, rule: Rule) -> bool:
    """
    Tell whether a threshold is good enough.

    Parameters
    ----------
    point : Homogeneity
        Populations at the threshold.
    rule : {"right", "compat", "paper"}
        ``"right"`` and ``"compat"``: more than 80 % of the models are in kept
        clusters, and p > 0.05 or V < 0.10; in ``"compat"`` with the p and V of
        the reference program. ``"paper"``: p > 0.05 and V < 0.10.

    Returns
    -------
    passes : bool
        Whether the samples agree there.
    """
    p, v = (point.p_compat, point.v_compat) if rule == "compat" else (point.p, point.v)
    alike = (p > P_LIMIT and v < V_LIMIT) if rule == "paper" else (p > P_LIMIT or v < V_LIMIT)
    return point.coverage > COVERAGE_LIMIT and alike


def sampling_precision(scan: ThresholdScan, rule: Rule = "right") -> SamplingPrecision:
    """
    Choose the sampling precision from a scan.

    It is the smallest threshold that passes after the last one with at most 80 %
    of the models in kept clusters.

    Parameters
    ----------
    scan : ThresholdScan
        The scan.
    rule : {"right", "compat", "paper"}
        What passes, see `passes`.

    Returns
    -------
    precision : SamplingPrecision
        With `converged` false when no threshold passes: the reference program
        then prints the last threshold as if it were the sampling precision.
    """
    last = len(scan.points) - 1
    chosen, reported = last, (0.0, 0.0 if rule != "compat" else 1.0, 0.0)
    for k, point in enumerate(scan.points):
        if point.coverage <= COVERAGE_LIMIT:
            chosen = last
        elif passes(point, rule) and k < chosen:
            chosen = k
            reported = (point.p_compat, point.v_compat, point.coverage)
    point = scan.points[chosen]
    if rule != "compat":
        reported = (point.p, point.v, point.coverage)
    below = scan.thresholds[chosen - 1] if chosen else scan.thresholds[0] - scan.step
    return SamplingPrecision(
        rule=rule,
        converged=passes(point, rule),
        threshold=float(scan.thresholds[chosen]),
        point=point,
        resolution=float(scan.thresholds[chosen] - below),
        reported=reported,
    )


def refined_precision(
    distances: DistanceMatrix | Pairs,
    scan: ThresholdScan,
    found: SamplingPrecision,
    *,
    resolution: float = 0.1,
) -> SamplingPrecision:
    """
    Narrow a sampling precision down between two thresholds of the scan.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    scan : ThresholdScan
        The scan of these distances.
    found : SamplingPrecision
        Chosen from it.
    resolution : float
        Stop when the last failing threshold is at most so far below the first
        passing one, in Å.

    Returns
    -------
    precision : SamplingPrecision
        A threshold that passes while the one `resolution` below fails; exact
        to that, as populations change at observed distances only. Between the
        two thresholds of the scan there may be other such places.
    """
    if not found.converged:
        return found
    pairs = as_pairs(distances)
    high, point = found.threshold, found.point
    low = high - found.resolution
    while high - low > resolution:
        # All thresholds that halving may try, from one reading of the distances.
        halvings = min(_HALVINGS, math.ceil(math.log2((high - low) / resolution)))
        tried = np.linspace(low, high, 2**halvings + 1)
        bins = pairs.bins(tried[1:-1])
        fails, passing = 0, 2**halvings
        while passing - fails > 1:
            middle = (fails + passing) // 2
            clusters = neighbourhood_clusters(bins, middle - 1, smallest=2 * scan.smallest)
            there = homogeneity(clusters, scan.in_a, smallest=scan.smallest)
            if passes(there, found.rule):
                passing, point = middle, there
            else:
                fails = middle
        low, high = float(tried[fails]), float(tried[passing])
    reported = (point.p, point.v, point.coverage)
    return replace(
        found,
        threshold=high,
        point=point,
        resolution=high - low,
        reported=found.reported if found.rule == "compat" else reported,
    )
