"""
Tests 1 and 2 of exhaustive sampling: top scores, and distributions of scores.

Both take models as independent; frames of one run are not, so that their
p-values are too small.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.kolmogorov import largest_gap, one_sample_sf, two_sample_p
from congruence.core.exhaustiveness import REFERENCE
from congruence.core.results import Level, Verdict
from congruence.core.score_results import Histogram, PValue, ScoreComparison, TopScore
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

__all__ = ["compare_scores", "ks_p_values", "top_score", "top_score_expectation"]

P_LIMIT = 0.05
D_LIMIT = 0.30
GAIN_LIMIT = 0.5
_TENTHS = 10
_BINS = 100
_EXACT = 10_000


def top_score_expectation(scores: FloatArray, sizes: IntArray) -> tuple[FloatArray, FloatArray]:
    """
    Give mean and standard deviation of the best score of random subsets.

    The smallest of *s* scores drawn without replacement from the sorted scores
    ``y_1 <= ... <= y_N`` is ``y_r`` with probability ``C(N-r, s-1) / C(N, s)``:
    nothing is drawn, and there is no noise.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(N,)
        Scores, lower is better.
    sizes : ndarray, dtype=int64, shape=(k,)
        Sizes of the subsets, 1 to N.

    Returns
    -------
    means, deviations : ndarray, dtype=float64, shape=(k,)
        Over all subsets of a size.

    Examples
    --------
    >>> means, deviations = top_score_expectation(np.array([3.0, 1.0]), np.array([1, 2]))
    >>> means.round(12).tolist(), deviations.round(12).tolist()
    ([2.0, 1.0], [1.0, 0.0])
    """
    from scipy.special import gammaln

    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    rank = np.arange(1, n + 1)
    means, deviations = np.empty(len(sizes)), np.empty(len(sizes))
    for at, s in enumerate(np.asarray(sizes).tolist()):
        left = n - rank[: n - s + 1]
        log_ways = gammaln(left + 1) - gammaln(s) - gammaln(left - s + 2)
        log_all = gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)
        weights = np.exp(log_ways - log_all)
        weights /= weights.sum()
        best = ordered[: n - s + 1]
        # From the best score on, so that a large offset costs no digits.
        above = best - best[0]
        mean = float(weights @ above)
        means[at] = best[0] + mean
        deviations[at] = math.sqrt(max(float(weights @ (above - mean) ** 2), 0.0))
    return means, deviations


def top_score(a: FloatArray, b: FloatArray) -> TopScore:
    """
    Test 1: tell whether more models would bring better scores.

    Parameters
    ----------
    a, b : ndarray, dtype=float64, shape=(n,)
        Scores of the two samples, lower is better.

    Returns
    -------
    result : TopScore
        Sizes ``int(k / 10 * N)`` as in the reference program, which draws 150
        subsets of each; here the expectation is exact.

    Raises
    ------
    ShapeError
        If there are fewer than ten scores, or one is not finite.
    """
    a, b = _checked(a, "A"), _checked(b, "B")
    scores = np.concatenate([a, b])
    n = len(scores)
    if n < _TENTHS:
        raise ShapeError(
            f"{n} scores; the top score needs at least {_TENTHS} models",
            hint="Take more models: a looser filter, or more sampling.",
        )
    sizes = np.array([int((k / 10.0) * n) for k in range(1, _TENTHS + 1)], dtype=np.int64)
    means, deviations = top_score_expectation(scores, sizes)
    spread = float(scores.std())
    best = (float(a.min()), float(b.min()))
    gain = float(means[4] - means[-1])
    flat = gain <= GAIN_LIMIT * spread
    verdict = Verdict(
        Level.OK if flat else Level.WARNING,
        "More models of this sampling would hardly score better."
        if flat
        else "The best score still falls as models are added.",
        f"expected best score {means[4]:.6g} of half of the models, {means[-1]:.6g} of all: a gain "
        f"of {gain:.3g}, {gain / spread if spread > 0 else 0.0:.2f} standard deviations of all "
        f"scores; best of A {best[0]:.6g}, of B {best[1]:.6g}",
        f"gain of at most {GAIN_LIMIT:g} standard deviations (a mark of congruence; the paper "
        "judges the curve by eye)",
        REFERENCE,
        "" if flat else "Sample longer or with more runs, and look whether the best score is one "
        "lone model.",
    )  # fmt: skip
    return TopScore(sizes, means, deviations, best, spread, verdict)


def _checked(scores: FloatArray, sample: str) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ShapeError(
            f"sample {sample} has no scores", hint="Both samples need one score per model."
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ShapeError(
            f"{len(bad)} scores of sample {sample} are not numbers, the first is score {bad[0]} "
            f"({values[bad[0]]})",
            hint="Leave these models out.",
        )
    return values


def ks_p_values(d: float, n_a: int, n_b: int) -> dict[PValue, float]:
    """
    Give the p-values that different programs report for one D.

    Parameters
    ----------
    d : float
        Statistic of the two-sample test.
    n_a, n_b : int
        Sizes of the samples.

    Returns
    -------
    p : dict of str to float
        ``"exact"``: counted paths (SciPy's choice up to 10,000 models a sample;
        absent beyond). ``"asymp"``: the one-sample law of ``n_a n_b / (n_a + n_b)``
        values. ``"stephens"``: Kolmogorov's law with the correction of Stephens
        (1970), as SciPy had it before version 1.3 and published files have it.
    """
    from scipy.special import kolmogorov

    effective = n_a * n_b / (n_a + n_b)
    root = math.sqrt(effective)
    p: dict[PValue, float] = {}
    if max(n_a, n_b) <= _EXACT:
        p["exact"] = two_sample_p(d, n_a, n_b)
    p["asymp"] = one_sample_sf(d, max(round(effective), 1))
    p["stephens"] = float(kolmogorov((root + 0.12 + 0.11 / root) * d))
    return p


def compare_scores(a: FloatArray, b: FloatArray, *, compat: bool = False) -> ScoreComparison:
    """
    Test 2: tell whether the scores of the two samples are distributed alike.

    Parameters
    ----------
    a, b : ndarray, dtype=float64, shape=(n,)
        Scores of the two samples.
    compat : bool
        Let SciPy count the exact p, to have its last digit in files.

    Returns
    -------
    result : ScoreComparison
        D with all definitions of p. Ties (scores written with two decimals)
        change D: give full precision.

    Raises
    ------
    ShapeError
        If a sample is empty or a score is not finite.
    """
    a, b = _checked(a, "A"), _checked(b, "B")
    d = largest_gap(a, b)
    p = ks_p_values(d, len(a), len(b))
    if compat and "exact" in p:
        from scipy.stats import ks_2samp

        p["exact"] = float(ks_2samp(a, b, method="exact").pvalue)
    used: PValue = "exact" if "exact" in p else "asymp"
    if p[used] >= P_LIMIT:
        level, claim = Level.OK, "The scores of the two samples are distributed alike."
        advice = ""
    elif d <= D_LIMIT:
        level = Level.OK
        claim = "The scores of the two samples differ significantly, but little."
        advice = (
            "With many (correlated) models p is small for any difference; D says how large it is."
        )
    else:
        level, claim = Level.FAIL, "The two samples have different scores."
        advice = (
            "Compare the runs: has one not equilibrated, or is it stuck? Sample longer, or leave "
            "out the beginning of the runs."
        )
    verdict = Verdict(
        level,
        claim,
        f"D = {d:.4f}, p = {p[used]:.3g} ({used}); {len(a)} and {len(b)} models",
        f"different if p < {P_LIMIT:g} and D > {D_LIMIT:.2f}",
        REFERENCE,
        advice,
    )
    return ScoreComparison(d, p, used, (_histogram(a), _histogram(b)), verdict)


def _histogram(values: FloatArray) -> Histogram:
    counts, edges = np.histogram(values, _BINS)
    return Histogram(edges.astype(np.float64), counts.astype(np.int64))
