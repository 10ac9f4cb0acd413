"""
Planted truth is found, and p-values are what they say where they can be.

Limits were chosen with seeds below 100; seeds here are others.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from congruence.compute.correlated_scores import compare_correlated, judge_scores
from congruence.compute.exhaustiveness import scan_thresholds
from congruence.compute.exhaustiveness_verdicts import (
    LABEL_P_LIMIT,
    SHARE_FAIL,
    SHARE_LIMIT,
    Settings,
    assess,
)
from congruence.compute.label_test import label_test
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.score_tests import compare_scores
from congruence.core.results import Alignment, DistanceMatrix, Level
from congruence.simulate import simulate_ensemble


def cloud_matrix(points):
    return DistanceMatrix(pdist(points), len(points), Alignment.NONE, "none")


def failed(result):
    return any(v.level is Level.FAIL for v in result.verdicts)


@pytest.mark.parametrize(("models", "seed"), [(60, 4100), (60, 4101), (150, 4102), (300, 4103)])
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


@pytest.mark.parametrize("exhaustive", [True, False])
def test_planted_truth_is_told_in_95_of_100_seeds(exhaustive):
    right = 0
    for seed in range(4200, 4300):
        rng = np.random.default_rng(seed)
        place = np.array([0.0, 40.0, 90.0])
        where = rng.choice(3, size=90, p=[0.5, 0.3, 0.2])
        if not exhaustive:
            where = np.concatenate([np.zeros(45, dtype=int), rng.choice([1, 2], size=45)])
        points = rng.normal(size=(90, 3))
        points[:, 0] += place[where]
        result = assess(cloud_matrix(points), 45, settings=Settings(step=6.0))
        right += failed(result) is not exhaustive
    assert right >= 95


@pytest.mark.parametrize(
    ("models", "sets", "dimensions", "apart"), [(30, 200, 3, 0), (60, 200, 60, 0), (160, 60, 3, 40)]
)
def test_like_samples_are_hardly_ever_called_apart(models, sets, dimensions, apart):
    called = failures = 0
    in_a = np.arange(models) < models // 2
    for seed in range(sets):
        rng = np.random.default_rng([4400, models, seed])
        points = rng.normal(size=(models, dimensions))
        points[:, 0] += apart * rng.integers(2, size=models)
        found = label_test(cloud_matrix(points), in_a, permutations=199, seed=seed)
        judged = found.p < LABEL_P_LIMIT and found.share > SHARE_LIMIT
        called += judged
        failures += judged and found.share > SHARE_FAIL
    assert called <= 0.03 * sets
    assert failures <= 0.02 * sets


@pytest.mark.parametrize(("models", "shift", "least"), [(60, 2.0, 1.0), (160, 1.0, 0.95)])
def test_samples_in_other_places_are_called_apart(models, shift, least):
    in_a, called = np.arange(models) < models // 2, 0
    for seed in range(40):
        points = np.random.default_rng([4500, models, seed]).normal(size=(models, 3))
        points[in_a, 0] += shift
        found = label_test(cloud_matrix(points), in_a, permutations=199, seed=seed)
        called += found.p < LABEL_P_LIMIT and found.share > SHARE_LIMIT
    assert called >= least * 40


def test_the_ks_p_value_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(4311)
    p = [compare_scores(rng.normal(size=97), rng.normal(size=101)).p["exact"] for _ in range(250)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_the_chi_square_p_value_is_uniform_at_a_threshold_fixed_in_advance():
    rng = np.random.default_rng(4312)
    p = []
    for _ in range(250):
        places = np.array([0.0, 50.0, 120.0, 200.0])[rng.integers(4, size=240)] + rng.random(240)
        matrix = cloud_matrix(places[:, None])
        (point,) = scan_thresholds(matrix, np.arange(240) < 120, [5.0]).points
        assert point.kept == 4
        p.append(point.p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_correlated_models_make_the_plain_p_value_too_small():
    rng = np.random.default_rng(4313)
    p = []
    for _ in range(100):
        # Ten visits of 24 equal models each instead of 240 independent ones.
        visits = np.repeat(rng.integers(4, size=10), 24)
        places = np.array([0.0, 50.0, 120.0, 200.0])[visits] + rng.random(240)
        matrix = cloud_matrix(places[:, None])
        (point,) = scan_thresholds(matrix, np.arange(240) < 120, [5.0], smallest=1).points
        p.append(point.rest_p if point.kept < 2 else point.p)
    assert np.mean(np.array(p) < 0.05) > 0.5


def test_with_correlated_scores_the_plain_p_fails_and_the_output_says_so():
    rng = np.random.default_rng(14)
    chains = np.split(np.arange(203), [26, 52, 78, 104, 129, 154, 179])
    in_a = np.arange(203) < 104
    keep = np.exp(-1 / 5)
    found = []
    for _ in range(200):
        scores = rng.normal(size=203)
        for chain in chains:
            for i in chain[1:]:
                scores[i] = keep * scores[i - 1] + np.sqrt(1 - keep**2) * scores[i]
        found.append(compare_correlated(scores, in_a, chains))
    assert stats.kstest([c.p for c in found], "uniform").pvalue < 1e-6
    assert np.mean([c.p < 0.05 for c in found]) > 0.2
    assert np.mean([c.p_corrected < 0.05 for c in found]) <= 0.08
    assert sum("not to be quoted" in judge_scores(c).claim for c in found) >= 195
