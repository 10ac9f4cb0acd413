"""Write the files of imp-sampcon, so that what reads them reads ours."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from congruence.core.exhaustiveness import Exhaustiveness, SampledCluster
    from congruence.core.results import DistanceMatrix
    from congruence.core.score_results import Histogram

__all__ = [
    "output_data",
    "write_identities",
    "write_members",
    "write_output_json",
    "write_protocol",
]


def write_members(folder: Path, cluster: SampledCluster, n_a: int) -> None:
    """
    Write the members of a cluster: all, of A and of B.

    Parameters
    ----------
    folder : Path
        Where to write ``cluster.K.all.txt``, ``.sample_A.txt``, ``.sample_B.txt``.
    cluster : SampledCluster
        The cluster.
    n_a : int
        Models of sample A, which are numbered first.
    """
    members = cluster.members
    for name, chosen in (
        ("all", members),
        ("sample_A", members[members < n_a]),
        ("sample_B", members[members >= n_a]),
    ):
        _write(folder / f"cluster.{cluster.index}.{name}.txt", [str(i) for i in chosen.tolist()])


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_identities(folder: Path, names: Sequence[str], n_a: int) -> None:
    """
    Write which file each model came from.

    Parameters
    ----------
    folder : Path
        Where to write ``Identities_A.txt`` and ``Identities_B.txt``.
    names : sequence of str
        File of each model, A first.
    n_a : int
        Models of sample A.
    """
    lines = [f"{name} {index}" for index, name in enumerate(names)]
    _write(folder / "Identities_A.txt", lines[:n_a])
    _write(folder / "Identities_B.txt", lines[n_a:])


def write_protocol(
    folder: Path,
    name: str,
    result: Exhaustiveness,
    matrix: DistanceMatrix | None,
    *,
    given: bool = False,
) -> None:
    """
    Write the matrix and the text files of the protocol, without JSON.

    Parameters
    ----------
    folder : Path
        Where to write.
    name : str
        Name of the system: files are ``NAME.KS_Test.txt`` and so on.
    result : Exhaustiveness
        Made in compat mode.
    matrix : DistanceMatrix or None
        The distances, written as float32; None when they were not kept.
    given : bool
        Whether the threshold was given: there is then no file on its choice.

    Notes
    -----
    ``Top_Score_Conv`` holds exact expectations where the reference program
    draws at random. Sentences are our own; readers use the numbers only.
    """
    if matrix is not None:
        with (folder / "Distances_Matrix.data.npy").open("wb") as stream:
            np.save(stream, np.asarray(matrix.condensed, dtype="<f4"), allow_pickle=False)

    def write(part: str, lines: Sequence[str]) -> None:
        _write(folder / f"{name}.{part}.txt", lines)

    if result.top_score is not None:
        rows = zip(
            result.top_score.sizes.tolist(),
            result.top_score.means.tolist(),
            result.top_score.deviations.tolist(),
            strict=True,
        )
        write("Top_Score_Conv", [f"{size} {mean} {sd}" for size, mean, sd in rows])
    if result.scores is not None:
        for sample, histogram in zip("AB", result.scores.histograms, strict=True):
            write(f"Score_Hist_{sample}", _histogram(histogram))
        write("KS_Test", [f"{result.scores.d} {result.scores.p[result.scores.used]}"])
    if not given:
        write("ChiSquare_Grid_Stats", _grid(result))
        write("Sampling_Precision_Stats", _precision(name, result))
    write(
        "Cluster_Population",
        [f"{c.index} {float(c.sizes[0])} {float(c.sizes[1])}" for c in result.clusters],
    )
    write(
        "Cluster_Precision",
        [
            "Precision of this cluster (mean distance to the center) of cluster  "
            f"{c.index}  is {c.precision:.3f} A"
            for c in result.clusters
        ],
    )
    for cluster in result.clusters:
        write_members(folder, cluster, result.sizes[0])


def _histogram(histogram: Histogram) -> list[str]:
    rows = zip(histogram.edges[:-1].tolist(), histogram.counts.tolist(), strict=True)
    return [f"{edge} {count}" for edge, count in rows]


def _grid(result: Exhaustiveness) -> list[str]:
    rows = zip(
        result.scan.thresholds.tolist(),
        *(result.scan.column(c).tolist() for c in ("p_compat", "v_compat", "coverage")),
        strict=True,
    )
    return [" ".join(str(v) for v in row) for row in rows]


def _precision(name: str, result: Exhaustiveness) -> list[str]:
    found = result.precisions["compat"]
    said = (
        "it is the finest threshold at which both samples fill the same clusters alike"
        if found.converged
        else "NOT CONVERGED: no threshold passes, and this is only the last one that was tried"
    )
    numbers = "\t".join(f"{v:.3f}" for v in (found.threshold, *found.reported))
    return [
        f"The sampling precision of {name} is {found.threshold:.3f}  A; {said}.",
        "Sampling precision, p-value, Cramer's V and percentage of clustered models:",
        numbers,
        "",
    ]


def output_data(
    result: Exhaustiveness,
    *,
    inputs: Mapping[str, Any],
    ranges: Mapping[str, Sequence[Any]],
    centers: Sequence[str],
    given: bool = False,
) -> dict[str, Any]:
    """
    Make the content of ``NAME.output.json``, file version 1.

    Parameters
    ----------
    result : Exhaustiveness
        Made in compat mode.
    inputs : mapping of str to Any
        ``{"input_frames": [...]}`` or ``{"input_files": {"A": ..., "B": ...}}``.
    ranges : mapping of str to sequence
        Domains of each density: a name, or ``[first, last, name]``.
    centers : sequence of str
        File of the center of each cluster, relative to the JSON file.
    given : bool
        Whether the threshold was given.

    Returns
    -------
    data : dict
        Keys in the order of the format. The producer is named as readers of
        the format demand (python-ihm tools ask for it); ``written_by`` says
        who wrote it.
    """
    found = result.precisions["compat"]
    data: dict[str, Any] = {
        "producer": {
            "name": "IMP.sampcon",
            "version": "unknown",
            "file_version": 1,
            "written_by": f"congruence {versions()['congruence']}",
        },
        **inputs,
    }
    if not given:
        data["chi_square_grid_stats"] = {
            "cutoffs": result.scan.thresholds.tolist(),
            "p_value": result.scan.column("p_compat").tolist(),
            "cramers_v": result.scan.column("v_compat").tolist(),
            "percent_clustered": result.scan.column("coverage").tolist(),
        }
        data["precision"] = {
            "sampling_precision": found.threshold,
            "p_value": found.reported[0],
            "cramers_v": found.reported[1],
            "percent_clustered": found.reported[2],
        }
    data["clustering_threshold"] = result.threshold if math.isfinite(result.threshold) else None
    data["density_custom_ranges"] = {k: list(v) for k, v in ranges.items()} or []
    data["clusters"] = [
        _cluster(c, result.sizes[0], list(ranges), file)
        for c, file in zip(result.clusters, centers, strict=True)
    ]
    return data


def write_output_json(path: Path, data: dict[str, Any]) -> None:
    """
    Write ``NAME.output.json`` as the reference program does, on one line.

    Parameters
    ----------
    path : Path
        The file.
    data : dict
        From `output_data`.
    """
    path.write_text(json.dumps(data, allow_nan=False), encoding="utf-8")


def _cluster(cluster: SampledCluster, n_a: int, ranges: list[str], center: str) -> dict[str, Any]:
    name = f"cluster.{cluster.index}"
    members = cluster.members.tolist()
    return {
        "name": name,
        "members": {"A": [i for i in members if i < n_a], "B": [i for i in members if i >= n_a]},
        "precision": cluster.precision,
        "density": {r: f"./{name}/LPD_{r}.mrc" for r in ranges},
        "densityA": {r: f"./{name}/Sample_A/LPD_{r}.mrc" for r in ranges},
        "densityB": {r: f"./{name}/Sample_B/LPD_{r}.mrc" for r in ranges},
        "centroid": {"index": cluster.center, "file": center},
    }
