"""Reading, densities and precision on a Dask cluster, each with the results of one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.core.grid import DensityMap, Grid
from congruence.core.precision import Fluctuation
from congruence.core.sources import ArraySource
from congruence.workflow import dask_tasks
from congruence.workflow.dask_cluster import connected
from congruence.workflow.dask_scratch import load_array
from congruence.workflow.dask_words import grid_from, grid_words, metric_words, topology_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from congruence.compute.metric import Metric
    from congruence.core.placement import PlacedModels
    from congruence.core.results import Alignment
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["cluster_grid", "cluster_maps", "read_files", "set_fluctuations", "set_squares"]

_VALUES = 6_000_000
"""Coordinates that one task reads: about half a second."""


def read_files(
    engine: str,
    files: Sequence[tuple[str, Sequence[int]]],
    beads: int,
    *,
    resolution: float,
    state: int | None,
    put: Callable[[int, FloatArray], None],
    advance: Callable[[int], None],
) -> tuple[list[str], str]:
    """
    Read coordinates of frames of several files.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    files : sequence of (str, sequence of int)
        Paths, and frames of each in the order wanted.
    beads : int
        Beads of a model.
    resolution : float
        Residues per bead.
    state : int or None
        State, or all.
    put : callable
        Called with the first row and coordinates in Å, dtype=float64,
        shape=(rows,n,3); rows are counted file after file.
    advance : callable
        Called with the number of models read.

    Returns
    -------
    differing : list of str
        Files whose beads have other radii or masses than those of the first.
    stopped : str
        The file at which reading ended, because it cannot be opened or has
        another topology; empty when all were read.

    Raises
    ------
    FormatError
        If a frame is damaged.
    InputError
        If workers do not see the files.
    """
    tasks = _pieces(files, max(1, _VALUES // max(3 * beads, 1)))
    differing: dict[str, None] = {}
    with connected(engine.partition(":")[2]) as connection:
        job = {"first": _absolute(files[0][0]), "resolution": resolution, "state": state}
        folder = connection.scratch.stage("read-models", job)
        calls = [(f"read-models-{start}", (str(folder), start, pieces)) for start, pieces in tasks]
        names = {_absolute(path): path for path, _ in files}
        for (start, pieces), found in zip(
            tasks, connection.results(dask_tasks.read_models, calls), strict=True
        ):
            stopped = found["unlike"] or found["unread"]
            if stopped:
                return [names[path] for path in differing], names[stopped]
            differing.update(dict.fromkeys(found["differing"]))
            stop = start + sum(len(frames) for _, frames in pieces)
            path = folder / f"block-{start}.npy"
            put(start, load_array(path))
            path.unlink(missing_ok=True)
            advance(stop)
    return [names[path] for path in differing], ""


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _pieces(
    files: Sequence[tuple[str, Sequence[int]]], most: int
) -> list[tuple[int, list[tuple[str, list[int]]]]]:
    """Divide files into tasks of so many frames at most: first row, and frames of files."""
    tasks: list[tuple[int, list[tuple[str, list[int]]]]] = []
    row = room = 0
    for path, frames in files:
        left = [int(frame) for frame in frames]
        while left:
            if not room:
                tasks.append((row, []))
                room = most
            taken, left = left[:room], left[room:]
            tasks[-1][1].append((_absolute(path), taken))
            row, room = row + len(taken), room - len(taken)
    return tasks


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
    """
    with connected(engine.partition(":")[2]) as connection:
        clusters = [
            connection.scratch.share_placed(p, n) for p, n in zip(placed, names, strict=True)
        ]
        job = {"clusters": clusters, "used": beads, **shape}
        folder = connection.scratch.stage("grid", job)
        calls = [(f"grid-{name}", (str(folder), at)) for at, name in enumerate(names)]
        found = list(connection.results(dask_tasks.bounds, calls))
    return Grid.union([grid_from(words) for words in found])


