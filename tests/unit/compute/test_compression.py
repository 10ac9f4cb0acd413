import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute import _basis
from congruence.compute.compression import compress, compressed_matrix, compressed_tiles
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.core.sources import CondensedSink
from congruence.errors import ShapeError


def large(seed=0):
    """Enough models of enough beads for compression to pay."""
    return rigid_models(seed, models=900, bodies=3, beads=250)


def test_a_rigid_body_has_four_dimensions_less_its_centroid():
    models = rigid_models(1, models=20, bodies=1, beads=100)
    compression = compress(models, Metric("none"), always=True)
    assert compression.rank == 4
    assert compression.beads == 100
    assert compression.residuals.max() < 1e-11
    assert compression.near == 0.0


def test_it_is_chosen_where_it_pays_and_said():
    models = large()
    matrix = compressed_matrix(models, Metric("superpose"))
    assert matrix.definition["compression"].startswith("750 beads in 12 pseudo-beads, at most ")
    assert matrix.definition["compression"].endswith("distances change by at most 5e-07 Å")
    plain = rmsd_matrix(models, alignment="superpose")
    np.testing.assert_allclose(matrix.condensed, plain.condensed, atol=1e-6, rtol=0)
    assert "compression" not in plain.definition
    assert {k: v for k, v in matrix.definition.items() if k != "compression"} == plain.definition


@pytest.mark.parametrize(
    ("models", "metric"),
    [
        (rigid_models(0, models=50, beads=30), Metric("superpose")),
        (np.random.default_rng(0).normal(size=(900, 700, 3)), Metric("superpose")),
        (large(), Metric("superpose", on=np.arange(250))),
        (large()[:1], Metric("none")),
    ],
    ids=["few models", "free beads", "superposed on a part", "one model"],
)
def test_it_is_left_where_it_does_not_pay(models, metric):
    assert compress(models, metric) is None
    sink = CondensedSink(len(models), np.float64)
    if len(models) > 1 and models.shape[1] < 100:
        assert "compression" not in compressed_tiles(models, sink, metric)


def test_without_alignment_other_fitted_beads_do_not_matter():
    models = rigid_models(2, models=30)
    assert compress(models, Metric("none", fit_weights="none"), always=True).rank == 8


@pytest.mark.parametrize("words", [{"on": np.arange(7)}, {"fit_weights": "none"}])
def test_centred_on_other_beads_or_weights_than_measured(words):
    models = rigid_models(6, models=40, flexible=3)
    weights = np.random.default_rng(0).uniform(1, 5, 43)
    metric = Metric("center", weights=weights, **words)
    sink = CondensedSink(40, np.float64)
    compress(models, metric, always=True).tiles(sink, edge=128)
    expected = rmsd_matrix(models, metric).condensed
    np.testing.assert_allclose(sink.values, expected, atol=1e-6, rtol=0)


def test_models_unlike_the_sample_widen_the_basis(monkeypatch):
    monkeypatch.setattr(_basis, "_SAMPLE", 8)
    models = rigid_models(3, models=400, bodies=2, beads=30)
    odd = [101, 222, 333]
    models[odd] += np.random.default_rng(0).normal(size=(3, 60, 3)) * 5
    compression = compress(models, Metric("center"), always=True)
    assert compression.rank > 8 + 6
    assert compression.residuals.max() < 1e-4
    sink = CondensedSink(400, np.float64)
    compression.tiles(sink, edge=128)
    expected = rmsd_matrix(models, alignment="center").condensed
    np.testing.assert_allclose(sink.values, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["none", "center", "superpose"])
def test_near_duplicates_are_recomputed_from_all_beads(mode):
    rng = np.random.default_rng(4)
    models = rigid_models(4, models=300, bodies=2, beads=40)
    models += rng.normal(size=models.shape) * 1e-5
    models[200:260] = models[:60] + rng.normal(size=(60, 80, 3)) * 1e-5
    metric = Metric(mode)
    compression = compress(models, metric, always=True)
    assert compression.near > 1e-5
    true = rmsd_matrix(models, metric).condensed
    raw = rmsd_matrix(compression.source, compression.metric).condensed
    assert np.abs(raw - true).max() > 1e-6
    for edge in (128, 256):
        sink = CondensedSink(300, np.float64)
        compression.tiles(sink, edge=edge)
        np.testing.assert_allclose(sink.values, true, atol=1e-6, rtol=0)


def test_the_bytes_do_not_depend_on_threads_or_edges():
    models = large()
    found = [
        compressed_matrix(models, Metric("superpose"), threads=threads, edge=edge, dtype=np.float32)
        for threads, edge in ((1, 128), (2, 384), (3, 1024))
    ]
    assert len({matrix.condensed.tobytes() for matrix in found}) == 1


def test_beads_without_weight_are_no_hindrance():
    models = rigid_models(5, models=30, flexible=4)
    weights = np.r_[np.ones(40), np.zeros(4)]
    metric = Metric("superpose", weights=weights)
    compression = compress(models, metric, always=True)
    assert compression.rank <= 8
    sink = CondensedSink(30, np.float64)
    compression.tiles(sink, edge=128)
    np.testing.assert_allclose(sink.values, rmsd_matrix(models, metric).condensed, atol=1e-6)


def test_what_is_not_a_number_is_refused_by_name():
    models = large()
    models[17, 3, 1] = np.nan
    with pytest.raises(ShapeError, match="model 17 are not finite"):
        compress(models, Metric("superpose"))
