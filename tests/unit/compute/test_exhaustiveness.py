"""The tests for exhaustive sampling on cases that can be checked by hand."""

import math

import numpy as np
import pytest

from congruence.compute.exhaustiveness import (
    check_samples,
    refined_precision,
    sampling_precision,
    scan_thresholds,
    threshold_grid,
)
from congruence.compute.exhaustiveness_verdicts import Settings, assess, map_verdict
from congruence.compute.homogeneity import homogeneity, table_test
from congruence.compute.label_test import label_test
from congruence.compute.map_agreement import map_correlation
from congruence.compute.sampled_clusters import sampled_clusters, split_clusters
from congruence.compute.scan import bin_distances, count_close_pairs, neighbourhood_clusters
from congruence.compute.score_tests import compare_scores, top_score, top_score_expectation
from congruence.core.exhaustiveness import MapAgreement
from congruence.core.grid import DensityMap, Grid
from congruence.core.results import Alignment, DistanceMatrix, Level
from congruence.errors import ConfigError, InputError, ShapeError


def on_a_line(places):
    places = np.asarray(places, dtype=float)
    i, j = np.triu_indices(len(places), 1)
    return DistanceMatrix(np.abs(places[i] - places[j]), len(places), Alignment.NONE, "none")


def halves(n_a, n_b):
    return np.arange(n_a + n_b) < n_a


def two_places(a_left, a_right, b_left, b_right, *, seed=0, apart=100.0):
    """Two clouds of unit width; how many models of A and B each holds."""
    rng = np.random.default_rng(seed)
    counts = (a_left, a_right, b_left, b_right)
    centers = (0.0, apart, 0.0, apart)
    places = np.concatenate([c + rng.random(n) for n, c in zip(counts, centers, strict=True)])
    return on_a_line(places), a_left + a_right


def test_a_distance_equal_to_the_threshold_is_a_neighbour():
    bins = bin_distances(on_a_line([0.0, 1.0, 3.0]), [1.0, 2.0])
    assert bins.square.tolist() == [[0, 0, 2], [0, 0, 1], [2, 1, 0]]
    assert [c.tolist() for c in neighbourhood_clusters(bins, 0)] == [[0, 1], [2]]
    assert [c.tolist() for c in neighbourhood_clusters(bins, 1)] == [[1, 0, 2]]


def test_more_than_255_thresholds_need_two_bytes():
    matrix = on_a_line(np.arange(40.0))
    thresholds = np.linspace(0.05, 38.9, 700)
    bins = bin_distances(matrix, thresholds)
    assert bins.square.dtype == np.uint16
    one = bin_distances(matrix, [thresholds[333]])
    assert [c.tolist() for c in neighbourhood_clusters(bins, 333)] == [
        c.tolist() for c in neighbourhood_clusters(one, 0)
    ]


@pytest.mark.parametrize("thresholds", [[], [2.0, 1.0], [1.0, 1.0]])
def test_thresholds_must_ascend(thresholds):
    with pytest.raises(ConfigError, match="thresholds"):
        bin_distances(on_a_line([0.0, 1.0]), thresholds)


def test_close_pairs_are_counted():
    assert count_close_pairs(on_a_line([0.0, 1.0, 2.0 + 5e-7]), 1.0) == 2


def test_only_clusters_with_enough_models_of_both_samples_are_kept():
    matrix, n_a = two_places(11, 11, 11, 10)
    kept, dropped = split_clusters(matrix, halves(n_a, 21), 2.0)
    assert [len(k) for k in kept] == [22]
    assert [len(d) for d in dropped] == [21]
    kept, _ = split_clusters(matrix, halves(n_a, 21), 2.0, smallest=10)
    assert len(kept) == 2


def test_two_clusters_have_both_forms_of_chi_square():
    matrix, n_a = two_places(30, 20, 20, 30)
    kept, _ = split_clusters(matrix, halves(n_a, 50), 2.0)
    found = homogeneity(kept, halves(n_a, 50))
    assert found.chi2 == pytest.approx(4.0)
    assert found.chi2_compat == pytest.approx(3.24)  # 4 * 4.5^2 / 25
    assert found.v == pytest.approx(0.2)
    assert found.v_compat == pytest.approx(0.18)
    assert (found.dof, found.kept, found.coverage, found.rest) == (1, 2, 100.0, (0, 0))


