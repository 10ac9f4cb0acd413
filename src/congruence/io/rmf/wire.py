"""
Step over Avro binary data without decoding it.

All functions take the bytes of one block and a position and return the next
position. Data that end too early raise `IndexError`; data that cannot be Avro
raise `ValueError`; the callers turn both into a located error or a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | mmap.mmap

__all__ = [
    "BROKEN",
    "read_long",
    "read_string",
    "skip_array",
    "skip_bytes",
    "skip_long",
    "skip_section",
]

BROKEN = (IndexError, ValueError, EOFError, KeyError, TypeError, OverflowError, MemoryError)
"""What reading damaged bytes can raise, here and in fastavro."""

_LONGEST = 10


def read_long(data: Buffer, pos: int) -> tuple[int, int]:
    """
    Read an int or long.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the number begins.

    Returns
    -------
    value : int
        The number.
    pos : int
        Where the next item begins.

    Raises
    ------
    IndexError
        If the data end inside the number.
    ValueError
        If the number has more than ten bytes.

    Examples
    --------
    >>> read_long(bytes([0x80, 0x01]), 0)
    (64, 2)
    """
    byte = data[pos]
    pos += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), pos
    value = byte & 0x7F
    for shift in range(7, 7 * _LONGEST, 7):
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), pos
    raise ValueError("a number of more than ten bytes")


def skip_long(data: Buffer, pos: int) -> int:
    """
    Step over an int, long or enum.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the number begins.

    Returns
    -------
    pos : int
        Where the next item begins.
    """
    return read_long(data, pos)[1]


def skip_bytes(data: Buffer, pos: int) -> int:
    """
    Step over a string or bytes.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the length begins.

    Returns
    -------
    pos : int
        Where the next item begins.

    Raises
    ------
    ValueError
        If the length is negative.
    """
    length, pos = read_long(data, pos)
    if length < 0:
        raise ValueError("a string of negative length")
    return pos + length


def read_string(data: Buffer, pos: int) -> tuple[str, int]:
    """
    Read a string.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the length begins.

    Returns
    -------
    text : str
        The string; bytes that are not UTF-8 are kept as surrogates.
    pos : int
        Where the next item begins.

    Raises
    ------
    IndexError
        If the data end inside the string.
    """
    end = skip_bytes(data, pos)
    if end > len(data):
        raise IndexError("the data end inside a string")
    start = skip_long(data, pos)
    return data[start:end].decode("utf-8", "surrogateescape"), end


def skip_array(data: Buffer, pos: int, item: Callable[[Buffer, int], int]) -> int:
    """
    Step over an array.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the array begins.
    item : callable
        Steps over one item.

    Returns
    -------
    pos : int
        Where the next item begins.
    """
    while True:
        count, pos = read_long(data, pos)
        if count == 0:
            return pos
        if count < 0:
            count, pos = -count, skip_long(data, pos)
        for _ in range(count):
            pos = item(data, pos)


def skip_node(data: Buffer, pos: int) -> int:
    """
    Step over a ``Node`` record.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the record begins.

    Returns
    -------
    pos : int
        Where the next item begins.
    """
    pos = skip_long(data, skip_bytes(data, skip_long(data, pos)))
    return skip_array(data, pos, skip_long)


def skip_key(data: Buffer, pos: int) -> int:
    """
    Step over a ``KeyInfo`` record.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the record begins.

    Returns
    -------
    pos : int
        Where the next item begins.
    """
    return skip_long(data, skip_long(data, skip_bytes(data, skip_long(data, pos))))


def _fixed(width: int) -> Callable[[Buffer, int], int]:
    def skip(_: Buffer, pos: int) -> int:
        return pos + width

    return skip


def _list_of(item: Callable[[Buffer, int], int]) -> Callable[[Buffer, int], int]:
    def skip(data: Buffer, pos: int) -> int:
        return skip_array(data, pos, item)

    return skip


VALUE: dict[str, Callable[[Buffer, int], int]] = {
    "int_data": skip_long,
    "float_data": _fixed(4),
    "string_data": skip_bytes,
    "vector3_data": _fixed(12),
    "vector4_data": _fixed(16),
    "ints_data": _list_of(skip_long),
    "floats_data": _list_of(_fixed(4)),
    "strings_data": _list_of(skip_bytes),
    "vector3s_data": _list_of(_fixed(12)),
    "vector4s_data": _list_of(_fixed(16)),
}
"""How to step over one value, by field of ``data``."""


def skip_section(data: Buffer, pos: int, field: str) -> int:
    """
    Step over one field of ``data``.

    Parameters
    ----------
    data : bytes
        The bytes.
    pos : int
        Where the field begins.
    field : str
        Its name, such as ``"int_data"``.

    Returns
    -------
    pos : int
        Where the next field begins.
    """
    value = VALUE[field]

    def per_value(data: Buffer, pos: int) -> int:
        return value(data, skip_long(data, pos))

    def per_key(data: Buffer, pos: int) -> int:
        return skip_array(data, skip_long(data, pos), per_value)

    return skip_array(data, pos, per_key)
