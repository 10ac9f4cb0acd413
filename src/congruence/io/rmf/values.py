"""Values of chosen nodes in chosen frames, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.io.rmf.tables import NULL_FLOAT
from congruence.io.rmf.templates import WIDTH, gather, nodes_of
from congruence.io.rmf.wire import read_long, read_string, skip_array, skip_long

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.io.rmf.container import Container
    from congruence.io.rmf.index import FrameIndex, FrameRef
    from congruence.io.rmf.tables import Key, StaticTables
    from congruence.io.rmf.templates import Template
    from congruence.typing import BoolArray, ByteArray, FloatArray, IntArray

__all__ = ["Columns", "FrameValues", "read_scalars", "static_array"]

_CACHED = 256


class Columns:
    """
    Nodes as columns of arrays.

    Parameters
    ----------
    nodes : ndarray, dtype=int64, shape=(n,)
        Node ids, each once.
    """

    def __init__(self, nodes: IntArray) -> None:
        self.nodes = nodes
        self._order = np.argsort(nodes, kind="stable")
        self._sorted = nodes[self._order]
        self._known: dict[tuple[Template, str, int], tuple[IntArray, IntArray]] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def places(self, template: Template, key: Key) -> tuple[IntArray, IntArray]:
        """
        Find the values of these nodes in a template.

        Parameters
        ----------
        template : Template
            The template.
        key : Key
            Whose values.

        Returns
        -------
        columns : ndarray, dtype=int64, shape=(k,)
            Columns that have a value.
        offsets : ndarray, dtype=int64, shape=(k,)
            Where in the stretch.
        """
        known = self._known.get((template, key.field, key.id))
        if known is None:
            known = self._find(template, key)
            if len(self._known) >= _CACHED:
                self._known = {}
            self._known[template, key.field, key.id] = known
        return known

    def _find(self, template: Template, key: Key) -> tuple[IntArray, IntArray]:
        none = np.zeros(0, dtype=np.int64)
        nodes, offsets = template.places.get((key.field, key.id), (none, none))
        if not len(nodes) or not len(self.nodes):
            return none, none
        at = np.minimum(np.searchsorted(self._sorted, nodes), len(self.nodes) - 1)
        here = self._sorted[at] == nodes
        columns = self._order[at[here]]
        # in column order the writes go through memory once
        by_column = np.argsort(columns, kind="stable")
        columns, offsets = columns[by_column], offsets[here][by_column]
        last = np.append(columns[1:] != columns[:-1], True)[: len(columns)]
        return columns[last], offsets[last]


def static_array(tables: StaticTables, keys: Sequence[Key], columns: Columns) -> FloatArray:
    """
    Return static values of numbers or vectors.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    keys : sequence of Key
        Keys of one type and meaning.
    columns : Columns
        Nodes.

    Returns
    -------
    values : ndarray, dtype=float64, shape=(n,w)
        NaN where there is no value.
    """
    width = WIDTH[keys[0].field] // 4 if keys else 1
    out = np.full((len(columns), width), np.nan)
    for key in keys:
        table = tables.column(key.category, key.name, key.field)
        for i, node in enumerate(columns.nodes.tolist()):
            value = table.get(node)
            if value is not None:
                out[i] = tuple(value.values()) if isinstance(value, dict) else value
    return out


class FrameValues:
    """
    Reads values of frames.

    Parameters
    ----------
    container : Container
        The file.
    index : FrameIndex
        Its frames.
    """

    def __init__(self, container: Container, index: FrameIndex) -> None:
        self._container = container
        self._index = index

    def templates(self, frames: Sequence[FrameRef], field: str) -> tuple[Template, ...]:
        """
        Return the templates that some frames follow.

        Parameters
        ----------
        frames : sequence of FrameRef
            The frames.
        field : str
            Field of floats or vectors.

        Returns
        -------
        templates : tuple of Template
            Each once, in order of appearance.
        """
        layouts = (self._index.layout(frame) for frame in frames)
        return tuple(dict.fromkeys(layout.part(field)[1] for layout in layouts))

    def _groups(
        self, frames: Sequence[FrameRef], field: str
    ) -> Iterator[tuple[list[int], ByteArray, IntArray, Template]]:
        """Yield the frames that can be read together: rows, bytes, starts, template."""
        rows: dict[tuple[Template, int], list[int]] = {}
        starts: dict[tuple[Template, int], list[int]] = {}
        compressed = self._container.codec != "null"
        for row, frame in enumerate(frames):
            at, template = self._index.layout(frame).part(field)
            group = (template, frame.block.start if compressed else -1)
            rows.setdefault(group, []).append(row)
            starts.setdefault(group, []).append(at + (0 if compressed else frame.block.start))
        for group, members in rows.items():
            array = self._container.array
            if compressed:
                array = self._container.window(frames[members[0]].block).array
            yield members, array, np.array(starts[group], dtype=np.int64), group[0]

    def fill(
        self, out: FloatArray, frames: Sequence[FrameRef], keys: Sequence[Key], columns: Columns
    ) -> None:
        """
        Overwrite with the values that frames hold; nulls are left out.

        Parameters
        ----------
        out : ndarray, dtype=float64, shape=(f,n,w)
            Static values or defaults; overwritten in place.
        frames : sequence of FrameRef
            The frames.
        keys : sequence of Key
            Keys of one type and meaning.
        columns : Columns
            Nodes.
        """
        for key in keys:
            width = WIDTH[key.field]
            for rows, array, starts, template in self._groups(frames, key.field):
                where, offsets = columns.places(template, key)
                if not len(where):
                    continue
                values = gather(array, starts, offsets, width)
                null = values[..., 0] >= NULL_FLOAT
                target = np.ix_(np.array(rows, dtype=np.int64), where)
                if null.any():
                    values = np.where(null[..., None], out[target], values)
                if len(rows) == len(frames) and len(where) == len(columns):
                    # all rows and, being sorted, all columns in order
                    out[...] = values
                else:
                    out[target] = values

    def held(
        self, frames: Sequence[FrameRef], keys: Sequence[Key], columns: Columns
    ) -> Iterator[tuple[list[int], BoolArray]]:
        """
        Tell which nodes have values of their own in which frames.

        Parameters
        ----------
        frames : sequence of FrameRef
            The frames.
        keys : sequence of Key
            Keys of one type and meaning.
        columns : Columns
            Nodes.

        Yields
        ------
        rows : list of int
            Frames that are alike.
        held : ndarray, dtype=bool, shape=(n,)
            Whether the node has a value there.
        """
        if keys:
            for rows, _, _, template in self._groups(frames, keys[0].field):
                held = np.zeros(len(columns), dtype=bool)
                for key in keys:
                    held[columns.places(template, key)[0]] = True
                yield rows, held

    def nodes_with(self, templates: Sequence[Template], keys: Sequence[Key]) -> IntArray:
        """
        Return the nodes that have values of their own in some template.

        Parameters
        ----------
        templates : sequence of Template
            Templates.
        keys : sequence of Key
            Keys.

        Returns
        -------
        nodes : ndarray, dtype=int64
            Sorted, each once.
        """
        found = [nodes_of(t, key.field, key.id) for t in templates for key in keys]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def read_scalars(
    data: bytes, start: int, field: str, wanted: set[int], node: int
) -> dict[int, int | str]:
    """
    Read ints or strings of one node in one frame.

    Parameters
    ----------
    data : bytes
        Payload of a block.
    start : int
        Where the field begins; -1 for an empty one.
    field : {'int_data', 'string_data'}
        The field.
    wanted : set of int
        Ids of keys; the values of others are stepped over.
    node : int
        The node.

    Returns
    -------
    values : dict of int to int or str
        By id of the key; keys that the frame does not hold are absent.
    """
    found: dict[int, int | str] = {}
    if start < 0:
        return found
    read: Any = read_long if field == "int_data" else read_string
    key = 0

    def per_value(data: Any, pos: int) -> int:
        number, pos = read_long(data, pos)
        value, pos = (
            read(data, pos) if key in wanted and number == node else (None, skip(data, pos))
        )
        if value is not None:
            found[key] = value
        return pos

    def skip(data: Any, pos: int) -> int:
        if field == "int_data":
            return skip_long(data, pos)
        length, pos = read_long(data, pos)
        return pos + length

    def per_key(data: Any, pos: int) -> int:
        nonlocal key
        key, pos = read_long(data, pos)
        return skip_array(data, pos, per_value)

    skip_array(data, start, per_key)
    return found
