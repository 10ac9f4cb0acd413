"""The benchmark of the lengths of tasks: what it notes of each task, and its table."""

import importlib
import math
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lengths(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield importlib.import_module("benchmarks.dask_tasks")
    for name in [m for m in sys.modules if m.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_tasks_are_noted_with_their_clock_their_cpu_time_and_their_job(lengths):
    with lengths.watched(1) as watch:
        lengths.run_steps(watch, 30, 120, voxels=(5.0,))
        tasks = watch.tasks()
    kinds = [task.kind for task in tasks]
    assert sorted(set(kinds)) == ["density", "fluctuation", "grid", "hello"]
    assert kinds.count("density") == 1
    assert {task.job for task in tasks if task.kind != "fluctuation"} == {watch.jobs[0][1]}
    assert {task.job for task in tasks if task.kind == "fluctuation"} == {watch.jobs[1][1]}
    for task in tasks:
        assert task.clock > 0
        assert task.cpu >= 0
    assert "density-cluster.0-every-and-1-more" in {task.name for task in tasks}
    assert len(lengths.rows_of(tasks)) == 4
    assert not any(math.isnan(task.cpu) for task in tasks)


def test_first_tasks_are_told_apart(lengths):
    def task(name, worker, start, clock):
        return lengths.Task("job", name, worker, start, start + clock, 2 * clock)

    tasks = [
        *(task("hello", "a", 0.0, 0.01), task("distances-0-0", "a", 1.0, 5.0)),
        *(task("density-cluster.0-Rpb4-x", "b", 1.0, 3.0), task("distances-0-128", "a", 6.0, 0.1)),
        *(task("distances-128-128", "a", 7.0, 1.0), task("density-sum-cluster.0-x", "a", 8.0, 0.5)),
        task("distances-0-256", "b", 5.0, 4.0),
    ]
    first, news = lengths.firsts(tasks)
    assert first == {1, 2}
    assert news == {0, 1, 2, 5, 6}
    rows = {row.split(" | ")[0].strip("| "): row.split(" | ") for row in lengths.rows_of(tasks)}
    assert set(rows) == {"hello", "distances", "density", "density-sum"}
    assert rows["distances"][1:6] == ["4", "0.14", "0.55", "0.95", "1.00"]
    assert rows["distances"][10:13] == ["50%", "50%", "0%"]
    assert rows["distances"][13] == "4.00 (CPU 8.00)"
    assert rows["distances"][14].strip(" |") == "5.00 (CPU 10.00)"
    columns = {line.count("|") for line in (*lengths.HEAD.splitlines(), *lengths.rows_of(tasks))}
    assert columns == {16}
