"""What a Dask worker does for localization densities; see `congruence.workflow.dask_tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.workflow.dask_scratch import load_array, read_job, save_array
from congruence.workflow.dask_words import grid_from, placed_from

if TYPE_CHECKING:
    from congruence.compute.density_parts import DensityParts
    from congruence.core.grid import Grid
    from congruence.typing import FloatArray

__all__ = ["bounds", "density", "density_part", "density_sum"]

_LATTICES = 256 << 20
"""Bytes that maps of one cluster may take that are made together."""
_VOXEL_BYTES = 16


def bounds(folder: str, pieces: list[tuple[int, int, int]]) -> list[list[list[float]]]:
    """
    Find the boxes of some models of some clusters.

    Parameters
    ----------
    folder : str
        The stage.
    pieces : list of (int, int, int)
        Position of a cluster, the first of its models, and one past the last.

    Returns
    -------
    corners : list of list of list of float
        Lowest and highest coordinates in Å, of each piece.
    """
    from congruence.compute._density_blocks import extent

    job = read_job(folder)
    used = np.array(job["used"], np.int64)
    boxes = (extent(placed_from(job["clusters"][at], a, b), used) for at, a, b in pieces)
    return [[corner.tolist() for corner in box] for box in boxes]


def density(folder: str, grid: dict[str, Any], maps: list[dict[str, Any]]) -> None:
    """
    Make maps of selections of clusters, each into ``CLUSTER-NUMBER.npy``.

    Parameters
    ----------
    folder : str
        The stage.
    grid : dict
        From `congruence.workflow.dask_words.grid_words`.
    maps : list of dict
        ``cluster``, its position; ``name`` of the selection; ``models`` of the cluster. For what
        is summed already ``parts``, files that are added in their order, or ``slabs``, files
        of all sums for some planes each; ``own``, stretches that follow.
    """
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    divided = "parts", "slabs", "own"
    missing = [m for m in maps if not map_path(folder, job, m["cluster"], m["name"]).exists()]
    with one_blas_thread():
        for one in missing:
            if any(one[word] for word in divided):
                sums = _added(job, grid, one)
                made = _parts(job, one["name"], grid).density(sums, one["models"])
                save_array(map_path(folder, job, one["cluster"], one["name"]), made)
        whole = [one for one in missing if not any(one[word] for word in divided)]
        for cluster in dict.fromkeys(one["cluster"] for one in whole):
            names = [one["name"] for one in whole if one["cluster"] == cluster]
            _whole_maps(folder, job, cluster, names, grid_from(grid))


def _added(job: dict[str, Any], grid: dict[str, Any], one: dict[str, Any]) -> list[FloatArray]:
    """Return the sums of all models."""
    from congruence.compute.density_parts import plus

    sums: list[FloatArray] = []
    if one["slabs"]:
        sums = list(np.concatenate([load_array(Path(part)) for part in one["slabs"]], axis=1))
    for part in one["parts"]:
        sums = plus(sums, list(load_array(Path(part))))
    for start, stop in one["own"]:
        placed = placed_from(job["clusters"][one["cluster"]], start, stop)
        sums = plus(sums, _parts(job, one["name"], grid).part(placed, start))
    return sums


def _whole_maps(
    folder: str, job: dict[str, Any], cluster: int, names: list[str], grid: Grid
) -> None:
    """Make maps of one cluster as one machine does, reading its models once for several."""
    from congruence.compute.density import densities

    placed = placed_from(job["clusters"][cluster])
    masses = np.array(job["masses"], np.float64)
    several = max(1, _LATTICES // (_VOXEL_BYTES * grid.size))
    for at in range(0, len(names), several):
        chosen = {name: np.array(job["selections"][name]) for name in names[at : at + several]}
        how: dict[str, Any] = {"map_resolution": job["map_resolution"], "job": job["models"]}
        made = densities(placed, masses, chosen, grid=grid, threads=1, **how)
        for name, found in made.items():
            save_array(map_path(folder, job, cluster, name), found.values)


def density_part(
    folder: str, cluster: int, name: str, grid: dict[str, Any], pieces: list[tuple[int, int]]
) -> None:
    """
    Sum the density of some stretches of models, each into ``CLUSTER-NUMBER-part-START.npy``.

    Parameters
    ----------
    folder : str
        The stage.
    cluster : int
        Position of the cluster.
    name : str
        Name of the selection.
    grid : dict
        From `congruence.workflow.dask_words.grid_words`.
    pieces : list of (int, int)
        The stretches: which models of the cluster.
    """
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    for start, stop in pieces:
        path = part_path(folder, job, cluster, name, start)
        if path.exists():
            continue
        placed = placed_from(job["clusters"][cluster], start, stop)
        with one_blas_thread():
            sums = _parts(job, name, grid).part(placed, start)
        save_array(path, sums[0][None] if len(sums) == 1 else np.stack(sums))


def density_sum(out: str, before: list[str], parts: list[str], first: int, last: int) -> None:
    """
    Add some planes of parts, in their order, to what was added before.

    Parameters
    ----------
    out : str
        File to write: an array of one or two lattices.
    before : list of str
        File of the sum of earlier parts, of these planes alone; or none.
    parts : list of str
        Files of the parts.
    first, last : int
        First plane, and one past the last.
    """
    from congruence.compute.density_parts import plus

    path = Path(out)
    if path.exists():
        return
    sums = [lattice for earlier in before for lattice in load_array(Path(earlier))]
    for part in parts:
        mapped = load_array(Path(part), mapped=True)
        more = [np.array(lattice[first:last]) for lattice in mapped]
        del mapped  # on a network drive an open file could not be removed
        sums = plus(sums, more)
    save_array(path, np.stack(sums))


def map_path(folder: str | Path, job: dict[str, Any], cluster: int, name: str) -> Path:
    """Return the file of a map."""
    return Path(folder) / f"{cluster}-{list(job['selections']).index(name)}.npy"


def part_path(folder: str | Path, job: dict[str, Any], cluster: int, name: str, start: int) -> Path:
    """Return the file of the sum of some models."""
    return Path(folder) / f"{cluster}-{list(job['selections']).index(name)}-part-{start}.npy"


def _parts(job: dict[str, Any], name: str, grid: dict[str, Any]) -> DensityParts:
    from congruence.compute.density_parts import DensityParts

    return DensityParts(
        np.array(job["masses"], np.float64),
        np.array(job["selections"][name], np.int64),
        grid_from(grid),
        job["map_resolution"],
        job["models"],
    )
