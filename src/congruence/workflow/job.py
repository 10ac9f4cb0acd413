"""The whole job: from runs to a result folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from congruence.core.results import Alignment
from congruence.errors import ConfigError, InputError
from congruence.workflow.close_pairs import ERRORS, close_pairs
from congruence.workflow.dask_cluster import on_engine
from congruence.workflow.folder import check_target
from congruence.workflow.glance import one_line
from congruence.workflow.large import remove_tiles
from congruence.workflow.on_disk import Keeping, coordinate_folder
from congruence.workflow.outcome import Job
from congruence.workflow.planning import tell_plan
from congruence.workflow.reporting import Reporter, Silent, refuse_losses, tell_losses
from congruence.workflow.resources import Resources
from congruence.workflow.results import write_job
from congruence.workflow.steps import ChosenModels, open_runs
from congruence.workflow.streamed import Streaming, cluster_streamed

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.compute.metric import Metric
    from congruence.core.ensemble import Ensemble
    from congruence.core.models import ModelTable
    from congruence.core.provenance import Losses
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.core.topology import Topology
    from congruence.workflow.config import ClusterConfig
    from congruence.workflow.planning import JobPlan

__all__ = [
    "JobSummary",
    "cluster_models",
    "cluster_runs",
    "job_metric",
    "measure",
    "partition",
]

_ALIGN_HINT = (
    "Use 'none' when an EM map or a fixed part gives the frame, 'superpose' when the whole "
    "complex moves freely, 'center' when only its position is arbitrary."
)


@dataclass(frozen=True, eq=False)
class JobSummary:
    """
    What a job came to.

    Parameters
    ----------
    out : Path
        The result folder; not written when `clustering` is None.
    chosen : int
        Number of models chosen.
    clustering : Clustering or None
        The clusters; None for a dry run.
    losses : Losses
        What could not be used.
    """

    out: Path
    chosen: int
    clustering: Clustering | None
    losses: Losses


@on_engine
def cluster_runs(
    config: ClusterConfig,
    out: Path,
    *,
    force: bool = False,
    dry_run: bool = False,
    reporter: Reporter | None = None,
    resources: Resources | None = None,
) -> JobSummary:
    """
    Choose models, measure distances, cluster, and write the result folder.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    out : Path
        The result folder.
    force : bool
        Replace an earlier result of congruence.
    dry_run : bool
        Stop before coordinates are read, after telling what would be done.
    reporter : Reporter, optional
        Told of progress.
    resources : Resources, optional
        What to compute with; what `config` says by default.

    Returns
    -------
    summary : JobSummary
        What was done.

    Raises
    ------
    ConfigError
        If options are missing or do not fit the models.
    InputError
        If the input cannot be used.
    OutputError
        If the output folder cannot be written.
    """
    reporter = reporter or Silent()
    _complete(config)
    check_target(out, force=force)
    chosen = _choose(config, reporter)
    losses = chosen.pool.losses
    told = tell_losses(losses, reporter)
    refuse_losses(losses, strict=config.strict)
    topology = _first_topology(chosen, config, reporter)
    _check_selections(config, topology, len(chosen))
    resources = resources or Resources.of(config)
    models = (len(chosen), chosen.total)
    plan = tell_plan(config, topology, models, reporter, resources=resources, folder=out)
    if dry_run:
        return JobSummary(out, len(chosen), None, losses)
    tiles = out.with_name(f"{out.name}.tiles")
    with coordinate_folder(out) as folder:
        ensemble = chosen.load(
            resolution=config.resolution,
            state=config.state,
            advance=lambda done, total: reporter.advance("reading models", done, total),
            engine=config.engine,
            keeping=Keeping(folder if plan.mapped else None),
        )
        ensemble = replace(ensemble, topology=ensemble.topology.with_units(config.swaps))
        told = tell_losses(losses, reporter, since=told)
        refuse_losses(losses, strict=config.strict)
        outcome = cluster_models(
            config, ensemble, plan, tiles, reporter=reporter, resources=resources
        )
        job = replace(outcome, pool=chosen.pool, total=chosen.total, log=chosen.log)
        write_job(job, out, force=force, reporter=reporter)
    reporter.say(job.exhaustiveness)
    remove_tiles(tiles, len(chosen))
    tell_losses(losses, reporter, since=told)
    return JobSummary(out, len(chosen), job.clustering, losses)


def cluster_models(
    config: ClusterConfig,
    ensemble: Ensemble,
    plan: JobPlan,
    tiles: Path,
    *,
    reporter: Reporter,
    resources: Resources,
) -> Job:
    """
    Measure distances and cluster, with or without a matrix in memory.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    ensemble : Ensemble
        The models.
    plan : JobPlan
        How the distances are kept.
    tiles : Path
        Folder for tiles of distances. Not removed here.
    reporter : Reporter
        Told of progress.
    resources : Resources
        What to compute with.

    Returns
    -------
    job : Job
        What a result folder is made from; of its files nothing is known yet.
    """
    table = ensemble.models
    if plan.kept:
        matrix, metric = measure(config, ensemble, reporter, tiles=tiles, resources=resources)
        clustering = partition(config, matrix, table, reporter)
        notes = {"plan": plan.record()}
        if config.method == "threshold" and config.threshold is not None:
            within = ERRORS[1] if resources.elsewhere else None
            close = close_pairs(matrix, config.threshold, within=within)
            reporter.say(close.text())
            notes |= close.record()
        glance = one_line(table, matrix, clustering, seed=config.seed)
        job = Job(ensemble, matrix, clustering, metric, config, total=len(table))
        return replace(job, exhaustiveness=glance, notes=notes)
    streaming = Streaming(config, ensemble, job_metric(config), plan, resources, tiles, reporter)
    found = cluster_streamed(streaming)
    glance = one_line(table, found.matrix, found.clustering, seed=config.seed, sample=found.sample)
    job = Job(ensemble, found.matrix, found.clustering, streaming.metric, config, total=len(table))
    return replace(job, exhaustiveness=glance, notes=found.notes, streamed=found)


def _complete(config: ClusterConfig) -> None:
    if not config.runs:
        raise ConfigError("no runs were given", hint="Name run folders, globs or files.")
    if config.align is None:
        raise ConfigError("no alignment mode was given (--align)", hint=_ALIGN_HINT)
    if not config.rmsd:
        raise ConfigError(
            "no selection for the RMSD was given (--rmsd)",
            hint="Name molecules, for example --rmsd Rpb4 --rmsd Rpb7:1-80, or --rmsd '*' for all; "
            "'congruence inspect' lists them.",
        )


def _choose(config: ClusterConfig, reporter: Reporter) -> ChosenModels:
    runs = open_runs(*config.runs)
    names = ", ".join(run.name for run in runs.runs[:8]) + (" ..." if len(runs.runs) > 8 else "")
    reporter.say(f"runs: {len(runs.runs)} ({names})")
    chosen = runs.choose(
        score=config.score,
        best=config.best,
        below=config.below,
        features=config.features,
        every=config.every if config.every > 1 else None,
        frames=config.frames if config.frames != (0.0, 1.0) else None,
        where=config.where,
    )
    for line in chosen.log:
        reporter.say(line)
    return chosen


def _first_topology(chosen: ChosenModels, config: ClusterConfig, reporter: Reporter) -> Topology:
    file = chosen.pool.get(str(chosen.table.file[0]))
    every = file.topology(config.resolution)
    states = sorted({m.state for m in every.molecules})
    if config.state == "all":
        return every.with_units(config.swaps)
    topology = file.topology(config.resolution, state=config.state)
    if not len(topology):
        raise InputError(
            f"{file.path} has no beads in state {config.state}; states here: {states}",
            hint="Choose one with --state, or --state all.",
        )
    if len(states) > 1:
        reporter.say(
            f"states: {', '.join(map(str, states))}; state {config.state} is analysed "
            "(--state chooses another, or all)"
        )
    return topology.with_units(config.swaps)


def _check_selections(config: ClusterConfig, topology: Topology, models: int) -> None:
    from congruence.core.selection import parse

    for text in (*config.rmsd, *config.align_on, *config.densities.values()):
        parse(text).mask(topology)
    if config.clusters is not None and config.clusters > models:
        raise ConfigError(
            f"{config.clusters} clusters were asked for, but there "
            + (f"are {models} models" if models > 1 else "is one model"),
            hint=f"Ask for at most {models}, or choose more models.",
        )


def job_metric(config: ClusterConfig) -> Metric:
    """
    Return the definition of the distance that a configuration asks for.

    Parameters
    ----------
    config : ClusterConfig
        The job.

    Returns
    -------
    metric : Metric
        The definition.
    """
    from congruence.compute.metric import Metric

    return Metric(
        Alignment(config.align or "none"),
        measure=config.rmsd,
        on=config.align_on or None,
        weights=config.weights,
        copies=config.copies,
    )


def measure(
    config: ClusterConfig,
    ensemble: Ensemble,
    reporter: Reporter,
    *,
    tiles: Path | None = None,
    resources: Resources | None = None,
) -> tuple[DistanceMatrix, Metric]:
    """
    Compute the distances that a configuration defines.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    ensemble : Ensemble
        The models.
    reporter : Reporter
        Told of progress.
    tiles : Path, optional
        Folder for the checkpoint of a large job.
    resources : Resources, optional
        What to compute with; what `config` says by default.

    Returns
    -------
    matrix : DistanceMatrix
        The distances.
    metric : Metric
        Their definition.
    """
    from congruence.workflow.large import measure_distances

    metric = job_metric(config)
    matrix = measure_distances(
        ensemble,
        metric,
        resources=resources or Resources.of(config),
        tiles=tiles,
        progress=lambda done, total: reporter.advance("distances", done, total),
    )
    return matrix, metric


def partition(
    config: ClusterConfig, matrix: DistanceMatrix, models: ModelTable | None, reporter: Reporter
) -> Clustering:
    """
    Cluster as a configuration says.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    matrix : DistanceMatrix
        The distances.
    models : ModelTable or None
        The models, when there is a table of them.
    reporter : Reporter
        Told of the advice, when the number of clusters was not given.

    Returns
    -------
    clustering : Clustering
        The clusters.
    """
    from congruence.compute.clustering import cluster

    clustering = cluster(
        matrix,
        method=config.method,
        k=config.clusters,
        threshold=config.threshold,
        seed=config.seed,
        scores=None if models is None else models.score,
        runs=None if models is None else models.run,
    )
    if clustering.advice is not None:
        reporter.say(f"number of clusters: {clustering.advice.reason}")
    return clustering
