"""Parts of a model that may take each other's place, looked up in its beads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence.core.units import unit_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.topology import CopyGroup, Topology
    from congruence.io.sampcon import Units

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
        See `congruence.core.units.unit_groups`.

    Raises
    ------
    InputError
        If a molecule does not exist, or units differ in molecules, residues,
        masses or radii.
    """
    return unit_groups(topology, groups)
