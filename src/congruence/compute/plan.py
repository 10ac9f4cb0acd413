"""
How the distances of many models are kept, or why they are not.

The plan follows from the number of models, the purpose and the memory, and says
before the start what it takes, what is exact and what is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from congruence.compute._blocks import _duration, estimate, size_text
from congruence.compute._tiles import Precision, chosen_precision
from congruence.core.results import Alignment
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Goal", "MatrixPlan", "Way", "plan_matrix"]

Goal: TypeAlias = Literal["matrix", "threshold", "scan", "medoids", "means", "kmeans", "tree"]
"""All distances; clusters at one threshold, at many; around medoids; around means of
coordinates; by k-means on rows; by a method that needs the whole matrix at once."""

Way: TypeAlias = Literal["condensed", "tiles", "bits", "rows", "bins", "sample", "batches"]
"""How distances are kept."""

_EDGES = (128, 256, 640, 1024, 2048, 4096)
_FEW_TILES = 500
_DOUBLE_UP_TO = 3000
_AGAIN = 3.0
_EPOCHS = 10
# Bytes per square of the number of models that a clustering takes beside the matrix.
_BESIDE: dict[Goal, float] = {"kmeans": 8.0, "tree": 8.0}
_BATCH_SECONDS = 2e-8


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """
    How distances are kept and what that takes.

    Parameters
    ----------
    goal : str
        What they are for.
    way : str
        ``"condensed"``: all in memory; ``"tiles"``: all on disk; ``"bits"``: one
        bit a pair; ``"rows"``: computed again when needed; ``"bins"``: one byte a
        pair (two beyond 255 thresholds); ``"sample"``, ``"batches"``: only of some.
    models, beads : int
        Models and measured beads.
    memory_bytes : int
        Peak memory, an estimate.
    disk_bytes : int
        Bytes on disk.
    seconds : float
        Wall-clock time of the distances, an estimate, before any compression.
    edge : int
        Models along the edge of a tile.
    single : bool
        Whether distances are kept in single precision.
    exact : str
        What is exact and what is not, with its bound.
    """

    goal: Goal
    way: Way
    models: int
    beads: int
    memory_bytes: int
    disk_bytes: int
    seconds: float
    edge: int
    single: bool
    exact: str

    def text(self) -> str:
        """
        Say the plan in two sentences.

        Returns
        -------
        text : str
            For a person, before the start.
        """
        disk = f", {size_text(self.disk_bytes)} on disk" if self.disk_bytes else ""
        return (
            f"{self.models:,} models of {self.beads:,} beads: {_WORDS[self.way]}; estimated "
            f"{size_text(self.memory_bytes)} of memory{disk} and {_duration(self.seconds)} without "
            f"compression. {self.exact}"
        )


_WORDS: dict[Way, str] = {
    "condensed": "all distances in memory",
    "tiles": "all distances on disk, in tiles",
    "bits": "one bit for each pair, no distances",
    "rows": "neighbours counted, rows of distances computed again when needed",
    "bins": "the threshold bin of each pair, no distances",
    "sample": "distances within samples and to medoids only",
    "batches": "coordinates in batches, no distances",
}
_EXACT: dict[Way, str] = {
    "condensed": "All distances are exact to {error} Å{single}.",
    "tiles": "All distances are exact to {error} Å{single}.",
    "bits": "The clusters are exact, as from the whole matrix.",
    "rows": "The clusters are exact, as from the whole matrix.",
    "bins": "The clusters at each threshold are exact, as from the whole matrix.",
    "sample": "The medoids are approximate, the best of the samples; labels and mean distance to "
    "the medoids are exact for them.",
    "batches": "The clusters are approximate; their spread is exact.",
}


def plan_matrix(  # noqa: PLR0913 - the whole of what a plan follows from
    m: int,
    n: int,
    memory: int,
    goal: Goal = "matrix",
    *,
    alignment: Alignment | str = Alignment.SUPERPOSE,
    copies: Sequence[int] = (),
    thresholds: int = 1,
    disk: int | None = None,
    precision: Precision = "auto",
    **options: Any,
) -> MatrixPlan:
    """
    Choose how distances are kept.

    Parameters
    ----------
    m, n : int
        Models and measured beads.
    memory : int
        Bytes that may be taken beside the coordinates.
    goal : {"matrix", "threshold", "scan", "medoids", "means", "kmeans", "tree"}
        What the distances are for. ``"kmeans"`` (on the rows of the matrix) is
        done from tiles on disk where memory does not hold the matrix, else
        around means or medoids instead; ``"tree"`` (a method that takes the
        whole matrix at once) from a sample.
    alignment : Alignment or {"none", "center", "superpose"}
        Alignment mode.
    copies : sequence of int
        Number of copies of each group of interchangeable copies.
    thresholds : int
        Number of thresholds of a scan.
    disk : int, optional
        Bytes that may be taken on disk; any number by default.
    precision : {"auto", "double", "mixed"}
        Of the distances, see `congruence.compute.rmsd.rmsd_matrix`.
    **options : Any
        Keywords of `congruence.compute.rmsd.estimate`: `rate`, `threads`.

    Returns
    -------
    plan : MatrixPlan
        The plan; it depends on the arguments only, except for the time.

    Raises
    ------
    ConfigError
        If the goal is unknown, or nothing is given to work with.

    Examples
    --------
    >>> plan_matrix(100_000, 1000, 6_000_000_000, "threshold", rate=1e11).way
    'bits'
    """
    if goal not in get_args(Goal):
        raise ConfigError(f"unknown goal '{goal}'", hint=f"Goals: {', '.join(get_args(Goal))}.")
    if m < 1 or n < 1 or memory < 1:
        raise ConfigError(f"{m} models of {n} beads in {memory} bytes cannot be planned")
    pairs = m * (m - 1) // 2
    whole = estimate(m, n, alignment=alignment, copies=copies, **options)
    work = min(whole.memory_bytes - 8 * pairs, memory // 2)
    means = not copies and Alignment(alignment) is not Alignment.SUPERPOSE
    way, kept, on_disk = _choose(goal, m, memory, thresholds)
    if way == "tiles" and goal != "matrix" and disk is not None and on_disk > disk:
        way, kept, on_disk = _choose("means" if means else "medoids", m, memory, 1)
    single = way in ("condensed", "tiles") and m > _DOUBLE_UP_TO
    share = {"rows": _AGAIN, "sample": min(1.0, 5e5 / max(pairs, 1) + 1280.0 / m)}
    seconds = whole.seconds * share.get(way, 1.0)
    if way == "batches":
        seconds = _EPOCHS * 3.0 * m * n * _BATCH_SECONDS
    edge = next((e for e in _EDGES if (m / e) ** 2 / 2 <= _FEW_TILES), _EDGES[-1])
    return MatrixPlan(
        goal=goal,
        way=way,
        models=m,
        beads=n,
        memory_bytes=int(work + kept),
        disk_bytes=int(on_disk),
        seconds=seconds,
        edge=edge,
        single=single,
        exact=_EXACT[way].format(
            error="1e-3" if chosen_precision(precision, pairs) == "mixed" else "1e-6",
            single=", kept in single precision" if single else "",
        ),
    )


def _choose(goal: Goal, m: int, memory: int, thresholds: int) -> tuple[Way, float, float]:
    """Return the way with its bytes in memory and on disk."""
    pairs, room = m * (m - 1) // 2, memory // 2
    value = 8 if m <= _DOUBLE_UP_TO else 4
    beside = _BESIDE.get(goal, 0.0) * m * m
    if goal == "means":
        return "batches", 0, 0
    if goal == "medoids":
        return "sample", 8.0 * m * 64, 0
    if value * pairs <= room and value * pairs + beside <= memory:
        return "condensed", value * pairs + beside, 0
    if goal == "tree":
        return "sample", 8.0 * m * 64, 0
    if goal == "threshold":
        bits = m * ((m + 7) // 8)
        return ("bits", bits, 0) if bits <= room else ("rows", 8.0 * m, 0)
    if goal == "scan":
        bins = float(m) * m * (1 if thresholds <= 255 else 2)
        counts = 8.0 * thresholds * m
        return ("bins", bins + counts, 0) if bins <= room else ("bins", counts, bins)
    return "tiles", 0, value * pairs
