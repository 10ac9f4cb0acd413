"""
How fast this machine is: a small standard set of measurements, on simulated data.

Every measurement is repeated; the median counts. Nothing of the machine but the kind
of processor, the number of cores and versions of packages is told.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from congruence.core.provenance import versions
from congruence.workflow.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.workflow.reporting import Reporter

__all__ = ["SIZES", "BenchReport", "BenchSize", "Measure", "repeated", "run_bench"]


@dataclass(frozen=True, slots=True)
class BenchSize:
    """
    How much is measured.

    Parameters
    ----------
    name : str
        Name of the size.
    frames : int
        Models that are simulated, written and read, in two files.
    residues : int
        Residues of a subunit of the simulated complex.
    models, beads : int
        Models and beads whose distances are computed.
    mapped : int
        Models of `beads` beads that a density is made of.
    clustered : int
        Models that are clustered by k-means, the number of clusters advised.
    repeats : int
        Times that everything is measured.
    """

    name: str
    frames: int
    residues: int
    models: int
    beads: int
    mapped: int
    clustered: int
    repeats: int


SIZES = {
    "small": BenchSize("small", 600, 100, 1500, 500, 400, 250, 3),
    "medium": BenchSize("medium", 2000, 250, 3000, 1000, 500, 600, 3),
}
"""The standard sets; `small` takes some 20 seconds on two cores."""


@dataclass(frozen=True, slots=True)
class Measure:
    """
    One measurement.

    Parameters
    ----------
    key : str
        Short name, the same in every version.
    what : str
        What was done, for people.
    amount : float
        How much was done in one repetition.
    unit : str
        Of `amount`: models, MB, rows, pairs, beads.
    wall, cpu : float
        Median seconds by the clock, and of all threads together.
    peak : float, optional
        Fraction of the fastest matrix product of this machine (or card) in the
        same precision, by CPU time (on a card by the clock).
    note : str
        Of what size, and other remarks.
    """

    key: str
    what: str
    amount: float
    unit: str
    wall: float
    cpu: float
    peak: float | None = None
    note: str = ""

    @property
    def rate(self) -> float:
        """Amount in a second by the clock."""
        return self.amount / max(self.wall, 1e-9)

    @property
    def rate_per_core(self) -> float:
        """Amount in a second of CPU time."""
        return self.amount / max(self.cpu, 1e-9)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """
    All measurements, and on what.

    Parameters
    ----------
    size : BenchSize
        How much was measured.
    seed : int
        Seed of the simulation.
    device : str
        What computed distances: ``"cpu"``, or the name of the card.
    processor : str
        Kind of processor.
    cores, threads : int
        Cores that may be used, and threads that were.
    versions : dict of str to str
        Of congruence, Python and the numerical packages.
    load : float
        Processes that wanted to run, on average, when it began; NaN where that
        is not known.
    gflops : dict of str to float
        The fastest matrix products, ``"double"`` and ``"single"``, in GFLOP
        in a second of CPU time (one core); on a card by the clock.
    measures : tuple of Measure
        In order.
    seconds : float
        Wall-clock time of it all.
    """

    size: BenchSize
    seed: int
    device: str
    processor: str
    cores: int
    threads: int
    versions: dict[str, str]
    load: float
    gflops: dict[str, float]
    measures: tuple[Measure, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """
        Return JSON-able data.

        Returns
        -------
        data : dict
            Fields of this object, with both rates in each measure.
        """
        found = asdict(self)
        found["load"] = None if self.load != self.load else self.load
        for each, measure in zip(found["measures"], self.measures, strict=True):
            each |= {"rate": measure.rate, "rate_per_core": measure.rate_per_core}
        return found


def repeated(
    job: Callable[[], object], repeats: int, *, before: Callable[[], object] | None = None
) -> tuple[float, float]:
    """
    Time a function.

    Parameters
    ----------
    job : callable
        What is timed.
    repeats : int
        How often.
    before : callable, optional
        Called before every repetition, untimed.

    Returns
    -------
    wall, cpu : float
        Median seconds by the clock, and of all threads of this process.
    """
    walls, cpus = [], []
    for _ in range(repeats):
        if before is not None:
            before()
        gc.collect()
        start, busy = time.perf_counter(), time.process_time()
        job()
        cpus.append(time.process_time() - busy)
        walls.append(time.perf_counter() - start)
    return statistics.median(walls), statistics.median(cpus)


def run_bench(
    size: BenchSize = SIZES["small"],
    *,
    threads: int | None = None,
    device: Literal["cpu", "gpu"] = "cpu",
    seed: int = 0,
    reporter: Reporter | None = None,
) -> BenchReport:
    """
    Measure reading, distances, densities and clustering on this machine.

    Runs are simulated in a temporary folder, which is removed.

    Parameters
    ----------
    size : BenchSize
        How much, from `SIZES`.
    threads : int, optional
        Threads for distances; all available cores by default.
    device : {"cpu", "gpu"}
        What computes distances.
    seed : int
        Seed of the simulation.
    reporter : Reporter, optional
        Told what is being measured.

    Returns
    -------
    report : BenchReport
        Everything, in order.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    from congruence.workflow import bench_measures as measures
    from congruence.workflow.resources import Resources

    reporter = reporter or Silent()
    start, load = time.perf_counter(), _load()
    computer = measures.find_computer(Resources(device=device, threads=threads))
    with tempfile.TemporaryDirectory(prefix="congruence-bench-") as folder:
        reporter.say(f"simulating {size.frames:,} models and reading them")
        found = measures.reading(Path(folder), size, seed)
    reporter.say(f"computing distances of {size.models:,} models of {size.beads:,} beads")
    gflops = measures.fastest_products(computer)
    found += measures.distances(computer, size, seed, gflops)
    reporter.say("making a density and clusters")
    found += measures.densities(size, seed)
    found += measures.clusters(computer, size, seed)
    return BenchReport(
        size=size,
        seed=seed,
        device=computer.name,
        processor=_processor(),
        cores=_cores(),
        threads=computer.threads,
        versions=versions(),
        load=load,
        gflops=gflops,
        measures=tuple(found),
        seconds=time.perf_counter() - start,
    )


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor(about: Path = Path("/proc/cpuinfo")) -> str:
    """Return the kind of processor, never the name of the machine."""
    try:
        for line in about.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return f"{platform.machine()} ({platform.system()})"
