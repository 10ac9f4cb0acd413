"""Pairs told apart at a threshold by few pseudo-beads: the same pairs as by all beads."""

import numpy as np
import pytest

from congruence.compute import _screening, screening
from congruence.compute.metric import Metric
from congruence.compute.neighbours import NeighbourBits
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.screening import screen
from congruence.compute.streaming import threshold_clusters

BEADS = 60
KERNELS = ["numba", "numpy"]


def models(m=300, *, spread=30.0, noise=3.0, turned=True):
    """Return noise around four arrangements, turned as a whole, with duplicates and a mirror image."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(4)
    middle = rng.normal(size=(4, BEADS, 3)) * spread
    found = middle[rng.integers(0, 4, m)] + rng.normal(size=(m, BEADS, 3)) * noise
    found[1], found[2] = found[0], -found[0]
    if turned:
        found = np.matmul(found, Rotation.random(m, random_state=1).as_matrix())
        found += rng.normal(size=(m, 1, 3)) * 100
    return found


def bits(data, metric, threshold, **options):
    sink = NeighbourBits(len(data), threshold, within=options.pop("within", 1e-6))
    found = screen(data, metric, threshold, always=True, **options)
    definition = found.put(sink)
    return sink, definition


def neighbours(sink):
    return np.unpackbits(sink.bits, axis=1, count=sink.m).astype(bool)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("alignment", ["superpose", "none", "center"])
@pytest.mark.parametrize("threshold", [0.0, 1e-3, 5.0, 7.0, 7.4, 20.0, 1e3])
def test_neighbours_are_those_of_all_distances(kernel, alignment, threshold, monkeypatch):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    data = models(140, turned=alignment == "superpose")
    metric = Metric(alignment)
    sink, _ = bits(data, metric, threshold)
    expected = rmsd_matrix(data, metric, precision="double").square() <= threshold
    np.testing.assert_array_equal(neighbours(sink), expected)
    np.testing.assert_array_equal(sink.counts, expected.sum(axis=1))


def test_every_distance_as_threshold():
    data = models(130)
    distances = rmsd_matrix(data, alignment="superpose", precision="double")
    for threshold in np.quantile(distances.condensed, [0.001, 0.1, 0.2, 0.25, 0.5, 0.9]):
        sink, _ = bits(data, Metric("superpose"), threshold + 1e-5)
        expected = distances.square() <= threshold + 1e-5
        np.testing.assert_array_equal(neighbours(sink), expected)


def test_blocks_threads_and_memory_change_nothing(monkeypatch):
    data, metric = models(400), Metric("superpose")
    expected, _ = bits(data, metric, 7.0)
    monkeypatch.setattr(screening, "_EDGE", 128)
    for options in ({}, {"threads": 1}, {"threads": 3, "memory": 0}, {"threads": 1, "memory": 0}):
        found, _ = bits(data, metric, 7.0, **options)
        np.testing.assert_array_equal(found.bits, expected.bits)
        assert found.close_pairs == expected.close_pairs


@pytest.mark.parametrize("alignment", ["superpose", "none"])
def test_few_pairs_are_computed_from_all_beads(alignment):
    data = models(400, turned=alignment == "superpose")
    found = screen(data, Metric(alignment), 15.0, always=True)
    assert found.rank < 20
    assert found.share < 0.01
    sink = NeighbourBits(400, 15.0)
    said = found.put(sink)["screening"]
    assert f"{found.rank} pseudo-beads of {BEADS} beads" in said
    assert "15 Å" in said
    computed = int(said.split("; ")[1].split(" ")[0].replace(",", ""))
    assert computed < 0.01 * 400 * 399 / 2


def test_sums_in_double_precision_leave_few_pairs_to_be_read_again(monkeypatch):
    pytest.importorskip("numba")
    data = models(400, spread=200.0)
    threshold = float(np.median(rmsd_matrix(data[::4], Metric("superpose")).condensed))
    read = []
    exact = _screening.BeadRows.exact
    monkeypatch.setattr(_screening.BeadRows, "exact", lambda *of: read.append(of[1:]) or exact(*of))
    found = [bits(data, Metric("superpose"), threshold)[0].counts]
    few = len(read)
    read.clear()
    monkeypatch.setattr(_screening, "_ROUNDED", _screening._SUMMED)
    found.append(bits(data, Metric("superpose"), threshold)[0].counts)
    assert few < len(read) / 4
    np.testing.assert_array_equal(*found)


def test_pairs_close_to_the_threshold_are_counted():
    data, metric = models(200), Metric("superpose")
    distances = rmsd_matrix(data, metric, precision="double").condensed
    sink, _ = bits(data, metric, 7.0, within=0.2)
    assert sink.close_pairs == np.count_nonzero(np.abs(distances - 7.0) <= 0.2) > 0


def test_weights_and_selected_beads_count():
    data = models(200)
    weights = np.linspace(0.1, 3.0, BEADS)
    metric = Metric("superpose", weights=weights)
    sink, _ = bits(data, metric, 7.0)
    expected = rmsd_matrix(data, metric, precision="double").square() <= 7.0
    np.testing.assert_array_equal(neighbours(sink), expected)


def test_where_it_cannot_be_there_is_none():
    data = models(100)
    copies = (np.arange(BEADS).reshape(2, 30),)
    assert screen(data, Metric("superpose", copies=copies), 7.0, always=True) is None
    other = Metric("superpose", on=np.arange(BEADS) < 30)
    assert screen(data, other, 7.0, always=True) is None
    assert screen(data[:3], Metric("superpose"), 7.0, always=True) is None


def test_small_jobs_and_undecided_thresholds_are_left_alone(monkeypatch):
    data, metric = models(300), Metric("superpose")
    assert screen(data, metric, 15.0) is None
    monkeypatch.setattr(screening, "_WORTH", 0.0)
    assert screen(models(300, spread=0.0), metric, 7.0) is None


def test_clusters_are_those_of_all_beads(monkeypatch):
    monkeypatch.setattr(screening, "_WORTH", 0.0)
    monkeypatch.setattr(screening, "_STAGE", 0.0)
    data, metric = models(500), Metric("superpose")
    plain = threshold_clusters(data, metric, 12.0, compression="off")
    found = threshold_clusters(data, metric, 12.0)
    assert "screening" in found.definition
    assert "screening" not in plain.definition
    assert found.within == 1e-6
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.centers, plain.centers)


def test_progress_is_told(monkeypatch):
    monkeypatch.setattr(screening, "_EDGE", 128)
    told = []
    data = models(300)
    found = screen(data, Metric("superpose"), 15.0, always=True)
    found.put(NeighbourBits(300, 15.0), progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 6) for k in range(1, 7)]
