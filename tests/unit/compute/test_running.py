import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from congruence.compute.precision_uncertainty import (
    population_statistic,
    precision_of_models,
)
from congruence.compute.resampling import percentiles_over_runs
from congruence.compute.running import advise_stopping, prefixes, running_estimate
from congruence.compute.sampling_uncertainty import Effort, Origins, sampling_uncertainty
from congruence.compute.scan import bin_distances
from congruence.core.results import Alignment, DistanceMatrix, Level
from congruence.core.uncertainty import Resampled, RunningEstimate
from congruence.errors import ConfigError, ShapeError


def running(values):
    m = np.arange(1, len(values) + 1) * 10
    return RunningEstimate(m, m, np.array(values, dtype=float))


def planted(*, runs=6, per=40, seed=0, shift=10.0, one_basin=False):
    """Models in two clusters; every run finds both, or each run is caught in one."""
    rng = np.random.default_rng(seed)
    m = runs * per
    number = np.repeat(np.arange(runs), per)
    labels = number % 2 if one_basin else (rng.random(m) < 0.5).astype(np.int64)
    x = rng.normal(size=(m, 3)) + labels[:, None] * [shift, 0.0, 0.0]
    matrix = DistanceMatrix(pdist(x).astype(np.float32), m, Alignment.NONE)
    names = np.array([f"run{i}" for i in number], dtype=object)
    origins = Origins(names, np.zeros(m, dtype=np.int64), np.tile(np.arange(per), runs))
    return matrix, number % 2 == 0, origins, labels


THRESHOLDS = np.arange(1.0, 13.0, 0.5)


def test_all_runs_grow_together():
    steps = np.concatenate([np.arange(10), np.arange(4)])  # the second run is shorter
    found = prefixes(steps, points=7)
    assert [len(p) for _, p in found] == sorted(len(p) for _, p in found)
    for last, models in found:
        assert (steps[models] <= last).all()
        assert len(models) == (steps <= last).sum()
    assert len(found[-1][1]) == 14


def test_bad_prefixes_are_refused():
    with pytest.raises(ShapeError, match="no models"):
        prefixes([])
    with pytest.raises(ConfigError, match="points is 0"):
        prefixes([1], points=0)


def test_the_running_estimate_is_the_number_of_the_prefix():
    found = running_estimate(lambda models: float(len(models)), np.tile(np.arange(5), 3), points=5)
    assert found.models.tolist() == [3, 6, 9, 12, 15]
    assert found.values.tolist() == [3, 6, 9, 12, 15]
    assert found.lines[0] == "after 3 models the sampling precision was 3.00 Å"


def test_it_advises_to_stop_when_settled():
    verdict = advise_stopping(running([math.inf, 9, 6, 5.1, 5.0, 5.0]))
    assert verdict.level is Level.OK
    assert verdict.advice.startswith("Stop")


def test_it_advises_to_go_on_while_the_number_changes():
    verdict = advise_stopping(running([9, 8, 7, 6, 5, 4]))
    assert verdict.level is Level.WARNING
    assert "not settled" in verdict.claim
    assert verdict.advice.startswith("Go on")


def test_it_advises_to_go_on_when_there_is_no_number():
    verdict = advise_stopping(running([math.inf, math.inf, math.nan]))
    assert verdict.level is Level.FAIL
    assert "not determined" in verdict.evidence
    assert verdict.advice.startswith("Go on")


def test_two_looks_are_too_few_to_stop():
    assert advise_stopping(running([5, 5])).advice.startswith("Go on")


def test_goal_and_independent_models_are_held_against():
    settled = running([5, 5, 5, 5])
    wide = Resampled(5.0, 4.0, 9.0, units=6)
    assert "above the goal of 8" in advise_stopping(settled, interval=wide, goal=8).claim
    narrow = Resampled(5.0, 4.0, 7.0, units=6)
    assert advise_stopping(settled, interval=narrow, goal=10).level is Level.OK
    assert "12 independent" in advise_stopping(settled, independent=12.0).claim
    assert advise_stopping(settled, independent=300.0).level is Level.OK


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Resampled(2.7, 2.7, 22.4, units=4), "as large as 22.4 Å"),
        (Resampled(2.7, 2.7, math.inf, units=4), "might be none"),
        (Resampled(2.7, 2.6, 2.8, unit="block", units=40), "cannot be told"),
        (Resampled(2.7, note="one run"), "cannot be told"),
    ],
)
def test_a_number_that_stands_still_is_not_settled_while_runs_disagree(interval, words):
    verdict = advise_stopping(running([2.7] * 10), interval=interval, independent=200.0)
    assert verdict.level is Level.WARNING
    assert "no longer changes" in verdict.claim
    assert words in verdict.claim
    assert verdict.advice.startswith("Go on")
    assert "independent runs" in verdict.advice


