"""Localization densities of clusters, the right ones and the reference's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.placement import PlacedModels
from congruence.core.selection import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from congruence.core.grid import DensityMap, Grid
    from congruence.core.placement import Placement
    from congruence.core.results import Cluster
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.outcome import Job
    from congruence.workflow.reporting import Reporter

__all__ = ["write_densities"]

_COARSE = 1.4


def write_densities(
    job: Job,
    folder: Path,
    placements: Sequence[tuple[Placement, ...]],
    selections: Mapping[str, IntArray],
    reporter: Reporter,
) -> None:
    """
    Write one map per selection and cluster, all on one grid.

    Parameters
    ----------
    job : Job
        The job.
    folder : Path
        Where the folders of the clusters are.
    placements : sequence of tuple of Placement
        Per cluster, one per member: the maps are of the members as written.
    selections : mapping of str to ndarray, dtype=int64, shape=(b,)
        Beads by name of the map.
    reporter : Reporter
        Told of progress.
    """
    from congruence.compute.density import gaussian_sigma
    from congruence.io.mrc import write_mrc

    config, clusters = job.config, job.clustering.clusters
    if not clusters:
        reporter.say("no densities: no model is in a cluster")
        return
    groups = job.ensemble.topology.copy_groups()
    placed = [
        PlacedModels(job.ensemble, c.members, p, groups)
        for c, p in zip(clusters, placements, strict=True)
    ]
    sigma = gaussian_sigma(config.map_resolution)
    if config.voxel > _COARSE * sigma:
        reporter.warn(
            f"a voxel of {config.voxel:g} Å is coarse for a map resolution of "
            f"{config.map_resolution:g} Å; at most {_COARSE * sigma:.1f} Å shows its details"
        )
    used = np.unique(np.concatenate(list(selections.values())))
    grid = _grid(job, placed, used)
    reporter.say(
        f"densities of {len(selections)} selections in {len(clusters)} clusters on a grid of "
        f"{' x '.join(map(str, grid.shape))} voxels"
    )
    made = _maps(job, placed, selections, grid)
    for done, (cluster, models, maps) in enumerate(
        zip(clusters, placed, made, strict=True), start=1
    ):
        for name, density in maps.items():
            path = folder / f"cluster.{cluster.index}" / f"{name}.mrc"
            write_mrc(path, density, notes=_notes(job))
        if config.compat:
            _write_compat(job, folder / f"cluster.{cluster.index}", cluster, models.placements)
        reporter.advance("densities of clusters", done, len(clusters))


def _grid(job: Job, placed: Sequence[PlacedModels], beads: IntArray) -> Grid:
    from congruence.compute.density import common_grid
    from congruence.core.grid import Grid

    config = job.config
    shape = {"voxel": config.voxel, "map_resolution": config.map_resolution}
    if config.engine != "local":
        from congruence.workflow.dask_steps import cluster_grid

        return cluster_grid(config.engine, placed, _names(job), beads, shape)
    return Grid.union([common_grid(p, beads=beads, **shape) for p in placed])


def _maps(
    job: Job, placed: Sequence[PlacedModels], selections: Mapping[str, IntArray], grid: Grid
) -> Iterator[dict[str, DensityMap]]:
    """Yield the maps of one cluster after the other."""
    from congruence.compute.density import densities

    config, topology = job.config, job.ensemble.topology
    how: dict[str, Any] = {"grid": grid, "map_resolution": config.map_resolution}
    how["job"] = len(job.ensemble)
    if config.engine != "local":
        from congruence.workflow.dask_steps import cluster_maps

        named = _names(job)
        yield from cluster_maps(config.engine, placed, named, topology, selections, **how)
        return
    for models in placed:
        yield densities(models, topology, selections, threads=config.threads, **how)


def _names(job: Job) -> list[str]:
    return [f"cluster.{cluster.index}" for cluster in job.clustering.clusters]


def _notes(job: Job) -> tuple[str, ...]:
    return (job.words[0], f"map resolution {job.config.map_resolution:g} A")


def _write_compat(
    job: Job, folder: Path, cluster: Cluster, placements: Sequence[Placement]
) -> None:
    """Write the maps of the reference: finest beads, its kernel, its drifting grid."""
    from congruence.compute.density_compat import reference_density, reference_masses
    from congruence.io.mrc import write_mrc

    if job.pool is None:
        return
    state = None if job.config.state == "all" else job.config.state
    first = job.pool.get(str(job.ensemble.models.file[cluster.best]))
    topology = first.topology(0, state=state)
    groups, masses = topology.copy_groups(), reference_masses(topology)

    def models(beads: IntArray) -> Iterator[FloatArray]:
        table = job.ensemble.models
        for model, placement in zip(cluster.members.tolist(), placements, strict=True):
            file = job.pool.get(str(table.file[model])) if job.pool else first
            (points,) = file.coordinates([int(table.frame[model])], 0, state=state)
            yield placement.apply(points, groups)[beads]

    for name, text in job.config.densities.items():
        beads = np.flatnonzero(parse(text).mask(topology))
        density = reference_density(
            models(beads),
            topology.radius[beads],
            masses[beads],
            voxel=job.config.voxel,
            map_resolution=job.config.map_resolution,
            name=name,
        )
        note = "as the reference computes it: approximate, truncated exponential, drifting grid"
        write_mrc(folder / f"{name}.compat.mrc", density, notes=(*_notes(job), note))
