import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from congruence.compute.half_splits import over_half_splits
from congruence.compute.resampling import (
    models_of,
    percentiles_over_blocks,
    percentiles_over_runs,
    resample_blocks,
    resample_runs,
)
from congruence.errors import ConfigError, ShapeError


def named(runs, per):
    return np.repeat([f"run{i}" for i in range(runs)], per)


def mean_of(values):
    return lambda counts: [counts @ values / counts.sum()]


def test_runs_are_drawn_whole():
    runs = named(4, 3)
    for counts in resample_runs(runs, draws=20, seed=1):
        by_run = counts.reshape(4, 3)
        assert (by_run == by_run[:, :1]).all()
        assert by_run[:, 0].sum() == 4


def test_runs_are_drawn_within_their_sample():
    runs, in_a = named(5, 2), np.repeat([True, True, False, False, False], 2)
    for counts in resample_runs(runs, samples=in_a, draws=20):
        assert counts[in_a].sum() == 4
        assert counts[~in_a].sum() == 6


def test_the_same_seed_draws_the_same():
    one, two = (np.array(list(resample_runs(named(6, 2), draws=5, seed=7))) for _ in range(2))
    assert (one == two).all()
    other = np.array(list(resample_runs(named(6, 2), draws=5, seed=8)))
    assert (one != other).any()


def test_counts_become_models():
    assert models_of(np.array([0, 2, 1])).tolist() == [1, 1, 2]


@pytest.mark.parametrize("runs", [6, 12])
def test_intervals_cover_the_planted_value(runs):
    """Runs differ (they are caught in basins): frames inside a run are worth little."""
    rng = np.random.default_rng(runs)
    trials, per = 200, 25
    covered = np.zeros(2)
    for trial in range(trials):
        of_run = rng.normal(size=runs)
        values = (of_run[:, None] + rng.normal(size=(runs, per))).ravel()
        share = rng.random((runs, per)) < (1 / (1 + np.exp(-of_run)))[:, None]
        inside = share.ravel().astype(float)

        def statistic(counts, values=values, inside=inside):
            return np.array([counts @ values, counts @ inside]) / counts.sum()

        mean, population = percentiles_over_runs(statistic, named(runs, per), draws=200, seed=trial)
        covered += [mean.low <= 0 <= mean.high, population.low <= 0.5 <= population.high]
    assert (covered / trials >= 0.90).all()
    assert (covered / trials <= 0.99).all()


def test_frames_as_units_would_be_far_too_sure():
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(100):
        values = (rng.normal(size=(8, 1)) + rng.normal(size=(8, 25))).ravel()
        each_its_own = np.arange(200).astype(str)
        (mean,) = percentiles_over_runs(mean_of(values), each_its_own, draws=60, seed=trial)
        covered += mean.low <= 0 <= mean.high
    assert covered < 75


def test_one_run_has_no_interval_and_says_why():
    (found,) = percentiles_over_runs(mean_of(np.arange(5.0)), ["only"] * 5)
    assert found.value == 2.0
    assert not found.is_known
    assert "one run in all" in found.note
    assert "no interval: one run" in str(found)


def test_one_run_in_each_sample_has_no_interval():
    (found,) = percentiles_over_runs(
        mean_of(np.arange(4.0)), ["a", "a", "b", "b"], samples=[True, True, False, False]
    )
    assert not found.is_known
    assert "one run in each sample" in found.note


def test_few_runs_are_said_to_be_few():
    (found,) = percentiles_over_runs(mean_of(np.arange(6.0)), named(3, 2), draws=50)
    assert found.is_known
    assert "only 3 runs" in found.note
    assert "75 %" in found.note
    assert "3 runs)" in str(found)


def test_what_does_not_converge_makes_the_upper_end_infinite():
    runs = named(6, 1)

    def statistic(counts):
        return [math.inf if counts[0] == 0 else float(counts[0])]

    (found,) = percentiles_over_runs(statistic, runs, draws=100)
    assert found.value == 1.0
    assert found.low >= 1
    assert found.high == math.inf


def test_undefined_draws_are_counted_and_left_out():
    def statistic(counts):
        return [math.nan if counts[0] == 0 else 3.0]

    (found,) = percentiles_over_runs(statistic, named(6, 1), draws=200)
    assert (found.low, found.high) == (3.0, 3.0)
    assert 20 < found.undefined < 140
    (never,) = percentiles_over_runs(lambda counts: [math.nan], named(6, 1), draws=10)
    assert not never.is_known
    assert never.undefined == 10


