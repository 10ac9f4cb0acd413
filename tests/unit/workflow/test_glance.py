"""The line that ``congruence cluster`` says about exhaustiveness."""

import numpy as np

from congruence.compute.clustering import cluster
from congruence.compute.rmsd import rmsd_matrix
from congruence.simulate.ensemble import as_ensemble
from congruence.simulate.sampling import Sampling, Simulation
from congruence.workflow.glance import one_line


def line_of(k=2, **changes):
    ensemble = as_ensemble(Simulation(Sampling(**{"models": 120, "runs": 2, **changes})))
    matrix = rmsd_matrix(ensemble, alignment="superpose")
    return one_line(ensemble.models, matrix, cluster(matrix, k=k))


def test_halves_that_share_clusters_are_alike():
    said = line_of(seed=3)
    assert "2 runs, 60 + 60 models" in said
    assert "are alike (p = " in said
    assert "sampling precision about" in said
    assert "congruence exhaust" in said


def test_halves_that_do_not_share_clusters_differ():
    said = line_of(seed=3, weights=((0.9, 0.1), (0.1, 0.9)))
    assert "populations of the halves differ" in said


def test_what_cannot_be_told_is_said():
    assert "one cluster" in line_of(k=1)
    assert "of one run and not independent" in line_of(runs=1)
    assert "1 replica, halved at random" in line_of(runs=1, replicas=1)
    assert "12 models, too few for two samples" in line_of(models=12)


def test_the_order_of_the_models_does_not_matter():
    ensemble = as_ensemble(Simulation(Sampling(models=100, runs=4, seed=5)))
    shuffled = ensemble.take(np.random.default_rng(0).permutation(100))
    lines = set()
    for one in (ensemble, shuffled):
        matrix = rmsd_matrix(one, alignment="superpose")
        said = one_line(one.models, matrix, cluster(matrix, k=2))
        lines.add(said.split("; sampling precision")[0])
    assert len(lines) == 1
