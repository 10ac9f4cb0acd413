"""
Which pairs are within a threshold, mostly from a few pseudo-beads.

Projected on *k* orthonormal directions of the bead space, models *i* and *j* have
a distance *d*, and leave out *e_i* and *e_j* (as RMSD). Whatever the rotation,

    ``(e_i - e_j)**2 <= d_true**2 - d**2 <= (e_i + e_j)**2``

by the inequality of Cauchy and Schwarz. Most pairs are clearly on one side of a
threshold, so that few pseudo-beads tell; the others are computed from all beads.
The clusters are those of all exact distances; distances themselves are not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._basis import Basis, principal_basis, spread_models
from congruence.compute._blocks import in_order, thread_count
from congruence.compute._packing import TILE, Packed, Packer, Rows
from congruence.compute._resolve import Data, Resolved, resolve
from congruence.compute._screening import Axes, BeadRows, Levels, open_sides, pair_distances
from congruence.core.results import Alignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.metric import Metric
    from congruence.compute.neighbours import NeighbourBits
    from congruence.typing import BoolArray, IntArray

__all__ = ["Screening", "screen"]

_SAMPLE = 512
_RANKS = (4, 8, 16, 32, 64, 128, 256)
_EDGE = 1024
_WORTH = 2.0  # seconds of one core; a job of less is over in a moment
_GAIN = 0.5
# Seconds: of a product in a tile, in a single pair; of a pair besides.
_PRODUCT, _SINGLE_PRODUCT, _STAGE = 1e-11, 4e-11, 1e-8


@dataclass(frozen=True, eq=False)
class Screening:
    """
    An ensemble along a few directions, with what they leave out of each model.

    Parameters
    ----------
    axes : tuple of Axes
        Tiles of models along the directions.
    rank : int
        Number of directions, which are as many pseudo-beads.
    beads : int
        Measured beads.
    share : float
        Share of the pairs of a sample that the directions leave open.
    resolved : Resolved
        The metric on all beads.
    rows : BeadRows
        Where the beads of open pairs are taken from.
    """

    axes: tuple[Axes, ...] = field(repr=False)
    rank: int
    beads: int
    share: float
    resolved: Resolved = field(repr=False)
    rows: BeadRows = field(repr=False)

    def put(
        self,
        sink: NeighbourBits,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, str]:
        """
        Find which pairs are within the threshold of a sink.

        Parameters
        ----------
        sink : NeighbourBits
            Receives which pairs are neighbours, and how many are close to the threshold.
        threads : int, optional
            Threads; all available cores by default.
        progress : callable, optional
            Called with the number of blocks of pairs done and of all.

        Returns
        -------
        definition : dict of str to str
            Words for ``DistanceMatrix.definition``.
        """
        from threadpoolctl import threadpool_limits

        m = sink.m
        levels = Levels(sink.threshold, sink.within)
        starts = range(0, m, _EDGE)
        todo = [(i, j) for i in starts for j in starts if i <= j]
        opened = exact = 0
        with threadpool_limits(1, user_api="blas"):
            job = partial(self._block, levels=levels)
            for at, ((i, j), found) in enumerate(in_order(job, todo, thread_count(threads)), 1):
                near, close, several, single = found
                sink.close_pairs += close
                sink.put_near(i, j, near)
                opened, exact = opened + several, exact + single
                if progress is not None:
                    progress(at, len(todo))
        said = _text(m, self.rank, self.beads, sink.threshold, (opened, exact))
        return self.resolved.definition | {"precision": "double", "screening": said}

    def _block(self, key: tuple[int, int], levels: Levels) -> tuple[BoolArray, int, int, int]:
        """Return which pairs are neighbours, how many are close, open, and exact."""
        m = self.resolved.source.shape[0]
        own = tuple(slice(at, min(at + _EDGE, m)) for at in key)
        shape = own[0].stop - own[0].start, own[1].stop - own[1].start
        near, unsure = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        squared = levels.squared(self.rank)
        for a in range(own[0].start, own[0].stop, TILE):
            for b in range(max(own[1].start, a), own[1].stop, TILE):
                sides = open_sides(self.axes[a // TILE], self.axes[b // TILE], squared)
                x, y = a - own[0].start, b - own[1].start
                for whole, part in zip((near, unsure), sides, strict=True):
                    place = whole[x : x + TILE, y : y + TILE]
                    place[:] = part[: place.shape[0], : place.shape[1]]
        diagonal = key[0] == key[1]
        if diagonal:
            near, unsure = np.triu(near, 1), np.triu(unsure, 1)
        rows, columns = np.nonzero(unsure)
        close = exact = 0
        if len(rows):
            distance, exact = pair_distances(self.rows, (own[0], own[1]), (rows, columns), levels)
            near[rows, columns] = distance <= levels.threshold
            off = np.abs(distance - levels.threshold)
            close = int(np.count_nonzero(off <= levels.within))
        if diagonal:
            near = near | near.T
            np.fill_diagonal(near, True)
        return near, close, len(rows), exact


def _text(m: int, rank: int, beads: int, threshold: float, counts: tuple[int, int]) -> str:
    opened, exact = counts
    decided = 1.0 - opened / max(m * (m - 1) // 2, 1)
    return (
        f"{rank} pseudo-beads of {beads} beads tell for {decided:.2%} of the pairs on which side "
        f"of {threshold:g} Å they are; {opened:,} computed from all beads, {exact:,} of these, "
        "near the threshold, in double precision"
    )


def screen(
    data: Data,
    metric: Metric,
    threshold: float,
    *,
    always: bool = False,
    memory: int = 2 << 30,
    threads: int | None = None,
) -> Screening | None:
    """
    Find pseudo-beads that tell most pairs apart at a threshold, if that pays.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    threshold : float
        In Å.
    always : bool
        Screen also where it costs more than it saves.
    memory : int
        Bytes that the beads of all models may take (12 m n); if they do not
        fit, they are packed again for each block of pairs, which takes longer
        and changes nothing.
    threads : int, optional
        Threads; all available cores by default.

    Returns
    -------
    screening : Screening or None
        None for interchangeable copies, when other beads are superposed than
        measured, and when too many pairs of a sample are left open. The
        decision depends on the data, the metric and the threshold only.

    Raises
    ------
    ConfigError
        As `congruence.compute.rmsd.rmsd_matrix`.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.

    Notes
    -----
    Half of a sample of 512 models, evenly spread, gives the directions of
    largest spread; the pairs of the other half tell for how many directions the
    whole costs least.

    Examples
    --------
    Two groups of 20 models around different arrangements, 4 Å of noise:

    >>> from congruence.compute.metric import Metric
    >>> rng = np.random.default_rng(0)
    >>> middle = rng.normal(size=(2, 1, 60, 3)) * 30
    >>> models = (middle + rng.normal(size=(2, 20, 60, 3)) * 4).reshape(40, 60, 3)
    >>> screen(models, Metric("superpose"), 15.0, always=True).share
    0.0
    """
    from threadpoolctl import threadpool_limits

    resolved = resolve(data, metric)
    m, n = resolved.source.shape[0], len(resolved.measure.beads)
    apart = resolved.alignment is Alignment.SUPERPOSE and not resolved.same
    if m < 4 or apart or resolved.groups or not n:
        return None
    kept = 12 * m * n <= memory
    if not always and _seconds(resolved, n, 0.0) < _WORTH:
        return None
    packer, workers = Packer(resolved), thread_count(threads)
    with threadpool_limits(1, user_api="blas"):
        found = _best_basis(packer, threshold, always=always)
        if found is None:
            return None
        basis, share = found
        rows = BeadRows(packer, kept=kept, blocks=workers + 2)

        def project(start: int) -> Axes:
            packed = packer.tile(start)
            rows.fill(packed)
            return Axes.of(packed, basis)

        axes = tuple(tile for _, tile in in_order(project, range(0, m, TILE), workers))
    return Screening(axes, basis.size, n, share, resolved, rows)


def _seconds(resolved: Resolved, width: int, share: float) -> float:
    """Estimate what all pairs take on one core with so many (pseudo-)beads and open pairs."""
    m, n = resolved.source.shape[0], len(resolved.measure.beads)
    products = 9.0 if resolved.planes == 3 else 3.0
    pair = width * products * _PRODUCT * 2.0 + _STAGE + share * n * products * _SINGLE_PRODUCT
    return 0.5 * m * m * pair


def _best_basis(packer: Packer, threshold: float, *, always: bool) -> tuple[Basis, float] | None:
    """Return the basis with which the whole takes least, and the share of pairs left open."""
    resolved = packer.resolved
    m, n = resolved.source.shape[0], len(resolved.measure.beads)
    sample = spread_models(m)[: min(_SAMPLE, m)]
    half = len(sample) // 2
    # Directions fit the models that they were found from better than others.
    widest = principal_basis(resolved, _chosen(packer, sample[:half]), _RANKS[-1])
    if widest is None:
        return None
    others = _chosen(packer, sample[half:])
    levels = Levels(threshold, 0.0)
    pairs = np.triu_indices(len(sample) - half, 1)
    best: tuple[float, Basis, float] | None = None
    for rank in _RANKS:
        basis = widest.narrowed(rank)
        axes = Axes.of(others, basis)
        share = float(open_sides(axes, axes, levels.squared(basis.size))[1][pairs].mean())
        seconds = _seconds(resolved, basis.size, share)
        if best is None or seconds < best[0]:
            best = seconds, basis, share
    assert best is not None  # there is a first rank
    if not always and best[0] > _GAIN * _seconds(resolved, n, 0.0):
        return None
    return best[1:]


def _chosen(packer: Packer, models: IntArray) -> Packed:
    """Return some models, packed as one tile."""
    several = [packer.models(np.array([model])) for model in np.sort(models)]
    parts = (np.concatenate([one.measure.parts[0] for one in several], axis=2),)
    squares = np.concatenate([one.measure.squares for one in several])
    rows = Rows(parts, squares)
    return Packed(0, len(models), rows, rows)
