"""Beads of a file at one resolution: their topology and where they are in each frame."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from congruence.errors import FormatError
from congruence.io.rmf.transform import Motion, Plan, compose, make_plan, matrices, move
from congruence.io.rmf.values import Columns, static_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.topology import Topology
    from congruence.io.rmf.index import FrameRef
    from congruence.io.rmf.tables import Key, StaticTables
    from congruence.io.rmf.templates import Template
    from congruence.io.rmf.values import FrameValues
    from congruence.io.rmf.walk import Selected
    from congruence.typing import BoolArray, FloatArray

__all__ = ["Beads", "Gaussians"]

_CHUNK_BYTES = 1 << 23
_PLANS_KEPT = 8


@dataclass(frozen=True, eq=False)
class _Frames:
    """Frames of reference of some beads, with their static values."""

    plan: Plan
    columns: Columns
    rotation: FloatArray
    translation: FloatArray


class Gaussians(NamedTuple):
    """
    Gaussians that stand for molecules in some frames.

    Parameters
    ----------
    centers : ndarray, dtype=float64, shape=(f,n,3)
        Centers in Å.
    covariances : ndarray, dtype=float64, shape=(f,n,3,3)
        In Å², along the global axes.
    masses : ndarray, dtype=float64, shape=(n,)
        In Da.
    """

    centers: FloatArray
    covariances: FloatArray
    masses: FloatArray


class Beads:
    """
    Some leaves of the hierarchy, ready to be read in any frame.

    Holds nothing of a particular file but its static data, so that files with
    equal static data share it.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    selected : Selected
        The leaves.
    """

    def __init__(self, tables: StaticTables, selected: Selected) -> None:
        self._tables = tables
        self.selected = selected
        self.columns = Columns(selected.topology.node_id)
        self._coordinates = tables.find("physics", "coordinates", "vector3_data")
        self._rotation = tables.find("physics", "rotation", "vector4_data")
        self._translation = tables.find("physics", "translation", "vector3_data")
        self._variances = tables.find("physics", "variances", "vector3_data")
        self._local = self._static(self._coordinates, self.columns, 3)
        self._plans: OrderedDict[tuple[Template, ...], _Frames] = OrderedDict()

    def _static(self, keys: tuple[Key, ...], columns: Columns, width: int) -> FloatArray:
        if not keys:
            return np.full((len(columns), width), np.nan)
        return static_array(self._tables, keys, columns)

    @property
    def topology(self) -> Topology:
        """The beads."""
        return self.selected.topology

    def placed(self, values: FrameValues, example: FrameRef | None) -> BoolArray:
        """
        Tell which beads have a position.

        Parameters
        ----------
        values : FrameValues
            Values of the file.
        example : FrameRef or None
            A frame to look at beside the static data.

        Returns
        -------
        placed : ndarray, dtype=bool, shape=(n,)
            Whether there are coordinates.
        """
        placed = ~np.isnan(self._local[:, 0])
        if example is not None:
            for _, held in values.held([example], self._coordinates, self.columns):
                placed |= held
        return placed

    def _frames(self, templates: tuple[Template, ...], values: FrameValues) -> _Frames:
        known = self._plans.get(templates)
        if known is None:
            turning = [
                n
                for key in self._rotation
                for n in self._tables.column(key.category, key.name, key.field)
            ]
            candidates = np.union1d(
                np.array(turning, dtype=np.int64), values.nodes_with(templates, self._rotation)
            )
            plan = make_plan(self.selected.above, self.columns.nodes, candidates)
            columns = Columns(plan.nodes)
            known = _Frames(
                plan,
                columns,
                self._static(self._rotation, columns, 4),
                self._static(self._translation, columns, 3),
            )
            self._plans = OrderedDict(
                [*list(self._plans.items())[1 - _PLANS_KEPT :], (templates, known)]
            )
        return known

    def _motion(self, values: FrameValues, frames: Sequence[FrameRef], around: _Frames) -> Motion:
        shape = (len(frames), len(around.columns))
        rotation = np.broadcast_to(around.rotation, (*shape, 4)).copy()
        translation = np.broadcast_to(around.translation, (*shape, 3)).copy()
        values.fill(rotation, frames, self._rotation, around.columns)
        values.fill(translation, frames, self._translation, around.columns)
        # a node without rotation in this frame is no frame of reference in it
        still = np.isnan(rotation[..., 0])
        if still.any():
            rotation[still] = (1.0, 0.0, 0.0, 0.0)
            translation[still] = 0.0
        translation[np.isnan(translation)] = 0.0
        return compose(around.plan, rotation, translation)

    def _step(self, around: _Frames) -> int:
        per_frame = 8 * (21 * len(self.columns) + 36 * len(around.columns)) + 1
        return max(1, _CHUNK_BYTES // per_frame)

    def coordinates(
        self, values: FrameValues, frames: Sequence[FrameRef], path: object
    ) -> FloatArray:
        """
        Read global coordinates.

        Parameters
        ----------
        values : FrameValues
            Values of the file.
        frames : sequence of FrameRef
            The frames.
        path : object
            The file, for messages.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(f,n,3)
            In Å.

        Raises
        ------
        FormatError
            If a frame lacks the coordinates of a bead.
        """
        self._check(values, frames, path)
        around = self._frames(values.templates(frames, "vector3_data"), values)
        out = np.empty((len(frames), len(self.columns), 3))
        step = self._step(around)
        for start in range(0, len(frames), step):
            part, chunk = out[start : start + step], frames[start : start + step]
            part[...] = self._local
            values.fill(part, chunk, self._coordinates, self.columns)
            with np.errstate(all="ignore"):
                move(around.plan, self._motion(values, chunk, around), part)
        return out

    def _check(self, values: FrameValues, frames: Sequence[FrameRef], path: object) -> None:
        known = ~np.isnan(self._local[:, 0])
        if known.all():
            return
        for rows, held in values.held(frames, self._coordinates, self.columns):
            lacking = np.flatnonzero(~(known | held))
            if len(lacking):
                bead = self.topology.bead_name[lacking[0]]
                raise FormatError(
                    f"{len(lacking)} of {len(held)} beads, the first of them '{bead}', "
                    "have no coordinates, which the first frame has",
                    path=path,
                    location=f"frame {frames[rows[0]].info.id}",
                    hint="Leave this frame out.",
                )

    def covariances(self, values: FrameValues, frames: Sequence[FrameRef]) -> FloatArray:
        """
        Read covariances of Gaussians in global axes.

        Parameters
        ----------
        values : FrameValues
            Values of the file.
        frames : sequence of FrameRef
            The frames.

        Returns
        -------
        covariances : ndarray, dtype=float64, shape=(f,n,3,3)
            ``R diag(variances) R^T`` in Å².
        """
        static = self._static(self._variances, self.columns, 3)
        around = self._frames(values.templates(frames, "vector3_data"), values)
        variances = np.broadcast_to(static, (len(frames), *static.shape)).copy()
        values.fill(variances, frames, self._variances, self.columns)
        axes = np.broadcast_to(matrices(np.eye(4)[0]), (*variances.shape, 3)).copy()
        with np.errstate(all="ignore"):
            motion = self._motion(values, frames, around)
            axes[:, around.plan.moved] = motion.rotation[:, around.plan.owner]
            turned: FloatArray = np.einsum("fnij,fnj,fnkj->fnik", axes, variances, axes)
        return turned
