"""What PDB and mmCIF files say of a bead: its name, residue, element and chain."""

from __future__ import annotations

import itertools
import re
import string
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import OutputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

COARSE = "BEA"
"""Residue name of a bead that is not one residue."""

_CHAIN_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_NUCLEOTIDES = {
    "ADE": "A", "CYT": "C", "GUA": "G", "URA": "U",
    "DADE": "DA", "DCYT": "DC", "DGUA": "DG", "DTHY": "DT",
}  # fmt: skip
_METALS = frozenset({
    "AL", "AG", "AU", "BA", "BR", "CA", "CD", "CL", "CO", "CR", "CU", "FE", "GA", "HG",
    "IR", "LI", "MG", "MN", "MO", "NA", "NI", "OS", "PB", "PD", "PT", "SE", "SI", "SR",
    "ZN",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """One line of coordinates, without the coordinates."""

    bead: int
    molecule: int
    atom: str
    residue: str
    number: int
    element: str
    hetero: bool


@lru_cache(maxsize=4)
def sites(topology: Topology) -> tuple[Site, ...]:
    """
    Describe all beads, by molecule in order of appearance and by residue number; kept for the last few.

    A bead without residues is numbered on from the last residue of its molecule.
    """
    last = [0] * len(topology.molecules)
    for i, molecule in enumerate(topology.molecule_index.tolist()):
        last[molecule] = max(last[molecule], *topology.residues[i], 0)
    made = []
    for i, molecule in enumerate(topology.molecule_index.tolist()):
        if not topology.residues[i]:
            last[molecule] += 1
        made.append(_site(topology, i, molecule, last[molecule]))
    return tuple(sorted(made, key=lambda s: (s.molecule, s.number)))


def _site(topology: Topology, bead: int, molecule: int, number: int) -> Site:
    residues = topology.residues[bead]
    if not residues:
        return Site(bead, molecule, "CA", COARSE, number, "C", hetero=True)
    middle = residues[len(residues) // 2]
    kind = residue_name(topology.residue_type[bead])
    name = topology.atom_name[bead]
    if not name:
        coarse = len(residues) > 1 or not kind
        return Site(bead, molecule, "CA", COARSE if coarse else kind, middle, "C", hetero=False)
    hetero = name.startswith("HET:")
    atom = name.removeprefix("HET:").strip()
    return Site(bead, molecule, atom, kind or "UNK", middle, element(atom, hetero), hetero)


def residue_name(kind: str) -> str:
    """Return the three-letter (or nucleotide) code of a residue type."""
    kind = kind.removeprefix("HET:").strip()
    return _NUCLEOTIDES.get(kind, kind)


def element(atom: str, hetero: bool) -> str:
    """Return the element of an atom name; two letters only for hetero atoms."""
    letters = re.sub(r"[^A-Z]", "", atom.upper())
    if hetero and letters[:2] in _METALS and atom.upper().startswith(letters[:2]):
        return letters[:2].capitalize()
    return letters[:1] or "C"


def chain_ids(topology: Topology, *, single: bool) -> dict[int, str]:
    """
    Give every molecule that has beads a chain id of its own.

    The first molecule with an id keeps it; the others get the next free ones.
    With `single`, ids have one character and run out after 62.
    """
    present = sorted(set(topology.molecule_index.tolist()))
    given: dict[int, str] = {}
    for i in present:
        chain = topology.molecules[i].chain
        fits = re.fullmatch(r"[A-Za-z0-9]" if single else r"[A-Za-z0-9]+", chain)
        if fits and chain not in given.values():
            given[i] = chain
    free = (c for c in _candidates(single) if c not in set(given.values()))
    for i in present:
        if i not in given:
            chosen = next(free, "")
            if not chosen:
                raise OutputError(
                    f"{len(present)} molecules need {len(present)} chain ids, PDB has 62",
                    hint="Write mmCIF instead.",
                )
            given[i] = chosen
    return given


def _candidates(single: bool) -> Iterator[str]:
    lengths = (1,) if single else (1, 2, 3)
    for length in lengths:
        for letters in itertools.product(_CHAIN_LETTERS, repeat=length):
            yield "".join(letters)


def checked(
    coordinates: FloatArray, topology: Topology, b_factors: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return coordinates as (k,n,3) and B-factors, the radii by default."""
    n = len(topology)
    xyz = np.asarray(coordinates, dtype=np.float64)
    xyz = xyz[None] if xyz.ndim == 2 else xyz
    if xyz.ndim != 3 or xyz.shape[1:] != (n, 3):
        raise ShapeError(
            f"coordinates have shape {np.shape(coordinates)}, expected ({n}, 3) or (k, {n}, 3) "
            "for the beads of the topology"
        )
    b = np.asarray(topology.radius if b_factors is None else b_factors, dtype=np.float64)
    if b.shape != (n,):
        raise ShapeError(f"B-factors have shape {b.shape}, expected ({n},)")
    if not (np.isfinite(xyz).all() and np.isfinite(b).all()):
        raise ShapeError("coordinates or B-factors are not finite, they cannot be written")
    return xyz, b


def write_text(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines to a file that appears whole or not at all."""
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}", hint="Make it first.")
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="ascii", errors="replace", newline="\n") as file:
            file.write("".join(f"{line}\n" for line in lines))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
