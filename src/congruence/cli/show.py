"""What a job came to, shown as a table or as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from congruence.core.provenance import counted

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.core.provenance import Losses
    from congruence.core.results import Clustering
    from congruence.workflow.job import JobSummary

__all__ = ["as_json_text", "show_summary"]


def show_summary(summary: JobSummary, *, as_json: bool) -> None:
    """
    Print the clusters and the path of the results.

    Parameters
    ----------
    summary : JobSummary
        What was done.
    as_json : bool
        Print the content of ``clusters.json``.
    """
    if as_json:
        click.echo(_json(summary), nl=False)
    elif summary.clustering is None:
        click.echo(f"dry run: nothing was written; {summary.out} would hold the results")
    else:
        _print_table(summary.clustering, _precision(summary.out))
        if left_out := _by_what(summary.losses):
            listed = ", ".join(counted(count, what) for what, count in left_out.items())
            click.echo(f"left out: {listed} (where and why: {summary.out / 'run.json'})")
        begin = [n for n in ("dist_matrix.png", "cluster.0") if (summary.out / n).exists()]
        hint = f" (start with {' and '.join(begin)})" if begin else ""
        click.echo(f"results: {summary.out}{hint}")


def _by_what(losses: Losses) -> Counter[str]:
    counts: Counter[str] = Counter()
    for entry in losses.entries:
        counts[entry.what] += entry.count
    return counts


def _json(summary: JobSummary) -> str:
    if summary.clustering is None:
        data = {"dry_run": True, "models": summary.chosen, "left_out": len(summary.losses)}
        return as_json_text(data) + "\n"
    return (summary.out / "clusters.json").read_text(encoding="utf-8")


def _precision(out: Path) -> dict[str, dict[str, Any]]:
    """Read the precision of each cluster over what the run measured; nothing where there is none."""
    try:
        data = json.loads((out / "precision.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    main = data["main_selection"]
    return {s["cluster"]: s["selections"].get(main, {}) for s in data["within"]}


def _interval(found: dict[str, Any]) -> str:
    ends = found.get("average_pairwise_interval")
    return f"{ends[0]:.2f}-{ends[1]:.2f}" if ends else ""


def _print_table(clustering: Clustering, precision: dict[str, dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    more = ["95 %", "to center"] if precision else []
    for name in ["cluster", "models", "by half", "RMSD (Å)", *more, "best score", "center"]:
        table.add_column(name, justify="right", no_wrap=True)
    for c in clustering.clusters:
        score = "" if math.isnan(c.best_score) else f"{c.best_score:.2f}"
        halves = f"{c.by_half[0]} + {c.by_half[1]}"
        found = precision.get(f"cluster.{c.index}", {})
        to_center = found.get("average_to_center")
        spread = [_interval(found), "" if to_center is None else f"{to_center:.2f}"]
        table.add_row(
            *(str(c.index), str(c.size), halves, f"{c.average_rmsd:.2f}"),
            *(spread if precision else ()),
            *(score, str(c.center)),
        )
    Console().print(table)
    click.echo(
        "by half: models of every other run + of the rest (of one run: of every other model)"
    )
    if any(map(_interval, precision.values())):
        click.echo(
            "95 %: of the average RMSD, from resampling whole runs; with few runs it is crude"
        )
    click.echo(
        "center: its number in models.csv; RMSD: mean over pairs; to center: mean to the center"
    )
    if len(clustering.noise):
        click.echo(f"{len(clustering.noise)} models belong to no cluster")


def as_json_text(data: object) -> str:
    """
    Format data as JSON.

    Parameters
    ----------
    data : object
        JSON-able data.

    Returns
    -------
    text : str
        Indented JSON.
    """
    return json.dumps(data, indent=1, ensure_ascii=False)
