"""How a clustering job keeps its distances: chosen from the memory at hand, told before the start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._blocks import size_text
from congruence.workflow.on_disk import free_room
from congruence.workflow.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.compute._tiles import Arithmetic
    from congruence.compute.plan import Goal, MatrixPlan, Way
    from congruence.compute.rmsd import Plan
    from congruence.core.topology import Topology
    from congruence.workflow.config import ClusterConfig
    from congruence.workflow.reporting import Reporter

__all__ = ["JobPlan", "plan_job", "tell_plan"]

_GOALS: dict[str, Goal] = {
    "threshold": "threshold",
    "kmeans": "kmeans",
    "hierarchical": "tree",
    "hdbscan": "tree",
}
_MAPPED_SHARE = 0.25
_READ_SECONDS = 2e-8  # twenty times a gigabyte a second
_MEDOID_SAMPLE = 500
_MISSED = 3.0
_PASSES: dict[Way, float] = {"bits": 2.0, "rows": 4 / 3}
_WORDS: dict[Way, str] = {
    "tiles": "all distances on disk, in tiles",
    "bits": "one bit of each distance is kept",
    "rows": "neighbours are counted and rows of distances computed again when needed",
    "sample": "distances within samples and to medoids only",
    "batches": "coordinates in batches",
}


@dataclass(frozen=True)
class JobPlan:
    """
    How a job keeps its distances, and what that takes.

    Parameters
    ----------
    matrix : MatrixPlan
        The way.
    estimate : Plan
        Time, threads and memory, coordinates in memory included; estimates.
    exact : str
        What is exact and what is approximate, with its bound.
    every_pair : bool
        Whether centers and averages come from all distances, and not from
        those within a sample.
    memory : int
        Bytes that the distances may take.
    precision : str
        Arithmetic of the distances: ``"double"`` or ``"mixed"``.
    on_disk : int
        Bytes of coordinates that stay on disk, beside the result; 0 where they
        are in memory.
    """

    matrix: MatrixPlan
    estimate: Plan
    exact: str
    every_pair: bool
    memory: int
    precision: Arithmetic
    on_disk: int = 0

    @property
    def mapped(self) -> bool:
        """Whether coordinates stay on disk and are read in blocks."""
        return self.on_disk > 0

    @property
    def kept(self) -> bool:
        """Whether all distances are in memory."""
        return self.matrix.way == "condensed"

    def lines(self) -> tuple[str, ...]:
        """
        Say the plan.

        Returns
        -------
        lines : tuple of str
            One to three, for a person, before the start.
        """
        kept = (
            f"coordinates stay on disk, {size_text(self.on_disk)} beside the result until the end"
        )
        mapped = (f"{kept}, and are read in blocks",) if self.mapped else ()
        if self.kept:
            return (f"{self.estimate.text()}; {self.exact}", *mapped)
        disk = self.matrix.disk_bytes
        room = f" and {size_text(disk)} of disk" if disk else ""
        way = _WORDS[self.matrix.way]
        lines = (f"{self.estimate.text()}{room}", f"no matrix in memory: {way}; {self.exact}")
        return (*lines, *mapped)

    def record(self) -> dict[str, Any]:
        """
        Describe the plan as plain data, without what differs from run to run.

        Returns
        -------
        record : dict
            For ``run.json``.
        """
        return {"way": self.matrix.way, "every_pair": self.every_pair, "exact": self.exact}


def tell_plan(
    config: ClusterConfig,
    topology: Topology,
    models: tuple[int, int],
    reporter: Reporter,
    *,
    resources: Resources | None = None,
    folder: Path | None = None,
) -> JobPlan:
    """
    Choose how the distances of a job are kept, and say it before the start.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    topology : Topology
        The beads of its models.
    models : tuple of int
        Number of models, and of those they were chosen from.
    reporter : Reporter
        Told of the plan, and of the copies that are interchanged.
    resources : Resources, optional
        What to compute with; what the job says by default.
    folder : Path, optional
        Where tiles may be written; nowhere by default.

    Returns
    -------
    plan : JobPlan
        The plan.
    """
    from congruence.core.selection import parse

    resources = resources or Resources.of(config)
    measured = np.any([parse(text).mask(topology) for text in config.rmsd], axis=0)
    groups = []
    for group in topology.copy_groups() if config.copies == "auto" else ():
        listed = f"{group.molecule} (copies {', '.join(map(str, group.copies))})"
        chosen_beads = measured[group.beads]
        if chosen_beads.any() and (chosen_beads == chosen_beads[0]).all():
            groups.append(group)
            reporter.say(f"interchangeable copies: {listed}")
        else:
            reporter.say(f"copies keep their places, as --rmsd does not name them alike: {listed}")
    reporter.say(f"models: {models[0]:,} of {models[1]:,}, {len(topology):,} beads each")
    plan = plan_job(
        config,
        (models[0], int(np.count_nonzero(measured)), len(topology)),
        copies=[len(g.copies) for g in groups],
        resources=resources,
        folder=folder,
    )
    for line in plan.lines():
        reporter.say(f"plan: {line}")
    if plan.estimate.memory_bytes > resources.bytes:
        reporter.warn(
            f"the plan takes more memory than the {size_text(resources.bytes)} that it may; "
            "fewer models (--best, --every) or beads take less"
        )
    return plan


def plan_job(
    config: ClusterConfig,
    shape: tuple[int, int, int],
    *,
    copies: Sequence[int] = (),
    resources: Resources | None = None,
    folder: Path | None = None,
) -> JobPlan:
    """
    Choose how the distances of a job are kept.

    Parameters
    ----------
    config : ClusterConfig
        The job.
    shape : tuple of int
        Models, measured beads, and all beads.
    copies : sequence of int
        Number of copies of each group of interchangeable copies.
    resources : Resources, optional
        What to compute with; what the job says by default.
    folder : Path, optional
        Where tiles and coordinates may be written; nowhere by default.

    Returns
    -------
    plan : JobPlan
        The way follows from the job, the memory and the room on disk.
    """
    from congruence.compute._tiles import chosen_precision
    from congruence.compute.plan import plan_matrix
    from congruence.compute.rmsd import estimate

    resources = resources or Resources.of(config)
    m, n, beads = shape
    words: dict[str, Any] = {"alignment": config.align or "none", "copies": copies}
    words |= {"threads": resources.threads}
    whole = estimate(m, n, **words)
    disk = _room(folder)
    coordinates = 24 * m * beads
    mapped = coordinates > _MAPPED_SHARE * resources.bytes and coordinates <= disk
    on_disk, coordinates = (coordinates, 0) if mapped else (0, coordinates)
    memory = max(1, resources.bytes - coordinates)
    matrix = plan_matrix(
        *(m, n, memory, _GOALS[config.method]),
        rate=1e11,
        disk=disk - on_disk,
        **words,
    )
    every_pair = matrix.way not in ("sample", "batches") or whole.pairs <= resources.exact_pairs
    share = _PASSES.get(matrix.way, 1.0)
    if matrix.way in ("sample", "batches"):
        share = matrix.seconds / max(_seconds(m, n, words), 1e-9) + every_pair
    # A sample is held three times: condensed, square, and in the tree of the figure.
    drawn = 0 if matrix.way == "condensed" else 16 * min(resources.sample, m) ** 2
    whole = replace(
        whole,
        memory_bytes=matrix.memory_bytes + coordinates + drawn,
        seconds=whole.seconds * share + matrix.disk_bytes * _READ_SECONDS,
    )
    precision = chosen_precision(resources.precision, whole.pairs)
    exact = _exact(config, matrix, precision, resources.sample, every_pair)
    return JobPlan(matrix, whole, exact, every_pair, memory, precision, on_disk)


def _seconds(m: int, n: int, words: dict[str, Any]) -> float:
    from congruence.compute.rmsd import estimate

    return estimate(m, n, rate=1e11, **words).seconds


def _room(folder: Path | None) -> int:
    """Return the bytes that tiles may take in a folder that need not be there yet."""
    return 0 if folder is None else free_room(folder)


def _exact(
    config: ClusterConfig, matrix: MatrixPlan, precision: Arithmetic, sample: int, every_pair: bool
) -> str:
    error = "1e-3" if precision == "mixed" and matrix.way != "rows" else "1e-6"
    single = ", kept in single precision" if matrix.single else ""
    if matrix.way == "condensed":
        return f"all distances are kept in memory, exact to {error} Å{single}"
    if matrix.way in ("bits", "rows"):
        return (
            f"distances are exact to {error} Å and the clusters those of the whole matrix, but "
            "no distance is kept"
        )
    sample = min(sample, matrix.models)
    if matrix.way == "tiles":
        return (
            f"distances are exact to {error} Å{single}; k-means on the rows of the whole matrix, "
            f"begun once from the clusters of {sample:,} models and not 50 times anew"
        )
    rest = (
        "centers and averages are exact for these clusters"
        if every_pair
        else f"averages are those of {sample:,} models"
    )
    return f"the clusters are approximate, {_instead(config, matrix, sample)}; {rest}"


def _instead(config: ClusterConfig, matrix: MatrixPlan, sample: int) -> str:
    if matrix.way == "batches":
        return "from k-means on batches of coordinates instead of k-means on rows of the matrix"
    if config.method == "kmeans":
        size = min(max(_MEDOID_SAMPLE, 40 + 2 * (config.clusters or 1)), matrix.models)
        what = f"around the best medoids of 5 samples of {size} models instead of k-means"
    else:
        size = sample
        what = (
            f"{config.method} of {sample:,} models, the others with the medoid that is nearest by "
            "exact distance"
        )
    # Of groups with three models expected in a sample, one in twenty is not seen at all.
    return f"{what} (groups of less than {_MISSED / size:.1%} of the models may be missed)"
