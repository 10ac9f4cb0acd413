"""
Accuracy: how far models are from a known structure.

Molecules are matched by name and beads by residue, so that a model of two
subunits compares with a structure of twelve; a bead of several residues is
compared with the mean of those residues. Copies may be matched in any way,
and the best one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._matching import (
    CopyMatch,
    ReferenceMatch,
    assignments,
    match_reference,
    slots,
)
from congruence.compute.precision import mean_interval
from congruence.compute.superpose import optimal_rotations
from congruence.core.precision import Accuracy, PlacementError
from congruence.core.results import Alignment
from congruence.errors import SelectionError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

__all__ = [
    "Compared",
    "CopyMatch",
    "ReferenceMatch",
    "accuracy",
    "compare",
    "match_reference",
    "placement_errors",
    "superposed",
]

_LINE = 1e-6


def superposed(
    points: FloatArray, on: FloatArray, places: FloatArray, weights: FloatArray | None = None
) -> FloatArray:
    """
    Move models so that some of their beads are laid on given places.

    Parameters
    ----------
    points : ndarray, dtype=float64, shape=(m,n,3)
        Beads to be moved, in Å.
    on : ndarray, dtype=float64, shape=(m,b,3)
        Beads of the same models that are superposed.
    places : ndarray, dtype=float64, shape=(b,3)
        Where they are to be laid.
    weights : ndarray, dtype=float64, shape=(b,), optional
        Weights of the superposed beads; equal by default.

    Returns
    -------
    moved : ndarray, dtype=float64, shape=(m,n,3)
        In Å.
    """
    share = np.full(len(places), 1.0) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    at, to = share @ on, share @ places
    covariance = ((places - to) * share[:, None]).T @ (on - at[:, None])
    rotation, _ = optimal_rotations(covariance)
    moved: FloatArray = (points - at[:, None]) @ rotation.swapaxes(1, 2) + to
    return moved


class Compared:
    """
    Models laid on a reference, every bead with its place there.

    Parameters
    ----------
    points : ndarray, dtype=float64, shape=(m,s,3)
        Positions of the models' beads in Å, after alignment.
    places : ndarray, dtype=float64, shape=(m,s,3)
        Where they should be; differs where copies were matched otherwise.
    beads : ndarray, dtype=int64, shape=(m,s)
        Which bead of the model that is.
    weights : ndarray, dtype=float64, shape=(n,)
        Weight of each bead of a model.
    """

    def __init__(
        self, points: FloatArray, places: FloatArray, beads: IntArray, weights: FloatArray
    ) -> None:
        self.points, self.places, self.beads, self.weights = points, places, beads, weights

    def distances(self, mask: BoolArray) -> FloatArray:
        """
        Compute the RMSD of each model over selected beads.

        Parameters
        ----------
        mask : ndarray, dtype=bool, shape=(n,)
            The selected beads of a model.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(m,)
            In Å; NaN for a model of which no selected bead was compared.
        """
        share = np.where(mask, self.weights, 0.0)[self.beads]
        squares = ((self.points - self.places) ** 2).sum(axis=2)
        total = share.sum(axis=1)
        out = np.full(len(total), np.nan)
        np.divide((share * squares).sum(axis=1), total, out=out, where=total > 0)
        distances: FloatArray = np.sqrt(out)
        return distances


def compare(
    coordinates: FloatArray,
    match: ReferenceMatch,
    *,
    alignment: Alignment | str,
    weights: FloatArray,
    on: BoolArray | None = None,
) -> Compared:
    """
    Lay models on a reference, copies matched so that the RMSD of all is smallest.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        Models in Å.
    match : ReferenceMatch
        From `match_reference`.
    alignment : Alignment or {"none", "center", "superpose"}
        Whether models are superposed on the reference.
    weights : ndarray, dtype=float64, shape=(n,)
        Weight of each bead, for superposition and RMSD.
    on : ndarray, dtype=bool, shape=(n,), optional
        Beads that are superposed; all that are matched by default.

    Returns
    -------
    compared : Compared
        The models in the frame of the reference.

    Raises
    ------
    SelectionError
        If no bead that is to be superposed has a place in the reference.
    ConfigError
        If copies can be matched in more than 5,040 ways.
    ShapeError
        If a number is not finite.
    """
    mode = Alignment(alignment)
    if not np.isfinite(coordinates).all():
        raise ShapeError("there are models with coordinates that are not finite")
    fitted = np.ones(coordinates.shape[1], dtype=bool) if on is None else on
    best = np.full(len(coordinates), np.inf)
    count = len(slots(match, next(assignments(match)))[0])
    kept, targets = (np.empty((len(coordinates), count, 3)) for _ in range(2))
    beads = np.empty((len(coordinates), count), dtype=np.int64)
    for several in assignments(match):
        index, places = slots(match, several)
        moved = _laid(coordinates[:, index], places, mode, fitted[index], weights[index])
        total = ((moved - places) ** 2).sum(axis=2) @ weights[index]
        # The order of the files stays unless another is really better.
        better = total < best * (1 - 1e-12)
        kept[better], targets[better], beads[better] = moved[better], places, index
        best[better] = total[better]
    return Compared(kept, targets, beads, weights)


def _laid(
    points: FloatArray, places: FloatArray, mode: Alignment, on: BoolArray, weights: FloatArray
) -> FloatArray:
    if mode is Alignment.NONE:
        return points
    if not on.any() or not weights[on].sum() > 0:
        raise SelectionError(
            "no bead that is to be superposed has a place in the reference",
            hint="Superpose on a part that the reference has, too.",
        )
    if mode is Alignment.SUPERPOSE:
        return superposed(points, points[:, on], places[on], weights[on])
    share = weights[on] / weights[on].sum()
    shift = share @ places[on] - share @ points[:, on]
    moved: FloatArray = points + shift[:, None]
    return moved


def accuracy(
    compared: Compared,
    mask: BoolArray,
    *,
    runs: Sequence[str] | ObjectArray | None = None,
    seed: int = 0,
) -> Accuracy:
    """
    Compute the distances of models to the reference over a selection.

    Parameters
    ----------
    compared : Compared
        From `compare`.
    mask : ndarray, dtype=bool, shape=(n,)
        The selected beads of a model.
    runs : sequence of str, length m, optional
        Run of each model, for the interval of the average.
    seed : int
        Seed of the resampling.

    Returns
    -------
    accuracy : Accuracy
        Distances in Å.

    Raises
    ------
    SelectionError
        If none of the beads has a place in the reference.
    """
    distances = compared.distances(mask)
    if np.isnan(distances).any():
        raise SelectionError(
            "no bead of the selection has a place in the reference",
            hint="Leave the selection out, or map its molecules with --map.",
        )
    interval, reason = mean_interval(distances, runs, seed=seed)
    return Accuracy(distances, int(mask[compared.beads[0]].sum()), interval, reason)


def placement_errors(compared: Compared, topology: Topology) -> tuple[PlacementError, ...]:
    """
    Compute how far each molecule is from its place, and how it is turned.

    The translation is the distance of the two centroids, the rotation the
    angle of the rotation that would lay the molecule on its place
    (doi:10.1016/j.jmb.2009.02.031 uses the same two numbers). Both are in the
    frame of `compared`.

    Parameters
    ----------
    compared : Compared
        From `compare`.
    topology : Topology
        The beads of a model.

    Returns
    -------
    errors : tuple of PlacementError
        One per molecule, in order of appearance; molecules without a place
        are left out.
    """
    owner = topology.molecule_index[compared.beads]
    found = []
    for molecule in dict.fromkeys(topology.molecule_index.tolist()):
        mine = owner == molecule
        rows = np.flatnonzero(mine.any(axis=1))
        if not len(rows):
            continue
        values = np.full((3, len(mine)), np.nan)
        for pattern in np.unique(mine[rows], axis=0):
            same = rows[(mine[rows] == pattern).all(axis=1)]
            values[:, same] = _misplaced(
                compared.points[same][:, pattern],
                compared.places[same][:, pattern],
                compared.weights[compared.beads[same[0]][pattern]],
            )
        name = str(topology.molecules[molecule])
        found.append(PlacementError(name, int(mine[rows[0]].sum()), *values))
    return tuple(found)


def _misplaced(points: FloatArray, places: FloatArray, weights: FloatArray) -> FloatArray:
    """Return translation, rotation and internal RMSD of some models, shape (3,m)."""
    share = (
        weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / len(weights))
    )
    at, to = share @ points, share @ places
    centred, target = points - at[:, None], places - to[:, None]
    rotation, _ = optimal_rotations((target * share[:, None]).swapaxes(1, 2) @ centred)
    trace = np.clip((np.trace(rotation, axis1=1, axis2=2) - 1) / 2, -1.0, 1.0)
    angle = np.degrees(np.arccos(trace))
    spread = np.linalg.svd(target * np.sqrt(share)[:, None], compute_uv=False)
    if len(share) < 3:
        angle[:] = np.nan
    else:
        angle[spread[:, 1] <= _LINE * spread[:, 0]] = np.nan
    left = centred @ rotation.swapaxes(1, 2) - target
    internal = np.sqrt((left**2).sum(axis=2) @ share)
    return np.stack([np.sqrt(((at - to) ** 2).sum(axis=1)), angle, internal])
