"""
Which node of one file is which node of another.

Replicas of one run number their nodes differently and have restraint terms
that others lack. Hierarchies must be equal; other nodes may be missing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from congruence.errors import FormatError
from congruence.io.rmf.schema import KeyType, NodeType

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from congruence.io.rmf.edit import KeyName, StaticTable

__all__ = ["REFERENCES", "map_value", "match_nodes"]

REFERENCES: frozenset[KeyName] = frozenset(
    {
        ("physics", "bonded 0", KeyType.INT),
        ("physics", "bonded 1", KeyType.INT),
        ("alternatives", "roots", KeyType.INTS),
        ("feature", "representation", KeyType.INTS),
        ("alias", "aliased", KeyType.INT),
        ("sequence", "reference", KeyType.INT),
    }
)
"""Keys whose values are node ids."""

_REPRESENTATION = int(NodeType.REPRESENTATION)


def map_value(key: KeyName, value: Any, nodes: dict[int, int]) -> Any:
    """
    Translate the node ids in a value.

    Parameters
    ----------
    key : tuple
        Category, name and type.
    value : Any
        Value of the key.
    nodes : dict of int to int
        New id by old id; ids that are not in it stay.

    Returns
    -------
    value : Any
        The same value unless the key's values are node ids.
    """
    if key not in REFERENCES:
        return value
    if isinstance(value, int):
        return nodes.get(value, value)
    return [nodes.get(node, node) for node in value]


def match_nodes(base: StaticTable, other: StaticTable) -> dict[int, int]:
    """
    Find the nodes of one file in another.

    Hierarchy nodes are matched by their place, which must be the same in
    both; other nodes by type, name and the hierarchy nodes that they refer
    to, those under the root by type and name if that fails.

    Parameters
    ----------
    base : StaticTable
        The one file.
    other : StaticTable
        The other file.

    Returns
    -------
    nodes : dict of int to int
        Node of `base` by node of `other`; without the nodes of `other` that
        `base` does not have.

    Raises
    ------
    FormatError
        If the hierarchies differ.
    """
    return _Matcher(base, other).match()


class _Matcher:
    def __init__(self, base: StaticTable, other: StaticTable) -> None:
        self._base, self._other = base, other
        self._below = (base.children(), other.children())
        roots: KeyName = ("alternatives", "roots", KeyType.INTS)
        self._alternatives = (base.column(roots), other.column(roots))
        self._nodes: dict[int, int] = {}
        self._taken: set[int] = set()

    def match(self) -> dict[int, int]:
        self._pair(0, 0)
        self._pair_hierarchy(0, 0)
        self._pair_orphans()
        hierarchy = dict(self._nodes)
        marks = (
            _marks(self._base, {node: node for node in hierarchy.values()}),
            _marks(self._other, hierarchy),
        )
        for theirs, ours in hierarchy.items():
            self._pair_rest(ours, theirs, marks)
        return self._nodes

    def _pair(self, ours: int, theirs: int) -> None:
        self._nodes[theirs] = ours
        self._taken.add(ours)

    def _pair_hierarchy(self, ours: int, theirs: int) -> None:
        waiting = [(ours, theirs)]
        while waiting:
            b, o = waiting.pop()
            pairs = self._pair_strictly(
                b,
                [n for n in self._below[0].get(b, []) if self._is_bead(self._base, n)],
                [n for n in self._below[1].get(o, []) if self._is_bead(self._other, n)],
            )
            pairs += self._pair_strictly(
                b, self._alternatives[0].get(b, []), self._alternatives[1].get(o, [])
            )
            for mine, its in pairs:
                if its not in self._nodes:
                    self._pair(mine, its)
                    waiting.append((mine, its))

    @staticmethod
    def _is_bead(table: StaticTable, node: int) -> bool:
        return table.nodes[node].type == _REPRESENTATION

    def _pair_strictly(
        self, parent: int, ours: Sequence[int], theirs: Sequence[int]
    ) -> list[tuple[int, int]]:
        mine = [self._label(self._base, n) for n in ours]
        its = [self._label(self._other, n) for n in theirs]
        if mine != its:
            at = next(
                (i for i, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b),
                min(len(mine), len(its)),
            )
            raise FormatError(
                f"the hierarchies of two files differ under '{self._base.nodes[parent].name}' "
                f"(node {parent}): child {at} is {_named(mine, at)} in the first, "
                f"{_named(its, at)} in the other",
                hint="Only models with the same topology fit into one file.",
            )
        return list(zip(ours, theirs, strict=True))

    @staticmethod
    def _label(table: StaticTable, node: int) -> tuple[int, str]:
        row = table.nodes.get(node)
        return (-1, "") if row is None else (row.type, row.name)

    def _pair_orphans(self) -> None:
        ours = [
            n.id for n in self._base.nodes.values() if not n.parents and n.id not in self._taken
        ]
        theirs = [
            n.id for n in self._other.nodes.values() if not n.parents and n.id not in self._nodes
        ]
        for mine, its in self._alike(ours, theirs, ({}, {})):
            self._pair(mine, its)

    def _pair_rest(
        self, ours: int, theirs: int, marks: tuple[dict[int, Any], dict[int, Any]]
    ) -> None:
        """Match the children that are not in the hierarchy, and theirs in turn."""
        waiting = [(ours, theirs)]
        while waiting:
            b, o = waiting.pop()
            mine = [n for n in self._below[0].get(b, []) if n not in self._taken]
            its = [n for n in self._below[1].get(o, []) if n not in self._nodes]
            if not mine or not its:
                continue
            pairs = self._alike(mine, its, marks)
            if b == 0:
                left = ({n for n, _ in pairs}, {n for _, n in pairs})
                pairs += self._alike(
                    [n for n in mine if n not in left[0]],
                    [n for n in its if n not in left[1]],
                    ({}, {}),
                )
            for first, second in pairs:
                self._pair(first, second)
            waiting += pairs

    def _alike(
        self,
        ours: Iterable[int],
        theirs: Iterable[int],
        marks: tuple[dict[int, Any], dict[int, Any]],
    ) -> list[tuple[int, int]]:
        """Pair nodes of equal type, name and mark, the n-th with the n-th."""
        found: dict[Hashable, list[int]] = defaultdict(list)
        for node in ours:
            found[(*self._label(self._base, node), marks[0].get(node))].append(node)
        for queue in found.values():
            queue.reverse()
        pairs = []
        for node in theirs:
            queue = found.get((*self._label(self._other, node), marks[1].get(node)), [])
            if queue:
                pairs.append((queue.pop(), node))
        return pairs


def _named(labels: Sequence[tuple[int, str]], at: int) -> str:
    return f"'{labels[at][1]}'" if at < len(labels) else "missing"


def _marks(table: StaticTable, nodes: dict[int, int]) -> dict[int, tuple[int, ...]]:
    """Name every node by the hierarchy nodes that it refers to, in the base's ids."""
    marks: dict[int, set[int]] = defaultdict(set)
    for key in sorted(REFERENCES):
        if key[1] == "roots":
            continue
        for node, value in table.column(key).items():
            refers = [value] if isinstance(value, int) else value
            marks[node].update(nodes[r] for r in refers if r in nodes)
    return {node: tuple(sorted(found)) for node, found in marks.items()}
