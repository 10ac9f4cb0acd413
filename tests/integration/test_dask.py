"""The Dask engine on two worker processes: the bytes of one machine, and workers that are killed."""

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from jobfolders import ASKED, congruence, models, record, tree

pytest.importorskip("distributed")

from distributed import LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

from congruence.compute.compression import compress
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_tiles
from congruence.core.grid import Grid
from congruence.core.placement import PlacedModels, Placement
from congruence.core.results import Alignment
from congruence.core.sources import ArraySource, CondensedSink
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, FormatError, InputError, ShapeError
from congruence.io.tiles import DistanceFolder
from congruence.simulate import damage_run, simulate_runs, small_system
from congruence.workflow import (
    dask_cluster,
    dask_engine,
    dask_map_plan,
    dask_maps,
    dask_moves,
    dask_steps,
)
from congruence.workflow.dask_cluster import Connection, connected, keep_engine
from congruence.workflow.dask_engine import DaskTiler
from congruence.workflow.dask_futures import Call
from congruence.workflow.dask_map_tasks import density_sum
from congruence.workflow.dask_memory import learn_sizes
from congruence.workflow.dask_moves import MovesPlan
from congruence.workflow.dask_portions import AIM
from congruence.workflow.dask_ready import distances_ready
from congruence.workflow.dask_scratch import read_job
from congruence.workflow.dask_squares import TilePlan
from congruence.workflow.member_sets import read_sets
from congruence.workflow.precision import PrecisionOptions, precision_of_results
from congruence.workflow.precision_files import precision_data
from congruence.workflow.resources import Resources
from congruence.workflow.steps import open_runs

RNG = np.random.default_rng(0)
FAR = RNG.normal(size=(4, 30, 3))[RNG.integers(0, 4, 400)] * 30 + RNG.normal(size=(400, 30, 3)) * 3
COPIES = (np.array([[0, 1, 2], [5, 6, 7]]),)


@pytest.fixture(scope="module")
def cluster():
    options = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, threads_per_worker=1, **options) as made:
        yield made


@pytest.fixture(scope="module")
def address(cluster, tmp_path_factory):
    """Return the address, with one connection for all tests."""
    found = cluster.scheduler_address
    with keep_engine(f"dask:{found}", out=tmp_path_factory.mktemp("dask") / "out"):
        yield found


@pytest.fixture
def small_tasks(monkeypatch):
    """Let a task be a tile of 128 x 128."""
    monkeypatch.setattr(dask_engine, "_SECONDS", 1e-9)


class Recording(CondensedSink):
    """Remembers the order of the tiles; perhaps some are done."""

    def __init__(self, m, done=()):
        super().__init__(m, np.float64)
        self.values[:] = -1.0
        self.order, self._had = [], set(done)

    def done(self):
        return self._had

    def put(self, i, j, tile):
        self.order.append((i, j))
        super().put(i, j, tile)


def both(address, metric, *, data=FAR, done=(), **options):
    sinks = Recording(len(data), done), Recording(len(data), done)
    said = rmsd_tiles(data, sinks[0], metric, **options)
    assert DaskTiler(address)(data, sinks[1], metric, **options) == said
    np.testing.assert_array_equal(sinks[1].values, sinks[0].values)
    assert sinks[1].order == sinks[0].order
    return sinks[1]


# ---------------------------------------------------------------- distances


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
def test_distances_have_the_bytes_of_one_machine(address, small_tasks, alignment, precision):
    words = {"measure": np.arange(20), "weights": RNG.random(30), "copies": COPIES}
    both(address, Metric(alignment, **words), precision=precision, edge=128)


@pytest.mark.parametrize("alignment", ["center", "superpose"])
def test_beads_apart_from_the_measured_ones_are_superposed_alike(address, small_tasks, alignment):
    apart = Metric(alignment, measure=np.arange(20), on=np.arange(10, 30), copies=COPIES)
    both(address, apart, edge=256, data=FAR[:300])


@pytest.mark.parametrize("edge", [128, 384, 512])
def test_tiles_of_any_edge_come_in_the_same_order_from_any_squares(address, monkeypatch, edge):
    for seconds in (1e-9, 2e-3, 1.0):
        monkeypatch.setattr(dask_engine, "_SECONDS", seconds)
        both(address, Metric("center"), edge=edge)


def test_tiles_that_are_done_are_not_computed(address, small_tasks):
    sink = both(address, Metric("none"), edge=256, done={(0, 256)})
    assert sink.order == [(0, 0), (256, 256)]
    assert (sink.values == -1.0).any()


