"""
The eigenvalue stage: the best overlap of two models over all rotations.

For a covariance *C* the largest eigenvalue of Horn's traceless 4 x 4 matrix is
the root of ``l^4 + c2 l^2 + c1 l + c0`` that Newton's iteration reaches from
above, with ``c2 = -2 |C|^2``, ``c1 = -8 det C``, ``c0 = |C|^4 - 4 |cof C|^2``
(Horn, doi:10.1364/JOSAA.4.000629; Theobald, doi:10.1107/S0108767305015266). It
starts at ``sqrt(3) |C|``, above the sum of the three singular values, or at the
mean of the sums of squares where that is less.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from congruence.compute._packing import TILE
from congruence.compute._products import LIBRARY, Products, compiled_products

if TYPE_CHECKING:
    from congruence.typing import BoolArray, FloatArray

__all__ = [
    "COMPILED_PAIRS",
    "Stage",
    "largest_eigenvalues",
    "quartic",
    "rotations",
    "stage",
    "still_distances",
    "superposed_distances",
    "unsure",
]

COMPILED_PAIRS = 1_000_000
ITERATIONS = 40
_TINY = 1e-300


class Solver(Protocol):
    """Eigenvalue stage of one tile."""

    def __call__(
        self, covariance: Any, one: FloatArray, two: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the largest eigenvalues and the slopes of the quartic there."""


class Distances(Protocol):
    """Distances of one tile, where one covariance or inner product for each pair decides."""

    def __call__(
        self, products: Any, one: FloatArray, two: FloatArray, bounds: tuple[float, float, float], /
    ) -> tuple[FloatArray, BoolArray, int]:
        """Return the distances, which of them are doubtful, and how many."""


@dataclass(frozen=True)
class Stage:
    """The matrix products of single precision and what follows them, compiled or not."""

    solve: Solver
    distances: Distances
    still: Distances
    single: Products = LIBRARY


def stage(pairs: int, kernel: str = "") -> Stage:
    """
    Choose the eigenvalue stage: compiled for a million pairs and more.

    `kernel` or the variable CONGRUENCE_KERNEL ("numpy", "numba") decides
    otherwise; without numba the NumPy stage is used.
    """
    plain = Stage(largest_eigenvalues, superposed_distances, still_distances)
    kernel = kernel or os.environ.get("CONGRUENCE_KERNEL", "")
    if kernel == "numpy" or (kernel != "numba" and pairs < COMPILED_PAIRS):
        return plain
    try:
        from congruence.compute import _kernels
    except ImportError:
        return plain
    return Stage(
        _kernels.largest_eigenvalues,
        _kernels.superposed_distances,
        _kernels.still_distances,
        compiled_products(),
    )


def superposed_distances(
    covariance: Any, one: FloatArray, two: FloatArray, bounds: tuple[float, float, float]
) -> tuple[FloatArray, BoolArray, int]:
    """
    Return the distances of one tile after superposition, with NumPy.

    Parameters
    ----------
    covariance : ndarray, shape=(3*TILE,3*TILE)
        As for `largest_eigenvalues`.
    one, two : ndarray, dtype=float64, shape=(TILE,)
        Sums of squares of the models.
    bounds : tuple of float
        What rounding changes in an overlap and in the quartic, as multiples of
        the mean square and its fourth power, and which change of a distance is
        allowed, in Å.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(TILE,TILE)
        In Å.
    doubtful : ndarray, dtype=bool, shape=(TILE,TILE)
        Where rounding may change more than is allowed.
    found : int
        How many are doubtful.
    """
    overlap, slope = largest_eigenvalues(covariance, one, two)
    scale = 0.5 * (one[:, None] + two)
    distance: FloatArray = np.sqrt(np.maximum(2.0 * (scale - overlap), 0.0))
    doubtful = unsure(distance, slope, (scale, scale), bounds)
    return distance, doubtful, int(np.count_nonzero(doubtful))


def still_distances(
    overlaps: Any, one: FloatArray, two: FloatArray, bounds: tuple[float, float, float]
) -> tuple[FloatArray, BoolArray, int]:
    """
    Return the distances of one tile of models as they are, with NumPy.

    Parameters
    ----------
    overlaps : ndarray, shape=(TILE,TILE)
        Inner products of the models.
    one, two : ndarray, dtype=float64, shape=(TILE,)
        Sums of squares of the models.
    bounds : tuple of float
        As for `superposed_distances`; the second does not count.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(TILE,TILE)
        In Å.
    doubtful : ndarray, dtype=bool, shape=(TILE,TILE)
        Where rounding may change more than is allowed.
    found : int
        How many are doubtful.
    """
    factor, _, tolerance = bounds
    scale = 0.5 * (one[:, None] + two)
    distance: FloatArray = np.sqrt(np.maximum(2.0 * (scale - overlaps), 0.0))
    doubtful: BoolArray = scale * factor > tolerance * distance
    return distance, doubtful, int(np.count_nonzero(doubtful))


def unsure(
    distance: FloatArray,
    slope: FloatArray,
    scales: tuple[FloatArray, FloatArray],
    bounds: tuple[float, float, float],
) -> BoolArray:
    """
    Tell which distances rounding may change by more than is allowed.

    `scales` are the mean squares of the measured and of the superposed beads (one
    array where they are the same), `bounds` as for `superposed_distances`.
    """
    factor, quartic, tolerance = bounds
    scale, fit = scales
    if fit is scale:
        # The eigenvalue is at least the largest singular value, and so at least |C| / sqrt(3):
        # where it is small, so are all terms of the quartic, and what rounding does to them.
        reach = np.minimum(scale, 3.0 * (scale - 0.5 * distance * distance))
        reach *= reach
        error = reach * reach * quartic
        error += slope * scale * factor
    else:
        error = fit * fit * fit * quartic
        error += slope * factor
        error *= scale
    doubtful: BoolArray = error > tolerance * distance * slope
    doubtful |= slope < 0.0
    return doubtful


