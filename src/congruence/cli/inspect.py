"""``congruence inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from congruence.core.provenance import counted

if TYPE_CHECKING:
    from congruence.workflow.overview import Overview

__all__ = ["command"]

_SHOWN = 20


@click.command("inspect")
@click.argument("paths", nargs=-1, required=True)
@click.option("--full", is_flag=True, help="Read everything, not only parts of the files.")
@click.option("--resolution", type=float, default=1.0, show_default=True, metavar="R", help="Residues per bead to count beads at.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(paths: tuple[str, ...], full: bool, resolution: float, as_json: bool) -> None:
    """Show what is in runs, stat files and RMF files at PATHS."""
    from congruence.cli.show import as_json_text
    from congruence.workflow.overview import look

    overview = look(paths, full=full, resolution=resolution)
    if as_json:
        click.echo(as_json_text(overview.data()))
    else:
        _show_runs(overview)
        if overview.molecules:
            _show_molecules(overview)
        _show_scores(overview)


def _show_runs(overview: Overview) -> None:
    for run in overview.runs:
        rows = f"{'about ' if run.estimated else ''}{run.rows:,} rows"
        others = f" and {run.rmf_files - 1} more" if run.rmf_files > 1 else ""
        frames = f"{run.frames:,} frames in {run.rmf}{others}" if run.rmf else "no RMF file to read"
        click.echo(f"{run.name}: {run.files} files, {rows}; {frames}")
    for entry in overview.left_out[:_SHOWN]:
        click.echo(f"left out: {counted(entry.count, entry.what)}: {entry.why} (in {entry.where})")
    if len(overview.left_out) > _SHOWN:
        click.echo(f"and {len(overview.left_out) - _SHOWN} more left out (--json lists them)")


def _show_molecules(overview: Overview) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Molecules: {overview.beads} beads at resolution {overview.resolution:g}",
        title_justify="left",
    )
    for name in ("molecule", "state", "copies", "residues", "beads"):
        table.add_column(name)
    for m in overview.molecules:
        copies = ", ".join("-" if c < 0 else str(c) for c in m.copies)
        state = "-" if m.state < 0 else str(m.state)
        table.add_row(m.name, state, copies, f"{m.residues[0]}-{m.residues[1]}", str(m.beads))
    Console().print(table)


def _show_scores(overview: Overview) -> None:
    if not overview.scores:
        click.echo("Scores: none are stored")
        return
    click.echo("Scores" + ("" if overview.full else " (ranges of the rows sampled; --full: all)"))
    total = [s for s in overview.scores if s.name in overview.score_keys]
    other = [s for s in overview.scores if s not in total and "|" not in s.name]
    for score in total + other:
        click.echo(f"  {score.name}: {score.low:.6g} to {score.high:.6g} ({score.values:,} values)")
    hidden = len(overview.scores) - len(total + other)
    if hidden > 0:
        click.echo(
            f"  and {hidden:,} more columns of single restraints, named with | (--json lists them)"
        )
