"""A replica exchange that never happened: who had which temperature when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["Exchange", "exchange"]

LOWEST, HIGHEST = 1.0, 2.5
"""Range of the temperatures, in units of kT."""

_STRETCH = 8
_SWAPPING = 0.35


@dataclass(frozen=True, eq=False)
class Exchange:
    """
    The steps of one run.

    Parameters
    ----------
    level : ndarray, dtype=int64, shape=(s,r)
        Temperature of each replica at each step; each step's is a permutation.
        The replica at level 0 saves its model.
    temperatures : ndarray, dtype=float64, shape=(r,)
        Temperature of each level.
    """

    level: IntArray
    temperatures: FloatArray

    def columns(self, replica: int) -> dict[str, list[str]]:
        """
        Return the columns of one replica, as they are before each step's swap.

        Parameters
        ----------
        replica : int
            The replica.

        Returns
        -------
        columns : dict of str to list of str
            One value a step.
        """
        mine = self.level[:, replica]
        last = len(self.temperatures) - 1
        swapped = mine[1:] != mine[:-1]
        temperature = [repr(float(t)) for t in self.temperatures[mine]]
        return {
            "ReplicaExchange_SwapSuccessRatio": _ratios(swapped),
            "ReplicaExchange_MinTempFrequency": _ratios(mine[:-1] == 0),
            "ReplicaExchange_MaxTempFrequency": _ratios(mine[:-1] == last),
            "ReplicaExchange_CurrentTemp": temperature,
        }


def _ratios(happened: BoolArray) -> list[str]:
    """Share of the steps before each step in which something happened."""
    steps = np.arange(1, len(happened) + 1)
    return ["0", *(repr(float(v)) for v in np.round(np.cumsum(happened) / steps, 12))]


def exchange(frames: IntArray, rng: np.random.Generator) -> Exchange:
    """
    Invent an exchange in which each replica saves a given number of models.

    Parameters
    ----------
    frames : ndarray, dtype=int64, shape=(r,)
        Steps that each replica is at the lowest temperature.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    exchange : Exchange
        With as many steps as there are saved models.
    """
    replicas = len(frames)
    stretches = np.concatenate(
        [np.full(-(-int(k) // _STRETCH), r) for r, k in enumerate(frames.tolist())]
    )
    left = frames.copy()
    level = np.empty((int(frames.sum()), replicas), dtype=np.int64)
    now, step = np.arange(replicas), 0
    for holder in rng.permutation(stretches).tolist():
        lowest = int(np.flatnonzero(now == 0)[0])
        now[[holder, lowest]] = now[[lowest, holder]]
        for _ in range(min(_STRETCH, int(left[holder]))):
            level[step] = now
            step, left[holder] = step + 1, left[holder] - 1
            if replicas > 2 and rng.random() < _SWAPPING:
                rung = int(rng.integers(1, replicas - 1))
                one, two = np.flatnonzero((now == rung) | (now == rung + 1))
                now[[one, two]] = now[[two, one]]
    if replicas == 1:
        return Exchange(level, np.array([LOWEST]))
    ladder = LOWEST * (HIGHEST / LOWEST) ** (np.arange(replicas) / (replicas - 1))
    return Exchange(level, ladder.round(11))
