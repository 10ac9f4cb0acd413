"""What made a result: versions, seeds, content keys, what was left out."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import pkgutil
import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LeftOut", "Losses", "Origin", "content_key", "counted", "versions"]

_SINGULAR = re.compile(r"(^| )(block|byte|file|frame|model|node|record|row)$")


def counted(count: int, what: str) -> str:
    """
    Say how many of something there are.

    Parameters
    ----------
    count : int
        How many.
    what : str
        Of what, in the singular or already in the plural.

    Returns
    -------
    text : str
        Number and noun.

    Examples
    --------
    >>> counted(1, "record"), counted(2000, "RMF file"), counted(3, "rows")
    ('1 record', '2,000 RMF files', '3 rows')
    """
    plural = "s" if count != 1 and _SINGULAR.search(what) else ""
    return f"{count:,} {what}{plural}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """
    Something in the input that could not be used.

    Parameters
    ----------
    where : str
        File, with line, frame or byte.
    what : str
        What was left out.
    why : str
        The reason.
    count : int
        How many of them.
    """

    where: str
    what: str
    why: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.where}: {counted(self.count, self.what)} left out: {self.why}"


@dataclass(slots=True)
class Losses:
    """
    Collector of what was left out; the one mutable thing that readers share.

    Parameters
    ----------
    entries : list of LeftOut
        In order of discovery.
    """

    entries: list[LeftOut] = field(default_factory=list)

    def add(self, where: object, what: str, why: str, count: int = 1) -> None:
        """
        Note a loss.

        Parameters
        ----------
        where : object
            File and place, as text.
        what : str
            What was left out.
        why : str
            The reason.
        count : int
            How many.
        """
        self.entries.append(LeftOut(str(where), what, why, count))

    def __len__(self) -> int:
        return sum(e.count for e in self.entries)

    def by_reason(self) -> dict[str, int]:
        """
        Count the losses by what and why.

        Returns
        -------
        counts : dict of str to int
            Most frequent first.
        """
        counter: Counter[str] = Counter()
        for entry in self.entries:
            counter[f"{entry.what}: {entry.why}"] += entry.count
        return dict(counter.most_common())


@dataclass(frozen=True, eq=False, slots=True)
class Origin:
    """
    Where the models of an ensemble were chosen from and how they were read; for the record.

    Parameters
    ----------
    total : int
        Models there were to choose from.
    log : tuple of str
        How they were chosen, in words.
    score_files : tuple of str
        Files whose rows named the frames, those without a chosen row included.
    found_by : mapping of str to int
        How RMF files of rows were found, and of how many rows.
    options : mapping of str to object
        Options that the models must be read with again.
    losses : Losses
        What could not be used.
    """

    total: int = 0
    log: tuple[str, ...] = ()
    score_files: tuple[str, ...] = ()
    found_by: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)


def content_key(*parts: Any) -> str:
    """
    Digest JSON-able values into a key.

    Parameters
    ----------
    *parts : Any
        Values that `json.dumps` takes; keys of dicts are sorted.

    Returns
    -------
    key : str
        32 hexadecimal digits.

    Examples
    --------
    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def versions() -> dict[str, str]:
    """
    Return the versions that a result depends on.

    Returns
    -------
    versions : dict of str to str
        Of congruence, Python and the numerical packages. Nothing of the
        user's environment is included.
    """
    found = {"python": platform.python_version()}
    found["congruence"] = str(pkgutil.resolve_name("congruence:__version__"))
    for name in ("numpy", "scipy", "scikit-learn", "numba"):
        found[name] = _installed(name)
    return found


@functools.cache
def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
