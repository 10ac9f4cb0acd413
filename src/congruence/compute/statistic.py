"""What is resampled, when it is cheaper for many resamples together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import FloatArray, IntArray

__all__ = ["ManyAtOnce"]


@dataclass(frozen=True, eq=False)
class ManyAtOnce:
    """
    A statistic that costs less for many resamples together.

    Parameters
    ----------
    of_counts : callable
        Takes counts, shape (d,m); returns the values of each resample, shape (d,v).
    """

    of_counts: Callable[[IntArray], FloatArray]

    def __call__(self, counts: IntArray) -> FloatArray:
        """
        Return the values of one resample.

        Parameters
        ----------
        counts : ndarray, dtype=int64, shape=(m,)
            How often each model was drawn.

        Returns
        -------
        values : ndarray, dtype=float64, shape=(v,)
            The values.
        """
        values: FloatArray = self.of_counts(counts[None])[0]
        return values
