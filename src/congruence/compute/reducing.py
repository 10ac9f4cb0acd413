"""
What sinks that reduce distances while they are computed have in common.

One pass may feed several of them, see `Several`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute.tiler import on_device
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from congruence.compute.tiler import ArrayDevice
    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray

__all__ = ["ReducingSink", "Several", "check_levels"]

_MOST = 65_535


class ReducingSink:
    """A sink of which nothing outlives the process."""

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Always empty.
        """
        return set()

    @property
    def on_device(self) -> bool:
        """Whether it may reduce tiles on the device that computed them, if it has `reduce`."""
        return True

    def collect(self, device: ArrayDevice) -> None:
        """
        Take in what was left on the device: nothing.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        """


def check_levels(thresholds: Sequence[float] | FloatArray) -> FloatArray:
    """
    Refuse thresholds that cannot be those of bins.

    Parameters
    ----------
    thresholds : sequence of float
        In Å.

    Returns
    -------
    levels : ndarray, dtype=float64, shape=(t,)
        The same.

    Raises
    ------
    ConfigError
        If there is no threshold, there are too many, or they do not ascend.
    """
    levels = np.asarray(thresholds, dtype=np.float64)
    if not 0 < len(levels) <= _MOST or not (np.diff(levels) > 0).all():
        raise ConfigError(
            f"{len(levels)} thresholds, expected 1 to {_MOST:,}, each larger than the one before",
            hint="Take a larger step between thresholds.",
        )
    return levels


class Several:
    """
    Several sinks fed by one pass.

    Parameters
    ----------
    *sinks : TileSink
        None of them may have tiles done already.
    """

    def __init__(self, *sinks: TileSink) -> None:
        self._sinks = sinks

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Those that all sinks have.
        """
        sets = [sink.done() for sink in self._sinks]
        return set.intersection(*sets) if sets else set()

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Hand a tile to every sink.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å.
        """
        for sink in self._sinks:
            sink.put(i, j, tile)

    @property
    def on_device(self) -> bool:
        """Whether all of them reduce tiles on the device that computed them."""
        return all(on_device(sink) for sink in self._sinks)

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """
        Reduce a tile for every sink where it was computed.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        i, j : int
            Model of the first row and of the first column.
        tile : array of the device, dtype=float64, shape=(rows,columns)
            Distances in Å.

        Returns
        -------
        parts : tuple of array of the device
            For `put_reduced`: those of all sinks, after the number of each.
        """
        several: list[tuple[Any, ...]] = [
            sink.reduce(device, i, j, tile)  # type: ignore[attr-defined]
            for sink in self._sinks
        ]
        lengths = device.kept(np.array([len(parts) for parts in several]))
        return (lengths, *(part for parts in several for part in parts))

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[Any], ...]) -> None:
        """
        Hand every sink what it kept of a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        parts : tuple of ndarray
            What `reduce` returned, on this machine.
        """
        at = 1
        for sink, length in zip(self._sinks, parts[0].tolist(), strict=True):
            sink.put_reduced(i, j, parts[at : at + length])  # type: ignore[attr-defined]
            at += length

    def collect(self, device: ArrayDevice) -> None:
        """
        Let every sink take in what was left on the device.

        Parameters
        ----------
        device : ArrayDevice
            The device.
        """
        for sink in self._sinks:
            sink.collect(device)  # type: ignore[attr-defined]
