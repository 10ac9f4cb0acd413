"""The rows of one replica file, whether a stat file or an RMF file with scores in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.io.rmf_paths import RULES, resolve_rmf
from congruence.io.stat import read_header, read_stat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.provenance import Losses
    from congruence.io.run_folders import Replica
    from congruence.io.stat import StatTable
    from congruence.io.stat_ahead import StatAhead
    from congruence.typing import BoolArray, IntArray, ObjectArray

__all__ = ["ReadNotes", "Rows", "column_names", "read_rows", "stat_columns"]

_FILE = "rmf_file"
_FRAME = "rmf_frame_index"


@dataclass(slots=True)
class ReadNotes:
    """
    Collector of how rows were understood; nothing in it is a loss.

    Parameters
    ----------
    rules : dict of str to int
        Rows whose RMF file was found by each rule of
        `congruence.io.rmf_paths.RULES`.
    texts : list of str
        Sentences for the log and the report.
    """

    rules: dict[str, int] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Rows:
    """
    Rows of one file, column by column.

    Parameters
    ----------
    source : str
        The file.
    row : ndarray, dtype=int64, shape=(r,)
        0-based row numbers in it.
    rmf_file : ndarray of str, shape=(r,)
        Stored text of ``rmf_file``.
    file : ndarray of str, shape=(r,)
        RMF file; empty where none was found.
    frame : ndarray, dtype=int64, shape=(r,)
        Frame in it; -1 where no coordinates were written.
    columns : dict of str to ndarray of object, shape=(r,)
        Asked columns, values as stored, None where missing.
    """

    source: str
    row: IntArray
    rmf_file: ObjectArray
    file: ObjectArray
    frame: IntArray
    columns: dict[str, ObjectArray]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: BoolArray) -> Rows:
        """
        Return some rows.

        Parameters
        ----------
        keep : ndarray, dtype=bool, shape=(r,)
            True for the rows to keep.

        Returns
        -------
        rows : Rows
            In the same order.
        """
        return Rows(
            self.source,
            self.row[keep],
            self.rmf_file[keep],
            self.file[keep],
            self.frame[keep],
            {name: values[keep] for name, values in self.columns.items()},
        )


def column_names(replica: Replica) -> tuple[str, ...]:
    """
    Return the names of the columns of a replica file.

    Parameters
    ----------
    replica : Replica
        The file.

    Returns
    -------
    names : tuple of str
        Without ``rmf_file`` and ``rmf_frame_index``; empty for a file that
        is not started or an RMF file without scores.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if replica.kind == "rmf":
        from congruence.io.rmf import open_rmf

        names = tuple(open_rmf(replica.path).stat_keys())
    else:
        names = read_header(replica.path).names
    return tuple(n for n in names if n not in (_FILE, _FRAME))


def stat_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """
    Return what is read of a stat file when some columns are asked for.

    Parameters
    ----------
    columns : sequence of str
        The columns.

    Returns
    -------
    columns : tuple of str
        These, and those that say where coordinates are.
    """
    return (*columns, _FILE, _FRAME)


