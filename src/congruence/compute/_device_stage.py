"""
The work per pair after the matrix products, in functions of the array API.

The formulas of `congruence.compute._eigen` and the error bound of
`congruence.compute._tiles` with a fixed number of Newton steps: what has not
converged by then widens the bound and is recomputed explicitly.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from congruence.compute._tiles import _EPS, _FLAT, _QUARTIC_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MARGIN",
    "PLAIN",
    "STEPS",
    "DeviceStage",
    "best_totals",
    "bounded_apart",
    "bounded_still",
    "bounded_turned",
    "contract",
    "largest_eigenvalues",
    "near_apart",
    "near_still",
    "near_turned",
    "or_plain",
    "residual_distances",
    "rotations",
]

STEPS = 16
MARGIN = 1e-9
_TINY = 1e-300
_CONVERGED = 1e-12

Pair = tuple[Any, Any]
Found = tuple[Any, Any, Any, Any]


def bounded_still(xp: Any, overlap: Any, squares: Pair, errors: Pair) -> Pair:
    """
    Return distances without rotation, and which of them the bound leaves in doubt.

    `overlap` has shape (B,B); `squares` are those of both blocks; `errors` are
    the relative error of a product and the tolerance in Å, as arrays.
    """
    factor, tolerance = errors
    scale = _mean(squares)
    distance = _root(xp, scale, xp.astype(overlap, xp.float64))
    return distance, scale * factor > tolerance * distance


def bounded_turned(xp: Any, covariance: Any, squares: Pair, errors: Pair) -> Pair:
    """Return the same with the best rotation for a product of shape (3,B,3,B)."""
    found = largest_eigenvalues(xp, covariance, squares)
    return bounded_apart(xp, found, (squares, squares), errors, same=True)


def bounded_apart(
    xp: Any, found: Found, squares: tuple[Pair, Pair], errors: Pair, *, same: bool
) -> Pair:
    """
    Return the same from what `largest_eigenvalues` found already.

    `squares` are those of the measured and of the fitted beads, `same` says
    whether these are the same.
    """
    (overlap, slope, _, _), (factor, tolerance) = found, errors
    scale, fit = _mean(squares[0]), _mean(squares[1])
    distance = _root(xp, scale, overlap)
    error = _error(xp, found, (scale, fit), factor, same=same)
    doubtful = xp.logical_or(error > tolerance * distance * slope, slope < 0.0)
    if not same:
        doubtful = xp.logical_or(doubtful, _loose(xp, found, fit))
    return distance, doubtful


def near_still(xp: Any, overlap: Any, squares: Pair, errors: Pair) -> Pair:
    """
    Return which pairs are within a threshold without rotation, and which of them are not sure.

    `errors` are the relative error of a product and the threshold in Å, as arrays.
    """
    factor, threshold = errors
    scale = _mean(squares)
    beyond = 2.0 * (scale - xp.astype(overlap, xp.float64)) - threshold * threshold
    return beyond <= 0.0, xp.abs(beyond) <= 4.0 * scale * factor + _margin(threshold)


def near_turned(xp: Any, covariance: Any, squares: Pair, errors: Pair) -> Pair:
    """Return the same with the best rotation for a product of shape (3,B,3,B)."""
    found = largest_eigenvalues(xp, covariance, squares)
    return near_apart(xp, found, (squares, squares), errors, same=True)


def near_apart(
    xp: Any, found: Found, squares: tuple[Pair, Pair], errors: Pair, *, same: bool
) -> Pair:
    """
    Return the same from what `largest_eigenvalues` found already.

    Not sure is what other products of the same models could have on the other side.
    """
    (overlap, slope, _, _), (factor, threshold) = found, errors
    scale, fit = _mean(squares[0]), _mean(squares[1])
    beyond = 2.0 * (scale - overlap) - threshold * threshold
    error = 4.0 * _error(xp, found, (scale, fit), factor, same=same) + _margin(threshold) * slope
    unsure = xp.logical_or(xp.abs(beyond) * slope <= error, slope < 0.0)
    if not same:
        unsure = xp.logical_or(unsure, _loose(xp, found, fit))
    return beyond <= 0.0, unsure


def _error(xp: Any, found: Found, scales: Pair, factor: Any, *, same: bool) -> Any:
    """Return by how much rounding and lack of steps may change overlaps, times the slopes."""
    _, slope, slack, size = found
    scale, fit = scales
    if not same:
        size = scale * (fit * fit * fit)
    return size * (_QUARTIC_ERROR * _EPS) + scale * slope * factor + slack * slope


def _loose(xp: Any, found: Found, fit: Any) -> Any:
    """Return where the rotation is not determined well enough to turn other beads by it."""
    _, slope, slack, _ = found
    return xp.logical_or(slope < _FLAT * (fit * fit * fit), slack > _CONVERGED * fit)


def _margin(threshold: Any) -> Any:
    """Return what a square may change by when a distance near the threshold does by `MARGIN`."""
    return MARGIN * (2.0 * threshold + MARGIN)


def _mean(squares: Pair) -> Any:
    return 0.5 * (squares[0][:, None] + squares[1][None, :])


def _root(xp: Any, scale: Any, overlap: Any) -> Any:
    square = 2.0 * (scale - overlap)
    return xp.sqrt(xp.where(square > 0.0, square, xp.zeros_like(square)))


def _planes(covariance: Any) -> list[list[Any]]:
    """Return nine planes of shape (B,B), float64, of a product of shape (3,B,3,B)."""
    return [[covariance[d, :, e, :] for e in range(3)] for d in range(3)]


def largest_eigenvalues(xp: Any, covariance: Any, squares: Pair) -> Found:
    """
    Find the best overlap over all rotations.

    Returns the eigenvalues, the slopes of the quartic there, how much too large
    the eigenvalues may be for lack of steps, and how large the terms of the
    quartic are, in units of the mean square; each of shape (B,B).
    """
    c = _planes(xp.astype(covariance, xp.float64))
    square, cofactors, determinant = 0.0, 0.0, 0.0
    for d, e in itertools.product(range(3), repeat=2):
        square = square + c[d][e] * c[d][e]
        cofactor = _cofactor(c, d, e)
        cofactors = cofactors + cofactor * cofactor
        if d == 0:
            determinant = determinant + c[0][e] * cofactor
    c2, c1, c0 = -2.0 * square, -8.0 * determinant, square * square - 4.0 * cofactors
    # Four numbers of sum zero and sum of squares 4 |C|^2: none is larger than sqrt(3) |C|.
    value = xp.minimum(_mean(squares), xp.sqrt(3.0 * square))
    step = value - xp.sqrt(square / 3.0)  # the largest singular value is no less
    for _ in range(STEPS):
        squared = value * value
        inner = (squared + c2) * value
        outer = inner + c1
        slope = 2.0 * squared * value + inner + outer
        wanted = (outer * value + c0) / (slope + _TINY)
        # From above the steps only shrink: rounding must not undo that.
        wanted = xp.where(wanted > 0.0, wanted, xp.zeros_like(wanted))
        step = xp.minimum(wanted, step)
        value = value - step
    slope = 4.0 * value * value * value + 2.0 * c2 * value + c1
    # All four roots are real: the largest is at most four steps away, one is done.
    terms = value * value + square
    return value, slope, 3.0 * step, 0.5 * terms * terms


def _cofactor(c: list[list[Any]], d: int, e: int) -> Any:
    d1, d2, e1, e2 = (d + 1) % 3, (d + 2) % 3, (e + 1) % 3, (e + 2) % 3
    return c[d1][e1] * c[d2][e2] - c[d1][e2] * c[d2][e1]


def rotations(xp: Any, covariance: Any, eigenvalues: Any) -> list[list[Any]]:
    """Return the optimal rotations of models *j* onto models *i*, nine planes of shape (B,B)."""
    k = _horn(_planes(xp.astype(covariance, xp.float64)), eigenvalues)
    best: list[Any] = []
    size: Any = None
    for column in range(4):
        # A column of the adjugate is the eigenvector; the longest is the most accurate.
        vector = [_minor(k, row, column) for row in range(4)]
        length = sum(v * v for v in vector)
        if size is None:
            best, size = vector, length
            continue
        longer = length > size
        best = [xp.where(longer, new, old) for new, old in zip(vector, best, strict=True)]
        size = xp.maximum(size, length)
    root = xp.sqrt(size + _TINY)
    w, x, y, z = (part / root for part in best)
    return [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]


def _horn(c: list[list[Any]], value: Any) -> list[list[Any]]:
    """Return Horn's matrix of the transposed covariance, less the eigenvalue."""
    (xx, yx, zx), (xy, yy, zy), (xz, yz, zz) = c
    wx, wy, wz = yz - zy, zx - xz, xy - yx
    return [
        [xx + yy + zz - value, wx, wy, wz],
        [wx, xx - yy - zz - value, xy + yx, zx + xz],
        [wy, xy + yx, yy - xx - zz - value, yz + zy],
        [wz, zx + xz, yz + zy, zz - xx - yy - value],
    ]


