"""From rows of a table to coordinates: open RMF files, check frames, fill arrays."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from congruence.core.provenance import Losses
from congruence.errors import CongruenceError, InputError
from congruence.io.cache import CoordinateCache, cache_folder, coordinates_key
from congruence.workflow.on_disk import Keeping, map_again

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from congruence.core.models import ModelTable
    from congruence.core.topology import Topology
    from congruence.io.rmf import RmfFile
    from congruence.typing import FloatArray, IntArray

__all__ = ["FramePool", "read_coordinates"]

_VALUES = 1 << 22
"""Coordinates that one thread reads at a time."""


class FramePool:
    """
    RMF files by path, opened when first asked for.

    Parameters
    ----------
    losses : Losses
        Collects files that cannot be opened and what is missing inside.
    keep : int
        Files kept open; the least recently used one is dropped first.
    score_files : tuple of str
        Files whose rows named the frames; for the record.
    found_by : mapping of str to int
        How the RMF files of rows were found, and of how many rows; for the record.
    """

    def __init__(
        self,
        losses: Losses | None = None,
        *,
        keep: int = 64,
        score_files: tuple[str, ...] = (),
        found_by: Mapping[str, int] | None = None,
    ) -> None:
        self.score_files = score_files
        self.found_by = dict(found_by or {})
        self.losses = losses if losses is not None else Losses()
        self._keep = keep
        self._files: dict[str, RmfFile] = {}
        self._broken: set[str] = set()

    def open(self, path: str) -> RmfFile | None:
        """
        Return a file, or None when it cannot be read.

        Parameters
        ----------
        path : str
            The RMF file.

        Returns
        -------
        file : RmfFile or None
            None is noted once in `losses`, with the reason.
        """
        from congruence.io.rmf import open_rmf

        if path in self._broken:
            return None
        file = self._files.pop(path, None)
        if file is None:
            try:
                file = open_rmf(path)
            except CongruenceError as error:
                self._broken.add(path)
                self.losses.add(path, "RMF file", error.message.removeprefix(path).lstrip(":, "))
                return None
        self._files[path] = file
        if len(self._files) > self._keep:
            self._files.pop(next(iter(self._files)))
        return file

    def get(self, path: str) -> RmfFile:
        """
        Return a file that must be readable.

        Parameters
        ----------
        path : str
            The RMF file.

        Returns
        -------
        file : RmfFile
            The open file.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        file = self.open(path)
        if file is None:
            raise InputError(f"cannot read {path}", hint="See the losses reported before.")
        return file

    def has_frame(self, path: str, frame: int) -> bool:
        """
        Tell whether a frame is there and whole, reading as little as possible.

        Parameters
        ----------
        path : str
            The RMF file; empty when it was not found.
        frame : int
            The frame.

        Returns
        -------
        whole : bool
            False as well for a file that cannot be read.
        """
        if not path:
            return False
        file = self.open(path)
        return file is not None and file.has_frame(frame)


def read_coordinates(
    pool: FramePool,
    table: ModelTable,
    *,
    resolution: float,
    state: int | Literal["all"],
    advance: Callable[[int, int], None] = lambda done, total: None,
    engine: str = "local",
    keeping: Keeping | None = None,
) -> tuple[FloatArray, Topology]:
    """
    Read the global coordinates of the models of a table.

    Parameters
    ----------
    pool : FramePool
        Open files.
    table : ModelTable
        The models; every frame must be there.
    resolution : float
        Residues per bead.
    state : int or "all"
        State to read.
    advance : callable
        Called with models done and in all.
    engine : str
        ``"local"``, or the Dask cluster whose workers read.
    keeping : Keeping, optional
        Where the coordinates are kept; in memory by default. A file is not
        removed here.

    Returns
    -------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        In Å, in the order of the table; a read-only memmap if in a file.
    topology : Topology
        The beads.

    Raises
    ------
    InputError
        If files differ in topology, or the state has no beads.
    OutputError
        If a file cannot hold the coordinates.

    Notes
    -----
    Files are decoded by several threads, which put blocks where they belong. What was read before is taken from
    the cache (`congruence.io.cache`), with the same bytes; the variable
    ``CONGRUENCE_CACHE`` names its folder or says ``off``.
    """
    files = list(_by_file(table))
    if not files:
        raise InputError("there are no models to read")
    first = files[0][0]
    chosen = None if state == "all" else state
    topology = _not_empty(pool.get(first).topology(resolution, state=chosen), first, state)
    cache = CoordinateCache(cache_folder())
    named = _cache_key(cache, table, files, resolution, state)
    shape = (len(table), len(topology), 3)
    coordinates = (keeping or Keeping()).array(shape)
    stored = cache.fill(named[0], coordinates, named[1]) if named else None
    if stored is not None:
        differing = int(stored["differing"])
        advance(len(table), len(table))
    else:
        read = _Reading(pool, table, files, topology)
        fill = read.fill if engine == "local" else partial(read.fill_on, engine)
        differing = fill(coordinates, resolution, chosen, advance)
    coordinates = map_again(coordinates)
    bad = _not_finite(coordinates)
    if named and stored is None and not len(bad):
        cache.store(named[0], coordinates, {"differing": differing}, named[1])
    if differing:
        pool.losses.add(
            first, "radius or mass differences", "other files differ; the first is used", differing
        )
    _all_finite(bad, table)
    return coordinates, topology


