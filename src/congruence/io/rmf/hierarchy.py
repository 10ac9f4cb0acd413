"""
The hierarchy of nodes: which of them are beads, at which resolution.

Molecules can be represented several times, at different resolutions. In PMI2
files the further representations are *alternatives* of a node: sub-trees
without parent that replace it. In PMI1 files (2014-15) they are ordinary
children named ``NAME_Res:10``, beside ``Beads`` and ``Densities``.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from congruence.core.topology import ABSENT
from congruence.io.rmf.representation import PARTICLES, Context, distance
from congruence.io.rmf.schema import NodeType

if TYPE_CHECKING:
    from typing import Any

    from congruence.io.rmf.tables import StaticTables

__all__ = ["Hierarchy"]

_PMI1 = re.compile(r".*_Res:(\d+(?:\.\d+)?)")
_NAN = float("nan")


class Hierarchy:
    """
    Walks the nodes of a file.

    Parameters
    ----------
    tables : StaticTables
        Static data of the file.
    """

    def __init__(self, tables: StaticTables) -> None:
        self._tables = tables
        column = tables.column
        self._roots = column("alternatives", "roots", "ints_data")
        self._kinds = column("alternatives", "types", "ints_data")
        self._explicit = column("sequence", "explicit resolution", "float_data")
        self._radius = column("physics", "radius", "float_data")
        self._mass = column("physics", "mass", "float_data")
        self._variances = column("physics", "variances", "vector3_data")
        self._index = column("sequence", "residue index", "int_data")
        self._indexes = {
            **column("sequence", "indexes", "ints_data"),
            **column("sequence", "residue indexes", "ints_data"),
        }

    @cached_property
    def _marks(self) -> dict[int, dict[str, Any]]:
        """Properties of nodes that hold for all nodes below them."""
        marks: dict[int, dict[str, Any]] = {}
        for attribute, key, field in (
            ("copy", "copy index", "int_data"),
            ("state", "state index", "int_data"),
            ("chain", "chain id", "string_data"),
            ("sequence", "sequence", "string_data"),
            ("chain_type", "chain type", "string_data"),
        ):
            for node, value in self._tables.column("sequence", key, field).items():
                marks.setdefault(node, {})[attribute] = value
        for node in self._tables.column("sequence", "molecule", "int_data"):
            marks.setdefault(node, {}).update(name=self._tables.names.get(node, ""), marked=True)
        for node, resolution in self._explicit.items():
            marks.setdefault(node, {})["resolution"] = float(resolution)
        return marks

    def representations(self, node: int) -> list[int]:
        """
        Return the children that stand for matter.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        children : list of int
            In file order.
        """
        kind = self._tables.type_of
        children = self._tables.children.get(node, ())
        return [c for c in children if kind(c) is NodeType.REPRESENTATION]

    def states(self) -> tuple[int, ...]:
        """
        Return the state indices that the file gives.

        Returns
        -------
        states : tuple of int
            Sorted; empty for files without states.
        """
        return tuple(
            sorted(set(self._tables.column("sequence", "state index", "int_data").values()))
        )

    def tops(self) -> list[int]:
        """
        Return the roots of the hierarchies.

        Returns
        -------
        tops : list of int
            Representation nodes right below the root of the file.
        """
        replaced = {r for roots in self._roots.values() for r in roots}
        tops = []
        for root in self._tables.roots():
            kind = self._tables.type_of(root)
            if kind is NodeType.REPRESENTATION and root not in replaced:
                tops.append(root)
            elif kind is not NodeType.REPRESENTATION:
                tops.extend(self.representations(root))
        return tops

    def is_bead(self, node: int) -> bool:
        """
        Tell whether a leaf is a sphere.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        bead : bool
            Whether it has a radius.
        """
        return node in self._radius

    def is_gaussian(self, node: int) -> bool:
        """
        Tell whether a leaf is a Gaussian.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        gaussian : bool
            Whether it has variances.
        """
        return node in self._variances

    def has_size(self, node: int) -> bool:
        """
        Tell whether a node has a radius or a mass.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        size : bool
            Whether it has either.
        """
        return node in self._radius or node in self._mass

    def below(self, node: int, context: Context) -> Context:
        """
        Add what a node says to what its path says.

        Parameters
        ----------
        node : int
            Node id.
        context : Context
            Of the node's parent.

        Returns
        -------
        context : Context
            Of the node.
        """
        marks = self._marks.get(node)
        if marks is None:
            return context
        if "chain" in marks and not context.marked and "name" not in marks:
            # files that are not from PMI name their chains only
            marks = {"name": self._tables.names.get(node, ""), **marks}
        return replace(context, **marks)

    def alternatives(self, node: int, kind: int) -> list[tuple[int, float]]:
        """
        Return the alternatives of a node.

        Parameters
        ----------
        node : int
            Node id.
        kind : int
            0 for beads, 1 for Gaussians.

        Returns
        -------
        alternatives : list of (int, float)
            Their roots and resolutions, in stored order.
        """
        pairs = zip(self._roots.get(node, ()), self._kinds.get(node, ()), strict=False)
        found = [root for root, k in pairs if k == kind and root in self._tables.names]
        return [(root, self.resolution_of(root)) for root in found]

    def has_alternatives(self, node: int) -> bool:
        """
        Tell whether a node can be replaced.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        has : bool
            Whether it lists alternatives.
        """
        return node in self._roots

    @property
    def is_flat(self) -> bool:
        """Whether no node of the file has alternatives."""
        return not self._roots

    def resolution_of(self, node: int) -> float:
        """
        Return the resolution of a representation, for comparing.

        Parameters
        ----------
        node : int
            Its root.

        Returns
        -------
        resolution : float
            As the file says; else the inverse of the smallest radius below,
            which is never close to anything that one asks for.
        """
        if node in self._explicit:
            return float(self._explicit[node])
        stack, seen, smallest = [node], set(), math.inf
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            children = self.representations(at)
            stack.extend(children)
            if not children:
                smallest = min(smallest, self._radius.get(at, math.inf))
        return 1 / smallest if smallest > 0 else math.inf

    def choose(self, node: int, want: float, kind: int) -> int | None:
        """
        Choose the representation of a node with alternatives.

        Parameters
        ----------
        node : int
            The node.
        want : float
            Wanted resolution.
        kind : int
            0 for beads, 1 for Gaussians.

        Returns
        -------
        root : int or None
            The node itself or the root of an alternative; None if there is
            none of this kind. Of equally near ones the first.
        """
        best: int | None = node if kind == PARTICLES else None
        nearest = distance(want, self.resolution_of(node)) if best is not None else math.inf
        if best is not None and math.isnan(nearest):
            return node
        for root, resolution in self.alternatives(node, kind):
            apart = distance(want, resolution)
            if best is None or apart < nearest:
                best, nearest = root, apart
        return best

    def pmi1_children(self, node: int) -> dict[int, float] | None:
        """
        Recognise a molecule of the PMI1 layout.

        Parameters
        ----------
        node : int
            A node.

        Returns
        -------
        resolutions : dict or None
            For each child the resolution its name says, -1 for ``Densities``,
            NaN for any other; None if the node is no such molecule.
        """
        if not self.is_flat or not self._marks.get(node, {}).get("marked"):
            return None
        found: dict[int, float] = {}
        for child in self.representations(node):
            name = self._tables.names.get(child, "")
            match = _PMI1.fullmatch(name)
            found[child] = float(match[1]) if match else -1.0 if name == "Densities" else _NAN
        known = any(not math.isnan(r) for r in found.values())
        return found if known or "Beads" in map(self._tables.names.get, found) else None

    def radius(self, node: int) -> float:
        """
        Return the radius of a bead.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        radius : float
            In Å; 0 if the file gives none.
        """
        return float(self._radius.get(node, 0.0))

    def mass(self, node: int) -> float:
        """
        Return the mass of a bead.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        mass : float
            In Da; 0 if the file gives none.
        """
        return float(self._mass.get(node, 0.0))

    def residues(self, node: int) -> tuple[int, ...]:
        """
        Return the residues that a bead stands for.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        residues : tuple of int
            In the file's order; of an atom the residue above it.
        """
        if node in self._indexes:
            return tuple(self._indexes[node])
        number = self._index.get(node, self._index.get(self.over(node)))
        return () if number is None else (number,)

    def over(self, node: int) -> int:
        """
        Return the first parent of a node.

        Parameters
        ----------
        node : int
            Node id.

        Returns
        -------
        parent : int
            Its id, or -1.
        """
        parents = self._tables.parents.get(node)
        return parents[0] if parents else ABSENT
