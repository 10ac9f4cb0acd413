"""Who hears what the facade says: a reporter for the time a script runs."""

from __future__ import annotations

import contextlib
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
        warnings.warn(text, UserWarning, stacklevel=2)


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
