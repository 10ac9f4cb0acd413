"""
Distances on a Dask cluster: `congruence.compute.rmsd.rmsd_tiles` in tasks.

Coordinates are written once to a folder that all workers see. A task computes one or
several squares of models, each into a file, and the tiles are handed to the sink in a
fixed order. On equal processors the bytes are those of one machine, whatever the number
of workers.
"""

from __future__ import annotations

import math
import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from congruence.core.sources import as_source
from congruence.errors import ConfigError
from congruence.workflow.dask_cluster import Connection, connected
from congruence.workflow.dask_portions import AIM, more
from congruence.workflow.dask_ready import distances_ready
from congruence.workflow.dask_scratch import load_array
from congruence.workflow.dask_squares import TilePlan
from congruence.workflow.dask_words import metric_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.core.sources import TileSink
    from congruence.typing import FloatArray

__all__ = ["DaskTiler", "TilePlan", "even_edge", "task_edge"]

_UNIT = 128
_SECONDS = 1.0
_DEVICE_SPEED = 16.0
_LONGEST = 4096
_TASK_BYTES = 256 << 20
_AHEAD = 4


@dataclass(frozen=True)
class DaskTiler:
    """
    Computes distances on a Dask cluster; a `congruence.compute.tiler.Tiler`.

    Parameters
    ----------
    address : str
        Of the scheduler, or the path of its scheduler file; empty to start
        workers on this machine. Nothing is connected before the first call.
    device : {"cpu", "gpu"}
        Where a worker computes.

    Examples
    --------
    >>> DaskTiler("tcp://node7:8786").device
    'cpu'
    """

    address: str = ""
    device: Literal["cpu", "gpu"] = "cpu"

    def __call__(
        self,
        data: Data,
        sink: TileSink,
        metric: Metric,
        *,
        precision: Precision = "auto",
        edge: int = 1024,
        threads: int | None = None,
        memory: int = 2 << 30,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, str]:
        """
        Compute all pairwise distances and hand them to a sink, tile by tile.

        Parameters
        ----------
        data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
            The models, in Å.
        sink : TileSink
            Receives float64 tiles of distances in Å, row by row; what it has
            done is not computed.
        metric : Metric
            The definition of the distance.
        precision : {"auto", "double", "mixed"}
            See `congruence.compute.rmsd.rmsd_matrix`.
        edge : int
            Models along the edge of a put tile, a multiple of 128.
        threads : int, optional
            Workers to start where none are there; a task has one thread.
        memory : int
            Bytes that the packed models of one task may take, at most 256 MiB.
        progress : callable, optional
            Called with the number of put tiles that are computed and of all.

        Returns
        -------
        definition : dict of str to str
            Words for ``DistanceMatrix.definition``.

        Raises
        ------
        ConfigError
            If ``distributed`` is not installed, no scheduler answers, or as
            `congruence.compute.rmsd.rmsd_tiles`.
        InputError
            If workers do not see the shared folder, or a task is lost.
        ShapeError
            As `congruence.compute.rmsd.rmsd_tiles`.
        """
        from congruence.compute.rectangle import bare_metric, settle

        if edge < _UNIT or edge % _UNIT:
            raise ConfigError(f"edge is {edge}, expected a multiple of {_UNIT}")
        settled = settle(data, metric, precision)
        source, bare = as_source(data), bare_metric(data, metric)
        size = task_edge(data, metric, edge, device=self.device, memory=memory)
        plan = TilePlan(source.shape[0], edge, size, frozenset(sink.done()))
        if not plan.tiles:
            return settled.definition
        with connected(self.address, workers=threads) as connection:
            scratch = connection.scratch
            job = {
                "coordinates": str(scratch.share(source)),
                "metric": metric_words(bare),
                "edge": size,
                "precision": settled.precision,
                "single_error": settled.single_error,
                "kernel": os.environ.get("CONGRUENCE_KERNEL", ""),
                "device": self.device,
            }
            folder = scratch.stage("distances", job)
            if self.device == "cpu":
                distances_ready(connection, source.shape[0], bare, job)
            tasks = plan.tasks(*_costs(data, metric, self.device), AIM * _SECONDS)
            made = _Pass(connection, plan, folder, tasks).put_all(sink, progress)
        return settled.definition | made


