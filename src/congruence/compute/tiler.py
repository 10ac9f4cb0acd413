"""
What computes all distances of an ensemble, whatever it runs on.

`congruence.compute.rmsd.rmsd_tiles` is the one that is always there. A graphics
card or a Dask cluster brings another with the same signature, so that what
consumes distances (a matrix, tiles on disk, bits, bins) does not know which. A
sink may reduce tiles where they are computed, so that little is brought back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.core.sources import TileSink
    from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

__all__ = ["ArrayDevice", "DeviceSink", "NeighbourTiler", "Neighbours", "Tiler", "on_device"]


class Tiler(Protocol):
    """Computes all pairwise distances and puts them into a sink, tile by tile."""

    def __call__(
        self,
        data: Data,
        sink: TileSink,
        metric: Metric,
        *,
        precision: Precision = "auto",
        edge: int = 1024,
        threads: int | None = None,
        memory: int = ...,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, str]:
        """Do what `congruence.compute.rmsd.rmsd_tiles` documents; return words for the result."""


class Neighbours(Protocol):
    """Neighbours of models that are found when asked for."""

    def members(self, center: int, free: BoolArray) -> IntArray:
        """Return the free neighbours of a model, itself included."""

    def leave(self, members: IntArray, free: BoolArray, counts: IntArray) -> None:
        """Take members out of the counts of neighbours of the models that are still free."""

    def finish(self, free: BoolArray, counts: IntArray) -> tuple[IntArray, IntArray] | None:
        """
        Cluster all models that are left at once, or say that they are too many yet (None).

        Returns their labels, from 0 on, and the center of each cluster.
        """


@runtime_checkable
class NeighbourTiler(Protocol):
    """A tiler that also finds neighbours again, exactly as its tiles have them."""

    def neighbours(
        self, data: Data, metric: Metric, threshold: float, *, memory: int, threads: int | None
    ) -> Neighbours:
        """Return the neighbours within a threshold (Å), using up to `memory` bytes for bits."""


class ArrayDevice(Protocol):
    """Where arrays live: a namespace of the array API standard and ways there and back."""

    @property
    def xp(self) -> Any:
        """The namespace, of array-api-compat."""

    def array(self, values: npt.NDArray[Any]) -> Any:
        """Return an array of this machine as one of the device, of the same type."""

    def kept(self, values: npt.NDArray[Any]) -> Any:
        """Return a small array of this machine as one of the device, brought there once."""

    def host(self, values: Any) -> npt.NDArray[Any]:
        """Return an array of the device as one of this machine."""

    def count(self, table: Any, at: Any) -> None:
        """Add one to numbers of a contiguous table of integers, as often as `at` names each."""


@runtime_checkable
class DeviceSink(Protocol):
    """
    A `TileSink` that can reduce a tile on the device that computed it.

    A device then calls `reduce` (from several threads, tiles in any order),
    brings back what that returns, and hands it to `put_reduced` (from one
    thread, in a fixed order) in place of the tile to `put`; at the end `collect`.
    """

    @property
    def on_device(self) -> bool:
        """Whether it can do so; otherwise tiles are put."""

    def reduce(self, device: ArrayDevice, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        """Return what is kept of a float64 tile, as arrays of the device; it may change the tile."""

    def put_reduced(self, i: int, j: int, parts: tuple[npt.NDArray[np.generic], ...]) -> None:
        """Store what `reduce` returned for a tile, as arrays of this machine."""

    def collect(self, device: ArrayDevice) -> None:
        """Take in what was left on the device."""

    def done(self) -> set[tuple[int, int]]:
        """Return the tiles that need not be computed again."""

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """Store the tile whose first row is model `i` and first column model `j`."""


def on_device(sink: TileSink) -> bool:
    """
    Say whether a sink reduces tiles where they are computed.

    Parameters
    ----------
    sink : TileSink
        Any sink.

    Returns
    -------
    reduces : bool
        Whether it is a `DeviceSink` that can.
    """
    return isinstance(sink, DeviceSink) and sink.on_device
