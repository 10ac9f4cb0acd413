"""Static records, decoded once per process: the files of a run often share them."""

from __future__ import annotations

import gc
import hashlib
import io
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from congruence.io.rmf.schema import Record, read_record
from congruence.io.rmf.tables import StaticTables
from congruence.io.rmf.wire import BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StaticPart", "merge", "read_static"]

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
        As decoded; shared between files, never changed.
    length : int
        Its bytes.
    digest : bytes
        Of these bytes.
    probe : bytes
        Some bytes from its middle.
    """

    record: Record
    length: int
    digest: bytes
    probe: bytes


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
    with _lock:
        # a record's length follows from its bytes, so equal bytes are the same record
        lengths = {p.length for p in _parts.values() if _probe(data, pos, p.length) == p.probe}
        for length in sorted(lengths):
            key = (length, _digest(data[pos : pos + length]))
            if key in _parts and (not last or length == len(data) - pos):
                _parts.move_to_end(key)
                return _parts[key]
    part = _decode(data, pos, last=last)
    with _lock:
        _parts[part.length, part.digest] = part
        while len(_parts) > _PARTS_KEPT:
            _parts.popitem(last=False)
    return part


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
    return StaticPart(record, length, _digest(data[pos : pos + length]), _probe(data, pos, length))


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
        Shared between files; treat as read-only.
    """
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
