"""How work in progress is shown: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["TerminalReporter"]

_SECONDS = 30


class TerminalReporter:
    """
    Reporter that speaks on standard error.

    Parameters
    ----------
    quiet : bool
        Show warnings only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._told = 0.0
        self._lines = 0

    def say(self, text: str) -> None:
        """
        Tell one line of what is being done.

        Parameters
        ----------
        text : str
            The line.
        """
        self._close_bar()
        if not self._quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """
        Tell something that the user should look at.

        Parameters
        ----------
        text : str
            The warning.
        """
        self._close_bar()
        click.echo(click.style("warning: ", fg="yellow") + text, err=True)

    def advance(self, label: str, done: int, total: int) -> None:
        """
        Tell how far a long step is.

        Parameters
        ----------
        label : str
            The step.
        done, total : int
            Units done, and in all.
        """
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._draw(label, done, total)
        else:
            self._log(label, done, total)

    def _log(self, label: str, done: int, total: int) -> None:
        """Write a line now and then; none for a step that is quickly done."""
        now = time.monotonic()
        if self._label != label:
            self._label, self._told, self._lines = label, now, 0
        if now - self._told > _SECONDS or (done >= total and self._lines):
            click.echo(f"{label}: {done:,} of {total:,}", err=True)
            self._told, self._lines = now, self._lines + 1
        if done >= total:
            self._label = ""

    def _draw(self, label: str, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        if self._label != label:
            self._close_bar()
        if self._bar is None:
            self._label = label
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(
                *columns, Remaining(), console=Console(stderr=True), transient=True
            )
            self._bar.start()
            self._task = self._bar.add_task(label, total=total)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._label = ""
