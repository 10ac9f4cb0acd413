"""
The folder of good-scoring models, in the layout that other tools read.

``sample_A/N.rmf3`` and ``sample_B/N.rmf3`` with one model each, numbered through
both samples; ``scoresA.txt`` and ``scoresB.txt`` with one score a line;
``model_ids_scores.txt`` with a row for each model and ``model_sample_ids.txt``
with its sample. ``models.csv`` is our own: it also knows the run, replica and
step of each model, which intervals need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.models import ModelTable, to_floats
from congruence.errors import FormatError, InputError
from congruence.io.store import read_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.good_models import SampleSplit
    from congruence.core.provenance import Losses
    from congruence.io.run_folders import Run
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

__all__ = [
    "GoodModelOrigins",
    "read_origins",
    "read_reference_rows",
    "run_number",
    "write_model_ids",
    "write_sample_ids",
    "write_scores",
]

_NUMBER = re.compile(r".*?([0-9]+)")


def _text(value: float, *, two_decimals: bool) -> str:
    return f"{value:.2f}" if two_decimals else repr(float(value))


def write_model_ids(
    path: Path,
    table: ModelTable,
    names: Sequence[str],
    values: FloatArray,
    *,
    two_decimals: bool = False,
) -> None:
    """
    Write ``model_ids_scores.txt``.

    Parameters
    ----------
    path : Path
        The file.
    table : ModelTable
        The models, in order of their numbers.
    names : sequence of str
        Names of the values.
    values : ndarray, dtype=float64, shape=(m,c)
        Values of each model.
    two_decimals : bool
        Write values as the reference program does; else so that they read
        back equal.
    """
    head = ("Model_index", "Run_id", "Replica_id", "Frame_id", *names)
    lines = [" ".join(_one_word(name) for name in head)]
    for i, row in enumerate(values):
        ids = (i, _one_word(str(table.run[i])), int(table.replica[i]), int(table.frame[i]))
        numbers = (_text(v, two_decimals=two_decimals) for v in row.tolist())
        lines.append(" ".join([*map(str, ids), *numbers]))
    _write(path, lines)


def _one_word(text: str) -> str:
    """Readers split at spaces."""
    return "_".join(text.split())


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def write_sample_ids(path: Path, split: SampleSplit) -> None:
    """
    Write ``model_sample_ids.txt``.

    Parameters
    ----------
    path : Path
        The file.
    split : SampleSplit
        The samples; models of A first.
    """
    in_a = split.in_a.tolist()
    _write(path, [f"{i} {'A' if in_a[i] else 'B'}" for i in split.listed.tolist()])


def write_scores(
    folder: Path, scores: FloatArray, split: SampleSplit, *, two_decimals: bool = False
) -> None:
    """
    Write ``scoresA.txt`` and ``scoresB.txt``.

    Parameters
    ----------
    folder : Path
        Where to write.
    scores : ndarray, dtype=float64, shape=(m,)
        Score of each model, in order of their numbers.
    split : SampleSplit
        The samples.
    two_decimals : bool
        As in `write_model_ids`.
    """
    for name, mask in (("scoresA.txt", split.in_a), ("scoresB.txt", ~split.in_a)):
        _write(folder / name, [_text(v, two_decimals=two_decimals) for v in scores[mask].tolist()])


@dataclass(frozen=True, eq=False)
class GoodModelOrigins:
    """
    Where the models of a folder came from, in the order of their numbers.

    Parameters
    ----------
    index : ndarray, dtype=int64, shape=(m,)
        Number of each model: the name of its file.
    in_a : ndarray, dtype=bool, shape=(m,)
        Whether it is in sample A.
    run : ndarray of str, shape=(m,)
        Its run.
    replica : ndarray, dtype=int64, shape=(m,)
        Its replica.
    step : ndarray, dtype=int64, shape=(m,)
        Its step in the replica.
    score : ndarray, dtype=float64, shape=(m,)
        Its score, in full precision; NaN where unknown.
    """

    index: IntArray
    in_a: BoolArray
    run: ObjectArray
    replica: IntArray
    step: IntArray
    score: FloatArray

    def a_then_b(self) -> GoodModelOrigins:
        """
        Return the models of A, then those of B, each by number.

        Returns
        -------
        origins : GoodModelOrigins
            In the order in which tests of exhaustiveness count models.
        """
        order = np.concatenate([np.flatnonzero(self.in_a), np.flatnonzero(~self.in_a)])
        parts = (self.index, self.in_a, self.run, self.replica, self.step, self.score)
        return GoodModelOrigins(*(part[order] for part in parts))


def read_origins(folder: Path) -> GoodModelOrigins | None:
    """
    Read which run, replica and step each good-scoring model came from.

    Parameters
    ----------
    folder : Path
        A folder that ``congruence select`` wrote, or the reference program.

    Returns
    -------
    origins : GoodModelOrigins or None
        From ``models.csv`` or, failing that, from ``model_ids_scores.txt``
        and ``model_sample_ids.txt`` (frames are taken for steps then). None
        when the folder has neither.

    Raises
    ------
    FormatError
        If a file is not what it should be.
    """
    if (folder / "models.csv").is_file():
        return _from_csv(folder / "models.csv")
    ids, samples = folder / "model_ids_scores.txt", folder / "model_sample_ids.txt"
    if not (ids.is_file() and samples.is_file()):
        return None
    return _from_text(ids, samples)


def _from_csv(path: Path) -> GoodModelOrigins:
    columns = read_csv(path)
    names = ("model", "sample", "run", "replica", "step", "score")
    missing = [name for name in names if name not in columns]
    if missing:
        raise FormatError(
            f"has no column '{missing[0]}'",
            path=path,
            hint="Give a folder that 'congruence select' wrote.",
        )
    return _origins(path, *(columns[name] for name in names))


def _from_text(ids: Path, samples: Path) -> GoodModelOrigins:
    head, *rows = [line.split() for line in ids.read_text(encoding="utf-8").splitlines()] or [[]]
    bad = [i for i, row in enumerate(rows, start=2) if len(row) != len(head) or len(row) < 4]
    if bad or not rows:
        raise FormatError(
            "is no table of models" if rows else "has no models",
            path=ids,
            location=f"line {bad[0]}" if bad else "",
        )
    pairs = [line.split() for line in samples.read_text(encoding="utf-8").splitlines()]
    sample = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    without = [row[0] for row in rows if row[0] not in sample]
    if without:
        raise FormatError(f"does not have model {without[0]}", path=samples)
    at = head.index("Total_Score") if "Total_Score" in head else None
    return _origins(
        ids,
        [row[0] for row in rows],
        [sample[row[0]] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        ["nan" if at is None else row[at] for row in rows],
    )


def _origins(path: Path, *columns: Sequence[str]) -> GoodModelOrigins:
    model, sample, run, replica, step, score = columns
    try:
        whole = [np.array([int(v) for v in c], dtype=np.int64) for c in (model, replica, step)]
    except ValueError as error:
        raise FormatError(f"holds something that is no whole number: {error}", path=path) from error
    names, scores = np.array(run, dtype=object), to_floats(np.array(score, dtype=object))
    order = np.argsort(whole[0], kind="stable")
    in_a = np.array([s == "A" for s in sample], dtype=bool)
    return GoodModelOrigins(
        whole[0][order], in_a[order], names[order], whole[1][order], whole[2][order], scores[order]
    )


def run_number(name: str) -> str:
    """
    Return the number at the end of the name of a run folder.

    Parameters
    ----------
    name : str
        Name of the folder.

    Returns
    -------
    number : str
        Its digits as they are.

    Raises
    ------
    InputError
        If it does not end in a number.

    Examples
    --------
    >>> run_number("run10")
    '10'
    """
    match = _NUMBER.fullmatch(name)
    if match is None:
        raise InputError(
            f"run '{name}' has no number at its end",
            hint="The reference program takes folders such as run1, run2; leave out --compat "
            "for runs with other names.",
        )
    return match[1]


def read_reference_rows(
    runs: Sequence[Run], columns: Sequence[str], *, score_key: str, losses: Losses
) -> ModelTable:
    """
    Read all rows as the reference program's choice of good models does.

    Runs come in the order of their numbers as text (1, 10, 2), replicas by
    number. The frame of a row is its number in the stat file, in the RMF file
    ``rmfs/R.rmf3`` of its replica; what the row says about its frame is not
    looked at.

    Parameters
    ----------
    runs : sequence of Run
        Folders whose names end in numbers.
    columns : sequence of str
        Columns to read.
    score_key : str
        The one of them that is the score; may be empty.
    losses : Losses
        Receives what is damaged.

    Returns
    -------
    table : ModelTable
        ``run`` is the number of the run.

    Raises
    ------
    InputError
        If a folder has no number, two have the same, or has no stat files.
    """
    numbered = sorted(((run_number(run.name), run) for run in runs), key=lambda pair: pair[0])
    names = [number for number, _ in numbered]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(
            f"several runs have the number {twice[0]}",
            hint="Give the run folders of one modeling folder.",
        )
    parts = [part for number, run in numbered for part in _parts(number, run, columns, losses)]
    if not parts:
        raise InputError("there are no runs to read")
    return _table(parts, columns, score_key)


def _parts(
    number: str, run: Run, columns: Sequence[str], losses: Losses
) -> list[tuple[str, int, str, str, IntArray, dict[str, ObjectArray]]]:
    from congruence.io.stat import read_stat

    if len(run.segments) != 1 or any(r.kind != "stat" for s in run.segments for r in s.replicas):
        raise InputError(
            f"run '{run.name}' is not one folder with stat files",
            hint="Restarted runs and scores inside RMF files need the native mode: leave out --compat.",
        )
    folder = run.segments[0].folder
    found = []
    for replica in run.segments[0].replicas:
        rows = read_stat(replica.path, columns, losses=losses)
        file = f"{folder}/rmfs/{replica.index}.rmf3"
        found.append((number, replica.index, replica.path, file, rows.rows, rows.columns))
    return found


def _table(
    parts: Sequence[tuple[str, int, str, str, IntArray, dict[str, ObjectArray]]],
    columns: Sequence[str],
    score_key: str,
) -> ModelTable:
    def repeated(values: Sequence[object]) -> ObjectArray:
        filled = [
            np.full(len(part[4]), v, dtype=object) for v, part in zip(values, parts, strict=True)
        ]
        return np.concatenate(filled)

    rows = np.concatenate([part[4] for part in parts]).astype(np.int64)
    joined = {c: np.concatenate([part[5][c] for part in parts]) for c in columns}
    files = repeated([part[3] for part in parts])
    score = to_floats(joined[score_key]) if score_key in joined else np.full(len(rows), np.nan)
    return ModelTable(
        run=repeated([part[0] for part in parts]),
        replica=repeated([part[1] for part in parts]).astype(np.int64),
        source=repeated([part[2] for part in parts]),
        row=rows,
        step=rows,
        rmf_file=files,
        file=files,
        frame=rows,
        score=score,
        score_key=score_key,
        columns=joined,
    )
