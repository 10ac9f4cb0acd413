"""Products of single precision by vectors of 16 numbers; on processors without them, slowly."""

from __future__ import annotations

import numpy as np
import pytest

from congruence.compute import _eigen, _panels, _products

pytest.importorskip("numba")


def rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)) * 30


@pytest.mark.parametrize("width", [0, 1, 7, 512, 513, 1100])
@pytest.mark.parametrize("count", [128, 256, 384])
def test_products_are_those_of_double_precision(count, width):
    one, two = rows(count, width), rows(count, width, 1)
    found = _panels.product(_panels.panels(one), _panels.panels(two))
    assert found.dtype == np.float32
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
    # What rounding of the numbers and of sums of up to 512 at a time may do, at most and often.
    assert (np.abs(found - one @ two.T) <= 4 * np.finfo(np.float32).eps * lengths).all()


def test_chains_of_sums_are_as_exact_as_the_library():
    one, two = rows(384, 4000), rows(384, 4000, 1)
    exact = one @ two.T
    errors = [
        np.abs(way.multiplied(way.laid(one), way.laid(two)) - exact).max()
        for way in (_products.Products(_panels.panels, _panels.product), _products.LIBRARY)
    ]
    assert errors[0] <= 3 * errors[1]


def test_a_product_depends_on_its_two_rows_alone():
    one, two = rows(384, 700), rows(384, 700, 1)
    whole = _panels.product(_panels.panels(one), _panels.panels(two))
    order = np.random.default_rng(2).permutation(384)
    moved = _panels.product(_panels.panels(one[order]), _panels.panels(two[order[::-1]]))
    assert np.array_equal(moved, whole[order][:, order[::-1]])
    itself = _panels.panels(one)
    assert np.array_equal(_panels.product(itself, itself), _panels.product(itself, itself.copy()))


def test_rows_lie_number_after_number_in_panels():
    laid = _panels.panels(np.arange(96 * 2.0).reshape(96, 2))
    assert laid.shape == (2, 2, 48)
    assert laid[1, 0, :3].tolist() == [96.0, 98.0, 100.0]
    assert _panels.panels(np.zeros((128, 5))).shape == (4, 5, 32)


def test_narrow_vectors_leave_products_to_the_library(monkeypatch):
    monkeypatch.setattr(_panels, "wide", lambda: False)
    assert _eigen.stage(1, "numba").single is _products.LIBRARY
    monkeypatch.setattr(_panels, "wide", lambda: True)
    assert _eigen.stage(1, "numba").single.multiplied is _panels.product
    assert _eigen.stage(1, "numpy").single is _products.LIBRARY


@pytest.mark.parametrize("features", ["+avx,+avx2", "", "+avx512f"])
def test_vectors_are_those_that_numba_compiles_for(monkeypatch, features):
    from numba.core.registry import cpu_target

    code = type(cpu_target.target_context.codegen())
    monkeypatch.setattr(code, "magic_tuple", lambda self: ("x86_64", "any", features))
    assert _panels.wide() is (features == "+avx512f")
