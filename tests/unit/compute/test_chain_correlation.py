"""How many independent models chains hold: right for short chains and for stuck ones."""

import numpy as np
import pytest

from congruence.compute.chain_correlation import chains_inefficiency
from congruence.compute.equilibration import statistical_inefficiency
from congruence.errors import ShapeError


def drawn(rng, chains, length, time):
    """Return values of chains that forget in some frames, and the chains."""
    x = rng.standard_normal((chains, length))
    keep = np.exp(-1 / time) if time else 0.0
    for i in range(1, length):
        x[:, i] = keep * x[:, i - 1] + np.sqrt(1 - keep * keep) * x[:, i]
    return x.ravel(), np.split(np.arange(chains * length), chains)


def expected(length, time):
    keep = np.exp(-1 / time)
    lags = np.arange(1, length)
    return 1 + 2 * float((keep**lags * (1 - lags / length)).sum())


@pytest.mark.parametrize(("chains", "length", "time"), [(8, 10, 5), (4, 50, 5), (8, 50, 2)])
def test_chains_that_are_short_show_their_memory_together(chains, length, time):
    rng = np.random.default_rng(length + time)
    found = [chains_inefficiency(*drawn(rng, chains, length, time)) for _ in range(150)]
    assert np.mean(found) == pytest.approx(expected(length, time), rel=0.12)
    assert np.mean(np.array(found) > 1.5) > 0.99


def test_independent_models_are_not_called_correlated():
    rng = np.random.default_rng(2)
    found = [chains_inefficiency(*drawn(rng, 4, 25, 0)) for _ in range(300)]
    assert np.mean(np.array(found) > 1.5) < 0.05


def test_chains_in_basins_of_their_own_count_as_one_model_each():
    rng = np.random.default_rng(3)
    values = np.repeat([0.0, 10.0, 20.0, 30.0], 40) + rng.standard_normal(160)
    chains = np.split(np.arange(160), 4)
    alone = np.mean([statistical_inefficiency(values[c]) for c in chains])
    assert alone < 2
    assert chains_inefficiency(values, chains) > 20


def test_what_one_sample_has_and_the_other_has_not_is_no_correlation():
    rng = np.random.default_rng(4)
    values = np.repeat([0.0, 10.0], 80) + rng.standard_normal(160)
    chains = np.split(np.arange(160), 4)
    in_a = np.arange(160) < 80
    assert chains_inefficiency(values, chains) > 5
    assert chains_inefficiency(values, chains, in_a) < 1.5


def test_one_chain_is_told_as_before_and_none_is_refused():
    values, chains = drawn(np.random.default_rng(5), 1, 200, 3)
    assert chains_inefficiency(values, chains) == statistical_inefficiency(values)
    assert chains_inefficiency(values, [*chains, np.empty(0, np.int64)]) >= 1
    for half in (None, np.zeros(0, dtype=bool)):
        with pytest.raises(ShapeError, match="no model in any chain") as caught:
            chains_inefficiency(np.zeros(0), [np.empty(0, np.int64)], half)
        assert caught.value.hint
