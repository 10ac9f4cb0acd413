"""
The slow and sure way for single pairs: singular values and explicit residuals.

It repairs the pairs that a tile of matrix products cannot give exactly (near
duplicates, beads on a line, mirror images) and it places members of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.assignment import best_assignment, best_totals, fitted_assignments
from congruence.compute.superpose import optimal_rotations
from congruence.core.results import Alignment

if TYPE_CHECKING:
    from congruence.compute._packing import Packed, Rows
    from congruence.compute._resolve import Resolved
    from congruence.typing import FloatArray, IntArray

__all__ = ["NEAR", "Exact", "exact_distances", "exact_pair"]

_CHUNK = 1 << 18
NEAR = 1e-9
"""Overlaps that rounding could confuse differ by less, in units of the sum of squares."""


@dataclass(frozen=True, eq=False)
class Exact:
    """A pair: its distance in Å, the rotation of the second and the active assignment."""

    distance: float
    rotation: FloatArray
    assignment: dict[int, tuple[int, ...]]


def exact_distances(
    resolved: Resolved, one: Packed, two: Packed, pairs: tuple[IntArray, IntArray]
) -> FloatArray:
    """Return the distances of some pairs of two tiles, recomputed explicitly."""
    rows, columns = pairs
    if resolved.groups:
        return np.array(
            [
                exact_pair(resolved, one, two, int(i), int(j)).distance
                for i, j in zip(rows, columns, strict=True)
            ]
        )
    step = max(1, _CHUNK // max(one.measure.parts[0].shape[3], one.fit.parts[0].shape[3]))
    chunks = [slice(at, at + step) for at in range(0, len(rows), step)]
    return np.concatenate(
        [np.empty(0)] + [_chunk(resolved, one, two, (rows[c], columns[c])) for c in chunks]
    )


def _chunk(
    resolved: Resolved, one: Packed, two: Packed, pairs: tuple[IntArray, IntArray]
) -> FloatArray:
    rows, columns = pairs
    x = one.measure.parts[0][0][:, rows].swapaxes(0, 1)
    y = two.measure.parts[0][0][:, columns].swapaxes(0, 1)
    if resolved.alignment is Alignment.SUPERPOSE:
        u = one.fit.parts[0][0][:, rows].swapaxes(0, 1)
        v = two.fit.parts[0][0][:, columns].swapaxes(0, 1)
        rotation, _ = optimal_rotations(u @ v.swapaxes(1, 2))
        y = rotation @ y
    distance: FloatArray = np.sqrt(((x - y) ** 2).sum(axis=(1, 2)))
    return distance


def exact_pair(resolved: Resolved, one: Packed, two: Packed, i: int, j: int) -> Exact:
    """Return the best rotation and assignment of model `j` of a tile onto model `i` of another."""
    measured = _pick(one.measure, two.measure, i, j)
    if resolved.alignment is not Alignment.SUPERPOSE:
        return _residual(resolved, measured, np.eye(3), {})
    several = list(fitted_assignments(resolved.groups))
    covariances = np.stack(_totals(_pick(one.fit, two.fit, i, j), several))
    rotations, overlap = optimal_rotations(covariances)
    if not resolved.same:
        overlap = _measured_overlap(resolved, measured, rotations, several)
    # Only assignments that rounding could confuse with the best are looked at in full.
    scale = float(one.measure.squares[i] + two.measure.squares[j])
    near = np.flatnonzero(overlap >= overlap.max() - NEAR * scale)
    found = [_residual(resolved, measured, rotations[at], several[at]) for at in near.tolist()]
    return min(found, key=lambda exact: exact.distance)


_Pair = list[tuple["FloatArray", "FloatArray"]]


def _pick(one: Rows, two: Rows, i: int, j: int) -> _Pair:
    return [(x[:, :, i], y[:, :, j]) for x, y in zip(one.parts, two.parts, strict=True)]


def _totals(parts: _Pair, several: list[dict[int, tuple[int, ...]]]) -> list[FloatArray]:
    """Return the covariance of each assignment, over the beads whose copies it names."""
    blocks = [np.einsum("kdb,leb->klde", x, y) for x, y in parts]
    totals = []
    for assignment in several:
        total: FloatArray = blocks[0][0, 0].copy()
        for at, permutation in assignment.items():
            for k, image in enumerate(permutation):
                total += blocks[at + 1][k, image]
        totals.append(total)
    return totals


def _measured_overlap(
    resolved: Resolved,
    measured: _Pair,
    rotations: FloatArray,
    several: list[dict[int, tuple[int, ...]]],
) -> FloatArray:
    totals = np.stack(_totals(measured, several))
    overlap: FloatArray = np.einsum("ade,ade->a", rotations, totals)
    for at, group in enumerate(resolved.groups):
        if not group.fitted:
            x, y = measured[at + 1]
            blocks = np.einsum("kdb,leb->klde", x, y)
            overlap = overlap + best_totals(np.einsum("ade,klde->kla", rotations, blocks))
    return overlap


def _residual(
    resolved: Resolved,
    measured: _Pair,
    rotation: FloatArray,
    fitted: dict[int, tuple[int, ...]],
) -> Exact:
    turned = resolved.alignment is Alignment.SUPERPOSE
    laid = [(x, rotation @ y if turned else y) for x, y in measured]
    total = float(((laid[0][0] - laid[0][1]) ** 2).sum())
    assignment = dict(fitted)
    for at in range(len(resolved.groups)):
        x, y = laid[at + 1]
        if at in fitted:
            total += float(((x - y[list(fitted[at])]) ** 2).sum())
        else:
            costs = ((x[:, None] - y[None]) ** 2).sum(axis=(2, 3))
            assignment[at], cost = best_assignment(costs)
            total += cost
    return Exact(float(np.sqrt(total)), rotation, assignment)
