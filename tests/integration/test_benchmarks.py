"""The benchmarks run, on tiny inputs; their figures are not looked at."""

import importlib
import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [m for m in sys.modules if m.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["reading", "stat", "rmsd", "density", "large", "start", "job"])
def test_a_benchmark_gives_rows(name):
    rows = importlib.import_module(f"benchmarks.{name}").rows(quick=True)
    assert rows
    for row in rows:
        assert row.what
        assert row.ours.cpu >= 0
        assert row.ours.wall > 0
        assert row.peer is None or row.ratio > 0


def test_all_benchmarks_are_listed():
    main = importlib.import_module("benchmarks.__main__")
    modules = (ROOT / "benchmarks").glob("*.py")
    assert set(main.NAMES) == {p.stem for p in modules if "\ndef rows(" in p.read_text("utf-8")}


def test_the_table_is_of_medians_and_ratios():
    measure = importlib.import_module("benchmarks.measure")
    ours, peer = measure.Spent(2.0, 1.0), measure.Spent(3.0, 4.0)
    text = measure.table([measure.Row("this", ours, "that", peer, "n"), measure.Row("alone", ours)])
    assert "| this | 1.000 | 2.000 | that: 4.000 | 4.0 (1.5) | n |" in text
    assert math.isnan(measure.Row("alone", ours).ratio)


def test_repeats_are_interleaved_and_prepared():
    measure = importlib.import_module("benchmarks.measure")
    seen = []
    jobs = {
        "a": measure.Job(lambda ready: seen.append(ready), lambda: "ready"),
        "b": measure.Job(lambda: seen.append("b")),
    }
    assert list(measure.interleaved(jobs, 2)) == ["a", "b"]
    assert seen == ["ready", "b", "ready", "b"]
