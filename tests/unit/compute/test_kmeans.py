"""k-means of our own against scikit-learn's, and where it leaves the work to it."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from congruence.compute._kmeans import kmeans_labels
from congruence.compute.clustering import cluster
from congruence.core.results import Alignment, DistanceMatrix


def rows_of(seed, m, spread):
    random = np.random.default_rng(seed)
    centers = spread * random.normal(size=(4, 5))
    points = centers[random.integers(0, 4, m)] + random.normal(size=(m, 5))
    return np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))


@pytest.mark.parametrize(("seed", "m", "k", "spread"), [
    (0, 40, 2, 4.0), (1, 90, 3, 1.0), (2, 150, 7, 0.0), (3, 25, 12, 2.0), (4, 200, 2, 0.0),
])  # fmt: skip
def test_labels_are_those_of_scikit_learn(seed, m, k, spread):
    rows = rows_of(seed, m, spread)
    expected = KMeans(n_clusters=k, n_init=20, random_state=seed).fit(rows).labels_
    assert np.array_equal(kmeans_labels(rows, k, seed=seed, starts=20), expected)


def test_starts_in_several_parts_are_the_same(monkeypatch):
    rows = rows_of(5, 60, 1.0)
    whole = kmeans_labels(rows, 4, seed=2, starts=9)
    monkeypatch.setattr("congruence.compute._kmeans._VALUES", 60 * 4 * 2)
    assert np.array_equal(kmeans_labels(rows, 4, seed=2, starts=9), whole)


def test_two_groups_by_hand():
    rows = np.array([[0.0], [1.0], [10.0], [11.0], [12.0]])
    labels = kmeans_labels(rows, 2, seed=0, starts=3)
    assert labels[0] == labels[1] != labels[2] == labels[3] == labels[4]


def test_fewer_models_than_clusters_are_left_to_scikit_learn():
    assert kmeans_labels(np.zeros((6, 3)), 2, seed=0, starts=3) is None
    alike = DistanceMatrix(np.zeros(15), 6, Alignment.NONE)
    assert len(cluster(alike, k=3).clusters) == 1
