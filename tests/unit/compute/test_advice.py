"""The advised number of clusters: planted ones are found, a cloud stays whole."""

from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from threadpoolctl import threadpool_limits

from congruence.compute.advice import SILHOUETTE, advise
from congruence.compute.clustering import _kmeans, _tree_of_square


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """As `cluster` has it; many small fits on several threads are slow."""
    with threadpool_limits(limits=1):
        yield


KMEANS = partial(_kmeans, seed=0, starts=5)


def planted(k, m, *, seed, dim=30, apart=3.0):
    """Return m points in k Gaussian clouds whose centres are as far apart as `apart` spreads."""
    rng = np.random.default_rng(seed)
    centers = np.eye(k, dim) * apart * np.sqrt(dim)
    labels = np.sort(np.arange(m) % k)
    return squareform(pdist(centers[labels] + rng.standard_normal((m, dim))))


@pytest.mark.parametrize(
    ("k", "m", "seed"), [(2, 20, 0), (3, 20, 0), (5, 20, 1), (2, 60, 0), (5, 60, 0)]
)
def test_planted_clusters_are_counted(k, m, seed):
    advice = advise(planted(k, m, seed=seed), KMEANS)
    assert advice.k == k, advice
    assert advice.reason.startswith(f"{k} clusters: mean silhouette")


def test_large_ensembles_are_judged_on_a_part():
    advice = advise(planted(3, 520, seed=0), _tree_of_square)
    assert advice.k == 3
    assert "500 of the 520 models" in advice.reason


@pytest.mark.parametrize("partition", [KMEANS, _tree_of_square])
@pytest.mark.parametrize("dim", [1, 3, 100])
def test_a_cloud_is_one_cluster(dim, partition):
    cloud = np.random.default_rng(dim).standard_normal((50, dim))
    advice = advise(squareform(pdist(cloud)), partition)
    assert advice.k == 1, advice
    assert advice.reason.startswith("One cluster: the best split, into ")


def test_an_even_line_is_not_cut_though_its_silhouette_is_high():
    advice = advise(squareform(pdist(np.arange(60.0)[:, None])), KMEANS)
    assert advice.k == 1
    assert max(s for _, s, _ in advice.candidates) > SILHOUETTE


def test_one_odd_model_makes_no_cluster():
    rng = np.random.default_rng(5)
    points = np.vstack([rng.standard_normal((39, 10)), np.full((1, 10), 30.0)])
    advice = advise(squareform(pdist(points)), KMEANS)
    assert advice.k == 1


@pytest.mark.parametrize("m", [1, 2, 3])
def test_few_models_are_one_cluster(m):
    advice = advise(np.full((m, m), 9.0) - 9.0 * np.eye(m), KMEANS)
    assert (advice.k, advice.candidates) == (1, ())
    assert "too few" in advice.reason


def test_identical_models_are_one_cluster():
    advice = advise(np.zeros((8, 8)), KMEANS)
    assert advice.k == 1
    assert "identical" in advice.reason


def test_every_number_tried_is_reported_and_the_same_each_time():
    square = planted(2, 20, seed=1)
    one, two = advise(square, KMEANS, seed=4), advise(square, KMEANS, seed=4)
    assert one == two
    assert [k for k, _, _ in one.candidates] == list(range(2, 11))
    best = {k: (s, a) for k, s, a in one.candidates}[2]
    assert best[0] > 0.5
    assert best[1] == 1.0


def test_four_models_in_two_pairs_do_not_break_it():
    advice = advise(squareform(pdist(np.array([[0.0], [1], [50], [51]]))), KMEANS)
    assert advice.k in (1, 2)
    assert [k for k, _, _ in advice.candidates] == [2]