def test_v_of_the_reference_counts_models_outside_of_the_table():
    clusters = [np.r_[0:30, 60:80], np.r_[30:50, 80:110]]
    in_a = np.zeros(210, dtype=bool)
    in_a[:60] = True
    found = homogeneity(clusters, in_a)
    assert found.v == pytest.approx(0.2)
    assert found.v_compat == pytest.approx(math.sqrt(3.24 / 210))
    assert found.rest == (10, 100)
    assert found.rest_p < 1e-4


def test_one_kept_cluster_passes_by_definition_and_none_fails_by_definition():
    in_a = halves(30, 10)
    one = homogeneity([np.arange(40)[in_a | True]], in_a, smallest=5)
    assert (one.p, one.v, one.chi2, one.coverage) == (1.0, 0.0, 0.0, 100.0)
    none = homogeneity([np.arange(40)], in_a)
    assert (none.p, none.v, none.coverage, none.kept) == (0.0, 1.0, 0.0, 0)


def test_a_table_where_nothing_can_differ():
    assert table_test(np.array([[10, 0], [5, 0]]))[:2] == (0.0, 1.0)
    assert table_test(np.zeros((0, 2), dtype=int))[1] == 1.0


def test_the_grid_is_that_of_the_reference_and_at_most_a_hundred_without_a_step():
    matrix = on_a_line([0.0, 1.0, 11.0])
    thresholds, step = threshold_grid(matrix, 5.0)
    assert thresholds.tolist() == [6.0]
    assert step == 5.0
    thresholds, step = threshold_grid(matrix)
    assert len(thresholds) == 100
    assert thresholds[0] == pytest.approx(1.0 + step)
    assert thresholds[-1] == pytest.approx(11.0 - step)


@pytest.mark.parametrize(("step", "words"), [(10.0, "no threshold"), (0.0, "positive"), (1e-6, "65,535")])  # fmt: skip
def test_steps_that_make_no_grid(step, words):
    with pytest.raises(ConfigError, match=words):
        threshold_grid(on_a_line([0.0, 1.0, 11.0]), step)


def scan_of(matrix, n_a, thresholds, step=1.0):
    return scan_thresholds(matrix, halves(n_a, matrix.m - n_a), thresholds, step=step)


def test_a_scan_that_never_passes_has_no_precision_but_the_reference_prints_the_last():
    matrix, n_a = two_places(25, 0, 0, 25)
    scan = scan_of(matrix, n_a, [1.0, 2.0, 50.0])
    for rule in ("right", "paper", "compat"):
        found = sampling_precision(scan, rule)
        assert not found.converged
        assert math.isnan(found.value)
        assert found.threshold == 50.0
    assert sampling_precision(scan, "compat").reported == (0.0, 1.0, 0.0)


def test_the_reference_keeps_numbers_of_another_threshold_when_the_last_one_passes():
    matrix, n_a = two_places(25, 0, 0, 25)
    scan = scan_of(matrix, n_a, [50.0, 101.5])
    found = sampling_precision(scan, "compat")
    assert found.converged
    assert found.threshold == 101.5
    assert found.reported == (0.0, 1.0, 0.0)
    assert sampling_precision(scan, "right").reported == (1.0, 0.0, 100.0)
    assert found.single


