"""Distance matrices on disk: ours, and those of other programs."""

from __future__ import annotations

import io
import json
import math
import os
import tokenize
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import versions
from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import FormatError, InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import Float32Array, FloatArray

__all__ = ["load_matrix", "save_matrix"]

_ARRAY = "distances.npy"
_WORDS = "distances.json"
_FORMAT = "congruence distance matrix"
_FORMAT_VERSION = 1
_SYMMETRY = 1e-6
_ROWS_AT_ONCE = 256
_NOT_AN_ARRAY = (
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)


def save_matrix(matrix: DistanceMatrix, folder: str | Path) -> Path:
    """
    Write a matrix as ``distances.npy`` and ``distances.json``.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    folder : str or Path
        Made if it is not there. Files of these names in it are replaced.

    Returns
    -------
    path : Path
        The folder.

    Raises
    ------
    OutputError
        If the folder cannot be written.

    Notes
    -----
    The array is condensed float32: float64 distances lose digits beyond the
    seventh. Each file appears complete or not at all; the words are written
    last and hold a checksum of the array, so that an interrupted write is
    noticed.
    """
    folder = Path(folder)
    array = np.ascontiguousarray(matrix.condensed, dtype=np.float32)
    words = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "m": matrix.m,
        "values": len(array),
        "crc32": zlib.crc32(array.data),
        "order": "upper triangle, row by row, without the diagonal",
        "dtype": "float32",
        "unit": "Å",
        "alignment": str(matrix.alignment),
        "weights": matrix.weights,
        "definition": dict(matrix.definition),
        "names": list(matrix.names),
        "version": versions()["congruence"],
    }
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / _ARRAY, buffer.getbuffer())
        text = json.dumps(words, indent=1, ensure_ascii=False) + "\n"
        _replace(folder / _WORDS, text.encode())
    except OSError as error:
        raise OutputError(
            f"{folder}: the distance matrix cannot be written: {error.strerror}",
            hint="Choose a folder that you may write to, on a disk with room.",
        ) from error
    return folder


def _replace(path: Path, data: bytes | memoryview) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_matrix(path: str | Path, names: str | Path | None = None) -> DistanceMatrix:
    """
    Read a matrix of ours, or an ``.npy`` file of another program.

    Parameters
    ----------
    path : str or Path
        The folder that `save_matrix` wrote, its ``distances.npy`` or
        ``distances.json``, or any ``.npy`` file with the distances in Å,
        condensed (upper triangle, row by row) or square.
    names : str or Path, optional
        Text file with the name of each model, one a line, in the order of
        the matrix. Names in ``distances.json`` yield to it.

    Returns
    -------
    matrix : DistanceMatrix
        Values as float32 or float64, as they are in the file. Of a foreign
        matrix the alignment is said to be ``none`` and ``definition`` holds
        that it is unknown.

    Raises
    ------
    InputError
        If the file is not there or cannot be read.
    FormatError
        If the file is no numerical ``.npy`` file, has a wrong number of
        values, is not symmetric or not zero on the diagonal (both within
        1e-6 of the largest distance), holds a negative number or one that is
        not finite, or does not fit the names or ``distances.json``.
    """
    array_path, words_path = _paths(Path(path))
    words = _read_words(words_path) if words_path is not None else None
    if words is not None and words.get("kept") is False:
        raise InputError(f"{words_path}: {words.get('why')}", hint=_capital(words))
    array = _read_array(array_path)
    if array.ndim == 2:
        array = _condense(array, array_path)
    m = _models_of(array, array_path)
    _check_values(array, m, array_path)
    if words is not None and words_path is not None:
        matrix = _ours(array, m, words, words_path)
    else:
        unknown = {"source": array_path.name, "alignment": "not known: matrix of another program"}
        matrix = DistanceMatrix(array, m, Alignment.NONE, "none", (), unknown)
    if names is None:
        return matrix
    return DistanceMatrix(
        array, m, matrix.alignment, matrix.weights, _read_names(Path(names), m), matrix.definition
    )


def _capital(words: dict[str, Any]) -> str:
    how = str(words.get("how_to_get_it", ""))
    return f"{how[:1].upper()}{how[1:]}." if how else ""


def _paths(path: Path) -> tuple[Path, Path | None]:
    if path.is_dir():
        found = path / _ARRAY, path / _WORDS
    elif path.name in (_ARRAY, _WORDS):
        found = path.parent / _ARRAY, path.parent / _WORDS
    else:
        return path, None
    if path.name == _ARRAY and path.is_file() and not found[1].exists():
        return path, None
    return found


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot be read: {error.strerror}",
        hint="Give the folder of a saved matrix (distances.npy and distances.json) "
        "or an .npy file.",
    )


def _read_words(path: Path) -> dict[str, Any]:
    try:
        words = json.loads(_read_bytes(path).decode())
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"not a JSON file: {error}", path=path, hint="Compute the matrix again."
        ) from error
    if not isinstance(words, dict) or words.get("format") != _FORMAT:
        raise FormatError(
            f"does not say '{_FORMAT}'",
            path=path,
            hint="Give the .npy file under another name to read it without this file.",
        )
    if words.get("format_version") != _FORMAT_VERSION:
        raise FormatError(
            f"format version {words.get('format_version')!r}, expected {_FORMAT_VERSION}",
            path=path,
            hint="It was written by another version of congruence: use that one, or compute again.",
        )
    return words


