import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.spatial.distance import pdist

from congruence.compute.exhaustiveness import sampling_precision, scan_bins
from congruence.compute.homogeneity import populations
from congruence.compute.precision_uncertainty import precision_of_models
from congruence.compute.resampled_scan import cluster_tables, resampled_precisions
from congruence.compute.resampling import (
    models_of,
    percentiles_over_blocks,
    percentiles_over_runs,
)
from congruence.compute.running import running_estimate
from congruence.compute.scan import bin_distances, neighbourhood_clusters
from congruence.compute.statistic import ManyAtOnce
from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import ShapeError


def planted(seed, m=90, places=4, spread=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(places, 3)) * 5
    x = x[rng.integers(places, size=m)] + rng.normal(size=(m, 3)) * spread
    matrix = DistanceMatrix(pdist(x).astype(np.float32).round(1), m, Alignment.NONE)  # with ties
    return matrix, rng.random(m) < 0.5, rng


def one_by_one(bins, in_a, counts, rule, smallest):
    """Scan the models of each resample, those drawn twice being two models."""
    values = []
    for row in counts:
        models = models_of(row)
        mine = in_a[models]
        if len(models) < 10 or min(mine.sum(), (~mine).sum()) < smallest:
            values.append(math.inf)
            continue
        found = sampling_precision(scan_bins(bins.take(models), mine, smallest=smallest), rule)
        values.append(found.value if found.converged else math.inf)
    return values


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["right", "compat", "paper"]),
    st.integers(1, 8),
    st.sampled_from([0.3, 1.0, 3.0]),
)
def test_all_resamples_together_are_each_by_itself(seed, rule, smallest, spread):
    matrix, in_a, rng = planted(seed, spread=spread)
    bins = bin_distances(matrix, np.arange(0.45, 16.0, 0.7))
    counts = rng.multinomial(matrix.m, np.full(matrix.m, 1 / matrix.m), size=6)
    counts = np.vstack([counts, np.ones_like(counts[:1]), counts[:1] > 0, np.eye(1, matrix.m)])
    counts = counts.astype(np.int64)
    found = resampled_precisions(
        bins.square, bins.thresholds, in_a, counts, rule=rule, smallest=smallest
    )
    assert found.tolist() == one_by_one(bins, in_a, counts, rule, smallest)


@pytest.mark.parametrize("smallest", [1, 3])
def test_tables_are_those_of_the_clusters(smallest):
    matrix, in_a, _ = planted(3, m=60)
    bins = bin_distances(matrix, [1.0, 2.0, 5.0])
    for k in range(3):
        near = (bins.square <= k).astype(np.float32)
        (table,) = cluster_tables(near, np.ones((1, 60), np.float32), in_a, smallest=smallest)
        every = populations(neighbourhood_clusters(bins, k), in_a)
        assert_array_equal(table, every[(every >= smallest).all(axis=1)])


def test_values_are_remembered_and_the_running_estimate_is_the_same():
    matrix, in_a, rng = planted(5, m=120)
    of_models = precision_of_models(matrix, in_a, np.arange(1.0, 16.0), smallest=3)
    steps = np.tile(np.arange(60), 2)
    together = running_estimate(of_models, steps, points=6)
    alone = running_estimate(lambda models: of_models(models), steps, points=6)
    assert_array_equal(together.values, alone.values)
    drawn = rng.integers(120, size=120)
    assert of_models(drawn) == of_models(np.sort(drawn))
    fresh = precision_of_models(matrix, in_a, np.arange(1.0, 16.0), smallest=3)
    assert of_models(drawn) == fresh(drawn)


def test_a_statistic_of_many_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=40)

    def mean(counts):
        return [float(values @ counts) / counts.sum()]

    many = ManyAtOnce(lambda counts: (counts @ values / counts.sum(axis=1))[:, None])
    runs = np.repeat(list("abcdefgh"), 5)
    for one, other in (
        [percentiles_over_runs(s, runs, draws=50) for s in (mean, many)],
        [percentiles_over_blocks(s, [np.arange(40)], 1.0, draws=50) for s in (mean, many)],
    ):
        assert one[0].low == pytest.approx(other[0].low, rel=1e-12)
        assert one[0].high == pytest.approx(other[0].high, rel=1e-12)
        assert one[0].unit == other[0].unit


def test_shapes_that_do_not_fit_are_refused():
    matrix, in_a, _ = planted(1, m=20)
    bins = bin_distances(matrix, [1.0])
    with pytest.raises(ShapeError, match="counts of shape"):
        resampled_precisions(bins.square, bins.thresholds, in_a, np.ones((1, 19), dtype=np.int64))
