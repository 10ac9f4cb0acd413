"""
Precision within and between clusters, and fluctuation: what is computed and written.

`congruence cluster` calls `write_precision` for its own clusters; ``congruence
precision`` reads clusters that were written before and writes the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.placement import PlacedModels, bead_order
from congruence.core.results import Alignment
from congruence.core.selection import Selection, Term, parse
from congruence.core.sources import ArraySource
from congruence.errors import ConfigError
from congruence.workflow.member_sets import read_sets
from congruence.workflow.precision_report import (
    ALL,
    MEASURED,
    PrecisionOptions,
    PrecisionReport,
    SetReport,
)
from congruence.workflow.reporting import Reporter, Silent
from congruence.workflow.spread import MemberSet, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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

_QUICK = 100_000
_IN_MEMORY = 20_000_000
_TOO_LONG = "left out to stay quick; 'congruence precision' computes it"


def measure_precision(
    sets: Sequence[MemberSet],
    spread: Spread,
    options: PrecisionOptions | None = None,
    *,
    reporter: Reporter | None = None,
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
    measure = _Measure(topology, spread, options)
    reports = []
    for done, members in enumerate(sets, start=1):
        reports.append(_within(members, beads, measure))
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


class _Measure:
    """Distances between members over a selection."""

    def __init__(self, topology: Topology, spread: Spread, options: PrecisionOptions) -> None:
        from congruence.compute.pair_styles import STYLES

        if options.style != "rmsd" and options.style not in STYLES:
            raise ConfigError(
                f"there is no style {options.style!r}",
                hint=f"Styles are: rmsd, {', '.join(STYLES)}.",
            )
        self.topology, self.spread, self.options = topology, spread, options
        self.on = spread.fitted_beads(topology)
        self.weights = spread.bead_weights(topology)
        self._pairs = _QUICK

    def square(self, points: FloatArray, beads: IntArray) -> FloatArray:
        """All distances among some models."""
        if self.options.style != "rmsd":
            return self.cross(points, points, beads)
        from congruence.compute.rmsd import rmsd_matrix

        return rmsd_matrix(points, self._metric(beads)).square()

    def cross(self, one: FloatArray, two: FloatArray, beads: IntArray) -> FloatArray:
        """Distances between the models of one set and those of another."""
        from congruence.compute.pair_styles import style_distances

        if self.options.style != "rmsd":
            first, second = one[:, beads], two[:, beads]
            style, threshold = self.options.style, self.options.threshold
            return style_distances(
                first, first if two is one else second, style, threshold=threshold
            )
        both = self.square(np.concatenate([one, two]), beads)
        return both[: len(one), len(one) :]

    def _metric(self, beads: IntArray, *, matched: bool = False) -> Any:
        from congruence.compute.metric import Metric

        mode = self.spread.alignment
        return Metric(
            mode,
            measure=beads,
            on=None if mode is Alignment.NONE else self.on,
            weights=self.weights,
            copies=self.topology.copy_groups() if matched else "off",
        )

    def relabelled(self, points: FloatArray, own: FloatArray, other: FloatArray) -> FloatArray:
        """Name the copies of a set as in another, by the match of their centers."""
        from congruence.compute.rmsd import place

        groups = self.topology.copy_groups()
        if self.spread.copies != "auto" or not groups:
            return points
        metric = self._metric(self.spread.measured_beads(self.topology), matched=True)
        (placement,) = place(np.stack([other, own]), [1], 0, metric)
        return points[:, bead_order(points.shape[1], groups, placement.assignment)]

    def of_run(self, name: str, main: str) -> bool:
        """Tell whether the distances over a selection are those that the run computed."""
        return name == main and self.options.style == "rmsd"

    def slow(self, models: int) -> bool:
        """Tell whether a quick job leaves a selection out; it has so many pairs to spend."""
        if not self.options.quick:
            return False
        self._pairs -= models * (models - 1) // 2
        return self._pairs < 0


def _within(members: MemberSet, beads: dict[str, IntArray], measure: _Measure) -> SetReport:
    from congruence.compute.fluctuation import fluctuation, patches
    from congruence.compute.precision import precision

    options, spread = measure.options, measure.spread
    main = MEASURED if MEASURED in beads else ALL
    found: dict[str, Precision] = {}
    skipped: dict[str, str] = {}
    for name, chosen in beads.items():
        known = members.distances(members) if measure.of_run(name, main) else None
        if known is None and measure.slow(len(members)):
            skipped[name] = _TOO_LONG
            continue
        distances = measure.square(members.coordinates, chosen) if known is None else known
        found[name] = precision(distances, runs=members.runs or None, seed=options.seed)
    center = found[main].center if main in found else 0
    moved = fluctuation(
        members.source,
        members.topology,
        alignment=spread.alignment,
        center=center,
        on=measure.on,
        weights=measure.weights,
    )
    areas = patches(moved.rmsf, members.topology, high=options.high, low=options.low)
    return SetReport(members, found, skipped, center, moved, areas)


def _between(
    one: SetReport, two: SetReport, beads: dict[str, IntArray], measure: _Measure
) -> dict[str, Separation]:
    from congruence.compute.precision import separation

    main = MEASURED if MEASURED in beads else ALL
    first, second = one.members, two.members
    points: FloatArray | None = None
    found = {}
    for name, chosen in beads.items():
        if name not in one.precision or name not in two.precision:
            continue
        known = first.distances(second) if measure.of_run(name, main) else None
        if known is None and measure.slow(len(first) + len(second)):
            continue
        if known is not None:
            found[name] = separation(known, *_centers(one, two, name))
            continue
        if points is None:
            centers = second.member(two.center), first.member(one.center)
            points = measure.relabelled(second.coordinates, *centers)
        cross = measure.cross(first.coordinates, points, chosen)
        found[name] = separation(cross, *_centers(one, two, name))
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
                job.matrix,
                cluster.members,
                partial / f"cluster.{cluster.index}",
            )
        )
    spread = Spread(
        job.matrix.alignment, config.rmsd, config.align_on, config.weights, config.copies
    )
    options = PrecisionOptions(selections=dict(config.densities), seed=config.seed, quick=True)
    report = measure_precision(sets, spread, options, reporter=reporter)
    folders = [partial / s.name for s in sets]
    write_report(report, partial, folders, brief=True)
    return report


def precision_of_results(
    paths: Sequence[Path],
    out: Path | None,
    run: Mapping[str, Any],
    options: PrecisionOptions,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
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

    reporter = reporter or Silent()
    if out is not None:
        check_target(out, force=force)
    sets, spread = read_sets(paths, dict(run))
    for members in sets:
        reporter.say(f"{members.name}: {len(members)} members")
    report = measure_precision(sets, spread, options, reporter=reporter)
    if out is not None:
        with result_folder(out, force=force) as partial:
            folders = [partial / f"cluster.{i}" for i in range(len(sets))]
            for folder in folders:
                folder.mkdir()
            write_report(report, partial, folders, brief=False)
            write_run_record(partial, paths, report)
    return report
