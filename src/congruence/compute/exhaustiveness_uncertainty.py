"""
How sure a result of the exhaustiveness tests is, once the runs are known.

`with_uncertainty` adds to an `Exhaustiveness` what resampling of runs, growing
parts of the sampling and each sample alone tell, at a cost that stays small.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.pairs import as_pairs
from congruence.compute.precision_uncertainty import precision_of_models
from congruence.compute.sampling_uncertainty import Effort, Origins, sampling_uncertainty
from congruence.core.uncertainty import SampleAlone
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.compute.pairs import Pairs
    from congruence.core.exhaustiveness import Exhaustiveness, Rule
    from congruence.core.results import DistanceMatrix, Verdict
    from congruence.core.uncertainty import SamplingUncertainty
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

__all__ = ["precision_alone", "with_uncertainty"]

MOST_MODELS = 4000
MANY_MODELS = 2000
_THRESHOLDS = 34
_FEW_DRAWS = 50
_CORRELATED = 1.5


def with_uncertainty(
    result: Exhaustiveness,
    distances: DistanceMatrix | Pairs,
    origins: Origins,
    scores: FloatArray | None = None,
    *,
    seed: int = 0,
) -> Exhaustiveness:
    """
    Add to a result how sure it is.

    Parameters
    ----------
    result : Exhaustiveness
        Of `congruence.compute.exhaustiveness_verdicts.assess`.
    distances : DistanceMatrix or Pairs
        The distances that it was made from.
    origins : Origins
        Where the models came from, in the same order.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Their scores.
    seed : int
        Seed of the resampling.

    Returns
    -------
    result : Exhaustiveness
        With `uncertainty` and its verdicts. Thresholds are some 34 of those of the
        scan, with the sampling precision among them. Above 2,000 models 50
        resamples are drawn instead of 100; above 4,000 models every n-th
        model of each replica stands for all; the notes say so. About 1 s for
        1,600 models.

    Raises
    ------
    ShapeError
        If the lengths differ.
    """
    m = distances.m
    if len(origins.run) != m:
        raise ShapeError(f"{len(origins.run)} origins for {m} models")
    used = _thinned(origins, MOST_MODELS) if m > MOST_MODELS else np.arange(m)
    draws = Effort().draws if len(used) <= MANY_MODELS else _FEW_DRAWS
    effort = Effort(draws, seed=seed, smallest=result.scan.smallest)
    thresholds = _thresholds(result)
    mine = as_pairs(distances).take(used)
    where = Origins(origins.run[used], origins.replica[used], origins.step[used])
    in_a = result.scan.in_a[used]
    place = np.full(m, -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    clusters = [p[p >= 0] for p in (place[c.members] for c in result.clusters)]
    found = sampling_uncertainty(
        mine,
        in_a,
        where,
        thresholds,
        clusters,
        scores=None if scores is None else scores[used],
        rule=result.mode,
        effort=effort,
    )
    alone = precision_alone(mine, in_a, where.run, thresholds, rule=result.mode, effort=effort)
    found = replace(
        found,
        alone=alone,
        chi2_p=_populations_p(result, found.g),
        verdicts=_worth_saying(found),
        notes=_notes(len(used), m, draws),
    )
    return replace(result, uncertainty=found, verdicts=(*result.verdicts, *found.verdicts))


def _thinned(origins: Origins, most: int) -> IntArray:
    """Take every n-th model of each replica."""
    step = math.ceil(len(origins.run) / most)
    return np.sort(np.concatenate([chain[::step] for chain in origins.chains()]))


def _thresholds(result: Exhaustiveness) -> FloatArray:
    """Take some thresholds of the scan, and the sampling precision."""
    every = result.scan.thresholds
    chosen = every[:: max(1, math.ceil(len(every) / _THRESHOLDS))]
    found = result.precision
    own = [found.threshold] if found.converged else []
    thresholds: FloatArray = np.unique(np.concatenate([chosen, every[-1:], own]))
    return thresholds


def _worth_saying(found: SamplingUncertainty) -> tuple[Verdict, ...]:
    """Leave out the verdict on scores when it says what test 2 has said."""
    if found.scores is None or found.scores.inefficiency > _CORRELATED:
        return found.verdicts
    return (found.verdicts[0], *found.verdicts[2:])


def _populations_p(result: Exhaustiveness, g: float) -> tuple[float, float] | None:
    from scipy.special import chdtrc

    point = result.precision.point
    if point.kept < 2:
        return None
    compat = result.mode == "compat"
    chi2, p = (point.chi2_compat, point.p_compat) if compat else (point.chi2, point.p)
    return float(p), float(chdtrc(point.dof, chi2 / g))


def _notes(used: int, models: int, draws: int) -> tuple[str, ...]:
    notes = []
    if used < models:
        notes.append(
            f"intervals and the running estimate are from {used:,} of {models:,} models, evenly "
            "spaced in each replica"
        )
    if draws < Effort().draws:
        notes.append(f"{draws} resamples instead of {Effort().draws}, as there are many models")
    return tuple(notes)


def precision_alone(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    runs: ObjectArray,
    thresholds: FloatArray,
    *,
    rule: Rule = "right",
    effort: Effort | None = None,
) -> tuple[SampleAlone, SampleAlone]:
    """
    Compute the sampling precision of each sample alone.

    Every other run of the sample is held against the rest; of a single run, a
    random half of the models.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    runs : ndarray of str, shape=(m,)
        Run of each model.
    thresholds : ndarray, dtype=float64, shape=(t,)
        Thresholds in Å, ascending.
    rule : {"right", "compat", "paper"}
        Rule that chooses the sampling precision.
    effort : Effort, optional
        Seed, and models that a kept cluster has at least.

    Returns
    -------
    alone : tuple of SampleAlone
        Of A and of B.
    """
    effort = effort or Effort()
    rng = np.random.default_rng(effort.seed)
    first = np.zeros(matrix.m, dtype=bool)
    parts: list[tuple[str, IntArray, str]] = []
    for sample, mask in (("A", in_a), ("B", ~in_a)):
        models = np.flatnonzero(mask)
        names = list(dict.fromkeys(map(str, runs[models].tolist())))
        if len(names) > 1:
            chosen = set(names[::2])
            first[models] = [str(run) in chosen for run in runs[models].tolist()]
        else:
            first[rng.permutation(models)[: len(models) // 2]] = True
        parts.append((sample, models, "run" if len(names) > 1 else "model"))
    of_models = precision_of_models(matrix, first, thresholds, rule=rule, smallest=effort.smallest)
    values = of_models.of_counts(np.stack([in_a, ~in_a]).astype(np.int64)).tolist()
    a, b = (
        SampleAlone(sample, len(models), value, unit)
        for (sample, models, unit), value in zip(parts, values, strict=True)
    )
    return a, b
