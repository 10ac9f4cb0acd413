"""
Everything that can be said about how sure a test of exhaustiveness is.

`sampling_uncertainty` resamples runs; with one run in each sample it falls back
to blocks within runs, and says so. It needs no coordinates, only the distances,
and where each model came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.compute.chain_correlation import chains_inefficiency
from congruence.compute.correlated_scores import (
    compare_correlated,
    judge_scores,
    ks_distance,
    ks_statistic,
)
from congruence.compute.equilibration import chains_of
from congruence.compute.half_splits import over_half_splits
from congruence.compute.precision_uncertainty import (
    SMALLEST,
    population_statistic,
    precision_of_models,
)
from congruence.compute.resampling import (
    percentiles_over_blocks,
    percentiles_over_runs,
)
from congruence.compute.running import advise_stopping, running_estimate
from congruence.compute.statistic import ManyAtOnce
from congruence.core.results import Level, Verdict
from congruence.core.uncertainty import SamplingUncertainty
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.core.exhaustiveness import Rule
    from congruence.core.results import DistanceMatrix
    from congruence.core.uncertainty import KsComparison, Resampled, SplitSpread
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

    Statistic: TypeAlias = Callable[[IntArray], Sequence[float] | FloatArray]

__all__ = ["Effort", "Origins", "sampling_uncertainty"]

_CHEAP_DRAWS = 1000
_LEAST_RUNS = 4


@dataclass(frozen=True, slots=True)
class Effort:
    """
    How much work is put into the uncertainty.

    Parameters
    ----------
    draws : int
        Resamples for the sampling precision; numbers that cost nothing have 1,000.
    points : int
        Points of the running estimate.
    seed : int
        Seed.
    smallest : int
        Models of each sample that a kept cluster has at least.
    """

    draws: int = 100
    points: int = 10
    seed: int = 0
    smallest: int = SMALLEST


@dataclass(frozen=True, eq=False)
class Origins:
    """
    Where each of *m* models came from.

    Parameters
    ----------
    run : ndarray of str, shape=(m,)
        Run.
    replica : ndarray, dtype=int64, shape=(m,)
        Replica.
    step : ndarray, dtype=int64, shape=(m,)
        Step in the replica.
    """

    run: ObjectArray
    replica: IntArray
    step: IntArray

    def chains(self) -> tuple[IntArray, ...]:
        """
        Return the models of each replica of each run, in order of their steps.

        Returns
        -------
        chains : tuple of ndarray, dtype=int64
            Model numbers; in order of first appearance.
        """
        return chains_of(self.run, self.replica, self.step)


def sampling_uncertainty(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    origins: Origins,
    thresholds: FloatArray,
    clusters: Sequence[IntArray] = (),
    *,
    scores: FloatArray | None = None,
    rule: Rule = "right",
    effort: Effort | None = None,
) -> SamplingUncertainty:
    """
    Say how sure sampling precision, populations and score test are.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    origins : Origins
        Run, replica and step of each model.
    thresholds : ndarray, dtype=float64, shape=(t,)
        Thresholds in Å on which the sampling precision is looked for; some 30
        are enough, as their spacing only has to be finer than the interval.
    clusters : sequence of ndarray, dtype=int64
        Members of each cluster at the sampling precision.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Score of each model.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.
    effort : Effort, optional
        Resamples, points of the running estimate, seed.

    Returns
    -------
    uncertainty : SamplingUncertainty
        Resamples are scanned together: about 0.3 s for 100 of 1,000 models and 30
        thresholds, growing with the square of the models.

    Raises
    ------
    ShapeError
        If the lengths differ.

    Notes
    -----
    Two resampled samples differ more than the samples themselves, so that the
    interval of the sampling precision leans upwards.
    """
    if not len(in_a) == len(origins.run) == matrix.m:
        raise ShapeError(
            f"{len(in_a)} samples and {len(origins.run)} origins for {matrix.m} models"
        )
    effort = effort or Effort()
    chains = origins.chains()
    g = chains_inefficiency(_from_center(matrix), chains, in_a)
    if scores is not None:
        g = max(g, chains_inefficiency(scores, chains, in_a))

    def resampled(statistic: Statistic, number: int) -> tuple[Resampled, ...]:
        over = percentiles_over_runs(
            statistic, origins.run, samples=in_a, draws=number, seed=effort.seed
        )
        if over[0].is_known or over[0].undefined:
            return over
        # blocks must not mix the samples
        parts = [part for c in chains for part in (c[in_a[c]], c[~in_a[c]]) if len(part)]
        return percentiles_over_blocks(statistic, parts, g, draws=number, seed=effort.seed)

    of_models = precision_of_models(matrix, in_a, thresholds, rule=rule, smallest=effort.smallest)
    # The last of the growing stretches is all models, which resampling asks for too.
    running = running_estimate(of_models, origins.step, points=effort.points)
    together = ManyAtOnce(lambda counts: of_models.of_counts(counts)[:, None])
    (precision,) = resampled(together, effort.draws)
    cheap = _statistics(matrix.m, clusters, scores, in_a)
    # Drawn once for all: with one seed they would be the same resamples.
    numbers = (
        resampled(lambda counts: [v for s in cheap for v in s(counts)], _CHEAP_DRAWS)
        if cheap
        else ()
    )
    populations, of_scores = numbers[: len(clusters)], numbers[len(clusters) :]
    comparison: KsComparison | None = None
    spread: SplitSpread | None = None
    verdicts = [_judge_interval(precision)]
    if scores is not None:
        comparison = compare_correlated(scores, in_a, chains)
        spread = _by_split(scores, in_a, origins.run, effort.seed)
        verdicts.append(judge_scores(comparison))
    intervals = dict(zip(("D", "p"), of_scores, strict=False))
    gaps = np.diff(thresholds)
    resolution = float(gaps.max()) if len(gaps) else 0.0
    verdicts.append(
        advise_stopping(
            running,
            tolerance=max(0.1 * precision.value, resolution)
            if math.isfinite(precision.value)
            else None,
            interval=precision,
            independent=matrix.m / g,
        )
    )
    return SamplingUncertainty(
        precision, populations, running, g, comparison, intervals, spread, verdicts=tuple(verdicts)
    )


def _statistics(
    m: int, clusters: Sequence[IntArray], scores: FloatArray | None, in_a: BoolArray
) -> list[Statistic]:
    """Return what costs little: the populations of clusters, and D and p of the scores."""
    found: list[Statistic] = []
    if clusters:
        labels = np.full(m, -1, dtype=np.int64)
        for index, members in enumerate(clusters):
            labels[members] = index
        found.append(population_statistic(labels, len(clusters)))
    if scores is not None:
        found.append(ks_statistic(scores, in_a))
    return found


def _from_center(matrix: DistanceMatrix) -> FloatArray:
    """Return the distances to the medoid of all models."""
    sums = np.zeros(matrix.m)
    start = 0
    for i in range(matrix.m - 1):
        row = matrix.condensed[start : start + matrix.m - i - 1].astype(np.float64)
        sums[i] += row.sum()
        sums[i + 1 :] += row
        start += matrix.m - i - 1
    return matrix.row(int(sums.argmin()))


def _by_split(
    scores: FloatArray, in_a: BoolArray, runs: ObjectArray, seed: int
) -> SplitSpread | None:
    names = [str(run) for run in runs.tolist()]
    mine = {n for n, a in zip(names, in_a.tolist(), strict=True) if a}
    other = {n for n, a in zip(names, in_a.tolist(), strict=True) if not a}
    if mine & other or len(mine | other) < _LEAST_RUNS:
        return None

    def distance(half: BoolArray) -> float:
        return ks_distance(scores, half.astype(np.float64), (~half).astype(np.float64))

    return over_half_splits(distance, runs, observed=in_a, seed=seed)


def _judge_interval(precision: Resampled) -> Verdict:
    if not precision.is_known:
        return Verdict(
            Level.WARNING,
            "How sure the sampling precision is cannot be said.",
            precision.note,
            threshold="independent runs in each sample",
            advice="Sample more independent runs; two or more for each sample.",
        )
    evidence = str(precision)
    if precision.unit == "block":
        return Verdict(
            Level.WARNING,
            "The interval of the sampling precision is from blocks within runs, and too narrow: "
            "each sample has one run.",
            evidence,
            threshold="two or more runs in each sample",
            advice="Sample more independent runs.",
        )
    if math.isinf(precision.high):
        return Verdict(
            Level.WARNING,
            "With other runs of the same kind the sampling might not have converged at all.",
            evidence,
            threshold="a finite interval",
            advice="Sample more independent runs.",
        )
    claim = "The sampling precision has an interval from independent runs."
    if precision.note:
        return Verdict(
            Level.NOTE, f"{claim} {precision.note[0].upper()}{precision.note[1:]}.", evidence
        )
    return Verdict(Level.OK, claim, evidence)
