"""The benchmark of a machine: what it tells, and that its arithmetic is right; never how fast."""

import json
import platform
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from congruence.cli.bench import command, rate_text
from congruence.errors import ConfigError
from congruence.workflow import bench, bench_measures
from congruence.workflow.bench import BenchSize, Measure, repeated, run_bench
from congruence.workflow.resources import Resources

TINY = BenchSize("tiny", 8, 20, 24, 12, 3, 12, 1)
KEYS = [
    *("rmf-models", "rmf-frames", "stat-few", "stat-all"),
    *("pairs-superpose-double", "pairs-superpose-mixed", "pairs-none-double", "pairs-none-mixed"),
    *("density", "kmeans", "threshold"),
]


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONGRUENCE_KERNEL", "numpy")
        return run_bench(TINY, threads=1, seed=5)


def test_everything_is_measured_once(report):
    assert [m.key for m in report.measures] == KEYS
    amounts = {m.key: m.amount for m in report.measures}
    assert amounts["rmf-models"] == amounts["stat-few"] == amounts["stat-all"] == 8
    assert amounts["pairs-none-mixed"] == amounts["threshold"] == 24 * 23 / 2
    assert (amounts["density"], amounts["kmeans"]) == (3 * 12, 12)
    assert 0 < amounts["rmf-frames"] < 1
    assert all(m.wall > 0 and m.cpu >= 0 for m in report.measures)
    assert (report.threads, report.device) == (1, "cpu")


def test_the_share_of_the_peak_is_of_18_or_6_operations_for_each_bead_and_pair(report):
    shares = {m.key: m for m in report.measures if m.peak is not None}
    assert len(shares) == 4
    for key, m in shares.items():
        flop = (18 if "superpose" in key else 6) * 12 * m.amount
        fastest = report.gflops["double" if key.endswith("double") else "single"] * 1e9
        assert m.peak == pytest.approx(flop / max(m.cpu, 1e-9) / fastest)


def test_json_holds_all_and_no_name_of_a_machine_or_path(report):
    text = json.dumps(report.as_dict(), allow_nan=False)
    data = json.loads(text)
    assert data["size"]["name"] == "tiny"
    assert data["versions"]["numpy"] == np.__version__
    assert data["measures"][0]["rate"] == pytest.approx(report.measures[0].rate)
    assert not re.search(r"/(tmp|home|root|usr|proc)\b", text)
    assert platform.node() not in text.replace(report.processor, "")


def test_rates_are_of_the_clock_and_of_cpu_time():
    measure = Measure("k", "w", 30.0, "models", wall=2.0, cpu=3.0)
    assert (measure.rate, measure.rate_per_core) == (15.0, 10.0)


def test_medians_of_what_is_prepared():
    seen = []
    wall, cpu = repeated(lambda: seen.append("job"), 3, before=lambda: seen.append("ready"))
    assert seen == ["ready", "job"] * 3
    assert wall > 0
    assert cpu >= 0


def test_models_are_those_of_the_seed_and_not_compressible():
    models = bench_measures.made_models(20, 12, 3)
    assert np.array_equal(models, bench_measures.made_models(20, 12, 3))
    assert not np.array_equal(models, bench_measures.made_models(20, 12, 4))
    flat = (models - models.mean(axis=1, keepdims=True)).transpose(0, 2, 1).reshape(-1, 12)
    assert np.linalg.matrix_rank(flat) == 11


def test_a_card_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(Resources, "tiler", lambda _: (_ for _ in ()).throw(ConfigError("no card")))
    with pytest.raises(ConfigError, match="no card"):
        run_bench(TINY, device="gpu")


def test_a_card_is_measured_by_the_clock_and_by_its_own_products(monkeypatch):
    from congruence.compute import _device_arrays
    from congruence.compute.device import DeviceTiler

    arrays = _device_arrays.find_device("numpy")
    monkeypatch.setattr(_device_arrays, "find_device", lambda _: arrays)
    monkeypatch.setattr(bench_measures, "_ON_CARD", 16)
    card = bench_measures.Computer("card", DeviceTiler("numpy"), 1)
    gflops = bench_measures.fastest_products(card)
    assert set(gflops) == {"double", "single"}
    for m in bench_measures.distances(card, TINY, 0, {"double": 2.0, "single": 4.0}):
        flop = (18 if "superpose" in m.key else 6) * 12 * m.amount
        fastest = 2e9 if m.key.endswith("double") else 4e9
        assert m.peak == pytest.approx(flop / m.wall / fastest)


def test_the_processor_is_told_and_not_the_machine(tmp_path):
    about = tmp_path / "cpuinfo"
    about.write_text("processor\t: 0\nmodel name\t: Fast One\nhost : secret\n")
    assert bench._processor(about) == "Fast One"
    assert bench._processor(tmp_path / "missing") == f"{platform.machine()} ({platform.system()})"


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0"),
        (0.5, "0.500"),
        (9.994, "9.99"),
        (99, "99.0"),
        (1234.0, "1.23 k"),
        (5e9, "5.00 G"),
    ],
)
def test_rates_have_three_digits(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize("load", [0.0, 3.0])
def test_the_table_is_for_people_and_fits_a_terminal(report, monkeypatch, load):
    from dataclasses import replace

    asked = {}

    def instead(size, **options):
        asked.update(options, size=size.name)
        return replace(report, load=load)

    monkeypatch.setattr(bench, "run_bench", instead)
    shown = CliRunner().invoke(command, ["--threads", "1", "--size", "medium"]).stdout
    assert (asked["size"], asked["threads"], asked["device"]) == ("medium", 1, "cpu")
    for measure in report.measures:
        assert measure.what in shown
    assert "models" in shown
    assert ("wall times do not" in shown) == (load > 0)
    assert str(Path.cwd()) not in shown
    printed = CliRunner().invoke(command, ["--json", "--seed", "2"]).stdout
    assert json.loads(printed)["seed"] == 5
    assert asked["seed"] == 2
