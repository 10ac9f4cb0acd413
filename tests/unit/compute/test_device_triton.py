"""The kernels for cards, run by Triton's interpreter on the processor, against the plain stage."""

import importlib
import sys

import numpy as np
import pytest

from congruence.compute import _device_stage as plain

NAME = "congruence.compute._device_triton"
ROWS, COLUMNS, BEADS = 9, 300, 11


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch", reason="needs the extra gpu (torch)")
    before = found.get_num_threads()
    found.set_num_threads(1)
    yield found
    found.set_num_threads(before)


@pytest.fixture(scope="module")
def kernels(torch):
    pytest.importorskip("triton", reason="needs triton, which comes with torch for cards")
    there = sys.modules.pop(NAME, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield importlib.import_module(NAME)
    sys.modules.pop(NAME)
    if there is not None:
        sys.modules[NAME] = there


@pytest.fixture(params=["float32", "float64"])
def products(torch, request):
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, ROWS, BEADS)) * 20
    two = one[:, rng.integers(0, ROWS, COLUMNS)]
    two = two + rng.normal(size=two.shape) * np.linspace(0, 20, COLUMNS)[None, :, None]
    two[:, 5] = -two[:, 4]  # a mirror image
    two[:, 6] = 0.0
    two[1:, 7] = 0.0  # on a line
    kind = getattr(torch, request.param)
    left, right = (torch.from_numpy(x.reshape(-1, BEADS)).to(kind) for x in (one, two))
    covariance = (left @ right.T).reshape(3, ROWS, 3, COLUMNS)
    squares = tuple(torch.from_numpy((x * x).sum(axis=(0, 2))) for x in (one, two))
    return covariance, squares


def numbers(torch, *values):
    return tuple(torch.tensor(value, dtype=torch.float64) for value in values)


def test_eigenvalues(kernels, products):
    expected = plain.largest_eigenvalues(namespace(), *products)
    found = kernels.largest_eigenvalues(None, *products)
    scale = 0.5 * (products[1][0][:, None] + products[1][1][None, :]).numpy()
    for order, (one, two) in enumerate(zip(found, expected, strict=True)):
        # In units of powers of the mean square.
        size = scale ** (1, 3, 1, 4)[order]
        np.testing.assert_allclose(one.numpy() / size, two.numpy() / size, atol=2e-6, rtol=0)
        np.testing.assert_allclose(
            (one.numpy() / size)[:, 8:], (two.numpy() / size)[:, 8:], atol=1e-11, rtol=0
        )


@pytest.mark.parametrize("factor", [1e-15, 1e-7])
def test_distances_and_doubts(torch, kernels, products, factor):
    errors = numbers(torch, factor, 1e-6)
    distance, doubtful = kernels.bounded_turned(None, *products, errors)
    expected, doubts = plain.bounded_turned(namespace(), *products, errors)
    sure = ~doubtful.numpy() & ~doubts.numpy()
    np.testing.assert_allclose(distance.numpy()[sure], expected.numpy()[sure], atol=1e-6, rtol=0)
    # They may only differ where the bound itself is as large as rounding.
    assert (doubtful != doubts).sum() <= 3
    assert 0 < sure.sum() < sure.size


def test_neighbours(torch, kernels, products):
    distance, _ = plain.bounded_turned(namespace(), *products, numbers(torch, 1e-15, 1e-6))
    limit = float(distance.median())
    errors = numbers(torch, 1e-15, limit)
    near, unsure = kernels.near_turned(None, *products, errors)
    expected, not_sure = plain.near_turned(namespace(), *products, errors)
    sure = ~unsure.numpy() & ~not_sure.numpy()
    assert (near.numpy() == expected.numpy())[sure].all()
    assert (near.numpy() == (distance.numpy() <= limit))[sure].all()
    assert 0.2 < near.numpy().mean() < 0.8
    at = distance.numpy()[unsure.numpy()]
    assert unsure.any()  # the median itself
    assert (np.abs(at - limit) < 1e-3).mean() > 0.0


def namespace():
    return importlib.import_module("array_api_compat.torch")


def test_a_kernel_that_cannot_be_compiled_is_told_and_replaced_once():
    calls = []

    def broken(x):
        calls.append(x)
        raise RuntimeError("no C compiler\nlong story")

    run = plain.or_plain(broken, lambda x: x + 1)
    with pytest.warns(
        RuntimeWarning, match=r"no C compiler\): distances are computed step by step"
    ):
        assert run(1) == 2
    assert run(2) == 3
    assert calls == [1]


def test_lack_of_memory_is_not_taken_for_a_missing_compiler():
    class OutOfMemoryError(RuntimeError):
        pass

    def full(x):
        raise OutOfMemoryError

    with pytest.raises(OutOfMemoryError):
        plain.or_plain(full, lambda x: x)(1)
