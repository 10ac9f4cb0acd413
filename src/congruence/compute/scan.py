"""
Threshold clustering of many thresholds from one pass over the distances.

Each distance is replaced by the number of thresholds below it, one byte a pair
for up to 255 thresholds; a distance is at most threshold *k* exactly when that
number is at most *k*. The counts of all neighbours at all thresholds follow from
one histogram per model, and the greedy clustering of Daura et al. (1999,
doi:10.1002/(SICI)1521-3773(19990115)38:1/2<236::AID-ANIE236>3.0.CO;2-M) at one
threshold then reads only the rows of models that leave: at most m² bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.core.results import DistanceMatrix
    from congruence.typing import FloatArray, IntArray

__all__ = ["Bins", "bin_distances", "count_close_pairs", "neighbourhood_clusters"]

BinArray: TypeAlias = npt.NDArray[Any]

_MOST = 65_535
_ROWS = 255  # so many true values fit into the sum of one byte
_EDGE = 1024
_CELLS = 4096
_LEAST_GAP = 1e-100
_IN_CACHE = 1 << 15  # numbers
_GATHER = 6  # picking single bytes costs about so many times more than reading rows


@dataclass(frozen=True, eq=False)
class Bins:
    """
    Distances of *m* models as numbers of thresholds below them.

    Parameters
    ----------
    thresholds : ndarray, dtype=float64, shape=(t,)
        Ascending, in Å.
    square : ndarray, dtype=uint8 or uint16, shape=(m,m)
        Number of thresholds that are smaller than the distance; symmetric,
        0 on the diagonal.
    counts : ndarray, dtype=int64, shape=(t,m)
        Neighbours of each model at each threshold, itself included.
    """

    thresholds: FloatArray
    square: BinArray
    counts: IntArray

    @property
    def m(self) -> int:
        """Number of models."""
        return len(self.square)

    def take(self, models: IntArray) -> Bins:
        """
        Return the bins of some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Models; some may come more than once, and are then 0 Å apart.

        Returns
        -------
        bins : Bins
            Of *k* models.
        """
        square = self.square[np.ix_(models, models)]
        return Bins(self.thresholds, square, _counts(square, len(self.thresholds)))


def bin_distances(matrix: DistanceMatrix, thresholds: Sequence[float] | FloatArray) -> Bins:
    """
    Replace distances by the number of thresholds below them.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å; compared as float64 whatever they are stored as.
    thresholds : sequence of float
        Strictly ascending, in Å; at most 65,535.

    Returns
    -------
    bins : Bins
        m² bytes (twice as many beyond 255 thresholds) and 8 t m bytes of counts.

    Raises
    ------
    ConfigError
        If there is no threshold, there are too many, or they do not ascend.
    ShapeError
        If a distance is not finite.

    Examples
    --------
    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 2.0, 3.0]), 3, Alignment.NONE)
    >>> bin_distances(d, [1.0, 2.5]).counts.tolist()
    [[2, 2, 1], [3, 2, 2]]
    """
    levels = np.asarray(thresholds, dtype=np.float64)
    if not 0 < len(levels) <= _MOST or not (np.diff(levels) > 0).all():
        raise ConfigError(
            f"{len(levels)} thresholds, expected 1 to {_MOST:,}, each larger than the one before",
            hint="Take a larger step between thresholds.",
        )
    if not np.isfinite(matrix.condensed).all():
        bad = int((~np.isfinite(matrix.condensed)).sum())
        raise ShapeError(
            f"{bad} of {len(matrix.condensed)} distances are not numbers",
            hint="Leave out the models whose coordinates or distances could not be computed.",
        )
    m = matrix.m
    square = np.zeros((m, m), dtype=np.uint8 if len(levels) <= 255 else np.uint16)
    below = _counter(levels, square.dtype)
    binned = np.empty(len(matrix.condensed), dtype=square.dtype)
    for start in range(0, len(binned), _IN_CACHE):
        part = matrix.condensed[start : start + _IN_CACHE]
        binned[start : start + _IN_CACHE] = below(np.asarray(part, dtype=np.float64))
    at = 0
    for i in range(m):
        square[i, i + 1 :] = binned[at : at + m - i - 1]
        at += m - i - 1
    _mirror(square)
    return Bins(levels, square, _counts(square, len(levels)))


def _counts(square: BinArray, levels: int) -> IntArray:
    m, width = len(square), levels + 1
    counts = np.empty((m, levels), dtype=np.int64)
    step = max(1, _IN_CACHE // max(m, width))
    for start in range(0, m, step):
        rows = square[start : start + step].astype(np.intp)
        rows += (np.arange(len(rows)) * width)[:, None]
        found = np.bincount(rows.ravel(), minlength=len(rows) * width).reshape(-1, width)
        np.cumsum(found[:, :-1], axis=1, out=counts[start : start + step])
    return np.ascontiguousarray(counts.T)


def _counter(levels: FloatArray, kind: np.dtype[Any]) -> Callable[[FloatArray], BinArray]:
    """
    Make the function that counts the thresholds below each distance.

    A table over cells that hold one threshold at most saves the search: it is
    known what lies below the cell, and one comparison decides.
    """
    first, last = float(levels[0]), float(levels[-1])
    gap = 0.9 * float(np.diff(levels).min(initial=last - first or 1.0))
    if gap < _LEAST_GAP or not (last - first) / gap < _CELLS:
        return lambda values: np.searchsorted(levels, values, side="left").astype(kind)

    def cell(values: FloatArray) -> IntArray:
        # Rounding is the same for thresholds and distances, so that their order is kept.
        scaled = (values - first) * (1.0 / gap)
        scaled += 1.0
        found: IntArray = np.clip(scaled, 0.0, _CELLS + 2.0, out=scaled).astype(np.intp)
        return found

    own = cell(levels)
    cells = np.zeros(_CELLS + 3, dtype=np.intp)
    cells[own] = 1
    before = np.cumsum(cells) - cells
    following = np.append(levels, np.inf)[before]
    before = before.astype(kind)

    def below(values: FloatArray) -> BinArray:
        found = cell(values)
        counted: BinArray = before[found]
        counted += values > following[found]
        return counted

    return below


def _mirror(square: BinArray) -> None:
    """Copy the upper triangle to the lower one, in blocks that fit into a cache."""
    m = len(square)
    for i in range(0, m, _EDGE):
        own = square[i : i + _EDGE, i : i + _EDGE]
        own += own.T.copy()
        for j in range(i + _EDGE, m, _EDGE):
            square[j : j + _EDGE, i : i + _EDGE] = square[i : i + _EDGE, j : j + _EDGE].T


def neighbourhood_clusters(bins: Bins, k: int, *, smallest: int = 1) -> tuple[IntArray, ...]:
    """
    Cluster by largest neighbourhoods at one threshold.

    The free model with the most free neighbours (distance at most the threshold,
    itself included; the lowest index among equals) and these neighbours are a
    cluster; repeated until no model is left.

    Parameters
    ----------
    bins : Bins
        From `bin_distances`.
    k : int
        Number of the threshold.
    smallest : int
        Stop before the first cluster of fewer models. Sizes never increase,
        so that the clusters before it are the same.

    Returns
    -------
    clusters : tuple of ndarray, dtype=int64
        In order of creation; in each the center first (the model with the most
        neighbours, not the medoid), then the others, ascending. Reads at most
        m² bytes.

    Examples
    --------
    Four models on a line at 0, 1, 2 and 9 Å; the one at 1 Å has two neighbours:

    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 2, 9, 1, 8, 7]), 4, Alignment.NONE)
    >>> [c.tolist() for c in neighbourhood_clusters(bin_distances(d, [1.0]), 0)]
    [[1, 0, 2], [3]]
    """
    counts = bins.counts[k].copy()
    free = np.ones(bins.m, dtype=bool)
    clusters: list[IntArray] = []
    while True:
        center = int(counts.argmax())
        if counts[center] < max(smallest, 2):
            break
        members = np.flatnonzero((bins.square[center] <= k) & free)
        clusters.append(np.concatenate([[center], members[members != center]]))
        free[members] = False
        if np.count_nonzero(free) < max(smallest, 1):
            return tuple(clusters)
        _leave(bins.square, k, members, free, counts)
    if smallest <= 1:
        clusters += [np.array([i]) for i in np.flatnonzero(free)]
    return tuple(clusters)


def _leave(square: BinArray, k: int, members: IntArray, free: npt.NDArray[np.bool_], counts: IntArray) -> None:  # fmt: skip
    """Take members out of the counts of the models that are still free."""
    rest = np.flatnonzero(free)
    counts[members] = 0
    if _GATHER * len(rest) ** 2 < len(members) * len(free):
        counts[rest] = np.count_nonzero(square[np.ix_(rest, rest)] <= k, axis=1)
        return
    for start in range(0, len(members), _ROWS):
        near = square[members[start : start + _ROWS]] <= k
        counts -= np.add.reduce(near.view(np.uint8), axis=0, dtype=np.uint8)


def count_close_pairs(matrix: DistanceMatrix, threshold: float, *, within: float = 1e-6) -> int:
    """
    Count the pairs whose side of a threshold depends on the last digits.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    threshold : float
        Threshold in Å.
    within : float
        How near a distance must be, in Å.

    Returns
    -------
    count : int
        Pairs at most that far from the threshold.
    """
    return int(np.count_nonzero(np.abs(matrix.condensed.astype(np.float64) - threshold) <= within))
