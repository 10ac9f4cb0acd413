"""The words of a distance matrix that was not kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.core.provenance import versions
from congruence.io.store import write_json

if TYPE_CHECKING:
    from congruence.core.results import DistanceMatrix

__all__ = ["is_absent", "save_absence"]

_WORDS = "distances.json"
_WHY = "the distances of so many models did not fit in memory, so that none were kept"
_HOW = (
    "give 'congruence cluster' more memory (--memory) or fewer models (--best, --every); "
    "congruence.io.tiles.DistanceFolder keeps all distances on disk"
)


def save_absence(matrix: DistanceMatrix, m: int, folder: Path) -> None:
    """
    Write a ``distances.json`` that says why there is no ``distances.npy``.

    Parameters
    ----------
    matrix : DistanceMatrix
        With the definition of the distances; its values are not written.
    m : int
        Number of models.
    folder : Path
        Where to write.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    words = {
        "format": "congruence distance matrix",
        "format_version": 1,
        "m": m,
        "kept": False,
        "why": _WHY,
        "how_to_get_it": _HOW,
        "unit": "Å",
        "alignment": str(matrix.alignment),
        "weights": matrix.weights,
        "definition": dict(matrix.definition),
        "version": versions()["congruence"],
    }
    write_json(folder / _WORDS, words)


def is_absent(folder: str | Path) -> bool:
    """
    Tell whether a result folder says that its distances were not kept.

    Parameters
    ----------
    folder : str or Path
        The folder.

    Returns
    -------
    absent : bool
        False also where nothing can be read.
    """
    try:
        words: Any = json.loads((Path(folder) / _WORDS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(words, dict) and words.get("kept") is False
