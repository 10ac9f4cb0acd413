"""Models and clusters as plain tables: what ``models.csv`` and ``clusters.json`` hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.ensemble import Ensemble
    from congruence.core.placement import Placement
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import FloatArray

__all__ = ["model_rows", "partition_data", "partition_rows", "to_centers"]


def to_centers(matrix: DistanceMatrix, clustering: Clustering) -> FloatArray:
    """
    Look up the distance of each model to the center of its cluster.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    clustering : Clustering
        Their clusters.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(m,)
        In Å; NaN for models in none.
    """
    distance = np.full(matrix.m, np.nan)
    for cluster in clustering.clusters:
        distance[cluster.members] = matrix.row(cluster.center)[cluster.members]
    return distance


def model_rows(
    ensemble: Ensemble,
    distance: FloatArray,
    clustering: Clustering,
    placements: Sequence[Sequence[Placement]],
) -> tuple[list[str], list[list[object]]]:
    """
    Make the table of models.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    distance : ndarray, dtype=float64, shape=(m,)
        Distance to the center of the cluster in Å; NaN for none.
    clustering : Clustering
        Their clusters.
    placements : sequence of sequence of Placement
        Per cluster, one per member.

    Returns
    -------
    header : list of str
        Names of the columns.
    rows : list of list
        One per model, in rank order.
    """
    table = ensemble.models
    features = [name for name in table.columns if name != table.score_key]
    assignment = [""] * len(table)
    position = [""] * len(table)
    groups = ensemble.topology.copy_groups()
    for cluster, mine in zip(clustering.clusters, placements, strict=True):
        for at, (model, placement) in enumerate(zip(cluster.members.tolist(), mine, strict=True)):
            position[model] = str(at)
            if placement.assignment:
                assignment[model] = "; ".join(
                    f"{g.molecule}: {' '.join(str(g.copies[k]) for k in p)}"
                    for g, p in zip(groups, placement.assignment, strict=True)
                )
    header = ["model", "run", "replica", "file", "frame", "score", "cluster", "member"]
    header += ["distance_to_center", "assignment", "source", "row", "step", "rmf_file", *features]
    rows: list[list[object]] = [
        [
            i,
            table.run[i],
            int(table.replica[i]),
            table.file[i],
            int(table.frame[i]),
            _number(table.score[i]),
            int(clustering.labels[i]),
            position[i],
            _number(distance[i]),
            assignment[i],
            table.source[i],
            int(table.row[i]),
            int(table.step[i]),
            table.rmf_file[i],
            *(table.columns[name][i] for name in features),
        ]
        for i in range(len(table))
    ]
    return header, rows


def _number(value: float) -> str:
    return "" if np.isnan(value) else repr(float(value))


def partition_data(clustering: Clustering, names: Sequence[str]) -> dict[str, Any]:
    """
    Describe a clustering as plain data.

    Parameters
    ----------
    clustering : Clustering
        The clustering.
    names : sequence of str
        Name of each model; empty when they have none.

    Returns
    -------
    data : dict
        What ``clusters.json`` holds.
    """
    advice = clustering.advice
    return {
        "method": clustering.method,
        "parameters": clustering.parameters,
        "advice": None
        if advice is None
        else {
            "clusters": advice.k,
            "reason": advice.reason,
            "candidates": [
                {"clusters": k, "silhouette": s, "agreement_of_halves": a}
                for k, s, a in advice.candidates
            ],
        },
        "unit": "Å",
        "clusters": [
            {
                "cluster": c.index,
                "size": c.size,
                "average_rmsd": c.average_rmsd,
                "best_score": c.best_score,
                "best": names[c.best] if names else "",
                "center": names[c.center] if names else "",
                "best_model": c.best,
                "center_model": c.center,
                "size_by_run": c.by_run,
                "size_by_half": list(c.by_half),
                "members": c.members,
            }
            for c in clustering.clusters
        ],
        "in_no_cluster": clustering.noise,
    }


def partition_rows(
    matrix: DistanceMatrix, clustering: Clustering
) -> tuple[list[str], list[list[object]]]:
    """
    Make the table of models of which nothing but distances is known.

    Parameters
    ----------
    matrix : DistanceMatrix
        Their distances.
    clustering : Clustering
        Their clusters.

    Returns
    -------
    header : list of str
        Names of the columns.
    rows : list of list
        One per model.
    """
    distance = to_centers(matrix, clustering)
    rows: list[list[object]] = [
        [
            i,
            matrix.names[i] if matrix.names else "",
            int(clustering.labels[i]),
            _number(distance[i]),
        ]
        for i in range(matrix.m)
    ]
    return ["model", "name", "cluster", "distance_to_center"], rows