def _minor(k: list[list[Any]], row: int, column: int) -> Any:
    a, b, c = ([k[r][s] for s in range(4) if s != column] for r in range(4) if r != row)
    value = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return value if (row + column) % 2 == 0 else -value


def residual_distances(
    xp: Any, models: tuple[Any, Any], fits: tuple[Any, Any] | None = None
) -> Any:
    """
    Return the distances of *k* pairs from what is left after superposition, explicitly.

    `models` are the measured beads of both, shape (k,3,b); `fits` the superposed
    ones, or None for no rotation. Slower and surer than the quartic.
    """
    x, y = models
    if fits is not None:
        u, _, v = xp.linalg.svd(xp.matmul(fits[0], xp.matrix_transpose(fits[1])))
        turn = xp.sign(xp.linalg.det(u) * xp.linalg.det(v))
        last = u[:, :, 2:] * turn[:, None, None]  # no reflections
        rotation = xp.matmul(xp.concat([u[:, :, :2], last], axis=2), v)
        y = xp.matmul(rotation, y)
    rest = x - y
    return xp.sqrt(xp.sum(rest * rest, axis=(1, 2)))


def contract(rotation: list[list[Any]], covariance: Any) -> Any:
    """Return the overlap of a product of shape (3,B,3,B) after rotations, shape (B,B)."""
    return sum(rotation[d][e] * covariance[d, :, e, :] for d in range(3) for e in range(3))


