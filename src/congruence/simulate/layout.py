"""How the complex lies in an RMF file: nodes, static values, values of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence import __version__
from congruence.io.rmf.schema import KeyType, NodeType, empty_data
from congruence.simulate.draft import Draft
from congruence.simulate.features import add_bonds, add_provenance, add_restraints
from congruence.simulate.geometry import rotation_matrices
from congruence.simulate.subunit import RESIDUES, BeadKind, Segment, Subunit, bead_name
from congruence.simulate.system import COARSE

if TYPE_CHECKING:
    from congruence.io.rmf.schema import Record
    from congruence.simulate.arrangement import Poses
    from congruence.simulate.scores import ScoreTable, Scoring
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["Layout", "lay_out"]

_GAUSSIAN = 20
_AXES = np.array([0.8, 0.2, -0.4, 0.4])
"""Orientation of all Gaussians in their bodies: any one that is not the identity."""


@dataclass(frozen=True, eq=False)
class Layout:
    """
    The nodes of a file.

    Parameters
    ----------
    static : dict
        The first static record.
    beads : ndarray, dtype=int64, shape=(n,)
        Node of each fine bead.
    coarse : ndarray, dtype=int64, shape=(c,)
        Node of each bead at resolution 10.
    frames : ndarray, dtype=int64, shape=(w,)
        Nodes that carry a reference frame.
    bodies : ndarray, dtype=int64, shape=(w,)
        Body of each of them.
    flexible : ndarray, dtype=int64, shape=(f,)
        Nodes of the flexible beads.
    gaussians : ndarray, dtype=int64, shape=(g,)
        Nodes of the Gaussians.
    variances : ndarray, dtype=float64, shape=(g,3)
        Of the Gaussians, in Å².
    scores : ndarray, dtype=int64, shape=(s,)
        Feature nodes: connectivity of each molecule, excluded volume twice,
        cross-links twice, each contribution, the linear term.
    """

    static: Record
    beads: IntArray
    coarse: IntArray
    frames: IntArray
    bodies: IntArray
    flexible: IntArray
    gaussians: IntArray
    variances: FloatArray
    scores: IntArray

    def frame_values(
        self, poses: Poses, table: ScoreTable, late: FloatArray | None = None
    ) -> dict[tuple[str, str], tuple[IntArray, FloatArray | Float32Array]]:
        """
        Arrange models as the values of frames.

        Parameters
        ----------
        poses : Poses
            Of *m* models.
        table : ScoreTable
            Of the same models.
        late : ndarray, dtype=float64, shape=(m,), optional
            Score of the feature that `late_record` adds.

        Returns
        -------
        values : dict
            For `RmfWriter.add_frames`.
        """
        score = [
            table.connectivity,
            *(np.repeat(v[:, None], 2, axis=1) for v in (table.excluded_volume, table.data)),
            table.likelihoods,
            table.linear[:, None],
        ]
        nodes = self.scores
        if late is not None:
            score.append(late[:, None])
            nodes = np.append(nodes, len(self.static["nodes"]))
        repeated = np.broadcast_to(self.variances, (len(poses), *self.variances.shape))
        values: dict[tuple[str, str], tuple[IntArray, FloatArray | Float32Array]] = {
            ("feature", "score"): (nodes, np.concatenate(score, axis=1)),
            ("physics", "coordinates"): (self.flexible, poses.flexible),
            ("physics", "rotation"): (self.frames, poses.rotation[:, self.bodies]),
            ("physics", "translation"): (self.frames, poses.translation[:, self.bodies]),
            ("physics", "variances"): (self.gaussians, repeated),
        }
        return {key: (ids, column) for key, (ids, column) in values.items() if len(ids)}

    def late_record(self, pair: tuple[int, int]) -> Record:
        """
        Make the static record that adds a pair term of the excluded volume.

        Parameters
        ----------
        pair : tuple of int
            The two nodes.

        Returns
        -------
        record : dict
            PMI writes one when a pair of beads scores for the first time.
        """
        names = {node["id"]: node["name"] for node in self.static["nodes"]}
        owner = next(n["id"] for n in self.static["nodes"] if n["name"] == "PairsRestraint 0")
        key = next(
            k["id"]
            for k in self.static["keys"]
            if (k["name"], k["type"]) == ("representation", KeyType.INTS.value)
        )
        node = len(names)
        data = empty_data()
        data["ints_data"] = [{"key": key, "values": [{"key": node, "value": list(pair)}]}]
        name = ", ".join(f"'{names[i]}'" for i in pair)
        return {
            "info": {
                "description": "",
                "producer": "",
                "categories": [],
                "node_types": [],
                "frame_types": [],
                "node_sets": [],
            },
            "nodes": [
                {"id": node, "name": name, "type": int(NodeType.FEATURE), "parents": [owner]}
            ],
            "keys": [],
            "data": data,
        }


def lay_out(scoring: Scoring, *, to_root: str = "", frames: int = 1, replicas: int = 1) -> Layout:
    """
    Lay the complex and its restraints out as PMI does.

    Parameters
    ----------
    scoring : Scoring
        The complex and its restraints.
    to_root : str
        Way from the folder of the file to the folder of the cross-links,
        such as ``"../../../"``.
    frames : int
        Frames of the sampling, for the provenance.
    replicas : int
        Replicas of the sampling, for the provenance.

    Returns
    -------
    layout : Layout
        Hierarchy nodes do not depend on anything but the complex.
    """
    draft = Draft(scoring.system)
    out = draft.out
    top = draft.node("System", 0)
    state = draft.node("State_0", top)
    out.set("sequence", "state index", KeyType.INT, state, 0)
    for body, (subunit, copy) in enumerate(scoring.system.molecules):
        _molecule(draft, state, body, subunit, copy)
    add_provenance(draft, top, to_root, frames, replicas)
    add_bonds(draft, top)
    add_restraints(draft, scoring, to_root)
    for category, key, kind in (
        ("feature", "score", KeyType.FLOAT),
        ("physics", "coordinates", KeyType.VECTOR3),
        ("physics", "rotation", KeyType.VECTOR4),
        ("physics", "translation", KeyType.VECTOR3),
    ):
        out.declare(category, key, kind)
    text = "Simulated models with planted truth; not a result of sampling."
    beads = np.array(draft.beads, dtype=np.int64)
    wrappers = np.array(draft.frames, dtype=np.int64).reshape(-1, 2)
    return Layout(
        static=out.record(text, f"congruence {__version__} simulation"),
        beads=beads,
        coarse=np.array(draft.coarse, dtype=np.int64),
        frames=wrappers[:, 0],
        bodies=wrappers[:, 1],
        flexible=beads[scoring.system.flexible],
        gaussians=np.array([node for node, _ in draft.gaussians], dtype=np.int64),
        variances=np.array([v for _, v in draft.gaussians]).reshape(-1, 3),
        scores=np.array(draft.scores, dtype=np.int64),
    )


def _molecule(draft: Draft, state: int, body: int, subunit: Subunit, copy: int) -> None:
    out, molecule = draft.out, draft.system.topology.molecules[body]
    node = draft.node(subunit.name, state)
    out.set("sequence", "copy index", KeyType.INT, node, copy)
    out.set("sequence", "molecule", KeyType.INT, node, 1)
    out.set("sequence", "chain id", KeyType.STRING, node, molecule.chain)
    out.set("sequence", "sequence", KeyType.STRING, node, molecule.sequence)
    out.set("sequence", "chain type", KeyType.STRING, node, molecule.chain_type)
    for segment in subunit.segments:
        name = f"Frag_{segment.first}-{segment.last}"
        fragment = draft.node(name, node)
        draft.residues(fragment, tuple(range(segment.first, segment.last + 1)))
        draft.resolution(fragment, segment.bead_size)
        if segment.kind is BeadKind.RIGID:
            _alternatives(draft, fragment, body, subunit, segment)
        wrapper = draft.wrapper(f"{name}: Res {segment.bead_size}", fragment, body, segment)
        for bead in segment.beads():
            _bead(draft, wrapper, subunit, segment, bead)


def _bead(
    draft: Draft, wrapper: int, subunit: Subunit, segment: Segment, bead: tuple[int, ...]
) -> None:
    number = len(draft.beads)
    node = draft.node(bead_name(segment, bead), wrapper)
    draft.beads.append(node)
    draft.sphere(node, float(draft.system.topology.mass[number]), subunit.colour)
    if segment.kind is BeadKind.RIGID:
        letter = subunit.sequence[bead[0] - 1]
        draft.out.set("sequence", "residue index", KeyType.INT, node, bead[0])
        draft.out.set("sequence", "residue type", KeyType.STRING, node, RESIDUES[letter][0])
        place = draft.system.local[number]
        draft.out.set("physics", "coordinates", KeyType.VECTOR3, node, place)
    else:
        draft.residues(node, bead)
        draft.coarse.append(node)


def _alternatives(
    draft: Draft, fragment: int, body: int, subunit: Subunit, segment: Segment
) -> None:
    """Add the roots of the coarse beads and of the Gaussians: orphans, as in PMI's files."""
    out, first = draft.out, len(draft.beads)
    name = f"Frag_{segment.first}-{segment.last}"
    roots = [draft.wrapper(f"{name}: Res {COARSE}", None, body, segment)]
    draft.resolution(roots[0], COARSE)
    for bead in segment.beads(COARSE):
        rows = first + np.array(bead) - segment.first
        node = draft.node(f"Fragment [{bead[0]}-{bead[-1] + 1})", roots[0])
        draft.coarse.append(node)
        draft.sphere(node, float(draft.system.topology.mass[rows].sum()), subunit.colour)
        draft.residues(node, bead)
        place = draft.system.local[rows].mean(axis=0)
        out.set("physics", "coordinates", KeyType.VECTOR3, node, place)
    if draft.system.gaussians:
        roots.append(draft.wrapper(f"{name}: Densities {_GAUSSIAN}", None, body, segment))
        draft.resolution(roots[1], _GAUSSIAN)
        for number, bead in enumerate(segment.beads(_GAUSSIAN)):
            rows = first + np.array(bead) - segment.first
            _gaussian(draft, draft.node(f"Density #{number}", roots[1]), rows, subunit)
    out.set("alternatives", "types", KeyType.INTS, fragment, list(range(len(roots))))
    out.set("alternatives", "roots", KeyType.INTS, fragment, roots)


def _gaussian(draft: Draft, node: int, rows: IntArray, subunit: Subunit) -> None:
    local, out = draft.system.local[rows], draft.out
    center = local.mean(axis=0)
    along = np.einsum("ij,ni->nj", rotation_matrices(_AXES), local - center)
    variances = (along**2).mean(axis=0) + 4.0
    draft.sphere(node, float(draft.system.topology.mass[rows].sum()), subunit.colour)
    out.set("physics", "coordinates", KeyType.VECTOR3, node, (0.0, 0.0, 0.0))
    out.set("physics", "rotation", KeyType.VECTOR4, node, _AXES)
    out.set("physics", "translation", KeyType.VECTOR3, node, center)
    out.set("physics", "variances", KeyType.VECTOR3, node, variances)
    draft.gaussians.append((node, variances))
