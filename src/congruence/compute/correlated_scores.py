"""
Whether two samples have the same scores, when models are not independent.

The p-value of the two-sample Kolmogorov-Smirnov test is made for independent
models. Frames of a run follow from each other, so that it comes out far too
small; `compare_correlated` puts a corrected one beside it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.chain_correlation import chains_inefficiency
from congruence.compute.kolmogorov import largest_gap, one_sample_sf, two_sample_p
from congruence.core.results import Level, Verdict
from congruence.core.uncertainty import KsComparison
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["compare_correlated", "judge_scores", "ks_distance", "ks_statistic"]

_EXACT = 10_000
_P, _D = 0.05, 0.30
_CORRELATED = 1.5
REFERENCE = "doi:10.1021/acs.jctc.5b00784"


def ks_distance(scores: FloatArray, weights_a: FloatArray, weights_b: FloatArray) -> float:
    """
    Return the largest difference of two weighted distributions.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(m,)
        Scores.
    weights_a, weights_b : ndarray, dtype=float64, shape=(m,)
        Weight of each score in A and in B; not negative, each with a sum
        above 0.

    Returns
    -------
    d : float
        Kolmogorov-Smirnov statistic, 0 to 1.

    Examples
    --------
    >>> ks_distance(np.array([1., 2., 3.]), np.array([1., 1., 0.]), np.array([0., 0., 2.]))
    1.0
    """
    order, ends = _steps(scores)
    return _distance(order, ends, weights_a, weights_b)


def _steps(scores: FloatArray) -> tuple[IntArray, BoolArray]:
    """Return the order of the scores, and which of them are the last of equal ones."""
    order = np.argsort(scores, kind="stable")
    return order, np.append(np.diff(scores[order]) != 0, True)


def _distance(
    order: IntArray, ends: BoolArray, weights_a: FloatArray, weights_b: FloatArray
) -> float:
    a = np.cumsum(weights_a[order], dtype=np.float64)
    b = np.cumsum(weights_b[order], dtype=np.float64)
    if not (a[-1] > 0 and b[-1] > 0):
        raise ShapeError("a sample has no models", hint="Both samples need scores.")
    return float(np.abs(a / a[-1] - b / b[-1])[ends].max())


def ks_statistic(scores: FloatArray, in_a: BoolArray) -> Callable[[IntArray], list[float]]:
    """
    Make the statistic (D, plain p) for a bootstrap.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(m,)
        Scores.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.

    Returns
    -------
    statistic : callable
        For `congruence.compute.resampling.percentiles_over_runs`.

    Notes
    -----
    D of resampled runs is larger than D of the runs on average: its interval
    tells how much D depends on single runs, not whether it is zero.
    """
    order, ends = _steps(scores)

    def statistic(counts: IntArray) -> list[float]:
        a: FloatArray = np.where(in_a, counts, 0).astype(np.float64)
        b: FloatArray = np.where(in_a, 0, counts).astype(np.float64)
        d = _distance(order, ends, a, b)
        return [d, _p_value(d, float(a.sum()), float(b.sum()))]

    return statistic


def compare_correlated(
    scores: FloatArray, in_a: BoolArray, chains: Sequence[IntArray]
) -> KsComparison:
    """
    Compare the scores of two samples, with and without correlation.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(m,)
        Scores.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    chains : sequence of ndarray, dtype=int64
        Models of each replica in order of their steps; together all models.

    Returns
    -------
    comparison : KsComparison
        The plain p is exact up to 10,000 models and asymptotic above. The
        corrected one is of Kolmogorov's limit law for as many models as the
        samples have independent ones, n / g of
        `congruence.compute.chain_correlation.chains_inefficiency`.

    Raises
    ------
    ShapeError
        If a sample is empty or a score is not finite.

    Notes
    -----
    Correlation is seen inside chains, and between the chains of one sample.
    What no chain of a sample has left is not seen; a comparison over runs takes
    nothing else as independent (`congruence.compute.half_splits.over_half_splits`).
    """
    sizes = int(in_a.sum()), int((~in_a).sum())
    if not np.isfinite(scores).all() or not all(sizes):
        raise ShapeError(
            f"the samples have {sizes[0]} and {sizes[1]} models, all of which need a finite score"
        )
    d = largest_gap(scores[in_a], scores[~in_a])
    if max(sizes) <= _EXACT:
        d = round(d * math.lcm(*sizes)) / math.lcm(*sizes)
        p = two_sample_p(d, *sizes)
    else:
        p = one_sample_sf(d, max(round(sizes[0] * sizes[1] / sum(sizes)), 1))
    effective = (_effective(scores, in_a, chains), _effective(scores, ~in_a, chains))
    independent = math.isclose(sum(effective), sum(sizes))
    corrected = p if independent else max(p, _p_value(d, *effective))
    return KsComparison(d, p, sizes, corrected, effective)


def _effective(scores: FloatArray, mask: BoolArray, chains: Sequence[IntArray]) -> float:
    parts = [chain[mask[chain]] for chain in chains]
    return sum(map(len, parts)) / chains_inefficiency(scores, parts)


def _p_value(d: float, a: float, b: float) -> float:
    """Return Kolmogorov's limit law with Stephens' correction for small samples."""
    from scipy.special import kolmogorov

    root = math.sqrt(a * b / (a + b))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * d))


def judge_scores(comparison: KsComparison) -> Verdict:
    """
    Say whether the scores of the two samples differ, and whether p can be trusted.

    Parameters
    ----------
    comparison : KsComparison
        From `compare_correlated`.

    Returns
    -------
    verdict : Verdict
        Samples differ when the corrected p is below 0.05 and D above 0.30.
    """
    c = comparison
    different = c.p_corrected < _P and c.d > _D
    claim = "The scores of the two samples " + (
        "are distributed differently." if different else "are not seen to differ."
    )
    evidence = f"D {c.d:.3f}, p {c.p_corrected:.3g}"
    if c.inefficiency > _CORRELATED:
        claim += (
            f" Models follow from each other ({c.inefficiency:.1f} for each independent one), "
            "so the plain p is too small and is not to be quoted."
        )
        sizes = " and ".join(f"{n:.0f}" for n in c.effective_sizes)
        evidence += (
            f" for {sizes} independent models (plain p {c.p:.3g} for {c.sizes[0]} and {c.sizes[1]})"
        )
    return Verdict(
        Level.WARNING if different else Level.OK,
        claim,
        evidence,
        threshold=f"different if p < {_P} and D > {_D:.2f}",
        reference=REFERENCE,
        advice="Sample longer, or in more runs, until both samples agree." if different else "",
    )
