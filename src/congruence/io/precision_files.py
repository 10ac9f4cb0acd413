"""
The text files of IMP's ``Precision`` class: ``precision.I.J.out`` and ``rmsf.NAME.dat``.

Words, order and blanks are those of the reference, two blanks before a median
included, so that what reads its files reads ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import FormatError, InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from congruence.core.precision import CompatPrecision
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = [
    "between_lines",
    "molecule_beads",
    "read_rmsf",
    "within_lines",
    "write_lines",
    "write_rmsf",
]


def within_lines(
    selection: str, name: str, found: CompatPrecision, center: tuple[str, int]
) -> list[str]:
    """
    Format the five lines of a selection within one set of models.

    Parameters
    ----------
    selection : str
        Name of the selection.
    name : str
        Name of the set.
    found : CompatPrecision
        Its numbers.
    center : tuple of (str, int)
        File and frame of the center.

    Returns
    -------
    lines : list of str
        Without line ends.
    """
    head = f"{selection} {name}"
    return [
        f"{head} average centroid distance {found.average_to_center}",
        f"{head} centroid index {found.center}",
        f"{head} centroid rmf name ({center[0]!r}, {center[1]})",
        f"{head} median centroid distance  {found.median_to_center}",
        f"{head} {name} average pairwise distance {found.average_pairwise}",
    ]


def between_lines(selection: str, first: str, second: str, average: float) -> list[str]:
    """
    Format the line of a selection between two sets of models.

    Parameters
    ----------
    selection : str
        Name of the selection.
    first, second : str
        Names of the sets.
    average : float
        Mean distance in Å.

    Returns
    -------
    lines : list of str
        One, without line end.

    Examples
    --------
    >>> between_lines("All", "a", "b", 1.5)
    ['All a b average pairwise distance 1.5']
    """
    return [f"{selection} {first} {second} average pairwise distance {float(average)}"]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """
    Write lines of text.

    Parameters
    ----------
    path : Path
        The file.
    lines : iterable of str
        Without line ends.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}", hint="Check that its folder is there."
        ) from error


def molecule_beads(topology: Topology, name: str) -> IntArray:
    """
    Find the beads of a molecule as the reference does: of several copies the last.

    Parameters
    ----------
    topology : Topology
        The beads.
    name : str
        Name of the molecule.

    Returns
    -------
    beads : ndarray, dtype=int64, shape=(b,)
        Sorted by their residues.
    """
    copies = [i for i, m in enumerate(topology.molecules) if m.name == name]
    held = [c for c in copies if (topology.molecule_index == c).any()]
    if not held:
        return np.empty(0, dtype=np.int64)
    beads = np.flatnonzero(topology.molecule_index == held[-1]).tolist()
    return np.array(sorted(beads, key=lambda i: topology.residues[i]), dtype=np.int64)


def write_rmsf(path: Path, residues: Sequence[Sequence[int]], values: FloatArray) -> None:
    """
    Write ``rmsf.NAME.dat``: residue, bead and value, one residue a line.

    Parameters
    ----------
    path : Path
        The file.
    residues : sequence of sequence of int
        Residues of each bead of the molecule, beads sorted by residues.
    values : ndarray, dtype=float64, shape=(b,)
        Value of each bead in Å.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_lines(
        path,
        (
            f"{residue} {bead} {float(value)}"
            for bead, (numbers, value) in enumerate(zip(residues, values, strict=True))
            for residue in numbers
        ),
    )


def read_rmsf(path: Path) -> tuple[IntArray, IntArray, FloatArray]:
    """
    Read ``rmsf.NAME.dat``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    residues : ndarray, dtype=int64, shape=(r,)
        Residue numbers.
    beads : ndarray, dtype=int64, shape=(r,)
        Bead of each residue.
    values : ndarray, dtype=float64, shape=(r,)
        Value of each residue in Å.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If a line is not two whole numbers and a number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            residue, bead, value = line.split()
            rows.append((int(residue), int(bead), float(value)))
        except ValueError:
            raise FormatError(
                f"holds {line!r}, expected: residue bead value",
                path=path,
                location=f"line {number}",
            ) from None
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]
