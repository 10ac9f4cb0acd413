"""``congruence accuracy``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from congruence.cli.spread import comparison, named_words, pairs, show_accuracy
from congruence.cli.words import number_or

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path)


@click.command("accuracy")
@click.argument("clusters", nargs=-1, required=True, type=_FOLDER, metavar="RESULTS|CLUSTERS...")
@click.option("--reference", required=True, metavar="FILE[:FRAME]", help="Known structure: RMF, PDB or mmCIF; FRAME counts from 0.")  # fmt: skip
@click.option("--map", "mapping", multiple=True, callback=pairs, metavar="NAME=NAME", help="Counterpart of a molecule in the reference, for example Rpb4=D, or C=X,Y for interchangeable copies. [default: equal names]")  # fmt: skip
@click.option("--on", multiple=True, metavar="SEL", help="Selection superposed on the reference. [default: all that is in both]")  # fmt: skip
@click.option("--select", "selections", multiple=True, callback=named_words, metavar="NAME=SEL", help="A named selection; plain SEL names itself.")  # fmt: skip
@click.option("--weights", type=click.Choice(["residues", "none"]), help="Weight of a bead. [default: as the run did]")  # fmt: skip
@click.option("--resolution", type=click.FloatRange(min=0), metavar="R", help="Residues per bead to read. [default: as the run did]")  # fmt: skip
@click.option("--state", callback=number_or("all", low=0), metavar="INDEX", help="State to analyse, or 'all'.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Seed of the resampling of runs. [default: 0]")  # fmt: skip
@click.option("--engine", default="local", metavar="local|dask[:ADDRESS]", help="What computes: this process or a Dask cluster. [default: local]")  # fmt: skip
@click.option("--out", type=_FOLDER, metavar="DIR", help="Folder for the results; without it they are only shown.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def command(clusters: tuple[Path, ...], as_json: bool, **values: Any) -> None:
    """
    Tell how far the members of clusters are from a known structure.

    Molecules are matched by name and beads by residue: what the model and the
    reference have in common is compared.
    """
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.accuracy import AccuracyOptions, accuracy_of_results
    from congruence.workflow.resources import Resources

    options = AccuracyOptions(**{k: values[k] for k in ("selections", "mapping", "on", "seed")})
    report = accuracy_of_results(
        clusters,
        values["reference"],
        values["out"],
        comparison(values),
        options,
        force=values["force"],
        reporter=TerminalReporter(quiet=as_json),
        resources=Resources(values["engine"]),
    )
    show_accuracy(report, values["out"], as_json=as_json)
