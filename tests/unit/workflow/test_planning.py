import pytest

from congruence.workflow.config import ClusterConfig
from congruence.workflow.planning import plan_job
from congruence.workflow.resources import Resources

GB = 1_000_000_000


def plan(method, m, memory, *, disk=1000 * GB, n=100, copies=(), monkeypatch=None, **options):
    monkeypatch.setattr("congruence.workflow.planning._room", lambda folder: disk)
    words = {"align": "superpose", "rmsd": ("*",), "method": method} | options
    if method == "threshold":
        words["threshold"] = 5.0
    precision = words.get("precision", "auto")
    resources = Resources(memory=memory, threads=2, precision=precision)
    return plan_job(ClusterConfig(**words), (m, n, n), copies=copies, resources=resources)


@pytest.mark.parametrize(
    ("method", "m", "memory", "disk", "options", "way", "says"),
    [
        ("kmeans", 1000, GB, 0, {}, "condensed", "kept in memory, exact to 1e-6 Å"),
        ("kmeans", 2000, GB, 0, {}, "condensed", "exact to 1e-3 Å"),
        ("kmeans", 2000, GB, 0, {"precision": "double"}, "condensed", "exact to 1e-6 Å"),
        ("kmeans", 20_000, GB, 100 * GB, {}, "tiles", "single precision; k-means on the rows"),
        ("kmeans", 20_000, GB, 0, {}, "sample", "5 samples of 500 models"),
        ("kmeans", 20_000, GB, 0, {"align": "none"}, "batches", "coordinates instead of k-means"),
        ("kmeans", 20_000, GB, 0, {"clusters": 400}, "sample", "5 samples of 840 models"),
        ("threshold", 20_000, GB, 0, {}, "bits", "clusters those of the whole matrix"),
        ("threshold", 100_000, 2 * GB, 0, {}, "rows", "exact to 1e-6 Å"),
        ("hierarchical", 20_000, GB, 0, {}, "sample", "nearest by exact distance"),
        ("hdbscan", 20_000, GB, 0, {}, "sample", "less than 0.1% of the models may be missed"),
    ],
)
def test_the_way_and_what_is_said_of_it(method, m, memory, disk, options, way, says, monkeypatch):
    found = plan(method, m, memory, disk=disk, monkeypatch=monkeypatch, **options)
    assert found.matrix.way == way
    text = " ".join(found.lines())
    assert says in text
    assert ("approximate" in text) is (way in ("sample", "batches"))
    assert len(found.lines()) == (1 if way == "condensed" else 2)
    assert ("of disk" in text) is (way == "tiles")
    assert found.record()["way"] == way


def test_copies_have_no_mean(monkeypatch):
    words = {"disk": 0, "align": "none", "monkeypatch": monkeypatch}
    assert plan("kmeans", 20_000, GB, copies=(2,), **words).matrix.way == "sample"


def test_a_square_matrix_is_counted_where_the_method_takes_one(monkeypatch):
    """The distances of 20,000 models are 0.8 GB, with two squares of them 4 GB."""
    words = {"monkeypatch": monkeypatch}
    assert plan("threshold", 20_000, 2 * GB, **words).kept
    assert not plan("kmeans", 20_000, 2 * GB, **words).kept
    whole = plan("kmeans", 20_000, 6 * GB, **words)
    assert whole.kept
    assert 4 * GB < whole.estimate.memory_bytes < 6 * GB


def test_clusters_of_samples_are_described_by_all_pairs_while_these_are_few(monkeypatch):
    words = {"disk": 0, "monkeypatch": monkeypatch}
    few, many = (plan("kmeans", m, GB, **words) for m in (20_000, 100_000))
    assert (few.every_pair, many.every_pair) == (True, False)
    assert "centers and averages are exact" in few.exact
    assert "averages are those of 3,000 models" in many.exact
    assert few.estimate.seconds * 25 > 2 * many.estimate.seconds  # a pass more


def test_the_record_has_nothing_of_the_machine(monkeypatch):
    words = {"monkeypatch": monkeypatch}
    one, two = (plan("kmeans", 500, memory, **words).record() for memory in (GB, 9 * GB))
    assert one == two


def test_coordinates_stay_on_disk_where_they_take_more_than_a_share(monkeypatch):
    """The coordinates of 20,000 models of 1,000 beads are 480 MB."""
    words = {"n": 1000, "monkeypatch": monkeypatch}
    small, large = (plan("threshold", 20_000, memory, **words) for memory in (GB, 4 * GB))
    assert (small.on_disk, large.on_disk) == (480_000_000, 0)
    assert small.memory == GB
    assert large.memory == 4 * GB - 480_000_000
    assert small.lines()[-1].startswith("coordinates stay on disk, 480 MB beside the result")
    assert not any("coordinates stay" in line for line in large.lines())
    assert small.estimate.memory_bytes < GB
    no_disk = plan("threshold", 20_000, GB, disk=400_000_000, **words)
    assert not no_disk.mapped
    assert no_disk.memory == GB - 480_000_000


def test_the_room_for_tiles_is_what_coordinates_leave(monkeypatch):
    """The distances of 20,000 models take 800 MB."""
    words = {"n": 1000, "monkeypatch": monkeypatch}
    assert plan("kmeans", 20_000, GB, disk=1_290_000_000, **words).matrix.way == "tiles"
    assert plan("kmeans", 20_000, GB, disk=1_270_000_000, **words).matrix.way == "sample"
