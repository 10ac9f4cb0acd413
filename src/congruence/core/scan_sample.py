"""Which models a scan of thresholds was made on, where all are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from congruence.core.exhaustiveness import Homogeneity
    from congruence.typing import IntArray

__all__ = ["ScanSample"]


@dataclass(frozen=True, eq=False)
class ScanSample:
    """
    The stratified sample that stands for all models in a scan.

    Parameters
    ----------
    models : ndarray, dtype=int64, shape=(n,)
        Models of the sample, ascending.
    sizes : tuple of (int, int)
        Of them from A and from B.
    of : tuple of (int, int)
        All models of A and of B.
    runs : int
        Strata within A and B: different runs; 0 where runs are not known.
    seed : int
        Seed of the choice.
    every : Homogeneity or None
        Populations of the clusters of all models at the threshold; None without
        clusters.
    close_pairs : int
        Pairs of all models so near to the threshold that the last digits decide.
    """

    models: IntArray
    sizes: tuple[int, int]
    of: tuple[int, int]
    runs: int
    seed: int
    every: Homogeneity | None = None
    close_pairs: int = 0

    @property
    def text(self) -> str:
        """How the models were chosen, in words."""
        inside = f" and from each of {self.runs} runs" if self.runs else ""
        return (
            f"a stratified sample of {len(self.models):,} of {sum(self.of):,} models "
            f"({self.sizes[0]:,} of {self.of[0]:,} A, {self.sizes[1]:,} of {self.of[1]:,} B), taken "
            f"in proportion from both{inside}, one at random of each stretch in their order (seed "
            f"{self.seed})"
        )
