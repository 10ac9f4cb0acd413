"""What holds for any matrix."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from congruence.compute.clustering import cluster
from congruence.core.results import Alignment, DistanceMatrix

SEEDS = st.integers(0, 2**32 - 1)
WAYS = st.sampled_from(
    [
        {"k": 2},
        {"method": "threshold", "threshold": 1.0},
        {"method": "hierarchical", "k": 3},
        {"method": "hierarchical", "threshold": 1.2},
        {"method": "hdbscan", "min_size": 2},
    ]
)


def points(seed, m):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, 2)) + 20 * rng.integers(0, 2, (m, 1))


def matrix_of(x):
    return DistanceMatrix(pdist(x), len(x), Alignment.NONE)


def as_sets(found, names):
    return {frozenset(names[c.members].tolist()) for c in found.clusters}


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, m=st.integers(3, 25), way=WAYS)
def test_a_clustering_is_a_partition_numbered_by_size(seed, m, way):
    rng = np.random.default_rng(seed)
    scores, runs = rng.random(m), [f"run{i}" for i in rng.integers(0, 3, m)]
    found = cluster(matrix_of(points(seed, m)), scores=scores, runs=runs, **way)
    covered = np.concatenate([*(c.members for c in found.clusters), found.noise])
    assert sorted(covered.tolist()) == list(range(m))
    sizes = [c.size for c in found.clusters]
    assert sizes == sorted(sizes, reverse=True)
    for c in found.clusters:
        assert (found.labels[c.members] == c.index).all()
        assert (np.diff(scores[c.members]) >= 0).all()
        assert c.best == c.members[0]
        assert c.center in c.members
        assert c.best_score == scores[c.best]
        assert sum(c.by_run.values()) == sum(c.by_half) == c.size
        assert c.average_rmsd >= 0


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, m=st.integers(4, 20), k=st.integers(1, 4))
def test_permuting_models_permutes_the_clusters_of_the_tree(seed, m, k):
    x = points(seed, m)
    order = np.random.default_rng(seed).permutation(m)
    one = cluster(matrix_of(x), method="hierarchical", k=k)
    two = cluster(matrix_of(x[order]), method="hierarchical", k=k)
    assert as_sets(one, np.arange(m)) == as_sets(two, order)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, m=st.integers(1, 25), threshold=st.floats(0, 40))
def test_threshold_clusters_have_a_member_near_all_others(seed, m, threshold):
    matrix = matrix_of(points(seed, m)) if m > 1 else DistanceMatrix(np.empty(0), 1, Alignment.NONE)
    square = matrix.square()
    for c in cluster(matrix, method="threshold", threshold=threshold).clusters:
        assert (square[np.ix_(c.members, c.members)].max(axis=1) <= threshold).any()


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_clusters(seed):
    matrix = matrix_of(points(seed, 20))
    assert np.array_equal(cluster(matrix, k=4, seed=5).labels, cluster(matrix, k=4, seed=5).labels)