def test_the_precision_is_narrowed_down_to_the_asked_width():
    # Neighbours are 1 apart; ten of twelve in one cluster needs the threshold 5.
    places = np.repeat(np.arange(0.0, 44.0, 2.0), 2)
    order = np.concatenate([np.arange(0, 44, 2), np.arange(1, 44, 2)])
    matrix = on_a_line(places).take(order)
    scan = scan_of(matrix, 22, np.arange(2.5, 44.0, 8.0), step=8.0)
    coarse = sampling_precision(scan)
    fine = refined_precision(matrix, scan, coarse, resolution=0.1)
    assert coarse.converged
    assert fine.resolution <= 0.1
    assert fine.threshold < coarse.threshold
    # Populations change at distances that occur, which are even here.
    assert abs(fine.threshold - 2.0 * round(fine.threshold / 2.0)) <= 0.1
    below = scan_of(matrix, 22, [fine.threshold - fine.resolution])
    assert not sampling_precision(below).converged
    failed = sampling_precision(scan_of(*two_places(25, 0, 0, 25), [1.0]))
    assert refined_precision(matrix, scan, failed) is failed


def test_the_spread_of_a_cluster_by_hand():
    matrix = on_a_line([0.0, 1.0, 3.0, 4.0])
    (found,) = sampled_clusters(matrix, halves(2, 2), [np.array([1, 0, 2, 3])])
    assert found.center == 1
    assert found.sizes == (2, 2)
    assert found.precision == pytest.approx(6 / 3)
    assert found.precision_with_center == pytest.approx(6 / 4)
    assert found.max_to_center == 3.0
    assert (found.medoid, found.medoid_mean) == (1, 2.0)
    assert found.mean_pairwise == pytest.approx(14 / 6)


def test_top_scores_of_few_values():
    means, deviations = top_score_expectation(np.array([1.0, 2.0, 4.0]), np.array([1, 2, 3]))
    assert means == pytest.approx([7 / 3, 4 / 3, 1.0])
    assert deviations == pytest.approx([math.sqrt(14 / 9), math.sqrt(2) / 3, 0.0])


def test_top_score_of_large_samples_neither_overflows_nor_loses_digits():
    scores = 1e9 + np.random.default_rng(0).random(50_000)
    found = top_score(scores[:20_000], scores[20_000:])
    assert found.sizes[-1] == 50_000
    assert (np.diff(found.means) <= 0).all()
    assert found.means[0] - scores.min() == pytest.approx(1 / 5000, rel=0.2)


def test_one_lone_good_score_is_told():
    scores = np.concatenate([np.full(50, 10.0) + np.arange(50) * 1e-3, [-500.0], np.full(49, 10.0)])
    found = top_score(scores[:50], scores[50:])
    assert found.verdict.level is Level.WARNING
    assert "lone" in found.verdict.advice


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([], [1.0] * 20, "sample A has no scores"),
        ([1.0] * 20, [1.0, float("nan")] * 6, "not numbers, the first is score 1"),
        ([1.0] * 4, [1.0] * 5, "at least 10"),
    ],
)
def test_scores_that_cannot_be_used(a, b, words):
    with pytest.raises(ShapeError, match=words):
        top_score(np.array(a), np.array(b))


def test_scores_differ_only_if_p_is_small_and_d_is_large():
    rng = np.random.default_rng(1)
    many, other = rng.normal(size=3000), rng.normal(size=3000) + 0.2
    little = compare_scores(many, other)
    assert little.p["exact"] < 0.05
    assert little.d < 0.3
    assert little.verdict.level is Level.OK
    assert "but little" in little.verdict.claim
    apart = compare_scores(many[:100], other[:100] + 2)
    assert apart.verdict.level is Level.FAIL
    assert apart.verdict.advice
    assert [int(h.counts.sum()) for h in apart.histograms] == [100, 100]


def test_beyond_ten_thousand_scores_the_exact_p_is_left_out():
    rng = np.random.default_rng(2)
    found = compare_scores(rng.normal(size=10_001), rng.normal(size=50))
    assert "exact" not in found.p
    assert found.used == "asymp"


def test_the_label_test_sees_what_one_cluster_hides():
    matrix, n_a = two_places(40, 0, 0, 40)
    apart = label_test(matrix, halves(n_a, 40), permutations=99)
    assert apart.share > 0.95
    assert apart.p == pytest.approx(0.01)
    mixed, n_a = two_places(20, 20, 20, 20)
    assert abs(label_test(mixed, halves(n_a, 40), permutations=99).share) < 0.05
    one, two = (label_test(mixed, halves(n_a, 40), permutations=99) for _ in range(2))
    assert (one.share, one.p) == (two.share, two.p)