def test_bad_arguments_are_refused():
    with pytest.raises(ShapeError, match="no models"):
        percentiles_over_runs(mean_of(np.zeros(0)), [])
    with pytest.raises(ShapeError, match="2 samples for 3 models"):
        percentiles_over_runs(mean_of(np.zeros(3)), ["a", "b", "c"], samples=[0, 1])
    with pytest.raises(ConfigError, match="draws is 1"):
        percentiles_over_runs(mean_of(np.zeros(2)), ["a", "b"], draws=1)
    with pytest.raises(ConfigError, match="level is 1"):
        percentiles_over_runs(mean_of(np.zeros(2)), ["a", "b"], level=1)
    with pytest.raises(ConfigError, match=r"inefficiency is 0\.5"):
        percentiles_over_blocks(mean_of(np.zeros(2)), [np.arange(2)], 0.5)


def test_blocks_are_neighbours_and_fill_each_chain():
    chains = [np.arange(10), np.arange(10, 17)]
    for counts in resample_blocks(chains, length=4, draws=20, seed=2):
        assert counts[:10].sum() == 10
        assert counts[10:].sum() == 7
    (short,) = resample_blocks([np.arange(3)], length=9, draws=1)
    assert short.tolist() == [1, 1, 1]


def test_blocks_widen_the_interval_of_a_correlated_run():
    rng = np.random.default_rng(4)
    phi, n = 0.9, 1500
    covered = {"blocks": 0, "frames": 0}
    for trial in range(40):
        noise = rng.normal(size=n)
        values = np.empty(n)
        values[0] = noise[0] / math.sqrt(1 - phi**2)
        for i in range(1, n):
            values[i] = phi * values[i - 1] + noise[i]
        g = (1 + phi) / (1 - phi)
        for name, inefficiency in (("blocks", g), ("frames", 1.0)):
            (found,) = percentiles_over_blocks(
                mean_of(values), [np.arange(n)], inefficiency, draws=100, seed=trial
            )
            covered[name] += found.low <= 0 <= found.high
            assert found.unit == "block"
            assert "lower bound" in found.note
    assert covered["blocks"] >= 34
    assert covered["frames"] <= 24


def test_a_run_that_is_too_short_for_blocks_has_no_interval():
    (found,) = percentiles_over_blocks(mean_of(np.arange(20.0)), [np.arange(20)], 4.0)
    assert not found.is_known
    assert "too few to resample" in found.note


def test_all_half_splits_are_listed_once():
    runs = named(4, 1)
    spread = over_half_splits(lambda a: float(a[0]) + 10 * a[1] + 100 * a[2] + 1000 * a[3], runs)
    assert spread.splits == 3
    assert sorted(spread.values.tolist()) == [11, 101, 1001]
    assert math.isnan(spread.share_as_large)


def test_the_share_of_splits_is_a_p_value():
    values = np.array([0.0, 0.0, 5.0, 5.0, 1.0, 1.0])

    def difference(in_a):
        return abs(values[in_a].mean() - values[~in_a].mean())

    # runs 0 2 | 1 against all three splits of 2 of 3 runs, the observed one the largest
    spread = over_half_splits(
        difference, ["x", "x", "y", "y", "z", "z"], observed=[True, True, False, False, True, True]
    )
    assert spread.value == pytest.approx(4.5)
    assert spread.splits == 3
    assert_allclose(spread.share_as_large, 1 / 3)


def test_many_splits_are_drawn_with_a_seed():
    runs = named(14, 1)
    one, two = (over_half_splits(lambda a: float(a[:3].sum()), runs, most=50, seed=3) for _ in "12")
    assert one.splits == math.comb(14, 7) // 2
    assert len(one.values) == 50
    assert (one.values == two.values).all()


def test_runs_in_both_samples_cannot_be_exchanged():
    with pytest.raises(ConfigError, match="in both samples"):
        over_half_splits(lambda a: 0.0, ["x", "x", "y"], observed=[True, False, False])
    with pytest.raises(ConfigError, match="two are needed"):
        over_half_splits(lambda a: 0.0, ["x", "x"])
