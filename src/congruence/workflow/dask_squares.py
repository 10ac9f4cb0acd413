"""Which squares of models are computed for which tiles, in which tasks and in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from congruence.workflow.dask_portions import together

__all__ = ["TilePlan"]

_BLOCK = 128
_BEAD_SECONDS = 3e-8
"""Seconds to read and pack a bead of a model."""


@dataclass(frozen=True)
class TilePlan:
    """
    Which squares are computed for which tiles, in which order.

    Parameters
    ----------
    m : int
        Models.
    edge : int
        Models along the edge of a tile.
    size : int
        Models along the edge of the square of a task.
    done : frozenset of tuple
        Tiles that need not be computed.
    """

    m: int
    edge: int
    size: int
    done: frozenset[tuple[int, int]]

    @cached_property
    def tiles(self) -> list[tuple[int, int]]:
        """First models of rows and columns of the tiles to put, row by row."""
        starts = range(0, self.m, self.edge)
        return [(i, j) for i in starts for j in starts if i <= j and (i, j) not in self.done]

    @cached_property
    def every(self) -> int:
        """Number of all tiles."""
        rows = -(-self.m // self.edge)
        return rows * (rows + 1) // 2

    def squares(self, tile: tuple[int, int]) -> list[tuple[int, int]]:
        """
        Return the squares that a tile is made of.

        Parameters
        ----------
        tile : tuple of int
            Its first models.

        Returns
        -------
        squares : list of tuple
            Their first models, never below the diagonal.
        """
        i, j = tile
        rows, columns = (
            range(at // self.size * self.size, min(at + self.edge, self.m), self.size)
            for at in (i, j)
        )
        return [(a, b) for a in rows for b in columns if a <= b]

    @cached_property
    def bands(self) -> list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
        """Squares and tiles of one band of rows after the other."""
        height = math.lcm(self.edge, self.size)  # no square is in two bands
        tiles: dict[int, list[tuple[int, int]]] = {}
        for tile in self.tiles:
            tiles.setdefault(tile[0] // height, []).append(tile)
        return [
            (sorted({s for t in band for s in self.squares(t)}), band) for band in tiles.values()
        ]

    def seconds(self, square: tuple[int, int], pair: float, beads: int) -> float:
        """
        Estimate the time of a square.

        Parameters
        ----------
        square : tuple of int
            Its first models.
        pair : float
            Seconds of a pair.
        beads : int
            Beads of a model that are packed.

        Returns
        -------
        seconds : float
            Of one core; on the diagonal little more than half of that of others.
        """
        i, j = square
        rows, columns = (min(self.size, self.m - at) for at in (i, j))
        if i != j:
            return rows * columns * pair + (rows + columns) * beads * _BEAD_SECONDS
        blocks = -(-rows // _BLOCK)
        return rows**2 * pair * (blocks + 1) / (2 * blocks) + rows * beads * _BEAD_SECONDS

    def tasks(self, pair: float, beads: int, aim: float) -> list[list[tuple[int, int]]]:
        """
        Join neighbouring squares into tasks.

        Parameters
        ----------
        pair : float
            Seconds of a pair.
        beads : int
            Beads of a model that are packed.
        aim : float
            Seconds that a task is meant to take.

        Returns
        -------
        tasks : list of list of tuple
            Squares of each, band after band. It depends on the models, not on workers.
        """
        squares = [square for needed, _ in self.bands for square in needed]
        seconds = [self.seconds(square, pair, beads) for square in squares]
        return [[squares[k] for k in task] for task in together(seconds, aim)]
