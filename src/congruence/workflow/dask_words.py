"""
Metrics, placements, grids and beads as JSON-able words for Dask workers, and back.

Nothing of ours is pickled: what comes back is the same to the last bit.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.grid import Grid
from congruence.core.placement import PlacedModels, Placement
from congruence.core.topology import CopyGroup, Molecule, Topology
from congruence.workflow.dask_scratch import FileSource, load_array

if TYPE_CHECKING:
    from congruence.compute.metric import Metric

__all__ = [
    "grid_from",
    "grid_words",
    "metric_from",
    "metric_words",
    "placed_from",
    "topology_from",
    "topology_words",
]


def metric_words(metric: Metric) -> dict[str, Any]:
    """
    Turn a metric of indices and arrays into JSON-able values.

    Parameters
    ----------
    metric : Metric
        From `congruence.compute.rectangle.bare_metric`.

    Returns
    -------
    words : dict
        For `metric_from`.
    """
    return {
        "alignment": str(metric.mode),
        "measure": metric.measure,
        "on": metric.on,
        "weights": metric.weights,
        "fit_weights": metric.fit_weights,
        "copies": metric.copies if isinstance(metric.copies, str) else list(metric.copies),
    }


def metric_from(words: dict[str, Any]) -> Metric:
    """
    Return the metric that was written.

    Parameters
    ----------
    words : dict
        From `metric_words`, perhaps through JSON.

    Returns
    -------
    metric : Metric
        The same, to the last bit.
    """
    from congruence.compute.metric import Metric

    on, fit, copies = words["on"], words["fit_weights"], words["copies"]
    return Metric(
        words["alignment"],
        measure=np.array(words["measure"], np.int64),
        on=None if on is None else np.array(on, np.int64),
        weights=np.array(words["weights"], np.float64),
        fit_weights=None if fit is None else np.array(fit, np.float64),
        copies="off" if copies == "off" else tuple(np.array(g, np.int64) for g in copies),
    )


def placed_from(words: dict[str, Any]) -> PlacedModels:
    """
    Return the placed models that were written, on a worker.

    Parameters
    ----------
    words : dict
        From `Scratch.share_placed`.

    Returns
    -------
    placed : PlacedModels
        Reads from the shared files.
    """
    members, rotations, translations, flat = (
        load_array(Path(words[part]))
        for part in ("members", "rotations", "translations", "assignments")
    )
    ends = np.cumsum([0, *words["sizes"]]).tolist()
    placements = tuple(
        Placement(r, t, tuple(tuple(row[a:b].tolist()) for a, b in pairwise(ends)))
        for r, t, row in zip(rotations, translations, flat, strict=True)
    )
    groups = tuple(
        CopyGroup(f"group {at}", -1, tuple(range(len(beads))), np.array(beads, np.int64))
        for at, beads in enumerate(words["groups"])
    )
    return PlacedModels(FileSource(Path(words["coordinates"])), members, placements, groups)


def grid_words(grid: Grid) -> dict[str, Any]:
    """
    Turn a grid into JSON-able values.

    Parameters
    ----------
    grid : Grid
        The grid.

    Returns
    -------
    words : dict
        For `grid_from`.
    """
    return {"origin": list(grid.origin), "shape": list(grid.shape), "voxel": grid.voxel}


def grid_from(words: dict[str, Any]) -> Grid:
    """
    Return the grid that was written.

    Parameters
    ----------
    words : dict
        As from `bounds`.

    Returns
    -------
    grid : Grid
        The same.
    """
    x, y, z = words["origin"]
    nx, ny, nz = words["shape"]
    return Grid((x, y, z), (nx, ny, nz), words["voxel"])


def topology_words(topology: Topology) -> dict[str, Any]:
    """
    Turn what a fluctuation needs of a topology into JSON-able values.

    Parameters
    ----------
    topology : Topology
        The beads.

    Returns
    -------
    words : dict
        For `topology_from`.
    """
    return {"molecules": topology.molecule_index.tolist(), "residues": list(topology.residues)}


def topology_from(words: dict[str, Any]) -> Topology:
    """
    Return the molecules and residues that were written; nothing else of the beads.

    Parameters
    ----------
    words : dict
        From `topology_words`.

    Returns
    -------
    topology : Topology
        Of molecules without names.
    """
    index = np.array(words["molecules"], np.int64)
    n, blank = len(index), np.zeros(len(index))
    none = ("",) * n
    return Topology(
        molecules=tuple(Molecule(str(k)) for k in range(int(index.max(initial=-1)) + 1)),
        molecule_index=index,
        residues=tuple(tuple(r) for r in words["residues"]),
        radius=blank,
        mass=blank,
        resolution=blank,
        bead_name=none,
        residue_type=none,
        atom_name=none,
        node_id=np.arange(n),
    )
