"""``congruence exhaust`` on more models than are scanned."""

import json

import numpy as np
import pytest

from congruence.cli import _run
from congruence.compute.clustering import threshold_labels
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.io.matrix import save_matrix
from congruence.simulate import simulate_runs
from congruence.workflow.exhaust_distances import Distance
from congruence.workflow.exhaust_options import ExhaustOptions
from congruence.workflow.samples import open_samples


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Drawing takes most of the time of a small job."""
    monkeypatch.setattr("congruence.plots.exhaustiveness.save_figures", lambda *_, **__: ())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("sampling")
    simulate_runs(home, models=100, runs=4, clusters=2, seed=4)
    return [str(home)]


def run(*words):
    return _run(["exhaust", *map(str, words), "--name", "x", "--smallest", "4"])


def files(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_the_scan_is_on_a_sample_and_says_so_everywhere(runs, tmp_path, capsys):
    out, again = tmp_path / "out", tmp_path / "again"
    words = (*runs, "--align", "superpose", "--density", "all=*")
    assert run(*words, "--scan-models", 60, "--out", out) == 0
    captured = capsys.readouterr()
    data = json.loads((out / "exhaustiveness.json").read_text())
    m = sum(data["models"].values())
    said = f"a stratified sample of 60 of {m} models"
    for text in (
        captured.out.replace("\n", " "),
        captured.err.replace("\n", " "),  # the plan, before the start
        data["statement"],
        (out / "statement.txt").read_text(),
        (out / "report.html").read_text(),
        data["scan_sample"]["text"],
        json.dumps(data["uncertainty"]),
    ):
        assert said in " ".join(text.split())
    assert "of all models" in captured.err
    assert len(data["scan_sample"]["members"]) == 60
    assert not (out / "distances.npy").exists()
    assert (out / "models.csv").read_text().count("\n") == m + 1

    samples = open_samples(runs)
    options = ExhaustOptions(name="x", align="superpose")
    metric = Distance.of(samples.ensemble, options).metric
    matrix = rmsd_matrix(samples.ensemble, metric)
    labels = threshold_labels(matrix, data["clustering_threshold"])
    assert data["clusters"]
    for cluster in data["clusters"]:
        members = np.array(cluster["members"])
        assert set(members) == set(np.flatnonzero(labels == labels[members[0]]))
        to_center = matrix.row(cluster["center"])[members[1:]]
        assert cluster["precision"] == pytest.approx(to_center.mean(), abs=1e-3)
    assert {f"cluster.{c['cluster']}/LPD_all.mrc" for c in data["clusters"]} <= set(files(out))

    assert run(*words, "--scan-models", 60, "--threads", 1, "--out", again) == 0
    for name in ("exhaustiveness.json", "scan.csv", "models.csv", "statement.txt"):
        assert files(again)[name] == files(out)[name]


def test_up_to_the_limit_nothing_changes(runs, tmp_path, capsys):
    words = (*runs, "--align", "superpose", "--no-uncertainty")
    m = sum(open_samples(runs).sizes)
    assert run(*words, "--out", tmp_path / "default") == 0
    assert run(*words, "--scan-models", m, "--out", tmp_path / "limit") == 0
    default, limit = files(tmp_path / "default"), files(tmp_path / "limit")
    assert default == limit
    assert b"scan_models" not in default["run.json"]
    assert b"stratified" not in b"".join(default.values())
    assert "stratified" not in capsys.readouterr().out


def test_compat_is_never_sampled(runs, tmp_path, capsys, monkeypatch):
    words = (*runs, "--align", "superpose", "--compat", "sampcon", "--no-uncertainty")
    assert run(*words, "--scan-models", 60, "--out", tmp_path / "fits") == 0
    whole = tmp_path / "whole"
    assert run(*words, "--out", whole) == 0
    assert files(tmp_path / "fits") == files(whole)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    short = ("--scan-models", 60, "--memory", 1000, "--out", tmp_path / "short")
    capsys.readouterr()
    assert run(*words, *short) == 3
    error = " ".join(capsys.readouterr().err.split())
    assert "never made on a sample" in error
    assert "Leave out --compat" in error
    assert not (tmp_path / "short").exists()


def test_a_given_matrix(tmp_path, capsys):
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(2, 1, 3)) * 20)[rng.integers(0, 2, 120)] + rng.normal(size=(120, 1, 3))  # fmt: skip
    matrix = rmsd_matrix(points, Metric("none"))
    save_matrix(matrix, tmp_path)
    words = (tmp_path / "distances.npy", "--samples", 60, 60)
    out = tmp_path / "out"
    assert run(*words, "--scan-models", 50, "--out", out) == 0
    assert "50 of 120 models (25 of 60 A, 25 of 60 B)" in " ".join(capsys.readouterr().out.split())
    data = json.loads((out / "exhaustiveness.json").read_text())
    labels = threshold_labels(matrix, data["clustering_threshold"])
    for cluster in data["clusters"]:
        members = cluster["members"]
        assert set(members) == set(np.flatnonzero(labels == labels[members[0]]))
    assert (out / "distances.npy").exists()


def test_an_impossible_limit():
    from congruence.errors import ConfigError

    with pytest.raises(ConfigError, match="scan_models is 3"):
        ExhaustOptions(name="x", scan_models=3)


def test_little_memory_gives_the_same_clusters(runs, tmp_path, capsys):
    """Neither a matrix of the sample nor bits of all pairs fit."""
    words = (*runs, "--align", "superpose", "--no-uncertainty", "--scan-models", 60)
    assert run(*words, "--out", tmp_path / "much") == 0
    capsys.readouterr()
    assert run(*words, "--memory", 2000, "--out", tmp_path / "little") == 0
    assert "rows of distances computed again when needed" in " ".join(capsys.readouterr().err.split())  # fmt: skip
    much, little = (
        json.loads((tmp_path / n / "exhaustiveness.json").read_text()) for n in ("much", "little")
    )
    assert much["clustering_threshold"] == pytest.approx(little["clustering_threshold"], abs=1e-6)
    assert [c["members"] for c in much["clusters"]] == [c["members"] for c in little["clusters"]]
