"""Options of the command line, taken from the fields of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from congruence.cli.words import fractions, number_or, units_or_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.workflow.config import ClusterConfig

__all__ = ["cluster_config", "config_options", "typed_options"]

_ALIGN = click.Choice(["none", "center", "superpose"])
_METHOD = click.Choice(["kmeans", "threshold", "hierarchical", "hdbscan"])
_POSITIVE = click.FloatRange(min=0, min_open=True)
_GIVEN = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)

# fmt: off
_CHOICE = [
    click.option("--run", "named_runs", multiple=True, metavar="NAME=DIR,DIR", help="A run of restarted segments, joined in this order."),
    click.option("--score", metavar="KEY", help="Score column to rank by. [default: found among the known ones]"),
    click.option("--below", type=float, metavar="X", help="Only models with a score strictly below X."),
    click.option("--best", type=click.IntRange(1), metavar="N", help="Only the N best-scoring models over all runs."),
    click.option("--every", type=click.IntRange(1), metavar="G", help="Frames 0, G, 2G, ... of each replica."),
    click.option("--frames", callback=fractions, metavar="A:B", help="Fraction of each replica to use, for example 0.2:1.0."),
    click.option("--feature", "features", multiple=True, metavar="TEXT", help="Keep score columns whose name contains TEXT."),
    click.option("--where", multiple=True, metavar="'COLUMN<VALUE'", help="Condition on any column."),
]
_DISTANCE = [
    click.option("--state", callback=number_or("all", low=0), metavar="INDEX", help="State to analyse, or 'all'. [default: 0]"),
    click.option("--resolution", type=click.FloatRange(min=0), metavar="R", help="Residues per bead to read. [default: 1]"),
    click.option("--rmsd", multiple=True, metavar="SEL", help="Selection measured; several are taken together. Example: 'Rpb4:1-80@0 + Rpb7'."),
    click.option("--align", type=_ALIGN, help="none: an EM map or a fixed part gives the frame. superpose: the complex moves freely. center: only its position is arbitrary. There is no default."),
    click.option("--align-on", multiple=True, metavar="SEL", help="Selection superposed or centred on. [default: as --rmsd]"),
    click.option("--copies", type=click.Choice(["auto", "off"]), help="Whether copies of one molecule may take each other's place. [default: auto]"),
    click.option("--swaps", multiple=True, callback=units_or_file, metavar="UNITS|FILE", help="Sub-complexes that take each other's place as one: 'A.0/B.0 A.1/B.1', or a file with a group a line."),
    click.option("--weights", type=click.Choice(["residues", "none"]), help="Weight of a bead. [default: residues]"),
]
_CLUSTERS = [
    click.option("--method", type=_METHOD, help="Clustering method. [default: kmeans]"),
    click.option("--clusters", type=click.IntRange(1), metavar="K", help="Number of clusters. [default: advised]"),
    click.option("--threshold", type=_POSITIVE, metavar="Å", help="Clustering threshold in Å."),
    click.option("--seed", type=click.IntRange(0), metavar="N", help="Seed of everything random. [default: 0]"),
]
_WRITE = [
    click.option("--density", "density", multiple=True, metavar="NAME=SEL", help="Localization density; plain SEL names itself."),
    click.option("--densities", "density_file", type=click.Path(path_type=Path), metavar="FILE", help="File of named selections (TOML or density_custom_ranges)."),
    click.option("--voxel", type=_POSITIVE, metavar="Å", help="Voxel of the maps. [default: 5]"),
    click.option("--map-resolution", type=_POSITIVE, metavar="Å", help="Resolution of the maps. [default: 20]"),
    click.option("--members", callback=number_or("all", "center", "none", "auto", low=1), metavar="all|center|none|N", help="Members to write. [default: all up to 200, else center and 50 best]"),
    click.option("--models-rmf", is_flag=True, default=None, help="Also write all members into one models.rmf3."),
    click.option("--hash", "hash_all", is_flag=True, help="Hash whole inputs, not only their ends."),
    click.option("--compat", is_flag=True, default=None, help="Also write densities as the reference computes them."),
    click.option("--strict", is_flag=True, default=None, help="Stop when any input had to be left out."),
]
_RESOURCES = [
    click.option("--memory", metavar="SIZE", help="Memory that may be taken, such as 4G. [default: what is at hand]"),
    click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads. [default: all available cores]"),
    click.option("--precision", type=click.Choice(["auto", "double", "mixed"]), help="double: distances to 1e-6 Å; mixed: to 1e-3 Å, twice as fast. [default: auto, double up to a million pairs]"),
    click.option("--engine", metavar="local|dask[:ADDRESS]", help="What computes: this process or a Dask cluster. [default: local]"),
    click.option("--device", type=click.Choice(["cpu", "gpu"]), help="Where distances are computed. [default: cpu]"),
]
# fmt: on


def config_options(*, choice: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """
    Return a decorator that adds the options of a configuration.

    Parameters
    ----------
    choice : bool
        Whether to add those that choose models and define distances.

    Returns
    -------
    decorator : callable
        For a click command.
    """
    options = [*(_CHOICE + _DISTANCE if choice else []), *_CLUSTERS, *_WRITE]
    options += _RESOURCES if choice else []

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def cluster_config(
    ctx: click.Context, values: dict[str, Any], base: dict[str, Any], *, where: str
) -> ClusterConfig:
    """
    Make the configuration: what was typed wins over what a file says.

    Parameters
    ----------
    ctx : click.Context
        Of the command, to know what was typed.
    values : dict
        Values of the options.
    base : dict
        Options of a file.
    where : str
        Where `base` comes from, for messages.

    Returns
    -------
    config : ClusterConfig
        The checked configuration.

    Raises
    ------
    ConfigError
        If an option has an impossible value.
    """
    from congruence.workflow.config import ClusterConfig

    typed = typed_options(ctx, values)
    densities = base.get("densities", {})
    if isinstance(densities, dict):
        typed["densities"] = {**densities, **typed.get("densities", {})}
    return ClusterConfig.checked({**base, **typed}, where=where if base else "the command line")


def typed_options(ctx: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """
    Return the fields of a configuration that were typed.

    Parameters
    ----------
    ctx : click.Context
        Of the command, to know what was typed.
    values : dict
        Values of the options.

    Returns
    -------
    data : dict
        By field of `ClusterConfig`, not checked yet.

    Raises
    ------
    InputError
        If the file of densities cannot be read.
    """
    from congruence.workflow.config import ClusterConfig

    typed = {k: v for k, v in values.items() if ctx.get_parameter_source(k) in _GIVEN}
    data = {k: v for k, v in typed.items() if k in ClusterConfig.model_fields}
    if "named_runs" in typed or "runs" in typed:
        data["runs"] = (*typed.get("runs", ()), *typed.get("named_runs", ()))
    if "hash_all" in typed:
        data["hash"] = "all"
    if densities := _densities(typed):
        data["densities"] = densities
    return data


def _densities(typed: dict[str, Any]) -> dict[str, str]:
    from congruence.io.ranges import read_density_ranges

    found: dict[str, str] = {}
    if path := typed.get("density_file"):
        found.update({name: str(tree) for name, tree in read_density_ranges(path).items()})
    for text in typed.get("density", ()):
        name, equals, selection = text.partition("=")
        found[name.strip()] = selection.strip() if equals else name.strip()
    return found
