import numpy as np
import pytest
from devices import DEVICES, usable
from rigidmodels import rigid_models

from congruence.compute.bins import BinsSink, ClusterSums, HistogramSink, Several
from congruence.compute.clustering import threshold_labels
from congruence.compute.compression import compress
from congruence.compute.device import DeviceTiler
from congruence.compute.metric import Metric
from congruence.compute.neighbours import NeighbourBits, NeighbourCounts
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.compute.streaming import describe_streamed, threshold_clusters
from congruence.compute.streaming_scan import neighbour_counts
from congruence.compute.tiler import on_device
from congruence.core.sources import CondensedSink
from congruence.errors import ConfigError

METRIC = Metric("superpose")
M = 197


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    heaps = rng.normal(size=(7, 20, 3)) * 20
    found = heaps[rng.integers(0, 7, M)] + rng.normal(size=(M, 20, 3)) * 3
    found[5] = found[190]
    return found


@pytest.fixture(scope="module")
def matrix(models):
    return rmsd_matrix(models, METRIC)


@pytest.fixture(params=DEVICES)
def tiler(request):
    with usable(request.param) as word:
        yield DeviceTiler(word, block=128)


def reduced_only(sink):
    """Refuse tiles that are put whole."""

    def put(i, j, tile):
        raise AssertionError("a tile was brought back whole")

    sink.put = put
    return sink


def passes(models, tiler, make):
    one, two = make(), make()
    rmsd_tiles(models, one, METRIC)
    tiler(models, reduced_only(two), METRIC)
    return one, two


LEVELS = np.arange(-1.0, 40.0, 0.7)


@pytest.mark.parametrize("thresholds", [LEVELS, np.linspace(0, 40, 255), np.linspace(0, 40, 300)])
def test_bins(models, tiler, thresholds):
    one, two = passes(models, tiler, lambda: BinsSink(M, thresholds))
    expected, found = one.bins(), two.bins()
    assert found.square.dtype == expected.square.dtype
    assert (found.square == expected.square).all()
    assert (found.counts == expected.counts).all()


@pytest.mark.parametrize("edges", [np.arange(0, 31, 2.0), np.linspace(5, 10, 4), [-2.0, 0.0]])
def test_histograms(models, matrix, tiler, edges):
    one, two = passes(models, tiler, lambda: HistogramSink(edges))
    assert two.counts.tolist() == one.counts.tolist()
    assert two.pairs == one.pairs == M * (M - 1) // 2
    assert two.largest == pytest.approx(matrix.condensed.max(), abs=1e-9)


def test_the_last_bin_of_a_histogram_is_closed(tiler):
    line = np.zeros((200, 1, 3))
    line[:, 0, 0] = np.arange(200) % 4
    sink, expected = HistogramSink([1.0, 2.0, 3.0]), HistogramSink([1.0, 2.0, 3.0])
    tiler(line, sink, Metric("none"))
    rmsd_tiles(line, expected, Metric("none"))
    assert sink.counts.tolist() == expected.counts.tolist()
    assert sink.pairs == expected.pairs


def test_sums(models, tiler):
    labels = np.random.default_rng(1).integers(-1, 3, M)
    one, two = passes(models, tiler, lambda: ClusterSums(labels))
    np.testing.assert_allclose(two.sums, one.sums, rtol=1e-12)


@pytest.mark.parametrize("bits", [True, False])
@pytest.mark.parametrize("within", [1e-6, 0.5])
def test_bits(models, tiler, bits, within):
    one, two = passes(models, tiler, lambda: NeighbourBits(M, 6.5, bits=bits, within=within))
    assert (two.bits == one.bits).all()
    assert (two.counts == one.counts).all()
    assert two.close_pairs == one.close_pairs


def test_several_and_what_is_brought_back(models, tiler):
    one, two = passes(models, tiler, lambda: Several(HistogramSink(LEVELS), NeighbourBits(M, 6.5), NeighbourCounts(M, LEVELS)))  # fmt: skip
    assert two._sinks[0].counts.tolist() == one._sinks[0].counts.tolist()
    assert (two._sinks[1].bits == one._sinks[1].bits).all()
    assert (two._sinks[2].counts() == one._sinks[2].counts()).all()


def test_a_sink_that_needs_whole_tiles_among_several_gets_them(models, matrix, tiler):
    condensed, histogram = CondensedSink(M, dtype=np.float64), HistogramSink(LEVELS)
    both = Several(condensed, histogram)
    assert not on_device(both)
    assert on_device(Several(histogram))
    tiler(models, both, METRIC, edge=128)
    np.testing.assert_allclose(condensed.values, matrix.condensed, atol=1e-9)
    assert histogram.pairs == M * (M - 1) // 2


