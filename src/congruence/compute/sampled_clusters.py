"""The clusters at one threshold that both samples fill, and how wide they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.pairs import as_pairs
from congruence.compute.reference_distance import one_by_one
from congruence.core.exhaustiveness import SampledCluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.compute.pairs import Pairs
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["sampled_clusters", "split_clusters"]


def split_clusters(
    distances: DistanceMatrix | Pairs, in_a: BoolArray, threshold: float, *, smallest: int = 11
) -> tuple[tuple[IntArray, ...], tuple[IntArray, ...]]:
    """
    Cluster at one threshold.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    threshold : float
        Threshold in Å; every member is at most that far from its center.
    smallest : int
        Models of each sample that a kept cluster has at least.

    Returns
    -------
    kept, dropped : tuple of ndarray, dtype=int64
        Members of the clusters, the center first, in order of creation.
    """
    every = as_pairs(distances).clusters(threshold)
    kept: list[IntArray] = []
    dropped: list[IntArray] = []
    for members in every:
        from_a = int(np.count_nonzero(in_a[members]))
        big = min(from_a, len(members) - from_a) >= smallest
        (kept if big else dropped).append(members)
    return tuple(kept), tuple(dropped)


def sampled_clusters(
    distances: DistanceMatrix | Pairs, in_a: BoolArray, clusters: Sequence[IntArray]
) -> tuple[SampledCluster, ...]:
    """
    Describe clusters by their spread.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    clusters : sequence of ndarray, dtype=int64
        Members, the center first.

    Returns
    -------
    described : tuple of SampledCluster
        In the same order; all numbers from these distances.
    """
    pairs = as_pairs(distances)
    sums = pairs.sums(clusters)
    return tuple(
        _described(pairs, in_a, at, members, own)
        for at, (members, own) in enumerate(zip(clusters, sums, strict=True))
    )


def _described(
    pairs: Pairs, in_a: BoolArray, index: int, members: IntArray, sums: FloatArray
) -> SampledCluster:
    n = len(members)
    to_center = pairs.to_center(members)
    # Summed one by one, as the reference program does, whose file shows the last digit.
    total = one_by_one(to_center)
    nearest = members[sums <= sums.min() * (1 + 1e-12)].min()
    from_a = int(np.count_nonzero(in_a[members]))
    others = max(n - 1, 1)
    return SampledCluster(
        index=index,
        members=members,
        sizes=(from_a, n - from_a),
        precision=total / others,
        precision_with_center=total / n,
        max_to_center=float(to_center.max()),
        medoid=int(nearest),
        medoid_mean=float(sums.min()) / others,
        mean_pairwise=float(sums.sum()) / (n * others),
    )
