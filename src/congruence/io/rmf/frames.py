"""Frame records: their heads, and where their parts are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from congruence.io.rmf.templates import EMPTY, Template, TemplateStore, Window
from congruence.io.rmf.wire import (
    read_long,
    read_string,
    skip_array,
    skip_key,
    skip_node,
    skip_section,
)

if TYPE_CHECKING:
    from congruence.io.rmf.wire import Buffer

__all__ = ["FrameInfo", "FramePayload", "Layout", "parse_body", "parse_info"]


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """
    Head of a frame record.

    Parameters
    ----------
    id : int
        Number of the frame.
    name : str
        Its name, usually empty.
    type : int
        Type of the frame, 1 in all known files.
    parents : tuple of int
        Parent frames, usually none.
    """

    id: int
    name: str
    type: int
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FramePayload:
    """
    One frame record as it stands in the file, for copying.

    Parameters
    ----------
    id : int
        Number of the frame.
    name : str
        Its name.
    type : int
        Its type.
    parents : tuple of int
        Its parents.
    body : bytes
        All that follows the head of the record: nodes, keys, data.
    """

    id: int
    name: str
    type: int
    parents: tuple[int, ...]
    body: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """
    Where the parts of one frame record are.

    Positions count from the beginning of the block's payload.

    Parameters
    ----------
    ints : int
        Where the field of ints begins; -1 if it is empty.
    floats : int
        Where the stretch of floats begins.
    strings : int
        Where the field of strings begins; -1 if it is empty.
    tail : int
        Where the stretch from the vectors on begins.
    end : int
        Where the next record begins.
    float_template, tail_template : Template
        What is there.
    """

    ints: int
    floats: int
    strings: int
    tail: int
    end: int
    float_template: Template = field(repr=False)
    tail_template: Template = field(repr=False)

    def part(self, name: str) -> tuple[int, Template]:
        """
        Find the stretch that holds a field.

        Parameters
        ----------
        name : str
            Field of floats or vectors.

        Returns
        -------
        start : int
            Where the stretch begins.
        template : Template
            What is there.
        """
        if name == "float_data":
            return self.floats, self.float_template
        return self.tail, self.tail_template


def parse_info(data: Buffer, pos: int) -> tuple[FrameInfo, int]:
    """
    Read the head of a frame record.

    Parameters
    ----------
    data : bytes
        Payload of a block.
    pos : int
        Where the record begins; its first byte, the branch, is 0.

    Returns
    -------
    info : FrameInfo
        The head.
    body : int
        Where the nodes, keys and data of the record begin.
    """
    number, pos = read_long(data, pos + 1)
    name, pos = read_string(data, pos)
    kind, pos = read_long(data, pos)
    parents: list[int] = []

    def parent(data: Buffer, pos: int) -> int:
        value, pos = read_long(data, pos)
        parents.append(value)
        return pos

    pos = skip_array(data, pos, parent)
    return FrameInfo(number, name, kind, tuple(parents)), pos


def parse_body(window: Window, pos: int, store: TemplateStore) -> Layout:
    """
    Find the parts of a frame record.

    Parameters
    ----------
    window : Window
        The block.
    pos : int
        Where the body of the record begins, after its head.
    store : TemplateStore
        Templates; new ones are added.

    Returns
    -------
    layout : Layout
        Where the parts are.

    Raises
    ------
    IndexError, ValueError
        If the block ends inside the record or is damaged.
    """
    data = window.data
    ints = -1
    if data[pos : pos + 3] == b"\0\0\0":
        floats = pos + 3
    else:
        ints = skip_array(data, skip_array(data, pos, skip_node), skip_key)
        floats = skip_section(data, ints, "int_data")
    float_template = EMPTY if data[floats] == 0 else store.match("float", window, floats)
    strings = floats + float_template.length
    empty = data[strings] == 0
    tail = strings + 1 if empty else skip_section(data, strings, "string_data")
    tail_template = store.match("tail", window, tail)
    return Layout(
        ints=ints,
        floats=floats,
        strings=-1 if empty else strings,
        tail=tail,
        end=tail + tail_template.length,
        float_template=float_template,
        tail_template=tail_template,
    )
