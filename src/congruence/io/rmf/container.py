"""
The container of an RMF3 file: header and blocks, whole or damaged.

An RMF3 file is an Avro object container: a header with the codec and the
schema, then blocks of records, each followed by the file's 16-byte marker. A
cleanly closed file ends with an empty block. Files of killed jobs end anywhere.
"""

from __future__ import annotations

import json
import mmap
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import Losses
from congruence.errors import FormatError, InputError
from congruence.io.rmf.schema import schema_json
from congruence.io.rmf.templates import Window
from congruence.io.rmf.wire import BROKEN, read_long, skip_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.io.rmf.wire import Buffer

__all__ = ["MARKER_SIZE", "Block", "Container", "open_container"]

MARKER_SIZE = 16
"""Bytes of the marker after each block."""

_AVRO = b"Obj\x01"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAPPED_FROM = 1 << 26
_INFLATED_KEPT = 8


@dataclass(frozen=True, slots=True)
class Block:
    """
    One block.

    Parameters
    ----------
    offset : int
        Where the block begins in the file.
    start : int
        Where its payload begins in the file.
    size : int
        Bytes of payload that are there.
    count : int
        Records that the block says it holds.
    whole : bool
        Whether the payload is complete.
    """

    offset: int
    start: int
    size: int
    count: int
    whole: bool = True


class Container:
    """
    Header and blocks of an RMF3 file.

    The file is read into memory, or mapped if it is large; no file stays open.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes or mmap
        Its content.

    Raises
    ------
    FormatError
        If the header is not that of an RMF3 file.
    """

    def __init__(self, path: Path, data: Buffer) -> None:
        self.path = path
        self.data = data
        self.array = np.frombuffer(data, np.uint8)
        self.losses = Losses()
        self.is_closed = False
        metadata, self.header_size = self._header()
        self.sync = bytes(data[self.header_size - MARKER_SIZE : self.header_size])
        self.codec = metadata.get("avro.codec", b"null").decode("ascii", "replace")
        if self.codec not in ("null", "deflate"):
            raise FormatError(
                f"compressed with the codec '{self.codec}', expected null or deflate",
                path=path,
                hint="Write the file again without compression.",
            )
        if not _is_rmf_schema(metadata.get("avro.schema", b"")):
            raise FormatError(
                "an Avro file, but its schema is not that of RMF3",
                path=path,
                hint="Give an RMF3 file (.rmf3) as written by IMP.",
            )
        self._inflated: OrderedDict[int, Window] = OrderedDict()
        self._lock = threading.Lock()

    def _header(self) -> tuple[dict[str, bytes], int]:
        data, pos = self.data, len(_AVRO)
        metadata = {}
        try:
            while True:
                count, pos = read_long(data, pos)
                if count == 0:
                    break
                if count < 0:
                    count, pos = -count, read_long(data, pos)[1]
                for _ in range(count):
                    key, pos = _bytes_at(data, pos)
                    metadata[key.decode("utf-8", "replace")], pos = _bytes_at(data, pos)
        except BROKEN as error:
            raise self._cut_header() from error
        if pos + MARKER_SIZE > len(data):
            raise self._cut_header()
        return metadata, pos + MARKER_SIZE

    def _cut_header(self) -> FormatError:
        return FormatError(
            f"the file ends inside its header or the header is damaged ({len(self.data)} bytes)",
            path=self.path,
            hint="The writer was killed at once or the copy is incomplete: leave the file out.",
        )

    def blocks(self) -> Iterator[Block]:
        """
        Walk the blocks.

        What is damaged is noted in `losses`; after a damaged stretch the walk
        goes on behind the next marker. Sets `is_closed` at the end.

        Yields
        ------
        block : Block
            In file order; the last may be partial (`Block.whole` is False).
        """
        pos, end = self.header_size, len(self.data)
        while pos < end:
            block = self._block_at(pos)
            after = -1 if block is None else block.start + block.size
            if block is not None and self._marker_at(after):
                self.is_closed = block.count == 0 and block.size == 0
                yield block
                pos = after + MARKER_SIZE
                continue
            resume = self.data.find(self.sync, pos)
            if resume < 0:
                yield from self._tail(pos, block)
                return
            if block is not None and self._stands_before(resume, block):
                # only the marker is damaged: the next block is where it should be
                yield block
                pos = after + MARKER_SIZE
                continue
            self.losses.add(
                f"{self.path}, byte {pos}", "block", f"damaged, resumed at byte {resume + 16}"
            )
            pos = resume + MARKER_SIZE

    def _block_at(self, pos: int) -> Block | None:
        """Return the block whose header is at `pos`, partial if the file ends in it."""
        try:
            count, start = read_long(self.data, pos)
            size, start = read_long(self.data, start)
        except BROKEN:
            return None
        if count < 0 or size < 0 or (size < count and self.codec == "null"):
            return None
        there = min(size, len(self.data) - start)
        return Block(pos, start, there, count, whole=there == size)

    def _marker_at(self, pos: int) -> bool:
        return bytes(self.data[pos : pos + MARKER_SIZE]) == self.sync

    def _stands_before(self, resume: int, block: Block) -> bool:
        following = block.start + block.size + MARKER_SIZE
        if not block.whole or following > resume:
            return False
        after = self._block_at(following)
        return after is not None and self._marker_at(after.start + after.size)

    def _tail(self, pos: int, block: Block | None) -> Iterator[Block]:
        """Use what is whole behind the last marker."""
        rest = len(self.data) - pos
        where = f"{self.path}, byte {pos}"
        if self.is_closed:
            self.losses.add(where, "byte", "behind the end of a closed file", rest)
        elif block is None:
            self.losses.add(where, "byte", "the file ends inside the head of a block", rest)
        elif block.whole and self.sync.startswith(self.data[block.start + block.size :]):
            self.is_closed = block.count == 0 and block.size == 0
            yield block
        elif block.count and (padded := self._without_padding(block)) is not None:
            yield padded
        elif block.whole:
            self.losses.add(where, "byte", "no marker behind the last block", rest)
        elif block.count and block.size:
            yield block
        else:
            self.losses.add(where, "byte", "the file ends inside the head of a block", rest)

    def _without_padding(self, block: Block) -> Block | None:
        """Take off the zeros that a crashed file system leaves at the end of a file."""
        rest = bytes(self.data[block.start :])
        kept = len(rest.rstrip(b"\0"))
        if len(rest) - kept < MARKER_SIZE:
            return None
        return Block(block.offset, block.start, min(kept, block.size), block.count, whole=False)

    def window(self, block: Block) -> Window:
        """
        Return the uncompressed payload of a block.

        Parameters
        ----------
        block : Block
            One of `blocks`.

        Returns
        -------
        window : Window
            The payload; without compression its array is the whole file.

        Raises
        ------
        ValueError
            If the compressed bytes are damaged.
        """
        stored = bytes(self.data[block.start : block.start + block.size])
        if self.codec == "null":
            return Window(stored, self.array, block.start)
        with self._lock:
            known = self._inflated.get(block.start)
            if known is None:
                known = _inflate(stored)
                self._inflated[block.start] = known
                while len(self._inflated) > _INFLATED_KEPT:
                    self._inflated.popitem(last=False)
        return known


