import itertools

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstwo

from congruence.compute.kolmogorov import largest_gap, one_sample_sf, two_sample_p


@pytest.mark.parametrize("sizes", [(3, 3), (2, 4), (3, 4), (2, 5)])
def test_the_exact_law_is_that_of_all_orders(sizes):
    n_a, n_b = sizes
    every = range(n_a + n_b)
    gaps = []
    for chosen in itertools.combinations(every, n_a):
        rest = [k for k in every if k not in chosen]
        gaps.append(largest_gap(np.array(chosen, float), np.array(rest, float)))
    for d in sorted(set(gaps)):
        share = np.mean([gap >= d - 1e-9 for gap in gaps])
        assert two_sample_p(d, n_a, n_b) == pytest.approx(share, rel=1e-12)
    assert two_sample_p(0.0, n_a, n_b) == 1.0


@pytest.mark.parametrize("sizes", [(800, 800), (100, 150), (401, 399), (30, 700)])
@pytest.mark.parametrize("shift", [0.0, 0.4, 1.5])
def test_two_samples_are_as_scipy_counts_them(sizes, shift):
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=sizes[0]), rng.normal(shift, size=sizes[1])
    theirs = ks_2samp(a, b, method="exact")
    d = largest_gap(a, b)
    assert d == pytest.approx(theirs.statistic, rel=1e-13)
    assert two_sample_p(d, *sizes) == pytest.approx(theirs.pvalue, rel=1e-11)


def test_equal_values_are_one_step():
    a, b = np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0])
    assert largest_gap(a, b) == pytest.approx(ks_2samp(a, b).statistic, rel=1e-15)


@pytest.mark.parametrize("n", [1, 5, 30, 140, 141, 400, 5000, 150_000])
def test_one_sample_is_as_scipy_has_it(n):
    for scaled in (0.2, 0.35, 0.5, 0.7, 0.86, 1.0, 1.3, 1.48, 1.5, 1.9, 2.1, 3.0, 20.0):
        d = scaled / n**0.5
        assert one_sample_sf(d, n) == pytest.approx(float(kstwo.sf(d, n)), rel=2e-10, abs=1e-300)
