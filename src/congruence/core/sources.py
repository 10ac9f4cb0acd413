"""
How compute reads large ensembles and hands over large matrices.

A `CoordinateSource` may be an array, a cache on disk or frames of many files;
a `TileSink` may be a condensed vector in memory or a folder of tiles. The
protocols live here so that compute and io do not know each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from congruence.errors import ShapeError

if TYPE_CHECKING:
    from congruence.typing import Float32Array, FloatArray

__all__ = ["ArraySource", "CondensedSink", "CoordinateSource", "TileSink", "as_source"]


@runtime_checkable
class CoordinateSource(Protocol):
    """Coordinates of *m* models of *n* beads, read in blocks of whole models."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (m, n, 3)."""

    def read(self, start: int, stop: int) -> FloatArray:
        """Return models ``start`` to ``stop``, float64, shape (stop - start, n, 3), in Å."""


@runtime_checkable
class TileSink(Protocol):
    """Receiver of tiles of a symmetric matrix; only tiles with ``i <= j`` are put."""

    def done(self) -> set[tuple[int, int]]:
        """Return the tiles that need not be computed again."""

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """Store the tile whose first row is model `i` and first column model `j`."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """
    An array in memory as a `CoordinateSource`.

    Parameters
    ----------
    coordinates : ndarray, shape=(m,n,3)
        Coordinates in Å, of any floating type.
    """

    coordinates: FloatArray | Float32Array

    def __post_init__(self) -> None:
        shape = np.shape(self.coordinates)
        if len(shape) != 3 or shape[2] != 3:
            raise ShapeError(
                f"coordinates must have shape (models, beads, 3), found {shape}",
                hint="Pass all models in one array; a single model is coordinates[None].",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (m, n, 3)."""
        m, n, _ = self.coordinates.shape
        return (m, n, 3)

    def read(self, start: int, stop: int) -> FloatArray:
        """
        Return some models.

        Parameters
        ----------
        start, stop : int
            First model, and one past the last.

        Returns
        -------
        coordinates : ndarray, dtype=float64, shape=(stop-start,n,3)
            In Å.
        """
        return np.asarray(self.coordinates[start:stop], dtype=np.float64)


class CondensedSink:
    """
    A condensed upper triangle in memory as a `TileSink`.

    Parameters
    ----------
    m : int
        Number of models; ``m (m - 1) / 2`` values are kept, in the order of
        `scipy.spatial.distance.squareform`.
    dtype : type
        `numpy.float32` or `numpy.float64`.
    """

    def __init__(self, m: int, dtype: type[np.float32 | np.float64] = np.float32) -> None:
        self.m = m
        size = m * (m - 1) // 2
        self.values: Float32Array | FloatArray
        if dtype is np.float64:
            self.values = np.empty(size, dtype=np.float64)
        else:
            self.values = np.empty(size, dtype=np.float32)

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            Always empty: nothing outlives the process.
        """
        return set()

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Store a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å. On the diagonal only the upper triangle is used.
        """
        rows, columns = tile.shape
        if j >= i + rows:
            at = i * self.m - i * (i + 1) // 2 + j - i - 1
            for r, row in enumerate(tile):
                self.values[at : at + columns] = row
                at += self.m - i - r - 2
            return
        for r in range(rows):
            row = i + r
            first = max(j, row + 1)
            if first >= j + columns:
                continue
            at = row * self.m - row * (row + 1) // 2 + first - row - 1
            self.values[at : at + j + columns - first] = tile[r, first - j :]


def as_source(data: CoordinateSource | FloatArray | Float32Array) -> CoordinateSource:
    """
    Return data as a coordinate source.

    Parameters
    ----------
    data : CoordinateSource or ndarray of shape (m,n,3)
        Coordinates in Å.

    Returns
    -------
    source : CoordinateSource
        The source itself, or the array behind the protocol.

    Raises
    ------
    ShapeError
        If an array is not of shape *(m,n,3)*.
    """
    if isinstance(data, CoordinateSource):
        return data
    return ArraySource(data)
