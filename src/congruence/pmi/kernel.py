"""What scripts use of the module ``IMP`` itself; none of it does anything here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from congruence.pmi.lending import not_provided

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PROGRESS",
    "SILENT",
    "TERSE",
    "VERBOSE",
    "WARNING",
    "Model",
    "allow_deprecated",
    "set_log_level",
]

SILENT, WARNING, PROGRESS, TERSE, VERBOSE = range(5)


class Model:
    """
    The object that IMP keeps particles in; here it is only handed around.

    Parameters
    ----------
    name : str
        Ignored.
    """

    def __init__(self, name: str = "Model") -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise not_provided(f"IMP.Model.{name}")


def set_log_level(level: int) -> None:
    """
    Accept a log level and ignore it.

    Parameters
    ----------
    level : int
        Such as `SILENT`.
    """


@contextlib.contextmanager
def allow_deprecated(allow: bool = True) -> Iterator[None]:
    """
    Accept that deprecated functions are used; nothing is deprecated here.

    Parameters
    ----------
    allow : bool
        Ignored.

    Yields
    ------
    None
        Nothing.
    """
    yield
