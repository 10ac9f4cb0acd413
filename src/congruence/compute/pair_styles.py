"""
Distances of models that need no superposition, and the reference's plain RMSD.

With *d1* and *d2* the distances between beads *i* < *j* inside two models, *P*
pairs of beads in all:

``pairwise_drmsd_k``
    ``sqrt(sum((d1 - d2)**2) / P)``, the distance RMSD.
``pairwise_drms_k``
    ``sqrt(sum((d1**2 - d2**2)**2) / (4 * sum(d1**2)))``. Not symmetric: the
    first model gives the scale.
``pairwise_drmsd_Q``
    The distance RMSD over those pairs of beads that are within a threshold
    in either model.
``pairwise_rmsd``
    Root mean square distance of equal beads, coordinates as they are, no weights.

The names are those of ``IMP.pmi.analysis.Precision``. A dRMSD does not tell
mirror images apart, and a rigid body has none with itself wherever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.typing import FloatArray

__all__ = ["STYLES", "Style", "style_distances"]

Style: TypeAlias = Literal[
    "pairwise_rmsd", "pairwise_drmsd_k", "pairwise_drms_k", "pairwise_drmsd_Q"
]

STYLES: tuple[Style, ...] = (
    "pairwise_rmsd",
    "pairwise_drmsd_k",
    "pairwise_drms_k",
    "pairwise_drmsd_Q",
)
"""Known styles."""

_CHUNK = 1 << 25


def style_distances(
    first: FloatArray, second: FloatArray, style: Style | str, *, threshold: float = 40.0
) -> FloatArray:
    """
    Compute the distances between the models of two sets.

    Cost: a b n operations for ``"pairwise_rmsd"``, a b n²/2 for the others;
    extra memory stays below about 256 MB.

    Parameters
    ----------
    first : ndarray, dtype=float64, shape=(a,n,3)
        Models in Å.
    second : ndarray, dtype=float64, shape=(b,n,3)
        Models in Å.
    style : {"pairwise_rmsd", "pairwise_drmsd_k", "pairwise_drms_k", "pairwise_drmsd_Q"}
        The formula, see the page of this module.
    threshold : float
        For ``"pairwise_drmsd_Q"``, in Å.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(a,b)
        In Å; 0 where no pair of beads counts.

    Raises
    ------
    ConfigError
        If there is no such style.
    ShapeError
        If the models do not have the same beads, or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[[0.0, 0, 0], [2, 0, 0]]])
    >>> y = np.array([[[0.0, 0, 0], [0, 5, 0]]])
    >>> [style_distances(x, y, s)[0, 0].round(6).item() for s in STYLES]
    [3.807887, 3.0, 5.25, 3.0]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    _check(first, second, style, threshold)
    if style == "pairwise_rmsd":
        return _plain(first, second)
    sums = np.zeros((len(first), len(second)))
    scale = np.zeros((len(first), 1))
    for one, two in _internal(first, second):
        if style == "pairwise_drmsd_k":
            sums += _squares(one, two)
            scale += one.shape[1]
        elif style == "pairwise_drms_k":
            sums += _squares(one**2, two**2)
            scale += 4 * (one**2).sum(axis=1, keepdims=True)
        else:
            more, counted = _near(one, two, threshold)
            sums += more
            scale = scale + counted
    out = np.zeros_like(sums)
    np.divide(sums, scale, out=out, where=np.broadcast_to(scale > 0, sums.shape))
    distances: FloatArray = np.sqrt(out)
    return distances


def _check(first: FloatArray, second: FloatArray, style: str, threshold: float) -> None:
    if style not in STYLES:
        raise ConfigError(f"there is no style {style!r}", hint=f"Styles are: {', '.join(STYLES)}.")
    if not threshold > 0:
        raise ConfigError(f"the threshold is {threshold:g}, expected a positive number of Å")
    fits = first.ndim == second.ndim == 3 and first.shape[1:] == second.shape[1:]
    if not fits or first.shape[2] != 3 or not first.shape[1]:
        raise ShapeError(
            f"cannot compare models of shapes {first.shape} and {second.shape}; "
            "expected (models, beads, 3) with the same beads"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ShapeError("cannot compare coordinates that are not finite")


def _plain(first: FloatArray, second: FloatArray) -> FloatArray:
    n = first.shape[1]
    distances: FloatArray = np.sqrt(
        _squares(first.reshape(len(first), -1), second.reshape(len(second), -1)) / n
    )
    return distances


def _squares(one: FloatArray, two: FloatArray) -> FloatArray:
    """Sum squared differences explicitly: no digit is lost for models alike."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(one, two, "sqeuclidean"), dtype=np.float64)


def _near(one: FloatArray, two: FloatArray, threshold: float) -> tuple[FloatArray, FloatArray]:
    close = two <= threshold
    sums, counted = np.empty((len(one), len(two))), np.empty((len(one), len(two)))
    for at, row in enumerate(one):
        counts = close | (row <= threshold)
        difference = np.where(counts, two - row, 0.0)
        sums[at] = np.einsum("ij,ij->i", difference, difference)
        counted[at] = counts.sum(axis=1)
    return sums, counted


def _internal(first: FloatArray, second: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the distances inside the models, some pairs of beads at a time."""
    n = first.shape[1]
    rows, columns = np.triu_indices(n, 1)
    step = max(1, _CHUNK // (16 * max(1, len(first) + len(second))))
    same = second is first
    for at in range(0, len(rows), step):
        i, j = rows[at : at + step], columns[at : at + step]
        one = _lengths(first[:, i] - first[:, j])
        yield one, one if same else _lengths(second[:, i] - second[:, j])


def _lengths(vectors: FloatArray) -> FloatArray:
    lengths: FloatArray = np.sqrt((vectors**2).sum(axis=2))
    return lengths
