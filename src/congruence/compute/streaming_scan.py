"""
Neighbours of each model at many thresholds in one pass, without a matrix.

What a scan of thresholds can say where not even a byte a pair can be kept: how
many neighbours each model has at each threshold. Exact clusters at one of them
are then those of `congruence.compute.streaming.threshold_clusters`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from congruence.compute._resolve import resolve
from congruence.compute.compression import compressed_tiles
from congruence.compute.neighbours import NeighbourCounts
from congruence.compute.rmsd import rmsd_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.compute.tiler import Tiler
    from congruence.typing import FloatArray

__all__ = ["ThresholdCounts", "neighbour_counts"]

_MEMORY = 2 << 30


@dataclass(frozen=True, eq=False)
class ThresholdCounts:
    """
    Neighbours of *m* models at *t* thresholds.

    Parameters
    ----------
    thresholds : ndarray, dtype=float64, shape=(t,)
        Ascending, in Å.
    counts : ndarray, dtype=int32, shape=(t,m)
        Models at most so far away from each model, itself included.
    definition : dict of str to str
        Words on how the distances were made.
    """

    thresholds: FloatArray
    counts: npt.NDArray[np.int32]
    definition: dict[str, str] = field(default_factory=dict)


def neighbour_counts(
    data: Data,
    metric: Metric,
    thresholds: Sequence[float] | FloatArray,
    *,
    tiler: Tiler = rmsd_tiles,
    precision: Precision = "auto",
    memory: int = _MEMORY,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ThresholdCounts:
    """
    Count the neighbours of all models at all thresholds in one pass.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    thresholds : sequence of float
        Strictly ascending, in Å; at most 65,535. 4 t m bytes are kept (twice
        while they are added up).
    tiler : Tiler
        What computes the distances, see `congruence.compute.tiler`; a device
        counts where it computes, and only the counts are brought back.
    precision : {"auto", "double", "mixed"}
        See `congruence.compute.rmsd.rmsd_matrix`. With mixed precision a pair
        within 1e-3 Å of a threshold may count on either side.
    memory : int
        Bytes that packed models may take.
    threads : int, optional
        Threads; all available cores by default.
    progress : callable, optional
        Called with the number of tiles done and of all tiles.

    Returns
    -------
    counts : ThresholdCounts
        The same for any memory and any number of threads.

    Raises
    ------
    ConfigError
        If there is no threshold, there are too many, or they do not ascend.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.

    Examples
    --------
    Models of one bead on a line at 0, 1, 2 and 9 Å:

    >>> import numpy as np
    >>> from congruence.compute.metric import Metric
    >>> line = np.zeros((4, 1, 3))
    >>> line[:, 0, 0] = [0, 1, 2, 9]
    >>> neighbour_counts(line, Metric("none"), [1.5, 8.5]).counts.tolist()
    [[2, 3, 2, 1], [3, 4, 4, 3]]
    """
    sink = NeighbourCounts(resolve(data, metric).source.shape[0], thresholds)
    how: dict[str, Any] = {"tiler": tiler, "precision": precision, "progress": progress}
    how |= {"memory": memory, "threads": threads}
    definition = compressed_tiles(data, sink, metric, **how)
    return ThresholdCounts(sink.thresholds, sink.counts(), definition)
