"""The exhaustiveness protocol against the published and the reference program's outputs."""

import json

import numpy as np
import pytest
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.compute.exhaustiveness import (
    refined_precision,
    sampling_precision,
    scan_thresholds,
    threshold_grid,
)
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.homogeneity import homogeneity
from congruence.compute.map_agreement import map_correlation
from congruence.compute.metric import Metric
from congruence.compute.reference_distance import reference_distances
from congruence.compute.rmsd import place, rmsd_matrix
from congruence.compute.sampled_clusters import sampled_clusters, split_clusters
from congruence.compute.scan import bin_distances, count_close_pairs, neighbourhood_clusters
from congruence.compute.score_tests import compare_scores, top_score
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.placement import PlacedModels
from congruence.core.provenance import Losses
from congruence.core.results import Alignment, DistanceMatrix
from congruence.core.topology import Molecule, Topology
from congruence.io.mrc import read_mrc
from congruence.io.rmf import open_rmf
from congruence.io.sampcon import read_identities, read_members, read_output_json, read_scores
from congruence.io.sampcon_published import read_published
from congruence.io.stat import read_stat
from congruence.workflow.exhaust import exhaust
from congruence.workflow.exhaust_options import ExhaustOptions

pytestmark = [pytest.mark.golden, needs_shared]

SPOTS = DATA / "spots"
REFERENCE = GOLDEN / "exhaustiveness" / "threshold_runs"
IN_A = np.arange(998) < 499

# Threshold, clusters, kept, first centers with sizes, pairs within it.
ROWS = [
    (5.611023724079132, 448, 1, "225(33) 299(26) 165(25)", 2486),
    (10.611023724079132, 75, 7, "79(172) 251(150) 733(149)", 36024),
    (15.611023724079132, 17, 8, "160(265) 264(190) 539(158)", 71088),
    (20.611023724079132, 12, 6, "553(373) 641(272) 479(169)", 91543),
    (25.611023724079132, 8, 6, "158(397) 651(299) 216(138)", 124643),
    (30.611023724079132, 5, 4, "", 183090),
    (35.61102372407913, 4, 3, "124(781) 89(125) 173(83) 138(9)", 248372),
    (40.61102372407913, 2, 2, "459(887) 874(111)", 335745),
    (45.61102372407913, 2, 1, "775(968) 40(30)", 407775),
    (50.61102372407913, 1, 1, "199(998)", 453471),
    (55.61102372407913, 1, 1, "10(998)", 492721),
]

# Frames of both runs whose cross-link distance is below a limit, by limit.
FRAMES = {
    12: ([10, 25, 26, 27, 28, 30, 35, 36], [11, 19, 26, 30, 31, 34]),
    15: (
        [10, 17, 18, 20, 24, 25, 26, 27, 28, 29, 30, 35, 36, 37, 40, 46, 47],
        [11, 18, 19, 20, 21, 22, 26, 27, 29, 30, 31, 33, 34],
    ),
}


