"""
All tests of exhaustive sampling in one call, and what they come to in words.

`assess` runs the tests that need scores and distances, in the right form and in
that of the reference program, and says where the two differ and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from congruence.compute.exhaustiveness import (
    COVERAGE_LIMIT,
    P_LIMIT,
    V_LIMIT,
    check_samples,
    refined_precision,
    sampling_precision,
    scan_thresholds,
    threshold_grid,
)
from congruence.compute.exhaustiveness_differences import differences, distance_difference
from congruence.compute.label_test import label_test
from congruence.compute.pairs import as_pairs
from congruence.compute.sampled_clusters import sampled_clusters, split_clusters
from congruence.compute.score_tests import compare_scores, top_score
from congruence.core.exhaustiveness import (
    REFERENCE,
    Exhaustiveness,
    LabelTest,
    Rule,
    SamplingPrecision,
    ThresholdScan,
)
from congruence.core.results import Level, Verdict
from congruence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.pairs import Pairs
    from congruence.core.exhaustiveness import MapAgreement, SampledCluster
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray

__all__ = ["Settings", "assess", "map_verdict"]

SHARE_LIMIT = 0.02
SHARE_FAIL = 0.08
LABEL_P_LIMIT = 0.01
CC_MARK = 0.90
_COMPAT_STEP = 10.0


@dataclass(frozen=True)
class Settings:
    """
    How the tests are made.

    Parameters
    ----------
    mode : {"right", "compat"}
        Definitions that choose the sampling precision and the clusters.
    step : float or None
        Distance of thresholds in Å. Without it 100 thresholds and bisection;
        in compat mode 10 Å, the reference program's.
    threshold : float or None
        Cluster at this threshold in Å and not at the sampling precision.
    smallest : int
        Models of each sample that a kept cluster has at least.
    resolution : float
        Width in Å to which a sampling precision without `step` is narrowed down.
    seed : int
        Seed of the random exchanges of labels.
    """

    mode: Literal["right", "compat"] = "right"
    step: float | None = None
    threshold: float | None = None
    smallest: int = 11
    resolution: float = 0.1
    seed: int = 0


def assess(
    distances: DistanceMatrix | Pairs,
    n_a: int,
    scores: FloatArray | None = None,
    *,
    settings: Settings | None = None,
    other: DistanceMatrix | Pairs | None = None,
    progress: Callable[[int, int], None] | None = None,
    describe: Callable[[float], tuple[SampledCluster, ...]] | None = None,
) -> Exhaustiveness:
    """
    Test two samples for exhaustive sampling.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å of all models, those of A first.
    n_a : int
        Models of sample A.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores, lower is better; without them tests 1 and 2 are left out.
    settings : Settings, optional
        How the tests are made.
    other : DistanceMatrix or Pairs, optional
        Distances of the same models as the other mode defines them (weights,
        copies): compat's column of the comparison is measured with compat's
        distances, right's with right's. The same distances by default.
    progress : callable, optional
        Called with thresholds done and in all.
    describe : callable, optional
        Takes the threshold in Å and returns the kept clusters at it, where they
        are not those of these models, see `compute.exhaustiveness_sampled`.

    Returns
    -------
    result : Exhaustiveness
        Without maps.

    Raises
    ------
    InputError
        If a sample is empty, there are fewer than ten models, all are
        identical, or the scores do not match the models.
    """
    settings, pairs = settings or Settings(), as_pairs(distances)
    m = pairs.m
    if not 0 <= n_a <= m:
        raise InputError(f"sample A has {n_a} models, but there are {m} in all")
    in_a = np.arange(m) < n_a
    check_samples(pairs, in_a)
    if scores is not None and len(scores) != m:
        raise InputError(
            f"there are {len(scores)} scores for {m} models ({n_a} in A, {m - n_a} in B)",
            hint="One score per model is needed, in the order of the models, A first.",
        )
    tops = top_score(scores[:n_a], scores[n_a:]) if scores is not None else None
    compared = None
    if scores is not None:
        compat = settings.mode == "compat"
        compared = compare_scores(scores[:n_a], scores[n_a:], compat=compat)
    second = None if other is None else as_pairs(other)
    scan, precisions = _precisions(pairs, second, in_a, settings, progress)
    chosen = precisions[settings.mode]
    labels = label_test(pairs, in_a, seed=settings.seed)
    threshold = _final_threshold(chosen, settings)
    clusters: tuple[SampledCluster, ...] = ()
    if math.isfinite(threshold) and describe is not None:
        clusters = describe(threshold)
    elif math.isfinite(threshold):
        kept, _ = split_clusters(pairs, in_a, threshold, smallest=settings.smallest)
        clusters = sampled_clusters(pairs, in_a, kept)
    verdicts = [t.verdict for t in (tops, compared) if t is not None]
    verdicts += [_precision_verdict(chosen, (n_a, m - n_a)), _label_verdict(labels, chosen)]
    if settings.threshold is not None:
        verdicts.append(_threshold_verdict(settings.threshold, chosen))
    rows = differences(precisions, compared, clusters, apart=second is not None)
    if second is not None:
        rows.insert(0, distance_difference(*_by_mode(pairs, second, settings)))
    return Exhaustiveness(
        sizes=(n_a, m - n_a),
        alignment=pairs.alignment,
        mode=settings.mode,
        top_score=tops,
        scores=compared,
        scan=scan,
        precisions=precisions,
        labels=labels,
        threshold=threshold,
        clusters=clusters,
        verdicts=tuple(verdicts),
        differences=tuple(rows),
        definition=pairs.definition,
    )


def _by_mode(own: Pairs, other: Pairs | None, settings: Settings) -> tuple[Pairs, Pairs]:
    """Return the distances of compat and of right."""
    second = other or own
    return (own, second) if settings.mode == "compat" else (second, own)


def _precisions(
    own: Pairs,
    other: Pairs | None,
    in_a: BoolArray,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> tuple[ThresholdScan, dict[Rule, SamplingPrecision]]:
    """Scan with the distances and on the grid of either mode, once where they are the same."""
    compat, right = _by_mode(own, other, settings)
    compat_step = settings.step
    low, high, _ = compat.spread()
    # With a threshold the reference program makes no scan at all: no grid of its own is needed.
    wants_grid = settings.mode == "compat" and settings.threshold is None
    if compat_step is None and (high - low > _COMPAT_STEP or wants_grid):
        compat_step = _COMPAT_STEP

    def scan_by(pairs: Pairs, step: float | None) -> ThresholdScan:
        thresholds, width = threshold_grid(pairs, step)
        return scan_thresholds(
            pairs, in_a, thresholds, step=width, smallest=settings.smallest, progress=progress
        )

    compat_scan = scan_by(compat, compat_step)
    same = right is compat and settings.step == compat_step
    right_scan = compat_scan if same else scan_by(right, settings.step)
    found: dict[Rule, SamplingPrecision] = {"compat": sampling_precision(compat_scan, "compat")}
    for rule in ("right", "paper"):
        precision = sampling_precision(right_scan, rule)
        if settings.step is None:
            precision = refined_precision(
                right, right_scan, precision, resolution=settings.resolution
            )
        found[rule] = precision
    # Counted with one reading of the distances where compat and right share them.
    by_pairs: list[list[Rule]] = (
        [["compat"], ["right", "paper"]] if compat is not right else [list(found)]
    )
    for pairs, rules in zip((compat, right), by_pairs, strict=False):
        counts = pairs.close([found[rule].threshold for rule in rules])
        for rule, count in zip(rules, counts, strict=True):
            found[rule] = replace(found[rule], close_pairs=count)
    return (compat_scan if settings.mode == "compat" else right_scan), found


def _final_threshold(chosen: SamplingPrecision, settings: Settings) -> float:
    if settings.threshold is not None:
        return settings.threshold
    # The reference program goes on with the last threshold when nothing converged.
    return chosen.threshold if settings.mode == "compat" else chosen.value


def _precision_verdict(chosen: SamplingPrecision, sizes: tuple[int, int]) -> Verdict:
    limit = (
        f"{'p > 0.05 or V < 0.10' if chosen.rule != 'paper' else 'p > 0.05 and V < 0.10'}, more "
        f"than {COVERAGE_LIMIT:g} % of the models in kept clusters"
    )
    p, v, coverage = _numbers(chosen)
    at = f"at {chosen.threshold:.3f} Å"
    evidence = (
        f"{at} (resolution {chosen.resolution:.3g} Å): p = {p:.3g}, V = {v:.3f}, {coverage:.1f} % "
        f"of {sum(sizes)} models ({sizes[0]} A, {sizes[1]} B), kept clusters: {chosen.point.kept}"
    )
    if chosen.close_pairs:
        evidence += f"; {chosen.close_pairs} pairs are within 1e-6 Å of the threshold"
    if not chosen.converged:
        few = coverage <= COVERAGE_LIMIT
        return Verdict(
            Level.FAIL,
            "The sampling is not exhaustive: there is no sampling precision.",
            f"even {evidence}",
            limit,
            REFERENCE,
            "Too few models share clusters: take more good-scoring models of both samples."
            if few
            else "The samples have their models in different places: sample longer or with more "
            "runs, and look at what A found and B did not.",
        )
    claim = f"The sampling precision is {chosen.threshold:.2f} Å."
    if chosen.single:
        return Verdict(
            Level.NOTE,
            f"{claim[:-1]}, with a single cluster: the A/B test is vacuous there.",
            evidence,
            limit,
            REFERENCE,
            "One cluster is a normal answer. Its populations cannot disagree, so rely on the test "
            "of the labels and on the maps of A and B.",
        )
    if chosen.point.rest_p < P_LIMIT and chosen.point.rest_v >= V_LIMIT:
        return Verdict(
            Level.WARNING,
            f"{claim[:-1]}, but models outside of the kept clusters are of one sample.",
            f"{evidence}; outside {chosen.point.rest[0]} A and {chosen.point.rest[1]} B, with them "
            f"p = {chosen.point.rest_p:.3g}, V = {chosen.point.rest_v:.3f}",
            limit,
            REFERENCE,
            "Look at the models that are in no kept cluster: one sample found something there.",
        )
    rough = chosen.point.least_expected < 5
    return Verdict(
        Level.OK,
        claim,
        evidence + ("; an expected count is below 5, so that p is rough" if rough else ""),
        limit,
        REFERENCE,
        "",
    )


def _numbers(chosen: SamplingPrecision) -> tuple[float, float, float]:
    point = chosen.point
    if chosen.rule == "compat":
        return point.p_compat, point.v_compat, point.coverage
    return point.p, point.v, point.coverage


def _label_verdict(labels: LabelTest, chosen: SamplingPrecision) -> Verdict:
    apart = labels.p < LABEL_P_LIMIT and labels.share > SHARE_LIMIT
    level = Level.OK
    if apart:
        alone = chosen.single or not chosen.converged
        level = Level.FAIL if alone or labels.share > SHARE_FAIL else Level.WARNING
    return Verdict(
        level,
        "Models of one sample are nearer to each other than to the other sample."
        if apart
        else "The samples differ significantly in their places, but little."
        if labels.p < LABEL_P_LIMIT
        else "The samples lie in the same places, whatever the clusters.",
        f"energy coefficient {labels.share:.4f}, p = {labels.p:.3g} by {labels.permutations} "
        f"exchanges of labels of {labels.models} models",
        f"apart if p < {LABEL_P_LIMIT:g} and coefficient > {SHARE_LIMIT:g}, which V = {V_LIMIT:.2f} "
        f"gives for two distant clusters (a mark of congruence; from {SHARE_FAIL:g} on, V = 0.20, a "
        "failure)",
        "10.1016/j.jspi.2013.03.018",
        "The sampling precision only says how coarsely one has to look not to see it: sample "
        "longer or with more runs."
        if apart
        else "",
    )


def _threshold_verdict(threshold: float, chosen: SamplingPrecision) -> Verdict:
    fine = not chosen.converged or threshold < chosen.threshold
    return Verdict(
        Level.WARNING if fine else Level.OK,
        "The clusters are finer than the sampling supports."
        if fine
        else "The clusters are not finer than the sampling precision.",
        f"threshold {threshold:g} Å, sampling precision "
        + (f"{chosen.threshold:.3f} Å" if chosen.converged else "none (not converged)"),
        "threshold at least the sampling precision",
        REFERENCE,
        "Leave out the threshold to cluster at the sampling precision." if fine else "",
    )


def map_verdict(maps: tuple[MapAgreement, ...]) -> Verdict:
    """
    Test 4: tell whether the maps of the two samples are alike.

    Parameters
    ----------
    maps : tuple of MapAgreement
        At least one.

    Returns
    -------
    verdict : Verdict
        There is no agreed limit: a low correlation is a note, not a failure.
    """
    worst = min(maps, key=lambda m: m.cc)
    low = worst.cc < CC_MARK
    return Verdict(
        Level.NOTE if low else Level.OK,
        "A map of the two samples differs."
        if low
        else "The maps of the two samples are alike in every cluster.",
        f"lowest of {len(maps)} correlations: {worst.cc:.4f} ({worst.cc_mean:.4f} about the mean), "
        f"'{worst.name}' in cluster {worst.cluster}",
        f"no agreed limit; below {CC_MARK:.2f} it is shown here",
        REFERENCE,
        "Look at both maps: small or flexible parts need more models." if low else "",
    )