def test_near_duplicates_are_repaired_behind_pseudo_beads(address, tmp_path):
    rng = np.random.default_rng(5)
    bodies = rng.normal(size=(2, 60, 3)) * 20
    turned = [
        (bodies @ np.linalg.qr(rng.normal(size=(2, 3, 3)))[0] + rng.normal(size=(2, 1, 3)) * 9)
        for _ in range(100)
    ]
    data = np.array(turned * 3).reshape(300, 120, 3) + rng.normal(size=(300, 120, 3)) * 1e-6
    found = compress(data, Metric("superpose"), always=True)
    folders = [
        DistanceFolder(tmp_path / name, 300, key="k", edge=128, dtype=np.float64)
        for name in ("local", "dask")
    ]
    words = [
        found.tiles(folder, tiler=tiler, edge=128)
        for folder, tiler in zip(folders, (rmsd_tiles, DaskTiler(address)), strict=True)
    ]
    assert words[0] == words[1]
    assert found.near > 0
    assert "pseudo-beads" in words[0]["compression"]
    assert tree(tmp_path / "local") == tree(tmp_path / "dask")


def test_progress_counts_tiles_and_ends_with_all(address, small_tasks):
    told = []
    tiler = DaskTiler(address)
    tiler(
        FAR, Recording(400, {(0, 0)}), Metric("none"), edge=128, progress=lambda *t: told.append(t)
    )
    assert told == sorted(told)
    assert told[-1] == (10, 10)
    assert len(told) == 9


class Counting(SchedulerPlugin):
    """Counts how often each task was started and was done."""

    name = "counting"

    def __init__(self):
        self.started, self.done = {}, {}

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "processing":
            self.started[key] = self.started.get(key, 0) + 1
        if (start, finish) == ("processing", "memory"):
            self.done[key] = self.done.get(key, 0) + 1


def test_a_killed_worker_costs_its_tasks_only(cluster, address, small_tasks):
    expected = Recording(400)
    metric = Metric("superpose", copies=COPIES)
    rmsd_tiles(FAR, expected, metric, edge=128)
    with connected(address) as connection:
        pids = connection.client.run(os.getpid)
    victim = sorted(pids.values())[0]
    counting, killed = Counting(), []

    def kill(done, total):
        if not killed and done >= 3:
            os.kill(victim, signal.SIGKILL)
            killed.append(done)

    cluster.scheduler.add_plugin(counting)
    found = Recording(400)
    try:
        DaskTiler(address)(FAR, found, metric, edge=128, progress=kill)
    finally:
        cluster.scheduler.remove_plugin("counting")
    assert killed
    np.testing.assert_array_equal(found.values, expected.values)
    names = sorted(key.rpartition("-")[0] for key in counting.done)
    assert names == sorted(f"distances-{i}-{j}" for i, j in expected.order)
    # Tiles that were handed over before the worker was killed are not asked for again.
    early = {f"distances-{i}-{j}" for i, j in expected.order[:3]}
    assert all(
        count == 1 for key, count in counting.started.items() if key.rpartition("-")[0] in early
    )
    with connected(address) as connection:
        connection.client.wait_for_workers(2, timeout=30)
        assert victim not in connection.client.run(os.getpid).values()


@pytest.mark.parametrize("edge", [128, 384])
def test_tasks_of_several_squares_have_the_bytes_of_one_machine(
    cluster, address, monkeypatch, edge
):
    monkeypatch.setattr(dask_engine, "task_edge", lambda *_, **__: 128)
    counting = Counting()
    cluster.scheduler.add_plugin(counting)
    try:
        # Of 400 models one task would do it all: now three squares are one.
        seconds = TilePlan(400, edge, 128, frozenset()).seconds((0, 128), 1e-6, 0) * 3 / AIM
        monkeypatch.setattr(dask_engine, "_SECONDS", seconds)
        monkeypatch.setattr(dask_engine, "_costs", lambda *_: (1e-6, 0))
        both(address, Metric("superpose", copies=COPIES), edge=edge, done={(0, edge)})
    finally:
        cluster.scheduler.remove_plugin("counting")
    names = [key.rpartition("-")[0] for key in counting.done if key.startswith("distances")]
    assert "distances-0-0-and-" in min(names)
    assert 1 < len(names) < 5


