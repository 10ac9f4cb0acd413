"""Which tasks there are, tasks as functions, and what is said when there is no cluster."""

import json
import math
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from congruence.compute.fluctuation_sums import block_models
from congruence.compute.metric import Metric
from congruence.compute.rectangle import Rectangles, pair_seconds, settle
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.core.sources import ArraySource, CondensedSink
from congruence.errors import ConfigError, ShapeError
from congruence.workflow import dask_cluster, dask_maps, dask_memory, dask_steps, dask_tasks
from congruence.workflow.dask_cluster import Connection, keep_engine
from congruence.workflow.dask_engine import DaskTiler, TilePlan, even_edge, task_edge
from congruence.workflow.dask_futures import Call, submit
from congruence.workflow.dask_moves import MovesPlan
from congruence.workflow.dask_scratch import FileSource, Scratch
from congruence.workflow.dask_steps import _pieces, takes_long
from congruence.workflow.resources import Resources

RNG = np.random.default_rng(0)
MODELS = RNG.normal(size=(300, 8, 3)) * 20


# ---------------------------------------------------------------- plan


@pytest.mark.parametrize(
    ("edge", "size"), [(128, 128), (256, 128), (128, 384), (256, 512), (256, 384), (384, 256)]
)
@pytest.mark.parametrize("done", [set(), {(0, 0)}, {(0, 256), (256, 256)}])
def test_every_tile_is_covered_by_squares_of_its_band(edge, size, done):
    m = 700
    done = {(i, j) for i, j in done if not (i % edge or j % edge)}
    plan = TilePlan(m, edge, size, frozenset(done))
    tiles = [tile for _, band in plan.bands for tile in band]
    assert tiles == plan.tiles == sorted(plan.tiles)
    assert len(tiles) + len(done) == plan.every
    squares = [square for needed, _ in plan.bands for square in needed]
    assert len(squares) == len(set(squares))
    for needed, band in plan.bands:
        for i, j in band:
            covered = np.zeros((m, m), dtype=bool)
            for a, b in plan.squares((i, j)):
                assert (a, b) in needed
                covered[a : a + size, b : b + size] = True
            inside = covered[i : i + edge, j : j + edge]
            rows, columns = np.indices(inside.shape)
            assert inside[rows + i <= columns + j].all()


def test_squares_take_most_of_a_second_and_fit_the_tiles():
    def edge_of(n, edge, alignment="superpose", **words):
        return task_edge(np.zeros((5000, n, 3)), Metric(alignment, **words), edge)

    assert edge_of(50, 128) > edge_of(1000, 128) > edge_of(5000, 128) >= 128
    apart = {"on": np.arange(25)}
    assert edge_of(50, 128, **apart) < edge_of(50, 128)
    for edge in (128, 640, 1024):
        size = edge_of(1000, edge)
        assert size % 128 == 0
        assert math.lcm(size, edge) <= 4096
    one, metric = np.zeros((5000, 50, 3)), Metric("superpose")
    assert task_edge(one, metric, 128, device="gpu") > task_edge(one, metric, 128)
    assert task_edge(one, metric, 128, memory=1) == 128


