"""The table of models: where each came from, its score and its other columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray, ObjectArray

__all__ = ["ModelTable", "StatValue", "to_floats"]

StatValue: TypeAlias = str | int | float
"""A value as a stat file holds it: mostly a string of a number."""


@dataclass(frozen=True, eq=False)
class ModelTable:
    """
    One row a model, one array a column.

    Parameters
    ----------
    run : ndarray of str, shape=(m,)
        Name of the run (one sampling trajectory folder).
    replica : ndarray, dtype=int64, shape=(m,)
        Replica number inside the run.
    source : ndarray of str, shape=(m,)
        File the row was read from (a stat file, or an RMF file).
    row : ndarray, dtype=int64, shape=(m,)
        0-based number of the row in `source`; for a restarted run the
        position in the joined replica is `step`.
    step : ndarray, dtype=int64, shape=(m,)
        0-based position of the row in its replica, segments joined.
    rmf_file : ndarray of str, shape=(m,)
        The stored text of ``rmf_file``, as it is.
    file : ndarray of str, shape=(m,)
        The RMF file it was resolved to.
    frame : ndarray, dtype=int64, shape=(m,)
        Frame in `file`; -1 when no coordinates were written.
    score : ndarray, dtype=float64, shape=(m,)
        Score used to rank; NaN where unreadable.
    score_key : str
        Name of the score column.
    columns : dict of str to ndarray of object, shape=(m,)
        Other columns, values as stored (`StatValue`).
    """

    run: ObjectArray
    replica: IntArray
    source: ObjectArray
    row: IntArray
    step: IntArray
    rmf_file: ObjectArray
    file: ObjectArray
    frame: IntArray
    score: FloatArray
    score_key: str = ""
    columns: dict[str, ObjectArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m = len(self.run)
        for name in ("replica", "source", "row", "step", "rmf_file", "file", "frame", "score"):
            if len(getattr(self, name)) != m:
                raise ShapeError(f"column '{name}' has {len(getattr(self, name))} rows, not {m}")
        for name, values in self.columns.items():
            if len(values) != m:
                raise ShapeError(f"column '{name}' has {len(values)} rows, not {m}")

    def __len__(self) -> int:
        return len(self.run)

    def take(self, rows: IntArray) -> ModelTable:
        """
        Return some rows, in the given order.

        Parameters
        ----------
        rows : ndarray, dtype=int64, shape=(r,)
            Row numbers.

        Returns
        -------
        table : ModelTable
            A new table.
        """
        return replace(
            self,
            run=self.run[rows],
            replica=self.replica[rows],
            source=self.source[rows],
            row=self.row[rows],
            step=self.step[rows],
            rmf_file=self.rmf_file[rows],
            file=self.file[rows],
            frame=self.frame[rows],
            score=self.score[rows],
            columns={k: v[rows] for k, v in self.columns.items()},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Name ``file|frame`` of each model."""
        return tuple(f"{f}|{k}" for f, k in zip(self.file, self.frame, strict=True))


def to_floats(values: ObjectArray) -> FloatArray:
    """
    Read a column of stat values as numbers.

    Parameters
    ----------
    values : ndarray of object, shape=(m,)
        Strings, integers or floats.

    Returns
    -------
    numbers : ndarray, dtype=float64, shape=(m,)
        NaN where a value is no number (``"None"``, a list, nothing).

    Examples
    --------
    >>> to_floats(np.array(["1.5", 2, "None"], dtype=object)).tolist()
    [1.5, 2.0, nan]
    """
    return np.array([_to_float(v) for v in values], dtype=np.float64)


def _to_float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
