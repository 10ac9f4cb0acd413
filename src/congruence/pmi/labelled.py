"""Points under labels, as scripts hand them over, turned into arrays and copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.topology import CopyGroup
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from congruence.compute.metric import Metric
    from congruence.typing import FloatArray, IntArray

__all__ = ["LabelledModels", "Points", "label_models"]

Points = "Mapping[str, Sequence[Any]]"
"""Label -> list of points of three numbers in Å."""


@dataclass(frozen=True, eq=False)
class LabelledModels:
    """
    Models of labelled points.

    Parameters
    ----------
    labels : tuple of str
        Sorted.
    starts : ndarray, dtype=int64, shape=(k+1,)
        First point of each label, and the number of points.
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        In Å.
    """

    labels: tuple[str, ...]
    starts: IntArray
    coordinates: FloatArray

    def beads(self, labels: Iterable[str]) -> IntArray:
        """
        Return the points of some labels.

        Parameters
        ----------
        labels : iterable of str
            Labels; unknown ones are an error.

        Returns
        -------
        beads : ndarray, dtype=int64, shape=(b,)
            Indices of points.

        Raises
        ------
        ShapeError
            If there is no such label.
        """
        parts = [np.empty(0, dtype=np.int64)]
        for label in sorted(labels):
            if label not in self.labels:
                raise ShapeError(
                    f"there are no points labelled '{label}'; labels here: {', '.join(self.labels)}"
                )
            at = self.labels.index(label)
            parts.append(np.arange(self.starts[at], self.starts[at + 1]))
        return np.concatenate(parts)

    def groups(self) -> tuple[CopyGroup, ...]:
        """
        Find labels that agree before ``..`` and have equally many points.

        Returns
        -------
        groups : tuple of CopyGroup
            Interchangeable points.
        """
        families: dict[str, list[IntArray]] = {}
        for label in self.labels:
            families.setdefault(label.split("..")[0], []).append(self.beads([label]))
        return tuple(
            CopyGroup(base, -1, tuple(range(len(members))), np.stack(members))
            for base, members in families.items()
            if len(members) > 1 and len({len(m) for m in members}) == 1 and len(members[0])
        )

    def weights(self, weights: Mapping[str, Sequence[float]] | None) -> FloatArray:
        """
        Return the weight of every point.

        Parameters
        ----------
        weights : mapping of str to sequence of float, or None
            Weights by label; None for equal ones.

        Returns
        -------
        weights : ndarray, dtype=float64, shape=(n,)
            In the order of the points.

        Raises
        ------
        ShapeError
            If they do not fit the points.
        """
        if weights is None:
            return np.ones(self.coordinates.shape[1])
        given = [np.asarray(weights.get(label, ()), dtype=np.float64) for label in self.labels]
        counts = np.diff(self.starts)
        for label, values, count in zip(self.labels, given, counts, strict=True):
            if values.shape != (count,):
                raise ShapeError(
                    f"'{label}' has {count} points and weights of shape {values.shape}"
                )
        return np.concatenate(given)

    def metric(
        self, weights: Mapping[str, Sequence[float]] | None, superposed: Iterable[str] | None
    ) -> Metric:
        """
        Return the definition of the distance of these models.

        Parameters
        ----------
        weights : mapping of str to sequence of float, or None
            Weights of the RMSD.
        superposed : iterable of str or None
            Labels to superpose on, without weights; None for no superposition.

        Returns
        -------
        metric : Metric
            For `congruence.compute.rmsd`.
        """
        from congruence.compute.metric import Metric

        values = self.weights(weights)
        if superposed is None:
            return Metric("none", weights=values, copies=self.groups())
        return Metric(
            "superpose",
            on=self.beads(superposed),
            weights=values,
            fit_weights="none",
            copies=self.groups(),
        )


def label_models(models: Sequence[Mapping[str, Sequence[Any]]]) -> LabelledModels:
    """
    Put labelled points of several models into one array.

    Parameters
    ----------
    models : sequence of mapping of str to sequence of points
        At least one; the labels of the last one count.

    Returns
    -------
    models : LabelledModels
        Labels sorted.

    Raises
    ------
    ShapeError
        If a model lacks a label, has another number of points, or a point
        does not have three coordinates.

    Examples
    --------
    >>> label_models([{"b": [(1, 1, 1)], "a": [(0, 0, 0)]}]).coordinates.tolist()
    [[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]
    """
    if not models or not models[-1]:
        raise ShapeError("there are no points", hint="Give a dictionary of labels and points.")
    labels = tuple(sorted(models[-1]))
    counts = [len(models[-1][label]) for label in labels]
    rows = [_points(model, labels, counts) for model in models]
    return LabelledModels(labels, np.cumsum([0, *counts]), np.stack(rows))


def _points(
    model: Mapping[str, Sequence[Any]], labels: Sequence[str], counts: Sequence[int]
) -> FloatArray:
    parts = []
    for label, count in zip(labels, counts, strict=True):
        if label not in model:
            raise ShapeError(
                f"one model has no points labelled '{label}'",
                hint="Give all models the same labels.",
            )
        points = np.array([list(p) for p in model[label]], dtype=np.float64).reshape(-1, 3)
        if len(points) != count:
            raise ShapeError(
                f"'{label}' has {count} points in one model and {len(points)} in another"
            )
        parts.append(points)
    return np.concatenate(parts)
