"""
Stat files of PMI, versions 1 and 2, as columns.

Reading is lenient, since killed jobs are the normal case: only lines that end
with a newline and are the text of a dict count; the rest is counted and
located. Nothing is evaluated, and the environment that version 2 stores in its
header is never kept.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from congruence.errors import FormatError, InputError
from congruence.io.stat_table import Collector, StatHeader, StatTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from congruence.core.models import StatValue
    from congruence.core.provenance import Losses

__all__ = ["StatHeader", "StatSample", "StatTable", "read_header", "read_stat", "sample", "write_stat_v1"]  # fmt: skip

_LONGEST_LINE = 1 << 25
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class StatSample:
    """
    The first and the last rows of a stat file.

    Parameters
    ----------
    table : StatTable
        The rows that were read.
    rows : int
        Number of rows of the file.
    estimated : bool
        Whether `rows` is an estimate from the mean length of a row.
    """

    table: StatTable
    rows: int
    estimated: bool


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    try:
        with Path(path).open("rb") as file:
            _refuse_binary(path, file)
            yield file
    except OSError as problem:
        raise InputError(
            f"{path}: cannot be read: {problem.strerror or problem}",
            hint="Check the path and the permissions of the file.",
        ) from problem


def _refuse_binary(path: str, file: IO[bytes]) -> None:
    start = file.read(4096)
    file.seek(0)
    if start.startswith(b"Obj\x01"):
        raise FormatError(
            "this is an RMF file, not a stat file",
            path=path,
            hint="Give it as an RMF file (.rmf3).",
        )
    if b"\x00" in start or (start.strip() and b"{" not in start):
        raise _not_stat(path)


def _not_stat(path: str) -> FormatError:
    return FormatError(
        "not a stat file: expected one Python dict per line",
        path=path,
        hint="Stat files are the text files stat.N.out that PMI writes in its output folder.",
    )


def _complete_lines(path: str, file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        if not line.endswith(b"\n"):
            if len(line) == _LONGEST_LINE:
                raise _not_stat(path)
            return
        yield line


def read_header(path: str | Path) -> StatHeader:
    """
    Read the version and the column names of a stat file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    header : StatHeader
        For version 1, the columns of the first row. ``started`` is False
        when the file is empty or its first line incomplete.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is no stat file, or its header is lost.
    """
    reader = Collector(str(path), ())
    with _opened(str(path)) as file:
        for number, line in enumerate(_complete_lines(str(path), file), start=1):
            reader.feed(number, line)
            if reader.header:
                return reader.header
    if reader.bad:
        raise _not_stat(str(path))
    return StatHeader(started=False)


def read_stat(
    path: str | Path, columns: Sequence[str] | None = None, *, losses: Losses
) -> StatTable:
    """
    Read columns of a stat file.

    Parameters
    ----------
    path : str or Path
        The file.
    columns : sequence of str, optional
        Names of the columns; all when None. Few columns are read several
        times faster, and only they take memory. A column that the file lacks
        is filled with None.
    losses : Losses
        Receives rows that are damaged or unfinished, and missing values.

    Returns
    -------
    table : StatTable
        One row per complete line.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is no stat file, or its header is lost.
    """
    name = str(path)
    reader = Collector(name, None if columns is None else tuple(dict.fromkeys(columns)))
    end = 0
    with _opened(name) as file:
        for number, line in enumerate(_complete_lines(name, file), start=1):
            reader.feed(number, line)
            end += len(line)
        size = os.fstat(file.fileno()).st_size
        tail = _tail(file, end)
    if reader.bad and not reader.header:
        raise _not_stat(name)
    reader.report(losses)
    return _finish(reader, end, size, tail, losses)


def _tail(file: IO[bytes], end: int) -> bytes:
    file.seek(end)
    return file.read(_CHUNK).strip()


def _finish(reader: Collector, end: int, size: int, tail: bytes, losses: Losses) -> StatTable:
    if tail:
        what = "row" if reader.header else "header"
        losses.add(f"{reader.path}, byte {end}", what, "unfinished: no newline at its end")
    return reader.table(end, size if tail else end)


def sample(
    path: str | Path,
    *,
    head: int = 50,
    tail: int = 50,
    columns: Sequence[str] | None = None,
    losses: Losses,
) -> StatSample:
    """
    Read only the first and the last rows of a stat file.

    Parameters
    ----------
    path : str or Path
        The file.
    head, tail : int
        Number of complete lines to read at each end (the header not counted).
    columns : sequence of str, optional
        Names of the columns; all when None.
    losses : Losses
        Receives what is damaged in the part that was read.

    Returns
    -------
    sample : StatSample
        All rows, and their exact number, when the file has no more.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is no stat file, or its header is lost.
    """
    name = str(path)
    with _opened(name) as file:
        size = os.fstat(file.fileno()).st_size
        first = list(_first_lines(name, file, head + 1))
        middle = sum(map(len, first))
        last, begin, end = _last_lines(file, middle, size, tail)
        rest = _tail(file, end)
    if begin <= middle:
        table = read_stat(name, columns, losses=losses)
        return StatSample(table, len(table), estimated=False)
    reader = Collector(name, None if columns is None else tuple(dict.fromkeys(columns)))
    for number, line in enumerate(first, start=1):
        reader.feed(number, line)
    for line in last:
        reader.feed(-1, line)
    if not reader.header:
        raise _not_stat(name)
    reader.report(losses)
    table = _finish(reader, end, size, rest, losses)
    rows = [*first[1 if reader.header.version == 2 else 0 :], *last]
    unread = (begin - middle) / (sum(map(len, rows)) / max(len(rows), 1))
    return StatSample(table, len(table) + round(unread), estimated=True)


def _first_lines(path: str, file: IO[bytes], count: int) -> Iterator[bytes]:
    for line, _ in zip(_complete_lines(path, file), range(count), strict=False):
        yield line


def _last_lines(file: IO[bytes], begin: int, size: int, count: int) -> tuple[list[bytes], int, int]:
    """Return the last complete lines after a byte, where they begin and where they end."""
    start = size
    data = b""
    while start > begin and data.count(b"\n") <= count:
        start = max(begin, start - max(_CHUNK, len(data)))
        file.seek(start)
        data = file.read(size - start)
    data = data[: data.rfind(b"\n") + 1]
    end = start + len(data)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    if start > begin:
        lines = lines[1:]
    lines = lines[len(lines) - count :] if count < len(lines) else lines
    return lines, end - sum(map(len, lines)), end


def write_stat_v1(path: str | Path, rows: Iterable[Mapping[str, StatValue]]) -> None:
    """
    Write rows as a stat file of version 1, as clusters have them.

    Parameters
    ----------
    path : str or Path
        The file; replaced if it exists.
    rows : iterable of mapping of str to StatValue
        One mapping a row: strings are written as strings and numbers bare,
        as Python prints a dict.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(f"{ {str(k): _python(v) for k, v in row.items()}!r}\n")
    except OSError as problem:
        raise InputError(
            f"{path}: cannot be written: {problem.strerror or problem}",
            hint="Check that the folder exists and may be written to.",
        ) from problem


def _python(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
