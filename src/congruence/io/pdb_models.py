"""Read models from PDB files: coordinates of heavy atoms, for comparing ensembles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.topology import Molecule, Topology
from congruence.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from congruence.typing import FloatArray

__all__ = ["read_pdb_models"]

_WATER = {"HOH", "WAT", "H2O", "DOD", "TIP", "TIP3", "SOL"}
_MASSES = {"C": 12.011, "N": 14.007, "O": 15.999, "S": 32.06, "P": 30.974, "SE": 78.971}
_OTHER_MASS = 12.011
_RADIUS = 1.7


@dataclass(frozen=True, slots=True)
class _Atom:
    chain: str
    residue: int
    insertion: str
    kind: str
    name: str
    element: str


def read_pdb_models(path: Path) -> tuple[FloatArray, Topology]:
    """
    Read the models of a PDB file.

    Only what comparing models needs is read: no bonds, no occupancy. For more
    of a structure use gemmi or biotite.

    Parameters
    ----------
    path : Path
        A PDB file of one or, between MODEL and ENDMDL, several models.

    Returns
    -------
    coordinates : ndarray, dtype=float64, shape=(k,n,3)
        Of the atoms that are neither hydrogen nor of water, in Å; of alternate
        places the first.
    topology : Topology
        A molecule per chain; atoms of radius 1.7 Å with the mass of their
        element (of carbon if it is not C, N, O, S, P or Se).

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If there is no atom, a coordinate is no number, or models differ in
        their atoms.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    first: list[_Atom] = []
    models: list[FloatArray] = []
    for number, (atoms, points) in enumerate(_models(lines, path), start=1):
        if not models:
            first = atoms
        elif atoms != first:
            raise FormatError(
                f"model {number} has other atoms than the first ({len(atoms)} and {len(first)})",
                path=path,
                hint="All models of a file must be of one system.",
            )
        models.append(np.array(points, dtype=np.float64))
    if not models:
        raise FormatError("holds no atoms", path=path, hint="ATOM or HETATM records are expected.")
    return np.stack(models), _topology(first)


def _models(
    lines: list[str], path: Path
) -> Iterator[tuple[list[_Atom], list[tuple[float, float, float]]]]:
    atoms: list[_Atom] = []
    points: list[tuple[float, float, float]] = []
    seen: set[_Atom] = set()
    for number, line in enumerate(lines, start=1):
        record = line[:6].rstrip()
        if record in ("ATOM", "HETATM"):
            atom, point = _read(line, path, number)
            if atom.element in ("H", "D") or atom.kind in _WATER or atom in seen:
                continue
            seen.add(atom)
            atoms.append(atom)
            points.append(point)
        elif record in ("ENDMDL", "END") and atoms:
            yield atoms, points
            atoms, points, seen = [], [], set()
    if atoms:
        yield atoms, points


def _read(line: str, path: Path, number: int) -> tuple[_Atom, tuple[float, float, float]]:
    try:
        point = (float(line[30:38]), float(line[38:46]), float(line[46:54]))
        residue = int(line[22:26])
    except ValueError:
        raise FormatError(
            f"cannot read {line[:54].rstrip()!r}", path=path, location=f"line {number}"
        ) from None
    if not np.isfinite(point).all():
        raise FormatError(
            f"a coordinate is {point}",
            path=path,
            location=f"line {number}",
            hint="Leave this model out, or look at why it holds NaN or infinite numbers.",
        )
    name = line[12:16]
    element = line[76:78].strip().upper() or name[:2].strip(" 0123456789")[:1].upper()
    return _Atom(line[21], residue, line[26:27], line[17:20].strip(), name.strip(), element), point


def _topology(atoms: list[_Atom]) -> Topology:
    chains = list(dict.fromkeys(a.chain for a in atoms))
    n = len(atoms)
    return Topology(
        molecules=tuple(Molecule(c.strip() or "A", 0, chain=c.strip()) for c in chains),
        molecule_index=np.array([chains.index(a.chain) for a in atoms], dtype=np.int64),
        residues=tuple((a.residue,) for a in atoms),
        radius=np.full(n, _RADIUS),
        mass=np.array([_MASSES.get(a.element, _OTHER_MASS) for a in atoms]),
        resolution=np.full(n, np.nan),
        bead_name=tuple(a.name for a in atoms),
        residue_type=tuple(a.kind for a in atoms),
        atom_name=tuple(a.name for a in atoms),
        node_id=np.arange(n),
    )
