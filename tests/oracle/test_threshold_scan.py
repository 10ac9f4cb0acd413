"""The scan against the plain definition, and the tables and curves against other programs."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from congruence.compute.exhaustiveness import scan_thresholds
from congruence.compute.homogeneity import homogeneity, table_test
from congruence.compute.scan import bin_distances, neighbourhood_clusters
from congruence.compute.score_tests import compare_scores, top_score_expectation
from congruence.core.results import Alignment, DistanceMatrix


def plain_clusters(square, threshold):
    """Follow the definition with lists, as slowly as it is written."""
    m = len(square)
    free = list(range(m))
    clusters = []
    while free:
        near = {i: [j for j in free if i == j or square[i, j] <= threshold] for i in free}
        center = max(free, key=lambda i: (len(near[i]), -i))
        clusters.append([center, *(j for j in near[center] if j != center)])
        free = [i for i in free if i not in near[center]]
    return clusters


def random_matrix(m, seed, levels):
    """Whole numbers give many ties and distances equal to thresholds."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(m, 2)) * 4
    i, j = np.triu_indices(m, 1)
    distances = np.sqrt(((points[i] - points[j]) ** 2).sum(axis=1))
    if levels:
        distances = np.round(distances * levels) / levels
    return DistanceMatrix(distances, m, Alignment.NONE, "none")


@given(st.integers(2, 40), st.integers(0, 10_000), st.sampled_from([0, 1, 2]))
def test_clusters_are_those_of_the_definition(m, seed, levels):
    matrix = random_matrix(m, seed, levels)
    thresholds = np.arange(0.5, 12.0, 0.5)
    bins, square = bin_distances(matrix, thresholds), matrix.square()
    for k in (0, 1, 3, 7, len(thresholds) - 1):
        mine = [c.tolist() for c in neighbourhood_clusters(bins, k)]
        assert mine == plain_clusters(square, thresholds[k])
        large = [c.tolist() for c in neighbourhood_clusters(bins, k, smallest=4)]
        assert large == [c for c in mine if len(c) >= 4]


@pytest.mark.parametrize("m", [700, 1500])
def test_large_jobs_take_the_same_way_as_small_ones(m):
    matrix = random_matrix(m, 5, 0)
    thresholds = np.linspace(0.5, 20.0, 30)
    bins = bin_distances(matrix, thresholds)
    for k in (1, 8, 20):
        one = bin_distances(matrix, [thresholds[k]])
        mine = [c.tolist() for c in neighbourhood_clusters(bins, k)]
        assert mine == [c.tolist() for c in neighbourhood_clusters(one, 0)]
        near = matrix.square() <= thresholds[k]
        np.testing.assert_array_equal(bins.counts[k], near.sum(axis=1))


def test_stopping_early_changes_no_number():
    matrix = random_matrix(300, 6, 0)
    in_a = np.arange(300) < 140
    thresholds = np.linspace(0.3, 15.0, 40)
    scan = scan_thresholds(matrix, in_a, thresholds)
    bins = bin_distances(matrix, thresholds)
    for k, point in enumerate(scan.points):
        whole = homogeneity(neighbourhood_clusters(bins, k), in_a)
        assert (point.p, point.v, point.coverage) == (whole.p, whole.v, whole.coverage)
        assert point.rest == whole.rest


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=2, max_size=8))
def test_tables_are_tested_as_scipy_does(rows):
    table = np.array(rows)
    for yates in (False, True):
        chi2, p, _ = table_test(table, yates=yates)
        expected = stats.chi2_contingency(table, correction=yates)
        assert math.isclose(chi2, expected.statistic, rel_tol=1e-9, abs_tol=1e-12)
        assert math.isclose(p, expected.pvalue, rel_tol=1e-9, abs_tol=1e-300)


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=8), st.data())
def test_top_scores_are_those_of_all_subsets(values, data):
    size = data.draw(st.integers(1, len(values)))
    scores = np.array(values, dtype=float)
    best = [min(subset) for subset in itertools.combinations(values, size)]
    means, deviations = top_score_expectation(scores, np.array([size]))
    assert means[0] == pytest.approx(np.mean(best), abs=1e-9)
    assert deviations[0] == pytest.approx(np.std(best), abs=1e-7)


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 20), min_size=3, max_size=40),
    st.lists(st.integers(0, 20), min_size=3, max_size=40),
)
def test_d_and_p_are_those_of_scipy(a, b):
    found = compare_scores(np.array(a, dtype=float), np.array(b, dtype=float))
    assert found.p["asymp"] == pytest.approx(stats.ks_2samp(a, b, method="asymp").pvalue)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RuntimeWarning)
        exact = stats.ks_2samp(a, b, method="auto")
    assert found.d == pytest.approx(exact.statistic)
    if not told:
        assert found.p[found.used] == pytest.approx(exact.pvalue)
    else:  # where rounding takes SciPy's count beyond 1 it falls back on its approximation
        assert exact.pvalue > 0.999
        assert found.p[found.used] == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(0, 100), st.sampled_from([1.0, np.nextafter(1.0, 2), 1e-300, 1e9])),
        min_size=1, max_size=40, unique=True,
    ),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_bins_are_those_of_a_search(levels, seed):
    """Thresholds of any spacing, among distances equal to them and next to them."""
    levels = np.sort(levels)
    rng = np.random.default_rng(seed)
    drawn = np.r_[levels, np.nextafter(levels, np.inf), np.nextafter(levels, -np.inf), 0.0, 1e12]
    values = np.maximum(rng.choice(drawn, 45), 0.0)
    bins = bin_distances(DistanceMatrix(values, 10, Alignment.NONE), levels)
    i, j = np.triu_indices(10, 1)
    assert bins.square[i, j].tolist() == np.searchsorted(levels, values, side="left").tolist()
    assert np.array_equal(bins.square, bins.square.T)
    near = bins.square[None] <= np.arange(len(levels))[:, None, None]
    assert np.array_equal(bins.counts, near.sum(axis=2))
