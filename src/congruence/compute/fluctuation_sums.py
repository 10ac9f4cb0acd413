"""
What a fluctuation sums over models, block by block.

A block is a fixed number of models. Sums of blocks are added in their order,
whoever computes them: the result does not depend on it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from congruence.compute.superpose import optimal_rotations
from congruence.core.results import Alignment
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = [
    "BlockSums",
    "Sums",
    "What",
    "beads_in_order",
    "block_models",
    "neighbour_triples",
    "shares",
]

_BLOCK = 1 << 22

What: TypeAlias = Literal["places", "moves", "deviations"]
"""What is summed, see `BlockSums.of`."""


class Sums(Protocol):
    """Gives sums of blocks in their order; from this process, or from several."""

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        """Yield one array for each block; as `BlockSums.of`."""


def block_models(n: int) -> int:
    """
    Return how many models are in a block.

    Parameters
    ----------
    n : int
        Beads of a model.

    Returns
    -------
    models : int
        At least 1; 32 MB of coordinates.
    """
    return max(1, _BLOCK // max(3 * n, 1))


class BlockSums:
    """
    Sums over the blocks of some models.

    Parameters
    ----------
    source : CoordinateSource
        Models in Å, all of a set or whole blocks of it.
    topology : Topology
        The beads, for neighbours in molecules.
    alignment : Alignment or {"none", "center", "superpose"}
        How a model is brought onto the mean.
    on : ndarray, dtype=int64, shape=(b,)
        Beads that are superposed or centred on.
    weights : ndarray, dtype=float64, shape=(n,)
        Weights of the superposition.

    Raises
    ------
    ShapeError
        If all weights are zero.
    """

    def __init__(
        self,
        source: CoordinateSource,
        topology: Topology,
        *,
        alignment: Alignment | str,
        on: IntArray,
        weights: FloatArray,
    ) -> None:
        self.source, self.mode, self.on = source, Alignment(alignment), on
        self.share = shares(weights, on)
        self._topology = topology

    @cached_property
    def _triples(self) -> IntArray:
        return neighbour_triples(self._topology)

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        """
        Sum over the models of each block.

        Parameters
        ----------
        what : str
            As for `of`.
        *at : ndarray
            As for `of`.

        Yields
        ------
        sums : ndarray, dtype=float64
            Of one block after the other.

        Raises
        ------
        ShapeError
            If a number is not finite.
        """
        return (self.of(block, what, *at) for block in _blocks(self.source))

    def of(self, block: FloatArray, what: What, *at: FloatArray) -> FloatArray:
        """
        Sum over some models.

        Parameters
        ----------
        block : ndarray, dtype=float64, shape=(k,n,3)
            The models in Å.
        what : {"places", "moves", "deviations"}
            Positions of models laid on a mean, shape (n,3). Or shape (8,n): a row
            of squared distances to that mean; a row of distances, of models as
            they are, to a place of each bead; and three rows each of the least
            and the greatest sides of triangles of neighbours, the rest of them
            infinite. Or squared deviations of those distances, shape (n,).
        *at : ndarray, dtype=float64, shape=(n,3) or (n,)
            The mean; the mean and the places; or the places and the mean distances.

        Returns
        -------
        sums : ndarray, dtype=float64
            In Å, or Å².
        """
        if what == "places":
            return np.asarray(self._placed(block, at[0]).sum(axis=0))
        if what == "deviations":
            apart = np.sqrt(((block - at[0]) ** 2).sum(axis=2))
            return np.asarray(((apart - at[1]) ** 2).sum(axis=0))
        mean, places = at
        squares = ((self._placed(block, mean) - mean) ** 2).sum(axis=(0, 2))
        apart = np.sqrt(((block - places) ** 2).sum(axis=2)).sum(axis=0)
        return np.vstack([squares, apart, *self._sides(block)])

    def _placed(self, block: FloatArray, mean: FloatArray) -> FloatArray:
        """Lay models on a mean."""
        if self.mode is Alignment.NONE:
            return block
        at = self.share @ block[:, self.on]
        to = self.share @ mean[self.on]
        shifted = block - at[:, None]
        if self.mode is Alignment.SUPERPOSE:
            target = (mean[self.on] - to) * self.share[:, None]
            rotation, _ = optimal_rotations(target.T @ shifted[:, self.on])
            shifted = shifted @ rotation.swapaxes(1, 2)
        placed: FloatArray = shifted + to
        return placed

    def _sides(self, block: FloatArray) -> FloatArray:
        triples, sides = self._triples, np.full((2, 3, block.shape[1]), np.inf)
        for side, (i, j) in enumerate(((0, 1), (1, 2), (0, 2))):
            vectors = block[:, triples[:, i]] - block[:, triples[:, j]]
            lengths = np.sqrt((vectors**2).sum(axis=2))
            sides[0, side, : len(triples)] = lengths.min(axis=0)
            sides[1, side, : len(triples)] = lengths.max(axis=0)
        return sides.reshape(6, -1)


def _blocks(source: CoordinateSource) -> Iterator[FloatArray]:
    m, n, _ = source.shape
    step = block_models(n)
    for start in range(0, m, step):
        block = np.asarray(source.read(start, min(m, start + step)), np.float64)
        if not np.isfinite(block).all():
            raise ShapeError(
                f"models {start} to {start + len(block) - 1} hold coordinates that are not finite"
            )
        yield block


def shares(weights: FloatArray, on: IntArray) -> FloatArray:
    """
    Return the share of each superposed bead in the weight of all.

    Parameters
    ----------
    weights : ndarray, dtype=float64, shape=(n,)
        Weights of all beads.
    on : ndarray, dtype=int64, shape=(b,)
        The superposed ones.

    Returns
    -------
    shares : ndarray, dtype=float64, shape=(b,)
        Their sum is 1.

    Raises
    ------
    ShapeError
        If all are zero.
    """
    chosen = np.asarray(weights, np.float64)[on]
    if not len(on) or not chosen.sum() > 0:
        raise ShapeError(
            f"the weights of all {len(on)} superposed beads are zero",
            hint="Give at least one of them a positive weight.",
        )
    found: FloatArray = chosen / chosen.sum()
    return found


def beads_in_order(topology: Topology, molecule: int) -> list[int]:
    """
    Return the beads of a molecule in the order of their residues.

    Parameters
    ----------
    topology : Topology
        The beads.
    molecule : int
        Its position.

    Returns
    -------
    beads : list of int
        The beads.
    """
    beads = np.flatnonzero(topology.molecule_index == molecule).tolist()
    return sorted(beads, key=lambda i: topology.residues[i])


def neighbour_triples(topology: Topology) -> IntArray:
    """
    Return each bead with the next two of its molecule.

    Parameters
    ----------
    topology : Topology
        The beads.

    Returns
    -------
    triples : ndarray, dtype=int64, shape=(t,3)
        At most as many as beads.
    """
    found = []
    for molecule in dict.fromkeys(topology.molecule_index.tolist()):
        beads = beads_in_order(topology, molecule)
        found += list(zip(beads, beads[1:], beads[2:], strict=False))
    return np.array(found, dtype=np.int64).reshape(-1, 3)
