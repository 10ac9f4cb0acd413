"""
Precision within and between clusters, and fluctuation: what is computed and written.

`congruence cluster` calls `write_precision` for its own clusters; ``congruence
precision`` reads clusters that were written before and writes the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.placement import PlacedModels
from congruence.core.selection import Selection, Term, parse
from congruence.core.sources import ArraySource
from congruence.workflow.member_sets import read_sets
from congruence.workflow.precision_report import (
    ALL,
    MEASURED,
    PrecisionOptions,
    PrecisionReport,
    SetReport,
)
from congruence.workflow.reporting import Reporter, Silent
from congruence.workflow.resources import Resources
from congruence.workflow.set_measure import SetMeasure
from congruence.workflow.spread import MatrixPart, MemberSet, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from congruence.core.placement import Placement
    from congruence.core.precision import Precision, Separation
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.outcome import Job

__all__ = [
    "PrecisionOptions",
    "PrecisionReport",
    "SetReport",
    "measure_precision",
    "precision_of_results",
    "write_precision",
]

_IN_MEMORY = 20_000_000
_TOO_LONG = "left out to stay quick; 'congruence precision' computes it"


def measure_precision(
    sets: Sequence[MemberSet],
    spread: Spread,
    options: PrecisionOptions | None = None,
    *,
    reporter: Reporter | None = None,
    resources: Resources | None = None,
) -> PrecisionReport:
    """
    Compute precision and fluctuation of clusters.

    Parameters
    ----------
    sets : sequence of MemberSet
        The clusters, with equal topologies.
    spread : Spread
        How models are compared.
    options : PrecisionOptions, optional
        What is computed.
    reporter : Reporter, optional
        Told of progress.
    resources : Resources, optional
        What computes: RMSDs within clusters, long ones between them, and
        fluctuations go to a Dask cluster where that is the engine.

    Returns
    -------
    report : PrecisionReport
        Numbers in Å.

    Raises
    ------
    SelectionError
        If a selection matches nothing.
    ConfigError
        If there is no such style.
    """
    options, reporter = options or PrecisionOptions(), reporter or Silent()
    topology = sets[0].topology
    beads = _selections(topology, spread, options)
    measure = SetMeasure(topology, spread, options, resources or Resources())
    reports = []
    for done, report in enumerate(_within(sets, beads, measure), start=1):
        reports.append(report)
        reporter.advance("precision within clusters", done, len(sets))
    pairs = [(i, j) for j in range(len(sets)) for i in range(j)]
    between = {}
    for done, (i, j) in enumerate(pairs, start=1):
        between[i, j] = _between(reports[i], reports[j], beads, measure)
        reporter.advance("precision between clusters", done, len(pairs))
    return PrecisionReport(tuple(reports), between, spread, options, beads)


def _selections(
    topology: Topology, spread: Spread, options: PrecisionOptions
) -> dict[str, IntArray]:
    """Find the beads of every selection: all, those the run measured, molecules, named ones."""
    beads = {ALL: np.arange(len(topology))}
    measured = spread.measured_beads(topology)
    if len(measured) < len(topology):
        beads[MEASURED] = measured
    if len(topology.molecule_names) > 1:
        for name in topology.molecule_names:
            mask = Selection((Term(name),)).mask(topology) if _held(topology, name) else None
            if mask is not None:
                beads[name] = np.flatnonzero(mask)
    for name, text in options.selections.items():
        beads[name] = np.flatnonzero(parse(text).mask(topology))
    return beads


def _held(topology: Topology, name: str) -> bool:
    owners = set(topology.molecule_index.tolist())
    return any(topology.molecules[i].name == name for i in owners)


def _within(
    sets: Sequence[MemberSet], beads: dict[str, IntArray], measure: SetMeasure
) -> Iterator[SetReport]:
    """Yield the reports of clusters; what is computed for several is asked for at once."""
    from congruence.compute.fluctuation import patches

    main = MEASURED if MEASURED in beads else ALL
    given = [_given(members, beads, measure) for members in sets]
    missing = [
        (members.few[1], name, beads[name])
        for members, (found, _) in zip(sets, given, strict=True)
        for name in found
        if found[name] is None
    ]
    squares = measure.squares(missing)
    precisions = [
        {name: _precision(members, found[name], squares, measure) for name in found}
        for members, (found, _) in zip(sets, given, strict=True)
    ]
    centers = [found[main].center if main in found else 0 for found in precisions]
    moved = measure.fluctuations(sets, centers)
    options = measure.options
    for at, fluctuation in enumerate(moved):
        areas = patches(fluctuation.rmsf, sets[at].topology, high=options.high, low=options.low)
        skipped = given[at][1]
        yield SetReport(sets[at], precisions[at], skipped, centers[at], fluctuation, areas)


def _given(
    members: MemberSet, beads: dict[str, IntArray], measure: SetMeasure
) -> tuple[dict[str, Precision | MatrixPart | None], dict[str, str]]:
    """Return what is known by selection (None: to be computed), and what is left out, and why."""
    main = MEASURED if MEASURED in beads else ALL
    found: dict[str, Precision | MatrixPart | None] = {}
    skipped: dict[str, str] = {}
    for name in beads:
        if members.own is not None and measure.of_run(name, main):
            found[name] = members.own
            continue
        known = members.distances(members) if measure.of_run(name, main) else None
        if known is None and measure.slow(len(members)):
            skipped[name] = _TOO_LONG
            continue
        found[name] = known
    return found, skipped


def _precision(
    members: MemberSet,
    known: Precision | MatrixPart | None,
    squares: Iterator[FloatArray],
    measure: SetMeasure,
) -> Precision:
    from congruence.compute.precision import precision
    from congruence.core.precision import Precision

    if isinstance(known, Precision):
        return known
    if known is not None:
        return precision(known, runs=members.runs or None, seed=measure.options.seed)
    positions, few = members.few
    found = precision(next(squares), runs=few.runs or None, seed=measure.options.seed)
    center, other = int(positions[found.center]), int(positions[found.compat.center])
    return replace(found, center=center, compat=replace(found.compat, center=other))


def _between(
    one: SetReport, two: SetReport, beads: dict[str, IntArray], measure: SetMeasure
) -> dict[str, Separation]:
    from congruence.compute.precision import separation

    main = MEASURED if MEASURED in beads else ALL
    first, second = one.members, two.members
    points: FloatArray | None = None
    found = {}
    for name, chosen in beads.items():
        if name not in one.precision or name not in two.precision:
            continue
        if second.name in first.apart and measure.of_run(name, main):
            found[name] = first.apart[second.name]
            continue
        known = first.distances(second) if measure.of_run(name, main) else None
        if known is None and measure.slow(len(first) + len(second)):
            continue
        if known is not None:
            found[name] = separation(known, *_centers(one, two, name))
            continue
        if points is None:
            centers = second.member(two.center), first.member(one.center)
            points = measure.relabelled(second.few[1].coordinates, *centers)
        cross = measure.cross(first.few[1].coordinates, points, chosen)
        places = zip((first, second), _centers(one, two, name), strict=True)
        found[name] = separation(cross, *(int(np.searchsorted(s.few[0], c)) for s, c in places))
    return found


def _centers(one: SetReport, two: SetReport, name: str) -> tuple[int, int]:
    return one.precision[name].center, two.precision[name].center


def write_precision(
    job: Job,
    partial: Path,
    placements: Sequence[tuple[Placement, ...]],
    *,
    reporter: Reporter | None = None,
) -> PrecisionReport:
    """
    Compute and write precision and fluctuation of the clusters of a job.

    Selections that would take long are left out; ``congruence precision``
    computes them.

    Parameters
    ----------
    job : Job
        The job.
    partial : Path
        Its result folder, with a folder per cluster.
    placements : sequence of tuple of Placement
        Per cluster, one per member.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    report : PrecisionReport
        What was written.
    """
    from congruence.workflow.precision_files import write_report

    ensemble, config, topology = job.ensemble, job.config, job.ensemble.topology
    groups = topology.copy_groups()
    sets = []
    for cluster, mine in zip(job.clustering.clusters, placements, strict=True):
        placed = PlacedModels(ensemble, cluster.members, mine, groups if mine[0].assignment else ())
        table = ensemble.models.take(cluster.members)
        small = cluster.size * len(topology) <= _IN_MEMORY
        sets.append(
            MemberSet(
                f"cluster.{cluster.index}",
                ArraySource(placed.read(0, cluster.size)) if small else placed,
                topology,
                tuple(zip(map(str, table.file), map(int, table.frame), strict=True)),
                tuple(map(str, table.run)),
                None if job.streamed else job.matrix,
                cluster.members,
                partial / f"cluster.{cluster.index}",
                **_known(job, cluster.index),
            )
        )
    spread = Spread(
        job.matrix.alignment, config.rmsd, config.align_on, config.weights, config.copies
    )
    options = PrecisionOptions(selections=dict(config.densities), seed=config.seed, quick=True)
    resources = Resources.of(config)
    report = measure_precision(sets, spread, options, reporter=reporter, resources=resources)
    folders = [partial / s.name for s in sets]
    write_report(report, partial, folders, brief=True)
    return report


def _known(job: Job, cluster: int) -> dict[str, Any]:
    """Return what is known of distances that were not kept."""
    if job.streamed is None:
        return {}
    between = job.streamed.between
    apart = {f"cluster.{j}": s for (i, j), s in between.items() if i == cluster}
    return {"own": job.streamed.within[cluster], "apart": apart}


def precision_of_results(
    paths: Sequence[Path],
    out: Path | None,
    run: Mapping[str, Any],
    options: PrecisionOptions,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
    resources: Resources | None = None,
) -> PrecisionReport:
    """
    Compute precision and fluctuation of clusters that were written before.

    Parameters
    ----------
    paths : sequence of Path
        Result folders or folders of clusters.
    out : Path or None
        Folder to write; None to write nothing.
    run : mapping of str to Any
        What shall differ from how the run compared models, see `read_sets`.
    options : PrecisionOptions
        What is computed.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.
    resources : Resources, optional
        What reads and computes; its threads are also the workers that are
        started for a Dask cluster on this machine.

    Returns
    -------
    report : PrecisionReport
        What was found.

    Raises
    ------
    InputError
        If members cannot be read.
    ConfigError
        If options are missing or do not fit.
    OutputError
        If the folder cannot be written.
    """
    from congruence.workflow.folder import check_target, result_folder
    from congruence.workflow.precision_files import write_report, write_run_record

    reporter, resources = reporter or Silent(), resources or Resources()
    if out is not None:
        check_target(out, force=force)
    with resources.kept(out, reporter.say):
        sets, spread = read_sets(paths, dict(run), engine=resources.engine)
        for members in sets:
            reporter.say(f"{members.name}: {len(members)} members")
        report = measure_precision(sets, spread, options, reporter=reporter, resources=resources)
    if out is not None:
        with result_folder(out, force=force) as partial:
            folders = [partial / f"cluster.{i}" for i in range(len(sets))]
            for folder in folders:
                folder.mkdir()
            write_report(report, partial, folders, brief=False)
            write_run_record(partial, paths, report, engine=resources.engine_kind)
    return report
