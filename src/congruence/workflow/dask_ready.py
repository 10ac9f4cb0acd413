"""
What Dask workers get ready before their tasks: imports, and compiled loops.

Loops are compiled once for a user and kind of processor, which takes seconds, and are
loaded by each worker, which takes half a second. Neither belongs into a task. Each worker
is told what to get ready; workers that join later get it ready before they take tasks.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import operator
import os
import pkgutil
import tempfile
import threading
import uuid
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.workflow.dask_words import metric_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.compute.metric import Metric
    from congruence.core.grid import Grid
    from congruence.typing import FloatArray
    from congruence.workflow.dask_cluster import Connection

__all__ = ["distances_ready", "forget", "maps_ready", "set_up", "tell"]

_SET_UP = "congruence.workflow.dask_ready:set_up"
_SILENT = 2.0
_PATIENCE = 300.0
_BEADS = 2048
_SINGLE_ERROR = 4.0
_MODULES = (
    *("congruence.workflow.dask_tasks", "congruence.workflow.dask_map_tasks"),
    *("congruence.workflow.dask_move_tasks", "congruence.compute.rectangle", "fastavro"),
    *("congruence.compute.density_parts", "congruence.compute.fluctuation", "congruence.io.rmf"),
    "threadpoolctl",
)


def distances_ready(
    connection: Connection, models: int, metric: Metric, job: dict[str, Any]
) -> None:
    """
    Let workers get ready what a matrix of distances uses, if that is compiled.

    Parameters
    ----------
    connection : Connection
        To the cluster; what it has asked for once is not asked for again.
    models : int
        Models of the matrix.
    metric : Metric
        The distance, in indices of beads.
    job : dict
        ``precision`` and ``kernel``.
    """
    from congruence.compute._eigen import COMPILED_PAIRS

    if job["kernel"] == "numpy" or models * (models - 1) // 2 < COMPILED_PAIRS:
        return
    said = metric_words(metric)
    # Loops are the same for sizes that are about the same: workers need not be told again.
    words = {
        "models": 1 << models.bit_length(),
        "beads": min(1 << len(said["measure"]).bit_length() - 1, _BEADS),
        "alignment": said["alignment"],
        "apart": said["on"] is not None and not np.array_equal(said["on"], said["measure"]),
        "copies": [] if said["copies"] == "off" else [len(group) for group in said["copies"]],
    }
    tell(connection, "distances", words | {name: job[name] for name in ("precision", "kernel")})


def maps_ready(connection: Connection, grid: Grid, map_resolution: float, models: int) -> None:
    """
    Let workers get ready what maps use, if that is compiled.

    Parameters
    ----------
    connection : Connection
        To the cluster; what it has asked for once is not asked for again.
    grid : Grid
        The grid of the maps.
    map_resolution : float
        In Å.
    models : int
        Of the job, or of its largest cluster.
    """
    from congruence.compute import _density_numpy
    from congruence.compute._density_blocks import loops

    if loops(models) is _density_numpy:
        return
    words = {"row": grid.shape[0], "voxel": grid.voxel, "models": 1 << models.bit_length()}
    tell(connection, "maps", words | {"map_resolution": map_resolution})


def tell(connection: Connection, what: str, words: dict[str, Any]) -> None:
    """
    Let the workers that are there, and those that come, get something ready; wait for the first.

    If it cannot be made ready nothing is said: the task that needs it says what is wrong.

    Parameters
    ----------
    connection : Connection
        To the cluster; what it has asked for once is not asked for again.
    what : {"imports", "distances", "maps"}
        What.
    words : dict
        JSON-able arguments.
    """
    text = json.dumps([what, words], default=str)
    if text in connection.told:
        return
    name = connection.told[text] = f"congruence-{what}-{uuid.uuid4().hex[:8]}"
    client, plugin = connection.client, _plugin(name, text)

    def register() -> None:
        with suppress(Exception):  # of workers that leave meanwhile, or lack something
            client.register_plugin(plugin, name=name)

    # In the background of the process: a worker that is gone could be waited for without an end.
    thread = threading.Thread(target=register, name=name, daemon=True)
    thread.start()
    thread.join(_SILENT)
    if thread.is_alive() and what != "imports":
        connection.say("Dask workers compile their loops, once for a user and kind of processor")
    thread.join(_PATIENCE)


def forget(connection: Connection) -> None:
    """
    Let workers that join later get nothing ready any more.

    Parameters
    ----------
    connection : Connection
        To the cluster.
    """

    def unregister() -> None:
        for name in connection.told.values():
            with suppress(Exception):  # the scheduler may be gone
                connection.client.unregister_worker_plugin(name)

    thread = threading.Thread(target=unregister, daemon=True)
    thread.start()
    thread.join(_SILENT)


def _plugin(name: str, words: str) -> Any:
    """
    Return what a worker runs when it gets to know it.

    It is made of what any worker has: one that lacks congruence can read it, fails to set it
    up, and goes on; the first of its tasks is refused with its address.
    """
    toolz = importlib.import_module("toolz")
    plugin: Any = importlib.import_module("distributed").WorkerPlugin()
    plugin.name = name
    # Called as setup(worker=...): the worker is dropped, our function is found and called.
    call = operator.methodcaller("__call__", words)
    plugin.setup = toolz.compose_left(dict, _SET_UP.format_map, pkgutil.resolve_name, call)
    return plugin


async def set_up(text: str) -> None:
    """
    Get something ready, on a worker, beside its messages.

    Parameters
    ----------
    text : str
        What, and its arguments, as JSON.
    """
    await asyncio.to_thread(_get_ready, *json.loads(text))


def _get_ready(what: str, words: dict[str, Any]) -> None:
    from congruence.workflow.dask_memory import learn_sizes

    learn_sizes()
    with suppress(Exception):  # tasks that need it will say what is wrong
        if what == "imports":
            for module in _MODULES:
                importlib.import_module(module)
            return
        with _one_first(what):
            (_distances if what == "distances" else _maps)(**words)


@contextmanager
def _one_first(what: str) -> Iterator[None]:
    """Let one process of this machine and user be first, then all others at the same time."""
    try:
        import fcntl
    except ImportError:  # not on this system: all compile
        yield
        return
    path = Path(tempfile.gettempdir()) / f"congruence-ready-{os.getuid()}-{what}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another one is first, and has cached its loops when it is done
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


class _Made:
    """Models of one shape, made when they are read; the first of each read is the same."""

    def __init__(self, models: int, beads: int) -> None:
        self.shape = (models, beads, 3)
        self._shape_of_all = np.random.default_rng(0).normal(size=(beads, 3)) * 30

    def read(self, start: int, stop: int) -> FloatArray:
        count = min(stop, self.shape[0]) - start
        made = np.random.default_rng(start).normal(size=(count, *self.shape[1:])) * 6
        made[0] = 0.0  # near duplicates are computed apart
        return self._shape_of_all + made


def _distances(
    models: int,
    beads: int,
    alignment: str,
    apart: bool,
    copies: list[int],
    precision: Any,
    kernel: str,
) -> None:
    """Compute a tile of such a matrix, of models that are made up."""
    from congruence.compute.metric import Metric
    from congruence.compute.rectangle import TILE, Rectangles, Settled

    beads = max(beads, sum(copies) + 3)
    ends = np.cumsum([0, *copies])
    groups = tuple(np.arange(a, b)[:, None] for a, b in pairwise(ends.tolist()))
    on = np.arange(beads // 2 + 1) if apart else None
    metric = Metric(
        alignment, measure=np.arange(beads), on=on, weights=np.ones(beads), copies=groups or "off"
    )
    settled = Settled(precision, _SINGLE_ERROR)
    rectangles = Rectangles(_Made(models, beads), metric, settled, kernel=kernel)
    rectangles.compute(0, TILE, TILE)


def _maps(row: int, voxel: float, models: int, map_resolution: float) -> None:
    """Compute small maps of made-up models: without and with beads at the edge of the grid."""
    from congruence.compute.density_parts import DensityParts
    from congruence.compute.rectangle import one_blas_thread
    from congruence.core.grid import Grid

    grid = Grid((0.0, 0.0, 0.0), (row, 32, 32), voxel)
    middle = np.array(grid.shape) * voxel / 2
    inside = np.random.default_rng(0).normal(size=(4, 500, 3)) * voxel + middle
    edge = inside - [0.0, middle[1], 0.0]
    for made in (inside, edge):
        parts = DensityParts(np.ones(500), np.arange(500), grid, map_resolution, models)
        with one_blas_thread():
            parts.density(parts.part(made, 0), len(made))