@pytest.mark.parametrize("beads", [30, 100, 300, 1000, 3000])
@pytest.mark.parametrize(
    ("alignment", "apart"),
    [
        ("none", False),
        ("center", False),
        ("center", True),
        ("superpose", False),
        ("superpose", True),
    ],
)
def test_planned_squares_take_between_a_fifth_of_a_second_and_two(alignment, beads, apart):
    metric = Metric(alignment, on=np.arange(beads // 3) if apart else None)
    models = np.broadcast_to(0.0, (20_000, beads, 3))
    seconds, _ = pair_seconds(models, metric)
    size = task_edge(models, metric, 1024)
    # Of very few beads the square is the longest that there is.
    assert seconds * size**2 >= 0.4 or size == 4096
    assert seconds * size**2 <= 1.0


@pytest.mark.parametrize("models", [300, 1600, 2500, 9000])
@pytest.mark.parametrize("beads", [100, 1600])
def test_tiles_of_a_square_by_itself_are_even(models, beads):
    metric, data = Metric("superpose"), np.broadcast_to(0.0, (models, beads, 3))
    edge = even_edge(data, metric)
    most = task_edge(data, metric, 128)
    assert edge % 128 == 0
    assert edge <= most
    rows = -(-models // edge)
    assert rows == -(-models // most)
    assert models - (rows - 1) * edge > edge - 128 * rows


@pytest.mark.parametrize("beads", [30, 300, 1000, 30_000, 1_000_000])
@pytest.mark.parametrize("models", [2, 100, 1000, 3000, 10_000, 100_000])
def test_planned_moves_take_less_than_two_seconds(models, beads):
    plan = MovesPlan((models, beads, 3))
    if plan.whole:
        assert plan.total(20) < 1.5
        return
    for what in ("places", "moves", "deviations"):
        pieces = plan.pieces(what)
        assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces[:-1])]
        assert pieces[-1][1] == models
        assert all(start % block_models(beads) == 0 for start, _ in pieces)
        seconds = [plan.seconds(what, piece) for piece in pieces]
        assert max(seconds) < 2.0
        # Deviations of all models are part of the task of the moves, rounds are several.
        alone = what == "moves" or len(plan.pieces("moves" if what == "deviations" else what)) > 1
        assert min(seconds) > 0.1 or not alone
    places = plan.seconds("places", plan.pieces("places")[0])
    assert 0.2 < places * plan.rounds < 1.5
    assert plan.rounds == 1 or len(plan.pieces("places")) == 1


def test_grids_and_frames_are_divided_into_tasks_of_about_half_a_second():
    # Measured: 2e-8 to 4e-8 s of CPU time for a coordinate that is placed or read.
    for values in (dask_maps._READ_VALUES, dask_steps._VALUES):
        assert values * 2e-8 > 0.2
        assert values * 4e-8 < 1.0


def test_files_are_divided_into_tasks_of_so_many_frames():
    files = [("/a", [3, 4, 5, 6, 7]), ("/b", [1]), ("/c", [0, 2])]
    assert _pieces(files, 6_000_000) == [
        (0, [("/a", [3, 4, 5])]),
        (3, [("/a", [6, 7]), ("/b", [1])]),
        (6, [("/c", [0, 2])]),
    ]
    assert _pieces(files, 100) == [(0, files)]
    ((_, twice),) = _pieces([("/a", [1]), ("/a", [0])], 100)
    assert twice == [("/a", [1]), ("/a", [0])]


def test_files_of_one_frame_are_as_many_as_can_be_opened_meanwhile():
    files = [(f"/{k}", [0]) for k in range(5000)]
    tasks = _pieces(files, 300)
    counts = [len(pieces) for _, pieces in tasks]
    assert max(counts) - min(counts) <= 1
    assert 50 < max(counts) < 250  # of 2 to 5 milliseconds each
    assert [row for row, _ in tasks] == [sum(counts[:k]) for k in range(len(counts))]
    assert [path for _, pieces in tasks for path, _ in pieces] == [path for path, _ in files]


# ---------------------------------------------------------------- tasks


def test_rectangles_have_the_bytes_of_the_matrix():
    metric = Metric("superpose", copies=(np.array([[0, 1], [2, 3]]),))
    square = rmsd_matrix(MODELS, metric).square()
    rectangles = Rectangles(MODELS, metric, settle(MODELS, metric))
    np.testing.assert_array_equal(rectangles.compute(0, 0, 256), square[:256, :256])
    np.testing.assert_array_equal(rectangles.compute(0, 256, 256), square[:256, 256:])
    np.testing.assert_array_equal(rectangles.compute(128, 256, 128), square[128:256, 256:])


def test_rectangles_in_mixed_precision_trust_it_as_the_whole_matrix_does():
    metric, sink = Metric("none"), CondensedSink(300, np.float64)
    definition = rmsd_tiles(MODELS, sink, metric, precision="mixed", edge=128)
    settled = settle(MODELS, metric, "mixed")
    assert settled.definition == definition
    assert settled.precision == "mixed"
    assert settled.single_error > 0
    part = Rectangles(MODELS, metric, settled).compute(0, 128, 128)
    found = CondensedSink(300, np.float64)
    found.values[:] = sink.values
    found.put(0, 128, part)
    np.testing.assert_array_equal(found.values, sink.values)


@pytest.fixture
def stage(tmp_path):
    from congruence.compute.rectangle import bare_metric
    from congruence.workflow.dask_words import metric_words

    scratch = Scratch(tmp_path / "out")
    job = {
        "coordinates": str(scratch.share(ArraySource(MODELS))),
        "metric": metric_words(bare_metric(MODELS, Metric("center"))),
        "edge": 256,
        "precision": "double",
        "single_error": 4.0,
        "kernel": "",
        "device": "cpu",
    }
    return scratch.stage("distances", job)


def test_a_task_writes_its_tile_and_does_not_compute_it_twice(stage):
    assert dask_tasks.distances(str(stage), [(0, 256)]) == {}
    path = stage / "tile-0-256.npy"
    expected = rmsd_matrix(MODELS, Metric("center")).square()[:256, 256:]
    np.testing.assert_array_equal(np.load(path), expected)
    assert not list(stage.glob("*.part"))
    before = path.stat()
    (stage / "job.json").unlink()  # whoever computes needs it
    dask_tasks.distances(str(stage), [(0, 256)])
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("at", [(0, 0), (0, 256), (256, 256)])
def test_a_device_on_a_worker_computes_one_tile_of_the_matrix(stage, at):
    pytest.importorskip("array_api_compat")
    from congruence.compute.device import DeviceTiler

    job = json.loads((stage / "job.json").read_text())
    source = FileSource(stage.parent / "coordinates-0.npy")
    tile, words = dask_tasks.on_device(DeviceTiler("numpy"), source, Metric("center"), at, job)
    i, j = at
    expected = rmsd_matrix(MODELS, Metric("center")).square()[i : i + 256, j : j + 256]
    np.testing.assert_allclose(tile, expected, atol=1e-6)
    assert words["precision"].startswith("double")


def test_a_square_takes_long_by_its_pairs_and_beads():
    def long(models, beads):
        return takes_long(np.broadcast_to(0.0, (models, beads, 3)), Metric("superpose"))

    assert not long(200, 100)
    assert long(5000, 1000)


def test_a_worker_gets_names_and_json_only(monkeypatch):
    sent = {}

    class Client:
        def get(self, graph, keys, sync):
            assert not sync
            sent.update(graph)
            return keys

    call = Call(dask_tasks.distances, "distances-0-128", (Path("/folder"), [(0, 128)]))
    assert submit(Client(), call, "abc") == "distances-0-128-abc"
    function, (resolve, name), *words = sent["distances-0-128-abc"]
    assert resolve(name) is dask_tasks.perform
    assert words == ["congruence.workflow.dask_tasks:distances", '["/folder", [[0, 128]]]']
    assert {f.__module__.partition(".")[0] for f in (function, resolve)} == {"_operator", "pkgutil"}


@pytest.fixture
def mallopt(monkeypatch):
    """Return what the C library is asked for, with the variable that a nanny sets."""
    asked = []

    class Library:
        def __init__(self, name):
            assert name is None

        def mallopt(self, what, value):
            asked.append((what, value))
            return 1

    monkeypatch.setattr(dask_memory.ctypes, "CDLL", Library)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    dask_memory.learn_sizes.cache_clear()
    yield asked
    dask_memory.learn_sizes.cache_clear()


def test_a_worker_with_a_nanny_uses_freed_arrays_again(mallopt):
    for _ in range(2):
        assert dask_tasks.perform("operator:add", "[1, 2]") == 3
    assert mallopt == [(-3, 32 << 20), (-1, 64 << 20)]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


@pytest.mark.parametrize("variable", ["MALLOC_MMAP_THRESHOLD_", None])
def test_memory_is_left_as_it_is_without_a_nanny_or_as_chosen(mallopt, monkeypatch, variable):
    if variable:
        monkeypatch.setenv(variable, "1000000")
    else:
        monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    assert not dask_memory.learn_sizes()
    assert not mallopt


def test_another_c_library_is_no_error(mallopt, monkeypatch):
    monkeypatch.setattr(dask_memory.ctypes, "CDLL", lambda name: object())
    assert not dask_memory.learn_sizes()


@pytest.mark.parametrize("engine", ["", "spark", "dask:", "dasky:1", "local:1"])
def test_engines_that_do_not_exist_are_refused(engine):
    with pytest.raises(ConfigError, match="expected local, dask or dask:ADDRESS"):
        Resources(engine)
    assert Resources("dask:tcp://node7:8786").engine_kind == "dask"


# ---------------------------------------------------------------- no cluster


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run(address):
    DaskTiler(address)(MODELS[:4], CondensedSink(4), Metric("none"))


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match="'distributed'") as caught:
        run("tcp://127.0.0.1:1")
    assert "congruence[dask]" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (None, "refused"),
        ("node7", "HOST:PORT"),
        ("tcp://node7:http", "HOST:PORT"),
        ("unknown://node7:8786", "unknown"),
        ("nowhere/scheduler.json", "no scheduler file"),
    ],
)
def test_a_scheduler_that_does_not_answer_is_named_with_what_to_do(address, why):
    address = address or f"tcp://127.0.0.1:{closed_port()}"
    with pytest.raises(ConfigError) as caught:
        run(address)
    assert f"no Dask scheduler answers at {address}" in caught.value.message
    assert why in caught.value.message
    assert "dask scheduler" in caught.value.hint