def cluster_maps(
    engine: str,
    placed: Sequence[PlacedModels],
    names: Sequence[str],
    topology: Topology,
    selections: Mapping[str, IntArray],
    *,
    grid: Grid,
    map_resolution: float,
) -> Iterator[dict[str, DensityMap]]:
    """
    Compute the densities of several clusters, one task for each selection and cluster.

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

    Yields
    ------
    maps : dict of str to DensityMap
        Of one cluster after the other, in the bytes of one machine.
    """
    with connected(engine.partition(":")[2]) as connection:
        scratch = connection.scratch
        job = {
            "clusters": [scratch.share_placed(p, n) for p, n in zip(placed, names, strict=True)],
            "masses": topology.mass,
            "selections": dict(selections),
            "map_resolution": map_resolution,
        }
        folder = scratch.stage("density", job)
        words = grid_words(grid)
        calls = [
            (f"density-{cluster}-{name}", (str(folder), at, name, words))
            for at, cluster in enumerate(names)
            for name in selections
        ]
        models = connection.results(dask_tasks.density, calls)
        for at in range(len(placed)):
            maps = {}
            for number, name in enumerate(selections):
                count, path = next(models), folder / f"{at}-{number}.npy"
                maps[name] = DensityMap(name, grid, load_array(path), count)
                path.unlink(missing_ok=True)
            yield maps


def set_squares(
    engine: str, requests: Sequence[tuple[str, FloatArray, Metric]]
) -> Iterator[FloatArray]:
    """
    Compute all distances within several sets of models, one task for each.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    requests : sequence of (str, ndarray, Metric)
        What to call it, the models (Å), and the distance in indices of beads.

    Yields
    ------
    square : ndarray, dtype=float64, shape=(k,k)
        In Å, in the order of the requests.
    """
    from congruence.core.results import DistanceMatrix

    with connected(engine.partition(":")[2]) as connection:
        from congruence.compute.rectangle import bare_metric

        share = connection.scratch.share
        described = [
            {"members": str(share(ArraySource(x))), "metric": metric_words(bare_metric(x, metric))}
            for _, x, metric in requests
        ]
        folder = connection.scratch.stage("precision", {"requests": described})
        calls = [(f"precision-{r[0]}", (str(folder), at)) for at, r in enumerate(requests)]
        done = connection.results(dask_tasks.set_distances, calls)
        for at, ((_, models, metric), _) in enumerate(zip(requests, done, strict=True)):
            condensed = load_array(folder / f"distances-{at}.npy")
            yield DistanceMatrix(condensed, len(models), metric.mode).square()


def set_fluctuations(
    engine: str,
    sets: Sequence[tuple[str, CoordinateSource, int]],
    topology: Topology,
    *,
    alignment: Alignment,
    on: IntArray,
    weights: FloatArray,
) -> Iterator[Fluctuation]:
    """
    Compute the fluctuation of several sets of models, one task for each.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    sets : sequence of (str, CoordinateSource, int)
        What to call it, the models (Å), and the position of the center.
    topology : Topology
        The beads.
    alignment : Alignment
        How models are brought onto the mean.
    on : ndarray, dtype=int64, shape=(b,)
        Beads that are superposed or centred on.
    weights : ndarray, dtype=float64, shape=(n,)
        Weights of the superposition.

    Yields
    ------
    fluctuation : Fluctuation
        In the order of the sets.
    """
    with connected(engine.partition(":")[2]) as connection:
        share = connection.scratch.share
        job: dict[str, Any] = {
            "requests": [{"members": str(share(x)), "center": center} for _, x, center in sets],
            "topology": topology_words(topology),
            "alignment": str(alignment),
            "on": on,
            "weights": weights,
        }
        folder = connection.scratch.stage("fluctuation", job)
        calls = [(f"fluctuation-{s[0]}", (str(folder), at)) for at, s in enumerate(sets)]
        rounds = connection.results(dask_tasks.fluctuations, calls)
        for at, ((_, models, _), count) in enumerate(zip(sets, rounds, strict=True)):
            columns = load_array(folder / f"fluctuation-{at}.npy")
            yield Fluctuation(
                rmsf=columns[:, 0].copy(),
                compat=columns[:, 1].copy(),
                mean=columns[:, 3:].copy(),
                rigid=columns[:, 2] != 0.0,
                models=models.shape[0],
                alignment=str(alignment),
                iterations=count,
            )
