"""How many clusters: an advice that may be one, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from congruence.core.results import ClusterAdvice

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

__all__ = ["AGREEMENT", "SILHOUETTE", "Partition", "advise"]

SILHOUETTE = 0.25
"""Mean silhouette below which there is no substantial structure (Kaufman and Rousseeuw 1990)."""
AGREEMENT = 0.7
"""Adjusted Rand index that two halves must reach."""

_CLOSE = 0.05
_EXCESS = 0.05
_DEVIATIONS = 2.0
_REFERENCES = 10
_SPLITS = 5
_LARGEST = 10
_SAMPLE = 500


class Partition(Protocol):
    """A method that parts models into a given number of clusters."""

    def __call__(self, square: FloatArray, k: int, /) -> IntArray:
        """
        Part models into clusters.

        Parameters
        ----------
        square : ndarray, dtype=float64, shape=(m,m)
            Distances in Å.
        k : int
            Number of clusters, at most m.

        Returns
        -------
        labels : ndarray, dtype=int64, shape=(m,)
            Label of each model, any distinct integers.
        """


def advise(square: FloatArray, partition: Partition, *, seed: int = 0) -> ClusterAdvice:
    """
    Advise a number of clusters, possibly one.

    Numbers from two to ten (at most half the models) are tried. A number is
    supported when

    * its mean silhouette [1]_ is at least 0.25 [2]_;
    * two random halves, clustered on their own, place each other's models
      alike: adjusted Rand index of 0.7 or more, the mean of both directions
      and the median of five splits (after [3]_);
    * its silhouette exceeds, by 0.05 and by two standard deviations, that of
      structureless models: ten uniform boxes with the variances of the
      models along their principal coordinates (after [4]_).

    Among the supported numbers the largest is advised whose silhouette is
    within 0.05 of the best one; without a supported number, one.

    Parameters
    ----------
    square : ndarray, dtype=float64, shape=(m,m)
        Distances in Å, symmetric, zero on the diagonal.
    partition : Partition
        The method that the advice is for.
    seed : int
        Seed of the halves, of the structureless models and, above 500
        models, of the 500 that are looked at.

    Returns
    -------
    advice : ClusterAdvice
        The number, why, and silhouette and agreement of each number tried.

    Notes
    -----
    It does not tell whether sampling is exhaustive: the halves are drawn from
    all models, whatever their run. A long path of models without gaps may
    still be cut into pieces. Takes some seconds at 500 models and no longer
    above that.

    References
    ----------
    .. [1] Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7
    .. [2] Kaufman and Rousseeuw 1990, doi:10.1002/9780470316801, table 4
    .. [3] Tibshirani and Walther 2005, doi:10.1198/106186005X59243
    .. [4] Tibshirani et al. 2001, doi:10.1111/1467-9868.00293
    """
    m = len(square)
    if m < 4:
        some = f"{m} models are" if m != 1 else "One model is"
        return ClusterAdvice(1, f"{some} too few to look for more than one cluster.")
    if not square.any():
        return ClusterAdvice(1, "All models are identical.")
    rng = np.random.default_rng(seed)
    note = ""
    if m > _SAMPLE:
        chosen = np.sort(rng.choice(m, _SAMPLE, replace=False))
        square = square[np.ix_(chosen, chosen)]
        note = f" Judged on {_SAMPLE} of the {m} models, drawn at random."
    halves = [_halves(square, rng) for _ in range(_SPLITS)]
    candidates = []
    for k in range(2, min(_LARGEST, len(square) // 2) + 1):
        silhouette = _silhouette(square, partition(square, k))
        candidates.append((k, silhouette, _agreement(square, partition, k, halves)))
    advice = _choose(square, partition, candidates, rng)
    return ClusterAdvice(advice.k, advice.reason + note, tuple(candidates))


def _choose(
    square: FloatArray,
    partition: Partition,
    candidates: list[tuple[int, float, float]],
    rng: np.random.Generator,
) -> ClusterAdvice:
    checked: dict[int, tuple[str, float]] = {}

    def fault(candidate: tuple[int, float, float]) -> str:
        k, silhouette, agreement = candidate
        if k not in checked:
            checked[k] = _fault(square, partition, silhouette, agreement, k, rng)
        return checked[k][0]

    ranked = sorted(candidates, key=lambda c: (-c[1], c[0]))
    best = next((c for c in ranked if not fault(c)), None)
    if best is None:
        k = ranked[0][0]
        return ClusterAdvice(
            1, f"One cluster: the best split, into {k}, is not supported, as {checked[k][0]}."
        )
    close = [c for c in candidates if c[1] >= best[1] - _CLOSE and not fault(c)]
    k, silhouette, agreement = max(close)
    return ClusterAdvice(
        k,
        f"{k} clusters: mean silhouette {silhouette:.2f}, against {checked[k][1]:.2f} for models "
        f"without structure; two halves agree by {agreement:.2f} (adjusted Rand index).",
    )


def _fault(
    square: FloatArray,
    partition: Partition,
    silhouette: float,
    agreement: float,
    k: int,
    rng: np.random.Generator,
) -> tuple[str, float]:
    """Say why a number is not supported, if so, and the silhouette without structure."""
    if silhouette < SILHOUETTE:
        return f"its mean silhouette of {silhouette:.2f} is below {SILHOUETTE:g}", 0.0
    if agreement < AGREEMENT:
        return f"two halves agree by only {agreement:.2f} on it (below {AGREEMENT:g})", 0.0
    mean, deviation = _structureless(square, partition, k, rng)
    if silhouette < mean + max(_EXCESS, _DEVIATIONS * deviation):
        return (
            f"its mean silhouette of {silhouette:.2f} is not clearly above the {mean:.2f} "
            "of models without structure"
        ), mean
    return "", mean


def _silhouette(square: FloatArray, labels: IntArray) -> float:
    from sklearn.metrics import silhouette_samples

    found = len(np.unique(labels))
    if not 2 <= found < len(labels):
        return 0.0
    return float(np.mean(silhouette_samples(square, labels, metric="precomputed")))


class _Half(NamedTuple):
    """A random half of the models, and their distances."""

    models: IntArray
    square: FloatArray


def _halves(square: FloatArray, rng: np.random.Generator) -> tuple[_Half, _Half]:
    m = len(square)
    order = rng.permutation(m)
    one, two = np.sort(order[: m // 2]), np.sort(order[m // 2 :])
    return _Half(one, square[np.ix_(one, one)]), _Half(two, square[np.ix_(two, two)])


def _agreement(
    square: FloatArray, partition: Partition, k: int, halves: list[tuple[_Half, _Half]]
) -> float:
    """Compare how halves are parted with how the other half would part them (adjusted Rand index)."""
    from sklearn.metrics import adjusted_rand_score

    scores = []
    for one, two in halves:
        own = [partition(h.square, k) for h in (one, two)]
        for here, labels, there, known in (
            (one, own[0], two, own[1]),
            (two, own[1], one, own[0]),
        ):
            medoids = there.models[_medoids(there.square, known)]
            given = square[np.ix_(here.models, medoids)].argmin(axis=1)
            scores.append(adjusted_rand_score(labels, given))
    return float(np.median(np.reshape(scores, (-1, 2)).mean(axis=1)))


def _medoids(square: FloatArray, labels: IntArray) -> IntArray:
    found = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        found.append(members[square[np.ix_(members, members)].sum(axis=1).argmin()])
    return np.array(found)


def _structureless(
    square: FloatArray, partition: Partition, k: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of the silhouette of clouds without clusters."""
    from scipy.spatial.distance import pdist, squareform

    m = len(square)
    widths = np.sqrt(12 * _principal_variances(square))
    values = []
    for _ in range(_REFERENCES):
        cloud = squareform(pdist(rng.random((m, len(widths))) * widths))
        values.append(_silhouette(cloud, partition(cloud, k)))
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _principal_variances(square: FloatArray) -> FloatArray:
    """Variances along the principal coordinates (classical scaling), largest first."""
    gram = square**2
    gram = -0.5 * (gram - gram.mean(axis=0) - gram.mean(axis=1)[:, None] + gram.mean())
    values = np.linalg.eigvalsh(gram)[::-1] / (len(square) - 1)
    kept: FloatArray = values[values > 1e-9 * values[0]]
    return kept
