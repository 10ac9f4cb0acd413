"""Maps of the clusters of both samples, and the files of their centers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.rmsd import place
from congruence.core.exhaustiveness import MapAgreement
from congruence.core.grid import DensityMap, Grid
from congruence.core.placement import PlacedModels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from congruence.compute.metric import Metric
    from congruence.core.ensemble import Ensemble
    from congruence.core.exhaustiveness import Exhaustiveness, SampledCluster
    from congruence.core.topology import CopyGroup
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.reporting import Reporter
    from congruence.workflow.sample_files import Samples

__all__ = ["MapMaker", "write_centers"]


@dataclass(frozen=True, eq=False)
class MapMaker:
    """
    Makes the maps of all clusters: of all members, of A and of B.

    Parameters
    ----------
    ensemble : Ensemble
        The models, A first.
    n_a : int
        Models of sample A.
    metric : Metric
        The one distance; members are laid on their center with it, and
        interchangeable copies relabelled.
    groups : tuple of CopyGroup
        Groups that the assignments of `metric` refer to.
    selections : mapping of str to ndarray, dtype=int64
        Beads of each map.
    voxel, map_resolution : float
        In Å.
    compat : bool
        Make the maps of the reference program: on drifting grids, with its
        exponential, sample by sample.
    """

    ensemble: Ensemble
    n_a: int
    metric: Metric
    groups: tuple[CopyGroup, ...]
    selections: Mapping[str, IntArray]
    voxel: float = 5.0
    map_resolution: float = 20.0
    compat: bool = False

    def write(
        self, folder: Path, result: Exhaustiveness, reporter: Reporter
    ) -> tuple[MapAgreement, ...]:
        """
        Write the maps and correlate those of A with those of B.

        Parameters
        ----------
        folder : Path
            Maps go to ``cluster.K/LPD_NAME.mrc``, ``cluster.K/Sample_A`` and
            ``cluster.K/Sample_B`` in it.
        result : Exhaustiveness
            With the clusters.
        reporter : Reporter
            Told of progress.

        Returns
        -------
        maps : tuple of MapAgreement
            By cluster and name.
        """
        from congruence.compute.map_agreement import map_correlation
        from congruence.io.mrc import write_mrc

        placed = [self._placed(cluster) for cluster in result.clusters]
        grid = None if self.compat or not placed else self._grid(placed)
        notes = (f"alignment {self.metric.mode}", f"map resolution {self.map_resolution:g} A")
        found = []
        for done, (cluster, models) in enumerate(
            zip(result.clusters, placed, strict=True), start=1
        ):
            home = folder / f"cluster.{cluster.index}"
            for sample in ("Sample_A", "Sample_B"):
                (home / sample).mkdir(parents=True, exist_ok=True)
            for name, every, a, b in self._maps(models, grid):
                for where, density in ((home, every), (home / "Sample_A", a), (home / "Sample_B", b)):  # fmt: skip
                    write_mrc(where / f"LPD_{name}.mrc", density, notes=notes)
                found.append(MapAgreement(cluster.index, name, *map_correlation(a, b)))
            reporter.advance("maps of clusters", done, len(placed))
        return tuple(found)

    def _placed(self, cluster: SampledCluster) -> PlacedModels:
        placements = place(self.ensemble, cluster.members, cluster.center, self.metric)
        return PlacedModels(self.ensemble, cluster.members, placements, self.groups)

    def _grid(self, placed: list[PlacedModels]) -> Grid:
        from congruence.compute.density import common_grid

        used = np.unique(np.concatenate(list(self.selections.values())))
        shape = {"voxel": self.voxel, "map_resolution": self.map_resolution}
        return Grid.union([common_grid(models, beads=used, **shape) for models in placed])

    def _maps(
        self, models: PlacedModels, grid: Grid | None
    ) -> Iterator[tuple[str, DensityMap, DensityMap, DensityMap]]:
        in_a = models.models < self.n_a
        parts = [_some(models, np.flatnonzero(in_a)), _some(models, np.flatnonzero(~in_a))]
        if grid is None:
            for name in self.selections:
                every, a, b = (self._reference(part, name) for part in (models, *parts))
                yield name, every, a, b
            return
        from congruence.compute.density import densities

        of_a, of_b = (
            densities(
                part,
                self.ensemble.topology,
                self.selections,
                grid=grid,
                map_resolution=self.map_resolution,
                job=len(self.ensemble),
            )
            for part in parts
        )
        for name in self.selections:
            yield name, _joined(of_a[name], of_b[name]), of_a[name], of_b[name]

    def _reference(self, models: PlacedModels, name: str) -> DensityMap:
        from congruence.compute.density_compat import reference_density

        beads, topology = self.selections[name], self.ensemble.topology

        def points() -> Iterator[FloatArray]:
            for i in range(len(models.models)):
                yield models.read(i, i + 1)[0, beads]

        return reference_density(
            points(),
            topology.radius[beads],
            topology.mass[beads],
            voxel=self.voxel,
            map_resolution=self.map_resolution,
            name=name,
        )


def _some(models: PlacedModels, rows: IntArray) -> PlacedModels:
    placements = tuple(models.placements[i] for i in rows.tolist())
    return PlacedModels(models.source, models.models[rows], placements, models.groups)


def _joined(a: DensityMap, b: DensityMap) -> DensityMap:
    """Average two maps of one grid by their numbers of models."""
    models = a.models + b.models
    values = (a.values.astype(np.float64) * a.models + b.values.astype(np.float64) * b.models) / models  # fmt: skip
    return DensityMap(a.name, a.grid, values.astype(np.float32), models)


def write_centers(
    folder: Path, samples: Samples, result: Exhaustiveness, *, json_name: str = ""
) -> tuple[str, ...]:
    """
    Write the center of each cluster as it was sampled, in its own frame.

    Parameters
    ----------
    folder : Path
        Where the folders ``cluster.K`` are or will be.
    samples : Samples
        The models.
    result : Exhaustiveness
        With the clusters.
    json_name : str
        Name of the JSON file in `folder` that describes the clusters; the RMF
        file's provenance leads there.

    Returns
    -------
    files : tuple of str
        One per cluster, relative to `folder`; empty without coordinates.
    """
    from congruence.io.rmf.clone import MemberWriter
    from congruence.io.rmf.history import ClusterProvenance

    if samples.ensemble is None:
        return ("",) * len(result.clusters)
    files = []
    writers: dict[str, MemberWriter] = {}
    for cluster in result.clusters:
        home = f"cluster.{cluster.index}"
        (folder / home).mkdir(parents=True, exist_ok=True)
        table = samples.ensemble.models
        if samples.pool is None:
            files.append(f"{home}/cluster_center_model.pdb")
            _write_pdb(folder / files[-1], samples.ensemble, cluster)
            continue
        files.append(f"{home}/cluster_center_model.rmf3")
        step = ClusterProvenance(
            len(cluster.members),
            cluster.precision,
            f"../{json_name}" if json_name else "",
            name=home,
        )
        source = str(table.file[cluster.center])
        if source not in writers:
            writers[source] = MemberWriter(samples.pool.get(source))
        writers[source].under((step,)).write(int(table.frame[cluster.center]), folder / files[-1])
    return tuple(files)


def _write_pdb(path: Path, ensemble: Ensemble, cluster: SampledCluster) -> None:
    from congruence.io.pdb import write_pdb

    write_pdb(
        path,
        ensemble.coordinates[cluster.center],
        ensemble.topology,
        title=f"center of cluster {cluster.index}",
        remarks=(f"{len(cluster.members)} models, precision {cluster.precision:.3f} A",),
    )
