"""What a job came to, shown as a table or as JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from congruence.core.results import Clustering
    from congruence.workflow.job import JobSummary

__all__ = ["show_summary"]


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
    if summary.clustering is None:
        click.echo("dry run: nothing was read further and nothing written")
    elif as_json:
        click.echo((summary.out / "clusters.json").read_text(encoding="utf-8"), nl=False)
    else:
        _print_table(summary.clustering)
        if len(summary.losses):
            click.echo(f"left out: {len(summary.losses)} (listed in {summary.out / 'run.json'})")
        click.echo(f"results: {summary.out}")


def _print_table(clustering: Clustering) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Clusters", title_justify="left")
    for name in ("cluster", "models", "by half", "average RMSD (Å)", "best score", "center"):
        table.add_column(name, justify="right")
    for c in clustering.clusters:
        score = "" if math.isnan(c.best_score) else f"{c.best_score:.2f}"
        halves = f"{c.by_half[0]} + {c.by_half[1]}"
        table.add_row(
            str(c.index), str(c.size), halves, f"{c.average_rmsd:.2f}", score, f"model {c.center}"
        )
    Console().print(table)
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
