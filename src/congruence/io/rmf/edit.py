"""
The static record as a table that can be edited.

Everything that a static record holds is kept: what no function here touches
comes out as it came in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from congruence.errors import FormatError
from congruence.io.rmf.schema import (
    DATA_FIELDS,
    KeyType,
    NodeType,
    Record,
    empty_data,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["KeyName", "NodeRow", "StaticTable", "data_columns", "data_record", "is_null"]

KeyName: TypeAlias = tuple[str, str, KeyType]
"""Category, name and type: what makes a key the same key in two files."""

_FLOAT_NULL = 3.4028234663852886e38
_INT_NULL = 2147483647
_FIELD = {
    f: (KeyType(f[: -len("_data")].upper()), k, n)
    for f, k, n in DATA_FIELDS
    if f != "vector4s_data"
}
"""For each field of data its type and the names of the key's and the node's id."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """
    One node.

    Parameters
    ----------
    id : int
        Its number.
    name : str
        Its name.
    type : int
        Its type, also one that is not known.
    parents : tuple of int
        Nodes that it is a child of; none for the root and for roots of
        alternatives.
    """

    id: int
    name: str
    type: int
    parents: tuple[int, ...]


def is_null(kind: KeyType, value: Any) -> bool:
    """
    Whether a value stands for no value.

    Parameters
    ----------
    kind : KeyType
        Its type.
    value : Any
        As decoded.

    Returns
    -------
    null : bool
        True for the largest int or float and above, an empty text or list,
        and a vector whose first component is such a float.
    """
    if kind is KeyType.INT:
        return bool(value == _INT_NULL)
    if kind is KeyType.FLOAT:
        return bool(value >= _FLOAT_NULL)
    if kind is KeyType.VECTOR3:
        return bool(value["x"] >= _FLOAT_NULL)
    if kind is KeyType.VECTOR4:
        return bool(value["w"] >= _FLOAT_NULL)
    return not value


def data_columns(data: Record) -> dict[tuple[KeyType, int], dict[int, Any]]:
    """
    Turn the data of a record into one dict per key.

    Parameters
    ----------
    data : dict
        ``record["data"]``.

    Returns
    -------
    columns : dict
        By type and key id; each gives the value of a node by its id. The
        order of keys and nodes is kept.
    """
    columns: dict[tuple[KeyType, int], dict[int, Any]] = {}
    for field, (kind, key_name, node_name) in _FIELD.items():
        for block in data[field]:
            column = columns.setdefault((kind, block[key_name]), {})
            column.update((v[node_name], v["value"]) for v in block["values"])
    return columns


def data_record(columns: dict[tuple[KeyType, int], dict[int, Any]]) -> Record:
    """
    Turn one dict per key into the data of a record.

    Parameters
    ----------
    columns : dict
        As `data_columns` returns them.

    Returns
    -------
    data : dict
        ``record["data"]``; keys without values are left out.
    """
    data = empty_data()
    names = {kind: (field, k, n) for field, (kind, k, n) in _FIELD.items()}
    for (kind, number), column in columns.items():
        field, key_name, node_name = names[kind]
        if column:
            values = [{node_name: node, "value": value} for node, value in column.items()]
            data[field].append({key_name: number, "values": values})
    return data


class StaticTable:
    """
    Nodes, keys and static values of a file, by name.

    Parameters
    ----------
    record : dict
        A static record; it is not changed.
    """

    def __init__(self, record: Record) -> None:
        self.info: Record = dict(record["info"])
        self._categories: dict[str, int] = {c["name"]: c["id"] for c in self.info["categories"]}
        names = {number: name for name, number in self._categories.items()}
        self.nodes: dict[int, NodeRow] = {}
        for node in record["nodes"]:
            self._meet(NodeRow(node["id"], node["name"], node["type"], tuple(node["parents"])))
        self._key_rows: list[Record] = list(record["keys"])
        self._keys: dict[KeyName, int] = {}
        for key in self._key_rows:
            name = (names.get(key["category"], ""), key["name"], KeyType(key["type"]))
            self._keys.setdefault(name, key["id"])
        self._columns = data_columns(record["data"])

    def _meet(self, node: NodeRow) -> None:
        known = self.nodes.get(node.id)
        if known is not None:
            node = replace(node, parents=known.parents + node.parents)
        self.nodes[node.id] = node

    def copy(self) -> StaticTable:
        """
        Return a copy that can be changed without changing this one.

        Returns
        -------
        copy : StaticTable
            Values are shared, tables are not.
        """
        new = object.__new__(StaticTable)
        new.info = {**self.info, "categories": list(self.info["categories"])}
        new._categories = dict(self._categories)
        new.nodes = dict(self.nodes)
        new._key_rows = list(self._key_rows)
        new._keys = dict(self._keys)
        new._columns = {number: dict(column) for number, column in self._columns.items()}
        return new

    def record(self) -> Record:
        """
        Return the static record.

        Returns
        -------
        record : dict
            Shaped as the schema says.
        """
        return {
            "info": dict(self.info),
            "nodes": [
                {"id": n.id, "name": n.name, "type": n.type, "parents": list(n.parents)}
                for n in self.nodes.values()
            ],
            "keys": list(self._key_rows),
            "data": data_record(self._columns),
        }

    @property
    def keys(self) -> dict[KeyName, int]:
        """Id of every declared key."""
        return self._keys

    def key_id(self, key: KeyName) -> int:
        """
        Return the id of a key, which is declared if it was not.

        Parameters
        ----------
        key : tuple
            Category, name and type.

        Returns
        -------
        number : int
            Its id within its type.
        """
        if key not in self._keys:
            category, name, kind = key
            if category not in self._categories:
                number = max(self._categories.values(), default=-1) + 1
                self._categories[category] = number
                self.info["categories"] = [
                    *self.info["categories"],
                    {"id": number, "name": category},
                ]
            used = [row["id"] for row in self._key_rows if row["type"] == kind]
            self._keys[key] = max(used, default=-1) + 1
            self._key_rows.append(
                {
                    "id": self._keys[key],
                    "name": name,
                    "category": self._categories[category],
                    "type": kind.value,
                }
            )
        return self._keys[key]

    def column(self, key: KeyName) -> dict[int, Any]:
        """
        Return the static values of a key.

        Parameters
        ----------
        key : tuple
            Category, name and type.

        Returns
        -------
        values : dict of int to Any
            By node id; changing it does not change the table. Empty when
            there are none.
        """
        number = self._keys.get(key)
        return {} if number is None else dict(self._columns.get((key[2], number), {}))

    def set(self, key: KeyName, node: int, value: Any) -> None:
        """
        Set a static value.

        Parameters
        ----------
        key : tuple
            Category, name and type; declared as needed.
        node : int
            The node.
        value : Any
            As the schema says.
        """
        self._columns.setdefault((key[2], self.key_id(key)), {})[node] = value

    def remove(self, key: KeyName, node: int) -> None:
        """
        Remove a static value.

        Parameters
        ----------
        key : tuple
            Category, name and type.
        node : int
            The node.
        """
        del self._columns[key[2], self._keys[key]][node]

    def children(self) -> dict[int, list[int]]:
        """
        Return the children of every node that has any.

        Returns
        -------
        children : dict of int to list of int
            In file order.
        """
        children: dict[int, list[int]] = {}
        for node in self.nodes.values():
            for parent in node.parents:
                children.setdefault(parent, []).append(node.id)
        return children

    def owners(self) -> dict[int, int]:
        """
        Return the owner of every root of an alternative.

        Returns
        -------
        owners : dict of int to int
            Owner by the node id of the root.
        """
        roots = self.column(("alternatives", "roots", KeyType.INTS))
        return {root: owner for owner, found in roots.items() for root in found}

    def new_node(self, name: str, kind: NodeType | int, parents: tuple[int, ...]) -> int:
        """
        Append a node.

        Parameters
        ----------
        name : str
            Its name.
        kind : NodeType
            Its type.
        parents : tuple of int
            Its parents.

        Returns
        -------
        node : int
            Its id, one more than the highest.
        """
        number = max(self.nodes, default=-1) + 1
        self.nodes[number] = NodeRow(number, name, int(kind), parents)
        return number

    def move_node(self, node: int, old: int, new: int) -> None:
        """
        Make a node the child of another node.

        Parameters
        ----------
        node : int
            The node.
        old : int
            Its present parent.
        new : int
            The parent instead.
        """
        row = self.nodes[node]
        parents = tuple(new if parent == old else parent for parent in row.parents)
        self.nodes[node] = replace(row, parents=parents)

    def reorder(self, order: Iterable[int]) -> None:
        """
        Put the nodes into another order, parents before their children.

        Parameters
        ----------
        order : iterable of int
            All node ids. A node that comes before its parent waits for it,
            so that siblings keep this order.

        Raises
        ------
        FormatError
            If nodes are their own ancestors.
        """
        order = list(order)
        placed = {n: self.nodes[n] for n in _parents_first(order, self.nodes)}
        if len(placed) != len(self.nodes):
            raise FormatError(
                f"{len(self.nodes) - len(placed)} nodes are their own ancestors",
                hint="The file was not written by RMF; write it again from its source.",
            )
        self.nodes = placed


def _parents_first(order: list[int], nodes: dict[int, NodeRow]) -> Iterator[int]:
    done: set[int] = set()
    waiting: dict[int, list[int]] = {}
    for first in order:
        ready = deque([first])
        while ready:
            number = ready.popleft()
            missing = [p for p in nodes[number].parents if p in nodes and p not in done]
            if missing:
                waiting.setdefault(missing[0], []).append(number)
                continue
            done.add(number)
            yield number
            ready.extendleft(reversed(waiting.pop(number, [])))
