"""What ``congruence precision`` and ``congruence accuracy`` read and show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from congruence.core.precision import Interval
    from congruence.workflow.accuracy import AccuracyReport, SetAccuracy
    from congruence.workflow.precision_report import PrecisionReport, SetReport

__all__ = ["comparison", "named_words", "pairs", "show_accuracy", "show_precision"]

_ROWS = 24
_RUN = ("align", "align_on", "weights", "resolution", "state")


def comparison(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what shall differ from how the run compared models.

    Parameters
    ----------
    values : mapping of str to Any
        Values of the options.

    Returns
    -------
    run : dict
        By field of `ClusterConfig`; only what was given.
    """
    return {k: values[k] for k in _RUN if values.get(k) not in (None, ())}


def named_words(
    _ctx: click.Context, _option: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    """
    Read named selections.

    Parameters
    ----------
    _ctx, _option : object
        As `click` passes them.
    value : tuple of str
        Each ``NAME=SEL``, or ``SEL``, which names itself.

    Returns
    -------
    selections : dict of str to str
        By name.
    """
    found = {}
    for text in value:
        name, equals, selection = text.partition("=")
        found[name.strip()] = selection.strip() if equals else name.strip()
    return found


def pairs(_ctx: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """
    Read names and their counterparts.

    Parameters
    ----------
    _ctx, _option : object
        As `click` passes them.
    value : tuple of str
        Each ``NAME=NAME``.

    Returns
    -------
    mapping : dict of str to str
        By the name of the model; several of one name are joined by commas.

    Raises
    ------
    click.BadParameter
        If one has no equals sign.
    """
    found: dict[str, str] = {}
    for text in value:
        name, equals, other = text.partition("=")
        if not (equals and name.strip() and other.strip()):
            raise click.BadParameter(f"{text!r} is no NAME=NAME, such as Rpb4=D.")
        before = found.get(name.strip())
        found[name.strip()] = f"{before},{other.strip()}" if before else other.strip()
    return found


def show_precision(report: PrecisionReport, out: Path | None, *, as_json: bool) -> None:
    """
    Print the precision of clusters.

    Parameters
    ----------
    report : PrecisionReport
        What was found.
    out : Path or None
        Where it was written.
    as_json : bool
        Print the content of ``precision.json``.
    """
    from congruence.workflow.precision_files import precision_data

    if as_json:
        click.echo(_json(precision_data(report)))
        return
    rows = [
        [
            _short(found),
            str(len(found.members)),
            name,
            f"{p.pairwise:.2f}",
            _ends(p.pairwise_interval),
            f"{p.to_center:.2f}",
            str(p.center),
            f"{p.compat.average_pairwise:.2f}",
        ]
        for found in report.sets
        for name, p in found.precision.items()
    ]
    header = ["cluster", "models", "selection", "pairwise", "95 %", "to center"]
    _table("Precision (Å)", [*header, "center", "compat"], rows)
    for reason in dict.fromkeys(
        f"{s.members.name}: {p.no_interval}"
        for s in report.sets
        for p in s.precision.values()
        if p.no_interval
    ):
        click.echo(f"no interval for {reason}")
    _show_between(report)
    _show_patches(report)
    words = "; ".join(f"{k}: {v}" for k, v in report.spread.words().items())
    click.echo(f"compared by {report.options.style}; {words}")
    _explain_intervals([p.pairwise_interval for s in report.sets for p in s.precision.values()])
    click.echo(
        "compat: pairwise as IMP's Precision counts it, each model's distance of 0 to itself "
        "included"
    )
    if out is not None:
        click.echo(f"results: {out} (start with precision.json and cluster.0/rmsf.png)")


def _explain_intervals(intervals: list[Interval | None]) -> None:
    known = [i for i in intervals if i is not None]
    if not known:
        return
    words = "95 %: of the average, from resampling whole runs"
    if any(i.is_crude for i in known):
        runs = f"{min(i.runs for i in known)} runs"
        words += f"; with as few as {runs} it is crude, and may be much too wide or too narrow"
    click.echo(words)


def _show_between(report: PrecisionReport) -> None:
    names = _between_names(report)
    rows = [
        [
            _short(report.sets[i]),
            _short(report.sets[j]),
            name,
            f"{s.average:.2f}",
            f"{s.smallest:.2f}",
            f"{s.centers:.2f}",
        ]
        for (i, j), found in report.between.items()
        for name, s in found.items()
        if name in names
    ]
    if not rows:
        return
    header = ["cluster", "cluster", "selection", "average (Å)", "smallest (Å)", "centers (Å)"]
    _table("Between clusters", header, rows)
    if len(names) < len(report.beads):
        click.echo("between clusters: --json and precision.json have the other selections, too")


def _between_names(report: PrecisionReport) -> set[str]:
    """Choose the selections to show: all, those that were named, or one, as there is room."""
    named = {report.main, *report.options.selections}
    for names in (set(report.beads), named):
        if len(names) * len(report.between) <= _ROWS:
            return names
    return {report.main}


def _show_patches(report: PrecisionReport) -> None:
    options = report.options
    for found in report.sets:
        for kind, words in (
            ("high", f"high precision (RMSF at most {options.high:g} Å)"),
            ("low", f"low precision (RMSF {options.low:g} Å or more)"),
        ):
            mine = [f"{p.molecule}:{p.first}-{p.last}" for p in found.patches if p.kind == kind]
            if mine:
                more = f" and {len(mine) - 6} more" if len(mine) > 6 else ""
                click.echo(f"{found.members.name}, {words}: {', '.join(mine[:6])}{more}")


def show_accuracy(report: AccuracyReport, out: Path | None, *, as_json: bool) -> None:
    """
    Print the accuracy of clusters.

    Parameters
    ----------
    report : AccuracyReport
        What was found.
    out : Path or None
        Where it was written.
    as_json : bool
        Print the content of ``accuracy.json``.
    """
    from congruence.workflow.accuracy import accuracy_data

    data = accuracy_data(report)
    if as_json:
        click.echo(_json(data))
        return
    rows, placed = [], []
    for found in report.sets:
        for frame, several in found.accuracy.items():
            rows += [
                [
                    _short(found), frame, name, str(a.beads), f"{a.average:.2f}",
                    _ends(a.interval), f"{a.minimum:.2f}", str(a.nearest),
                ]
                for name, a in several.items()
            ]  # fmt: skip
    for entry in data["sets"]:
        placed += [
            [
                entry["cluster"].removeprefix("cluster."), frame, p["molecule"], f"{p['translation']:.1f}",
                f"{p['rotation_degrees']:.0f}", f"{p['internal_rmsd']:.2f}",
            ]
            for frame, found in entry["frames"].items()
            for p in found["placement"]
        ]  # fmt: skip
    header = ["cluster", "compared", "selection", "beads", "average", "95 %", "minimum", "nearest"]
    _table(f"Accuracy (Å) against {report.reference}", header, rows)
    _table(
        "Placement of molecules, mean over members",
        ["cluster", "compared", "molecule", "shift (Å)", "turn (°)", "inside (Å)"],
        placed,
    )
    on = " + ".join(report.options.on) or "all that is in both"
    click.echo(
        "as written: members as they lie in their files, which tells something where a map or a "
        f"fixed part gives the frame; superposed: on {on}"
    )
    click.echo(
        "shift: of centroids; turn: what would set the molecule right; inside: superposed on its "
        "own"
    )
    found_all = [a for s in report.sets for f in s.accuracy.values() for a in f.values()]
    for reason in dict.fromkeys(a.no_interval for a in found_all if a.no_interval):
        click.echo(f"no interval: {reason}")
    _explain_intervals([a.interval for a in found_all])
    if out is not None:
        click.echo(f"results: {out} (accuracy.csv and placement.csv have every member)")


def _short(found: SetReport | SetAccuracy) -> str:
    return found.members.name.removeprefix("cluster.")


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.2f}-{interval.high:.2f}"


def _table(title: str, header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    words = ("selection", "compared", "molecule")
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1),
        show_edge=False,
    )  # fmt: skip
    for name in header:
        table.add_column(name, justify="left" if name in words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _json(data: Any) -> str:
    from congruence.io.store import plain

    return json.dumps(plain(data), indent=1, ensure_ascii=False)
