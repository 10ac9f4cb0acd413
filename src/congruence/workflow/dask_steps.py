"""
Reading, densities and precision on a Dask cluster, each with the results of one machine.

Densities are in `congruence.workflow.dask_maps`, fluctuations in
`congruence.workflow.dask_moves`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import DistanceMatrix
from congruence.core.sources import ArraySource, CondensedSink
from congruence.workflow import dask_tasks
from congruence.workflow.dask_cluster import connected
from congruence.workflow.dask_maps import cluster_grid, cluster_maps
from congruence.workflow.dask_moves import set_fluctuations
from congruence.workflow.dask_portions import more, together
from congruence.workflow.dask_ready import distances_ready
from congruence.workflow.dask_scratch import load_array
from congruence.workflow.dask_words import metric_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from congruence.compute.metric import Metric
    from congruence.typing import FloatArray

__all__ = [
    "cluster_grid",
    "cluster_maps",
    "large_square",
    "read_files",
    "set_fluctuations",
    "set_squares",
    "takes_long",
]

_LONG = 1.5
"""Seconds, as far as they can be told, from which a square is divided."""
_VALUES = 16_000_000
"""Coordinates that one task reads: about half a second."""
_OPEN_VALUES = 140_000
"""A file takes as long to open as so many coordinates to read."""
_FINE = 16
_BEAD_SECONDS = 3e-8
_DOUBLE = {"precision": "double", "kernel": ""}


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
    tasks = _pieces(files, 3 * max(beads, 1))
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
    files: Sequence[tuple[str, Sequence[int]]], values: int
) -> list[tuple[int, list[tuple[str, list[int]]]]]:
    """Divide files of frames of so many values into even tasks: first row, and frames of files."""
    step = max(1, _VALUES // (_FINE * values))
    pieces = [
        (path, start, [int(frame) for frame in frames[start : start + step]])
        for path, frames in files
        for start in range(0, len(frames), step)
    ]
    costs = [len(frames) * values + (0 if start else _OPEN_VALUES) for _, start, frames in pieces]
    tasks: list[tuple[int, list[tuple[str, list[int]]]]] = []
    row = 0
    for task in together(costs, _VALUES):
        joined: list[tuple[str, list[int]]] = []
        for path, start, frames in pieces[task.start : task.stop]:
            if start and joined:
                joined[-1][1].extend(frames)
            else:
                joined.append((_absolute(path), frames))
        tasks.append((row, joined))
        row += sum(len(frames) for _, frames in joined)
    return tasks


def set_squares(
    engine: str, requests: Sequence[tuple[str, FloatArray, Metric]]
) -> Iterator[FloatArray]:
    """
    Compute all distances within several sets of models.

    One task for several sets that are small, or many for one that would take long.

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
    with connected(engine.partition(":")[2]) as connection:
        from congruence.compute.rectangle import bare_metric

        share = connection.scratch.share
        long = [takes_long(models, metric) for _, models, metric in requests]
        small = [request for request, many in zip(requests, long, strict=True) if not many]
        described = [
            {"members": str(share(ArraySource(x))), "metric": metric_words(bare_metric(x, metric))}
            for _, x, metric in small
        ]
        folder = connection.scratch.stage("precision", {"requests": described})
        for _, x, metric in small:
            distances_ready(connection, len(x), bare_metric(x, metric), _DOUBLE)
        tasks = together([_seconds(x, metric) for _, x, metric in small])
        calls = [
            (more(f"precision-{small[task[0]][0]}", len(task)), (str(folder), list(task)))
            for task in tasks
            if task
        ]
        running = connection.results(dask_tasks.set_distances, calls)
        starts, at = {task.start for task in tasks}, 0
        for (_, models, metric), many in zip(requests, long, strict=True):
            if many:
                yield large_square(engine, models, metric)
                continue
            if at in starts:
                next(running)
            path = folder / f"distances-{at}.npy"
            yield DistanceMatrix(load_array(path), len(models), metric.mode).square()
            path.unlink(missing_ok=True)
            at += 1


def _seconds(models: FloatArray, metric: Metric) -> float:
    """Estimate the time of all distances of a set."""
    from congruence.compute.rectangle import TILE, pair_seconds

    pair, beads = pair_seconds(models, metric)
    rows = -(-len(models) // TILE)
    return rows * (rows + 1) / 2 * TILE**2 * pair + len(models) * beads * _BEAD_SECONDS


def takes_long(models: FloatArray, metric: Metric) -> bool:
    """
    Tell whether all distances of a set take more than a second and a half of one core.

    Parameters
    ----------
    models : ndarray, dtype=float64, shape=(k,n,3)
        The models in Å.
    metric : Metric
        The definition of the distance.

    Returns
    -------
    long : bool
        Whether they do, as far as that can be told.
    """
    from congruence.compute.rectangle import pair_seconds

    pairs = len(models) * (len(models) - 1) // 2
    return pairs * pair_seconds(models, metric)[0] > _LONG


def large_square(engine: str, models: FloatArray, metric: Metric) -> FloatArray:
    """
    Compute all distances of a set in tasks of less than a second.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    models : ndarray, dtype=float64, shape=(k,n,3)
        The models in Å.
    metric : Metric
        The definition of the distance, in indices of beads.

    Returns
    -------
    square : ndarray, dtype=float64, shape=(k,k)
        In Å; the bytes of `congruence.compute.rmsd.rmsd_matrix`.
    """
    from congruence.workflow.dask_engine import DaskTiler, even_edge

    address = engine.partition(":")[2]
    sink, edge = CondensedSink(len(models), np.float64), even_edge(models, metric)
    with connected(address) as connection, connection.scratch.lent(ArraySource(models)):
        DaskTiler(address)(models, sink, metric, precision="double", edge=edge)
    return DistanceMatrix(sink.values, len(models), metric.mode).square()
