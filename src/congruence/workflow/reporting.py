"""How a workflow speaks while it works, without knowing a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from congruence.core.provenance import counted
from congruence.errors import InputError

if TYPE_CHECKING:
    from congruence.core.provenance import Losses

__all__ = ["Reporter", "Silent", "refuse_losses", "tell_losses"]

_REASONS = 8


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


def tell_losses(losses: Losses, reporter: Reporter, *, since: int = 0) -> int:
    """
    Warn of what was left out, reason by reason.

    Parameters
    ----------
    losses : Losses
        What was left out.
    reporter : Reporter
        Warned.
    since : int
        Number of entries that were told before.

    Returns
    -------
    told : int
        Number of entries that are told now.
    """
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for entry in losses.entries[since:]:
        counts[entry.what, entry.why] += entry.count
        first.setdefault((entry.what, entry.why), entry.where)
    for (what, why), count in counts.most_common(_REASONS):
        at = "in" if count == 1 else "first in"
        reporter.warn(f"left out {counted(count, what)}: {why} ({at} {first[what, why]})")
    if len(counts) > _REASONS:
        more = sum(n for _, n in counts.most_common()[_REASONS:])
        reporter.warn(f"left out {more:,} more for {len(counts) - _REASONS} other reasons")
    return len(losses.entries)


def refuse_losses(losses: Losses, *, strict: bool) -> None:
    """
    Stop a strict job when anything was left out.

    Parameters
    ----------
    losses : Losses
        What was left out.
    strict : bool
        Whether the job is strict.

    Raises
    ------
    InputError
        If it is, and something was.
    """
    if strict and len(losses):
        raise InputError(
            f"{len(losses):,} things had to be left out, and --strict was given",
            hint="They are listed above; leave out --strict to go on without them.",
        )
