"""
Equilibration and effective sample size of time series.

Frames of one sampling run are correlated: *N* of them tell as much as *N / g*
independent ones, *g* being the statistical inefficiency. Where the run still
remembers its start, frames tell nothing about the ensemble at all:
`detect_equilibration` finds how many to leave out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.models import to_floats
from congruence.core.uncertainty import SeriesSize
from congruence.errors import ConfigError, SelectionError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from congruence.core.models import ModelTable
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

__all__ = [
    "Equilibration",
    "chains_of",
    "detect_equilibration",
    "effective_sizes",
    "equilibrated",
    "replica_chains",
    "series_sizes",
    "statistical_inefficiency",
]

_STARTS = 100
_LEAST_LAGS = 3


@dataclass(frozen=True)
class Equilibration:
    """
    Where a series has forgotten its start.

    Parameters
    ----------
    t0 : int
        Number of values to leave out.
    g : float
        Statistical inefficiency of the rest.
    n_eff : float
        ``(T - t0 + 1) / g``: effective number of values in the rest, as the
        paper counts; 1 where the rest is constant.
    """

    t0: int
    g: float
    n_eff: float


def statistical_inefficiency(series: npt.ArrayLike) -> float:
    """
    Return how many correlated values stand for one independent value.

    With the deviations d from the mean, C(t) the mean of ``d[n] d[n+t]``
    divided by the variance, ``g = 1 + 2 sum C(t) (1 - t/N)`` over the lags
    t = 1, 2, ... N-2 before the first one above 3 at which C is not positive.

    Parameters
    ----------
    series : array-like, dtype=float64, shape=(N,)
        Values at equal intervals.

    Returns
    -------
    g : float
        1 or more; *N* for a constant series, which tells one value.

    Raises
    ------
    ShapeError
        If the series is empty, not one-dimensional or not finite.

    Notes
    -----
    Sees only correlations inside this series: a run that is caught in one
    basin looks well sampled. See Chodera 2016, doi:10.1021/acs.jctc.5b00784.

    Examples
    --------
    >>> round(statistical_inefficiency([0, 0, 0, 0, 1, 1, 1, 1]), 3)
    2.5
    """
    values = _checked(series)
    n = len(values)
    if values.min() == values.max():
        return float(n)
    correlation = _correlation(values)[1 : n - 1]
    stops = np.flatnonzero(correlation[_LEAST_LAGS:] <= 0)
    end = _LEAST_LAGS + int(stops[0]) if len(stops) else len(correlation)
    lags = np.arange(1, end + 1)
    return max(1.0, 1.0 + 2.0 * float(np.sum(correlation[:end] * (1 - lags / n))))


def _checked(series: npt.ArrayLike) -> FloatArray:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ShapeError(f"a series has shape {values.shape}, expected (N,) with N of 1 or more")
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ShapeError(
            f"a series is not a number at {at}",
            hint="Leave out rows whose value is missing before looking at correlations.",
        )
    return values


def _correlation(values: FloatArray) -> FloatArray:
    """Return the normalised autocorrelation at all lags 0, 1, ... N-1."""
    n = len(values)
    deviation = values - values.mean()
    size = 1 << (2 * n - 1).bit_length()  # padded, so that the ends do not meet
    power = np.abs(np.fft.rfft(deviation, size)) ** 2
    sums = np.fft.irfft(power, size)[:n]
    found: FloatArray = sums / (np.arange(n, 0, -1) * np.mean(deviation**2))
    return found


def detect_equilibration(series: npt.ArrayLike, *, stride: int | None = None) -> Equilibration:
    """
    Find the start that leaves the most independent values.

    Of t0 = 0, s, 2s, ... the first is taken that maximises
    ``(T - t0 + 1) / g(series[t0:])``.

    Parameters
    ----------
    series : array-like, dtype=float64, shape=(T,)
        Values at equal intervals.
    stride : int, optional
        Step s of the starts that are tried; T / 100 if absent.

    Returns
    -------
    equilibration : Equilibration
        A constant series, and a constant rest, count as one value.

    Raises
    ------
    ShapeError
        If the series is empty, not one-dimensional or not finite.
    ConfigError
        If `stride` is below 1.

    Notes
    -----
    Method: Chodera 2016, doi:10.1021/acs.jctc.5b00784. The cost is one Fourier
    transform for each start.
    """
    values = _checked(series)
    if stride is not None and stride < 1:
        raise ConfigError(f"stride is {stride}, expected 1 or more")
    n = len(values)
    if values.min() == values.max():
        return Equilibration(0, float(n), 1.0)
    step = stride or max(1, math.ceil(n / _STARTS))
    changes = np.flatnonzero(values != values[-1])
    last_change = int(changes[-1])  # what starts later is constant and tells one value
    best = Equilibration(0, 1.0, 0.0)
    for t0 in range(0, n - 1, step):
        if t0 > last_change:
            g, n_eff = float(n - t0), 1.0
        else:
            g = statistical_inefficiency(values[t0:])
            n_eff = (n - t0 + 1) / g
        if n_eff > best.n_eff:
            best = Equilibration(t0, g, n_eff)
    return best


def replica_chains(table: ModelTable) -> tuple[IntArray, ...]:
    """
    Return the rows of each replica of each run, in order of their steps.

    Parameters
    ----------
    table : ModelTable
        Rows of any number of runs.

    Returns
    -------
    chains : tuple of ndarray, dtype=int64
        As `chains_of`.
    """
    return chains_of(table.run, table.replica, table.step)


def chains_of(run: ObjectArray, replica: IntArray, step: IntArray) -> tuple[IntArray, ...]:
    """
    Return the models of each replica of each run, in order of their steps.

    Parameters
    ----------
    run : ndarray of str, shape=(m,)
        Run of each model.
    replica : ndarray, dtype=int64, shape=(m,)
        Its replica.
    step : ndarray, dtype=int64, shape=(m,)
        Its step in the replica.

    Returns
    -------
    chains : tuple of ndarray, dtype=int64
        Model numbers; runs and replicas in order of first appearance.
    """
    found: dict[tuple[str, int], list[int]] = {}
    for i, key in enumerate(zip(run.tolist(), replica.tolist(), strict=True)):
        found.setdefault(key, []).append(i)
    rows = (np.array(chain, dtype=np.int64) for chain in found.values())
    return tuple(chain[np.argsort(step[chain], kind="stable")] for chain in rows)


def _series(table: ModelTable, column: str) -> FloatArray:
    if column in table.columns:
        return to_floats(table.columns[column])
    if column == table.score_key:
        return table.score
    raise SelectionError(
        f"no column '{column}' among those read: {', '.join(sorted(table.columns)) or 'none'}",
        hint="Write the name of the column in full, as in the stat files.",
    )


def series_sizes(
    table: ModelTable,
    columns: Sequence[str],
    *,
    equilibrate: bool = True,
    stride: int | None = None,
) -> tuple[SeriesSize, ...]:
    """
    Say for every replica and score how much its series tells.

    Replicas are looked at one by one, never interleaved.

    Parameters
    ----------
    table : ModelTable
        Rows of any number of runs.
    columns : sequence of str
        Scores.
    equilibrate : bool
        Whether to look for the part before equilibration.
    stride : int, optional
        As in `detect_equilibration`.

    Returns
    -------
    sizes : tuple of SeriesSize
        By run, replica and score. Values that are no numbers are left out.

    Raises
    ------
    SelectionError
        If a column is not in the table.
    """
    chains = replica_chains(table)
    series = {column: _series(table, column) for column in columns}
    found = []
    for chain in chains:
        run, replica = str(table.run[chain[0]]), int(table.replica[chain[0]])
        for column, values in series.items():
            t0, g, n_eff = _size(values[chain], equilibrate=equilibrate, stride=stride)
            found.append(SeriesSize(run, replica, column, len(chain), t0, g, n_eff))
    return tuple(found)


def _size(values: FloatArray, *, equilibrate: bool, stride: int | None) -> tuple[int, float, float]:
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return 0, math.inf, 0.0
    kept = values[finite]
    t0 = detect_equilibration(kept, stride=stride).t0 if equilibrate else 0
    g = statistical_inefficiency(kept[t0:])
    return (int(finite[t0]) if t0 else 0), g, (len(kept) - t0) / g


def equilibrated(table: ModelTable, sizes: Sequence[SeriesSize]) -> BoolArray:
    """
    Tell which rows come after the equilibration of their replica.

    Parameters
    ----------
    table : ModelTable
        The rows that `sizes` were found on.
    sizes : sequence of SeriesSize
        From `series_sizes`; the latest start of all scores counts.

    Returns
    -------
    keep : ndarray, dtype=bool, shape=(m,)
        True after equilibration.
    """
    start: dict[tuple[str, int], int] = {}
    for size in sizes:
        key = (size.run, size.replica)
        start[key] = max(start.get(key, 0), size.t0)
    keep = np.ones(len(table), dtype=bool)
    for chain in replica_chains(table):
        key = (str(table.run[chain[0]]), int(table.replica[chain[0]]))
        keep[chain[: start.get(key, 0)]] = False
    return keep


def effective_sizes(table: ModelTable, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """
    Return the effective sample size of each score in each run.

    Parameters
    ----------
    table : ModelTable
        Models, for example those that were chosen.
    columns : sequence of str
        Scores.

    Returns
    -------
    sizes : dict of str to dict of str to float
        By run, then by score: the sum over the replicas of the run. Replicas
        that exchange are not independent, so this is an upper bound.
    """
    found: dict[str, dict[str, float]] = {}
    for size in series_sizes(table, columns, equilibrate=False):
        of_run = found.setdefault(size.run, dict.fromkeys(columns, 0.0))
        of_run[size.column] += size.n_eff
    return found
