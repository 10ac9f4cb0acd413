import numpy as np
import pytest

from congruence.simulate.geometry import (
    multiply,
    random_rotations,
    rmsd_tables,
    rotation_matrices,
    small_rotations,
)

RNG = np.random.default_rng(5)


def test_quarter_turns_about_z_and_x():
    quarter = np.sqrt(0.5)
    about_z = rotation_matrices(np.array([quarter, 0, 0, quarter]))
    assert np.allclose(about_z @ [1, 0, 0], [0, 1, 0])
    about_x = rotation_matrices(np.array([quarter, quarter, 0, 0]))
    assert np.allclose(about_x @ [0, 1, 0], [0, 0, 1])


def test_product_of_quaternions_is_product_of_matrices():
    one, two = random_rotations(RNG, (7,)), random_rotations(RNG, (7,))
    product = rotation_matrices(one) @ rotation_matrices(two)
    assert np.allclose(rotation_matrices(multiply(one, two)), product)


def test_matrices_are_proper_rotations_also_of_long_quaternions():
    turns = rotation_matrices(3.0 * random_rotations(RNG, (20,)))
    assert np.allclose(turns @ np.swapaxes(turns, -1, -2), np.eye(3))
    assert np.allclose(np.linalg.det(turns), 1.0)


def test_small_rotation_by_vector():
    half = small_rotations(np.array([[0.0, 0.0, np.pi], [0.0, 0.0, 0.0]]))
    assert np.allclose(half, [[0, 0, 0, 1], [1, 0, 0, 0]])


def test_rmsd_by_hand_with_weights():
    pair = np.array([[[0.0, 0, 0], [2, 0, 0]]])
    longer = np.array([[[0.0, 0, 0], [4, 0, 0]]])
    plain, best = rmsd_tables(pair, longer, np.array([1.0, 1.0]))
    assert np.isclose(plain[0, 0], np.sqrt(2.0))  # 0 and 2, mean square 2
    assert np.isclose(best[0, 0], 1.0)  # each end 1 off after centring
    plain, best = rmsd_tables(pair, longer, np.array([3.0, 1.0]))
    assert np.isclose(plain[0, 0], 1.0)
    assert np.isclose(best[0, 0], np.sqrt((3 * 0.25 + 2.25) / 4))


def test_superposed_rmsd_knows_rigid_motions_from_mirrors():
    model = RNG.normal(size=(1, 9, 3))
    turn = rotation_matrices(random_rotations(RNG, ()))
    moved = model @ turn.T + 4.0
    assert rmsd_tables(model, moved, np.ones(9))[1][0, 0] == pytest.approx(0.0, abs=1e-6)
    assert rmsd_tables(model, -model, np.ones(9))[1][0, 0] > 0.3
