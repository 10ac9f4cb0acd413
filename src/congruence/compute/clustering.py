"""Clusters of models from their distances."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from congruence.compute._kmeans import kmeans_labels
from congruence.compute.advice import advise
from congruence.compute.partition import describe_partition
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.results import ClusterAdvice, Clustering, DistanceMatrix
    from congruence.typing import (
        BoolArray,
        ByteArray,
        Float32Array,
        FloatArray,
        IntArray,
        ObjectArray,
    )

__all__ = ["METHODS", "Method", "cluster", "threshold_labels"]

Method: TypeAlias = Literal["kmeans", "threshold", "hierarchical", "hdbscan"]
METHODS: tuple[Method, ...] = ("kmeans", "threshold", "hierarchical", "hdbscan")
"""Names of the methods."""

_STARTS = 50
_STARTS_FOR_ADVICE = 5
_COORDINATES_FOR_ADVICE = 32
_MIN_SIZE = 5
_FLOAT64_UP_TO = 3000

_TAKES: dict[str, tuple[str, ...]] = {
    "kmeans": ("k",),
    "threshold": ("threshold",),
    "hierarchical": ("k", "threshold"),
    "hdbscan": ("min_size",),
}


def cluster(
    matrix: DistanceMatrix,
    *,
    method: Method = "kmeans",
    k: int | None = None,
    threshold: float | None = None,
    seed: int = 0,
    scores: FloatArray | None = None,
    runs: Sequence[str] | ObjectArray | None = None,
    min_size: int | None = None,
) -> Clustering:
    """
    Part models into clusters by their distances.

    Four methods:

    * ``"kmeans"``: k-means on the rows of the square matrix, as the reference
      program does; best of 50 seeded starts.
    * ``"threshold"``: the model with most neighbours within `threshold` and
      these neighbours are a cluster; they are removed and the rest is treated
      alike (Daura et al. 1999, "gromos") [1]_. `threshold` is a radius around
      that model, which need not be the medoid.
    * ``"hierarchical"``: average linkage, cut into `k` clusters or at the
      height `threshold`.
    * ``"hdbscan"``: density clusters [2]_; models in sparse places belong to
      none, and a single cloud without structure comes back as no cluster.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    method : {"kmeans", "threshold", "hierarchical", "hdbscan"}
        The method.
    k : int, optional
        Number of clusters, for k-means and hierarchical clustering. Without
        it (and without `threshold`) the number of `advise` is taken, which
        may be one. Fewer come back when fewer models are distinct.
    threshold : float, optional
        Distance in Å, for threshold and hierarchical clustering.
    seed : int
        Seed of k-means and of the advice.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores, lower is better; NaN counts as worst. They order the members.
        Without them the order of the models does.
    runs : sequence of str, length m, optional
        Run of each model.
    min_size : int, optional
        Smallest cluster of HDBSCAN, 5 unless given.

    Returns
    -------
    clustering : Clustering
        Clusters by size, largest first; ties by the lower first member.

    Raises
    ------
    ConfigError
        If the method is unknown or an argument does not fit it, or there are
        fewer models than clusters.
    ShapeError
        If a distance is not a finite number, or `scores` or `runs` do not
        have one value per model.

    Notes
    -----
    The result does not depend on the number of threads. k-means and HDBSCAN
    hold the square matrix: 8 m² bytes up to 3,000 models, above that m² times
    the bytes of a value of `matrix`, and once more while it is made (0.8 GB
    in all for 10,000 models in float32). Threshold clustering takes m²/8
    bytes, average linkage 4 m² (float64, condensed). Time grows as m².

    References
    ----------
    .. [1] doi:10.1002/(SICI)1521-3773(19990115)38:1/2<236::AID-ANIE236>3.0.CO;2-M
    .. [2] doi:10.1007/978-3-642-37456-2_14

    Examples
    --------
    >>> import numpy as np
    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 9.0, 9.0]), 3, Alignment.NONE)
    >>> found = cluster(d, k=2)
    >>> found.labels.tolist(), found.clusters[0].average_rmsd
    ([0, 0, 1], 1.0)
    """
    from threadpoolctl import threadpool_limits

    _check_arguments(method, k=k, threshold=threshold, min_size=min_size)
    _check_matrix(matrix)
    if k is not None and k > matrix.m:
        raise ConfigError(
            f"{k} clusters asked for, but there are {matrix.m} models",
            hint=f"Ask for at most {matrix.m} clusters, or load more models.",
        )
    with threadpool_limits(limits=1):
        # Sums by several threads would depend on which comes first.
        labels, parameters, advice = _part(matrix, method, k, threshold, min_size, seed)
    return describe_partition(
        matrix,
        labels,
        method=method,
        parameters=parameters,
        scores=scores,
        runs=runs,
        advice=advice,
    )


def _part(
    matrix: DistanceMatrix,
    method: Method,
    k: int | None,
    threshold: float | None,
    min_size: int | None,
    seed: int,
) -> tuple[IntArray, dict[str, str | int | float], ClusterAdvice | None]:
    if method == "threshold" and threshold is not None:
        return threshold_labels(matrix, threshold), {"threshold": float(threshold)}, None
    if method == "hdbscan":
        size = min(_MIN_SIZE, max(matrix.m, 2)) if min_size is None else min_size
        return _hdbscan(matrix, size), {"min_size": size}, None
    advice = None
    if k is None and threshold is None:
        advice = _advise(matrix, method, seed)
        k = advice.k
    labels, parameters = _into_k(matrix, method, k, threshold, seed)
    return labels, parameters, advice


def _check_arguments(
    method: str, *, k: int | None, threshold: float | None, min_size: int | None
) -> None:
    if method not in METHODS:
        raise ConfigError(
            f"unknown clustering method '{method}'", hint=f"Methods are: {', '.join(METHODS)}."
        )
    given = {"k": k, "threshold": threshold, "min_size": min_size}
    for name, value in given.items():
        if value is not None and name not in _TAKES[method]:
            takes = " or ".join(_TAKES[method])
            raise ConfigError(
                f"{method} clustering does not take '{name}' ({value})",
                hint=f"Leave '{name}' out, or choose another method; {method} takes {takes}.",
            )
    if k is not None and threshold is not None:
        raise ConfigError(
            f"both a number of clusters ({k}) and a threshold ({threshold} Å) are given",
            hint="Give one of the two: the tree can only be cut once.",
        )
    if method == "threshold" and threshold is None:
        raise ConfigError(
            "threshold clustering needs a threshold",
            hint="Give it in Å; the sampling precision of an exhaustiveness test is a good one.",
        )
    if k is not None and k < 1:
        raise ConfigError(f"{k} clusters asked for", hint="Ask for one or more.")
    if threshold is not None and not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"a threshold of {threshold} Å", hint="Give a distance of 0 Å or more.")
    if min_size is not None and min_size < 2:
        raise ConfigError(f"a smallest cluster of {min_size} models", hint="Give two or more.")


def _check_matrix(matrix: DistanceMatrix) -> None:
    if matrix.m < 1:
        raise ShapeError("a matrix of no models cannot be clustered", hint="Load models first.")
    wrong = np.flatnonzero(~np.isfinite(matrix.condensed))
    if len(wrong):
        i, j = _pair(int(wrong[0]), matrix.m)
        raise ShapeError(
            f"{len(wrong)} distances are not finite, first that of models {i} and {j}",
            hint="Look for coordinates that are not numbers in these models, and leave them out.",
        )


def _pair(position: int, m: int) -> tuple[int, int]:
    starts = np.arange(m) * m - np.arange(m) * (np.arange(m) + 1) // 2
    i = int(np.searchsorted(starts, position, side="right")) - 1
    while i + 1 < m and starts[i + 1] <= position:
        i += 1
    return i, int(position - starts[i] + i + 1)


def _square(matrix: DistanceMatrix) -> FloatArray:
    if matrix.m <= _FLOAT64_UP_TO:
        return matrix.square()
    from scipy.spatial.distance import squareform

    square: FloatArray = squareform(matrix.condensed, checks=False)
    return square


def _into_k(
    matrix: DistanceMatrix, method: Method, k: int | None, threshold: float | None, seed: int
) -> tuple[IntArray, dict[str, str | int | float]]:
    parameters: dict[str, str | int | float] = {}
    if k is not None:
        parameters["k"] = k
    if threshold is not None:
        parameters["threshold"] = float(threshold)
    if method == "hierarchical":
        labels = _average_linkage(matrix.condensed, matrix.m, k, threshold)
        return labels, {**parameters, "linkage": "average"}
    parameters.update(seed=seed, starts=_STARTS)
    if k == 1 or k is None:
        return np.zeros(matrix.m, dtype=np.int64), parameters
    return _kmeans(_square(matrix), k, seed=seed, starts=_STARTS), parameters


def _kmeans(square: FloatArray, k: int, *, seed: int, starts: int) -> IntArray:
    if square.dtype == np.float64 and k > 1:
        labels = kmeans_labels(square, k, seed=seed, starts=starts)
        if labels is not None:
            return labels
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Fewer distinct models than clusters: the labels say so themselves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(n_clusters=k, n_init=starts, random_state=seed, copy_x=True).fit(square)
    return np.asarray(fitted.labels_, dtype=np.int64)


def _average_linkage(
    condensed: Float32Array | FloatArray, m: int, k: int | None, threshold: float | None
) -> IntArray:
    """Cut the tree after the merges below the threshold, or after the first m - k."""
    from scipy.cluster.hierarchy import linkage

    labels = np.arange(m)
    if m == 1:
        return labels
    tree = linkage(condensed.astype(np.float64), "average")
    if threshold is not None:
        merges = int(np.searchsorted(tree[:, 2], threshold, side="right"))
    else:
        merges = m - (k or 1)
    for step, (one, two) in enumerate(tree[:merges, :2].astype(np.int64)):
        labels[(labels == one) | (labels == two)] = m + step
    return labels


def _hdbscan(matrix: DistanceMatrix, min_size: int) -> IntArray:
    from sklearn.cluster import HDBSCAN

    if matrix.m == 1:
        return np.zeros(1, dtype=np.int64)
    if min_size > matrix.m:
        raise ConfigError(
            f"clusters of {min_size} models or more asked for, but there are {matrix.m} models",
            hint=f"Ask for a smallest cluster of at most {matrix.m}, or load more models.",
        )
    found = HDBSCAN(metric="precomputed", min_cluster_size=min_size, copy=False).fit(
        _square(matrix)
    )
    return np.asarray(found.labels_, dtype=np.int64)


def _advise(matrix: DistanceMatrix, method: Method, seed: int) -> ClusterAdvice:
    if method == "kmeans":
        return advise(_square(matrix), _KMeansForAdvice(seed), seed=seed)
    return advise(_square(matrix), _tree_of_square, seed=seed)


class _KMeansForAdvice:
    """Cluster rows by their largest principal coordinates; kept for one k after another."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # with the matrix itself, so that its id is not given to another
        self._known: dict[int, tuple[FloatArray, FloatArray]] = {}

    def __call__(self, square: FloatArray, k: int, /) -> IntArray:
        known = self._known.get(id(square))
        if known is None:
            known = self._known[id(square)] = (square, _principal_rows(square))
        return _kmeans(known[1], k, seed=self._seed, starts=_STARTS_FOR_ADVICE)


