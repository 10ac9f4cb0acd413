"""
Resample runs, or blocks of one run, and see how a number moves.

A resample is an array of *counts*: how often each model was drawn. A statistic
takes the counts of all models and returns its values; `models_of` turns counts
into model numbers, for statistics that do not know weights. Nothing is ever
measured again: a distance matrix stays as it is::

    def statistic(counts):
        chosen = models_of(counts)
        return [sampling_precision_of(matrix.take(chosen), in_a[chosen])]

    (precision,) = percentiles_over_runs(statistic, table.run, samples=in_a)

For smooth statistics that are sums over runs, `congruence.compute.uncertainty`
has the interval that is best for few runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.compute.statistic import ManyAtOnce
from congruence.core.uncertainty import Resampled
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from congruence.typing import FloatArray, IntArray

    Statistic: TypeAlias = Callable[[IntArray], Sequence[float] | FloatArray]

__all__ = [
    "models_of",
    "percentiles_over_blocks",
    "percentiles_over_runs",
    "resample_blocks",
    "resample_runs",
]

_ENOUGH_RUNS = 5
_BLOCKS_OF_G = 3.0
_LEAST_BLOCKS = 5


def models_of(counts: IntArray) -> IntArray:
    """
    Turn counts into a list of models.

    Parameters
    ----------
    counts : ndarray, dtype=int64, shape=(m,)
        How often each model was drawn.

    Returns
    -------
    models : ndarray, dtype=int64, shape=(k,)
        Ascending; each as often as it was drawn.

    Examples
    --------
    >>> models_of(np.array([2, 0, 1])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(counts)), counts)


@dataclass(frozen=True, eq=False)
class _Units:
    """Runs by number, in order of first appearance, and the sample each is drawn in."""

    of_model: IntArray
    strata: tuple[IntArray, ...]

    @property
    def count(self) -> int:
        return sum(len(s) for s in self.strata)

    @property
    def are_few(self) -> bool:
        """Whether no sample has two units to draw from."""
        return all(len(s) < 2 for s in self.strata)

    @property
    def freedom(self) -> int:
        return self.count - len(self.strata)


def _units(runs: npt.ArrayLike, samples: npt.ArrayLike | None) -> _Units:
    names = [str(r) for r in np.asarray(runs, dtype=object).tolist()]
    if not names:
        raise ShapeError("there are no models to resample")
    if samples is None:
        parts = [0] * len(names)
    else:
        parts = np.asarray(samples).astype(np.int64).tolist()
        if len(parts) != len(names):
            raise ShapeError(f"{len(parts)} samples for {len(names)} models")
    # a run that is in both samples is two units: its parts are drawn apart
    number = {key: i for i, key in enumerate(dict.fromkeys(zip(parts, names, strict=True)))}
    of_model = np.array([number[key] for key in zip(parts, names, strict=True)], dtype=np.int64)
    strata = tuple(
        np.array([i for key, i in number.items() if key[0] == part], dtype=np.int64)
        for part in sorted(set(parts))
    )
    return _Units(of_model, strata)


def resample_runs(
    runs: npt.ArrayLike, *, samples: npt.ArrayLike | None = None, draws: int = 1000, seed: int = 0
) -> Iterator[IntArray]:
    """
    Draw whole runs with replacement.

    Parameters
    ----------
    runs : array-like of str, shape=(m,)
        Run of each model.
    samples : array-like of int or bool, shape=(m,), optional
        Sample of each model; runs are drawn within each.
    draws : int
        Number of resamples.
    seed : int
        Seed.

    Yields
    ------
    counts : ndarray, dtype=int64, shape=(m,)
        How often each model was drawn.

    Raises
    ------
    ShapeError
        If there are no models, or the lengths differ.
    """
    units = _units(runs, samples)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        drawn = np.zeros(units.count, dtype=np.int64)
        for stratum in units.strata:
            picked = rng.integers(len(stratum), size=len(stratum))
            np.add.at(drawn, stratum[picked], 1)
        yield drawn[units.of_model]


