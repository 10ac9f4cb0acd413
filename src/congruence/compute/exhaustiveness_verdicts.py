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
    sampled_clusters,
    sampling_precision,
    scan_thresholds,
    split_clusters,
    threshold_grid,
)
from congruence.compute.exhaustiveness_differences import differences
from congruence.compute.label_test import label_test
from congruence.compute.scan import count_close_pairs
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
    matrix: DistanceMatrix,
    n_a: int,
    scores: FloatArray | None = None,
    *,
    settings: Settings | None = None,
    exact: DistanceMatrix | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exhaustiveness:
    """
    Test two samples for exhaustive sampling.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å of all models, those of A first.
    n_a : int
        Models of sample A.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores, lower is better; without them tests 1 and 2 are left out.
    settings : Settings, optional
        How the tests are made.
    exact : DistanceMatrix, optional
        The same distances with all their digits, for the spread of clusters.
    progress : callable, optional
        Called with thresholds done and in all.

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
    settings = settings or Settings()
    if not 0 <= n_a <= matrix.m:
        raise InputError(f"sample A has {n_a} models, but there are {matrix.m} in all")
    in_a = np.arange(matrix.m) < n_a
    check_samples(matrix, in_a)
    if scores is not None and len(scores) != matrix.m:
        raise InputError(
            f"there are {len(scores)} scores for {matrix.m} models ({n_a} in A, {matrix.m - n_a} "
            "in B)",
            hint="One score per model is needed, in the order of the models, A first.",
        )
    tops = top_score(scores[:n_a], scores[n_a:]) if scores is not None else None
    compared = compare_scores(scores[:n_a], scores[n_a:]) if scores is not None else None
    scan, precisions = _precisions(matrix, in_a, settings, progress)
    chosen = precisions[settings.mode]
    labels = label_test(matrix, in_a, seed=settings.seed)
    threshold = _final_threshold(chosen, settings)
    clusters: tuple[SampledCluster, ...] = ()
    if math.isfinite(threshold):
        kept, _ = split_clusters(matrix, in_a, threshold, smallest=settings.smallest)
        clusters = sampled_clusters(exact or matrix, in_a, kept)
    verdicts = [t.verdict for t in (tops, compared) if t is not None]
    verdicts += [_precision_verdict(chosen, (n_a, matrix.m - n_a)), _label_verdict(labels, chosen)]
    if settings.threshold is not None:
        verdicts.append(_threshold_verdict(settings.threshold, chosen))
    return Exhaustiveness(
        sizes=(n_a, matrix.m - n_a),
        alignment=matrix.alignment,
        mode=settings.mode,
        top_score=tops,
        scores=compared,
        scan=scan,
        precisions=precisions,
        labels=labels,
        threshold=threshold,
        clusters=clusters,
        verdicts=tuple(verdicts),
        differences=tuple(differences(precisions, compared, clusters)),
        definition=matrix.definition,
    )


def _precisions(
    matrix: DistanceMatrix,
    in_a: BoolArray,
    settings: Settings,
    progress: Callable[[int, int], None] | None,
) -> tuple[ThresholdScan, dict[Rule, SamplingPrecision]]:
    """Scan on the grid of the mode, and on the reference program's where that is another."""
    wide = float(matrix.condensed.max()) - float(matrix.condensed.min()) > _COMPAT_STEP
    compat_step = settings.step or (_COMPAT_STEP if wide or settings.mode == "compat" else None)
    own_step = compat_step if settings.mode == "compat" else settings.step

    def scan_by(step: float | None) -> ThresholdScan:
        thresholds, width = threshold_grid(matrix, step)
        return scan_thresholds(
            matrix, in_a, thresholds, step=width, smallest=settings.smallest, progress=progress
        )

    scan = scan_by(own_step)
    compat_scan = scan if compat_step == own_step else scan_by(compat_step)
    found: dict[Rule, SamplingPrecision] = {"compat": sampling_precision(compat_scan, "compat")}
    for rule in ("right", "paper"):
        precision = sampling_precision(scan, rule)
        if own_step is None:
            precision = refined_precision(matrix, scan, precision, resolution=settings.resolution)
        found[rule] = precision
    return scan, {
        rule: replace(p, close_pairs=count_close_pairs(matrix, p.threshold))
        for rule, p in found.items()
    }


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
