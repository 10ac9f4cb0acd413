"""The folder that ``congruence select`` writes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.models import to_floats
from congruence.core.provenance import versions
from congruence.errors import SelectionError
from congruence.workflow.folder import RUN_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import FloatArray
    from congruence.workflow.frames import FramePool
    from congruence.workflow.reporting import Reporter
    from congruence.workflow.select import Selected

__all__ = ["selection_data", "write_selection"]

_METHOD = "Best scoring"


def write_selection(selected: Selected, pool: FramePool, partial: Path, reporter: Reporter) -> None:
    """
    Write good models, their scores and where they came from.

    Parameters
    ----------
    selected : Selected
        What was chosen.
    pool : FramePool
        Open RMF files.
    partial : Path
        An empty folder.
    reporter : Reporter
        Told of progress.
    """
    from congruence.io.good_models import write_model_ids, write_sample_ids, write_scores
    from congruence.io.store import write_json

    compat = selected.options.compat is not None
    table = selected.good.table
    names, values = _columns(selected)
    write_model_ids(partial / "model_ids_scores.txt", table, names, values, two_decimals=compat)
    write_sample_ids(partial / "model_sample_ids.txt", selected.split)
    if selected.score:
        write_scores(partial, table.score, selected.split, two_decimals=compat)
    _write_csv(selected, names, values, partial / "models.csv")
    if selected.options.extract:
        _write_models(selected, pool, partial, reporter)
    data = selection_data(selected)
    written = [p.relative_to(partial).as_posix() for p in partial.rglob("*") if p.is_file()]
    data["files"] = sorted(n for n in written if not Path(n).name.startswith("."))
    write_json(partial / RUN_JSON, data)


def _columns(selected: Selected) -> tuple[list[str], FloatArray]:
    """Return the values of the tables: criteria, then what was asked for, each name once."""
    good = selected.good
    found = dict(zip(good.names, good.values.T, strict=True))
    for name in selected.printed:
        found[name] = to_floats(good.table.columns[name])
        if selected.options.compat and np.isnan(found[name]).any():
            raise SelectionError(
                f"column '{name}' is not a number for all good models",
                hint="Leave it out of --print.",
            )
    if selected.score and selected.score not in found and not selected.options.compat:
        found[selected.score] = good.table.score
    return list(found), np.array(list(found.values())).T


def _write_csv(selected: Selected, names: Sequence[str], values: FloatArray, path: Path) -> None:
    from congruence.io.store import write_csv

    table, in_a = selected.good.table, selected.split.in_a.tolist()
    own = ["model", "sample", "run", "replica", "step", "score", "source", "row", "file", "frame"]
    clusters = selected.clusters
    kept = [i for i, name in enumerate(names) if name not in own]
    head = [*own, *(names[i] for i in kept), *(["score_cluster"] if clusters else [])]
    rows = [
        [
            i,
            "A" if in_a[i] else "B",
            table.run[i],
            int(table.replica[i]),
            int(table.step[i]),
            float(table.score[i]),
            table.source[i],
            int(table.row[i]),
            table.file[i],
            int(table.frame[i]),
            *values[i, kept].tolist(),
            *([int(clusters.labels[i])] if clusters else []),
        ]
        for i in range(len(table))
    ]
    write_csv(path, head, rows)


def _write_models(selected: Selected, pool: FramePool, partial: Path, reporter: Reporter) -> None:
    from congruence.io.rmf.clone import MemberWriter
    from congruence.io.rmf.history import CombineProvenance, FilterProvenance

    table, in_a = selected.good.table, selected.split.in_a
    steps = (
        CombineProvenance(selected.runs, selected.total),
        FilterProvenance(_METHOD, 0.0, len(table)),
    )
    for name in ("sample_A", "sample_B"):
        (partial / name).mkdir()
    order = np.argsort(table.file.astype(str), kind="stable")  # each source is prepared once
    writer, open_path = None, ""
    for done, i in enumerate(order.tolist(), start=1):
        file = str(table.file[i])
        if writer is None or file != open_path:
            writer, open_path = MemberWriter(pool.get(file), provenance=steps), file
        sample = "sample_A" if in_a[i] else "sample_B"
        writer.write(int(table.frame[i]), partial / sample / f"{i}.rmf3", frame_name="f0")
        reporter.advance("writing models", done, len(table))


def selection_data(selected: Selected) -> dict[str, Any]:
    """
    Return what was chosen, and how, as plain data.

    Parameters
    ----------
    selected : Selected
        What was chosen.

    Returns
    -------
    data : dict
        JSON-able; the content of ``run.json`` but for its list of files.
    """
    from congruence.io.store import file_key

    good, split = selected.good, selected.split
    table, diagnosis = good.table, selected.diagnosis
    inputs = sorted({*map(str, table.source), *map(str, table.file)} - {""})
    return {
        "program": "congruence",
        "kind": "good-scoring models",
        "versions": versions(),
        "arguments": asdict(selected.options),
        "seed": selected.options.seed,
        "score": selected.score,
        "runs": selected.runs,
        "models_to_choose_from": selected.total,
        "models": len(good),
        "log": [f"{name}: {count}" for name, count in good.steps],
        "links": good.links,
        "samples": {
            "A": split.sizes[0],
            "B": split.sizes[1],
            "unit": split.unit,
            "how": split.how,
            "units": {"A": split.units[0], "B": split.units[1]},
        },
        "equilibration": [asdict(size) for size in selected.equilibration],
        "effective_models": diagnosis.effective,
        "score_test": _score_test(selected),
        "score_clusters": _clusters(selected),
        "verdicts": [asdict(verdict) for verdict in diagnosis.verdicts],
        "left_out": {
            "count": len(selected.losses),
            "by_reason": selected.losses.by_reason(),
            "entries": [asdict(entry) for entry in selected.losses.entries],
        },
        "inputs": [
            {"path": name, **file_key(Path(name))} for name in inputs if Path(name).exists()
        ],
    }


def _score_test(selected: Selected) -> dict[str, Any] | None:
    found = selected.diagnosis.comparison
    if found is None:
        return None
    intervals = selected.diagnosis.intervals
    return {**asdict(found), "intervals": {k: asdict(v) for k, v in intervals.items()}}


def _clusters(selected: Selected) -> dict[str, Any] | None:
    clusters = selected.clusters
    if clusters is None:
        return None
    in_a = selected.split.in_a
    score = selected.good.table.score
    groups = []
    for label, size in enumerate(clusters.sizes):
        mine = clusters.labels == label
        a = int((mine & in_a).sum())
        groups.append(
            {
                "cluster": label,
                "models": size,
                "A": a,
                "B": size - a,
                "mean_score": score[mine].mean(),
            }
        )
    return {
        "columns": clusters.columns,
        "standardized": clusters.standardized,
        "min_cluster_size": clusters.min_cluster_size,
        "min_samples": clusters.min_samples,
        "noise": clusters.noise,
        "clusters": groups,
    }
