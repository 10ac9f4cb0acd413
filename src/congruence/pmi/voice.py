"""Who hears what the facade says: a reporter for the time a script runs."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from contextvars import ContextVar
from typing import TYPE_CHECKING

from congruence.workflow.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.workflow.reporting import Reporter

__all__ = ["WarningReporter", "current_reporter", "speaking_to"]


class WarningReporter(Silent):
    """A reporter that says nothing but hands warnings to Python's `warnings`."""

    def warn(self, text: str) -> None:
        """
        Issue a warning.

        Parameters
        ----------
        text : str
            The warning.
        """
        warnings.warn(text, UserWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Count the frames up to the first one outside of congruence: the line of the script."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("congruence."):
        level, frame = level + 1, frame.f_back
    # The frame of this function is none of those that warn() counts.
    return level


_CURRENT: ContextVar[Reporter | None] = ContextVar("congruence_pmi_reporter", default=None)


def current_reporter() -> Reporter:
    """
    Return the reporter that the facade speaks to.

    Returns
    -------
    reporter : Reporter
        That of `speaking_to`, else a `WarningReporter`.
    """
    return _CURRENT.get() or WarningReporter()


@contextlib.contextmanager
def speaking_to(reporter: Reporter | None) -> Iterator[None]:
    """
    Set the reporter for a while.

    Parameters
    ----------
    reporter : Reporter or None
        None leaves the one that is set.

    Yields
    ------
    None
        Nothing.
    """
    token = _CURRENT.set(reporter or _CURRENT.get())
    try:
        yield
    finally:
        _CURRENT.reset(token)
