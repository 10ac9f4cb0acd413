"""
Distances on a graphics card.

`DeviceTiler` does on a card what `congruence.compute.rmsd.rmsd_tiles` does on
processor cores, through the array API standard (torch or cupy). Distances of
both agree within 1e-6 Å in double and 1e-3 Å in mixed precision. Sinks that
reduce tiles (bits, bins, histograms, counts) do so on the card, so that only
what they keep is brought back. The same code runs on arrays of the processor,
for tests.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from congruence.compute._blocks import in_order, panels, thread_count
from congruence.compute._device_arrays import find_device
from congruence.compute._device_blocks import Blocks, block_size, model_bytes
from congruence.compute._device_neighbours import DeviceNeighbours
from congruence.compute._device_pairs import Pairs, unsupported
from congruence.compute._packing import TILE
from congruence.compute._resolve import resolve
from congruence.compute._tiles import chosen_precision
from congruence.compute.rmsd import rmsd_tiles
from congruence.compute.tiler import DeviceSink, on_device
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from congruence.compute._device_arrays import Arrays
    from congruence.compute._device_pairs import Begun
    from congruence.compute._resolve import Data, Resolved
    from congruence.compute._tiles import Precision
    from congruence.compute.metric import Metric
    from congruence.compute.tiler import Neighbours
    from congruence.core.sources import TileSink

__all__ = ["DeviceTiler"]

R = TypeVar("R")

_MEMORY = 2 << 30
_AT_ONCE = 2  # while one block is repaired and put, the next one is computed


class DeviceTiler:
    """
    Computes all pairwise distances on a device; a `congruence.compute.tiler.Tiler`.

    Parameters
    ----------
    device : str
        ``"gpu"``: the first card of torch (CUDA, ROCm, XPU) or cupy;
        ``"torch:NAME"``: a device of torch; ``"cupy"``. ``"torch:cpu"`` and
        ``"numpy"`` run the same code on the processor, more slowly than
        `congruence.compute.rmsd.rmsd_tiles`, for tests.
    block : int, optional
        Models of a block, a multiple of 128; chosen from the data by default
        (2,048, fewer for many beads or copies; 4,096 of very many models on a large card).

    Raises
    ------
    ConfigError
        If a package is missing, there is no such device, or `block` does not fit.

    Notes
    -----
    Float32 products are never done in TF32. Copies with more than 720 assignments
    under superposition, and groups of more than five copies, are left to the
    processor; ``definition["device"]`` says so.

    Examples
    --------
    >>> import numpy as np
    >>> from congruence.compute.metric import Metric
    >>> from congruence.core.sources import CondensedSink
    >>> x = np.array([[[0.0, 0, 0], [2, 0, 0]], [[0.0, 0, 0], [0, 4, 0]]])
    >>> sink = CondensedSink(2, dtype=np.float64)
    >>> words = DeviceTiler("numpy")(x, sink, Metric("superpose"))
    >>> sink.values.round(6).tolist(), words["device"]
    ([1.0], 'numpy arrays (cpu)')
    """

    def __init__(self, device: str = "gpu", *, block: int | None = None) -> None:
        if block is not None and (block < TILE or block % TILE):
            raise ConfigError(f"block is {block}, expected a multiple of {TILE}")
        self._word, self._block = device, block
        self._arrays = find_device(device)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._word, self._block)

    @property
    def name(self) -> str:
        """Device and library, for people."""
        return self._arrays.name

    def __call__(
        self,
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
        Compute all pairwise RMSDs and hand them to a sink.

        Parameters
        ----------
        data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
            The models, in Å; read in blocks, more than once when `memory` is small.
        sink : TileSink
            Receives float64 tiles of distances in Å; or, a
            `congruence.compute.tiler.DeviceSink`, what it keeps of them.
        metric : Metric
            The definition of the distance.
        precision : {"auto", "double", "mixed"}
            See `congruence.compute.rmsd.rmsd_matrix`.
        edge : int
            Models along the edge of a put tile, a multiple of 128.
        threads : int, optional
            Threads that prepare models; all available cores by default.
        memory : int
            Bytes of this machine that packed models may take. On a card up to
            half of what is free is used for models.
        progress : callable, optional
            Called with the number of tiles done and of all tiles.

        Returns
        -------
        definition : dict of str to str
            Words for ``DistanceMatrix.definition``, ``"device"`` among them.

        Raises
        ------
        ConfigError
            As `congruence.compute.rmsd.rmsd_tiles`.
        ShapeError
            As `congruence.compute.rmsd.rmsd_tiles`.
        """
        if edge < TILE or edge % TILE:
            raise ConfigError(f"edge is {edge}, expected a multiple of {TILE}")
        resolved = _checked(data, metric, precision)
        reason = unsupported(resolved.groups)
        if reason:
            made = rmsd_tiles(
                data,
                sink,
                metric,
                precision=precision,
                edge=edge,
                threads=threads,
                memory=memory,
                progress=progress,
            )
            return made | {"device": f"processor ({reason})"}
        with self._arrays.working():
            pairs, said = self._pairs(resolved, precision, memory, threads)
            # A card is asked by one thread, one pair of blocks ahead.
            one = self._arrays.threaded or self._arrays.card
            several = 1 if one else min(_AT_ONCE, thread_count(threads))
            run = _Pass(pairs, sink, several, progress)
            run.go(edge)
        return resolved.definition | {"precision": said, "device": self.name}

    def neighbours(
        self,
        data: Data,
        metric: Metric,
        threshold: float,
        *,
        memory: int = _MEMORY,
        threads: int | None = None,
    ) -> Neighbours:
        """
        Find neighbours again when they are asked for, on the device.

        Parameters
        ----------
        data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
            The models, in Å.
        metric : Metric
            The definition of the distance.
        threshold : float
            In Å.
        memory : int
            Bytes for bits of pairs, and as many for packed models.
        threads : int, optional
            Threads of the processor, where copies are too many for a device.

        Returns
        -------
        neighbours : Neighbours
            Of distances in double precision, as the tiles of this device have them.

        Raises
        ------
        ConfigError
            As `congruence.compute.rmsd.rmsd_tiles`.
        ShapeError
            As `congruence.compute.rmsd.rmsd_tiles`.
        """
        resolved = _checked(data, metric, "double")
        if unsupported(resolved.groups):
            from congruence.compute._again import Again
            from congruence.compute.rows import DistanceRows

            rows = DistanceRows(data, metric, threads=threads, memory=memory)
            return Again(rows, threshold, memory)
        pairs, _ = self._pairs(resolved, "double", memory, threads)
        return DeviceNeighbours(pairs, threshold, memory)

    def _pairs(
        self, resolved: Resolved, precision: Precision, memory: int, threads: int | None = None
    ) -> tuple[Pairs, str]:
        """Return what computes pairs, with the words for its precision."""
        m = resolved.source.shape[0]
        precision = chosen_precision(precision, m * (m - 1) // 2)
        if not (resolved.same or resolved.planes == 1):
            precision = "double"
        size = self._block or block_size(resolved, self._arrays.card_bytes())
        blocks = Blocks(resolved, self._arrays, size, memory, thread_count(threads))
        pairs = Pairs(blocks, single=precision == "mixed")
        if pairs.single:
            pairs.calibrate()
            if pairs.doubtful_share() >= 0.5:
                pairs.single = False
                return pairs, "double (models too close for mixed)"
        return pairs, precision


def _again(device: str, block: int | None) -> DeviceTiler:
    return DeviceTiler(device, block=block)


def _checked(data: Data, metric: Metric, precision: Precision) -> Resolved:
    if precision not in ("auto", "double", "mixed"):
        raise ConfigError(f"precision is {precision!r}, expected 'auto', 'double' or 'mixed'")
    resolved = resolve(data, metric)
    m, n, _ = resolved.source.shape
    if not m or not n:
        raise ShapeError(f"there are {m} models of {n} beads; nothing can be compared")
    return resolved


class _Pass:
    """One pass over all pairs of blocks."""

    def __init__(
        self,
        pairs: Pairs,
        sink: TileSink,
        threads: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._pairs, self._blocks = pairs, pairs.blocks
        self._sink, self._threads, self._progress = sink, threads, progress
        self._device: Arrays = pairs.blocks.arrays

    def go(self, edge: int) -> None:
        """Compute what the sink does not have."""
        if isinstance(self._sink, DeviceSink) and on_device(self._sink):
            self._reduce(self._sink)
        else:
            self._put(edge)

    def _reduce(self, sink: DeviceSink) -> None:
        blocks = list(self._order())
        distances = self._asked(blocks)

        def reduced(at: tuple[int, int]) -> list[Callable[[], Any]]:
            parts = sink.reduce(self._device, *at, distances(at))
            return [self._device.fetch(part) for part in parts]

        for at, ((i, j), parts) in enumerate(self._mapped(reduced, blocks)):
            sink.put_reduced(i, j, tuple(part() for part in parts))
            self._report(at + 1, len(blocks))
        sink.collect(self._device)

    def _mapped(
        self, function: Callable[[tuple[int, int]], R], blocks: list[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, int], R]]:
        return in_order(function, blocks, self._threads, beside=self._device.card)

    def _asked(self, blocks: list[tuple[int, int]]) -> Callable[[tuple[int, int]], Any]:
        """Return what gives the distances of one pair of blocks after the other."""
        if not self._device.card:
            return lambda at: self._pairs.between(*at)
        begun: deque[Begun] = deque()
        coming = iter(blocks)

        def distances(at: tuple[int, int]) -> Any:
            # While the next ones are computed, those before are looked at and reduced.
            while len(begun) < _AT_ONCE and (following := next(coming, None)) is not None:
                begun.append(self._pairs.begin(*following))
            return self._pairs.finish(begun.popleft())

        return distances

    def _put(self, edge: int) -> None:
        m, size, done = self._blocks.m, self._blocks.size, self._sink.done()
        starts = range(0, m, edge)
        total = len(starts) * (len(starts) + 1) // 2
        wanted = {(i, j) for i in starts for j in starts[i // edge :]} - done
        finished = total - len(wanted)
        waiting = _Waiting(m, edge, wanted)
        needed = [at for at in self._order(edge) if waiting.within(at, size)]
        distances = self._asked(needed)
        fetched = self._mapped(lambda at: self._device.fetch(distances(at)), needed)
        for at, block in fetched:
            for (i, j), tile in waiting.filled(at, block()):
                self._sink.put(i, j, tile)
                finished += 1
                self._report(finished, total)

    def _order(self, edge: int = 0) -> Iterator[tuple[int, int]]:
        """Yield pairs of blocks, those of one put tile and those of the same models together."""
        size, m = self._blocks.size, self._blocks.m
        step = max(size, edge)
        step -= step % size
        each = model_bytes(self._blocks.resolved) * TILE
        several = panels(m, step, each, self._blocks.room_bytes)
        self._blocks.need(2 * max(map(len, several)) * (step // size))
        for at, rows in enumerate(several):
            for columns in several[at:]:
                for i, j in ((i, j) for i in rows for j in columns if i <= j):
                    for a in range(i, min(i + step, m), size):
                        first = a if i == j else j
                        yield from ((a, b) for b in range(first, min(j + step, m), size))

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)


class _Waiting:
    """Tiles to put, filled from blocks of another size."""

    def __init__(self, m: int, edge: int, wanted: set[tuple[int, int]]) -> None:
        self._m, self._edge, self._wanted = m, edge, wanted
        self._tiles: dict[tuple[int, int], Any] = {}
        self._missing: dict[tuple[int, int], int] = {}

    def within(self, at: tuple[int, int], size: int) -> list[tuple[int, int]]:
        """Return the wanted tiles that a block holds a part of."""
        edge = self._edge
        i, j = at
        rows = range(i // edge * edge, min(i + size, self._m), edge)
        columns = range(j // edge * edge, min(j + size, self._m), edge)
        return [(a, b) for a in rows for b in columns if a <= b and (a, b) in self._wanted]

    def filled(self, at: tuple[int, int], block: Any) -> Iterator[tuple[tuple[int, int], Any]]:
        """Take a block in; yield the tiles that are whole now."""
        i, j = at
        size = max(block.shape)
        for key in self.within(at, size):
            rows, columns = (slice(k, min(k + self._edge, self._m)) for k in key)
            self._into(key, (rows, columns), (i, j), block)
            if key[0] == key[1] and i != j:
                self._into(key, (rows, columns), (j, i), block.T)
            if not self._missing[key]:
                del self._missing[key]
                yield key, self._tiles.pop(key)

    def _into(
        self, key: tuple[int, int], tile: tuple[slice, slice], at: tuple[int, int], block: Any
    ) -> None:
        rows, columns = tile
        if key not in self._tiles:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            self._tiles[key] = np.empty(shape)
            self._missing[key] = shape[0] * shape[1]
        first = max(rows.start, at[0]), max(columns.start, at[1])
        last = min(rows.stop, at[0] + block.shape[0]), min(columns.stop, at[1] + block.shape[1])
        if last[0] <= first[0] or last[1] <= first[1]:
            return
        part = block[first[0] - at[0] : last[0] - at[0], first[1] - at[1] : last[1] - at[1]]
        own = self._tiles[key]
        own[
            first[0] - rows.start : last[0] - rows.start,
            first[1] - columns.start : last[1] - columns.start,
        ] = part
        self._missing[key] -= part.size
