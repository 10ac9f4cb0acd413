"""``congruence select``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.core.good_models import LinkCriterion
    from congruence.workflow.select import Selected, SelectOptions

__all__ = ["command"]

_T = TypeVar("_T")
_DISTANCE = click.FloatRange(min=0)
# fmt: off
_OPTIONS = [
    click.option("--links", multiple=True, metavar="PREFIX", help="Cross-link distance columns: what their names begin with, or contain."),
    click.option("--max-distance", multiple=True, type=_DISTANCE, metavar="Å", help="A link is satisfied up to here; one for each --links, or one for all."),
    click.option("--min-distance", multiple=True, type=_DISTANCE, metavar="Å", help="... and from here. [default: 0]"),
    click.option("--satisfied", multiple=True, metavar="X|X:Y", help="Fraction of links that a model must satisfy. [default: 1]"),
    click.option("--where", multiple=True, metavar="'COLUMN<VALUE'", help="Condition on any column."),
    click.option("--print", "printed", multiple=True, metavar="COLUMN", help="Further column for the tables."),
    click.option("--score", metavar="KEY", help="Score column. [default: found among the known ones]"),
    click.option("--equilibrate", is_flag=True, help="Leave out what comes before equilibration, replica by replica."),
    click.option("--split", type=click.Choice(["balanced", "rank"]), default="balanced", show_default=True, help="How runs are parted into samples A and B."),
    click.option("--cluster-scores", multiple=True, metavar="COLUMN", help="Cluster the models by these scores (needs hdbscan)."),
    click.option("--min-cluster-size", type=click.IntRange(2), metavar="N", help="Smallest such cluster."),
    click.option("--extract/--no-extract", default=True, help="Write one RMF file per model. [default: yes]"),
    click.option("--compat", type=click.Choice(["sampcon"]), help="Choose, number and split as the reference program."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of everything random."),
    click.option("--strict", is_flag=True, help="Stop when any input had to be left out."),
    click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Conventionally good_scoring_models."),
    click.option("--force", is_flag=True, help="Replace an earlier result of congruence in DIR."),
    click.option("--json", "as_json", is_flag=True, help="Print what was chosen as JSON."),
]
# fmt: on


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("select")
@click.argument("runs", nargs=-1, required=True)
@_with_options
def command(*, out: Path, force: bool, as_json: bool, **values: Any) -> None:
    """
    Choose good-scoring models of RUNS and write them to DIR as two samples.

    A model passes when it fulfils every --links and every --where.
    """
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.select import select_runs

    reporter = TerminalReporter(quiet=as_json)
    _show(select_runs(_options(values), out, force=force, reporter=reporter), as_json=as_json)


def _options(values: dict[str, Any]) -> SelectOptions:
    from congruence.workflow.select import SelectOptions

    given = ("max_distance", "min_distance", "satisfied")
    criteria = _link_criteria(values.pop("links"), *(values.pop(name) for name in given))
    return SelectOptions(links=criteria, **values)


def _link_criteria(
    links: tuple[str, ...],
    largest: tuple[float, ...],
    smallest: tuple[float, ...],
    satisfied: tuple[str, ...],
) -> tuple[LinkCriterion, ...]:
    from congruence.core.good_models import LinkCriterion

    if links and not largest:
        raise click.UsageError("--links needs --max-distance: up to where is a link satisfied?")
    if not links and (largest or smallest or satisfied):
        raise click.UsageError("--max-distance, --min-distance and --satisfied need --links.")
    far = _one_each("--max-distance", largest, len(links), 0.0)
    near = _one_each("--min-distance", smallest, len(links), 0.0)
    shares = _one_each("--satisfied", satisfied, len(links), "1")
    return tuple(
        LinkCriterion(keyword, b, a, *_share(str(share)))
        for keyword, a, b, share in zip(links, near, far, shares, strict=True)
    )


def _one_each(name: str, values: tuple[_T, ...], count: int, default: _T) -> tuple[_T, ...]:
    if len(values) <= 1:
        return (values or (default,)) * count
    if len(values) != count:
        raise click.UsageError(f"{name} is given {len(values)} times for {count} --links.")
    return values


def _share(text: str) -> tuple[float, float]:
    first, colon, last = text.partition(":")
    try:
        low, high = float(first), float(last) if colon else 1.0
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise click.BadParameter(
            f"{text!r} is no fraction; write 0.9, or 0.9:1.", param_hint="--satisfied"
        )
    return low, high


def _show(selected: Selected, *, as_json: bool) -> None:
    from congruence.cli.show import as_json_text
    from congruence.io.store import read_json

    assert selected.out is not None
    if as_json:
        click.echo(as_json_text(read_json(selected.out / "run.json")))
        return
    click.echo(f"good models: {len(selected.good):,} of {selected.total:,}; {selected.split.how}")
    for verdict in selected.diagnosis.verdicts:
        click.echo(f"{verdict.level}: {verdict.claim} ({verdict.evidence})")
        if verdict.advice:
            click.echo(f"  {verdict.advice}")
    if number := selected.diagnosis.intervals.get("D"):
        click.echo(f"D of the scores, with runs resampled: {number}")
        if number.is_known and number.note:
            click.echo(f"  {number.note}")
    if selected.clusters is not None:
        sizes = ", ".join(map(str, selected.clusters.sizes)) or "none"
        click.echo(f"clusters of scores: {sizes} models; {selected.clusters.noise} in none")
    click.echo(f"results: {selected.out} (sample_A, sample_B, models.csv, run.json)")
