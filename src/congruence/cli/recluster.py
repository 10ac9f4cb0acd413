"""``congruence recluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from congruence.cli.options import config_options, typed_options

__all__ = ["command"]


@click.command("recluster")
@click.argument("matrix", type=click.Path(path_type=Path))
@config_options(choice=False)
@click.option("--names", type=click.Path(path_type=Path), metavar="FILE", help="Names of models.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder for the results.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the clusters as JSON.")
@click.pass_context
def command(ctx: click.Context, /, matrix: Path, out: Path, as_json: bool, **values: Any) -> None:
    """
    Cluster again from MATRIX and write DIR.

    MATRIX is a result folder, or an .npy file with a condensed or square
    matrix in Å. No distance is computed again.
    """
    from congruence.cli.show import show_summary
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.recluster import cluster_again

    summary = cluster_again(
        matrix,
        out,
        typed_options(ctx, values),
        names=values["names"],
        force=values["force"],
        reporter=TerminalReporter(quiet=as_json),
    )
    show_summary(summary, as_json=as_json)
