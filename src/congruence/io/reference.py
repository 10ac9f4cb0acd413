"""
Known structures to compare models with: a frame of an RMF file, a PDB file or mmCIF.

PDB and mmCIF need the package gemmi (``pip install 'congruence[structure]'``).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.precision import ReferenceStructure
from congruence.core.topology import Molecule, Topology
from congruence.errors import FormatError, InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.typing import FloatArray

__all__ = ["read_reference", "split_frame"]

_RMF = (".rmf", ".rmf3", ".rmfz")
_TRACE = ("CA", "P", "C4'", "C4*")


def split_frame(text: str) -> tuple[Path, int]:
    """
    Divide ``FILE:FRAME``.

    Parameters
    ----------
    text : str
        Path of a file, possibly with a colon and a frame or model behind it.

    Returns
    -------
    path : Path
        The file.
    frame : int
        The frame, from 0; 0 where none is given.

    Examples
    --------
    >>> split_frame("native.rmf3:12")
    (PosixPath('native.rmf3'), 12)
    """
    head, colon, tail = text.rpartition(":")
    if colon and head and tail.isdecimal() and not Path(text).exists():
        return Path(head), int(tail)
    return Path(text), 0


def read_reference(
    path: str | Path, frame: int = 0, *, resolution: float = 1.0
) -> ReferenceStructure:
    """
    Read a reference structure.

    From PDB and mmCIF one point per residue is taken: CA, else P, else C4',
    else the mean of the residue's atoms; waters and residues that are not of
    a polymer are left out, as are insertions after the first residue of a
    number. Molecules are named by their chain (the author's id); the names of
    entities are known beside, so that ``--map Rpb4="DNA-directed ..."`` works.

    Parameters
    ----------
    path : str or Path
        An RMF file, or a PDB or mmCIF file, also gzipped.
    frame : int
        Frame of the RMF file, or model of the structure, from 0.
    resolution : float
        Residues per bead to read from an RMF file.

    Returns
    -------
    reference : ReferenceStructure
        Coordinates in Å.

    Raises
    ------
    InputError
        If the file or its frame is missing.
    FormatError
        If it cannot be understood.
    MissingDependencyError
        If gemmi is needed and missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"there is no reference file {path}",
            hint="Give FILE or FILE:FRAME of an RMF, PDB or mmCIF file.",
        )
    if path.suffix.lower() in _RMF:
        return _from_rmf(path, frame, resolution)
    return _from_structure(path, frame)


def _from_rmf(path: Path, frame: int, resolution: float) -> ReferenceStructure:
    from congruence.io.rmf import open_rmf

    file = open_rmf(path)
    states = [m.state for m in file.topology(resolution).molecules if m.state >= 0]
    state = min(states) if states else None
    (points,) = file.coordinates([frame], resolution, state=state)
    topology = file.topology(resolution, state=state)
    return ReferenceStructure(topology, points, f"{path}, frame {frame}")


def _gemmi() -> Any:
    try:
        return importlib.import_module("gemmi")
    except ImportError:
        raise MissingDependencyError(
            "gemmi", extra="structure", purpose="reading PDB and mmCIF files"
        ) from None


def _from_structure(path: Path, frame: int) -> ReferenceStructure:
    gemmi = _gemmi()
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise FormatError(
            f"cannot be read as PDB or mmCIF: {error}",
            path=path,
            hint="Give an RMF (.rmf3), PDB or mmCIF file.",
        ) from error
    structure.setup_entities()
    if not 0 <= frame < len(structure):
        raise InputError(
            f"{path} has no model {frame}: it holds {len(structure)}, numbered from 0",
            hint="Leave the number behind the colon out for the first model.",
        )
    chains = [(chain.name, list(_residues(chain))) for chain in structure[frame]]
    chains = [(name, rows) for name, rows in chains if rows]
    if not chains:
        raise FormatError("holds no residue of a polymer", path=path)
    topology, points = _topology(chains)
    source = f"{path}, model {frame}" if frame else str(path)
    return ReferenceStructure(
        topology, points, source, _aliases(gemmi, path, structure, structure[frame])
    )


def _residues(chain: Any) -> Iterator[tuple[int, str, FloatArray]]:
    """Yield number, name and place of the residues of a chain's polymer."""
    seen: set[int] = set()
    for residue in chain.get_polymer():
        number = int(residue.seqid.num)
        if number in seen or not len(residue):
            continue
        seen.add(number)
        yield number, residue.name, _place(residue)


def _place(residue: Any) -> FloatArray:
    atoms: dict[str, Any] = {}
    for atom in residue:
        kept = atoms.get(atom.name)
        if kept is None or atom.occ > kept.occ:
            atoms[atom.name] = atom
    for name in _TRACE:
        if name in atoms:
            return np.array(atoms[name].pos.tolist(), dtype=np.float64)
    place: FloatArray = np.mean([atom.pos.tolist() for atom in atoms.values()], axis=0)
    return place


def _topology(
    chains: Sequence[tuple[str, list[tuple[int, str, FloatArray]]]],
) -> tuple[Topology, FloatArray]:
    numbers = [row[0] for _, rows in chains for row in rows]
    count = len(numbers)
    topology = Topology(
        molecules=tuple(Molecule(name, 0, chain=name) for name, _ in chains),
        molecule_index=np.repeat(np.arange(len(chains)), [len(rows) for _, rows in chains]),
        residues=tuple((number,) for number in numbers),
        radius=np.full(count, 3.0),
        mass=np.full(count, 110.0),
        resolution=np.ones(count),
        bead_name=tuple(map(str, numbers)),
        residue_type=tuple(row[1] for _, rows in chains for row in rows),
        atom_name=("",) * count,
        node_id=np.arange(count),
    )
    return topology, np.array([row[2] for _, rows in chains for row in rows])


def _aliases(gemmi: Any, path: Path, structure: Any, model: Any) -> dict[str, tuple[str, ...]]:
    """Return the chains of each entity by the name that mmCIF gives it."""
    if not {".cif", ".mmcif"} & {suffix.lower() for suffix in path.suffixes}:
        return {}
    block = gemmi.cif.read(str(path)).sole_block()
    rows = block.find("_entity.", ["id", "pdbx_description"])
    named = {row.str(0): row.str(1) for row in rows}
    aliases: dict[str, tuple[str, ...]] = {}
    for entity in structure.entities:
        chains = [c.name for c in model if {r.subchain for r in c} & set(entity.subchains)]
        name = named.get(entity.name, "")
        if chains and name:
            aliases[name] = (*aliases.get(name, ()), *chains)
    return aliases
