"""Clustering again from a saved matrix: ours with its models, or a foreign one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from congruence.core.ensemble import Ensemble
from congruence.core.provenance import versions
from congruence.errors import ConfigError, FormatError
from congruence.workflow.config import ClusterConfig, load_config, toml_text
from congruence.workflow.folder import RUN_JSON, check_target, inputs_record, result_folder
from congruence.workflow.frames import FramePool, read_coordinates
from congruence.workflow.glance import one_line
from congruence.workflow.job import JobSummary, cluster_models, job_metric, partition
from congruence.workflow.large import remove_tiles
from congruence.workflow.on_disk import Keeping, coordinate_folder, said_on_disk
from congruence.workflow.outcome import Job
from congruence.workflow.planning import tell_plan
from congruence.workflow.reporting import Reporter, Silent, refuse_losses, tell_losses
from congruence.workflow.resources import Resources
from congruence.workflow.results import draw, write_job
from congruence.workflow.saved import read_models
from congruence.workflow.tables import partition_data, partition_rows

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.core.results import DistanceMatrix

__all__ = ["cluster_again"]

_METHOD_OPTIONS = ("method", "clusters", "threshold")
_READ = ("config.toml", "distances.json", "distances.npy", "models.csv", RUN_JSON)


def cluster_again(
    source: Path,
    out: Path,
    options: dict[str, Any],
    *,
    names: Path | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
) -> JobSummary:
    """
    Cluster again from a saved matrix.

    Parameters
    ----------
    source : Path
        A result folder of congruence, or an ``.npy`` file with a condensed or
        square matrix in Å. Distances that a folder does not keep are computed
        again.
    out : Path
        The new result folder.
    options : dict
        Fields of `ClusterConfig` that differ from those of `source`.
    names : Path, optional
        Text file with the name of each model, for a foreign matrix.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    summary : JobSummary
        What was done.

    Raises
    ------
    InputError
        If the matrix or the models cannot be read.
    ConfigError
        If the options do not fit.
    OutputError
        If the folder cannot be written.
    """
    from congruence.io.matrix import load_matrix
    from congruence.io.matrix_absent import is_absent

    reporter = reporter or Silent()
    check_target(out, force=force)
    if is_absent(source) and _has_models(source):
        reporter.say(f"{source} keeps no distances: they are computed again from its models")
        with coordinate_folder(out) as folder:
            return _with_models(source, out, options, None, folder, force=force, reporter=reporter)
    matrix = load_matrix(source, names)
    reporter.say(f"matrix: {matrix.m:,} models, alignment {matrix.alignment}")
    if _has_models(source):
        with coordinate_folder(out) as folder:
            return _with_models(
                source, out, options, matrix, folder, force=force, reporter=reporter
            )
    return _matrix_only(source, out, options, matrix, names=names, force=force, reporter=reporter)


def _has_models(source: Path) -> bool:
    """Tell whether a result folder knows the files of its models."""
    from congruence.io.store import read_csv

    path = source / "models.csv"
    return path.is_file() and "file" in read_csv(path)


def _with_models(
    source: Path,
    out: Path,
    options: dict[str, Any],
    matrix: DistanceMatrix | None,
    folder: Path,
    *,
    force: bool,
    reporter: Reporter,
) -> JobSummary:
    base = load_config(source / "config.toml")
    if any(name in options for name in _METHOD_OPTIONS):
        base = {k: v for k, v in base.items() if k not in _METHOD_OPTIONS}
    config = ClusterConfig.checked({**base, **options}, where=str(source / "config.toml"))
    if config.align is None or not config.rmsd:
        raise FormatError(
            "does not say 'align' and 'rmsd', which place the members of clusters",
            path=source / "config.toml",
            hint=f"Cluster {_array_file(source)} instead: the matrix alone, without models.",
        )
    record = _record(source / RUN_JSON)
    table = read_models(source / "models.csv", str(record.get("score", "")))
    if matrix is not None and len(table) != matrix.m:
        raise FormatError(
            f"has {len(table)} models, but the matrix beside it {matrix.m}",
            path=source / "models.csv",
            hint="The files are not of one run: compute the matrix again.",
        )
    pool = FramePool(found_by=_found_by(record))
    coordinates, topology = read_coordinates(
        pool,
        table,
        resolution=config.resolution,
        state=config.state,
        keeping=Keeping(folder, Resources.of(config).bytes),
        advance=lambda done, total: reporter.advance("reading models", done, total),
    )
    for line in said_on_disk(coordinates):
        reporter.say(line)
    told = tell_losses(pool.losses, reporter)
    refuse_losses(pool.losses, strict=config.strict)
    ensemble = Ensemble(coordinates, topology.with_units(config.swaps), table)
    found = _outcome(config, ensemble, matrix, out, reporter)
    total, log = record.get("models_to_choose_from"), record.get("log")
    total = total if isinstance(total, int) else len(table)
    log = (*(map(str, log) if isinstance(log, list) else ()), f"clustered again from {source}")
    job = replace(
        found,
        pool=pool,
        total=total,
        log=log,
        exhaustiveness=found.exhaustiveness
        or one_line(table, found.matrix, found.clustering, seed=config.seed),
        inputs=tuple(str(source / name) for name in _READ if (source / name).is_file()),
        earlier=_entries(record),
    )
    write_job(job, out, force=force, reporter=reporter)
    reporter.say(job.exhaustiveness)
    remove_tiles(out.with_name(f"{out.name}.tiles"), len(table))
    tell_losses(pool.losses, reporter, since=told)
    return JobSummary(out, len(table), job.clustering, pool.losses)


def _outcome(
    config: ClusterConfig,
    ensemble: Ensemble,
    matrix: DistanceMatrix | None,
    out: Path,
    reporter: Reporter,
) -> Job:
    """Cluster from the saved distances, or compute them again where none were kept."""
    if matrix is not None:
        clustering = partition(config, matrix, ensemble.models, reporter)
        return Job(ensemble, matrix, clustering, job_metric(config), config)
    resources = Resources.of(config)
    models = (len(ensemble), len(ensemble))
    plan = tell_plan(config, ensemble.topology, models, reporter, resources=resources, folder=out)
    tiles = out.with_name(f"{out.name}.tiles")
    return cluster_models(config, ensemble, plan, tiles, reporter=reporter, resources=resources)


def _record(path: Path) -> dict[str, Any]:
    from congruence.io.store import read_json

    record = read_json(path)
    if not isinstance(record, dict):
        raise FormatError("is no record of a job", path=path)
    return record


def _found_by(record: dict[str, Any]) -> dict[str, int]:
    found = record.get("rmf_files_found")
    counts = found.items() if isinstance(found, dict) else ()
    return {str(rule): count for rule, count in counts if isinstance(count, int)}


def _entries(record: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return what the earlier job has recorded of its inputs."""
    inputs = record.get("inputs")
    entries = inputs if isinstance(inputs, list) else []
    return tuple(e for e in entries if isinstance(e, dict) and isinstance(e.get("path"), str))


