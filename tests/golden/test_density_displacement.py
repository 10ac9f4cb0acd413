"""
Our density against the reference's maps, with each member where the merges of the reference put it.

The reference adds the map of one model after the other, each on a grid of its own, by nearest voxel.
How far that moves a member follows from the boxes of the maps alone. Nothing here is fitted to a map.
"""

import functools
import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from goldenmembers import listed_cluster, placed, record, recorded_cluster
from sharedpaths import GOLDEN, needs_shared

from congruence.compute.density import gaussian_sigma, localization_density
from congruence.core.grid import DensityMap
from congruence.core.selection import from_pmi
from congruence.io.mrc import read_mrc

pytestmark = [pytest.mark.golden, needs_shared]

RECORDED = [
    (path.parts[-4], path.parts[-2], path.stem)
    for path in sorted((GOLDEN / "clustering").glob("*/out/cluster.*/*.mrc"))
]
SCRIPT = {"stalk": ["Rpb4", (1, 80, "Rpb7")], "Rpb7": ["Rpb7"]}
LISTED = {
    **{
        ("kmeans_8_2", f"cluster.{k}", name): ("imp_scripts/kmeans_8_2", "stat.out", items, 4.0)
        for k in (0, 1)
        for name, items in SCRIPT.items()
    },
    **{
        ("skip_align_n10", "all_models.0", name): (
            *("clustering/skip_align_n10/out", "stat.0.out"),
            *([name], 3.0),
        )
        for name in ("Rpb4", "Rpb7")
    },
}
ALONE = ["one_res20_vox5", "one_res20_vox3", "three_res20_vox3", "threeB_res20_vox3", "three_res10_vox2"]  # fmt: skip
SINGLE = {("density", "", name): [name] for name in ALONE}
SINGLE["density", "", "sum_half"] = ["three_res20_vox3", "threeB_res20_vox3"]
CLUSTERS = [*RECORDED, *LISTED]
MAPS = [*CLUSTERS, *SINGLE]

CUT_MASS = math.erf(3 / math.sqrt(2)) - 3 * math.sqrt(2 / math.pi) * math.exp(-4.5)
"""What the reference's cut at three sigma leaves of the mass of a bead: 0.9707."""

CUT_VARIANCE = 1 - 9 * math.sqrt(2 / math.pi) * math.exp(-4.5) / CUT_MASS
"""What it leaves of the variance along an axis, in sigma squared: 0.9178."""


@dataclass(frozen=True, eq=False)
class Job:
    """The members of one map of the reference; points (m,b,3) are where they truly are."""

    golden: DensityMap
    points: np.ndarray
    radius: np.ndarray
    mass: np.ndarray
    resolution: float = 20.0

    @functools.cached_property
    def merged(self):
        return merged(self.points, self.radius, self.golden.grid.voxel, self.resolution)

    def density(self, move, resolution=None):
        """Return our density of the members moved by (m,3), in Å, on the grid of the map."""
        words = {"grid": self.golden.grid, "map_resolution": resolution or self.resolution}
        return localization_density(self.points + move[:, None], self.mass, **words)


def merged(points, radius, voxel, resolution):
    """
    Return how far the merges move each member (m,3) in Å, and origin and shape of the last grid.

    A grid starts at whole Å. The sum starts at the lower corner of both boxes, and whichever map
    does not start there goes to the nearest voxel, with all members it holds.
    """
    padding = 3 * (resolution + radius.max())
    low, high = points.min(axis=1), points.max(axis=1)
    starts, shapes = np.floor(low - padding), np.ceil((high - low + 2 * padding) / voxel)
    moves, start, shape = np.zeros(starts.shape), starts[0], shapes[0]
    for i in range(1, len(points)):
        corner = np.minimum(start, starts[i])
        end = np.maximum(start + shape * voxel, starts[i] + shapes[i] * voxel)
        moves[:i] += nearest(start, corner, voxel) - start
        moves[i] = nearest(starts[i], corner, voxel) - starts[i]
        start, shape = corner, np.ceil((end - corner) / voxel - 1e-6)
    return moves, tuple(start), tuple(shape)


def nearest(start, corner, voxel):
    return corner + voxel * np.floor(0.5 + (start - corner) / voxel)


@functools.cache
def job(run, folder, label):
    if (run, folder, label) in SINGLE:
        return single(label)
    if (run, folder, label) in LISTED:
        parent, stat, items, voxel = LISTED[run, folder, label]
        align = ("Rpb4",) if run == "kmeans_8_2" else ("Rpb4", "Rpb7")
        cluster = listed_cluster(GOLDEN / parent / folder, stat, align)
    else:
        words = record(run)["clustering_kwargs"]
        items, voxel = words["density_custom_ranges"][label], words.get("voxel_size") or 5.0
        cluster = recorded_cluster(run, int(folder.split(".")[1]))
    topology, models = placed(cluster)
    beads = np.flatnonzero(from_pmi(items).mask(topology))
    golden = read_mrc(cluster.folder / f"{label}.mrc")
    assert golden.grid.voxel == voxel
    return Job(golden, models[:, beads], topology.radius[beads], topology.mass[beads])


