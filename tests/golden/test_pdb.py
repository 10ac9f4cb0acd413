"""PDB text against the files that the reference wrote, line by line."""

import pytest
from goldenmembers import listed_cluster, opened, placed, recorded_cluster
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.io.pdb import pdb_fits, write_pdb, write_pdb_reference

pytestmark = [pytest.mark.golden, needs_shared]

FILES = sorted(GOLDEN.glob("clustering/*/out/cluster.*/*.pdb"))


def written(tmp_path, *arguments, **keywords):
    path = tmp_path / "a.pdb"
    write_pdb_reference(path, *arguments, **keywords)
    return path.read_text().splitlines()


@pytest.mark.parametrize("golden", FILES, ids=lambda p: "-".join((*p.parts[-4:-3], *p.parts[-2:])))
def test_members_of_clusters(tmp_path, golden):
    cluster = recorded_cluster(golden.parts[-4], int(golden.parts[-2].split(".")[1]))
    topology, models = placed(cluster)
    assert written(tmp_path, models[int(golden.stem)], topology) == golden.read_text().splitlines()


@pytest.mark.parametrize("number", [0, 1])
def test_best_members_of_a_script(tmp_path, number):
    folder = GOLDEN / f"imp_scripts/kmeans_8_2/cluster.{number}"
    topology, models = placed(listed_cluster(folder, "stat.out", ("Rpb4",)))
    assert written(tmp_path, models[0], topology) == (folder / "0.pdb").read_text().splitlines()


def test_trajectory_of_the_specification(tmp_path):
    file = opened(DATA / "rnapolii/trajectory.rmf3")
    topology, model = file.topology(0), file.coordinates([5], 0)[0]
    text = written(tmp_path, model, topology)
    assert len(text) == 3950
    assert (
        text[0]
        == "ATOM      1  CA  MET A   1     127.330 127.548 124.095  1.00  3.07           C  "
    )
    assert text[-1] == "ENDMDL"
    # The native file has the same atoms, and every chain ends.
    assert pdb_fits(topology, model) == ""
    write_pdb(tmp_path / "b.pdb", model, topology)
    native = (tmp_path / "b.pdb").read_text().splitlines()
    atoms = [line for line in native if line.startswith("ATOM")]
    assert len(atoms) == 3949 <= len(topology)
    assert {line[30:54] for line in atoms} == {line[30:54] for line in text[:-1]}
    assert sum(line.startswith("TER") for line in native) == len({line[21] for line in atoms}) == 12


def test_centered_beads_of_the_specification(tmp_path):
    file = opened(DATA / "residue_beads/pmi2_sample_res5/rmfs/0.rmf3")
    text = written(tmp_path, file.coordinates([2], 0)[0], file.topology(0), centered=True)
    assert (
        text[0]
        == "ATOM      1  CA  BEA A   2      10.835  -0.093  -9.947  1.00  3.78           C  "
    )
