"""The greedy clustering by largest neighbourhoods, whatever neighbours are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import BoolArray, IntArray

__all__ = ["greedy_clusters"]


def greedy_clusters(
    counts: IntArray,
    members_of: Callable[[int, BoolArray], IntArray],
    leave: Callable[[IntArray, BoolArray, IntArray], None],
    finish: Callable[[BoolArray, IntArray], tuple[IntArray, IntArray] | None] = (
        lambda free, counts: None
    ),
) -> tuple[IntArray, IntArray]:
    """
    Take the largest neighbourhood away until only lone models are left.

    Returns the labels of the models and the center of each cluster.
    """
    counts = counts.copy()
    labels = np.full(len(counts), -1, dtype=np.int64)
    free = np.ones(len(counts), dtype=bool)
    centers: list[int] = []
    while free.any():
        rest = finish(free, counts)
        if rest is not None:
            labels[free] = len(centers) + rest[0]
            centers += rest[1].tolist()
            break
        center = int(counts.argmax())
        if counts[center] == 1:
            labels[free] = len(centers) + np.arange(free.sum())
            centers += np.flatnonzero(free).tolist()
            break
        members = members_of(center, free)
        labels[members] = len(centers)
        free[members] = False
        leave(members, free, counts)
        counts[members] = 0
        centers.append(center)
    return labels, np.array(centers, dtype=np.int64)
