"""Clusters whose answer is known by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest

from congruence.compute.clustering import METHODS, cluster, threshold_labels
from congruence.compute.partition import describe_partition, split_halves
from congruence.core.results import Alignment, ClusterAdvice, DistanceMatrix
from congruence.errors import ConfigError, ShapeError


def line(*places):
    """Models on a line."""
    x = np.array(places, dtype=float)
    i, j = np.triu_indices(len(x), 1)
    return DistanceMatrix(np.abs(x[i] - x[j]), len(x), Alignment.NONE)


def blobs(sizes, *, apart=40.0, dim=10, seed=0):
    rng = np.random.default_rng(seed)
    at = np.repeat(np.eye(len(sizes), dim) * apart, sizes, axis=0)
    x = at + rng.standard_normal(at.shape)
    i, j = np.triu_indices(len(x), 1)
    d = np.linalg.norm(x[i] - x[j], axis=1).astype(np.float32)
    return DistanceMatrix(d, len(x), Alignment.NONE), np.repeat(np.arange(len(sizes)), sizes)


@pytest.mark.parametrize(
    "given",
    [
        {"k": 2},
        {"method": "threshold", "threshold": 2.0},
        {"method": "hierarchical", "k": 2},
        {"method": "hierarchical", "threshold": 3.0},
        {"method": "hdbscan", "min_size": 2},
    ],
)
def test_every_method_finds_two_groups_on_a_line(given):
    found = cluster(line(100, 0, 1, 101, 2), **given)
    assert found.labels.tolist() == [1, 0, 0, 1, 0]
    big, small = found.clusters
    assert (big.index, big.size, big.center, big.best) == (0, 3, 2, 1)
    assert big.average_rmsd == pytest.approx((1 + 2 + 1) / 3, abs=1e-12)
    assert small.average_rmsd == 1.0
    assert small.center == 0  # a tie of two: the lower index
    assert found.advice is None
    assert found.method == given.get("method", "kmeans")
    assert math.isnan(big.best_score)


def test_parameters_say_what_the_method_was_given():
    d = line(0, 1, 9)
    assert cluster(d, k=2, seed=7).parameters == {"k": 2, "seed": 7, "starts": 50}
    assert cluster(d, method="threshold", threshold=2).parameters == {"threshold": 2.0}
    assert cluster(d, method="hierarchical", k=2).parameters == {"k": 2, "linkage": "average"}


def test_threshold_takes_the_largest_neighbourhood_first_and_includes_the_threshold():
    # At 1 Å: 1, 2 and 3 have three neighbours each (with themselves); 1 is the lowest.
    assert threshold_labels(line(0, 1, 2, 3, 4), 1.0).tolist() == [0, 0, 0, 1, 1]
    assert threshold_labels(line(0, 1, 2, 3, 4), 0.999).tolist() == [0, 1, 2, 3, 4]
    assert threshold_labels(line(5, 5, 5), 0.0).tolist() == [0, 0, 0]


def test_threshold_counts_only_models_that_are_still_free():
    # 0..4 around place 0; the model at 1.5 had five neighbours, but four are taken.
    d = line(0, -1, -0.9, 1, 0.9, 1.5, 2.4, 2.45)
    labels = threshold_labels(d, 1.0)
    assert labels.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_hierarchical_gives_k_clusters_even_among_equal_distances():
    d = DistanceMatrix(np.ones(6), 4, Alignment.NONE)
    for k in (1, 2, 3, 4):
        assert len(cluster(d, method="hierarchical", k=k).clusters) == k


def test_members_are_ordered_by_score_and_unreadable_scores_come_last():
    found = cluster(line(0, 1, 2, 50), k=2, scores=np.array([3.0, np.nan, -1.0, 7.0]))
    assert found.clusters[0].members.tolist() == [2, 0, 1]
    assert (found.clusters[0].best, found.clusters[0].best_score) == (2, -1.0)
    assert found.clusters[1].best_score == 7.0


def test_equal_sizes_are_numbered_by_their_first_member():
    d = line(0, 50, 51, 1)
    assert cluster(d, k=2).labels.tolist() == [0, 1, 1, 0]
    # The best-scoring member is the first: now 3 and 1.
    assert cluster(d, k=2, scores=np.array([2.0, 0, 1, 1])).labels.tolist() == [1, 0, 0, 1]


def test_runs_are_counted_in_natural_order_with_those_that_gave_none():
    runs = ["run10", "run2", "run2", "run1"]
    found = cluster(line(0, 1, 2, 90), k=2, runs=runs)
    assert found.clusters[0].by_run == {"run1": 0, "run2": 2, "run10": 1}
    assert list(found.clusters[0].by_run) == ["run1", "run2", "run10"]
    # First half: run1 and run10; second: run2.
    assert found.clusters[0].by_half == (1, 2)
    assert found.clusters[1].by_half == (1, 0)


def test_halves_of_one_run_alternate_in_order_of_score():
    assert split_halves(5).tolist() == [True, False, True, False, True]
    scores = np.array([4.0, 3, 2, 1])
    assert split_halves(4, scores=scores, runs=["a"] * 4).tolist() == [False, True, False, True]


def test_identical_models_give_fewer_clusters_than_asked_for():
    found = cluster(line(3, 3, 3, 3), k=2)
    assert len(found.clusters) == 1
    assert found.clusters[0].average_rmsd == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_one_model_is_one_cluster(method):
    given = {"threshold": 5.0} if method == "threshold" else {}
    found = cluster(DistanceMatrix(np.empty(0), 1, Alignment.NONE), method=method, **given)
    assert found.labels.tolist() == [0]
    assert found.clusters[0].size == 1
    assert found.clusters[0].average_rmsd == 0.0
    assert found.clusters[0].center == 0


@pytest.mark.parametrize("method", ["kmeans", "hierarchical"])
def test_without_a_number_the_advised_one_is_taken(method):
    matrix, truth = blobs([12, 9, 8])
    found = cluster(matrix, method=method)
    assert isinstance(found.advice, ClusterAdvice)
    assert found.advice.k == found.parameters["k"] == 3
    assert found.labels.tolist() == truth.tolist()


def test_hdbscan_leaves_out_what_lies_alone():
    matrix = line(0, 0.1, 0.2, 0.3, 0.4, 9, 9.1, 9.2, 9.3, 9.4, 500)
    found = cluster(matrix, method="hdbscan", min_size=3)
    assert found.noise.tolist() == [10]
    assert [c.size for c in found.clusters] == [5, 5]


def test_any_labels_can_be_described():
    found = describe_partition(line(0, 1, 9), np.array([7, 7, -3]), method="elsewhere")
    assert found.labels.tolist() == [0, 0, -1]
    assert found.noise.tolist() == [2]


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"method": "magic"}, "unknown clustering method 'magic'", "kmeans, threshold"),
        ({"k": 4}, "4 clusters asked for, but there are 3 models", "at most 3"),
        ({"k": 0}, "0 clusters", "one or more"),
        ({"threshold": 2.0}, "kmeans clustering does not take 'threshold'", "kmeans takes k"),
        ({"method": "threshold"}, "needs a threshold", "sampling precision"),
        ({"method": "threshold", "threshold": 1.0, "k": 2}, "does not take 'k'", "Leave 'k' out"),
        ({"method": "threshold", "threshold": -1.0}, "threshold of -1.0", "0 Å or more"),
        ({"method": "threshold", "threshold": np.nan}, "threshold of nan", "0 Å or more"),
        ({"method": "hierarchical", "k": 2, "threshold": 1.0}, "both a number", "one of the two"),
        ({"method": "hdbscan", "k": 2}, "does not take 'k'", "takes min_size"),
        ({"method": "hdbscan", "min_size": 1}, "1 models", "two or more"),
        ({"method": "hdbscan", "min_size": 9}, "there are 3 models", "at most 3"),
        ({"min_size": 3}, "does not take 'min_size'", "Leave 'min_size' out"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(given, message, hint):
    with pytest.raises(ConfigError) as caught:
        cluster(line(0, 1, 2), **given)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_distance_that_is_no_number_is_located():
    bad = DistanceMatrix(np.array([1.0, 2, 3, 4, np.nan, np.inf]), 4, Alignment.NONE)
    with pytest.raises(
        ShapeError, match="2 distances are not finite, first that of models 1 and 3"
    ):
        cluster(bad, k=2)


@pytest.mark.parametrize("name", ["scores", "runs"])
def test_scores_and_runs_must_fit(name):
    with pytest.raises(ShapeError, match=f"2 {name} for 3 models"):
        cluster(line(0, 1, 2), k=2, **{name: np.array([1.0, 2.0])})


def test_float32_and_float64_matrices_give_the_same_clusters():
    matrix, truth = blobs([40, 30, 20, 10], apart=6.0)
    wide = DistanceMatrix(matrix.condensed.astype(np.float64), matrix.m, Alignment.NONE)
    labels = cluster(matrix, k=4).labels
    assert labels.tolist() == truth.tolist() == cluster(wide, k=4).labels.tolist()


_PRINT_LABELS = """
import hashlib, numpy as np
from congruence.compute.clustering import cluster
from congruence.core.results import Alignment, DistanceMatrix
x = np.random.default_rng(3).standard_normal((600, 4))
i, j = np.triu_indices(600, 1)
d = np.linalg.norm(x[i] - x[j], axis=1).astype(np.float32)
found = cluster(DistanceMatrix(d, 600, Alignment.NONE), k=7)
print(hashlib.sha256(found.labels.tobytes()).hexdigest())
"""


def test_labels_do_not_depend_on_the_number_of_threads():
    # No structure and many clusters: the least difference in a sum would show.
    seen = set()
    for threads in ("1", "3"):
        env = {
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONHASHSEED": threads,
        }
        run = subprocess.run(
            [sys.executable, "-c", _PRINT_LABELS],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1
