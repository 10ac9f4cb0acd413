"""Optimal rigid superposition of two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.placement import Placement
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.typing import FloatArray

__all__ = ["optimal_rotations", "superpose"]


def superpose(
    mobile: FloatArray, target: FloatArray, weights: FloatArray | None = None
) -> Placement:
    """
    Find the proper rigid motion that lays one set of beads on another.

    The motion minimises ``sum(w * |R x + t - y|**2)``; reflections are never
    used. It is unique unless the beads of either set lie on a line (then any
    turn about that line is as good, and one of them is returned), or unless
    the sets are mirror images of high symmetry.

    Parameters
    ----------
    mobile : ndarray, dtype=float64, shape=(n,3)
        Bead centres to be moved, in Å.
    target : ndarray, dtype=float64, shape=(n,3)
        Bead centres to be met, in Å.
    weights : ndarray, dtype=float64, shape=(n,), optional
        Non-negative weights; equal by default.

    Returns
    -------
    placement : Placement
        Rotation and translation in Å; no copies are interchanged.

    Raises
    ------
    ShapeError
        If shapes do not fit, a number is not finite, or the weights are
        negative or sum to zero.

    References
    ----------
    Kabsch, Acta Cryst. A32, 922 (1976), doi:10.1107/S0567739476001873.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    >>> turned = x[:, [1, 2, 0]] + 5.0
    >>> bool(np.allclose(superpose(x, turned).apply(x, ()), turned))
    True
    """
    mobile, target = np.asarray(mobile, np.float64), np.asarray(target, np.float64)
    if mobile.ndim != 2 or mobile.shape != target.shape or mobile.shape[1] != 3 or not len(mobile):
        raise ShapeError(
            f"cannot superpose shapes {mobile.shape} and {target.shape}; "
            "expected twice the same (beads, 3) with at least one bead"
        )
    if not (np.isfinite(mobile).all() and np.isfinite(target).all()):
        raise ShapeError("cannot superpose coordinates that are not finite")
    share = _shares(weights, len(mobile))
    from_centroid, to_centroid = share @ mobile, share @ target
    covariance = ((target - to_centroid) * share[:, None]).T @ (mobile - from_centroid)
    rotation, _ = optimal_rotations(covariance)
    return Placement(rotation=rotation, translation=to_centroid - rotation @ from_centroid)


def optimal_rotations(covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Find the proper rotations that maximise their overlap with covariances.

    Parameters
    ----------
    covariance : ndarray, dtype=float64, shape=(...,3,3)
        Sums of ``w * y_d * x_e`` over centred beads, in Å² times weight, *y*
        being the target and *x* the mobile set.

    Returns
    -------
    rotation : ndarray, dtype=float64, shape=(...,3,3)
        Proper rotations *R*; ``R @ x`` is laid on *y*.
    overlap : ndarray, dtype=float64, shape=(...)
        Largest ``sum(R * covariance)``, in the unit of `covariance`.
    """
    left, singular, right = np.linalg.svd(covariance)
    improper = np.linalg.det(left) * np.linalg.det(right) < 0
    # The direction of the least spread is turned round where a reflection would be better.
    sign = np.where(improper, -1.0, 1.0)
    left[..., 2] *= sign[..., None]
    overlap = singular[..., 0] + singular[..., 1] + sign * singular[..., 2]
    rotation: FloatArray = left @ right
    return rotation, overlap


def _shares(weights: FloatArray | None, n: int) -> FloatArray:
    if weights is None:
        return np.full(n, 1.0 / n)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ShapeError(
            f"weights must be {n} finite numbers, none negative; found shape {weights.shape}"
        )
    if not weights.sum() > 0:
        raise ShapeError(
            f"the weights of all {n} beads are zero",
            hint="Give at least one of the superposed beads a positive weight.",
        )
    shares: FloatArray = weights / weights.sum()
    return shares
