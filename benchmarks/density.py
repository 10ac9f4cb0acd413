"""
Localization density beside a splat: every Gaussian added where it is not cut.

The peer is the plain loop over beads with separable exponentials in NumPy, of
3 sigma as usual, on a part of the models; its error is stated beside ours. The
error is that against untruncated Gaussians in float64; ours is the largest of
some models, one model, and one bead.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Job, Row, interleaved, using
from congruence.compute.density import common_grid, gaussian_sigma, localization_density

if TYPE_CHECKING:
    from typing import Any

    from congruence.core.grid import Grid

CASES = {
    (3.0, 40.0): ("numba", "numpy"),
    (5.0, 20.0): ("numba", "numpy"),
    (3.0, 20.0): ("numba",),
    (4.0, 20.0): ("numba",),
    (2.0, 20.0): ("numba",),
    (5.0, 15.0): ("numba",),
    (2.0, 10.0): ("numba",),
    (5.0, 10.0): ("numba",),
    (10.0, 40.0): ("numba",),
    (1.5, 10.0): ("numba",),
}
"""Voxels and map resolutions in Å, and the loops that are timed."""

_CUT = 3.0


def made_models(models: int, beads: int) -> np.ndarray:
    """Make models of beads that each wander by 10 Å around a place of their own."""
    random = np.random.default_rng(0)
    places = random.normal(scale=50.0, size=(beads, 3))
    return places + random.normal(scale=10.0, size=(models, beads, 3))


def splat(models: np.ndarray, mass: np.ndarray, grid: Grid, sigma: float) -> np.ndarray:
    """Add Gaussians one by one, each in its box of three sigma."""
    total = np.zeros(grid.shape[::-1])
    peak = mass / ((2 * np.pi) ** 1.5 * sigma**3) / len(models)
    first, reach = np.array(grid.origin), _CUT * sigma
    for model in models:
        for point, height in zip(model, peak, strict=True):
            low = np.maximum(np.ceil((point - reach - first) / grid.voxel), 0).astype(int)
            high = np.floor((point + reach - first) / grid.voxel).astype(int) + 1
            x, y, z = (
                np.exp(-0.5 * ((first[d] + grid.voxel * np.arange(a, b) - point[d]) / sigma) ** 2)
                for d, (a, b) in enumerate(zip(low, high, strict=True))
            )
            box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
            total[box] += height * z[:, None, None] * y[:, None] * x
    return total


def direct(models: np.ndarray, mass: np.ndarray, grid: Grid, sigma: float) -> np.ndarray:
    """Sum untruncated Gaussians in float64."""
    axes = [o + grid.voxel * np.arange(n) for o, n in zip(grid.origin, grid.shape, strict=True)]
    points = models.reshape(-1, 3)
    weights = np.tile(mass, len(models)) / len(models)
    ex, ey, ez = (np.exp(-0.5 * ((axes[a] - points[:, a, None]) / sigma) ** 2) for a in range(3))
    total = np.stack([(ey * (weights * ez[:, k])[:, None]).T @ ex for k in range(ez.shape[1])])
    return total / (2 * np.pi) ** 1.5 / sigma**3


def _error(
    name: str, models: np.ndarray, mass: np.ndarray, words: dict[str, Any], sigma: float
) -> float:
    mass = mass[: models.shape[1]]
    made = using(name, partial(localization_density, models, mass, **words)).values
    exact = direct(models, mass, words["grid"], sigma)
    return float(np.abs(made - exact).max() / exact.max())


def rows(quick: bool) -> list[Row]:
    """Measure windows of all widths with the compiler, some without; errors of one model and of some."""
    m, n, few, repeats = (4, 10, 2, 1) if quick else (1000, 1000, 10, 5)
    models, mass = made_models(m, n), np.full(n, 110.0)
    out = []
    for (voxel, resolution), kernels in CASES.items():
        grid = common_grid(models, voxel=voxel, map_resolution=resolution)
        sigma = gaussian_sigma(resolution)
        words = {"grid": grid, "map_resolution": resolution, "threads": 1}
        job = partial(localization_density, models, mass, **words)
        loops = ("numpy",) if quick else kernels
        jobs = {name: Job(partial(using, name, job)) for name in loops}
        jobs["splat"] = Job(partial(splat, models[:few], mass, grid, sigma))
        for name in loops:
            using(name, partial(localization_density, models[:1], mass, **words))
        spent = interleaved(jobs, repeats)
        peer = spent["splat"].times(m / few)
        exact = direct(models[:few], mass, grid, sigma)
        theirs = np.abs(splat(models[:few], mass, grid, sigma) - exact).max() / exact.max()
        for name in loops:
            error = max(
                _error(name, part, mass, words, sigma)
                for part in (models[:few], models[:1], models[:1, :1])
            )
            rate = m * n / max(spent[name].cpu, 1e-9) / 1e6
            out.append(
                Row(
                    f"density, voxel {voxel:g} Å, map resolution {resolution:g} Å, {name}",
                    spent[name],
                    "NumPy splat",
                    peer,
                    f"{m} x {n}, {grid.size / 1e6:.1f} Mvoxels; {rate:.1f} Mbeads/s; error {error:.0e} of the maximum, "
                    f"the splat's {theirs:.0e}",
                )
            )
    return out
