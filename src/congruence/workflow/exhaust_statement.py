"""What an exhaustiveness test came to, in sentences for a paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from congruence.core.exhaustiveness import REFERENCE
from congruence.core.provenance import counted, versions
from congruence.core.results import Level
from congruence.workflow.exhaust_uncertainty import uncertainty_sentence

if TYPE_CHECKING:
    from congruence.core.exhaustiveness import Exhaustiveness, SampledCluster
    from congruence.core.scan_sample import ScanSample
    from congruence.core.score_results import ScoreComparison

__all__ = ["statement"]

_MOST_CLUSTERS = 8
_P_LIMIT = 0.05
_CORRELATED = 1.5
_ALIGNED = {
    "none": "without alignment",
    "center": "after removing the centroids",
    "superpose": "after optimal superposition",
}


def statement(result: Exhaustiveness, name: str) -> str:
    """
    Say the result in sentences that can go into a paper.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    name : str
        Name of the system.

    Returns
    -------
    text : str
        One paragraph. It says so when the sampling is not exhaustive.
    """
    n_a, n_b = result.sizes
    parts = [
        f"Exhaustiveness of the sampling of {name} was tested on two samples of {n_a} and {n_b} "
        f"models (Viswanath et al. 2017, doi:{REFERENCE}) with congruence "
        f"{versions()['congruence']}.",
        _distance(result),
    ]
    if result.sample is not None:
        parts.append(_sample(result, result.sample))
    if result.scores is not None:
        parts.append(_scores(result, result.scores))
    parts.append(_precision(result))
    if result.uncertainty is not None and result.precision.converged:
        parts += [s for s in (uncertainty_sentence(result.uncertainty),) if s]
    parts += _clusters(result)
    if result.maps:
        # Rounded down: no map may be worse than what is said.
        worst = math.floor(1000.0 * min(m.cc for m in result.maps)) / 1000.0
        parts.append(
            f"Localization densities of the two samples correlate by {worst:.3f} or better."
        )
    return " ".join(parts)


def _distance(result: Exhaustiveness) -> str:
    words = result.definition.get("alignment", "")
    if "not known" in words:
        return "Distances between models were given."
    aligned = _ALIGNED[str(result.alignment)]
    if "as the user says" in words:
        return f"Distances between models were given, as RMSDs {aligned}."
    weighted = ", weighted by residues," if result.definition.get("weights") == "residues" else ""
    return f"Distances between models are RMSDs{weighted} {aligned}."


def _sample(result: Exhaustiveness, sample: ScanSample) -> str:
    clusters = " The clusters at the threshold are of all models." if result.clusters else ""
    return f"Thresholds were scanned on {sample.text}.{clusters}"


def _scores(result: Exhaustiveness, s: ScoreComparison) -> str:
    """Quote the plain p only where models do not follow from each other."""
    differ = s.verdict.level is Level.FAIL
    claim = f"The score distributions of the samples {'differ' if differ else 'are alike'}"
    known = result.uncertainty.scores if result.uncertainty is not None else None
    if known is None or known.inefficiency <= _CORRELATED:
        return f"{claim} (Kolmogorov-Smirnov D = {s.d:.2f}, p = {s.p[s.used]:.2g}, {s.used})."
    a, b = known.effective_sizes
    corrected = f"p = {known.p_corrected:.2g} for the {a:.0f} and {b:.0f} independent models"
    if differ and known.p_corrected >= _P_LIMIT:
        return (
            f"{claim} (Kolmogorov-Smirnov D = {s.d:.2f}), but no more than those of correlated "
            f"models do ({corrected} among them)."
        )
    return f"{claim} (Kolmogorov-Smirnov D = {s.d:.2f}, {corrected} among them)."


def _populations(result: Exhaustiveness, p: float) -> str:
    known = result.uncertainty
    words = f"chi-square p = {p:.2g}"
    if known is None or known.chi2_p is None or known.g <= _CORRELATED:
        return words
    return (
        f"{words} as if models were independent, {known.chi2_p[1]:.2g} with one independent model "
        f"in {known.g:.1f}"
    )


def _precision(result: Exhaustiveness) -> str:
    found = result.precision
    p, v, coverage = found.reported
    if not found.converged:
        return (
            "At no clustering threshold do both samples contribute to the clusters in proportion: "
            "the sampling is not exhaustive, and no sampling precision is given."
        )
    if found.single:
        return (
            f"The sampling precision is {found.threshold:.1f} Å; there one cluster holds {coverage:.0f} % of "
            f"the models, so that the chi-square test cannot fail; "
            f"the samples were compared by their distances (energy coefficient "
            f"{result.labels.share:.3f}, p = {result.labels.p:.2g})."
        )
    return (
        f"The sampling precision is {found.threshold:.1f} Å (resolved to "
        f"{found.resolution:.2g} Å; {_populations(result, p)}, Cramér's V = {v:.3f}, "
        f"{coverage:.0f} % of the models in {found.point.kept} clusters)."
    )


def _clusters(result: Exhaustiveness) -> list[str]:
    """Describe every cluster; of very many the largest, and what the others hold."""
    models = sum(result.sizes)
    shown, others = result.clusters[:_MOST_CLUSTERS], result.clusters[_MOST_CLUSTERS:]
    said = [_cluster(c, models) for c in shown]
    if shown and result.threshold != result.precision.value:
        said.insert(0, f"Clusters were made at a threshold of {result.threshold:.1f} Å instead.")
    if others:
        share = 100.0 * sum(len(c.members) for c in others) / models
        said.append(
            f"The other {counted(len(others), 'cluster')} of the {len(result.clusters)} hold "
            f"{share:.0f} % of the models."
        )
    outside = models - sum(len(c.members) for c in result.clusters)
    if result.clusters and outside:
        said.append(
            f"{100.0 * outside / models:.1f} % of the models are in clusters of fewer than "
            f"{result.scan.smallest} models of a sample, which are left out."
        )
    return said


def _cluster(cluster: SampledCluster, models: int) -> str:
    n = len(cluster.members)
    return (
        f"Cluster {cluster.index} holds {100.0 * n / models:.0f} % of the models "
        f"({cluster.sizes[0]} and {cluster.sizes[1]}) with a precision of "
        f"{cluster.precision:.1f} Å (mean distance to its center)."
    )
