"""Models as mmCIF text, for those that a PDB file has no room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence.io import _sites

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from congruence.core.topology import Molecule, Topology
    from congruence.io._sites import Site
    from congruence.typing import FloatArray

__all__ = ["write_cif"]

_ATOM_SITE = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id",
    "label_asym_id", "label_entity_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y",
    "Cartn_z", "occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_comp_id", "auth_asym_id",
    "auth_atom_id", "pdbx_PDB_model_num",
)  # fmt: skip
_POLYMERS = {
    "LPolypeptide": "polypeptide(L)",
    "DPolypeptide": "polypeptide(D)",
    "RNA": "polyribonucleotide",
    "DNA": "polydeoxyribonucleotide",
    "DNARNA": "polydeoxyribonucleotide/polyribonucleotide hybrid",
}


def write_cif(
    path: str | Path,
    coordinates: FloatArray,
    topology: Topology,
    *,
    b_factors: FloatArray | None = None,
    title: str = "",
    remarks: Sequence[str] = (),
) -> None:
    """
    Write one or several models as a minimal mmCIF file.

    Beads are named as by `congruence.io.pdb.write_pdb`. Molecules with the
    same name and sequence are one entity; every molecule copy is an asym
    unit whose label and auth ids agree: its chain id where that is free and
    of letters and digits, else the next free one (``_struct_asym.details``
    names the molecule). The file appears whole or not at all. It is no
    deposition: it holds no restraints and no method.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced.
    coordinates : ndarray, dtype=float64, shape=(n,3) or (k,n,3)
        Bead centres in Å.
    topology : Topology
        The *n* beads.
    b_factors : ndarray, dtype=float64, shape=(n,), optional
        Column B; bead radii in Å by default.
    title : str
        For ``_struct.title``.
    remarks : sequence of str
        For ``_database_PDB_remark``, such as the alignment mode; in ASCII.

    Raises
    ------
    OutputError
        If the folder does not exist.
    ShapeError
        If shapes do not fit or a number is not finite.
    """
    xyz, b = _sites.checked(coordinates, topology, b_factors)
    chains = _sites.chain_ids(topology, single=False)
    entities: dict[tuple[str, str], int] = {}
    for i in chains:
        entities.setdefault(_entity_key(topology.molecules[i]), len(entities) + 1)
    lines = ["data_model", "#", "_entry.id model", "_struct.entry_id model"]
    lines += [f"_struct.title {_quoted(title or '?')}", "#"]
    lines += _loop("database_PDB_remark", ("id", "text"), (
        (str(i), _quoted(text)) for i, text in enumerate(remarks, start=1)
    ))  # fmt: skip
    lines += _entities(topology, chains, entities)
    lines += _loop("struct_asym", ("id", "entity_id", "details"), (
        (chain, str(entities[_entity_key(topology.molecules[i])]), _quoted(str(topology.molecules[i])))
        for i, chain in chains.items()
    ))  # fmt: skip
    rows = _sites.sites(topology)
    kinds = {i: str(entities[_entity_key(topology.molecules[i])]) for i in chains}
    lines += _loop("atom_site", _ATOM_SITE, _atoms(rows, xyz, b, chains, kinds))
    _sites.write_text(path, lines)


def _entity_key(molecule: Molecule) -> tuple[str, str]:
    return (molecule.name, molecule.sequence)


def _entities(
    topology: Topology, chains: dict[int, str], entities: dict[tuple[str, str], int]
) -> list[str]:
    members: dict[int, list[int]] = {}
    for i in chains:
        members.setdefault(entities[_entity_key(topology.molecules[i])], []).append(i)
    lines = _loop("entity", ("id", "type", "pdbx_description", "pdbx_number_of_molecules"), (
        (str(e), "polymer", _quoted(topology.molecules[m[0]].name or "?"), str(len(m)))
        for e, m in members.items()
    ))  # fmt: skip
    known = [(e, m) for e, m in members.items() if topology.molecules[m[0]].sequence]
    fields = ("entity_id", "type", "nstd_linkage", "nstd_monomer", "pdbx_strand_id",
              "pdbx_seq_one_letter_code", "pdbx_seq_one_letter_code_can")  # fmt: skip
    rows = []
    for e, m in known:
        first = topology.molecules[m[0]]
        kind = _quoted(_POLYMERS.get(first.chain_type, "other"))
        text = f"\n;{_wrapped(first.sequence)}\n;\n"
        rows.append((str(e), kind, "no", "no", ",".join(chains[i] for i in m), text, text))
    return lines + _loop("entity_poly", fields, rows)


def _wrapped(sequence: str) -> str:
    return "\n".join(sequence[i : i + 80] for i in range(0, len(sequence), 80))


def _atoms(
    rows: Sequence[Site],
    xyz: FloatArray,
    b: FloatArray,
    chains: dict[int, str],
    kinds: dict[int, str],
) -> Iterator[tuple[str, ...]]:
    serial = 0
    for k, model in enumerate(xyz, start=1):
        for site in rows:
            serial += 1
            chain, number = chains[site.molecule], str(site.number)
            atom, residue = _quoted(site.atom), _quoted(site.residue)
            yield (
                "HETATM" if site.hetero else "ATOM", str(serial), site.element.upper(), atom, ".",
                residue, chain, kinds[site.molecule], number, "?",
                *(f"{v:.3f}" for v in model[site.bead].tolist()),
                "1.00", f"{b[site.bead]:.2f}", number, residue, chain, atom, str(k),
            )  # fmt: skip


def _loop(category: str, fields: Sequence[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    body = [" ".join(row) for row in rows]
    body = [
        line.replace("\n ", "\n").replace(" \n", "\n").replace("\n\n", "\n").rstrip("\n")
        for line in body
    ]
    if not body:
        return []
    return ["loop_", *(f"_{category}.{field}" for field in fields), *body, "#"]


def _quoted(text: str) -> str:
    text = " ".join(text.replace("Å", "A").split())
    text = text.encode("ascii", "replace").decode()
    plain = text and text[0] not in "_#$'\"[];" and not any(c in text for c in " '\"")
    reserved = text.lower().startswith(("data_", "loop_", "save_", "stop_", "global_"))
    if plain and not reserved:
        return text
    for mark in ("'", '"'):
        if mark not in text:
            return f"{mark}{text}{mark}"
    return f"\n;{text}\n;\n"
