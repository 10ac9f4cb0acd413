"""
Sampling runs as one table of models.

`find_runs` turns folders, patterns and files into runs; `list_columns` says
what their rows hold; `find_score_key` picks the column to rank by; and
`read_scores` reads all rows, in natural order of runs, replicas and rows, with
the RMF file and frame of each.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.models import ModelTable, to_floats
from congruence.core.provenance import LeftOut
from congruence.errors import InputError
from congruence.io.run_folders import Replica, Run, Segment, find_runs, natural_key, rmf_files
from congruence.io.score_rows import ReadNotes, Rows, column_names, read_rows, stat_columns
from congruence.io.stat_ahead import StatAhead

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from congruence.core.provenance import Losses
    from congruence.typing import ObjectArray

__all__ = [
    "KNOWN_SCORE_KEYS",
    "ReadNotes",
    "Replica",
    "Run",
    "Segment",
    "expand_features",
    "find_runs",
    "find_score_key",
    "list_columns",
    "natural_key",
    "read_scores",
]

KNOWN_SCORE_KEYS = (
    "Total_Score",
    "SimplifiedModel_Total_Score_None",
    "SimplifiedModel_Total_Score",
)
"""Names that PMI has given to the weighted sum of all restraints, newest first."""

_SIGNIFICANT_DIGITS = 6


def list_columns(runs: Sequence[Run], *, losses: Losses | None = None) -> dict[str, int]:
    """
    List the columns of all replica files; reads headers only.

    Parameters
    ----------
    runs : sequence of Run
        From `find_runs`.
    losses : Losses, optional
        Receives files that cannot be read; they are skipped.

    Returns
    -------
    columns : dict of str to int
        Name to number of files that have it, sorted by name; without
        ``rmf_file`` and ``rmf_frame_index``.

    Raises
    ------
    InputError
        If no file can be read; a FormatError if none has a usable header.
    """
    return dict(sorted(Counter(n for names in _headers(runs, losses) for n in names).items()))


def _headers(runs: Sequence[Run], losses: Losses | None) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    failed: InputError | None = None
    for replica in (r for run in runs for s in run.segments for r in s.replicas):
        try:
            found.append(column_names(replica))
        except InputError as problem:
            failed = failed or problem
            if losses is not None:
                _note_file(losses, replica, problem)
    if failed and not found:
        raise failed
    return found


def _note_file(losses: Losses, replica: Replica, problem: InputError) -> None:
    why = problem.message.removeprefix(replica.path).lstrip(":, ")
    entry = LeftOut(replica.path, "file", why)
    if entry not in losses.entries:
        losses.entries.append(entry)


def find_score_key(columns: Iterable[str], asked: str | None = None) -> str:
    """
    Choose the column to rank models by.

    Parameters
    ----------
    columns : iterable of str
        Column names, from `list_columns`.
    asked : str, optional
        The column that the user wants.

    Returns
    -------
    score_key : str
        `asked`, or the one of `KNOWN_SCORE_KEYS` that is there; empty when
        there are no columns at all (RMF files without scores).

    Raises
    ------
    InputError
        If `asked` is not there, or none or several known ones are.

    Examples
    --------
    >>> find_score_key(["Total_Score", "ExcludedVolumeSphere_Score"])
    'Total_Score'
    """
    names = list(columns)
    if asked is not None:
        _require(asked, names, "score column")
        return asked
    known = [k for k in KNOWN_SCORE_KEYS if k in names]
    if len(known) == 1 or not names:
        return known[0] if known else ""
    if known:
        raise InputError(
            f"several columns can be the total score: {', '.join(known)}",
            hint="Say which one ranks the models, for example with the option --score.",
        )
    totals = [n for n in names if "score" in n.lower()] or names
    raise InputError(
        f"no known total score among {len(names)} columns; candidates: {_some(sorted(totals))}",
        hint="Say which column ranks the models, for example with the option --score.",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def _require(name: str, names: Iterable[str], what: str) -> None:
    names = sorted(names)
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=5, cutoff=0.4)
    near = near or [n for n in names if name.lower() in n.lower()][:5]
    raise InputError(
        f"{what} '{name}' does not exist; "
        + (f"near names: {', '.join(near)}" if near else f"columns: {_some(names) or 'none'}"),
        hint="Column names are case-sensitive and have to be written in full.",
    )


def expand_features(names: Iterable[str], features: Sequence[str]) -> tuple[str, ...]:
    """
    Find the columns whose name contains a text.

    Parameters
    ----------
    names : iterable of str
        All columns.
    features : sequence of str
        Texts, case-sensitive, matched anywhere in a name.

    Returns
    -------
    columns : tuple of str
        In the order of `features`, and sorted by name within one; each once.

    Raises
    ------
    InputError
        If a text is in no name.

    Examples
    --------
    >>> expand_features(["Score_B", "Score_A", "Psi"], ["Psi", "Score"])
    ('Psi', 'Score_A', 'Score_B')
    """
    ordered = sorted(names)
    found: list[str] = []
    for text in features:
        matches = [n for n in ordered if text in n]
        if not matches:
            _require(text, ordered, "feature")
        found += matches
    return tuple(dict.fromkeys(found))


def read_scores(
    runs: Sequence[Run],
    *,
    score_key: str,
    features: Sequence[str] = (),
    columns: Sequence[str] = (),
    losses: Losses,
    notes: ReadNotes | None = None,
) -> ModelTable:
    """
    Read the rows of all replicas of all runs.

    Parameters
    ----------
    runs : sequence of Run
        From `find_runs`.
    score_key : str
        Column to rank by, from `find_score_key`. Empty: every score is 0.
    features : sequence of str
        Further columns: all whose name contains one of these texts.
    columns : sequence of str
        Further columns, by full name.
    losses : Losses
        Receives what is damaged, missing or repeated.
    notes : ReadNotes, optional
        Receives how RMF files were found.

    Returns
    -------
    table : ModelTable
        Natural order of runs, replicas and rows; segments of a restarted run
        joined per replica. ``columns`` holds `score_key` as stored, the
        features and the further columns; None where a file lacks one.
        ``file`` is empty where no RMF file was found, ``score`` NaN where
        it is missing or no number.

    Raises
    ------
    InputError
        If a column is in no file, or no file can be read.

    Notes
    -----
    A frame that several rows name is taken once: the last row of one file, or
    the first of several files. Rows at the start of a restarted segment that
    repeat rows of the segment before (equal scores as text) are left out.
    Many and large stat files are read by several processes.
    """
    notes = notes if notes is not None else ReadNotes()
    names = list_columns(runs)
    for name in (score_key, *columns) if score_key else columns:
        _require(name, names, "column")
    wanted = tuple(dict.fromkeys((*columns, *expand_features(names, features))))
    wanted = (score_key, *(w for w in wanted if w != score_key)) if score_key else wanted
    every = [r for run in runs for _, replicas in run.replicas for r in replicas]
    stats = [r.path for r in every if r.kind == "stat"]
    with StatAhead(stats, stat_columns(wanted)) as ahead:
        reader = _Joiner(wanted, score_key, losses, notes, ahead)
        for run in runs:
            for index, replicas in run.replicas:
                reader.add(run.name, index, replicas)
    reader.report_unused(runs)
    if not score_key:
        notes.texts.append("no scores are stored: every model has score 0")
    return reader.table()


class _Joiner:
    """Joins the files of each replica, and keeps what tells repeated rows."""

    def __init__(
        self,
        wanted: tuple[str, ...],
        score_key: str,
        losses: Losses,
        notes: ReadNotes,
        ahead: StatAhead,
    ) -> None:
        self._wanted = wanted
        self._score_key = score_key
        self._losses = losses
        self._read = partial(read_rows, columns=wanted, losses=losses, notes=notes, ahead=ahead)
        self._parts: list[tuple[str, int, int, Rows]] = []
        self._frames: dict[tuple[str, int], str] = {}
        self._real: dict[str, str] = {}

    def add(self, run: str, index: int, replicas: Sequence[Replica]) -> None:
        step = 0
        before: Rows | None = None
        for replica in replicas:
            try:
                rows = self._read(replica)
            except InputError as problem:
                _note_file(self._losses, replica, problem)
                continue
            rows = self._without_seam(before, rows)
            rows = self._without_repeats(rows)
            self._parts.append((run, index, step, rows))
            step += len(rows)
            before = rows if len(rows) else before

    def _without_seam(self, before: Rows | None, rows: Rows) -> Rows:
        if before is None or not self._score_key:
            return rows
        count = _repeated(before.columns[self._score_key], rows.columns[self._score_key])
        if count:
            why = f"they repeat rows of the segment before ({before.source})"
            self._losses.add(rows.source, "rows", why, count)
        return rows.take(np.arange(len(rows)) >= count)

    def _without_repeats(self, rows: Rows) -> Rows:
        keep = np.ones(len(rows), dtype=bool)
        here: dict[tuple[str, int], int] = {}
        for i, (file, frame) in enumerate(zip(rows.file, rows.frame.tolist(), strict=True)):
            if not file or frame < 0:
                continue
            key = (self._real_path(file), frame)
            if key in here:
                keep[here[key]] = False
            elif key in self._frames:
                keep[i] = False
                continue
            here[key] = i
        self._frames.update(dict.fromkeys(here, rows.source))
        if not keep.all():
            why = "another row names the same frame"
            self._losses.add(rows.source, "rows", why, int((~keep).sum()))
        return rows.take(keep)

    def _real_path(self, file: str) -> str:
        if file not in self._real:
            self._real[file] = os.path.realpath(file)
        return self._real[file]

    def report_unused(self, runs: Sequence[Run]) -> None:
        """Note RMF files beside stat files for which there is no stat file."""
        used = {file for file, _ in self._frames}
        for segment in (s for run in runs for s in run.segments):
            if segment.replicas[0].kind == "rmf":
                continue
            folder = Path(segment.folder)
            for number, path in rmf_files(folder / "rmfs"):
                has_stat = (folder / f"stat.{number}.out").exists()
                if not has_stat and os.path.realpath(path) not in used:
                    self._losses.add(path, "RMF file", "no stat file has its scores")

    def table(self) -> ModelTable:
        parts = self._parts
        lengths = [len(rows) for *_, rows in parts]
        steps = [np.arange(first, first + len(rows)) for _, _, first, rows in parts]
        columns = {
            name: _joined([rows.columns[name] for *_, rows in parts]) for name in self._wanted
        }
        key = self._score_key
        return ModelTable(
            run=_joined([np.full(len(rows), run, dtype=object) for run, *_, rows in parts]),
            replica=np.repeat([i for _, i, *_ in parts], lengths).astype(np.int64),
            source=_joined([np.full(len(r), r.source, dtype=object) for *_, r in parts]),
            row=np.concatenate([r.row for *_, r in parts] or [np.zeros(0, dtype=np.int64)]),
            step=np.concatenate([*steps, np.zeros(0, dtype=np.int64)]),
            rmf_file=_joined([rows.rmf_file for *_, rows in parts]),
            file=_joined([rows.file for *_, rows in parts]),
            frame=np.concatenate([r.frame for *_, r in parts] or [np.zeros(0, dtype=np.int64)]),
            score=to_floats(columns[key]) if key else np.zeros(sum(lengths)),
            score_key=key,
            columns=columns,
        )


def _joined(arrays: Sequence[ObjectArray]) -> ObjectArray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=object)


def _repeated(before: ObjectArray, after: ObjectArray) -> int:
    """
    Count the rows at the start of a segment that the one before has already.

    A restart begins with a frame of the segment before: its last one, or an
    earlier one if the job was killed before later frames were written. Short
    numbers can be equal by chance, so away from the end digits are asked for.
    """
    if not len(after) or len(before) == 0 or after[0] is None:
        return 0
    places = np.flatnonzero(before == after[0])
    try:
        worthless = not np.isfinite(float(after[0])) or float(after[0]) == 0.0
    except (TypeError, ValueError):
        return 0
    if len(places) != 1 or worthless:
        return 0
    equal = 0
    start = int(places[0])
    while equal < min(len(before) - start, len(after)) and before[start + equal] == after[equal]:
        equal += 1
    digits = sum(c.isdecimal() for c in str(after[0]))
    return equal if start + equal == len(before) or digits >= _SIGNIFICANT_DIGITS else 0
