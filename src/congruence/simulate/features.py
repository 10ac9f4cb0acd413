"""Nodes beside the hierarchy: provenance, bonds, restraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence import __version__
from congruence.io.rmf.schema import KeyType, NodeType
from congruence.simulate.scores import LABEL, PSI, SLOPE, CrossLink, Scoring

if TYPE_CHECKING:
    from congruence.simulate.draft import Draft

__all__ = ["add_bonds", "add_provenance", "add_restraints"]


def add_provenance(draft: Draft, top: int, to_root: str, frames: int, replicas: int) -> None:
    """
    Add the chain sampling, script, software.

    Parameters
    ----------
    draft : Draft
        The nodes so far.
    top : int
        Node of the system.
    to_root : str
        Way from the folder of the file to that of the script.
    frames : int
        Frames of the sampling.
    replicas : int
        Replicas of the sampling.
    """
    out = draft.out
    sampling = out.add_node("sampling", NodeType.PROVENANCE, top)
    out.set("provenance", "sampling method", KeyType.STRING, sampling, "Monte Carlo")
    out.set("provenance", "sampling frames", KeyType.INT, sampling, frames)
    out.set("provenance", "sampling iterations", KeyType.INT, sampling, 10)
    out.set("provenance", "sampling replicas", KeyType.INT, sampling, replicas)
    script = out.add_node("script", NodeType.PROVENANCE, sampling)
    out.set("provenance", "script filename", KeyType.STRING, script, f"{to_root}modeling.py")
    node = script
    for name in ("congruence.simulate", "NumPy"):
        node = out.add_node("software", NodeType.PROVENANCE, node)
        out.set("provenance", "software name", KeyType.STRING, node, name)
        out.set("provenance", "software version", KeyType.STRING, node, __version__)
        out.set("provenance", "software location", KeyType.STRING, node, "simulated")


def add_bonds(draft: Draft, top: int) -> None:
    """
    Add a bond node between beads that follow each other.

    Parameters
    ----------
    draft : Draft
        The nodes so far.
    top : int
        Node of the system.
    """
    group = draft.out.add_node("bonds", NodeType.ORGANIZATIONAL, top)
    body = draft.system.body
    for i in np.flatnonzero(body[1:] == body[:-1]).tolist():
        node = draft.out.add_node("bond", NodeType.BOND, group)
        draft.out.set("physics", "bonded 0", KeyType.INT, node, draft.beads[i])
        draft.out.set("physics", "bonded 1", KeyType.INT, node, draft.beads[i + 1])


def add_restraints(draft: Draft, scoring: Scoring, to_root: str) -> None:
    """
    Add the feature nodes, in the order that ``Layout.scores`` promises.

    Parameters
    ----------
    draft : Draft
        The nodes so far.
    scoring : Scoring
        The restraints.
    to_root : str
        Way from the folder of the file to that of the cross-links.
    """
    out = draft.out
    for body, (subunit, copy) in enumerate(draft.system.molecules):
        chain = [draft.beads[i] for i in np.flatnonzero(draft.system.body == body)]
        label = subunit.name + (f".{copy}" if copy else "")
        draft.feature(f"ConnectivityRestraint_{label}", 0, chain)
    volume = draft.feature("ExcludedVolumeSphere", 0, draft.coarse)
    draft.feature("PairsRestraint 0", volume, draft.coarse)
    ends = sorted({draft.beads[i] for i in scoring.pairs.ravel().tolist()})
    data = draft.feature("CrossLinkingMassSpectrometryRestraint_Data", 0, ends)
    restraint = "IMP restraint"
    kind = "IMP.pmi.CrossLinkingMassSpectrometryRestraint"
    out.set(restraint, "type", KeyType.STRING, data, kind)
    out.set(restraint, "linker length", KeyType.FLOAT, data, 21.0)
    out.set(restraint, "linker author name", KeyType.STRING, data, "DSS")
    out.set(restraint, "slope", KeyType.FLOAT, data, SLOPE)
    path = f"{to_root}crosslinks.csv"
    out.set("IMP restraint files", "filename", KeyType.STRING, data, path)
    wrapper = draft.feature("LogWrapper 0", data, ends)
    nuisances: list[int] = []
    for link in scoring.crosslinks:
        for label, beads in zip(link.labels, link.beads, strict=True):
            _link(draft, wrapper, link, label, [draft.beads[b] for b in beads], nuisances)
    draft.feature("CrossLinkingMassSpectrometryRestraint_Linear", 0, ends)
    prior = draft.feature(
        "CrossLinkingMassSpectrometryRestraint_PriorPsi", 0, nuisances, scored=False
    )
    draft.feature(f"UniformPrior_{LABEL}", prior, nuisances, scored=False)


def _link(
    draft: Draft,
    parent: int,
    link: CrossLink,
    label: str,
    nodes: list[int],
    nuisances: list[int],
) -> None:
    out = draft.out
    node = draft.feature(label, parent, nodes)
    for i in (0, 1):
        out.set("IMP restraint", f"protein{i + 1}", KeyType.STRING, node, link.names[i])
        out.set("IMP restraint", f"residue{i + 1}", KeyType.INT, node, link.residues[i])
    psis = out.add_node("psis", NodeType.ORGANIZATIONAL, node)
    if nuisances:
        alias = out.add_node("PSI", NodeType.ALIAS, psis)
        out.set("alias", "aliased", KeyType.INT, alias, nuisances[0])
    else:
        nuisances.append(out.add_node("PSI", NodeType.REPRESENTATION, psis))
        out.set("uncertainty", "scale", KeyType.FLOAT, nuisances[0], PSI)
    endpoints = out.add_node("endpoints", NodeType.ORGANIZATIONAL, node)
    for bead in nodes:
        alias = out.add_node("end", NodeType.ALIAS, endpoints)
        out.set("alias", "aliased", KeyType.INT, alias, bead)
