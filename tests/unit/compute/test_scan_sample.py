"""A stratified sample for the scan, and clusters of all models at its threshold."""

import dataclasses

import numpy as np
import pytest

from congruence.compute.clustering import threshold_labels
from congruence.compute.exhaustiveness_sampled import EveryModel, assess_sampled, on_sample
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.metric import Metric
from congruence.compute.pairs import MatrixPairs
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.scan import bin_distances, neighbourhood_clusters
from congruence.compute.scan_sample import scan_sample
from congruence.compute.streaming import threshold_clusters
from congruence.core.results import Level
from congruence.errors import ConfigError, InputError
from congruence.plots.exhaustiveness import scan_data


def models(m=200, seed=1):
    """Two places, visited alike by both samples."""
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(2, 12, 3)) * 15
    place = rng.integers(0, 2, m)
    return shapes[place] + rng.normal(size=(m, 12, 3)) * 2


@pytest.mark.parametrize("size", [10, 37, 60, 199])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_sample_and_every_run_has_its_share(size, seed):
    rng = np.random.default_rng(7)
    runs = np.array([f"run{k}" for k in [*rng.integers(0, 3, 120), *rng.integers(3, 7, 80)]])
    found = scan_sample(120, 200, size, runs=runs, seed=seed)
    assert len(found.models) == size == len(set(found.models.tolist()))
    assert (np.diff(found.models) > 0).all()
    assert found.sizes == (int((found.models < 120).sum()), int((found.models >= 120).sum()))
    assert abs(found.sizes[0] - size * 0.6) < 1
    assert found.runs == 7
    for side, of, quota in ((slice(0, 120), 120, found.sizes[0]), (slice(120, 200), 80, found.sizes[1])):  # fmt: skip
        for run in set(runs[side]):
            mine = np.count_nonzero(runs[found.models] == run)
            assert abs(mine - quota * np.count_nonzero(runs[side] == run) / of) < 1


def test_the_seed_alone_decides():
    one, two, other = (scan_sample(120, 200, 60, seed=s).models for s in (3, 3, 4))
    assert (one == two).all()
    assert (one != other).any()
    # One of each equal stretch: never two of the first three models and none of others.
    assert (np.diff(one) <= 2 * 200 / 60 + 1).all()
    whole = scan_sample(120, 200, 999).models
    assert (whole == np.arange(200)).all()


def test_a_sample_without_models_is_refused():
    with pytest.raises(ConfigError, match="no model of a sample") as caught:
        scan_sample(1, 200, 12)
    assert "Scan more" in caught.value.hint


@pytest.mark.parametrize("memory", [4 << 30, 2000, 1])
def test_centers_are_those_of_the_matrix(memory):
    data = models()
    matrix = rmsd_matrix(data, Metric("superpose"))
    for threshold in (3.0, 4.0, 5.0):
        found = threshold_clusters(data, Metric("superpose"), threshold, memory=memory)
        assert found.way == ("bits" if memory > 1e6 else "rows")
        expected = neighbourhood_clusters(bin_distances(matrix, [threshold]), 0)
        assert [c.tolist() for c in found.clusters()] == [c.tolist() for c in expected]
        assert (found.labels == threshold_labels(matrix, threshold)).all()


