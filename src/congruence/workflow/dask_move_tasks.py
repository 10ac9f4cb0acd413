"""What a Dask worker does for fluctuations; see `congruence.workflow.dask_tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.workflow.dask_scratch import load_array, read_job, save_array
from congruence.workflow.dask_words import members_from, topology_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.compute.fluctuation_sums import BlockSums, What
    from congruence.typing import FloatArray

__all__ = ["all_moves", "block_sums", "fluctuations", "mean_rounds"]

_SETTLED = 5e-7
"""Å a coordinate: whoever asks for the mean has stopped then, at 1e-6 Å a bead."""


def fluctuations(folder: str, sets: list[int], rounds: int) -> list[int]:
    """
    Compute how much the beads of some clusters move, each into ``fluctuation-AT.npy``.

    Parameters
    ----------
    folder : str
        The stage.
    sets : list of int
        Positions of the clusters.
    rounds : int
        Rounds of a mean, at most. Where more are needed these are left in
        ``AT-begun.npy``, as by `mean_rounds`.

    Returns
    -------
    iterations : list of int
        Rounds until the mean of each no longer changed; -1 where it still does.
    """
    return [_fluctuation(folder, at, rounds) for at in sets]


def _fluctuation(folder: str, at: int, rounds: int) -> int:
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    request = job["requests"][at]
    sums = _Rounds(_sums(folder, at), rounds)
    try:
        with one_blas_thread():
            found = fluctuation(
                sums.sums.source,
                topology_from(job["topology"]),
                alignment=job["alignment"],
                center=request["center"],
                on=np.array(job["on"], np.int64),
                weights=np.array(job["weights"], np.float64),
                sums=sums,
            )
    except _TooManyError:
        save_array(Path(folder) / f"{at}-begun.npy", np.array(sums.found))
        return -1
    columns = np.column_stack([found.rmsf, found.compat, found.rigid, found.mean])
    save_array(Path(folder) / f"fluctuation-{at}.npy", columns)
    return found.iterations


class _TooManyError(Exception):
    """A mean needs more rounds than one task does."""


class _Rounds:
    """Sums of one set that remember the rounds of its mean, up to so many."""

    def __init__(self, sums: BlockSums, most: int) -> None:
        self.sums, self._most = sums, most
        self.found: list[tuple[FloatArray, FloatArray]] = []

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        if what != "places":
            yield from self.sums(what, *at)
            return
        if len(self.found) == self._most:
            raise _TooManyError
        total = np.zeros_like(at[0])
        for part in self.sums(what, *at):
            total += part
        self.found.append((at[0], total))
        yield total


def block_sums(
    folder: str, at: int, what: What, about: list[str], out: str, piece: tuple[int, int]
) -> None:
    """
    Sum over some blocks of the models of one cluster, each block by itself.

    Parameters
    ----------
    folder : str
        The stage.
    at : int
        Position of the cluster.
    what : str
        As for `congruence.compute.fluctuation_sums.BlockSums.of`.
    about : list of str
        Files of the arrays that the sums are about.
    out : str
        File to write.
    piece : tuple of int
        Which of the models, first and one past the last: whole blocks, or to the last.
    """
    from congruence.compute.rectangle import one_blas_thread

    path = Path(out)
    if path.exists():
        return
    sums = _sums(folder, at, *piece)
    arrays = [load_array(Path(file)) for file in about]
    with one_blas_thread():
        found = np.stack(list(sums(what, *arrays)))
    save_array(path, found)


def all_moves(folder: str, at: int, about: list[str], out: str) -> None:
    """
    Sum the moves of all models of one cluster, and the deviations that are asked for next.

    Parameters
    ----------
    folder : str
        The stage.
    at : int
        Position of the cluster.
    about : list of str
        Files of the mean and of the places.
    out : str
        File to write: moves of each block, shape (blocks,8,n), then a block of the same shape
        for each block and one before them. In the first row of that are the mean distances
        that deviations are about, in the first rows of the others the deviations.
    """
    from congruence.compute.rectangle import one_blas_thread

    path = Path(out)
    if path.exists():
        return
    sums = _sums(folder, at)
    mean, places = (load_array(Path(file)) for file in about)
    with one_blas_thread():
        moved = list(sums("moves", mean, places))
        apart = np.zeros(mean.shape[0])
        for block in moved:
            apart += block[1]
        apart /= sums.source.shape[0]
        following = [apart, *sums("deviations", places, apart)]
    rows = np.zeros((len(following), *moved[0].shape))
    rows[:, 0] = following
    save_array(path, np.concatenate([np.stack(moved), rows]))


def mean_rounds(folder: str, at: int, about: str, out: str, rounds: int) -> None:
    """
    Sum the positions of one cluster laid on a mean, then on the mean that follows, and so on.

    Parameters
    ----------
    folder : str
        The stage.
    at : int
        Position of the cluster.
    about : str
        File of the first mean.
    out : str
        File to write: for each round the mean and the sum, shape (rounds,2,n,3). There
        are fewer where the mean no longer changes.
    rounds : int
        At most so many.
    """
    from congruence.compute.rectangle import one_blas_thread
    from congruence.core.results import Alignment

    path = Path(out)
    if path.exists():
        return
    sums, mean = _sums(folder, at), load_array(Path(about))
    m, found = sums.source.shape[0], []
    for _ in range(rounds):
        total = np.zeros_like(mean)
        with one_blas_thread():
            for part in sums("places", mean):
                total += part
        found.append((mean, total))
        before, mean = mean, total / m
        if sums.mode is not Alignment.SUPERPOSE or np.abs(mean - before).max() < _SETTLED:
            break
    save_array(path, np.array(found))


def _sums(folder: str, at: int, start: int = 0, stop: int | None = None) -> BlockSums:
    from congruence.compute.fluctuation_sums import BlockSums
    from congruence.core.results import Alignment

    job = read_job(folder)
    return BlockSums(
        members_from(job["requests"][at]["members"], start, stop),
        topology_from(job["topology"]),
        alignment=Alignment(job["alignment"]),
        on=np.array(job["on"], np.int64),
        weights=np.array(job["weights"], np.float64),
    )