def single(label):
    entries = json.loads((GOLDEN / "density/record.json").read_text())
    members = [entries[name] for name in SINGLE["density", "", label]]
    points, radius, mass = zip(*(zip(*e["particles"], strict=True) for e in members), strict=True)
    assert set(radius) == {radius[0]}
    assert set(mass) == {mass[0]}
    beads = np.array(points), np.array(radius[0]), np.array(mass[0])
    return Job(read_mrc(GOLDEN / f"density/{label}.mrc"), *beads, members[0]["resolution"])


@dataclass(frozen=True)
class Agreement:
    """How a golden map compares with ours: distance of centres in voxels, variance in sigma squared."""

    correlation: float
    center: float
    mass: float
    variance: float

    def promised(self):
        """Tell whether the maps are as close as is promised: 0.99 and half a voxel."""
        return self.correlation >= 0.99 and self.center <= 0.5

    def same_but_for_the_cut(self):
        """Tell whether nothing but the cut of the reference's Gaussian is between the maps."""
        return (
            self.correlation >= 0.9995
            and self.center <= 0.01
            and abs(self.mass - CUT_MASS) <= 0.003
            and abs(self.variance - (CUT_VARIANCE - 1)) <= 0.03
        )


def compared(ours, golden, resolution):
    (our_center, our_variance), (center, variance) = moments(ours), moments(golden)
    return Agreement(
        float(np.corrcoef(ours.values.ravel(), golden.values.ravel())[0, 1]),
        float(np.abs(our_center - center).max() / golden.grid.voxel),
        golden.mass / ours.mass,
        float((variance - our_variance).mean() / gaussian_sigma(resolution) ** 2),
    )


def moments(density):
    """Return centre of mass (3,) and variance along each axis (3,)."""
    at, weight = density.grid, density.values.astype(np.float64)
    mean, variance = np.empty(3), np.empty(3)
    for axis in range(3):
        x = at.origin[axis] + at.voxel * np.arange(at.shape[axis])
        w = weight.sum(axis=tuple(a for a in range(3) if a != 2 - axis))
        mean[axis] = np.average(x, weights=w)
        variance[axis] = np.average((x - mean[axis]) ** 2, weights=w)
    return mean, variance


@functools.cache
def both(name):
    """Compare our density with a map of the reference: of members where they are, and moved."""
    one = job(*name)
    moves = one.merged[0]
    return tuple(
        compared(one.density(m), one.golden, one.resolution) for m in (np.zeros_like(moves), moves)
    )


def title(name):
    return "-".join(filter(None, name))


@pytest.mark.parametrize("name", MAPS, ids=title)
def test_displaced_members_give_the_map_of_the_reference(name):
    _, origin, shape = job(*name).merged
    grid = job(*name).golden.grid
    assert (origin, shape) == (grid.origin, grid.shape)
    truth, displaced = both(name)
    assert displaced.promised()
    assert displaced.same_but_for_the_cut(), displaced
    # Voxels of 3 Å are fine enough for the members as they are; a single model is not moved at all.
    assert truth.promised() or (grid.voxel > 3 and job(*name).merged[0].any())


@pytest.mark.parametrize("name", MAPS, ids=title)
def test_another_density_does_not(name):
    one = job(*name)
    moves = one.merged[0]
    half = np.array([one.golden.grid.voxel / 2, 0.0, 0.0])
    wrong = {
        "a narrow Gaussian": one.density(moves, 0.9 * one.resolution),
        "a broad Gaussian": one.density(moves, 1.1 * one.resolution),
        "half a voxel away": one.density(moves + half),
    }
    if moves.any():
        wrong["where members are"] = one.density(np.zeros_like(moves))
        wrong["moved the other way"] = one.density(-moves)
    for why, density in wrong.items():
        assert not compared(density, one.golden, one.resolution).same_but_for_the_cut(), why


def test_numbers_that_the_documentation_gives():
    truth, displaced = zip(*(both(name) for name in CLUSTERS), strict=True)
    assert len(CLUSTERS) == 37
    before, after = (np.array([a.correlation for a in part]) for part in (truth, displaced))
    assert sum(a.promised() for a in truth) == 25
    assert sum(a.promised() for a in displaced) == 37
    assert (before.min(), np.median(before)) == pytest.approx((0.906, 0.995), abs=5e-4)
    assert (after.min(), np.median(after)) == pytest.approx((0.9997, 0.9999), abs=5e-5)
    fine = np.array([job(*name).golden.grid.voxel == 3 for name in CLUSTERS])
    assert (fine.sum(), (before[~fine] < 0.99).sum()) == (21, 12)
    assert before[fine].min() == pytest.approx(0.991, abs=5e-4)
    assert max(a.center for a, f in zip(truth, fine, strict=True) if f) < 0.34
    assert max(a.center for a in truth) == pytest.approx(0.52, abs=0.005)
    assert max(a.center for a in displaced) == pytest.approx(0.005, abs=5e-4)
    moves = [job(*name).merged[0] / job(*name).golden.grid.voxel for name in CLUSTERS]
    rms = [math.sqrt((m**2).sum(axis=1).mean()) for m in moves]
    assert max(np.abs(m).max() for m in moves) == pytest.approx(1.0)
    assert max(rms) == pytest.approx(0.83, abs=0.005)
