"""
Clusters of very many models around medoids or means, from samples and batches.

CLARA (Kaufman and Rousseeuw 1990) finds medoids in samples and assigns all
models to them by exact distances; the best of several samples is kept. Mini-batch
k-means (Sculley 2010) works on coordinates and needs a distance without rotation.
Both are heuristics; what they report of their result is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from congruence.compute._packing import TILE, Packer
from congruence.compute._resolve import Data, resolve
from congruence.compute.compression import compress
from congruence.compute.rows import DistanceRows
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from congruence.compute.metric import Metric
    from congruence.typing import FloatArray, IntArray

__all__ = ["MeanClusters", "MedoidClusters", "clara", "minibatch_kmeans", "pam"]

_SWAPS = 1000
_BATCH = 1024


@dataclass(frozen=True, eq=False)
class MedoidClusters:
    """
    Clusters around medoids.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model: its nearest medoid, the first among equals.
    medoids : ndarray, dtype=int64, shape=(k,)
        The model in the middle of each cluster, largest cluster first.
    to_medoid : ndarray, dtype=float64, shape=(m,)
        Distance of each model to its medoid, in Å.
    costs : tuple of float
        Mean distance to the medoid, in Å, that each sample led to.
    sample_size : int
        Models in a sample.
    seed : int
        Seed of the samples.
    definition : dict of str to str
        Words on how the distances were made.
    """

    labels: IntArray
    medoids: IntArray
    to_medoid: FloatArray
    costs: tuple[float, ...]
    sample_size: int
    seed: int
    definition: dict[str, str] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """Mean distance of a model to its medoid, in Å."""
        return float(self.to_medoid.mean())

    def text(self) -> str:
        """
        Say what is exact and what is not.

        Returns
        -------
        text : str
            For a person.
        """
        spread = max(self.costs) - min(self.costs)
        return (
            f"{len(self.medoids)} medoids from the best of {len(self.costs)} samples of "
            f"{self.sample_size:,} models (seed {self.seed}): mean distance to the medoid "
            f"{self.cost:.3f} Å, largest {self.to_medoid.max():.3f} Å, both over all models and "
            f"exact. Other medoids may be better; the samples differed by {spread:.3f} Å."
        )


def clara(
    data: Data,
    metric: Metric,
    k: int,
    *,
    seed: int = 0,
    samples: int = 5,
    sample_size: int | None = None,
    threads: int | None = None,
    compression: Literal["auto", "off"] = "auto",
) -> MedoidClusters:
    """
    Cluster around *k* medoids found in samples (CLARA).

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    k : int
        Number of clusters.
    seed : int
        Seed of the samples.
    samples : int
        Number of samples; the medoids of the best one so far belong to the next.
    sample_size : int, optional
        Models in a sample; ``max(500, 40 + 2 k)`` by default. All of them when
        there are no more, and then one sample is enough.
    threads : int, optional
        Threads; all available cores by default.
    compression : {"auto", "off"}
        Whether pseudo-beads may be used.

    Returns
    -------
    clusters : MedoidClusters
        Deterministic for a seed. Takes ``samples (s²/2 + 128 m ceil(k/128))``
        distances and 8 m k bytes, no matrix.

    Raises
    ------
    ConfigError
        If there are fewer models than clusters, or an argument is impossible.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.

    References
    ----------
    doi:10.1002/9780470316801.ch3

    Examples
    --------
    Models of one bead on a line, in two heaps:

    >>> from congruence.compute.metric import Metric
    >>> line = np.zeros((5, 1, 3))
    >>> line[:, 0, 0] = [0, 1, 2, 20, 22]
    >>> found = clara(line, Metric("none"), 2)
    >>> found.labels.tolist(), found.medoids.tolist(), round(found.cost, 3)
    ([0, 0, 0, 1, 1], [1, 3], 0.8)
    """
    m = resolve(data, metric).source.shape[0]
    size = min(m, max(500, 40 + 2 * k) if sample_size is None else sample_size)
    _check(k, m, size, samples)
    packed = compress(data, metric, threads=threads) if compression == "auto" else None
    if packed is None:
        rows = DistanceRows(data, metric, threads=threads)
        definition = rows.definition
    else:
        rows = DistanceRows(packed.source, packed.metric, threads=threads)
        definition = packed.resolved.definition | {"compression": packed.text()}
    random = np.random.default_rng(seed)
    best: tuple[IntArray, FloatArray] | None = None
    costs = []
    for _ in range(1 if size == m else samples):
        kept = np.empty(0, np.int64) if best is None else best[0]
        chosen = _sample(random, m, size, kept)
        medoids = np.sort(chosen[pam(rows.between(chosen), k)])
        distances = rows.rows(medoids)
        costs.append(float(distances.min(axis=0).mean()))
        if best is None or costs[-1] < min(costs[:-1]):
            best = medoids, distances
    assert best is not None  # at least one sample was taken
    labels, medoids, nearest = _by_size(*best)
    return MedoidClusters(labels, medoids, nearest, tuple(costs), size, seed, definition)


def _check(k: int, m: int, size: int, samples: int) -> None:
    if not 1 <= k <= m:
        raise ConfigError(
            f"{k} clusters asked for, but there are {m} models", hint=f"Ask for 1 to {m}."
        )
    if size < k:
        raise ConfigError(
            f"samples of {size} models hold no {k} medoids", hint="Take larger samples."
        )
    if samples < 1:
        raise ConfigError(f"{samples} samples asked for", hint="Take one or more; five are usual.")


def _sample(random: np.random.Generator, m: int, size: int, kept: IntArray) -> IntArray:
    drawn = random.permutation(m)[:size]
    others = drawn[~np.isin(drawn, kept)][: size - len(kept)]
    sample: IntArray = np.sort(np.concatenate([kept, others])).astype(np.int64)
    return sample


def _by_size(medoids: IntArray, distances: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    nearest = distances.argmin(axis=0)
    nearest[medoids] = np.arange(len(medoids))
    sizes = np.bincount(nearest, minlength=len(medoids))
    order = np.lexsort((medoids, -sizes))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    to_medoid = distances[nearest, np.arange(distances.shape[1])]
    return place[nearest].astype(np.int64), medoids[order], to_medoid


def pam(square: FloatArray, k: int) -> IntArray:
    """
    Find *k* medoids among all models: greedy start, then the best swap until none helps.

    Parameters
    ----------
    square : ndarray, dtype=float64, shape=(m,m)
        Distances in Å.
    k : int
        Number of medoids.

    Returns
    -------
    medoids : ndarray, dtype=int64, shape=(k,)
        Ascending. A local optimum: no single swap lowers the sum of distances.

    References
    ----------
    doi:10.1016/j.is.2021.101804

    Examples
    --------
    >>> x = np.array([0.0, 1, 2, 20, 22])
    >>> pam(abs(x[:, None] - x), 2).tolist()
    [1, 3]
    """
    medoids = _build(square, k)
    for _ in range(_SWAPS):
        near = square[medoids]
        order = np.argsort(near, axis=0, kind="stable")
        at = np.arange(len(square))
        first, own = near[order[0], at], order[0]
        second = near[order[1], at] if k > 1 else np.full(len(square), np.inf)
        gain = np.minimum(square - first, 0.0)
        loss = np.minimum(square, second) - first - gain
        belongs = np.zeros((len(square), k))
        belongs[at, own] = 1.0
        change = gain.sum(axis=1)[:, None] + loss @ belongs
        change[medoids] = np.inf
        best = int(change.argmin())
        candidate, replaced = divmod(best, k)
        if change[candidate, replaced] >= -1e-9 * max(first.sum(), 1e-300):
            break
        medoids[replaced] = candidate
    return np.sort(medoids)


def _build(square: FloatArray, k: int) -> IntArray:
    medoids = [int(square.sum(axis=1).argmin())]
    first = square[medoids[0]].copy()
    while len(medoids) < k:
        gain = np.maximum(first - square, 0.0).sum(axis=1)
        gain[medoids] = -1.0
        medoids.append(int(gain.argmax()))
        first = np.minimum(first, square[medoids[-1]])
    return np.array(medoids, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class MeanClusters:
    """
    Clusters around means of coordinates.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model, the one with the nearest mean.
    spread : float
        Root of the mean squared distance of a model to the mean of its cluster,
        in Å, over all models.
    k : int
        Number of clusters asked for.
    seed : int
        Seed of the batches.
    definition : dict of str to str
        Words on how the distances were made.
    """

    labels: IntArray
    spread: float
    k: int
    seed: int
    definition: dict[str, str] = field(default_factory=dict)


def minibatch_kmeans(
    data: Data,
    metric: Metric,
    k: int,
    *,
    seed: int = 0,
    epochs: int = 10,
    threads: int | None = None,
) -> MeanClusters:
    """
    Cluster coordinates by k-means on batches.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å; read once per epoch unless they can be compressed.
    metric : Metric
        The definition of the distance: alignment ``"none"`` or ``"center"``,
        without copies to interchange.
    k : int
        Number of clusters.
    seed : int
        Seed of start and order of batches.
    epochs : int
        Passes over the models.
    threads : int, optional
        Threads of the compression; the clustering takes one.

    Returns
    -------
    clusters : MeanClusters
        Approximate: batches and their order matter. Not the k-means on rows of
        the matrix that `congruence.compute.clustering.cluster` does.

    Raises
    ------
    ConfigError
        If models are superposed or copies interchanged, where no mean of
        coordinates exists, or there are fewer models than clusters.

    References
    ----------
    doi:10.1145/1772690.1772862
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    resolved = resolve(data, metric)
    if resolved.planes == 3 or resolved.groups:
        raise ConfigError(
            "k-means on coordinates needs a distance without rotation and without copies to "
            "interchange",
            hint="Cluster around medoids, or by a threshold; both take any distance.",
        )
    m = resolved.source.shape[0]
    _check(k, m, m, 1)
    packed = compress(data, metric, threads=threads)
    definition = resolved.definition
    if packed is not None:
        resolved = resolve(packed.source, packed.metric)
        definition = definition | {"compression": packed.text()}
    packer = Packer(resolved)
    random = np.random.default_rng(seed)
    means = MiniBatchKMeans(k, random_state=seed, batch_size=_BATCH, n_init=3)
    with threadpool_limits(1):
        start = np.sort(random.permutation(m)[: max(_BATCH, 4 * k)])
        means.partial_fit(np.concatenate([_flat(packer, int(i), int(i) + 1) for i in start]))
        for _ in range(epochs):
            for at in random.permutation(np.arange(0, m, _BATCH)):
                means.partial_fit(_flat(packer, int(at), min(m, int(at) + _BATCH)))
        labels, square = _nearest_means(packer, np.asarray(means.cluster_centers_))
    return MeanClusters(labels, float(np.sqrt(square / m)), k, seed, definition)


def _flat(packer: Packer, start: int, stop: int) -> FloatArray:
    """Return models as vectors whose distances are those of the metric."""
    packed = packer.models(np.arange(start, stop))
    return np.concatenate([part[0, 0] for part in packed.measure.parts], axis=1)


def _nearest_means(packer: Packer, centers: FloatArray) -> tuple[IntArray, float]:
    m = packer.resolved.source.shape[0]
    labels, total = np.empty(m, dtype=np.int64), 0.0
    for start in range(0, m, TILE):
        rows = _flat(packer, start, min(m, start + TILE))
        square = (rows**2).sum(1)[:, None] - 2.0 * rows @ centers.T + (centers**2).sum(1)
        labels[start : start + len(rows)] = square.argmin(axis=1)
        own = centers[labels[start : start + len(rows)]]
        total += float(((rows - own) ** 2).sum())
    return labels, total
