"""``congruence precision``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from congruence.cli.spread import comparison, named_words, show_precision
from congruence.cli.words import number_or

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path)
_STYLES = ("rmsd", "pairwise_rmsd", "pairwise_drmsd_k", "pairwise_drms_k", "pairwise_drmsd_Q")
_LENGTH = click.FloatRange(min=0, min_open=True)


@click.command("precision")
@click.argument("clusters", nargs=-1, required=True, type=_FOLDER, metavar="RESULTS|CLUSTERS...")
@click.option("--select", "selections", multiple=True, callback=named_words, metavar="NAME=SEL", help="A named selection; plain SEL names itself.")  # fmt: skip
@click.option("--align", type=click.Choice(["none", "center", "superpose"]), help="How two models are brought together. [default: as the run did]")  # fmt: skip
@click.option("--align-on", multiple=True, metavar="SEL", help="Selection superposed or centred on. [default: as the run did]")  # fmt: skip
@click.option("--weights", type=click.Choice(["residues", "none"]), help="Weight of a bead. [default: as the run did]")  # fmt: skip
@click.option("--resolution", type=click.FloatRange(min=0), metavar="R", help="Residues per bead to read. [default: as the run did]")  # fmt: skip
@click.option("--state", callback=number_or("all", low=0), metavar="INDEX", help="State to analyse, or 'all'.")  # fmt: skip
@click.option("--style", type=click.Choice(_STYLES), default="rmsd", show_default=True, help="Distance; the pairwise_ ones are those of IMP's Precision.")  # fmt: skip
@click.option("--threshold", type=_LENGTH, default=40.0, show_default=True, metavar="Å", help="Of pairwise_drmsd_Q.")  # fmt: skip
@click.option("--high", type=_LENGTH, default=5.0, show_default=True, metavar="Å", help="RMSF up to which a patch is of high precision.")  # fmt: skip
@click.option("--low", type=_LENGTH, default=15.0, show_default=True, metavar="Å", help="RMSF from which a patch is of low precision.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Seed of the resampling of runs. [default: 0]")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads. [default: all available cores]")  # fmt: skip
@click.option("--engine", default="local", metavar="local|dask[:ADDRESS]", help="What computes: this process or a Dask cluster. [default: local]")  # fmt: skip
@click.option("--out", type=_FOLDER, metavar="DIR", help="Folder for the results; without it they are only shown.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def command(clusters: tuple[Path, ...], as_json: bool, **values: Any) -> None:
    """
    Tell how far the members of clusters are from each other.

    RESULTS is a result folder of congruence; CLUSTERS are folders of clusters
    with 0.rmf3, 1.rmf3, ... Members are compared as their run did, unless
    options say otherwise.
    """
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.precision import PrecisionOptions, precision_of_results
    from congruence.workflow.resources import Resources

    options = PrecisionOptions(
        **{k: values[k] for k in ("selections", "style", "threshold", "high", "low", "seed")}
    )
    report = precision_of_results(
        clusters,
        values["out"],
        comparison(values),
        options,
        force=values["force"],
        reporter=TerminalReporter(quiet=as_json),
        resources=Resources(values["engine"], threads=values["threads"]),
    )
    show_precision(report, values["out"], as_json=as_json)
