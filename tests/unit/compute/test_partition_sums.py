import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute.metric import Metric
from congruence.compute.partition import describe_partition
from congruence.compute.partition_sums import PartitionSums, with_spread
from congruence.compute.precision import precision, precision_of_sums, run_numbers, separation
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles

METRIC = Metric("superpose")
M = 300
LABELS = np.random.default_rng(1).integers(-1, 4, M)
RUNS = np.array([f"run{i}" for i in np.random.default_rng(2).integers(0, 3, M)], dtype=object)


@pytest.fixture(scope="module")
def models():
    return rigid_models(0, models=M, beads=8, flexible=4)


@pytest.fixture(scope="module")
def matrix(models):
    return rmsd_matrix(models, METRIC, precision="double")


@pytest.fixture(scope="module", params=[128, 256])
def sums(models, request):
    sink = PartitionSums(LABELS, run_numbers(RUNS, M)[0])
    rmsd_tiles(models, sink, METRIC, edge=request.param, precision="double")
    return sink


def test_three_models_by_hand():
    sink = PartitionSums(np.array([0, 0, 1, -1]), np.array([0, 1, 0, 0]))
    x = np.array([0.0, 1, 5, 100])
    sink.put(0, 0, abs(x[:, None] - x))
    assert sink.by_run.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    assert sink.between[0, 1] == sink.between[1, 0] == 9
    assert sink.smallest[0, 1] == sink.smallest[1, 0] == 4
    assert sink.done() == set()


def test_sums_are_those_of_the_matrix(sums, matrix):
    square = matrix.square()
    for i in range(M):
        for run in range(3):
            mine = (LABELS[i] == LABELS) & (f"run{run}" == RUNS) & (LABELS >= 0)
            expected = square[i, mine].sum() if LABELS[i] >= 0 else 0.0
            assert sums.by_run[i, run] == pytest.approx(expected, abs=1e-9)


def test_centers_and_averages_are_those_of_the_matrix(sums, matrix):
    scores = np.arange(M, dtype=np.float64)
    words = {"method": "given", "scores": scores, "runs": RUNS}
    expected = describe_partition(matrix, LABELS, **words)
    outline = describe_partition(np.zeros(M), LABELS, **words)
    renumbered = PartitionSums(outline.labels, run_numbers(RUNS, M)[0])
    renumbered.put(0, 0, matrix.square())
    found = with_spread(outline, renumbered.by_run.sum(axis=1), np.arange(M))
    assert found.labels.tolist() == expected.labels.tolist()
    for mine, other in zip(found.clusters, expected.clusters, strict=True):
        assert mine.center == other.center
        assert mine.average_rmsd == pytest.approx(other.average_rmsd, abs=1e-12)
        assert mine.members.tolist() == other.members.tolist()


def test_precision_and_separation_are_those_of_the_matrix(sums, matrix):
    square = matrix.square()
    for a in range(4):
        at = np.flatnonzero(a == LABELS)
        inside = square[np.ix_(at, at)]
        expected = precision(inside, runs=RUNS[at].tolist())
        found = precision_of_sums(sums.by_run[at], inside, runs=RUNS[at].tolist())
        for name in ("center", "pairwise", "to_center", "median_to_center", "max_to_center"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-9)
        assert found.pairwise_interval.low == pytest.approx(expected.pairwise_interval.low)
        for b in range(a):
            other = np.flatnonzero(b == LABELS)
            apart = separation(square[np.ix_(at, other)], 0, 0)
            assert sums.between[a, b] / (len(at) * len(other)) == pytest.approx(apart.average)
            assert sums.smallest[b, a] == pytest.approx(apart.smallest, abs=1e-12)


def test_pairs_of_clusters_beyond_a_thousand_are_not_followed():
    m = 1100
    sink = PartitionSums(np.arange(m), np.zeros(m, dtype=np.int64))
    sink.put(0, 0, np.ones((m, m)) - np.eye(m))
    assert sink.between.shape == (1000, 1000)
    assert sink.between[0, 999] == 1
    assert not sink.by_run.any()


def test_models_of_no_cluster_count_for_nothing():
    sink = PartitionSums(np.full(3, -1), np.zeros(3, dtype=np.int64))
    sink.put(0, 0, np.ones((3, 3)))
    assert not sink.by_run.any()
    assert sink.between.shape == (0, 0)
