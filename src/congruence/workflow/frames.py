"""From rows of a table to coordinates: open RMF files, check frames, fill arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from congruence.core.provenance import Losses
from congruence.errors import CongruenceError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from congruence.core.models import ModelTable
    from congruence.core.topology import Topology
    from congruence.io.rmf import RmfFile
    from congruence.typing import FloatArray, IntArray

__all__ = ["FramePool", "read_coordinates"]


class FramePool:
    """
    RMF files by path, opened when first asked for.

    Parameters
    ----------
    losses : Losses
        Collects files that cannot be opened and what is missing inside.
    keep : int
        Files kept open; the least recently used one is dropped first.
    """

    def __init__(self, losses: Losses | None = None, *, keep: int = 64) -> None:
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

    Returns
    -------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        In Å, in the order of the table.
    topology : Topology
        The beads.

    Raises
    ------
    InputError
        If files differ in topology, or the state has no beads.
    """
    chosen = None if state == "all" else state
    coordinates: FloatArray | None = None
    topology: Topology | None = None
    first = ""
    differing = done = 0
    for path, rows in _by_file(table):
        file = pool.get(path)
        mine = file.topology(resolution, state=chosen)
        if topology is None or coordinates is None:
            first, topology = path, _not_empty(mine, path, state)
            coordinates = np.empty((len(table), len(mine), 3))
        elif mine.key != topology.key:
            raise InputError(
                f"the models do not have the same topology: {first} and {path} differ: "
                f"{topology.first_difference(mine)}",
                hint="Analyse runs of one system together; give only those.",
            )
        elif mine is not topology and topology.property_differences(mine):
            differing += 1
        frames = table.frame[rows].tolist()
        coordinates[rows] = file.coordinates(frames, resolution, state=chosen)
        done += len(rows)
        advance(done, len(table))
    if topology is None or coordinates is None:
        raise InputError("there are no models to read")
    if differing:
        pool.losses.add(
            first, "radius or mass differences", "other files differ; the first is used", differing
        )
    _all_finite(coordinates, table)
    return coordinates, topology


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


def _all_finite(coordinates: FloatArray, table: ModelTable) -> None:
    bad = np.flatnonzero(~np.isfinite(coordinates).all(axis=(1, 2)))
    if len(bad):
        raise InputError(
            f"{len(bad)} models have coordinates that are not numbers, the first is "
            f"{table.names[int(bad[0])]}",
            hint="Leave these models out, for example with --where.",
        )
