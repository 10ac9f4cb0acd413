"""Clusters of models whose distances are not kept in memory, and what results need of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.workflow.close_pairs import ERRORS, ClosePairs
from congruence.workflow.describing import describe
from congruence.workflow.large import distances_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from congruence.compute.metric import Metric
    from congruence.compute.tiler import Tiler
    from congruence.core.ensemble import Ensemble
    from congruence.core.results import ClusterAdvice, Clustering, DistanceMatrix
    from congruence.io.tiles import DistanceFolder
    from congruence.typing import IntArray
    from congruence.workflow.config import ClusterConfig
    from congruence.workflow.describing import Description
    from congruence.workflow.planning import JobPlan
    from congruence.workflow.reporting import Reporter
    from congruence.workflow.resources import Resources

__all__ = ["Streaming", "cluster_streamed"]

_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class Streaming:
    """
    A clustering job without a matrix in memory.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    ensemble : Ensemble
        The models.
    metric : Metric
        The definition of the distance.
    plan : JobPlan
        How distances are used.
    resources : Resources
        What to compute with.
    tiles : Path
        Folder for tiles, where the plan has any; not removed here.
    reporter : Reporter
        Told of progress.
    """

    config: ClusterConfig
    ensemble: Ensemble
    metric: Metric
    plan: JobPlan
    resources: Resources
    tiles: Path
    reporter: Reporter

    @cached_property
    def tiler(self) -> Tiler:
        """What computes the distances."""
        return self.resources.tiler()

    def options(self, label: str) -> dict[str, Any]:
        """
        Return the options of a pass over distances.

        Parameters
        ----------
        label : str
            What the pass is for.

        Returns
        -------
        options : dict
            Keywords of `congruence.compute.compression.compressed_tiles`.
        """
        return {
            "tiler": self.tiler,
            "precision": self.resources.precision,
            "threads": self.resources.threads,
            "progress": self.progress(label),
        }

    def progress(self, label: str) -> Callable[[int, int], None]:
        """
        Return what is called with the parts done and in all.

        Parameters
        ----------
        label : str
            What is being done.

        Returns
        -------
        progress : callable
            Tells the reporter.
        """
        return lambda done, total: self.reporter.advance(label, done, total)

    def matrix(self, models: IntArray, label: str) -> DistanceMatrix:
        """
        Compute the distances within a sample.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(s,)
            Which models.
        label : str
            What for.

        Returns
        -------
        matrix : DistanceMatrix
            In double precision.
        """
        from congruence.compute.compression import compressed_matrix

        some = self.ensemble.take(models)
        return compressed_matrix(some, self.metric, **self.options(label))

    @property
    def folder(self) -> DistanceFolder:
        """All distances on disk; computed, or continued, when first asked for."""
        return self._on_disk[0]

    @property
    def definition(self) -> dict[str, str]:
        """Words on how the distances on disk were made."""
        return self._on_disk[1]

    @cached_property
    def _on_disk(self) -> tuple[DistanceFolder, dict[str, str]]:
        from congruence.compute.compression import compressed_tiles
        from congruence.io.tiles import DistanceFolder

        edge, single = self.plan.matrix.edge, self.plan.matrix.single
        folder = DistanceFolder(
            self.tiles,
            len(self.ensemble),
            key=distances_key(self.ensemble, self.metric, self.resources),
            edge=edge,
            dtype=np.float32 if single else np.float64,
        )
        options = self.options("distances")
        return folder, compressed_tiles(self.ensemble, folder, self.metric, edge=edge, **options)


@dataclass(frozen=True, eq=False)
class _Found:
    """Labels with the words that go with them."""

    labels: IntArray
    method: str
    parameters: dict[str, str | int | float]
    advice: ClusterAdvice | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def cluster_streamed(job: Streaming) -> Description:
    """
    Cluster without a matrix in memory.

    Parameters
    ----------
    job : Streaming
        The job; its plan says how.

    Returns
    -------
    description : Description
        The clusters with what results say of distances.

    Raises
    ------
    OutputError
        If tiles cannot be written, or are of another job.
    """
    from congruence.compute.partition import describe_partition

    way = job.plan.matrix.way
    if job.config.method == "threshold":
        found = _threshold(job)
    elif way == "tiles":
        found = _kmeans_of_tiles(job)
    elif job.config.method == "kmeans":
        found = _means(job) if way == "batches" else _medoids(job)
    else:
        found = _of_sample(job)
    table = job.ensemble.models
    outline = describe_partition(
        np.zeros(len(table)),
        found.labels,
        method=found.method,
        parameters=found.parameters,
        scores=table.score,
        runs=table.run,
        advice=found.advice,
    )
    if found.advice is not None:
        job.reporter.say(f"number of clusters: {found.advice.reason}")
    return describe(job, outline, found.notes)


def _threshold(job: Streaming) -> _Found:
    from congruence.compute.streaming import threshold_clusters

    threshold = job.config.threshold or 0.0
    precision = job.plan.precision if job.plan.matrix.way == "bits" else "double"
    options = job.options("distances") | {"precision": precision, "memory": job.plan.memory}
    within = ERRORS[1] if job.resources.elsewhere else None
    found = threshold_clusters(job.ensemble, job.metric, threshold, within=within, **options)
    close = ClosePairs(found.close_pairs, threshold, found.within)
    job.reporter.say(close.text())
    notes = close.record()
    if "screening" in found.definition:
        job.reporter.say(f"screening: {found.definition['screening']}")
        notes["screening"] = found.definition["screening"]
    return _Found(found.labels, "threshold", {"threshold": threshold}, notes=notes)


def _sample_clusters(job: Streaming, *, method: str | None = None) -> tuple[IntArray, Clustering]:
    """Cluster models that stand for all, with an advice when no number is given."""
    from congruence.compute.clustering import cluster
    from congruence.compute.strata import sample_of_runs

    table = job.ensemble.models
    sample = sample_of_runs(table.run, job.resources.sample)
    matrix = job.matrix(sample, "distances within a sample")
    found = cluster(
        matrix,
        method=method or job.config.method,  # type: ignore[arg-type]
        k=job.config.clusters,
        threshold=job.config.threshold,
        seed=job.config.seed,
        scores=table.score[sample],
    )
    if found.advice is None or len(sample) == len(table):
        return sample, found
    reason = f"{found.advice.reason} These are a sample of all {len(table):,} models."
    return sample, replace(found, advice=replace(found.advice, reason=reason))


def _kmeans_of_tiles(job: Streaming) -> _Found:
    from congruence.compute.tile_means import kmeans_of_tiles

    folder = job.folder
    sample, some = _sample_clusters(job)
    start = np.full(len(job.ensemble), -1, dtype=np.int64)
    start[sample] = some.labels
    k = len(some.clusters)
    job.reporter.say(f"k-means on the rows of {len(start):,} models, read from {job.tiles}")
    means = kmeans_of_tiles(folder, start, k) if k > 1 else None
    labels = np.zeros(len(start), dtype=np.int64) if means is None else means.labels
    if means is not None and not means.converged:
        job.reporter.warn(f"k-means has not come to rest in {means.steps} steps")
    parameters = {"k": k, "seed": job.config.seed, "starts": 1, "begun_from": len(sample)}
    return _Found(labels, "kmeans", dict(parameters), some.advice)


def _number(job: Streaming) -> tuple[int, ClusterAdvice | None]:
    if job.config.clusters is not None:
        return job.config.clusters, None
    _, some = _sample_clusters(job)
    assert some.advice is not None  # no number was given
    return some.advice.k, some.advice


def _medoids(job: Streaming) -> _Found:
    from congruence.compute.medoids import clara

    k, advice = _number(job)
    seed, threads = job.config.seed, job.resources.threads
    found = clara(job.ensemble, job.metric, k, seed=seed, samples=_SAMPLES, threads=threads)
    job.reporter.say(found.text())
    parameters: dict[str, str | int | float] = {"k": k, "seed": seed}
    parameters |= {"samples": len(found.costs), "sample_size": found.sample_size}
    notes = {"medoids": found.text()}
    return _Found(found.labels, "clara", parameters, advice, notes)


def _means(job: Streaming) -> _Found:
    from congruence.compute.medoids import minibatch_kmeans

    k, advice = _number(job)
    seed = job.config.seed
    found = minibatch_kmeans(job.ensemble, job.metric, k, seed=seed, threads=job.resources.threads)
    said = (
        f"distance of models to the mean of their cluster: {found.spread:.3f} Å (root mean square)"
    )
    job.reporter.say(said)
    parameters: dict[str, str | int | float] = {"k": k, "seed": seed}
    return _Found(found.labels, "minibatch_kmeans", parameters, advice, {"means": said})


def _of_sample(job: Streaming) -> _Found:
    """Cluster a sample; other models join the nearest medoid, or none of a cluster's reach."""
    from congruence.compute.to_medoids import nearest_medoids

    sample, some = _sample_clusters(job)
    labels = np.full(len(job.ensemble), -1, dtype=np.int64)
    if some.clusters:
        medoids = sample[[c.center for c in some.clusters]]
        labels, distances = nearest_medoids(
            job.ensemble, job.metric, medoids, threads=job.resources.threads
        )
        if job.config.method == "hdbscan":
            own = some.labels == labels[sample]
            reach = np.zeros(len(medoids))
            np.maximum.at(reach, some.labels[own], distances[sample[own]])
            labels[distances > reach[labels]] = -1
    labels[sample] = some.labels
    parameters = {**some.parameters, "sample": len(sample)}
    return _Found(labels, job.config.method, parameters, some.advice)
