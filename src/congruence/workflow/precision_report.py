"""What is asked about the precision of clusters, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.core.precision import Fluctuation, Patch, Precision, Separation
    from congruence.typing import IntArray
    from congruence.workflow.spread import MemberSet, Spread

__all__ = ["ALL", "MEASURED", "PrecisionOptions", "PrecisionReport", "SetReport"]

ALL, MEASURED = "all", "measured"
"""Selections that are always there: every bead, and what the run measured where that is less."""


@dataclass(frozen=True)
class PrecisionOptions:
    """
    What is computed.

    Parameters
    ----------
    selections : mapping of str to str
        Named selections, beside all beads, the measured ones and each molecule.
    style : str
        ``"rmsd"``, or a style of `congruence.compute.pair_styles`.
    threshold : float
        Threshold of ``"pairwise_drmsd_Q"`` in Å.
    high, low : float
        RMSF of high and low precision in Å, for patches.
    seed : int
        Seed of the resampling of runs.
    quick : bool
        Leave out selections that would take long.
    """

    selections: Mapping[str, str] = field(default_factory=dict)
    style: str = "rmsd"
    threshold: float = 40.0
    high: float = 5.0
    low: float = 15.0
    seed: int = 0
    quick: bool = False


@dataclass(frozen=True, eq=False)
class SetReport:
    """
    What was found of one cluster.

    Parameters
    ----------
    members : MemberSet
        Its members.
    precision : dict of str to Precision
        By selection.
    skipped : dict of str to str
        Selections that were left out, and why.
    center : int
        Position of the center over what the run measured.
    fluctuation : Fluctuation
        Of every bead.
    patches : tuple of Patch
        Stretches of high and low precision.
    """

    members: MemberSet
    precision: dict[str, Precision]
    skipped: dict[str, str]
    center: int
    fluctuation: Fluctuation
    patches: tuple[Patch, ...]


@dataclass(frozen=True, eq=False)
class PrecisionReport:
    """
    What was found of several clusters.

    Parameters
    ----------
    sets : tuple of SetReport
        One per cluster.
    between : dict of (int, int) to dict of str to Separation
        By positions of two clusters and by selection.
    spread : Spread
        How models were compared.
    options : PrecisionOptions
        What was asked for.
    beads : dict of str to ndarray, dtype=int64, shape=(b,)
        Beads of each selection.
    """

    sets: tuple[SetReport, ...]
    between: dict[tuple[int, int], dict[str, Separation]]
    spread: Spread
    options: PrecisionOptions
    beads: dict[str, IntArray]

    @property
    def main(self) -> str:
        """The selection that the run measured."""
        return MEASURED if MEASURED in self.beads else ALL
