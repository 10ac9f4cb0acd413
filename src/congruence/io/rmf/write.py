"""
Write RMF3 files: a static record, then frames.

`StaticBuilder` makes the static record (nodes, keys and what does not change),
`RmfWriter` writes it and any number of frames, given as arrays. Equal input
gives equal bytes. A file appears under its name only when it is whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from congruence.errors import ConfigError, OutputError, ShapeError
from congruence.io.rmf.build import PRODUCER, StaticBuilder
from congruence.io.rmf.container_write import ContainerWriter
from congruence.io.rmf.encode import FrameTemplate, KeyBlock, frame_record
from congruence.io.rmf.schema import KeyType, Record, encode_record

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType

    from congruence.typing import IntArray

__all__ = ["PRODUCER", "FrameValues", "RmfWriter", "StaticBuilder"]

FrameValues: TypeAlias = "Mapping[tuple[str, str], tuple[Any, Any]]"
"""``{(category, key): (node ids, values)}``."""


class RmfWriter:
    """
    Write an RMF3 file record by record; a context manager.

    Parameters
    ----------
    path : str or os.PathLike
        The file; it appears, replacing one of that name, on `close`.
    static : dict
        Static record, from `StaticBuilder.record` or shaped alike.
    codec : {"null", "deflate"}
        How blocks are stored; RMF reads both, ``.rmfz`` files are deflated.
    block_size : int
        Bytes of records that are collected into one block.

    Raises
    ------
    OutputError
        If the file cannot be written.
    ConfigError
        If there is no such codec.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        static: Record,
        *,
        codec: Literal["null", "deflate"] = "null",
        block_size: int = 1 << 16,
    ) -> None:
        self.path = Path(path)
        self._nodes: set[int] = set()
        self._categories: dict[int, str] = {}
        self._keys: dict[tuple[str, str], list[tuple[KeyType, int]]] = {}
        self._template: tuple[dict[tuple[str, str], IntArray], FrameTemplate] | None = None
        self._frames = 0
        self._learn(static)
        first = encode_record(static)
        self._out = ContainerWriter(self.path, seed=first, codec=codec, block_size=block_size)
        self._out.append(first)

    def __enter__(self) -> RmfWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._out.discard()

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._frames

    def _learn(self, static: Record) -> None:
        self._template = None
        self._nodes.update(node["id"] for node in static["nodes"])
        self._categories.update((c["id"], c["name"]) for c in static["info"]["categories"])
        for key in static["keys"]:
            name = (self._categories[key["category"]], key["name"])
            self._keys.setdefault(name, []).append((KeyType(key["type"]), key["id"]))

    def write_static(self, record: Record) -> None:
        """
        Write a further static record, as PMI does when a term first scores.

        Parameters
        ----------
        record : dict
            Static record with the nodes, keys and values that come new.
        """
        self._learn(record)
        self._out.append(encode_record(record))

    def add_frame(self, values: FrameValues, *, name: str = "", type: int = 1) -> None:
        """
        Write one frame.

        Parameters
        ----------
        values : mapping
            ``{(category, key): (node ids, values)}``. Numbers are arrays of
            shape (k,), vectors (k,3) or (k,4); texts and lists are lists.
            Floats are stored with 32 bits. What a frame does not give has
            its static value.
        name : str
            Name of the frame.
        type : int
            Type of the frame.

        Raises
        ------
        ConfigError
            If a key is not declared or a node not known.
        ShapeError
            If values do not fit their node ids.
        """
        batch = {key: (nodes, [column]) for key, (nodes, column) in values.items()}
        for body in self._bodies(batch, 1):
            self.add_body(body, name=name, type=type)

    def add_frames(self, values: FrameValues, *, batch: int = 256) -> None:
        """
        Write many frames that have the same keys and nodes.

        Parameters
        ----------
        values : mapping
            As for `add_frame`, with the frames along the first axis of the
            values: (f,k) numbers, (f,k,3) or (f,k,4) vectors, lists of lists.
        batch : int
            Frames that are encoded at a time.

        Raises
        ------
        ConfigError
            If a key is not declared or a node not known.
        ShapeError
            If values do not fit their node ids, or differ in frames.
        """
        counts = {len(column) for _, column in values.values()}
        if len(counts) != 1:
            raise ShapeError(
                f"the keys of a batch have {sorted(counts)} frames, expected one number",
                hint="Give every key the same number of frames.",
            )
        total = counts.pop()
        for start in range(0, total, batch):
            stop = min(start + batch, total)
            part = {key: (nodes, column[start:stop]) for key, (nodes, column) in values.items()}
            for body in self._bodies(part, stop - start):
                self.add_body(body)

    def add_body(self, body: bytes, *, name: str = "", type: int = 1) -> None:
        """
        Write one frame whose record, after its info, is already encoded.

        Parameters
        ----------
        body : bytes
            The bytes of the record that follow the info.
        name : str
            Name of the frame.
        type : int
            Type of the frame.
        """
        self._out.append(frame_record(self._frames, body, name=name, type=type))
        self._frames += 1

    def _bodies(self, values: FrameValues, frames: int) -> list[bytes]:
        nodes = {key: np.asarray(ids, dtype=np.int64) for key, (ids, _) in values.items()}
        known, template = self._template or ({}, None)
        same = template is not None and list(known) == list(nodes)
        if not (same and all(np.array_equal(known[key], nodes[key]) for key in nodes)):
            template = FrameTemplate([self._block(key, ids) for key, ids in nodes.items()])
            self._template = ({key: ids.copy() for key, ids in nodes.items()}, template)
        assert template is not None
        return template.encode([column for _, column in values.values()], frames)

    def _block(self, name: tuple[str, str], nodes: IntArray) -> KeyBlock:
        text = "/".join(name)
        found = self._keys.get(name, [])
        if len(found) != 1:
            why = f"declared with {len(found)} types" if found else "not declared"
            raise ConfigError(
                f"key '{text}' is {why} in the static record",
                hint="Declare it once with StaticBuilder.declare or StaticBuilder.set.",
            )
        ids = nodes.tolist()
        if nodes.ndim != 1 or len(set(ids)) != len(ids) or not self._nodes.issuperset(ids):
            raise ConfigError(
                f"the node ids of '{text}' are not distinct nodes of this file",
                hint="Give the ids that StaticBuilder.add_node returned, each once.",
            )
        kind, key = found[0]
        return KeyBlock(name, kind, key, nodes)

    def close(self) -> None:
        """
        End the file with the empty block and give it its name.

        Raises
        ------
        OutputError
            If no frame was written, or the file cannot be written.
        """
        if not self._frames:
            self._out.discard()
            raise OutputError(
                f"{self.path}: no frame was written",
                hint="Programs load frame 0 on opening; write at least one frame.",
            )
        self._out.close()
