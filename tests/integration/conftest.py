"""Simulated runs that are made once, and one job on them."""

import pytest
from jobfolders import ASKED, ENVIRON, congruence

from congruence.simulate import simulate_runs


@pytest.fixture(scope="session")
def truth(tmp_path_factory):
    """Three planted clusters in 2 runs of 2 replicas, tumbled, with swapped copies."""
    folder = tmp_path_factory.mktemp("simulated") / "runs"
    planted = simulate_runs(
        folder, models=64, clusters=3, spread=1.5, tumble=True, seed=5, environ=ENVIRON
    )
    return planted, folder


@pytest.fixture(scope="session")
def runs(truth):
    return truth[1]


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Two planted clusters in 2 runs of 2 replicas with 5 frames each: to be copied and broken."""
    folder = tmp_path_factory.mktemp("small") / "runs"
    simulate_runs(folder, models=20, clusters=2, seed=3, environ=ENVIRON)
    return folder


@pytest.fixture(scope="session")
def result(runs, tmp_path_factory):
    """Clusters of all models, with all that can be written."""
    out = tmp_path_factory.mktemp("result") / "out"
    words = ("--density", "Alpha", "--density", "both=Gamma", "--models-rmf", "--feature", "Cross")
    assert congruence("cluster", runs, *ASKED, *words, "--out", out) == 0
    return out


@pytest.fixture
def no_figure(monkeypatch):
    """Leave out figures and precision, which take most of the time of a small job."""
    monkeypatch.setattr("congruence.workflow.results.draw", lambda *_: None)
    monkeypatch.setattr("congruence.workflow.recluster.draw", lambda *_: None)
    monkeypatch.setattr("congruence.workflow.results.write_precision", lambda *_, **__: None)