def test_a_killed_worker_costs_of_its_task_the_squares_without_a_file(
    cluster, address, monkeypatch
):
    monkeypatch.setattr(dask_engine, "task_edge", lambda *_, **__: 128)
    monkeypatch.setattr(dask_engine, "_SECONDS", 1e9)  # all of it is one task
    expected, found = Recording(400), Recording(400)
    metric = Metric("superpose", copies=(np.arange(4)[:, None],))  # 24 assignments
    rmsd_tiles(FAR, expected, metric, edge=128)
    counting, over, seen = Counting(), threading.Event(), {}
    with connected(address) as connection:
        connection.client.wait_for_workers(2, timeout=30)
        pids = connection.client.run(os.getpid)
        folder = connection.scratch.path

    def watch():
        """Kill the worker of the task when it has written a square."""
        while not over.wait(0.002):
            files = list(folder.glob("*-distances/tile-*.npy"))
            if files and not seen:
                (task,) = [t for k, t in cluster.scheduler.tasks.items() if "distances-0-0" in k]
                seen.update({path: path.stat().st_ino for path in files})
                os.kill(pids[task.processing_on.address], signal.SIGKILL)

    def compare(done, total):
        kept.update({path: path.stat().st_ino for path in seen})

    cluster.scheduler.add_plugin(counting)
    watching, kept = threading.Thread(target=watch), {}
    watching.start()
    try:
        DaskTiler(address)(FAR, found, metric, edge=128, progress=compare)
    finally:
        over.set()
        watching.join()
        cluster.scheduler.remove_plugin("counting")
    np.testing.assert_array_equal(found.values, expected.values)
    (started,) = [n for k, n in counting.started.items() if k.startswith("distances")]
    assert started == 2
    assert 0 < len(seen) < 10
    assert kept == seen  # the files that were there were left as they were


def test_errors_of_tasks_come_back_whole(address, tmp_path):
    torn = tmp_path / "job.json"
    torn.write_text("{")
    with connected(address) as connection, pytest.raises(FormatError) as caught:
        list(connection.results(read_job, [("torn-0", (str(tmp_path),))]))
    assert caught.value.message.startswith(f"{torn}, line 1: is not JSON")
    assert (caught.value.path, caught.value.location) == (str(torn), "line 1")


def test_a_task_that_ends_every_worker_is_named(cluster, address, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with connected(address) as connection:
        with pytest.raises(InputError, match=r"exit-0 was lost") as caught:
            list(connection.results(os._exit, [("exit-0", (1,))]))
        connection.client.wait_for_workers(2, timeout=30)
    assert "memory" in caught.value.hint


def test_a_task_waits_for_others_and_empties_what_they_left(address, tmp_path):
    sums = [tmp_path / f"sum-{k}.npy" for k in range(3)]
    parts = [tmp_path / f"part-{k}.npy" for k in range(3)]
    for k, path in enumerate(parts):
        np.save(path, np.full((1, 4, 1, 1), 0.1 * 3**k))
    calls = [Call(time.sleep, "first", (0.3,), followers=1)]
    for k, out in enumerate(sums):
        after, before = (calls[-1].name,), sums[:k][-1:]
        words = (out, before, [parts[k]], 1, 3)
        spends = (*before, parts[k])
        calls.append(Call(density_sum, f"sum-{k}", words, after, int(k < 2), spends))
    with connected(address) as connection:
        told = [call.name for call, _ in connection.run(calls, window=lambda: 2)]
    assert told == ["first", "sum-0", "sum-1", "sum-2"]
    np.testing.assert_array_equal(np.load(sums[2]), np.full((1, 2, 1, 1), 0.1 + 0.1 * 3 + 0.1 * 9))
    assert [p.stat().st_size for p in (*parts, *sums[:2])] == [0] * 5


# ---------------------------------------------------------------- workers without congruence


@pytest.fixture
def bare_worker(tmp_path):
    """Return what starts a worker that cannot import congruence, and ends it."""
    block = tmp_path / "block.py"
    block.write_text("import sys\nsys.modules['congruence'] = None\n")
    running = []

    def start(address):
        words = ("--nthreads", "1", "--preload", str(block), "--no-dashboard", "--no-nanny")
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *words]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))

    yield start
    for process in running:
        process.kill()
        process.wait(30)


def test_a_worker_without_congruence_is_named_also_when_it_comes_later(bare_worker, tmp_path):
    options = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=1, threads_per_worker=1, **options) as made:
        early = Connection(made.scheduler_address, out=tmp_path / "out")
        try:
            early.client.wait_for_workers(1)  # greeted, and all is well
            good = set(early.client.scheduler_info()["workers"])
            bare_worker(made.scheduler_address)
            early.client.wait_for_workers(2, timeout=30)
            (bad,) = set(made.scheduler.workers) - good
            # More than one worker takes, so that the other is given some, too.
            calls = ((f"wait-{k}", (0.1,)) for k in range(20))
            with pytest.raises(ConfigError) as caught:
                list(early.results(time.sleep, calls))
        finally:
            early.close()
        assert caught.value.message == (
            f"Dask workers do not have the congruence of this job: {bad} has no congruence"
        )
        assert "congruence[dask]" in caught.value.hint
        late = Connection(made.scheduler_address)
        try:
            with pytest.raises(ConfigError, match=f"{bad} has no congruence"):
                _ = late.client
        finally:
            late.close()


