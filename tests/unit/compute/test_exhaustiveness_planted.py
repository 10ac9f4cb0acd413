"""Planted truth is found, and p-values are what they say where they can be."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from congruence.compute.exhaustiveness import scan_thresholds
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.score_tests import compare_scores
from congruence.core.results import Alignment, DistanceMatrix, Level
from congruence.simulate import simulate_ensemble


def cloud_matrix(points):
    return DistanceMatrix(pdist(points), len(points), Alignment.NONE, "none")


def failed(result):
    return any(v.level is Level.FAIL for v in result.verdicts)


@pytest.mark.parametrize(("models", "seed"), [(60, 0), (60, 1), (150, 2), (300, 3)])
def test_simulated_models_shared_at_random_pass_and_shared_by_place_fail(models, seed):
    coordinates, labels, _ = simulate_ensemble(models=models, clusters=2, seed=seed)
    matrix = rmsd_matrix(coordinates, alignment="superpose")
    mixed = np.random.default_rng(seed).permutation(models)
    fair = assess(matrix.take(mixed), models // 2)
    assert fair.precision.converged
    assert not failed(fair)
    first, others = np.flatnonzero(labels == 0), np.flatnonzero(labels != 0)
    unfair = assess(matrix.take(np.concatenate([first, others])), len(first))
    assert failed(unfair)
    assert unfair.precision.threshold > 3 * fair.precision.threshold or unfair.labels.share > 0.3


def test_planted_truth_is_told_in_95_of_100_seeds():
    right = 0
    for seed in range(50):  # an exhaustive and a one-sided pair each
        rng = np.random.default_rng(seed)
        place = np.array([0.0, 40.0, 90.0])
        shared = rng.choice(3, size=90, p=[0.5, 0.3, 0.2])
        one_sided = np.concatenate([np.zeros(45, dtype=int), rng.choice([1, 2], size=45)])
        for where, exhaustive in ((shared, True), (one_sided, False)):
            points = rng.normal(size=(90, 3))
            points[:, 0] += place[where]
            result = assess(cloud_matrix(points), 45, settings=Settings(step=6.0))
            right += failed(result) is not exhaustive
    assert right >= 95


def test_the_ks_p_value_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(11)
    p = [compare_scores(rng.normal(size=97), rng.normal(size=101)).p["exact"] for _ in range(250)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_the_chi_square_p_value_is_uniform_at_a_threshold_fixed_in_advance():
    rng = np.random.default_rng(12)
    p = []
    for _ in range(250):
        places = np.array([0.0, 50.0, 120.0, 200.0])[rng.integers(4, size=240)] + rng.random(240)
        matrix = cloud_matrix(places[:, None])
        (point,) = scan_thresholds(matrix, np.arange(240) < 120, [5.0]).points
        assert point.kept == 4
        p.append(point.p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_correlated_models_make_the_plain_p_value_too_small():
    rng = np.random.default_rng(13)
    p = []
    for _ in range(100):
        # Ten visits of 24 equal models each instead of 240 independent ones.
        visits = np.repeat(rng.integers(4, size=10), 24)
        places = np.array([0.0, 50.0, 120.0, 200.0])[visits] + rng.random(240)
        matrix = cloud_matrix(places[:, None])
        (point,) = scan_thresholds(matrix, np.arange(240) < 120, [5.0], smallest=1).points
        p.append(point.rest_p if point.kept < 2 else point.p)
    assert np.mean(np.array(p) < 0.05) > 0.5
