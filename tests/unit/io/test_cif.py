"""mmCIF: two independent readers see what was written."""

from dataclasses import replace

import numpy as np
import pytest

from congruence.core.topology import Molecule, Topology
from congruence.errors import ShapeError
from congruence.io.cif import write_cif

AWKWARD = """it's "so" """


@pytest.fixture
def topology():
    molecules = [
        Molecule("A's", 0, chain="A", sequence="MA" * 60, chain_type="LPolypeptide"),
        Molecule("A's", 1, chain="A", sequence="MA" * 60, chain_type="LPolypeptide"),
        Molecule(AWKWARD, chain="Long9"),
        Molecule("_x", chain="*"),
    ]
    made = Topology.simple(molecules, beads_per_molecule=3)
    residues = list(made.residues)
    residues[2] = tuple(range(3, 12))
    residues[11] = ()
    names = list(made.atom_name)
    names[0], names[6] = "O5'", "HET: ZN"
    return replace(made, residues=tuple(residues), atom_name=tuple(names))


@pytest.fixture
def coordinates():
    return np.random.default_rng(1).normal(size=(2, 12, 3)) * 20000


def test_gemmi_reads_it(tmp_path, topology, coordinates):
    gemmi = pytest.importorskip("gemmi")
    path = tmp_path / "a.cif"
    write_cif(path, coordinates, topology, title=AWKWARD, remarks=["alignment: none", "3 Å"])
    block = gemmi.cif.read(str(path)).sole_block()
    assert gemmi.cif.as_string(block.find_value("_struct.title")) == AWKWARD.strip()
    texts = [gemmi.cif.as_string(v) for v in block.find_values("_database_PDB_remark.text")]
    assert texts == ["alignment: none", "3 A"]
    details = [gemmi.cif.as_string(v) for v in block.find_values("_struct_asym.details")]
    assert details == ["A's@0", AWKWARD.strip(), "A's@1", "_x"]
    sequences = [
        gemmi.cif.as_string(v) for v in block.find_values("_entity_poly.pdbx_seq_one_letter_code")
    ]
    assert [s.replace("\n", "") for s in sequences] == ["MA" * 60]
    assert list(block.find_values("_entity.pdbx_number_of_molecules")) == ["2", "1", "1"]
    structure = gemmi.read_structure(str(path))
    assert len(structure) == 2
    for model, expected in zip(structure, coordinates, strict=True):
        rows = [
            (c.name, r.seqid.num, r.name, a.name, a.element.name, a.pos.tolist())
            for c in model
            for r in c
            for a in r
        ]
        assert [r[0] for r in rows] == ["A"] * 3 + ["B"] * 3 + ["Long9"] * 3 + ["C"] * 3
        assert [r[1] for r in rows] == [1, 2, 7, *[1, 2, 3] * 3]
        assert rows[0][3:5] == ("O5'", "O")
        assert rows[2][2] == rows[11][2] == "BEA"
        assert rows[6][3:5] == ("ZN", "Zn")
        np.testing.assert_allclose([r[5] for r in rows], expected, atol=5.1e-4)
    assert structure[0]["A"].get_polymer().length() == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.cif"]


def test_biotite_reads_it(tmp_path, topology, coordinates):
    pdbx = pytest.importorskip("biotite.structure.io.pdbx")
    path = tmp_path / "a.cif"
    write_cif(path, coordinates, topology, b_factors=np.arange(12.0))
    stack = pdbx.get_structure(pdbx.CIFFile.read(str(path)), extra_fields=["b_factor"])
    assert stack.shape == (2, 12)
    np.testing.assert_allclose(stack.coord, coordinates, rtol=1e-6, atol=6e-4)
    assert stack.b_factor.tolist() == list(range(12))
    assert stack.hetero.tolist() == [i in (6, 11) for i in range(12)]


def test_more_chains_than_letters(tmp_path):
    many = Topology.simple([Molecule("A", i) for i in range(100)], beads_per_molecule=1)
    path = tmp_path / "a.cif"
    write_cif(path, np.zeros((100, 3)), many)
    chains = [line.split()[6] for line in path.read_text().splitlines() if line.startswith("ATOM")]
    assert len(set(chains)) == 100
    assert chains[61:64] == ["9", "AA", "AB"]


def test_bad_arrays_are_refused(tmp_path, topology):
    with pytest.raises(ShapeError, match=r"expected \(12, 3\)"):
        write_cif(tmp_path / "a.cif", np.zeros((3, 3)), topology)
