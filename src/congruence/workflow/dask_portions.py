"""
How work is divided into tasks of much the same length.

All of it follows from estimates that depend on the numbers of models, beads and
voxels, never on workers or on the clock: a job is divided alike wherever it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AIM", "divided", "more", "together"]

AIM = 0.75
"""Seconds of one core that a task is meant to take."""

_NOTHING = 1e-12
_SHORT, _LONG = 0.4, 2.4
"""In what is aimed at: below the one, a task is joined to another if both stay below the other."""


def together(seconds: Sequence[float], aim: float = AIM) -> list[range]:
    """
    Join neighbouring pieces of work into tasks.

    Parameters
    ----------
    seconds : sequence of float
        Estimated time of each piece.
    aim : float
        What a task is meant to take.

    Returns
    -------
    tasks : list of range
        Pieces of each, all of them in their order. As many tasks as the sum asks for, as even
        as the pieces allow: none takes more than twice the aim, unless a piece does or one that
        is very short is joined to it.

    Examples
    --------
    >>> together([0.1, 0.2, 0.3, 0.1, 0.9, 0.1])
    [range(0, 4), range(4, 6)]
    """
    tasks: list[range] = []
    aim = max(aim, _NOTHING)
    left, count = sum(seconds), max(1, round(sum(seconds) / aim))
    start, current = 0, 0.0
    for at, following in enumerate([*seconds[1:], 0.0][: len(seconds)]):
        current += seconds[at]
        enough = left / max(count - len(tasks), 1)
        last = at + 1 == len(seconds)
        if last or (len(tasks) + 1 < count and current + following / 2 > enough):
            tasks.append(range(start, at + 1))
            start, left, current = at + 1, left - current, 0.0
    return _joined(tasks, seconds, aim)


def _joined(tasks: list[range], seconds: Sequence[float], aim: float) -> list[range]:
    """Join tasks that are too short to a neighbour: to the shorter of two."""
    spans = [sum(seconds[k] for k in task) for task in tasks]
    at = 0
    while at < len(tasks):
        near = [k for k in (at - 1, at + 1) if 0 <= k < len(tasks)]
        other = min(near, key=lambda k: spans[k], default=at)
        if spans[at] >= _SHORT * aim or other == at or spans[at] + spans[other] > _LONG * aim:
            at += 1
            continue
        first, second = sorted((at, other))
        tasks[first : second + 1] = [range(tasks[first].start, tasks[second].stop)]
        spans[first : second + 1] = [spans[first] + spans[second]]
        at = first
    return tasks


def divided(sizes: Sequence[int], aim: int, least: int = 1) -> list[list[tuple[int, int, int]]]:
    """
    Divide rows that may be divided anywhere into tasks of the same number of rows.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each piece, such as frames of a file.
    aim : int
        Rows that a task is meant to have.
    least : int
        Number of tasks, at least, if there are as many rows.

    Returns
    -------
    tasks : list of list of (int, int, int)
        For each task the pieces that it takes rows of: their number, the first row of them, and
        one past the last.

    Examples
    --------
    >>> divided([5, 1, 2], 3)
    [[(0, 0, 3)], [(0, 3, 5), (1, 0, 1)], [(2, 0, 2)]]
    """
    total = sum(sizes)
    count = min(total, max(1, least, round(total / max(aim, 1))))
    ends = [-(-total * (k + 1) // count) for k in range(count)]
    tasks: list[list[tuple[int, int, int]]] = [[] for _ in ends]
    task = row = 0
    for piece, size in enumerate(sizes):
        done = 0
        while done < size:
            taken = min(size - done, ends[task] - row)
            tasks[task].append((piece, done, done + taken))
            done, row = done + taken, row + taken
            task += row == ends[task]
    return tasks


def more(name: str, count: int) -> str:
    """
    Name a task by the first of what it does, and say how many more there are.

    Parameters
    ----------
    name : str
        Of the first.
    count : int
        Of all.

    Returns
    -------
    name : str
        For the dashboard.

    Examples
    --------
    >>> more("density-cluster.0-Rpb4", 3), more("density-cluster.0-Rpb4", 1)
    ('density-cluster.0-Rpb4-and-2-more', 'density-cluster.0-Rpb4')
    """
    return name if count == 1 else f"{name}-and-{count - 1}-more"
