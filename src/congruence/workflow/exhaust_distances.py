"""The distances that the exhaustiveness tests ask for: read, kept or measured again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute.metric import Metric
from congruence.compute.pairs import MatrixPairs
from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import ConfigError
from congruence.workflow.swaps import swap_groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from congruence.compute.pairs import Pairs
    from congruence.core.ensemble import Ensemble
    from congruence.core.sources import TileSink
    from congruence.core.topology import CopyGroup
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.exhaust_options import ExhaustOptions
    from congruence.workflow.reporting import Reporter
    from congruence.workflow.sample_files import Samples

__all__ = ["Distance", "Measured", "given_matrix", "measure", "streamed"]

MOST_TWICE = 5000
"""Up to so many models the distances of the other mode are measured too."""


@dataclass(frozen=True, eq=False)
class Distance:
    """
    The one distance of a job, and the one that the other mode would take.

    Parameters
    ----------
    metric : Metric
        Used throughout.
    groups : tuple of CopyGroup
        Interchangeable copies that assignments of `metric` refer to.
    other : Metric or None
        Of the other mode; None where it is the same.
    """

    metric: Metric
    groups: tuple[CopyGroup, ...]
    other: Metric | None

    @classmethod
    def of(cls, ensemble: Ensemble, options: ExhaustOptions) -> Distance:
        """
        Define the distance.

        Parameters
        ----------
        ensemble : Ensemble
            The models.
        options : ExhaustOptions
            What the user asked for.

        Returns
        -------
        distance : Distance
            In compat mode without weights, and with copies interchanged only as
            the symmetry file says.

        Raises
        ------
        ConfigError
            If no alignment is given.
        InputError
            If the symmetry does not fit the models.
        """
        if options.align is None:
            raise ConfigError(
                "the alignment of the distance is missing",
                hint="--align none when a map or a fixed part gives the frame, superpose when "
                "models may turn and shift, center when they may only shift.",
            )
        compat, right = (_groups(ensemble, options, compat=c) for c in (True, False))
        groups = compat if options.compat else right
        mine = _metric(options, groups, compat=options.compat)
        counts = ensemble.topology.residue_counts
        weighted = options.weights == "residues" and len(set(counts.tolist())) > 1
        if not weighted and len(compat) == len(right):
            return cls(mine, groups, None)
        theirs = right if options.compat else compat
        return cls(mine, groups, _metric(options, theirs, compat=not options.compat))


def _groups(ensemble: Ensemble, options: ExhaustOptions, *, compat: bool) -> tuple[CopyGroup, ...]:
    from congruence.io.sampcon import read_symmetry

    if options.symmetry is not None:
        return swap_groups(ensemble.topology, read_symmetry(options.symmetry))
    if options.copies == "auto" and not compat:
        return ensemble.topology.copy_groups()
    return ()


def _metric(options: ExhaustOptions, groups: tuple[CopyGroup, ...], *, compat: bool) -> Metric:
    return Metric(
        options.align or "none",
        measure=options.rmsd or None,
        weights="none" if compat else options.weights,
        copies=groups or "off",
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """
    What was measured.

    Parameters
    ----------
    pairs : Pairs
        The distances that decide.
    matrix : DistanceMatrix or None
        The same, where they are kept.
    other : Pairs or None
        Those of the other mode.
    """

    pairs: Pairs
    matrix: DistanceMatrix | None
    other: Pairs | None = None


def given_matrix(samples: Samples, options: ExhaustOptions, reporter: Reporter) -> Measured:
    """
    Take a saved matrix, whose alignment is known or must be believed.

    Parameters
    ----------
    samples : Samples
        With the matrix.
    options : ExhaustOptions
        What the user says of the alignment.
    reporter : Reporter
        Told whose word the alignment is.

    Returns
    -------
    measured : Measured
        The matrix.

    Raises
    ------
    ConfigError
        If the matrix has words of its own, which say otherwise.
    """
    matrix, said = samples.matrix, options.align
    assert matrix is not None
    known = "not known" not in matrix.definition.get("alignment", "")
    if known and said is not None and said != str(matrix.alignment):
        raise ConfigError(
            f"--align {said}, but the file beside the matrix says that its distances were measured "
            f"with alignment {matrix.alignment}",
            hint=f"Leave out --align, or measure the models again with --align {said}.",
        )
    if not known:
        word = f"{said}, as the user says" if said else "not known"
        reporter.say(f"nothing beside the matrix says how it was measured; alignment: {word}")
    if not known and said is not None:
        words = matrix.definition | {"alignment": f"{said}, as the user says"}
        matrix = dataclasses.replace(matrix, alignment=Alignment(said), definition=words)
    return Measured(MatrixPairs(matrix), matrix)


def measure(
    ensemble: Ensemble,
    distance: Distance,
    options: ExhaustOptions,
    reporter: Reporter,
    *,
    scratch: Callable[[], Path],
) -> Measured:
    """
    Measure the distances, or prepare to measure them again for each question.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    distance : Distance
        What is measured.
    options : ExhaustOptions
        Mode and resources.
    reporter : Reporter
        Told the plan before the start.
    scratch : callable
        Makes a folder for what memory does not hold.

    Returns
    -------
    measured : Measured
        Without a matrix when it does not fit into the memory.

    Raises
    ------
    ConfigError
        If what computes is not there.
    """
    from congruence.compute.plan import plan_matrix

    m, n, _ = ensemble.shape
    plan = plan_matrix(
        m, n, max(options.resources.bytes, 1), "scan", alignment=distance.metric.mode,
        copies=[len(g.copies) for g in distance.groups], thresholds=100,
        precision="double" if options.compat else options.resources.precision,
    )  # fmt: skip
    reporter.say(f"distances, alignment {distance.metric.mode}: {plan.text()}")
    if plan.way != "condensed":
        reporter.say("each question of the tests takes one pass over all pairs; no matrix is kept")
        file = scratch() / "bins.npy" if plan.disk_bytes else None
        return Measured(streamed(ensemble, distance, options, reporter, file), None)
    matrix = _kept(ensemble, distance.metric, options, reporter, compat=options.compat)
    other: MatrixPairs | None = None
    if distance.other is not None and m <= MOST_TWICE:
        second = _kept(ensemble, distance.other, options, reporter, compat=not options.compat)
        other = MatrixPairs(second)
    return Measured(MatrixPairs(matrix, _from_center(ensemble, distance, options)), matrix, other)


def _kept(
    ensemble: Ensemble, metric: Metric, options: ExhaustOptions, reporter: Reporter, *, compat: bool
) -> DistanceMatrix:
    """Measure a matrix; in compat mode in double precision, rounded at the end."""
    from congruence.workflow.large import measure_distances

    progress = partial(reporter.advance, "distances")
    if not (compat and options.compat):
        return measure_distances(ensemble, metric, resources=options.resources, progress=progress)
    from congruence.core.sources import CondensedSink

    sink = CondensedSink(len(ensemble), dtype=np.float32)
    definition = options.resources.tiler()(
        ensemble, sink, metric, precision="double", threads=options.threads, edge=128,
        progress=progress,
    )  # fmt: skip
    return DistanceMatrix(
        sink.values, sink.m, metric.mode, "none", ensemble.models.names, definition
    )


def _from_center(
    ensemble: Ensemble, distance: Distance, options: ExhaustOptions
) -> Callable[[IntArray], FloatArray] | None:
    """In compat mode the spread of clusters has the reference program's digits."""
    if not options.compat:
        return None
    from congruence.compute.reference_distance import reference_distances
    from congruence.compute.rows import DistanceRows

    if distance.groups:
        rows = DistanceRows(ensemble, distance.metric, threads=options.threads)

        def relabelled(members: IntArray) -> FloatArray:
            found: FloatArray = rows.rows(members[:1])[0][members]
            return found

        return relabelled
    beads = ensemble.beads(options.rmsd) if options.rmsd else np.arange(ensemble.shape[1])

    def to_center(members: IntArray) -> FloatArray:
        center = ensemble.coordinates[int(members[0])][beads]
        models = ensemble.coordinates[members[1:]][:, beads]
        found = reference_distances(center, models, distance.metric.mode)
        return np.concatenate([[0.0], found])

    return to_center


