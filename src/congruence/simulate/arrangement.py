"""Poses of the bodies, their composition into coordinates, and packed arrangements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.simulate.geometry import random_rotations, rmsd_tables, rotation_matrices
from congruence.simulate.subunit import BeadKind

if TYPE_CHECKING:
    from congruence.simulate.system import System
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

__all__ = ["CENTER", "Arrangement", "Poses", "compose", "copy_order", "plan_arrangements"]

CENTER = (40.0, -25.0, 60.0)
"""Where the native complex is put, in Å: not at the origin, as with a real map."""

_CONTACT = 9.0
_CANDIDATES = 24


@dataclass(frozen=True, eq=False)
class Arrangement:
    """
    One place for every body.

    Parameters
    ----------
    rotation : ndarray, dtype=float64, shape=(b,4)
        Quaternions (w, x, y, z).
    translation : ndarray, dtype=float64, shape=(b,3)
        In Å.
    """

    rotation: FloatArray
    translation: FloatArray

    def coordinates(self, system: System) -> FloatArray:
        """
        Place all beads, flexible ones where the local structure has them.

        Parameters
        ----------
        system : System
            The complex.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(n,3)
            In Å.
        """
        turn = rotation_matrices(self.rotation)[system.body]
        turned: FloatArray = np.einsum("nij,nj->ni", turn, system.local)
        return turned + self.translation[system.body]


@dataclass(frozen=True, eq=False)
class Poses:
    """
    What the frames of an RMF hold of *m* models, in 32 bits.

    Parameters
    ----------
    rotation : ndarray, dtype=float32, shape=(m,b,4)
        Quaternion of each body.
    translation : ndarray, dtype=float32, shape=(m,b,3)
        Translation of each body in Å.
    flexible : ndarray, dtype=float32, shape=(m,f,3)
        Coordinates of the flexible beads in Å: in the frame of their body,
        or global for free beads.
    """

    rotation: Float32Array
    translation: Float32Array
    flexible: Float32Array

    def __len__(self) -> int:
        return len(self.rotation)

    def take(self, models: slice | IntArray) -> Poses:
        """
        Return some models.

        Parameters
        ----------
        models : slice or ndarray, dtype=int64
            Which.

        Returns
        -------
        poses : Poses
            Of these models.
        """
        return Poses(self.rotation[models], self.translation[models], self.flexible[models])


def compose(system: System, poses: Poses) -> FloatArray:
    """
    Compose poses into global coordinates.

    Parameters
    ----------
    system : System
        The complex.
    poses : Poses
        Of *m* models.

    Returns
    -------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        In Å, from the 32-bit values in double precision, as a reader of the
        files should find them.
    """
    turns = rotation_matrices(poses.rotation)
    out = np.empty((len(poses), len(system.topology), 3))
    flexible = poses.flexible.astype(np.float64)
    local = system.local
    for body in range(system.bodies):
        here = np.flatnonzero(system.body == body)
        shift = poses.translation[:, body].astype(np.float64)[:, None]
        rigid = here[system.kind[here] == BeadKind.RIGID]
        out[:, rigid] = np.einsum("mij,nj->mni", turns[:, body], local[rigid]) + shift
        soft = np.flatnonzero(system.body[system.flexible] == body)
        beads = system.flexible[soft]
        if (system.kind[beads] == BeadKind.FREE).any():
            out[:, beads] = flexible[:, soft]
        else:
            out[:, beads] = np.einsum("mij,mnj->mni", turns[:, body], flexible[:, soft]) + shift
    return out


def copy_order(system: System) -> IntArray:
    """
    Return the order of beads that exchanges copies 0 and 1 of every subunit.

    Parameters
    ----------
    system : System
        The complex.

    Returns
    -------
    order : ndarray, dtype=int64, shape=(n,)
        ``coordinates[:, order]`` have the two copies exchanged; the identity
        when no subunit has copies.
    """
    order = np.arange(len(system.topology))
    for group in system.topology.copy_groups():
        order[group.beads[:2]] = group.beads[1::-1]
    return order


def _slide_in(place: FloatArray, moving: FloatArray, direction: FloatArray) -> float:
    """Return how far along a direction a body first touches the others."""
    between = place[None] - moving[:, None]
    along = between @ direction
    aside = (between * between).sum(axis=-1) - along * along
    touching: BoolArray = aside < _CONTACT**2
    reach = along + np.sqrt(np.where(touching, _CONTACT**2 - aside, 0.0))
    return float(reach[touching].max()) if touching.any() else float(along.max())


def packed(system: System, rng: np.random.Generator, first: FloatArray) -> Arrangement:
    """
    Pack all bodies around the first, each touching those before it.

    Parameters
    ----------
    system : System
        The complex.
    rng : numpy.random.Generator
        Source of randomness.
    first : ndarray, dtype=float64, shape=(4,)
        Rotation of the first body, which stays in its place.

    Returns
    -------
    arrangement : Arrangement
        With the first body at the origin.
    """
    rotation = random_rotations(rng, (system.bodies,))
    rotation[0] = first
    translation = np.zeros((system.bodies, 3))
    turned = np.einsum("nij,nj->ni", rotation_matrices(rotation)[system.body], system.local)
    placed = turned[system.body == 0]
    for body in range(1, system.bodies):
        direction = rng.standard_normal(3)
        direction /= np.sqrt((direction * direction).sum())
        moving = turned[system.body == body] + placed.mean(axis=0)
        shift = placed.mean(axis=0) + direction * _slide_in(placed, moving, direction)
        translation[body] = shift
        placed = np.concatenate([placed, turned[system.body == body] + shift])
    return Arrangement(rotation, translation)


def plan_arrangements(system: System, count: int, seed: int) -> tuple[Arrangement, ...]:
    """
    Plan the native arrangement and alternatives that are far from it.

    Parameters
    ----------
    system : System
        The complex.
    count : int
        Number of arrangements; the first is the native one.
    seed : int
        Seed.

    Returns
    -------
    arrangements : tuple of Arrangement
        Of a few dozen random packings each alternative is the one whose
        smallest RMSD (superposed, copies matched) to the arrangements before
        it is largest. The first body has one place in all of them.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    first = random_rotations(rng, ())
    chosen = [packed(system, rng, first)]
    order, weights = copy_order(system), system.topology.residue_counts.astype(np.float64)
    while len(chosen) < count:
        trials = [packed(system, rng, first) for _ in range(_CANDIDATES)]
        new = np.stack([t.coordinates(system) for t in trials])
        old = np.stack([a.coordinates(system) for a in chosen])
        both = [rmsd_tables(new[:, o], old, weights)[1] for o in (np.arange(len(order)), order)]
        chosen.append(trials[int(np.minimum(*both).min(axis=1).argmax())])
    shift = np.array(CENTER) - chosen[0].coordinates(system).mean(axis=0)
    return tuple(Arrangement(a.rotation, a.translation + shift) for a in chosen)
