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
    from congruence.core.sources import CoordinateSource
    from congruence.typing import FloatArray
    from congruence.workflow.dask_scratch import Scratch

__all__ = [
    "Stretch",
    "grid_from",
    "grid_words",
    "members_from",
    "metric_from",
    "metric_words",
    "placed_from",
    "share_members",
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


def placed_from(words: dict[str, Any], start: int = 0, stop: int | None = None) -> PlacedModels:
    """
    Return the placed models that were written, on a worker.

    Parameters
    ----------
    words : dict
        From `Scratch.share_placed`.
    start, stop : int, optional
        Which of them: the first, and one past the last.

    Returns
    -------
    placed : PlacedModels
        Reads from the shared files.
    """
    members, rotations, translations, flat = (
        np.array(load_array(Path(words[part]), mapped=True)[start:stop])
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


class Stretch:
    """
    Some models of a source, one after the other.

    Parameters
    ----------
    source : CoordinateSource
        All models.
    start, stop : int
        First model, and one past the last.
    """

    def __init__(self, source: CoordinateSource, start: int, stop: int) -> None:
        self._source, self._start = source, start
        _, n, _ = source.shape
        self.shape = (stop - start, n, 3)

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return some models.

        Parameters
        ----------
        start, stop : int
            First model of the stretch, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        stop = min(stop, self.shape[0])
        return self._source.read(self._start + start, self._start + stop)


def share_members(scratch: Scratch, source: CoordinateSource, name: str) -> dict[str, Any]:
    """
    Let workers read the members of a cluster; they place them where that is still to be done.

    Parameters
    ----------
    scratch : Scratch
        The folder of the job.
    source : CoordinateSource
        The members, in Å.
    name : str
        Name for the files.

    Returns
    -------
    words : dict
        For `members_from`.
    """
    if isinstance(source, PlacedModels):
        return scratch.share_placed(source, f"moved-{name}")
    return {"array": str(scratch.share(source))}


def members_from(
    words: dict[str, Any], start: int = 0, stop: int | None = None
) -> CoordinateSource:
    """
    Return the members that were shared, on a worker.

    Parameters
    ----------
    words : dict
        From `share_members`.
    start, stop : int, optional
        Which of them: the first, and one past the last.

    Returns
    -------
    members : CoordinateSource
        In Å.
    """
    if "array" not in words:
        return placed_from(words, start, stop)
    every = FileSource(Path(words["array"]))
    return Stretch(every, start, every.shape[0] if stop is None else stop)


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
