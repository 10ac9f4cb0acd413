"""Results of the two tests of exhaustive sampling that look at scores only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from congruence.core.results import Verdict
    from congruence.typing import FloatArray, IntArray

__all__ = ["Histogram", "PValue", "ScoreComparison", "TopScore"]

PValue: TypeAlias = Literal["exact", "asymp", "stephens"]
"""Definitions of the p-value of the Kolmogorov-Smirnov test."""


@dataclass(frozen=True, eq=False)
class TopScore:
    """
    Expected best score of random subsets of growing size.

    Parameters
    ----------
    sizes : ndarray, dtype=int64, shape=(10,)
        Models in a subset: a tenth of all, two tenths, ..., all.
    means, deviations : ndarray, dtype=float64, shape=(10,)
        Mean and standard deviation of the smallest score over all subsets.
    best : tuple of (float, float)
        Best score of A and of B.
    spread : float
        Standard deviation of all scores.
    verdict : Verdict
        Whether more models would still bring better scores.
    """

    sizes: IntArray
    means: FloatArray
    deviations: FloatArray
    best: tuple[float, float]
    spread: float
    verdict: Verdict

    @property
    def gain(self) -> float:
        """How much the expected best score falls from half of the models to all."""
        return float(self.means[4] - self.means[-1])


@dataclass(frozen=True, eq=False)
class Histogram:
    """
    Counts in bins of equal width.

    Parameters
    ----------
    edges : ndarray, dtype=float64, shape=(bins+1,)
        Edges of the bins.
    counts : ndarray, dtype=int64, shape=(bins,)
        Values in each; the last bin is closed.
    """

    edges: FloatArray
    counts: IntArray


@dataclass(frozen=True, eq=False)
class ScoreComparison:
    """
    Two-sample Kolmogorov-Smirnov test of the scores.

    Parameters
    ----------
    d : float
        Largest difference of the two cumulative distributions, 0 to 1.
    p : dict of str to float
        p-value by definition: ``"exact"``, ``"asymp"``, ``"stephens"``.
    used : str
        The definition that the verdict is about.
    histograms : tuple of Histogram
        Of A and of B, 100 bins over the range of each.
    verdict : Verdict
        Different only if p < 0.05 and D > 0.30.
    """

    d: float
    p: dict[PValue, float]
    used: PValue
    histograms: tuple[Histogram, Histogram]
    verdict: Verdict
