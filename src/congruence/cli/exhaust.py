"""``congruence exhaust``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.core.exhaustiveness import Exhaustiveness
    from congruence.workflow.exhaust import ExhaustSummary
    from congruence.workflow.exhaust_options import ExhaustOptions

__all__ = ["command"]

_FILE = click.Path(path_type=Path)
_COLORS = {"ok": "green", "note": "cyan", "warning": "yellow", "fail": "red"}


# fmt: off
_OPTIONS = [
    click.option("--name", required=True, metavar="NAME", help="Name of the system, for files and sentences."),
    click.option("--align", type=click.Choice(["none", "center", "superpose"]), help="The one distance used throughout. none: an EM map or a fixed part gives the frame. superpose: the complex moves freely. There is no default; not needed for a matrix."),
    click.option("--step", type=float, metavar="Å", help="Distance of thresholds. [default: 100 thresholds, then bisection to 0.1 Å; with --compat 10 Å]"),
    click.option("--threshold", type=float, metavar="Å", help="Cluster at this threshold, not at the sampling precision."),
    click.option("--smallest", type=click.IntRange(1), default=11, show_default=True, metavar="N", help="Models of each sample that a kept cluster has at least."),
    click.option("--density", "density", multiple=True, metavar="NAME=SEL", help="Localization density; plain SEL names itself."),
    click.option("--densities", "density_file", type=_FILE, metavar="FILE", help="File of named selections (TOML or density_custom_ranges)."),
    click.option("--voxel", type=float, default=5.0, show_default=True, metavar="Å", help="Voxel of the maps."),
    click.option("--map-resolution", type=float, default=20.0, show_default=True, metavar="Å", help="Resolution of the maps."),
    click.option("--compat", type=click.Choice(["sampcon"]), help="Choose by the definitions of imp-sampcon and write its files too."),
    click.option("--published", type=_FILE, metavar="DIR", help="Hold the files of an earlier run of the protocol against the distances."),
    click.option("--scores", type=_FILE, nargs=2, metavar="A B", help="Score files of the samples, one score a line."),
    click.option("--samples", "sizes", type=click.IntRange(0), nargs=2, metavar="NA NB", help="Models of A and B in a distance matrix."),
    click.option("--split", type=click.Choice(["run", "folder", "random"]), default="run", show_default=True, help="How runs become samples. run: whole runs, numbers of models as equal as possible. folder: the two INPUTs. random: a random half of the runs."),
    click.option("--rmsd", multiple=True, metavar="SEL", help="Selection measured; several are taken together. [default: all beads]"),
    click.option("--copies", type=click.Choice(["auto", "off"]), default="auto", show_default=True, help="Whether copies of one molecule may take each other's place; with --compat off."),
    click.option("--symmetry", type=_FILE, metavar="FILE", help="Interchangeable units, a group a line: A.0 A.1, or A.0/B.0 A.1/B.1."),
    click.option("--weights", type=click.Choice(["residues", "none"]), default="residues", show_default=True, help="Weight of a bead; with --compat none."),
    click.option("--score", metavar="KEY", help="Runs: score column to rank by."),
    click.option("--below", type=float, metavar="X", help="Runs: only models with a score strictly below X."),
    click.option("--best", type=click.IntRange(1), metavar="N", help="Runs: only the N best-scoring models."),
    click.option("--every", type=click.IntRange(1), metavar="G", help="Runs: frames 0, G, 2G, ... of each replica."),
    click.option("--where", multiple=True, metavar="'COLUMN<VALUE'", help="Runs: condition on any column."),
    click.option("--resolution", type=float, default=1.0, show_default=True, metavar="R", help="Residues per bead to read."),
    click.option("--state", default="0", show_default=True, metavar="INDEX", help="State to analyse, or 'all'."),
    click.option("--scan-models", type=click.IntRange(10), default=100_000, show_default=True, metavar="N", help="Of more models thresholds are scanned on a stratified sample of N; the clusters are of all. Never with --compat."),
    click.option("--uncertainty/--no-uncertainty", default=True, show_default=True, help="Resample runs for intervals, and follow the precision while sampling went on."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of everything random."),
    click.option("--memory", metavar="SIZE", help="Memory that may be taken, such as 4G; distances that do not fit are measured again for each question. [default: what is at hand]"),
    click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads for distances. [default: all available cores]"),
    click.option("--engine", default="local", show_default=True, metavar="local|dask[:ADDRESS]", help="What computes distances: this process or a Dask cluster."),
    click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="Where distances are computed."),
    click.option("--out", type=_FILE, required=True, metavar="DIR"),
    click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR."),
    click.option("--json", "as_json", is_flag=True, help="Print everything as JSON."),
    click.option("--fail-on", type=click.Choice(["note", "warning", "fail"]), help="Leave with exit code 4 if a verdict is so serious or worse."),
]
# fmt: on


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("exhaust")
@click.argument("inputs", nargs=-1, required=True)
@_with_options
def command(
    inputs: tuple[str, ...], out: Path, as_json: bool, fail_on: str | None, **values: Any
) -> None:
    """
    Test whether sampling was exhaustive, and write DIR.

    INPUTS are a folder with sample_A and sample_B (one model a file), two RMF
    files (a frame a model), two PDB files or folders, a distance matrix (.npy),
    or sampling runs.
    """
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.exhaust import check_levels, exhaust

    force = values.pop("force")
    options = _options(values)
    summary = exhaust(inputs, out, options, force=force, reporter=TerminalReporter(quiet=as_json))
    if as_json:
        click.echo((out / "exhaustiveness.json").read_text(encoding="utf-8"), nl=False)
    else:
        _show(summary)
    check_levels(summary.result.verdicts, fail_on)


def _options(values: dict[str, Any]) -> ExhaustOptions:
    from congruence.errors import ConfigError
    from congruence.workflow.exhaust_options import ExhaustOptions

    choice = {k: values.pop(k) for k in ("score", "below", "best", "every", "where")}
    state = values.pop("state")
    if state != "all" and not state.isdigit():
        raise ConfigError(f"--state is {state!r}, expected a number or 'all'")
    data: dict[str, Any] = {
        **values,
        "compat": values["compat"] is not None,
        "densities": _densities(values["density"], values["density_file"]),
        "choice": {k: v for k, v in choice.items() if v not in (None, ())},
        "state": "all" if state == "all" else int(state),
        "scores": values["scores"] or None,
        "sizes": values["sizes"] or None,
    }
    del data["density"], data["density_file"]
    return ExhaustOptions(**data)


def _densities(texts: tuple[str, ...], path: Path | None) -> dict[str, str]:
    from congruence.io.ranges import read_density_ranges

    found = {} if path is None else {n: str(tree) for n, tree in read_density_ranges(path).items()}
    for text in texts:
        name, equals, selection = text.partition("=")
        found[name.strip()] = selection.strip() if equals else name.strip()
    return found


def _show(summary: ExhaustSummary) -> None:
    from congruence.workflow.exhaust_statement import statement

    result = summary.result
    for verdict in result.verdicts:
        level = str(verdict.level)
        click.echo(click.style(f"{level.upper():8}", fg=_COLORS[level]) + verdict.claim)
        click.echo(f"        {verdict.evidence}")
        if verdict.threshold:
            click.echo(f"        held against: {verdict.threshold}")
        if verdict.advice:
            click.echo(f"        {verdict.advice}")
    _show_tables(result)
    if len(summary.losses):
        click.echo(f"left out: {len(summary.losses)} (listed in {summary.out / 'run.json'})")
    click.echo(statement(result, summary.name))
    click.echo(f"results: {summary.out}")


def _show_tables(result: Exhaustiveness) -> None:
    from rich.console import Console
    from rich.table import Table

    from congruence.workflow.exhaust_uncertainty import uncertainty_rows

    console = Console()
    if result.clusters:
        table = Table(title=f"Clusters at {result.threshold:.3f} Å", title_justify="left")
        for name in ("cluster", "models", "A + B", "precision (Å)", "mean pairwise (Å)", "center"):
            table.add_column(name, justify="right")
        for c in result.clusters:
            table.add_row(
                str(c.index),
                str(len(c.members)),
                f"{c.sizes[0]} + {c.sizes[1]}",
                f"{c.precision:.3f}",
                f"{c.mean_pairwise:.3f}",
                f"model {c.center}",
            )
        console.print(table)
    if result.uncertainty is not None:
        table = Table(title="How sure", title_justify="left")
        for name in ("quantity", "value"):
            table.add_column(name, overflow="fold")
        for row in uncertainty_rows(result.uncertainty):
            table.add_row(*row)
        console.print(table)
    if result.differences:
        table = Table(title="Where compat and right differ", title_justify="left")
        for name in ("quantity", "compat", "right", "reason"):
            table.add_column(name, overflow="fold")
        before = ""
        for d in result.differences:
            table.add_row(d.quantity, d.compat, d.right, d.reason if d.reason != before else "same")
            before = d.reason
        console.print(table)
