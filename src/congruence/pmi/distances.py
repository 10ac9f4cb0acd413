"""
The distance of the reference, said in our words.

Superposition without weights on the alignment components, RMSD weighted by
residues over the measured components, copies interchangeable. Overlapping
components count twice. Unlike in the reference one assignment of copies serves
superposition and RMSD together, which can only make a distance smaller.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.placement import Placement
from congruence.pmi.components import Parts, interchangeable, resolve_components
from congruence.pmi.voice import current_reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.compute.metric import Metric
    from congruence.core.topology import CopyGroup, Topology
    from congruence.typing import FloatArray

__all__ = ["Carrier", "metric_of", "parts_of"]


def parts_of(
    measured: Mapping[str, object] | None,
    superposed: Mapping[str, object] | None,
    whole: Topology,
    topology: Topology,
) -> Parts:
    """
    Find what is measured, superposed and interchangeable.

    Parameters
    ----------
    measured, superposed : mapping of str to object, or None
        ``rmsd_calculation_components`` and ``alignment_components``.
    whole : Topology
        Beads of every state.
    topology : Topology
        Beads of the state that is analysed.

    Returns
    -------
    parts : Parts
        A warning says where the reference would superpose on other beads.
    """
    rmsd = resolve_components(measured, whole, topology, argument="rmsd_calculation_components")
    fit = (
        resolve_components(superposed, whole, topology, argument="alignment_components")
        if superposed
        else ()
    )
    by_label = {component.label: component.beads for component in rmsd}
    for component in fit:
        reference = by_label.get(component.label)
        if reference is not None and not np.array_equal(reference, component.beads):
            current_reporter().warn(
                f"alignment component '{component.label}' has {len(component.beads)} beads and these "
                f"are superposed; the reference takes the {len(reference)} beads of the RMSD "
                "component of that name instead, so its distances are others"
            )
    return Parts(rmsd, fit, interchangeable(rmsd, topology))


def metric_of(parts: Parts, residues: FloatArray) -> Metric:
    """
    Return the definition of the distance.

    Parameters
    ----------
    parts : Parts
        What is measured and superposed.
    residues : ndarray, dtype=float64, shape=(n,)
        Weight of each bead: its number of residues.

    Returns
    -------
    metric : Metric
        For `congruence.compute.rmsd`.
    """
    from congruence.compute.metric import Metric

    measured = parts.counts(parts.measured, len(residues))
    beads, weights = np.flatnonzero(measured), measured * residues
    if not parts.superposed:
        return Metric("none", measure=beads, weights=weights, copies=parts.groups)
    fitted = parts.counts(parts.superposed, len(residues))
    return Metric(
        "superpose",
        measure=beads,
        weights=weights,
        on=np.flatnonzero(fitted),
        fit_weights=fitted,
        copies=parts.groups,
    )


class Carrier:
    """
    Carries placements over to another representation of the same molecules.

    Groups that are no copies of one molecule there are left out.

    Parameters
    ----------
    groups : tuple of CopyGroup
        The groups that the placements assign.
    topology : Topology
        Beads of a representation, coarse or fine.
    """

    def __init__(self, groups: tuple[CopyGroup, ...], topology: Topology) -> None:
        there = {(g.molecule, g.state): g for g in topology.copy_groups()} if groups else {}
        found = [(at, _rows(group, there)) for at, group in enumerate(groups)]
        self._kept = [at for at, group in found if group is not None]
        self.groups: tuple[CopyGroup, ...] = tuple(g for _, g in found if g is not None)

    def carry(self, placement: Placement) -> Placement:
        """
        Return the same motion with one permutation for each of `groups`.

        Parameters
        ----------
        placement : Placement
            Where a model is put.

        Returns
        -------
        placement : Placement
            To be applied with ``self.groups``.
        """
        kept = tuple(placement.assignment[at] for at in self._kept)
        return Placement(placement.rotation, placement.translation, kept)


def _rows(group: CopyGroup, there: Mapping[tuple[str, int], CopyGroup]) -> CopyGroup | None:
    match = there.get((group.molecule, group.state))
    if match is None or not set(group.copies) <= set(match.copies):
        return None
    rows = [match.copies.index(copy) for copy in group.copies]
    return replace(match, copies=group.copies, beads=match.beads[rows])
