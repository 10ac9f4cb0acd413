"""What is added to a result when the runs are known, and what keeps it cheap."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from congruence.compute import exhaustiveness_uncertainty as module
from congruence.compute.exhaustiveness_uncertainty import precision_alone, with_uncertainty
from congruence.compute.exhaustiveness_verdicts import assess
from congruence.compute.sampling_uncertainty import Effort, Origins
from congruence.core.results import Alignment, DistanceMatrix
from congruence.plots.running import plot_running, running_caption


def sampled(place_of_run, *, per=40, seed=0):
    """Models of runs; the runs of the first half are sample A."""
    rng = np.random.default_rng(seed)
    runs = len(place_of_run)
    places = np.concatenate([rng.choice(p, size=per) for p in place_of_run])
    points = places[:, None] + rng.normal(size=(runs * per, 3))
    matrix = DistanceMatrix(pdist(points), runs * per, Alignment.NONE, "none")
    origins = Origins(
        np.repeat(np.array([f"r{i}" for i in range(runs)], dtype=object), per),
        np.zeros(runs * per, dtype=np.int64),
        np.tile(np.arange(per), runs),
    )
    return matrix, origins


SHARED = [[0.0, 30.0]] * 4


def test_the_interval_is_of_the_sampling_precision_that_is_reported():
    matrix, origins = sampled(SHARED)
    plain = assess(matrix, 80)
    found = with_uncertainty(plain, matrix, origins)
    assert found.uncertainty.precision.value == plain.precision.value
    assert found.verdicts[: len(plain.verdicts)] == plain.verdicts
    assert found.verdicts[len(plain.verdicts) :] == found.uncertainty.verdicts
    assert found.uncertainty.notes == ()
    p, corrected = found.uncertainty.chi2_p
    assert p == plain.precision.point.p
    assert corrected >= p
    same = with_uncertainty(plain, matrix, origins).uncertainty
    assert same.precision == found.uncertainty.precision


def test_a_sample_alone_is_held_against_its_own_runs():
    # A: both runs see both places; B: each of its runs is caught in one.
    matrix, origins = sampled([[0.0, 30.0], [0.0, 30.0], [0.0], [30.0]])
    in_a = np.arange(matrix.m) < 80
    thresholds = np.linspace(1.0, 36.0, 36)
    a, b = precision_alone(matrix, in_a, origins.run, thresholds, effort=Effort(smallest=5))
    assert (a.sample, b.sample, a.models, b.models) == ("A", "B", 80, 80)
    assert a.unit == b.unit == "run"
    assert a.value < 10
    assert b.value > 25
    one_run = np.where(in_a, "x", origins.run.astype(str)).astype(object)
    lone, _ = precision_alone(matrix, in_a, one_run, thresholds, effort=Effort(smallest=5))
    assert lone.unit == "model"


def test_many_models_cost_no_more_and_it_is_said(monkeypatch):
    matrix, origins = sampled(SHARED)
    monkeypatch.setattr(module, "MOST_MODELS", 100)
    monkeypatch.setattr(module, "MANY_MODELS", 50)
    plain = assess(matrix, 80)
    found = with_uncertainty(plain, matrix, origins).uncertainty
    assert "from 80 of 160 models" in found.notes[0]
    assert found.notes[1].startswith("50 resamples instead of 100")
    assert found.running.models[-1] == 80
    for share, cluster in zip(found.populations, plain.clusters, strict=True):
        assert share.value == pytest.approx(len(cluster.members) / 160, abs=0.06)


def test_the_figure_says_what_there_is():
    matrix, origins = sampled(SHARED)
    found = with_uncertainty(assess(matrix, 80), matrix, origins).uncertainty
    assert "whole runs" in running_caption(found)
    assert found.verdicts[-1].advice in running_caption(found)
    (axes,) = plot_running(found).axes
    known = np.isfinite(found.running.values)
    assert axes.lines[0].get_ydata().tolist() == found.running.values[known].tolist()
    caught, where = sampled([[0.0], [0.0], [60.0], [60.0]], per=12)
    none = with_uncertainty(assess(caught, 24), caught, where).uncertainty
    if not math.isfinite(none.running.values[0]):
        assert "Crosses" in running_caption(none)
    assert plot_running(none).axes
