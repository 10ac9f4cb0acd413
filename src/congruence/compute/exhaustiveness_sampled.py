"""
The tests of exhaustive sampling where there are too many models for a scan.

Thresholds are scanned on a stratified sample; the clusters at the sampling
precision found are then made of all models, exactly, and the test of their
populations is repeated on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.exhaustiveness import COVERAGE_LIMIT, passes
from congruence.compute.exhaustiveness_differences import differences
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.homogeneity import homogeneity, populations
from congruence.compute.sampled_clusters import sampled_clusters
from congruence.compute.score_tests import compare_scores, top_score
from congruence.core.exhaustiveness import REFERENCE
from congruence.core.results import Level, Verdict
from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.pairs import Pairs
    from congruence.core.exhaustiveness import Exhaustiveness, SampledCluster
    from congruence.core.results import DistanceMatrix
    from congruence.core.scan_sample import ScanSample
    from congruence.typing import FloatArray, IntArray

__all__ = ["EveryModel", "assess_sampled", "on_sample"]


@dataclass(frozen=True, eq=False)
class EveryModel:
    """
    What is asked of all models.

    Parameters
    ----------
    pairs : Pairs
        Their distances, for sums and distances to centers only.
    find : callable
        Takes a threshold in Å and returns the clusters at it, the center of
        each first, and the number of pairs too near to the threshold to tell.
    """

    pairs: Pairs
    find: Callable[[float], tuple[tuple[IntArray, ...], int]]


def assess_sampled(
    distances: DistanceMatrix | Pairs,
    sample: ScanSample,
    every: EveryModel,
    scores: FloatArray | None = None,
    *,
    settings: Settings | None = None,
    other: DistanceMatrix | Pairs | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exhaustiveness:
    """
    Test two samples of very many models for exhaustive sampling.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å of the models of `sample`, in their order.
    sample : ScanSample
        Of `congruence.compute.scan_sample.scan_sample`.
    every : EveryModel
        All models.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores of all models.
    settings, other, progress
        See `congruence.compute.exhaustiveness_verdicts.assess`; `other` is of
        the models of `sample`.

    Returns
    -------
    result : Exhaustiveness
        Scan, precisions and test of the labels are of the sample; sizes, tests of
        scores and clusters of all models. A verdict says so, and whether the
        clusters of all models pass the test too.

    Raises
    ------
    ConfigError
        In compat mode, which is never sampled.
    InputError
        As `congruence.compute.exhaustiveness_verdicts.assess`.
    """
    settings, (n_a, n_b) = settings or Settings(), sample.of
    m = n_a + n_b
    if settings.mode == "compat":
        raise ConfigError("compat mode is never sampled", hint="Leave compat mode out.")
    if scores is not None and len(scores) != m:
        raise InputError(
            f"there are {len(scores)} scores for {m} models ({n_a} in A, {n_b} in B)",
            hint="One score per model is needed, in the order of the models, A first.",
        )
    in_a = np.arange(m) < n_a
    found: list[ScanSample] = []

    def describe(threshold: float) -> tuple[SampledCluster, ...]:
        clusters, close = every.find(threshold)
        least = populations(clusters, in_a).min(axis=1)
        kept = [clusters[k] for k in np.flatnonzero(least >= settings.smallest)]
        point = homogeneity(kept, in_a, smallest=settings.smallest)
        found.append(replace(sample, every=point, close_pairs=close))
        return sampled_clusters(every.pairs, in_a, kept)

    result = assess(
        distances,
        sample.sizes[0],
        settings=settings,
        other=other,
        progress=progress,
        describe=describe,
    )
    known = found[0] if found else sample
    tops = top_score(scores[:n_a], scores[n_a:]) if scores is not None else None
    compared = compare_scores(scores[:n_a], scores[n_a:]) if scores is not None else None
    rows = differences(result.precisions, compared, result.clusters, apart=other is not None)
    return replace(
        result,
        sizes=(n_a, n_b),
        top_score=tops,
        scores=compared,
        verdicts=(
            *(t.verdict for t in (tops, compared) if t is not None),
            result.verdicts[0],
            _sample_verdict(known, asked=settings.threshold is not None),
            *result.verdicts[1:],
        ),
        differences=(*result.differences[: other is not None], *rows),
        sample=known,
    )


def _sample_verdict(sample: ScanSample, *, asked: bool) -> Verdict:
    point, agree = sample.every, True
    said = "no cluster of all models was made"
    if point is not None:
        # At a threshold that the user asks for clusters need not pass.
        agree = asked or passes(point, "right")
        said = (
            f"all models at the threshold of the clusters: p = {point.p:.3g}, V = {point.v:.3f}, "
            f"{point.coverage:.1f} % of {point.models:,} models, kept clusters: {point.kept}"
        )
        if sample.close_pairs:
            said += f"; {sample.close_pairs:,} pairs are at the threshold itself"
    return Verdict(
        Level.NOTE if agree else Level.WARNING,
        "Thresholds were scanned on a stratified sample of the models"
        + (
            "."
            if point is None
            else "; the clusters are of all models."
            if agree
            else ", and the clusters of all models do not pass its test."
        ),
        f"{sample.text}; {said}",
        f"p > 0.05 or V < 0.10, more than {COVERAGE_LIMIT:g} % of the models in kept clusters",
        REFERENCE,
        "" if agree else "Scan more models: raise the number of models for the scan.",
    )


def on_sample(result: Exhaustiveness) -> Exhaustiveness:
    """
    Return a result whose clusters have only models of the sample.

    Parameters
    ----------
    result : Exhaustiveness
        Of `assess_sampled`.

    Returns
    -------
    result : Exhaustiveness
        Members are places in the sample; for resampling on it. The numbers of
        the clusters stay those of all models.

    Raises
    ------
    ConfigError
        If there is no sample.
    """
    if result.sample is None:
        raise ConfigError("the scan was made on all models")
    place = np.full(sum(result.sizes), -1, dtype=np.int64)
    place[result.sample.models] = np.arange(len(result.sample.models))
    members = [p[p >= 0] for p in (place[c.members] for c in result.clusters)]
    clusters = tuple(
        replace(c, members=own) for c, own in zip(result.clusters, members, strict=True)
    )
    return replace(result, sizes=result.sample.sizes, clusters=clusters)
