"""What workers get ready before their tasks: who is told what, who is first, and what is compiled."""

import asyncio
import json
import os
import pickle
import pickletools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from congruence.compute.metric import Metric
from congruence.core.grid import Grid
from congruence.workflow import dask_ready, dask_squares, dask_tasks
from congruence.workflow.dask_ready import distances_ready, forget, maps_ready, set_up, tell

JOB = {"precision": "double", "kernel": ""}
GRID = Grid((0.0, 0.0, 0.0), (40, 40, 40), 5.0)


class Connection:
    """Remembers what the cluster is told."""

    def __init__(self, seconds=0.0, error=None):
        self.told, self.said, self.plugins, self.gone = {}, [], [], []
        self.client, self._seconds, self._error = self, seconds, error

    def say(self, text):
        self.said.append(text)

    def register_plugin(self, plugin, name):
        assert plugin.name == name
        self.plugins.append(plugin)
        time.sleep(self._seconds)
        if self._error is not None:
            raise self._error

    def unregister_worker_plugin(self, name):
        self.gone.append(name)


@pytest.fixture
def distributed():
    return pytest.importorskip("distributed")


def words_of(connection):
    return [tuple(json.loads(text)) for text in connection.told]


def test_only_what_is_compiled_is_asked_for_and_once(distributed):
    connection = Connection()
    metric = Metric("superpose", measure=np.arange(40), weights=np.ones(40), copies="off")
    distances_ready(connection, 1000, metric, JOB)
    distances_ready(connection, 5000, metric, JOB | {"kernel": "numpy"})
    maps_ready(connection, GRID, 20.0, 1000)
    assert not connection.told
    for again in range(2):
        distances_ready(connection, 5000 + again, metric, JOB)
        maps_ready(connection, GRID, 20.0, 5000)
    assert [what for what, _ in words_of(connection)] == ["distances", "maps"]
    assert len(connection.plugins) == 2
    copies = Metric(
        "superpose",
        measure=np.arange(40),
        on=np.arange(9),
        weights=np.ones(40),
        copies=(np.array([[0, 1], [2, 3], [4, 5]]),),
    )
    distances_ready(connection, 5000, copies, JOB)
    (_, words) = words_of(connection)[-1]
    assert (words["copies"], words["apart"], words["beads"]) == ([3], True, 32)
    forget(connection)
    assert connection.gone == list(connection.told.values())
    assert not connection.said


def test_what_takes_long_is_said_once_and_errors_are_not(distributed, monkeypatch):
    monkeypatch.setattr(dask_ready, "_SILENT", 0.05)
    connection = Connection(seconds=0.2, error=OSError("gone"))
    maps_ready(connection, GRID, 20.0, 5000)
    assert connection.said == [
        "Dask workers compile their loops, once for a user and kind of processor"
    ]
    tell(connection, "imports", {})
    assert len(connection.said) == 1


def test_a_worker_without_congruence_can_read_what_it_is_told(distributed):
    made = pickle.dumps(dask_ready._plugin("name", '["imports", {}]'))
    modules = {
        argument.split(" ")[0].split(".")[0]
        for op, argument, _ in pickletools.genops(pickle.dumps(pickle.loads(made), protocol=2))
        if op.name == "GLOBAL"
    }
    assert modules
    assert not modules & {"congruence", "__main__"}
    asked = pickle.loads(made).setup(worker=object())  # what distributed calls
    assert asyncio.iscoroutine(asked)
    asyncio.run(asked)


def test_what_cannot_be_made_ready_is_left_to_the_tasks(monkeypatch):
    done = []

    def broken(**words):
        done.append(words)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(dask_ready, "_maps", broken)
    asyncio.run(set_up('["maps", {"voxel": 2}]'))
    assert done == [{"voxel": 2}]


def test_one_process_is_first_and_all_others_are_together():
    pytest.importorskip("fcntl")
    what, order = f"test-{os.getpid()}", []
    inside, both = threading.Event(), threading.Barrier(2, timeout=10)

    def other():
        inside.wait(10)
        with dask_ready._one_first(what):
            order.append("other")
            both.wait()  # would not come if one of them waited for the other

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    with dask_ready._one_first(what):
        inside.set()
        time.sleep(0.1)
        order.append("first")
    for thread in threads:
        thread.join(10)
    assert order == ["first", "other", "other"]


READY = """
import sys, numpy as np
from congruence.workflow import dask_ready
from congruence.workflow.dask_ready import _get_ready

def loops():
    # Of all compiled functions, how many kinds of arguments there is machine code for.
    found = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("congruence.compute"):
            for label, value in vars(module).items():
                if hasattr(value, "signatures"):
                    found[f"{value.__module__}.{label}"] = len(value.signatures)
    return found

for alignment, on in (("superpose", False), ("superpose", True), ("none", False)):
    words = {"models": 3000, "beads": 40, "alignment": alignment, "apart": on, "copies": []}
    _get_ready("distances", words | {"precision": "double", "kernel": ""})
_get_ready("maps", {"row": 40, "voxel": 5.0, "models": 3000, "map_resolution": 20.0})
before = loops()
assert sum(before.values()) > 3, before

from congruence.compute.density import densities
from congruence.compute.metric import Metric
from congruence.compute.rectangle import Rectangles, settle
from congruence.core.grid import Grid

rng = np.random.default_rng(1)
models = rng.normal(size=(300, 3)) * 30 + rng.normal(size=(1500, 300, 3)) * 5
models[700] = models[3]
for metric in (
    Metric("superpose"), Metric("none"), Metric("superpose", measure=np.arange(99), on=np.arange(300))
):
    Rectangles(models, metric, settle(models, metric, "double")).compute(0, 640, 128)
grid = Grid((0.0, 0.0, 0.0), (40, 40, 40), 5.0)
for shift in (100.0, 5.0):
    densities(models[:9] + shift, np.ones(300), {"a": np.arange(250)}, grid=grid, job=3000)
after = loops()
assert after == before, {k: (before.get(k), after[k]) for k in after if after[k] != before.get(k)}
print("ready")
"""


def test_what_is_ready_is_all_that_distances_and_maps_use():
    pytest.importorskip("numba")
    environment = {k: v for k, v in os.environ.items() if k != "CONGRUENCE_KERNEL"}
    done = subprocess.run(
        [sys.executable, "-c", READY], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.stdout == "ready\n", done.stderr


def test_a_task_of_several_squares_does_again_only_those_without_a_file(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dask_tasks, "read_job", lambda folder: {})
    monkeypatch.setattr(
        dask_tasks,
        "_squares",
        lambda job: lambda i, j: (asked.append((i, j)) or np.eye(2), {"k": "w"}),
    )
    np.save(tmp_path / "tile-0-128.npy", np.zeros(1))
    squares = [(0, 0), (0, 128), (128, 128)]
    assert dask_tasks.distances(str(tmp_path), squares) == {"k": "w"}
    assert asked == [(0, 0), (128, 128)]
    assert np.load(tmp_path / "tile-0-128.npy").shape == (1,)
    assert dask_tasks.distances(str(tmp_path), squares) == {}
    assert len(asked) == 2


def test_a_square_on_the_diagonal_takes_little_more_than_half():
    plan = dask_squares.TilePlan(2000, 512, 512, frozenset())
    assert plan.seconds((0, 0), 1e-6, 0) == pytest.approx(0.625 * plan.seconds((0, 512), 1e-6, 0))
    assert plan.seconds((0, 1536), 1e-6, 0) == pytest.approx(512 * 464 * 1e-6)
    assert plan.seconds((0, 512), 0.0, 100) > 0
