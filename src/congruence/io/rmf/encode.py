"""
From arrays to the bytes of a frame record.

A frame's counts, key ids and node ids stay the same from frame to frame; they
are encoded once and the values are poked between them for many frames at a
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ShapeError
from congruence.io.rmf.schema import KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import ByteArray, IntArray, ObjectArray

__all__ = [
    "FrameTemplate",
    "KeyBlock",
    "encode_long",
    "encode_longs",
    "encode_string",
    "frame_record",
]

_WIDTHS = {KeyType.FLOAT: 1, KeyType.VECTOR3: 3, KeyType.VECTOR4: 4}
"""Floats per value, of the types whose values all have the same number of bytes."""

_SECTIONS: tuple[KeyType | None, ...] = (
    KeyType.INT,
    KeyType.FLOAT,
    KeyType.STRING,
    KeyType.VECTOR3,
    KeyType.VECTOR4,
    KeyType.INTS,
    KeyType.FLOATS,
    KeyType.STRINGS,
    KeyType.VECTOR3S,
    None,
)
"""Type of each of the ten arrays of data, in file order; no key has the last one's."""


def encode_long(value: int) -> bytes:
    r"""
    Encode one whole number.

    Parameters
    ----------
    value : int
        At most 64 bits, signed.

    Returns
    -------
    code : bytes
        Zig-zag, then seven bits a byte, lowest first.

    Examples
    --------
    >>> encode_long(-1), encode_long(64)
    (b'\x01', b'\x80\x01')
    """
    number = (value << 1) ^ (value >> 63)
    code = bytearray()
    while number > 127:
        code.append(number & 127 | 128)
        number >>= 7
    code.append(number)
    return bytes(code)


def encode_longs(values: IntArray) -> bytes:
    r"""
    Encode many whole numbers one after the other.

    Parameters
    ----------
    values : ndarray, dtype=int64, shape=(n,)
        The numbers.

    Returns
    -------
    code : bytes
        What `encode_long` gives for each, joined.

    Examples
    --------
    >>> import numpy as np
    >>> encode_longs(np.array([-1, 64]))
    b'\x01\x80\x01'
    """
    signed = np.asarray(values, dtype=np.int64)
    numbers = ((signed << 1) ^ (signed >> 63)).view(np.uint64)
    groups = numbers[:, None] >> np.arange(0, 70, 7, dtype=np.uint64)[None, :].clip(0, 63)
    groups[:, 9] = numbers >> np.uint64(63)
    width = np.maximum((groups != 0).sum(axis=1), 1)
    column = np.arange(10)
    code = (groups & np.uint64(127)).astype(np.uint8)
    code[column < width[:, None] - 1] |= 128
    packed: bytes = code[column < width[:, None]].tobytes()
    return packed


def encode_string(text: str) -> bytes:
    """
    Encode a text.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    code : bytes
        Its length in bytes, then UTF-8.
    """
    code = text.encode()
    return encode_long(len(code)) + code


def frame_record(number: int, body: bytes, *, name: str = "", type: int = 1) -> bytes:
    """
    Put the info of a frame before the rest of its record.

    Parameters
    ----------
    number : int
        Number of the frame in its file.
    body : bytes
        The rest of the record.
    name : str
        Name of the frame.
    type : int
        Type of the frame.

    Returns
    -------
    record : bytes
        The whole record.
    """
    return b"\0" + encode_long(number) + encode_string(name) + encode_long(type) + b"\0" + body


@dataclass(frozen=True, eq=False)
class KeyBlock:
    """
    The nodes that have a value of one key in a frame.

    Parameters
    ----------
    name : tuple of str
        Category and key.
    kind : KeyType
        Type of the key.
    key : int
        Its id within the type.
    nodes : ndarray, dtype=int64, shape=(k,)
        Node ids, in the order of the values.
    """

    name: tuple[str, str]
    kind: KeyType
    key: int
    nodes: IntArray


class FrameTemplate:
    """
    Everything of a frame's record that stays the same, ready for values.

    Parameters
    ----------
    blocks : sequence of KeyBlock
        Keys of the frame, in the order they are written within their type.
    """

    def __init__(self, blocks: Sequence[KeyBlock]) -> None:
        self._blocks = tuple(blocks)
        self._sections: list[_Fixed | _Walked | None] = []
        for kind in _SECTIONS:
            mine = [(i, b) for i, b in enumerate(blocks) if b.kind == kind]
            if not mine:
                self._sections.append(None)
            elif kind in _WIDTHS:
                self._sections.append(_Fixed(mine, _WIDTHS[kind]))
            else:
                self._sections.append(_Walked(mine))

    def encode(self, values: Sequence[Any], frames: int) -> list[bytes]:
        """
        Encode a batch of frames.

        Parameters
        ----------
        values : sequence
            For each block its values with the frames along the first axis:
            an array of shape (f,k) for numbers, (f,k,3) and (f,k,4) for
            vectors, and lists of lists for texts and lists.
        frames : int
            Number of frames *f*.

        Returns
        -------
        bodies : list of bytes
            Each frame's record after its info.

        Raises
        ------
        ShapeError
            If values do not fit the nodes of their key.
        """
        columns: list[list[bytes] | None] = [
            None if section is None else section.encode(values, frames)
            for section in self._sections
        ]
        return [
            b"\0\0" + b"".join(b"\0" if c is None else c[f] for c in columns) for f in range(frames)
        ]


