"""Which models stand for all where all cannot be held against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.results import Clustering
    from congruence.typing import IntArray, ObjectArray

__all__ = ["sample_of_clusters", "sample_of_runs"]


def sample_of_runs(runs: Sequence[str] | ObjectArray, size: int) -> IntArray:
    """
    Take models evenly from all runs and, within these, from all ranks.

    Parameters
    ----------
    runs : sequence of str, length m
        Run of each model; models are in rank order.
    size : int
        Number of models to take.

    Returns
    -------
    sample : ndarray, dtype=int64, shape=(min(size, m),)
        Ascending. Every run has its share; nothing is random.

    Examples
    --------
    >>> sample_of_runs(["a", "b", "a", "b", "a", "b"], 2).tolist()
    [0, 1]
    """
    m = len(runs)
    if size >= m:
        return np.arange(m)
    _, run = np.unique(np.array([str(r) for r in runs]), return_inverse=True)
    order = np.lexsort((np.arange(m), run))
    return np.sort(order[_evenly(m, size)])


def _evenly(m: int, size: int) -> IntArray:
    """Return positions at the beginning of equal stretches."""
    return np.arange(size, dtype=np.int64) * m // size


def sample_of_clusters(clustering: Clustering, size: int) -> IntArray:
    """
    Take models evenly from all clusters and, within these, from all ranks.

    Parameters
    ----------
    clustering : Clustering
        The clusters.
    size : int
        Number of models to take.

    Returns
    -------
    sample : ndarray, dtype=int64, shape=(min(size, m),)
        Ascending. Each cluster has its share and at least two models (or its
        only one); where there are too many clusters for this, the largest ones
        have. The best-scoring member and the center are among them.
    """
    m = len(clustering.labels)
    if size >= m:
        return np.arange(m)
    groups = [_with_first(c.members, c.center) for c in clustering.clusters]
    if len(clustering.noise):
        groups.append(clustering.noise)
    quotas = _quotas(np.array([len(g) for g in groups]), size)
    chosen = [_some(group, int(quota)) for group, quota in zip(groups, quotas, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _with_first(members: IntArray, center: int) -> IntArray:
    """Put the center behind the best-scoring member, so that both are taken first."""
    rest = members[1:]
    return np.concatenate([members[:1], rest[rest == center], rest[rest != center]])


def _some(group: IntArray, quota: int) -> IntArray:
    if quota <= 2 or quota >= len(group):
        return group[:quota]
    return np.concatenate([group[:2], group[2 + _evenly(len(group) - 2, quota - 2)]])


def _quotas(sizes: IntArray, size: int) -> IntArray:
    """Return how many of each group are taken; they add up to `size`."""
    quotas = np.zeros(len(sizes), dtype=np.int64)
    for least in (1, 2):
        wanted = np.minimum(sizes, least) - quotas
        room = size - int(quotas.sum())
        quotas += np.where(np.cumsum(wanted) <= room, wanted, 0)
    left = size - int(quotas.sum())
    spare = sizes - quotas
    share = left * spare / max(1, int(spare.sum()))
    quotas += np.floor(share).astype(np.int64)
    # What rounding left over goes to the largest remainders, the first among equals.
    over = size - int(quotas.sum())
    order = np.lexsort((np.arange(len(sizes)), np.floor(share) - share))
    order = order[quotas[order] < sizes[order]][:over]
    quotas[order] += 1
    return quotas