def _matrix_only(
    source: Path,
    out: Path,
    options: dict[str, Any],
    matrix: DistanceMatrix,
    *,
    names: Path | None,
    force: bool,
    reporter: Reporter,
) -> JobSummary:
    from congruence.core.provenance import Losses
    from congruence.io.matrix import save_matrix
    from congruence.io.store import write_csv, write_json

    config = ClusterConfig.checked(options, where="the command line")
    if config.densities:
        raise ConfigError(
            "densities need models, and a matrix alone has none",
            hint="Cluster the runs with 'congruence cluster', or leave out the densities.",
        )
    clustering = partition(config, matrix, None, reporter)
    with result_folder(out, force=force) as partial:
        write_csv(partial / "models.csv", *partition_rows(matrix, clustering))
        write_json(partial / "clusters.json", partition_data(clustering, matrix.names))
        save_matrix(matrix, partial)
        (partial / "config.toml").write_text(toml_text(config), encoding="utf-8")
        draw(matrix, clustering, partial)
        written = sorted(p.relative_to(partial).as_posix() for p in partial.rglob("*"))
        write_json(
            partial / RUN_JSON,
            {
                "program": "congruence",
                "versions": versions(),
                "arguments": config.model_dump(mode="json"),
                "seed": config.seed,
                "alignment": str(matrix.alignment),
                "weights": matrix.weights,
                "distance": matrix.definition,
                "models": matrix.m,
                "inputs": inputs_record(
                    map(str, (_array_file(source), *([names] if names else []))),
                    whole=config.hash == "all",
                ),
                "files": [n for n in written if not n.startswith(".")],
            },
        )
    return JobSummary(out, matrix.m, clustering, Losses())


def _array_file(source: Path) -> Path:
    return source / "distances.npy" if source.is_dir() else source
