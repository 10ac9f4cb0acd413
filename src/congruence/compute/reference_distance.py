"""
Distances to one model with the arithmetic of the reference program.

Its cluster precisions are printed with all digits, and the last ones depend on
how the quartic of the superposition is written. They come out the same with the
coefficients as Theobald printed them and every sum taken term by term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import Alignment
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.typing import FloatArray

__all__ = ["one_by_one", "reference_distances"]

_TOLERANCE = 1e-11
_STEPS = 50


def one_by_one(values: FloatArray) -> float:
    """
    Sum numbers from the first to the last.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(n,)
        Numbers.

    Returns
    -------
    total : float
        Rounded after each addition; neither pairwise nor compensated.

    Examples
    --------
    >>> one_by_one(np.full(10, 0.1))
    0.9999999999999999
    """
    return float(np.add.accumulate(values)[-1]) if len(values) else 0.0


def reference_distances(
    center: FloatArray, models: FloatArray, alignment: Alignment | str = Alignment.SUPERPOSE
) -> FloatArray:
    """
    Measure the RMSD of models to one model, without weights.

    Parameters
    ----------
    center : ndarray, dtype=float64, shape=(n,3)
        Coordinates of one model in Å.
    models : ndarray, dtype=float64, shape=(k,n,3)
        Coordinates of the others in Å.
    alignment : Alignment or {"none", "center", "superpose"}
        Alignment of the distance.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(k,)
        In Å; equal to those of `congruence.compute.rmsd` to about 1e-12 Å for
        models that differ, to 1e-6 Å for equal ones.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    References
    ----------
    Theobald, Acta Cryst. A61, 478 (2005), doi:10.1107/S0108767305015266.

    Examples
    --------
    >>> x = np.array([[0.0, 0, 0], [2, 0, 0]])
    >>> reference_distances(x, np.array([[[0.0, 0, 0], [0, 4, 0]]])).round(6).tolist()
    [1.0]
    """
    if models.ndim != 3 or models.shape[1:] != center.shape:
        raise ShapeError(f"cannot measure shapes {models.shape} from {center.shape}")
    n, mode = len(center), Alignment(alignment)
    one, others = center, models
    if mode is not Alignment.NONE:
        one, others = _centred(center[None])[0], _centred(models)
    if mode is not Alignment.SUPERPOSE:
        apart: FloatArray = np.sqrt(_squares(others - one) / n)
        return apart
    covariance = np.zeros((len(others), 3, 3))
    for bead in range(n):
        covariance += one[bead][None, :, None] * others[:, bead, None, :]
    middle = 0.5 * (_squares(one[None]) + _squares(others))
    value = _largest(covariance, middle)
    distances: FloatArray = np.nan_to_num(np.sqrt(np.abs(2.0 * (middle - value) / n)))
    return distances


def _centred(models: FloatArray) -> FloatArray:
    total = np.add.accumulate(models, axis=1)[:, -1]
    centred: FloatArray = models - (total / models.shape[1])[:, None]
    return centred


def _squares(models: FloatArray) -> FloatArray:
    x, y, z = np.moveaxis(models * models, 2, 0)
    total: FloatArray = np.add.accumulate(x + y + z, axis=1)[:, -1]
    return total


def _largest(covariance: FloatArray, start: FloatArray) -> FloatArray:
    """Find the largest root by Newton's iteration, each until its own step is small."""
    c2, c1, c0 = _coefficients(covariance)
    value, open_ = start.copy(), np.ones(len(start), dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            square = value * value
            inner = (square + c2) * value
            outer = inner + c1
            new = value - (outer * value + c0) / (2.0 * square * value + inner + outer)
            near = np.abs(new - value) < np.abs(_TOLERANCE * new)
            value = np.where(open_, new, value)
            open_ &= ~near
            if not open_.any():
                break
    return value


def _coefficients(covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the quartic's coefficients as in the paper, c0 = D + E + F + G + H + I."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.moveaxis(covariance, 0, 2)
    c2 = -2.0 * (
        xx * xx + yy * yy + zz * zz + xy * xy + yx * yx + xz * xz + zx * zx + yz * yz + zy * zy
    )
    c1 = 8.0 * (
        xx * yz * zy + yy * zx * xz + zz * xy * yx - xx * yy * zz - yz * zx * xy - zy * yx * xz
    )
    twice = 2.0 * (yz * zy - yy * zz)
    rest = yy * yy + zz * zz - xx * xx + yz * yz + zy * zy
    d = (xy * xy + xz * xz - yx * yx - zx * zx) ** 2
    e = (rest + twice) * (rest - twice)
    f = (-(xz + zx) * (yz - zy) + (xy - yx) * (xx - yy - zz)) * (
        -(xz - zx) * (yz + zy) + (xy - yx) * (xx - yy + zz)
    )
    g = (-(xz + zx) * (yz + zy) - (xy + yx) * (xx + yy - zz)) * (
        -(xz - zx) * (yz - zy) - (xy + yx) * (xx + yy + zz)
    )
    h = ((xy + yx) * (yz + zy) + (xz + zx) * (xx - yy + zz)) * (
        -(xy - yx) * (yz - zy) + (xz + zx) * (xx + yy + zz)
    )
    i = ((xy + yx) * (yz - zy) + (xz - zx) * (xx - yy - zz)) * (
        -(xy - yx) * (yz + zy) + (xz - zx) * (xx + yy - zz)
    )
    return c2, c1, d + e + f + g + h + i
