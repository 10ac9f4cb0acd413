"""PDB text: columns, chains, what does not fit, and the reference's lines."""

from dataclasses import replace

import numpy as np
import pytest

from congruence.core.topology import Molecule, Topology
from congruence.errors import OutputError, ShapeError
from congruence.io.pdb import pdb_fits, write_pdb, write_pdb_reference


def make(molecules, rows):
    """Make a topology of rows (molecule, residues, residue type, atom name)."""
    n = len(rows)
    return Topology(
        molecules=tuple(molecules),
        molecule_index=np.array([r[0] for r in rows]),
        residues=tuple(tuple(r[1]) for r in rows),
        radius=np.linspace(2.0, 3.0, n),
        mass=np.full(n, 110.0),
        resolution=np.ones(n),
        bead_name=("",) * n,
        residue_type=tuple(r[2] for r in rows),
        atom_name=tuple(r[3] for r in rows),
        node_id=np.arange(n),
    )


@pytest.fixture
def mixed():
    molecules = [
        Molecule("A", 0, chain="A"),
        Molecule("A", 1, chain="A"),
        Molecule("DNA", chain="XY"),
    ]
    return make(
        molecules,
        [
            (0, range(3, 13), "", ""),
            (0, [2], "ALA", ""),
            (0, [1], "MET", ""),
            (1, [1], "MET", "CA"),
            (1, [1], "MET", "1HG2"),
            (2, [7], "HET: ZN", "HET: ZN"),
            (2, [8], "DADE", "P"),
            (2, [], "", ""),
        ],
    )


def lines_of(path):
    return path.read_text().splitlines()


