"""
Templates: what frames of one file have in common.

In one file the frames hold values for the same nodes and keys in the same
order, so that two frames differ in nothing but the value bytes. A `Template`
keeps the bytes around the values (the *skeleton*) of a stretch of a record and
the place of every value; a frame whose skeleton is equal needs no walk through
its numbers of variable length, and the values of many frames are fetched with
one indexing operation.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.io.rmf.wire import read_long, skip_array, skip_section

if TYPE_CHECKING:
    from congruence.typing import ByteArray, Float32Array, IntArray

__all__ = ["EMPTY", "WIDTH", "Template", "TemplateStore", "Window", "gather", "nodes_of"]

_TAIL = (
    "vector3_data",
    "vector4_data",
    "ints_data",
    "floats_data",
    "strings_data",
    "vector3s_data",
    "vector4s_data",
)
WIDTH = {"float_data": 4, "vector3_data": 12, "vector4_data": 16}
"""Bytes of one value of the fields that templates know."""

_KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """
    The uncompressed bytes of one block.

    Parameters
    ----------
    data : bytes
        The payload.
    array : ndarray, dtype=uint8
        The bytes that hold the payload: the whole file, or the payload when
        the file is compressed.
    base : int
        Where in `array` the payload begins.
    """

    data: bytes
    array: ByteArray
    base: int


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """
    Places of all values in a stretch of a frame record.

    Parameters
    ----------
    length : int
        Bytes of the stretch.
    skeleton : ndarray, dtype=uint8, shape=(length,)
        The bytes of one example.
    mask : ndarray, dtype=uint8, shape=(length,)
        Zero at the bytes of values, 255 elsewhere.
    places : dict
        For each (field, key id) the node ids and the offsets of their values
        from the beginning of the stretch, as two int64 arrays.
    """

    length: int
    skeleton: ByteArray
    mask: ByteArray
    places: dict[tuple[str, int], tuple[IntArray, IntArray]]

    def fits(self, window: Window, pos: int) -> bool:
        """
        Tell whether the bytes at a position differ in values only.

        Parameters
        ----------
        window : Window
            The block.
        pos : int
            Position in its payload.

        Returns
        -------
        fits : bool
            Whether the skeletons are equal.
        """
        if pos + self.length > len(window.data):
            return False
        start = window.base + pos
        found = window.array[start : start + self.length]
        return not ((found ^ self.skeleton) & self.mask).any()


EMPTY = Template(1, np.zeros(1, np.uint8), np.full(1, 255, np.uint8), {})
"""Template of a field without values."""


class TemplateStore:
    """
    Templates seen so far, most recently used first.

    Parameters
    ----------
    kept : int, optional
        How many to keep of each kind.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._known: dict[str, list[Template]] = {"float": [], "tail": []}
        self._lock = threading.Lock()

    def match(self, kind: str, window: Window, pos: int) -> Template:
        """
        Find or learn the template of a stretch.

        Parameters
        ----------
        kind : {'float', 'tail'}
            The field of floats, or all fields from the vectors on.
        window : Window
            The block.
        pos : int
            Where the stretch begins in its payload.

        Returns
        -------
        template : Template
            It fits.
        """
        known = self._known[kind]
        for i, template in enumerate(known):
            if template.fits(window, pos):
                if i:
                    self._remember(kind, template)
                return template
        template = _learn(("float_data",) if kind == "float" else _TAIL, window.data, pos)
        self._remember(kind, template)
        return template

    def _remember(self, kind: str, template: Template) -> None:
        with self._lock:
            # a new list, so that a search in another thread is not disturbed
            others = [t for t in self._known[kind] if t is not template]
            self._known[kind] = [template, *others[: self._kept - 1]]


def _learn(fields: tuple[str, ...], data: bytes, start: int) -> Template:
    pos = start
    found: dict[tuple[str, int], tuple[list[int], list[int]]] = {}
    for name in fields:
        if name in WIDTH:
            pos = _learn_field(name, data, pos, found)
        else:
            pos = skip_section(data, pos, name)
    if pos > len(data):
        raise IndexError("the block ends inside a record")
    skeleton = np.frombuffer(data, np.uint8)[start:pos].copy()
    mask = np.full(pos - start, 255, np.uint8)
    places = {}
    for (name, key), (nodes, offsets) in found.items():
        at = np.array(offsets, dtype=np.int64) - start
        mask[(at[:, None] + np.arange(WIDTH[name])).ravel()] = 0
        places[name, key] = (np.array(nodes, dtype=np.int64), at)
    return Template(pos - start, skeleton, mask, places)


def _learn_field(
    name: str, data: bytes, pos: int, found: dict[tuple[str, int], tuple[list[int], list[int]]]
) -> int:
    width, last = WIDTH[name], len(data) - WIDTH[name]
    nodes: list[int] = []
    offsets: list[int] = []

    def per_value(data: Any, pos: int) -> int:
        node, pos = read_long(data, pos)
        if pos > last:
            raise IndexError("the block ends inside a value")
        nodes.append(node)
        offsets.append(pos)
        return pos + width

    def per_key(data: Any, pos: int) -> int:
        nonlocal nodes, offsets
        key, pos = read_long(data, pos)
        nodes, offsets = found.setdefault((name, key), ([], []))
        return skip_array(data, pos, per_value)

    return skip_array(data, pos, per_key)


def gather(array: ByteArray, starts: IntArray, offsets: IntArray, width: int) -> Float32Array:
    """
    Fetch values of many frames at once.

    Parameters
    ----------
    array : ndarray, dtype=uint8
        The bytes.
    starts : ndarray, dtype=int64, shape=(f,)
        Where the stretch of each frame begins.
    offsets : ndarray, dtype=int64, shape=(k,)
        Offsets of the values from there.
    width : int
        Bytes of one value.

    Returns
    -------
    values : ndarray, dtype=float32, shape=(f,k,width/4)
        The values; a copy.
    """
    if not len(starts) or not len(offsets):
        return np.zeros((len(starts), len(offsets), width // 4), np.float32)
    # one element per byte, each `width` bytes wide: the values lie at odd addresses
    anywhere = np.ndarray((array.size - width + 1,), f"V{width}", array, 0, (1,))
    taken = anywhere[starts[:, None] + offsets]
    values: Float32Array = taken.view("<f4").reshape(len(starts), len(offsets), width // 4)
    return values


def nodes_of(template: Template, name: str, key: int) -> IntArray:
    """
    Return the nodes that have a value of a key.

    Parameters
    ----------
    template : Template
        The template.
    name : str
        Field of the key.
    key : int
        Id of the key.

    Returns
    -------
    nodes : ndarray, dtype=int64
        Node ids, in file order.
    """
    place = template.places.get((name, key))
    return np.zeros(0, dtype=np.int64) if place is None else place[0]
