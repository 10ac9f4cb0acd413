"""Which tiles are computed in which order, with how much memory, and in what time."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from congruence.compute._packing import TILE
from congruence.core.results import Alignment
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

__all__ = ["Plan", "estimate", "in_order", "panels", "put_edge", "thread_count"]

T = TypeVar("T")
R = TypeVar("R")

_PROBE_WIDTH = 512
_STAGE_SECONDS = {"double": 1.5e-8, "mixed": 1.5e-8}
_SMALL_STAGE_SECONDS = 1.0e-7
_SMALL = 1_000_000
_PACK_SECONDS = 1.0e-8
_LARGE = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a matrix will take; time and memory are estimates.

    Parameters
    ----------
    models, beads : int
        Models and measured beads.
    pairs : int
        Pairs of models.
    tiles : int
        Tiles of 128 x 128 models.
    assignments : int
        Assignments of interchangeable copies tried for each pair.
    threads : int
        Threads.
    memory_bytes : int
        Peak memory: packed models, work space and the condensed result.
    seconds : float
        Wall-clock time.
    """

    models: int
    beads: int
    pairs: int
    tiles: int
    assignments: int
    threads: int
    memory_bytes: int
    seconds: float

    def text(self) -> str:
        """
        Say the plan in one sentence.

        Returns
        -------
        text : str
            For a person, before the start.
        """
        several = f", {self.assignments:,} assignments each" if self.assignments > 1 else ""
        plural = "s" if self.threads != 1 else ""
        models = f"{self.models:,} model" + ("s" if self.models != 1 else "")
        return (
            f"{self.pairs:,} distances between {models} of {self.beads:,} beads"
            f"{several}: estimated {_duration(self.seconds)} with {self.threads} thread{plural} "
            f"and {size_text(self.memory_bytes)} of memory"
        )


def estimate(
    m: int,
    n: int,
    *,
    alignment: Alignment | str,
    copies: Sequence[int] = (),
    precision: str = "double",
    threads: int | None = None,
    rate: float | None = None,
) -> Plan:
    """
    Estimate time and memory of `rmsd_matrix`, within a factor of about two.

    Parameters
    ----------
    m, n : int
        Models and measured beads.
    alignment : Alignment or {"none", "center", "superpose"}
        Alignment mode.
    copies : sequence of int
        Number of copies of each group of interchangeable copies.
    precision : {"double", "mixed"}
        Arithmetic of the matrix products.
    threads : int, optional
        Threads; all available cores by default.
    rate : float, optional
        Floating-point operations per second and thread; found by a matrix
        product of some milliseconds when not given.

    Returns
    -------
    plan : Plan
        The estimate.
    """
    mode = Alignment(alignment)
    workers = thread_count(threads)
    pairs = m * (m - 1) // 2
    rows = math.ceil(m / TILE)
    fitted = mode is Alignment.SUPERPOSE
    tried = math.prod(math.factorial(c) for c in copies) if fitted else 1
    widest = max(copies, default=1)
    per_pair = (18.0 if fitted else 6.0) * n * widest
    stage = (_SMALL_STAGE_SECONDS if pairs < _SMALL else _STAGE_SECONDS["double"]) * tried
    speed = rate or _probe(precision)
    done = rows * (rows + 1) // 2 * TILE * TILE
    seconds = (done * (per_pair / speed + stage) + m * n * 3 * _PACK_SECONDS) / workers
    itemsize = 8 if precision == "double" else 12
    work = workers * (9 if fitted else 1) * (widest**2 + 4) * TILE * TILE * 8
    memory = rows * TILE * n * 3 * itemsize + work + pairs * 8
    return Plan(m, n, pairs, rows * (rows + 1) // 2, tried, workers, memory, seconds)


def _probe(precision: str) -> float:
    """Return operations per second of one thread, from one small product."""
    from threadpoolctl import threadpool_limits

    kind = np.float64 if precision == "double" else np.float32
    left = np.ones((3 * TILE, _PROBE_WIDTH), kind)
    right = left.T
    with threadpool_limits(1, user_api="blas"):
        _ = left @ right
        start = time.perf_counter()
        _ = left @ right
        seconds = time.perf_counter() - start
    return 2.0 * left.shape[0] ** 2 * _PROBE_WIDTH / max(seconds, 1e-6)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size_text(count: int) -> str:
    """Say a number of bytes."""
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use: those given, or the cores this process may use."""
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return max(1, len(os.sched_getaffinity(0)))
        return os.cpu_count() or 1
    if threads < 1:
        raise ConfigError(f"threads is {threads}, expected 1 or more")
    return threads


def put_edge(m: int) -> int:
    """Return the edge of tiles that are put into memory: larger ones take less of one thread."""
    return TILE if m < _LARGE else 4 * TILE


def panels(m: int, edge: int, tile_bytes: int, memory: int) -> list[list[int]]:
    """
    Divide the put tiles (edges of models) into panels of which two fit in memory.

    Returns the first models of the put tiles, one list per panel.
    """
    starts = list(range(0, m, edge))
    each = tile_bytes * (edge // TILE)
    if len(starts) * each <= memory:
        return [starts]
    size = max(1, memory // (2 * each))
    return [starts[at : at + size] for at in range(0, len(starts), size)]


def in_order(
    function: Callable[[T], R], items: Iterable[T], threads: int, *, beside: bool = False
) -> Iterator[tuple[T, R]]:
    """
    Map with threads, in order, with a bounded number of results waiting.

    One thread is the caller's own, unless it is to work `beside` it.
    """
    if threads == 1 and not beside:
        for item in items:
            yield item, function(item)
        return
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) >= 3 * threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
