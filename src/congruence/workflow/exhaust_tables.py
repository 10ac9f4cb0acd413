"""What an exhaustiveness test came to, as data and tables."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from congruence.core.exhaustiveness import Difference
from congruence.core.provenance import versions
from congruence.core.results import Level, Verdict
from congruence.workflow.exhaust_sample import sample_data
from congruence.workflow.exhaust_statement import statement
from congruence.workflow.exhaust_uncertainty import uncertainty_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from congruence.core.exhaustiveness import Exhaustiveness, SampledCluster, SamplingPrecision
    from congruence.io.sampcon_published import Published
    from congruence.workflow.sample_files import Samples

__all__ = [
    "SCAN_HEADER",
    "against_published",
    "member_rows",
    "result_data",
    "scan_rows",
]

SCAN_HEADER = (
    "threshold", "kept_clusters", "coverage_percent", "chi2", "dof", "p", "cramers_v",
    "p_compat", "cramers_v_compat", "p_with_rest",
)  # fmt: skip
_COLUMNS = ("kept", "coverage", "chi2", "dof", "p", "v", "p_compat", "v_compat", "rest_p")


def scan_rows(result: Exhaustiveness) -> Iterable[tuple[object, ...]]:
    """
    Return the scan, a row per threshold.

    Parameters
    ----------
    result : Exhaustiveness
        The result.

    Returns
    -------
    rows : iterable of tuple
        In the order of `SCAN_HEADER`.
    """
    pairs = zip(result.scan.thresholds.tolist(), result.scan.points, strict=True)
    return [(t, *(getattr(point, name) for name in _COLUMNS)) for t, point in pairs]


def member_rows(
    result: Exhaustiveness, samples: Samples, distances: dict[int, float]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """
    Return a row per model.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    samples : Samples
        The models.
    distances : dict of int to float
        Distance of each clustered model to the center of its cluster, in Å.

    Returns
    -------
    header : tuple of str
        Names of the columns.
    rows : list of tuple
        In the order of the models; no cluster is empty.
    """
    cluster = {int(i): c.index for c in result.clusters for i in c.members}
    scores = None if samples.scores is None else samples.scores.tolist()
    rows: list[tuple[object, ...]] = [
        (
            i,
            "A" if i < samples.n_a else "B",
            cluster.get(i),
            distances.get(i),
            None if scores is None else scores[i],
            name,
        )
        for i, name in enumerate(samples.names)
    ]
    return ("model", "sample", "cluster", "distance_to_center", "score", "name"), rows


def result_data(result: Exhaustiveness, name: str) -> dict[str, Any]:
    """
    Return everything as JSON-able data.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    name : str
        Name of the system.

    Returns
    -------
    data : dict
        Content of ``exhaustiveness.json``.
    """
    scores, tops = result.scores, result.top_score
    return {
        "program": "congruence",
        "version": versions()["congruence"],
        "format_version": 1,
        "name": name,
        "mode": result.mode,
        "alignment": str(result.alignment),
        "distance": result.definition,
        "models": {"A": result.sizes[0], "B": result.sizes[1]},
        "verdicts": [_verdict(v) for v in result.verdicts],
        "statement": statement(result, name),
        "sampling_precision": {r: _precision(p) for r, p in result.precisions.items()},
        "compat_against_right": [dataclasses.asdict(d) for d in result.differences],
        "top_score": None
        if tops is None
        else {
            "sizes": tops.sizes,
            "means": tops.means,
            "standard_deviations": tops.deviations,
            "best": {"A": tops.best[0], "B": tops.best[1]},
        },
        "score_distributions": None
        if scores is None
        else {"D": scores.d, "p": scores.p, "p_used": scores.used},
        "scan": {
            "step": result.scan.step,
            "smallest_kept": result.scan.smallest,
            "columns": SCAN_HEADER,
            "rows": list(scan_rows(result)),
        },
        "labels": dataclasses.asdict(result.labels),
        "clustering_threshold": result.threshold,
        "clusters": [_cluster(c) for c in result.clusters],
        "maps": [dataclasses.asdict(m) for m in result.maps],
        "uncertainty": None if result.uncertainty is None else uncertainty_data(result.uncertainty),
        **({} if result.sample is None else {"scan_sample": sample_data(result.sample)}),
    }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {k: str(v) for k, v in dataclasses.asdict(verdict).items()}


def _precision(found: SamplingPrecision) -> dict[str, Any]:
    p, v, coverage = found.reported
    return {
        "status": "converged" if found.converged else "not converged",
        "value": found.value,
        "resolution": found.resolution,
        "single_cluster": found.single,
        "threshold": found.threshold,
        "p": p,
        "cramers_v": v,
        "coverage_percent": coverage,
        "populations": found.point.table,
        "outside": found.point.rest,
        "pairs_within_1e-6": found.close_pairs,
    }


def _cluster(cluster: SampledCluster) -> dict[str, Any]:
    return {
        "cluster": cluster.index,
        "models": {"A": cluster.sizes[0], "B": cluster.sizes[1]},
        "center": cluster.center,
        "precision": cluster.precision,
        "precision_with_center": cluster.precision_with_center,
        "max_to_center": cluster.max_to_center,
        "medoid": cluster.medoid,
        "medoid_mean": cluster.medoid_mean,
        "mean_pairwise": cluster.mean_pairwise,
        "members": cluster.members,
    }


def against_published(
    result: Exhaustiveness, published: Published
) -> tuple[tuple[Difference, ...], Verdict]:
    """
    Hold the numbers of an earlier run of the protocol against the distances.

    Parameters
    ----------
    result : Exhaustiveness
        Made in compat mode at the same thresholds.
    published : Published
        What was published.

    Returns
    -------
    differences : tuple of Difference
        Published numbers that do not follow; ``compat`` is what was published.
    verdict : Verdict
        Whether all of them follow.
    """
    rows = [*_grid_differences(result, published), *_cluster_differences(result, published)]
    if published.sampling:
        mine = result.precisions["compat"].threshold
        if abs(mine - published.sampling[0]) > 1e-3:
            rows.append(
                Difference(
                    "published sampling precision",
                    f"{published.sampling[0]:.3f} Å",
                    f"{mine:.3f} Å",
                    "does not follow from the distances",
                )
            )
    verdict = Verdict(
        Level.NOTE if rows else Level.OK,
        f"{len(rows)} published numbers disagree with the matrix."
        if rows
        else "The published numbers agree with the matrix.",
        "; ".join(f"{r.quantity}: {r.compat}, from the distances {r.right}" for r in rows[:6]),
        "equal in all published digits",
        "",
        "Quote the numbers computed here; they follow from the distances." if rows else "",
    )
    return tuple(rows), verdict


def _grid_differences(result: Exhaustiveness, published: Published) -> list[Difference]:
    columns = ("p_compat", "v_compat", "coverage")
    mine = {
        round(t, 4): tuple(getattr(point, c) for c in columns)
        for t, point in zip(result.scan.thresholds.tolist(), result.scan.points, strict=True)
    }
    rows = []
    for threshold, *numbers in published.grid:
        ours = mine.get(round(threshold, 4))
        if ours is None:
            continue
        if not all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(ours, numbers, strict=True)):  # fmt: skip
            rows.append(
                Difference(
                    f"published p, V, coverage at {threshold:.3f} Å",
                    ", ".join(f"{v:.6g}" for v in numbers),
                    ", ".join(f"{v:.6g}" for v in ours),
                    "does not follow from the distances",
                )
            )
    return rows


def _cluster_differences(result: Exhaustiveness, published: Published) -> list[Difference]:
    rows = []
    for cluster in result.clusters:
        k = cluster.index
        members = published.members.get(k)
        if members is not None and members != tuple(cluster.members.tolist()):
            rows.append(
                Difference(
                    f"published members of cluster {k}",
                    f"{len(members)} models",
                    f"{len(cluster.members)} models",
                    "other members or another order",
                )
            )
        elif k < len(published.precisions):
            said = published.precisions[k]
            if abs(said - cluster.precision) > 1e-3:
                rows.append(
                    Difference(
                        f"published precision of cluster {k}",
                        f"{said:.3f} Å",
                        f"{cluster.precision:.3f} Å",
                        "not the mean distance of these members to their center in this matrix: "
                        "another distance was used",
                    )
                )
    return rows
