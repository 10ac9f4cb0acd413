"""The eigenvalue stage, compiled and not: the same numbers from products of either precision."""

import numpy as np
import pytest

from congruence.compute._eigen import stage
from congruence.compute._packing import TILE

pytest.importorskip("numba")


def covariance(models):
    rows = models.transpose(2, 0, 1).reshape(3 * TILE, -1)
    return rows @ rows.T


@pytest.fixture(params=[np.float64, np.float32], ids=["double", "single"])
def tile(request):
    rng = np.random.default_rng(5)
    models = rng.normal(size=(TILE, 9, 3)) * [20.0, 5.0, 5.0]
    models[1::8] = models[::8]  # duplicates
    models[2::8] = -models[::8]  # mirror images
    models[3::8, :, 1:] = 0.0  # on a line
    models[4::8, :, 2] = 0.0  # flat
    models[5] = 0.0
    models -= models.mean(axis=1, keepdims=True)
    squares = (models**2).sum(axis=(1, 2))
    return covariance(models).astype(request.param), squares


def true_overlaps(product):
    blocks = product.astype(np.float64).reshape(3, TILE, 3, TILE).transpose(1, 3, 0, 2)
    values = np.linalg.svd(blocks, compute_uv=False)
    values[..., 2] *= np.where(np.linalg.det(blocks) < 0, -1.0, 1.0)
    return values.sum(axis=-1)


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_overlaps_are_those_of_the_singular_values(kernel, tile):
    product, squares = tile
    found, slope = stage(0, kernel).solve(product, squares, squares)
    expected = true_overlaps(product)
    scale = np.maximum(0.5 * (squares[:, None] + squares), 1e-9)
    off = np.abs(found - expected) / scale
    # Where two eigenvalues meet digits are lost, and the slope there is small.
    clear = slope > 1e-2 * scale**3
    assert clear.mean() > 0.2
    # Products in single precision may exceed the sums of squares, where the search begins.
    assert off[clear].max() < (1e-10 if product.dtype == np.float64 else 1e-7)
    assert off[slope >= 0.0].max() < 1e-6
    assert (found >= -1e-9 * scale).all()


def test_compiled_distances_are_those_of_numpy(tile):
    product, squares = tile
    bounds = (1e-7, 1e-14, 1e-3)
    plain = stage(0, "numpy").distances(product, squares, squares, bounds)
    fused = stage(0, "numba").distances(product, squares, squares, bounds)
    sure = ~plain[1] & ~fused[1]
    assert sure.mean() > 0.3
    np.testing.assert_allclose(fused[0][sure], plain[0][sure], rtol=0, atol=1e-5)
    assert plain[2] == np.count_nonzero(plain[1])
    assert fused[2] == np.count_nonzero(fused[1])


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_no_distance_that_is_off_is_called_sure(kernel, tile):
    product, squares = tile
    distance, doubtful, _ = stage(0, kernel).distances(
        product, squares, squares, (1e-16, 64 * 2.2e-16, 1e-3)
    )
    scale = 0.5 * (squares[:, None] + squares)
    expected = np.sqrt(np.maximum(2.0 * (scale - true_overlaps(product)), 0.0))
    assert np.abs(distance - expected)[~doubtful].max() < 1e-3


@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_duplicates_are_doubtful_and_far_models_are_not(kernel, tile):
    product, squares = tile
    _, doubtful, _ = stage(0, kernel).distances(product, squares, squares, (1e-7, 1e-14, 1e-3))
    assert doubtful[0, 1]
    assert not doubtful[0, 9]


def test_compiled_distances_of_models_as_they_are_are_those_of_numpy():
    rng = np.random.default_rng(1)
    models = rng.normal(size=(2 * TILE, 30)) * 20
    models[TILE : TILE + 9] = models[:9]  # duplicates: doubtful in any precision
    one, two = models[:TILE], models[TILE:]
    product = (one @ two.T).astype(np.float32)
    given = product, (one**2).sum(axis=1), (two**2).sum(axis=1), (1e-7, 0.0, 1e-3)
    plain, fused = (stage(0, kernel).still(*given) for kernel in ("numpy", "numba"))
    explicit = np.linalg.norm(one[:, None] - two, axis=2)
    sure = ~plain[1]
    assert plain[2] == fused[2] == np.count_nonzero(plain[1])
    assert np.array_equal(plain[1], fused[1])
    assert plain[1][range(9), range(9)].all() and sure.sum() == TILE * TILE - 9
    assert np.abs(plain[0] - explicit)[sure].max() < 1e-3
    assert np.abs(plain[0] - fused[0])[sure].max() < 1e-9
