"""Reference structures from PDB, mmCIF and RMF."""

import gzip
import sys

import numpy as np
import pytest

from congruence.core.topology import Molecule, Topology
from congruence.errors import FormatError, InputError, MissingDependencyError
from congruence.io.cif import write_cif
from congruence.io.pdb import write_pdb
from congruence.io.reference import read_reference, split_frame

PDB = """\
ATOM      1  N   ALA A   1      11.000  12.000  13.000  1.00 10.00           N
ATOM      2  CA AALA A   1      21.000  22.000  23.000  0.40 10.00           C
ATOM      3  CA BALA A   1       1.000   2.000   3.000  0.60 10.00           C
ATOM      4  CA  GLY A   2       4.000   5.000   6.000  1.00 10.00           C
ATOM      5  CA  GLY A   2A     94.000   5.000   6.000  1.00 10.00           C
ATOM      6  CA  SER A   4       7.000   8.000   9.000  1.00 10.00           C
TER
ATOM      7  P     U B   7       0.000   0.000   1.000  1.00 10.00           P
ATOM      8  C4'   U B   7       0.000   9.000   1.000  1.00 10.00           C
ATOM      9  C4'   U B   8       0.000   0.000   2.000  1.00 10.00           C
ATOM     10  C1'   U B   8       9.000   0.000   2.000  1.00 10.00           C
TER
HETATM   11  O   HOH A 101       0.000   0.000   9.000  1.00 10.00           O
END
"""


@pytest.fixture
def pdb(tmp_path):
    path = tmp_path / "known.pdb"
    path.write_text(PDB)
    return path


def test_a_point_per_residue(pdb):
    found = read_reference(pdb)
    assert [m.name for m in found.topology.molecules] == ["A", "B"]
    assert found.topology.residues == ((1,), (2,), (4,), (7,), (8,))
    assert found.coordinates.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 1], [0, 0, 2]]
    assert str(pdb) in found.source


def test_gzipped(pdb):
    packed = pdb.with_name("known.pdb.gz")
    packed.write_bytes(gzip.compress(PDB.encode()))
    assert read_reference(packed).coordinates.tolist() == read_reference(pdb).coordinates.tolist()


@pytest.mark.parametrize(("write", "end"), [(write_pdb, "pdb"), (write_cif, "cif")])
def test_what_we_write_is_read(tmp_path, write, end):
    topology = Topology.simple([Molecule("Rpb4", 0, chain="D")], beads_per_molecule=5)
    xyz = np.random.default_rng(0).normal(scale=20, size=(2, 5, 3)).round(3)
    path = tmp_path / f"ours.{end}"
    write(path, xyz, topology)
    for frame in (0, 1):
        found = read_reference(path, frame)
        assert found.coordinates == pytest.approx(xyz[frame], abs=2e-3)
        assert [m.name for m in found.topology.molecules] == ["D"]
    if end == "cif":
        assert found.aliases == {"Rpb4": ("D",)}
    with pytest.raises(InputError, match="no model 2: it holds 2"):
        read_reference(path, 2)


def test_frames_are_divided_from_paths(tmp_path):
    assert split_frame("a/native.rmf3:12")[1] == 12
    assert split_frame("a/native.rmf3") == (split_frame("a/native.rmf3:0")[0], 0)
    odd = tmp_path / "x:3"
    odd.touch()
    assert split_frame(str(odd)) == (odd, 0)


def test_what_is_no_structure(tmp_path):
    with pytest.raises(InputError, match="there is no reference file") as caught:
        read_reference(tmp_path / "missing.pdb")
    assert "FILE:FRAME" in caught.value.hint
    empty = tmp_path / "empty.pdb"
    empty.write_text("REMARK nothing\n")
    with pytest.raises(InputError):
        read_reference(empty)
    broken = tmp_path / "broken.cif"
    broken.write_text("loop_ and no data\n")
    with pytest.raises(FormatError, match=r"broken\.cif"):
        read_reference(broken)


def test_gemmi_may_be_missing(pdb, monkeypatch):
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(MissingDependencyError, match="'gemmi'") as caught:
        read_reference(pdb)
    assert "congruence[structure]" in caught.value.hint