def test_an_interval_may_end_half_the_number_above_it():
    for high, level in ((4.0, Level.OK), (4.1, Level.WARNING)):
        interval = Resampled(2.7, 2.5, high, units=8)
        verdict = advise_stopping(running([2.7] * 6), interval=interval)
        assert verdict.level is level
        assert f"2.5 to {high:g} (8 runs)" in verdict.evidence
    # Thresholds that are far apart make no interval narrower than their distance.
    coarse = Resampled(2.7, 2.7, 7.7, units=8)
    assert advise_stopping(running([2.7] * 6), interval=coarse, tolerance=5.0).level is Level.OK


def test_models_drawn_twice_are_nothing_apart():
    matrix = DistanceMatrix(np.array([1.0, 2.0, 3.0]), 3, Alignment.NONE)
    drawn = bin_distances(matrix, [0.5, 1.5, 2.5]).take(np.array([2, 0, 2, 2]))
    expected = [[0, 2, 0, 0], [2, 0, 2, 2], [0, 2, 0, 0], [0, 2, 0, 0]]
    assert drawn.square.tolist() == expected
    assert drawn.counts.tolist() == [[3, 1, 3, 3], [3, 1, 3, 3], [4, 4, 4, 4]]


def test_too_few_models_have_no_sampling_precision():
    matrix, in_a, _, _ = planted()
    function = precision_of_models(matrix, in_a, THRESHOLDS)
    assert function(np.flatnonzero(in_a)) == math.inf
    assert function(np.arange(20)) == math.inf
    assert math.isfinite(function(np.arange(matrix.m)))


def test_populations_are_shares_of_all_models():
    labels = np.array([0, 0, 1, -1])
    statistic = population_statistic(labels, 2)
    assert statistic(np.array([1, 0, 2, 1])).tolist() == [0.25, 0.5]
    with pytest.raises(ShapeError, match="label 1 for 1 clusters"):
        population_statistic(labels, 1)


def test_population_intervals_hold_the_planted_share():
    inside = 0
    for seed in range(20):
        _, in_a, origins, labels = planted(seed=seed, runs=10, per=30)
        found = percentiles_over_runs(
            population_statistic(labels, 2), origins.run, samples=in_a, draws=200, seed=seed
        )
        inside += found[0].low <= 0.5 <= found[0].high
    assert inside >= 17


def test_an_exhaustive_sampling_has_an_interval_and_may_stop():
    matrix, in_a, origins, labels = planted()
    clusters = [np.flatnonzero(labels == k) for k in (0, 1)]
    found = sampling_uncertainty(
        matrix, in_a, origins, THRESHOLDS, clusters,
        scores=np.random.default_rng(0).normal(size=matrix.m), effort=Effort(15, 5),
    )  # fmt: skip
    assert found.precision.is_known
    assert found.precision.low <= found.precision.value <= found.precision.high
    assert len(found.populations) == 2
    assert found.scores is not None
    assert found.by_split is not None
    assert found.by_split.splits == 20
    assert 0 < found.by_split.share_as_large <= 1
    assert found.running.values[-1] == found.precision.value
    assert len(found.verdicts) == 3


@pytest.mark.parametrize("runs", [2, 6])
def test_numbers_drawn_together_are_those_drawn_apart(runs):
    """Two runs are one in each sample, where blocks are drawn."""
    matrix, in_a, origins, labels = planted(runs=runs, per=60)
    scores = np.random.default_rng(0).normal(size=matrix.m)
    clusters = [np.flatnonzero(labels == k) for k in (0, 1)]
    words = {"scores": scores, "effort": Effort(5, 2)}
    both = sampling_uncertainty(matrix, in_a, origins, THRESHOLDS, clusters, **words)
    alone = sampling_uncertainty(matrix, in_a, origins, THRESHOLDS, **words)
    assert alone.populations == ()
    assert both.score_intervals == alone.score_intervals
    assert list(both.score_intervals) == ["D", "p"]
    assert both.populations[0].unit == ("block" if runs == 2 else "run")
    # Both samples fill two clusters that are everything there is: one share is the other's rest.
    first, second = both.populations
    assert first.low + second.high == pytest.approx(1.0)
    assert first.value == (labels == 0).mean()


def test_runs_that_are_caught_are_seen_in_the_interval():
    matrix, in_a, origins, _ = planted(one_basin=True, shift=30.0)
    found = sampling_uncertainty(matrix, in_a, origins, THRESHOLDS, effort=Effort(10, 4))
    assert not math.isfinite(found.precision.value)
    assert found.verdicts[-1].advice.startswith("Go on")


def test_one_run_in_each_sample_falls_back_to_blocks_and_says_so():
    matrix, in_a, origins, _ = planted(runs=2, per=60)
    found = sampling_uncertainty(matrix, in_a, origins, THRESHOLDS, effort=Effort(10, 4))
    assert found.precision.unit == "block"
    assert "too narrow" in found.verdicts[0].claim
    assert found.by_split is None
    assert found.scores is None


def test_lengths_must_fit():
    matrix, in_a, origins, _ = planted(runs=2, per=5)
    with pytest.raises(ShapeError, match="9 samples"):
        sampling_uncertainty(matrix, in_a[:9], origins, THRESHOLDS)
