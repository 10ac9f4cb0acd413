"""Densities against every map that the reference wrote."""

import json

import mrcfile
import numpy as np
import pytest
from goldenmembers import Cluster, listed_cluster, opened, placed, record, recorded_cluster
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.compute.density import localization_density
from congruence.compute.density_compat import (
    reference_density,
    reference_masses,
    reference_model_density,
    reference_sum,
)
from congruence.core.selection import from_pmi
from congruence.io.mrc import read_mrc

pytestmark = [pytest.mark.golden, needs_shared]

SINGLE = GOLDEN / "density"


def recorded_maps():
    """Yield (run, cluster number, label) of the maps in golden/clustering that have a record."""
    for path in sorted((GOLDEN / "clustering").glob("*/out/cluster.*/*.mrc")):
        yield path.parts[-4], int(path.parts[-2].split(".")[1]), path.stem


def spec(run, number, label):
    keywords = record(run)["clustering_kwargs"]
    items = keywords["density_custom_ranges"][label]
    return recorded_cluster(run, number), items, keywords.get("voxel_size") or 5.0


SCRIPT = {"stalk": ["Rpb4", (1, 80, "Rpb7")], "Rpb7": ["Rpb7"]}
LISTED = [
    (f"imp_scripts/kmeans_8_2/cluster.{k}", "stat.out", ("Rpb4",), name, SCRIPT[name], 4.0)
    for k in (0, 1)
    for name in SCRIPT
] + [
    ("clustering/skip_align_n10/out/all_models.0", "stat.0.out", ("Rpb4", "Rpb7"), n, [n], 3.0)
    for n in ("Rpb4", "Rpb7")
]  # fmt: skip


def check(cluster, items, voxel, label):
    golden = read_mrc(cluster.folder / f"{label}.mrc")
    topology, models = placed(cluster)
    beads = np.flatnonzero(from_pmi(items).mask(topology))
    points = models[:, beads]
    compat = reference_density(
        points, topology.radius[beads], reference_masses(topology)[beads], voxel=voxel
    )
    assert compat.grid == golden.grid
    assert np.array_equal(compat.values, golden.values)

    right = localization_density(models, topology, beads=beads, grid=golden.grid)
    # With coarse voxels the reference's drift between models blurs and moves tight clusters.
    least, most = (0.99, 0.5) if voxel <= 3.0 else (0.90, 0.55)
    assert correlation(right.values, golden.values) >= least
    assert np.abs(center(right) - center(golden)).max() <= most * voxel
    # All models on one grid have no drift: only the kernels differ then.
    m = len(models)
    grid, still = reference_model_density(
        points.reshape(-1, 3),
        np.tile(topology.radius[beads], m),
        np.tile(topology.mass[beads], m) / m,
        voxel=voxel,
    )
    same = localization_density(models, topology, beads=beads, grid=grid)
    assert correlation(same.values, still) >= 0.999
    mean = np.tensordot(topology.mass[beads], points.mean(axis=0), 1) / topology.mass[beads].sum()
    assert np.abs(center(right) - mean).max() < 0.01
    # The reference loses what lies beyond three sigma.
    assert golden.mass / right.mass == pytest.approx(0.971, abs=0.004)


def correlation(one, two):
    return np.corrcoef(one.ravel(), two.ravel())[0, 1]


def center(density):
    grid = density.grid
    weight = density.values.astype(np.float64)
    return np.array(
        [
            np.average(
                grid.origin[axis] + grid.voxel * np.arange(grid.shape[axis]),
                weights=weight.sum(axis=tuple(a for a in range(3) if a != 2 - axis)),
            )
            for axis in range(3)
        ]
    )


@pytest.mark.parametrize(("run", "number", "label"), list(recorded_maps()))
def test_cluster_maps(run, number, label):
    check(*spec(run, number, label), label)


@pytest.mark.parametrize(("folder", "stat", "align", "label", "items", "voxel"), LISTED)
def test_maps_of_clusters_that_a_stat_file_lists(folder, stat, align, label, items, voxel):
    check(listed_cluster(GOLDEN / folder, stat, align), items, voxel, label)


def particles(entry):
    points, radius, mass = zip(*entry["particles"], strict=True)
    return np.array(points), np.array(radius), np.array(mass)


@pytest.fixture(scope="module")
def single():
    return json.loads((SINGLE / "record.json").read_text())


