"""Good-scoring models: criteria, what passed them, and the two samples they make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.core.models import ModelTable
    from congruence.core.provenance import LeftOut
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "GoodModels",
    "LinkCriterion",
    "RangeCriterion",
    "SampleSplit",
    "ScoreClusters",
]


@dataclass(frozen=True, slots=True)
class RangeCriterion:
    """
    A range of a score.

    Parameters
    ----------
    column : str
        Full name of the score.
    low, high : float
        Smallest and largest value that passes; may be infinite.
    low_open, high_open : bool
        Whether the end itself fails.
    """

    column: str
    low: float = float("-inf")
    high: float = float("inf")
    low_open: bool = False
    high_open: bool = False

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.column

    def passes(self, values: FloatArray) -> BoolArray:
        """
        Tell which values are inside.

        Parameters
        ----------
        values : ndarray, dtype=float64, shape=(m,)
            Values; NaN fails.

        Returns
        -------
        inside : ndarray, dtype=bool, shape=(m,)
            True inside the range.
        """
        above = values > self.low if self.low_open else values >= self.low
        below = values < self.high if self.high_open else values <= self.high
        return above & below

    def __str__(self) -> str:
        if self.low == float("-inf"):
            return f"{self.column} {'<' if self.high_open else '<='} {self.high:g}"
        if self.high == float("inf"):
            return f"{self.column} {'>' if self.low_open else '>='} {self.low:g}"
        if self.low == self.high:
            return f"{self.column} == {self.low:g}"
        return f"{self.column} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class LinkCriterion:
    """
    How many cross-links a model must satisfy.

    Parameters
    ----------
    keyword : str
        What the names of the distance columns begin with, or contain.
    max_distance, min_distance : float
        A link is satisfied when its distance is in this range, ends included,
        in Å.
    low, high : float
        Smallest and largest fraction of satisfied links that passes.
    """

    keyword: str
    max_distance: float
    min_distance: float = 0.0
    low: float = 1.0
    high: float = 1.0

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.keyword

    def __str__(self) -> str:
        if self.low >= 1:
            share = "all"
        elif self.high >= 1:
            share = f"{100 * self.low:g} % of"
        else:
            share = f"{100 * self.low:g} to {100 * self.high:g} % of"
        least = f"from {self.min_distance:g} " if self.min_distance > 0 else ""
        return f"{share} links {self.keyword} {least}up to {self.max_distance:g} Å"


@dataclass(frozen=True, eq=False)
class GoodModels:
    """
    Models that pass all criteria, in reading order.

    Parameters
    ----------
    rows : ndarray, dtype=int64, shape=(g,)
        Their rows in the table that they were chosen from, ascending.
    table : ModelTable
        The chosen rows.
    names : tuple of str
        Name of each criterion.
    values : ndarray, dtype=float64, shape=(g,c)
        Value of each model for each criterion: the score, or the fraction of
        satisfied links.
    steps : tuple of (str, int)
        Each criterion and how many models were left after it.
    links : dict of str to int
        Number of links, ambiguous ones counted once, by keyword.
    left_out : tuple of LeftOut
        Models that could not be judged.
    """

    rows: IntArray
    table: ModelTable
    names: tuple[str, ...]
    values: FloatArray
    steps: tuple[tuple[str, int], ...]
    links: dict[str, int] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, models: IntArray) -> GoodModels:
        """
        Return some of the models.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            Positions.

        Returns
        -------
        good : GoodModels
            With the same criteria.
        """
        return GoodModels(
            self.rows[models],
            self.table.take(models),
            self.names,
            self.values[models],
            self.steps,
            self.links,
            self.left_out,
        )


@dataclass(frozen=True, eq=False)
class SampleSplit:
    """
    Which model is in which of the two samples.

    Parameters
    ----------
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    how : str
        How they were parted, one sentence.
    unit : str
        What stayed whole: ``"run"``, ``"replica"`` or ``"model"``.
    units : tuple of (tuple of str, tuple of str)
        Names of the runs (or replicas) of A and of B.
    order : ndarray, dtype=int64, shape=(m,), or None
        Order of the models in lists of samples where it is not A then B,
        ascending.
    """

    in_a: BoolArray
    how: str
    unit: str
    units: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    order: IntArray | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of models of A and of B."""
        a = int(self.in_a.sum())
        return a, len(self.in_a) - a

    @property
    def listed(self) -> IntArray:
        """Models in the order of lists of samples: A, then B."""
        if self.order is not None:
            return self.order
        return np.concatenate([np.flatnonzero(self.in_a), np.flatnonzero(~self.in_a)])


@dataclass(frozen=True, eq=False)
class ScoreClusters:
    """
    Clusters of models in the space of their scores.

    Parameters
    ----------
    labels : ndarray, dtype=int64, shape=(m,)
        Cluster of each model; -1 for noise.
    columns : tuple of str
        Scores that were used.
    standardized : bool
        Whether each score was divided by its standard deviation first.
    min_cluster_size, min_samples : int
        Parameters of HDBSCAN.
    """

    labels: IntArray
    columns: tuple[str, ...]
    standardized: bool
    min_cluster_size: int
    min_samples: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Models in each cluster, by label."""
        return tuple(np.bincount(self.labels[self.labels >= 0]).tolist())

    @property
    def noise(self) -> int:
        """Models in no cluster."""
        return int((self.labels < 0).sum())
