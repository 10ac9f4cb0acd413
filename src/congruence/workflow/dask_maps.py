"""
Localization densities of clusters on a Dask cluster, in tasks of less than a second.

Several small maps are one task. A map of many models is summed in stretches, each into a
file of its own; sums of these files are made in the order of the models, by workers too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.grid import DensityMap, Grid
from congruence.workflow import dask_map_tasks
from congruence.workflow.dask_cluster import connected
from congruence.workflow.dask_futures import Call
from congruence.workflow.dask_map_plan import MapPlan
from congruence.workflow.dask_portions import divided, more, together
from congruence.workflow.dask_ready import maps_ready
from congruence.workflow.dask_scratch import load_array
from congruence.workflow.dask_words import grid_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from congruence.core.placement import PlacedModels
    from congruence.core.topology import Topology
    from congruence.typing import IntArray

__all__ = ["cluster_grid", "cluster_maps"]

_READ_VALUES = 12_000_000
"""Coordinates of placed models that one task looks at: most of a second."""
_WAITING = 16
_SHORT = 0.4
"""Seconds: what ends maps sums their last stretches too where it would take less."""
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
        most = max((models.shape[1] for models in placed), default=1)
        tasks = divided([p.shape[0] for p in placed], _READ_VALUES // (3 * max(most, 1)))
        calls = [
            Call(
                dask_map_tasks.bounds,
                more(f"grid-{names[task[0][0]]}-{task[0][1]}", len(task)),
                (folder, task),
            )
            for task in tasks
        ]
        for call, found in connection.run(calls):
            for (at, _, _), corners in zip(call.words[1], found, strict=True):
                boxes[at].append(corners)
    # A grid around the corners of boxes is the grid around what is in them.
    corners_of = [np.array(found) for found in boxes]
    return Grid.union([common_grid(c, **shape) for c in corners_of])  # type: ignore[arg-type]


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
            MapPlan(folder, words, at, name, f"{cluster}-{name}", grid, models.shape)
            for at, (cluster, models) in enumerate(zip(names, placed, strict=True))
            for name in selections
        ]
        most = max((models.shape[0] for models in placed), default=0)
        maps_ready(connection, grid, map_resolution, max(job, most))
        tasks = [[plan[k] for k in task] for task in together([one.last_seconds for one in plan])]
        running = connection.run(
            (call for task in tasks for call in _calls(task)),
            window=lambda: _WAITING + _AHEAD * max(connection.threads, 1),
        )
        made: dict[str, DensityMap] = {}
        coming = iter(tasks)
        for call, _ in running:
            if call.followers:
                continue
            for one in next(coming):
                made[one.name] = DensityMap(one.name, grid, load_array(one.path), one.shape[0])
                one.path.unlink(missing_ok=True)
                if len(made) == len(selections):
                    yield made
                    made = {}


def _calls(maps: Sequence[MapPlan]) -> Iterator[Call]:
    """Yield the tasks of some maps, the one that makes them last: none waits for it."""
    short = sum(one.last_seconds for one in maps) < _SHORT
    summed = [one.summed(short=short and one is maps[-1]) for one in maps]
    for some in summed:
        yield from some.calls
    first = maps[0]
    described = [
        {
            **{"cluster": one.cluster, "name": one.name, "models": one.shape[0]},
            **{"parts": some.parts, "slabs": some.slabs, "own": some.own},
        }
        for one, some in zip(maps, summed, strict=True)
    ]
    yield Call(
        dask_map_tasks.density,
        more(f"density-{first.title}", len(maps)),
        (str(first.folder), grid_words(first.grid), described),
        after=tuple(name for some in summed for name in some.after),
        spends=tuple(path for some in summed for path in (*some.parts, *some.slabs)),
    )
