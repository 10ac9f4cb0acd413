"""The one data structure: many models of one topology, with their table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.selection import Selection, parse
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.models import ModelTable
    from congruence.core.provenance import Origin
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["Ensemble"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """
    *m* models of *n* beads.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        Bead centres in Å, in the frame of the files.
    topology : Topology
        The *n* beads.
    models : ModelTable
        The *m* rows: run, replica, file, frame, score, features.
    origin : Origin, optional
        How the models were chosen and read; goes into the record of a result.

    Raises
    ------
    ShapeError
        If the three do not fit each other, or a coordinate is not finite.
    """

    coordinates: FloatArray = field(repr=False)
    topology: Topology = field(repr=False)
    models: ModelTable = field(repr=False)
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        expected = (len(self.models), len(self.topology), 3)
        if self.coordinates.shape != expected:
            raise ShapeError(
                f"coordinates have shape {self.coordinates.shape}, expected {expected}: "
                "models of the table x beads of the topology x 3"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (m, n, 3)."""
        m, n, _ = self.coordinates.shape
        return (m, n, 3)

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        m, n, _ = self.shape
        return f"Ensemble({m} models of {n} beads: {', '.join(self.topology.molecule_names)})"

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return some models; makes an ensemble a coordinate source.

        Parameters
        ----------
        start, stop : int
            First model, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        return self.coordinates[start:stop]

    def beads(self, selection: str | Selection | Sequence[str | Selection]) -> IntArray:
        """
        Return the beads that a selection names.

        Parameters
        ----------
        selection : str, Selection or sequence of them
            Several are a union.

        Returns
        -------
        beads : ndarray, dtype=int64, shape=(b,)
            Bead indices, ascending.

        Raises
        ------
        SelectionError
            If a selection cannot be read or one of its terms matches nothing.
        """
        several = [selection] if isinstance(selection, str | Selection) else list(selection)
        trees = [parse(s) if isinstance(s, str) else s for s in several]
        mask = np.zeros(len(self.topology), dtype=bool)
        for tree in trees:
            mask |= tree.mask(self.topology)
        return np.flatnonzero(mask)

    def take(self, models: IntArray) -> Ensemble:
        """
        Return some models, in the given order.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Model indices.

        Returns
        -------
        ensemble : Ensemble
            A new ensemble with copies of the coordinates.
        """
        table = self.models.take(models)
        return Ensemble(self.coordinates[models], self.topology, table, self.origin)
