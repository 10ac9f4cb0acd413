"""The members of clusters, and how they are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import Alignment
from congruence.core.selection import parse
from congruence.core.sources import ArraySource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from congruence.core.precision import Precision, Separation
    from congruence.core.results import DistanceMatrix
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["PAIRED", "MatrixPart", "MemberSet", "Spread"]

PAIRED = 5000
"""Members of a cluster that are held against each other where the run's distances are not known."""

_MUCH = 4
"""A row is read whole when a part of it this large is wanted."""


@dataclass(frozen=True)
class Spread:
    """
    How the members of clusters are compared.

    Parameters
    ----------
    alignment : Alignment
        How two models are brought together.
    measured : tuple of str
        Selections that the run measured; empty for every bead.
    on : tuple of str
        Selections superposed or centred on; empty for the measured ones.
    weights : {"residues", "none"}
        Weight of a bead.
    copies : {"auto", "off"}
        Whether copies may take each other's place between clusters.
    """

    alignment: Alignment
    measured: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    weights: str = "residues"
    copies: str = "auto"

    def measured_beads(self, topology: Topology) -> IntArray:
        """
        Return the beads that the run measured.

        Parameters
        ----------
        topology : Topology
            The beads.

        Returns
        -------
        beads : ndarray, dtype=int64, shape=(b,)
            Ascending.
        """
        return _union(self.measured, topology)

    def fitted_beads(self, topology: Topology) -> IntArray:
        """
        Return the beads that are superposed.

        Parameters
        ----------
        topology : Topology
            The beads.

        Returns
        -------
        beads : ndarray, dtype=int64, shape=(b,)
            Ascending.
        """
        return _union(self.on or self.measured, topology)

    def bead_weights(self, topology: Topology) -> FloatArray:
        """
        Return the weight of every bead.

        Parameters
        ----------
        topology : Topology
            The beads.

        Returns
        -------
        weights : ndarray, dtype=float64, shape=(n,)
            Residues per bead, or ones.
        """
        if self.weights == "residues":
            return topology.residue_counts.astype(np.float64)
        return np.ones(len(topology))

    def words(self) -> dict[str, str]:
        """
        Say how models are compared.

        Returns
        -------
        words : dict of str to str
            For a person.
        """
        on = " + ".join(self.on) or "the measured beads"
        return {
            "alignment": str(self.alignment),
            "superposed on": on if self.alignment is not Alignment.NONE else "nothing",
            "measured by the run": " + ".join(self.measured) or "all beads",
            "weights": self.weights,
            "copies": "as the run matched them" if self.copies == "auto" else "as named",
        }


def _union(texts: Sequence[str], topology: Topology) -> IntArray:
    if not texts:
        return np.arange(len(topology))
    return np.flatnonzero(np.any([parse(t).mask(topology) for t in texts], axis=0))


@dataclass(frozen=True, eq=False)
class MatrixPart:
    """
    Some rows and columns of a matrix that are not copied.

    Parameters
    ----------
    matrix : DistanceMatrix
        The matrix.
    rows, columns : ndarray, dtype=int64
        Models.
    """

    matrix: DistanceMatrix
    rows: IntArray
    columns: IntArray

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (a, b)."""
        return len(self.rows), len(self.columns)

    def __getitem__(self, row: int) -> FloatArray:
        at, m = int(self.rows[row]), self.matrix.m
        if len(self.columns) * _MUCH > m:
            return self.matrix.row(at)[self.columns]
        low, high = np.minimum(at, self.columns), np.maximum(at, self.columns)
        other = low != high
        out = np.zeros(len(self.columns))
        low, high = low[other], high[other]
        out[other] = self.matrix.condensed[low * m - low * (low + 1) // 2 + high - low - 1]
        return out


@dataclass(frozen=True, eq=False)
class MemberSet:
    """
    The members of one cluster.

    Parameters
    ----------
    name : str
        What to call it, such as ``"cluster.0"``.
    source : CoordinateSource
        Members at their placement, copies relabelled, best score first; in Å.
    topology : Topology
        The *n* beads.
    frames : tuple of (str, int)
        File and frame of each member.
    runs : tuple of str
        Run of each member; empty when unknown.
    matrix : DistanceMatrix, optional
        Distances of all models of the run, over what it measured.
    models : ndarray, dtype=int64, shape=(k,), optional
        Which models of the matrix the members are.
    folder : Path, optional
        Folder of the cluster, with ``K.rmf3`` of the members that were written.
    own : Precision, optional
        Precision over what the run measured, where its distances were not kept.
    apart : mapping of str to Separation
        How far clusters are by name, where the distances were not kept.
    """

    name: str
    source: CoordinateSource
    topology: Topology
    frames: tuple[tuple[str, int], ...]
    runs: tuple[str, ...] = ()
    matrix: DistanceMatrix | None = None
    models: IntArray | None = None
    folder: Path | None = None
    own: Precision | None = None
    apart: Mapping[str, Separation] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.source.shape[0]

    @cached_property
    def coordinates(self) -> FloatArray:
        """All members, shape (k,n,3), in Å."""
        return self.source.read(0, len(self))

    def member(self, position: int) -> FloatArray:
        """
        Return one member.

        Parameters
        ----------
        position : int
            Its position.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(n,3)
            In Å.
        """
        points: FloatArray = self.source.read(position, position + 1)[0]
        return points

    @cached_property
    def few(self) -> tuple[IntArray, MemberSet]:
        """Positions of at most 5,000 members, evenly from all scores, and these as a set."""
        if len(self) <= PAIRED:
            return np.arange(len(self)), self
        positions = np.arange(PAIRED, dtype=np.int64) * len(self) // PAIRED
        points = np.concatenate([self.source.read(p, p + 1) for p in positions.tolist()])
        runs = tuple(self.runs[p] for p in positions.tolist()) if self.runs else ()
        frames = tuple(self.frames[p] for p in positions.tolist())
        return positions, MemberSet(self.name, ArraySource(points), self.topology, frames, runs)

    def distances(self, other: MemberSet) -> MatrixPart | None:
        """
        Return the distances that the run computed between two clusters.

        Parameters
        ----------
        other : MemberSet
            Another cluster, or this one.

        Returns
        -------
        distances : MatrixPart or None
            None when they are not of one run.
        """
        if self.matrix is None or self.matrix is not other.matrix:
            return None
        assert self.models is not None
        assert other.models is not None
        return MatrixPart(self.matrix, self.models, other.models)

    def rmf_of(self, member: int) -> Path | None:
        """
        Find the RMF file that holds a member as placed.

        Parameters
        ----------
        member : int
            Position of the member.

        Returns
        -------
        path : Path or None
            None when it was not written.
        """
        if self.folder is None:
            return None
        path = self.folder / f"{member}.rmf3"
        return path if path.is_file() else None
