"""Quaternions, and the superposition that the planted truth is measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from congruence.typing import Float32Array, FloatArray

__all__ = ["multiply", "random_rotations", "rmsd_tables", "rotation_matrices", "small_rotations"]


def multiply(left: FloatArray, right: FloatArray) -> FloatArray:
    """
    Multiply quaternions: the rotation `right` first, then `left`.

    Parameters
    ----------
    left, right : ndarray, dtype=float64, shape=(...,4)
        Quaternions (w, x, y, z); the leading axes are broadcast.

    Returns
    -------
    product : ndarray, dtype=float64, shape=(...,4)
        Quaternions.

    Examples
    --------
    >>> half_turn = np.array([0.0, 0.0, 0.0, 1.0])
    >>> multiply(half_turn, half_turn).tolist()
    [-1.0, 0.0, 0.0, 0.0]
    """
    w, x, y, z = np.moveaxis(left, -1, 0)
    a, b, c, d = np.moveaxis(right, -1, 0)
    parts = (
        w * a - x * b - y * c - z * d,
        w * b + x * a + y * d - z * c,
        w * c - x * d + y * a + z * b,
        w * d + x * c - y * b + z * a,
    )
    return np.stack(parts, axis=-1)


def rotation_matrices(quaternions: FloatArray | Float32Array) -> FloatArray:
    """
    Turn quaternions into rotation matrices.

    Parameters
    ----------
    quaternions : ndarray, shape=(...,4)
        As (w, x, y, z), of any length but zero; normalised here in float64.

    Returns
    -------
    matrices : ndarray, dtype=float64, shape=(...,3,3)
        A column vector *v* goes to ``R @ v``.

    Examples
    --------
    >>> quarter_turn = np.array([1.0, 0.0, 0.0, 1.0])
    >>> rotation_matrices(quarter_turn).round(6).tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    unit = quaternions.astype(np.float64)
    unit = unit / np.sqrt((unit * unit).sum(axis=-1, keepdims=True))
    w, x, y, z = np.moveaxis(unit, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def small_rotations(vectors: FloatArray) -> FloatArray:
    """
    Turn rotation vectors into quaternions.

    Parameters
    ----------
    vectors : ndarray, dtype=float64, shape=(...,3)
        Axis times angle, in radians.

    Returns
    -------
    quaternions : ndarray, dtype=float64, shape=(...,4)
        As (w, x, y, z), of length one.
    """
    angle = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    # sinc(a / 2 pi) = sin(a / 2) / (a / 2), also at zero
    return np.concatenate(
        [np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vectors], axis=-1
    )


def random_rotations(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """
    Draw rotations uniformly.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        How many.

    Returns
    -------
    quaternions : ndarray, dtype=float64, shape=(*shape,4)
        As (w, x, y, z), of length one.
    """
    four = rng.standard_normal((*shape, 4))
    unit: FloatArray = four / np.sqrt((four * four).sum(axis=-1, keepdims=True))
    return unit


def rmsd_tables(
    one: FloatArray, two: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """
    Measure all models of one set against all of another, in two ways.

    Parameters
    ----------
    one : ndarray, dtype=float64, shape=(a,n,3)
        Models in Å.
    two : ndarray, dtype=float64, shape=(b,n,3)
        Models in Å.
    weights : ndarray, dtype=float64, shape=(n,)
        Weight of each bead.

    Returns
    -------
    plain : ndarray, dtype=float64, shape=(a,b)
        Weighted RMSD in Å of the coordinates as they are.
    superposed : ndarray, dtype=float64, shape=(a,b)
        Weighted RMSD in Å after the best proper rotation and translation,
        found with the same weights.

    Notes
    -----
    Costs O(a b n). Superposition by singular values, as Kabsch (1976),
    https://doi.org/10.1107/S0567739476001873.

    Examples
    --------
    >>> triangle = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
    >>> plain, best = rmsd_tables(triangle, triangle + 2.0, np.ones(3))
    >>> plain.round(6).tolist(), abs(best).round(6).tolist()
    ([[3.464102]], [[0.0]])
    """
    share = weights / weights.sum()
    mean_one = np.einsum("n,anx->ax", share, one)
    mean_two = np.einsum("n,bnx->bx", share, two)
    x, y = one - mean_one[:, None], two - mean_two[:, None]
    norms = (
        np.einsum("n,anx,anx->a", share, x, x)[:, None]
        + np.einsum("n,bnx,bnx->b", share, y, y)[None]
    )
    left = np.moveaxis(x * share[:, None], 1, 2).reshape(-1, x.shape[1])
    right = np.moveaxis(y, 1, 2).reshape(-1, y.shape[1])
    covariance = (left @ right.T).reshape(len(one), 3, len(two), 3).transpose(0, 2, 1, 3)
    shift = mean_one[:, None] - mean_two[None]
    plain = norms - 2 * np.trace(covariance, axis1=2, axis2=3) + (shift * shift).sum(axis=-1)
    values = np.linalg.svd(covariance, compute_uv=False)
    mirror = np.where(np.linalg.det(covariance) < 0, -1.0, 1.0)
    best = norms - 2 * (values[..., 0] + values[..., 1] + mirror * values[..., 2])
    return np.sqrt(np.maximum(plain, 0)), np.sqrt(np.maximum(best, 0))
