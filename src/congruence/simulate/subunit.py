"""Subunits: what they are made of and how their beads move."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

__all__ = ["COLOURS", "RESIDUES", "BeadKind", "Segment", "Subunit", "bead_name", "bead_radius"]

RESIDUES = {
    "A": ("ALA", 71.08),
    "D": ("ASP", 115.09),
    "E": ("GLU", 129.12),
    "F": ("PHE", 147.18),
    "G": ("GLY", 57.05),
    "I": ("ILE", 113.16),
    "K": ("LYS", 128.17),
    "L": ("LEU", 113.16),
    "N": ("ASN", 114.10),
    "R": ("ARG", 156.19),
    "S": ("SER", 87.08),
    "T": ("THR", 101.11),
    "V": ("VAL", 99.13),
    "W": ("TRP", 186.21),
}
"""Residue name and mass in Da by letter."""

_LETTERS = "KALEVGSDTIRNFW"
COLOURS = ((0.98, 0.50, 0.45), (0.27, 0.51, 0.71), (0.60, 0.80, 0.20), (0.85, 0.65, 0.13))
"""Colours of the subunits: red, green and blue, 0 to 1."""


class BeadKind(enum.IntEnum):
    """How a bead moves."""

    RIGID = 0
    """Fixed in its rigid body: its local coordinates are static."""
    NESTED = 1
    """Flexible member of a rigid body: local coordinates in every frame."""
    FREE = 2
    """No rigid body: global coordinates in every frame."""


@dataclass(frozen=True, slots=True)
class Segment:
    """
    A stretch of residues that is represented in one way.

    Parameters
    ----------
    first, last : int
        Residues, both inclusive.
    kind : BeadKind
        How its beads move. Rigid segments have one bead a residue, and
        beads of ten residues as an alternative.
    bead_size : int
        Residues per bead.
    """

    first: int
    last: int
    kind: BeadKind
    bead_size: int = 1

    def beads(self, size: int = 0) -> list[tuple[int, ...]]:
        """
        Return the residues of each bead.

        Parameters
        ----------
        size : int
            Residues per bead; 0 for the segment's own.

        Returns
        -------
        beads : list of tuple of int
            The last bead may be shorter.
        """
        step = size or self.bead_size
        starts = range(self.first, self.last + 1, step)
        return [tuple(range(a, min(a + step, self.last + 1))) for a in starts]


@dataclass(frozen=True, slots=True)
class Subunit:
    """
    One molecule of the complex.

    Parameters
    ----------
    name : str
        Its name, shared by all copies.
    segments : tuple of Segment
        From the first residue to the last, without gaps.
    copies : int
        Number of interchangeable copies.
    colour : tuple of float
        Red, green and blue, 0 to 1.
    """

    name: str
    segments: tuple[Segment, ...]
    copies: int = 1
    colour: tuple[float, float, float] = COLOURS[0]

    @property
    def residues(self) -> int:
        """Number of residues of one copy."""
        return self.segments[-1].last

    @property
    def is_free(self) -> bool:
        """Whether no bead belongs to a rigid body."""
        return all(s.kind is BeadKind.FREE for s in self.segments)

    @property
    def sequence(self) -> str:
        """One-letter sequence, invented."""
        step = 3 + len(self.name)
        return "".join(
            _LETTERS[(i * step + i * i // 7) % len(_LETTERS)] for i in range(self.residues)
        )


def bead_radius(mass: float) -> float:
    """
    Return the radius of a sphere of protein.

    Parameters
    ----------
    mass : float
        In Da.

    Returns
    -------
    radius : float
        In Å, at 1.21 Å³ per Da.

    Examples
    --------
    >>> round(bead_radius(110.0), 3)
    3.167
    """
    return float(np.cbrt(0.75 / np.pi * 1.21 * mass))


def bead_name(segment: Segment, bead: tuple[int, ...]) -> str:
    """
    Name a bead as PMI does.

    Parameters
    ----------
    segment : Segment
        The segment it belongs to.
    bead : tuple of int
        Its residues.

    Returns
    -------
    name : str
        ``"17"`` for a residue, ``"187-194_bead"`` for a flexible bead.
    """
    if segment.kind is BeadKind.RIGID:
        return str(bead[0])
    return f"{bead[0]}-{bead[-1]}_bead"
