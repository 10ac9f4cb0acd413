"""
All-against-all distances of models, and the placement of members.

The work is matrix products over tiles of 128 x 128 models, in double precision
up to a million pairs and in single precision above unless told otherwise; what
products cannot give to 1e-6 Å (or 1e-3 Å) is recomputed.
The bytes of a result do not depend on threads, blocks or tiles already done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._blocks import Plan, estimate, in_order, panels, put_edge, thread_count
from congruence.compute._eigen import stage
from congruence.compute._packing import TILE, Packed, Packer
from congruence.compute._resolve import Data, Resolved, resolve
from congruence.compute._tiles import Precision, TileComputer, chosen_precision
from congruence.compute.metric import Metric, given_metric
from congruence.compute.placing import place
from congruence.core.results import DistanceMatrix
from congruence.core.sources import CondensedSink
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from congruence.compute.metric import MetricWords
    from congruence.core.sources import TileSink
    from congruence.typing import FloatArray

__all__ = ["Plan", "estimate", "place", "rmsd_matrix", "rmsd_tiles"]

_MEMORY = 2 << 30


def rmsd_matrix(
    data: Data,
    metric: Metric | None = None,
    *,
    dtype: type[np.float64 | np.float32] = np.float64,
    precision: Precision = "auto",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **words: Unpack[MetricWords],
) -> DistanceMatrix:
    """
    Compute the RMSD between all pairs of models.

    The distance of two models is the root of ``sum(w * |x - y|**2) / sum(w)``
    over the measured beads, see `Metric`. Cost: 9 m² n multiplications with
    superposition, 3 m² n without.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric, optional
        The definition of the distance; or give its fields as keywords.
    dtype : type
        `numpy.float64`, or `numpy.float32` to halve the memory of the result.
    precision : {"auto", "double", "mixed"}
        ``"double"``: errors of at most 1e-6 Å. ``"mixed"``: single-precision
        products, about twice as fast for models that differ by several Å;
        distances that this could change by more than 1e-3 Å are recomputed
        in double precision, so that near-duplicates are right. With `on` (or
        other `fit_weights`) and superposition it is the same as ``"double"``,
        and where most pairs would be recomputed double precision is used.
        ``"auto"``: double below a million pairs (1,415 models), else mixed.
        ``definition["precision"]`` says what was used.
    threads : int, optional
        Threads; all available cores by default.
    progress : callable, optional
        Called with the number of tiles done and of all tiles.
    **words : Unpack[MetricWords]
        Fields of `Metric`: `alignment` (always needed), `measure`, `on`,
        `weights`, `fit_weights`, `copies`.

    Returns
    -------
    matrix : DistanceMatrix
        Condensed distances in Å, with the words that define them.

    Raises
    ------
    ConfigError
        If no alignment is given, or copies have too many assignments.
    SelectionError
        If a selection matches nothing.
    ShapeError
        If a coordinate is not finite (the models are named), an array does
        not fit, or a superposition leaves the measured beads undetermined.

    See Also
    --------
    rmsd_tiles : The same for matrices larger than memory.
    place : Motion and assignment behind a distance.

    Notes
    -----
    From a million pairs on, the eigenvalue stage is compiled by numba once
    and cached; below, NumPy is used and no compiler is waited for. Both agree
    to 1e-9 Å. The variable ``CONGRUENCE_KERNEL`` (``numpy`` or ``numba``)
    fixes the choice.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[[0.0, 0, 0], [2, 0, 0]], [[0.0, 0, 0], [0, 4, 0]]])
    >>> rmsd_matrix(x, alignment="superpose").condensed.round(6).tolist()
    [1.0]
    >>> rmsd_matrix(x, alignment="none").condensed.round(6).tolist()
    [3.162278]
    """
    resolved = resolve(data, given_metric(metric, words))
    sink = CondensedSink(resolved.source.shape[0], dtype=dtype)
    run = _Run(resolved, sink, precision, thread_count(threads), progress)
    run.go(edge=put_edge(sink.m), memory=_MEMORY)
    return DistanceMatrix(
        condensed=sink.values,
        m=sink.m,
        alignment=resolved.alignment,
        weights=resolved.weights,
        names=resolved.names,
        definition=run.definition,
    )


def rmsd_tiles(
    data: Data,
    sink: TileSink,
    metric: Metric,
    *,
    precision: Precision = "auto",
    edge: int = 1024,
    threads: int | None = None,
    memory: int = _MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """
    Compute all pairwise RMSDs and hand them to a sink, tile by tile.

    Tiles that the sink says are done are not computed again. The sink is
    called from the calling thread only, tiles in a fixed order.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å; read in blocks, more than once when `memory` is small.
    sink : TileSink
        Receives float64 tiles of distances in Å.
    metric : Metric
        The definition of the distance.
    precision : {"auto", "double", "mixed"}
        See `rmsd_matrix`.
    edge : int
        Models along the edge of a put tile, a multiple of 128.
    threads : int, optional
        Threads; all available cores by default.
    memory : int
        Bytes that packed models may take.
    progress : callable, optional
        Called with the number of put tiles done and of all put tiles.

    Returns
    -------
    definition : dict of str to str
        Words for ``DistanceMatrix.definition``.

    Raises
    ------
    ConfigError
        As `rmsd_matrix`, or if `edge` is not a multiple of 128.
    ShapeError
        As `rmsd_matrix`.
    """
    if edge < TILE or edge % TILE:
        raise ConfigError(f"edge is {edge}, expected a multiple of {TILE}")
    run = _Run(resolve(data, metric), sink, precision, thread_count(threads), progress)
    run.go(edge=edge, memory=memory)
    return run.definition


class _Run:
    """One pass over all tiles of a matrix."""

    def __init__(
        self,
        resolved: Resolved,
        sink: TileSink,
        precision: Precision,
        threads: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        if precision not in ("auto", "double", "mixed"):
            raise ConfigError(f"precision is {precision!r}, expected 'auto', 'double' or 'mixed'")
        m, n, _ = resolved.source.shape
        if not m or not n:
            raise ShapeError(f"there are {m} models of {n} beads; nothing can be compared")
        self.resolved, self.sink, self.threads = resolved, sink, threads
        self.progress = progress
        self.m = m
        pairs = m * (m - 1) // 2
        used = chosen_precision(precision, pairs)
        if resolved.planes == 3 and not resolved.same:
            used = "double"
        self.computer = TileComputer(resolved, stage(pairs), used)
        self.packer = Packer(resolved, single=self.computer.laying)
        self.definition = resolved.definition | {"precision": used}

    def go(self, *, edge: int, memory: int) -> None:
        from threadpoolctl import threadpool_limits

        done = self.sink.done()
        starts = range(0, self.m, edge)
        total = len(starts) * (len(starts) + 1) // 2
        finished = sum((i, j) in done for i in starts for j in starts[i // edge :])
        # One BLAS thread each: the tiles are the parallelism.
        with threadpool_limits(1, user_api="blas"):
            self._choose_precision()
            for (i, j), tile in self._tiles(edge, memory, done):
                self.sink.put(i, j, tile)
                finished += 1
                if self.progress is not None:
                    self.progress(finished, total)

    def _choose_precision(self) -> None:
        """Give up single precision when most pairs of the first tile are too close for it."""
        if self.computer.precision == "mixed":
            first = self.packer.tile(0)
            self.computer = self.computer.calibrated(first)
            if self.computer.doubtful_share(first) < 0.5:
                return
            self.packer.single = None
            self.computer = TileComputer(self.resolved, self.computer.stage, "double")
            self.definition["precision"] = "double (models too close for mixed)"

    def _tiles(
        self, edge: int, memory: int, done: set[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, int], FloatArray]]:
        beads = len(self.resolved.measure.beads)
        if not self.resolved.same:
            beads += len(self.resolved.fit.beads)
        tile_bytes = TILE * beads * 3 * (12 if self.packer.single else 8)
        several = panels(self.m, edge, tile_bytes, memory)
        for at, rows in enumerate(several):
            left: dict[int, Packed] = {}
            for columns in several[at:]:
                todo = [(i, j) for i in rows for j in columns if i <= j and (i, j) not in done]
                if not todo:
                    continue
                left = left or self._packed(rows, edge)
                right = left if columns is rows else self._packed(columns, edge)
                job = partial(self._put_tile, left, right, edge)
                yield from in_order(job, todo, self.threads)

    def _packed(self, starts: list[int], edge: int) -> dict[int, Packed]:
        stop = min(self.m, starts[-1] + edge)
        return dict(in_order(self.packer.tile, range(starts[0], stop, TILE), self.threads))

    def _put_tile(
        self, left: dict[int, Packed], right: dict[int, Packed], edge: int, key: tuple[int, int]
    ) -> FloatArray:
        i, j = key
        shape = min(edge, self.m - i), min(edge, self.m - j)
        tile = np.zeros(shape) if i == j else np.empty(shape)
        for a in range(i, i + len(tile), TILE):
            for b in range(max(j, a) if i == j else j, j + tile.shape[1], TILE):
                part = self.computer.distances(left[a], right[b])
                tile[a - i : a - i + TILE, b - j : b - j + TILE] = part
        return np.triu(tile) + np.triu(tile, 1).T if i == j else tile