def read_rows(
    replica: Replica,
    columns: Sequence[str],
    *,
    losses: Losses,
    notes: ReadNotes,
    ahead: StatAhead | None = None,
) -> Rows:
    """
    Read some columns of a replica file.

    Parameters
    ----------
    replica : Replica
        The file.
    columns : sequence of str
        Columns to read; filled with None where the file lacks one.
    losses : Losses
        Receives what is damaged or missing.
    notes : ReadNotes
        Receives how RMF files were found.
    ahead : StatAhead, optional
        What reads stat files, and may have done so already.

    Returns
    -------
    rows : Rows
        All whole rows, in order.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if replica.kind == "rmf":
        return _rmf_rows(replica.path, columns, losses)
    read = read_stat if ahead is None else ahead.read
    table = read(replica.path, stat_columns(columns), losses=losses)
    texts = _texts(table.columns[_FILE])
    frames = _frames(table, texts, losses, notes)
    return Rows(
        source=table.path,
        row=table.rows,
        rmf_file=texts,
        file=_resolved(table.path, texts, frames >= 0, losses=losses, notes=notes),
        frame=frames,
        columns={name: table.columns[name] for name in columns},
    )


def _texts(values: Sequence[object] | ObjectArray) -> ObjectArray:
    array = np.empty(len(values), dtype=object)
    array[:] = ["" if v is None else str(v) for v in values]
    return array


def _resolved(
    path: str, texts: ObjectArray, written: BoolArray, *, losses: Losses, notes: ReadNotes
) -> ObjectArray:
    """Find the RMF file of each row, looking up each text once; note it for written rows."""
    found = {text: resolve_rmf(path, text) for text in dict.fromkeys(texts)}
    for text, one in found.items():
        count = int((written & (texts == text)).sum())
        if count:
            notes.rules[one.rule] = notes.rules.get(one.rule, 0) + count
        if count and one.path is None:
            why = f"{RULES['none']}: {text}" if text else "no rmf_file is stored"
            losses.add(path, "coordinates of rows", why, count)
    return _texts([found[text].path for text in texts])


def _frames(table: StatTable, texts: ObjectArray, losses: Losses, notes: ReadNotes) -> IntArray:
    raw = table.columns[_FRAME]
    stored = np.array([_frame(v) for v in raw], dtype=np.int64)
    unreadable = int((stored == _UNREADABLE).sum())
    if unreadable and _FRAME in table.header.names:
        losses.add(table.path, "frame numbers", "not a whole number", unreadable)
    elif unreadable:
        losses.add(table.path, "coordinates of rows", f"no column {_FRAME}", unreadable)
    unwritten = int((stored == -1).sum())
    stored[stored == _UNREADABLE] = -1
    if not unwritten:
        return stored
    notes.texts.append(
        f"{table.path}: {unwritten} of {len(stored)} rows were saved without coordinates, so "
        "frames are counted over the rows with coordinates (nframes_write_coordinates above 1)"
    )
    return _counted(stored, texts, complete=_is_complete(table))


_UNREADABLE = -2


def _frame(value: object) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
        frame = int(number)
    except (TypeError, ValueError, OverflowError):
        return _UNREADABLE
    return frame if frame == number and -1 <= frame < 2**62 else _UNREADABLE


def _is_complete(table: StatTable) -> bool:
    """Tell whether no line is missing between the header and the last row."""
    return len(table) == 0 or int(table.rows[-1]) == len(table) - 1


def _counted(stored: IntArray, texts: ObjectArray, *, complete: bool) -> IntArray:
    """
    Count written rows per RMF file, where stored numbers count all saved rows.

    When rows are damaged, counting would shift all later frames; the regular
    spacing of the written rows then tells the frame.
    """
    frames = stored.copy()
    for text in dict.fromkeys(texts):
        written = np.flatnonzero((texts == text) & (stored >= 0))
        numbers = stored[written]
        steps = np.diff(numbers)
        period = int(steps.min()) if len(steps) and steps.min() > 0 else 0
        if not complete and period and not (numbers % period).any():
            frames[written] = numbers // period
        else:
            frames[written] = np.arange(len(written))
    return frames


def _rmf_rows(path: str, columns: Sequence[str], losses: Losses) -> Rows:
    from congruence.io.rmf import open_rmf

    file = open_rmf(path)
    losses.entries += [e for e in file.losses.entries if e not in losses.entries]
    frames = [i for i in range(len(file)) if file.has_frame(i)]
    known = [name for name in file.stat_keys() if name in columns]
    values = file.stat(known, frames) if known else {}
    empty = np.full(len(frames), None, dtype=object)
    return Rows(
        source=path,
        row=np.array(frames, dtype=np.int64),
        rmf_file=_texts([path] * len(frames)),
        file=_texts([path] * len(frames)),
        frame=np.array(frames, dtype=np.int64),
        columns={name: values[name] if name in known else empty for name in columns},
    )
