"""How sure a number is: intervals, spreads, running estimates, corrected tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from congruence.core.results import Verdict
    from congruence.typing import FloatArray, IntArray

__all__ = [
    "KsComparison",
    "Resampled",
    "RunningEstimate",
    "SampleAlone",
    "SamplingUncertainty",
    "SeriesSize",
    "SplitSpread",
]


@dataclass(frozen=True)
class Resampled:
    """
    A number with the interval that resampling gives it.

    Parameters
    ----------
    value : float
        The number, from all models; NaN or infinity where it is undefined.
    low, high : float
        Ends of the interval; NaN when there is none, infinite when resamples
        beyond that end have no finite value.
    level : float
        Confidence level.
    unit : str
        What was resampled: ``"run"``, or ``"block"`` of one run.
    units : int
        Number of them.
    draws : int
        Number of resamples.
    undefined : int
        Resamples in which the number was NaN; they are left out.
    method : str
        How the ends were found.
    note : str
        What a reader must know before trusting it; often empty.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    unit: str = "run"
    units: int = 0
    draws: int = 0
    undefined: int = 0
    method: str = ""
    note: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is an interval at all."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def __str__(self) -> str:
        if not self.is_known:
            return f"{self.value:.4g} (no interval: {self.note or 'unknown'})"
        ends = f"{100 * self.level:g} % interval {self.low:.4g} to {self.high:.4g}"
        return f"{self.value:.4g} ({ends}; {self.units} {self.unit}s)"


@dataclass(frozen=True, eq=False)
class SplitSpread:
    """
    A number over all ways to part the runs into two samples.

    Parameters
    ----------
    value : float
        The number for the split in use; NaN if none was given.
    values : ndarray, dtype=float64, shape=(s,)
        The number for each split, in the order in which they were listed.
    splits : int
        How many splits there are; more than *s* when some were drawn.
    share_as_large : float
        Share of the splits whose number is at least `value`: a p-value that
        takes runs, not models, as what is independent.
    """

    value: float
    values: FloatArray
    splits: int
    share_as_large: float


@dataclass(frozen=True, eq=False)
class RunningEstimate:
    """
    A number after the first models, all runs growing together.

    Parameters
    ----------
    steps : ndarray, dtype=int64, shape=(p,)
        Last step (0-based, within runs) of each prefix.
    models : ndarray, dtype=int64, shape=(p,)
        Number of models in each prefix, ascending.
    values : ndarray, dtype=float64, shape=(p,)
        The number; NaN or infinite where it is undefined.
    name : str
        What the number is.
    unit : str
        Its unit.
    """

    steps: IntArray
    models: IntArray
    values: FloatArray
    name: str = "sampling precision"
    unit: str = "Å"

    @property
    def lines(self) -> tuple[str, ...]:
        """One sentence for each prefix."""
        found = []
        for n, value in zip(self.models.tolist(), self.values.tolist(), strict=True):
            said = f"{value:.2f} {self.unit}".strip() if math.isfinite(value) else "not determined"
            found.append(f"after {n:,} models the {self.name} was {said}")
        return tuple(found)


@dataclass(frozen=True)
class SeriesSize:
    """
    How much one time series of one replica tells.

    Parameters
    ----------
    run : str
        Name of the run.
    replica : int
        Number of the replica.
    column : str
        Name of the score.
    n : int
        Number of values.
    t0 : int
        Values before equilibration; 0 when it was not looked for.
    g : float
        Statistical inefficiency of the rest, 1 or more; infinite where it
        never changes.
    n_eff : float
        Number of independent values in the rest.
    """

    run: str
    replica: int
    column: str
    n: int
    t0: int
    g: float
    n_eff: float


@dataclass(frozen=True)
class KsComparison:
    """
    Two-sample Kolmogorov-Smirnov test, with and without correlation.

    Parameters
    ----------
    d : float
        Largest difference of the two cumulative distributions.
    p : float
        Plain p-value: right only for independent models.
    sizes : tuple of int
        Models in A and in B.
    p_corrected : float
        p-value for the effective sizes.
    effective_sizes : tuple of float
        Effective sizes of A and of B.
    """

    d: float
    p: float
    sizes: tuple[int, int]
    p_corrected: float
    effective_sizes: tuple[float, float]

    @property
    def inefficiency(self) -> float:
        """Models for each independent one, over both samples."""
        return sum(self.sizes) / max(sum(self.effective_sizes), 1e-300)


@dataclass(frozen=True, slots=True)
class SampleAlone:
    """
    Sampling precision of one sample, parted in two.

    Parameters
    ----------
    sample : {"A", "B"}
        The sample.
    models : int
        Its models.
    value : float
        Sampling precision in Å; infinite when no threshold passes.
    unit : {"run", "model"}
        What was parted: its runs, or the models of its only run at random,
        which agree more than independent halves would.
    """

    sample: str
    models: int
    value: float
    unit: str


@dataclass(frozen=True, eq=False)
class SamplingUncertainty:
    """
    How sure the tests of exhaustive sampling are.

    Parameters
    ----------
    precision : Resampled
        Sampling precision in Å on the given thresholds; infinite where none
        passes.
    populations : tuple of Resampled
        Share of all models in each cluster.
    running : RunningEstimate
        Sampling precision after more and more of the sampling.
    g : float
        Models for each independent one, the larger of what the scores and the
        distances to the center of the ensemble tell.
    scores : KsComparison or None
        Score test with effective sizes; None without scores.
    score_intervals : dict of str to Resampled
        Of ``"D"`` and the asymptotic ``"p"``.
    by_split : SplitSpread or None
        D over all ways to part the runs; None for fewer than four runs, or
        when a run is in both samples.
    alone : tuple of SampleAlone
        Sampling precision of A alone and of B alone; may be empty.
    chi2_p : tuple of float or None
        p-value of the populations at the sampling precision, plain and with
        chi-square divided by `g` (first-order correction of Rao and Scott 1981,
        doi:10.1080/01621459.1981.10477633); None unless two clusters are kept.
    verdicts : tuple of Verdict
        On the interval, on the scores, and whether to go on sampling, last.
    notes : tuple of str
        What was done to save time.
    """

    precision: Resampled
    populations: tuple[Resampled, ...]
    running: RunningEstimate
    g: float
    scores: KsComparison | None = None
    score_intervals: dict[str, Resampled] = field(default_factory=dict)
    by_split: SplitSpread | None = None
    alone: tuple[SampleAlone, ...] = ()
    chi2_p: tuple[float, float] | None = None
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
