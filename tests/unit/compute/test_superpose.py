import numpy as np
import pytest

from congruence.compute.superpose import optimal_rotations, superpose
from congruence.errors import ShapeError

RNG = np.random.default_rng(5)
QUARTER_TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def residual(mobile, target, weights=None):
    placement = superpose(mobile, target, weights)
    assert np.linalg.det(placement.rotation) == pytest.approx(1.0, abs=1e-12)
    w = np.ones(len(mobile)) if weights is None else weights
    off = ((placement.apply(mobile, ()) - target) ** 2).sum(axis=1)
    return float(np.sqrt((w * off).sum() / w.sum()))


def test_recovers_a_known_motion():
    x = RNG.normal(size=(7, 3)) * 20
    placement = superpose(x, x @ QUARTER_TURN.T + [1.0, -2.0, 1000.0])
    np.testing.assert_allclose(placement.rotation, QUARTER_TURN, atol=1e-12)
    np.testing.assert_allclose(placement.translation, [1.0, -2.0, 1000.0], atol=1e-10)


def test_single_beads_are_laid_on_each_other_without_a_turn():
    placement = superpose(np.array([[1.0, 2, 3]]), np.array([[4.0, 4, 4]]))
    np.testing.assert_array_equal(placement.rotation, np.eye(3))
    np.testing.assert_allclose(placement.translation, [3, 2, 1])


def test_two_beads_differ_by_half_the_difference_of_their_lengths():
    one = np.array([[0.0, 0, 0], [2, 0, 0]])
    two = np.array([[5.0, 5, 5], [5, 11, 5]])
    assert residual(one, two) == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("direction", [[1.0, 0, 0], [1, 1, 1], [0, -2, 0.5]])
def test_beads_on_a_line(direction):
    along = np.array([0.0, 1, 3, 7])[:, None]
    assert (
        residual(along * [0, 0, 1.0], along * np.array(direction) / np.linalg.norm(direction))
        < 1e-12
    )


def test_flat_beads_may_be_turned_over():
    flat = np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0], [5, 5, 0]])
    assert residual(flat, flat * [-1, 1, 1]) < 1e-12


def test_a_mirror_image_is_never_reached():
    x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    mirrored = x * [1, 1, -1]
    brute = min(residual_of_rotation(x, mirrored, q) for q in random_rotations(4000))
    assert 0.3 < residual(x, mirrored) <= brute
    assert residual(x, mirrored) == pytest.approx(brute, rel=0.1)


def residual_of_rotation(x, y, rotation):
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.sqrt(((x @ rotation.T - y) ** 2).sum() / len(x)))


def random_rotations(count):
    from scipy.spatial.transform import Rotation

    return Rotation.random(count, random_state=1).as_matrix()


def test_weights_decide_which_beads_fit():
    x = RNG.normal(size=(6, 3)) * 10
    y = x.copy()
    y[5] += 30.0
    weights = np.array([1.0, 1, 1, 1, 1, 0])
    assert residual(x, y, weights) < 1e-12
    np.testing.assert_allclose(superpose(x, y, weights).rotation, np.eye(3), atol=1e-12)


def test_agrees_with_scipy_for_weights():
    from scipy.spatial.transform import Rotation

    x, y, w = RNG.normal(size=(9, 3)), RNG.normal(size=(9, 3)), RNG.uniform(0.1, 3, 9)
    cx, cy = w @ x / w.sum(), w @ y / w.sum()
    expected, _ = Rotation.align_vectors(y - cy, x - cx, weights=w)
    np.testing.assert_allclose(superpose(x, y, w).rotation, expected.as_matrix(), atol=1e-9)


def test_overlap_is_what_the_rotation_reaches():
    covariance = RNG.normal(size=(50, 3, 3))
    rotation, overlap = optimal_rotations(covariance)
    np.testing.assert_allclose((rotation * covariance).sum(axis=(1, 2)), overlap, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)


@pytest.mark.parametrize(
    ("mobile", "target", "weights", "words"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), None, "shapes"),
        (np.zeros((0, 3)), np.zeros((0, 3)), None, "at least one bead"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), None, "not finite"),
        (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2), "zero"),
        (np.zeros((2, 3)), np.zeros((2, 3)), np.array([1.0, -1]), "negative"),
        (np.zeros((2, 3)), np.zeros((2, 3)), np.ones(3), "weights must be 2"),
    ],
)
def test_unusable_input_is_refused(mobile, target, weights, words):
    with pytest.raises(ShapeError, match=words):
        superpose(mobile, target, weights)
