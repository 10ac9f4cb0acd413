"""
Products of tiles in single precision: all inner products of the rows of two tiles.

The matrix library does them, or, where compiled loops are used and the processor has
vectors of 16 numbers and 32 registers for them (AVX-512), loops of our own, which
take rows in the order in which they read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import Float32Array, FloatArray

__all__ = ["LIBRARY", "Products", "compiled_products"]


@dataclass(frozen=True)
class Products:
    """
    One way to multiply.

    `laid` puts the rows of a matrix, shape=(rows,width), into single precision in
    the order that `multiplied` reads; this returns the inner products of the
    rows of two of these, dtype=float32, shape=(rows,rows).
    """

    laid: Callable[[FloatArray], Float32Array]
    multiplied: Callable[[Any, Any], Float32Array]


def _columns(rows: FloatArray) -> Float32Array:
    """Return rows number after number in memory: their products are faster."""
    return np.ascontiguousarray(rows.T, np.float32)


def _by_library(one: Float32Array, two: Float32Array) -> Float32Array:
    product: Float32Array = one.T @ two
    return product


LIBRARY = Products(_columns, _by_library)


def compiled_products() -> Products:
    """
    Return the products that go with compiled loops.

    Returns
    -------
    products : Products
        The library's where vectors are narrower.

    Raises
    ------
    ImportError
        If numba is not installed.
    """
    from congruence.compute import _panels

    return Products(_panels.panels, _panels.product) if _panels.wide() else LIBRARY