def largest_eigenvalues(
    covariance: Any, one: FloatArray, two: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """
    Solve one tile with NumPy.

    Parameters
    ----------
    covariance : ndarray, shape=(3*TILE,3*TILE)
        Row ``d*TILE+i``, column ``e*TILE+j``: overlap of coordinate *d* of
        model *i* with coordinate *e* of model *j*.
    one, two : ndarray, dtype=float64, shape=(TILE,)
        Sums of squares of the models.

    Returns
    -------
    eigenvalues, slopes : ndarray, dtype=float64, shape=(TILE,TILE)
        Largest eigenvalue and derivative of the quartic.
    """
    c0, c1, c2 = quartic(covariance)
    square = -0.5 * c2
    value = np.minimum(0.5 * (one[:, None] + two), np.sqrt(3.0 * square))
    # The largest singular value is no less than this, nor is the eigenvalue.
    step = value - np.sqrt(square / 3.0)
    # A slope of zero (beads on a line) gives an endless step, which the last one bounds.
    with np.errstate(over="ignore", divide="ignore"):
        for _ in range(ITERATIONS):
            squared = value * value
            inner = (squared + c2) * value
            outer = inner + c1
            slope = 2.0 * squared * value + inner + outer
            # From above the steps only shrink: rounding must not undo that.
            step = np.minimum(np.maximum((outer * value + c0) / (slope + _TINY), 0.0), step)
            value = value - step
            if (step * step <= 1e-22 * value * value).all():
                break
    slope = 4.0 * value**3 + 2.0 * c2 * value + c1
    return value, slope


def quartic(covariance: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Return the coefficients of Horn's quartic of each pair.

    Parameters
    ----------
    covariance : ndarray, shape=(3*rows,3*columns)
        As for `largest_eigenvalues`, of any number of models.

    Returns
    -------
    c0, c1, c2 : ndarray, dtype=float64, shape=(rows,columns)
        Constant, linear and quadratic term.
    """
    c = _planes(covariance)
    square = sum(c[d][e] ** 2 for d in range(3) for e in range(3))
    cofactor = [[_cofactor(c, d, e) for e in range(3)] for d in range(3)]
    c1 = -8.0 * sum(c[0][e] * cofactor[0][e] for e in range(3))
    c0 = square**2 - 4.0 * sum(cofactor[d][e] ** 2 for d in range(3) for e in range(3))
    return np.asarray(c0), np.asarray(c1), np.asarray(-2.0 * square)


def _planes(covariance: Any) -> list[list[FloatArray]]:
    rows, columns = (size // 3 for size in covariance.shape)
    split = np.asarray(covariance, np.float64).reshape(3, rows, 3, columns)
    return [[split[d, :, e] for e in range(3)] for d in range(3)]


def _cofactor(c: list[list[FloatArray]], d: int, e: int) -> FloatArray:
    d1, d2, e1, e2 = (d + 1) % 3, (d + 2) % 3, (e + 1) % 3, (e + 2) % 3
    return c[d1][e1] * c[d2][e2] - c[d1][e2] * c[d2][e1]


def rotations(covariance: Any, eigenvalues: FloatArray) -> FloatArray:
    """
    Return the optimal rotations of a tile.

    Parameters
    ----------
    covariance : ndarray, shape=(3*TILE,3*TILE)
        As for `largest_eigenvalues`.
    eigenvalues : ndarray, dtype=float64, shape=(TILE,TILE)
        Largest eigenvalues; inaccurate where they are nearly double.

    Returns
    -------
    rotation : ndarray, dtype=float64, shape=(3,3,TILE,TILE)
        Rotation of model *j* onto model *i*.
    """
    c = _planes(covariance)
    k = _horn(c, eigenvalues)
    best = np.zeros((4, TILE, TILE))
    size = np.full((TILE, TILE), -1.0)
    for column in range(4):
        # A column of the adjugate is the eigenvector; the longest is the most accurate.
        vector = np.stack([_minor(k, row, column) for row in range(4)])
        length = (vector**2).sum(axis=0)
        longer = length > size
        best[:, longer] = vector[:, longer]
        size = np.maximum(size, length)
    w, x, y, z = best / np.sqrt(np.maximum(size, _TINY))
    return np.stack(
        [
            np.stack([w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)]),
            np.stack([2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)]),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z]),
        ]
    )


def _horn(c: list[list[FloatArray]], value: FloatArray) -> list[list[FloatArray]]:
    """Return Horn's matrix of the transposed covariance, less the eigenvalue."""
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = c
    wx, wy, wz = yz - zy, zx - xz, xy - yx
    return [
        [xx + yy + zz - value, wx, wy, wz],
        [wx, xx - yy - zz - value, xy + yx, zx + xz],
        [wy, xy + yx, yy - xx - zz - value, yz + zy],
        [wz, zx + xz, yz + zy, zz - xx - yy - value],
    ]


def _minor(k: list[list[FloatArray]], row: int, column: int) -> FloatArray:
    a, b, c = ([k[r][s] for s in range(4) if s != column] for r in range(4) if r != row)
    value: FloatArray = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return value if (row + column) % 2 == 0 else -value
