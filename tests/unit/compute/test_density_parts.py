"""Maps in parts: what `densities` gives, from stretches of models that are summed apart."""

import numpy as np
import pytest

from congruence.compute import _density_blocks
from congruence.compute.density import common_grid, densities
from congruence.compute.density_parts import DensityParts, plus, stretch_models
from congruence.core.grid import Grid

RNG = np.random.default_rng(0)
MODELS = RNG.normal(size=(50, 12, 3)) * 15
MASSES = RNG.random(12) + 1
BEADS = np.arange(2, 12)


@pytest.fixture
def short(monkeypatch):
    """Let a block be 5 models, and a stretch 3 blocks."""
    monkeypatch.setattr(_density_blocks, "_BLOCK_VALUES", 12 * 3 * 5)
    monkeypatch.setattr(_density_blocks, "stretch", lambda *_: 3)
    monkeypatch.setattr("congruence.compute.density.stretch", lambda *_: 3)
    monkeypatch.setattr("congruence.compute.density_parts.stretch", lambda *_: 3)


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("voxel", "resolution"), [(5.0, 20.0), (5.0, 40.0), (4.0, 60.0)])
def test_sums_of_parts_have_the_bytes_of_the_map(
    short, monkeypatch, kernel, whole, voxel, resolution
):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    # A grid around some models cuts others: their Gaussians are added unfiltered.
    around = MODELS if whole else MODELS[20:24] / 2
    grid = common_grid(around, beads=BEADS, voxel=voxel, map_resolution=resolution)
    expected = densities(
        MODELS, MASSES, {"a": BEADS}, grid=grid, map_resolution=resolution, threads=2
    )["a"]
    step = stretch_models(12, len(BEADS), grid)
    assert step == 15
    sums = []
    for start in range(0, 50, step):
        parts = DensityParts(MASSES, BEADS, grid, resolution)
        sums = plus(sums, parts.part(MODELS[start : start + step], start))
    values = DensityParts(MASSES, BEADS, grid, resolution).density(sums, 50)
    np.testing.assert_array_equal(values, expected.values)
    assert values.dtype == np.float32


def test_stretches_change_no_digit_that_counts(short, monkeypatch):
    grid = common_grid(MODELS)
    parts = densities(MODELS, MASSES, {"a": BEADS}, grid=grid)["a"].values
    monkeypatch.setattr("congruence.compute.density.stretch", lambda *_: 10**9)
    whole = densities(MODELS, MASSES, {"a": BEADS}, grid=grid)["a"].values
    np.testing.assert_allclose(parts, whole, rtol=3e-7, atol=1e-12)


def test_what_one_part_has_and_others_have_not_is_added():
    one, two, more = (np.full((1, 1, 1), v) for v in (1.0, 2.0, 4.0))
    assert [a.item() for a in plus(plus([], [one]), [two, more])] == [3.0, 4.0]
    assert [a.item() for a in plus([more, two], [one])] == [7.0, 2.0]


def test_a_stretch_is_a_second_of_work_and_longer_on_large_grids():
    small, large = (Grid((0.0, 0.0, 0.0), (k, k, k), 5.0) for k in (50, 400))
    beads = [stretch_models(n, n, small) * n for n in (100, 1000, 20_000)]
    assert max(beads) < 1.1 * min(beads)
    assert stretch_models(1000, 10, small) > 2 * stretch_models(1000, 1000, small)
    assert stretch_models(1000, 1000, large) > 4 * stretch_models(1000, 1000, small)
    assert stretch_models(10**7, 10**7, small) == 1


def test_small_jobs_are_divided_by_the_rate_of_their_loops():
    grid = Grid((0.0, 0.0, 0.0), (30, 30, 30), 5.0)
    several = [stretch_models(100, 100, grid, job) for job in (0, 100, 1414, 1415, 10**6)]
    assert several[0] == several[3] == several[4] > 1.4 * several[1]
    assert several[1] == several[2]


def test_loops_are_those_of_the_job(monkeypatch):
    from congruence.compute import density_parts
    from congruence.compute.density import densities

    monkeypatch.delenv("CONGRUENCE_KERNEL", raising=False)
    asked = []
    chosen = density_parts.loops
    for module in ("density", "density_parts"):
        monkeypatch.setattr(
            f"congruence.compute.{module}.loops", lambda m: asked.append(m) or chosen(1)
        )
    models = np.random.default_rng(0).normal(size=(4, 5, 3))
    grid = Grid((-9.0, -9.0, -9.0), (20, 20, 20), 1.0)
    parts = density_parts.DensityParts(np.ones(5), np.arange(5), grid, 6.0, job=5000)
    parts.density(parts.part(models, 0), 4)
    densities(models, np.ones(5), {"all": np.arange(5)}, grid=grid, map_resolution=6.0, job=5000)
    assert asked == [5000] * 4