def _inflate(stored: bytes) -> Window:
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored)
    except zlib.error as error:
        raise ValueError(f"cannot be inflated: {error}") from error
    return Window(data, np.frombuffer(data, np.uint8), 0)


def _bytes_at(data: Buffer, pos: int) -> tuple[bytes, int]:
    end = skip_bytes(data, pos)
    start = read_long(data, pos)[1]
    if end > len(data):
        raise IndexError("the header ends inside a value")
    return bytes(data[start:end]), end


def open_container(path: str | Path) -> Container:
    """
    Open the container of an RMF3 file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    container : Container
        Nothing but the header has been looked at.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty.
    FormatError
        If it is not an RMF3 file.
    """
    path = Path(path)
    data = _read(path)
    if not len(data):
        raise InputError(
            f"{path} is empty (0 bytes)",
            hint="The writer was killed before its first block: leave the file out.",
        )
    if data[: len(_HDF5)] == _HDF5:
        raise FormatError(
            "an HDF5 file (RMF version 1), expected an RMF3 file",
            path=path,
            hint="Convert it with the RMF tools: rmf_update OLD.rmf NEW.rmf3.",
        )
    if data[: len(_AVRO)] != _AVRO[: len(data)]:
        raise FormatError(
            f"begins with {bytes(data[:4])!r}, expected {_AVRO!r} of an RMF3 file",
            path=path,
            hint="Give an RMF3 file (.rmf3) as written by IMP.",
        )
    return Container(path, data)


def _read(path: Path) -> Buffer:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < _MAPPED_FROM:
                return file.read()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no file {path}",
            hint="Check the path; stat files name RMF files relative to the run's folder.",
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", hint="Check the permissions."
        ) from error


@lru_cache(maxsize=16)
def _is_rmf_schema(text: bytes) -> bool:
    try:
        found = json.loads(text)
        return bool(_shape(found, {}) == _shape(json.loads(schema_json()), {}))
    except (ValueError, TypeError, RecursionError):
        return False


def _shape(schema: Any, named: dict[str, Any]) -> Any:
    """Reduce a schema to fields and types, names of types resolved."""
    if isinstance(schema, list):
        return [_shape(branch, named) for branch in schema]
    if not isinstance(schema, dict):
        return named.get(schema, schema) if isinstance(schema, str) else repr(schema)
    kind = schema.get("type")
    if kind == "record" and isinstance(schema.get("fields"), list):
        fields = [
            (f.get("name"), _shape(f.get("type"), named))
            for f in schema["fields"]
            if isinstance(f, dict)
        ]
        named[str(schema.get("name"))] = ("record", fields)
        return ("record", fields)
    if kind == "array":
        return ("array", _shape(schema.get("items"), named))
    if kind == "enum":
        named[str(schema.get("name"))] = ("enum", str(schema.get("symbols")))
        return ("enum", str(schema.get("symbols")))
    return _shape(kind, named)