def test_near_pairs_of_pseudo_beads_are_repaired_before_they_are_reduced(tiler):
    models = rigid_models(0, models=260, bodies=2, beads=40)
    models[200:] = models[:60] + np.random.default_rng(0).normal(size=(60, 80, 3)) * 1e-5
    packed = compress(models, METRIC, always=True, tolerance=1e-7)
    assert packed.near > 0
    levels = np.r_[np.arange(1, 10) * 4e-6, 1.0, 20.0]
    expected = np.array([(rmsd_matrix(models, METRIC).square() <= level).sum(axis=1) for level in levels])  # fmt: skip
    sink = NeighbourCounts(260, levels)
    packed.tiles(reduced_only(sink), tiler=tiler)
    assert (sink.counts() == expected).all()
    assert len(np.unique(expected.sum(axis=1))) == 4


@pytest.mark.parametrize("memory", [1, 1000, 1 << 30])
def test_the_same_clusters_with_bits_and_with_rows(models, matrix, tiler, memory):
    found = threshold_clusters(models, METRIC, 6.5, tiler=tiler, memory=memory)
    assert found.labels.tolist() == threshold_labels(matrix, 6.5).tolist()
    assert found.way == ("bits" if memory > 20_000 else "rows")
    assert "device" in found.definition


def test_thresholds_that_are_distances(models, matrix, tiler):
    for at in (100, 17_000):
        threshold = float(matrix.condensed[at])
        kept = threshold_clusters(models, METRIC, threshold, tiler=tiler)
        again = threshold_clusters(models, METRIC, threshold, tiler=tiler, memory=1500)
        assert kept.close_pairs == again.close_pairs > 0
        assert kept.labels.tolist() == again.labels.tolist()


def test_rows_of_two_selections_and_of_copies():
    rng = np.random.default_rng(2)
    for m, metric in (
        (200, Metric("superpose", on=np.arange(5), measure=np.arange(3, 9))),
        (200, Metric("superpose", copies=(np.arange(6).reshape(2, 3),))),
        (40, Metric("none", copies=(np.arange(6).reshape(6, 1),))),  # left to the processor
    ):
        models = rng.normal(size=(m, 9, 3)) * 5
        matrix = rmsd_matrix(models, metric)
        threshold = float(np.quantile(matrix.condensed, 0.2))
        tiler = DeviceTiler("numpy", block=128)
        found = threshold_clusters(models, metric, threshold, tiler=tiler, memory=100)
        assert found.way == "rows"
        assert found.labels.tolist() == threshold_labels(matrix, threshold).tolist()


def test_streamed_description(models, tiler):
    clusters = threshold_clusters(models, METRIC, 6.5, tiler=tiler)
    expected = describe_streamed(models, METRIC, clusters)
    found = describe_streamed(models, METRIC, clusters, tiler=tiler)
    assert [c.center for c in found.clusters] == [c.center for c in expected.clusters]


def test_neighbours_at_all_thresholds_in_one_pass(models, matrix, tiler):
    thresholds = np.arange(0.0, 40.0, 0.5)
    square = matrix.square()
    expected = (square[None] <= thresholds[:, None, None]).sum(axis=2)
    for how in ({}, {"tiler": tiler}, {"tiler": tiler, "memory": 1}):
        found = neighbour_counts(models, METRIC, thresholds, **how)
        assert found.counts.dtype == np.int32
        assert (found.counts == expected).all()
        assert found.thresholds.tolist() == thresholds.tolist()
        assert ("device" in found.definition) == bool(how)


def test_counts_at_a_threshold_begin_its_clusters(monkeypatch):
    for module in ("compression", "_basis"):
        monkeypatch.setattr(f"congruence.compute.{module}.pays", lambda *at: True)
    models = rigid_models(0, models=300, bodies=2, beads=60)
    tiler = DeviceTiler("numpy", block=128)
    counts = neighbour_counts(models, METRIC, [10.0, 25.0], tiler=tiler)
    clusters = threshold_clusters(models, METRIC, 25.0, tiler=tiler, memory=1000)
    assert clusters.way == "rows"
    assert "compression" in counts.definition
    assert "compression" in clusters.definition
    assert np.count_nonzero(clusters.labels == 0) == counts.counts[1].max() > 1
    expected = threshold_labels(rmsd_matrix(models, METRIC), 25.0)
    assert clusters.labels.tolist() == expected.tolist()


@pytest.mark.parametrize("thresholds", [[], [2.0, 1.0], [1.0, 1.0]])
def test_thresholds_have_to_ascend(thresholds):
    with pytest.raises(ConfigError, match="each larger"):
        NeighbourCounts(5, thresholds)
