"""
The files of imp-sampcon: its inputs, and what it writes, read back.

Nothing of an input is ever run as a program. `write_protocol` in
`congruence.io.sampcon_write` writes the same files.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from congruence.errors import FormatError, InputError
from congruence.io.store import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.typing import FloatArray, IntArray

__all__ = [
    "MODEL_SUFFIXES",
    "Units",
    "list_models",
    "read_identities",
    "read_members",
    "read_output_json",
    "read_scores",
    "read_symmetry",
    "text_lines",
]

MODEL_SUFFIXES = (".rmf3", ".rmf", ".pdb")
"""Endings of files that hold one model each."""

Units: TypeAlias = tuple[tuple[str, ...], ...]
"""Interchangeable units of one group; a unit is some ``Molecule.copy``."""


def list_models(folder: Path) -> tuple[Path, ...]:
    """
    List the models of a sample in the order of their numbers.

    Parameters
    ----------
    folder : Path
        Such as ``sample_A``: files ``0.rmf3``, ``1.rmf3``, ... (or PDB files).

    Returns
    -------
    models : tuple of Path
        By the whole number before the first dot of their names.

    Raises
    ------
    InputError
        If the folder is not there or holds no models.
    FormatError
        If a name is no number, or formats are mixed.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder",
            hint="A folder of good-scoring models holds the folders sample_A and sample_B.",
        )
    files = [p for p in folder.iterdir() if p.suffix in MODEL_SUFFIXES and p.is_file()]
    if not files:
        raise InputError(
            f"{folder} holds no models ({', '.join('*' + s for s in MODEL_SUFFIXES)}): the sample "
            "is empty",
            hint="Was the filter of good models so strict that a whole sample was left out?",
        )
    kinds = sorted({p.suffix for p in files})
    if ".pdb" in kinds and len(kinds) > 1:
        raise FormatError(
            f"holds models of several formats: {', '.join(kinds)}",
            path=folder,
            hint="Keep either the RMF files or the PDB files.",
        )
    numbered = []
    for path in files:
        stem = path.name.split(".", 1)[0]
        if not re.fullmatch(r"-?\d+", stem):
            raise FormatError(
                f"model '{path.name}' has no number for a name",
                path=folder,
                hint="Models are ordered by number, scores with them: name them 0.rmf3, 1.rmf3, ...",
            )
        numbered.append((int(stem), path))
    return tuple(path for _, path in sorted(numbered))


def read_scores(path: Path) -> FloatArray:
    """
    Read scores, one a line.

    Parameters
    ----------
    path : Path
        Such as ``scoresA.txt``.

    Returns
    -------
    scores : ndarray, dtype=float64, shape=(n,)
        In the order of the lines; empty lines at the end do not count.

    Raises
    ------
    InputError
        If the file cannot be read or is empty.
    FormatError
        If a line is no number.
    """
    lines = text_lines(path)
    if not lines:
        raise InputError(
            f"{path} is empty: the sample has no scores", hint="Give one score a line."
        )
    values = np.empty(len(lines))
    for at, line in enumerate(lines):
        try:
            values[at] = float(line)
        except ValueError:
            raise FormatError(
                f"{line[:40]!r} is no number",
                path=path,
                location=f"line {at + 1}",
                hint="One score a line, in the order of the models.",
            ) from None
        if not math.isfinite(values[at]):
            raise FormatError(
                f"the score is {line.strip()}",
                path=path,
                location=f"line {at + 1}",
                hint="Leave this model out, and its score with it.",
            )
    return values


def text_lines(path: Path) -> list[str]:
    """
    Read the lines of a text file, without empty ones at the end.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    lines : list of str
        Without line ends.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is no text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError("is not a text file", path=path) from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_symmetry(path: Path) -> tuple[Units, ...]:
    """
    Read which parts of a model may take each other's place.

    Parameters
    ----------
    path : Path
        One group a line; its units are separated by white space, and a unit is
        ``Molecule.copy`` or a sub-complex ``A.0/B.0`` that moves as one.

    Returns
    -------
    groups : tuple of tuple of tuple of str
        Units of each group, as lists of ``Molecule.copy``.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a unit has no copy number, units have different numbers of parts,
        or a part is named twice.
    """
    groups: list[Units] = []
    seen: set[str] = set()
    for number, line in enumerate(text_lines(path), start=1):
        units = tuple(tuple(unit.split("/")) for unit in line.split())
        if not units:
            continue
        where: dict[str, Any] = {"path": path, "location": f"line {number}"}
        parts = [part for unit in units for part in unit]
        wrong = [part for part in parts if not re.fullmatch(r".+\.\d+", part)]
        if wrong:
            raise FormatError(f"'{wrong[0]}' has no copy number", hint="Write Molecule.copy, such as Nup84.0.", **where)  # fmt: skip
        if len({len(unit) for unit in units}) > 1 or len(units) < 2:
            raise FormatError(
                "a group needs two or more units of equally many parts",
                hint="Write A.0 A.1, or A.0/B.0 A.1/B.1 for sub-complexes.",
                **where,
            )
        twice = [part for part in parts if part in seen or parts.count(part) > 1]
        if twice:
            raise FormatError(f"'{twice[0]}' is named twice", hint="A molecule belongs to one unit.", **where)  # fmt: skip
        seen.update(parts)
        groups.append(units)
    return tuple(groups)


def read_identities(path: Path) -> tuple[tuple[str, int], ...]:
    """
    Read which file each model came from.

    Parameters
    ----------
    path : Path
        ``Identities_A.txt`` or ``Identities_B.txt``.

    Returns
    -------
    identities : tuple of (str, int)
        Path as written, and number of the model.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a line does not end with a number.
    """
    found = []
    for number, line in enumerate(text_lines(path), start=1):
        name, _, index = line.rpartition(" ")
        if not name or not index.isdigit():
            raise FormatError(
                f"{line[:60]!r} is no path and number", path=path, location=f"line {number}"
            )
        found.append((name, int(index)))
    return tuple(found)


def read_members(path: Path) -> IntArray:
    """
    Read the members of a cluster.

    Parameters
    ----------
    path : Path
        Such as ``cluster.0.all.txt``.

    Returns
    -------
    members : ndarray, dtype=int64, shape=(n,)
        In the order of the file, the center first.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a line is no whole number.
    """
    numbers = []
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip().isdigit():
            raise FormatError(
                f"{line[:40]!r} is no model number", path=path, location=f"line {number}"
            )
        numbers.append(int(line))
    return np.array(numbers, dtype=np.int64)


def read_output_json(path: Path) -> dict[str, Any]:
    """
    Read ``NAME.output.json``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    data : dict
        With ``producer``, ``clustering_threshold``, ``clusters`` and, unless a
        threshold was given, ``chi_square_grid_stats`` and ``precision``.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it is not of this format.
    """
    data: Any = read_json(path)
    ours = isinstance(data, dict) and isinstance(data.get("clusters"), list)
    if not ours or not isinstance(data.get("producer"), dict):
        raise FormatError(
            "has no 'producer' and 'clusters'",
            path=path,
            hint="Give the NAME.output.json of the sampling exhaustiveness protocol.",
        )
    version = data["producer"].get("file_version")
    if version != 1:
        raise FormatError(f"file_version is {version!r}, expected 1", path=path)
    return dict(data)
