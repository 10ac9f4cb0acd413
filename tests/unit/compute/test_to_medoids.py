import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.to_medoids import distances_to_centers, nearest_medoids

METRIC = Metric("superpose")


@pytest.fixture(scope="module")
def models():
    return rigid_models(4, models=300, beads=6)


@pytest.fixture(scope="module")
def square(models):
    return rmsd_matrix(models, METRIC, precision="double").square()


@pytest.mark.parametrize("count", [1, 3, 150])
def test_the_nearest_of_some_models(models, square, count):
    medoids = np.random.default_rng(0).permutation(300)[:count]
    labels, distances = nearest_medoids(models, METRIC, medoids, threads=2)
    assert labels.tolist() == square[medoids].argmin(axis=0).tolist()
    assert distances == pytest.approx(square[medoids].min(axis=0), abs=1e-6)


def test_the_distance_to_the_own_center_over_more_centers_than_a_block(models, square):
    labels = np.random.default_rng(3).integers(-1, 200, 300)
    labels[:200] = np.arange(200)
    centers = np.arange(200)
    found = distances_to_centers(models, METRIC, labels, centers)
    known = labels >= 0
    assert np.isnan(found[~known]).all()
    assert found[known] == pytest.approx(square[labels[known], known], abs=1e-6)
    one, two = (distances_to_centers(models, METRIC, labels, centers, threads=n) for n in (1, 3))
    assert one.tobytes() == two.tobytes()


def test_no_centers(models):
    none = np.empty(0, dtype=np.int64)
    assert np.isnan(distances_to_centers(models, METRIC, np.full(300, -1), none)).all()
