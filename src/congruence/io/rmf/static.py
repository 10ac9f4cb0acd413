"""
Static records, decoded once per process: the files of a run often share them.

The description and the producer, with which a record begins, are not part of
what is compared: files of single frames say there which frame they hold.
"""

from __future__ import annotations

import copy
import gc
import hashlib
import io
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from congruence.io.rmf.schema import Record, read_record
from congruence.io.rmf.tables import StaticTables
from congruence.io.rmf.wire import BROKEN, read_string

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StaticPart", "after_head", "merge", "read_static"]

_PARTS_KEPT = 24
_MODELS_KEPT = 12
_PROBE = 64


@dataclass(frozen=True, slots=True, eq=False)
class StaticPart:
    """
    One static record.

    Parameters
    ----------
    record : dict
        As decoded; shared between files, never changed. Its description and
        producer may be those of another file.
    length : int
        Bytes of the record.
    digest : bytes
        Of what follows the description and the producer.
    probe : bytes
        Some bytes from the middle of that.
    size : int
        Number of these bytes.
    description, producer : str
        Of this file.
    """

    record: Record
    length: int
    digest: bytes
    probe: bytes
    size: int = 0
    description: str = ""
    producer: str = ""


_lock = threading.Lock()
_parts: OrderedDict[tuple[int, bytes], StaticPart] = OrderedDict()
_models: OrderedDict[tuple[bytes, ...], StaticTables] = OrderedDict()


@contextmanager
def _without_gc() -> Iterator[None]:
    """Pause the cyclic garbage collector, which takes half the time of making many dicts."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=20).digest()


def read_static(data: bytes, pos: int, *, last: bool) -> StaticPart:
    """
    Decode a static record, once per process for equal bytes.

    Parameters
    ----------
    data : bytes
        Payload of a block.
    pos : int
        Where the record begins.
    last : bool
        Whether nothing else can follow in the block.

    Returns
    -------
    part : StaticPart
        The record and its length.

    Raises
    ------
    ValueError
        If the bytes are not a record of this schema.
    """
    try:
        description, producer, body = _head(data, pos)
        f"{description}{producer}".encode()
    except BROKEN:
        body = -1
    if body >= 0 and (known := _known(data, body, last=last)) is not None:
        length = body + known.size - pos
        return replace(known, length=length, description=description, producer=producer)
    part = _decode(data, pos, last=last)
    with _lock:
        _parts[part.size, part.digest] = part
        while len(_parts) > _PARTS_KEPT:
            _parts.popitem(last=False)
    return part


def _known(data: bytes, body: int, *, last: bool) -> StaticPart | None:
    """Return the record with the same bytes from here on, if there was one."""
    with _lock:
        # a record's size follows from its bytes, so equal bytes are the same record
        sizes = {p.size for p in _parts.values() if _probe(data, body, p.size) == p.probe}
        for size in sorted(sizes):
            key = (size, _digest(data[body : body + size]))
            if key in _parts and (not last or size == len(data) - body):
                _parts.move_to_end(key)
                return _parts[key]
    return None


def _head(data: bytes, pos: int) -> tuple[str, str, int]:
    description, body = read_string(data, pos + 1)
    producer, body = read_string(data, body)
    return description, producer, body


def after_head(data: bytes, pos: int) -> int:
    """
    Return where the part of a static record begins that files may share.

    Parameters
    ----------
    data : bytes
        Payload of a block.
    pos : int
        Where the record begins.

    Returns
    -------
    body : int
        After its description and producer; `pos` if they are damaged.
    """
    try:
        return _head(data, pos)[2]
    except BROKEN:
        return pos


def _decode(data: bytes, pos: int, *, last: bool) -> StaticPart:
    stream = io.BytesIO(data[pos:])
    try:
        with _without_gc():
            record = read_record(stream)
    except BROKEN as error:
        raise ValueError(f"a static record cannot be decoded ({error})") from error
    length = stream.tell()
    if "producer" not in record["info"]:
        raise ValueError("a static record cannot be decoded (it is a frame)")
    if last and length != len(data) - pos:
        raise ValueError(f"a static record ends {len(data) - pos - length} bytes too early")
    info, body = record["info"], after_head(data, pos)
    size = pos + length - body
    return StaticPart(
        record,
        length,
        _digest(data[body : body + size]),
        _probe(data, body, size),
        size,
        info["description"],
        info["producer"],
    )


def _probe(data: bytes, pos: int, length: int) -> bytes:
    """Return a few bytes from the middle of a record: most others differ there."""
    middle = pos + length // 2
    return data[middle : min(middle + _PROBE, pos + length)]


def merge(parts: list[StaticPart]) -> StaticTables:
    """
    Merge static records, once per process for equal records.

    Parameters
    ----------
    parts : list of StaticPart
        In file order.

    Returns
    -------
    tables : StaticTables
        Shared between files, all but description and producer; treat as
        read-only.
    """
    tables = _merged(parts)
    description = next((p.description for p in reversed(parts) if p.description), "")
    producer = next((p.producer for p in reversed(parts) if p.producer), "")
    if (tables.description, tables.producer) != (description, producer):
        tables = copy.copy(tables)
        tables.description, tables.producer = description, producer
    return tables


def _merged(parts: list[StaticPart]) -> StaticTables:
    key = tuple(part.digest for part in parts)
    with _lock:
        if key in _models:
            _models.move_to_end(key)
            return _models[key]
    with _without_gc():
        tables = StaticTables(part.record for part in parts)
    with _lock:
        tables = _models.setdefault(key, tables)
        while len(_models) > _MODELS_KEPT:
            _models.popitem(last=False)
    return tables
