"""
Time on a graphics card: an aligned pass, and a million compressed models.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --device torch:cpu --models 1000 --beads 100 --many 2000

First one pair of blocks, step by step: products, distances, histogram and bins.
Then whole passes. "Waited for" is by the clock until the device and this machine
are done.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.device import DeviceTiler

LEVELS = np.linspace(1.0, 128.0, 255)


class Dropping:
    """Histogram and bins, brought back and then dropped: m² bytes are not kept."""

    on_device = True

    def __init__(self, m: int) -> None:
        from congruence.compute.bins import BinsSink, HistogramSink, Several

        # The m² bytes are asked for, but never touched.
        self._sinks = Several(HistogramSink(LEVELS), BinsSink(m, LEVELS))
        self.bytes = 0

    def done(self) -> set[tuple[int, int]]:
        return set()

    def put(self, i: int, j: int, tile: Any) -> None:
        raise NotImplementedError

    def reduce(self, device: Any, i: int, j: int, tile: Any) -> tuple[Any, ...]:
        return self._sinks.reduce(device, i, j, tile)

    def put_reduced(self, i: int, j: int, parts: tuple[Any, ...]) -> None:
        self.bytes += sum(part.nbytes for part in parts)

    def collect(self, device: Any) -> None:
        self._sinks.collect(device)


def heaps(m: int, n: int, spread: float) -> Any:
    """Return models around 40 shapes, float32, shape (m,n,3), in Å."""
    rng = np.random.default_rng(0)
    shapes = (rng.normal(size=(40, n, 3)) * 40).astype(np.float32)
    models = shapes[rng.integers(0, 40, m)]
    for at in range(0, m, 4096):
        own = models[at : at + 4096]
        own += rng.standard_normal(own.shape, dtype=np.float32) * np.float32(spread)
    return models


def timed(tiler: DeviceTiler, run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """
    Return median seconds of some runs, and what the last gave.

    One more goes before and is not counted, unless it takes half a minute.
    """
    start = time.perf_counter()
    found, spent = run(), []
    tiler._arrays.wait()
    first = time.perf_counter() - start
    if first > 30.0:
        return first, found
    for _ in range(repeats):
        tiler._arrays.wait()
        start = time.perf_counter()
        found = run()
        tiler._arrays.wait()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent), found


def one_block(tiler: DeviceTiler, models: Any, precision: str, repeats: int) -> None:
    """Print what the steps of one pair of blocks take, one after the other."""
    from congruence.compute._resolve import resolve
    from congruence.compute.metric import Metric

    with tiler._arrays.working():
        pairs, said = tiler._pairs(resolve(models, Metric("superpose")), precision, 4 << 30)
        size = pairs.blocks.size
        at = (0, size) if len(models) > size else (0, 0)
        one, two = (pairs.blocks.get(start, single=pairs.single) for start in at)
        sink = Dropping(len(models))

        def products() -> Any:
            return pairs._product(one.measure.parts[0], two.measure.parts[0])

        def reduced() -> Any:
            parts = sink.reduce(tiler._arrays, *at, pairs.between(*at))
            return [tiler._arrays.host(part) for part in parts]

        print(f"\none pair of blocks of {size} models, {models.shape[1]} beads, {said}:")
        for what, run in (
            ("products", products),
            ("products, eigenvalues, bound, repair", lambda: pairs.between(*at)),
            ("the same, histogram and bins, brought back", reduced),
        ):
            seconds, _ = timed(tiler, run, repeats)
            print(f"  {what:45s} {1e3 * seconds:10.2f} ms  {size * size / seconds / 1e6:10.1f} M/s")


def aligned(tiler: DeviceTiler, models: Any, precision: str, repeats: int) -> None:
    """Print what a whole aligned pass takes (aim: 100,000 models of 1,000 beads in 10 s)."""
    from congruence.compute.metric import Metric

    def run() -> tuple[Dropping, dict[str, str]]:
        sink = Dropping(len(models))
        return sink, tiler(models, sink, Metric("superpose"), precision=precision)

    seconds, (sink, words) = timed(tiler, run, repeats)
    m, n, _ = models.shape
    print(f"\n{m:,} models x {n:,} beads, aligned, histogram and bins, {words['precision']}:")
    print(f"  waited for {seconds:.2f} s; {sink.bytes / 1e9:.2f} GB brought back")


def many(tiler: DeviceTiler, m: int, rank: int, threshold: float, repeats: int) -> None:
    """Print counts at all thresholds and clusters at one (aim: a million models in 5 minutes)."""
    from congruence.compute.metric import Metric
    from congruence.compute.streaming import threshold_clusters
    from congruence.compute.streaming_scan import neighbour_counts

    models, metric = heaps(m, rank, 8.0), Metric("superpose")
    print(f"\n{m:,} models of {rank} pseudo-beads, aligned:")
    seconds, counted = timed(tiler, lambda: neighbour_counts(models, metric, LEVELS, tiler=tiler), repeats)  # fmt: skip
    print(f"  neighbours at {len(LEVELS)} thresholds: waited for {seconds:.2f} s")
    print(f"  ({counted.definition['precision']}; most {counted.counts[-1].max():,})")
    total = seconds

    def rows() -> Any:
        how: dict[str, Any] = {"compression": "off", "tiler": tiler, "memory": m * m // 512}
        return threshold_clusters(models, metric, threshold, **how)

    seconds, found = timed(tiler, rows, repeats)
    print(f"  clusters at {threshold:g} Å by {found.way}: waited for {seconds:.2f} s")
    print(f"  ({found.labels.max() + 1:,} clusters); together {total + seconds:.2f} s")


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="gpu", help="gpu, torch:cuda:1, cupy, torch:cpu, numpy")
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--beads", type=int, default=1000)
    parser.add_argument("--many", type=int, default=1_000_000, help="compressed models; 0: none")
    parser.add_argument("--rank", type=int, default=30, help="pseudo-beads of a compressed model")
    parser.add_argument("--threshold", type=float, default=25.0, help="of their clusters, in Å")
    parser.add_argument("--block", type=int, help="models of a block, a multiple of 128")
    parser.add_argument("--repeats", type=int, default=3, help="medians are of so many runs")
    chosen = parser.parse_args()

    from congruence.compute.device import DeviceTiler

    tiler = DeviceTiler(chosen.device, block=chosen.block)
    print(tiler.name)
    models = heaps(chosen.models, chosen.beads, 5.0)
    for precision in ("double", "mixed"):
        one_block(tiler, models[: 2 * 2048], precision, chosen.repeats)
        aligned(tiler, models, precision, chosen.repeats)
    if chosen.many:
        many(tiler, chosen.many, chosen.rank, chosen.threshold, chosen.repeats)


if __name__ == "__main__":
    main()
