"""
What computes all distances of an ensemble, whatever it runs on.

`congruence.compute.rmsd.rmsd_tiles` is the one that is always there. A graphics
card or a Dask cluster brings another with the same signature, so that what
consumes distances (a matrix, tiles on disk, bits, bins) does not know which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.core.sources import TileSink

__all__ = ["Tiler"]


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
