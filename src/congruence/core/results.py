"""Results: frozen, named, with the words that say how they were made."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.core.placement import Placement
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = [
    "Alignment",
    "Cluster",
    "ClusterAdvice",
    "Clustering",
    "DistanceMatrix",
    "Level",
    "PlacedCluster",
    "Verdict",
    "Weights",
]

Weights: TypeAlias = Literal["residues", "none"]


class Alignment(enum.StrEnum):
    """How two models are brought together before their RMSD is measured."""

    NONE = "none"
    """Coordinates as they are: an EM map or a fixed part gives the frame."""
    CENTER = "center"
    """Centroids removed, orientations kept."""
    SUPERPOSE = "superpose"
    """Optimal proper rotation and translation."""


@dataclass(frozen=True, eq=False)
class DistanceMatrix:
    """
    All-against-all distances of *m* models.

    Parameters
    ----------
    condensed : ndarray, dtype=float32 or float64, shape=(m*(m-1)/2,)
        Upper triangle, row by row, in Å: the order of
        `scipy.spatial.distance.squareform`.
    m : int
        Number of models.
    alignment : Alignment
        Alignment mode.
    weights : {"residues", "none", "given"}
        Weight of a bead: its number of residues, one, or an array of the caller.
    names : tuple of str
        Name of each model, or empty.
    definition : dict of str to str
        Further words on how the distances were made (selections, copies).
    """

    condensed: Float32Array | FloatArray = field(repr=False)
    m: int
    alignment: Alignment
    weights: Weights | Literal["given"] = "residues"
    names: tuple[str, ...] = field(default=(), repr=False)
    definition: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = self.m * (self.m - 1) // 2
        if self.condensed.shape != (expected,):
            raise ShapeError(
                f"a condensed matrix of {self.m} models has {expected} values, "
                f"found shape {self.condensed.shape}"
            )
        if self.names and len(self.names) != self.m:
            raise ShapeError(f"{len(self.names)} names for {self.m} models")

    def square(self) -> FloatArray:
        """
        Return the full symmetric matrix.

        Returns
        -------
        square : ndarray, dtype=float64, shape=(m,m)
            Zero on the diagonal, in Å. Takes 8 m² bytes.
        """
        full = np.zeros((self.m, self.m))
        full[np.triu_indices(self.m, 1)] = self.condensed
        return full + full.T

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
        out = np.zeros(self.m)
        before = np.arange(i)
        out[:i] = self.condensed[before * self.m - before * (before + 1) // 2 + i - before - 1]
        start = i * self.m - i * (i + 1) // 2
        out[i + 1 :] = self.condensed[start : start + self.m - i - 1]
        return out

    def take(self, models: IntArray) -> DistanceMatrix:
        """
        Return the matrix of some models, in the given order.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Model indices, each once.

        Returns
        -------
        matrix : DistanceMatrix
            With the same definition.
        """
        models = np.asarray(models, dtype=np.int64)
        a, b = np.triu_indices(len(models), 1)
        low, high = np.minimum(models[a], models[b]), np.maximum(models[a], models[b])
        at = low * self.m - low * (low + 1) // 2 + high - low - 1
        return DistanceMatrix(
            self.condensed[at],
            len(models),
            self.alignment,
            self.weights,
            tuple(self.names[i] for i in models.tolist()) if self.names else (),
            self.definition,
        )


@dataclass(frozen=True, eq=False)
class Cluster:
    """
    One cluster.

    Parameters
    ----------
    index : int
        Number of the cluster; 0 is the largest.
    members : ndarray, dtype=int64, shape=(size,)
        Model indices, best score first.
    center : int
        Model index of the medoid: the member with the smallest sum of
        distances to the others; the lowest index among equals.
    best : int
        Model index of the best-scoring member.
    average_rmsd : float
        Mean of the distances between two different members, in Å; 0 for one.
    best_score : float
        Score of `best`; NaN when no scores were given.
    by_run : dict of str to int
        Members per run.
    by_half : tuple of int
        Members in the first and in the second half of the runs' models.
    """

    index: int
    members: IntArray
    center: int
    best: int
    average_rmsd: float
    best_score: float = float("nan")
    by_run: dict[str, int] = field(default_factory=dict)
    by_half: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.members)


@dataclass(frozen=True)
class ClusterAdvice:
    """
    Why a number of clusters was chosen.

    Parameters
    ----------
    k : int
        The advised number, which may be one.
    reason : str
        One or two sentences for a person.
    candidates : tuple of (int, float, float)
        For each number tried: the number, its mean silhouette (-1 to 1) and
        the agreement of two halves (adjusted Rand index, -1 to 1).
    """

    k: int
    reason: str
    candidates: tuple[tuple[int, float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Clustering:
    """
    A partition of *m* models.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model; -1 for a model that belongs to none (HDBSCAN).
    clusters : tuple of Cluster
        Largest first; ties by the lower first member.
    method : str
        ``"kmeans"``, ``"threshold"``, ``"hierarchical"`` or ``"hdbscan"``.
    parameters : dict of str to (str, int or float)
        What the method was given: seed, number of clusters, threshold in Å.
    advice : ClusterAdvice or None
        Present when the number of clusters was not given.
    """

    labels: IntArray
    clusters: tuple[Cluster, ...]
    method: str
    parameters: dict[str, str | int | float] = field(default_factory=dict)
    advice: ClusterAdvice | None = None

    @property
    def noise(self) -> IntArray:
        """Models that belong to no cluster."""
        return np.flatnonzero(self.labels < 0)


@dataclass(frozen=True, eq=False)
class PlacedCluster:
    """
    A cluster with its members laid on its best-scoring one.

    Parameters
    ----------
    cluster : Cluster
        The cluster.
    placements : tuple of Placement
        One per member, in the order of ``cluster.members``.
    """

    cluster: Cluster
    placements: tuple[Placement, ...]


class Level(enum.StrEnum):
    """How much a verdict should worry the reader."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True)
class Verdict:
    """
    A judgement with its evidence.

    Parameters
    ----------
    level : Level
        How serious it is.
    claim : str
        What is claimed, one sentence.
    evidence : str
        The number behind it, with its unit.
    threshold : str
        What the number was held against.
    reference : str
        DOI or page of the definition.
    advice : str
        What to do next.
    """

    level: Level
    claim: str
    evidence: str = ""
    threshold: str = ""
    reference: str = ""
    advice: str = ""
