"""Sampling that never happened: models drawn around planted arrangements."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ConfigError
from congruence.simulate.arrangement import (
    CENTER,
    Arrangement,
    Poses,
    compose,
    copy_order,
    plan_arrangements,
)
from congruence.simulate.geometry import (
    multiply,
    random_rotations,
    rotation_matrices,
    small_rotations,
)
from congruence.simulate.parameters import Sampling
from congruence.simulate.subunit import BeadKind
from congruence.simulate.system import System, small_system

if TYPE_CHECKING:
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["BLOCK", "Sampling", "Simulation"]

BLOCK = 256
"""Models that are drawn together; each block has a seed of its own."""

_TURNING = 0.3  # share of a body's mean square displacement that is rotation


@dataclass(frozen=True, eq=False)
class Simulation:
    """
    Any number of models, drawn when they are read: a coordinate source.

    Models are in the order run, replica, frame. Reading is deterministic and
    does not depend on how it is cut into pieces.

    Parameters
    ----------
    sampling : Sampling
        What to simulate.
    system : System
        Of what.
    around : tuple of Arrangement
        Draw around these and not around those that the seed gives: another
        sampling of the same clusters, independent of the first.

    Raises
    ------
    ConfigError
        If there is not one arrangement for each cluster.

    Examples
    --------
    >>> simulation = Simulation(Sampling(models=1_000_000, clusters=3))
    >>> simulation.shape
    (1000000, 117, 3)
    >>> simulation.read(999_990, 1_000_000).shape
    (10, 117, 3)
    """

    sampling: Sampling = field(default_factory=Sampling)
    system: System = field(default_factory=small_system)
    around: tuple[Arrangement, ...] = ()

    def __post_init__(self) -> None:
        if self.around and len(self.around) != self.sampling.clusters:
            raise ConfigError(
                f"{len(self.around)} arrangements for {self.sampling.clusters} clusters"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (m, n, 3)."""
        return (self.sampling.models, len(self.system.topology), 3)

    @cached_property
    def arrangements(self) -> tuple[Arrangement, ...]:
        """The planted arrangements; the first is native."""
        return self.around or plan_arrangements(
            self.system, self.sampling.clusters, self.sampling.seed
        )

    @cached_property
    def chain(self) -> IntArray:
        """Number of the replica over all runs of each model, shape (m,)."""
        return np.repeat(np.arange(len(self.sampling.frames())), self.sampling.frames())

    @property
    def run(self) -> IntArray:
        """Run of each model, shape (m,)."""
        return self.chain // self.sampling.replicas

    @property
    def replica(self) -> IntArray:
        """Replica of each model inside its run, shape (m,)."""
        return self.chain % self.sampling.replicas

    @cached_property
    def frame(self) -> IntArray:
        """Frame of each model in the file of its replica, shape (m,)."""
        return np.concatenate([np.arange(k) for k in self.sampling.frames()])

    @cached_property
    def labels(self) -> IntArray:
        """Planted cluster of each model, -1 for outliers, shape (m,)."""
        return np.concatenate([self._plan(*b)[0] for b in self._blocks])

    @cached_property
    def swapped(self) -> BoolArray:
        """Whether copies 0 and 1 are exchanged in each model, shape (m,)."""
        return np.concatenate([self._plan(*b)[1] for b in self._blocks])

    @cached_property
    def _blocks(self) -> list[tuple[int, int, int]]:
        """All blocks in order, as (chain, number, size)."""
        return [
            (chain, start // BLOCK, min(BLOCK, frames - start))
            for chain, frames in enumerate(self.sampling.frames().tolist())
            for start in range(0, frames, BLOCK)
        ]

    @cached_property
    def _ends(self) -> IntArray:
        """One past the last model of each block."""
        return np.cumsum([size for _, _, size in self._blocks])

    def _rng(self, chain: int, block: int, purpose: int) -> np.random.Generator:
        key = (1, chain, block, purpose)
        return np.random.default_rng(np.random.SeedSequence(self.sampling.seed, spawn_key=key))

    @property
    def _memory(self) -> float:
        tau = self.sampling.autocorrelation
        return float(np.exp(-1.0 / tau)) if tau > 0 else 0.0

    def _plan(self, chain: int, block: int, size: int) -> tuple[IntArray, BoolArray]:
        """Draw the clusters of a block, and which of its models are swapped."""
        rng = self._rng(chain, block, 0)
        share = self.sampling.shares[chain // self.sampling.replicas]
        outlier = rng.random(size) < self.sampling.outliers
        # the last cluster takes what rounding leaves
        label = np.searchsorted(np.cumsum(share)[:-1], rng.random(size), side="right")
        swap = rng.random(size) < self.sampling.swaps
        # a replica stays where it is until it forgets; then everything is drawn anew
        fresh = rng.random(size) >= self._memory
        fresh[:1] = True
        last = np.maximum.accumulate(np.where(fresh, np.arange(size), 0))
        return np.where(outlier, -1, label)[last], swap[last]

    def _noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        noise = rng.standard_normal(shape)
        keep = self._memory
        for i in range(1, len(noise) if keep else 0):
            noise[i] = keep * noise[i - 1] + np.sqrt(1 - keep * keep) * noise[i]
        return noise

    @cached_property
    def _order(self) -> IntArray:
        return copy_order(self.system)

    @cached_property
    def _gyration(self) -> FloatArray:
        """Radius of gyration of each body in Å, shape (b,); infinite for a single bead."""
        square = (self.system.local**2).sum(axis=1)
        counts = np.bincount(self.system.body)
        radii = np.sqrt(np.bincount(self.system.body, weights=square) / counts)
        # a body of one bead does not turn
        return np.where(radii > 0.0, radii, np.inf)

    def _block_poses(self, chain: int, block: int, size: int, *, tumble: bool) -> Poses:
        label, swap = self._plan(chain, block, size)
        rng, system = self._rng(chain, block, 1), self.system
        b, f = system.bodies, len(system.flexible)
        noise = self._noise(rng, (size, 2 * b + f, 3)) / np.sqrt(3.0)
        spread = np.append(self.sampling.spreads, np.mean(self.sampling.spreads))[label]
        spread = spread[:, None, None]
        # an outlier (label -1) gets the last arrangement, and then another place
        rotation = np.stack([a.rotation for a in self.arrangements])[label]
        translation = np.stack([a.translation for a in self.arrangements])[label]
        stray = label < 0
        rotation[stray] = random_rotations(rng, (int(stray.sum()), b))
        translation[stray] = np.array(CENTER) + 35.0 * rng.standard_normal((int(stray.sum()), b, 3))
        turn = np.sqrt(1.5 * _TURNING) * spread * noise[:, b : 2 * b] / self._gyration[:, None]
        rotation = multiply(small_rotations(turn), rotation)
        translation = translation + np.sqrt(1 - _TURNING) * spread * noise[:, :b]
        flexible = system.local[system.flexible] + spread * noise[:, 2 * b :]
        if tumble:
            rotation, translation = self._tumble(rotation, translation, chain, block)
        return self._pack(rotation, translation, flexible, swap)

    def _tumble(
        self, rotation: FloatArray, translation: FloatArray, chain: int, block: int
    ) -> tuple[FloatArray, FloatArray]:
        """Move each model as a whole."""
        rng, size = self._rng(chain, block, 2), len(rotation)
        turn = random_rotations(rng, (size,))
        shift = rng.uniform(-50.0, 50.0, (size, 1, 3))
        center = np.array(CENTER)
        moved = np.einsum("mij,mbj->mbi", rotation_matrices(turn), translation - center)
        return multiply(turn[:, None], rotation), moved + center + shift

    def _pack(
        self, rotation: FloatArray, translation: FloatArray, flexible: FloatArray, swap: BoolArray
    ) -> Poses:
        """Exchange copies, put free beads into the global frame, round to 32 bits."""
        system = self.system
        order = self._order
        bodies = system.body[order][np.searchsorted(system.body, np.arange(system.bodies))]
        soft = np.searchsorted(system.flexible, order[system.flexible])
        which = swap[:, None, None]
        turns = np.where(which, rotation[:, bodies], rotation).astype(np.float32)
        shifts = np.where(which, translation[:, bodies], translation).astype(np.float32)
        flexible = np.where(which, flexible[:, soft], flexible)
        free = np.flatnonzero(system.kind[system.flexible] == BeadKind.FREE)
        owner = system.body[system.flexible[free]]
        turned = np.einsum("mnij,mnj->mni", rotation_matrices(turns)[:, owner], flexible[:, free])
        flexible[:, free] = turned + shifts[:, owner].astype(np.float64)
        return Poses(turns, shifts, flexible.astype(np.float32))

    def poses(self, models: IntArray, *, tumble: bool | None = None) -> Poses:
        """
        Draw the poses of some models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Models, ascending.
        tumble : bool, optional
            Leave the models untumbled (False) although the sampling tumbles.

        Returns
        -------
        poses : Poses
            What the files hold of these models.
        """
        tumbles = self.sampling.tumble and tumble is not False
        blocks = np.searchsorted(self._ends, models, side="right")
        parts = [self._block_poses(0, 0, 1, tumble=False).take(slice(0, 0))]
        for number in np.unique(blocks).tolist():
            chain, block, size = self._blocks[number]
            inside = models[blocks == number] - (self._ends[number] - size)
            parts.append(self._block_poses(chain, block, size, tumble=tumbles).take(inside))
        return Poses(
            np.concatenate([p.rotation for p in parts]),
            np.concatenate([p.translation for p in parts]),
            np.concatenate([p.flexible for p in parts]),
        )

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return coordinates of some models, as a reader of the files finds them.

        Parameters
        ----------
        start, stop : int
            First model, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        models = np.arange(max(start, 0), min(stop, self.sampling.models))
        return compose(self.system, self.poses(models))

    def native(self) -> Poses:
        """
        Return the native structure.

        Returns
        -------
        poses : Poses
            Of one model: arrangement 0 without noise.
        """
        native = self.arrangements[0]
        return self._pack(
            native.rotation[None],
            native.translation[None],
            self.system.local[self.system.flexible][None].copy(),
            np.zeros(1, dtype=bool),
        )
