"""Pairs so close to a threshold that the last digits of their distance decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from congruence.core.results import DistanceMatrix

__all__ = ["ClosePairs", "close_pairs"]

_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class ClosePairs:
    """
    Pairs within the error of distances from a threshold.

    Parameters
    ----------
    pairs : int
        How many.
    threshold : float
        In Å.
    precision : str
        Arithmetic of the distances; errors of ``"mixed"`` are up to 1e-3 Å,
        of any other up to 1e-6 Å.
    """

    pairs: int
    threshold: float
    precision: str

    @property
    def within(self) -> float:
        """Largest distance from the threshold in Å."""
        return 1e-3 if self.precision == "mixed" else 1e-6

    def text(self) -> str:
        """
        Say how many there are.

        Returns
        -------
        text : str
            For a person.
        """
        pairs = "1 pair" if self.pairs == 1 else f"{self.pairs:,} pairs"
        return (
            f"{pairs} of models within {self.within:g} Å of the threshold of {self.threshold:g} Å"
        )

    def record(self) -> dict[str, Any]:
        """
        Return plain data.

        Returns
        -------
        record : dict
            For ``run.json``.
        """
        return {"pairs_close_to_threshold": {"pairs": self.pairs, "within": self.within}}


def close_pairs(matrix: DistanceMatrix, threshold: float) -> ClosePairs:
    """
    Count the pairs of a matrix that are close to a threshold.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    threshold : float
        In Å.

    Returns
    -------
    close : ClosePairs
        Within what the distances may be wrong by.

    Examples
    --------
    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 2.0, 2.0 + 1e-8]), 3, Alignment.NONE)
    >>> close_pairs(d, 2.0).pairs
    2
    """
    used = matrix.definition.get("precision", "double")
    found = ClosePairs(0, float(threshold), used)
    # Long distances in single precision are rounded by more than their error.
    rounding = float(np.spacing(np.asarray(threshold, dtype=matrix.condensed.dtype)))
    within = max(found.within, rounding)
    parts = np.split(matrix.condensed, range(_AT_ONCE, len(matrix.condensed), _AT_ONCE))
    count = sum(
        int(np.count_nonzero(np.abs(p.astype(np.float64) - threshold) <= within)) for p in parts
    )
    return ClosePairs(count, float(threshold), used)
