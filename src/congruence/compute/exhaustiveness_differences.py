"""Where the reference program's numbers are not what their definitions say, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence.core.exhaustiveness import Difference

if TYPE_CHECKING:
    from congruence.core.exhaustiveness import (
        Rule,
        SampledCluster,
        SamplingPrecision,
    )
    from congruence.core.score_results import ScoreComparison

__all__ = ["differences"]


def differences(
    precisions: dict[Rule, SamplingPrecision],
    compared: ScoreComparison | None,
    clusters: tuple[SampledCluster, ...],
) -> list[Difference]:
    """
    List the numbers of which the reference program's version is another.

    Parameters
    ----------
    precisions : dict of str to SamplingPrecision
        By rule.
    compared : ScoreComparison or None
        Test 2.
    clusters : tuple of SampledCluster
        The clusters.

    Returns
    -------
    differences : list of Difference
        With the reason of each.
    """
    rows = [*_precision_differences(precisions)]
    if compared is not None and round(compared.p["stephens"], 3) != round(
        compared.p[compared.used], 3
    ):
        rows.append(
            Difference(
                "KS p-value",
                f"{compared.p['stephens']:.4g} (stephens)",
                f"{compared.p[compared.used]:.4g} ({compared.used})",
                "published files hold the p-value of SciPy before 1.3; today it is counted exactly",
            )
        )
    rows += [
        Difference(
            f"center of cluster {c.index}",
            f"model {c.center}, mean distance {c.precision:.3f} Å",
            f"model {c.medoid}, mean distance {c.medoid_mean:.3f} Å",
            "the reference's center is the model with most neighbours; the medoid is nearest to all",
        )
        for c in clusters
        if c.medoid != c.center
    ]
    return rows


def _precision_differences(precisions: dict[Rule, SamplingPrecision]) -> list[Difference]:
    compat, right, paper = precisions["compat"], precisions["right"], precisions["paper"]
    rows = []
    if _words(compat) != _words(right):
        reason = "another grid of thresholds: the number depends on the step"
        if compat.converged != right.converged or not compat.converged:
            reason = (
                "not converged: the reference program prints its last threshold all the same"
                if not compat.converged
                else "the continuity correction or the divisor of V decides"
            )
        elif compat.resolution == right.resolution:
            reason = "the continuity correction or the divisor of V decides"
        rows.append(Difference("sampling precision", _words(compat), _words(right), reason))
    if _words(paper) != _words(right):
        rows.append(
            Difference(
                "sampling precision by the paper's rule",
                _words(right),
                _words(paper),
                "the paper asks for p > 0.05 and V < 0.10, current practice for one of them",
            )
        )
    if f"{compat.point.v_compat:.4f}" != f"{compat.point.v:.4f}":
        rows.append(
            Difference(
                f"Cramér's V at {compat.threshold:.3f} Å",
                f"{compat.point.v_compat:.4f}",
                f"{compat.point.v:.4f}",
                "divided by all models, with Yates' correction; right: by the models of the table, "
                "without",
            )
        )
    if f"{compat.point.p_compat:.4g}" != f"{compat.point.p:.4g}":
        rows.append(
            Difference(
                f"p-value at {compat.threshold:.3f} Å",
                f"{compat.point.p_compat:.4g}",
                f"{compat.point.p:.4g}",
                "Yates' correction for continuity of tables with two clusters",
            )
        )
    stale = (compat.point.p_compat, compat.point.v_compat, compat.point.coverage)
    if compat.reported != stale:
        rows.append(
            Difference(
                "p, V and coverage printed with the sampling precision",
                "{:.3f}, {:.3f}, {:.1f} %".format(*compat.reported),
                "{:.3f}, {:.3f}, {:.1f} %".format(*stale),
                "the reference program keeps the numbers of another threshold",
            )
        )
    return rows


def _words(precision: SamplingPrecision) -> str:
    if not precision.converged:
        return (
            f"{precision.threshold:.3f} Å (not converged)"
            if precision.rule == "compat"
            else "none: not converged"
        )
    single = ", one cluster" if precision.single else ""
    return f"{precision.threshold:.3f} Å (resolution {precision.resolution:.2g} Å{single})"
