import itertools

import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute.medoids import clara, minibatch_kmeans, pam
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.errors import ConfigError


def heaps(m, seed=0, apart=30.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, m)
    return rng.normal(size=(4, 10, 3))[truth] * apart + rng.normal(size=(m, 10, 3)), truth


def same_partition(one, two):
    return len(set(zip(one.tolist(), two.tolist(), strict=True))) == len(set(two.tolist()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_no_swap_makes_medoids_better(seed, k):
    x = np.random.default_rng(seed).normal(size=(14, 2))
    square = np.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    found = pam(square, k)

    def cost(medoids):
        return square[list(medoids)].min(axis=0).sum()

    for place in range(k):
        for other in range(14):
            assert cost([*np.delete(found, place), other]) >= cost(found) - 1e-9
    best = min(map(cost, itertools.combinations(range(14), k)))
    assert cost(found) <= 1.1 * best


@pytest.mark.parametrize("size", [40, 200, 2000])
def test_planted_heaps_are_found(size):
    models, truth = heaps(600)
    found = clara(models, Metric("superpose"), 4, sample_size=size)
    assert same_partition(found.labels, truth)
    square = rmsd_matrix(models, alignment="superpose").square()
    np.testing.assert_allclose(found.to_medoid, square[found.medoids].min(axis=0), atol=1e-6)
    assert found.cost == pytest.approx(min(found.costs))
    assert len(found.costs) == (1 if size == 2000 else 5)
    sizes = np.bincount(found.labels)
    assert (np.diff(sizes) <= 0).all()
    assert (found.labels[found.medoids] == np.arange(4)).all()
    assert "Other medoids may be better" in found.text()


def test_the_seed_decides():
    models, _ = heaps(700, apart=1.0)
    one, two = (clara(models, Metric("none"), 5, seed=3, threads=t) for t in (1, 3))
    assert one.labels.tobytes() == two.labels.tobytes()
    assert one.costs == two.costs
    assert clara(models, Metric("none"), 5, seed=4).costs != one.costs


def test_compressed_models_are_enough():
    models = rigid_models(0, models=900, bodies=3, beads=250)
    packed = clara(models, Metric("superpose"), 3)
    plain = clara(models, Metric("superpose"), 3, compression="off")
    assert "compression" in packed.definition
    assert packed.labels.tolist() == plain.labels.tolist()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"k": 0}, "0 clusters asked for"),
        ({"k": 11}, "11 clusters asked for, but there are 10 models"),
        ({"k": 3, "sample_size": 2}, "samples of 2 models hold no 3 medoids"),
        ({"k": 3, "samples": 0}, "0 samples asked for"),
    ],
)
def test_impossible_arguments_are_refused(words, message):
    models, _ = heaps(10)
    with pytest.raises(ConfigError, match=message) as caught:
        clara(models, Metric("none"), **words)
    assert caught.value.hint


@pytest.mark.parametrize("mode", ["none", "center"])
def test_means_of_coordinates_find_planted_heaps(mode):
    models, truth = heaps(500)
    found = minibatch_kmeans(models, Metric(mode), 4, seed=1)
    assert same_partition(found.labels, truth)
    own = [np.sqrt(((models[truth == c] - models[truth == c].mean(0)) ** 2).sum(2).mean(1)) for c in range(4)]  # fmt: skip
    if mode == "none":
        exact = np.sqrt((np.concatenate(own) ** 2).mean())
        assert exact <= found.spread < 1.1 * exact
    again = minibatch_kmeans(models, Metric(mode), 4, seed=1)
    assert again.labels.tobytes() == found.labels.tobytes()


@pytest.mark.parametrize(
    "metric", [Metric("superpose"), Metric("none", copies=(np.arange(4).reshape(2, 2),))]
)
def test_there_is_no_mean_under_rotation_or_exchange(metric):
    models, _ = heaps(10)
    with pytest.raises(ConfigError, match="without rotation and without copies") as caught:
        minibatch_kmeans(models, metric, 2)
    assert "medoids" in caught.value.hint