def streamed(
    ensemble: Ensemble,
    distance: Distance,
    options: ExhaustOptions,
    reporter: Reporter,
    file: Path | None,
) -> Pairs:
    """
    Prepare to measure distances again for each question.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    distance : Distance
        What is measured.
    options : ExhaustOptions
        Mode and resources.
    reporter : Reporter
        Told of progress.
    file : Path or None
        Where bins of pairs are kept; in memory if None.

    Returns
    -------
    pairs : Pairs
        Nothing is measured before a question.

    Raises
    ------
    ConfigError
        If what computes is not there.
    """
    from congruence.compute.compression import compress
    from congruence.compute.rows import DistanceRows
    from congruence.compute.streamed_pairs import StreamedPairs

    tiler, threads = options.resources.tiler(), options.threads
    words: dict[str, Any] = {
        "precision": "double" if options.compat else options.resources.precision,
        "threads": threads,
        "progress": partial(reporter.advance, "distances"),
    }
    less = None if options.compat else compress(ensemble, distance.metric, threads=threads)

    def walk(sink: TileSink) -> dict[str, str]:
        if less is not None:
            return less.tiles(sink, tiler=tiler, **words)
        return tiler(ensemble, sink, distance.metric, **words)

    return StreamedPairs(
        walk,
        DistanceRows(ensemble, distance.metric, threads=threads),
        distance.metric.mode,
        "none" if options.compat else options.weights,
        single=options.compat,
        file=file,
        from_center=_from_center(ensemble, distance, options),
    )
