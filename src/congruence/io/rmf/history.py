"""
Put steps on top of the provenance chain of a file.

A chain of provenance nodes hangs under the root of the hierarchy: the newest
step first, every step the parent of the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from congruence.io.rmf.schema import KeyType, NodeType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.io.rmf.edit import StaticTable

__all__ = [
    "ClusterProvenance",
    "CombineProvenance",
    "FilterProvenance",
    "ProvenanceStep",
    "SoftwareProvenance",
    "add_provenance",
    "hierarchy_root",
]

_I, _F, _S = KeyType.INT, KeyType.FLOAT, KeyType.STRING


@dataclass(frozen=True, slots=True)
class CombineProvenance:
    """
    Runs that were pooled.

    Parameters
    ----------
    runs : int
        Number of runs.
    frames : int
        Number of models in all.
    """

    runs: int
    frames: int


@dataclass(frozen=True, slots=True)
class FilterProvenance:
    """
    Models that were chosen by a criterion.

    Parameters
    ----------
    method : str
        The criterion, such as ``"Total score"``.
    threshold : float
        Its threshold.
    frames : int
        Number of models kept.
    """

    method: str
    threshold: float
    frames: int


@dataclass(frozen=True, slots=True)
class ClusterProvenance:
    """
    The cluster that a model is a member of.

    Parameters
    ----------
    members : int
        Number of models in the cluster.
    precision : float
        Precision of the cluster in Å; 0 when unknown.
    density : str
        Density map of the cluster, a path relative to the folder of the file
        that is written; empty for none.
    name : str
        Name of the node; readers of imp-sampcon's files look for
        ``cluster.K``.
    """

    members: int
    precision: float = 0.0
    density: str = ""
    name: str = "cluster"


@dataclass(frozen=True, slots=True)
class SoftwareProvenance:
    """
    A program that was used.

    Parameters
    ----------
    name : str
        Its name.
    version : str
        Its version.
    location : str
        Where it can be had.
    """

    name: str
    version: str
    location: str = ""


ProvenanceStep: TypeAlias = (
    CombineProvenance | FilterProvenance | ClusterProvenance | SoftwareProvenance
)
"""A step that can be put on top of a chain."""


def _content(step: ProvenanceStep) -> tuple[str, list[tuple[str, KeyType, Any]]]:
    if isinstance(step, CombineProvenance):
        return "combined", [
            ("combined runs", _I, step.runs),
            ("combined frames", _I, step.frames),
        ]
    if isinstance(step, FilterProvenance):
        return "filter", [
            ("filter method", _S, step.method),
            ("filter threshold", _F, step.threshold),
            ("filter frames", _I, step.frames),
        ]
    if isinstance(step, ClusterProvenance):
        return step.name, [
            ("cluster members", _I, step.members),
            ("cluster precision", _F, step.precision),
            ("cluster density", _S, step.density),
        ]
    return "software", [
        ("software name", _S, step.name),
        ("software version", _S, step.version),
        ("software location", _S, step.location),
    ]


def hierarchy_root(table: StaticTable) -> int | None:
    """
    Find the node that a chain of provenance hangs under.

    Parameters
    ----------
    table : StaticTable
        Static part of a file.

    Returns
    -------
    node : int or None
        First representation node under the root: ``System``, or the first
        state of files without one.
    """
    for child in table.children().get(0, []):
        if table.nodes[child].type == NodeType.REPRESENTATION:
            return child
    return None


def add_provenance(table: StaticTable, steps: Sequence[ProvenanceStep]) -> None:
    """
    Put steps on top of the chain that a file has, or begin one.

    Parameters
    ----------
    table : StaticTable
        Static part of a file; it is changed.
    steps : sequence of ProvenanceStep
        Oldest first.
    """
    system = hierarchy_root(table)
    if system is None or not steps:
        return
    order = list(table.nodes)
    old = [
        child
        for child in table.children().get(system, [])
        if table.nodes[child].type == NodeType.PROVENANCE
    ]
    parent, new = system, []
    for step in reversed(steps):
        name, values = _content(step)
        parent = table.new_node(name, NodeType.PROVENANCE, (parent,))
        new.append(parent)
        for key, kind, value in values:
            if value != "":
                table.set(("provenance", key, kind), parent, value)
    where = order.index(old[0]) if old else len(order)
    if old:
        table.move_node(old[0], system, parent)
    table.reorder([*order[:where], *new, *order[where:]])
