"""Plain p-values are for independent models; the corrected ones hold for correlated runs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp, kstest

from congruence.compute.correlated_scores import (
    compare_correlated,
    judge_scores,
    ks_distance,
    ks_statistic,
)
from congruence.core.results import Level
from congruence.errors import ShapeError


def simulated(rng, runs, n, phi):
    """Scores of runs of a stationary first-order process, equal in law."""
    x = rng.normal(size=runs)
    out = np.empty((n, runs))
    for i in range(n):
        x = phi * x + np.sqrt(1 - phi**2) * rng.normal(size=runs)
        out[i] = x
    return out.T.ravel()


def null_p_values(phi, *, sets=200, runs=4, n=150, seed=0):
    rng = np.random.default_rng(seed)
    chains = [np.arange(r * n, (r + 1) * n) for r in range(runs)]
    in_a = np.arange(runs * n) < runs * n // 2
    found = [compare_correlated(simulated(rng, runs, n, phi), in_a, chains) for _ in range(sets)]
    return np.array([c.p for c in found]), np.array([c.p_corrected for c in found])


def test_weighted_distance_equals_the_distance_of_repeated_scores():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 8, 30).astype(float)
    in_a = np.arange(30) < 13
    counts = rng.integers(0, 4, 30)
    found = ks_distance(scores, np.where(in_a, counts, 0), np.where(in_a, 0, counts))
    repeated = [np.repeat(scores[mask], counts[mask]) for mask in (in_a, ~in_a)]
    assert_allclose(found, ks_2samp(*repeated).statistic, atol=1e-12)
    assert_allclose(ks_statistic(scores, in_a)(counts)[0], found)


def test_an_empty_sample_is_refused():
    with pytest.raises(ShapeError, match="no models"):
        ks_distance(np.arange(3.0), np.ones(3), np.zeros(3))
    with pytest.raises(ShapeError, match="3 and 0 models"):
        compare_correlated(np.arange(3.0), np.ones(3, dtype=bool), [np.arange(3)])


def test_independent_models_have_uniform_p_values():
    plain, _ = null_p_values(0.0, seed=1)
    assert kstest(plain, "uniform").pvalue > 0.01


def test_correlated_models_fail_the_plain_test_and_pass_the_corrected_one():
    plain, corrected = null_p_values(0.85, seed=2)
    assert kstest(plain, "uniform").pvalue < 1e-6  # not uniform: far too many small ones
    assert (plain < 0.05).mean() > 0.25
    assert (corrected < 0.05).mean() < 0.10


def test_the_output_says_that_the_plain_p_is_too_small():
    rng = np.random.default_rng(3)
    scores = simulated(rng, 4, 200, 0.9)
    chains = [np.arange(r * 200, (r + 1) * 200) for r in range(4)]
    found = compare_correlated(scores, np.arange(800) < 400, chains)
    assert found.p_corrected > found.p
    assert sum(found.effective_sizes) < 200
    verdict = judge_scores(found)
    assert "the plain p is too small" in verdict.claim
    assert "plain p" in verdict.evidence
    assert verdict.level is Level.OK


def test_different_samples_are_seen_to_differ():
    rng = np.random.default_rng(4)
    scores = np.concatenate([rng.normal(size=200), rng.normal(size=200) + 2])
    found = compare_correlated(scores, np.arange(400) < 200, [np.arange(200), np.arange(200, 400)])
    verdict = judge_scores(found)
    assert verdict.level is Level.WARNING
    assert verdict.advice
