"""Three columns of a wide stat file, beside `ast.literal_eval` of every line."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from benchmarks import sample
from benchmarks.measure import Job, Row, interleaved
from congruence.core.provenance import Losses
from congruence.io.stat import read_header, read_stat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("Total_Score", "rmf_file", "rmf_frame_index")


def literal(path: Path, columns: Sequence[str]) -> list[list[object]]:
    """Evaluate every line as a literal and take the columns."""
    with path.open() as stream:
        header = ast.literal_eval(next(stream))
        numbers = {v: k for k, v in header.items() if isinstance(k, int)}
        rows = [ast.literal_eval(line) for line in stream]
    return [[row[numbers[c]] for c in columns] for row in rows]


def rows(quick: bool) -> list[Row]:
    """Measure one file of many columns."""
    models, residues, repeats = (40, 25, 1) if quick else (2000, 250, 3)
    path = sample.runs("rigid", models, residues) / "run1/output/stat.0.out"
    spent = interleaved(
        {
            "ours": Job(lambda: read_stat(path, COLUMNS, losses=Losses())),
            "all": Job(lambda: read_stat(path, losses=Losses())),
            "literal": Job(lambda: literal(path, COLUMNS)),
        },
        repeats,
    )
    assert len(literal(path, COLUMNS)) == models
    wide = len(read_header(path).names)
    note = f"{models} rows of {wide} columns, {path.stat().st_size / 1e6:.0f} MB"
    peer = ("ast.literal_eval", spent["literal"])
    return [
        Row("3 columns of a stat file", spent["ours"], *peer, note),
        Row("all columns of a stat file", spent["all"], *peer, note),
    ]
