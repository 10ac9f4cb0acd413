"""Precision from distances: by hand, compat, intervals that cover what was planted."""

import numpy as np
import pytest

from congruence.compute.pair_styles import STYLES, style_distances
from congruence.compute.precision import compat_precision, mean_interval, precision, separation
from congruence.errors import ConfigError, ShapeError

LINE = np.abs(np.subtract.outer([0.0, 1.0, 5.0, 6.0], [0.0, 1.0, 5.0, 6.0]))


def test_by_hand():
    found = precision(LINE)
    assert found.models == 4
    assert found.center == 1  # sums 12, 10, 10, 12: the first of the two
    assert found.pairwise == pytest.approx((1 + 5 + 6 + 4 + 5 + 1) / 6)
    assert found.to_center == pytest.approx((1 + 4 + 5) / 3)
    assert found.median_to_center == 4
    assert found.max_to_center == 5
    assert found.no_interval == "the runs of the models are not known"


def test_compat_counts_the_model_itself():
    found = precision(LINE).compat
    assert found.average_pairwise == pytest.approx(2 * 22 / 16)
    assert found.average_pairwise == pytest.approx(precision(LINE).pairwise * 3 / 4)
    assert found.average_to_center == pytest.approx((0 + 1 + 4 + 5) / 4)
    assert found.median_to_center == 2.5
    assert compat_precision(LINE, skip=2).average_pairwise == 2.5
    assert compat_precision(LINE, skip=2).center == 0


def test_a_center_does_not_depend_on_rounding():
    turned = LINE * (1 + 1e-15 * np.array([1, 1.2, 0.9, 1])[:, None])
    assert precision((turned + turned.T) / 2).center == 1


def test_one_model_has_no_precision():
    found = precision(np.zeros((1, 1)), runs=["a"])
    assert np.isnan([found.pairwise, found.to_center, found.max_to_center]).all()
    assert found.compat.average_pairwise == 0
    assert found.no_interval == "there is one model"


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros((0, 0)), np.zeros(4)])
def test_shapes_are_checked(bad):
    with pytest.raises(ShapeError, match="square"):
        precision(bad)


def test_runs_are_checked():
    with pytest.raises(ShapeError, match="3 runs for 4 models"):
        precision(LINE, runs=["a", "b", "c"])


def test_frames_of_one_run_give_no_interval():
    found = precision(LINE, runs=["a"] * 4)
    assert found.pairwise_interval is None
    assert "frames of a run are not independent" in found.no_interval


def test_rows_and_arrays_give_the_same():
    class Rows:
        shape = LINE.shape

        def __getitem__(self, row):
            return LINE[row]

    runs = ["a", "b", "a", "b"]
    assert precision(Rows(), runs=runs) == precision(LINE, runs=runs)
    assert separation(Rows(), 0, 3) == separation(LINE, 0, 3)


def test_separation_by_hand():
    found = separation(np.array([[1.0, 2.0], [6.0, 3.0]]), 1, 0)
    assert (found.average, found.smallest, found.centers) == (3.0, 1.0, 6.0)
    with pytest.raises(ShapeError):
        separation(np.zeros((0, 2)), 0, 0)


