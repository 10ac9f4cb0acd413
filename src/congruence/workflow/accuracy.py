"""How far the members of clusters are from a known structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import versions
from congruence.core.results import Alignment
from congruence.core.selection import Selection, Term, parse
from congruence.errors import SelectionError
from congruence.workflow.member_sets import read_sets
from congruence.workflow.reporting import Reporter, Silent
from congruence.workflow.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from congruence.compute.accuracy import Compared, ReferenceMatch
    from congruence.core.precision import Accuracy, PlacementError, ReferenceStructure
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray
    from congruence.workflow.spread import MemberSet, Spread

__all__ = [
    "AccuracyOptions",
    "AccuracyReport",
    "SetAccuracy",
    "accuracy_data",
    "accuracy_of_results",
    "measure_accuracy",
]

AS_WRITTEN, SUPERPOSED = "as written", "superposed"


@dataclass(frozen=True)
class AccuracyOptions:
    """
    What is computed.

    Parameters
    ----------
    selections : mapping of str to str
        Named selections, beside all beads and each molecule.
    mapping : mapping of str to str
        Name of a molecule to that of its counterpart in the reference.
    on : tuple of str
        Selections superposed on the reference; all that is in both if empty.
    seed : int
        Seed of the resampling of runs.
    """

    selections: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    on: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, eq=False)
class SetAccuracy:
    """
    Accuracy of one cluster.

    Parameters
    ----------
    members : MemberSet
        Its members.
    accuracy : dict of str to dict of str to Accuracy
        For ``"as written"`` and ``"superposed"``, by selection.
    placement : dict of str to tuple of PlacementError
        For the same two, one per molecule.
    """

    members: MemberSet
    accuracy: dict[str, dict[str, Accuracy]]
    placement: dict[str, tuple[PlacementError, ...]]


@dataclass(frozen=True, eq=False)
class AccuracyReport:
    """
    Accuracy of several clusters.

    Parameters
    ----------
    sets : tuple of SetAccuracy
        One per cluster.
    match : ReferenceMatch
        What was compared with what.
    reference : str
        Where the reference is from.
    not_compared : tuple of str
        Selections of which the reference has nothing.
    spread : Spread
        How the run compared models.
    options : AccuracyOptions
        What was asked for.
    """

    sets: tuple[SetAccuracy, ...]
    match: ReferenceMatch
    reference: str
    not_compared: tuple[str, ...]
    spread: Spread
    options: AccuracyOptions


def measure_accuracy(
    sets: Sequence[MemberSet],
    spread: Spread,
    reference: ReferenceStructure,
    options: AccuracyOptions | None = None,
) -> AccuracyReport:
    """
    Compute the accuracy of clusters.

    Parameters
    ----------
    sets : sequence of MemberSet
        The clusters, with equal topologies.
    spread : Spread
        Its weights are used.
    reference : ReferenceStructure
        The known structure.
    options : AccuracyOptions, optional
        What is computed.

    Returns
    -------
    report : AccuracyReport
        Numbers in Å and degrees.

    Raises
    ------
    SelectionError
        If nothing of the model is in the reference, or a selection matches
        nothing.
    """
    from congruence.compute.accuracy import compare, match_reference, placement_errors

    options = options or AccuracyOptions()
    topology = sets[0].topology
    match = match_reference(topology, reference, options.mapping)
    masks = _masks(topology, options)
    on = np.any([parse(t).mask(topology) for t in options.on], axis=0) if options.on else None
    weights = spread.bead_weights(topology)
    missed: set[str] = set()
    found = []
    for members in sets:
        by_frame = {
            AS_WRITTEN: compare(
                members.coordinates, match, alignment=Alignment.NONE, weights=weights
            ),
            SUPERPOSED: compare(
                members.coordinates, match, alignment=Alignment.SUPERPOSE, weights=weights, on=on
            ),
        }
        found.append(
            SetAccuracy(
                members,
                {k: _each(v, masks, members, options, missed) for k, v in by_frame.items()},
                {k: placement_errors(v, topology) for k, v in by_frame.items()},
            )
        )
    listed = tuple(name for name in masks if name in missed)
    return AccuracyReport(tuple(found), match, reference.source, listed, spread, options)


def _masks(topology: Topology, options: AccuracyOptions) -> dict[str, BoolArray]:
    masks = {"all": np.ones(len(topology), dtype=np.bool_)}
    owners = {topology.molecules[i].name for i in set(topology.molecule_index.tolist())}
    if len(owners) > 1:
        for name in topology.molecule_names:
            if name in owners:
                masks[name] = Selection((Term(name),)).mask(topology)
    return masks | {name: parse(text).mask(topology) for name, text in options.selections.items()}


def _each(
    compared: Compared,
    masks: dict[str, BoolArray],
    members: MemberSet,
    options: AccuracyOptions,
    missed: set[str],
) -> dict[str, Accuracy]:
    from congruence.compute.accuracy import accuracy

    found = {}
    for name, mask in masks.items():
        try:
            found[name] = accuracy(compared, mask, runs=members.runs or None, seed=options.seed)
        except SelectionError:
            missed.add(name)
    return found


def accuracy_of_results(
    paths: Sequence[Path],
    reference: str,
    out: Path | None,
    run: Mapping[str, Any],
    options: AccuracyOptions,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
    resources: Resources | None = None,
) -> AccuracyReport:
    """
    Compute the accuracy of clusters that were written before.

    Parameters
    ----------
    paths : sequence of Path
        Result folders or folders of clusters.
    reference : str
        ``FILE`` or ``FILE:FRAME`` of an RMF, PDB or mmCIF file.
    out : Path or None
        Folder to write; None to write nothing.
    run : mapping of str to Any
        See `congruence.workflow.member_sets.read_sets`.
    options : AccuracyOptions
        What is computed.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.
    resources : Resources, optional
        What reads the members; comparing each with one structure takes less
        time than sending it somewhere, and is done here.

    Returns
    -------
    report : AccuracyReport
        What was found.

    Raises
    ------
    InputError
        If members or the reference cannot be read.
    SelectionError
        If nothing of the model is in the reference.
    OutputError
        If the folder cannot be written.
    """
    from congruence.io.reference import read_reference, split_frame
    from congruence.workflow.folder import check_target, result_folder

    reporter, resources = reporter or Silent(), resources or Resources()
    if out is not None:
        check_target(out, force=force)
    known = read_reference(*split_frame(reference))
    # Of the run only weights count here: members are compared with the reference, not in pairs.
    with resources.kept(out, reporter.say):
        sets, spread = read_sets(paths, dict(run), alignment_needed=False, engine=resources.engine)
    report = measure_accuracy(sets, spread, known, options)
    _tell(report, reporter)
    if out is not None:
        with result_folder(out, force=force) as partial:
            _write(report, partial, paths, resources.engine_kind)
    return report


def _tell(report: AccuracyReport, reporter: Reporter) -> None:
    match = report.match
    count = len(match.beads) + sum(c.beads.size for c in match.copies)
    reporter.say(f"reference: {report.reference}; {count:,} beads of the model are in it")
    if match.missing_molecules:
        reporter.warn(f"not in the reference: {', '.join(match.missing_molecules)}")
    if match.missing_beads:
        reporter.say(f"{match.missing_beads:,} beads stand for residues that it does not have")
    if report.not_compared:
        reporter.warn(f"nothing to compare of: {', '.join(report.not_compared)}")


def accuracy_data(report: AccuracyReport) -> dict[str, Any]:
    """
    Describe accuracy as plain data.

    Parameters
    ----------
    report : AccuracyReport
        What was found.

    Returns
    -------
    data : dict
        What ``accuracy.json`` holds.
    """
    match = report.match
    return {
        "unit": "Å",
        "reference": report.reference,
        "superposed_on": " + ".join(report.options.on) or "all beads that are in both",
        "weights": report.spread.weights,
        "matched_by": dict(report.options.mapping) or "name and residue",
        "not_in_reference": {
            "molecules": match.missing_molecules,
            "beads": match.missing_beads,
            "selections": report.not_compared,
        },
        "sets": [
            {
                "cluster": s.members.name,
                "models": len(s.members),
                "frames": {
                    frame: {
                        "selections": {n: _accuracy_data(a) for n, a in found.items()},
                        "placement": [_placement_data(p) for p in s.placement[frame]],
                    }
                    for frame, found in s.accuracy.items()
                },
            }
            for s in report.sets
        ],
    }


def _accuracy_data(found: Accuracy) -> dict[str, Any]:
    interval = found.interval
    return {
        "beads": found.beads,
        "average": found.average,
        "average_interval": None if interval is None else [interval.low, interval.high],
        "interval_runs": None if interval is None else interval.runs,
        "interval_is_crude": None if interval is None else interval.is_crude,
        "no_interval": found.no_interval,
        "minimum": found.minimum,
        "nearest_member": found.nearest,
        "quartiles": np.quantile(found.distances, [0.25, 0.5, 0.75]).tolist(),
        "maximum": float(found.distances.max()),
    }


def _placement_data(found: PlacementError) -> dict[str, Any]:
    def middle(values: Any) -> float:
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else float("nan")

    return {
        "molecule": found.molecule,
        "beads": found.beads,
        "translation": middle(found.translation),
        "rotation_degrees": middle(found.rotation),
        "internal_rmsd": middle(found.internal),
    }


def _write(report: AccuracyReport, out: Path, paths: Sequence[Path], engine: str) -> None:
    from congruence.io.store import write_csv, write_json
    from congruence.workflow.folder import RUN_JSON

    write_json(out / "accuracy.json", accuracy_data(report))
    header = ["cluster", "member", "file", "frame", "compared", "selection", "rmsd"]
    write_csv(
        out / "accuracy.csv",
        header,
        (
            [s.members.name, k, *s.members.frames[k], frame, name, repr(float(value))]
            for s in report.sets
            for frame, several in s.accuracy.items()
            for name, found in several.items()
            for k, value in enumerate(found.distances)
        ),
    )
    write_csv(
        out / "placement.csv",
        ["cluster", "member", "compared", "molecule", "translation", "rotation", "internal_rmsd"],
        (
            [s.members.name, k, frame, p.molecule, *_row(p, k)]
            for s in report.sets
            for frame, several in s.placement.items()
            for p in several
            for k in range(len(p.translation))
        ),
    )
    data = {
        "program": "congruence",
        "versions": versions(),
        "command": "accuracy",
        "inputs": [*map(str, paths), report.reference],
        "engine": engine,
        "seed": report.options.seed,
        "files": ["accuracy.csv", "accuracy.json", "placement.csv"],
    }
    write_json(out / RUN_JSON, data)


def _row(found: PlacementError, k: int) -> list[str]:
    values = (found.translation[k], found.rotation[k], found.internal[k])
    return ["" if np.isnan(v) else repr(float(v)) for v in values]
