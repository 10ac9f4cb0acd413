"""
Localization density: beads per second of CPU time, and the error of the map.

Run with ``python benchmarks/density.py``. The last line of each case compares
with a direct separable sum over a hundredth of the models.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.density import common_grid, gaussian_sigma, localization_density

if TYPE_CHECKING:
    from congruence.core.grid import Grid

CASES = ((3.0, 40.0), (5.0, 20.0), (3.0, 20.0), (1.5, 20.0))
MODELS, BEADS = 500, 1000


def models(seed: int = 0) -> np.ndarray:
    """Make models of beads that each wander by 10 Å around a place of their own."""
    random = np.random.default_rng(seed)
    places = random.normal(scale=50.0, size=(BEADS, 3))
    return places + random.normal(scale=10.0, size=(MODELS, BEADS, 3))


def direct(coordinates: np.ndarray, mass: np.ndarray, grid: Grid, sigma: float) -> np.ndarray:
    """Sum untruncated Gaussians in float64."""
    axes = [o + grid.voxel * np.arange(n) for o, n in zip(grid.origin, grid.shape, strict=True)]
    points = coordinates.reshape(-1, 3)
    weights = np.tile(mass, len(coordinates)) / len(coordinates)
    ex, ey, ez = (np.exp(-0.5 * ((axes[a] - points[:, a, None]) / sigma) ** 2) for a in range(3))
    total = np.empty(grid.shape[::-1])
    for k in range(total.shape[0]):
        total[k] = (ey * (weights * ez[:, k])[:, None]).T @ ex
    return total / (2 * np.pi) ** 1.5 / sigma**3


def main() -> None:
    """Print one row per voxel and map resolution."""
    coordinates = models()
    mass = np.full(BEADS, 110.0)
    print("voxel  map resolution  grid            CPU s  Mbeads/s  max error / max  mass error")
    for voxel, resolution in CASES:
        grid = common_grid(coordinates, voxel=voxel, map_resolution=resolution)
        few = coordinates[:: MODELS // 5]
        checked = localization_density(few, mass, grid=grid, map_resolution=resolution)
        exact = direct(few, mass, grid, gaussian_sigma(resolution))
        error = np.abs(checked.values - exact).max() / exact.max()
        start = time.process_time()
        density = localization_density(coordinates, mass, grid=grid, map_resolution=resolution)
        spent = time.process_time() - start
        shape = "x".join(map(str, grid.shape))
        print(
            f"{voxel:5.1f}  {resolution:14.0f}  {shape:14s}  {spent:5.2f}"
            f"  {MODELS * BEADS / spent / 1e6:8.1f}  {error:15.1e}"
            f"  {density.mass / mass.sum() - 1:10.1e}"
        )


if __name__ == "__main__":
    main()
