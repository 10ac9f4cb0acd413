"""Jobs whose distances do not fit in memory: the same clusters, and the same bytes however often they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from jobfolders import ASKED, congruence, labels, models, record, tree
from sklearn.metrics import adjusted_rand_score

import congruence as cg
from congruence.errors import InputError
from congruence.simulate import simulate_runs
from congruence.workflow.config import ClusterConfig
from congruence.workflow.job import cluster_models, cluster_runs
from congruence.workflow.reporting import Silent
from congruence.workflow.resources import Resources

M = 260
FEW = ("--members", "none")
NO_ROOM = "1k"  # rows are computed again, tiles are written; coordinates stay on disk
BITS = "100k"  # one bit a pair


class Said(Silent):
    """Keeps what was said."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    def warn(self, text):
        self.lines.append(f"warning: {text}")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Three planted clusters: enough for three tiles of 128 models along the edge."""
    folder = tmp_path_factory.mktemp("many") / "runs"
    simulate_runs(folder, models=M, clusters=3, spread=1.5, tumble=True, seed=5)
    return folder


def job(many, out, *, resources=None, figure=False, reporter=None, **options):
    """Run a job; without its figure, which takes most of the time."""
    words = {"runs": (str(many),), "rmsd": ("*",), "align": "superpose", "members": "none"}
    said = reporter or Said()
    config = ClusterConfig.checked(words | options)
    with pytest.MonkeyPatch.context() as patch:
        if not figure:
            patch.setattr("congruence.workflow.results.draw", lambda *_: None)
        cluster_runs(config, out, reporter=said, resources=resources)
    return said.lines


@pytest.fixture(scope="module")
def whole(many, tmp_path_factory):
    """The result with a matrix, by method."""
    folder = tmp_path_factory.mktemp("whole")
    for name, options in METHODS.items():
        job(many, folder / name, **options)
    return folder


METHODS = {
    "threshold": {"method": "threshold", "threshold": 3.0},
    "kmeans": {"clusters": 3},
    "hierarchical": {"method": "hierarchical", "clusters": 3},
    "hdbscan": {"method": "hdbscan"},
}


def numbers(out):
    """Return what is said of clusters, without what names the method."""
    return [
        {k: v for k, v in c.items() if k != "average_rmsd"}
        for c in record(out, "clusters.json")["clusters"]
    ]


def close(one, two, tolerance=1e-5):
    """Compare plain data, numbers roughly."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(close(one[k], two[k], tolerance) for k in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(lambda a, b: close(a, b, tolerance), one, two))
    if isinstance(one, float):
        return one == pytest.approx(two, abs=tolerance, nan_ok=True)
    return one == two


