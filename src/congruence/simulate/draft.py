"""The nodes of a file while they are being laid out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from congruence.io.rmf.build import StaticBuilder
from congruence.io.rmf.schema import KeyType, NodeType
from congruence.simulate.subunit import BeadKind, Segment, bead_radius

if TYPE_CHECKING:
    from congruence.simulate.system import System
    from congruence.typing import FloatArray

__all__ = ["Draft"]


@dataclass
class Draft:
    """
    What is collected while the nodes are laid out.

    Parameters
    ----------
    system : System
        The complex.
    out : StaticBuilder
        Receiver of nodes and static values.
    beads : list of int
        Node of each fine bead.
    coarse : list of int
        Node of each bead at resolution 10.
    frames : list of (int, int)
        Nodes with a reference frame, and their bodies.
    gaussians : list of (int, ndarray)
        Nodes of Gaussians, and their variances in Å².
    scores : list of int
        Feature nodes that get a score in every frame.
    """

    system: System
    out: StaticBuilder = field(default_factory=StaticBuilder)
    beads: list[int] = field(default_factory=list)
    coarse: list[int] = field(default_factory=list)
    frames: list[tuple[int, int]] = field(default_factory=list)
    gaussians: list[tuple[int, FloatArray]] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)

    def node(self, name: str, parent: int | None) -> int:
        """
        Add a node of the hierarchy.

        Parameters
        ----------
        name : str
            Its name.
        parent : int or None
            Its parent; None for the root of an alternative.

        Returns
        -------
        node : int
            Its id.
        """
        return self.out.add_node(name, NodeType.REPRESENTATION, parent)

    def sphere(self, node: int, mass: float, colour: tuple[float, ...]) -> None:
        """
        Make a node a sphere of protein.

        Parameters
        ----------
        node : int
            The node.
        mass : float
            In Da; gives the radius.
        colour : tuple of float
            Red, green and blue, 0 to 1.
        """
        self.out.set("physics", "mass", KeyType.FLOAT, node, mass)
        self.out.set("physics", "radius", KeyType.FLOAT, node, bead_radius(mass))
        self.out.set("shape", "rgb color", KeyType.VECTOR3, node, colour)

    def residues(self, node: int, residues: tuple[int, ...]) -> None:
        """
        Say which residues a node stands for.

        Parameters
        ----------
        node : int
            The node.
        residues : tuple of int
            All of them.
        """
        self.out.set("sequence", "residue indexes", KeyType.INTS, node, residues)

    def resolution(self, node: int, value: float) -> None:
        """
        Say how many residues a bead below a node has.

        Parameters
        ----------
        node : int
            The node.
        value : float
            Residues per bead.
        """
        self.out.set("sequence", "explicit resolution", KeyType.FLOAT, node, value)

    def wrapper(self, name: str, parent: int | None, body: int, segment: Segment) -> int:
        """
        Add the node between a fragment and its beads; it carries the frame.

        Parameters
        ----------
        name : str
            Its name.
        parent : int or None
            The fragment; None for an alternative.
        body : int
            Body that the beads belong to.
        segment : Segment
            The fragment's segment; a free one has no frame.

        Returns
        -------
        node : int
            Its id.
        """
        node = self.node(name, parent)
        self.residues(node, tuple(range(segment.first, segment.last + 1)))
        if segment.kind is not BeadKind.FREE:
            # IMP writes a particle number here; only equality means anything
            self.out.set("IMP", "rigid body index", KeyType.INT, node, 700 + 11 * body)
            self.frames.append((node, body))
        return node

    def feature(self, name: str, parent: int, nodes: list[int], *, scored: bool = True) -> int:
        """
        Add the node of a restraint.

        Parameters
        ----------
        name : str
            Its name.
        parent : int
            The root, or a restraint that it is a part of.
        nodes : list of int
            Nodes that it acts on.
        scored : bool
            Whether frames give it a score.

        Returns
        -------
        node : int
            Its id.
        """
        node = self.out.add_node(name, NodeType.FEATURE, parent)
        self.out.set("IMP", "weight", KeyType.FLOAT, node, 1.0)
        self.out.set("feature", "representation", KeyType.INTS, node, nodes)
        if scored:
            self.scores.append(node)
        return node
