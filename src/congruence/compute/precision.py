"""
Precision: how far the models of a set are from each other.

The right numbers leave a model's distance to itself out; those of IMP's
``Precision`` class, which include it, stand beside them as `CompatPrecision`.
Intervals come from resampling runs, never frames: models of one run are not
independent of each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from congruence.core.precision import CompatPrecision, Precision, Separation
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.precision import Interval
    from congruence.typing import FloatArray, IntArray, ObjectArray

__all__ = [
    "Rows",
    "compat_precision",
    "mean_interval",
    "precision",
    "precision_of_sums",
    "run_numbers",
    "separation",
]

_NO_RUNS = "the runs of the models are not known"
_ONE_RUN = "all models are of one run: frames of a run are not independent"


class Rows(Protocol):
    """Distances that are read row by row: an array, or a part of a matrix that stays as it is."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (a, b)."""

    def __getitem__(self, row: int, /) -> FloatArray:
        """Return a row, float64, shape (b,), in Å."""


def precision(
    distances: FloatArray | Rows,
    *,
    runs: Sequence[str] | ObjectArray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Precision:
    """
    Compute the precision of a set from its distances.

    Parameters
    ----------
    distances : ndarray or Rows, dtype=float64, shape=(m,m)
        Distance of every model to every other in Å, zero on the diagonal.
        Where an array is not symmetric, the mean of both directions is used;
        anything else must be symmetric.
    runs : sequence of str, length m, optional
        Run of each model, for the intervals.
    resamples : int
        Number of resamplings.
    seed : int
        Seed of the resampling.

    Returns
    -------
    precision : Precision
        Numbers in Å.

    Raises
    ------
    ShapeError
        If the matrix is not square or is empty, or `runs` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> found = precision(np.abs(np.subtract.outer([0.0, 1, 5], [0.0, 1, 5])))
    >>> found.center, round(found.pairwise, 6), found.to_center, round(found.compat.average_pairwise, 6)
    (1, 3.333333, 2.5, 2.222222)
    """
    shape = distances.shape
    m = shape[0] if shape else 0
    if len(shape) != 2 or shape[1] != m or not m:
        raise ShapeError(f"distances have shape {shape}, expected a square matrix")
    if runs is not None and len(runs) != m:
        raise ShapeError(f"{len(runs)} runs for {m} models")
    rows: Rows = distances
    if isinstance(distances, np.ndarray) and not np.array_equal(distances, distances.T):
        rows = (distances + distances.T) / 2
    index, _ = run_numbers(runs, m)
    width = int(index.max()) + 1
    by_run = np.array([np.bincount(index, rows[i], width) for i in range(m)], dtype=np.float64)
    options = {"resamples": resamples, "seed": seed}
    found = precision_of_sums(by_run, rows, runs=runs, **options)
    if isinstance(distances, np.ndarray):
        return replace(found, compat=compat_precision(distances))
    return found


def precision_of_sums(
    by_run: FloatArray,
    rows: Rows,
    *,
    runs: Sequence[str] | ObjectArray | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Precision:
    """
    Compute the precision of a set from sums of its distances.

    Parameters
    ----------
    by_run : ndarray, dtype=float64, shape=(m,r)
        Sum of the distances of each model to those of each run, in Å; runs in
        the order of their names (see `run_numbers`), one when they are not known.
    rows : Rows
        Distances in Å, shape (m,m), of which only the row of the center is read.
    runs : sequence of str, length m, optional
        Run of each model, for the intervals.
    resamples : int
        Number of resamplings.
    seed : int
        Seed of the resampling.

    Returns
    -------
    precision : Precision
        Numbers in Å, as from `precision`.
    """
    m = len(by_run)
    index, names, reason = _run_index(runs)
    sums = by_run.sum(axis=1)
    # A tie must not be decided by the rounding of a sum.
    center = int(np.flatnonzero(sums <= sums.min() * (1 + 1e-12))[0])
    compat = _compat(rows, sums)
    if m == 1:
        nan = float("nan")
        return Precision(1, 0, nan, nan, nan, nan, compat, no_interval="there is one model")
    others = np.delete(rows[center], center)
    pairwise = centered = None
    if not reason:
        resampling = {"resamples": resamples, "seed": seed}
        pairwise = _pairwise_interval(by_run, index, names, **resampling)
        kept = np.asarray(runs, dtype=object)[np.arange(m) != center]
        centered, _ = mean_interval(others, kept, **resampling)
    return Precision(
        models=m,
        center=center,
        pairwise=float(sums.sum() / (m * (m - 1))),
        to_center=float(others.mean()),
        median_to_center=float(np.median(others)),
        max_to_center=float(others.max()),
        compat=compat,
        pairwise_interval=pairwise,
        to_center_interval=centered,
        no_interval=reason,
    )


def _compat(rows: Rows, sums: FloatArray) -> CompatPrecision:
    m, center = len(sums), int(sums.argmin())
    to_center = rows[center]
    return CompatPrecision(
        center, float(to_center.mean()), float(np.median(to_center)), float(sums.sum() / m**2)
    )


def compat_precision(distances: FloatArray, *, skip: int = 1) -> CompatPrecision:
    """
    Compute the numbers of IMP's ``Precision.get_precision`` for one set.

    Parameters
    ----------
    distances : ndarray, dtype=float64, shape=(m,m)
        Distances in Å, in row *i* those with model *i* as the first.
    skip : int
        Use models 0, skip, 2 skip, ... for center and pairs; the distances
        to the center are those of all models.

    Returns
    -------
    compat : CompatPrecision
        Numbers in Å.

    Examples
    --------
    >>> import numpy as np
    >>> compat_precision(np.array([[0.0, 2.0], [2.0, 0.0]])).average_pairwise
    1.0
    """
    used = np.arange(0, len(distances), skip)
    part = distances[np.ix_(used, used)]
    means = (part.sum(axis=1) + part.sum(axis=0)) / (2 * len(used))
    center = int(used[int(means.argmin())])
    to_center = distances[center]
    return CompatPrecision(
        center, float(to_center.mean()), float(np.median(to_center)), float(part.mean())
    )


def separation(cross: FloatArray | Rows, first_center: int, second_center: int) -> Separation:
    """
    Compute how far two sets are from each other.

    Parameters
    ----------
    cross : ndarray or Rows, dtype=float64, shape=(a,b)
        Distances between the models of one set and those of the other, in Å.
    first_center, second_center : int
        Centers of the sets.

    Returns
    -------
    separation : Separation
        Numbers in Å.

    Raises
    ------
    ShapeError
        If there are no distances.

    Examples
    --------
    >>> import numpy as np
    >>> separation(np.array([[4.0, 6.0]]), 0, 1)
    Separation(average=5.0, smallest=4.0, centers=6.0)
    """
    if len(cross.shape) != 2 or not min(cross.shape):
        raise ShapeError(f"distances have shape {cross.shape}, expected (models, models)")
    a, b = cross.shape
    rows = [(float(row.sum()), float(row.min())) for row in (cross[i] for i in range(a))]
    total, smallest = sum(r[0] for r in rows), min(r[1] for r in rows)
    return Separation(total / (a * b), smallest, float(cross[first_center][second_center]))


def mean_interval(
    values: FloatArray,
    runs: Sequence[str] | ObjectArray | None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Interval | None, str]:
    """
    Compute an interval of a mean over models by resampling their runs.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(m,)
        One value per model.
    runs : sequence of str, length m, or None
        Run of each model.
    resamples : int
        Number of resamplings.
    seed : int
        Seed of the resampling.

    Returns
    -------
    interval : Interval or None
        In the unit of the values; None when there are not two runs.
    reason : str
        Why there is none; empty when there is.
    """
    from congruence.compute.uncertainty import bootstrap_over_runs

    index, names, reason = _run_index(runs)
    if reason:
        return None, reason
    sums = np.bincount(index, weights=values, minlength=len(names))
    sizes = np.bincount(index, minlength=len(names))

    def mean(drawn: FloatArray) -> FloatArray:
        out: FloatArray = (drawn @ sums) / (drawn @ sizes)
        return out

    interval = bootstrap_over_runs(mean, names, resamples=resamples, seed=seed, lowest=0.0)
    return interval, ""


def run_numbers(
    runs: Sequence[str] | ObjectArray | None, m: int
) -> tuple[IntArray, tuple[str, ...]]:
    """
    Give every run a number, in the order of their names.

    Parameters
    ----------
    runs : sequence of str, length m, or None
        Run of each model.
    m : int
        Number of models.

    Returns
    -------
    index : ndarray, dtype=int64, shape=(m,)
        Number of the run of each model; zero when the runs are not known.
    names : tuple of str
        Names of the runs; none when they are not known.
    """
    index, names, _ = _run_index(runs)
    return (index, tuple(names)) if names else (np.zeros(m, np.int64), ())


def _run_index(
    runs: Sequence[str] | ObjectArray | None,
) -> tuple[IntArray, list[str], str]:
    """Return the run of each model by number, the names of runs, and why there is no interval."""
    if runs is None or any(not str(r) for r in runs):
        return np.empty(0, np.int64), [], _NO_RUNS
    names, index = np.unique([str(r) for r in runs], return_inverse=True)
    return index.astype(np.int64), names.tolist(), "" if len(names) > 1 else _ONE_RUN


def _pairwise_interval(
    by_run: FloatArray, index: IntArray, names: Sequence[str], *, resamples: int, seed: int
) -> Interval:
    from congruence.compute.uncertainty import bootstrap_over_runs

    count = len(names)
    sums = np.stack([by_run[index == r].sum(axis=0) for r in range(count)])
    sizes = np.bincount(index, minlength=count).astype(np.float64)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)

    def mean(drawn: FloatArray) -> FloatArray:
        # A model that is drawn twice is no pair with itself.
        total = np.einsum("br,rs,bs->b", drawn, sums, drawn)
        counted = np.einsum("br,rs,bs->b", drawn, pairs, drawn)
        out = np.full(len(drawn), np.nan)
        np.divide(total, counted, out=out, where=counted > 0)
        return out

    return bootstrap_over_runs(mean, names, resamples=resamples, seed=seed, lowest=0.0)
