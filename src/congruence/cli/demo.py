"""``congruence demo``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("congruence-demo"),
    show_default=True,
    help="Folder for the simulated runs and the results.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the simulation and of the clustering.")  # fmt: skip
def command(out: Path, seed: int) -> None:
    """Simulate the sampling of a small complex and analyse it, end to end."""
    from congruence.cli.show import show_summary
    from congruence.cli.terminal import TerminalReporter
    from congruence.workflow.demo import run_demo

    reporter = TerminalReporter()
    summary = run_demo(out, seed=seed, reporter=reporter)
    show_summary(summary, as_json=False)
