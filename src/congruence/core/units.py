"""
Units that may take each other's place: molecules, or sub-complexes that move as one.

`Topology.copy_groups` finds the copies of single molecules by itself. That the
sub-complex of A and B occurs twice, so that A.0 and B.0 change places with A.1 and
B.1 together or not at all, is something only the user knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.core.topology import CopyGroup, Units
from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    from congruence.core.topology import Topology
    from congruence.typing import IntArray

__all__ = ["UnitsLike", "as_units", "find_copy_groups", "parse_units", "unit_groups", "units_text"]

UnitsLike: TypeAlias = str | Sequence[Sequence[str]]
"""Units of one group: as a line of text, or each as its ``Molecule.copy``."""


def parse_units(text: str) -> Units:
    """
    Read the units of one group.

    Parameters
    ----------
    text : str
        Two or more units separated by white space; a unit is ``Molecule.copy``
        or a sub-complex ``A.0/B.0``. The name may hold dots. A molecule without
        copy number in the file is copy 0.

    Returns
    -------
    units : tuple of tuple of str
        Each unit as its ``Molecule.copy``.

    Raises
    ------
    ConfigError
        If a copy number is missing, a part is named twice, or units differ in
        the number of parts.

    Examples
    --------
    >>> parse_units("A.0/B.0 A.1/B.1")
    (('A.0', 'B.0'), ('A.1', 'B.1'))
    """
    units = tuple(tuple(unit.split("/")) for unit in text.split())
    _check(units)
    return units


def as_units(units: Sequence[UnitsLike]) -> tuple[Units, ...]:
    """
    Read the units of several groups.

    Parameters
    ----------
    units : sequence of str or of units
        One entry per group.

    Returns
    -------
    units : tuple of units
        One entry per group.

    Raises
    ------
    ConfigError
        As `parse_units`.
    """
    return tuple(
        parse_units(group if isinstance(group, str) else units_text(tuple(map(tuple, group))))
        for group in units
    )


def units_text(units: Units) -> str:
    """
    Write the units of one group as `parse_units` reads them.

    Parameters
    ----------
    units : tuple of tuple of str
        Each unit as its ``Molecule.copy``.

    Returns
    -------
    text : str
        Such as ``"A.0/B.0 A.1/B.1"``.
    """
    return " ".join("/".join(unit) for unit in units)


def unit_groups(topology: Topology, units: Sequence[UnitsLike]) -> tuple[CopyGroup, ...]:
    """
    Find the beads of units that may take each other's place.

    Parameters
    ----------
    topology : Topology
        The beads.
    units : sequence of str or of units
        One entry per group, see `parse_units`.

    Returns
    -------
    groups : tuple of CopyGroup
        For ``Metric.copies``, one per group and state that holds it. Row *k* holds
        the beads of unit *k*, molecule by molecule, so that a column holds
        equivalent beads, whatever the order of molecules in the file. Of a
        molecule that a unit names more than once the order is that of the unit.
        Copies within a unit keep their places.

    Raises
    ------
    InputError
        If a molecule does not exist, is in two units, or units differ in
        molecules, residues, masses or radii.
    ConfigError
        As `parse_units`.

    Examples
    --------
    >>> from congruence.core.topology import Molecule, Topology
    >>> four = [Molecule("A", 0), Molecule("A", 1), Molecule("B", 0), Molecule("B", 1)]
    >>> topology = Topology.simple(four, beads_per_molecule=1)
    >>> group, = unit_groups(topology, ["A.0/B.0 A.1/B.1"])
    >>> group.molecule, group.beads.tolist()
    ('A/B', [[0, 2], [1, 3]])
    """
    every = as_units(units)
    parts = [part for group in every for unit in group for part in unit]
    twice = [part for part in parts if parts.count(part) > 1]
    if twice:
        raise InputError(
            f"'{twice[0]}' is in more than one unit", hint="A molecule belongs to one unit."
        )
    found = []
    for group in every:
        found += _groups(topology, group)
    return tuple(found)


def find_copy_groups(topology: Topology) -> tuple[CopyGroup, ...]:
    """
    Do what `Topology.copy_groups` documents.

    Parameters
    ----------
    topology : Topology
        The beads.

    Returns
    -------
    groups : tuple of CopyGroup
        Those of its units, then those of other molecules.
    """
    groups: list[CopyGroup] = []
    for units in topology.units:
        # Of a part of the beads units may be incomplete: they then keep their places.
        with suppress(InputError):
            groups += unit_groups(topology, [units])
    taken = {part for units in topology.units for unit in units for part in unit}
    members: dict[tuple[int, str], list[tuple[int, IntArray]]] = {}
    for i, m in enumerate(topology.molecules):
        if m.name and f"{m.name}.{max(m.copy, 0)}" not in taken:
            beads = np.flatnonzero(topology.molecule_index == i)
            members.setdefault((m.state, m.name), []).append((m.copy, beads))
    for (state, name), several in members.items():
        alike = [(c, b) for c, b in several if _alike(topology, several[0][1], b)]
        if len(alike) > 1 and len(alike[0][1]):
            copies, rows = zip(*alike, strict=True)
            groups.append(CopyGroup(name, state, copies, np.stack(rows)))
    return tuple(groups)


def _alike(topology: Topology, one: IntArray, two: IntArray) -> bool:
    return len(one) == len(two) and all(
        topology.residues[i] == topology.residues[j]
        and np.array_equal(topology.resolution[i], topology.resolution[j], equal_nan=True)
        for i, j in zip(one.tolist(), two.tolist(), strict=True)
    )


def _check(units: Units) -> None:
    parts = [part for unit in units for part in unit]
    wrong = [part for part in parts if not re.fullmatch(r".+\.\d+", part)]
    if wrong:
        raise ConfigError(
            f"'{wrong[0]}' has no copy number", hint="Write Molecule.copy, such as Nup84.0."
        )
    if len({len(unit) for unit in units}) != 1 or len(units) < 2:
        raise ConfigError(
            f"'{units_text(units)}': a group needs two or more units of equally many parts",
            hint="Write A.0 A.1, or A.0/B.0 A.1/B.1 for sub-complexes.",
        )
    twice = [part for part in parts if parts.count(part) > 1]
    if twice:
        raise ConfigError(f"'{twice[0]}' is named twice", hint="A molecule belongs to one unit.")


def _groups(topology: Topology, units: Units) -> list[CopyGroup]:
    """Return the group in each state that holds all of its parts."""
    there = _molecules(topology)
    named = {part for _, part in there}
    missing = [part for unit in units for part in unit if part not in named]
    if missing:
        raise InputError(
            f"the units name '{missing[0]}', which is not in the models",
            hint=f"There are: {', '.join(sorted(named)[:20])}.",
        )
    states = dict.fromkeys(state for state, _ in there)
    whole = [s for s in states if all((s, part) in there for unit in units for part in unit)]
    if not whole:
        raise InputError(
            f"no state holds all of {units_text(units)}",
            hint="Units change places within one state.",
        )
    return [_group(topology, units, state, there) for state in whole]


def _molecules(topology: Topology) -> dict[tuple[int, str], list[int]]:
    """Return the beads of each molecule with beads, by state and ``Molecule.copy``."""
    beads: dict[tuple[int, str], list[int]] = {}
    for i, at in enumerate(topology.molecule_index.tolist()):
        molecule = topology.molecules[at]
        part = f"{molecule.name}.{max(molecule.copy, 0)}"
        beads.setdefault((molecule.state, part), []).append(i)
    return beads


def _group(
    topology: Topology, units: Units, state: int, there: dict[tuple[int, str], list[int]]
) -> CopyGroup:
    # By molecule, in the order of names: units may list their parts in any order.
    ordered = [sorted(unit, key=_name) for unit in units]
    rows = [
        np.array([i for part in unit for i in there[state, part]], np.int64) for unit in ordered
    ]
    for unit, row in zip(units[1:], rows[1:], strict=True):
        if problem := _unlike(topology, rows[0], row):
            raise InputError(
                f"units {'/'.join(units[0])} and {'/'.join(unit)} cannot take each other's "
                f"place: {problem}",
                hint="Units must be made of the same molecules, bead by bead.",
            )
    widths = [len(there[state, part]) for part in ordered[0]]
    parts = []
    for at, (name, stop) in enumerate(zip(map(_name, ordered[0]), np.cumsum(widths), strict=True)):
        own = [topology.molecules[topology.molecule_index[row[stop - 1]]].copy for row in rows]
        beads = np.stack([row[stop - widths[at] : stop] for row in rows])
        parts.append(CopyGroup(name, state, tuple(own), beads))
    if len(parts) == 1:
        return parts[0]
    name = "/".join(map(_name, units[0]))
    return CopyGroup(name, state, tuple(range(len(units))), np.stack(rows), tuple(parts))


def _name(part: str) -> str:
    return part.rpartition(".")[0]


def _unlike(topology: Topology, one: IntArray, two: IntArray) -> str:
    if len(one) != len(two):
        return f"they have {len(one)} and {len(two)} beads"
    for i, j in zip(one.tolist(), two.tolist(), strict=True):
        names = [topology.molecules[topology.molecule_index[b]].name for b in (i, j)]
        if names[0] != names[1] or topology.residues[i] != topology.residues[j]:
            return f"bead {i} ({names[0]}) and bead {j} ({names[1]}) are of different residues"
        same = np.isclose(topology.radius[i], topology.radius[j], atol=1e-3)
        if not same or not np.isclose(topology.mass[i], topology.mass[j], atol=1e-3):
            return f"bead {i} and bead {j} differ in radius or mass"
    return ""
