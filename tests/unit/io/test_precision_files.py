"""The reference's text files, character by character."""

import numpy as np
import pytest

from congruence.core.precision import CompatPrecision
from congruence.core.topology import Molecule, Topology
from congruence.errors import FormatError, InputError, OutputError
from congruence.io.precision_files import (
    between_lines,
    molecule_beads,
    read_rmsf,
    within_lines,
    write_lines,
    write_rmsf,
)


def test_words_order_and_blanks():
    found = CompatPrecision(2, 1.5, np.float64(0.25), 3.0)
    assert within_lines("head of A", "set", found, ("x/2.rmf3", 0)) == [
        "head of A set average centroid distance 1.5",
        "head of A set centroid index 2",
        "head of A set centroid rmf name ('x/2.rmf3', 0)",
        "head of A set median centroid distance  0.25",
        "head of A set set average pairwise distance 3.0",
    ]
    assert between_lines("A", "one", "two", np.float64(2)) == [
        "A one two average pairwise distance 2.0"
    ]


def test_rmsf_has_a_line_per_residue(tmp_path):
    path = tmp_path / "rmsf.A.dat"
    write_rmsf(path, [(1,), (2, 3, 4), ()], np.array([0.1, 1 / 3, 9.0]))
    assert path.read_text() == f"1 0 0.1\n2 1 {1 / 3}\n3 1 {1 / 3}\n4 1 {1 / 3}\n"
    residues, beads, values = read_rmsf(path)
    assert residues.tolist() == [1, 2, 3, 4]
    assert beads.tolist() == [0, 1, 1, 1]
    assert values.tolist() == [0.1, 1 / 3, 1 / 3, 1 / 3]


def test_broken_files_are_located(tmp_path):
    path = tmp_path / "rmsf.A.dat"
    path.write_text("1 0 0.5\n2 zero 0.5\n")
    with pytest.raises(FormatError, match=r"rmsf.A.dat, line 2: holds '2 zero 0.5'"):
        read_rmsf(path)
    with pytest.raises(InputError, match="cannot read"):
        read_rmsf(tmp_path / "missing")
    with pytest.raises(OutputError, match="cannot write"):
        write_lines(tmp_path / "no" / "folder", ["x"])


def test_of_several_copies_the_last():
    topology = Topology.simple(
        [Molecule("A", 0), Molecule("B", 0), Molecule("A", 1)], beads_per_molecule=2
    )
    assert molecule_beads(topology, "A").tolist() == [4, 5]
    assert molecule_beads(topology, "nosuch").tolist() == []
