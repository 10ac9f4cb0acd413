"""Pairs so close to a threshold that the last digits of their distance decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from congruence.core.results import DistanceMatrix

__all__ = ["ERRORS", "ClosePairs", "close_pairs"]

ERRORS = (1e-6, 1e-3)
"""Errors of distances in Å: in double precision; in mixed precision and between machines."""

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
    within : float
        Largest distance from the threshold in Å.
    """

    pairs: int
    threshold: float
    within: float

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


def close_pairs(
    matrix: DistanceMatrix, threshold: float, *, within: float | None = None
) -> ClosePairs:
    """
    Count the pairs of a matrix that are close to a threshold.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    threshold : float
        In Å.
    within : float, optional
        Distance from the threshold up to which pairs are counted, in Å; by
        default 1e-3 for distances in mixed precision and 1e-6 for others.

    Returns
    -------
    close : ClosePairs
        How many, and within what.

    Examples
    --------
    >>> from congruence.core.results import Alignment, DistanceMatrix
    >>> d = DistanceMatrix(np.array([1.0, 2.0, 2.0 + 1e-8]), 3, Alignment.NONE)
    >>> close_pairs(d, 2.0).pairs
    2
    """
    if within is None:
        within = ERRORS[matrix.definition.get("precision", "double") == "mixed"]
    # Long distances in single precision are rounded by more than their error.
    rounding = float(np.spacing(np.asarray(threshold, dtype=matrix.condensed.dtype)))
    reach = max(within, rounding)
    parts = np.split(matrix.condensed, range(_AT_ONCE, len(matrix.condensed), _AT_ONCE))
    count = sum(
        int(np.count_nonzero(np.abs(p.astype(np.float64) - threshold) <= reach)) for p in parts
    )
    return ClosePairs(count, float(threshold), within)
