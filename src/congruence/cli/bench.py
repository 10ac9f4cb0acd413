"""``congruence bench``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from congruence.workflow.bench import BenchReport

__all__ = ["command", "rate_text"]

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@click.command("bench")
@click.option("--size", type=click.Choice(["small", "medium"]), default="small", show_default=True, help="small: some 20 seconds on two cores; medium: a minute or two.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads for distances. [default: all available cores]")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True, help="Where distances are computed.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the simulated models.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print all measurements as JSON.")
def command(
    size: str, threads: int | None, device: Literal["cpu", "gpu"], seed: int, *, as_json: bool
) -> None:
    """Measure how fast this machine reads, compares and clusters models.

    Models are simulated in a temporary folder. The table holds no name of a machine,
    a user or a file: send it with a report about speed.
    """
    from congruence.cli.show import as_json_text
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.bench import SIZES, run_bench

    reporter = TerminalReporter(quiet=as_json)
    report = run_bench(SIZES[size], threads=threads, device=device, seed=seed, reporter=reporter)
    if as_json:
        click.echo(as_json_text(report.as_dict()))
    else:
        _show(report)


def rate_text(rate: float) -> str:
    """
    Write a rate shortly.

    Parameters
    ----------
    rate : float
        In something per second.

    Returns
    -------
    text : str
        With three digits.

    Examples
    --------
    >>> rate_text(12.345), rate_text(2_131_409), rate_text(950)
    ('12.3', '2.13 M', '950')
    """
    step, letter = next(((s, w) for s, w in _STEPS if rate >= s), (1.0, ""))
    value = rate / step
    places = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{places}f} {letter}".strip()


def _show(report: BenchReport) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("per second", no_wrap=True)
    for name in ("a core", "peak", "wall s", "CPU s"):
        table.add_column(name, justify="right", no_wrap=True)
    for m in report.measures:
        peak = "" if m.peak is None else f"{100 * m.peak:.0f} %"
        rates = f"{rate_text(m.rate)} {m.unit}", rate_text(m.rate_per_core)
        table.add_row(m.what, *rates, peak, f"{m.wall:.3f}", f"{m.cpu:.3f}")
    Console().print(table)
    for line in _remarks(report):
        click.echo(line)


def _remarks(report: BenchReport) -> list[str]:
    size = report.size
    products = ", ".join(f"{v:,.0f} in {kind}" for kind, v in report.gflops.items())
    where = "on the card" if report.device != "cpu" else "a core"
    lines = [
        f"size {size.name}, medians of {size.repeats}; read: {size.frames:,} models; distances: "
        f"{size.models:,} models of {size.beads:,} beads; k-means: {size.clustered:,} models",
        "a core: in a second of CPU time; peak: share of the fastest matrix product",
        f"matrix products: {products} precision (GFLOP/s {where})",
        f"{report.processor}, {report.cores} cores, {report.threads} threads"
        + (f", {report.device}" if report.device != "cpu" else ""),
        ", ".join(f"{name} {version}" for name, version in report.versions.items()),
        f"{report.seconds:.0f} s in all",
    ]
    if report.load > 0.5:
        lines.append(
            f"{report.load:.1f} other processes were at work: CPU times count, wall times do not"
        )
    return lines