@pytest.mark.parametrize(
    ("method", "memory", "way"),
    [
        ("threshold", NO_ROOM, "rows"),
        ("threshold", BITS, "bits"),
        ("kmeans", NO_ROOM, "tiles"),
        ("hierarchical", NO_ROOM, "sample"),
        ("hdbscan", NO_ROOM, "sample"),
    ],
)
def test_without_a_matrix_the_clusters_are_the_same(many, whole, tmp_path, method, memory, way):
    """The sample is of all models here, so that approximate ways are exact too."""
    out = tmp_path / "out"
    said = job(many, out, memory=memory, **METHODS[method])
    assert record(out)["plan"]["way"] == way
    assert any(line.startswith("plan: no matrix in memory") for line in said)
    assert labels(out).tolist() == labels(whole / method).tolist()
    assert numbers(out) == numbers(whole / method)
    assert close(record(out, "precision.json"), record(whole / method, "precision.json"), 1e-4)
    distance = models(out)["distance_to_center"]
    expected = models(whole / method)["distance_to_center"]
    assert (distance == "").tolist() == (expected == "").tolist()
    known = distance != ""
    assert distance[known].astype(float) == pytest.approx(expected[known].astype(float), abs=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def arrays(monkeypatch):
    """Keeps the coordinates of jobs, and the names in the folder beside the result."""
    seen = []

    def watched(config, ensemble, plan, tiles, **words):
        beside = tiles.with_name("out.coordinates")
        seen.append((ensemble.coordinates, sorted(p.name for p in beside.glob("*"))))
        return cluster_models(config, ensemble, plan, tiles, **words)

    monkeypatch.setattr("congruence.workflow.job.cluster_models", watched)
    return seen


@pytest.mark.parametrize("method", ["threshold", "kmeans"])
def test_coordinates_on_disk_change_no_byte(many, tmp_path, monkeypatch, arrays, method):
    options = METHODS[method] | {"members": "center", "densities": {"all": "*"}}
    for name, share in (("disk", 0.25), ("memory", 1e9)):
        monkeypatch.setattr("congruence.workflow.planning._MAPPED_SHARE", share)
        said = job(many, tmp_path / name / "out", memory=NO_ROOM, **options)
        assert any("coordinates stay on disk" in line for line in said) is (name == "disk")
        assert [p.name for p in (tmp_path / name).iterdir()] == ["out"]
    (disk, files), (memory, none) = arrays
    assert isinstance(disk, np.memmap)
    assert not disk.flags.writeable
    assert files == ["coordinates.npy"]
    assert not isinstance(memory, np.memmap)
    assert not none
    assert tree(tmp_path / "disk" / "out") == tree(tmp_path / "memory" / "out")


@pytest.mark.parametrize("end", [KeyboardInterrupt, InputError("no")])
def test_coordinates_on_disk_are_removed_after_an_end(many, tmp_path, monkeypatch, end):
    beside = tmp_path / "out.coordinates"
    there = []

    def ended(*_, **__):
        there.append((beside / "coordinates.npy").exists())
        raise end

    monkeypatch.setattr("congruence.workflow.job.cluster_models", ended)
    with pytest.raises((KeyboardInterrupt, InputError)):
        job(many, tmp_path / "out", memory=NO_ROOM, clusters=2)
    assert there == [True]
    assert not beside.exists()


@pytest.mark.parametrize("memory", [None, NO_ROOM])
def test_more_pairs_are_close_where_distances_come_from_elsewhere(
    many, whole, tmp_path, monkeypatch, memory
):
    """As on a Dask cluster or a graphics card: errors are up to 1e-3 Å."""
    distances = np.sort(cg.load_matrix(whole / "kmeans").condensed)
    threshold = float(distances[len(distances) * 3 // 10])
    monkeypatch.setattr(Resources, "elsewhere", True)
    options = {"method": "threshold", "threshold": threshold, "memory": memory}
    said = job(many, tmp_path / "out", **options)
    expected = int(np.count_nonzero(np.abs(distances - threshold) <= 1e-3))
    assert expected > np.count_nonzero(np.abs(distances - threshold) <= 1e-6)
    entry = record(tmp_path / "out")["pairs_close_to_threshold"]
    assert entry == {"pairs": expected, "within": 1e-3}
    assert any(f"{expected} pairs of models within 0.001 Å" in line for line in said)


def test_the_matrix_is_said_to_be_absent(many, tmp_path, capsys):
    out = tmp_path / "out"
    job(many, out, memory=NO_ROOM, **METHODS["threshold"])
    assert not (out / "distances.npy").exists()
    words = record(out, "distances.json")
    assert (words["kept"], words["m"], words["definition"]["precision"]) == (False, M, "double")
    with pytest.raises(InputError, match="did not fit in memory") as caught:
        cg.load_matrix(out)
    assert "--memory" in caught.value.hint
    assert congruence("recluster", out / "distances.json", "--out", tmp_path / "no") == 3
    assert "did not fit in memory" in capsys.readouterr().err


def test_clustering_again_computes_the_distances_again(many, whole, tmp_path, capsys):
    job(many, tmp_path / "one", memory=NO_ROOM, **METHODS["threshold"])
    words = ("--method", "hierarchical", "--clusters", 3, "--out", tmp_path / "two")
    assert congruence("recluster", tmp_path / "one", *words) == 0
    assert "keeps no distances: they are computed again" in capsys.readouterr().err
    assert labels(tmp_path / "two").tolist() == labels(whole / "hierarchical").tolist()
    assert (tmp_path / "two" / "distances.npy").exists()  # there is memory now
    assert "coordinates stay on disk" not in capsys.readouterr().err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("congruence.workflow.resources.memory_at_hand", lambda: 4 * M * 24)
        words = ("--method", "threshold", "--threshold", 3.0, "--out", tmp_path / "three")
        assert congruence("recluster", tmp_path / "two", *words) == 0
    assert "coordinates stay on disk" in capsys.readouterr().err
    assert labels(tmp_path / "three").tolist() == labels(whole / "threshold").tolist()
    assert not (tmp_path / "three.coordinates").exists()


def test_precision_and_accuracy_of_such_a_folder(many, whole, tmp_path):
    out = tmp_path / "out"
    job(many, out, memory=NO_ROOM, figure=True, members="center", **METHODS["kmeans"])
    assert (out / "dist_matrix.png").stat().st_size > 10_000
    assert congruence("precision", out, "--out", tmp_path / "p") == 0
    found = record(tmp_path / "p", "precision.json")
    expected = record(whole / "kmeans", "precision.json")
    for one, two in zip(found["within"], expected["within"], strict=True):
        mine, theirs = one["selections"]["all"], two["selections"]["all"]
        # Copies are matched to the best member here, pair by pair in the run.
        assert mine["average_pairwise"] == pytest.approx(theirs["average_pairwise"], rel=0.02)
    reference = out / "cluster.0" / "center.rmf3"
    assert congruence("accuracy", out, "--reference", reference, "--out", tmp_path / "a") == 0


# ---------------------------------------------------------------- from samples

SMALL_SAMPLE = Resources(memory=1, sample=90, exact_pairs=0)


@pytest.mark.parametrize("options", [*METHODS.values(), {}], ids=[*METHODS, "advised"])
def test_samples_find_the_planted_clusters(many, whole, tmp_path, monkeypatch, options):
    """Little memory, no disk, and too many pairs to look at all of them."""
    monkeypatch.setattr("congruence.workflow.planning._room", lambda folder: 0)
    out = tmp_path / "out"
    said = job(many, out, resources=SMALL_SAMPLE, **options)
    if options.get("method") == "hdbscan":  # the sample is too thin to place all models
        kept = labels(out) >= 0
        assert kept.mean() > 0.8
        assert adjusted_rand_score(labels(out)[kept], labels(whole / "kmeans")[kept]) == 1.0
        return
    assert labels(out).tolist() == labels(whole / "kmeans").tolist()
    plan = record(out)["plan"]
    exact = options.get("method") == "threshold"
    assert plan["every_pair"] is exact
    assert ("approximate" in plan["exact"]) is not exact
    assert any("plan: no matrix in memory" in line for line in said)
    square = cg.load_matrix(whole / "kmeans").square()
    for cluster in record(out, "clusters.json")["clusters"]:
        mine = cluster["members"]
        inside = square[np.ix_(mine, mine)].sum(axis=1)
        assert cluster["center_model"] in mine
        ranked = np.argsort(inside)
        assert mine.index(cluster["center_model"]) in ranked[: 1 if exact else len(mine) // 5]
        average = inside.sum() / (len(mine) * (len(mine) - 1))
        assert cluster["average_rmsd"] == pytest.approx(average, rel=1e-6 if exact else 0.1)
    if not options:
        advice = record(out, "clusters.json")["advice"]
        assert "a sample of all 260 models" in advice["reason"]


def test_coordinates_are_clustered_where_nothing_turns(many, tmp_path, monkeypatch):
    monkeypatch.setattr("congruence.workflow.planning._room", lambda folder: 0)
    options = {"align": "center", "copies": "off", "clusters": 2}
    said = job(many, tmp_path / "out", resources=SMALL_SAMPLE, **options)
    assert record(tmp_path / "out")["plan"]["way"] == "batches"
    assert record(tmp_path / "out", "clusters.json")["method"] == "minibatch_kmeans"
    assert any("mean of their cluster" in line for line in said)


# ---------------------------------------------------------------- the same bytes

SAME = [(t, m) for t, m in ((1, "300M"), (2, None), (5, "200M"))]


@pytest.mark.parametrize("method", ["threshold", "kmeans"])
def test_threads_and_memory_change_no_byte_of_a_result(many, tmp_path, method):
    for threads, memory in SAME:
        out = tmp_path / str(threads) / "out"
        job(many, out, threads=threads, memory=memory, **METHODS[method])
    expected = tree(tmp_path / "1" / "out")
    assert tree(tmp_path / "2" / "out") == expected
    assert tree(tmp_path / "5" / "out") == expected


@pytest.mark.parametrize(("method", "budgets"), [("threshold", ("90k", "120k")), ("kmeans", ("1k", "200k"))])  # fmt: skip
def test_nor_without_a_matrix(many, tmp_path, method, budgets):
    for threads, memory in ((1, budgets[0]), (5, budgets[1])):
        out = tmp_path / str(threads) / "out"
        job(many, out, threads=threads, memory=memory, **METHODS[method])
    one, two = record(tmp_path / "1" / "out"), record(tmp_path / "5" / "out")
    assert one["plan"]["way"] == two["plan"]["way"]
    assert tree(tmp_path / "1" / "out") == tree(tmp_path / "5" / "out")


def test_pairs_close_to_the_threshold_are_counted(many, whole, tmp_path):
    matrix = cg.load_matrix(whole / "kmeans")
    threshold = float(np.sort(matrix.condensed)[len(matrix.condensed) * 3 // 10])
    counts = []
    for name, memory in (("with", None), ("rows", NO_ROOM), ("bits", BITS)):
        said = job(many, tmp_path / name, method="threshold", threshold=threshold, memory=memory)
        entry = record(tmp_path / name)["pairs_close_to_threshold"]
        assert entry["within"] == 1e-6
        assert any(f"within 1e-06 Å of the threshold of {threshold:g}" in line for line in said)
        counts.append(entry["pairs"])
    assert counts[0] == counts[1] == counts[2] >= 1


# ---------------------------------------------------------------- interrupted

CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored
from congruence.io.tiles import DistanceFolder
from congruence.workflow.config import ClusterConfig
from congruence.workflow.job import cluster_runs
from congruence.workflow.resources import Resources

put = DistanceFolder.put
def slow(self, i, j, tile):
    put(self, i, j, tile)
    time.sleep(0.3)
DistanceFolder.put = slow
runs, out, memory = sys.argv[1:]
config = ClusterConfig(runs=(runs,), rmsd=("*",), align="superpose", clusters=3, members="none")
resources = Resources(memory=int(memory) or None, checkpoint_pairs=1000)
cluster_runs(config, __import__("pathlib").Path(out), resources=resources)
"""


@pytest.mark.parametrize(
    ("end", "memory"),
    [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGTERM, 1), (signal.SIGINT, 1)],
)
def test_an_interrupted_job_continues_to_the_same_bytes(many, tmp_path, end, memory):
    resources = Resources(memory=memory or None, checkpoint_pairs=1000)
    job(many, tmp_path / "whole" / "out", resources=resources, **METHODS["kmeans"])
    out = tmp_path / "out"
    tiles = out.with_name("out.tiles")
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(many), str(out), str(memory)],
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    while len(list(tiles.glob("tile-*.npy"))) < 2:
        assert child.poll() is None, "the child ended before it could be ended"
        time.sleep(0.01)
    child.send_signal(end)
    assert child.wait(timeout=60) != 0
    left = {p.name: p.stat().st_mtime_ns for p in tiles.glob("tile-*.npy")}
    assert 2 <= len(left) < 6
    assert not out.exists()
    kept = {}

    class Watching(Said):
        def advance(self, label, done, total):
            if label == "distances":
                kept.setdefault("first", done)

    job(many, out, resources=resources, reporter=Watching(), **METHODS["kmeans"])
    assert kept["first"] == len(left) + 1
    assert tree(out) == tree(tmp_path / "whole" / "out")
    assert not tiles.exists()
    assert not out.with_name("out.coordinates").exists()


def test_a_dry_run_tells_the_plan(many, tmp_path, capsys):
    words = ("--method", "threshold", "--threshold", 3, "--memory", BITS, "--dry-run")
    assert congruence("cluster", many, *ASKED, *words, "--out", tmp_path / "o") == 0
    told = capsys.readouterr().err
    assert "plan: 33,670 distances between 260 models" in told
    assert "plan: no matrix in memory: one bit of each distance is kept" in told
    assert "plan: coordinates stay on disk, 1 MB beside the result until the end" in told
    assert "exact to 1e-6 Å" in told
    assert "warning: the plan takes more memory" in told
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize("memory", [NO_ROOM, BITS])
def test_distances_within_clusters_are_all_that_is_computed_again(
    many, whole, tmp_path, monkeypatch, memory
):
    """Where clusters are many, a second pass leaves out tiles between them; the rest is exact."""
    monkeypatch.setattr("congruence.workflow.within._EDGE", 128)
    monkeypatch.setattr("congruence.workflow.within._GAIN", 0.9)
    out = tmp_path / "out"
    job(many, out, memory=memory, **METHODS["threshold"])
    assert f"of {M} models" in record(out)["between"]
    assert labels(out).tolist() == labels(whole / "threshold").tolist()
    assert numbers(out) == numbers(whole / "threshold")
    # All models are in the sample here, so that what is between clusters is exact too.
    expected = record(whole / "threshold", "precision.json")
    assert close(record(out, "precision.json"), expected, 1e-4)


def test_tiles_without_a_shared_cluster_are_left_out():
    from congruence.workflow.within import _apart, within_pays

    ordered = np.repeat([-1, 0, 1, 2], [100, 156, 128, 128])
    assert _apart(ordered, 128) == {(0, 256), (0, 384), (128, 256), (128, 384), (256, 384)}
    assert within_pays(np.arange(5000))
    assert not within_pays(np.zeros(5000, dtype=int))
