"""Small text files of a result folder: JSON, CSV, and the keys of input files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["file_key", "plain", "read_csv", "read_json", "write_csv", "write_json"]

_ENDS = 65536


def write_json(path: Path, data: Any) -> None:
    """
    Write JSON with sorted structure left as given, ready to be read by people.

    Parameters
    ----------
    path : Path
        The file.
    data : Any
        JSON-able values; numpy numbers and arrays are converted, and numbers
        that are not finite are written as null.
    """
    text = json.dumps(plain(data), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """
    Turn a value into what JSON can hold.

    Parameters
    ----------
    value : Any
        Dicts, sequences, numbers, texts, numpy arrays and numpy numbers.

    Returns
    -------
    plain : Any
        The same of dicts, lists, numbers and texts; None for a number that
        is not finite.
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> Any:
    """
    Read JSON.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    data : Any
        Its content.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError("is not a text file, expected JSON", path=path) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"is not JSON: {error.msg}", path=path, location=f"line {error.lineno}"
        ) from error


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """
    Write a table as CSV (RFC 4180, UTF-8, line feeds).

    Parameters
    ----------
    path : Path
        The file.
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values; floats are written so that they read back equal.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if v is None else v for v in row])


def read_csv(path: Path) -> dict[str, list[str]]:
    """
    Read a table.

    Parameters
    ----------
    path : Path
        A CSV file with a header.

    Returns
    -------
    columns : dict of str to list of str
        Texts by column.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a row has another number of columns than the header.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the table {path}: {error}") from error
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if not rows:
        raise FormatError("is empty, expected a table with a header", path=path)
    header, body = rows[0], rows[1:]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise FormatError(
                f"has {len(row)} columns, expected {len(header)}",
                path=path,
                location=f"line {number}",
            )
    return {name: [row[i] for row in body] for i, name in enumerate(header)}


def file_key(path: Path, *, whole: bool = False) -> dict[str, str | int]:
    """
    Name the content of an input file by its size and a digest.

    Parameters
    ----------
    path : Path
        The file.
    whole : bool
        Digest the whole file and not only its first and last 64 KiB.

    Returns
    -------
    key : dict
        ``size`` in bytes, ``sha256`` (hexadecimal) and ``of``: ``"all"`` or
        ``"first and last 64 KiB"``.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            if whole or size <= 2 * _ENDS:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
            else:
                digest.update(stream.read(_ENDS))
                stream.seek(-_ENDS, io.SEEK_END)
                digest.update(stream.read(_ENDS))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    of = "all" if whole or size <= 2 * _ENDS else "first and last 64 KiB"
    return {"size": size, "sha256": digest.hexdigest(), "of": of}
