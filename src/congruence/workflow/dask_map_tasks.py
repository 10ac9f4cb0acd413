"""What a Dask worker does for localization densities; see `congruence.workflow.dask_tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.workflow.dask_scratch import load_array, read_job, save_array
from congruence.workflow.dask_words import grid_from, placed_from

if TYPE_CHECKING:
    from congruence.compute.density_parts import DensityParts

__all__ = ["bounds", "density", "density_map", "density_part", "density_sum"]


def bounds(folder: str, cluster: int, start: int, stop: int) -> list[list[float]]:
    """
    Find the box of some models of one cluster.

    Parameters
    ----------
    folder : str
        The stage.
    cluster : int
        Its position.
    start, stop : int
        Which of its models.

    Returns
    -------
    corners : list of list of float
        Lowest and highest coordinates in Å.
    """
    from congruence.compute._density_blocks import extent

    job = read_job(folder)
    placed = placed_from(job["clusters"][cluster], start, stop)
    return [corner.tolist() for corner in extent(placed, np.array(job["used"], np.int64))]


def density(folder: str, cluster: int, name: str, grid: dict[str, Any]) -> None:
    """
    Compute the density of one selection of one cluster into ``CLUSTER-NUMBER.npy``.

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
    """
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    path = map_path(folder, job, cluster, name)
    if path.exists():
        return
    placed = placed_from(job["clusters"][cluster])
    parts = _parts(job, name, grid)
    with one_blas_thread():
        sums = parts.part(placed, 0)
        made = parts.density(sums, placed.shape[0])
    save_array(path, made)


def density_part(
    folder: str, cluster: int, name: str, grid: dict[str, Any], start: int, stop: int
) -> None:
    """
    Sum the density of some models into ``CLUSTER-NUMBER-part-START.npy``.

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
    start, stop : int
        Which models of the cluster.
    """
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    path = part_path(folder, job, cluster, name, start)
    if path.exists():
        return
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


def density_map(
    folder: str, cluster: int, name: str, grid: dict[str, Any], sums: list[str], models: int
) -> None:
    """
    Turn the sum of all models into a map, ``CLUSTER-NUMBER.npy``.

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
    sums : list of str
        Files of the sums, some planes each.
    models : int
        Models of the cluster.
    """
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    path = map_path(folder, job, cluster, name)
    if path.exists():
        return
    lattices = np.concatenate([load_array(Path(part)) for part in sums], axis=1)
    with one_blas_thread():
        made = _parts(job, name, grid).density(list(lattices), models)
    save_array(path, made)


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
