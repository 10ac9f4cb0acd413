"""
Local to global coordinates, for many frames at once.

A node with a rotation and a translation is a frame of reference for its own
coordinates and for everything below it. All arithmetic is in float64 and
quaternions are normalised there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.typing import FloatArray, IntArray

__all__ = ["Motion", "Plan", "compose", "make_plan", "matrices", "move"]

_LONG = 16


@dataclass(frozen=True, eq=False)
class Plan:
    """
    Which frame of reference each bead stands in.

    Parameters
    ----------
    nodes : ndarray, dtype=int64, shape=(r,)
        Nodes that are frames of reference, outer ones first.
    parent : ndarray, dtype=int64, shape=(r,)
        Position in `nodes` of the next outer one; -1 if there is none.
    levels : tuple of ndarray
        Positions in `nodes` that are 1, 2, ... deep inside others.
    moved : ndarray, dtype=int64, shape=(k,)
        Beads that stand in a frame of reference.
    owner : ndarray, dtype=int64, shape=(k,)
        Position in `nodes` of the innermost one of these beads.
    """

    nodes: IntArray
    parent: IntArray
    levels: tuple[IntArray, ...]
    moved: IntArray
    owner: IntArray


@dataclass(frozen=True, eq=False)
class Motion:
    """
    Rigid motions of frames of reference, in frames of the file.

    Parameters
    ----------
    rotation : ndarray, dtype=float64, shape=(f,r,3,3)
        Proper rotations.
    translation : ndarray, dtype=float64, shape=(f,r,3)
        Translations in Å.
    """

    rotation: FloatArray
    translation: FloatArray


def make_plan(above: Mapping[int, int], leaves: IntArray, candidates: IntArray) -> Plan:
    """
    Find the frames of reference of some leaves.

    Parameters
    ----------
    above : dict
        For each node on a path the node whose frame it stands in, or -1.
    leaves : ndarray, dtype=int64, shape=(n,)
        Node ids of the beads.
    candidates : ndarray, dtype=int64
        Nodes that have a rotation.

    Returns
    -------
    plan : Plan
        Only candidates at or above a leaf are in it.
    """
    rotating = set(candidates.tolist())
    nearest: dict[int, int] = {-1: -1}

    def innermost(node: int) -> int:
        path = []
        while node not in nearest and node not in rotating:
            path.append(node)
            node = above.get(node, -1)
        found = nearest.get(node, node)
        nearest.update(dict.fromkeys(path, found))
        return found

    owners = [innermost(leaf) for leaf in leaves.tolist()]
    outer: dict[int, int] = {}
    waiting = [o for o in dict.fromkeys(owners) if o >= 0]
    while waiting:
        node = waiting.pop()
        if node not in outer:
            outer[node] = innermost(above.get(node, -1))
            if outer[node] >= 0:
                waiting.append(outer[node])
    depth: dict[int, int] = {}
    for node in outer:
        depth[node] = _depth(node, outer)
    ordered = sorted(outer, key=lambda n: (depth[n], n))
    place = {node: i for i, node in enumerate(ordered)} | {-1: -1}
    depths = np.array([depth[n] for n in ordered], dtype=np.int64)
    owner = np.array([place[o] for o in owners], dtype=np.int64)
    moved = np.flatnonzero(owner >= 0)
    return Plan(
        nodes=np.array(ordered, dtype=np.int64),
        parent=np.array([place[outer[n]] for n in ordered], dtype=np.int64),
        levels=tuple(np.flatnonzero(depths == d) for d in range(1, int(depths.max(initial=0)) + 1)),
        moved=moved,
        owner=owner[moved],
    )


def _depth(node: int, outer: dict[int, int]) -> int:
    depth = 0
    while outer[node] >= 0:
        node, depth = outer[node], depth + 1
    return depth


def matrices(quaternions: FloatArray) -> FloatArray:
    """
    Turn quaternions into rotation matrices.

    Parameters
    ----------
    quaternions : ndarray, dtype=float64, shape=(...,4)
        Scalar first (w, x, y, z); normalised here.

    Returns
    -------
    rotation : ndarray, dtype=float64, shape=(...,3,3)
        For column vectors, ``R @ v``.

    Examples
    --------
    >>> import numpy as np
    >>> matrices(np.array([2.0, 0, 0, 2.0])).round(12).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    with np.errstate(all="ignore"):
        # a quaternion of zeros, which no program writes, gives NaN
        unit = quaternions / np.sqrt((quaternions**2).sum(axis=-1, keepdims=True))
    w, x, y, z = np.moveaxis(unit, -1, 0)
    rotation = np.empty((*quaternions.shape[:-1], 3, 3))
    rotation[..., 0, 0] = w * w + x * x - y * y - z * z
    rotation[..., 0, 1] = 2 * (x * y - w * z)
    rotation[..., 0, 2] = 2 * (x * z + w * y)
    rotation[..., 1, 0] = 2 * (x * y + w * z)
    rotation[..., 1, 1] = w * w - x * x + y * y - z * z
    rotation[..., 1, 2] = 2 * (y * z - w * x)
    rotation[..., 2, 0] = 2 * (x * z - w * y)
    rotation[..., 2, 1] = 2 * (y * z + w * x)
    rotation[..., 2, 2] = w * w - x * x - y * y + z * z
    return rotation


