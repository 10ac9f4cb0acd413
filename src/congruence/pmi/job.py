"""One clustering as steps: read, compare, cluster, save, write."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.placement import PlacedModels, Placement
from congruence.core.provenance import Losses, versions
from congruence.core.sources import as_source
from congruence.errors import ConfigError, InputError
from congruence.pmi.analysis import Clustering
from congruence.pmi.choosing import Chosen, Wishes, choose
from congruence.pmi.components import Parts, density_beads
from congruence.pmi.distances import metric_of, parts_of
from congruence.pmi.matrix_file import load_matrix, save_labels, save_matrix
from congruence.pmi.outputs import Member, MemberFiles, OutputFolder, write_densities
from congruence.pmi.voice import current_reporter
from congruence.workflow.folder import inputs_record
from congruence.workflow.frames import FramePool, read_coordinates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.core import results
    from congruence.core.models import StatValue
    from congruence.core.topology import Topology
    from congruence.io.rmf import RmfFile
    from congruence.io.rmf.history import ProvenanceStep
    from congruence.pmi.what import What
    from congruence.typing import FloatArray, IntArray

__all__ = ["ClusteringJob"]

_NAMED_LOSSES = 5


@dataclass(frozen=True, eq=False)
class _Models:
    """Models that were read, with all that their beads mean."""

    chosen: Chosen
    coordinates: FloatArray
    topology: Topology
    whole: Topology
    state: int | None
    densities: dict[str, IntArray]


class ClusteringJob:
    """
    One call of ``clustering``; its methods are the steps, in order.

    Parameters
    ----------
    stat_files : sequence of str
        Where scores are read.
    wishes : Wishes
        How models are chosen.
    what : What
        What is measured and written.
    losses : Losses
        Receives what could not be used.
    """

    def __init__(
        self, stat_files: Sequence[str], wishes: Wishes, what: What, losses: Losses
    ) -> None:
        self._stat_files = stat_files
        self._wishes = wishes
        self._what = what
        self._pool = FramePool(losses)
        self._read: _Models | None = None
        self._parts = Parts(())
        self._matrix: results.DistanceMatrix | None = None
        self._clusters: tuple[results.Cluster, ...] = ()
        self._labels: IntArray = np.zeros(0, dtype=np.int64)

    def read(self) -> None:
        """Choose the models and read their coordinates."""
        before = len(self._pool.losses.entries)
        chosen = choose(self._stat_files, self._wishes, self._pool)
        self._read = self._models_of(chosen)
        _tell(self._pool.losses, before)

    def _models_of(self, chosen: Chosen) -> _Models:
        first: RmfFile = self._pool.get(str(chosen.table.file[0]))
        whole = first.topology(1)
        state = _state_at(whole, self._what.state_number, str(chosen.table.file[0]))
        # Names are checked before any coordinate is read.
        densities = density_beads(self._what.densities, first.topology(1, state=state))
        coordinates, topology = read_coordinates(
            self._pool,
            chosen.table,
            resolution=1.0,
            state="all" if state is None else state,
            advance=lambda done, total: current_reporter().advance("reading models", done, total),
        )
        return _Models(chosen, coordinates, topology, whole, state, densities)

    def _define(self, models: _Models) -> None:
        self._parts = parts_of(
            self._what.measured, self._what.superposed, models.whole, models.topology
        )

    def compare(self) -> None:
        """Compute all distances."""
        from congruence.compute.rmsd import rmsd_matrix

        models = self._models()
        self._define(models)
        metric = metric_of(self._parts, models.topology.residue_counts.astype(np.float64))
        made = rmsd_matrix(
            models.coordinates,
            metric,
            precision="double",
            progress=lambda done, total: current_reporter().advance("distances", done, total),
        )
        self._matrix = replace(
            made,
            weights="residues",
            names=models.chosen.table.names,
            definition=made.definition | self._parts.words(len(models.topology)),
        )

    def cluster(self, number_of_clusters: int) -> Clustering:
        """
        Part the models by seeded k-means.

        Parameters
        ----------
        number_of_clusters : int
            Number of clusters.

        Returns
        -------
        clustering : Clustering
            In the words of the reference.
        """
        from congruence.compute.clustering import cluster

        matrix = self._distances()
        found = cluster(
            matrix,
            method="kmeans",
            k=number_of_clusters,
            seed=0,
            scores=self._models().chosen.table.score,
        )
        self._clusters, self._labels = found.clusters, found.labels
        return Clustering.of(matrix, found)

    def save(self, stem: str, *, matrix_too: bool = True) -> None:
        """
        Write the matrix, its models and their clusters.

        Parameters
        ----------
        stem : str
            Path without ``.npy`` and ``.json``.
        matrix_too : bool
            Whether the matrix itself is new.
        """
        placements: dict[int, Placement] = {}
        for cluster in self._clusters:
            placements.update(
                zip(cluster.members.tolist(), self._placed_on_first(cluster.members), strict=True)
            )
        about = {
            **self._what.as_data(),
            "labels": self._labels.tolist(),
            "transformations": [_motion(placements[i]) for i in range(len(self._labels))],
            "models": self._models().chosen.as_data(),
        }
        if matrix_too:
            save_matrix(stem, self._distances(), about)
        else:
            save_labels(stem, about)

    def load(self, stem: str) -> None:
        """
        Read a saved matrix, and the coordinates of its models.

        Parameters
        ----------
        stem : str
            Path without ``.npy`` and ``.json``.

        Raises
        ------
        ConfigError
            If the components are not those of the saved matrix.
        """
        self._matrix, about = load_matrix(stem)
        self._what = self._what.agreeing_with(about, stem)
        chosen = Chosen.from_data(about.get("models", {}), path=f"{stem}.json")
        missing = [f for f in dict.fromkeys(chosen.table.file.tolist()) if not Path(f).is_file()]
        if missing:
            raise InputError(
                f"{missing[0]}, which {stem}.npy has models of, does not exist",
                hint="Run the script in the folder where the matrix was computed, or compute it "
                "again with load_distance_matrix_file=False.",
            )
        self._read = self._models_of(chosen)
        self._define(self._read)

    def open_folder(self, outputdir: str, *, create: bool, clean: bool) -> OutputFolder:
        """
        Open the folder of results, so that a bad one is known before any work.

        Parameters
        ----------
        outputdir : str
            The folder.
        create, clean : bool
            As `OutputFolder` takes them.

        Returns
        -------
        folder : OutputFolder
            To be written in.
        """
        return OutputFolder(outputdir, create=create, clean=clean)

    def write_clusters(self, folder: OutputFolder) -> None:
        """
        Write ``cluster.N/`` for every cluster.

        Parameters
        ----------
        folder : OutputFolder
            Where to write.
        """
        from congruence.io.rmf.history import ClusterProvenance

        models = self._models()
        for cluster in self._clusters:
            name = f"cluster.{cluster.index}"
            current_reporter().say(f"writing {name} of {cluster.size} models")
            average = {"AVERAGE_RMSD": repr(float(cluster.average_rmsd))}
            members = self._members(
                models, cluster.members, self._placed_on_first(cluster.members), average
            )
            step = ClusterProvenance(cluster.size, cluster.average_rmsd)
            files = self._files(models, (*models.chosen.steps(), step))
            for k, member in enumerate(members):
                self._write_member(folder, files, member, (name, str(k)))
            _write_stat(folder, (name, "stat.out"), [member.row for member in members])
            self._write_densities(folder, name, cluster.members, members)
        self._finish(folder, "cluster.")

    def write_all_models(self, folder: OutputFolder) -> None:
        """
        Write the chosen models into ``all_models.0/``, superposed on the first one if asked for.

        Parameters
        ----------
        folder : OutputFolder
            Where to write.
        """
        models, name = self._models(), "all_models.0"
        order = np.arange(len(models.chosen.table))
        placements: Sequence[Placement] = [Placement()] * len(order)
        if self._what.superposed:
            # Superposing needs no RMSD; what is superposed is measured when nothing else is named.
            self._what = replace(self._what, measured=self._what.measured or self._what.superposed)
            self._define(models)
            placements = self._placed_on_first(order)
        members = self._members(models, order, placements, {})
        files = self._files(models, models.chosen.steps())
        rows = []
        for k, member in enumerate(members):
            self._write_member(folder, files, member, (name, f"{k}.0"))
            where: dict[str, StatValue] = {
                "local_pdb_file_name": f"{k}.0.pdb",
                "rmf_file_full_path": member.file,
                "local_rmf_file_name": f"{k}.0.rmf3",
                "local_rmf_frame_number": 0,
            }
            rows.append(member.row | where)
        _write_stat(folder, (name, "stat.0.out"), rows)
        self._write_densities(folder, name, order, members)
        self._finish(folder, "all_models.")

    def _models(self) -> _Models:
        if self._read is None:
            raise ConfigError("models have not been read yet")
        return self._read

    def _distances(self) -> results.DistanceMatrix:
        if self._matrix is None:
            raise ConfigError("distances have not been computed yet")
        return self._matrix

    def _placed_on_first(self, members: IntArray) -> tuple[Placement, ...]:
        from congruence.compute.rmsd import place

        models = self._models()
        metric = metric_of(self._parts, models.topology.residue_counts.astype(np.float64))
        return place(models.coordinates, members, int(members[0]), metric)

    def _members(
        self,
        models: _Models,
        order: IntArray,
        placements: Sequence[Placement],
        first: Mapping[str, StatValue],
    ) -> list[Member]:
        table = models.chosen.table
        return [
            Member(
                str(table.file[i]),
                int(table.frame[i]),
                {**first, **models.chosen.rows[i]},
                placement,
            )
            for i, placement in zip(order.tolist(), placements, strict=True)
        ]

    def _files(self, models: _Models, steps: tuple[ProvenanceStep, ...]) -> MemberFiles:
        return MemberFiles(self._pool, models.state, self._parts.groups, steps)

    def _write_member(
        self, folder: OutputFolder, files: MemberFiles, member: Member, name: tuple[str, str]
    ) -> None:
        with folder.file(name[0], f"{name[1]}.rmf3") as part:
            files.write_rmf(member, part)
        with folder.file(name[0], f"{name[1]}.pdb") as part:
            files.write_pdb(member, part, centered=self._what.centered)

    def _write_densities(
        self, folder: OutputFolder, name: str, order: IntArray, members: Sequence[Member]
    ) -> None:
        models = self._models()
        placed = PlacedModels(
            as_source(models.coordinates),
            order,
            tuple(member.placement for member in members),
            self._parts.groups,
        )
        write_densities(
            folder, name, placed, models.topology, models.densities, voxel=self._what.voxel
        )

    def _finish(self, folder: OutputFolder, kind: str) -> None:
        losses = self._pool.losses
        readable = [file for file in self._stat_files if os.access(file, os.R_OK)]
        folder.finish(
            {
                "versions": versions(),
                **self._what.as_data(),
                "models": list(self._models().chosen.table.names),
                "inputs": inputs_record((*readable, *self._models().chosen.table.file)),
                "left_out": [str(entry) for entry in losses.entries],
            },
            kind=kind,
        )


def _state_at(whole: Topology, position: int, path: str) -> int | None:
    states = list(dict.fromkeys(m.state for m in whole.molecules))
    if not 0 <= position < max(len(states), 1):
        raise InputError(
            f"state_number is {position}, but {path} has {len(states)} states",
            hint=f"State numbers are positions: 0 to {len(states) - 1}.",
        )
    return None if not states or states[position] < 0 else states[position]


def _tell(losses: Losses, before: int) -> None:
    new = losses.entries[before:]
    for entry in new[:_NAMED_LOSSES]:
        current_reporter().warn(str(entry))
    if len(new) > _NAMED_LOSSES:
        current_reporter().warn(f"and {len(new) - _NAMED_LOSSES} more kinds of losses")


def _write_stat(
    folder: OutputFolder, name: tuple[str, str], rows: Sequence[Mapping[str, StatValue]]
) -> None:
    from congruence.io.stat import write_stat_v1

    with folder.file(*name) as part:
        write_stat_v1(part, rows)


def _motion(placement: Placement) -> dict[str, Any]:
    return {
        "rotation": placement.rotation.tolist(),
        "translation": placement.translation.tolist(),
        "assignment": [list(p) for p in placement.assignment],
    }
