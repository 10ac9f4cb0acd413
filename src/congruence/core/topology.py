"""What a model is made of: beads, the molecules they belong to, and copies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.core.units import UnitsLike
    from congruence.typing import FloatArray, IntArray

__all__ = ["ABSENT", "CopyGroup", "Molecule", "Topology", "Units"]

Units: TypeAlias = tuple[tuple[str, ...], ...]
"""Interchangeable units of one group; a unit is some ``Molecule.copy``."""

ABSENT = -1
"""Value of a state or copy index that the file does not give."""

_COLUMNS = (
    "residues",
    "radius",
    "mass",
    "resolution",
    "bead_name",
    "residue_type",
    "atom_name",
    "node_id",
)


@dataclass(frozen=True, slots=True)
class Molecule:
    """
    One molecule of one state.

    Parameters
    ----------
    name : str
        Name of the molecule; copies of one molecule share it. Empty for
        beads that belong to no molecule.
    copy : int
        Copy index, or -1 when the file gives none.
    state : int
        State index, or -1 when the file gives none.
    chain : str
        Chain identifier, possibly of several letters or empty.
    sequence : str
        One-letter sequence, or empty.
    chain_type : str
        Kind of chain, such as ``"LPolypeptide"``.
    """

    name: str
    copy: int = ABSENT
    state: int = ABSENT
    chain: str = ""
    sequence: str = ""
    chain_type: str = ""

    def __str__(self) -> str:
        copy = f"@{self.copy}" if self.copy != ABSENT else ""
        state = f"%{self.state}" if self.state != ABSENT else ""
        return f"{self.name or '(no molecule)'}{copy}{state}"


@dataclass(frozen=True, slots=True, eq=False)
class CopyGroup:
    """
    Copies of one molecule, or of one sub-complex, that may take each other's place.

    Parameters
    ----------
    molecule : str
        Name that the copies share; of a sub-complex such as ``"A/B"``.
    state : int
        State that they belong to, or -1.
    copies : tuple of int
        Copy indices, in order of appearance; of sub-complexes 0, 1, ...
    beads : ndarray, dtype=int64, shape=(c,b)
        Bead indices; row *r* holds the beads of ``copies[r]`` in order, so
        that a column holds equivalent beads.
    parts : tuple of CopyGroup
        The molecules of a sub-complex, each as a group whose row *r* belongs to
        unit *r*; they change places together. Empty for a single molecule.
    """

    molecule: str
    state: int
    copies: tuple[int, ...]
    beads: IntArray
    parts: tuple[CopyGroup, ...] = ()

    @property
    def molecules(self) -> tuple[CopyGroup, ...]:
        """The group, molecule by molecule."""
        return self.parts or (self,)


@dataclass(frozen=True, eq=False)
class Topology:
    """
    The beads of a model, in hierarchy (depth-first) order.

    Parameters
    ----------
    molecules : tuple of Molecule
        Molecules, in order of appearance.
    molecule_index : ndarray, dtype=int64, shape=(n,)
        For each bead the position of its molecule in `molecules`.
    residues : tuple of tuple of int
        For each bead its residue numbers, in the file's order; empty for a
        bead that stands for no residue.
    radius : ndarray, dtype=float64, shape=(n,)
        Bead radii in Å.
    mass : ndarray, dtype=float64, shape=(n,)
        Bead masses in Da.
    resolution : ndarray, dtype=float64, shape=(n,)
        Residues per bead of the representation the bead belongs to; NaN
        where the file does not say.
    bead_name : tuple of str
        Node names, decorative.
    residue_type : tuple of str
        Residue type such as ``"ALA"``; empty unless the bead is a residue
        or an atom.
    atom_name : tuple of str
        Atom name such as ``"CA"``; empty unless the bead is an atom.
    node_id : ndarray, dtype=int64, shape=(n,)
        Node of each bead in the file it was read from. Never compared.
    units : tuple of units
        Sub-complexes that change places as one, see `with_units`.

    Raises
    ------
    ShapeError
        If the columns differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from congruence.core.topology import Molecule, Topology
    >>> one = Topology.simple([Molecule("A", 0), Molecule("A", 1)], beads_per_molecule=2)
    >>> len(one), one.residue_counts.tolist(), one.copy_groups()[0].beads.tolist()
    (4, [1, 1, 1, 1], [[0, 1], [2, 3]])
    """

    molecules: tuple[Molecule, ...]
    molecule_index: IntArray
    residues: tuple[tuple[int, ...], ...]
    radius: FloatArray
    mass: FloatArray
    resolution: FloatArray
    bead_name: tuple[str, ...]
    residue_type: tuple[str, ...]
    atom_name: tuple[str, ...]
    node_id: IntArray = field(repr=False)
    units: tuple[Units, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.molecule_index)
        for name in _COLUMNS:
            if len(getattr(self, name)) != n:
                raise ShapeError(
                    f"topology column '{name}' has {len(getattr(self, name))} entries, expected {n}"
                )

    @classmethod
    def simple(cls, molecules: list[Molecule], *, beads_per_molecule: int) -> Topology:
        """
        Make a topology of one-residue beads, for tests and examples.

        Parameters
        ----------
        molecules : list of Molecule
            The molecules.
        beads_per_molecule : int
            Beads of each, numbered from residue 1.

        Returns
        -------
        topology : Topology
            Beads of radius 3 Å, mass 110 Da and resolution 1.
        """
        n = len(molecules) * beads_per_molecule
        numbers = [r + 1 for _ in molecules for r in range(beads_per_molecule)]
        return cls(
            molecules=tuple(molecules),
            molecule_index=np.repeat(np.arange(len(molecules)), beads_per_molecule),
            residues=tuple((r,) for r in numbers),
            radius=np.full(n, 3.0),
            mass=np.full(n, 110.0),
            resolution=np.ones(n),
            bead_name=tuple(str(r) for r in numbers),
            residue_type=("ALA",) * n,
            atom_name=("",) * n,
            node_id=np.arange(n),
        )

    def __len__(self) -> int:
        return len(self.molecule_index)

    @cached_property
    def residue_counts(self) -> IntArray:
        """Residues per bead, shape (n,); 1 for an atom or a bead without residues."""
        return np.array([max(len(r), 1) for r in self.residues], dtype=np.int64)

    @cached_property
    def state(self) -> IntArray:
        """State index of each bead, shape (n,); -1 where absent."""
        return self._per_molecule([m.state for m in self.molecules])

    @cached_property
    def copy(self) -> IntArray:
        """Copy index of each bead, shape (n,); -1 where absent."""
        return self._per_molecule([m.copy for m in self.molecules])

    def _per_molecule(self, values: list[int]) -> IntArray:
        return np.array(values, dtype=np.int64)[self.molecule_index]

    @cached_property
    def molecule_names(self) -> tuple[str, ...]:
        """Distinct names of molecules, in order of appearance."""
        return tuple(dict.fromkeys(m.name for m in self.molecules if m.name))

    def identity(self, bead: int) -> tuple[int, str, int, tuple[int, ...], float | None]:
        """
        Return what makes a bead the same bead in two files.

        Parameters
        ----------
        bead : int
            Index of the bead.

        Returns
        -------
        identity : tuple
            State, molecule, copy, residues and resolution (None if unknown).
        """
        molecule = self.molecules[self.molecule_index[bead]]
        resolution = float(self.resolution[bead])
        known = None if np.isnan(resolution) else round(resolution, 3)
        return (molecule.state, molecule.name, molecule.copy, self.residues[bead], known)

    def _identities(self) -> Iterator[tuple[int, str, int, tuple[int, ...], float | None]]:
        return (self.identity(i) for i in range(len(self)))

    @cached_property
    def key(self) -> str:
        """
        Digest of the ordered list of bead identities.

        Two files have the same topology when their keys are equal: radii,
        masses, names, static coordinates and node numbers do not count.
        """
        digest = hashlib.sha256()
        for identity in self._identities():
            digest.update(repr(identity).encode())
        return digest.hexdigest()

    def first_difference(self, other: Topology) -> str:
        """
        Describe where two ordered bead lists first differ.

        Parameters
        ----------
        other : Topology
            The topology to compare with.

        Returns
        -------
        difference : str
            One sentence, or an empty string when the lists are equal.
        """
        if self.key == other.key:
            return ""
        for i, (mine, theirs) in enumerate(
            zip(self._identities(), other._identities(), strict=False)
        ):
            if mine != theirs:
                return f"bead {i} is {_describe(mine)} in the first and {_describe(theirs)} in the second"
        return f"the first has {len(self)} beads and the second {len(other)}"

    def property_differences(self, other: Topology) -> int:
        """
        Count beads whose radius or mass differs between two equal bead lists.

        Parameters
        ----------
        other : Topology
            A topology with the same `key`.

        Returns
        -------
        count : int
            Beads with a radius or mass that differs by more than 1e-3.
        """
        differs = (np.abs(self.radius - other.radius) > 1e-3) | (
            np.abs(self.mass - other.mass) > 1e-3
        )
        return int(differs.sum())

    def take(self, beads: IntArray) -> Topology:
        """
        Return the topology of some beads, in the given order.

        Parameters
        ----------
        beads : ndarray, dtype=int64, shape=(b,)
            Bead indices.

        Returns
        -------
        topology : Topology
            With the same table of molecules.
        """
        beads = np.asarray(beads, dtype=np.int64)
        rows = beads.tolist()
        return Topology(
            molecules=self.molecules,
            molecule_index=self.molecule_index[beads],
            residues=tuple(self.residues[i] for i in rows),
            radius=self.radius[beads],
            mass=self.mass[beads],
            resolution=self.resolution[beads],
            bead_name=tuple(self.bead_name[i] for i in rows),
            residue_type=tuple(self.residue_type[i] for i in rows),
            atom_name=tuple(self.atom_name[i] for i in rows),
            node_id=self.node_id[beads],
            units=self.units,
        )

    def with_units(self, units: Sequence[UnitsLike]) -> Topology:
        """
        Say which sub-complexes may take each other's place.

        Parameters
        ----------
        units : sequence of str or of units
            Groups as `congruence.core.units.parse_units` reads them.

        Returns
        -------
        topology : Topology
            Its `copy_groups` are these units and the copies of other molecules.

        Raises
        ------
        InputError, ConfigError
            As `congruence.core.units.unit_groups`.

        Examples
        --------
        >>> four = [Molecule("A", 0), Molecule("A", 1), Molecule("B", 0), Molecule("B", 1)]
        >>> topology = Topology.simple(four, beads_per_molecule=1).with_units(["A.0/B.0 A.1/B.1"])
        >>> [group.molecule for group in topology.copy_groups()]
        ['A/B']
        """
        from congruence.core.units import as_units, unit_groups

        several = as_units(units)
        unit_groups(self, several)
        return replace(self, units=several) if several else self

    def copy_groups(self) -> tuple[CopyGroup, ...]:
        """
        Find the molecules with several copies that are equal bead by bead.

        Returns
        -------
        groups : tuple of CopyGroup
            One per molecule name and state with two or more copies whose
            residues, in order, and resolutions agree. Copies that differ
            from the first (for example one with a missing loop) are not
            interchangeable and are left out. Groups of `units` that are whole
            come first; their molecules are in no other group.
        """
        return self._copy_groups

    @cached_property
    def _copy_groups(self) -> tuple[CopyGroup, ...]:
        from congruence.core.units import find_copy_groups

        return find_copy_groups(self)


def _describe(identity: tuple[int, str, int, tuple[int, ...], float | None]) -> str:
    state, name, copy, residues, resolution = identity
    span = f" {residues[0]}-{residues[-1]}" if len(residues) > 1 else ""
    span = f" {residues[0]}" if len(residues) == 1 else span
    at = "" if resolution is None else f" at resolution {resolution:g}"
    return f"{Molecule(name, copy, state)}{span}{at}"