def test_columns_and_records(tmp_path, mixed):
    path = tmp_path / "a.pdb"
    xyz = np.arange(24.0).reshape(8, 3) - 5.5
    write_pdb(path, xyz, mixed, title="Cluster 1", remarks=["alignment: none"])
    assert lines_of(path) == [
        line.ljust(80)
        for line in (
            "TITLE     Cluster 1",
            "REMARK   6",
            "REMARK   6 alignment: none",
            "REMARK   6 Chain A: A@0",
            "REMARK   6 Chain B: A@1 (chain 'A' in the model)",
            "REMARK   6 Chain C: DNA (chain 'XY' in the model)",
            "ATOM      1  CA  MET A   1       0.500   1.500   2.500  1.00  2.29           C",
            "ATOM      2  CA  ALA A   2      -2.500  -1.500  -0.500  1.00  2.14           C",
            "ATOM      3  CA  BEA A   8      -5.500  -4.500  -3.500  1.00  2.00           C",
            "TER       4      BEA A   8",
            "ATOM      5  CA  MET B   1       3.500   4.500   5.500  1.00  2.43           C",
            "ATOM      6 1HG2 MET B   1       6.500   7.500   8.500  1.00  2.57           H",
            "TER       7      MET B   1",
            "HETATM    8 ZN    ZN C   7       9.500  10.500  11.500  1.00  2.71          ZN",
            "ATOM      9  P    DA C   8      12.500  13.500  14.500  1.00  2.86           P",
            "HETATM   10  CA  BEA C   9      15.500  16.500  17.500  1.00  3.00           C",
            "TER      11      BEA C   9",
            "END",
        )
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["a.pdb"]


def test_several_models_and_b_factors(tmp_path, mixed):
    path = tmp_path / "a.pdb"
    b = np.arange(8.0)
    b[2] = 5000.0
    write_pdb(path, np.zeros((2, 8, 3)), mixed, b_factors=b)
    text = lines_of(path)
    kinds = [line.split()[0] for line in text]
    assert kinds.count("MODEL") == kinds.count("ENDMDL") == 2
    assert kinds[-1] == "END"
    atoms = [line for line in text if line.startswith(("ATOM", "HETATM"))]
    assert [line[6:11] for line in atoms[:8]] == [line[6:11] for line in atoms[8:]]
    assert [float(line[60:66]) for line in atoms[:8]] == [999.99, 1, 0, 3, 4, 5, 6, 7]
    assert any("B-factors from 0.00 to 5000.00 are cut" in line for line in text)


def test_titles_and_remarks_wrap_in_ascii(tmp_path, mixed):
    path = tmp_path / "a.pdb"
    write_pdb(path, np.zeros((8, 3)), mixed, title="precision 3 Å " * 12, remarks=["word " * 40])
    text = lines_of(path)
    assert {len(line) for line in text} == {80}
    titles = [line for line in text if line.startswith("TITLE")]
    assert [line[8:10] for line in titles] == ["  ", " 2", " 3"]
    assert "precision 3 A" in titles[0]
    assert sum(line.count("word") for line in text) == 40


def test_readers_read_it(tmp_path, mixed):
    gemmi = pytest.importorskip("gemmi")
    path = tmp_path / "a.pdb"
    xyz = np.random.default_rng(0).normal(size=(8, 3)) * 50
    write_pdb(path, xyz, mixed)
    model = gemmi.read_structure(str(path))[0]
    read = [
        (
            chain.name,
            residue.name,
            residue.seqid.num,
            atom.name,
            atom.element.name,
            atom.pos.tolist(),
        )
        for chain in model
        for residue in chain
        for atom in residue
    ]
    assert [r[:5] for r in read] == [
        ("A", "MET", 1, "CA", "C"),
        ("A", "ALA", 2, "CA", "C"),
        ("A", "BEA", 8, "CA", "C"),
        ("B", "MET", 1, "CA", "C"),
        ("B", "MET", 1, "1HG2", "H"),
        ("C", "ZN", 7, "ZN", "Zn"),
        ("C", "DA", 8, "P", "P"),
        ("C", "BEA", 9, "CA", "C"),
    ]
    np.testing.assert_allclose([r[5] for r in read], xyz[[2, 1, 0, 3, 4, 5, 6, 7]], atol=5.1e-4)
    pdb = pytest.importorskip("biotite.structure.io.pdb")
    assert pdb.PDBFile.read(str(path)).get_structure(model=1).array_length() == 8


def test_sixty_two_chains_get_ids_of_their_own(tmp_path):
    topology = Topology.simple(
        [Molecule("A", i, chain="A") for i in range(62)], beads_per_molecule=1
    )
    path = tmp_path / "a.pdb"
    write_pdb(path, np.zeros((62, 3)), topology)
    chains = [line[21] for line in lines_of(path) if line.startswith("ATOM")]
    assert len(set(chains)) == 62
    assert chains[:2] == ["A", "B"]


SMALL = Topology.simple([Molecule("A")], beads_per_molecule=1)


@pytest.mark.parametrize(
    ("topology", "at", "reason"),
    [
        (Topology.simple([Molecule("A")], beads_per_molecule=3), 0.0, ""),
        (SMALL, 9999.999, ""),
        (SMALL, 9999.9996, "coordinates from 9999.0 to 9999.0|coordinates from 10000.0 to 10000.0"),
        (SMALL, -1000.0, "coordinates from -1000.0"),
        (Topology.simple([Molecule("A", i) for i in range(63)], beads_per_molecule=1), 0.0, "63 chains"),
        (Topology.simple([Molecule("A")], beads_per_molecule=10000), 0.0, "residues 1 to 10000"),
        (Topology.simple([Molecule("A", i) for i in range(11)], beads_per_molecule=9091), 0.0, "100001 atoms"),
        (replace(SMALL, residue_type=("ALAX",)), 0.0, "residue name 'ALAX'"),
        (replace(SMALL, residues=((-1000,),)), 0.0, "residues -1000"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_refused(tmp_path, topology, at, reason):
    xyz = np.full((len(topology), 3), at)
    found = pdb_fits(topology, xyz)
    assert bool(found) == bool(reason)
    assert any(found.startswith(part) for part in reason.split("|"))
    if reason:
        with pytest.raises(OutputError, match="does not fit in a PDB file") as caught:
            write_pdb(tmp_path / "a.pdb", xyz, topology)
        assert "mmCIF" in caught.value.hint
        assert not list(tmp_path.iterdir())
    else:
        write_pdb(tmp_path / "a.pdb", xyz, topology)
        assert {len(line) for line in lines_of(tmp_path / "a.pdb")} == {80}


def test_negative_residue_numbers_stay(tmp_path):
    topology = make(
        [Molecule("A", chain="A")], [(0, [3], "ALA", ""), (0, [-2], "GLY", ""), (0, [], "", "")]
    )
    write_pdb(tmp_path / "a.pdb", np.zeros((3, 3)), topology)
    atoms = [line for line in lines_of(tmp_path / "a.pdb") if line[:4] in ("ATOM", "HETA")]
    assert [int(line[22:26]) for line in atoms] == [-2, 3, 4]


@pytest.mark.parametrize("write", [write_pdb, write_pdb_reference])
def test_bad_arrays_are_refused(tmp_path, mixed, write):
    with pytest.raises(ShapeError, match=r"expected \(8, 3\)"):
        write(tmp_path / "a.pdb", np.zeros((7, 3)), mixed)
    bad = np.zeros((8, 3))
    bad[3, 1] = np.nan
    with pytest.raises(ShapeError, match="not finite"):
        write(tmp_path / "a.pdb", bad, mixed)
    with pytest.raises(OutputError, match="no folder"):
        write_pdb(tmp_path / "none" / "a.pdb", np.zeros((8, 3)), mixed)
    with pytest.raises(ShapeError, match=r"B-factors have shape \(7,\)"):
        write_pdb(tmp_path / "a.pdb", np.zeros((8, 3)), mixed, b_factors=np.zeros(7))


def test_reference_text(tmp_path):
    molecules = [
        Molecule("B", 0, chain="B"),
        Molecule("A", 0, chain="A"),
        Molecule("B", 1, chain="B"),
    ]
    topology = make(
        molecules,
        [
            (0, range(3, 13), "", ""),
            (0, [1], "MET", ""),
            (0, [1], "MET", ""),  # further bead of a written residue
            (0, [], "", ""),
            (1, [7], "HET: ZN", "HET: ZN"),
            (2, [5], "ALA", ""),
        ],
    )
    xyz = np.arange(18.0).reshape(6, 3)
    path = tmp_path / "a.pdb"
    write_pdb_reference(path, xyz, topology)
    assert lines_of(path) == [
        "HETATM    1  ZN   ZN A   7      12.000  13.000  14.000  1.00  2.80           C  ",
        "ATOM      2  CA  MET B   1       3.000   4.000   5.000  1.00  2.20           C  ",
        "ATOM      3  CA  BEA B   8       0.000   1.000   2.000  1.00  2.00           C  ",
        "ATOM      4  CA  ALA B   5      15.000  16.000  17.000  1.00  3.00           C  ",
        "ENDMDL",
    ]
    write_pdb_reference(path, xyz, topology, write_all_residues=True)
    beads = [line for line in lines_of(path) if "BEA" in line]
    assert [int(line[22:26]) for line in beads] == list(range(3, 13))
    write_pdb_reference(path, xyz, topology, centered=True)
    at = np.array([[float(line[c : c + 8]) for c in (30, 38, 46)] for line in lines_of(path)[:-1]])
    np.testing.assert_allclose(at.mean(axis=0), 0, atol=1e-3)


def test_reference_refuses_long_chain_ids(tmp_path, mixed):
    with pytest.raises(OutputError, match="chain id 'XY'") as caught:
        write_pdb_reference(tmp_path / "a.pdb", np.zeros((8, 3)), mixed)
    assert "write_pdb" in caught.value.hint


def test_the_sign_of_a_format_in_a_name_stays(tmp_path):
    topology = replace(Topology.simple([Molecule("A")], beads_per_molecule=2),
                       atom_name=np.array(["C%", ""], dtype=object))  # fmt: skip
    write_pdb(tmp_path / "a.pdb", np.array([[1.0, 2, 3], [4, 5, 6]]), topology, title="5 %d")
    lines = (tmp_path / "a.pdb").read_text().splitlines()
    assert lines[0].startswith("TITLE     5 %d")
    (atom, *_) = [line for line in lines if line.startswith("ATOM")]
    assert " C%  " in atom
    assert atom[30:54] == "   1.000   2.000   3.000"
    assert {len(line) for line in lines} == {80}