@pytest.fixture(scope="module", autouse=True)
def without_figures():
    """Nothing here looks at figures, and drawing takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("congruence.plots.exhaustiveness.save_figures", lambda *_, **__: ())
        yield


@pytest.fixture(scope="module")
def spots():
    condensed = np.load(SPOTS / "Distances_Matrix.data.npy")
    return DistanceMatrix(condensed, 998, Alignment.NONE, "none")


@pytest.fixture(scope="module")
def scores():
    return [read_scores(SPOTS / "analys" / f"{s}_models_clust-1.txt") for s in "AB"]


def test_all_rows_of_the_published_scan_to_the_last_digit(spots):
    thresholds, step = threshold_grid(spots, 5.0)
    scan = scan_thresholds(spots, IN_A, thresholds, step=step)
    columns = [scan.column(c).tolist() for c in ("p_compat", "v_compat", "coverage")]
    mine = [" ".join(map(str, row)) for row in zip(thresholds.tolist(), *columns, strict=True)]
    published = (SPOTS / "SPOTS.ChiSquare_Grid_Stats.txt").read_text().splitlines()
    assert mine == published
    bins = bin_distances(spots, thresholds)
    for k, (threshold, every, kept, centers, pairs) in enumerate(ROWS):
        clusters = neighbourhood_clusters(bins, k)
        assert thresholds[k] == threshold
        assert len(clusters) == every
        assert scan.points[k].kept == kept == homogeneity(clusters, IN_A).kept
        found = " ".join(f"{c[0]}({len(c)})" for c in clusters[: len(centers.split())])
        assert found == centers
        assert (int(bins.counts[k].sum()) - 998) // 2 == pairs
    two = scan.points[7]
    assert (two.chi2, two.p) == pytest.approx((0.496684, 0.480961), abs=1e-6)
    v = [0, 0.19630602, 0.17373692, 0.16386316, 0.13070088, 0.09540745, 0.06201014, 0.02230872]
    assert scan.column("v")[:8] == pytest.approx(v, abs=1e-8)
    assert count_close_pairs(spots, 50.611023724079132) == 1


@pytest.mark.parametrize(
    ("step", "value", "p", "v", "coverage", "table"),
    [
        (5, 30.611, 0.0297457790, 0.0947840261, 98.697395, "294,322 142,104 38,43 17,25"),
        (1, 26.611, 0.3286447326, 0.0680328751, 98.096192, "240,229 112,119 61,73 38,41 40,26"),
        (2, 26.611, 0.3286447326, 0.0680328751, 98.096192, "240,229 112,119 61,73 38,41 40,26"),
        (2.5, 28.111, 0.4340801720, 0.0616869553, 99.498998, "279,267 88,98 61,71 36,41 31,21"),
    ],
)  # fmt: skip
def test_the_published_precision_depends_on_the_step(spots, step, value, p, v, coverage, table):
    thresholds, width = threshold_grid(spots, step)
    found = sampling_precision(scan_thresholds(spots, IN_A, thresholds, step=width), "compat")
    assert f"{found.threshold:.3f}" == str(value)
    assert found.reported == pytest.approx((p, v, coverage), rel=1e-7)
    assert " ".join(f"{a},{b}" for a, b in found.point.table.tolist()) == table


def test_without_a_step_the_precision_is_exact_to_a_tenth(spots):
    thresholds, step = threshold_grid(spots)
    scan = scan_thresholds(spots, IN_A, thresholds, step=step)
    found = refined_precision(spots, scan, sampling_precision(scan))
    assert found.converged
    assert found.resolution <= 0.1
    assert 20.0 < found.threshold < 26.7


def test_the_paper_asks_for_more(spots):
    scan = scan_thresholds(spots, IN_A, threshold_grid(spots, 5.0)[0])
    assert f"{sampling_precision(scan, 'paper').threshold:.3f}" == "35.611"
    assert f"{sampling_precision(scan, 'right').threshold:.3f}" == "30.611"


def test_published_members_follow_and_published_precisions_do_not(spots):
    kept, dropped = split_clusters(spots, IN_A, 30.611023724079132)
    assert [(int(d[0]), len(d)) for d in dropped] == [(8, 13)]
    clusters = sampled_clusters(spots, IN_A, kept)
    expected = [
        (23.096965, 23.059470, 30.5879, 124, 22.177655, 28.649378),
        (12.962723, 12.910029, 29.8019, 662, 12.627013, 17.505617),
        (10.447245, 10.318267, 29.5387, 520, 9.578200, 12.222629),
        (13.840762, 13.511220, 27.2139, 309, 12.053012, 15.442030),
    ]
    published = read_published(SPOTS)
    for c, numbers in zip(clusters, expected, strict=True):
        assert tuple(c.members.tolist()) == published.members[c.index]
        assert c.sizes == published.populations[c.index]
        found = (c.precision, c.precision_with_center, c.max_to_center, c.medoid, c.medoid_mean, c.mean_pairwise)  # fmt: skip
        assert found == pytest.approx(numbers, abs=1e-4)
        assert abs(c.precision - published.precisions[c.index]) > 0.5


def test_the_output_says_that_published_precisions_disagree(tmp_path):
    options = ExhaustOptions(
        "SPOTS",
        compat=True,
        step=5.0,
        scores=tuple(SPOTS / "analys" / f"{s}_models_clust-1.txt" for s in "AB"),
    )
    result = exhaust([SPOTS], tmp_path / "out", options).result
    assert "4 published numbers disagree with the matrix" in result.verdicts[-1].claim
    rows = [d for d in result.differences if d.quantity.startswith("published precision")]
    assert [d.compat for d in rows] == ["18.253 Å", "12.259 Å", "8.428 Å", "12.046 Å"]
    written = tmp_path / "out"
    for name in (
        "SPOTS.ChiSquare_Grid_Stats.txt",
        "SPOTS.Cluster_Population.txt",
        "SPOTS.Score_Hist_A.txt",
        "SPOTS.Score_Hist_B.txt",
        "Distances_Matrix.data.npy",
        *(f"cluster.{k}.{part}.txt" for k in range(4) for part in ("all", "sample_A", "sample_B")),
    ):
        assert (written / name).read_bytes() == (SPOTS / name).read_bytes(), name
    third = [p.joinpath("SPOTS.Sampling_Precision_Stats.txt").read_text().splitlines()[2] for p in (written, SPOTS)]  # fmt: skip
    assert third[0] == third[1] == "30.611\t0.030\t0.095\t98.697"


def test_scores_of_the_published_run(scores):
    found = compare_scores(*scores)
    assert found.d == 0.07414829659318645
    assert found.p["stephens"] == pytest.approx(0.123088168623508, rel=1e-13)
    assert found.p["asymp"] == pytest.approx(0.121667058680281, rel=1e-12)
    assert found.p["exact"] == pytest.approx(0.128688155664781, rel=1e-12)
    top = top_score(*scores)
    assert top.sizes.tolist() == [99, 199, 299, 399, 499, 598, 698, 798, 898, 998]
    assert top.means[:3] == pytest.approx([855.767342, 854.718349, 854.249835], abs=1e-6)
    assert top.deviations[:3] == pytest.approx([1.721313, 1.196290, 0.859542], abs=1e-6)
    drawn = np.loadtxt(SPOTS / "SPOTS.Top_Score_Conv.txt")
    error = top.deviations / np.sqrt(150)
    assert (np.abs(drawn[:, 1] - top.means) <= 4 * error + 1e-9).all()


def frames_below(limit):
    """Frames of either run whose cross-link distance is at most so large."""
    found = []
    for run in ("run1", "run2"):
        stat = DATA / "threshold_runs" / run / "output" / "stat.0.out"
        table = read_stat(stat, losses=Losses())
        (name,) = [n for n in table.columns if "Restraint_Distance_" in n]
        distance = np.array([float(v) for v in table.columns[name]])
        found.append(np.flatnonzero(distance <= limit).tolist())
    return found


def good_models(limit):
    return [
        open_rmf(DATA / f"threshold_runs/{run}/output/rmfs/0.rmf3").coordinates(frames, 1)
        for run, frames in zip(("run1", "run2"), frames_below(limit), strict=True)
    ]


def test_the_models_are_those_of_the_reference():
    for limit, frames in FRAMES.items():
        assert frames_below(limit) == [list(f) for f in frames]
    assert [len(f) for f in frames_below(30)] == [46, 44]


def run_of(limit, alignment, **settings):
    a, b = good_models(limit)
    exact = rmsd_matrix(np.concatenate([a, b]), alignment=alignment, weights="none")
    rounded = DistanceMatrix(
        exact.condensed.astype(np.float32), exact.m, exact.alignment, exact.weights
    )
    return rounded, assess(rounded, len(a), settings=Settings("compat", 0.5, **settings))


@pytest.mark.parametrize(
    ("alignment", "first", "low", "high", "mean", "grid", "threshold", "table", "precision"),
    [
        ("none", (52.974308, 39.459637, 47.379612, 103.840118), 11.663850, 275.164368, 130.513602, 527, 142.663850, [[17, 11]], 104.6475),
        ("center", (10.022708, 9.390500, 8.855705, 7.250345), 2.239140, 17.076347, 10.384293, 29, 11.739140, [[14, 12]], 8.7427),
        ("superpose", (2.864016, 3.766118, 2.170643, 5.228439), 0.171036, 5.488463, 2.438000, 10, 2.671036, [[15, 12]], 1.703263718546399),
    ],
)  # fmt: skip
def test_the_three_distances_at_15(
    alignment, first, low, high, mean, grid, threshold, table, precision
):
    matrix, result = run_of(15, alignment)
    assert matrix.condensed[:4] == pytest.approx(first, abs=2e-6)
    found = (matrix.condensed.min(), matrix.condensed.max(), matrix.condensed.mean(dtype=float))
    assert found == pytest.approx((low, high, mean), abs=2e-6)
    assert len(result.scan.thresholds) == grid
    assert result.precision.threshold == pytest.approx(threshold, abs=1e-6)
    assert result.precision.point.table.tolist() == table
    assert result.clusters[0].precision == pytest.approx(precision, abs=5e-5)
    assert result.precision.single


def test_at_12_nothing_converges_and_the_reference_prints_the_last_threshold():
    _, result = run_of(12, "superpose")
    assert result.scan.thresholds[0] == pytest.approx(0.8738738894462585, rel=1e-12)
    assert len(result.scan.thresholds) == 8
    found = result.precision
    assert not found.converged
    assert f"{found.threshold:.3f}" == "4.374"
    assert found.reported == (0.0, 1.0, 0.0)
    assert result.clusters == ()
    assert result.verdicts[0].level == "fail"


def test_at_30_all_chosen_by_the_distance_column():
    rounded, result = run_of(30, "superpose")
    assert rounded.condensed[:4] == pytest.approx([3.0454, 4.4624, 1.8233, 2.9925], abs=1e-4)
    found = (rounded.condensed.min(), rounded.condensed.max(), rounded.condensed.mean(dtype=float))
    assert found == pytest.approx((0.17103556, 9.636978, 3.439245), abs=1e-6)
    coverage = [0, 0, 0, 50, 67.777778, 78.888889, 83.333333, 92.222222, 97.777778, 98.888889, 100]
    assert result.scan.column("coverage")[:11] == pytest.approx(coverage, abs=1e-5)
    assert result.precision.threshold == pytest.approx(3.671035558, abs=1e-8)
    (cluster,) = result.clusters
    assert (cluster.center, cluster.sizes) == (25, (42, 33))
    assert cluster.precision == pytest.approx(2.282, abs=1e-3)


@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
@pytest.mark.parametrize("limit", [12, 15, 30])
def test_matrix_precision_and_maps_take_the_one_distance(limit, alignment):
    """The reference program takes raw coordinates for the matrix and centred ones after it."""
    models = np.concatenate(good_models(limit))
    matrix, result = run_of(limit, alignment, threshold=None)
    source = open_rmf(DATA / "threshold_runs/run1/output/rmfs/0.rmf3")
    m = len(models)
    threshold = float(np.quantile(matrix.condensed, 0.6))
    (members, *_), _ = split_clusters(matrix, np.arange(m) < m // 2, threshold, smallest=1)
    (cluster,) = sampled_clusters(matrix, np.arange(m) < m // 2, [members])
    metric = Metric(alignment, weights="none", copies="off")
    ensemble = Ensemble(models, source.topology(1), nameless(m))
    placed = PlacedModels(ensemble, members, place(ensemble, members, cluster.center, metric), ())
    apart = placed.read(0, len(members)) - models[cluster.center]
    seen = np.sqrt((apart**2).sum(axis=2).mean(axis=1))
    assert seen == pytest.approx(matrix.row(cluster.center)[members], abs=2e-5)
    assert reference_distances(models[members[0]], models[members[1:]], alignment) == pytest.approx(
        matrix.row(cluster.center)[members[1:]], abs=2e-5
    )
    assert cluster.precision == pytest.approx(seen.sum() / (len(members) - 1), abs=2e-5)
    assert cluster.max_to_center <= threshold
    for point in result.scan.points:
        assert point.models == m
        assert int(point.table.sum()) + sum(point.rest) == m


def nameless(m):
    numbers, names = np.arange(m), np.array([str(i) for i in range(m)], dtype=object)
    return ModelTable(names, numbers, names, numbers, numbers, names, names, numbers, np.zeros(m))


def test_a_threshold_that_is_given():
    _, result = run_of(15, "superpose", threshold=3.0)
    (cluster,) = result.clusters
    assert (cluster.center, cluster.sizes) == (14, (17, 12))
    assert cluster.precision == pytest.approx(1.743072797609019, rel=1e-8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from congruence.io.rmf.clone import MemberWriter

    home = tmp_path_factory.mktemp("good")
    number = 0
    for sample, run, frames in zip("AB", ("run1", "run2"), FRAMES[15], strict=True):
        source = open_rmf(DATA / f"threshold_runs/{run}/output/rmfs/0.rmf3")
        writer = MemberWriter(source)
        (home / f"sample_{sample}").mkdir()
        for frame in frames:
            writer.write(frame, home / f"sample_{sample}" / f"{number}.rmf3")
            number += 1
        text = (REFERENCE / f"scores{sample}.txt").read_text()
        (home / f"scores{sample}.txt").write_text(text)
    return home


@pytest.fixture(scope="module")
def outcome(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "out"
    options = ExhaustOptions(
        "test", align="superpose", compat=True, step=0.5, densities={"TestAll": "Rpb1"}
    )
    return out, exhaust([folder], out, options).result


SAME = [
    "Distances_Matrix.data.npy",
    "cluster.0.all.txt",
    "cluster.0.sample_A.txt",
    "cluster.0.sample_B.txt",
    "test.ChiSquare_Grid_Stats.txt",
    "test.Cluster_Population.txt",
    "test.KS_Test.txt",
    "test.Score_Hist_A.txt",
    "test.Score_Hist_B.txt",
]


@pytest.mark.parametrize("name", SAME)
def test_files_are_those_of_the_reference_character_by_character(outcome, name):
    assert (outcome[0] / name).read_bytes() == (REFERENCE / name).read_bytes()


def test_files_with_sentences_or_paths_have_the_same_numbers(outcome):
    out, result = outcome
    for name, line in (("Sampling_Precision_Stats", 2), ("Cluster_Precision", 0)):
        mine, theirs = ((p / f"test.{name}.txt").read_text().splitlines() for p in (out, REFERENCE))
        assert mine[line].split("\t")[-4:] == theirs[line].split("\t")[-4:] or (
            mine[line].split()[-2:] == theirs[line].split()[-2:] == ["1.703", "A"]
        )
        assert len(mine) == len(theirs)
    for sample in "AB":
        mine, theirs = (read_identities(p / f"Identities_{sample}.txt") for p in (out, REFERENCE))
        assert [i for _, i in mine] == [i for _, i in theirs]
        assert [n.rsplit("/", 1)[1] for n, _ in mine] == [n.rsplit("/", 1)[1] for n, _ in theirs]
    drawn = np.loadtxt(REFERENCE / "test.Top_Score_Conv.txt")
    mine = np.loadtxt(out / "test.Top_Score_Conv.txt")
    assert mine[:, 0].tolist() == drawn[:, 0].tolist()
    assert (np.abs(mine[:, 1] - drawn[:, 1]) <= 4 * mine[:, 2] / np.sqrt(150) + 1e-12).all()
    assert mine[:4, 1] == pytest.approx([-0.954845, -0.981971, -0.986252, -0.988267], abs=1e-6)
    assert len(result.clusters[0].members) == 27


def test_the_json_is_that_of_the_reference(outcome):
    mine, theirs = (read_output_json(p / "test.output.json") for p in (outcome[0], REFERENCE))
    texts = [(p / "test.output.json").read_text() for p in (outcome[0], REFERENCE)]
    for data in (mine, theirs):
        data["producer"].pop("written_by", None)
        del data["producer"]["version"], data["input_frames"]
    # The text itself: order of keys, spacing, all digits.
    assert json.dumps(mine) == json.dumps(theirs)
    mine, theirs = (t[t.index('"chi_square_grid_stats"') :] for t in texts)
    assert mine == theirs


@pytest.mark.parametrize("place", ["", "Sample_A/", "Sample_B/"])
def test_maps_are_those_of_the_reference(outcome, place):
    name = f"cluster.0/{place}LPD_TestAll.mrc"
    mine, theirs = read_mrc(outcome[0] / name), read_mrc(REFERENCE / name)
    assert mine.grid == theirs.grid
    assert np.abs(mine.values - theirs.values).max() <= 6e-8


def test_the_map_correlation_of_the_reference_maps(outcome):
    a, b = (read_mrc(REFERENCE / f"cluster.0/Sample_{s}/LPD_TestAll.mrc") for s in "AB")
    assert map_correlation(a, b) == pytest.approx((0.984439, 0.984419), abs=1e-6)
    (found,) = outcome[1].maps
    assert (found.cc, found.cc_mean) == pytest.approx((0.984439, 0.984419), abs=1e-5)


def test_the_center_leads_to_the_json(outcome):
    file = open_rmf(outcome[0] / "cluster.0" / "cluster_center_model.rmf3")
    reference = open_rmf(REFERENCE / "cluster.0" / "cluster_center_model.rmf3")
    assert np.array_equal(file.coordinates([0], 1), reference.coordinates([0], 1))
    names = [node.name for node in file.nodes.values()]
    assert "cluster.0" in names
    listed = json.loads((outcome[0] / "run.json").read_text())["files"]
    assert "test.output.json" in listed
    assert (read_members(outcome[0] / "cluster.0.all.txt")[0]) == 16


def symmetric_pair():
    p = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [10, 0, 0], [11, 0, 0], [10, 2, 0], [10, 0, 3], [5, 5, 5]],
        dtype=float,
    )  # fmt: skip
    q = p[[4, 5, 6, 7, 0, 1, 2, 3, 8]]
    q[:4] += (0.5, 0, 0)
    q[4:8] += (0, 0.5, 0)
    q[8] += (0, 0, 1)
    turn = np.radians(30)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])  # fmt: skip
    return np.stack([p, q @ rotation.T + (1, 2, 3)])


@pytest.mark.parametrize(
    ("alignment", "plain", "swapped"),
    [
        ("none", 11.036874892, 6.225861184),
        ("center", 9.447990689, 2.492642804),
        ("superpose", 2.478042859, 0.363574170),
    ],
)
def test_interchangeable_units(alignment, plain, swapped):
    from congruence.workflow.swaps import swap_groups

    molecules = [Molecule("A", 0), Molecule("A", 1)]
    topology = Topology.simple(molecules, beads_per_molecule=4)
    groups = swap_groups(topology, [(("A.0",), ("A.1",))])
    pair = symmetric_pair()
    for copies, expected in (("off", plain), (groups, swapped)):
        matrix = rmsd_matrix(pair, alignment=alignment, weights="none", copies=copies)
        assert matrix.condensed[0] == pytest.approx(expected, abs=1e-8)
