"""How many independent models several chains hold, seen inside each and against all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.equilibration import statistical_inefficiency
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["chains_inefficiency"]

_SEEN = 2.58
"""Standard deviations of chance that the correlation of neighbours must exceed."""
_LEAST_LAGS = 3


def chains_inefficiency(
    values: FloatArray, chains: Sequence[IntArray], in_a: BoolArray | None = None
) -> float:
    """
    Return how many correlated models of several chains stand for one independent.

    The larger of two numbers. One is from each chain on its own, about its own
    mean: the models over the sum of n / g. It misses what a short chain cannot
    show: ten frames have no ten frames of memory, and a chain that never leaves
    a basin looks well sampled. The other takes deviations d from the mean of all
    chains: ``g = 1 + 2 sum C(t)``, where C(t) is the sum of ``d[n] d[n+t]`` over
    all chains divided by that of ``d[n]²``, over the lags before the first one
    above 3 at which it is not positive. It counts when neighbours in the chains
    are correlated by more than chance alone would do in one of 200 cases.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(m,)
        One value for each model.
    chains : sequence of ndarray, dtype=int64
        Models of each replica in order of their steps; empty ones are left out.
    in_a : ndarray, dtype=bool, shape=(m,), optional
        Models of sample A: each sample then has its own mean, so that what one
        has and the other has not is no correlation.

    Returns
    -------
    g : float
        1 or more.

    Raises
    ------
    ShapeError
        If there is no model in any chain, or a value is not finite.

    Examples
    --------
    Four chains that stay where they are tell no more than four models:

    >>> stuck = np.repeat([0.0, 1.0, 5.0, 6.0], 3) + np.tile([0.1, 0.0, -0.1], 4)
    >>> round(chains_inefficiency(stuck, np.split(np.arange(12), 4)), 2)
    3.0
    """
    if in_a is not None:
        halves = [[c[mask[c]] for c in chains] for mask in (in_a, ~in_a)]
        sizes = [sum(map(len, half)) for half in halves]
        independent = sum(
            size / chains_inefficiency(values, half)
            for half, size in zip(halves, sizes, strict=True)
            if size
        )
        return sum(sizes) / independent if independent else chains_inefficiency(values, [])
    used = [chain for chain in chains if len(chain)]
    if not used:
        raise ShapeError("there is no model in any chain", hint="Give one chain per replica.")
    models = sum(map(len, used))
    alone = models / sum(len(c) / statistical_inefficiency(values[c]) for c in used)
    return max(alone, _together(values, used))


def _together(values: FloatArray, chains: Sequence[IntArray]) -> float:
    """About the mean of all chains; 1 where neighbours are not seen to be correlated."""
    series = [values[chain] for chain in chains]
    mean = float(np.concatenate(series).mean())
    deviations = [s - mean for s in series]
    models, longest = sum(map(len, series)), max(map(len, series))
    total = float(sum(d @ d for d in deviations))
    pairs = models - len(series)
    if len(series) < 2 or pairs < 1 or not total > 0:
        return 1.0
    sums = _sums(deviations, longest)
    if sums[0] / total * models / pairs < _SEEN / math.sqrt(pairs):
        return 1.0
    stops = np.flatnonzero(sums[_LEAST_LAGS:] <= 0)
    end = _LEAST_LAGS + int(stops[0]) if len(stops) else len(sums)
    return max(1.0, 1.0 + 2.0 * float(sums[:end].sum()) / total)


def _sums(deviations: Sequence[FloatArray], longest: int) -> FloatArray:
    """Return the sum of ``d[n] d[n+t]`` over all chains for the lags 1, 2, ..."""
    size = 1 << (2 * longest - 1).bit_length()  # padded, so that the ends do not meet
    power = np.zeros(size // 2 + 1)
    for d in deviations:
        power += np.abs(np.fft.rfft(d, size)) ** 2
    sums: FloatArray = np.fft.irfft(power, size)[1:longest]
    return sums
