"""
Densities as the reference makes them, for comparison with published maps.

They differ from `congruence.compute.density` in ways that are not meant: the
Gaussian ends at three sigma, the exponential is an approximation (-4 to +2 %),
and every model has a grid of its own that is added to the sum by nearest
voxel, so that the sum drifts by up to half a voxel at each step. The result
equals the reference's bit for bit, given the same coordinates, the masses of
`reference_masses`, and products of the rotation matrix summed from left to
right in float64 (x, then y, then z, then the translation).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._density_blocks import loops
from congruence.core.grid import DensityMap, Grid
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from congruence.core.topology import Topology
    from congruence.typing import Float32Array, FloatArray

__all__ = ["reference_density", "reference_masses", "reference_model_density", "reference_sum"]


def reference_masses(topology: Topology) -> FloatArray:
    """
    Return masses as the reference has them in memory.

    It takes the mass of an atom from its own table of elements and not from
    the file, which holds it as float32.

    Parameters
    ----------
    topology : Topology
        Beads at the finest resolution.

    Returns
    -------
    mass : ndarray, dtype=float64, shape=(n,)
        In Da: of atoms with four decimals, of other beads as in the file.

    Examples
    --------
    >>> from congruence.core.topology import Molecule, Topology
    >>> reference_masses(Topology.simple([Molecule("A")], beads_per_molecule=2)).tolist()
    [110.0, 110.0]
    """
    atoms = np.array([bool(name) for name in topology.atom_name], dtype=bool)
    return np.where(atoms, np.round(topology.mass, 4), topology.mass)


def reference_model_density(
    points: FloatArray,
    radius: FloatArray,
    mass: FloatArray,
    *,
    voxel: float = 5.0,
    map_resolution: float = 20.0,
    models: int = 1,
) -> tuple[Grid, FloatArray]:
    """
    Sample one model on a grid of its own, as the reference does.

    Parameters
    ----------
    points : ndarray, dtype=float64, shape=(b,3)
        Centres of the selected beads at the finest resolution, in Å.
    radius, mass : ndarray, dtype=float64, shape=(b,)
        Radii in Å (they only pad the grid) and masses in Da.
    voxel : float
        Edge of a voxel in Å.
    map_resolution : float
        Resolution of the map in Å.
    models : int
        Models of the job so far: with many, the loop is compiled. The values
        are the same.

    Returns
    -------
    grid : Grid
        Origin in whole Å, three times resolution plus largest radius around
        the bead centres.
    values : ndarray, dtype=float64, shape=(nz,ny,nx)
        Density in Da / Å³.

    Raises
    ------
    ShapeError
        If there is no bead.
    """
    if not len(points):
        raise ShapeError("a density needs at least one bead, found none")
    low, high = points.min(axis=0), points.max(axis=0)
    padding = 3.0 * (map_resolution + float(radius.max()))
    origin = np.floor(low - padding)
    nx, ny, nz = (int(n) for n in np.ceil((high - low + 2.0 * padding) / voxel))
    grid = Grid((float(origin[0]), float(origin[1]), float(origin[2])), (nx, ny, nz), voxel)
    sigma = np.float32(map_resolution / (4.0 * math.sqrt(2.0 * math.log(2.0))))
    cut = np.float32(3.0) * sigma
    inverse = np.float32(1.0) / (np.float32(2.0) * sigma * sigma)
    scale = np.float32(1.0) / (np.float32(math.sqrt(2.0 * math.pi)) ** 3 * sigma**3)
    values = np.zeros((nz, ny, nx))
    loops(models).reference_gaussians(
        np.ascontiguousarray(points, dtype=np.float64),
        np.asarray(mass, dtype=np.float64) * float(scale),
        origin,
        float(voxel),
        (float(cut), float(cut * cut), float(inverse)),
        values,
    )
    return grid, values


def reference_sum(
    one: tuple[Grid, FloatArray], two: tuple[Grid, FloatArray]
) -> tuple[Grid, FloatArray]:
    """
    Add two maps on the union of their boxes by nearest voxel, without interpolation.

    Parameters
    ----------
    one, two : tuple of Grid and ndarray
        Maps of the same voxel.

    Returns
    -------
    grid : Grid
        Box that holds both boxes.
    values : ndarray, dtype=float64, shape=(nz,ny,nx)
        Sum; each map may have been moved by up to half a voxel.
    """
    h = one[0].voxel
    corners = [np.array(g.origin) - 0.5 * h for g, _ in (one, two)]
    ends = [c + np.array(g.shape) * h for c, (g, _) in zip(corners, (one, two), strict=True)]
    low, high = np.minimum(*corners), np.maximum(*ends)
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / h - 1e-6))
    origin = low + 0.5 * h
    grid = Grid((float(origin[0]), float(origin[1]), float(origin[2])), (nx, ny, nz), h)
    total = np.zeros((nz, ny, nx))
    for part, values in (two, one):
        x, y, z = np.floor(0.5 + (np.array(part.origin) - origin) / h).astype(int).tolist()
        into = total[z : z + part.shape[2], y : y + part.shape[1], x : x + part.shape[0]]
        into += values[: into.shape[0], : into.shape[1], : into.shape[2]]
    return grid, total


def reference_density(
    models: Iterable[FloatArray],
    radius: FloatArray,
    mass: FloatArray,
    *,
    voxel: float = 5.0,
    map_resolution: float = 20.0,
    name: str = "all",
) -> DensityMap:
    """
    Average models as the reference does, drifting grid included.

    Parameters
    ----------
    models : iterable of ndarray, dtype=float64, shape=(b,3)
        Selected beads of each model, placed, in rank order; in Å.
    radius, mass : ndarray, dtype=float64, shape=(b,)
        Radii in Å and masses in Da.
    voxel : float
        Edge of a voxel in Å.
    map_resolution : float
        Resolution of the map in Å.
    name : str
        Name of the map.

    Returns
    -------
    density : DensityMap
        The reference's map.

    Raises
    ------
    ShapeError
        If there is no model or no bead.
    """
    total: tuple[Grid, FloatArray] | None = None
    count = 0
    for points in models:
        part = reference_model_density(
            points, radius, mass, voxel=voxel, map_resolution=map_resolution, models=count + 1
        )
        total = part if total is None else reference_sum(total, part)
        count += 1
    if total is None:
        raise ShapeError("a density needs at least one model, found none")
    grid, values = total
    factor = float(np.float32(1.0) / np.float32(count))
    mean: Float32Array = (values * factor).astype(np.float32)
    return DensityMap(name, grid, mean, count)
