import pytest

from congruence.compute.plan import plan_matrix
from congruence.errors import ConfigError

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("m", "goal", "memory", "way"),
    [
        (1_000, "matrix", GB, "condensed"),
        (1_000, "threshold", GB, "condensed"),
        (100_000, "matrix", 60 * GB, "condensed"),
        (100_000, "matrix", 6 * GB, "tiles"),
        (100_000, "threshold", 6 * GB, "bits"),
        (100_000, "threshold", 2 * GB, "rows"),
        (100_000, "scan", 30 * GB, "bins"),
        (1_000_000, "medoids", 6 * GB, "sample"),
        (1_000_000, "means", 6 * GB, "batches"),
    ],
)
def test_the_way_follows_from_models_purpose_and_memory(m, goal, memory, way):
    plan = plan_matrix(m, 1000, memory, goal, rate=1e11)
    assert plan.way == way
    assert plan.memory_bytes <= 1.2 * memory
    assert f"{m:,} models of 1,000 beads" in plan.text()
    assert ("exact" in plan.exact) or ("approximate" in plan.exact)
    assert plan.edge % 128 == 0


def test_what_needs_disk_says_so():
    plan = plan_matrix(100_000, 1000, 6 * GB, "matrix", rate=1e11)
    assert plan.disk_bytes == 4 * 100_000 * 99_999 // 2
    assert "20.0 GB on disk" in plan.text()
    assert plan.single
    assert "single precision" in plan.exact
    scan = plan_matrix(100_000, 1000, 6 * GB, "scan", thresholds=200, rate=1e11)
    assert scan.disk_bytes == 100_000**2
    assert plan_matrix(100_000, 1000, 6 * GB, "scan", thresholds=300, rate=1e11).disk_bytes == 2 * 10**10  # fmt: skip


def test_small_matrices_are_kept_in_double_precision():
    assert not plan_matrix(3000, 100, GB, rate=1e11).single
    assert plan_matrix(3001, 100, GB, rate=1e11).single


def test_rows_again_take_longer_and_samples_less():
    whole, rows, sample = (
        plan_matrix(100_000, 1000, memory, goal, rate=1e11).seconds
        for memory, goal in ((6 * GB, "matrix"), (2 * GB, "threshold"), (6 * GB, "medoids"))
    )
    assert rows > whole > 10 * sample


def test_impossible_plans_are_refused():
    with pytest.raises(ConfigError, match="unknown goal 'fame'") as caught:
        plan_matrix(10, 10, GB, "fame")
    assert "scan" in caught.value.hint
    with pytest.raises(ConfigError, match="cannot be planned"):
        plan_matrix(0, 10, GB)


def test_the_plan_promises_what_the_precision_holds():
    few, many = (plan_matrix(m, 100, 10**10).exact for m in (1414, 1500))
    assert "exact to 1e-6 Å" in few
    assert "exact to 1e-3 Å" in many
    assert "exact to 1e-6 Å" in plan_matrix(1500, 100, 10**10, precision="double").exact
