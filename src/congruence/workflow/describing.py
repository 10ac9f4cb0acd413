"""What results say of distances that are not kept: centers, averages, precision, a sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from congruence.compute.partition_sums import PartitionSums
    from congruence.core.precision import Precision, Separation
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.streamed import Streaming

__all__ = ["Description", "describe"]

_EDGE = 1024


@dataclass(frozen=True, eq=False)
class Description:
    """
    Clusters, and what results say of their distances.

    Parameters
    ----------
    clustering : Clustering
        The clusters, with centers and averages.
    matrix : DistanceMatrix
        Distances within a sample, with the definition of all.
    sample : ndarray, dtype=int64, shape=(s,)
        Which models the sample is, ascending.
    to_center : ndarray, dtype=float64, shape=(m,)
        Distance of each model to the center of its cluster in Å, exact; NaN
        without cluster.
    within : tuple of Precision
        Precision of each cluster over what is measured.
    between : dict of (int, int) to Separation
        By numbers of two clusters, the lower first.
    notes : dict of str to Any
        For ``run.json``.
    """

    clustering: Clustering
    matrix: DistanceMatrix
    sample: IntArray
    to_center: FloatArray
    within: tuple[Precision, ...]
    between: dict[tuple[int, int], Separation]
    notes: dict[str, Any]


def describe(job: Streaming, outline: Clustering, notes: dict[str, Any]) -> Description:
    """
    Find centers, averages and precision of clusters.

    Parameters
    ----------
    job : Streaming
        The job; its plan says whether all distances are looked at.
    outline : Clustering
        The clusters; centers and averages in it mean nothing yet.
    notes : dict of str to Any
        For ``run.json``.

    Returns
    -------
    description : Description
        The clusters as described.
    """
    from congruence.compute.partition_sums import with_spread
    from congruence.compute.strata import sample_of_clusters
    from congruence.compute.to_medoids import distances_to_centers

    size = job.resources.sample
    apart: tuple[PartitionSums, IntArray] | None = None
    if job.plan.every_pair:
        models = np.arange(len(outline.labels))
        within_only = _within_only(job, outline)
        sums, definition = (_within_pairs if within_only else _all_pairs)(job, outline)
        clustering = with_spread(outline, sums.by_run.sum(axis=1), models)
        sample = sample_of_clusters(clustering, size)
        matrix = job.matrix(sample, "distances within a sample")
        matrix = replace(matrix, definition=definition)
        if within_only:
            few = _sums(job, clustering, sample)
            few.put(0, 0, matrix.square())
            apart = few, sample
            notes = notes | {
                "between": f"averages and smallest distances of {len(sample):,} models"
            }
    else:
        models = sample = sample_of_clusters(outline, size)
        matrix = job.matrix(sample, "distances within a sample")
        sums = _sums(job, outline, models)
        sums.put(0, 0, matrix.square())
        clustering = with_spread(outline, sums.by_run.sum(axis=1), models)
    centers = np.array([c.center for c in clustering.clusters], dtype=np.int64)
    to_center = distances_to_centers(
        job.ensemble, job.metric, clustering.labels, centers, threads=job.resources.threads
    )
    known = _Known(job, clustering, (sums, models), apart or (sums, models), to_center)
    return Description(
        clustering=clustering,
        matrix=matrix,
        sample=sample,
        to_center=to_center,
        within=tuple(known.precision(i) for i in range(len(centers))),
        between=known.separations(centers),
        notes={"plan": job.plan.record(), "sample": len(sample), **notes},
    )


def _sums(job: Streaming, outline: Clustering, models: IntArray) -> PartitionSums:
    from congruence.compute.partition_sums import PartitionSums
    from congruence.compute.precision import run_numbers

    runs, _ = run_numbers(job.ensemble.models.run, len(outline.labels))
    return PartitionSums(outline.labels[models], runs[models])


def _all_pairs(job: Streaming, outline: Clustering) -> tuple[PartitionSums, dict[str, str]]:
    """Go over all distances once more, from disk where they are there."""
    from congruence.compute.compression import compressed_tiles

    sums = _sums(job, outline, np.arange(len(outline.labels)))
    if job.plan.matrix.way == "tiles":
        job.folder.replay(sums)
        return sums, job.definition
    options = job.options("distances within clusters")
    return sums, compressed_tiles(job.ensemble, sums, job.metric, edge=_EDGE, **options)


def _within_only(job: Streaming, outline: Clustering) -> bool:
    """Tell whether distances within clusters, made on this machine, are few."""
    from congruence.compute.rmsd import rmsd_tiles
    from congruence.workflow.within import within_pays

    without = job.plan.matrix.way in ("bits", "rows") and job.tiler is rmsd_tiles
    return without and within_pays(outline.labels)


def _within_pairs(job: Streaming, outline: Clustering) -> tuple[PartitionSums, dict[str, str]]:
    """Go over the distances within clusters once more."""
    from congruence.workflow.within import sums_within

    sums = _sums(job, outline, np.arange(len(outline.labels)))
    by_run, definition = sums_within(job, sums.labels, sums.runs)
    sums.by_run[:] = by_run
    return sums, definition


class _Known:
    """Precision of clusters from sums of distances between the models looked at."""

    def __init__(
        self,
        job: Streaming,
        clustering: Clustering,
        within: tuple[PartitionSums, IntArray],
        apart: tuple[PartitionSums, IntArray],
        to_center: FloatArray,
    ) -> None:
        self._job, self._clustering, self._to_center = job, clustering, to_center
        self._sums, models = within
        self._apart, few = apart
        self._few = np.bincount(clustering.labels[few][clustering.labels[few] >= 0])
        self._place = np.full(len(clustering.labels), -1, dtype=np.int64)
        self._place[models] = np.arange(len(models))

    def _looked_at(self, cluster: int) -> tuple[IntArray, IntArray]:
        """Return positions in the cluster and numbers of its members that were looked at."""
        members = self._clustering.clusters[cluster].members
        positions = np.flatnonzero(self._place[members] >= 0)
        return positions, members[positions]

    def precision(self, cluster: int) -> Precision:
        """Return the precision of a cluster, with its center by position in the cluster."""
        from congruence.compute.precision import precision_of_sums

        positions, members = self._looked_at(cluster)
        at = self._place[members]
        present = np.unique(self._sums.runs[at])
        rows = _Rows(self._job, members, self._clustering.clusters[cluster].center, self._to_center)
        found = precision_of_sums(
            self._sums.by_run[at][:, present],
            rows,
            runs=self._job.ensemble.models.run[members],
            seed=self._job.config.seed,
        )
        return replace(
            found,
            center=int(positions[found.center]),
            compat=replace(found.compat, center=int(positions[found.compat.center])),
        )

    def separations(self, centers: IntArray) -> dict[tuple[int, int], Separation]:
        """Return how far clusters are apart, of those whose pairs were followed."""
        from congruence.compute.rows import DistanceRows
        from congruence.core.precision import Separation

        followed = len(self._apart.between)
        if followed < 2:
            return {}
        apart = DistanceRows(
            self._job.ensemble, self._job.metric, threads=self._job.resources.threads
        ).between(centers[:followed])
        sizes = self._few[:followed].astype(np.float64)
        average = self._apart.between / np.outer(sizes, sizes)
        return {
            (i, j): Separation(
                float(average[i, j]), float(self._apart.smallest[i, j]), float(apart[i, j])
            )
            for j in range(followed)
            for i in range(j)
        }


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of distances among some models, computed when asked for."""

    job: Streaming
    models: IntArray
    center: int
    to_center: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.models), len(self.models)

    def __getitem__(self, row: int) -> FloatArray:
        model = int(self.models[row])
        if model == self.center:
            return self.to_center[self.models]
        from congruence.compute.rows import DistanceRows

        rows = DistanceRows(self.job.ensemble, self.job.metric, threads=self.job.resources.threads)
        found: FloatArray = rows.rows(np.array([model]))[0][self.models]
        return found
