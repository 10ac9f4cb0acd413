"""What ``congruence exhaust`` would tell of a clustering, in one line and at hardly any cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.provenance import counted

if TYPE_CHECKING:
    from congruence.core.good_models import SampleSplit
    from congruence.core.models import ModelTable
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import BoolArray, IntArray

__all__ = ["one_line"]

_LEAST = 11
_MOST_MODELS = 600
_THRESHOLDS = 25
_P, _V = 0.05, 0.10


def one_line(
    models: ModelTable,
    matrix: DistanceMatrix,
    clustering: Clustering,
    *,
    seed: int = 0,
    sample: IntArray | None = None,
) -> str:
    """
    Say whether two halves of the runs have the same clusters.

    Parameters
    ----------
    models : ModelTable
        The models, with their runs.
    matrix : DistanceMatrix
        Their distances in Å, or those of a sample.
    clustering : Clustering
        Their clusters.
    seed : int
        Seed of the choice among equally even halves.
    sample : ndarray, dtype=int64, shape=(s,), optional
        Which models `matrix` is of; all by default.

    Returns
    -------
    line : str
        Populations of the clusters found held against each other (Pearson's
        chi-square, models taken as independent), and the sampling precision on
        25 thresholds, of at most 600 models: a glance, not the test. Less than
        0.1 s.
    """
    from congruence.compute.sample_split import split_evenly

    if len(models) < 2 * _LEAST:
        return f"exhaustiveness: {counted(len(models), 'model')}, too few for two samples"
    by_run = _in_order(models)
    split = split_evenly(models.take(by_run), seed=seed)
    in_a = np.empty(len(models), dtype=bool)
    in_a[by_run] = split.in_a
    a, b = split.sizes
    head = f"exhaustiveness at a glance: {_units(split)}, {a} + {b} models"
    if min(a, b) < _LEAST:
        return f"{head}: too uneven for two samples"
    parts = (
        _populations(in_a, clustering),
        _precision(in_a, matrix, sample),
        "" if split.unit == "run" else "the halves are of one run and not independent",
    )
    return f"{head}: {'; '.join(p for p in parts if p)}. The test itself: congruence exhaust"


def _in_order(models: ModelTable) -> IntArray:
    """Return the models in the order of sampling, so that the halves do not hang on the score."""
    from congruence.io.runs import natural_key

    names = sorted(set(map(str, models.run.tolist())), key=natural_key)
    number = np.array([names.index(str(run)) for run in models.run.tolist()], dtype=np.int64)
    return np.lexsort((models.step, models.replica, number))


def _units(split: SampleSplit) -> str:
    count = sum(len(names) for names in split.units)
    if split.unit == "model":
        return "1 replica, halved at random"
    return f"{count} {split.unit}s"


def _populations(in_a: BoolArray, clustering: Clustering) -> str:
    from congruence.compute.homogeneity import populations, table_test

    table = populations([c.members for c in clustering.clusters], in_a)
    if not len(table):
        return "no model is in a cluster"
    if len(table) < 2:
        return "one cluster, whose population cannot differ between the halves"
    chi2, p, least = table_test(table)
    v = math.sqrt(chi2 / int(table.sum()))
    said = "differ" if p < _P and v >= _V else "are alike"
    rough = ", roughly" if least < 5 else ""
    return (
        f"cluster populations of the halves {said} (p = {p:.2g} for independent models{rough}, "
        f"V = {v:.2f})"
    )


def _precision(in_a: BoolArray, matrix: DistanceMatrix, sample: IntArray | None) -> str:
    from congruence.compute.exhaustiveness import sampling_precision, scan_bins
    from congruence.compute.scan import bin_distances

    m = matrix.m
    used = np.linspace(0, m - 1, min(m, _MOST_MODELS)).round().astype(np.int64)
    few = matrix if m <= _MOST_MODELS else matrix.take(used)
    low, high = float(few.condensed.min()), float(few.condensed.max())
    if not high > low:
        return "all models are equally far apart"
    thresholds = np.linspace(low, high, _THRESHOLDS + 1)[1:]
    models = used if sample is None else sample[used]
    found = sampling_precision(scan_bins(bin_distances(few, thresholds), in_a[models]))
    of = "" if sample is None else f", from {len(models)} models of a sample"
    if not found.converged:
        return f"no threshold at which the halves agree{of}"
    return f"sampling precision about {found.threshold:.2g} Å{of}"
