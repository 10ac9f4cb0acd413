"""What can be said of a partition of models: order, centers, spread, runs, halves."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import Cluster, Clustering
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.results import ClusterAdvice, DistanceMatrix
    from congruence.typing import BoolArray, FloatArray, IntArray, ObjectArray

__all__ = ["describe_partition", "split_halves"]


def split_halves(
    m: int,
    *,
    runs: Sequence[str] | ObjectArray | None = None,
    scores: FloatArray | None = None,
) -> BoolArray:
    """
    Split models into two halves, by run if there are several.

    With two runs or more, these alternate in natural order of their names
    (``run2`` before ``run10``): first, third, ... against second, fourth, ...
    With one run, models alternate in order of score; such halves are not
    independent and agree more than two runs would.

    Parameters
    ----------
    m : int
        Number of models.
    runs : sequence of str, length m, optional
        Run of each model.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores; without them the order of the models counts.

    Returns
    -------
    first : ndarray, dtype=bool, shape=(m,)
        Whether a model is in the first half.

    Examples
    --------
    >>> split_halves(4, runs=["run2", "run10", "run10", "run2"]).tolist()
    [True, False, False, True]
    """
    names = _run_names(runs)
    if runs is not None and len(names) > 1:
        place = {name: i for i, name in enumerate(names)}
        return np.array([place[str(r)] % 2 == 0 for r in runs], dtype=np.bool_)
    first = np.zeros(m, dtype=np.bool_)
    first[_by_score(m, scores)[::2]] = True
    return first


def _run_names(runs: Sequence[str] | ObjectArray | None) -> list[str]:
    if runs is None:
        return []

    def natural(name: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"([0-9]+)", name)
        return [(int(p) if p.isdecimal() else -1, p) for p in parts], name

    return sorted({str(r) for r in runs}, key=natural)


def _by_score(m: int, scores: FloatArray | None) -> IntArray:
    return np.arange(m) if scores is None else np.argsort(scores, kind="stable")


def describe_partition(
    matrix: DistanceMatrix | FloatArray,
    labels: IntArray,
    *,
    method: str,
    parameters: dict[str, str | int | float] | None = None,
    scores: FloatArray | None = None,
    runs: Sequence[str] | ObjectArray | None = None,
    advice: ClusterAdvice | None = None,
) -> Clustering:
    """
    Describe a given partition: order, centers, spread, runs and halves.

    Parameters
    ----------
    matrix : DistanceMatrix or ndarray, dtype=float64, shape=(m,)
        Distances in Å, or the sum of the distances of each model to the
        members of its cluster, for matrices that are in no memory.
    labels : ndarray, dtype=int64, shape=(m,)
        Any label per cluster; negative for a model that belongs to none.
    method : str
        Where the partition is from.
    parameters : dict of str to (str, int or float), optional
        What the method was given.
    scores : ndarray, dtype=float64, shape=(m,), optional
        Scores, lower is better.
    runs : sequence of str, length m, optional
        Run of each model.
    advice : ClusterAdvice, optional
        Why this number of clusters.

    Returns
    -------
    clustering : Clustering
        The partition with labels 0, 1, ... by size.

    Raises
    ------
    ShapeError
        If labels, scores or runs do not have one value per model.
    """
    m = len(matrix) if isinstance(matrix, np.ndarray) else matrix.m
    for name, values in (("labels", labels), ("scores", scores), ("runs", runs)):
        if values is not None and len(values) != m:
            raise ShapeError(
                f"{len(values)} {name} for {m} models",
                hint="Give one value per model, in the order of the matrix.",
            )
    order = _by_score(m, scores)
    groups = [order[labels[order] == label] for label in np.unique(labels[labels >= 0])]
    groups.sort(key=lambda members: (-len(members), int(members[0])))
    numbered = np.full(m, -1, dtype=np.int64)
    for index, members in enumerate(groups):
        numbered[members] = index
    sums = matrix if isinstance(matrix, np.ndarray) else _sums_within(matrix, numbered)
    names = _run_names(runs)
    of_run = None if runs is None else np.array([str(r) for r in runs], dtype=object)
    first = split_halves(m, runs=runs, scores=scores)
    clusters = []
    for index, members in enumerate(groups):
        n, best = len(members), int(members[0])
        in_first = int(first[members].sum())
        clusters.append(
            Cluster(
                index=index,
                members=members,
                center=_medoid(members, sums),
                best=best,
                average_rmsd=float(sums[members].sum() / (n * (n - 1))) if n > 1 else 0.0,
                best_score=math.nan if scores is None else float(scores[best]),
                by_run={}
                if of_run is None
                else {name: int((of_run[members] == name).sum()) for name in names},
                by_half=(in_first, n - in_first),
            )
        )
    return Clustering(numbered, tuple(clusters), method, dict(parameters or {}), advice)


def _sums_within(matrix: DistanceMatrix, labels: IntArray) -> FloatArray:
    """Sum of the distances of each model to the members of its cluster."""
    return np.array([matrix.row(i)[labels == labels[i]].sum() for i in range(matrix.m)])


def _medoid(members: IntArray, sums: FloatArray) -> int:
    within = sums[members]
    # A tie must not be decided by the rounding of a sum.
    return int(members[within <= within.min() * (1 + 1e-12)].min())
