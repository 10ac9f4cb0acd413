"""
Localization densities of clusters on a Dask cluster, each map in tasks of about a second.

A map of many models is summed in stretches, each into a file of its own; sums of
these files are made plane by plane, in the order of the models, by workers too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.grid import DensityMap, Grid
from congruence.workflow import dask_map_tasks
from congruence.workflow.dask_cluster import connected
from congruence.workflow.dask_futures import Call
from congruence.workflow.dask_scratch import load_array
from congruence.workflow.dask_words import grid_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from congruence.core.placement import PlacedModels
    from congruence.core.topology import Topology
    from congruence.typing import IntArray

__all__ = ["cluster_grid", "cluster_maps"]

_READ_VALUES = 15_000_000
"""Coordinates of placed models that one task looks at: about a second."""
_PARTS = 16
"""Parts that one task adds."""
_SUM_VALUES = 1 << 21
"""Values of each part that one task adds: 16 MB."""
_AHEAD = 3


def cluster_grid(
    engine: str,
    placed: Sequence[PlacedModels],
    names: Sequence[str],
    beads: IntArray,
    shape: Mapping[str, float],
) -> Grid:
    """
    Lay one grid for the densities of several clusters.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    placed : sequence of PlacedModels
        Members of each cluster.
    names : sequence of str
        Names of the clusters.
    beads : ndarray, dtype=int64, shape=(b,)
        Beads to hold.
    shape : mapping of str to float
        ``voxel`` and ``map_resolution`` in Å.

    Returns
    -------
    grid : Grid
        That of one machine.

    Raises
    ------
    ShapeError
        As `congruence.compute.density.common_grid`.
    """
    from congruence.compute.density import common_grid

    boxes: list[list[list[list[float]]]] = [[] for _ in placed]
    with connected(engine.partition(":")[2]) as connection:
        clusters = [
            connection.scratch.share_placed(p, n) for p, n in zip(placed, names, strict=True)
        ]
        folder = str(connection.scratch.stage("grid", {"clusters": clusters, "used": beads}))
        calls = [
            Call(dask_map_tasks.bounds, f"grid-{names[at]}-{start}", (folder, at, start, stop))
            for at, models in enumerate(placed)
            for start, stop in _pieces(models.shape[0], _READ_VALUES // (3 * models.shape[1]))
        ]
        for call, corners in connection.run(calls):
            boxes[call.words[1]].append(corners)
    # A grid around the corners of boxes is the grid around what is in them.
    corners_of = [np.array(found) for found in boxes]
    return Grid.union([common_grid(c, **shape) for c in corners_of])  # type: ignore[arg-type]


def _pieces(models: int, most: int) -> list[tuple[int, int]]:
    most = max(1, most)
    return [(start, min(start + most, models)) for start in range(0, models, most)]


def cluster_maps(
    engine: str,
    placed: Sequence[PlacedModels],
    names: Sequence[str],
    topology: Topology,
    selections: Mapping[str, IntArray],
    *,
    grid: Grid,
    map_resolution: float,
    job: int = 0,
) -> Iterator[dict[str, DensityMap]]:
    """
    Compute the densities of several clusters.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    placed : sequence of PlacedModels
        Members of each cluster.
    names : sequence of str
        Names of the clusters.
    topology : Topology
        The beads.
    selections : mapping of str to ndarray, dtype=int64, shape=(b,)
        Beads of each map.
    grid : Grid
        The grid of all maps.
    map_resolution : float
        In Å.
    job : int
        Models of the whole job, as for `congruence.compute.density.densities`.

    Yields
    ------
    maps : dict of str to DensityMap
        Of one cluster after the other, in the bytes of one machine.
    """
    with connected(engine.partition(":")[2]) as connection:
        scratch = connection.scratch
        words = {
            "clusters": [scratch.share_placed(p, n) for p, n in zip(placed, names, strict=True)],
            "masses": topology.mass,
            "selections": dict(selections),
            "map_resolution": map_resolution,
            "models": job,
        }
        folder = scratch.stage("density", words)
        plan = [
            _Map(folder, words, at, name, f"{cluster}-{name}", grid, models.shape)
            for at, (cluster, models) in enumerate(zip(names, placed, strict=True))
            for name in selections
        ]
        running = connection.run(
            (call for one in plan for call in one.calls()),
            window=lambda: _PARTS + _AHEAD * max(connection.threads, 1),
        )
        made: dict[str, DensityMap] = {}
        coming = iter(plan)
        for call, _ in running:
            if not call.followers:
                one = next(coming)
                made[one.name] = DensityMap(one.name, grid, load_array(one.path), one.shape[0])
                one.path.unlink(missing_ok=True)
                if len(made) == len(selections):
                    yield made
                    made = {}


@dataclass(frozen=True)
class _Map:
    """One map of one cluster: in which tasks it is made."""

    folder: Path
    job: dict[str, Any]
    cluster: int
    name: str
    title: str
    grid: Grid
    shape: tuple[int, int, int]

    @property
    def path(self) -> Path:
        return dask_map_tasks.map_path(self.folder, self.job, self.cluster, self.name)

    def calls(self) -> Iterator[Call]:
        """Yield the tasks, the one that makes the map last: none waits for it."""
        from congruence.compute.density_parts import stretch_models

        models, n, _ = self.shape
        what = (str(self.folder), self.cluster, self.name, grid_words(self.grid))
        beads = len(self.job["selections"][self.name])
        pieces = _pieces(models, stretch_models(n, beads, self.grid, self.job["models"]))
        last = f"density-{self.title}"
        if len(pieces) == 1:
            yield Call(dask_map_tasks.density, last, what)
            return
        sums: dict[str, Path] = {}
        for at in range(0, len(pieces), _PARTS):
            few = pieces[at : at + _PARTS]
            parts = {f"density-part-{self.title}-{start}": self._part(start) for start, _ in few}
            for name, piece in zip(parts, few, strict=True):
                wait = len(self._slabs())
                yield Call(dask_map_tasks.density_part, name, (*what, *piece), followers=wait)
            added = list(self._added(parts, sums, few[-1][1]))
            yield from added
            sums = {call.name: Path(call.words[0]) for call in added}
        words = (*what, list(sums.values()), models)
        spent = tuple(sums.values())
        yield Call(dask_map_tasks.density_map, last, words, after=tuple(sums), spends=spent)

    def _part(self, start: int) -> Path:
        return dask_map_tasks.part_path(self.folder, self.job, self.cluster, self.name, start)

    def _added(self, parts: dict[str, Path], before: dict[str, Path], end: int) -> Iterator[Call]:
        """Yield the tasks that add parts up to a model to what was added before."""
        slabs, earlier = self._slabs(), list(before.items())
        for at, (low, high) in enumerate(slabs):
            mine = dict(earlier[at : at + 1])
            out = self.path.with_name(f"{self.path.stem}-sum-{end}-{low}.npy")
            spent = (*mine.values(), *(parts.values() if at == len(slabs) - 1 else ()))
            yield Call(
                dask_map_tasks.density_sum,
                f"density-sum-{self.title}-{end}-{low}",
                (out, [*mine.values()], [*parts.values()], low, high),
                after=(*parts, *mine),
                followers=1,
                spends=spent,
            )

    def _slabs(self) -> list[tuple[int, int]]:
        """Divide the planes of the lattice."""
        nx, ny, nz = self.grid.shape
        return _pieces(nz, _SUM_VALUES // (nx * ny))
