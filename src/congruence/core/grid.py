"""Regular grids and the densities on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import Float32Array, FloatArray

__all__ = ["DensityMap", "Grid"]


@dataclass(frozen=True, slots=True)
class Grid:
    """
    A cubic grid.

    Parameters
    ----------
    origin : tuple of float
        Centre of voxel (0, 0, 0) in Å, as (x, y, z).
    shape : tuple of int
        Number of voxels along x, y and z.
    voxel : float
        Edge of a voxel in Å.
    """

    origin: tuple[float, float, float]
    shape: tuple[int, int, int]
    voxel: float

    @classmethod
    def around(cls, low: FloatArray, high: FloatArray, *, voxel: float, padding: float) -> Grid:
        """
        Make a grid that holds a box, its origin a multiple of the voxel.

        Grids made with the same voxel therefore share their lattice.

        Parameters
        ----------
        low, high : ndarray, dtype=float64, shape=(3,)
            Corners of the box in Å.
        voxel : float
            Edge of a voxel in Å.
        padding : float
            Added on every side, in Å.

        Returns
        -------
        grid : Grid
            The smallest such grid.

        Raises
        ------
        ShapeError
            If the voxel is not positive or the box is not finite.

        Examples
        --------
        >>> Grid.around(np.zeros(3), np.full(3, 9.0), voxel=5.0, padding=1.0)
        Grid(origin=(-5.0, -5.0, -5.0), shape=(4, 4, 4), voxel=5.0)
        """
        if not voxel > 0 or not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ShapeError(
                f"cannot lay a grid of voxel {voxel} Å around {low} to {high}",
                hint="The voxel must be positive and all coordinates finite.",
            )
        first = [math.floor((float(v) - padding) / voxel) for v in low]
        last = [math.ceil((float(v) + padding) / voxel) for v in high]
        nx, ny, nz = (b - a + 1 for a, b in zip(first, last, strict=True))
        x, y, z = (a * voxel for a in first)
        return cls(origin=(x, y, z), shape=(nx, ny, nz), voxel=float(voxel))

    @classmethod
    def union(cls, grids: Sequence[Grid]) -> Grid:
        """
        Make the smallest grid that holds several grids of one lattice.

        Parameters
        ----------
        grids : sequence of Grid
            At least one; all with the same voxel, origins multiples of it.

        Returns
        -------
        grid : Grid
            A grid of the same lattice.

        Raises
        ------
        ShapeError
            If the voxels differ.
        """
        voxel = grids[0].voxel
        if any(g.voxel != voxel for g in grids):
            raise ShapeError(f"grids of different voxels: {sorted({g.voxel for g in grids})} Å")
        low = np.min([g.origin for g in grids], axis=0)
        high = np.max(
            [[o + (n - 1) * voxel for o, n in zip(g.origin, g.shape, strict=True)] for g in grids],
            axis=0,
        )
        first = [round(float(v) / voxel) for v in low]
        last = [round(float(v) / voxel) for v in high]
        x, y, z = (a * voxel for a in first)
        nx, ny, nz = (b - a + 1 for a, b in zip(first, last, strict=True))
        return cls((x, y, z), (nx, ny, nz), voxel)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True, eq=False)
class DensityMap:
    """
    A density on a grid.

    Parameters
    ----------
    name : str
        What it is the density of.
    grid : Grid
        Where it is.
    values : ndarray, dtype=float32, shape=(nz,ny,nx)
        Mean mass density in Da / Å³, z slowest.
    models : int
        Number of models averaged.
    """

    name: str
    grid: Grid
    values: Float32Array = field(repr=False)
    models: int = 1

    @property
    def mass(self) -> float:
        """Integral of the density in Da."""
        return float(self.values.sum(dtype=np.float64) * self.grid.voxel**3)
