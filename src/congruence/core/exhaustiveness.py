"""
Results of the four tests for exhaustive sampling (Viswanath et al. 2017).

The tests hold two samples of models, *A* and *B*, against each other: top scores,
distributions of scores, populations of clusters over a scan of thresholds, and
the maps of the clusters (doi:10.1016/j.bpj.2017.10.005).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from congruence.core.results import Alignment, Verdict
    from congruence.core.scan_sample import ScanSample
    from congruence.core.score_results import ScoreComparison, TopScore
    from congruence.core.uncertainty import SamplingUncertainty
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "REFERENCE",
    "Difference",
    "Exhaustiveness",
    "Homogeneity",
    "LabelTest",
    "MapAgreement",
    "Rule",
    "SampledCluster",
    "SamplingPrecision",
    "ThresholdScan",
]

REFERENCE = "10.1016/j.bpj.2017.10.005"
"""DOI of the paper that defines the tests."""

Rule: TypeAlias = Literal["right", "compat", "paper"]


@dataclass(frozen=True, eq=False)
class Homogeneity:
    """
    Whether two samples share clusters in proportion to their sizes.

    Parameters
    ----------
    table : ndarray, dtype=int64, shape=(c,2)
        Models of A and B in each kept cluster, in order of creation.
    rest : tuple of (int, int)
        Models of A and B outside of the kept clusters.
    models : int
        All models.
    chi2, p, v : float
        Pearson's chi-square without continuity correction, its p-value and
        Cramér's V over the models of the table. 0, 1, 0 for one cluster and
        0, 0, 1 for none, by definition.
    chi2_compat, p_compat, v_compat : float
        The same with Yates' correction for two clusters, and V over all
        models, as the reference program has them.
    rest_p, rest_v : float
        p-value and V with the models outside as one more row.
    least_expected : float
        Smallest expected count of the table; below 5 the p-value is rough.
    """

    table: IntArray
    rest: tuple[int, int]
    models: int
    chi2: float
    p: float
    v: float
    chi2_compat: float
    p_compat: float
    v_compat: float
    rest_p: float
    rest_v: float
    least_expected: float

    @property
    def kept(self) -> int:
        """Number of kept clusters."""
        return len(self.table)

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return max(len(self.table) - 1, 0)

    @property
    def coverage(self) -> float:
        """Percentage of all models that are in kept clusters."""
        return 100.0 * int(self.table.sum()) / self.models


@dataclass(frozen=True, eq=False)
class ThresholdScan:
    """
    Populations of clusters over a range of thresholds.

    Parameters
    ----------
    thresholds : ndarray, dtype=float64, shape=(t,)
        Ascending, in Å.
    points : tuple of Homogeneity
        One per threshold.
    step : float
        Distance of neighbouring thresholds in Å.
    smallest : int
        Models that a kept cluster has at least, of each sample.
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    """

    thresholds: FloatArray
    points: tuple[Homogeneity, ...]
    step: float
    smallest: int
    in_a: BoolArray

    def column(self, name: str) -> FloatArray:
        """
        Return one number of all thresholds.

        Parameters
        ----------
        name : str
            Such as ``"p"``, ``"v_compat"``, ``"coverage"``, ``"kept"``.

        Returns
        -------
        values : ndarray, dtype=float64, shape=(t,)
            In the order of the thresholds.
        """
        return np.array([getattr(point, name) for point in self.points], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class SamplingPrecision:
    """
    The threshold at which the samples agree, if there is one.

    Parameters
    ----------
    rule : {"right", "compat", "paper"}
        How it was chosen.
    converged : bool
        Whether any threshold passes. If not, there is no sampling precision.
    threshold : float
        In Å; the last threshold of the scan when not converged.
    point : Homogeneity
        Populations at `threshold`.
    resolution : float
        The next smaller threshold that was tried, and fails, is so many Å below.
    reported : tuple of (float, float, float)
        p, V and coverage beside it; for ``"compat"`` what the reference prints,
        which may be of another threshold.
    close_pairs : int
        Pairs of models within 1e-6 Å of `threshold`.
    """

    rule: Rule
    converged: bool
    threshold: float
    point: Homogeneity
    resolution: float
    reported: tuple[float, float, float]
    close_pairs: int = 0

    @property
    def value(self) -> float:
        """Sampling precision in Å; NaN when not converged."""
        return self.threshold if self.converged else float("nan")

    @property
    def single(self) -> bool:
        """Whether one cluster is kept, so that the A/B test cannot fail."""
        return self.converged and self.point.kept == 1


@dataclass(frozen=True, eq=False)
class LabelTest:
    """
    Whether models of one sample are nearer to each other than to the other sample.

    Parameters
    ----------
    share : float
        Energy coefficient: ``(2 AB - AA - BB) / (2 AB)`` with the mean distances
        between and within the samples. About 0 for like samples, towards 1 for
        samples that are far apart; ``2 V**2`` for two distant clusters.
    p : float
        Share of random exchanges of the labels with a coefficient as large.
    permutations : int
        Number of random exchanges.
    models : int
        Models used.
    seed : int
        Seed of the exchanges.
    """

    share: float
    p: float
    permutations: int
    models: int
    seed: int


@dataclass(frozen=True, eq=False)
class SampledCluster:
    """
    One cluster at the sampling precision.

    Parameters
    ----------
    index : int
        Number, in order of creation.
    members : ndarray, dtype=int64, shape=(n,)
        Models, the center first, then ascending.
    sizes : tuple of (int, int)
        Members from A and from B.
    precision : float
        Mean distance of the other members to the center, in Å.
    precision_with_center : float
        The same sum over all members, the center (0) counted.
    max_to_center : float
        Largest distance to the center in Å; at most the threshold.
    medoid : int
        Member with the smallest mean distance to the others.
    medoid_mean : float
        That mean, in Å.
    mean_pairwise : float
        Mean distance between two different members in Å.
    """

    index: int
    members: IntArray
    sizes: tuple[int, int]
    precision: float
    precision_with_center: float
    max_to_center: float
    medoid: int
    medoid_mean: float
    mean_pairwise: float

    @property
    def center(self) -> int:
        """Model with the most neighbours, which the cluster was made around."""
        return int(self.members[0])


@dataclass(frozen=True, slots=True)
class MapAgreement:
    """
    How alike the maps of the two samples are.

    Parameters
    ----------
    cluster : int
        Number of the cluster.
    name : str
        Name of the density.
    cc : float
        Correlation about zero, ``sum(a b) / sqrt(sum(a^2) sum(b^2))``.
    cc_mean : float
        Correlation about the mean (Pearson).
    """

    cluster: int
    name: str
    cc: float
    cc_mean: float


@dataclass(frozen=True, slots=True)
class Difference:
    """
    A number of which the reference program's version is another.

    Parameters
    ----------
    quantity : str
        What it is.
    compat : str
        As the reference program computes it.
    right : str
        As its definition says.
    reason : str
        Why they differ.
    """

    quantity: str
    compat: str
    right: str
    reason: str


@dataclass(frozen=True, eq=False)
class Exhaustiveness:
    """
    The tests on two samples, with what follows from them.

    Parameters
    ----------
    sizes : tuple of (int, int)
        Models of A and of B; A are the first rows of everything.
    alignment : Alignment
        Alignment of the one distance used throughout.
    mode : {"right", "compat"}
        Which definitions chose `precision` and `clusters`.
    top_score : TopScore or None
        Test 1; None without scores.
    scores : ScoreComparison or None
        Test 2; None without scores.
    scan : ThresholdScan
        Test 3.
    precisions : dict of str to SamplingPrecision
        By rule; ``precisions[mode]`` is the one that counts.
    labels : LabelTest
        Test of the labels on the distances, without any clustering.
    threshold : float
        Threshold of the clusters in Å; NaN when there are none.
    clusters : tuple of SampledCluster
        Kept clusters at `threshold`.
    maps : tuple of MapAgreement
        Test 4; empty without densities.
    verdicts : tuple of Verdict
        One per test, in order, and further ones.
    differences : tuple of Difference
        Numbers of which compat and right differ.
    definition : dict of str to str
        Words on the distance.
    uncertainty : SamplingUncertainty or None
        Intervals over runs; None when runs are not known.
    sample : ScanSample or None
        Models of the scan, precisions, labels and uncertainty, where all were too
        many for it; sizes, scores, clusters and maps are those of all.
    """

    sizes: tuple[int, int]
    alignment: Alignment
    mode: Literal["right", "compat"]
    top_score: TopScore | None
    scores: ScoreComparison | None
    scan: ThresholdScan
    precisions: dict[Rule, SamplingPrecision]
    labels: LabelTest
    threshold: float
    clusters: tuple[SampledCluster, ...]
    maps: tuple[MapAgreement, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    differences: tuple[Difference, ...] = ()
    definition: dict[str, str] = field(default_factory=dict)
    uncertainty: SamplingUncertainty | None = None
    sample: ScanSample | None = None

    @property
    def precision(self) -> SamplingPrecision:
        """The sampling precision of the chosen mode."""
        return self.precisions[self.mode]
