"""A number over all ways to part the runs into two halves: what chance alone does to it."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.uncertainty import SplitSpread
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from congruence.typing import BoolArray, IntArray

__all__ = ["over_half_splits"]


def over_half_splits(
    statistic: Callable[[BoolArray], float],
    runs: npt.ArrayLike,
    *,
    observed: npt.ArrayLike | None = None,
    most: int = 500,
    seed: int = 0,
) -> SplitSpread:
    """
    Compute a number for every way to part the runs into two halves.

    Parameters
    ----------
    statistic : callable
        Takes which models are in sample A, shape (m,); returns a number.
    runs : array-like of str, shape=(m,)
        Run of each model.
    observed : array-like of bool, shape=(m,), optional
        The sample A in use; every split then has as many runs in A as it has.
    most : int
        With more splits than this, so many are drawn.
    seed : int
        Seed of the drawing.

    Returns
    -------
    spread : SplitSpread
        With the share of splits (the one in use among them) whose number is
        at least the observed one, which is a p-value for exchangeable runs.

    Raises
    ------
    ConfigError
        If there are fewer than two runs, or the sample in use splits a run.
    """
    of_model, r = _numbers(runs)
    if r < 2:
        raise ConfigError(f"there is {r} run, and two are needed to part them")
    value, size, mirrored = math.nan, r // 2, r % 2 == 0
    if observed is not None:
        in_a = np.asarray(observed, dtype=bool)
        of_run = [set(in_a[of_model == u].tolist()) for u in range(r)]
        if any(len(found) > 1 for found in of_run):
            raise ConfigError("a run is in both samples, so that runs cannot be exchanged")
        size, mirrored = sum(True in found for found in of_run), False
        value = float(statistic(in_a))
    splits = math.comb(r, size) // (2 if mirrored else 1)
    found_values = np.array(
        [
            statistic(np.isin(of_model, chosen))
            for chosen in _splits(r, size, splits, mirrored=mirrored, most=most, seed=seed)
        ],
        dtype=np.float64,
    )
    as_large = int((found_values >= value - 1e-12).sum())
    drawn = splits > most  # then the split in use is one more
    share = (as_large + drawn) / (len(found_values) + drawn)
    return SplitSpread(value, found_values, splits, math.nan if math.isnan(value) else share)


def _numbers(runs: npt.ArrayLike) -> tuple[IntArray, int]:
    """Return the run of each model by number, in order of first appearance."""
    names = [str(r) for r in np.asarray(runs, dtype=object).tolist()]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], dtype=np.int64), len(number)


def _splits(
    r: int, size: int, splits: int, *, mirrored: bool, most: int, seed: int
) -> Iterator[list[int]]:
    if splits <= most:
        for chosen in itertools.combinations(range(r), size):
            if not mirrored or 0 in chosen:
                yield list(chosen)
        return
    rng = np.random.default_rng(seed)
    for _ in range(most):
        yield rng.choice(r, size, replace=False).tolist()
