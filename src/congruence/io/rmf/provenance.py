"""Where a model comes from: the provenance nodes of a file."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from congruence.io.rmf.schema import NodeType
from congruence.io.rmf.tables import is_null

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.io.rmf.hierarchy import Hierarchy
    from congruence.io.rmf.tables import StaticTables

    Plain: TypeAlias = int | float | str | tuple["Plain", ...]

__all__ = ["ProvenanceStep", "chain_below", "node_values", "plain", "structure_steps"]


@dataclass(frozen=True, slots=True)
class ProvenanceStep:
    """
    One step in the history of a model.

    Parameters
    ----------
    kind : str
        ``"sampling"``, ``"filter"``, ``"cluster"``, ``"script"``,
        ``"software"``, ``"structure"`` or ``"combined"``; the node's name if
        it has no known key.
    node_id : int
        Its node.
    fields : mapping
        Its values as stored, by the name of the key without the kind, such
        as ``frames``. Names of files are relative to the RMF file.
    """

    kind: str
    node_id: int
    fields: Mapping[str, Plain]


def plain(value: object) -> Plain:
    """
    Turn a decoded value into plain Python.

    Parameters
    ----------
    value : object
        As fastavro decodes it.

    Returns
    -------
    plain : int, float, str or tuple
        Vectors and lists become tuples.
    """
    if isinstance(value, dict):
        return tuple(plain(v) for v in value.values())
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    assert isinstance(value, int | float | str)
    return value


def node_values(tables: StaticTables, node: int, category: str) -> dict[str, Plain]:
    """
    Return all static values of a node in one category.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    node : int
        Node id.
    category : str
        Name of the category.

    Returns
    -------
    values : dict
        By name of the key, in the order of the keys' names; nulls are left out.
    """
    found = {}
    for key in sorted(tables.keys, key=lambda k: (k.name, k.field)):
        if key.category == category:
            value = tables.tables.get((key.field, key.id), {}).get(node)
            if value is not None and not is_null(key.field, value):
                found[key.name] = plain(value)
    return found


def _step(tables: StaticTables, node: int) -> ProvenanceStep:
    values = node_values(tables, node, "provenance")
    kind = next(iter(values)).split(" ", 1)[0] if values else tables.names.get(node, "")
    fields = {name.removeprefix(kind).strip(): value for name, value in values.items()}
    return ProvenanceStep(kind, node, MappingProxyType(fields))


def _below(tables: StaticTables, node: int) -> list[int]:
    children = tables.children.get(node, ())
    return [c for c in children if tables.type_of(c) is NodeType.PROVENANCE]


def chain_below(tables: StaticTables, tops: list[int]) -> tuple[ProvenanceStep, ...]:
    """
    Return the history that hangs on some nodes.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    tops : list of int
        Node ids.

    Returns
    -------
    steps : tuple of ProvenanceStep
        Newest first.
    """
    stack = [n for top in reversed(tops) for n in reversed(_below(tables, top))]
    seen: dict[int, None] = {}
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack.extend(reversed(_below(tables, node)))
    return tuple(_step(tables, node) for node in seen)


def structure_steps(
    tables: StaticTables, hierarchy: Hierarchy
) -> dict[int, tuple[ProvenanceStep, ...]]:
    """
    Return the histories of parts: which structure files they were read from.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    hierarchy : Hierarchy
        The hierarchy.

    Returns
    -------
    steps : dict
        By node id of the molecule or fragment; newest first.
    """
    tops = set(hierarchy.tops())
    found = {}
    for node in tables.names:
        if node not in tops and tables.type_of(node) is NodeType.REPRESENTATION:
            steps = chain_below(tables, [node])
            if steps:
                found[node] = steps
    return found
