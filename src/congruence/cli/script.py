"""``congruence run-script``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["command"]


@click.command(
    "run-script",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(script: Path, arguments: tuple[str, ...]) -> None:
    """
    Run an existing IMP analysis SCRIPT with its ARGUMENTS, without IMP.

    IMP, its modules and RMF are lent by congruence; the script runs as it is,
    in the current folder.
    """
    from congruence.cli.terminal import TerminalReporter
    from congruence.pmi import run_script

    sys.exit(run_script(script, arguments, reporter=TerminalReporter()))