def _principal_rows(square: FloatArray) -> FloatArray:
    """Rotate the rows of a symmetric matrix U L U' into those of U L; keep the largest."""
    values, vectors = np.linalg.eigh(square)
    largest = np.sort(np.argsort(-np.abs(values), kind="stable")[:_COORDINATES_FOR_ADVICE])
    rows: FloatArray = vectors[:, largest] * values[largest]
    return rows


def _tree_of_square(square: FloatArray, k: int) -> IntArray:
    from scipy.spatial.distance import squareform

    return _average_linkage(squareform(square, checks=False), len(square), k, None)


def threshold_labels(matrix: DistanceMatrix, threshold: float) -> IntArray:
    """
    Cluster by neighbours within a threshold (Daura et al. 1999).

    The model with the most unassigned neighbours (distance at most
    `threshold`, itself included; the lowest index among equals) and these
    neighbours are a cluster; repeated until no model is left.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    threshold : float
        Distance in Å.

    Returns
    -------
    labels : ndarray, dtype=int64, shape=(m,)
        Clusters in order of creation, so that sizes never increase.

    Notes
    -----
    Takes m²/8 bytes and O(m²) time.

    Examples
    --------
    Four models on a line at 0, 1, 2 and 9 Å; the one at 1 Å has two neighbours:

    >>> import numpy as np
    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 2, 9, 1, 8, 7]), 4, Alignment.NONE)
    >>> threshold_labels(d, 1.0).tolist()
    [0, 0, 0, 1]
    """
    m = matrix.m
    near = np.stack([np.packbits(matrix.row(i) <= threshold) for i in range(m)])
    counts = np.array([_unpack(row, m).sum() for row in near], dtype=np.int64)
    labels = np.full(m, -1, dtype=np.int64)
    free = np.ones(m, dtype=bool)
    found = 0
    while free.any():
        center = int(counts.argmax())
        if counts[center] == 1:
            # Only lone models are left; they follow in order.
            labels[free] = found + np.arange(free.sum())
            break
        members = np.flatnonzero(_unpack(near[center], m) & free)
        labels[members] = found
        free[members] = False
        for row in members:
            counts -= _unpack(near[row], m)
        counts[members] = 0
        found += 1
    return labels


def _unpack(bits: ByteArray, m: int) -> BoolArray:
    return np.unpackbits(bits, count=m).view(np.bool_)
