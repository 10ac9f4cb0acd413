"""The folder of one cluster: its members, their scores, its densities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from congruence.core.ensemble import Ensemble
    from congruence.core.models import ModelTable, StatValue
    from congruence.core.placement import Placement
    from congruence.core.results import Cluster
    from congruence.io.rmf.clone import MemberWriter
    from congruence.io.rmf.history import ProvenanceStep
    from congruence.workflow.config import ClusterConfig
    from congruence.workflow.frames import FramePool

__all__ = ["ClusterWriter", "members_to_write"]

ALL_UP_TO = 200
BEST_BEYOND = 50


def members_to_write(cluster: Cluster, policy: str | int) -> list[int]:
    """
    Choose which members of a cluster are written as files.

    Parameters
    ----------
    cluster : Cluster
        The cluster; its members are best score first.
    policy : {"auto", "all", "center", "none"} or int
        ``"auto"`` is all up to 200 members, else the center and the 50 best;
        a number is that many best ones.

    Returns
    -------
    positions : list of int
        Positions in ``cluster.members``, ascending.
    """
    center = int(np.flatnonzero(cluster.members == cluster.center)[0])
    match policy:
        case "none":
            return []
        case "center":
            return [center]
        case "all":
            return list(range(cluster.size))
        case "auto":
            if cluster.size <= ALL_UP_TO:
                return list(range(cluster.size))
            return sorted({center, *range(BEST_BEYOND)})
    return list(range(min(int(policy), cluster.size)))


@dataclass(frozen=True, eq=False)
class ClusterWriter:
    """
    Writer of cluster folders.

    Parameters
    ----------
    ensemble : Ensemble
        All models.
    pool : FramePool or None
        The RMF files the models came from; None when there are none, then no
        RMF is written.
    config : ClusterConfig
        The job.
    provenance : tuple of ProvenanceStep
        Steps before the clustering, oldest first.
    words : tuple of str
        Sentences that say how the result was made, for headers of files.
    """

    ensemble: Ensemble
    pool: FramePool | None
    config: ClusterConfig
    provenance: tuple[ProvenanceStep, ...] = ()
    words: tuple[str, ...] = ()

    def write(
        self,
        folder: Path,
        cluster: Cluster,
        placements: Sequence[Placement],
        advance: Callable[[], None],
    ) -> None:
        """
        Write members, center and scores of one cluster.

        Parameters
        ----------
        folder : Path
            The folder to make.
        cluster : Cluster
            The cluster.
        placements : sequence of Placement
            One per member.
        advance : callable
            Called after each member.
        """
        folder.mkdir()
        rmf = _RmfMembers(self.ensemble, self.pool, self._steps(cluster)) if self.pool else None
        for position in members_to_write(cluster, self.config.members):
            model = int(cluster.members[position])
            if rmf is not None:
                rmf.write(folder / f"{position}.rmf3", model, placements[position], position)
            self._write_coordinates(folder, position, model, placements[position])
            advance()
        if rmf is not None and self.config.members != "none":
            center = int(np.flatnonzero(cluster.members == cluster.center)[0])
            rmf.write(folder / "center.rmf3", cluster.center, placements[center], center)
        if rmf is not None and self.config.models_rmf:
            rmf.write_all(folder / "models.rmf3", cluster, placements)
        write_stat_out(folder / "stat.out", self.ensemble.models, cluster)

    def _steps(self, cluster: Cluster) -> tuple[ProvenanceStep, ...]:
        from congruence.io.rmf.history import ClusterProvenance

        return (*self.provenance, ClusterProvenance(cluster.size, cluster.average_rmsd, ""))

    def _write_coordinates(
        self, folder: Path, position: int, model: int, placement: Placement
    ) -> None:
        from congruence.io.cif import write_cif
        from congruence.io.pdb import pdb_fits, write_pdb

        topology, table = self.ensemble.topology, self.ensemble.models
        points = placement.apply(self.ensemble.coordinates[model], topology.copy_groups())
        title = f"model {table.file[model]}|{table.frame[model]}"
        if pdb_fits(topology, points):
            write_cif(folder / f"{position}.cif", points, topology, title=title)
        else:
            path = folder / f"{position}.pdb"
            write_pdb(path, points, topology, title=title, remarks=self.words)


@dataclass(frozen=True, eq=False)
class _RmfMembers:
    """Members of one cluster as RMF files; each source file is prepared once."""

    ensemble: Ensemble
    pool: FramePool
    steps: tuple[ProvenanceStep, ...]
    _writers: dict[str, MemberWriter] = field(default_factory=dict)

    def write(self, path: Path, model: int, placement: Placement, position: int) -> None:
        from congruence.io.rmf.clone import MemberWriter

        table = self.ensemble.models
        source = str(table.file[model])
        if source not in self._writers:
            groups = self.ensemble.topology.copy_groups()
            self._writers[source] = MemberWriter(
                self.pool.get(source), groups=groups, provenance=self.steps
            )
        self._writers[source].write(
            int(table.frame[model]), path, placement=placement, frame_name=str(position)
        )

    def write_all(self, path: Path, cluster: Cluster, placements: Sequence[Placement]) -> None:
        from congruence.io.rmf.combine import Member, write_models

        table, groups = self.ensemble.models, self.ensemble.topology.copy_groups()
        members = [
            Member(
                self.pool.get(str(table.file[model])),
                int(table.frame[model]),
                placements[at],
                groups,
                str(at),
            )
            for at, model in enumerate(cluster.members.tolist())
        ]
        write_models(members, path, provenance=self.steps, losses=self.pool.losses)


def write_stat_out(path: Path, table: ModelTable, cluster: Cluster) -> None:
    """
    Write the scores of a cluster's members in the reference's format.

    Parameters
    ----------
    path : Path
        The file, conventionally ``stat.out``.
    table : ModelTable
        All models.
    cluster : Cluster
        The cluster; one line per member, best score first.
    """
    from congruence.io.stat import write_stat_v1

    def row(model: int) -> dict[str, StatValue]:
        values: dict[str, StatValue] = {"AVERAGE_RMSD": repr(float(cluster.average_rmsd))}
        values[table.score_key or "score"] = _raw_score(table, model)
        values["rmf_file"] = str(table.rmf_file[model])
        values["rmf_frame_index"] = int(table.frame[model])
        values.update({k: v[model] for k, v in table.columns.items() if k not in values})
        return values

    write_stat_v1(path, (row(int(model)) for model in cluster.members))


def _raw_score(table: ModelTable, model: int) -> StatValue:
    raw = table.columns.get(table.score_key)
    value: StatValue = repr(float(table.score[model])) if raw is None else raw[model]
    return value
