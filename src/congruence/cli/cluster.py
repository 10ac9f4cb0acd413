"""``congruence cluster``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from congruence.cli.options import cluster_config, config_options

__all__ = ["command"]


@click.command("cluster")
@click.argument("runs", nargs=-1)
@config_options()
@click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE.toml", help="Read options from FILE.toml; what is typed wins.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder for the results.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and stop.")
@click.option("--no-cache", is_flag=True, help="Read all coordinates from the RMF files, and keep none for the next time.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the clusters as JSON.")
@click.pass_context
def command(ctx: click.Context, /, out: Path, as_json: bool, **values: Any) -> None:
    """
    Cluster the best models of sampling RUNS and write DIR.

    RUNS are folders, glob patterns, stat files or RMF files. Selections are
    NAME[:FIRST-LAST][@COPY][%STATE], joined with +.
    """
    from congruence.cli.show import show_summary
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.config import load_config
    from congruence.workflow.job import cluster_runs

    if values.pop("no_cache"):
        os.environ["CONGRUENCE_CACHE"] = "off"
    path = values.pop("config_file")
    base = load_config(path) if path else {}
    config = cluster_config(ctx, values, base, where=str(path))
    summary = cluster_runs(
        config,
        out,
        force=values["force"],
        dry_run=values["dry_run"],
        reporter=TerminalReporter(quiet=as_json),
    )
    show_summary(summary, as_json=as_json)
