"""An open RMF3 file: its index, its static data, its beads, shared by all that reads it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

import numpy as np

from congruence.errors import FormatError, InputError, SelectionError
from congruence.io.rmf.beads import Beads
from congruence.io.rmf.container import open_container
from congruence.io.rmf.hierarchy import Hierarchy
from congruence.io.rmf.index import FrameIndex
from congruence.io.rmf.lookup import Lookup
from congruence.io.rmf.representation import PARTICLES
from congruence.io.rmf.values import FrameValues
from congruence.io.rmf.walk import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from congruence.core.provenance import Losses
    from congruence.io.rmf.index import FrameRef
    from congruence.io.rmf.tables import StaticTables

    Frames: TypeAlias = Sequence[int] | slice | int | None
    Want: TypeAlias = float | Literal["all"]

__all__ = ["OpenFile", "shared"]

T = TypeVar("T")

_BEADS_KEPT = 12
_SHARED_KEPT = 24
_EXAMPLES = 16


class OpenFile:
    """
    What an open RMF3 file knows about itself.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty.
    FormatError
        If it is not an RMF3 file, or none of its records is whole.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._container = open_container(self.path)
        self._index = FrameIndex(self._container)
        self._index.first()
        self._values = FrameValues(self._container, self._index)
        self._lock = threading.RLock()
        self._beads: OrderedDict[tuple[Any, ...], Beads] = OrderedDict()

    def __reduce__(self) -> tuple[type[OpenFile], tuple[Path]]:
        return type(self), (self.path,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __len__(self) -> int:
        return len(self._index.frames())

    @property
    def _tables(self) -> StaticTables:
        return self._index.tables()

    @cached_property
    def _hierarchy(self) -> Hierarchy:
        return shared(self._tables, "hierarchy", lambda: Hierarchy(self._tables))

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self._tables, self._container, self._index)

    @property
    def description(self) -> str:
        """Free text about the file, often empty."""
        return self._tables.description

    @property
    def producer(self) -> str:
        """The program that wrote the file."""
        return self._tables.producer

    @property
    def is_closed(self) -> bool:
        """Whether the file ends as its writer ends one; else it grows or was cut off."""
        self._index.frames()
        return self._container.is_closed

    @property
    def losses(self) -> Losses:
        """What of the file could not be used; looks at the whole file."""
        self._index.frames()
        return self._container.losses

    def has_frame(self, number: int) -> bool:
        """
        Tell whether a frame is there and whole, reading no further than needed.

        Parameters
        ----------
        number : int
            Number of the frame.

        Returns
        -------
        has : bool
            Whether it can be read.
        """
        return self._index.frame(int(number)) is not None

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the whole frames, in file order."""
        return tuple(self._index.frames())

    @property
    def frame_names(self) -> tuple[str, ...]:
        """Names of the whole frames, in file order; usually empty."""
        return tuple(frame.info.name for frame in self._index.frames().values())

    def _chosen(self, frames: Frames) -> list[FrameRef]:
        if isinstance(frames, slice):
            known = self._index.frames()
            numbers: Iterable[int] = range(*frames.indices(max(known, default=-1) + 1))
            return [known[i] for i in numbers if i in known]
        if frames is None:
            return list(self._index.frames().values())
        wanted = [frames] if isinstance(frames, int | np.integer) else list(frames)
        return [self._frame(int(number)) for number in wanted]

    def _frame(self, number: int) -> FrameRef:
        frame = self._index.frame(number)
        if frame is None:
            ids = self.frame_ids
            span = f", numbered {min(ids)} to {max(ids)}" if ids else ""
            raise InputError(
                f"{self.path} has no frame {number}: it holds {len(ids)} whole frames{span}",
                hint="Stat files run ahead of RMF files while a run goes on or when it was "
                "killed: leave out the models whose frame is not there.",
            )
        return frame

    def _read_beads(self, want: Want, state: int | None, kind: int) -> Beads:
        key = (want, state, kind)
        with self._lock:
            if key not in self._beads:
                self._beads[key] = self._make_beads(want, state, kind)
                while len(self._beads) > _BEADS_KEPT:
                    self._beads.popitem(last=False)
            return self._beads[key]

    def _make_beads(self, want: Want, state: int | None, kind: int) -> Beads:
        tables, hierarchy = self._tables, self._hierarchy
        if want != "all" and not float(want) >= 0:
            raise InputError(
                f"resolution {want} is not possible",
                hint="Give residues per bead, 0 for the finest, or 'all'.",
            )

        def make() -> Beads:
            selected = select(tables, hierarchy, want, kind=kind)
            states = hierarchy.states()
            if state is not None and states:
                if state not in states:
                    raise SelectionError(
                        f"{self.path} has no state {state}",
                        hint=f"It has: {', '.join(map(str, states))}.",
                    )
                selected = selected.take(selected.topology.state == state)
            return Beads(tables, selected)

        beads = shared(tables, ("beads", want, state, kind), make)
        placed = beads.placed(self._values, self._example())
        lost = beads.selected.skipped + int((~placed).sum())
        if lost and kind == PARTICLES:
            self._container.losses.add(
                self.path,
                f"bead at resolution {want}",
                "without a radius or without coordinates",
                lost,
            )
        return beads if placed.all() else Beads(tables, beads.selected.take(placed))

    def _example(self) -> FrameRef | None:
        """Return the first frame that can be read."""
        for frame in islice(self._index.frames().values(), _EXAMPLES):
            try:
                self._index.layout(frame)
            except FormatError:
                continue
            return frame
        return None


def shared(tables: StaticTables, key: object, make: Callable[[], T]) -> T:
    """
    Make something once per static data.

    Parameters
    ----------
    tables : StaticTables
        What it is made from.
    key : object
        Names it.
    make : callable
        Makes it.

    Returns
    -------
    made : object
        Shared between all files with equal static data.
    """
    found = tables.cache.get(key)
    if found is None:
        found = tables.cache.setdefault(key, make())
        if len(tables.cache) > _SHARED_KEPT:
            tables.cache.popitem(last=False)
    return cast("T", found)
