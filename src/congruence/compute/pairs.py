"""
Distances of all pairs of models, kept or measured again whenever they are asked for.

The tests of exhaustiveness ask for bins, single rows and sums, never for the whole
matrix. `MatrixPairs` has it; `StreamedPairs` has only the models and passes over all
pairs for each answer, with the same numbers and m² bytes at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from congruence.compute.scan import bin_distances, count_close_pairs, neighbourhood_clusters
from congruence.core.results import DistanceMatrix
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.compute.scan import Bins
    from congruence.core.results import Alignment
    from congruence.typing import FloatArray, IntArray

__all__ = ["MatrixPairs", "Pairs", "Spread", "as_pairs"]


class Spread(NamedTuple):
    """Smallest, largest and mean distance of two different models in Å."""

    low: float
    high: float
    mean: float


class Pairs(Protocol):
    """All distances of *m* models, as far as they are asked for."""

    @property
    def m(self) -> int:
        """Number of models."""

    @property
    def alignment(self) -> Alignment:
        """Alignment of the distance."""

    @property
    def definition(self) -> dict[str, str]:
        """Words on the distance."""

    def spread(self) -> Spread:
        """Return the range of the distances and their mean."""

    def bins(self, thresholds: Sequence[float] | FloatArray) -> Bins:
        """Return the number of thresholds below each distance."""

    def row(self, i: int) -> FloatArray:
        """Return the distances of one model to all, zero at itself."""

    def to_center(self, members: IntArray) -> FloatArray:
        """Return the distances of members to the first of them, with all digits."""

    def sums(self, clusters: Sequence[IntArray]) -> tuple[FloatArray, ...]:
        """Return the sum of the distances of each member to the others of its cluster."""

    def take(self, models: IntArray) -> DistanceMatrix:
        """Return the matrix of some models."""

    def clusters(self, threshold: float) -> tuple[IntArray, ...]:
        """Return the clusters at a threshold, the center of each first."""

    def close(self, thresholds: Sequence[float]) -> tuple[int, ...]:
        """Count the pairs within 1e-6 Å of each threshold."""


@dataclass(frozen=True, eq=False)
class MatrixPairs:
    """
    Distances that are kept.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å, as thresholds see them.
    from_center : callable, optional
        Takes the members of a cluster, the center first, and returns their
        distances to it; instead of those of the matrix.
    """

    matrix: DistanceMatrix
    from_center: Callable[[IntArray], FloatArray] | None = None

    @property
    def m(self) -> int:
        """Number of models."""
        return self.matrix.m

    @property
    def alignment(self) -> Alignment:
        """Alignment of the distance."""
        return self.matrix.alignment

    @property
    def definition(self) -> dict[str, str]:
        """Words on the distance."""
        return self.matrix.definition

    def spread(self) -> Spread:
        """
        Return the range of the distances and their mean.

        Returns
        -------
        spread : Spread
            In Å.

        Raises
        ------
        ShapeError
            If a distance is not a number; models are named.
        """
        values = self.matrix.condensed
        if not len(values):
            return Spread(0.0, 0.0, 0.0)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ShapeError(
                f"{len(bad)} distances are not numbers, the first between models "
                f"{' and '.join(self._pair(int(bad[0])))}",
                hint="Leave out the models whose distances could not be computed.",
            )
        return Spread(float(values.min()), float(values.max()), float(values.mean(dtype=float)))

    def _pair(self, at: int) -> tuple[str, str]:
        starts = np.cumsum(np.arange(self.m - 1, 0, -1))
        i = int(np.searchsorted(starts, at, side="right"))
        j = at - (int(starts[i - 1]) if i else 0) + i + 1
        names = self.matrix.names or tuple(str(k) for k in range(self.m))
        return names[i], names[j]

    def bins(self, thresholds: Sequence[float] | FloatArray) -> Bins:
        """
        Return the number of thresholds below each distance.

        Parameters
        ----------
        thresholds : sequence of float
            Strictly ascending, in Å.

        Returns
        -------
        bins : Bins
            For `congruence.compute.scan.neighbourhood_clusters`.
        """
        return bin_distances(self.matrix, thresholds)

    def row(self, i: int) -> FloatArray:
        """
        Return the distances of one model to all.

        Parameters
        ----------
        i : int
            The model.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(m,)
            In Å; zero at `i`.
        """
        return self.matrix.row(i)

    def to_center(self, members: IntArray) -> FloatArray:
        """
        Return the distances of members to the first of them.

        Parameters
        ----------
        members : ndarray, dtype=int64, shape=(n,)
            Members, the center first.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(n,)
            In Å; the first is 0.
        """
        if self.from_center is not None:
            return self.from_center(members)
        return self.row(int(members[0]))[members]

    def sums(self, clusters: Sequence[IntArray]) -> tuple[FloatArray, ...]:
        """
        Return the sum of the distances of each member to the others of its cluster.

        Parameters
        ----------
        clusters : sequence of ndarray, dtype=int64
            Members of each cluster.

        Returns
        -------
        sums : tuple of ndarray, dtype=float64
            In Å, in the order of the members.
        """
        return tuple(
            np.array([self.row(int(i))[members].sum() for i in members]) for members in clusters
        )

    def take(self, models: IntArray) -> DistanceMatrix:
        """
        Return the matrix of some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Models, each once.

        Returns
        -------
        matrix : DistanceMatrix
            The matrix itself for all models in their order.
        """
        every = len(models) == self.m and bool((models == np.arange(self.m)).all())
        return self.matrix if every else self.matrix.take(models)

    def clusters(self, threshold: float) -> tuple[IntArray, ...]:
        """
        Cluster at one threshold.

        Parameters
        ----------
        threshold : float
            In Å.

        Returns
        -------
        clusters : tuple of ndarray, dtype=int64
            As of `congruence.compute.scan.neighbourhood_clusters`.
        """
        return neighbourhood_clusters(self.bins([threshold]), 0)

    def close(self, thresholds: Sequence[float]) -> tuple[int, ...]:
        """
        Count the pairs whose side of a threshold depends on the last digits.

        Parameters
        ----------
        thresholds : sequence of float
            In Å.

        Returns
        -------
        counts : tuple of int
            Pairs within 1e-6 Å of each.
        """
        return tuple(count_close_pairs(self.matrix, t) for t in thresholds)


def as_pairs(distances: DistanceMatrix | Pairs) -> Pairs:
    """
    Let a matrix be asked like anything that measures pairs.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.

    Returns
    -------
    pairs : Pairs
        What was given, or a view of it.
    """
    return MatrixPairs(distances) if isinstance(distances, DistanceMatrix) else distances
