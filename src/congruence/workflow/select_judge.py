"""What to think of two samples of good models, before any distance is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import Level, Verdict

if TYPE_CHECKING:
    from congruence.core.good_models import SampleSplit
    from congruence.core.models import ModelTable
    from congruence.core.uncertainty import KsComparison, Resampled

__all__ = ["Diagnosis", "diagnose"]

_DRAWS = 200
_FEW = 50.0
_UNEVEN = 1.5
_SAME = 0.9
_CHODERA = "doi:10.1021/acs.jctc.5b00784"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """
    Numbers and verdicts on two samples of scores.

    Parameters
    ----------
    effective : dict of str to float
        Effective number of models of each run, from the autocorrelation of
        the score.
    comparison : KsComparison or None
        The scores of A against those of B.
    intervals : dict of str to Resampled
        Of ``"D"`` and ``"p"``, from runs that are resampled.
    verdicts : tuple of Verdict
        In words.
    """

    effective: dict[str, float] = field(default_factory=dict)
    comparison: KsComparison | None = None
    intervals: dict[str, Resampled] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()


def diagnose(table: ModelTable, split: SampleSplit, *, seed: int = 0) -> Diagnosis:
    """
    Compare the scores of two samples and count independent models.

    Parameters
    ----------
    table : ModelTable
        Good models.
    split : SampleSplit
        Their samples.
    seed : int
        Seed of the resampling.

    Returns
    -------
    diagnosis : Diagnosis
        Without numbers when scores are missing; without a comparison when a
        sample is empty.
    """
    from congruence.compute.correlated_scores import (
        compare_correlated,
        judge_scores,
        ks_statistic,
    )
    from congruence.compute.equilibration import effective_sizes, replica_chains
    from congruence.compute.resampling import percentiles_over_runs

    verdicts = [_balance(split)]
    if not table.score_key or not np.isfinite(table.score).all():
        return Diagnosis(verdicts=tuple(verdicts))
    sizes = effective_sizes(table, [table.score_key])
    effective = {run: found[table.score_key] for run, found in sizes.items()}
    if 0 in split.sizes:
        verdicts.append(_independence(effective, len(table)))
        return Diagnosis(effective, verdicts=tuple(verdicts))
    comparison = compare_correlated(table.score, split.in_a, replica_chains(table))
    together = sum(comparison.effective_sizes)
    verdicts.append(_independence(effective, len(table), together))
    verdicts.append(judge_scores(comparison))
    d, p = percentiles_over_runs(
        ks_statistic(table.score, split.in_a),
        table.run,
        samples=split.in_a,
        draws=_DRAWS,
        seed=seed,
    )
    return Diagnosis(effective, comparison, {"D": d, "p": p}, tuple(verdicts))


def _balance(split: SampleSplit) -> Verdict:
    a, b = split.sizes
    evidence = f"{a:,} models in A, {b:,} in B"
    if not a or not b:
        return Verdict(
            Level.FAIL,
            "One sample is empty: nothing can be tested.",
            evidence,
            threshold="both samples have models",
            advice="Leave out --compat, so that runs are parted by their rank.",
        )
    if split.unit != "run":
        return Verdict(
            Level.WARNING,
            f"Good models come from one run, which was parted by {split.unit}s: the samples are "
            "not independent, and agreement between them proves little.",
            evidence,
            threshold="two runs or more",
            advice="Sample again from another start, and select from all runs.",
        )
    if max(a, b) > _UNEVEN * min(a, b):
        return Verdict(
            Level.NOTE,
            "The samples differ in size: good models are spread unevenly over the runs.",
            evidence,
            threshold=f"a ratio of at most {_UNEVEN:g}",
            advice="See which runs have few good models; more runs make better halves.",
        )
    return Verdict(Level.OK, "The samples are parted by runs.", evidence)


def _independence(effective: dict[str, float], models: int, together: float = math.inf) -> Verdict:
    """Count independent models: of each run on its own, and of all that differ among each other."""
    alone = sum(effective.values())
    total = min(alone, together)
    listed = ", ".join(f"{run}: {n:.0f}" for run, n in effective.items())
    evidence = f"by run: {listed}" if len(effective) <= 12 else f"{len(effective)} runs"
    if total < _SAME * alone:
        evidence += "; counted together fewer, as replicas keep to scores of their own"
    few = total < _FEW
    return Verdict(
        Level.WARNING if few else Level.OK,
        f"{models:,} models tell as much about the score as about {total:.0f} independent ones.",
        evidence,
        threshold=f"{_FEW:g} or more",
        reference=_CHODERA,
        advice="Sample longer or in more runs, or loosen the criteria." if few else "",
    )
