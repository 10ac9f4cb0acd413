"""
Laws of the Kolmogorov-Smirnov statistic, without loading scipy.stats.

That takes longer to load than everything that is asked of it here: the exact law of
two samples, and the law of one sample by which SciPy approximates it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.typing import FloatArray

__all__ = ["largest_gap", "one_sample_sf", "two_sample_p"]

_FEW = 140
_TERMS = 40
_MATRIX_MOST = 100_000


def largest_gap(a: FloatArray, b: FloatArray) -> float:
    """
    Return the largest vertical distance of two cumulative distributions.

    Parameters
    ----------
    a, b : ndarray, dtype=float64, shape=(n,)
        Values of the two samples.

    Returns
    -------
    d : float
        The statistic D.

    Examples
    --------
    >>> largest_gap(np.array([1.0, 2.0]), np.array([2.0, 3.0, 4.0, 5.0]))
    0.75
    """
    every = np.concatenate([a, b])
    of_a, of_b = (np.searchsorted(np.sort(x), every, side="right") / len(x) for x in (a, b))
    return float(np.abs(of_a - of_b).max())


def two_sample_p(d: float, n_a: int, n_b: int) -> float:
    """
    Return the exact chance of a D at least as large if both samples are drawn alike.

    Parameters
    ----------
    d : float
        The statistic.
    n_a, n_b : int
        Sizes of the samples, without ties.

    Returns
    -------
    p : float
        To about 12 digits, also where it is small. Equal sizes take a sum
        (Gnedenko and Korolyuk 1951), others ``n_a n_b`` steps.

    Examples
    --------
    Of the six orders of two and two values, two part the samples:

    >>> round(two_sample_p(1.0, 2, 2), 12)
    0.333333333333
    """
    common = math.gcd(n_a, n_b)
    a, b = n_a // common, n_b // common
    reach = round(d * a * n_b)
    if reach <= 0:
        return 1.0
    if n_a == n_b:
        steps = np.arange(n_a, dtype=np.float64)
        ratios = (n_a - steps) / (n_a + steps + 1.0)
        shares = np.asarray(np.cumprod(ratios)[reach - 1 :: reach], dtype=np.float64).copy()
        shares[1::2] *= -1.0
        return min(max(2.0 * float(shares.sum()), 0.0), 1.0)
    # Models come in a random order; what leaves the band between the two laws is summed.
    inside, outside = np.zeros(n_a + 1), 0.0
    inside[0] = 1.0
    taken = np.arange(n_a + 1)
    for step in range(n_a + n_b):
        left = n_a + n_b - step
        moved = inside * ((n_a - taken) / left)
        inside *= (n_b - (step - taken)) / left
        inside[1:] += moved[:-1]
        low, high = max(0, step + 1 - n_b), min(n_a, step + 1)
        gap = np.abs(taken[low : high + 1] * b - (step + 1 - taken[low : high + 1]) * a)
        gone = low + np.flatnonzero(gap >= reach)
        outside += float(inside[gone].sum())
        inside[gone] = 0.0
    return min(outside, 1.0)


def one_sample_sf(d: float, n: int) -> float:
    """
    Return the chance that D of one sample is larger.

    Parameters
    ----------
    d : float
        The statistic.
    n : int
        Size of the sample.

    Returns
    -------
    p : float
        By the same choice of methods as SciPy's ``kstwo``, which is that of
        Simard and L'Ecuyer (2011), doi:10.18637/jss.v039.i11, with the matrix of
        Marsaglia, Tsang and Wang (2003), doi:10.18637/jss.v008.i18, wherever the
        exact law is wanted: to 1e-12 the same.
    """
    from scipy.special import smirnov

    if d >= 1.0 or n * d <= 0.5:
        return 0.0 if d >= 1.0 else 1.0
    squared = n * d * d
    if d >= 0.5 or squared >= (4.0 if n <= _FEW else 2.2):
        return min(2.0 * float(smirnov(n, d)), 1.0)
    if n <= _FEW or (n <= _MATRIX_MOST and n * d**1.5 <= 1.4):
        below = _matrix_cdf(d, n)
    else:
        below = _series_cdf(d, n)
    return min(max(1.0 - below, 0.0), 1.0)


def _matrix_cdf(d: float, n: int) -> float:
    k = math.ceil(n * d)
    size, rest = 2 * k - 1, k - n * d
    row, column = np.ogrid[:size, :size]
    matrix = np.where(row - column + 1 >= 0, 1.0, 0.0)
    matrix[:, 0] -= rest ** np.arange(1, size + 1)
    matrix[-1] -= rest ** np.arange(size, 0, -1)
    if 2.0 * rest > 1.0:
        matrix[-1, 0] += (2.0 * rest - 1.0) ** size
    factorial = np.cumprod(np.concatenate([[1.0], np.arange(1.0, size + 1.0)]))
    matrix /= factorial[np.maximum(row - column + 1, 0)]
    # Powers with their scale kept apart, as the entries grow beyond all numbers.
    power, scale = np.eye(size), 0.0
    square, grown = matrix, 0.0
    left = n
    while left:
        if left & 1:
            power, scale = power @ square, scale + grown
            most = float(np.abs(power).max())
            power, scale = power / most, scale + math.log(most)
        square, grown = square @ square, 2.0 * grown
        most = float(np.abs(square).max())
        square, grown = square / most, grown + math.log(most)
        left >>= 1
    log = math.lgamma(n + 1) - n * math.log(n) + scale
    return float(power[k - 1, k - 1]) * math.exp(log)


def _series_cdf(d: float, n: int) -> float:
    """Sum the expansion of Pelz and Good (1976), doi:10.1111/j.2517-6161.1976.tb01579.x."""
    z = math.sqrt(n) * d
    z2 = z * z
    half = (math.pi * (np.arange(_TERMS) + 0.5)) ** 2
    whole = (math.pi * np.arange(1, _TERMS + 1)) ** 2
    at_half, at_whole = (np.exp(-u / (2.0 * z2)) for u in (half, whole))
    root = math.sqrt(math.pi / 2.0)
    k0 = 2.0 * root / z * at_half.sum()
    k1 = root / (3.0 * z**4) * ((half - z2) * at_half).sum()
    inner = 6.0 * z**6 + 2.0 * z**4 + half * (2.0 * z**4 - 5.0 * z2) + half**2 * (1.0 - 2.0 * z2)
    k2 = root / (36.0 * z**7) * (inner * at_half).sum()
    k2 -= root / (18.0 * z**3) * (whole * at_whole).sum()
    inner = half**3 * (5.0 - 30.0 * z2) + half**2 * (212.0 * z**4 - 60.0 * z2)
    inner += half * (135.0 * z**4 - 96.0 * z**6) - (30.0 * z**6 + 90.0 * z**8)
    k3 = root / (3240.0 * z**10) * (inner * at_half).sum()
    k3 += root / (108.0 * z**6) * ((3.0 * whole * z2 - whole**2) * at_whole).sum()
    return float(k0 + k1 / math.sqrt(n) + k2 / n + k3 / n**1.5)
