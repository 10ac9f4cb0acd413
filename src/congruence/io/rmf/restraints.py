"""Restraints: the feature nodes of a file."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from congruence.io.rmf.provenance import node_values
from congruence.io.rmf.schema import NodeType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.io.rmf.provenance import Plain
    from congruence.io.rmf.tables import StaticTables

__all__ = ["Restraint", "find_restraints"]


@dataclass(frozen=True, slots=True)
class Restraint:
    """
    One restraint, or one term of it.

    Parameters
    ----------
    label : str
        Name of the node; of a term the names on the path to it, joined with
        ``/``. A label that is taken already gets `` (2)``, `` (3)`` and so on.
    name : str
        Name of the node alone.
    node_id : int
        Its node.
    parent : str
        Label of the restraint it is a term of; empty for a whole one.
    weight : float
        Its weight; NaN if the file gives none.
    nodes : tuple of int
        Nodes it acts on, in no order; some stand for nuisance parameters.
    info : mapping
        What the file says about it, by key, such as ``type``.
    files : tuple of str
        Files it used, as stored: relative to the folder of the RMF file.
    """

    label: str
    name: str
    node_id: int
    parent: str
    weight: float
    nodes: tuple[int, ...]
    info: Mapping[str, Plain]
    files: tuple[str, ...]


def find_restraints(tables: StaticTables) -> tuple[Restraint, ...]:
    """
    List the restraints of a file.

    Parameters
    ----------
    tables : StaticTables
        Static data.

    Returns
    -------
    restraints : tuple of Restraint
        Each before its terms, in file order.
    """
    weights = tables.column("IMP", "weight", "float_data")
    nodes = tables.column("feature", "representation", "ints_data")
    found: dict[str, Restraint] = {}
    seen: set[int] = set()
    stack = [
        (n, "") for root in reversed(tables.roots()) for n in reversed(_features(tables, root))
    ]
    while stack:
        node, parent = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        name = tables.names.get(node, "")
        label = _free(f"{parent}/{name}" if parent else name, found)
        used = node_values(tables, node, "IMP restraint files")
        found[label] = Restraint(
            label=label,
            name=name,
            node_id=node,
            parent=parent,
            weight=float(weights.get(node, float("nan"))),
            nodes=tuple(nodes.get(node, ())),
            info=MappingProxyType(node_values(tables, node, "IMP restraint")),
            files=tuple(str(value) for value in used.values()),
        )
        stack.extend((child, label) for child in reversed(_features(tables, node)))
    return tuple(found.values())


def _features(tables: StaticTables, node: int) -> list[int]:
    children = tables.children.get(node, ())
    return [c for c in children if tables.type_of(c) is NodeType.FEATURE]


def _free(label: str, taken: Mapping[str, Restraint]) -> str:
    number, free = 1, label
    while free in taken:
        number += 1
        free = f"{label} ({number})"
    return free
