"""How well an ensemble agrees with itself and with a known structure: frozen results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray

__all__ = [
    "ENOUGH_RUNS",
    "Accuracy",
    "CompatPrecision",
    "Fluctuation",
    "Interval",
    "Patch",
    "PlacementError",
    "Precision",
    "ReferenceStructure",
    "Separation",
]

ENOUGH_RUNS = 5
"""With fewer runs than this an interval is crude."""


@dataclass(frozen=True, slots=True)
class Interval:
    """
    An interval of confidence from resampled runs.

    Parameters
    ----------
    low, high : float
        Its ends, in the unit of the number it belongs to.
    runs : int
        Number of runs that were resampled.
    level : float
        Nominal coverage.
    """

    low: float
    high: float
    runs: int
    level: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def is_crude(self) -> bool:
        """Whether it is from so few runs that it may be much too wide or too narrow."""
        return self.runs < ENOUGH_RUNS


@dataclass(frozen=True, slots=True)
class CompatPrecision:
    """
    The precision of a set of models as IMP's ``Precision`` defines it.

    Parameters
    ----------
    center : int
        First model with the smallest mean distance to all models, itself
        included.
    average_to_center : float
        Mean distance to the center in Å, the center's own zero included.
    median_to_center : float
        Median of the same distances in Å.
    average_pairwise : float
        Mean of all ordered pairs in Å, self pairs included: too small by
        (n-1)/n.
    """

    center: int
    average_to_center: float
    median_to_center: float
    average_pairwise: float


@dataclass(frozen=True, slots=True)
class Precision:
    """
    How far the models of one set are from each other.

    Parameters
    ----------
    models : int
        Number of models.
    center : int
        The model with the smallest sum of distances to the others; the
        lowest index among equals.
    pairwise : float
        Mean distance of two different models in Å; NaN for one model.
    to_center : float
        Mean distance of the other models to the center in Å; NaN for one.
    median_to_center : float
        Median distance of the other models to the center in Å; NaN for one.
    max_to_center : float
        Largest distance to the center in Å; NaN for one.
    compat : CompatPrecision
        The same as the reference program defines it.
    pairwise_interval, to_center_interval : Interval or None
        From a bootstrap over runs; None where `no_interval` says why.
    no_interval : str
        Why there are no intervals; empty when there are.
    """

    models: int
    center: int
    pairwise: float
    to_center: float
    median_to_center: float
    max_to_center: float
    compat: CompatPrecision
    pairwise_interval: Interval | None = None
    to_center_interval: Interval | None = None
    no_interval: str = ""


@dataclass(frozen=True, slots=True)
class Separation:
    """
    How far the models of two sets are from each other.

    Parameters
    ----------
    average : float
        Mean distance over all pairs in Å, one model of each set.
    smallest : float
        Smallest such distance in Å.
    centers : float
        Distance of the two centers in Å.
    """

    average: float
    smallest: float
    centers: float


@dataclass(frozen=True, eq=False)
class Fluctuation:
    """
    How much each bead moves within a set of models.

    Parameters
    ----------
    rmsf : ndarray, dtype=float64, shape=(n,)
        Root mean square distance of each bead from its mean position, in Å.
    compat : ndarray, dtype=float64, shape=(n,)
        Population standard deviation of each bead's distances to its place
        in the center model, in Å: what the reference calls RMSF.
    mean : ndarray, dtype=float64, shape=(n,3)
        Mean positions in Å.
    rigid : ndarray, dtype=bool, shape=(n,)
        Whether a bead keeps its distances to neighbours in all models.
    models : int
        Number of models.
    alignment : str
        How the models were brought onto the mean.
    iterations : int
        Rounds until the mean no longer changed; 0 without alignment.
    """

    rmsf: FloatArray
    compat: FloatArray
    mean: FloatArray
    rigid: BoolArray
    models: int
    alignment: str
    iterations: int = 0


@dataclass(frozen=True, slots=True)
class Patch:
    """
    A stretch of residues of one molecule that is precise, or is not.

    Parameters
    ----------
    molecule : str
        The molecule, with its copy and state.
    kind : {"high", "low"}
        High or low precision.
    first, last : int
        First and last residue.
    beads : int
        Number of beads.
    rmsf : float
        Root mean square of the beads' RMSF in Å, weighted by residues.
    """

    molecule: str
    kind: str
    first: int
    last: int
    beads: int
    rmsf: float


@dataclass(frozen=True, eq=False)
class PlacementError:
    """
    How far one molecule is from its place in the reference, and how it is turned.

    Parameters
    ----------
    molecule : str
        The molecule, with its copy and state.
    beads : int
        Beads that the reference has, too.
    translation : ndarray, dtype=float64, shape=(m,)
        Distance of the two centroids in Å, for each model.
    rotation : ndarray, dtype=float64, shape=(m,)
        Angle of the rotation that would turn the molecule right, in degrees;
        NaN where fewer than three beads, or beads on a line, leave it open.
    internal : ndarray, dtype=float64, shape=(m,)
        RMSD in Å of the molecule superposed on its own.
    """

    molecule: str
    beads: int
    translation: FloatArray
    rotation: FloatArray
    internal: FloatArray


@dataclass(frozen=True, eq=False)
class Accuracy:
    """
    Distances of models to a reference structure over one selection.

    Parameters
    ----------
    distances : ndarray, dtype=float64, shape=(m,)
        RMSD of each model in Å.
    beads : int
        Beads that were compared.
    interval : Interval or None
        Of the average, from a bootstrap over runs.
    no_interval : str
        Why there is no interval; empty when there is.
    """

    distances: FloatArray
    beads: int
    interval: Interval | None = None
    no_interval: str = field(default="")

    @property
    def average(self) -> float:
        """Mean of the distances in Å."""
        return float(self.distances.mean())

    @property
    def median(self) -> float:
        """Median of the distances in Å."""
        return float(np.median(self.distances))

    @property
    def minimum(self) -> float:
        """Smallest distance in Å."""
        return float(self.distances.min())

    @property
    def nearest(self) -> int:
        """The model with the smallest distance."""
        return int(self.distances.argmin())


@dataclass(frozen=True, eq=False)
class ReferenceStructure:
    """
    A known structure that models are compared with.

    Parameters
    ----------
    topology : Topology
        Its beads or residues.
    coordinates : ndarray, dtype=float64, shape=(r,3)
        Their centres in Å.
    source : str
        Where it is from, for messages.
    aliases : dict of str to tuple of str
        Further names of molecules, such as the name of an entity for its
        chains.
    """

    topology: Topology
    coordinates: FloatArray
    source: str = ""
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
