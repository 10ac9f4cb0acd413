"""
Interchangeable copies: which of them take part, and the best assignment.

Copies of one molecule that are equal bead by bead may take each other's place.
Groups that take part in a superposition are coupled through the rotation, so
all products of their permutations are tried (`MAX_ASSIGNMENTS` at most); the
other groups are independent of each other and each is solved exactly.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.typing import FloatArray

__all__ = ["MAX_ASSIGNMENTS", "ActiveGroup", "best_assignment", "best_totals", "fitted_assignments"]

MAX_ASSIGNMENTS = 5040
"""Largest number of assignments that are enumerated under superposition (7!)."""

_ENUMERATED_COPIES = 5


@dataclass(frozen=True, slots=True)
class ActiveGroup:
    """
    A group of copies that takes part in a comparison.

    Parameters
    ----------
    index : int
        Its position among all groups.
    copies : int
        Number of copies.
    fitted : bool
        Whether its beads take part in the superposition.
    name : str
        Name of the molecule, for messages.
    """

    index: int
    copies: int
    fitted: bool
    name: str = ""


def fitted_assignments(
    groups: Sequence[ActiveGroup],
) -> Iterator[dict[int, tuple[int, ...]]]:
    """
    Enumerate the assignments of the groups that take part in a superposition.

    Parameters
    ----------
    groups : sequence of ActiveGroup
        All active groups.

    Yields
    ------
    assignment : dict of int to tuple of int
        For the position of each fitted group in `groups` its permutation; the
        identity comes first. One empty dict when no group is fitted.

    Raises
    ------
    ConfigError
        If there are more than `MAX_ASSIGNMENTS`.
    """
    fitted = [at for at, group in enumerate(groups) if group.fitted]
    count = math.prod(math.factorial(groups[at].copies) for at in fitted)
    if count > MAX_ASSIGNMENTS:
        names = ", ".join(f"{groups[at].name} ({groups[at].copies} copies)" for at in fitted)
        raise ConfigError(
            f"superposition with interchangeable copies of {names} has {count:,} assignments "
            f"per pair; at most {MAX_ASSIGNMENTS:,} are tried",
            hint="Superpose on a part without copies (on=...), which is exact for any number "
            "of copies; or use alignment 'none' or 'center'; or switch copies off.",
        )
    several = [itertools.permutations(range(groups[at].copies)) for at in fitted]
    for permutations in itertools.product(*several):
        yield dict(zip(fitted, permutations, strict=True))


def best_totals(scores: FloatArray) -> FloatArray:
    """
    Find the largest total of a square table over all assignments.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(c,c,...)
        Score of giving copy *k* (first axis) the place of copy *l*.

    Returns
    -------
    totals : ndarray, dtype=float64, shape=(...)
        Largest ``sum(scores[k, p[k]])`` over permutations *p*; exact for any
        number of copies.

    Examples
    --------
    >>> best_totals(np.array([[1.0, 5.0], [2.0, 4.0]])).item()
    7.0
    """
    copies = len(scores)
    if copies > _ENUMERATED_COPIES:
        return _solved_totals(scores)
    best = np.full(scores.shape[2:], -np.inf)
    for permutation in itertools.permutations(range(copies)):
        total = scores[0, permutation[0]].copy()
        for k in range(1, copies):
            total += scores[k, permutation[k]]
        np.maximum(best, total, out=best)
    return best


def _solved_totals(scores: FloatArray) -> FloatArray:
    from scipy.optimize import linear_sum_assignment

    copies = len(scores)
    tables = np.moveaxis(scores.reshape(copies, copies, -1), -1, 0)
    rows = np.arange(copies)
    totals = np.empty(len(tables))
    for at, table in enumerate(np.ascontiguousarray(tables)):
        totals[at] = table[rows, linear_sum_assignment(table, maximize=True)[1]].sum()
    return totals.reshape(scores.shape[2:])


def best_assignment(costs: FloatArray) -> tuple[tuple[int, ...], float]:
    """
    Find the assignment of the smallest total cost.

    Parameters
    ----------
    costs : ndarray, dtype=float64, shape=(c,c)
        Cost of giving copy *k* (first axis) the place of copy *l*.

    Returns
    -------
    permutation : tuple of int
        The best permutation; the identity where nothing is better by more
        than rounding.
    total : float
        Its cost.

    Examples
    --------
    >>> best_assignment(np.array([[3.0, 1.0], [1.0, 3.0]]))
    ((1, 0), 2.0)
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(costs)
    total, as_is = float(costs[rows, columns].sum()), float(np.trace(costs))
    if as_is <= total * (1 + 1e-12):
        return tuple(range(len(costs))), as_is
    return tuple(int(c) for c in columns), total
