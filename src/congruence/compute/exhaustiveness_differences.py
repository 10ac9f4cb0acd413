"""Where the reference program's numbers are not what their definitions say, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from congruence.core.exhaustiveness import Difference

if TYPE_CHECKING:
    from congruence.compute.pairs import Pairs
    from congruence.core.exhaustiveness import Rule, SampledCluster, SamplingPrecision
    from congruence.core.score_results import ScoreComparison

__all__ = ["differences", "distance_difference", "unmeasured_distance"]

_DISTANCE = (
    "the reference program gives every bead the same weight, however many residues it stands for, "
    "and interchanges copies only as a symmetry file says"
)


def distance_difference(compat: Pairs, right: Pairs) -> Difference:
    """
    Say how the two distances differ and by how much.

    Parameters
    ----------
    compat, right : Pairs
        Distances of the same models by either definition.

    Returns
    -------
    difference : Difference
        With the mean distance of either.
    """
    a, b = (f"mean {p.spread().mean:.3f} Å, {_distance(p.definition)}" for p in (compat, right))
    return Difference("distance between models", a, b, f"{_DISTANCE}; each column has its own")


def unmeasured_distance(
    definition: dict[str, str], models: int, mode: Literal["right", "compat"]
) -> Difference:
    """
    Say that the distances of the other mode differ but were not measured.

    Parameters
    ----------
    definition : dict of str to str
        Words on the distance that was measured.
    models : int
        Number of models.
    mode : {"right", "compat"}
        Mode that they belong to.

    Returns
    -------
    difference : Difference
        For more models than are measured twice.
    """
    other = f"not measured for {models:,} models"
    compat, right = (
        (_distance(definition), other) if mode == "compat" else (other, _distance(definition))
    )
    turn = "without" if mode == "compat" else "with"
    return Difference(
        "distance between models",
        compat,
        right,
        f"{_DISTANCE}; below, both columns have one distance, a run {turn} --compat sampcon gives "
        "the other",
    )


def _distance(definition: dict[str, str]) -> str:
    words = [f"weights {definition.get('weights', 'none')}"]
    copies = definition.get("copies", "")
    words += [f"copies {copies}"] if copies else []
    return ", ".join(words)


def differences(
    precisions: dict[Rule, SamplingPrecision],
    compared: ScoreComparison | None,
    clusters: tuple[SampledCluster, ...],
    *,
    apart: bool = False,
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
    apart : bool
        Whether compat and right were measured with distances of their own.

    Returns
    -------
    differences : list of Difference
        With the reason of each.
    """
    rows = [*_precision_differences(precisions, apart=apart)]
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


def _why_precision(compat: SamplingPrecision, right: SamplingPrecision, *, apart: bool) -> str:
    if not compat.converged:
        return "not converged: the reference program prints its last threshold all the same"
    own = "another distance, see above; " if apart else ""
    if compat.converged != right.converged or compat.resolution == right.resolution:
        return f"{own}the continuity correction or the divisor of V decides"
    return f"{own}another grid of thresholds: the number depends on the step"


def _precision_differences(
    precisions: dict[Rule, SamplingPrecision], *, apart: bool
) -> list[Difference]:
    compat, right, paper = precisions["compat"], precisions["right"], precisions["paper"]
    rows = []
    if _words(compat) != _words(right):
        reason = _why_precision(compat, right, apart=apart)
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
