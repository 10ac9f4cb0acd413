"""Which frames a file holds and where: built while reading, kept, shared by threads."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from congruence.errors import FormatError
from congruence.io.rmf.frames import FrameInfo, Layout, parse_body, parse_info
from congruence.io.rmf.schema import decode_record, empty_data
from congruence.io.rmf.static import StaticPart, after_head, merge, read_static
from congruence.io.rmf.templates import TemplateStore
from congruence.io.rmf.wire import BROKEN

if TYPE_CHECKING:
    from congruence.core.provenance import Losses
    from congruence.io.rmf.container import Block, Container
    from congruence.io.rmf.schema import Record
    from congruence.io.rmf.tables import StaticTables
    from congruence.io.rmf.templates import Window

__all__ = ["FrameIndex", "FrameRef"]

_STATIC, _FRAME = 2, 0
_STORES_KEPT = 16
_PREFIX = 4096


@dataclass(slots=True, eq=False)
class FrameRef:
    """
    One whole frame record.

    Parameters
    ----------
    info : FrameInfo
        Head of the record.
    block : Block
        The block that holds it.
    start : int
        Where its body begins in the block's payload.
    layout : Layout or None
        Its parts, once looked at.
    """

    info: FrameInfo
    block: Block
    start: int
    layout: Layout | None = None


class FrameIndex:
    """
    Index of the records of a container.

    Parameters
    ----------
    container : Container
        The container.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._blocks = container.blocks()
        self._lock = threading.RLock()
        self._frames: dict[int, FrameRef] = {}
        self._parts: list[StaticPart | tuple[Block, int]] = []
        self._store: TemplateStore | None = None
        self._complete = False
        self._highest = -1
        self._tables: StaticTables | None = None

    @property
    def losses(self) -> Losses:
        """What could not be used so far."""
        return self._container.losses

    def first(self) -> None:
        """
        Read until the first record.

        Raises
        ------
        FormatError
            If no record of the file is whole.
        """
        while not self._parts and not self._frames and self._advance():
            pass
        if not self._parts and not self._frames:
            raise FormatError(
                "holds a header and no whole record",
                path=self._container.path,
                hint="The writer was killed before its first block: leave the file out.",
            )

    def frame(self, number: int) -> FrameRef | None:
        """
        Find a frame, reading no further than needed.

        Parameters
        ----------
        number : int
            Its id.

        Returns
        -------
        frame : FrameRef or None
            None when the file holds no such whole frame.
        """
        while number not in self._frames and self._advance():
            pass
        return self._frames.get(number)

    def frames(self) -> dict[int, FrameRef]:
        """
        Index the whole file.

        Returns
        -------
        frames : dict
            By id, in file order.
        """
        while self._advance():
            pass
        return self._frames

    def tables(self) -> StaticTables:
        """
        Return the merged static data.

        Returns
        -------
        tables : StaticTables
            Shared between files with the same static records.

        Raises
        ------
        FormatError
            If the file has no whole static record.
        """
        self.frames()
        with self._lock:
            if self._tables is None:
                self._tables = self._merge()
            return self._tables

    def _merge(self) -> StaticTables:
        parts = []
        for part in self._parts:
            if isinstance(part, StaticPart):
                parts.append(part)
                continue
            block, pos = part
            try:
                parts.append(read_static(self._container.window(block).data, pos, last=True))
            except BROKEN as error:
                self._lost(block, "static record", str(error))
        if not parts:
            raise FormatError(
                "holds no whole static record: no nodes and no keys",
                path=self._container.path,
                hint="The beginning of the file is damaged: leave the file out.",
            )
        tables = merge(parts)
        if 0 not in tables.names:
            self.losses.add(self._container.path, "node", "no root (node 0)")
        return tables

    def layout(self, frame: FrameRef) -> Layout:
        """
        Return the parts of a frame.

        Parameters
        ----------
        frame : FrameRef
            The frame.

        Returns
        -------
        layout : Layout
            Its parts; kept.

        Raises
        ------
        FormatError
            If the record is damaged.
        """
        if frame.layout is None:
            try:
                frame.layout = self._whole_block_layout(frame)
            except BROKEN as error:
                raise FormatError(
                    f"frame {frame.info.id} is damaged ({error})",
                    path=self._container.path,
                    location=f"byte {frame.block.offset}",
                    hint="Leave this frame out.",
                ) from error
        return frame.layout

    def _whole_block_layout(self, frame: FrameRef) -> Layout:
        window = self._container.window(frame.block)
        layout = parse_body(window, frame.start, self._templates())
        if layout.end != len(window.data):
            raise ValueError(f"ends {len(window.data) - layout.end} bytes before its block")
        return layout

    def _templates(self) -> TemplateStore:
        if self._store is None:
            self._store = TemplateStore()
        return self._store

    def _advance(self) -> bool:
        """Read one more block; False at the end of the file."""
        with self._lock:
            if self._complete:
                return False
            block = next(self._blocks, None)
            if block is None:
                self._complete = True
                self._note_gaps()
                return False
            if block.count:
                self._read(block)
            elif block.size:
                self._lost(block, "block", "has bytes and no records")
            return True

    def _read(self, block: Block) -> None:
        done = 0
        try:
            window = self._container.window(block)
            pos = 0
            alone = block.count == 1 and block.whole
            for done in range(block.count):  # noqa: B007 - read after an error
                pos = self._alone(block, window) if alone else self._one(block, window, pos)
            if block.whole and pos != len(window.data):
                self._lost(
                    block, "byte", "behind the last record of a block", len(window.data) - pos
                )
        except BROKEN as error:
            why = f"damaged ({error})" if block.whole else "the file ends inside the block"
            self._lost(block, "record", why, block.count - done)

    def _one(self, block: Block, window: Window, pos: int) -> int:
        data = window.data
        if data[pos] == _STATIC:
            part = read_static(data, pos, last=False)
            self._add_static(part, _prefix(data, pos))
            return pos + part.length
        if data[pos] != _FRAME:
            raise ValueError(f"byte {data[pos]} where a record should begin")
        info, body = parse_info(data, pos)
        layout = parse_body(window, body, self._templates())
        self._add_frame(FrameRef(info, block, body, layout), data, pos)
        return layout.end

    def _alone(self, block: Block, window: Window) -> int:
        data = window.data
        if data[0] == _STATIC:
            self._add_static((block, 0), _prefix(data, 0))
        elif data[0] == _FRAME:
            info, body = parse_info(data, 0)
            self._add_frame(FrameRef(info, block, body), data, 0)
        else:
            raise ValueError(f"byte {data[0]} where a record should begin")
        return len(data)

    def _add_static(self, part: StaticPart | tuple[Block, int], prefix: bytes) -> None:
        if self._store is None:
            self._store = _shared_store(prefix)
        self._parts.append(part)

    def _add_frame(self, frame: FrameRef, data: bytes, pos: int) -> None:
        number = frame.info.id
        if data[frame.start : frame.start + 2] != b"\0\0":
            self._parts.append(_declared(data[pos:]))
        if number < 0 or number in self._frames:
            why = "a second frame with this number" if number >= 0 else "a negative number"
            self._lost(frame.block, f"frame {number}", why)
            return
        if number < self._highest:
            self._lost(
                frame.block, "frame number", "out of order; the frame is kept under its number"
            )
        self._highest = max(self._highest, number)
        self._frames[number] = frame

    def _lost(self, block: Block, what: str, why: str, count: int = 1) -> None:
        self.losses.add(f"{self._container.path}, byte {block.offset}", what, why, count)

    def _note_gaps(self) -> None:
        missing = self._highest + 1 - len(self._frames)
        if missing:
            first = next(i for i in range(self._highest) if i not in self._frames)
            self.losses.add(
                f"{self._container.path}, frame {first}", "frame", "missing between others", missing
            )


def _prefix(data: bytes, pos: int) -> bytes:
    start = after_head(data, pos)
    return data[start : start + _PREFIX]


def _declared(data: bytes) -> StaticPart:
    """Take the nodes and keys that a frame record declares as a static record."""
    record: Record = decode_record(data)
    names = ("categories", "node_types", "frame_types", "node_sets")
    info: Record = {"description": "", "producer": "", **{name: [] for name in names}}
    static = {
        "info": info,
        "nodes": record["nodes"],
        "keys": record["keys"],
        "data": empty_data(),
    }
    return StaticPart(static, 0, hashlib.blake2b(data, digest_size=20).digest(), b"")


_stores: OrderedDict[bytes, TemplateStore] = OrderedDict()
_stores_lock = threading.Lock()


def _shared_store(prefix: bytes) -> TemplateStore:
    """Return the templates of files that begin alike: those of one run share them."""
    with _stores_lock:
        store = _stores.pop(prefix, None) or TemplateStore()
        _stores[prefix] = store
        while len(_stores) > _STORES_KEPT:
            _stores.popitem(last=False)
        return store