def test_the_energy_coefficient_of_two_distant_clusters_is_twice_v_squared():
    n = 1000
    points = np.zeros(2 * n)
    points[: int(0.6 * n)] = 100.0
    points[n : n + int(0.4 * n)] = 100.0
    found = label_test(on_a_line(points), halves(n, n), permutations=9)
    assert found.share == pytest.approx(2 * 0.2**2, abs=0.005)


def test_bad_samples_are_refused_with_a_hint():
    matrix = on_a_line(np.arange(20.0))
    cases = [
        (matrix, np.zeros(20, dtype=bool), "sample A is empty"),
        (matrix, np.ones(20, dtype=bool), "sample B is empty"),
        (on_a_line(np.arange(9.0)), halves(5, 4), "at least 10"),
        (on_a_line(np.zeros(20)), halves(10, 10), "all models are identical"),
    ]
    for bad, in_a, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            check_samples(bad, in_a)
        assert caught.value.hint
    with pytest.raises(ShapeError, match="7 models, the distances 20"):
        check_samples(matrix, halves(3, 4))
    broken = matrix.condensed.copy()
    broken[3] = np.nan
    with pytest.raises(ShapeError, match="1 distances are not numbers"):
        check_samples(DistanceMatrix(broken, 20, Alignment.NONE), halves(10, 10))


def test_scores_that_do_not_match_the_models():
    with pytest.raises(InputError, match="19 scores for 20 models") as caught:
        assess(on_a_line(np.arange(20.0)), 10, np.zeros(19))
    assert "One score per model" in caught.value.hint
    with pytest.raises(InputError, match="sample A has 30 models"):
        assess(on_a_line(np.arange(20.0)), 30)


def levels(result):
    return [str(v.level) for v in result.verdicts]


def test_one_cluster_is_a_normal_answer_that_is_marked():
    matrix = on_a_line(np.random.default_rng(3).normal(size=60))
    result = assess(matrix, 30, settings=Settings(step=6.0 * 0.5))
    assert result.precision.single
    assert levels(result) == ["note", "ok"]
    assert "single cluster" in result.verdicts[0].claim
    assert len(result.clusters) == 1


def test_models_of_the_samples_in_different_places_fail():
    matrix, n_a = two_places(40, 0, 0, 40)
    result = assess(matrix, n_a)
    assert levels(result)[1] == "fail"
    assert "nearer to each other" in result.verdicts[1].claim


def test_not_converged_says_so_and_makes_no_clusters():
    # No cluster can hold eleven models of B.
    matrix = on_a_line(np.random.default_rng(4).normal(size=60))
    result = assess(matrix, 52)
    assert levels(result)[0] == "fail"
    assert result.clusters == ()
    assert math.isnan(result.precision.value)
    assert math.isnan(result.threshold)
    compat = assess(matrix, 52, settings=Settings(mode="compat", step=1.0))
    assert compat.threshold == compat.precision.threshold
    rows = {d.quantity: d for d in compat.differences}
    assert "not converged" in rows["sampling precision"].right
    assert "prints its last threshold" in rows["sampling precision"].reason


def test_a_one_sided_rest_is_warned_about():
    # Two shared places, and one that only A has found: 17 % of all models.
    rng = np.random.default_rng(5)
    places = [rng.random(50), 100 + rng.random(50), 300 + rng.random(40)]
    places += [rng.random(50), 100 + rng.random(50)]
    matrix = on_a_line(np.concatenate(places))
    result = assess(matrix, 140, settings=Settings(step=2.0))
    assert result.precision.point.rest == (40, 0)
    assert result.verdicts[0].level is Level.WARNING
    assert "outside of the kept clusters" in result.verdicts[0].claim


