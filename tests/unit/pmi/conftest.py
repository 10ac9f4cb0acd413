"""A small simulated sampling: two runs, two planted clusters, two copies of Gamma."""

import pytest

from congruence.simulate import simulate_runs


@pytest.fixture(scope="session")
def sampling(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    root = folder / "modeling"
    truth = simulate_runs(root, models=24, clusters=2, seed=3)
    return root, truth
