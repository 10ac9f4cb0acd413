"""Interrupted distances continue, and what was read before is read again from the cache."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from jobfolders import ASKED, congruence, tree
from rigidmodels import rigid_models

from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.io.cache import CoordinateCache
from congruence.io.tiles import DistanceFolder
from congruence.workflow import frames
from congruence.workflow.steps import open_runs

M, EDGE = 1100, 128
TILES = 45
MODELS = {"models": M, "bodies": 2, "beads": 30, "flexible": 20}
METRIC = Metric("superpose")

CHILD = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored
sys.path.insert(0, sys.argv[2])
from rigidmodels import rigid_models
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_tiles
from congruence.io.tiles import DistanceFolder

class Slow(DistanceFolder):
    def put(self, i, j, tile):
        super().put(i, j, tile)
        time.sleep(0.05)

folder = Slow(sys.argv[1], {M}, key="k", edge={EDGE})
rmsd_tiles(rigid_models(0, **{MODELS}), folder, Metric("superpose"), edge={EDGE})
"""


def contents(path):
    return {p.name: p.read_bytes() for p in path.iterdir()}


@pytest.fixture(scope="module")
def models():
    return rigid_models(0, **MODELS)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, models):
    path = tmp_path_factory.mktemp("whole") / "tiles"
    rmsd_tiles(models, DistanceFolder(path, M, key="k", edge=EDGE), METRIC, edge=EDGE)
    return contents(path)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_continues_to_the_same_bytes(tmp_path, models, uninterrupted, end):
    path = tmp_path / "tiles"
    here = str(Path(__file__).resolve().parents[1])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), here], stderr=subprocess.DEVNULL
    )
    while len(list(path.glob("tile-*.npy"))) < 5:
        assert child.poll() is None, "the child ended before it could be killed"
        time.sleep(0.01)
    child.send_signal(end)
    assert child.wait(timeout=60) != 0
    left = contents(path)
    tiles = {name: data for name, data in left.items() if name.endswith(".npy")}
    assert 5 <= len(tiles) < TILES
    assert all(uninterrupted[name] == data for name, data in tiles.items())
    folder = DistanceFolder(path, M, key="k", edge=EDGE)
    assert len(folder.done()) == len(tiles)
    counted = []
    rmsd_tiles(
        models, folder, METRIC, edge=EDGE, threads=1, memory=1 << 20,
        progress=lambda done, total: counted.append((done, total)),
    )  # fmt: skip
    assert counted[0] == (len(tiles) + 1, TILES)
    assert contents(path) == uninterrupted
    expected = rmsd_matrix(models, METRIC, dtype=np.float32)
    assert folder.condensed().tobytes() == expected.condensed.tobytes()


# ---------------------------------------------------------------- the cache of coordinates


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache that keeps entries of any size; counts what is decoded."""
    monkeypatch.setenv("CONGRUENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("congruence.io.cache._SMALLEST", 1)
    return tmp_path / "cache" / "coordinates"


@pytest.fixture
def decoded(monkeypatch):
    counted = []
    fill = frames._Reading.fill

    def counting(self, *words):
        counted.append(len(self._files))
        return fill(self, *words)

    monkeypatch.setattr(frames._Reading, "fill", counting)
    return counted


def test_cached_coordinates_have_the_same_bytes(small, cache, decoded):
    chosen = open_runs(small).choose()
    first = chosen.load()
    again = open_runs(small).choose().load()
    assert decoded == [len(set(chosen.table.file))]
    assert again.coordinates.tobytes() == first.coordinates.tobytes()
    assert again.topology.key == first.topology.key
    assert len(list(cache.glob("*.npy"))) == 1
    chosen.load(resolution=10)
    open_runs(small).choose(best=7).load()
    assert len(decoded) == 3


def test_the_order_of_models_is_that_of_the_table(small, cache, decoded):
    chosen = open_runs(small).choose()
    first = chosen.load()
    order = np.random.default_rng(0).permutation(len(chosen))
    table = chosen.table.take(order)
    shuffled, _ = frames.read_coordinates(chosen.pool, table, resolution=1.0, state=0)
    assert len(decoded) == 1
    assert shuffled.tobytes() == first.coordinates[order].tobytes()


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_put_models_where_they_belong(small, monkeypatch, threads):
    expected = open_runs(small).choose().load()
    monkeypatch.setattr(frames, "_thread_count", lambda files: threads)
    assert open_runs(small).choose().load().coordinates.tobytes() == expected.coordinates.tobytes()


def test_a_harmed_entry_is_read_anew(small, cache, decoded):
    first = open_runs(small).choose().load()
    (entry,) = cache.glob("*.npy")
    entry.write_bytes(entry.read_bytes()[:-8] + b"12345678")
    assert open_runs(small).choose().load().coordinates.tobytes() == first.coordinates.tobytes()
    assert len(decoded) == 2
    open_runs(small).choose().load()
    assert len(decoded) == 2


def test_results_are_the_same_with_and_without_the_cache(small, cache, decoded, tmp_path, monkeypatch):  # fmt: skip
    words = ("cluster", small, *ASKED, "--clusters", 2, "--members", "none")
    assert congruence(*words, "--no-cache", "--out", tmp_path / "without") == 0
    assert not cache.exists()
    monkeypatch.setenv("CONGRUENCE_CACHE", str(cache.parent))
    open_runs(small).choose().load()
    assert CoordinateCache(cache).size() > 0
    assert len(decoded) == 2
    assert congruence(*words, "--out", tmp_path / "with") == 0
    assert len(decoded) == 2
    assert tree(tmp_path / "without") == tree(tmp_path / "with")