def test_a_given_threshold_is_held_against_the_precision():
    matrix, n_a = two_places(30, 30, 30, 30)
    result = assess(matrix, n_a, settings=Settings(threshold=150.0))
    assert result.threshold == 150.0
    assert result.verdicts[-1].level is Level.OK
    fine = assess(matrix, n_a, settings=Settings(threshold=0.01))
    assert fine.verdicts[-1].level is Level.WARNING


def test_map_correlation_on_another_grid_is_trilinear():
    rng = np.random.default_rng(6)
    values = rng.random((4, 5, 6)).astype(np.float32)
    a = DensityMap("a", Grid((0.0, 0.0, 0.0), (6, 5, 4), 2.0), values)
    same = DensityMap("b", Grid((2.0, 0.0, 0.0), (5, 5, 4), 2.0), values[:, :, 1:])
    cc, cc_mean = map_correlation(a, same)
    expected = values.astype(float).copy()
    expected[:, :, 0] = 0
    x = values.astype(float)
    assert cc == pytest.approx((x * expected).sum() / math.sqrt((x**2).sum() * (expected**2).sum()))
    assert cc_mean == pytest.approx(np.corrcoef(x.ravel(), expected.ravel())[0, 1])
    with pytest.raises(ShapeError, match="no voxel"):
        map_correlation(a, same, contour=2.0)
    assert map_correlation(a, a, contour=0.5)[0] == pytest.approx(1.0)


def test_a_low_map_correlation_is_a_note():
    low = map_verdict((MapAgreement(0, "x", 0.99, 0.98), MapAgreement(1, "y", 0.2, 0.19)))
    assert low.level is Level.NOTE
    assert "'y' in cluster 1" in low.evidence
    assert map_verdict((MapAgreement(0, "x", 0.99, 0.98),)).level is Level.OK


def test_distances_of_rounding_errors_are_no_distances():
    rng = np.random.default_rng(1)
    for scale in (0.0, 2.4e-15, 9e-7):
        same = DistanceMatrix(scale * rng.random(190), 20, Alignment.NONE, "none")
        with pytest.raises(InputError, match="all models are identical"):
            check_samples(same, halves(10, 10))
    equal = DistanceMatrix(3.0 + 1e-7 * rng.random(190), 20, Alignment.NONE, "none")
    with pytest.raises(InputError, match="all models are 3 Å apart"):
        check_samples(equal, halves(10, 10))
    check_samples(
        DistanceMatrix(1e-5 * rng.random(190), 20, Alignment.NONE, "none"), halves(10, 10)
    )


def test_either_mode_is_measured_with_its_own_distances():
    rng = np.random.default_rng(2)
    places = np.sort(rng.normal(size=60)) + 20 * (np.arange(60) % 2)
    near, far = on_a_line(places), on_a_line(3 * places)
    own = {"right": {"right": near, "compat": far}, "compat": {"right": far, "compat": near}}
    for mode, other in (("right", "compat"), ("compat", "right")):
        alone = {m: assess(own[mode][m], 30, settings=Settings(m)) for m in (mode, other)}
        both = assess(near, 30, settings=Settings(mode), other=far)
        for rule in (mode, other):
            assert both.precisions[rule].threshold == alone[rule].precisions[rule].threshold
        first = both.differences[0]
        assert first.quantity == "distance between models"
        texts = (first.compat, first.right) if mode == "compat" else (first.right, first.compat)
        for text, matrix in zip(texts, (near, far), strict=True):
            assert f"mean {matrix.condensed.mean():.3f} Å" in text
        assert all(
            np.array_equal(a.members, b.members)
            for a, b in zip(both.clusters, alone[mode].clusters, strict=True)
        )


def test_a_given_threshold_needs_no_grid_of_the_reference_program():
    matrix = on_a_line(np.linspace(0, 4, 40))  # narrower than ten angstroms
    with pytest.raises(ConfigError, match="leaves no threshold"):
        assess(matrix, 20, settings=Settings("compat"))
    given = assess(matrix, 20, settings=Settings("compat", threshold=3.0, smallest=5))
    assert given.threshold == 3.0
    assert given.clusters