def best_totals(xp: Any, scores: list[list[Any]]) -> Any:
    """Return the largest total over all permutations of a table of planes of shape (B,B)."""
    best: Any = None
    for permutation in itertools.permutations(range(len(scores))):
        total = sum(scores[k][image] for k, image in enumerate(permutation))
        best = total if best is None else xp.maximum(best, total)
    return best


@dataclass(frozen=True)
class DeviceStage:
    """`bounded_turned`, `near_turned` and `largest_eigenvalues`, or twins of them."""

    turned: Callable[..., Any]
    near: Callable[..., Any]
    largest: Callable[..., Any]


PLAIN = DeviceStage(bounded_turned, near_turned, largest_eigenvalues)


def or_plain(kernel: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Use a kernel; where it cannot be compiled say so and do the same work step by step."""
    chosen: Callable[..., Any] | None = None

    def run(*arguments: Any) -> Any:
        nonlocal chosen
        if chosen is not None:
            return chosen(*arguments)
        try:
            found = kernel(*arguments)
        except MemoryError:
            raise
        except Exception as error:  # whatever a compiler or its absence raises
            if "OutOfMemory" in type(error).__name__:
                raise
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(
                f"Triton cannot compile here ({said}): distances are computed step by step, "
                "several times as slowly; Triton needs a C compiler.",
                RuntimeWarning,
                stacklevel=2,
            )
            chosen = plain
            return plain(*arguments)
        chosen = kernel
        return found

    return run