def sampled(seed, runs, each):
    """Draw models of six beads: a displacement of every model, another of every bead."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(scale=2.0, size=(runs * each, 1, 3))
    points = whole + rng.normal(scale=1.0, size=(runs * each, 6, 3))
    return points, [f"run{k}" for k in np.repeat(np.arange(runs), each)]


@pytest.mark.parametrize("runs", [2, 4, 8])
def test_intervals_cover_the_planted_precision(runs):
    big, _ = sampled(99, 1, 2500)
    truth = precision(style_distances(big, big, "pairwise_rmsd")).pairwise
    exact = np.sqrt(((big - 0.0) ** 2).sum(axis=2).mean(axis=1)).mean()
    covered = accurate = 0
    for seed in range(200):
        points, names = sampled(seed, runs, 15)
        square = style_distances(points, points, "pairwise_rmsd")
        covered += truth in precision(square, runs=names, resamples=300).pairwise_interval
        to_native = np.sqrt((points**2).sum(axis=2).mean(axis=1))
        accurate += exact in mean_interval(to_native, names, resamples=300)[0]
    assert 0.90 <= covered / 200 <= 0.99
    assert 0.90 <= accurate / 200 <= 0.99


def test_intervals_repeat_and_do_not_depend_on_the_order_of_models():
    points, names = sampled(3, 4, 10)
    square = style_distances(points, points, "pairwise_rmsd")
    order = np.random.default_rng(0).permutation(40)
    first = precision(square, runs=names).pairwise_interval
    assert precision(square, runs=names).pairwise_interval == first
    other = precision(square[np.ix_(order, order)], runs=np.array(names)[order]).pairwise_interval
    assert other.low == pytest.approx(first.low)
    assert other.high == pytest.approx(first.high)
    assert first.runs == 4


TRIANGLE = np.array([[[0.0, 0, 0], [3, 0, 0], [0, 4, 0]], [[0.0, 0, 0], [3, 0, 0], [0, 50, 0]]])


def test_styles_by_hand():
    one, two = TRIANGLE[:1], TRIANGLE[1:]
    d1, d2 = np.array([3, 4, 5.0]), np.array([3, 50, np.sqrt(2509)])
    expected = {
        "pairwise_rmsd": 46 / np.sqrt(3),
        "pairwise_drmsd_k": np.sqrt(((d1 - d2) ** 2).mean()),
        "pairwise_drms_k": np.sqrt(((d1**2 - d2**2) ** 2).sum() / (4 * (d1**2).sum())),
        "pairwise_drmsd_Q": np.sqrt(((d1 - d2) ** 2).mean()),
    }
    for style in STYLES:
        assert style_distances(one, two, style)[0, 0] == pytest.approx(expected[style])
    # Only the first pair of beads is near in either model.
    near = style_distances(one, two, "pairwise_drmsd_Q", threshold=3.5)
    assert near[0, 0] == 0
    assert style_distances(one, two, "pairwise_drmsd_Q", threshold=0.5)[0, 0] == 0


def test_the_first_model_gives_the_scale_of_drms():
    found = style_distances(TRIANGLE, TRIANGLE, "pairwise_drms_k")
    assert found[0, 1] > 5 * found[1, 0] > 0
    whole = precision(found)
    assert whole.pairwise == pytest.approx((found[0, 1] + found[1, 0]) / 2)
    assert whole.compat.average_to_center == pytest.approx(found[0, 1] / 2)


def test_blocks_of_bead_pairs_do_not_change_a_distance(monkeypatch):
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=(3, 20, 3)), rng.normal(size=(4, 20, 3))
    whole = {s: style_distances(one, two, s, threshold=2.0) for s in STYLES}
    monkeypatch.setattr("congruence.compute.pair_styles._CHUNK", 16 * 7 * 11)
    for style, values in whole.items():
        assert style_distances(one, two, style, threshold=2.0) == pytest.approx(values)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ((TRIANGLE, TRIANGLE, "drmsd_from_center"), ConfigError, "no style 'drmsd_from_center'"),
        ((TRIANGLE, TRIANGLE[:, :2], "pairwise_rmsd"), ShapeError, "same beads"),
        ((TRIANGLE * np.nan, TRIANGLE, "pairwise_rmsd"), ShapeError, "not finite"),
    ],
)
def test_styles_refuse(call, error, message):
    with pytest.raises(error, match=message):
        style_distances(*call)


def test_the_threshold_must_be_positive():
    with pytest.raises(ConfigError, match="positive number of Å"):
        style_distances(TRIANGLE, TRIANGLE, "pairwise_drmsd_Q", threshold=0)
