"""The greedy clustering by largest neighbourhoods, whatever neighbours are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import BoolArray, IntArray

__all__ = ["greedy_labels"]


def greedy_labels(
    counts: IntArray,
    members_of: Callable[[int, BoolArray], IntArray],
    leave: Callable[[IntArray, BoolArray, IntArray], None],
    finish: Callable[[BoolArray, IntArray], IntArray | None] = lambda free, counts: None,
) -> IntArray:
    """Take the largest neighbourhood away until only lone models are left."""
    counts = counts.copy()
    labels = np.full(len(counts), -1, dtype=np.int64)
    free = np.ones(len(counts), dtype=bool)
    found = 0
    while free.any():
        rest = finish(free, counts)
        if rest is not None:
            labels[free] = found + rest
            break
        center = int(counts.argmax())
        if counts[center] == 1:
            labels[free] = found + np.arange(free.sum())
            break
        members = members_of(center, free)
        labels[members] = found
        free[members] = False
        leave(members, free, counts)
        counts[members] = 0
        found += 1
    return labels
