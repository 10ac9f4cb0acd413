"""Threshold clustering, centers and spreads against plain definitions and SciPy."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score

from congruence.compute.clustering import cluster, threshold_labels
from congruence.core.results import Alignment, DistanceMatrix


def cloud(m, seed):
    x = np.random.default_rng(seed).standard_normal((m, 3))
    return DistanceMatrix(pdist(x), m, Alignment.NONE)


def neighbourhoods(square, threshold):
    """Daura et al. 1999, word by word with sets."""
    left = set(range(len(square)))
    labels = np.full(len(square), -1)
    number = 0
    while left:
        near = {i: {j for j in left if square[i, j] <= threshold} for i in left}
        center = min(left, key=lambda i: (-len(near[i]), i))
        for j in near[center]:
            labels[j] = number
        left -= near[center]
        number += 1
    return labels


@pytest.mark.parametrize("threshold", [0.2, 0.7, 1.5, 3.0, 9.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_threshold_clusters_are_those_of_the_definition(threshold, seed):
    matrix = cloud(61, seed)
    expected = neighbourhoods(squareform(matrix.condensed), threshold)
    assert threshold_labels(matrix, threshold).tolist() == expected.tolist()


def test_threshold_clusters_of_many_ties():
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    matrix = DistanceMatrix(pdist(grid), 64, Alignment.NONE)
    expected = neighbourhoods(squareform(matrix.condensed), 1.0)
    assert threshold_labels(matrix, 1.0).tolist() == expected.tolist()


@pytest.mark.parametrize("k", [1, 2, 5, 17])
def test_the_tree_is_cut_as_scipy_does(k):
    matrix = cloud(50, 2)
    tree = linkage(matrix.condensed, "average")
    by_k = cluster(matrix, method="hierarchical", k=k)
    assert len(by_k.clusters) == k
    assert adjusted_rand_score(by_k.labels, fcluster(tree, k, "maxclust")) == 1.0
    height = float(tree[-k, 2])
    by_height = cluster(matrix, method="hierarchical", threshold=height)
    assert adjusted_rand_score(by_height.labels, fcluster(tree, height, "distance")) == 1.0


def test_centers_and_spreads_are_those_of_the_submatrix():
    matrix = cloud(80, 4)
    square = squareform(matrix.condensed)
    for found in cluster(matrix, k=6).clusters:
        own = square[np.ix_(np.sort(found.members), np.sort(found.members))]
        n = found.size
        assert found.average_rmsd == pytest.approx(own.sum() / (n * n - n), rel=1e-12)
        assert found.center == np.sort(found.members)[own.sum(axis=1).argmin()]
