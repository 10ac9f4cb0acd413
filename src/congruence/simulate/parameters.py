"""What to simulate, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ConfigError

if TYPE_CHECKING:
    from congruence.typing import FloatArray, IntArray

__all__ = ["Sampling"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """
    What to simulate.

    Parameters
    ----------
    models : int
        Saved models in all, divided evenly among runs and replicas.
    runs : int
        Independent runs.
    replicas : int
        Replicas of each run.
    clusters : int
        Planted clusters; number 0 is the native arrangement.
    spread : float or tuple of float
        Root mean square displacement of a rigid bead from its place in the
        cluster's arrangement, in Å; one for all clusters or one for each.
        Flexible beads have as much again of their own.
    weights : tuple of float, or one such tuple for each run
        Share of each cluster; when empty, each has 0.6 of the share of the
        one before. One tuple a run for a sampling that is not exhaustive.
    outliers : float
        Share of models that belong to no cluster, 0 to 1.
    swaps : float
        Share of models in which copies 0 and 1 are exchanged, 0 to 1.
    tumble : bool
        Whether every model is moved as a whole, as without a map.
    autocorrelation : float
        Time in frames in which a replica forgets; 0 for independent models.
    seed : int
        Seed of everything.

    Raises
    ------
    ConfigError
        If a number is out of its range.
    """

    models: int = 400
    runs: int = 2
    replicas: int = 2
    clusters: int = 2
    spread: float | tuple[float, ...] = 2.0
    weights: tuple[float, ...] | tuple[tuple[float, ...], ...] = ()
    outliers: float = 0.0
    swaps: float = 0.3
    tumble: bool = False
    autocorrelation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.runs, self.replicas, self.clusters) < 1 or self.seed < 0:
            raise ConfigError(
                f"runs, replicas and clusters must be at least 1 and the seed at least 0, "
                f"found {self.runs}, {self.replicas}, {self.clusters} and {self.seed}"
            )
        if self.models < self.runs * self.replicas:
            raise ConfigError(
                f"{self.models} models for {self.runs} x {self.replicas} replicas",
                hint="Every replica saves at least one model.",
            )
        if not all(0 <= share <= 1 for share in (self.outliers, self.swaps)):
            raise ConfigError("outliers and swaps are shares from 0 to 1")
        if not min(*self.spreads, self.autocorrelation, 0.0) >= 0:
            raise ConfigError("spread and autocorrelation must not be negative")
        if len(self.spreads) != self.clusters:
            raise ConfigError(f"{len(self.spreads)} spreads for {self.clusters} clusters")
        shares = self.shares
        if shares.shape != (self.runs, self.clusters) or not np.isfinite(shares).all():
            raise ConfigError(
                f"weights {self.weights} do not fit {self.runs} runs and {self.clusters} clusters",
                hint="Give one positive number per cluster, or one tuple of them per run.",
            )

    @property
    def spreads(self) -> tuple[float, ...]:
        """Spread of each cluster in Å."""
        if isinstance(self.spread, tuple):
            return tuple(float(s) for s in self.spread)
        return (float(self.spread),) * self.clusters

    @property
    def shares(self) -> FloatArray:
        """Share of each cluster in each run, outliers apart, shape (runs,clusters)."""
        weights = self.weights or tuple(0.6**k for k in range(self.clusters))
        try:
            table = np.atleast_2d(np.array(weights, dtype=np.float64))
        except ValueError:
            return np.empty((0, 0))
        if len(table) == 1:
            table = np.repeat(table, self.runs, axis=0)
        if (table < 0).any() or not (table.sum(axis=1) > 0).all():
            return np.empty((0, 0))
        shares: FloatArray = table / table.sum(axis=1, keepdims=True)
        return shares

    def frames(self) -> IntArray:
        """
        Count the saved frames.

        Returns
        -------
        frames : ndarray, dtype=int64, shape=(runs*replicas,)
            Of each replica, run by run.
        """
        chains = self.runs * self.replicas
        return self.models // chains + (np.arange(chains) < self.models % chains)

    def as_dict(self) -> dict[str, Any]:
        """
        Return the parameters.

        Returns
        -------
        parameters : dict
            By name.
        """
        return asdict(self)
