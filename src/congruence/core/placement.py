"""Where a member of a cluster is put: its rigid motion and which copy is which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import CopyGroup
    from congruence.typing import FloatArray, IntArray

__all__ = ["PlacedModels", "Placement", "bead_order"]

_TOGETHER = 1 << 17  # coordinates


def _identity_rotation() -> FloatArray:
    return np.eye(3)


def _no_translation() -> FloatArray:
    return np.zeros(3)


@dataclass(frozen=True, eq=False)
class Placement:
    """
    A proper rigid motion and an assignment of interchangeable copies.

    A placement belongs to the result of a comparison and is used for everything
    that is made from the model: RMF, PDB, densities, precision.

    Parameters
    ----------
    rotation : ndarray, dtype=float64, shape=(3,3)
        Proper rotation *R*.
    translation : ndarray, dtype=float64, shape=(3,)
        Translation *t* in Å; a point *x* goes to ``R @ x + t``.
    assignment : tuple of tuple of int
        One permutation per copy group, in the order of
        ``Topology.copy_groups()``. Copy *k* of the placed model takes the
        coordinates of copy ``assignment[g][k]`` of the model. Empty when
        copies are not interchanged.

    Examples
    --------
    >>> import numpy as np
    >>> Placement(translation=np.array([1.0, 0, 0])).apply(np.zeros((1, 3)), ()).tolist()
    [[1.0, 0.0, 0.0]]
    """

    rotation: FloatArray = field(default_factory=_identity_rotation)
    translation: FloatArray = field(default_factory=_no_translation)
    assignment: tuple[tuple[int, ...], ...] = ()

    @property
    def is_identity(self) -> bool:
        """Whether the placement leaves a model exactly as it is."""
        return self.is_still and not self.relabels

    @property
    def is_still(self) -> bool:
        """Whether the rigid motion is exactly the identity."""
        return np.array_equal(self.rotation, np.eye(3)) and not self.translation.any()

    @property
    def relabels(self) -> bool:
        """Whether any copy takes another's place."""
        return any(p != tuple(range(len(p))) for p in self.assignment)

    def apply(self, coordinates: FloatArray, groups: tuple[CopyGroup, ...]) -> FloatArray:
        """
        Place one model.

        Parameters
        ----------
        coordinates : ndarray, dtype=float64, shape=(n,3)
            Bead centres in Å.
        groups : tuple of CopyGroup
            Copy groups of the topology of these beads.

        Returns
        -------
        placed : ndarray, dtype=float64, shape=(n,3)
            New array; the input is not changed.
        """
        order = bead_order(len(coordinates), groups, self.assignment)
        x, y, z = coordinates[order].T[:, :, None]
        along_x, along_y, along_z = self.rotation.T
        # Summed term by term: the bits then do not depend on a matrix library.
        placed: FloatArray = x * along_x + y * along_y + z * along_z + self.translation
        return placed


def bead_order(
    n: int, groups: tuple[CopyGroup, ...], assignment: tuple[tuple[int, ...], ...]
) -> IntArray:
    """
    Turn an assignment of copies into an order of beads.

    Parameters
    ----------
    n : int
        Number of beads.
    groups : tuple of CopyGroup
        Copy groups.
    assignment : tuple of tuple of int
        One permutation per group, or empty for the identity.

    Returns
    -------
    order : ndarray, dtype=int64, shape=(n,)
        ``coordinates[order]`` are the coordinates after relabelling.
    """
    order = np.arange(n)
    if assignment:
        for group, permutation in zip(groups, assignment, strict=True):
            order[group.beads] = group.beads[list(permutation)]
    return order


@dataclass(frozen=True, eq=False)
class PlacedModels:
    """
    Some models of a source, each at its placement; a coordinate source itself.

    Parameters
    ----------
    source : CoordinateSource
        All models.
    models : ndarray, dtype=int64, shape=(k,)
        Indices of the models.
    placements : tuple of Placement
        One per model.
    groups : tuple of CopyGroup
        Copy groups of the topology.
    """

    source: CoordinateSource
    models: IntArray
    placements: tuple[Placement, ...]
    groups: tuple[CopyGroup, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (k, n, 3)."""
        return (len(self.models), self.source.shape[1], 3)

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return some models at their placement.

        Parameters
        ----------
        start, stop : int
            First model, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        rows = range(start, min(stop, len(self.models)))
        out = np.empty((len(rows), self.source.shape[1], 3))
        step = max(1, _TOGETHER // max(3 * out.shape[1], 1))
        for at in range(0, len(rows), step):
            self._put(rows[at : at + step], out[at : at + step])
        return out

    def _put(self, rows: range, out: FloatArray) -> None:
        """Place some models as `Placement.apply` places each."""
        points = np.empty_like(out)
        for own, row in zip(points, rows, strict=True):
            model, assignment = int(self.models[row]), self.placements[row].assignment
            (own[:],) = self.source.read(model, model + 1)
            if self.placements[row].relabels:
                own[:] = own[bead_order(len(own), self.groups, assignment)]
        placements = [self.placements[row] for row in rows]
        rotations = np.stack([p.rotation for p in placements])[:, :, :, None]
        translations = np.stack([p.translation for p in placements])[:, :, None]
        x, y, z = points.transpose(2, 0, 1)
        for d in range(3):
            along_x, along_y, along_z = rotations[:, d].transpose(1, 0, 2)
            out[:, :, d] = x * along_x + y * along_y + z * along_z + translations[:, d]
