"""
Which leaves of the hierarchy are the beads of a model at one resolution.

The walk is depth-first over representation nodes, in the order of children. A
node with alternatives is replaced by the nearest of its representations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.topology import Molecule, Topology
from congruence.io.rmf.representation import GAUSSIANS, PARTICLES, Context, distance

if TYPE_CHECKING:
    from congruence.io.rmf.hierarchy import Hierarchy
    from congruence.io.rmf.representation import Resolution
    from congruence.io.rmf.tables import StaticTables
    from congruence.typing import BoolArray

__all__ = ["Selected", "select"]

_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Selected:
    """
    Leaves of the hierarchy at one resolution.

    Parameters
    ----------
    topology : Topology
        The leaves as beads.
    above : dict
        For each node on a path to a leaf, and each leaf, the node whose frame
        of reference it stands in: its parent, or -1. The root of an
        alternative stands in the frame of its owner's parent.
    skipped : int
        Leaves with a mass or a radius that are no beads.
    """

    topology: Topology
    above: dict[int, int]
    skipped: int

    def take(self, keep: BoolArray) -> Selected:
        """
        Keep some of the leaves.

        Parameters
        ----------
        keep : ndarray, dtype=bool, shape=(n,)
            Which.

        Returns
        -------
        selected : Selected
            The rest is counted in `skipped`.
        """
        kept = np.flatnonzero(keep)
        return replace(
            self,
            topology=self.topology.take(kept),
            skipped=self.skipped + int(len(keep) - len(kept)),
        )


def select(
    tables: StaticTables, hierarchy: Hierarchy, want: Resolution, *, kind: int = PARTICLES
) -> Selected:
    """
    Find the leaves at a resolution.

    Parameters
    ----------
    tables : StaticTables
        Static data.
    hierarchy : Hierarchy
        Its hierarchy.
    want : float or 'all'
        Wanted residues per bead; of each part of a molecule the nearest
        representation is taken. ``'all'`` takes every one.
    kind : int, optional
        0 for beads, 1 for Gaussians.

    Returns
    -------
    selected : Selected
        In depth-first order.
    """
    walk = _Walk(hierarchy, want, kind)
    walk.run()
    return Selected(_topology(tables, hierarchy, walk.leaves), walk.above, walk.skipped)


def _topology(tables: StaticTables, tree: Hierarchy, leaves: list[tuple[int, Context]]) -> Topology:
    molecules: dict[Molecule, int] = {}
    known: dict[Context, int] = {}
    index = []
    for _, c in leaves:
        if c not in known:
            molecule = Molecule(c.name, c.copy, c.state, c.chain, c.sequence, c.chain_type)
            known[c] = molecules.setdefault(molecule, len(molecules))
        index.append(known[c])
    nodes = [node for node, _ in leaves]
    types = tables.column("sequence", "residue type", "string_data")
    elements = tables.column("physics", "element", "int_data")
    names = [tables.names.get(n, "") for n in nodes]
    atoms = [
        name.removeprefix("HET:").strip() if n in elements else ""
        for n, name in zip(nodes, names, strict=True)
    ]
    return Topology(
        molecules=tuple(molecules),
        molecule_index=np.array(index, dtype=np.int64),
        residues=tuple(map(tree.residues, nodes)),
        radius=np.array([tree.radius(n) for n in nodes], dtype=np.float64),
        mass=np.array([tree.mass(n) for n in nodes], dtype=np.float64),
        resolution=np.array([c.resolution for _, c in leaves], dtype=np.float64),
        bead_name=tuple(names),
        residue_type=tuple(types.get(n if n in types else tree.over(n), "") for n in nodes),
        atom_name=tuple(atoms),
        node_id=np.array(nodes, dtype=np.int64),
    )


class _Walk:
    """One depth-first walk; each node is visited once, so that loops end."""

    def __init__(self, hierarchy: Hierarchy, want: Resolution, kind: int) -> None:
        self._tree = hierarchy
        self._want: Resolution = want
        self._kind = kind
        self._seen: set[int] = set()
        self._stack: list[tuple[int, int, Context]] = []
        self._plain = hierarchy.is_flat
        self.leaves: list[tuple[int, Context]] = []
        self.above: dict[int, int] = {}
        self.skipped = 0

    def run(self) -> None:
        self._stack = [(top, -1, Context()) for top in reversed(self._tree.tops())]
        while self._stack:
            node, above, context = self._stack.pop()
            if node in self._seen:
                continue
            self._enter(node, above, self._tree.below(node, context))

    def _enter(self, node: int, above: int, context: Context) -> None:
        if self._tree.has_alternatives(node) and not context.gaussian:
            if self._want == "all":
                kinds = (PARTICLES, GAUSSIANS) if self._kind == PARTICLES else (GAUSSIANS,)
                roots = [root for kind in kinds for root, _ in self._tree.alternatives(node, kind)]
                gaussian = self._kind == GAUSSIANS
                self._push(roots, above, replace(context, resolution=_NAN, gaussian=gaussian))
                if gaussian:
                    return
            else:
                chosen = self._tree.choose(node, float(self._want), self._kind)
                if chosen is None:
                    return
                if chosen != node or self._kind == GAUSSIANS:
                    inner = replace(context, resolution=_NAN, gaussian=self._kind == GAUSSIANS)
                    node, context = chosen, self._tree.below(chosen, inner)
        if node in self._seen:
            return
        self._seen.add(node)
        self.above[node] = above
        children = self._tree.pmi1_children(node)
        if children is not None:
            self._push_pmi1(node, children, context)
            return
        inside = self._tree.representations(node)
        if inside:
            self._push(inside, node, context)
        else:
            self._leaf(node, context)

    def _push(self, nodes: list[int], above: int, context: Context) -> None:
        self._stack.extend((node, above, context) for node in reversed(nodes))

    def _push_pmi1(self, node: int, children: dict[int, float], context: Context) -> None:
        named = sorted({r for r in children.values() if r >= 0})
        if self._kind == GAUSSIANS:
            wanted = [-1.0]
        elif self._want == "all":
            wanted = [-1.0, *named]
        else:
            want = float(self._want)
            wanted = [min(named, key=lambda r: _rank(distance(want, r)))] if named else []
        for child, resolution in reversed(children.items()):
            # a child without a resolution in its name ("Beads") belongs to all of them
            if resolution in wanted or (math.isnan(resolution) and self._kind == PARTICLES):
                known = resolution if resolution >= 0 else _NAN
                inner = replace(context, resolution=known, gaussian=self._kind == GAUSSIANS)
                self._stack.append((child, node, inner))

    def _leaf(self, node: int, context: Context) -> None:
        if self._kind == GAUSSIANS:
            # in a file without alternatives every Gaussian counts
            if self._tree.is_gaussian(node) and (context.gaussian or self._plain):
                self.leaves.append((node, context))
        elif self._tree.is_bead(node):
            self.leaves.append((node, context))
        elif self._tree.has_size(node):
            self.skipped += 1


def _rank(apart: float) -> float:
    """Both zero is the nearest of all."""
    return -1.0 if math.isnan(apart) else apart
