"""The interval for means of very few runs."""

import numpy as np
import pytest

from congruence.compute.uncertainty import bootstrap_over_runs
from congruence.errors import ConfigError


def mean_over(values):
    return lambda drawn: drawn @ values / drawn.sum(axis=1)


@pytest.mark.parametrize("runs", [3, 6, 12])
def test_intervals_cover_the_planted_mean(runs):
    rng = np.random.default_rng(runs)
    names = [f"run{i:02d}" for i in range(runs)]
    covered = sum(
        0.0 in bootstrap_over_runs(mean_over(rng.normal(size=runs)), names, resamples=300, seed=k)
        for k in range(400)
    )
    assert 0.90 <= covered / 400 <= 0.99


def test_a_single_run_has_no_interval():
    with pytest.raises(ConfigError, match="two or more") as caught:
        bootstrap_over_runs(mean_over(np.zeros(1)), ["only"] * 5)
    assert caught.value.hint


def test_the_interval_is_cut_where_values_end():
    found = bootstrap_over_runs(mean_over(np.array([0.1, 5.0])), ["a", "b"], lowest=0.0)
    assert found.low == 0.0
    assert found.runs == 2
