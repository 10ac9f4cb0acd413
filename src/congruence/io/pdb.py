"""
Models as PDB text: a proper file, and the text that the reference writes.

A PDB file has room for 99,999 atoms, 62 chains, residues -999 to 9999 and
coordinates from -999.999 to 9999.999 Å; `pdb_fits` says whether a model fits,
`congruence.io.cif` writes those that do not.
"""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import OutputError
from congruence.io import _sites

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["pdb_fits", "write_pdb", "write_pdb_reference"]

_MAX_B = 999.99


def pdb_fits(topology: Topology, coordinates: FloatArray) -> str:
    """
    Say why a model cannot be written as PDB.

    Parameters
    ----------
    topology : Topology
        The beads.
    coordinates : ndarray, dtype=float64, shape=(n,3) or (k,n,3)
        Bead centres in Å.

    Returns
    -------
    reason : str
        Empty when the model fits.
    """
    reason = _misfit(topology)
    if reason:
        return reason
    low, high = (float(f(coordinates)) if np.size(coordinates) else 0.0 for f in (np.min, np.max))
    if not (low > -999.9995 and high < 9999.9995):
        return f"coordinates from {low:.1f} to {high:.1f} Å, PDB has room for -999.999 to 9999.999"
    return ""


@lru_cache(maxsize=4)
def _misfit(topology: Topology) -> str:
    """Say why no model with these beads can be written as PDB; kept for the last few."""
    chains = len(set(topology.molecule_index.tolist()))
    if len(topology) + chains > 99_999:
        return f"{len(topology)} atoms and {chains} chain ends, PDB has room for 99,999"
    if chains > 62:
        return f"{chains} chains, PDB has room for 62"
    numbers = [site.number for site in _sites.sites(topology)] or [0]
    if max(numbers) > 9999 or min(numbers) < -999:
        return f"residues {min(numbers)} to {max(numbers)}, PDB has room for -999 to 9999"
    long = sorted({site.residue for site in _sites.sites(topology) if len(site.residue) > 3})
    if long:
        return f"residue name '{long[0]}', PDB has room for 3 characters"
    return ""


def write_pdb(
    path: str | Path,
    coordinates: FloatArray,
    topology: Topology,
    *,
    b_factors: FloatArray | None = None,
    title: str = "",
    remarks: Sequence[str] = (),
) -> None:
    """
    Write one or several models as a PDB file.

    Atoms keep their names; a bead of one residue is its CA; a bead of several
    is a CA with residue name BEA at its middle residue; a bead of none is a
    HETATM BEA, numbered on from its chain's last residue. Every molecule copy is a
    chain with an id of its own (REMARK 6 says which ids are not those of the
    model). Several models are told apart by MODEL and ENDMDL. The file appears
    whole or not at all; serial numbers start anew with each model.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced.
    coordinates : ndarray, dtype=float64, shape=(n,3) or (k,n,3)
        Bead centres in Å.
    topology : Topology
        The *n* beads.
    b_factors : ndarray, dtype=float64, shape=(n,), optional
        Column B; bead radii in Å by default. Cut to -99.99 ... 999.99, which
        REMARK 6 then says.
    title : str
        For TITLE.
    remarks : sequence of str
        For REMARK 6, such as the alignment mode. Written in ASCII, wrapped.

    Raises
    ------
    OutputError
        If the model does not fit in a PDB file (see `pdb_fits`), or the
        folder does not exist.
    ShapeError
        If shapes do not fit or a number is not finite.
    """
    xyz, b = _sites.checked(coordinates, topology, b_factors)
    reason = pdb_fits(topology, xyz)
    if reason:
        raise OutputError(f"{path}: this model does not fit in a PDB file: {reason}",
                          hint="Write it as mmCIF (write_cif).")  # fmt: skip
    chains = _sites.chain_ids(topology, single=True)
    notes = [*remarks, *_chain_notes(topology, chains)]
    if b.size and (b.max() > _MAX_B or b.min() < -99.99):
        notes.append(f"B-factors from {b.min():.2f} to {b.max():.2f} are cut to the column.")
    order, text = _body(topology, tuple(np.clip(b, -99.99, _MAX_B).tolist()))
    several = len(xyz) > 1
    lines = _head(title, notes)
    for k, model in enumerate(xyz, start=1):
        lines += [f"MODEL     {k:4d}".ljust(80)] if several else []
        lines += [text % tuple(model[order].ravel().tolist())] if text else []
        lines += ["ENDMDL".ljust(80)] if several else []
    _sites.write_text(path, [*lines, "END".ljust(80)])


def _head(title: str, notes: Sequence[str]) -> list[str]:
    def plain(text: str) -> str:
        return text.replace("Å", "A").encode("ascii", "replace").decode()

    lines = []
    for i, part in enumerate(textwrap.wrap(plain(title), 68), start=1):
        continuation = "  " if i == 1 else f"{i:2d}"
        lines.append(f"TITLE   {continuation}{'' if i == 1 else ' '}{part}".ljust(80))
    if notes:
        lines.append("REMARK   6".ljust(80))
    for note in notes:
        lines += [f"REMARK   6 {part}".ljust(80) for part in textwrap.wrap(plain(note), 68)]
    return lines


def _chain_notes(topology: Topology, chains: dict[int, str]) -> list[str]:
    notes = []
    for i, chain in chains.items():
        molecule = topology.molecules[i]
        was = f" (chain '{molecule.chain}' in the model)" if molecule.chain != chain else ""
        notes.append(f"Chain {chain}: {molecule}{was}")
    return notes


