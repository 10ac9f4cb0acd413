"""
Which models to analyse: by place in the trajectory, by score, by any column.

`choose_models` is what congruence does. `choose_reference` reproduces how PMI's
analysis macro chooses, with the oddities that its numbers depend on.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.condition import Condition, parse_condition
from congruence.core.models import to_floats
from congruence.core.provenance import LeftOut, Losses
from congruence.errors import ConfigError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from congruence.core.models import ModelTable
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "Choice",
    "Condition",
    "choose_models",
    "choose_reference",
    "parse_condition",
    "take_whole",
]

_ROUNDING = 1e-9
_RMF_SUFFIXES = (".rmf3", ".rmf")


@dataclass(frozen=True, eq=False)
class Choice:
    """
    Chosen models and how it came to them.

    Parameters
    ----------
    rows : ndarray, dtype=int64, shape=(k,)
        Rows of the table in rank order, best score first.
    steps : tuple of (str, int)
        Name of each filter, in order, and how many models were left after it.
    left_out : tuple of LeftOut
        Models that could not be used at all (thresholds are no losses).
    """

    rows: IntArray
    steps: tuple[tuple[str, int], ...]
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def losses(self) -> Losses:
        """The models left out, as a new collector."""
        return Losses(list(self.left_out))

    @property
    def log(self) -> tuple[str, ...]:
        """What each filter left, in words."""
        return tuple(f"{name}: {count}" for name, count in self.steps)


def choose_models(
    table: ModelTable,
    *,
    frames: tuple[float, float] | None = None,
    every: int | None = None,
    where: Sequence[Condition | str] = (),
    below: float | None = None,
    best: int | None = None,
) -> Choice:
    """
    Choose models and rank them by score.

    Filters apply in the order of the parameters. Models without coordinates or
    score are never chosen. `take_whole` checks whether the frames are whole.

    Parameters
    ----------
    table : ModelTable
        All rows.
    frames : tuple of float, optional
        Part ``(a, b)`` of each replica as fractions: of *s* steps those from
        ``floor(a s)`` up to and without ``floor(b s)``.
    every : int, optional
        Keep steps 0, g, 2g ... of each replica.
    where : sequence of Condition or str
        Thresholds on columns, all of which must hold.
    below : float, optional
        Keep scores strictly below this.
    best : int, optional
        Keep this many of the lowest scores; ties keep the order of the table.

    Returns
    -------
    choice : Choice
        Possibly empty.

    Raises
    ------
    ConfigError
        If a number is out of its range or a condition cannot be read.
    SelectionError
        If a condition names a column that the table lacks.
    """
    _check(frames, every, below, best)
    conditions = [parse_condition(c) if isinstance(c, str) else c for c in where]
    keep = np.ones(len(table), dtype=bool)
    steps = [("all rows", len(table))]

    def after(name: str) -> None:
        steps.append((name, int(keep.sum())))

    if frames is not None:
        keep &= _in_fraction(table, *frames)
        after(f"frames {frames[0]:g} to {frames[1]:g} of each replica")
    if every is not None:
        keep &= table.step % every == 0
        after(f"every {every}")
    if (keep & (table.frame < 0)).any():
        keep &= table.frame >= 0  # no loss: scores may be saved more often than coordinates
        after("with coordinates")
    left_out = _unusable(table, keep)
    if left_out:
        after("usable")
    for condition in conditions:
        values = _column(table, condition.column)
        if unreadable := int((keep & np.isnan(values)).sum()):
            where_from = f"column {condition.column}"
            left_out.append(LeftOut(where_from, "models", "the value is no number", unreadable))
        keep &= ~np.isnan(values) & condition.holds(values)
        after(str(condition))
    if below is not None:
        keep &= table.score < below
        after(f"score below {below:g}")
    rows = _ranked(table.score, np.flatnonzero(keep))
    if best is not None:
        rows = rows[:best]
        steps.append((f"best {best}", len(rows)))
    return Choice(rows, tuple(steps), tuple(left_out))


def _check(
    frames: tuple[float, float] | None, every: int | None, below: float | None, best: int | None
) -> None:
    if frames is not None and not 0 <= frames[0] < frames[1] <= 1:
        raise ConfigError(
            f"frames {frames[0]:g} to {frames[1]:g} is no part of a replica",
            hint="Give two fractions with 0 <= first < last <= 1, such as 0.5 and 1.",
        )
    for name, number in (("every", every), ("best", best)):
        if number is not None and number < 1:
            raise ConfigError(f"{name} is {number}, expected at least 1", hint="Use 1 or more.")
    if below is not None and math.isnan(below):
        raise ConfigError("the score threshold is not a number", hint="Give a number.")


def _ranked(score: FloatArray, rows: IntArray) -> IntArray:
    return rows[np.argsort(score[rows], kind="stable")]


def _in_fraction(table: ModelTable, first: float, last: float) -> BoolArray:
    """Mask of a part of each replica; a replica has as many steps as its last row tells."""
    replicas = list(zip(table.run.tolist(), table.replica.tolist(), strict=True))
    length: dict[tuple[str, int], int] = {}
    for key, step in zip(replicas, table.step.tolist(), strict=True):
        length[key] = max(length.get(key, 0), step + 1)
    n = np.array([length[key] for key in replicas], dtype=np.float64)
    # 0.29 * 100 is 28.999...: the user means 29
    start = np.floor(first * n + _ROUNDING)
    stop = np.floor(last * n + _ROUNDING)
    return (table.step >= start) & (table.step < stop)


def _unusable(table: ModelTable, keep: BoolArray) -> list[LeftOut]:
    """Take out of a mask the models that have no coordinates or no score; say which."""
    reasons = (
        (table.file == "", "their RMF file was not found"),
        (np.isnan(table.score), f"{table.score_key or 'score'} is no number"),
    )
    left_out = []
    for mask, why in reasons:
        found = keep & mask
        keep &= ~found
        for source, count in Counter(table.source[found].tolist()).items():
            left_out.append(LeftOut(source, "models", why, count))
    return left_out


def _column(table: ModelTable, name: str) -> FloatArray:
    if name in table.columns:
        return to_floats(table.columns[name])
    if name and name == table.score_key:
        return table.score
    known = sorted({*table.columns, table.score_key} - {""})
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.4) or known[:8]
    raise SelectionError(
        f"no column '{name}' among those read: {', '.join(near) or 'none'}",
        hint="Write the name of the column in full, as in the stat files.",
    )


def choose_reference(
    table: ModelTable,
    *,
    prefiltervalue: float | None = None,
    get_every: int = 1,
    first_and_last_frames: tuple[float, float] | None = None,
    number_of_best_scoring_models: int | None = None,
    version1: Collection[str] = (),
) -> Choice:
    """
    Choose models exactly as PMI's analysis macro does.

    Differences from `choose_models`: `get_every` counts lines of the stat
    file with its header, so g = 3 keeps rows 1, 4, 7 ..., and is ignored for
    scores stored in RMF files; `first_and_last_frames` are fractions of the
    joined list of all files, taken after the other filters, and a last
    fraction above 1 drops the last model.

    Parameters
    ----------
    table : ModelTable
        All rows, in the order of the files.
    prefiltervalue : float, optional
        Keep scores strictly below this.
    get_every : int
        Keep the lines whose number, from 1, this divides.
    first_and_last_frames : tuple of float, optional
        Fractions of the list.
    number_of_best_scoring_models : int, optional
        Keep this many of the lowest scores; ties keep the order of the table.
    version1 : collection of str
        Sources (as in the table) that are stat files without a header.

    Returns
    -------
    choice : Choice
        Rows in rank order. Rows without coordinates or score, at which the
        macro fails, are left out before ranking.

    Raises
    ------
    ConfigError
        If `get_every` or the number of models is below 1.
    """
    _check(None, get_every, prefiltervalue, number_of_best_scoring_models)
    steps = [("all rows", len(table))]
    keep = _every_line(table, get_every, version1)
    steps.append((f"get_every {get_every}", int(keep.sum())))
    if prefiltervalue is not None:
        keep &= table.score < prefiltervalue
        steps.append((f"prefiltervalue {prefiltervalue:g}", int(keep.sum())))
    rows = np.flatnonzero(keep)
    if first_and_last_frames is not None:
        start, stop = (int(fraction * len(rows)) for fraction in first_and_last_frames)
        rows = rows[start : stop if stop <= len(rows) else -1]
        steps.append(("first_and_last_frames", len(rows)))
    usable = np.zeros(len(table), dtype=bool)
    usable[rows] = True
    usable &= table.frame >= 0
    left_out = _unusable(table, usable)
    rows = _ranked(table.score, np.flatnonzero(usable))[:number_of_best_scoring_models]
    steps.append(("best", len(rows)))
    return Choice(rows, tuple(steps), tuple(left_out))


def _every_line(table: ModelTable, g: int, version1: Collection[str]) -> BoolArray:
    from_rmf = np.array([str(s).endswith(_RMF_SUFFIXES) for s in table.source], dtype=bool)
    headless = np.array([s in version1 for s in table.source], dtype=bool)
    line = table.row + np.where(headless, 1, 2)
    kept: BoolArray = from_rmf | (line % g == 0)
    return kept


def take_whole(
    table: ModelTable,
    rows: IntArray,
    n: int | None,
    has_frame: Callable[[str, int], bool],
    *,
    losses: Losses,
) -> IntArray:
    """
    Take models in rank order until enough have a whole frame.

    Give `choose_models` no number of models then, so that models whose frame
    is missing are replaced by the next best.

    Parameters
    ----------
    table : ModelTable
        All rows.
    rows : ndarray, dtype=int64, shape=(r,)
        Rows in rank order.
    n : int, optional
        How many to take; all when None.
    has_frame : callable
        Tells of an RMF file and a frame whether it is whole. Asked only for
        the models that are walked over.
    losses : Losses
        Receives how many frames were missing, by file.

    Returns
    -------
    rows : ndarray, dtype=int64, shape=(k,)
        At most *n*, in rank order.
    """
    taken: list[int] = []
    missing: Counter[str] = Counter()
    for row in rows.tolist():
        if n is not None and len(taken) >= n:
            break
        file = str(table.file[row])
        if has_frame(file, int(table.frame[row])):
            taken.append(row)
        else:
            missing[file] += 1
    for file, count in missing.items():
        losses.add(file, "models", "the frame that the stat file names is not in it", count)
    return np.array(taken, dtype=np.int64)
