"""
The test whether two samples share clusters in proportion to their sizes.

Pearson's test of homogeneity and Cramér's V on the table of kept clusters, in
the right form and in that of the reference program, which corrects two clusters
for continuity (Yates) and divides V by the number of all models, also of those
that are not in the table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.exhaustiveness import Homogeneity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["homogeneity", "populations", "table_homogeneity", "table_test"]


def populations(clusters: Sequence[IntArray], in_a: BoolArray) -> IntArray:
    """
    Count the models of both samples in each cluster.

    Parameters
    ----------
    clusters : sequence of ndarray, dtype=int64
        Members of each cluster.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.

    Returns
    -------
    table : ndarray, dtype=int64, shape=(c,2)
        Models of A and of B.
    """
    from_a = np.array([np.count_nonzero(in_a[members]) for members in clusters], dtype=np.int64)
    sizes = np.array([len(members) for members in clusters], dtype=np.int64)
    return np.stack([from_a, sizes - from_a], axis=1).reshape(-1, 2)


def table_test(table: IntArray, *, yates: bool = False) -> tuple[float, float, float]:
    """
    Test a table of counts for homogeneity.

    Parameters
    ----------
    table : ndarray, dtype=int64, shape=(c,2)
        Counts; rows and columns with none are left out.
    yates : bool
        Correct a table of two rows for continuity.

    Returns
    -------
    chi2, p, least : float
        Pearson's chi-square, its p-value with *c* - 1 degrees of freedom, and
        the smallest expected count. ``0, 1`` when nothing can differ.

    Examples
    --------
    >>> chi2, p, least = table_test(np.array([[30, 10], [10, 30]]))
    >>> round(chi2, 6), round(p, 9), least
    (20.0, 7.744e-06, 20.0)
    """
    from scipy.special import chdtrc

    used = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if used.size == 0:
        return 0.0, 1.0, math.nan
    observed = used.astype(np.float64)
    expected: FloatArray = observed.sum(axis=1, keepdims=True) * observed.sum(axis=0)
    expected = expected / observed.sum()
    dof = (used.shape[0] - 1) * (used.shape[1] - 1)
    if dof == 0:
        return 0.0, 1.0, float(expected.min())
    if yates and dof == 1:
        away = expected - observed
        observed = observed + np.minimum(0.5, np.abs(away)) * np.sign(away)
    # Summed sample by sample: published p-values then agree to the last digit.
    chi2 = float(np.ascontiguousarray(((observed - expected) ** 2 / expected).T).sum())
    return chi2, float(chdtrc(dof, chi2)), float(expected.min())


def homogeneity(
    clusters: Sequence[IntArray], in_a: BoolArray, *, smallest: int = 11
) -> Homogeneity:
    """
    Test whether the kept clusters are shared in proportion.

    Parameters
    ----------
    clusters : sequence of ndarray, dtype=int64
        Members of each cluster, in order of creation.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A; the others are B.
    smallest : int
        Clusters with fewer models of either sample are not kept. The
        reference program asks for more than 10, which is 11.

    Returns
    -------
    homogeneity : Homogeneity
        With one kept cluster chi-square is 0 and p is 1: the test cannot fail.
        With none, p is 0 and V is 1 by definition. p-values take models as
        independent, which frames of one run are not.
    """
    every = populations(clusters, in_a)
    n_a = int(np.count_nonzero(in_a))
    return table_homogeneity(every[(every >= smallest).all(axis=1)], (n_a, len(in_a) - n_a))


def table_homogeneity(table: IntArray, sizes: tuple[int, int]) -> Homogeneity:
    """
    Test whether the clusters of a table are shared in proportion.

    Parameters
    ----------
    table : ndarray, dtype=int64, shape=(c,2)
        Models of A and of B in each kept cluster.
    sizes : tuple of int
        Models of A and of B in all.

    Returns
    -------
    homogeneity : Homogeneity
        See `homogeneity`.
    """
    models, in_table = int(sum(sizes)), int(table.sum())
    rest = np.array(sizes) - table.sum(axis=0)
    chi2, p, least = table_test(table)
    chi2_compat, p_compat = table_test(table, yates=True)[:2] if len(table) == 2 else (chi2, p)
    v = v_compat = 0.0
    if not len(table):
        p = p_compat = 0.0
        v = v_compat = 1.0
    elif len(table) > 1:
        v, v_compat = math.sqrt(chi2 / in_table), math.sqrt(chi2_compat / models)
    rest_chi2, rest_p, _ = table_test(np.vstack([table, rest[None]]))
    return Homogeneity(
        table=table,
        rest=(int(rest[0]), int(rest[1])),
        models=models,
        chi2=chi2,
        p=p,
        v=v,
        chi2_compat=chi2_compat,
        p_compat=p_compat,
        v_compat=v_compat,
        rest_p=rest_p,
        rest_v=math.sqrt(rest_chi2 / models),
        least_expected=least,
    )
