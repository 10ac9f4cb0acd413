"""What an earlier job wrote, read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.models import ModelTable, to_floats
from congruence.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_models"]

_OWN = (
    *("model", "run", "replica", "file", "frame", "score", "cluster", "member"),
    *("distance_to_center", "assignment", "source", "row", "step", "rmf_file"),
)


def read_models(path: Path, score_key: str) -> ModelTable:
    """
    Read the table of models of a result folder.

    Parameters
    ----------
    path : Path
        A ``models.csv``.
    score_key : str
        Name of the score.

    Returns
    -------
    table : ModelTable
        The models, in rank order.

    Raises
    ------
    FormatError
        If a column is missing or holds something else than it should.
    """
    from congruence.io.store import read_csv

    columns = read_csv(path)
    missing = [name for name in _OWN if name not in columns]
    if missing:
        raise FormatError(
            f"has no column '{missing[0]}'",
            path=path,
            hint="Give a result folder that congruence wrote.",
        )
    texts = {name: np.array(values, dtype=object) for name, values in columns.items()}
    try:
        whole = {k: texts[k].astype(np.int64) for k in ("replica", "frame", "row", "step")}
    except ValueError as error:
        raise FormatError(f"holds something that is no whole number: {error}", path=path) from error
    return ModelTable(
        run=texts["run"],
        replica=whole["replica"],
        source=texts["source"],
        row=whole["row"],
        step=whole["step"],
        rmf_file=texts["rmf_file"],
        file=texts["file"],
        frame=whole["frame"],
        score=to_floats(texts["score"]),
        score_key=score_key,
        columns={k: v for k, v in texts.items() if k not in _OWN},
    )