def _cache_key(
    cache: CoordinateCache,
    table: ModelTable,
    files: list[tuple[str, IntArray]],
    resolution: float,
    state: int | str,
) -> tuple[str, IntArray] | None:
    """Return the key of an entry, and the rows in the order in which it holds them."""
    if cache.folder is None:
        return None
    asked = [(path, table.frame[rows].tolist()) for path, rows in files]
    found = coordinates_key(asked, resolution=resolution, state=state)
    if found is None:
        return None
    return found[0], np.concatenate([files[at][1] for at in found[1]])


class _Reading:
    """Coordinates of several files, decoded by threads and put where they belong."""

    def __init__(
        self,
        pool: FramePool,
        table: ModelTable,
        files: list[tuple[str, IntArray]],
        topology: Topology,
    ) -> None:
        self._pool, self._table, self._files, self._topology = pool, table, files, topology

    def fill(
        self,
        coordinates: FloatArray,
        resolution: float,
        state: int | None,
        advance: Callable[[int, int], None],
    ) -> int:
        """Fill the rows of all files; return how many files differ in radii or masses."""
        differing = done = 0
        waiting: deque[Future[int]] = deque()
        threads = _thread_count(len(self._files))
        with ThreadPoolExecutor(threads) as workers:
            try:
                for path, rows in self._files:
                    # Files are opened and compared in order, by one thread.
                    file = self._pool.get(path)
                    differing += self._differs(file, path, resolution, state)
                    read = partial(file.coordinates, resolution=resolution, state=state)
                    waiting.append(workers.submit(self._put, coordinates, rows, read))
                    while len(waiting) >= 4 * threads:
                        done += waiting.popleft().result()
                        advance(done, len(self._table))
                while waiting:
                    done += waiting.popleft().result()
                    advance(done, len(self._table))
            finally:
                for future in waiting:
                    future.cancel()
        return differing

    def _put(
        self, coordinates: FloatArray, rows: IntArray, read: Callable[[list[int]], FloatArray]
    ) -> int:
        """Read the models of one file, block by block; return how many they are."""
        step = max(1, _VALUES // (3 * len(self._topology)))
        for start in range(0, len(rows), step):
            few = rows[start : start + step]
            coordinates[few] = read(self._table.frame[few].tolist())
        return len(rows)

    def fill_on(
        self,
        engine: str,
        coordinates: FloatArray,
        resolution: float,
        state: int | None,
        advance: Callable[[int, int], None],
    ) -> int:
        """Fill the rows with the workers of a Dask cluster; return what `fill` returns."""
        from congruence.workflow.dask_steps import read_files

        order = np.concatenate([rows for _, rows in self._files])

        def put(start: int, block: FloatArray) -> None:
            coordinates[order[start : start + len(block)]] = block

        differing, stopped = read_files(
            engine,
            [(path, self._table.frame[rows].tolist()) for path, rows in self._files],
            len(self._topology),
            resolution=resolution,
            state=state,
            put=put,
            advance=lambda done: advance(done, len(self._table)),
        )
        if stopped:
            # What is wrong with the file is found and told as on one machine.
            self._differs(self._pool.get(stopped), stopped, resolution, state)
            raise InputError(
                f"Dask workers cannot read {stopped}, which this machine can",
                hint="Workers must see the runs under the same paths and with the same rights.",
            )
        return len(differing)

    def _differs(self, file: RmfFile, path: str, resolution: float, state: int | None) -> bool:
        mine = file.topology(resolution, state=state)
        if mine.key != self._topology.key:
            raise InputError(
                f"the models do not have the same topology: {self._files[0][0]} and {path} differ: "
                f"{self._topology.first_difference(mine)}",
                hint="Analyse runs of one system together; give only those.",
            )
        return mine is not self._topology and bool(self._topology.property_differences(mine))


def _thread_count(files: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, files))


def _by_file(table: ModelTable) -> Iterator[tuple[str, IntArray]]:
    """Yield files in order of first appearance, rows in order of frames."""
    order: dict[str, list[int]] = {}
    for row, path in enumerate(table.file.tolist()):
        order.setdefault(path, []).append(row)
    for path, rows in order.items():
        picked = np.array(rows, dtype=np.int64)
        yield path, picked[np.argsort(table.frame[picked], kind="stable")]


def _not_empty(topology: Topology, path: str, state: int | str) -> Topology:
    if not len(topology):
        raise InputError(
            f"{path} has no beads in state {state}",
            hint="'congruence inspect' lists the states; --state all takes every one.",
        )
    return topology


def _not_finite(coordinates: FloatArray) -> IntArray:
    """Return the models with coordinates that are not numbers."""
    m, n, _ = coordinates.shape
    step = max(1, _VALUES // (3 * n))
    parts = (coordinates[start : start + step] for start in range(0, m, step))
    return np.flatnonzero(np.concatenate([~np.isfinite(p).all(axis=(1, 2)) for p in parts]))


def _all_finite(bad: IntArray, table: ModelTable) -> None:
    if len(bad):
        raise InputError(
            f"{len(bad)} models have coordinates that are not numbers, the first is "
            f"{table.names[int(bad[0])]}",
            hint="Leave these models out, for example with --where.",
        )