def percentiles_over_runs(
    statistic: Statistic,
    runs: npt.ArrayLike,
    *,
    samples: npt.ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Resampled, ...]:
    """
    Give numbers the percentile interval of a bootstrap over runs.

    The percentiles are widened for few runs as in [1]_: instead of 2.5 % the
    tail that ``-sqrt(r / (r - 1)) t`` leaves of a normal distribution, *t*
    being Student's quantile for the independent runs and *r* the mean number of
    runs in a sample.

    Parameters
    ----------
    statistic : callable
        Takes counts, shape (m,); returns one or more values. Infinity counts
        as beyond every number (a sampling precision that does not exist), NaN
        as undefined. A `ManyAtOnce` is asked for all resamples together.
    runs : array-like of str, shape=(m,)
        Run of each model.
    samples : array-like of int or bool, shape=(m,), optional
        Sample of each model; runs are drawn within each.
    draws : int
        Number of resamples; the statistic is called once more.
    level : float
        Confidence level.
    seed : int
        Seed.

    Returns
    -------
    numbers : tuple of Resampled
        One per value. With one run in each sample there is no interval, and
        the note says so; with fewer than five the note says that the interval
        is too narrow, and by how much.

    Raises
    ------
    ShapeError
        If there are no models, or the lengths differ.
    ConfigError
        If `draws` or `level` is out of range.

    Notes
    -----
    Assumes that runs started independently of each other. It does not see what
    no run has found.

    References
    ----------
    .. [1] Hesterberg, The American Statistician 69, 371 (2015),
       doi:10.1080/00031305.2015.1089789
    """
    _check(draws, level)
    units = _units(runs, samples)
    observed = _called(statistic, np.ones(len(units.of_model), dtype=np.int64))
    if units.are_few:
        each = "in each sample" if len(units.strata) > 1 else "in all"
        note = f"one run {each}; independent runs are needed to see how much they differ"
        return tuple(Resampled(v, level=level, units=units.count, note=note) for v in observed)
    drawn = resample_runs(runs, samples=samples, draws=draws, seed=seed)
    values = _values(statistic, drawn)
    tail = _tail(level, units.count / len(units.strata), units.freedom)
    note = _few_runs(units)
    return _intervals(observed, values, tail, level=level, unit="run", count=units.count, note=note)


def _check(draws: int, level: float) -> None:
    if draws < 2:
        raise ConfigError(f"draws is {draws}, expected 2 or more", hint="Use 1000.")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level:g}, expected a number between 0 and 1")


def _called(statistic: Statistic, counts: IntArray) -> list[float]:
    return [float(v) for v in np.atleast_1d(np.asarray(statistic(counts), dtype=np.float64))]


def _values(statistic: Statistic, drawn: Iterator[IntArray]) -> list[list[float]]:
    if not isinstance(statistic, ManyAtOnce):
        return [_called(statistic, counts) for counts in drawn]
    values: list[list[float]] = statistic.of_counts(np.stack(list(drawn))).tolist()
    return values


def _tail(level: float, per_sample: float, freedom: int) -> float:
    """Share of resamples beyond each end; smaller than (1 - level) / 2 when units are few."""
    from scipy.special import ndtr, stdtrit  # scipy.stats takes long to load

    quantile = stdtrit(freedom, 0.5 + level / 2)
    return float(ndtr(-math.sqrt(per_sample / max(per_sample - 1, 0.5)) * quantile))


def _few_runs(units: _Units) -> str:
    runs = units.freedom + 1
    if runs >= _ENOUGH_RUNS:
        return ""
    reach = 100 * (1 - 2.0 ** (1 - runs))
    return (
        f"only {units.count} runs: resampling them covers the truth in at most about {reach:.0f} %"
    )