class _Fixed:
    """One section whose values all have the same number of bytes."""

    def __init__(self, blocks: list[tuple[int, KeyBlock]], width: int) -> None:
        self._blocks = blocks
        self._width = width
        skeleton = bytearray(encode_long(len(blocks)))
        starts: list[int] = []
        for _, block in blocks:
            skeleton += encode_long(block.key)
            if len(block.nodes):
                skeleton += encode_long(len(block.nodes))
            for node in block.nodes.tolist():
                skeleton += encode_long(node)
                starts.append(len(skeleton))
                skeleton += bytes(4 * width)
            skeleton.append(0)
        skeleton.append(0)
        self._skeleton: ByteArray = np.frombuffer(bytes(skeleton), dtype=np.uint8)
        where = np.asarray(starts, dtype=np.int64)[:, None] + np.arange(4 * width)
        self._where: IntArray = where.reshape(-1)

    def encode(self, values: Sequence[Any], frames: int) -> list[bytes]:
        parts = [
            _numbers(values[i], block, frames, self._width).reshape(frames, -1)
            for i, block in self._blocks
        ]
        poked: ByteArray = np.ascontiguousarray(np.concatenate(parts, axis=1)).view(np.uint8)
        rows = np.tile(self._skeleton, (frames, 1))
        rows[:, self._where] = poked
        joined, size = rows.tobytes(), rows.shape[1]
        return [joined[f * size : (f + 1) * size] for f in range(frames)]


def _numbers(values: Any, block: KeyBlock, frames: int, width: int) -> ObjectArray:
    shape = (frames, len(block.nodes)) if width == 1 else (frames, len(block.nodes), width)
    # A score beyond the range of 32 bits becomes infinite, which the format reads as no value.
    with np.errstate(over="ignore"):
        array = np.asarray(values, dtype="<f4")
    if array.shape != shape:
        raise _misfit(block, array.shape, shape)
    return array


def _misfit(block: KeyBlock, found: object, expected: object) -> ShapeError:
    return ShapeError(
        f"values of '{'/'.join(block.name)}' have shape {found}, expected {expected}",
        hint="Give one value for each node id, in the same order.",
    )


class _Walked:
    """One section whose values differ in size."""

    def __init__(self, blocks: list[tuple[int, KeyBlock]]) -> None:
        self._blocks = blocks

    def encode(self, values: Sequence[Any], frames: int) -> list[bytes]:
        head = encode_long(len(self._blocks))
        for i, block in self._blocks:
            if len(values[i]) != frames:
                raise _misfit(block, f"({len(values[i])}, ...)", f"({frames}, ...)")
        return [
            head + b"".join(_walk(block, values[i][f]) for i, block in self._blocks) + b"\0"
            for f in range(frames)
        ]


def _walk(block: KeyBlock, values: Any) -> bytes:
    if len(values) != len(block.nodes):
        raise _misfit(block, (len(values),), (len(block.nodes),))
    head = encode_long(block.key)
    if not len(values):
        return head + b"\0"
    head += encode_long(len(values))
    if block.kind is KeyType.INT:
        numbers = np.asarray(values, dtype=np.int64)
        if np.any(numbers != numbers.astype(np.int32)):
            raise ShapeError(
                f"values of '{'/'.join(block.name)}' go up to {np.abs(numbers).max()}, beyond 32 bits",
                hint="Whole numbers in RMF files have 32 bits.",
            )
        pairs = np.stack([block.nodes, numbers], axis=1)
        return head + encode_longs(pairs.reshape(-1)) + b"\0"
    items = zip(block.nodes.tolist(), values, strict=True)
    return head + b"".join(encode_long(n) + _one(block.kind, v) for n, v in items) + b"\0"


def _one(kind: KeyType, value: Any) -> bytes:
    if kind is KeyType.STRING:
        return encode_string(value)
    if not len(value):
        return b"\0"
    head = encode_long(len(value))
    if kind is KeyType.STRINGS:
        return head + b"".join(encode_string(text) for text in value) + b"\0"
    if kind is KeyType.INTS:
        return head + encode_longs(np.asarray(value, dtype=np.int64)) + b"\0"
    return head + np.asarray(value, dtype="<f4").tobytes() + b"\0"
