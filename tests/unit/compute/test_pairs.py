"""Distances that are kept and distances that are measured again give the same answers."""

import numpy as np
import pytest

from congruence.compute.exhaustiveness_uncertainty import with_uncertainty
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.metric import Metric
from congruence.compute.pairs import MatrixPairs, as_pairs
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.compute.rows import DistanceRows
from congruence.compute.sampling_uncertainty import Origins
from congruence.compute.streamed_pairs import StreamedPairs
from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import ShapeError
from congruence.simulate import simulate_ensemble

METRIC = Metric("superpose", weights="none", copies="off")


@pytest.fixture(scope="module")
def models():
    return simulate_ensemble(models=150, clusters=2, seed=71)[0]


def streamed(models, **options):
    return StreamedPairs(
        lambda sink: rmsd_tiles(models, sink, METRIC, edge=128),
        DistanceRows(models, METRIC),
        METRIC.mode,
        "none",
        **options,
    )


def plain(result):
    """Everything that is a number or a text of a result."""
    chosen = {r: (p.threshold, p.resolution, p.reported, p.close_pairs) for r, p in result.precisions.items()}  # fmt: skip
    members = [c.members.tolist() for c in result.clusters]
    spreads = [(c.precision, c.medoid, c.mean_pairwise, c.max_to_center) for c in result.clusters]
    scan = [result.scan.column(n).tolist() for n in ("p", "v", "coverage", "kept", "p_compat")]
    return chosen, members, np.array(spreads), scan, [v.level for v in result.verdicts]


@pytest.mark.parametrize("mode", ["right", "compat"])
def test_the_tests_come_out_the_same_without_a_matrix(models, mode, tmp_path):
    matrix = rmsd_matrix(models, METRIC, dtype=np.float32 if mode == "compat" else np.float64)
    settings = Settings(mode, 1.0 if mode == "compat" else None)
    kept = assess(matrix, 75, settings=settings)
    file = tmp_path / "bins.npy" if mode == "compat" else None
    pairs = streamed(models, single=mode == "compat", file=file)
    found = assess(pairs, 75, settings=settings)
    for one, two in zip(plain(kept), plain(found), strict=True):
        if isinstance(one, np.ndarray):
            assert one == pytest.approx(two, abs=1e-6)
        else:
            assert one == two
    assert kept.labels.share == pytest.approx(found.labels.share, abs=1e-9)
    assert kept.labels.p == found.labels.p
    assert pairs.passes <= 8
    assert file is None or file.stat().st_size > 150 * 150


def test_intervals_come_out_the_same_without_a_matrix(models):
    origins = Origins(
        np.array([f"run{i // 25}" for i in range(150)], dtype=object),
        np.zeros(150, dtype=np.int64),
        np.arange(150) % 25,
    )
    one, two = (
        with_uncertainty(assess(distances, 75), distances, origins).uncertainty
        for distances in (rmsd_matrix(models, METRIC), streamed(models))
    )
    assert one.precision == two.precision
    assert one.populations == two.populations


def test_every_question_has_the_answer_of_the_matrix(models):
    kept, again = MatrixPairs(rmsd_matrix(models, METRIC)), streamed(models)
    assert kept.spread() == pytest.approx(again.spread(), abs=1e-9)
    low, high, _ = kept.spread()
    levels = np.linspace(low, high, 7)[1:-1]
    assert (kept.bins(levels).square == again.bins(levels).square).all()
    assert (kept.bins(levels).counts == again.bins(levels).counts).all()
    before = again.passes
    for one, two in zip(kept.clusters(levels[2]), again.clusters(levels[2]), strict=True):
        assert one.tolist() == two.tolist()
    assert again.passes == before  # the bins are still there
    assert again.row(4) == pytest.approx(kept.row(4), abs=1e-9)
    members = np.array([7, 3, 90])
    assert again.to_center(members) == pytest.approx(kept.to_center(members), abs=1e-9)
    (one,), (two,) = kept.sums([members]), again.sums([members])
    assert one == pytest.approx(two, abs=1e-9)
    assert again.sums([]) == ()
    assert again.take(members).condensed == pytest.approx(kept.take(members).condensed, abs=1e-9)
    near = float(kept.matrix.condensed[5])
    assert kept.close([near, 1e6]) == again.close([near, 1e6])
    assert kept.close([near])[0] >= 1


def test_all_models_in_their_order_are_the_matrix_itself(models):
    matrix = rmsd_matrix(models[:20], METRIC)
    assert as_pairs(matrix).take(np.arange(20)) is matrix
    assert as_pairs(matrix).take(np.arange(19)).m == 19


def test_a_distance_that_is_not_a_number_names_its_models():
    values = np.arange(1.0, 11.0)  # 5 models; the eighth pair is of models 2 and 3
    values[7] = np.nan
    named = DistanceMatrix(values, 5, Alignment.NONE, "none", tuple("abcde"))
    with pytest.raises(ShapeError, match="models c and d"):
        MatrixPairs(named).spread()
