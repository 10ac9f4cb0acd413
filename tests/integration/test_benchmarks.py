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


@pytest.mark.parametrize(
    "name", ["reading", "stat", "rmsd", "peers", "density", "large", "start", "job", "exhaust"]
)
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


def test_growth_is_measured_by_cells_and_what_cannot_run_is_said(tmp_path):
    growth = importlib.import_module("benchmarks.growth")
    said = []
    done = growth.run(["rigid"], [50], [60, 10**12], budget=120.0, tell=said.append)
    assert [(c.m, bool(c.stages)) for c in done] == [(60, True), (10**12, False)]
    assert set(done[0].stages) == set(growth.STAGES)
    assert done[0].cpu > 0
    assert done[0].peak >= done[0].before > 1e6
    assert said[0] == growth.HEAD
    assert said[1].startswith("| rigid | 60 | 50 | ")
    assert said[2].count("|") == said[1].count("|") == 13
    assert "skipped: would take" in said[2]


def test_exponents_are_fitted_to_what_ran():
    growth = importlib.import_module("benchmarks.growth")
    cells = [
        growth.Cell(
            "free",
            m,
            n,
            {"pass": 1e-7 * m**2 * n**0.5},
            wall=float(m),
            peak=8.0 * m * n,
            before=0.0,
        )
        for m in (1000, 3000, 10_000)
        for n in (300, 1000)
    ]
    skipped = growth.Cell("free", 30_000, 300, note="skipped")
    assert growth.exponents([*cells, skipped], lambda c: c.cpu) == pytest.approx((2.0, 0.5))
    assert growth.exponents([*cells, skipped], lambda c: c.own) == pytest.approx((1.0, 1.0))
    one_size = [c for c in cells if c.n == 300]
    assert growth.exponents(one_size, lambda c: c.cpu) == pytest.approx(
        (2.0, math.nan), nan_ok=True
    )
    assert math.isnan(growth.exponents(cells[:1], lambda c: c.cpu)[0])
    assert growth.expected(cells, "free", 30_000, 600) == pytest.approx(10_000 * 9 * 2)
    assert growth.expected([*cells, skipped], "free", 30_000, 300) == math.inf
    assert growth.expected(cells, "rigid", 30_000, 300) == 0.0
