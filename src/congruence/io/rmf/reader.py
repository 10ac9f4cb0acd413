"""The RMF3 file as one object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import SelectionError
from congruence.io.rmf.beads import Gaussians
from congruence.io.rmf.frames import FramePayload
from congruence.io.rmf.opened import OpenFile, shared
from congruence.io.rmf.provenance import chain_below, structure_steps
from congruence.io.rmf.representation import GAUSSIANS, PARTICLES
from congruence.io.rmf.restraints import find_restraints
from congruence.io.rmf.stat import stat_columns, stat_names
from congruence.io.rmf.values import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.topology import Topology
    from congruence.io.rmf.lookup import Node
    from congruence.io.rmf.opened import Frames, Want
    from congruence.io.rmf.provenance import Plain, ProvenanceStep
    from congruence.io.rmf.restraints import Restraint
    from congruence.io.rmf.schema import Record
    from congruence.typing import FloatArray, ObjectArray

__all__ = ["RmfFile", "open_rmf"]


class RmfFile(OpenFile):
    """
    An RMF3 file, read lazily.

    Opening looks at the header and the first block. Frames are found by an
    index that grows as far as it is needed; static data are decoded once per
    process for equal bytes. Frames are addressed by their number as stored in
    the file, which is 0, 1, 2, ... unless the file is damaged. Safe to share
    between threads; pickled as its path.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty.
    FormatError
        If it is not an RMF3 file, or none of its records is whole.
    """

    def topology(self, resolution: Want = 1, *, state: int | None = None) -> Topology:
        """
        Return the beads at a resolution.

        Parameters
        ----------
        resolution : float or 'all', optional
            Residues per bead. Of each part of a molecule the nearest
            representation is taken (largest over smallest resolution less
            one; 0 is the finest). ``'all'`` takes every representation.
        state : int, optional
            Only beads of the state with this index; of no effect in files
            without states.

        Returns
        -------
        topology : Topology
            In depth-first order of the hierarchy. The same object for every
            call and for every file with equal static data.

        Raises
        ------
        SelectionError
            If the file has states and this is none of them.
        """
        return self._read_beads(resolution, state, PARTICLES).topology

    def coordinates(
        self, frames: Frames = None, resolution: Want = 1, *, state: int | None = None
    ) -> FloatArray:
        """
        Read global coordinates of beads.

        Numbers that the file holds as NaN stay NaN.

        Parameters
        ----------
        frames : sequence of int, slice, int or None, optional
            Numbers of frames; None for all, in file order. A slice runs over
            frame numbers and takes those that are there.
        resolution : float or 'all', optional
            As in `topology`.
        state : int, optional
            As in `topology`.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(f,n,3)
            In Å, beads in the order of `topology`.

        Raises
        ------
        InputError
            If a frame is not there.
        FormatError
            If a frame is damaged.
        """
        chosen = self._chosen(frames)
        beads = self._read_beads(resolution, state, PARTICLES)
        return beads.coordinates(self._values, chosen, self.path)

    def gaussians(
        self, frames: Frames = None, resolution: Want = 10, *, state: int | None = None
    ) -> Gaussians:
        """
        Read the Gaussians that stand for molecules.

        Only leaves under a Gaussian representation count. Flexible beads
        without one, which IMP's selection returns in some files, do not.

        Parameters
        ----------
        frames : sequence of int, slice, int or None, optional
            As in `coordinates`.
        resolution : float or 'all', optional
            As in `topology`, among the Gaussian representations.
        state : int, optional
            As in `topology`.

        Returns
        -------
        gaussians : Gaussians
            In the order of `gaussian_topology`; empty for files without.
        """
        chosen = self._chosen(frames)
        beads = self._read_beads(resolution, state, GAUSSIANS)
        return Gaussians(
            centers=beads.coordinates(self._values, chosen, self.path),
            covariances=beads.covariances(self._values, chosen),
            masses=beads.topology.mass,
        )

    def gaussian_topology(self, resolution: Want = 10, *, state: int | None = None) -> Topology:
        """
        Return the molecule, residues and mass of each Gaussian.

        Parameters
        ----------
        resolution : float or 'all', optional
            As in `gaussians`.
        state : int, optional
            As in `topology`.

        Returns
        -------
        topology : Topology
            The Gaussians as beads; their radius is 0 if the file gives none.
        """
        return self._read_beads(resolution, state, GAUSSIANS).topology

    def restraints(self) -> tuple[Restraint, ...]:
        """
        List the restraints and their terms.

        Returns
        -------
        restraints : tuple of Restraint
            Each before its terms, in file order.
        """
        return shared(self._tables, "restraints", lambda: find_restraints(self._tables))

    def restraint_scores(self, frames: Frames = None) -> dict[str, FloatArray]:
        """
        Read the scores of restraints and of their terms.

        They are the unweighted scores of the last evaluation, and those of
        cross-link terms are likelihoods: they do not add up to the total score.

        Parameters
        ----------
        frames : sequence of int, slice, int or None, optional
            As in `coordinates`.

        Returns
        -------
        scores : dict of str to ndarray, dtype=float64, shape=(f,)
            By `Restraint.label`; 0 where the file holds none, as IMP does not
            store zeros.
        """
        chosen = self._chosen(frames)
        restraints = self.restraints()
        columns = Columns(np.array([r.node_id for r in restraints], dtype=np.int64))
        keys = self._tables.find("feature", "score", "float_data")
        out = np.zeros((len(chosen), len(columns), 1))
        for i, restraint in enumerate(restraints):
            for key in keys:
                static = self._tables.column("feature", "score", key.field)
                out[:, i] = static.get(restraint.node_id, 0.0)
        self._values.fill(out, chosen, keys, columns)
        return {r.label: out[:, i, 0].copy() for i, r in enumerate(restraints)}

    def provenance(self) -> tuple[ProvenanceStep, ...]:
        """
        Return how the models were made.

        Returns
        -------
        steps : tuple of ProvenanceStep
            Newest first.
        """
        return chain_below(self._tables, self._hierarchy.tops())

    def structure_provenance(self) -> dict[int, tuple[ProvenanceStep, ...]]:
        """
        Return which structure files the parts were made from.

        Returns
        -------
        steps : dict of int to tuple of ProvenanceStep
            By node of the molecule or fragment, newest first.
        """
        return structure_steps(self._tables, self._hierarchy)

    def stat_keys(self) -> tuple[str, ...]:
        """
        Return the names of the statistics that the file holds.

        Returns
        -------
        keys : tuple of str
            Sorted; empty unless the run stored its output in the RMF file.
        """
        return stat_names(self._tables)

    def stat(
        self, keys: Sequence[str] | None = None, frames: Frames = None
    ) -> dict[str, ObjectArray]:
        """
        Read statistics that the run stored with its frames.

        Parameters
        ----------
        keys : sequence of str, optional
            Which; all by default.
        frames : sequence of int, slice, int or None, optional
            As in `coordinates`.

        Returns
        -------
        columns : dict of str to ndarray, dtype=object, shape=(f,)
            Values as stored: str, int or float; None where there is none.

        Raises
        ------
        SelectionError
            If the file has no such key.
        """
        chosen = self._chosen(frames)
        known = self.stat_keys()
        for key in keys or ():
            if key not in known:
                listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
                raise SelectionError(
                    f"{self.path} holds no statistics named '{key}'",
                    hint=f"It holds: {listed}." if known else "It holds no statistics.",
                )
        wanted = known if keys is None else tuple(keys)
        return stat_columns(self._tables, self._container, self._index, chosen, wanted)

    def static_record(self) -> Record:
        """
        Return all static data of the file as one record.

        Returns
        -------
        record : dict
            Static records merged per key and node; new, to be changed at will.
        """
        return self._tables.record()

    def frame_payload(self, number: int) -> FramePayload:
        """
        Return one frame undecoded.

        Parameters
        ----------
        number : int
            Number of the frame.

        Returns
        -------
        payload : FramePayload
            For copying the frame with nothing lost.

        Raises
        ------
        InputError
            If the frame is not there.
        FormatError
            If it is damaged.
        """
        frame = self._frame(int(number))
        layout = self._index.layout(frame)
        body = self._container.window(frame.block).data[frame.start : layout.end]
        info = frame.info
        return FramePayload(info.id, info.name, info.type, info.parents, body)

    @property
    def nodes(self) -> dict[int, Node]:
        """All nodes by id, with name, type, parents and children."""
        return self._lookup.nodes

    def value(self, node: int, category: str, key: str, frame: int | None = None) -> Plain | None:
        """
        Look up one value.

        Parameters
        ----------
        node : int
            Node id.
        category : str
            Name of the category, such as ``"physics"``.
        key : str
            Name of the key, such as ``"radius"``.
        frame : int, optional
            A frame whose value goes before the static one.

        Returns
        -------
        value : int, float, str, tuple or None
            The frame's value unless it is null, else the static one, else
            the default of the format, else None.

        Raises
        ------
        InputError
            If the frame is not there.
        """
        chosen = None if frame is None else self._frame(int(frame))
        return self._lookup.value(node, category, key, chosen)


def open_rmf(path: str | Path) -> RmfFile:
    """
    Open an RMF3 file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    file : RmfFile
        Read lazily; nothing has to be closed.

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty.
    FormatError
        If it is not an RMF3 file, or none of its records is whole.

    Examples
    --------
    >>> from congruence.io.rmf import open_rmf
    >>> open_rmf("missing.rmf3")
    Traceback (most recent call last):
    ...
    congruence.errors.InputError: there is no file missing.rmf3
    """
    return RmfFile(path)
