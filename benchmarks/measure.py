"""Medians of interleaved repeats, and the table that they make."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKAGES = ("numpy", "numba", "fastavro", "mdtraj", "MDAnalysis", "scipy")


@dataclass(frozen=True)
class Job:
    """A function to be timed, and what is done before it, untimed, whose result it gets."""

    run: Callable[..., Any]
    before: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Spent:
    """Median seconds: by the clock, and of all threads of the process."""

    wall: float
    cpu: float

    def times(self, factor: float) -> Spent:
        return Spent(self.wall * factor, self.cpu * factor)


@dataclass(frozen=True)
class Row:
    """One line of the table; ratios are of the peer to ours, `note` says more."""

    what: str
    ours: Spent
    peer_name: str = ""
    peer: Spent | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """CPU seconds of the peer per CPU second of ours."""
        return self.peer.cpu / max(self.ours.cpu, 1e-9) if self.peer else float("nan")

    def cells(self) -> list[str]:
        if self.peer is None:
            return [self.what, _seconds(self.ours.cpu), _seconds(self.ours.wall), "", "", self.note]
        wall = self.peer.wall / max(self.ours.wall, 1e-9)
        peer = f"{self.peer_name}: {_seconds(self.peer.cpu)}"
        ratio = f"{self.ratio:.1f} ({wall:.1f})"
        return [
            self.what,
            _seconds(self.ours.cpu),
            _seconds(self.ours.wall),
            peer,
            ratio,
            self.note,
        ]


def using(kernel: str, job: Callable[[], Any]) -> Any:
    """Run a job with the compiled loops ("numba") or without ("numpy")."""
    before = os.environ.get("CONGRUENCE_KERNEL")
    os.environ["CONGRUENCE_KERNEL"] = kernel
    try:
        return job()
    finally:
        del os.environ["CONGRUENCE_KERNEL"]
        if before is not None:
            os.environ["CONGRUENCE_KERNEL"] = before


def interleaved(jobs: dict[str, Job], repeats: int) -> dict[str, Spent]:
    """Run the jobs in turn, several times, and return the median of each."""
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    cpu: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            ready = job.before()
            gc.collect()
            start, busy = time.perf_counter(), time.process_time()
            job.run(ready) if ready is not None else job.run()
            cpu[name].append(time.process_time() - busy)
            wall[name].append(time.perf_counter() - start)
    return {n: Spent(statistics.median(wall[n]), statistics.median(cpu[n])) for n in jobs}


def machine() -> str:
    """Say on what kind of machine, with which versions."""
    model = platform.machine()
    about = Path("/proc/cpuinfo")
    if about.is_file():
        names = [li for li in about.read_text().splitlines() if li.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    versions = ", ".join(f"{p} {v}" for p in PACKAGES if (v := _version(p)))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}{load}; "
        f"Python {platform.python_version()}, {versions}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return ""


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    head = ["What", "CPU s", "wall s", "peer, CPU s", "ratio of CPU (wall)", "Note"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
