"""
How long the tasks are that jobs hand to a Dask cluster: every kind, by the clock and in CPU time.

    python -m benchmarks.dask_tasks [--models M] [--beads N] [--members K] [--workers W]
                                    [--cold] [--each]

Jobs are those of a user, on simulated runs of M models of about N beads: ``congruence
cluster``, ``precision``, ``accuracy`` and ``exhaust``. So that maps are divided there is a cluster of K members,
too; these steps are called by themselves, on models in memory. Workers are processes with one
thread each. They import, compile and load loops before their tasks; to show it the first task of
a worker and its first of a kind are told apart from the others. With --cold there are no
compiled loops at first. --each prints every task, and 0 models or members leave these jobs out.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import re
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

from benchmarks import sample
from benchmarks.measure import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHORTEST, LONGEST = 0.2, 2.0

HEAD = (
    "| Task | tasks | 5 % | median | 95 % | longest | CPU: 5 % | median | 95 % | longest "
    "| in 0.2-2 s | below | above | first of its kind on a worker | first of a worker |\n"
    "| --- |" + " ---: |" * 14
)

_KINDS = (
    *("hello", "read-models", "distances", "grid", "density-part", "density-sum", "density"),
    *("precision", "fluctuation-mean", "fluctuation-rmsf", "fluctuation-compat", "fluctuation"),
)


@dataclass(frozen=True)
class Task:
    """One task: when it ran by the clock of its worker, and the CPU time of its process meanwhile."""

    job: str
    name: str
    worker: str
    start: float
    stop: float
    cpu: float

    @property
    def kind(self) -> str:
        """What people see on the dashboard, without the numbers."""
        return next((k for k in _KINDS if self.name.startswith(f"{k}-")), self.name)

    @property
    def clock(self) -> float:
        return self.stop - self.start


class _Clock(SchedulerPlugin):
    """Notes when tasks ran, and where."""

    name = "congruence-clock"

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, float, float]] = []

    def transition(self, key: Any, start: str, finish: str, *args: Any, **words: Any) -> None:
        if start == "processing" and finish == "memory":
            spans = [s for s in words["startstops"] if s["action"] == "compute"]
            begin, end = min(s["start"] for s in spans), max(s["stop"] for s in spans)
            self.seen.append((str(key), str(words["worker"]), begin, end))


class _Spent(WorkerPlugin):
    """Writes the CPU time of a worker while it was at a task; it has one thread for tasks."""

    name = "congruence-spent"

    def __init__(self, folder: str) -> None:
        self.folder, self.begun = folder, 0.0

    def transition(self, key: Any, start: str, finish: str, **words: Any) -> None:
        now = time.process_time()
        if finish == "executing":
            self.begun = now
        elif start == "executing":
            with (Path(self.folder) / f"{os.getpid()}.txt").open("a") as file:
                file.write(f"{key}\t{now - self.begun!r}\n")


@dataclass
class Watch:
    """A cluster whose tasks are noted."""

    cluster: Any
    folder: Path
    clock: _Clock = field(default_factory=_Clock)
    jobs: list[tuple[int, str]] = field(default_factory=list)

    def begin(self, job: str) -> None:
        """Call what follows by this name."""
        # By the tasks before it, not by the clock: those of workers are corrected by guesses.
        self.jobs.append((len(self.clock.seen), job))

    def tasks(self) -> list[Task]:
        """Return all tasks in the order in which they were done."""
        spent: dict[str, float] = {}
        for path in self.folder.glob("*.txt"):
            lines = (line.split("\t") for line in path.read_text().splitlines())
            spent |= {key: float(seconds) for key, seconds in lines}
        found = []
        for at, (key, worker, start, stop) in enumerate(self.clock.seen):
            job = [name for before, name in self.jobs if before <= at]
            bare = re.sub(r"-[0-9a-f]{8}$", "", key)
            last = job[-1] if job else ""
            found.append(Task(last, bare, worker, start, stop, spent.get(key, float("nan"))))
        return found


@contextmanager
def watched(workers: int) -> Iterator[Watch]:
    """Start a cluster on this machine."""
    from distributed import Client, LocalCluster

    words: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with (
        tempfile.TemporaryDirectory(prefix="congruence-tasks-") as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **words) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        watch = Watch(cluster, Path(folder))
        client.wait_for_workers(workers)
        client.register_plugin(_Spent(folder))
        cluster.scheduler.add_plugin(watch.clock)
        yield watch
        cluster.scheduler.remove_plugin(watch.clock.name)


# ---------------------------------------------------------------- jobs


def run_jobs(watch: Watch, models: int, beads: int) -> None:
    """Run the commands of a user on simulated runs."""
    from congruence.cli import main

    runs = sample.runs("rigid", models, residues_for(beads), 2)
    engine = ["--engine", f"dask:{watch.cluster.scheduler_address}", "--force"]
    out = sample.folder() / f"dask-{models}-{beads}"
    result = str(out / "result")
    asked = {
        "cluster": [
            *("cluster", str(runs), "--rmsd", "*", "--align", "superpose", "--clusters", "2"),
            *("--density", "Alpha", "--density", "Beta", "--density", "every=*", "--out", result),
        ],
        "cluster, fine maps": [
            *("cluster", str(runs), "--rmsd", "*", "--align", "superpose", "--clusters", "2"),
            *("--density", "Alpha", "--density", "every=*", "--voxel", "2", "--members", "none"),
            *("--out", str(out / "fine")),
        ],
        "precision": [
            *("precision", result, "--select", "Alpha", "--select", "Beta"),
            *(
                "--select",
                "Gamma",
                "--select",
                "pair=Alpha + Beta",
                "--out",
                str(out / "precision"),
            ),
        ],
        "accuracy": [
            *("accuracy", result, "--reference", str(runs / "native.rmf3")),
            *("--out", str(out / "accuracy")),
        ],
        "exhaust": [
            *("exhaust", str(runs), "--name", "bench", "--align", "superpose"),
            *("--density", "Alpha", "--out", str(out / "exhaust")),
        ],
    }
    for name, words in asked.items():
        watch.begin(f"{name} of {models:,} x {beads:,}")
        try:
            with redirect_stdout(io.StringIO()):
                main([*words, *engine])
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(
                    f"congruence {' '.join(words)}: exit code {ended.code}"
                ) from None


def residues_for(beads: int) -> int:
    """Return the residues of a subunit with which the small system has about so many beads."""
    return max(20, round((beads - 3) / 4.05))


def run_steps(watch: Watch, members: int, beads: int, voxels: Sequence[float] = (5.0, 2.0)) -> None:
    """Compute maps and fluctuations of one cluster of so many members."""
    from congruence.core.placement import PlacedModels, Placement
    from congruence.core.results import Alignment
    from congruence.core.sources import ArraySource
    from congruence.simulate import Sampling, Simulation, small_system
    from congruence.workflow import dask_steps
    from congruence.workflow.dask_cluster import keep_engine

    system = small_system(residues_per_subunit=residues_for(beads))
    simulated = Simulation(Sampling(models=members, runs=1, replicas=1, clusters=1, seed=1), system)
    source = ArraySource(simulated.read(0, members))
    n = source.shape[1]
    shifts = np.random.default_rng(0).normal(size=(members, 3))
    placed = [
        PlacedModels(source, np.arange(members), tuple(Placement(translation=t) for t in shifts))
    ]
    topology = topology_of(system)
    address = watch.cluster.scheduler_address
    engine, names = f"dask:{address}", ["cluster.0"]
    chosen = {"every": np.arange(n), "some": np.arange(0, n, 10)}
    about = f"of {members:,} x {n:,}"
    with keep_engine(engine, out=sample.folder() / f"steps-{members}-{beads}"):
        for voxel in voxels:
            watch.begin(f"maps, voxel {voxel:g}, {about}")
            shape = {"voxel": voxel, "map_resolution": 20.0}
            grid = dask_steps.cluster_grid(engine, placed, names, chosen["every"], shape)
            how: dict[str, Any] = {"grid": grid, "map_resolution": 20.0, "job": members}
            list(dask_steps.cluster_maps(engine, placed, names, topology, chosen, **how))
        watch.begin(f"fluctuation {about}")
        fit: dict[str, Any] = {"alignment": Alignment.SUPERPOSE, "on": np.arange(n)}
        sets = [(names[0], placed[0], 0)]
        list(dask_steps.set_fluctuations(engine, sets, topology, weights=np.ones(n), **fit))


def topology_of(system: Any) -> Any:
    """Return the beads of a simulated system."""
    from congruence.io.rmf import open_rmf
    from congruence.simulate import simulate_runs

    path = sample.folder() / "native-only"
    simulate_runs(path, models=1, runs=1, replicas=1, clusters=1, system=system)
    return open_rmf(path / "native.rmf3").topology()


# ---------------------------------------------------------------- the table


def firsts(tasks: Sequence[Task]) -> tuple[set[int], set[int]]:
    """Find the first task of each worker, and its first of each kind; by their positions."""
    workers: dict[str, int] = {}
    kinds: dict[tuple[str, str], int] = {}
    for at in sorted(range(len(tasks)), key=lambda i: tasks[i].start):
        if tasks[at].kind != "hello":  # which imports nothing but the version
            workers.setdefault(tasks[at].worker, at)
        kinds.setdefault((tasks[at].worker, tasks[at].kind), at)
    return set(workers.values()), set(kinds.values())


def rows_of(tasks: Sequence[Task]) -> list[str]:
    """Return the lines of the table: lengths without the first of a kind on a worker, and these apart."""
    first, news = firsts(tasks)
    groups: dict[str, list[int]] = defaultdict(list)
    for at, task in enumerate(tasks):
        groups[task.kind].append(at)
    lines = []
    for kind, members in sorted(groups.items()):
        later = [at for at in members if at not in news] or members
        clock, cpu = ([getattr(tasks[at], w) for at in later] for w in ("clock", "cpu"))
        cells = [kind, f"{len(members):,}", *_spread(clock), *_spread(cpu), *_shares(clock)]
        cells += [_both(tasks, members, news - first), _both(tasks, members, first)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(values: Sequence[float]) -> list[str]:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return [f"{v:.2f}" for v in (low, middle, high, max(values))]


def _shares(clock: Sequence[float]) -> list[str]:
    below, above = sum(v < SHORTEST for v in clock), sum(v > LONGEST for v in clock)
    every = len(clock)
    return [f"{count / every:.0%}" for count in (every - below - above, below, above)]


def _both(tasks: Sequence[Task], members: Sequence[int], chosen: set[int]) -> str:
    found = [tasks[at] for at in members if at in chosen]
    if not found:
        return ""
    clock = statistics.median(t.clock for t in found)
    return f"{clock:.2f} (CPU {statistics.median(t.cpu for t in found):.2f})"


def main() -> None:
    """Run jobs and print how long their tasks were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dask_tasks", description=__doc__)
    parser.add_argument("--models", type=int, default=4000, help="of the jobs")
    parser.add_argument("--beads", type=int, default=1600, help="of a model, about")
    parser.add_argument(
        "--members", type=int, default=20_000, help="of the cluster that is divided"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="with no compiled loops at first")
    parser.add_argument("--each", action="store_true", help="print every task")
    asked = parser.parse_args()
    if asked.cold:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-", dir=sample.folder())
    with watched(asked.workers) as watch:
        os.environ["CONGRUENCE_CACHE"] = "off"  # each job reads; workers keep what they compile
        if asked.models:
            run_jobs(watch, asked.models, asked.beads)
        if asked.members:
            run_steps(watch, asked.members, asked.beads)
        tasks = watch.tasks()
    print(machine() + "\n")
    for _, job in watch.jobs:
        own = [task for task in tasks if task.job == job]
        print(f"{job}: {len(own)} tasks, {sum(t.cpu for t in own):.1f} CPU s")
    print("\n" + HEAD)
    print("\n".join(rows_of(tasks)))
    if asked.each:
        for t in tasks:
            print(f"{t.job}\t{t.name}\t{t.worker}\t{t.clock:.3f}\t{t.cpu:.3f}")


if __name__ == "__main__":
    main()