def compose(plan: Plan, quaternions: FloatArray, translations: FloatArray) -> Motion:
    """
    Chain nested frames of reference.

    Parameters
    ----------
    plan : Plan
        Of the beads.
    quaternions : ndarray, dtype=float64, shape=(f,r,4)
        Rotation of each of ``plan.nodes``.
    translations : ndarray, dtype=float64, shape=(f,r,3)
        Translation of each.

    Returns
    -------
    motion : Motion
        From each frame of reference to global coordinates.
    """
    rotation = matrices(quaternions)
    translation = translations.copy()
    for level in plan.levels:
        outer = plan.parent[level]
        inner = rotation[:, level]
        shift = np.einsum("frij,frj->fri", rotation[:, outer], translation[:, level])
        translation[:, level] = shift + translation[:, outer]
        rotation[:, level] = rotation[:, outer] @ inner
    return Motion(rotation, translation)


def move(plan: Plan, motion: Motion, coordinates: FloatArray) -> None:
    """
    Bring local coordinates to global ones, in place.

    Parameters
    ----------
    plan : Plan
        Of the beads.
    motion : Motion
        Of its frames of reference.
    coordinates : ndarray, dtype=float64, shape=(f,n,3)
        Local coordinates in Å; overwritten.
    """
    if not len(plan.moved):
        return
    runs = np.flatnonzero(np.diff(plan.owner, prepend=-1))
    if len(runs) * _LONG <= len(plan.moved):
        _move_runs(plan, motion, coordinates, [*runs.tolist(), len(plan.moved)])
        return
    f, r = motion.translation.shape[:2]
    every = len(plan.moved) == coordinates.shape[1]
    local = coordinates if every else coordinates[:, plan.moved]
    # one gather of 12 numbers per bead is several times faster than 12 of one
    joined = np.concatenate([motion.rotation.reshape(f, r, 9), motion.translation], axis=2)
    out = _turned(np.take(joined, plan.owner, axis=1), local)
    if every:
        coordinates[...] = out
    else:
        coordinates[:, plan.moved] = out


def _move_runs(plan: Plan, motion: Motion, coordinates: FloatArray, ends: list[int]) -> None:
    """Move beads of one frame of reference that follow each other together, to the same bytes."""
    f, r = motion.translation.shape[:2]
    joined = np.concatenate([motion.rotation.reshape(f, r, 9), motion.translation], axis=2)
    for start, stop in pairwise(ends):
        beads, owner = plan.moved[start:stop], int(plan.owner[start])
        first, last = int(beads[0]), int(beads[-1]) + 1
        at = slice(first, last) if last - first == len(beads) else beads
        coordinates[:, at] = _turned(joined[:, owner, None], coordinates[:, at])


def _turned(motion: FloatArray, local: FloatArray) -> FloatArray:
    """Apply rotations and translations of shape (f,n or 1,12), summed from left to right."""
    x, y, z = local[..., 0], local[..., 1], local[..., 2]
    out = np.empty_like(local)
    for axis in range(3):
        total = motion[..., 3 * axis] * x
        total += motion[..., 3 * axis + 1] * y
        total += motion[..., 3 * axis + 2] * z
        total += motion[..., 9 + axis]
        out[..., axis] = total
    return out
