"""Two samples of models, for tests of exhaustiveness: runs stay whole."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.good_models import SampleSplit
from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.models import ModelTable
    from congruence.typing import BoolArray, IntArray

__all__ = [
    "split_at_random",
    "split_by_input",
    "split_by_number",
    "split_by_rank",
    "split_evenly",
]

_ALL_UP_TO = 16
_STARTS = 20


def split_evenly(table: ModelTable, *, seed: int = 0) -> SampleSplit:
    """
    Part models into two samples of about the same size, by runs.

    Both samples get the same number of runs, or one more; among these splits
    the one is taken whose numbers of models are closest, at random among
    equals. With a single run its replicas are parted instead, and with a single
    replica its models, at random.

    Parameters
    ----------
    table : ModelTable
        Good models.
    seed : int
        Seed of the choice among equals.

    Returns
    -------
    split : SampleSplit
        Above 16 runs, the best of 20 improved random splits.

    Raises
    ------
    InputError
        If there are fewer than two models.
    """
    _two_models(table)
    rng = np.random.default_rng(seed)
    runs = _labels(table, replicas=False)
    names = list(dict.fromkeys(runs))
    unit = "run"
    if len(names) == 1:
        runs = _labels(table, replicas=True)
        names = list(dict.fromkeys(runs))
        unit = "replica"
    if len(names) == 1:
        return _random_halves(len(table), rng)
    sizes = np.array([runs.count(name) for name in names], dtype=np.int64)
    chosen = _closest_all(sizes, rng) if len(names) <= _ALL_UP_TO else _closest(sizes, rng)
    in_a = np.isin(np.array(runs, dtype=object), [names[i] for i in chosen])
    alone = "" if unit == "run" else " of the only run: they are not independent of each other"
    how = f"{unit}s kept whole, numbers of models as equal as possible (seed {seed}){alone}"
    return _split(in_a, how, unit, runs)


def _labels(table: ModelTable, *, replicas: bool) -> list[str]:
    if not replicas:
        return [str(run) for run in table.run.tolist()]
    pairs = zip(table.run.tolist(), table.replica.tolist(), strict=True)
    return [f"{run} replica {replica}" for run, replica in pairs]


def _two_models(table: ModelTable) -> None:
    if len(table) < 2:
        raise InputError(
            f"there is {len(table)} good model, and two samples need one each",
            hint="Loosen the criteria, or sample more.",
        )


def _split(in_a: BoolArray, how: str, unit: str, labels: Sequence[str]) -> SampleSplit:
    mine = dict.fromkeys(name for name, a in zip(labels, in_a.tolist(), strict=True) if a)
    rest = dict.fromkeys(name for name in labels if name not in mine)
    return SampleSplit(in_a, how, unit, (tuple(mine), tuple(rest)))


def _closest_all(sizes: IntArray, rng: np.random.Generator) -> list[int]:
    """Find the split with the closest totals among all; the first unit counts as A."""
    r, total = len(sizes), int(sizes.sum())
    best: list[tuple[int, ...]] = []
    least = total + 1
    for half in {r // 2, r - r // 2}:
        for rest in itertools.combinations(range(1, r), half - 1):
            chosen = (0, *rest)
            difference = abs(total - 2 * int(sizes[list(chosen)].sum()))
            if difference < least:
                best, least = [], difference
            if difference == least:
                best.append(chosen)
    return list(best[rng.integers(len(best))])


def _closest(sizes: IntArray, rng: np.random.Generator) -> list[int]:
    """Improve random splits by exchanging two units while that helps."""
    r, total = len(sizes), int(sizes.sum())
    found: list[tuple[int, list[int]]] = []
    for _ in range(_STARTS):
        order = rng.permutation(r)
        a, b = order[: r // 2].copy(), order[r // 2 :].copy()
        while True:
            surplus = 2 * int(sizes[a].sum()) - total
            after = np.abs(surplus - 2 * (sizes[a][:, None] - sizes[b]))
            i, j = np.unravel_index(int(after.argmin()), after.shape)
            if after[i, j] >= abs(surplus):
                break
            a[i], b[j] = b[j], a[i]
        side = a if 0 in a else b
        found.append((abs(surplus), sorted(side.tolist())))
    return min(found)[1]


def _random_halves(m: int, rng: np.random.Generator) -> SampleSplit:
    drawn = rng.choice(m, m // 2, replace=False)
    in_a = np.zeros(m, dtype=bool)
    in_a[drawn] = True
    how = "models of the only run parted at random: the samples are not independent of each other"
    order = np.concatenate([drawn, np.flatnonzero(~in_a)]).astype(np.int64)
    return SampleSplit(in_a, how, "model", order=order)


def split_by_rank(table: ModelTable, *, seed: int = 0) -> SampleSplit:
    """
    Part models into two samples: the first half of the runs, and the rest.

    Parameters
    ----------
    table : ModelTable
        Good models; runs rank in order of first appearance.
    seed : int
        Seed for a single run, whose models are parted at random.

    Returns
    -------
    split : SampleSplit
        Of an odd number of runs, A has the smaller half.

    Raises
    ------
    InputError
        If there are fewer than two models.
    """
    _two_models(table)
    runs = _labels(table, replicas=False)
    names = list(dict.fromkeys(runs))
    if len(names) == 1:
        return _random_halves(len(table), np.random.default_rng(seed))
    first = names[: len(names) // 2]
    return _split(np.isin(np.array(runs, dtype=object), first), "runs by rank", "run", runs)


def split_at_random(table: ModelTable, *, seed: int = 0) -> SampleSplit:
    """
    Part models into two samples: a random half of the runs, and the rest.

    Parameters
    ----------
    table : ModelTable
        Good models.
    seed : int
        Seed.

    Returns
    -------
    split : SampleSplit
        Of an odd number of runs, A has the smaller half. Models of a single
        run are parted at random.

    Raises
    ------
    InputError
        If there are fewer than two models.
    """
    _two_models(table)
    rng = np.random.default_rng(seed)
    runs = _labels(table, replicas=False)
    names = list(dict.fromkeys(runs))
    if len(names) == 1:
        return _random_halves(len(table), rng)
    drawn = [names[i] for i in sorted(rng.permutation(len(names))[: len(names) // 2].tolist())]
    in_a = np.isin(np.array(runs, dtype=object), drawn)
    return _split(in_a, f"a random half of the runs in A (seed {seed})", "run", runs)


def split_by_input(table: ModelTable, first: Sequence[str]) -> SampleSplit:
    """
    Part models into two samples: those of given runs, and the rest.

    Parameters
    ----------
    table : ModelTable
        Good models.
    first : sequence of str
        Names of the runs of A.

    Returns
    -------
    split : SampleSplit
        One sample may be empty.
    """
    runs = _labels(table, replicas=False)
    in_a = np.isin(np.array(runs, dtype=object), list(first))
    return _split(in_a, "runs of the first input in A", "run", runs)


def split_by_number(table: ModelTable, *, runs: int, seed: int = 0) -> SampleSplit:
    """
    Part models as the reference program does: by the value of a run's number.

    Parameters
    ----------
    table : ModelTable
        Good models; the name of a run is its number.
    runs : int
        Number of runs that there are. Runs up to half of that go to A; a
        single one is parted at random.
    seed : int
        Seed for a single run (the reference has none).

    Returns
    -------
    split : SampleSplit
        One sample may be empty: runs 3 and 4 are both in B.

    Raises
    ------
    ConfigError
        If the name of a run is no number.
    """
    labels = _labels(table, replicas=False)
    if not all(name.isascii() and name.isdigit() for name in labels):
        raise ConfigError("a run has no number", hint="Number the run folders: run1, run2, ...")
    if runs == 1:
        return _random_halves(len(table), np.random.default_rng(seed))
    in_a = np.array([int(name) <= runs / 2 for name in labels], dtype=bool)
    return _split(in_a, f"run numbers up to {runs / 2:g} in A", "run", labels)
