import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute.bins import BinsSink, ClusterSums, HistogramSink, Several
from congruence.compute.clustering import cluster, threshold_labels
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.compute.rows import DistanceRows
from congruence.compute.scan import bin_distances
from congruence.compute.streaming import (
    ThresholdClusters,
    describe_streamed,
    threshold_clusters,
)
from congruence.errors import ConfigError

METRIC = Metric("superpose")


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    heaps = rng.normal(size=(7, 20, 3)) * 20
    return heaps[rng.integers(0, 7, 400)] + rng.normal(size=(400, 20, 3)) * 3


@pytest.fixture(scope="module")
def matrix(models):
    return rmsd_matrix(models, METRIC)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("memory", [1, 8000, 1 << 30])
def test_the_same_labels_with_any_memory_and_threads(models, matrix, memory, threads):
    found = threshold_clusters(models, METRIC, 6.5, memory=memory, threads=threads)
    assert found.labels.tolist() == threshold_labels(matrix, 6.5).tolist()
    assert found.way == ("bits" if memory > 100_000 else "rows")
    assert found.definition["precision"] == "double"


def test_compressed_models_give_the_same_clusters():
    models = rigid_models(0, models=900, bodies=3, beads=250)
    threshold = 30.0
    plain = threshold_clusters(models, METRIC, threshold, compression="off")
    packed = threshold_clusters(models, METRIC, threshold)
    again = threshold_clusters(models, METRIC, threshold, memory=1000)
    assert "compression" in packed.definition
    assert "compression" not in plain.definition
    assert plain.labels.tolist() == packed.labels.tolist() == again.labels.tolist()


def test_a_threshold_among_near_pairs_is_not_left_to_pseudo_beads():
    models = rigid_models(0, models=900, bodies=3, beads=250)
    models += np.random.default_rng(0).normal(size=models.shape) * 1e-5
    assert "compression" not in threshold_clusters(models, METRIC, 1e-6).definition
    assert "compression" in threshold_clusters(models, METRIC, 5.0).definition


@pytest.mark.parametrize("threshold", [-1.0, float("nan"), float("inf")])
def test_a_threshold_must_be_a_distance(models, threshold):
    with pytest.raises(ConfigError, match="a threshold of") as caught:
        threshold_clusters(models, METRIC, threshold)
    assert "0 Å or more" in caught.value.hint


def test_mixed_precision_counts_what_it_may_decide_wrongly(models):
    double = threshold_clusters(models, METRIC, 6.5)
    mixed = threshold_clusters(models, METRIC, 6.5, precision="mixed")
    assert mixed.definition["precision"] != "double"
    assert mixed.close_pairs >= double.close_pairs
    with pytest.raises(ConfigError, match="double precision only") as caught:
        threshold_clusters(models, METRIC, 6.5, precision="mixed", memory=100)
    assert "memory for the bits" in caught.value.hint


@pytest.mark.parametrize("memory", [1000, 1 << 30])
def test_pairs_are_counted_as_close_within_what_is_asked(models, matrix, memory):
    found = threshold_clusters(models, METRIC, 6.5, memory=memory, within=0.05)
    assert found.within == 0.05
    assert found.close_pairs == np.count_nonzero(np.abs(matrix.condensed - 6.5) <= 0.05) > 0
    assert found.labels.tolist() == threshold_labels(matrix, 6.5).tolist()


def test_centers_and_spreads_from_a_second_pass(models, matrix):
    scores = np.random.default_rng(1).normal(size=400)
    runs = ["a", "b"] * 200
    found = describe_streamed(
        models, METRIC, threshold_clusters(models, METRIC, 6.5), scores=scores, runs=runs
    )
    expected = cluster(matrix, method="threshold", threshold=6.5, scores=scores, runs=runs)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.parameters == expected.parameters
    for one, two in zip(found.clusters, expected.clusters, strict=True):
        assert (one.center, one.best, one.by_run, one.by_half) == (
            two.center,
            two.best,
            two.by_run,
            two.by_half,
        )
        assert one.average_rmsd == pytest.approx(two.average_rmsd, abs=1e-9)


def test_noise_has_no_sum(models, matrix):
    labels = np.arange(400) % 3 - 1
    sums = ClusterSums(labels)
    rmsd_tiles(models, sums, METRIC, edge=128)
    square = matrix.square()
    same = (labels[:, None] == labels) & (labels >= 0)[:, None]
    np.testing.assert_allclose(sums.sums, (square * same).sum(axis=1), atol=1e-8)
    assert ThresholdClusters(labels, 1.0, 0, "bits").definition == {}


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("memory", [0, 1 << 30])
@pytest.mark.parametrize("mode", ["none", "center", "superpose"])
def test_rows_are_those_of_the_matrix(models, mode, memory):
    square = rmsd_matrix(models, alignment=mode).square()
    rows = DistanceRows(models, Metric(mode), memory=memory)
    chosen = np.array([399, 0, 7, 131, 7, *range(150, 290)])
    np.testing.assert_allclose(rows.rows(chosen), square[chosen], atol=1e-6)
    np.testing.assert_allclose(rows.between(chosen), square[np.ix_(chosen, chosen)], atol=1e-6)
    assert rows.entry(300, 17) == square[17, 300]
    assert rows.entry(17, 17) == 0.0


def test_rows_of_a_superposition_on_a_part(models):
    words = {"measure": np.arange(8, 20), "on": np.arange(12)}
    square = rmsd_matrix(models, alignment="superpose", **words).square()
    rows = DistanceRows(models, Metric("superpose", **words))
    np.testing.assert_allclose(rows.rows(np.array([5, 200])), square[[5, 200]], atol=1e-6)


# ---------------------------------------------------------------- bins and histograms


@pytest.mark.parametrize("count", [1, 255, 256])
def test_bins_are_those_of_the_matrix(models, matrix, count, tmp_path):
    thresholds = np.linspace(3.0, 40.0, count)
    sink = BinsSink(400, thresholds, file=tmp_path / "bins.npy" if count == 255 else None)
    rmsd_tiles(models, sink, METRIC, edge=256)
    found, expected = sink.bins(), bin_distances(matrix, thresholds)
    assert found.square.dtype == (np.uint8 if count < 256 else np.uint16)
    assert (found.square == expected.square).all()
    assert (found.counts == expected.counts).all()


def test_thresholds_of_bins_must_ascend():
    for thresholds in ([], [2.0, 1.0], [1.0, 1.0]):
        with pytest.raises(ConfigError, match="each larger than the one before"):
            BinsSink(10, thresholds)


def test_several_sinks_are_fed_by_one_pass(models, matrix):
    histogram = HistogramSink(np.linspace(0, 60, 31))
    sums = ClusterSums(np.zeros(400, dtype=np.int64))
    rmsd_tiles(models, Several(histogram, sums), METRIC, edge=128)
    expected = np.histogram(matrix.condensed, histogram.edges)[0]
    assert histogram.counts.tolist() == expected.tolist()
    assert histogram.pairs == 400 * 399 // 2
    assert histogram.largest == matrix.condensed.max()
    assert sums.sums.sum() == pytest.approx(2 * matrix.condensed.sum())
