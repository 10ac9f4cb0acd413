"""
In which tasks a localization density is made on a Dask cluster.

Where a stretch of models ends is part of the definition of the bytes: a task may do several
stretches, and each has a sum of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.workflow import dask_map_tasks
from congruence.workflow.dask_futures import Call
from congruence.workflow.dask_portions import divided, together
from congruence.workflow.dask_words import grid_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.core.grid import Grid

__all__ = ["MapPlan", "Summed"]

# Seconds of one core: with compiled loops, by NumPy.
_READ = 5e-8
_BEAD = (1.4e-7, 5e-7)
_LATTICE = (3e-8, 8e-8)
_FINISH = (1.5e-8, 6e-8)
_ADD = 2.5e-9

_PARTS = 16
"""Parts that one task adds, about, where maps do not add them themselves."""
_OWN_SECONDS = 0.5
"""A map adds its parts itself if that takes no longer."""
_SUM_SECONDS = 0.5
_SUM_VALUES = 1 << 25
"""Values of each part, at most, that one task adds: 256 MB."""


@dataclass(frozen=True)
class Summed:
    """
    What there is of a map before the task that makes it.

    Parameters
    ----------
    calls : tuple of Call
        The tasks; none where the map is made at once.
    after : tuple of str
        Those of them that must be done last.
    parts : tuple of Path
        Files that they leave: a sum of each stretch.
    slabs : tuple of Path
        Or all sums, for some planes each.
    own : tuple of (int, int)
        Stretches after these that the task sums itself.
    """

    calls: tuple[Call, ...] = ()
    after: tuple[str, ...] = ()
    parts: tuple[Path, ...] = ()
    slabs: tuple[Path, ...] = ()
    own: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class MapPlan:
    """
    One map of one cluster.

    Parameters
    ----------
    folder : Path
        The stage.
    job : dict
        What it is about.
    cluster : int
        Position of the cluster.
    name : str
        Name of the selection.
    title : str
        What people call it.
    grid : Grid
        The grid.
    shape : tuple of int
        Models of the cluster, beads, 3.
    """

    folder: Path
    job: dict[str, Any]
    cluster: int
    name: str
    title: str
    grid: Grid
    shape: tuple[int, int, int]

    @property
    def path(self) -> Path:
        """File of the map."""
        return dask_map_tasks.map_path(self.folder, self.job, self.cluster, self.name)

    @cached_property
    def stretches(self) -> list[tuple[int, int]]:
        """First models of the stretches that are summed apart, and one past their last."""
        from congruence.compute.density_parts import stretch_models

        models, n, _ = self.shape
        step = stretch_models(n, self._beads, self.grid, self.job["models"])
        return [(start, min(start + step, models)) for start in range(0, models, step)]

    @property
    def last_seconds(self) -> float:
        """Estimated time to make the map: all of it, or what follows its parts."""
        finish = self.grid.size * _FINISH[self._plain]
        if len(self.stretches) == 1:
            return self.seconds(self.stretches[0]) + finish
        return finish + (self._add_seconds if self._adds_itself else 0.0)

    def seconds(self, stretch: tuple[int, int]) -> float:
        """
        Estimate the time of one stretch.

        Parameters
        ----------
        stretch : tuple of int
            First model, and one past the last.

        Returns
        -------
        seconds : float
            Of one core.
        """
        bead = self.shape[1] * _READ + self._beads * _BEAD[self._plain]
        return (stretch[1] - stretch[0]) * bead + self.grid.size * _LATTICE[self._plain]

    def summed(self, *, short: bool = False) -> Summed:
        """
        Give the tasks before the one that makes the map.

        Parameters
        ----------
        short : bool
            Whether little would be left to that one: then it sums the last stretches too.

        Returns
        -------
        summed : Summed
            The tasks, and what they leave.
        """
        if len(self.stretches) == 1:
            return Summed()
        before = len(self.stretches)
        if short:
            before = together([self.seconds(stretch) for stretch in self.stretches])[-1].start
        stretches, own = self.stretches[:before], tuple(self.stretches[before:])
        if not stretches:
            return Summed(own=own)
        if not self._adds_itself:
            return replace(self._in_slabs(stretches), own=own)
        calls = tuple(self._part_calls(stretches, 1))
        files = tuple(self._part(start) for start, _ in stretches)
        return Summed(calls, tuple(call.name for call in calls), parts=files, own=own)

    @property
    def _beads(self) -> int:
        return len(self.job["selections"][self.name])

    @property
    def _plain(self) -> bool:
        from congruence.compute import _density_numpy
        from congruence.compute._density_blocks import loops

        return loops(max(self.job["models"], self.shape[0])) is _density_numpy

    @property
    def _add_seconds(self) -> float:
        return len(self.stretches) * self.grid.size * _ADD

    @property
    def _adds_itself(self) -> bool:
        return self._add_seconds <= _OWN_SECONDS

    def _part_calls(self, stretches: list[tuple[int, int]], followers: int) -> Iterator[Call]:
        """Yield tasks that sum stretches."""
        seconds = [self.seconds(stretch) for stretch in stretches]
        what = (str(self.folder), self.cluster, self.name, grid_words(self.grid))
        for task in together(seconds):
            mine = stretches[task.start : task.stop]
            name = f"density-part-{self.title}-{mine[0][0]}"
            yield Call(dask_map_tasks.density_part, name, (*what, mine), followers=followers)

    def _part(self, start: int) -> Path:
        return dask_map_tasks.part_path(self.folder, self.job, self.cluster, self.name, start)

    def _in_slabs(self, stretches: list[tuple[int, int]]) -> Summed:
        """Add some stretches after the other, and of these all planes or some."""
        count, planes = len(stretches), self._planes
        groups = max(1, min(round(count / _PARTS), int(self._add_seconds / _SUM_SECONDS)))
        calls: list[Call] = []
        added: list[Call] = []
        for ((_, first, last),) in divided([count], -(-count // groups), groups):
            few = stretches[first:last]
            parts = list(self._part_calls(few, len(planes)))
            added = list(self._added(few, parts, added))
            calls += [*parts, *added]
        slabs = tuple(Path(call.words[0]) for call in added)
        return Summed(tuple(calls), tuple(call.name for call in added), slabs=slabs)

    def _added(
        self, stretches: list[tuple[int, int]], parts: list[Call], before: list[Call]
    ) -> Iterator[Call]:
        """Yield the tasks that add stretches to what was added before."""
        files, end = [self._part(start) for start, _ in stretches], stretches[-1][1]
        for at, (low, high) in enumerate(self._planes):
            earlier = before[at : at + 1]
            sums = [Path(call.words[0]) for call in earlier]
            out = self.path.with_name(f"{self.path.stem}-sum-{end}-{low}.npy")
            yield Call(
                dask_map_tasks.density_sum,
                f"density-sum-{self.title}-{end}-{low}",
                (out, sums, files, low, high),
                after=tuple(call.name for call in (*parts, *earlier)),
                followers=1,
                spends=(*sums, *(files if high == self.grid.shape[2] else ())),
            )

    @property
    def _planes(self) -> list[tuple[int, int]]:
        """Planes of the lattice that one task adds."""
        nz, values = self.grid.shape[2], self.grid.size
        count = max(1, round(values * _PARTS * _ADD / _SUM_SECONDS), -(-values // _SUM_VALUES))
        return [(low, high) for ((_, low, high),) in divided([nz], nz, count)]
