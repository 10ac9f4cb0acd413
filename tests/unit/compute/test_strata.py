import numpy as np
import pytest

from congruence.compute.partition import describe_partition
from congruence.compute.strata import sample_of_clusters, sample_of_runs


def clustering(sizes, noise=0):
    labels = np.concatenate([np.full(n, k) for k, n in enumerate(sizes)] + [np.full(noise, -1)])
    labels = np.random.default_rng(0).permutation(labels.astype(np.int64))
    sums = np.random.default_rng(1).random(len(labels))
    return describe_partition(sums, labels, method="given")


@pytest.mark.parametrize("size", [1, 7, 50, 99])
def test_runs_have_their_share_from_all_ranks(size):
    runs = np.array(["a"] * 60 + ["b"] * 40, dtype=object)[
        np.random.default_rng(0).permutation(100)
    ]
    sample = sample_of_runs(runs, size)
    assert len(set(sample.tolist())) == size
    assert sample.tolist() == sorted(sample.tolist())
    for name, share in (("a", 0.6), ("b", 0.4)):
        assert abs(np.sum(runs[sample] == name) - share * size) <= 1


def test_all_models_when_they_are_few():
    assert sample_of_runs(["a"] * 5, 9).tolist() == [0, 1, 2, 3, 4]
    assert sample_of_clusters(clustering([3, 2]), 9).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("sizes", [(500, 300, 2, 1, 1), (40, 40, 40), (900,), (30,) * 20])
@pytest.mark.parametrize("noise", [0, 25])
def test_every_cluster_is_there_with_its_best_and_its_center(sizes, noise):
    made = clustering(sizes, noise)
    sample = sample_of_clusters(made, 60)
    assert len(set(sample.tolist())) == 60
    for cluster in made.clusters:
        assert {cluster.best, cluster.center} <= set(sample.tolist()) or cluster.size == 1
        share = 60 * cluster.size / len(made.labels)
        assert np.isin(cluster.members, sample).sum() >= min(2, cluster.size, share)
    largest = made.clusters[0]
    taken = np.flatnonzero(np.isin(largest.members, sample))
    assert taken.max() > 0.8 * largest.size - 2 * largest.size / len(taken)


def test_of_too_many_clusters_the_largest_are_there():
    sample = sample_of_clusters(clustering([1] * 30 + [5]), 10)
    assert len(sample) == 10
