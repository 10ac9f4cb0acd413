"""
Localization densities in parts: stretches of models that are summed apart.

`congruence.compute.density.densities` adds the sums of these stretches in their
order. Whoever divides a large map among processes does the same, so that the
bytes are the same on equal processors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._density_blocks import block_models, fixed_blocks, loops, plus, stretch
from congruence.compute._density_window import spans_for, window_for
from congruence.compute.density import _checked, _masses, _Sum, gaussian_sigma

if TYPE_CHECKING:
    from congruence.compute._density_blocks import Models
    from congruence.core.grid import Grid
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["DensityParts", "plus", "stretch_models"]


def stretch_models(n: int, selected: int, grid: Grid, job: int = 0) -> int:
    """
    Return how many models are summed apart.

    Parameters
    ----------
    n : int
        Beads of a model.
    selected : int
        Beads of the map.
    grid : Grid
        The grid.
    job : int
        Models of the whole job, as for `congruence.compute.density.densities`.

    Returns
    -------
    models : int
        About a second of one core, more where the grid is large. It depends on
        these numbers only.

    Examples
    --------
    >>> from congruence.core.grid import Grid
    >>> stretch_models(1000, 1000, Grid((0.0, 0.0, 0.0), (60, 60, 60), 5.0))
    4194
    """
    return stretch(n, selected, grid, job) * block_models(n)


class DensityParts:
    """
    The parts of one map.

    Parameters
    ----------
    masses : ndarray, dtype=float64, shape=(n,)
        Bead masses in Da.
    beads : ndarray, dtype=int64, shape=(b,)
        Beads of the map.
    grid : Grid
        Where it is sampled.
    map_resolution : float
        In Å.
    job : int
        Models of the whole job, as for `congruence.compute.density.densities`.

    Raises
    ------
    SelectionError
        If `beads` is empty.
    ShapeError
        If there is no mass.
    """

    def __init__(
        self, masses: FloatArray, beads: IntArray, grid: Grid, map_resolution: float, job: int = 0
    ) -> None:
        chosen = _checked({"map": beads}, len(masses))["map"]
        window = window_for(grid, gaussian_sigma(map_resolution))
        self._sum = _Sum(chosen, _masses("map", chosen, masses), grid, window, 1, job)
        self._job = job

    def part(self, models: Models, first: int) -> list[FloatArray]:
        """
        Sum one stretch; may be asked once.

        Parameters
        ----------
        models : CoordinateSource, ndarray of shape (k,n,3) or iterable of these arrays
            Its models in Å, at most `stretch_models`.
        first : int
            Which model of the whole set is the first, a multiple of `stretch_models`.

        Returns
        -------
        sums : list of ndarray, dtype=float64, shape=(nz,ny,row)
            To be added with `plus`: one array, or two.

        Raises
        ------
        ShapeError
            If a number is not finite.
        """
        seen = first
        for block in fixed_blocks(models):
            seen += len(block)
            self._sum.add(block, loops(max(seen, self._job)))
        return self._sum.parts()

    def density(self, sums: list[FloatArray], models: int) -> Float32Array:
        """
        Turn the sums of all stretches into the map; they are not kept.

        Parameters
        ----------
        sums : list of ndarray, dtype=float64, shape=(nz,ny,row)
            All parts, added in their order.
        models : int
            Models of the whole set.

        Returns
        -------
        values : ndarray, dtype=float32, shape=(nz,ny,nx)
            What `congruence.compute.density.densities` gives, in Da / Å³.
        """
        self._sum.before, self._sum.seen = [np.ascontiguousarray(s) for s in sums], 0
        self._sum.spans = spans_for(sums[0], full=True)
        return self._sum.mean(models, loops(max(models, self._job)))