def sampled(data, n_a, size, **settings):
    metric = Metric("superpose")
    matrix = rmsd_matrix(data, metric)
    sample = scan_sample(n_a, len(data), size, runs=[str(i // 10) for i in range(len(data))])

    def find(threshold):
        found = threshold_clusters(data, metric, threshold, memory=2000)
        return found.clusters(), found.close_pairs

    scores = np.random.default_rng(0).normal(size=len(data))
    part = matrix.take(sample.models)
    every = EveryModel(MatrixPairs(matrix), find)
    mine = assess_sampled(part, sample, every, scores, settings=Settings(smallest=5, **settings))
    return matrix, part, scores, mine


def test_the_scan_is_of_the_sample_and_everything_else_of_all():
    matrix, part, scores, found = sampled(models(), 120, 60)
    assert found.precision.converged
    alone = assess(part, 36, settings=Settings(smallest=5))
    assert found.threshold == alone.threshold
    assert dataclasses.asdict(found.labels) == dataclasses.asdict(alone.labels)
    at = assess(matrix, 120, scores, settings=Settings(smallest=5, threshold=found.threshold))
    assert found.sizes == at.sizes == (120, 80)
    assert found.scores.p == at.scores.p
    assert (found.top_score.means == at.top_score.means).all()
    labels = threshold_labels(matrix, found.threshold)
    for mine, theirs in zip(found.clusters, at.clusters, strict=True):
        assert mine.members.tolist() == theirs.members.tolist()
        assert len(set(labels[mine.members])) == 1
        assert (labels == labels[mine.center]).sum() == len(mine.members)
        for name in ("sizes", "precision", "max_to_center", "medoid", "mean_pairwise"):
            assert getattr(mine, name) == getattr(theirs, name)
    assert found.sample.every.table.tolist() == [list(c.sizes) for c in found.clusters]
    assert found.sample.every.models == 200
    said = [v for v in found.verdicts if "stratified sample" in v.claim]
    assert [v.level for v in said] == [Level.NOTE]
    assert "60 of 200 models (36 of 120 A, 24 of 80 B)" in said[0].evidence
    assert scan_data(found).caption.startswith("A stratified sample of 60 of 200 models clustered")
    small = on_sample(found)
    assert small.sizes == (36, 24)
    for mine, own in zip(found.clusters, small.clusters, strict=True):
        assert set(found.sample.models[own.members]) == set(mine.members) & set(found.sample.models)


def line(apart):
    """Models on a line: of both samples in two places, or of each sample in its own."""
    rng = np.random.default_rng(0)
    side = np.arange(200) < 120 if apart else rng.random(200) < 0.5
    models = np.zeros((200, 1, 3))
    models[:, 0, 0] = np.where(side, 0.0, 50.0) + rng.random(200)
    return rmsd_matrix(models, Metric("none"))


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_clusters_of_all_that_fail_are_a_warning_unless_asked_for(threshold):
    matrix, sample = line(apart=False), scan_sample(120, 200, 60)
    # As if all models lay otherwise than the sample: A in one place, B in the other.
    every = EveryModel(MatrixPairs(matrix), lambda _: ((np.arange(110), np.arange(110, 200)), 3))
    part, settings = matrix.take(sample.models), Settings(smallest=5, threshold=threshold)
    found = assess_sampled(part, sample, every, settings=settings)
    # The second cluster holds 10 of A and 80 of B, the first none of B.
    assert found.sample.every.table.tolist() == [[10, 80]]
    said = next(v for v in found.verdicts if "stratified" in v.claim)
    assert "3 pairs" in said.evidence
    assert "45.0 % of 200 models" in said.evidence
    assert said.level is (Level.WARNING if threshold is None else Level.NOTE)
    assert ("do not pass" in said.claim) == ("Scan more models" in said.advice) == (threshold is None)  # fmt: skip


def test_without_a_sampling_precision_there_are_no_clusters_of_all():
    matrix, sample = line(apart=True), scan_sample(120, 200, 60)
    every = EveryModel(MatrixPairs(matrix), lambda _: pytest.fail("nothing to cluster at"))
    part = matrix.take(sample.models)
    found = assess_sampled(part, sample, every, settings=Settings(step=10.0, smallest=37))
    assert not found.precision.converged
    assert found.clusters == ()
    assert found.sample.every is None
    assert any("no cluster of all models was made" in v.evidence for v in found.verdicts)


def test_refusals():
    matrix = rmsd_matrix(models(), Metric("none"))
    sample = scan_sample(120, 200, 60)
    every = EveryModel(MatrixPairs(matrix), lambda t: ((), 0))
    part = matrix.take(sample.models)
    with pytest.raises(ConfigError, match="never sampled"):
        assess_sampled(part, sample, every, settings=Settings(mode="compat"))
    with pytest.raises(InputError, match="3 scores for 200 models"):
        assess_sampled(part, sample, every, np.zeros(3))
    with pytest.raises(ConfigError, match="all models"):
        on_sample(assess(part, 36))
