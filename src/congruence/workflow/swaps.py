"""Parts of a model that may take each other's place, looked up in its beads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.topology import CopyGroup
from congruence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.topology import Topology
    from congruence.io.sampcon import Units
    from congruence.typing import IntArray

__all__ = ["swap_groups"]


def swap_groups(topology: Topology, groups: Sequence[Units]) -> tuple[CopyGroup, ...]:
    """
    Find the beads of molecules and sub-complexes that may take each other's place.

    Parameters
    ----------
    topology : Topology
        The beads.
    groups : sequence of Units
        From ``read_symmetry``: units as tuples of ``Molecule.copy``.

    Returns
    -------
    groups : tuple of CopyGroup
        Row *k* holds the beads of unit *k*, molecule by molecule, so that a
        column holds beads of equal molecule and place in it, whatever the
        order of molecules in the file.

    Raises
    ------
    InputError
        If a molecule does not exist, or units differ in molecules, residues,
        masses or radii.
    """
    beads: dict[str, list[int]] = {}
    for i, at in enumerate(topology.molecule_index.tolist()):
        molecule = topology.molecules[at]
        beads.setdefault(f"{molecule.name}.{max(molecule.copy, 0)}", []).append(i)
    found = []
    for units in groups:
        missing = [part for unit in units for part in unit if part not in beads]
        if missing:
            raise InputError(
                f"the symmetry names '{missing[0]}', which is not in the models",
                hint=f"There are: {', '.join(sorted(beads)[:20])}.",
            )
        rows = [_unit_beads(unit, beads) for unit in units]
        for unit, row in zip(units[1:], rows[1:], strict=True):
            if problem := _unlike(topology, rows[0], row):
                raise InputError(
                    f"units {'/'.join(units[0])} and {'/'.join(unit)} cannot take each other's "
                    f"place: {problem}",
                    hint="Units must be made of the same molecules, bead by bead.",
                )
        name = "/".join(part.rpartition(".")[0] for part in units[0])
        found.append(CopyGroup(name, -1, tuple(range(len(units))), np.stack(rows)))
    return tuple(found)


def _unit_beads(unit: tuple[str, ...], beads: dict[str, list[int]]) -> IntArray:
    # By molecule, in the order of names: units may list their parts in any order.
    ordered = sorted(unit, key=lambda part: part.rpartition(".")[0])
    return np.array([i for part in ordered for i in beads[part]], dtype=np.int64)


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