def _intervals(
    observed: list[float],
    values: list[list[float]],
    tail: float,
    *,
    level: float,
    unit: str,
    count: int,
    note: str,
) -> tuple[Resampled, ...]:
    table = np.array(values, dtype=np.float64)
    found = []
    for value, column in zip(observed, table.T, strict=True):
        defined = np.sort(column[~np.isnan(column)])
        undefined = len(column) - len(defined)
        if not len(defined):
            why = "undefined in all resamples"
            found.append(
                Resampled(value, math.nan, math.nan, level, unit, count, 0, undefined, note=why)
            )
            continue
        # order statistics: interpolating between a number and infinity has no meaning
        cut = min(int(tail * len(defined)), len(defined) - 1)
        found.append(
            Resampled(
                value,
                float(defined[cut]),
                float(defined[-1 - cut]),
                level,
                unit,
                count,
                len(column),
                undefined,
                f"percentiles of a bootstrap over {unit}s, widened for few {unit}s",
                note,
            )
        )
    return tuple(found)


def resample_blocks(
    chains: Sequence[IntArray], *, length: int, draws: int = 1000, seed: int = 0
) -> Iterator[IntArray]:
    """
    Draw blocks of neighbouring models with replacement, within each chain.

    Parameters
    ----------
    chains : sequence of ndarray, dtype=int64
        Models of each replica in order of their steps; together all models.
    length : int
        Models in a block; the end of a chain meets its start.
    draws : int
        Number of resamples.
    seed : int
        Seed.

    Yields
    ------
    counts : ndarray, dtype=int64, shape=(m,)
        How often each model was drawn; as many of each chain as it has.
    """
    rng = np.random.default_rng(seed)
    m = sum(len(chain) for chain in chains)
    for _ in range(draws):
        counts = np.zeros(m, dtype=np.int64)
        for chain in chains:
            n = len(chain)
            size = min(length, n)
            starts = rng.integers(n, size=math.ceil(n / size))
            drawn = np.bincount((starts[:, None] + np.arange(size)).ravel()[:n], minlength=n)
            drawn[: len(drawn) - n] += drawn[n:]
            counts[chain] = drawn[:n]
        yield counts


def percentiles_over_blocks(
    statistic: Statistic,
    chains: Sequence[IntArray],
    g: float,
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Resampled, ...]:
    """
    Give numbers of a single run the interval of a block bootstrap.

    Blocks of three times the statistical inefficiency keep most of the
    correlation inside. The interval is a lower bound: it tells how far this run
    agrees with itself, and nothing about what other runs would find.

    Parameters
    ----------
    statistic : callable
        As in `percentiles_over_runs`.
    chains : sequence of ndarray, dtype=int64
        Models of each replica in order of their steps.
    g : float
        Statistical inefficiency, from `statistical_inefficiency`.
    draws : int
        Number of resamples.
    level : float
        Confidence level.
    seed : int
        Seed.

    Returns
    -------
    numbers : tuple of Resampled
        One per value, ``unit`` is ``"block"``. Without an interval when the
        chains hold fewer than five blocks.

    Raises
    ------
    ConfigError
        If `draws` or `level` is out of range, or g is below 1.
    """
    _check(draws, level)
    if not g >= 1:
        raise ConfigError(f"the statistical inefficiency is {g:g}, expected 1 or more")
    m = sum(len(chain) for chain in chains)
    length = math.ceil(_BLOCKS_OF_G * g) if g > 1 else 1
    blocks = m // length
    observed = _called(statistic, np.ones(m, dtype=np.int64))
    if blocks < _LEAST_BLOCKS:
        note = (
            f"{m} models with one independent in {g:.3g} are {blocks} blocks, too few to resample"
        )
        return tuple(
            Resampled(v, level=level, unit="block", units=blocks, note=note) for v in observed
        )
    drawn = resample_blocks(chains, length=length, draws=draws, seed=seed)
    values = _values(statistic, drawn)
    note = f"blocks of {length} models of a single run: a lower bound, other runs are not known"
    tail = _tail(level, blocks, blocks - 1)
    return _intervals(observed, values, tail, level=level, unit="block", count=blocks, note=note)
