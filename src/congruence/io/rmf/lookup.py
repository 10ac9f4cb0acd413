"""Nodes and single values, by name."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from congruence.errors import FormatError
from congruence.io.rmf.provenance import plain
from congruence.io.rmf.schema import DATA_FIELDS, NodeType, decode_record
from congruence.io.rmf.tables import is_null
from congruence.io.rmf.wire import BROKEN

if TYPE_CHECKING:
    from congruence.io.rmf.container import Container
    from congruence.io.rmf.index import FrameIndex, FrameRef
    from congruence.io.rmf.provenance import Plain
    from congruence.io.rmf.tables import StaticTables

__all__ = ["Lookup", "Node"]

_HEAD = bytes(5)
"""Branch, id, name, type and parents of a frame record, all empty."""

_DECODED_KEPT = 4

_DEFAULTS: dict[tuple[str, str], tuple[str, str, Plain]] = {
    ("sequence", "sequence"): ("sequence", "chain id", ""),
    ("sequence", "sequence offset"): ("sequence", "chain id", 0),
    ("sequence", "uniprot accession"): ("sequence", "chain id", ""),
    ("sequence", "label asym id"): ("sequence", "chain id", ""),
    ("sequence", "chain type"): ("sequence", "chain id", "UnknownChainType"),
    ("provenance", "structure residue offset"): ("provenance", "structure filename", 0),
    ("provenance", "cluster precision"): ("provenance", "cluster members", 0.0),
    ("provenance", "cluster density"): ("provenance", "cluster members", ""),
}
"""Value of a key that is absent, on nodes that have another key."""


@dataclass(frozen=True, slots=True)
class Node:
    """
    One node.

    Parameters
    ----------
    id : int
        Its id.
    name : str
        Its name; names are not unique.
    type : NodeType
        Its type.
    parents : tuple of int
        Usually one; roots of alternatives have none.
    children : tuple of int
        In the order that defines depth-first order.
    """

    id: int
    name: str
    type: NodeType
    parents: tuple[int, ...]
    children: tuple[int, ...]


class Lookup:
    """
    Looks up nodes and values of a file.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    container : Container
        The file.
    index : FrameIndex
        Its frames.
    """

    def __init__(self, tables: StaticTables, container: Container, index: FrameIndex) -> None:
        self._tables = tables
        self._container = container
        self._index = index
        self._decoded: OrderedDict[int, dict[tuple[str, int, int], Any]] = OrderedDict()

    @cached_property
    def nodes(self) -> dict[int, Node]:
        """All nodes by id."""
        tables = self._tables
        return {
            number: Node(
                number,
                name,
                tables.type_of(number),
                tuple(tables.parents[number]),
                tuple(tables.children.get(number, ())),
            )
            for number, name in tables.names.items()
        }

    def value(self, node: int, category: str, key: str, frame: FrameRef | None) -> Plain | None:
        """
        Look up one value.

        Parameters
        ----------
        node : int
            Node id.
        category : str
            Name of the category.
        key : str
            Name of the key.
        frame : FrameRef or None
            A frame whose value goes before the static one.

        Returns
        -------
        value : int, float, str, tuple or None
            None if there is neither a value nor a default.
        """
        found = self._stored(node, category, key, frame)
        if found is not None:
            return found
        if (category, key) == ("feature", "score"):
            is_feature = self._tables.type_of(node) is NodeType.FEATURE
            return 0.0 if is_feature and frame is not None else None
        if (category, key) == ("shape", "rgb color"):
            return self._inherited(node, category, key, frame)
        if (category, key) in _DEFAULTS:
            other, name, default = _DEFAULTS[category, key]
            return default if self._stored(node, other, name, frame) is not None else None
        return None

    def _stored(self, node: int, category: str, name: str, frame: FrameRef | None) -> Plain | None:
        keys = self._tables.find(category, name)
        if frame is not None:
            held = self._frame_values(frame)
            for key in keys:
                value = held.get((key.field, key.id, node))
                if value is not None and not is_null(key.field, value):
                    return plain(value)
        for key in keys:
            value = self._tables.tables.get((key.field, key.id), {}).get(node)
            if value is not None and not is_null(key.field, value):
                return plain(value)
        return None

    def _inherited(
        self, node: int, category: str, name: str, frame: FrameRef | None
    ) -> Plain | None:
        seen = {node}
        parents = self._tables.parents.get(node, [])
        while parents and parents[0] not in seen:
            seen.add(parents[0])
            found = self._stored(parents[0], category, name, frame)
            if found is not None:
                return found
            parents = self._tables.parents.get(parents[0], [])
        return None

    def _frame_values(self, frame: FrameRef) -> dict[tuple[str, int, int], Any]:
        known = self._decoded.get(frame.info.id)
        if known is None:
            known = self._decode(frame)
            kept = list(self._decoded.items())[1 - _DECODED_KEPT :]
            self._decoded = OrderedDict([*kept, (frame.info.id, known)])
        return known

    def _decode(self, frame: FrameRef) -> dict[tuple[str, int, int], Any]:
        end = self._index.layout(frame).end
        body = self._container.window(frame.block).data[frame.start : end]
        try:
            data = decode_record(_HEAD + body)["data"]
        except BROKEN as error:
            raise FormatError(
                f"frame {frame.info.id} is damaged ({error})",
                path=self._container.path,
                location=f"byte {frame.block.offset}",
                hint="Leave this frame out.",
            ) from error
        return {
            (field, block[key_name], value[node_name]): value["value"]
            for field, key_name, node_name in DATA_FIELDS
            for block in data[field]
            for value in block["values"]
        }