@lru_cache(maxsize=4)
def _body(topology: Topology, b: tuple[float, ...]) -> tuple[IntArray, str]:
    """Return the beads in the order of their lines, and the lines with room for coordinates; kept."""
    rows, chains = _sites.sites(topology), _sites.chain_ids(topology, single=True)
    lines: list[str] = []
    for i, site in enumerate(rows):
        chain = chains[site.molecule]
        element = site.element.upper()
        before = (
            f"{'HETATM' if site.hetero else 'ATOM  '}{len(lines) + 1:5d} "
            f"{_atom_column(site.atom, element)} {site.residue:>3} {chain}{site.number:4d}    "
        )
        after = f"  1.00{b[site.bead]:6.2f}          {element:>2}  "
        # Names of atoms may hold the sign of a format.
        lines.append(f"{_plain(before)}%8.3f%8.3f%8.3f{_plain(after)}")
        if i + 1 == len(rows) or rows[i + 1].molecule != site.molecule:
            end = f"TER   {len(lines) + 1:5d}      {site.residue:>3} {chain}{site.number:4d}"
            lines.append(_plain(end.ljust(80)))
    return np.array([site.bead for site in rows], dtype=np.int64), "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _atom_column(atom: str, element: str) -> str:
    atom = atom[:4]
    return f"{atom:<4}" if len(atom) == 4 or len(element) == 2 else f" {atom:<3}"


def write_pdb_reference(
    path: str | Path,
    coordinates: FloatArray,
    topology: Topology,
    *,
    centered: bool = False,
    write_all_residues: bool = False,
) -> None:
    """
    Write one model in the text of the reference, line by line.

    Its quirks are kept: chains by the first character of their id, serial
    numbers beyond their column, element C for every atom, no TER and no END,
    only ENDMDL; beads without residues are dropped, as are further beads for
    a residue already written.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced.
    coordinates : ndarray, dtype=float64, shape=(n,3)
        Bead centres in Å.
    topology : Topology
        The *n* beads, at resolution 0 to equal the reference.
    centered : bool
        Subtract the mean of the written beads (not weighted).
    write_all_residues : bool
        One line per residue of a coarse bead, all with the same coordinates.

    Raises
    ------
    OutputError
        If a chain id has several letters, as in the reference.
    ShapeError
        If shapes do not fit or a number is not finite.
    """
    xyz, _ = _sites.checked(coordinates, topology, None)
    order, text = _reference_body(topology, write_all_residues)
    if not len(order):
        _sites.write_text(path, ["ENDMDL"])
        return
    shift = xyz[0][_reference_beads(topology, write_all_residues)].mean(axis=0) if centered else 0.0
    placed = (xyz[0] - shift)[order]
    _sites.write_text(path, [text % tuple(placed.ravel().tolist()), "ENDMDL"])


def _reference_beads(topology: Topology, write_all_residues: bool) -> list[int]:
    return list(dict.fromkeys(row[0] for row in _reference_rows(topology, write_all_residues)))


@lru_cache(maxsize=16)
def _reference_body(topology: Topology, write_all_residues: bool) -> tuple[IntArray, str]:
    """Return the beads in the order of their lines, and the lines with room for coordinates; kept."""
    chains = _reference_chains(topology)
    keyed = [
        (len(chain), chain, number, bead, atom, residue)
        for bead, atom, residue, number in _reference_rows(topology, write_all_residues)
        for chain in (chains[int(topology.molecule_index[bead])],)
    ]
    keyed.sort(key=lambda row: row[:3])
    serials: dict[int, int] = {}
    lines = []
    for _, chain, number, bead, atom, residue in keyed:
        serial = serials.setdefault(bead, len(serials) + 1)
        record = "HETATM" if atom.startswith("HET:") else "ATOM  "
        atom = atom.removeprefix("HET:").strip()
        before = (
            f"{record}{serial:5d} {_atom_column(atom, 'C')} {residue:>3} {chain[:1] or ' '}"
            f"{number:4d}    "
        )
        after = f"  1.00{topology.radius[bead]:6.2f}           C  "
        lines.append(f"{_plain(before)}%8.3f%8.3f%8.3f{after}")
    return np.array([row[3] for row in keyed], dtype=np.int64), "\n".join(lines)


def _reference_rows(
    topology: Topology, write_all_residues: bool
) -> Iterator[tuple[int, str, str, int]]:
    """Yield bead, atom name, residue name and residue number."""
    seen: set[tuple[str, int, int]] = set()
    for i, numbers in enumerate(topology.residues):
        molecule = topology.molecules[topology.molecule_index[i]]
        kind = _sites.residue_name(topology.residue_type[i])
        if topology.atom_name[i]:
            yield i, topology.atom_name[i], kind, numbers[0] if numbers else 0
        elif len(numbers) == 1 and kind:
            key = (molecule.name, molecule.copy, numbers[0])
            if key not in seen:
                seen.add(key)
                yield i, "CA", kind, numbers[0]
        elif numbers and write_all_residues:
            for number in numbers:
                yield i, "CA", _sites.COARSE, number
        elif numbers:
            yield i, "CA", _sites.COARSE, numbers[len(numbers) // 2]


def _reference_chains(topology: Topology) -> dict[int, str]:
    chains: dict[int, str] = {}
    for i, molecule in enumerate(topology.molecules):
        if len(molecule.chain) > 1:
            raise OutputError(
                f"molecule {molecule} has chain id '{molecule.chain}'; the reference's PDB text "
                "takes ids of one character",
                hint="Use write_pdb, which assigns ids, or write_cif.",
            )
        chain, count = molecule.chain, 0
        while chain and chain in chains.values():
            count += 1
            chain = f"{molecule.chain}{count}"
        chains[i] = chain
    return chains
