import numpy as np
import pytest
from numpy.testing import assert_allclose

from congruence.compute.equilibration import (
    detect_equilibration,
    effective_sizes,
    equilibrated,
    replica_chains,
    series_sizes,
    statistical_inefficiency,
)
from congruence.core.models import ModelTable, to_floats
from congruence.errors import ConfigError, SelectionError, ShapeError


def published_series():
    n = np.arange(200)
    return 5 * np.exp(-n / 10) + np.sin(1.7 * n) + 0.3 * np.sin(0.05 * n)


def correlated(rng, n, phi, start=0.0):
    noise = rng.normal(size=n) * np.sqrt(1 - phi**2)
    out = np.empty(n)
    last = start
    for i in range(n):
        last = phi * last + noise[i]
        out[i] = last
    return out


def table_of(run, replica, step, **columns):
    m = len(run)
    texts = np.array(["f"] * m, dtype=object)
    score = to_floats(np.array(next(iter(columns.values())), dtype=object))
    return ModelTable(
        run=np.array(run, dtype=object),
        replica=np.array(replica),
        source=texts,
        row=np.array(step),
        step=np.array(step),
        rmf_file=texts,
        file=texts,
        frame=np.array(step),
        score=score,
        score_key=next(iter(columns)),
        columns={k: np.array(v, dtype=object) for k, v in columns.items()},
    )


def plain_inefficiency(series):
    """The formula, written out."""
    a = np.asarray(series, dtype=float)
    n = len(a)
    d = a - a.mean()
    g, variance = 1.0, np.mean(d**2)
    for t in range(1, n - 1):
        c = np.sum(d[: n - t] * d[t:]) / ((n - t) * variance)
        if c <= 0 and t > 3:
            break
        g += 2 * c * (1 - t / n)
    return max(1.0, g)


def test_check_values_of_the_reference():
    series = published_series()
    assert_allclose(statistical_inefficiency(series), 7.539112938, rtol=1e-9)
    one = detect_equilibration(series, stride=1)
    assert one.t0 == 32
    assert_allclose([one.g, one.n_eff], [1.9105022, 88.45842], rtol=1e-7)
    twenty = detect_equilibration(series, stride=20)
    assert twenty.t0 == 40
    assert_allclose([twenty.g, twenty.n_eff], [1.8525897, 86.90537], rtol=1e-7)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("n", [2, 3, 7, 100])
def test_fourier_sums_equal_the_plain_formula(phi, n):
    series = correlated(np.random.default_rng(n), n, phi)
    assert_allclose(statistical_inefficiency(series), plain_inefficiency(series), rtol=1e-9)


def test_the_inefficiency_of_a_first_order_process_is_known():
    rng = np.random.default_rng(3)
    found = [statistical_inefficiency(correlated(rng, 5000, 0.8)) for _ in range(20)]
    assert_allclose(np.mean(found), (1 + 0.8) / (1 - 0.8), rtol=0.1)


def test_a_constant_series_is_one_value():
    found = detect_equilibration([4.0] * 30)
    assert (found.t0, found.n_eff) == (0, 1.0)
    assert statistical_inefficiency([4.0] * 30) == 30


def test_a_constant_rest_counts_as_one_value_and_does_not_stop_the_search():
    # the reference fails on such a series and keeps its start; here the start is left out
    series = np.concatenate([published_series(), np.zeros(5)])
    found = detect_equilibration(series, stride=1)
    assert 20 <= found.t0 <= 60
    assert found.n_eff > 50
    ends = detect_equilibration([9.0, 1.0, 0.0, 0.0, 0.0, 0.0], stride=1)
    assert np.isfinite([ends.g, ends.n_eff]).all()


def test_a_planted_start_is_found():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        series = correlated(rng, 600, 0.3) + np.where(np.arange(600) < 150, 10.0, 0.0)
        found.append(detect_equilibration(series).t0)
    assert np.median(found) == 150
    assert max(found) < 250


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [1.0, np.nan]])
def test_what_is_no_series_is_refused(bad):
    with pytest.raises(ShapeError):
        statistical_inefficiency(bad)


def test_a_stride_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="stride is 0"):
        detect_equilibration([1.0, 2.0], stride=0)


def test_replicas_are_looked_at_one_by_one_and_in_order_of_steps():
    # interleaved, the two constant series would look like fast noise
    run, replica = ["r"] * 40, [0, 1] * 20
    step = np.repeat(np.arange(20)[::-1], 2)
    ramp = np.where(np.array(replica) == 0, step, 100.0)
    table = table_of(run, replica, step, s=ramp)
    chains = replica_chains(table)
    assert [table.step[c].tolist() for c in chains] == [list(range(20))] * 2
    first, second = series_sizes(table, ["s"], equilibrate=False)
    assert first.g == pytest.approx(statistical_inefficiency(np.arange(20.0)))
    assert (second.g, second.n_eff) == (20.0, 1.0)
    assert effective_sizes(table, ["s"])["r"]["s"] == pytest.approx(20 / first.g + 1)


def test_the_latest_start_of_all_scores_counts():
    rng = np.random.default_rng(1)
    early = rng.normal(size=300) + 20 * (np.arange(300) < 30)
    late = rng.normal(size=300) + 20 * (np.arange(300) < 90)
    table = table_of(["r"] * 300, [0] * 300, range(300), a=early, b=late)
    keep = equilibrated(table, series_sizes(table, ["a", "b"], stride=1))
    assert not keep[:80].any()
    assert keep[100:].all()


def test_missing_values_are_left_out_of_a_series():
    table = table_of(["r"] * 5, [0] * 5, range(5), a=[1, "None", 3, 2, 1])
    (size,) = series_sizes(table, ["a"], equilibrate=False)
    assert size.n == 5
    assert size.n_eff == pytest.approx(4 / statistical_inefficiency([1, 3, 2, 1]))


def test_an_unknown_score_is_an_error_that_lists_the_known():
    table = table_of(["r"] * 3, [0] * 3, range(3), a=[1, 2, 3])
    with pytest.raises(SelectionError, match=r"no column 'b' .* a"):
        series_sizes(table, ["b"])
