"""How a workflow speaks while it works, without knowing a terminal."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Reporter", "Silent"]


class Reporter(Protocol):
    """What a workflow tells the one who started it."""

    def say(self, text: str) -> None:
        """Tell one line of what is being done."""

    def warn(self, text: str) -> None:
        """Tell something that the user should look at."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Tell how far a long step is."""


class Silent:
    """A reporter that says nothing; what notebooks get by default."""

    def say(self, text: str) -> None:
        """
        Ignore a line.

        Parameters
        ----------
        text : str
            The line.
        """

    def warn(self, text: str) -> None:
        """
        Ignore a warning.

        Parameters
        ----------
        text : str
            The warning.
        """

    def advance(self, label: str, done: int, total: int) -> None:
        """
        Ignore progress.

        Parameters
        ----------
        label : str
            The step.
        done, total : int
            Units done, and in all.
        """
