"""
Own growth curves: CPU time and peak memory over models and beads, exponents fitted.

    python -m benchmarks.growth [--models M ...] [--beads N ...] [--kinds rigid free]
                                [--budget SECONDS] [--precision auto] [--full] [--every-pair]

Each cell is a process of its own, so that its peak memory is its own. It clusters
models of a file by threshold, superposed, keeping one bit of each distance: the
whole way that 100,000 models go. With --every-pair the distance of every pair is
computed, with compression where that pays, though few pseudo-beads might do. *rigid* is rigid bodies of 50 beads of which every
tenth is replaced by beads that move by themselves; *free* is noise that nothing can
compress. Rows are printed as they come. A cell that takes longer than the budget, or
would by what smaller ones took, is said to be skipped, and so is one without room on
the disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.large import FileModels, write_models
from benchmarks.measure import machine, using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MODELS, BEADS, KINDS = (1000, 3000, 10_000), (300, 1000, 5000), ("rigid", "free")
FULL = (1000, 3000, 10_000, 30_000, 100_000)
THRESHOLD = 40.0
_WORTH = 0.5
_WORTH_BYTES = 20e6
"""CPU seconds and bytes below which fixed costs count, so that a cell is left out of a fit."""

HEAD = (
    "| Ensemble | models | beads | packing | pseudo-beads | pass | clusters | all, CPU s | wall s "
    "| peak MB | ns a pair | Note |\n| --- |" + " ---: |" * 10 + " --- |"
)


@dataclass(frozen=True)
class Cell:
    """What one process took: CPU seconds by stage, wall seconds, bytes; or why it did not run."""

    kind: str
    m: int
    n: int
    stages: dict[str, float] = field(default_factory=dict)
    wall: float = float("nan")
    peak: float = float("nan")
    before: float = float("nan")
    note: str = ""

    @property
    def cpu(self) -> float:
        return sum(self.stages.values()) if self.stages else float("nan")

    @property
    def own(self) -> float:
        """Bytes beyond those that were there before the work began."""
        return self.peak - self.before

    def row(self) -> str:
        about = f"| {self.kind} | {self.m:,} | {self.n:,} |"
        if not self.stages:
            return about + " |" * 8 + f" {self.note} |"
        stages = " | ".join(f"{self.stages[s]:.2f}" for s in STAGES)
        pair = self.cpu / (self.m * (self.m - 1) / 2) * 1e9
        return (
            f"{about} {stages} | {self.cpu:.2f} | {self.wall:.2f} | {self.peak / 1e6:,.0f} "
            f"| {pair:,.0f} | {self.note} |"
        )


STAGES = ("packing", "pseudo-beads", "pass", "clusters")


class _Packing:
    """Adds up the CPU time of packing, of all threads, while it is installed."""

    def __init__(self) -> None:
        from congruence.compute._packing import Packer

        self.spent = 0.0
        lock, original = threading.Lock(), Packer.tile

        def tile(packer: Any, start: int) -> Any:
            begin = time.thread_time()
            packed = original(packer, start)
            with lock:
                self.spent += time.thread_time() - begin
            return packed

        Packer.tile = tile


def one(path: Path, shape: tuple[int, int, int], precision: str, every: bool) -> dict[str, Any]:
    """Do the work of a cell in this process."""
    from congruence.compute.compression import compress
    from congruence.compute.metric import Metric
    from congruence.compute.neighbours import NeighbourBits
    from congruence.compute.rmsd import rmsd_tiles
    from congruence.compute.screening import screen
    from congruence.compute.streaming import threshold_clusters

    metric, models = Metric("superpose"), FileModels(path, shape)
    few = np.random.default_rng(0).normal(size=(3, 9, 3))
    threshold_clusters(few, metric, 1.0)  # imports and compiled code are not what is measured
    using("numba", lambda: rmsd_tiles(few, NeighbourBits(3, 1.0), metric))
    several = np.random.default_rng(0).normal(size=(130, 9, 3))
    screen(several, metric, 1.5, always=True).put(NeighbourBits(130, 1.5))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packing = _Packing()
    begin, last = time.perf_counter(), [time.process_time(), 0.0]

    def stage() -> float:
        """Return CPU seconds since the last call, packing left out."""
        now = [time.process_time(), packing.spent]
        taken = now[0] - last[0] - (now[1] - last[1])
        last[:] = now
        return taken

    screened = None if every else screen(models, metric, THRESHOLD)
    found = compress(models, metric) if screened is None else None
    stages = {"pseudo-beads": stage()}
    sink = NeighbourBits(shape[0], THRESHOLD)
    words: dict[str, Any] = {"edge": 1024, "precision": precision}
    if screened is not None:
        said = screened.put(sink)
    elif found is not None:
        said = found.tiles(sink, **words)
    else:
        said = rmsd_tiles(models, sink, metric, **words)
    stages["pass"] = stage()
    count = int(sink.labels().max()) + 1
    stages["clusters"] = stage()
    stages["packing"] = packing.spent
    note = "all beads" if found is None else f"{found.rank} pseudo-beads"
    if screened is not None:
        opened = int(said["screening"].split("; ")[1].split(" ")[0].replace(",", ""))
        share = opened / (shape[0] * (shape[0] - 1) / 2)
        note = f"{screened.rank} pseudo-beads and all beads of {share:.1%}"
    return {
        "stages": stages,
        "wall": time.perf_counter() - begin,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "before": before * 1024,
        "note": f"{note}, {said.get('precision', precision).partition(' ')[0]}, {count:,} clusters",
    }


def cell(kind: str, m: int, n: int, budget: float, words: Sequence[str], folder: Path) -> Cell:
    """Write the models of a cell and run it, or say why not."""
    size, room = 12 * m * n, shutil.disk_usage(folder).free
    if size > 0.8 * room:
        return Cell(
            kind, m, n, note=f"skipped: {size / 1e9:.1f} GB of models, {room / 1e9:.1f} GB free"
        )
    path = folder / "models.f32"
    write_models(path, kind, m, n)
    own = [sys.executable, "-m", "benchmarks.growth", "--one", str(path), str(m), str(n)]
    try:
        run = subprocess.run(
            [*own, *words], capture_output=True, text=True, check=True, timeout=budget
        )
    except subprocess.TimeoutExpired:
        return Cell(kind, m, n, note=f"skipped: not done in {budget:,.0f} s")
    except subprocess.CalledProcessError as problem:
        said = problem.stderr.strip().splitlines()[-1:] or ["no message"]
        return Cell(kind, m, n, note=f"skipped: ended with {problem.returncode}: {said[0][:80]}")
    finally:
        path.unlink()
    return Cell(kind, m, n, **json.loads(run.stdout))


def expected(done: Iterable[Cell], kind: str, m: int, n: int) -> float:
    """Return the wall seconds that a cell may take by the nearest smaller one; 0 without one."""
    smaller = [c for c in done if c.kind == kind and c.m <= m and c.n <= n]
    if not smaller:
        return 0.0
    if not all(c.stages for c in smaller):
        return float("inf")
    near = max(smaller, key=lambda c: (c.n, c.m))
    return near.wall * (m / near.m) ** 2 * (n / near.n)


def exponents(cells: Sequence[Cell], value: Callable[[Cell], float]) -> tuple[float, float]:
    """Fit value = c m^a n^b to what ran, and return a and b; NaN where m or n does not vary."""
    chosen = [c for c in cells if c.stages and value(c) > 0]
    columns = [np.ones(len(chosen))]
    varies = []
    for name in ("m", "n"):
        logs = np.log([float(getattr(c, name)) for c in chosen] or [1.0])
        varies.append(bool(np.ptp(logs) > 0))
        columns += [logs] if varies[-1] else []
    if len(chosen) < 1 + sum(varies) or not any(varies):
        return float("nan"), float("nan")
    fitted = np.linalg.lstsq(np.stack(columns, 1), np.log([value(c) for c in chosen]), rcond=None)[
        0
    ]
    given = iter(fitted[1:].tolist())
    a, b = (next(given) if there else float("nan") for there in varies)
    return a, b


def said_exponents(cells: Sequence[Cell]) -> list[str]:
    """Return a Markdown table of fitted exponents, for each kind of ensemble."""
    lines = ["| Ensemble | quantity | m | n | cells |", "| --- | --- | ---: | ---: | ---: |"]
    for kind in dict.fromkeys(c.kind for c in cells):
        own = [c for c in cells if c.kind == kind and c.stages]
        long = [c for c in own if c.cpu >= _WORTH]
        large = [c for c in own if c.own >= _WORTH_BYTES]
        for name, chosen, value in (
            ("CPU time", long, lambda c: c.cpu),
            ("CPU time of the pass", long, lambda c: c.stages["pass"]),
            ("CPU time of the clusters", long, lambda c: c.stages["clusters"]),
            ("memory beyond imports", large, lambda c: c.own),
        ):
            a, b = exponents(chosen, value)
            powers = " | ".join("" if p != p else f"{p:.2f}" for p in (a, b))
            lines.append(f"| {kind} | {name} | {powers} | {len(chosen)} |")
    return lines


def run(
    kinds: Sequence[str],
    beads: Sequence[int],
    models: Sequence[int],
    *,
    budget: float,
    words: Sequence[str] = ("auto", ""),
    tell: Callable[[str], None] = lambda line: print(line, flush=True),
) -> list[Cell]:
    """Run all cells, small ones first, and tell each as it comes; interrupted, what there is."""
    done: list[Cell] = []
    tell(HEAD)
    with tempfile.TemporaryDirectory(prefix="congruence-growth-") as folder:
        try:
            for kind in kinds:
                for m in sorted(models):
                    for n in sorted(beads):
                        wall = expected(done, kind, m, n)
                        if wall > 2 * budget:
                            much = f"about {wall:,.0f} s" if wall < 1e30 else "too long as well"
                            note = f"skipped: would take {much}"
                            done.append(Cell(kind, m, n, note=note))
                        else:
                            done.append(cell(kind, m, n, budget, words, Path(folder)))
                        tell(done[-1].row())
        except KeyboardInterrupt:
            tell("\ninterrupted: the fits are of the rows above")
    return done


def main() -> None:
    """Print rows and fits as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=list(MODELS))
    parser.add_argument("--beads", type=int, nargs="+", default=list(BEADS))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--budget", type=float, default=600.0, help="wall seconds for a cell")
    parser.add_argument("--precision", default="auto", choices=["auto", "double", "mixed"])
    parser.add_argument("--full", action="store_true", help="1,000 to 100,000 models")
    parser.add_argument("--every-pair", action="store_true", help="the distance of every pair")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        path, m, n, precision, every = asked.one
        print(json.dumps(one(Path(path), (int(m), int(n), 3), precision, bool(every))))
        return
    print(machine() + "\n", flush=True)
    models = FULL if asked.full else asked.models
    words = asked.precision, "every" if asked.every_pair else ""
    done = run(asked.kinds, asked.beads, models, budget=asked.budget, words=words)
    print("\n" + "\n".join(said_exponents(done)))


if __name__ == "__main__":
    main()