def task_edge(
    data: Data,
    metric: Metric,
    edge: int,
    *,
    device: Literal["cpu", "gpu"] = "cpu",
    memory: int = _TASK_BYTES,
) -> int:
    """
    Choose the square of models of one task: most of a second of one core.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models.
    metric : Metric
        The definition of the distance.
    edge : int
        Models along the edge of a tile of the sink.
    device : {"cpu", "gpu"}
        Where a worker computes; a graphics card is given larger squares.
    memory : int
        Bytes that packed models may take, at most 256 MiB.

    Returns
    -------
    size : int
        A multiple of 128 that fits `edge`: rows of tiles and rows of squares end
        together after 4,096 models at most. It depends on the numbers of models and
        beads and on the metric, not on workers.
    """
    seconds, beads = _costs(data, metric, device)
    room = min(memory, _TASK_BYTES) // (2 * 36 * beads)
    most = min(int((_SECONDS / seconds) ** 0.5), room, _LONGEST)
    together = max(edge, _LONGEST)
    fitting = [s for s in range(_UNIT, _LONGEST + 1, _UNIT) if math.lcm(s, edge) <= together]
    return max((size for size in fitting if size <= most), default=_UNIT)


def _costs(data: Data, metric: Metric, device: str) -> tuple[float, int]:
    """Return seconds of a pair, and the beads of a model that are packed."""
    from congruence.compute.rectangle import pair_seconds

    seconds, beads = pair_seconds(data, metric)
    return (seconds / _DEVICE_SPEED if device == "gpu" else seconds), beads


def even_edge(models: FloatArray, metric: Metric) -> int:
    """
    Choose tiles, where any will do, so that those at the end are not much smaller.

    Parameters
    ----------
    models : ndarray, dtype=float64, shape=(k,n,3)
        The models in Å.
    metric : Metric
        The definition of the distance.

    Returns
    -------
    edge : int
        A multiple of 128: at most the square of one task.
    """
    rows = -(-len(models) // task_edge(models, metric, _UNIT))
    return _UNIT * max(1, -(-len(models) // (rows * _UNIT)))


class _Pass:
    """One pass over the tiles of a plan."""

    def __init__(
        self,
        connection: Connection,
        plan: TilePlan,
        folder: Path,
        tasks: list[list[tuple[int, int]]],
    ) -> None:
        self._connection, self._plan, self._folder = connection, plan, folder
        self._tasks = tasks

    def put_all(
        self, sink: TileSink, progress: Callable[[int, int], None] | None
    ) -> dict[str, str]:
        """Put the tiles; return what a device adds to the definition."""
        from congruence.workflow import dask_tasks

        plan = self._plan
        every = sum(map(len, self._tasks))
        ahead = max(len(needed) for needed, _ in plan.bands)
        calls = (
            (more(f"distances-{task[0][0]}-{task[0][1]}", len(task)), (str(self._folder), task))
            for task in self._tasks
        )
        running = self._connection.results(
            dask_tasks.distances,
            calls,
            window=lambda: ahead + _AHEAD * max(self._connection.threads, 1),
        )
        first: dict[str, str] = {}
        wanted = computed = 0
        before, tasks = plan.every - len(plan.tiles), iter(self._tasks)
        with closing(running) as results:
            for needed, tiles in plan.bands:
                wanted += len(needed)
                while computed < wanted:  # the last task may begin the next band
                    words = next(results)
                    first = first or words
                    computed += len(next(tasks))
                    if progress is not None:
                        progress(before + computed * len(plan.tiles) // every, plan.every)
                self._put(needed, tiles, sink)
        return first

    def _put(
        self, needed: list[tuple[int, int]], tiles: list[tuple[int, int]], sink: TileSink
    ) -> None:
        files = {square: self._folder / f"tile-{square[0]}-{square[1]}.npy" for square in needed}
        arrays = {square: load_array(path, mapped=True) for square, path in files.items()}
        for i, j in tiles:
            sink.put(i, j, self._tile(i, j, arrays))
        arrays.clear()
        for path in files.values():
            path.unlink(missing_ok=True)

    def _tile(self, i: int, j: int, arrays: dict[tuple[int, int], Any]) -> FloatArray:
        edge, m = self._plan.edge, self._plan.m
        tile = np.zeros((min(edge, m - i), min(edge, m - j)))
        for a, b in self._plan.squares((i, j)):
            square = arrays[a, b]
            rows, inner_rows = _overlap(i, len(tile), a, len(square))
            columns, inner_columns = _overlap(j, tile.shape[1], b, square.shape[1])
            tile[rows, columns] = square[inner_rows, inner_columns]
        return np.triu(tile) + np.triu(tile, 1).T if i == j else tile


def _overlap(start: int, length: int, other: int, size: int) -> tuple[slice, slice]:
    """Return what two stretches share, counted from the start of each."""
    low, high = max(start, other), min(start + length, other + size)
    return slice(low - start, high - start), slice(low - other, high - other)
