"""
The result folder: everything a job made, in files that explain themselves.

See ``docs/reference/results.md`` for what each file holds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.compute.rmsd import place
from congruence.core.provenance import Origin, versions
from congruence.core.results import Alignment
from congruence.core.selection import Selection
from congruence.workflow.config import ClusterConfig, toml_text
from congruence.workflow.densities import write_densities
from congruence.workflow.folder import RUN_JSON, check_target, inputs_record, result_folder
from congruence.workflow.members import ClusterWriter, members_to_write
from congruence.workflow.outcome import Job
from congruence.workflow.precision import write_precision
from congruence.workflow.reporting import Reporter, Silent, refuse_losses
from congruence.workflow.resources import SAMPLE
from congruence.workflow.tables import model_rows, partition_data, to_centers

if TYPE_CHECKING:
    from congruence.compute.metric import Beads, Metric
    from congruence.core.ensemble import Ensemble
    from congruence.core.placement import Placement
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import IntArray

__all__ = ["draw", "place_members", "write_clusters", "write_job"]

_DRAWN_WHOLE = 5000


def write_clusters(
    out: str | Path,
    ensemble: Ensemble,
    matrix: DistanceMatrix,
    clustering: Clustering,
    *,
    metric: Metric,
    force: bool = False,
    **options: Any,
) -> Path:
    """
    Write a result folder: tables, matrix, figure, and a folder per cluster.

    Parameters
    ----------
    out : str or Path
        The folder; written whole or not at all.
    ensemble : Ensemble
        The models.
    matrix : DistanceMatrix
        Their distances.
    clustering : Clustering
        Their clusters.
    metric : Metric
        The definition that `matrix` was computed with; members are placed
        on the best-scoring member of their cluster with it.
    force : bool
        Replace an earlier result of congruence.
    **options : Any
        Fields of `ClusterConfig` that say what is written: ``densities``
        (name to selection), ``voxel``, ``map_resolution``, ``members``,
        ``models_rmf``. How the models were chosen and read is known from
        `ensemble.origin`.

    Returns
    -------
    out : Path
        The folder.

    Raises
    ------
    OutputError
        If the folder exists and `force` is false, or cannot be written.
    ConfigError
        If an option is not one of `ClusterConfig`.
    """
    from congruence.workflow.frames import FramePool

    origin = ensemble.origin or Origin(total=len(ensemble))
    config = ClusterConfig.checked({**origin.options, **_words_of(metric), **options})
    has_files = all(str(f) for f in ensemble.models.file)
    pool = (
        FramePool(origin.losses, score_files=origin.score_files, found_by=origin.found_by)
        if has_files
        else None
    )
    job = Job(ensemble, matrix, clustering, metric, config, pool, origin.total, origin.log)
    return write_job(job, Path(out), force=force)


def _words_of(metric: Metric) -> dict[str, Any]:
    """Say a metric as options, so that ``recluster`` can use it; as far as there are words."""
    said: dict[str, Any] = {"align": str(metric.mode)}
    measured = _texts(metric.measure) if metric.measure is not None else ("*",)
    fitted = _texts(metric.on) if metric.on is not None else ()
    simple = metric.fit_weights is None or metric.mode is Alignment.NONE
    words = isinstance(metric.weights, str) and isinstance(metric.copies, str) and simple
    if words and measured and fitted is not None:
        said |= {"rmsd": measured, "align_on": fitted}
        said |= {"weights": metric.weights, "copies": metric.copies}
    return said


def _texts(beads: Beads) -> tuple[str, ...] | None:
    """Return selections as texts; None for indices of beads."""
    if isinstance(beads, str | Selection):
        return (str(beads),)
    if all(isinstance(one, str | Selection) for one in beads):
        return tuple(map(str, beads))
    return None


def write_job(
    job: Job, out: Path, *, force: bool = False, reporter: Reporter | None = None
) -> Path:
    """
    Write the result folder of a job.

    Parameters
    ----------
    job : Job
        What to write.
    out : Path
        The folder.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    out : Path
        The folder.

    Raises
    ------
    InputError
        If the job is strict and something had to be left out.
    OutputError
        If the folder cannot be written.
    """
    reporter = reporter or Silent()
    check_target(out, force=force)
    selections = {name: job.ensemble.beads(text) for name, text in job.config.densities.items()}
    placements = place_members(job)
    with result_folder(out, force=force) as partial:
        _write_members(job, partial, placements, reporter)
        refuse_losses(job.losses, strict=job.config.strict)
        if selections:
            write_densities(job, partial, placements, selections, reporter)
        if job.clustering.clusters:
            write_precision(job, partial, placements, reporter=reporter)
        _write_tables(job, partial, placements)
        reporter.say("drawing the distance matrix")
        sample = None if job.streamed is None else job.streamed.sample
        draw(job.matrix, job.clustering, partial, sample)
        _write_run_json(job, partial)
    return out


def place_members(job: Job) -> list[tuple[Placement, ...]]:
    """
    Lay the members of each cluster on its best-scoring one.

    Parameters
    ----------
    job : Job
        The job.

    Returns
    -------
    placements : list of tuple of Placement
        Per cluster, one per member.
    """
    return [
        place(job.ensemble, cluster.members, cluster.best, job.metric)
        for cluster in job.clustering.clusters
    ]


def _writer(job: Job) -> ClusterWriter:
    return ClusterWriter(job.ensemble, job.pool, job.config, _provenance(job), job.words)


def _provenance(job: Job) -> tuple[Any, ...]:
    from congruence.io.rmf.history import CombineProvenance, FilterProvenance

    config, steps = job.config, []
    runs = len(set(job.ensemble.models.run.tolist()))
    kept = len(job.ensemble)
    if runs > 1 or len(set(job.ensemble.models.source.tolist())) > 1:
        steps.append(CombineProvenance(runs, job.total))
    filters: list[tuple[str, float]] = []
    if config.frames != (0.0, 1.0):
        filters.append((f"Frames {config.frames[0]:g} to {config.frames[1]:g}", 0.0))
    if config.every != 1:
        filters.append((f"Every {config.every} frames", 0.0))
    filters += [(condition, 0.0) for condition in config.where]
    if config.below is not None:
        filters.append(("Total score", config.below))
    if config.best is not None:
        filters.append(("Best scoring", 0.0))
    return (*steps, *(FilterProvenance(method, bound, kept) for method, bound in filters))


def _write_members(
    job: Job, partial: Path, placements: list[tuple[Placement, ...]], reporter: Reporter
) -> None:
    writer = _writer(job)
    clusters = job.clustering.clusters
    total = sum(len(members_to_write(c, job.config.members)) for c in clusters)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        reporter.advance("writing members", done, total)

    for cluster, mine in zip(clusters, placements, strict=True):
        writer.write(partial / f"cluster.{cluster.index}", cluster, mine, advance)


def _write_tables(job: Job, partial: Path, placements: list[tuple[Placement, ...]]) -> None:
    from congruence.io.matrix import save_matrix
    from congruence.io.matrix_absent import save_absence
    from congruence.io.store import write_csv, write_json

    streamed = job.streamed
    distance = to_centers(job.matrix, job.clustering) if streamed is None else streamed.to_center
    header, rows = model_rows(job.ensemble, distance, job.clustering, placements)
    write_csv(partial / "models.csv", header, rows)
    if streamed is None:
        save_matrix(job.matrix, partial)
    else:
        save_absence(replace(job.matrix, names=()), len(job.ensemble), partial)
    write_json(partial / "clusters.json", partition_data(job.clustering, job.ensemble.models.names))
    (partial / "config.toml").write_text(toml_text(_lasting(job.config)), encoding="utf-8")


def _lasting(config: ClusterConfig) -> ClusterConfig:
    """Leave out what belongs to a machine and not to a result."""
    return config.model_copy(update={"memory": None, "threads": None, "engine": "local"})


def draw(
    matrix: DistanceMatrix,
    clustering: Clustering,
    folder: Path,
    models: IntArray | None = None,
) -> None:
    """
    Draw the matrix as ``dist_matrix.pdf`` and ``.png``.

    Parameters
    ----------
    matrix : DistanceMatrix
        The distances.
    clustering : Clustering
        The clusters to mark.
    folder : Path
        Where to write.
    models : ndarray, dtype=int64, shape=(s,), optional
        Which of the clustered models `matrix` is of. Of more than 5,000 models
        3,000 are drawn.
    """
    from congruence.compute.strata import sample_of_clusters
    from congruence.plots.matrix import matrix_data, plot_matrix, save_figure

    if models is None and matrix.m > _DRAWN_WHOLE:
        models = sample_of_clusters(clustering, SAMPLE)
        matrix = matrix.take(models)
    data = matrix_data(matrix, clustering, models=models)
    save_figure(plot_matrix(data), folder / "dist_matrix")


def _write_run_json(job: Job, partial: Path) -> None:
    from congruence.io.store import write_json

    table, config = job.ensemble.models, job.config
    read = job.pool.score_files if job.pool is not None else ()
    names = {*read, *map(str, table.source), *map(str, table.file)} - {""}
    written = [p.relative_to(partial).as_posix() for p in partial.rglob("*") if p.is_file()]
    data = {
        "program": "congruence",
        "versions": versions(),
        "arguments": _lasting(config).model_dump(mode="json"),
        "engine": config.engine.partition(":")[0],
        "seed": config.seed,
        "alignment": str(job.matrix.alignment),
        "weights": job.matrix.weights,
        "distance": job.matrix.definition,
        "score": table.score_key,
        "models_to_choose_from": job.total,
        "models": len(table),
        "log": job.log,
        "rmf_files_found": job.pool.found_by if job.pool is not None else {},
        "exhaustiveness": job.exhaustiveness or None,
        **job.notes,
        "left_out": {
            "count": len(job.losses),
            "by_reason": job.losses.by_reason(),
            "entries": [
                {"where": e.where, "what": e.what, "why": e.why, "count": e.count}
                for e in job.losses.entries
            ],
        },
        "inputs": inputs_record(
            (*names, *job.inputs), whole=config.hash == "all", earlier=job.earlier
        ),
        "files": sorted(n for n in written if not Path(n).name.startswith(".")),
    }
    write_json(partial / RUN_JSON, data)
