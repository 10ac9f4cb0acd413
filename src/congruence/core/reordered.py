"""An ensemble in another order, without a copy of its coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.ensemble import Ensemble

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

__all__ = ["Reordered", "reordered"]


@dataclass(frozen=True, eq=False, repr=False)
class Reordered(Ensemble):
    """
    Models read in another order than they lie in.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        Bead centres in Å, in the old order.
    topology : Topology
        The *n* beads.
    models : ModelTable
        The *m* rows, in the new order.
    origin : Origin, optional
        How the models were chosen and read.
    order : ndarray, dtype=int64, shape=(m,)
        Which model comes first, second, ...
    """

    order: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return some models in the new order.

        Parameters
        ----------
        start, stop : int
            First model, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        return self.coordinates[self.order[start:stop]]

    def take(self, models: IntArray) -> Ensemble:
        """
        Return some models, in the given order.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Model indices in the new order.

        Returns
        -------
        ensemble : Ensemble
            A new ensemble with copies of the coordinates.
        """
        table = self.models.take(models)
        return Ensemble(self.coordinates[self.order[models]], self.topology, table, self.origin)


def reordered(ensemble: Ensemble, order: IntArray) -> Reordered:
    """
    Return all models of an ensemble in another order; coordinates are not copied.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    order : ndarray, dtype=int64, shape=(m,)
        A permutation: which model comes first, second, ...

    Returns
    -------
    ensemble : Reordered
        To be read in blocks.
    """
    return Reordered(
        ensemble.coordinates,
        ensemble.topology,
        ensemble.models.take(order),
        ensemble.origin,
        order=np.asarray(order, dtype=np.int64),
    )