def test_nothing_is_connected_before_it_is_needed():
    DaskTiler("tcp://nowhere:1")
    with keep_engine("dask:tcp://nowhere:1"):
        assert "tcp://nowhere:1" in dask_cluster._KEPT
    assert not dask_cluster._KEPT

    class Done(CondensedSink):
        def done(self):
            return {(0, 0)}

    words = DaskTiler("tcp://nowhere:1")(MODELS[:4], Done(4), Metric("none"))
    assert words["precision"] == "double"


def test_one_connection_is_kept_for_all_steps_of_a_job(monkeypatch):
    closed = []
    monkeypatch.setattr(Connection, "close", lambda self: closed.append(self.address))
    with keep_engine("dask:a:1"):
        with keep_engine("dask:a:1"), dask_cluster.connected("a:1") as inner:
            assert dask_cluster._KEPT["a:1"] is inner
        with dask_cluster.connected("b:1"):
            pass
        assert closed == ["b:1"]
    assert closed == ["b:1", "a:1"]
    with keep_engine("local"):
        assert not dask_cluster._KEPT


def test_what_one_machine_refuses_is_refused_before_a_cluster_is_asked():
    tiler = DaskTiler("tcp://nowhere:1")
    with pytest.raises(ConfigError, match="multiple of 128"):
        tiler(MODELS, CondensedSink(300), Metric("none"), edge=100)
    with pytest.raises(ConfigError, match="precision is 'half'"):
        tiler(MODELS, CondensedSink(300), Metric("none"), precision="half")
    with pytest.raises(ShapeError, match="nothing can be compared"):
        tiler(MODELS[:0], CondensedSink(0), Metric("none"))
