"""
The saved distance matrix of a script: ``NAME.npy`` and ``NAME.json``.

``NAME.npy`` is the square float64 matrix that the reference writes too.
``NAME.json`` stands for the pickles there: names, labels, placements, features.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import versions
from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import FormatError, InputError
from congruence.pmi.outputs import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.typing import FloatArray

__all__ = ["load_matrix", "save_labels", "save_matrix"]

_AGAIN = "Compute it again with load_distance_matrix_file=False."


def save_matrix(stem: str, matrix: DistanceMatrix, about: Mapping[str, object]) -> None:
    """
    Write a matrix and what belongs to it.

    Parameters
    ----------
    stem : str
        Path without ``.npy`` and ``.json``.
    matrix : DistanceMatrix
        Distances in Å, with names.
    about : mapping of str to object
        Further JSON-able values.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    array, words = _paths(stem)
    array.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(array) as part, part.open("wb") as stream:
        np.save(stream, matrix.square())
    data = {
        "program": "congruence",
        "versions": versions(),
        "alignment": str(matrix.alignment),
        "definition": matrix.definition,
        "names": list(matrix.names),
    }
    _write_words(words, data | dict(about))


def save_labels(stem: str, about: Mapping[str, object]) -> None:
    """
    Replace what belongs to a saved matrix, not the matrix.

    Parameters
    ----------
    stem : str
        Path without ``.npy`` and ``.json``.
    about : mapping of str to object
        JSON-able values that are new.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    from congruence.io.store import read_json

    words = _paths(stem)[1]
    _write_words(words, read_json(words) | dict(about))


def _write_words(words: Path, data: Mapping[str, object]) -> None:
    from congruence.io.store import write_json

    with whole_file(words) as part:
        write_json(part, data)


def load_matrix(stem: str) -> tuple[DistanceMatrix, dict[str, Any]]:
    """
    Read what `save_matrix` wrote.

    Parameters
    ----------
    stem : str
        Path without ``.npy`` and ``.json``.

    Returns
    -------
    matrix : DistanceMatrix
        Distances in Å.
    about : dict
        Everything that the JSON file holds.

    Raises
    ------
    InputError
        If a file is missing, or there are only files of the reference.
    FormatError
        If a file is not what it should be, or the two do not fit.
    """
    from congruence.io.store import read_json

    array, words = _paths(stem)
    if not words.is_file():
        raise _no_words(stem, array, words)
    about = read_json(words)
    if not isinstance(about, dict) or about.get("program") != "congruence":
        raise FormatError("was not written by congruence", path=words, hint=_AGAIN)
    square = _read_square(array)
    names = about.get("names")
    if not isinstance(names, list) or len(names) != len(square):
        raise FormatError(
            f"does not name the {len(square)} models of {array.name}", path=words, hint=_AGAIN
        )
    matrix = DistanceMatrix(
        _upper(square),
        len(square),
        Alignment.SUPERPOSE if about.get("alignment") == "superpose" else Alignment.NONE,
        "residues",
        tuple(str(name) for name in names),
        {str(k): str(v) for k, v in dict(about.get("definition", {})).items()},
    )
    return matrix, about


def _upper(square: FloatArray) -> FloatArray:
    from scipy.spatial.distance import squareform

    if len(square) < 2:
        return np.empty(0)
    upper: FloatArray = squareform(square, checks=False)
    return upper


def _paths(stem: str) -> tuple[Path, Path]:
    return Path(f"{stem}.npy"), Path(f"{stem}.json")


def _no_words(stem: str, array: Path, words: Path) -> InputError:
    pickled = Path(f"{stem}.data")
    if pickled.exists():
        return InputError(
            f"{pickled} is a pickle of IMP, which congruence does not open: opening one runs "
            "whatever code is in it",
            hint="Run the script once with load_distance_matrix_file=False: "
            f"that writes {words.name}, and takes seconds.",
        )
    there = f"{array} is there, but {words.name} is not" if array.exists() else f"no file {words}"
    return InputError(f"cannot load the distance matrix: {there}", hint=_AGAIN)


def _read_square(path: Path) -> FloatArray:
    try:
        square = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(
            f"is no matrix that can be read: {error}", path=path, hint=_AGAIN
        ) from error
    fits = square.ndim == 2 and square.shape[0] == square.shape[1] and square.dtype.kind == "f"
    if not fits or not np.isfinite(square).all():
        raise FormatError(
            f"holds {square.dtype} of shape {square.shape}, expected a square matrix of finite numbers",
            path=path,
            hint=_AGAIN,
        )
    return np.asarray(square, dtype=np.float64)