def _read_array(path: Path) -> Float32Array | FloatArray:
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise _unreadable(path, error) from error
    except _NOT_AN_ARRAY as error:
        pickled = "allow_pickle" in str(error)
        raise FormatError(
            "holds pickled Python objects, which are never loaded"
            if pickled
            else f"not an .npy file of numbers: {error}",
            path=path,
            hint="Save the distances as a plain array of numbers with numpy.save.",
        ) from error
    if array.ndim not in (1, 2):
        raise FormatError(
            f"expected one array, condensed (1 dimension) or square (2), found {array.ndim} "
            "dimensions",
            path=path,
            hint="Save one matrix per .npy file.",
        )
    if array.dtype.kind not in "fiu":
        raise FormatError(
            f"values of type {array.dtype}, expected real numbers",
            path=path,
            hint="Save the distances in Å as float32 or float64.",
        )
    if array.dtype.kind == "f" and array.dtype.itemsize <= 4:
        return np.ascontiguousarray(array, dtype=np.float32)
    return np.ascontiguousarray(array, dtype=np.float64)


def _condense(square: Float32Array | FloatArray, path: Path) -> Float32Array | FloatArray:
    rows, columns = square.shape
    if rows != columns:
        raise FormatError(
            f"a matrix of {rows} x {columns} is not square",
            path=path,
            hint="Distances of all models against all others are needed.",
        )
    if not np.isfinite(square).all():
        i, j = (int(v) for v in np.argwhere(~np.isfinite(square))[0])
        raise FormatError(
            f"the distance of models {i} and {j} is {square[i, j]}",
            path=path,
            location=f"row {i}, column {j}",
            hint="Leave out the models whose distances could not be computed.",
        )
    tolerance = _SYMMETRY * float(np.abs(square).max(initial=0.0))
    off = np.flatnonzero(np.abs(np.diagonal(square)) > tolerance)
    if len(off):
        raise FormatError(
            f"the distance of model {off[0]} to itself is {square[off[0], off[0]]:g}, expected 0",
            path=path,
            hint="Is it a matrix of similarities? Distances in Å are needed.",
        )
    condensed = np.empty(rows * (rows - 1) // 2, dtype=square.dtype)
    filled = 0
    for start in range(0, rows, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, rows)
        here, there = square[start:stop], square[:, start:stop].T
        asymmetric = np.argwhere(np.abs(here - there) > tolerance)
        if len(asymmetric):
            i, j = int(asymmetric[0, 0]) + start, int(asymmetric[0, 1])
            raise FormatError(
                f"not symmetric: {square[i, j]:g} from model {i} to {j}, "
                f"but {square[j, i]:g} from {j} to {i}",
                path=path,
                hint="Save the full matrix, or only its upper triangle in condensed form.",
            )
        for i in range(start, stop):
            condensed[filled : filled + rows - i - 1] = square[i, i + 1 :]
            filled += rows - i - 1
    return condensed


def _models_of(condensed: Float32Array | FloatArray, path: Path) -> int:
    n = len(condensed)
    m = (1 + math.isqrt(1 + 8 * n)) // 2
    if m * (m - 1) // 2 != n:
        raise FormatError(
            f"{n} values are no condensed matrix: {m} models have {m * (m - 1) // 2} "
            f"and {m + 1} have {m * (m + 1) // 2}",
            path=path,
            hint="A condensed matrix of m models has m (m - 1) / 2 values; is the file cut off?",
        )
    return m


def _check_values(condensed: Float32Array | FloatArray, m: int, path: Path) -> None:
    wrong = np.flatnonzero(~(np.isfinite(condensed) & (condensed >= 0)))
    if not len(wrong):
        return
    at = int(wrong[0])
    i, start = 0, 0
    while start + m - 1 - i <= at:
        start += m - 1 - i
        i += 1
    j = i + 1 + at - start
    raise FormatError(
        f"{len(wrong)} values are no distances; the first is {condensed[at]:g}, "
        f"of models {i} and {j}",
        path=path,
        location=f"value {at}",
        hint="Distances are finite and not negative; leave out models without coordinates.",
    )


def _ours(
    array: Float32Array | FloatArray, m: int, words: dict[str, Any], path: Path
) -> DistanceMatrix:
    if words.get("m") != m:
        raise FormatError(
            f"says {words.get('m')!r} models, but {_ARRAY} beside it has {m}",
            path=path,
            hint="The two files are not of the same run: compute the matrix again.",
        )
    if words.get("crc32") != zlib.crc32(array.data):
        raise FormatError(
            f"{_ARRAY} beside it is not the array that was saved (checksum)",
            path=path,
            hint="Writing was interrupted or the array was changed: compute the matrix again.",
        )
    names, definition = words.get("names", []), words.get("definition", {})
    if not isinstance(names, list) or not isinstance(definition, dict):
        raise FormatError(
            "'names' is no list or 'definition' no table",
            path=path,
            hint="Compute the matrix again.",
        )
    if names and len(names) != m:
        raise FormatError(
            f"{len(names)} names for {m} models", path=path, hint="Compute the matrix again."
        )
    weights = words.get("weights")
    if weights not in ("residues", "none", "given") or words.get("alignment") not in list(
        Alignment
    ):
        raise FormatError(
            f"unknown alignment {words.get('alignment')!r} or weights {weights!r}",
            path=path,
            hint=f"Alignments are {', '.join(Alignment)}; weights are residues, none, given.",
        )
    return DistanceMatrix(
        array,
        m,
        Alignment(words["alignment"]),
        weights,
        tuple(str(n) for n in names),
        {str(k): str(v) for k, v in definition.items()},
    )


def _read_names(path: Path, m: int) -> tuple[str, ...]:
    try:
        lines: Sequence[str] = _read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(
            "the names are no UTF-8 text", path=path, hint="One name a line is expected."
        ) from error
    found = tuple(line.strip() for line in lines)
    while found and not found[-1]:
        found = found[:-1]
    if len(found) != m:
        raise FormatError(
            f"{len(found)} names for a matrix of {m} models",
            path=path,
            hint="One name a line, in the order of the matrix.",
        )
    return found
