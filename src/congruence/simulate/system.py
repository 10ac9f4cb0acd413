"""The small complex that is simulated: subunits, segments, beads, rigid bodies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError
from congruence.simulate.subunit import (
    COLOURS,
    RESIDUES,
    BeadKind,
    Segment,
    Subunit,
    bead_name,
    bead_radius,
)

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

__all__ = ["COARSE", "System", "chain_id", "small_system"]

COARSE = 10
"""Residues per bead of the coarse alternative of a rigid segment."""


@dataclass(frozen=True, eq=False)
class System:
    """
    A complex of subunits with its beads at the finest resolution.

    Parameters
    ----------
    subunits : tuple of Subunit
        The molecules; copies of one follow each other.
    gaussians : bool
        Whether rigid segments have Gaussians as a further alternative.

    Raises
    ------
    ConfigError
        If there are no subunits, two have one name, or segments leave gaps.

    Examples
    --------
    >>> system = small_system()
    >>> len(system.topology), system.topology.molecule_names, system.bodies
    (117, ('Alpha', 'Beta', 'Gamma', 'Delta'), 5)
    """

    subunits: tuple[Subunit, ...]
    gaussians: bool = True

    def __post_init__(self) -> None:
        names = [s.name for s in self.subunits]
        if not names or len(set(names)) != len(names) or not all(names):
            raise ConfigError(
                f"a system needs subunits with distinct names, found {names}",
                hint="Use the copies of a subunit for molecules of one name.",
            )
        for subunit in self.subunits:
            ends = [0, *(s.last for s in subunit.segments)]
            if [s.first - 1 for s in subunit.segments] != ends[:-1] or subunit.copies < 1:
                raise ConfigError(
                    f"the segments of '{subunit.name}' do not follow each other from residue 1",
                    hint="Begin each segment one residue after the end of the one before.",
                )

    @cached_property
    def molecules(self) -> tuple[tuple[Subunit, int], ...]:
        """Every molecule as (subunit, copy), in hierarchy order; one body each."""
        return tuple((s, c) for s in self.subunits for c in range(s.copies))

    @property
    def bodies(self) -> int:
        """Number of bodies: one a molecule, free chains included."""
        return len(self.molecules)

    @cached_property
    def topology(self) -> Topology:
        """The beads at resolution 1, as a reader of the files finds them."""
        rows = [
            (body, subunit, segment, bead)
            for body, (subunit, _) in enumerate(self.molecules)
            for segment in subunit.segments
            for bead in segment.beads()
        ]
        masses = [sum(_mass(subunit, r) for r in bead) for _, subunit, _, bead in rows]
        return Topology(
            molecules=tuple(
                Molecule(s.name, c, 0, chain_id(body), s.sequence, "LPolypeptide")
                for body, (s, c) in enumerate(self.molecules)
            ),
            molecule_index=np.array([row[0] for row in rows], dtype=np.int64),
            residues=tuple(bead for *_, bead in rows),
            radius=np.array([bead_radius(m) for m in masses]),
            mass=np.array(masses),
            resolution=np.array([float(segment.bead_size) for _, _, segment, _ in rows]),
            bead_name=tuple(bead_name(segment, bead) for _, _, segment, bead in rows),
            residue_type=tuple(
                RESIDUES[subunit.sequence[bead[0] - 1]][0] if segment.kind is BeadKind.RIGID else ""
                for _, subunit, segment, bead in rows
            ),
            atom_name=("",) * len(rows),
            node_id=np.arange(len(rows)),
        )

    @property
    def body(self) -> IntArray:
        """Body of each bead, shape (n,)."""
        return self.topology.molecule_index

    @cached_property
    def kind(self) -> IntArray:
        """`BeadKind` of each bead, shape (n,)."""
        return np.array(
            [
                int(segment.kind)
                for subunit, _ in self.molecules
                for segment in subunit.segments
                for _ in segment.beads()
            ],
            dtype=np.int64,
        )

    @cached_property
    def flexible(self) -> IntArray:
        """Beads that are not rigid, shape (f,)."""
        return np.flatnonzero(self.kind != BeadKind.RIGID)

    @cached_property
    def local(self) -> FloatArray:
        """
        Place of each bead in its body, in Å, shape (n,3).

        Centred on the rigid beads (all beads of a free chain), float32-exact.
        """
        places = []
        for body, (subunit, _) in enumerate(self.molecules):
            kinds = self.kind[self.body == body]
            residues = _folded(subunit.residues, stretch=1.0 + 0.25 * self.subunits.index(subunit))
            beads = [bead for segment in subunit.segments for bead in segment.beads()]
            beads_xyz = np.array([residues[np.array(b) - 1].mean(axis=0) for b in beads])
            core = kinds == BeadKind.RIGID if (kinds == BeadKind.RIGID).any() else kinds >= 0
            places.append(beads_xyz - beads_xyz[core].mean(axis=0))
        return np.concatenate(places).astype(np.float32).astype(np.float64)

    @cached_property
    def coarse_starts(self) -> IntArray:
        """First fine bead of each bead at resolution 10, shape (c,)."""
        starts: list[int] = []
        count = 0
        for subunit, _ in self.molecules:
            for segment in subunit.segments:
                n = len(segment.beads())
                step = COARSE if segment.kind is BeadKind.RIGID else 1
                starts.extend(range(count, count + n, step))
                count += n
        return np.array(starts, dtype=np.int64)

    def coarsen(self, coordinates: FloatArray) -> FloatArray:
        """
        Average fine beads into those at resolution 10.

        Parameters
        ----------
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            Fine beads in Å.

        Returns
        -------
        coarse : ndarray, dtype=float64, shape=(m,c,3)
            Coarse beads in Å.
        """
        counts = np.diff(np.append(self.coarse_starts, len(self.topology)))
        return np.add.reduceat(coordinates, self.coarse_starts, axis=1) / counts[:, None]


def chain_id(body: int) -> str:
    """
    Name a chain.

    Parameters
    ----------
    body : int
        Number of the molecule.

    Returns
    -------
    chain : str
        ``"A"``, ``"B"`` ... ``"AA"``.
    """
    letter = chr(ord("A") + body % 26)
    return letter if body < 26 else chain_id(body // 26 - 1) + letter


def _mass(subunit: Subunit, residue: int) -> float:
    return RESIDUES[subunit.sequence[residue - 1]][1]


def _folded(residues: int, *, stretch: float) -> FloatArray:
    """Fold a chain to and fro through a box: compact, never through itself."""
    wide = max(2, round(np.cbrt(residues) * stretch))
    deep = max(2, round(np.cbrt(residues)))
    i = np.arange(residues)
    row, layer = i // wide, i // (wide * deep)
    x, y = i % wide, row % deep
    x = np.where(row % 2, wide - 1 - x, x)
    y = np.where(layer % 2, deep - 1 - y, y)
    ripple = np.stack([np.sin(1.7 * i), np.cos(2.3 * i), np.sin(0.9 * i + 1)], axis=1)
    places: FloatArray = np.stack([3.8 * x, 4.8 * y, 4.8 * layer], axis=1) + 0.3 * ripple
    return places


def small_system(
    *,
    residues_per_subunit: int = 30,
    copies: int = 2,
    last_name: str = "Delta",
    gaussians: bool = True,
) -> System:
    """
    Make the standard complex: Alpha, Beta, copies of Gamma and a free chain.

    Parameters
    ----------
    residues_per_subunit : int
        Residues of each molecule, at least 20; 250 gives about 1,000 beads.
    copies : int
        Copies of Gamma.
    last_name : str
        Name of the free chain; ``"Delta-2"`` is one that selections have to
        quote.
    gaussians : bool
        Whether rigid segments have Gaussians too.

    Returns
    -------
    system : System
        Alpha has a flexible loop inside its rigid body, Beta and Gamma a
        flexible tail, the last subunit is a free chain of 5-residue beads.

    Raises
    ------
    ConfigError
        If there are fewer than 20 residues.
    """
    n = residues_per_subunit
    if n < 20:
        raise ConfigError(
            f"residues_per_subunit is {n}, expected at least 20",
            hint="Shorter subunits leave no room for a rigid part and a flexible one.",
        )
    middle, tail = n // 2, n - n // 10
    rigid, nested = BeadKind.RIGID, BeadKind.NESTED
    loop = (
        Segment(1, middle, rigid),
        Segment(middle + 1, middle + 4, nested, 2),
        Segment(middle + 5, n, rigid),
    )
    end = (Segment(1, tail, rigid), Segment(tail + 1, n, nested, 3))
    start = (Segment(1, 4, nested, 4), Segment(5, n, rigid))
    return System(
        (
            Subunit("Alpha", loop, 1, COLOURS[0]),
            Subunit("Beta", start, 1, COLOURS[1]),
            Subunit("Gamma", end, copies, COLOURS[2]),
            Subunit(last_name, (Segment(1, n, BeadKind.FREE, 5),), 1, COLOURS[3]),
        ),
        gaussians,
    )
