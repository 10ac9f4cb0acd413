"""Named sets of models and named selections of their beads, as the precision script adds them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.selection import from_pmi
from congruence.errors import ConfigError, InputError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.frames import FramePool

__all__ = ["ALL", "StructureSets", "Structures", "last_copies", "no_selection"]

ALL = "All"
"""Name of the selection that is always there: all molecules."""


@dataclass(frozen=True, eq=False)
class Structures:
    """
    The models of one set.

    Parameters
    ----------
    frames : tuple of (str, int)
        RMF file and frame of each.
    coordinates : ndarray of float64, shape (models, beads, 3)
        Places of the beads in Å.
    """

    frames: tuple[tuple[str, int], ...]
    coordinates: FloatArray


class StructureSets:
    """
    Named sets of models of one system, read from RMF files, and named selections.

    Of several copies of a molecule the last one is used, as in the reference.
    It computes nothing: see `congruence.pmi.precision.Precision`.

    Parameters
    ----------
    model : object
        Ignored.
    resolution : int
        Residues per bead, 1 or 10.
    selection_dictionary : mapping of str to list of PMI selections
        Named selections; may be replaced between calls.

    Raises
    ------
    ConfigError
        If the resolution is another.
    """

    def __init__(
        self,
        model: object,
        resolution: int = 1,
        selection_dictionary: Mapping[str, Any] | None = None,
    ) -> None:
        from congruence.workflow.frames import FramePool

        if resolution not in (1, 10):
            raise ConfigError(
                f"resolution is {resolution!r}, expected 1 or 10",
                hint="The reference knows beads of one and of ten residues.",
            )
        self.model = model
        self.resolution = resolution
        self.selection_dictionary: dict[str, Any] = deepcopy(dict(selection_dictionary or {}))
        self.structures_dictionary: dict[str, Structures] = {}
        self._topology: Topology | None = None
        self._pool: FramePool = FramePool(keep=4)

    def add_structure(
        self,
        rmf_name: str,
        rmf_frame_index: int,
        structure_set_name: str,
        setup_index_map: bool = False,
    ) -> None:
        """
        Add a model to a set.

        Parameters
        ----------
        rmf_name : str
            Its RMF file.
        rmf_frame_index : int
            Its frame.
        structure_set_name : str
            The set; made when new.
        setup_index_map : bool
            Ignored.

        Raises
        ------
        InputError
            If it cannot be read, or has other beads than those before.
        """
        self.add_structures([(rmf_name, rmf_frame_index)], structure_set_name, setup_index_map)

    def add_structures(
        self,
        rmf_frame_tuples: Iterable[tuple[str, int]],
        structure_set_name: str,
        setup_index_map: bool = False,
    ) -> None:
        """
        Add models to a set.

        Parameters
        ----------
        rmf_frame_tuples : iterable of (str, int)
            RMF files and frames.
        structure_set_name : str
            The set; made when new.
        setup_index_map : bool
            Ignored.

        Raises
        ------
        InputError
            If one cannot be read, or has other beads than those before.
        """
        given = [(str(name), int(frame)) for name, frame in rmf_frame_tuples]
        read = [self._read(name, frame)[None] for name, frame in given]
        known = self.structures_dictionary.get(structure_set_name)
        frames = tuple(given)
        if known is not None:
            frames, read = known.frames + frames, [known.coordinates, *read]
        if read:
            self.structures_dictionary[structure_set_name] = Structures(
                frames, np.concatenate(read)
            )

    def _read(self, name: str, frame: int) -> FloatArray:
        topology, points = self._state(name, frame)
        if self._topology is None:
            self._topology = topology
        elif self._topology.key != topology.key:
            raise InputError(
                f"{name} does not have the beads of the models before: "
                f"{self._topology.first_difference(topology)}",
                hint="Compare models of one system.",
            )
        return points

    def _state(self, name: str, frame: int) -> tuple[Topology, FloatArray]:
        """Read the first state of a model."""
        file = self._pool.get(name)
        states = [m.state for m in file.topology(self.resolution).molecules if m.state >= 0]
        state = states[0] if states else None
        (points,) = file.coordinates([frame], self.resolution, state=state)
        return file.topology(self.resolution, state=state), points

    def _known(self) -> Topology:
        if self._topology is None:
            raise ConfigError("there are no structures yet", hint="Call add_structures(...) first.")
        return self._topology

    def _set(self, name: str) -> Structures:
        if name not in self.structures_dictionary:
            known = ", ".join(map(repr, self.structures_dictionary)) or "none"
            raise InputError(
                f"there is no structure set {name!r}; sets: {known}",
                hint="Add its models with add_structures(...).",
            )
        return self.structures_dictionary[name]

    def _selections(self, keywords: Sequence[str] | None) -> dict[str, IntArray]:
        """Find the beads of the selections, that of all molecules last."""
        names = [*(n for n in self.selection_dictionary if n != ALL), ALL]
        if keywords is not None:
            for name in keywords:
                if name not in names:
                    raise no_selection(name, names)
            names = [name for name in names if name in keywords]
        return {name: self._beads(name) for name in names}

    def _beads(self, name: str) -> IntArray:
        topology = self._known()
        ours = last_copies(topology)
        if name == ALL:
            return ours
        value = self.selection_dictionary[name]
        try:
            mask = from_pmi(value if isinstance(value, list) else [value]).mask(topology)
        except SelectionError as error:
            where = f"selection_dictionary[{name!r}]"
            raise SelectionError(f"{where}: {error.message}", hint=error.hint) from error
        beads: IntArray = ours[mask[ours]]
        if not len(beads):
            raise SelectionError(
                f"selection_dictionary[{name!r}] selects only copies that are not used here",
                hint="As in the reference the last copy of each molecule counts; 'congruence "
                "precision' takes every copy.",
            )
        return beads


def no_selection(name: str, known: list[str]) -> SelectionError:
    """
    Make the error for a selection that is not there.

    Parameters
    ----------
    name : str
        What was asked for.
    known : list of str
        What there is.

    Returns
    -------
    error : SelectionError
        To be raised.
    """
    return SelectionError(
        f"there is no selection {name!r}", hint=f"Selections are: {', '.join(known)}."
    )


def last_copies(topology: Topology) -> IntArray:
    """
    Find the beads of the last copy of each molecule.

    Parameters
    ----------
    topology : Topology
        The beads.

    Returns
    -------
    beads : ndarray of int64, shape (beads of these copies,)
        In the order of the file.
    """
    held = set(topology.molecule_index.tolist())
    last = {m.name: i for i, m in enumerate(topology.molecules) if m.name and i in held}
    return np.flatnonzero(np.isin(topology.molecule_index, list(last.values())))
