"""How members of clusters are compared for their precision, on one machine or on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.placement import bead_order
from congruence.core.results import Alignment
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.core.precision import Fluctuation
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.precision_report import PrecisionOptions
    from congruence.workflow.resources import Resources
    from congruence.workflow.spread import MemberSet, Spread

__all__ = ["QUICK", "SetMeasure"]

QUICK = 100_000
"""Pairs that a quick job may compare over selections beside the measured one."""


class SetMeasure:
    """
    Distances between members over a selection, and how their beads move.

    Parameters
    ----------
    topology : Topology
        The beads.
    spread : Spread
        How models are compared.
    options : PrecisionOptions
        What is computed.
    resources : Resources
        What computes.

    Raises
    ------
    ConfigError
        If there is no such style.
    """

    def __init__(
        self, topology: Topology, spread: Spread, options: PrecisionOptions, resources: Resources
    ) -> None:
        from congruence.compute.pair_styles import STYLES

        if options.style != "rmsd" and options.style not in STYLES:
            raise ConfigError(
                f"there is no style {options.style!r}",
                hint=f"Styles are: rmsd, {', '.join(STYLES)}.",
            )
        self.topology, self.spread, self.options = topology, spread, options
        self.engine, self.threads = resources.engine, resources.threads
        self.on = spread.fitted_beads(topology)
        self.weights = spread.bead_weights(topology)
        self._pairs = QUICK

    def square(self, points: FloatArray, beads: IntArray) -> FloatArray:
        """
        Compute all distances among some models.

        Parameters
        ----------
        points : ndarray, dtype=float64, shape=(k,n,3)
            The models in Å.
        beads : ndarray, dtype=int64, shape=(b,)
            The selection.

        Returns
        -------
        square : ndarray, dtype=float64, shape=(k,k)
            In Å.
        """
        if self.options.style != "rmsd":
            return self.cross(points, points, beads)
        metric = self._metric(beads)
        if self.engine != "local":
            from congruence.workflow.dask_steps import large_square, takes_long

            if takes_long(points, metric):
                return large_square(self.engine, points, metric)
        from congruence.compute.rmsd import rmsd_matrix

        return rmsd_matrix(points, metric, precision="double", threads=self.threads).square()

    def squares(self, requests: Sequence[tuple[MemberSet, str, IntArray]]) -> Iterator[FloatArray]:
        """
        Compute all distances within sets over selections.

        Parameters
        ----------
        requests : sequence of (MemberSet, str, ndarray)
            Set, name of the selection, and its beads.

        Yields
        ------
        square : ndarray, dtype=float64, shape=(k,k)
            In Å, in the order of the requests.
        """
        if self.engine != "local" and self.options.style == "rmsd" and requests:
            from congruence.workflow.dask_steps import set_squares

            named = [(f"{s.name}-{n}", s.coordinates, self._metric(b)) for s, n, b in requests]
            yield from set_squares(self.engine, named)
            return
        for members, _, beads in requests:
            yield self.square(members.coordinates, beads)

    def fluctuations(
        self, sets: Sequence[MemberSet], centers: Sequence[int]
    ) -> Iterator[Fluctuation]:
        """
        Compute how the beads of sets move.

        Parameters
        ----------
        sets : sequence of MemberSet
            The sets.
        centers : sequence of int
            Position of the center of each.

        Yields
        ------
        fluctuation : Fluctuation
            In the order of the sets.
        """
        from congruence.compute.fluctuation import fluctuation
        from congruence.compute.rectangle import one_blas_thread

        how: dict[str, Any] = {
            "alignment": self.spread.alignment,
            "on": self.on,
            "weights": self.weights,
        }
        if self.engine != "local" and sets:
            from congruence.workflow.dask_steps import set_fluctuations

            named = [(s.name, s.source, center) for s, center in zip(sets, centers, strict=True)]
            yield from set_fluctuations(self.engine, named, self.topology, **how)
            return
        for members, center in zip(sets, centers, strict=True):
            # One thread, as on a Dask worker: sums then have one order.
            with one_blas_thread():
                moved = fluctuation(members.source, members.topology, center=center, **how)
            yield moved

    def cross(self, one: FloatArray, two: FloatArray, beads: IntArray) -> FloatArray:
        """
        Compute the distances between the models of one set and those of another.

        Parameters
        ----------
        one, two : ndarray, dtype=float64, shape=(a,n,3) and (b,n,3)
            The models in Å.
        beads : ndarray, dtype=int64, shape=(b,)
            The selection.

        Returns
        -------
        cross : ndarray, dtype=float64, shape=(a,b)
            In Å.
        """
        from congruence.compute.pair_styles import style_distances

        if self.options.style != "rmsd":
            first, second = one[:, beads], two[:, beads]
            style, threshold = self.options.style, self.options.threshold
            return style_distances(
                first, first if two is one else second, style, threshold=threshold
            )
        both = self.square(np.concatenate([one, two]), beads)
        return both[: len(one), len(one) :]

    def _metric(self, beads: IntArray, *, matched: bool = False) -> Any:
        from congruence.compute.metric import Metric

        mode = self.spread.alignment
        return Metric(
            mode,
            measure=beads,
            on=None if mode is Alignment.NONE else self.on,
            weights=self.weights,
            copies=self.topology.copy_groups() if matched else "off",
        )

    def relabelled(self, points: FloatArray, own: FloatArray, other: FloatArray) -> FloatArray:
        """
        Name the copies of a set as in another, by the match of their centers.

        Parameters
        ----------
        points : ndarray, dtype=float64, shape=(k,n,3)
            Models of the set in Å.
        own, other : ndarray, dtype=float64, shape=(n,3)
            Center of the set and of the other.

        Returns
        -------
        points : ndarray, dtype=float64, shape=(k,n,3)
            The models, their beads in another order.
        """
        from congruence.compute.rmsd import place

        groups = self.topology.copy_groups()
        if self.spread.copies != "auto" or not groups:
            return points
        metric = self._metric(self.spread.measured_beads(self.topology), matched=True)
        (placement,) = place(np.stack([other, own]), [1], 0, metric)
        return points[:, bead_order(points.shape[1], groups, placement.assignment)]

    def of_run(self, name: str, main: str) -> bool:
        """
        Tell whether the distances over a selection are those that the run computed.

        Parameters
        ----------
        name, main : str
            The selection, and the one that the run measured.

        Returns
        -------
        known : bool
            Whether they are.
        """
        return name == main and self.options.style == "rmsd"

    def slow(self, models: int) -> bool:
        """
        Tell whether a quick job leaves a selection out; it has so many pairs to spend.

        Parameters
        ----------
        models : int
            Models that would be compared with each other.

        Returns
        -------
        slow : bool
            Whether it does; otherwise their pairs are spent.
        """
        if not self.options.quick:
            return False
        self._pairs -= models * (models - 1) // 2
        return self._pairs < 0
