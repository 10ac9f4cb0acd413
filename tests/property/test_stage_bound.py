"""The error bound of overlaps, where eigenvalues of Horn's matrix (nearly) coincide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from congruence.compute import _device_stage, _eigen
from congruence.compute._tiles import _EPS, _QUARTIC_ERROR

SIDE, SCALE, FACTOR = 128, 3.2, 8 * _EPS
PAIRS = SIDE * SIDE


def apart(rng, values):
    """Return numbers a little below, by anything from rounding to a tenth."""
    return values * (1.0 - 10.0 ** rng.uniform(-14, -1, len(values)))


def any_shapes(rng):
    return np.sort(rng.uniform(0, 1, (PAIRS, 3)) ** 3, axis=1)[:, ::-1]


def two_alike(rng):
    s = any_shapes(rng).copy()
    s[:, 2] = apart(rng, s[:, 1])
    return s


def all_alike(rng):
    s = any_shapes(rng).copy()
    s[:, 1] = apart(rng, s[:, 0])
    s[:, 2] = apart(rng, s[:, 1])
    return s


def lines(rng):
    s = any_shapes(rng).copy()
    s[:, 1:] *= 10.0 ** rng.uniform(-14, 0, (PAIRS, 1))
    return s


def unlike(rng):
    return two_alike(rng) * 10.0 ** rng.uniform(-8, 0, (PAIRS, 1))


@pytest.mark.parametrize("shapes", [any_shapes, two_alike, all_alike, lines, unlike])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_eigenvalues_are_within_their_bound(shapes, seed):
    rng = np.random.default_rng(seed)
    values = shapes(rng).copy()
    values[:, 2] *= rng.choice([-1.0, 1.0], PAIRS)  # mirror images too
    left, right = (Rotation.random(PAIRS, random_state=rng).as_matrix() for _ in range(2))
    covariance = np.einsum("kij,kj,klj->kil", left, values, right)
    planes = np.ascontiguousarray(covariance.reshape(SIDE, SIDE, 3, 3).transpose(2, 0, 3, 1))
    squares = np.full(SIDE, SCALE), np.full(SIDE, SCALE)
    exact = values.sum(axis=1).reshape(SIDE, SIDE)

    found = _device_stage.largest_eigenvalues(np, planes, squares)
    scales = np.full((SIDE, SIDE), SCALE), np.full((SIDE, SIDE), SCALE)
    bound = _device_stage._error(np, found, scales, FACTOR, same=True)
    sure = found[1] > 0
    assert (np.abs(found[0] - exact) * found[1] <= bound)[sure].all()

    value, slope = _eigen.largest_eigenvalues(planes.reshape(3 * SIDE, 3 * SIDE), *squares)
    distance = np.sqrt(np.maximum(2.0 * (SCALE - value), 0.0))
    error = np.abs(np.sqrt(2.0 * (SCALE - exact)) - distance)
    for tolerance in (1e-9, 1e-7):
        bounds = (FACTOR, _QUARTIC_ERROR * _EPS, tolerance)
        doubtful = _eigen.unsure(distance, slope, (scales[0], scales[0]), bounds)
        assert (error[~doubtful] <= tolerance).all()
    assert not doubtful.all()