def test_workers_get_ready_before_their_tasks_also_when_they_come_later(tmp_path):
    options = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    metric = Metric("superpose", measure=np.arange(40), weights=np.ones(40), copies="off")
    job = {"precision": "double", "kernel": ""}
    with LocalCluster(n_workers=1, threads_per_worker=1, **options) as made:
        counting = Counting()
        made.scheduler.add_plugin(counting)
        connection = Connection(made.scheduler_address, out=tmp_path / "out")
        try:
            distances_ready(connection, 5000, metric, job)
            made.scale(2)
            connection.client.wait_for_workers(2, timeout=60)
            until = time.monotonic() + 60
            loaded = [False]
            while not all(loaded) and time.monotonic() < until:
                found = connection.client.run(lambda: "numba" in __import__("sys").modules)
                loaded = list(found.values())
            assert loaded == [True, True]
            assert all(key.startswith("hello") for key in counting.done)
            told = set(connection.told.values())
            assert told <= set(made.scheduler.worker_plugins)
        finally:
            connection.close()
        assert not told & set(made.scheduler.worker_plugins)


# ---------------------------------------------------------------- densities, precision


def test_fluctuations_and_squares_have_the_bytes_of_one_machine(cluster, address):
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rmsd import rmsd_matrix

    counting = Counting()
    cluster.scheduler.add_plugin(counting)
    topology = Topology.simple([Molecule("A", 0), Molecule("B")], beads_per_molecule=15)
    how = {"alignment": Alignment.SUPERPOSE, "on": np.arange(10), "weights": RNG.random(30)}
    sets = [(f"cluster.{k}", ArraySource(FAR[k::3]), 5) for k in range(2)]
    moved = list(dask_steps.set_fluctuations(f"dask:{address}", sets, topology, **how))
    for (_, source, center), found in zip(sets, moved, strict=True):
        expected = fluctuation(source, topology, center=center, **how)
        for name in ("rmsf", "compat", "mean", "rigid"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert (found.models, found.alignment, found.iterations) == (
            expected.models,
            expected.alignment,
            expected.iterations,
        )
    metric = Metric("superpose", measure=np.arange(5, 30))
    named = [(f"cluster.{k}-A", FAR[k::4], metric) for k in range(2)]
    squares = list(dask_steps.set_squares(f"dask:{address}", named))
    for (_, some, _), square in zip(named, squares, strict=True):
        np.testing.assert_array_equal(
            square, rmsd_matrix(some, metric, precision="double").square()
        )
    cluster.scheduler.remove_plugin("counting")
    assert sorted(key.rpartition("-")[0] for key in counting.done) == [
        "fluctuation-cluster.0-and-1-more",
        "precision-cluster.0-A-and-1-more",
    ]


def test_maps_have_the_bytes_of_one_machine(cluster, address):
    from congruence.compute.density import common_grid, densities

    counting = Counting()
    cluster.scheduler.add_plugin(counting)
    topology = Topology.simple([Molecule("A", 0), Molecule("B")], beads_per_molecule=15)
    still = (Placement(),) * 100
    placed = [PlacedModels(ArraySource(FAR), np.arange(k, k + 100), still) for k in (0, 200)]
    shape = {"voxel": 5.0, "map_resolution": 20.0}
    names, used = ["cluster.0", "cluster.1"], np.arange(20)
    grid = dask_steps.cluster_grid(f"dask:{address}", placed, names, used, shape)
    assert grid == Grid.union([common_grid(p, beads=used, **shape) for p in placed])
    chosen = {"one": np.arange(5), "name with - and ä": np.arange(3, 20)}
    maps = dask_steps.cluster_maps(
        f"dask:{address}", placed, names, topology, chosen, grid=grid, map_resolution=20.0
    )
    for models_, found in zip(placed, maps, strict=True):
        expected = densities(models_, topology, chosen, grid=grid, map_resolution=20.0)
        assert list(found) == list(expected)
        for name, density in expected.items():
            np.testing.assert_array_equal(found[name].values, density.values)
            assert (found[name].models, found[name].name) == (density.models, density.name)
    cluster.scheduler.remove_plugin("counting")
    assert sorted(key.rpartition("-")[0] for key in counting.done) == [
        "density-cluster.0-one-and-3-more",
        "grid-cluster.0-0-and-1-more",
    ]


def test_a_mean_that_goes_on_changing_is_settled_in_tasks_of_its_own(cluster, address, monkeypatch):
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    # Two rounds are done with the rest; what is begun is not done again.
    monkeypatch.setattr(dask_moves, "_ENOUGH", 2)
    monkeypatch.setattr(dask_moves, "_MOST", 0.0)
    topology = Topology.simple([Molecule("A", 0), Molecule("B")], beads_per_molecule=15)
    how = {"alignment": Alignment.SUPERPOSE, "on": np.arange(30), "weights": RNG.random(30)}
    sets = [(f"cluster.{k}", ArraySource(FAR[k::2]), k) for k in range(2)]
    counting = Counting()
    cluster.scheduler.add_plugin(counting)
    try:
        made = list(dask_steps.set_fluctuations(f"dask:{address}", sets, topology, **how))
    finally:
        cluster.scheduler.remove_plugin("counting")
    for (_, source, center), found in zip(sets, made, strict=True):
        with one_blas_thread():
            expected = fluctuation(source, topology, center=center, **how)
        for name in ("rmsf", "compat", "mean", "rigid"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert found.iterations == expected.iterations > 2
    names = sorted(key.rpartition("-")[0] for key in counting.done)
    assert names == [
        "fluctuation-cluster.0-and-1-more",
        *("fluctuation-mean-cluster.0-0", "fluctuation-mean-cluster.1-0"),
        *("fluctuation-rmsf-cluster.0-0", "fluctuation-rmsf-cluster.1-0"),
    ]


@pytest.fixture(scope="module")
def wide():
    """Return 40 models of many beads: blocks of 13 models."""
    rng = np.random.default_rng(9)
    base = rng.normal(size=(100_000, 3)) * 30
    return ArraySource(base + rng.normal(size=(40, 1, 3)) * 9)


class Killing(SchedulerPlugin):
    """Kills a worker when the first part of a map is done."""

    name = "killing"

    def __init__(self, victim):
        self.victim, self.killed = victim, ""

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory" and str(key).startswith("density-part") and not self.killed:
            self.killed = key
            os.kill(self.victim, signal.SIGKILL)


@pytest.mark.parametrize(
    ("voxel", "resolution", "kill", "joined"),
    [(5.0, 20.0, False, False), (3.0, 40.0, True, False), (3.0, 40.0, False, True)],
)
def test_a_large_map_has_the_bytes_of_one_machine_also_when_a_worker_is_killed(
    cluster, address, wide, monkeypatch, voxel, resolution, kill, joined
):
    from congruence.compute.density import common_grid, densities

    rng = np.random.default_rng(2)
    n, m = wide.shape[1], wide.shape[0]
    topology = Topology.simple([Molecule("A")], beads_per_molecule=n)
    moved = tuple(Placement(translation=t) for t in rng.normal(size=(m, 3)) * 9)
    placed = [PlacedModels(wide, np.arange(m)[::-1], moved), PlacedModels(wide, [3], moved[:1])]
    chosen = {"few": np.arange(0, n, 2000), "fewer": np.arange(5)}
    # Some of the models are near the edges: their beads are not filtered.
    grid = common_grid(placed[0].read(30, 35)[:, chosen["few"]], voxel=voxel)
    how = {"grid": grid, "map_resolution": resolution}
    whole = densities(placed[0], topology, chosen, **how)
    monkeypatch.setattr("congruence.compute._density_blocks._STRETCH_SECONDS", 1e-9)
    monkeypatch.setattr("congruence.compute._density_blocks._VOXEL_SECONDS", 1e-12)
    if not joined:  # each stretch is a task, two are added at a time, some planes by each task
        monkeypatch.setattr(dask_map_plan, "_READ", 1.0)
        monkeypatch.setattr(dask_map_plan, "_PARTS", 2)
        monkeypatch.setattr(dask_map_plan, "_OWN_SECONDS", 0.0)
        monkeypatch.setattr(dask_map_plan, "_SUM_SECONDS", 2 * grid.size * dask_map_plan._ADD)
        monkeypatch.setattr(dask_map_plan, "_SUM_VALUES", grid.shape[0] * grid.shape[1] * 7)
    expected = [densities(p, topology, chosen, **how) for p in placed]
    names, engine = ["large", "small"], f"dask:{address}"
    with connected(address) as connection:
        killing = Killing(next(iter(connection.client.run(os.getpid).values())))
    if kill:
        cluster.scheduler.add_plugin(killing)
    try:
        found = list(dask_steps.cluster_maps(engine, placed, names, topology, chosen, **how))
    finally:
        if kill:
            cluster.scheduler.remove_plugin("killing")
    assert bool(killing.killed) == kill
    for one, two in zip(expected, found, strict=True):
        for name in chosen:
            np.testing.assert_array_equal(two[name].values, one[name].values)
            assert two[name].models == one[name].models
    for name, density in whole.items():
        np.testing.assert_allclose(found[0][name].values, density.values, rtol=1e-6, atol=1e-9)
    with connected(address) as connection:
        left = [p for p in connection.scratch.path.glob("*-density/*.npy") if p.stat().st_size]
    assert not left


def test_a_large_grid_is_laid_in_parts(address, wide, monkeypatch):
    from congruence.compute.density import common_grid

    monkeypatch.setattr(dask_maps, "_READ_VALUES", 3 * wide.shape[1] * 15)
    still = (Placement(),) * 40
    placed = [PlacedModels(wide, np.arange(40), still), PlacedModels(wide, [7], still[:1])]
    shape, used = {"voxel": 3.0, "map_resolution": 9.0}, np.arange(0, 100_000, 7)
    grid = dask_steps.cluster_grid(f"dask:{address}", placed, ["a", "b"], used, shape)
    assert grid == Grid.union([common_grid(p, beads=used, **shape) for p in placed])


def test_large_fluctuations_are_summed_in_parts_with_the_bytes_of_one_machine(address, monkeypatch):
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    monkeypatch.setattr(dask_moves, "_BLOCKS", {"places": 1, "moves": 1, "deviations": 2})
    rng = np.random.default_rng(4)
    n = 20_000
    base = rng.normal(size=(n, 3)) * 30
    base = base + rng.normal(size=(110, n, 3)) * np.repeat([0.0, 3.0], n // 2)[:, None]
    turned = tuple(Placement(np.linalg.qr(r)[0]) for r in rng.normal(size=(110, 3, 3)))
    placed = PlacedModels(ArraySource(base), np.arange(110), turned)
    topology = Topology.simple([Molecule("A", 0), Molecule("B")], beads_per_molecule=n // 2)
    how = {"on": np.arange(n // 2 - 50, n // 2), "weights": rng.random(n)}
    how["alignment"] = Alignment.SUPERPOSE
    sets = [("few", ArraySource(base[:4]), 2), ("many", placed, 7)]
    made = list(dask_steps.set_fluctuations(f"dask:{address}", sets, topology, **how))
    for (_, source, center), found in zip(sets, made, strict=True):
        with one_blas_thread():
            expected = fluctuation(source, topology, center=center, **how)
        for name in ("rmsf", "compat", "mean", "rigid"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert found.iterations == expected.iterations
        assert found.rigid.tolist() == [True] * (n // 2) + [False] * (n // 2)


@pytest.mark.parametrize("alignment", ["superpose", "center", "none"])
def test_rounds_of_a_mean_are_done_several_at_a_time_with_the_bytes_of_one_machine(
    cluster, address, monkeypatch, alignment
):
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    # Three rounds at a time, though the first task could do them all.
    seconds = MovesPlan(FAR.shape).seconds("places", (0, len(FAR)))
    monkeypatch.setattr(dask_moves, "_SECONDS", 3.5 * seconds)
    assert not MovesPlan(FAR.shape).whole
    assert MovesPlan(FAR.shape).rounds == 3
    topology = Topology.simple([Molecule("A", 0), Molecule("B")], beads_per_molecule=15)
    how = {"alignment": Alignment(alignment), "on": np.arange(30), "weights": RNG.random(30)}
    sets = [(f"cluster.{k}", ArraySource(FAR[::-1] + k), k) for k in range(3)]
    counting = Counting()
    cluster.scheduler.add_plugin(counting)
    try:
        made = list(dask_steps.set_fluctuations(f"dask:{address}", sets, topology, **how))
    finally:
        cluster.scheduler.remove_plugin("counting")
    rounds = []
    for (_, source, center), found in zip(sets, made, strict=True):
        with one_blas_thread():
            expected = fluctuation(source, topology, center=center, **how)
        for name in ("rmsf", "compat", "mean", "rigid"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert found.iterations == expected.iterations
        rounds.append(max(1, expected.iterations))
    asked = sum(key.startswith("fluctuation-mean") for key in counting.done)
    assert asked == sum(-(-r // 3) for r in rounds)
    assert max(rounds) > 3 or alignment != "superpose"


def test_an_error_in_one_of_several_clusters_ends_the_others(address, monkeypatch):
    monkeypatch.setattr(dask_moves, "_SECONDS", 0.0)
    topology = Topology.simple([Molecule("A")], beads_per_molecule=30)
    how = {"alignment": Alignment.SUPERPOSE, "on": np.arange(30), "weights": np.ones(30)}
    broken = FAR.copy()
    broken[7] = np.nan
    sets = [("broken", ArraySource(broken), 0), ("whole", ArraySource(FAR), 0)]
    with pytest.raises(ShapeError, match="not finite"):
        list(dask_steps.set_fluctuations(f"dask:{address}", sets, topology, **how))


def test_workers_with_a_nanny_learn_the_sizes_of_arrays(address):
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not the GNU C library")
    with connected(address) as connection:
        (changed,) = connection.results(learn_sizes, [("learn", ())])
    assert changed


def test_squares_that_take_long_are_computed_in_many_tasks(address, small_tasks, monkeypatch):
    from congruence.compute.rmsd import rmsd_matrix

    metric = Metric("superpose", measure=np.arange(5, 30))
    named = [(f"cluster.{k}-A", FAR[k : k + size], metric) for k, size in enumerate((90, 390, 99))]
    monkeypatch.setattr(dask_steps, "takes_long", lambda models, _: len(models) > 100)
    squares = list(dask_steps.set_squares(f"dask:{address}", named))
    for (_, some, _), square in zip(named, squares, strict=True):
        np.testing.assert_array_equal(
            square, rmsd_matrix(some, metric, precision="double").square()
        )


# ---------------------------------------------------------------- reading


def test_frames_are_read_as_on_one_machine_in_tasks_of_any_size(address, small, monkeypatch):
    local = open_runs(small).choose().load()
    for values in (117 * 3 * 2, 10**9):
        monkeypatch.setattr(dask_steps, "_VALUES", values)
        far = open_runs(small).choose().load(engine=f"dask:{address}")
        np.testing.assert_array_equal(far.coordinates, local.coordinates)
        assert far.topology.key == local.topology.key


@pytest.mark.parametrize("position", [0, -1])
def test_a_file_that_only_this_machine_can_read_is_named(address, small, tmp_path, position):
    copy = tmp_path / "runs"
    shutil.copytree(small, copy)
    chosen = open_runs(copy).choose()
    victim = Path(list(dict.fromkeys(map(str, chosen.table.file)))[position])
    victim.replace(victim.with_suffix(".away"))
    with pytest.raises(InputError, match=f"workers cannot read {victim}") as caught:
        chosen.load(engine=f"dask:{address}")
    assert "same paths" in caught.value.hint


def test_files_of_another_system_are_refused_as_on_one_machine(address, small, tmp_path):
    copy = tmp_path / "runs"
    shutil.copytree(small, copy)
    chosen = open_runs(copy).choose()
    other = tmp_path / "other"
    simulate_runs(
        other, models=20, clusters=2, seed=3, system=small_system(residues_per_subunit=24)
    )
    for path in sorted(set(map(str, chosen.table.file)))[1:]:
        shutil.copy(path.replace(str(copy), str(other)), path)
    said = []
    for engine in ("local", f"dask:{address}"):
        again = open_runs(copy).choose()
        with pytest.raises(InputError, match="same topology") as caught:
            again.load(engine=engine)
        said.append((caught.value.message, caught.value.hint))
    assert said[0] == said[1]


def test_what_killed_jobs_left_is_counted_as_on_one_machine(address, small, tmp_path, no_figure):
    copy = tmp_path / "runs"
    shutil.copytree(small, copy)
    for replica, damage in enumerate(("truncated_rmf", "missing_rmf")):
        damage_run(copy / "run1", damage, replica=replica)
    found = []
    for name, engine in (("local", "local"), ("dask", f"dask:{address}")):
        words = ("--engine", engine, "--clusters", 2, "--out", tmp_path / name)
        assert congruence("cluster", copy, *ASKED, *words) == 0
        found.append(record(tmp_path / name)["left_out"])
    assert found[0] == found[1]
    assert found[0]["count"] > 0
    assert same(tmp_path / "local", tmp_path / "dask")


def same(one, two):
    """Tell whether two results differ in nothing but what says how they were made."""
    first, second = tree(one), tree(two)
    differing = [name for name in first if first[name] != second.get(name)]
    return first.keys() == second.keys() and differing in ([], ["run.json"])


# ---------------------------------------------------------------- the whole job


def test_a_whole_job_has_the_bytes_of_one_machine(address, small, tmp_path, monkeypatch):
    monkeypatch.setattr("congruence.workflow.results.draw", lambda *_, **__: None)
    result, out = tmp_path / "local", tmp_path / "out"
    words = ("--density", "Alpha", "--density", "both=Gamma", "--clusters", 2)
    assert congruence("cluster", small, *ASKED, *words, "--out", result) == 0
    engine = ("--engine", f"dask:{address}")
    assert congruence("cluster", small, *ASKED, *words, *engine, "--out", out) == 0
    assert {"distances.npy", "models.csv", "cluster.0/both.mrc"} <= tree(out).keys()
    assert any("rmsf" in name for name in tree(out))
    assert same(result, out)
    assert record(out)["engine"] == "dask"
    assert record(result)["engine"] == "local"
    assert not list(tmp_path.glob("*.dask"))
    # What is computed from the result later does not need the cluster.
    again = tmp_path / "again"
    monkeypatch.setattr("congruence.workflow.results.write_precision", lambda *_, **__: None)
    assert congruence("recluster", out, "--clusters", 2, "--out", again) == 0


@pytest.fixture(scope="module")
def clusters(small, tmp_path_factory):
    """Return two clusters: all members of the first are written, of the other none."""
    out = tmp_path_factory.mktemp("clusters") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("congruence.workflow.results.draw", lambda *_, **__: None)
        patch.setattr("congruence.workflow.results.write_precision", lambda *_, **__: None)
        words = ("--clusters", 2, "--members", "all", "--out", out)
        assert congruence("cluster", small, *ASKED, *words) == 0
    for path in (out / "cluster.1").glob("*.rmf3"):
        path.unlink()
    return out


@pytest.fixture
def nothing_drawn(monkeypatch):
    monkeypatch.setattr("congruence.workflow.precision_files._write_figure", lambda *_, **__: None)


def test_precision_and_accuracy_of_clusters_have_the_bytes_of_one_machine(
    address, clusters, small, tmp_path, nothing_drawn
):
    words = {
        "precision": ("--select", "pair=Alpha + Beta"),
        "accuracy": ("--reference", small / "native.rmf3"),
    }
    for command, asked in words.items():
        one, two = tmp_path / f"{command}-local", tmp_path / f"{command}-dask"
        assert congruence(command, clusters, *asked, "--out", one) == 0
        far = ("--engine", f"dask:{address}", "--out", two)
        assert congruence(command, clusters, *asked, *far) == 0
        assert len(tree(one)) > 3
        assert same(one, two)
        assert (record(one)["engine"], record(two)["engine"]) == ("local", "dask")
    assert not list(tmp_path.glob("*.dask"))


def test_precision_between_clusters_that_takes_long_is_computed_by_workers(
    address, clusters, monkeypatch, tmp_path, small_tasks
):
    asked = []
    square = dask_steps.large_square
    monkeypatch.setattr(dask_steps, "takes_long", lambda *_: True)
    monkeypatch.setattr(
        dask_steps, "large_square", lambda *words: asked.append(len(words[1])) or square(*words)
    )
    options = PrecisionOptions()
    run = {"align": "center"}  # not as the run did: all distances are computed
    near = precision_of_results([clusters], None, run, options)
    assert not asked
    far = precision_of_results(
        [clusters], None, run, options, resources=Resources(f"dask:{address}")
    )
    sizes = [len(s.members) for s in near.sets]
    assert sorted(set(asked)) == sorted({*sizes, sum(sizes)})
    assert precision_data(near) == precision_data(far)


def test_members_of_another_system_are_refused_as_on_one_machine(address, clusters, tmp_path):
    copy = tmp_path / "out"
    shutil.copytree(clusters, copy)
    other = tmp_path / "other"
    simulate_runs(
        other, models=20, clusters=2, seed=3, system=small_system(residues_per_subunit=24)
    )
    other = sorted(other.rglob("*.rmf3"))[0]
    shutil.copy(other, copy / "cluster.0" / "2.rmf3")
    said = []
    for engine in ("local", f"dask:{address}"):
        with pytest.raises(InputError, match="differ in topology") as caught:
            read_sets([copy], {}, engine=engine)
        said.append((caught.value.message, caught.value.hint))
    assert said[0] == said[1]


@pytest.mark.parametrize("engine", ["spark", "dask:", "daskery"])
def test_an_engine_that_does_not_exist_is_refused(clusters, engine, capsys):
    assert congruence("precision", clusters, "--engine", engine) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert f"engine is '{engine}', expected local, dask or dask:ADDRESS" in said


def test_without_an_address_workers_are_started_and_ended(small, tmp_path, capsys, no_figure):
    out = tmp_path / "out"
    words = ("--clusters", 2, "--members", "none", "--engine", "dask", "--threads", 1)
    assert congruence("cluster", small, *ASKED, *words, "--out", out) == 0
    said = capsys.readouterr()
    assert "Dask cluster on this machine: 1 worker thread;" in said.out + said.err
    assert len(models(out)["model"]) == 20
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert "" not in dask_cluster._KEPT


def test_an_unreachable_scheduler_is_exit_code_3_with_a_hint(small, tmp_path, capsys):
    words = ("--engine", "dask:127.0.0.1:1", "--clusters", 2, "--out", tmp_path / "out")
    assert congruence("cluster", small, *ASKED, *words) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "no Dask scheduler answers at 127.0.0.1:1" in said
    assert "tcp://node7:8786" in said
    assert not list(tmp_path.iterdir())
