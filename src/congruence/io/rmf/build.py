"""Build the static record of a new RMF3 file: nodes, keys, static values."""

from __future__ import annotations

from typing import Any

from congruence import __version__
from congruence.errors import ConfigError
from congruence.io.rmf.schema import (
    DATA_FIELDS,
    INVALID_INT,
    KeyType,
    NodeType,
    Record,
    empty_data,
)

__all__ = ["PRODUCER", "StaticBuilder"]

PRODUCER = f"congruence {__version__}"
"""Named as the producer of the files that are written here."""

_FIELD_OF = {
    kind: (field, key_name, node_name)
    for kind in KeyType
    for field, key_name, node_name in DATA_FIELDS
    if field == f"{kind.value.lower()}_data"
}


class StaticBuilder:
    """
    Collect nodes, keys and static values into a static record.

    Node 0, the root, is there from the beginning.

    Examples
    --------
    >>> from congruence.io.rmf.schema import KeyType, NodeType
    >>> builder = StaticBuilder()
    >>> system = builder.add_node("System", NodeType.REPRESENTATION, 0)
    >>> builder.set("physics", "radius", KeyType.FLOAT, system, 3.0)
    >>> record = builder.record("one node")
    >>> [node["name"] for node in record["nodes"]], record["info"]["categories"]
    (['root', 'System'], [{'id': 0, 'name': 'physics'}])
    """

    def __init__(self) -> None:
        self._nodes: list[Record] = [
            {"id": 0, "name": "root", "type": int(NodeType.ROOT), "parents": []}
        ]
        self._categories: dict[str, int] = {}
        self._keys: dict[tuple[str, str, KeyType], Record] = {}
        self._per_type: dict[KeyType, int] = {}
        self._values: dict[tuple[KeyType, int], dict[int, Any]] = {}

    def add_node(self, name: str, type: NodeType, parent: int | None) -> int:
        """
        Add a node.

        Parameters
        ----------
        name : str
            Its name; names need not be unique.
        type : NodeType
            Its type.
        parent : int or None
            Node it is a child of; None for the root of an alternative,
            which nothing but ``alternatives/roots`` points to.

        Returns
        -------
        node : int
            Its id.

        Raises
        ------
        ConfigError
            If there is no such parent.
        """
        self._check_node(0 if parent is None else parent)
        parents = [] if parent is None else [parent]
        self._nodes.append(
            {"id": len(self._nodes), "name": name, "type": int(type), "parents": parents}
        )
        return len(self._nodes) - 1

    def _check_node(self, node: int) -> None:
        if not 0 <= node < len(self._nodes):
            raise ConfigError(
                f"there is no node {node}; the file has nodes 0 to {len(self._nodes) - 1}",
                hint="Add a node before it is used as a parent or gets a value.",
            )

    def declare(self, category: str, key: str, kind: KeyType) -> None:
        """
        Declare a key, for instance one that only frames have values of.

        Parameters
        ----------
        category : str
            Category of the key.
        key : str
            Name of the key.
        kind : KeyType
            Type of its values.
        """
        if (category, key, kind) in self._keys:
            return
        number = self._per_type.get(kind, 0)
        self._per_type[kind] = number + 1
        self._keys[category, key, kind] = {
            "id": number,
            "name": key,
            "category": self._categories.setdefault(category, len(self._categories)),
            "type": kind.value,
        }

    def set(self, category: str, key: str, kind: KeyType, node: int, value: Any) -> None:
        """
        Set a static value; category and key are declared as needed.

        Parameters
        ----------
        category : str
            Category of the key, such as ``"physics"``.
        key : str
            Name of the key, such as ``"radius"``.
        kind : KeyType
            Type of the value.
        node : int
            Node that gets the value.
        value : Any
            A number, a text, or a sequence of them; a second value for the
            same node replaces the first.

        Raises
        ------
        ConfigError
            If there is no such node, or the value does not fit the type.
        """
        self._check_node(node)
        self.declare(category, key, kind)
        column = self._values.setdefault((kind, self._keys[category, key, kind]["id"]), {})
        try:
            column[node] = _checked(kind, value)
        except (TypeError, ValueError) as problem:
            raise ConfigError(
                f"'{category}/{key}' of node {node} takes {kind.value}, found {value!r}",
                hint="Give a value of the key's type; whole numbers have 32 bits.",
            ) from problem

    def record(self, description: str = "", producer: str = PRODUCER) -> Record:
        """
        Return the static record.

        Parameters
        ----------
        description : str
            Free text about the file.
        producer : str
            Name and version of the program that made the models.

        Returns
        -------
        record : dict
            For `RmfWriter`.
        """
        data = empty_data()
        for (kind, number), column in self._values.items():
            field, key_name, node_name = _FIELD_OF[kind]
            values = [{node_name: node, "value": value} for node, value in column.items()]
            data[field].append({key_name: number, "values": values})
        return {
            "info": {
                "description": description,
                "producer": producer,
                "categories": [{"id": i, "name": n} for n, i in self._categories.items()],
                "node_types": [],
                "frame_types": [],
                "node_sets": [],
            },
            "nodes": [dict(node) for node in self._nodes],
            "keys": [dict(key) for key in self._keys.values()],
            "data": data,
        }


def _checked(kind: KeyType, value: Any) -> Any:
    if kind is KeyType.STRING:
        if not isinstance(value, str):
            raise TypeError
        return str(value)
    if kind is KeyType.INT:
        return _int32(value)
    if kind is KeyType.FLOAT:
        return float(value)
    if kind in (KeyType.VECTOR3, KeyType.VECTOR4):
        names = "xyz" if kind is KeyType.VECTOR3 else "wxyz"
        return dict(zip(names, (float(v) for v in value), strict=True))
    item = {
        KeyType.INTS: KeyType.INT,
        KeyType.FLOATS: KeyType.FLOAT,
        KeyType.STRINGS: KeyType.STRING,
        KeyType.VECTOR3S: KeyType.VECTOR3,
    }[kind]
    if isinstance(value, str):
        raise TypeError
    return [_checked(item, v) for v in value]


def _int32(value: Any) -> int:
    number = int(value)
    if number != value or not -INVALID_INT - 1 <= number <= INVALID_INT:
        raise ValueError
    return number
