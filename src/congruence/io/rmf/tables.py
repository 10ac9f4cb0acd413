"""
The static part of a file: nodes, keys and values, merged from all static records.

Values are merged per key and node. The RMF library merges per key, and so
loses values that a file holds in a later static record.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from congruence.io.rmf.schema import (
    DATA_FIELDS,
    INVALID_INT,
    KeyType,
    NodeType,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["FIELD_OF", "NULL_FLOAT", "Key", "StaticTables", "is_null"]

NULL_FLOAT = 3.4028234663852886e38
"""Largest float32: it and infinity stand for no value."""

FIELD_OF = {kind: f"{kind.value.lower()}_data" for kind in KeyType}
"""Field of ``data`` that holds the values of each type of key."""

_KIND_OF = {field: kind for kind, field in FIELD_OF.items()}
_NAMES = {field: (key, node) for field, key, node in DATA_FIELDS}


@dataclass(frozen=True, slots=True)
class Key:
    """
    A key of a file; ids are unique within one type only.

    Parameters
    ----------
    category : str
        Name of its category.
    name : str
        Its name.
    field : str
        Field of ``data`` with its values.
    id : int
        Its id in this file, among the keys of the same type.
    """

    category: str
    name: str
    field: str
    id: int


def is_null(field: str, value: Any) -> bool:
    """
    Tell whether a stored value stands for no value.

    Parameters
    ----------
    field : str
        Field of ``data`` that holds it.
    value : Any
        The value as decoded.

    Returns
    -------
    null : bool
        Of vectors only the first component counts.
    """
    if field == "float_data":
        return bool(value >= NULL_FLOAT)
    if field == "int_data":
        return bool(value == INVALID_INT)
    if field == "vector3_data":
        return bool(value["x"] >= NULL_FLOAT)
    if field == "vector4_data":
        return bool(value["w"] >= NULL_FLOAT)
    return len(value) == 0


class StaticTables:
    """
    Merged static data of a file.

    Parameters
    ----------
    parts : iterable of dict
        Static records in file order.
    """

    def __init__(self, parts: Iterable[Record]) -> None:
        self.description = ""
        self.producer = ""
        self.names: dict[int, str] = {}
        self.types: dict[int, int] = {}
        self.parents: dict[int, list[int]] = {}
        self.children: dict[int, list[int]] = {}
        self.categories: dict[int, str] = {}
        self.tables: dict[tuple[str, int], dict[int, Any]] = {}
        self.cache: OrderedDict[Any, Any] = OrderedDict()
        self._nodes: list[Record] = []
        self._keys: dict[tuple[str, int], Record] = {}
        self._info: dict[str, list[Any]] = {"node_types": [], "frame_types": [], "node_sets": []}
        for part in parts:
            self._add(part)

    def _add(self, part: Record) -> None:
        info = part["info"]
        self.description = info["description"] or self.description
        self.producer = info["producer"] or self.producer
        self.categories.update((c["id"], c["name"]) for c in info["categories"])
        for name, items in self._info.items():
            items.extend(item for item in info[name] if item not in items)
        for node in part["nodes"]:
            self._add_node(node)
        for key in part["keys"]:
            self._keys[FIELD_OF[key["type"]], key["id"]] = key
        for field, (key_name, node_name) in _NAMES.items():
            for block in part["data"][field]:
                table = self.tables.setdefault((field, block[key_name]), {})
                table.update((v[node_name], v["value"]) for v in block["values"])

    def _add_node(self, node: Record) -> None:
        number = node["id"]
        self._nodes.append(node)
        self.names[number] = node["name"]
        self.types[number] = node["type"]
        mine = self.parents.setdefault(number, [])
        for parent in node["parents"]:
            mine.append(parent)
            self.children.setdefault(parent, []).append(number)

    def type_of(self, node: int) -> NodeType:
        """
        Return the type of a node.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        type : NodeType
            INVALID for numbers that the format does not know.
        """
        try:
            return NodeType(self.types.get(node, -1))
        except ValueError:
            return NodeType.INVALID

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """Declared keys, in file order; declared does not mean used."""
        return tuple(
            Key(self.categories.get(key["category"], ""), key["name"], field, number)
            for (field, number), key in self._keys.items()
        )

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[Key]]:
        found: dict[tuple[str, str], list[Key]] = {}
        for key in self.keys:
            found.setdefault((key.category, key.name), []).append(key)
        return found

    def find(self, category: str, name: str, field: str = "") -> tuple[Key, ...]:
        """
        Find keys by name.

        Parameters
        ----------
        category : str
            Name of the category.
        name : str
            Name of the key.
        field : str, optional
            Only keys whose values are in this field.

        Returns
        -------
        keys : tuple of Key
            Several when the name exists in several types.
        """
        keys = self._by_name.get((category, name), [])
        return tuple(k for k in keys if field in ("", k.field))

    def column(self, category: str, name: str, field: str) -> dict[int, Any]:
        """
        Return the static values of a key.

        Parameters
        ----------
        category : str
            Name of the category.
        name : str
            Name of the key.
        field : str
            Field that holds its values.

        Returns
        -------
        values : dict
            By node id, without nulls.
        """
        out: dict[int, Any] = {}
        for key in self.find(category, name, field):
            table = self.tables.get((field, key.id), {})
            out.update((n, v) for n, v in table.items() if not is_null(field, v))
        return out

    def roots(self) -> list[int]:
        """
        Return the nodes from which the tree is walked.

        Returns
        -------
        roots : list of int
            Node 0; without one, all nodes that have no parent.
        """
        if 0 in self.names or 0 in self.children:
            return [0]
        return [n for n in self.names if not self.parents[n]]

    def record(self) -> Record:
        """
        Return all static data as one record.

        Returns
        -------
        record : dict
            Shaped as `congruence.io.rmf.schema.encode_record` takes it; new,
            to be changed at will.
        """
        return {
            "info": {
                "description": self.description,
                "producer": self.producer,
                "categories": [{"id": i, "name": n} for i, n in self.categories.items()],
                **{name: [dict(item) for item in items] for name, items in self._info.items()},
            },
            "nodes": [self._merged_node(node) for node in self._nodes],
            "keys": [dict(key) for key in self._keys.values()],
            "data": {field: list(self._blocks(field)) for field, _, _ in DATA_FIELDS},
        }

    def _merged_node(self, node: Record) -> Record:
        number = node["id"]
        return {
            "id": number,
            "name": self.names[number],
            "type": self.types[number],
            "parents": list(node["parents"]),
        }

    def _blocks(self, field: str) -> Iterator[Record]:
        key_name, node_name = _NAMES[field]
        for (where, key), table in self.tables.items():
            if where == field:
                values = [{node_name: node, "value": _copy(v)} for node, v in table.items()]
                yield {key_name: key, "values": values}


def _copy(value: Any) -> Any:
    return type(value)(value) if isinstance(value, list | dict) else value
