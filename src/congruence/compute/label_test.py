"""A test of two samples on their distances alone, without any clustering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.pairs import as_pairs
from congruence.core.exhaustiveness import LabelTest
from congruence.errors import InputError

if TYPE_CHECKING:
    from congruence.compute.pairs import Pairs
    from congruence.core.results import DistanceMatrix
    from congruence.typing import BoolArray, FloatArray

__all__ = ["label_test"]

_LABEL_MODELS = 2000


def label_test(
    distances: DistanceMatrix | Pairs, in_a: BoolArray, *, permutations: int = 999, seed: int = 0
) -> LabelTest:
    """
    Test without clusters whether the samples lie in the same places.

    Compares mean distances between and within the samples (energy distance,
    Székely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018) with those of
    randomly exchanged labels. It can fail where all models are in one cluster
    and the test of populations cannot.

    Parameters
    ----------
    distances : DistanceMatrix or Pairs
        Distances in Å.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    permutations : int
        Number of random exchanges.
    seed : int
        Seed of the exchanges, and of the choice of models beyond 2,000.

    Returns
    -------
    result : LabelTest
        The p-value takes models as independent.

    Raises
    ------
    InputError
        If a sample has fewer than two models.
    """
    rng = np.random.default_rng(seed)
    m = distances.m
    models = np.arange(m)
    if m > _LABEL_MODELS:
        models = np.sort(rng.choice(m, _LABEL_MODELS, replace=False))
    matrix = as_pairs(distances).take(models)
    mine = np.asarray(in_a[models], dtype=bool)
    n, n_a = len(mine), int(mine.sum())
    if min(n_a, n - n_a) < 2:
        raise InputError(
            f"{n_a} models in A and {n - n_a} in B; both need at least two",
            hint="Give two samples of similar size.",
        )
    square = matrix.square()
    observed = _observed(square, mine)
    labels = np.stack([rng.permutation(mine) for _ in range(permutations)], axis=1)
    drawn = _energy(square, labels.astype(np.float64), float(square.sum()))
    # Matrix products differ in their last digits from run to run; counts must not.
    p = (1 + int(np.count_nonzero(drawn >= observed - 1e-9))) / (permutations + 1)
    return LabelTest(observed, p, permutations, n, seed)


def _observed(square: FloatArray, in_a: BoolArray) -> float:
    a, b = np.flatnonzero(in_a), np.flatnonzero(~in_a)
    between = float(square[np.ix_(a, b)].mean())
    within = [float(square[np.ix_(own, own)].sum()) / (len(own) * (len(own) - 1)) for own in (a, b)]
    return (2.0 * between - within[0] - within[1]) / (2.0 * between)


def _energy(square: FloatArray, labels: FloatArray, total: float) -> FloatArray:
    """Return the energy coefficient of each column of labels (1 for A, 0 for B)."""
    n = len(square)
    n_a = labels.sum(axis=0)
    n_b = n - n_a
    row_sums = square.sum(axis=1)
    within_a = (labels * (square @ labels)).sum(axis=0)
    between = row_sums @ labels - within_a
    within_b = total - within_a - 2.0 * between
    mean_ab = between / (n_a * n_b)
    mean_aa, mean_bb = within_a / (n_a * (n_a - 1)), within_b / (n_b * (n_b - 1))
    share: FloatArray = (2.0 * mean_ab - mean_aa - mean_bb) / (2.0 * mean_ab)
    return share
