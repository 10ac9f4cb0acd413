"""What must hold for every simulation that is written."""

import ast
import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from congruence.io.rmf import open_rmf
from congruence.simulate import Sampling, Simulation, simulate_runs, small_system
from congruence.simulate.arrangement import copy_order
from congruence.simulate.geometry import rmsd_tables

SYSTEM = small_system(residues_per_subunit=20, last_name="Delta-2")

samplings = st.builds(
    Sampling,
    models=st.integers(4, 14),
    runs=st.integers(1, 2),
    replicas=st.integers(1, 2),
    clusters=st.integers(1, 3),
    outliers=st.sampled_from([0.0, 0.2]),
    tumble=st.booleans(),
    autocorrelation=st.sampled_from([0.0, 5.0]),
    seed=st.integers(0, 2**32),
)


def rows_of(path):
    header, *rows = [ast.literal_eval(line) for line in path.read_text().splitlines()]
    names = {k: v for k, v in header.items() if isinstance(k, int)}
    return [{names[k]: v for k, v in row.items()} for row in rows]


def digests(root):
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@settings(max_examples=6, deadline=None, derandomize=True)
@given(sampling=samplings)
def test_same_seed_same_bytes(sampling, tmp_path_factory):
    one, two = (tmp_path_factory.mktemp("same") for _ in "12")
    simulate_runs(one, sampling, system=SYSTEM)
    # a system made anew must not matter
    again = small_system(residues_per_subunit=20, last_name="Delta-2")
    simulate_runs(two, sampling, system=again)
    assert digests(one) == digests(two)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(sampling=samplings)
def test_files_agree_with_each_other_and_with_the_truth(sampling, tmp_path_factory):
    root = tmp_path_factory.mktemp("agree")
    truth = simulate_runs(root, sampling, system=SYSTEM)
    simulation = Simulation(sampling, SYSTEM)
    columns = {c: x for x in truth.crosslinks for c in x["columns"]}
    at = 0
    for run in range(sampling.runs):
        for replica in range(sampling.replicas):
            output = root / f"run{run + 1}" / "output"
            rows = rows_of(output / f"stat.{replica}.out")
            file = open_rmf(output / "rmfs" / f"{replica}.rmf3")
            topology, xyz = file.topology(), file.coordinates()
            assert not file.losses.entries
            assert topology.key == SYSTEM.topology.key
            # every row has its frame, every frame its row
            assert [r["rmf_frame_index"] for r in rows] == list(range(len(xyz)))
            assert {r["rmf_file"] for r in rows} <= {f"output/rmfs//{replica}.rmf3"}
            here = slice(at, at + len(xyz))
            assert np.abs(xyz - simulation.read(here.start, here.stop)).max() < 1e-4
            assert (truth.run[here] == run).all()
            assert (truth.replica[here] == replica).all()
            assert truth.frame[here].tolist() == list(range(len(xyz)))
            check_distances(rows, xyz, topology, columns)
            at += len(xyz)
    assert at == sampling.models == len(truth)


def check_distances(rows, xyz, topology, columns):
    prefix = "CrossLinkingMassSpectrometryRestraint_Distance_"
    names = [n for n in rows[0] if n.startswith(prefix)]
    assert {n.removeprefix(prefix) for n in names} == set(columns)
    by_end = {}
    for bead, residues in enumerate(topology.residues):
        name = topology.molecules[topology.molecule_index[bead]].name
        for residue in residues:
            by_end.setdefault((name, residue), []).append(bead)
    for name in names:
        link = columns[name.removeprefix(prefix)]
        one = by_end[link["protein1"], link["residue1"]]
        two = by_end[link["protein2"], link["residue2"]]
        for row, model in zip(rows, xyz, strict=True):
            possible = [np.linalg.norm(model[a] - model[b]) for a in one for b in two]
            assert min(abs(np.array(possible) - float(row[name]))) < 1e-3


@settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32), tumble=st.booleans())
def test_labels_are_recovered_by_rmsd_when_copies_are_matched(seed, tumble):
    simulation = Simulation(
        Sampling(models=60, clusters=3, spread=1.5, swaps=0.5, tumble=tumble, seed=seed), SYSTEM
    )
    xyz, labels = simulation.read(0, 60), simulation.labels
    weights = SYSTEM.topology.residue_counts.astype(float)
    order = copy_order(SYSTEM)
    table = np.minimum(
        rmsd_tables(xyz, xyz, weights)[1], rmsd_tables(xyz[:, order], xyz, weights)[1]
    )
    same = labels[:, None] == labels[None]
    assert table[same].max() < 0.6 * table[~same].min()


@pytest.mark.parametrize("cuts", [[0, 700], [0, 1, 255, 256, 257, 300, 700], [0, 349, 351, 700]])
def test_reading_does_not_depend_on_how_it_is_cut(cuts):
    sampling = Sampling(models=700, runs=1, replicas=2, tumble=True, autocorrelation=4.0)
    simulation = Simulation(sampling, SYSTEM)
    whole = np.concatenate(
        [Simulation(sampling, SYSTEM).read(i, i + 100) for i in range(0, 700, 100)]
    )
    parts = [simulation.read(a, b) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole)
