"""
An orthonormal basis of the bead space of an ensemble, part by part.

A part is the beads outside of interchangeable copies, or one copy of a group:
copies share a basis, so that they can still be exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._blocks import in_order
from congruence.compute._packing import TILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.compute._packing import Packed, Packer
    from congruence.compute._resolve import Resolved
    from congruence.typing import FloatArray, IntArray

__all__ = ["Basis", "find_basis", "packed_rows", "pays", "principal_basis", "spread_models"]

_REPAIRED_BELOW = 0.01  # Å; pairs nearer than this may be recomputed from all beads
_SAMPLE = 64
_ROUNDS = 64
_WORST = 256
_WORTH = 2e9  # multiplications of a job that is over in a moment anyway
_GAIN = 0.6


@dataclass(frozen=True, eq=False)
class Basis:
    """
    Orthonormal columns per part, with what the pseudo-beads weigh.

    `columns` have shape (b,r), the first being the roots of the weights, so that
    the centroid of the pseudo-beads is that of the beads; `copies` and `share` are
    the copies of a part and the weight of one.
    """

    columns: tuple[FloatArray, ...]
    copies: tuple[int, ...]
    share: tuple[float, ...]

    def narrowed(self, columns: int) -> Basis:
        """Return the basis of the first so many columns of each part, and the roots."""
        return replace(self, columns=tuple(v[:, : columns + 1] for v in self.columns))

    @property
    def size(self) -> int:
        """Number of pseudo-beads."""
        return sum(c * v.shape[1] for c, v in zip(self.copies, self.columns, strict=True))

    def weights(self) -> FloatArray:
        """Return the weights of the pseudo-beads, equal within a part."""
        each = zip(self.columns, self.copies, self.share, strict=True)
        return np.concatenate([np.full(c * v.shape[1], s / v.shape[1]) for v, c, s in each])

    def groups(self) -> list[IntArray]:
        """Return the pseudo-beads of each group of copies, shape (copies, r)."""
        found, at = [], 0
        for v, c in zip(self.columns, self.copies, strict=True):
            if c > 1:
                found.append(np.arange(at, at + c * v.shape[1]).reshape(c, -1))
            at += c * v.shape[1]
        return found

    def pseudo_beads(self, packed: Packed) -> tuple[FloatArray, FloatArray]:
        """
        Return the pseudo-beads of a tile, shape (models, size, 3), and the residuals.

        These are what is left out of each model, in Å.
        """
        blocks, total = [], np.zeros(len(packed.measure.squares))
        for rows, v, share in zip(packed_rows(packed), self.columns, self.share, strict=True):
            along, mirror = rows @ v, _mirror(v.shape[1])  # copies, 3, models, r
            total += _squares(rows, along, v)
            along -= (along @ mirror)[..., None] * mirror
            along *= np.sqrt(v.shape[1] / share)
            blocks.append(along.transpose(2, 0, 3, 1).reshape(along.shape[2], -1, 3))
        return np.concatenate(blocks, axis=1), np.sqrt(total)

    def residuals(self, packed: Packed) -> FloatArray:
        """Return what is left out of each model of a tile, in Å, shape (models,)."""
        several = zip(packed_rows(packed), self.columns, strict=True)
        return np.sqrt(sum(_squares(rows, rows @ v, v) for rows, v in several))

    def grown(self, packed: Sequence[Packed], limit: float) -> Basis:
        """Return a basis that leaves at most `limit` Å out of the given models."""
        parts = [np.concatenate(several, axis=2) for several in zip(*map(packed_rows, packed), strict=True)]  # fmt: skip
        budget = limit / np.sqrt(len(parts))
        wider = [_widen(v, rows, budget) for v, rows in zip(self.columns, parts, strict=True)]
        return Basis(tuple(wider), self.copies, self.share)


def _mirror(r: int) -> FloatArray:
    """Return the vector whose reflection takes the first axis to the diagonal of r dimensions."""
    u = np.full(r, -1.0 / np.sqrt(r))
    u[0] += 1.0
    length = np.sqrt(u @ u)
    if length < 1e-12:
        return np.zeros(r)
    mirror: FloatArray = u * (np.sqrt(2.0) / length)
    return mirror


def _squares(rows: FloatArray, along: FloatArray, v: FloatArray) -> FloatArray:
    """Return the squares of what columns leave out of rows, of each model."""
    left = along @ v.T
    np.subtract(rows, left, out=left)
    squares: FloatArray = np.einsum("kdib,kdib->i", left, left)
    return squares


def packed_rows(packed: Packed) -> list[FloatArray]:
    """Return the parts that weigh something, as (copies, 3, models, b)."""
    rows = []
    for part in packed.measure.parts:
        copies, planes, models, width = part.shape
        if planes == 1:
            part = part.reshape(copies, models, 3, width // 3).transpose(0, 2, 1, 3)
        if part.shape[3]:
            rows.append(part)
    return rows


def _widen(v: FloatArray, rows: FloatArray, limit: float) -> FloatArray:
    """Add the directions in which any model lies further than the limit outside."""
    copies, _, models, width = rows.shape
    left = rows - (rows @ v) @ v.T
    left = left - (left @ v) @ v.T
    flat = left.reshape(-1, width)
    # Few rows or few columns: the smaller side decides the cost.
    u, s, vt = np.linalg.svd(flat, full_matrices=False)
    energy = (u * s) ** 2
    per_model = energy.reshape(copies, 3, models, len(s)).sum(axis=(0, 1))
    tail = np.cumsum(per_model[:, ::-1], axis=1)[:, ::-1].max(axis=0)
    keep = int(np.count_nonzero(tail > (0.5 * limit) ** 2))
    added = vt[:keep].T
    added = added - v @ (v.T @ added)
    if not keep:
        return v
    wider, triangle = np.linalg.qr(np.hstack([v, added]))
    # The first column has a meaning, so that no sign may be turned.
    turned: FloatArray = wider * np.where(np.diag(triangle) < 0, -1.0, 1.0)
    return turned


def pays(resolved: Resolved, widths: Sequence[int]) -> bool:
    """Tell whether so many pseudo-beads per part save more than they cost."""
    m = resolved.source.shape[0]
    parts = [p for p in resolved.measure.parts if p.beads.shape[1]]
    square = [len(p.beads) ** 2 for p in parts]
    beads = [p.beads.shape[1] for p in parts]
    planes = 4.5 if resolved.planes == 3 else 1.5
    per_pair = planes * m * m
    before = per_pair * sum(s * b for s, b in zip(square, beads, strict=True))
    # The first basis seldom describes all models: they are gone over twice.
    once = sum(
        12.0 * m * len(p.beads) * b * r + 10.0 * b * r * r
        for p, b, r in zip(parts, beads, widths, strict=False)
    )
    after = per_pair * sum(s * r for s, r in zip(square, widths, strict=False)) + once
    return bool(before > _WORTH and after < _GAIN * before)


def find_basis(
    packer: Packer, *, tolerance: float, always: bool, threads: int
) -> tuple[Basis, FloatArray, FloatArray] | None:
    """Return a basis that describes all models, their pseudo-beads and residuals; None if it does not pay."""
    resolved = packer.resolved
    m = resolved.source.shape[0]
    limit = 0.5 * float(np.sqrt(2.0 * tolerance * _REPAIRED_BELOW))
    basis = _first(resolved)
    if basis is None:
        return None
    spread = spread_models(m)
    for at in range(0, len(spread), _SAMPLE):
        basis, before = _add(packer, basis, spread[at : at + _SAMPLE], limit), basis.size
        if not (always or pays(resolved, _widths(basis))):
            return None
        if basis.size == before:
            break
    for _ in range(_ROUNDS):
        coordinates, residuals = _described(packer, basis, threads)
        outside = np.flatnonzero(residuals > limit)
        if not len(outside):
            return basis, coordinates, residuals
        worst = outside[np.argsort(-residuals[outside], kind="stable")][:_WORST]
        basis = _add(packer, basis, np.sort(worst), limit)
        if not (always or pays(resolved, _widths(basis))):
            return None
    return None


def _first(resolved: Resolved) -> Basis | None:
    columns, copies, shares = [], [], []
    for part in resolved.measure.parts:
        if not part.beads.shape[1]:
            if len(part.beads) > 1:
                return None
            continue
        share = float(part.root @ part.root)
        if share <= 0.0:
            return None
        columns.append((part.root / np.sqrt(share))[:, None])
        copies.append(len(part.beads))
        shares.append(share)
    return Basis(tuple(columns), tuple(copies), tuple(shares))


def principal_basis(resolved: Resolved, packed: Packed, count: int) -> Basis | None:
    """Return the directions of largest spread of some models without copies, at most so many."""
    basis = _first(resolved)
    if basis is None:
        return None
    (v,), (rows,) = basis.columns, packed_rows(packed)
    left = rows - (rows @ v) @ v.T
    _, _, vt = np.linalg.svd(left.reshape(-1, left.shape[3]), full_matrices=False)
    wider, triangle = np.linalg.qr(np.hstack([v, vt[:count].T]))
    turned = wider * np.where(np.diag(triangle) < 0, -1.0, 1.0)
    return Basis((turned,), basis.copies, basis.share)


def _widths(basis: Basis) -> list[int]:
    return [v.shape[1] for v in basis.columns]


def spread_models(m: int) -> IntArray:
    """Return all models, so ordered that every beginning of the list is spread evenly."""
    bits = max(1, (m - 1).bit_length())
    numbers = np.arange(1 << bits)
    turned = np.zeros_like(numbers)
    for bit in range(bits):
        turned |= ((numbers >> bit) & 1) << (bits - 1 - bit)
    order: IntArray = turned[turned < m]
    return order


def _add(packer: Packer, basis: Basis, models: IntArray, limit: float) -> Basis:
    packed = [packer.models(np.array([model])) for model in np.sort(models)]
    return basis.grown(packed, limit)


def _described(packer: Packer, basis: Basis, threads: int) -> tuple[FloatArray, FloatArray]:
    """Return the pseudo-beads of all models, and what these leave out."""
    m = packer.resolved.source.shape[0]
    coordinates, residuals = np.empty((m, basis.size, 3)), np.empty(m)

    def describe(start: int) -> tuple[FloatArray, FloatArray]:
        packed = packer.tile(start)
        placed, left = basis.pseudo_beads(packed)
        return placed[: packed.count], left[: packed.count]

    for start, (placed, left) in in_order(describe, range(0, m, TILE), threads):
        coordinates[start : start + len(placed)] = placed
        residuals[start : start + len(placed)] = left
    return coordinates, residuals
