"""Distances of an ensemble within the memory at hand, with a checkpoint when they take long."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import content_key, versions
from congruence.core.results import DistanceMatrix
from congruence.core.topology import CopyGroup
from congruence.errors import InputError
from congruence.workflow.memory import memory_at_hand
from congruence.workflow.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from congruence.compute.metric import Metric
    from congruence.compute.plan import MatrixPlan
    from congruence.core.ensemble import Ensemble

__all__ = [
    "check_memory",
    "distances_key",
    "measure_distances",
    "remove_tiles",
]

_DOUBLE_UP_TO = 3000
_BLOCK = 1024


def measure_distances(
    ensemble: Ensemble,
    metric: Metric,
    *,
    resources: Resources | None = None,
    tiles: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DistanceMatrix:
    """
    Compute all distances, from pseudo-beads where that pays.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    metric : Metric
        The definition of the distance.
    resources : Resources, optional
        What to compute with; threads of this process by default. Memory decides
        whether the distances can be kept, not what they are.
    tiles : Path, optional
        Folder for the tiles of a large job, which continues from them after it
        was interrupted, from ``resources.checkpoint_pairs`` on. Not removed here.
    progress : callable, optional
        Called with the number of tiles done and of all tiles.

    Returns
    -------
    matrix : DistanceMatrix
        In double precision up to 3,000 models, in single precision above.

    Raises
    ------
    InputError
        If the distances do not fit in the memory that `resources` names.
    OutputError
        If `tiles` is a folder of another job, or cannot be written.
    """
    from congruence.compute.compression import compressed_matrix, compressed_tiles
    from congruence.compute.plan import plan_matrix
    from congruence.io.tiles import DistanceFolder

    m, n, _ = ensemble.shape
    resources = resources or Resources()
    if resources.memory is not None:
        check_memory(m, n, memory=resources.memory)
    how: dict[str, Any] = {
        "tiler": resources.tiler(),
        "precision": resources.precision,
        "threads": resources.threads,
        "progress": progress,
    }
    dtype = np.float64 if m <= _DOUBLE_UP_TO else np.float32
    if tiles is None or m * (m - 1) // 2 < resources.checkpoint_pairs:
        return compressed_matrix(ensemble, metric, dtype=dtype, **how)
    key = distances_key(ensemble, metric, resources)
    edge = plan_matrix(m, n, resources.bytes, rate=1e11).edge
    folder = DistanceFolder(tiles, m, key=key, edge=edge, dtype=dtype)
    definition = compressed_tiles(ensemble, folder, metric, edge=edge, **how)
    weights = metric.weights if isinstance(metric.weights, str) else "given"
    return DistanceMatrix(
        folder.condensed(), m, metric.mode, weights, ensemble.models.names, definition
    )


def check_memory(m: int, n: int, *, memory: int | None = None) -> MatrixPlan:
    """
    Refuse distances that cannot be kept.

    Parameters
    ----------
    m, n : int
        Models and beads.
    memory : int, optional
        Bytes that may be taken; what is at hand by default.

    Returns
    -------
    plan : MatrixPlan
        How they are kept.

    Raises
    ------
    InputError
        If the distances do not fit in memory.
    """
    from congruence.compute.plan import plan_matrix

    memory = memory_at_hand() if memory is None else memory
    plan = plan_matrix(m, n, max(memory, 1), rate=1e11)
    if plan.way == "condensed":
        return plan
    needed, at_hand = 4 * (m * (m - 1) // 2) / 1e9, memory / 1e9
    raise InputError(
        f"the distances of {m:,} models take {needed:.1f} GB and work space; "
        f"{at_hand:.1f} GB of memory are at hand",
        hint="Choose fewer models, or cluster without a matrix: 'congruence cluster' does, and "
        "congruence.compute.streaming.threshold_clusters and congruence.compute.medoids.clara.",
    )


def distances_key(ensemble: Ensemble, metric: Metric, resources: Resources | None = None) -> str:
    """
    Name the distances of an ensemble by the content that they follow from.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    metric : Metric
        The definition of the distance.
    resources : Resources, optional
        What they are computed with.

    Returns
    -------
    key : str
        Another one for other coordinates, beads, definition, precision, device
        or versions; the same for any memory, threads or engine.
    """
    digest = hashlib.sha256()
    for start in range(0, len(ensemble), _BLOCK):
        block = np.ascontiguousarray(ensemble.coordinates[start : start + _BLOCK])
        digest.update(block.data)
    how = resources or Resources()
    return content_key(
        *(digest.hexdigest(), ensemble.topology.key, _metric_words(metric), versions()),
        *(how.precision, how.device, *map(str, ensemble.topology.units)),
    )


def _metric_words(metric: Metric) -> dict[str, str]:
    """Return the fields of a metric as texts; arrays by their content."""
    return {field.name: _word(getattr(metric, field.name)) for field in fields(metric)}


def _word(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, list | tuple):
        return " + ".join(map(_word, value))
    if isinstance(value, CopyGroup):
        return f"{value.molecule} {value.copies} {_word(value.beads)}"
    return str(value)


def remove_tiles(tiles: Path, models: int) -> None:
    """
    Remove the checkpoint of a job that is done.

    Parameters
    ----------
    tiles : Path
        The folder of tiles; nothing happens when there is none.
    models : int
        Models of the job; tiles of another number are left.
    """
    from congruence.io.tiles import DistanceFolder

    if (tiles / "manifest.json").exists():
        folder = DistanceFolder.existing(tiles)
        if folder.m == models:
            folder.remove()