@pytest.mark.parametrize(
    "name",
    ["one_res20_vox5", "one_res20_vox3", "one_res20_vox1", "three_res20_vox3", "threeB_res20_vox3", "three_res10_vox2"],
)  # fmt: skip
def test_single_maps(single, name):
    entry = single[name]
    points, radius, mass = particles(entry)
    grid, values = reference_model_density(
        points, radius, mass, voxel=entry["spacing"], map_resolution=entry["resolution"]
    )
    assert list(grid.shape) == entry["n"]
    assert list(grid.origin) == entry["origin"]
    assert values.max() == entry["max"]
    assert values.sum() == pytest.approx(entry["sum"], rel=1e-14)
    path = SINGLE / f"{name}.mrc"
    if path.exists():
        assert np.array_equal(values.astype(np.float32), read_mrc(path).values)
    right = localization_density(
        points[None], mass, grid=grid, map_resolution=entry["resolution"]
    ).values
    assert correlation(right, values) >= 0.999


def test_sum_of_two_maps(single):
    maps = [
        reference_model_density(*particles(single[name]), voxel=3.0)
        for name in ("three_res20_vox3", "threeB_res20_vox3")
    ]
    grid, values = reference_sum(*maps)
    assert list(grid.shape) == single["sum"]["n"]
    assert np.array_equal(values, np.load(SINGLE / "sum.npy"))
    half = read_mrc(SINGLE / "sum_half.mrc")
    assert half.grid == grid
    assert np.array_equal((values * 0.5).astype(np.float32), half.values)


def test_values_of_the_specification():
    file = opened(DATA / "mediator_pmi1/output/rmfs/2.rmf3")
    topology = file.topology(0)
    beads = np.flatnonzero(from_pmi((1, 100, "med2")).mask(topology))
    points = file.coordinates([0, 1, 2, 3], 0)[:, beads]
    radius, mass = topology.radius[beads], reference_masses(topology)[beads]
    one = reference_density(points[:1], radius, mass)
    assert (one.grid.shape, one.grid.origin) == ((41, 42, 39), (-83.0, -43.0, -113.0))
    assert float(one.values.max()) == pytest.approx(3.1305397120, rel=1e-7)
    four = reference_density(points, radius, mass)
    assert (four.grid.shape, four.grid.origin) == ((41, 44, 41), (-83.0, -44.0, -118.0))
    assert float(four.values.max()) == pytest.approx(2.1560063, rel=1e-7)
    assert four.mass == pytest.approx(12829.45, rel=1e-6)
    assert mass.sum() == pytest.approx(13200, rel=1e-6)


def test_values_of_all_ten_models():
    clusters = [recorded_cluster("noalign_n10_k2", k) for k in (0, 1)]
    ranks = record("noalign_n10_k2")["model_list_names_in_rank_order"]
    members = sorted(
        zip(clusters[0].files + clusters[1].files, clusters[0].frames + clusters[1].frames, strict=True),
        key=lambda m: next(i for i, n in enumerate(ranks) if n.endswith(f"{m[0].name}|{m[1]}")),
    )  # fmt: skip
    topology, models = placed(Cluster(None, *zip(*members, strict=True)))
    beads = np.flatnonzero(from_pmi("Rpb4").mask(topology))
    density = reference_density(
        models[:, beads], topology.radius[beads], topology.mass[beads], voxel=3.0
    )
    assert (density.grid.shape, density.grid.origin) == ((101, 93, 98), (-58.0, 6.0, 18.0))
    peak = np.unravel_index(density.values.argmax(), density.values.shape)
    assert peak == (64, 55, 37)
    assert float(density.values.max()) == pytest.approx(0.2326084, abs=5e-8)
    assert density.values.sum(dtype=np.float64) == pytest.approx(729.661464, rel=1e-8)


def test_headers_of_the_reference_are_what_the_reader_allows_for():
    path = GOLDEN / "clustering/noalign_n10_k2/out/cluster.0/Rpb4.mrc"
    with (
        pytest.warns(RuntimeWarning, match="machine stamp"),
        mrcfile.open(path, permissive=True) as file,
    ):
        header = file.header.copy()
    assert int(header.ispg) == 1065353216
    assert np.isnan(header.rms)
    assert int(header.nxstart) == 1
    assert read_mrc(path).grid.origin == tuple(float(v) for v in header.origin.tolist())
