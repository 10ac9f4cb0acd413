"""Densities of models that a script reads one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ConfigError, InputError
from congruence.pmi.components import density_beads
from congruence.pmi.outputs import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.core.grid import DensityMap
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

__all__ = ["GetModelDensity", "Hierarchy", "get_hiers_from_rmf"]


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """
    One state of one model, to be handed to `GetModelDensity`.

    Parameters
    ----------
    topology : Topology
        Its beads, of one residue where the file has them.
    coordinates : ndarray, dtype=float64, shape=(n,3)
        Bead centres in Å.
    """

    topology: Topology
    coordinates: FloatArray


def get_hiers_from_rmf(model: object, frame_number: int, rmf_file: str) -> list[Hierarchy]:
    """
    Read one frame of an RMF file.

    Parameters
    ----------
    model : object
        Ignored.
    frame_number : int
        The frame, from 0.
    rmf_file : str
        The file.

    Returns
    -------
    hierarchies : list of Hierarchy
        One per state.

    Raises
    ------
    InputError
        If the file or the frame cannot be read.
    """
    from congruence.io.rmf import open_rmf

    file = open_rmf(rmf_file)
    states = dict.fromkeys(m.state for m in file.topology(1).molecules)
    found = []
    for index in states or (-1,):
        state = None if index < 0 else index
        (xyz,) = file.coordinates([frame_number], 1, state=state)
        found.append(Hierarchy(file.topology(1, state=state), xyz))
    return found


class GetModelDensity:
    """
    Average densities of named groups of beads over models.

    The maps are those of `congruence.compute.density`: exact Gaussians on one
    grid, not the approximate ones of the reference.

    Parameters
    ----------
    custom_ranges : mapping of str to list of PMI selections
        ``"Name"``, ``("Name", copy)`` or ``(start, stop, "Name")`` in each list.
    representation : object
        Ignored.
    resolution : float
        Resolution of the maps in Å.
    voxel : float
        Edge of a voxel in Å.
    """

    def __init__(
        self,
        custom_ranges: Mapping[str, object],
        representation: object = None,
        resolution: float = 20.0,
        voxel: float = 5.0,
    ) -> None:
        self._ranges = dict(custom_ranges)
        self._resolution = resolution
        self._voxel = voxel
        self._topology: Topology | None = None
        self._models: list[FloatArray] = []

    def add_subunits_density(self, hierarchy: Hierarchy | Sequence[Hierarchy]) -> None:
        """
        Add a model.

        Parameters
        ----------
        hierarchy : Hierarchy or sequence of one Hierarchy
            As `get_hiers_from_rmf` returns it.

        Raises
        ------
        InputError
            If it is no such object, or has other beads than the models before.
        SelectionError
            If a group selects nothing.
        """
        if not isinstance(hierarchy, Hierarchy):
            several = list(hierarchy) if isinstance(hierarchy, list | tuple) else []
            if len(several) != 1 or not isinstance(several[0], Hierarchy):
                raise InputError(
                    f"cannot add {hierarchy!r} to a density",
                    hint="Pass one element of what get_hiers_from_rmf(model, frame, file) returns.",
                )
            hierarchy = several[0]
        if self._topology is None:
            density_beads(self._ranges, hierarchy.topology)
            self._topology = hierarchy.topology
        elif self._topology.key != hierarchy.topology.key:
            raise InputError(
                "the models do not have the same beads: "
                f"{self._topology.first_difference(hierarchy.topology)}"
            )
        self._models.append(hierarchy.coordinates)

    def get_density_keys(self) -> list[str]:
        """
        Return the names of the groups.

        Returns
        -------
        keys : list of str
            In the order given.
        """
        return list(self._ranges)

    def get_density(self, name: str) -> DensityMap:
        """
        Return a map.

        Parameters
        ----------
        name : str
            Name of a group.

        Returns
        -------
        density : DensityMap
            Mean over the models added so far, in Da / Å³.

        Raises
        ------
        ConfigError
            If no model was added, or there is no such group.
        """
        if name not in self._ranges:
            raise ConfigError(
                f"there is no density '{name}'", hint=f"Densities: {', '.join(self._ranges)}."
            )
        return self._maps()[name]

    def write_mrc(self, path: str = "./", suffix: str | None = None) -> None:
        """
        Write one map per group; calling it again writes the same.

        Parameters
        ----------
        path : str
            Folder; it is made when missing.
        suffix : str, optional
            Files are ``NAME.mrc``, or ``NAME.SUFFIX.mrc``.

        Raises
        ------
        ConfigError
            If no model was added.
        OutputError
            If a file cannot be written.
        """
        from congruence.io.mrc import write_mrc

        maps = self._maps()
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, density in maps.items():
            end = f".{suffix}.mrc" if suffix else ".mrc"
            with whole_file(folder / f"{name}{end}") as part:
                write_mrc(part, density)

    def _maps(self) -> dict[str, DensityMap]:
        from congruence.compute.density import common_grid, densities

        if self._topology is None:
            raise ConfigError(
                "no model was added to the densities", hint="Call add_subunits_density(...) first."
            )
        beads = density_beads(self._ranges, self._topology)
        models = np.stack(self._models)
        grid = common_grid(
            models,
            beads=np.unique(np.concatenate(list(beads.values()))),
            voxel=self._voxel,
            map_resolution=self._resolution,
        )
        return densities(models, self._topology, beads, grid=grid, map_resolution=self._resolution)
