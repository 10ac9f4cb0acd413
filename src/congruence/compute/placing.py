"""
Where models go: the motion and the assignment of copies that lay them on one of them.

Models are packed and turned together. A placement does not depend on which
others are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._exact import NEAR, exact_pair
from congruence.compute._packing import Packed, Packer
from congruence.compute._resolve import Data, Resolved, resolve
from congruence.compute.assignment import fitted_assignments
from congruence.compute.metric import given_metric
from congruence.compute.superpose import optimal_rotations
from congruence.core.placement import Placement
from congruence.core.results import Alignment
from congruence.core.sources import ArraySource
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Unpack

    from congruence.compute.metric import Metric, MetricWords
    from congruence.typing import FloatArray, IntArray

__all__ = ["place"]

_TOGETHER = 1 << 19  # coordinates


def place(
    data: Data,
    members: IntArray | Sequence[int],
    reference: int,
    metric: Metric | None = None,
    **words: Unpack[MetricWords],
) -> tuple[Placement, ...]:
    """
    Find the motion and the assignment of copies that lay models on one of them.

    After ``placement.apply(coordinates, groups)`` the distance of a member to
    the reference over the measured beads, without further alignment, is their
    entry in the matrix of the same metric.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    members : ndarray, dtype=int64, shape=(k,)
        Models to place.
    reference : int
        The model that they are laid on.
    metric : Metric, optional
        The definition of the distance; or give its fields as keywords.
    **words : Unpack[MetricWords]
        Fields of `Metric`, see `congruence.compute.rmsd.rmsd_matrix`.

    Returns
    -------
    placements : tuple of Placement
        One per member: the identity motion for alignment ``"none"``, a
        translation for ``"center"``. Assignments have one permutation for
        each group of ``Topology.copy_groups()`` (or of the given groups), the
        identity for groups that take no part; none when copies are off.

    Raises
    ------
    ConfigError
        If no alignment is given, or copies have too many assignments.
    ShapeError
        If a model does not exist or is not finite.
    """
    resolved = resolve(data, given_metric(metric, words))
    m, n, _ = resolved.source.shape
    wanted = [int(member) for member in members]
    for model in (*wanted, reference):
        if not 0 <= model < m:
            raise ShapeError(f"model {model} does not exist: there are models 0 to {m - 1}")
    onto = _Onto.model(resolved, reference)
    moved = [member for member in wanted if member != reference]
    step = max(1, _TOGETHER // (3 * n + 9 * sum(1 for _ in fitted_assignments(resolved.groups))))
    found = (p for at in range(0, len(moved), step) for p in onto.placed(moved[at : at + step]))
    still = Placement(assignment=resolved.assignment({}))
    return tuple(still if member == reference else next(found) for member in wanted)


@dataclass(frozen=True, eq=False)
class _Onto:
    """The model that others are laid on, packed, and its centroid."""

    resolved: Resolved
    packed: Packed
    centroid: FloatArray

    @classmethod
    def model(cls, resolved: Resolved, model: int) -> _Onto:
        packed, centroids = _packed(resolved, [model])
        return cls(resolved, packed, centroids[0])

    def placed(self, members: list[int]) -> Iterator[Placement]:
        packed, own = _packed(self.resolved, members)
        rotations, assignments = self._matched(packed)
        if self.resolved.alignment is Alignment.NONE:
            for assignment in assignments:
                yield Placement(assignment=assignment)
            return
        translations = self.centroid - (rotations @ own[:, :, None])[:, :, 0]
        yield from map(Placement, rotations, translations, assignments)

    def _matched(self, packed: Packed) -> tuple[FloatArray, list[tuple[tuple[int, ...], ...]]]:
        """Return the rotation of each model, and its assignment of copies."""
        resolved = self.resolved
        turned = resolved.alignment is Alignment.SUPERPOSE
        if not turned and not resolved.groups:
            still = np.broadcast_to(np.eye(3), (packed.count, 3, 3))
            return still, [resolved.assignment({})] * packed.count
        rotations = np.empty((packed.count, 3, 3))
        found: dict[int, dict[int, tuple[int, ...]]] = {}
        if turned and resolved.same and all(group.fitted for group in resolved.groups):
            found = self._coupled(packed, rotations)
        for at in range(packed.count):
            if at not in found:
                pair = exact_pair(resolved, self.packed, packed, 0, at)
                rotations[at], found[at] = pair.rotation, pair.assignment
        return rotations, [resolved.assignment(found[at]) for at in range(packed.count)]

    def _coupled(
        self, packed: Packed, rotations: FloatArray
    ) -> dict[int, dict[int, tuple[int, ...]]]:
        """Fill in the rotations of models whose best assignment is beyond doubt; return these."""
        several = list(fitted_assignments(self.resolved.groups))
        parts = zip(self.packed.fit.parts, packed.fit.parts, strict=True)
        blocks = [np.einsum("kdb,lemb->mklde", x[:, :, 0], y) for x, y in parts]
        covariances = np.empty((packed.count, len(several), 3, 3))
        for total, assignment in zip(covariances.swapaxes(0, 1), several, strict=True):
            total[:] = blocks[0][:, 0, 0]
            for group, permutation in assignment.items():
                for k, image in enumerate(permutation):
                    total += blocks[group + 1][:, k, image]
        every, overlap = optimal_rotations(covariances)
        best = overlap.argmax(axis=1)
        scale = self.packed.measure.squares[0] + packed.measure.squares
        near = overlap >= overlap.max(axis=1, keepdims=True) - NEAR * scale[:, None]
        sure = np.flatnonzero(np.count_nonzero(near, axis=1) == 1)
        rotations[sure] = every[sure, best[sure]]
        return {at: several[best[at]] for at in sure.tolist()}


def _packed(resolved: Resolved, models: list[int]) -> tuple[Packed, FloatArray]:
    """Read and pack models from anywhere; return them and what was taken from each."""
    block = np.concatenate([resolved.source.read(i, i + 1) for i in models])
    together = Packer(replace(resolved, source=ArraySource(block)), shifted=False)
    try:
        packed = together.models(np.arange(len(models)))
    except ShapeError:
        if len(models) > 1:
            for model in models:
                _packed(resolved, [model])
        Packer(resolved, shifted=False).models(np.array(models[:1]))  # says which model it is
        raise
    return packed, together.centroids(np.asarray(block, np.float64))
