"""What a stat file holds: its header, its columns, and how rows become columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import FormatError
from congruence.io.stat_parse import parse_row
from congruence.io.stat_rows import RowReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.models import StatValue
    from congruence.core.provenance import Losses
    from congruence.io.stat_parse import Row
    from congruence.typing import IntArray, ObjectArray

__all__ = ["Collector", "StatHeader", "StatTable"]

_MARK = "STAT2HEADER"
_VERSIONS = "STAT2HEADER_IMP_VERSIONS"
_NAMED_LINES = 5
_TURNED = 256


@dataclass(frozen=True)
class StatHeader:
    """
    What a stat file says about itself.

    Parameters
    ----------
    version : int
        1 (every row names its columns) or 2 (a header does).
    names : tuple of str
        Column names, in the order of the file.
    numbers : dict of str to int
        Number of each column; empty for version 1.
    imp_versions : dict of str to str
        Versions of IMP and its modules, where the header has them.
    started : bool
        False when not even the first line is complete.
    """

    version: int = 2
    names: tuple[str, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict, repr=False)
    imp_versions: dict[str, str] = field(default_factory=dict)
    started: bool = True

    def key(self, name: str) -> int | str | None:
        """
        Return what stands for a column in a row.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        key : int, str or None
            Its number (version 2) or name (version 1); None when the header
            does not have it.
        """
        return self.numbers.get(name) if self.version == 2 else name


@dataclass(frozen=True, eq=False)
class StatTable:
    """
    Columns of one stat file.

    Parameters
    ----------
    path : str
        The file.
    header : StatHeader
        Version and all column names.
    columns : dict of str to ndarray of object, shape=(r,)
        Values as stored; None where a row or the file lacks the column.
    lines : ndarray, dtype=int64, shape=(r,)
        1-based line number of each row; -1 where unknown (`sample`).
    end : int
        Byte just after the last complete line: where reading may resume.
    size : int
        Bytes of the file when it was read.
    """

    path: str
    header: StatHeader
    columns: dict[str, ObjectArray]
    lines: IntArray
    end: int
    size: int

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def rows(self) -> IntArray:
        """0-based row numbers, shape (r,), damaged lines counted."""
        return self.lines - (2 if self.header.version == 2 else 1)

    @property
    def tail(self) -> int | None:
        """Byte where an unfinished row begins, or None."""
        return self.end if self.end < self.size else None


class Collector:
    """
    Turns lines into columns.

    Parameters
    ----------
    path : str
        The file, for messages.
    asked : sequence of str, optional
        Columns to keep; all when None.

    Attributes
    ----------
    header : StatHeader or None
        What is known so far.
    bad : list of int
        Numbers of the lines that are no valid row.
    """

    def __init__(self, path: str, asked: Sequence[str] | None) -> None:
        self.path = path
        self.header: StatHeader | None = None
        self.bad: list[int] = []
        self._lines: list[int] = []
        self._missing = 0
        self._all = asked is None
        self._values: dict[str, list[StatValue | None]] = {n: [] for n in asked or ()}
        self._keys: list[int | str | None] = []
        self._rows = RowReader(())
        self._pending: list[tuple[StatValue | None, ...]] = []

    def feed(self, number: int, raw: bytes) -> None:
        """
        Take one complete line.

        Parameters
        ----------
        number : int
            1-based line number, or -1 where unknown.
        raw : bytes
            The line.

        Raises
        ------
        FormatError
            If a row of numbered columns comes before any header.
        """
        line = raw.decode("utf-8", errors="replace").strip()
        if not line:
            return
        read = self._rows.read(line) if self.header else parse_row(line)
        if read is None:
            self.bad.append(number)
        elif isinstance(read, tuple):
            self._append(number, read)
        elif _MARK in read:
            self._begin(_header(read))
        else:
            self._full_row(number, read)

    def _full_row(self, number: int, row: Row) -> None:
        numbered = any(isinstance(k, int) for k in row)
        if self.header is None and numbered:
            raise _no_header(self.path, number)
        if self.header is None or (self.header.version == 1 and self._all and not numbered):
            self._learn_names(row)
        version = self.header.version if self.header else 1
        if any(isinstance(k, int) != (version == 2) for k in row):
            self.bad.append(number)
            return
        wanted = [k for k in self._keys if k is not None]
        known = self.header.names if self.header and version == 1 else wanted
        self._missing += sum(k not in row for k in wanted if k in known)
        self._append(number, tuple(row.get(k) for k in wanted))

    def _learn_names(self, row: Row) -> None:
        known = self.header.names if self.header else ()
        names = tuple(dict.fromkeys((*known, *map(str, row))))
        if self.header is None or len(names) > len(known):
            self._begin(StatHeader(version=1, names=names))

    def _begin(self, header: StatHeader) -> None:
        """Start reading with a header; a second one comes from files that were joined."""
        if self._pending:
            self._turn()
        earlier = self.header.names if self.header else ()
        names = tuple(dict.fromkeys(earlier + header.names))
        if self._all:
            for name in names:
                self._values.setdefault(name, [None] * len(self._lines))
        self._keys = [
            header.key(n) if header.version == 1 or n in header.names else None
            for n in self._values
        ]
        self._rows = RowReader([k for k in self._keys if k is not None])
        self.header = StatHeader(header.version, names, header.numbers, header.imp_versions)

    def _append(self, number: int, values: tuple[StatValue | None, ...]) -> None:
        self._lines.append(number)
        self._pending.append(values)
        if len(self._pending) >= _TURNED:
            self._turn()

    def _turn(self) -> None:
        """Make columns of the rows that are pending, all of which have the present keys."""
        given = zip(*self._pending, strict=True)
        nothing = [None] * len(self._pending)
        for key, column in zip(self._keys, self._values.values(), strict=True):
            column.extend(nothing if key is None else next(given))
        self._pending.clear()

    def table(self, end: int, size: int) -> StatTable:
        """
        Return what was collected.

        Parameters
        ----------
        end, size : int
            End of the last complete line and of the file, in bytes.

        Returns
        -------
        table : StatTable
            One row per valid line.
        """
        if self._pending:
            self._turn()
        return StatTable(
            path=self.path,
            header=self.header or StatHeader(started=False),
            columns={n: _objects(v) for n, v in self._values.items()},
            lines=np.array(self._lines, dtype=np.int64),
            end=end,
            size=size,
        )

    def report(self, losses: Losses) -> None:
        """
        Note damaged rows and missing values.

        Parameters
        ----------
        losses : Losses
            Receives them.
        """
        if self.bad:
            losses.add(_located(self.path, self.bad), "rows", "not a valid row", len(self.bad))
        if self._missing:
            losses.add(self.path, "values", "the row lacks the column", self._missing)


def _objects(values: Sequence[StatValue | None]) -> ObjectArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _located(path: str, lines: list[int]) -> str:
    known = [str(n) for n in lines if n > 0]
    if not known:
        return path
    more = len(lines) - _NAMED_LINES
    word = "line" if len(lines) == 1 else "lines"
    named = ", ".join(known[:_NAMED_LINES])
    return f"{path}, {word} {named}" + (f" and {more} more" if more > 0 else "")


def _header(row: Row) -> StatHeader:
    numbers = {str(v): k for k, v in sorted((k, v) for k, v in row.items() if isinstance(k, int))}
    found = parse_row(str(row.get(_VERSIONS, "")).strip()) or {}
    return StatHeader(
        version=2,
        names=tuple(numbers),
        numbers=numbers,
        imp_versions={str(k): str(v) for k, v in found.items()},
    )


def _no_header(path: str, number: int) -> FormatError:
    return FormatError(
        "found a row of numbered columns before any header",
        path=path,
        location=f"line {number}" if number > 0 else "",
        hint="The first line of the file, which names the columns, is missing or damaged. "
        "Restore it, or leave this file out.",
    )
