"""Test 4 of exhaustive sampling: the correlation of two maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.core.grid import DensityMap
    from congruence.typing import FloatArray

__all__ = ["map_correlation"]


def map_correlation(
    a: DensityMap, b: DensityMap, *, contour: float | None = None
) -> tuple[float, float]:
    """
    Correlate two maps on the grid of the first.

    A second map on another grid is interpolated trilinearly, 0 outside of it.

    Parameters
    ----------
    a, b : DensityMap
        The maps.
    contour : float, optional
        Take only voxels where `a` is at least this, in Da / Å³.

    Returns
    -------
    cc : float
        ``sum(a b) / sqrt(sum(a^2) sum(b^2))``; NaN if a map is empty there.
    cc_mean : float
        Pearson's correlation over the same voxels. There is no agreed level
        for either that says that two maps are alike.

    Raises
    ------
    ShapeError
        If no voxel reaches the contour.

    Examples
    --------
    >>> from congruence.core.grid import DensityMap, Grid
    >>> grid = Grid((0.0, 0.0, 0.0), (2, 1, 1), 5.0)
    >>> one = DensityMap("one", grid, np.array([[[1.0, 2.0]]], dtype=np.float32))
    >>> two = DensityMap("two", grid, np.array([[[2.0, 1.0]]], dtype=np.float32))
    >>> [round(c, 6) for c in map_correlation(one, two)]
    [0.8, -1.0]
    """
    x = a.values.astype(np.float64)
    y = b.values.astype(np.float64) if a.grid == b.grid else _on_grid(b, a)
    if contour is not None:
        above = x >= contour
        if not above.any():
            raise ShapeError(
                f"no voxel of the map '{a.name}' reaches {contour:g} Da/Å³; its maximum is "
                f"{float(x.max()):g}",
                hint="Take a lower contour.",
            )
        x, y = x[above], y[above]
    return _cosine(x, y), _cosine(x - x.mean(), y - y.mean())


def _cosine(x: FloatArray, y: FloatArray) -> float:
    norm = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    return float((x * y).sum()) / norm if norm > 0 else math.nan


def _on_grid(source: DensityMap, target: DensityMap) -> FloatArray:
    from scipy.ndimage import map_coordinates

    axes = []
    for axis, n in zip((2, 1, 0), reversed(target.grid.shape), strict=True):
        at = target.grid.origin[axis] + target.grid.voxel * np.arange(n)
        axes.append((at - source.grid.origin[axis]) / source.grid.voxel)
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    values: FloatArray = map_coordinates(
        source.values.astype(np.float64), places, order=1, mode="constant", cval=0.0
    )
    return values
