"""
How beads of clusters move, on a Dask cluster.

A small cluster is one task. Of a large one each round of the mean is divided: a
task sums over blocks of models, and the sums are added here in their order. What one
task could sum in less than a second is summed for several rounds of the mean by each.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.precision import Fluctuation
from congruence.workflow.dask_cluster import Connection, connected
from congruence.workflow.dask_futures import Call
from congruence.workflow.dask_scratch import load_array, read_job, save_array
from congruence.workflow.dask_words import (
    members_from,
    share_members,
    topology_from,
    topology_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.compute.fluctuation_sums import BlockSums, What
    from congruence.core.results import Alignment
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["MovesPlan", "block_sums", "fluctuations", "mean_rounds", "set_fluctuations"]

_BLOCKS = {"places": 4, "moves": 2, "deviations": 6}
"""Blocks of 4 million coordinates that one task sums over: half a second to one."""

_SECONDS = 0.7
_VALUE_SECONDS = {"places": 3.5e-8, "moves": 1e-7, "deviations": 2e-8}
"""Seconds of one core for each coordinate; for models that are superposed."""
_FEW_ROUNDS = 20
_SETTLED = 5e-7
"""Å a coordinate: whoever asks for the mean has stopped then, at 1e-6 Å a bead."""
_TOGETHER = 8

_TITLES = {"places": "mean", "moves": "rmsf", "deviations": "compat"}


def set_fluctuations(
    engine: str,
    sets: Sequence[tuple[str, CoordinateSource, int]],
    topology: Topology,
    *,
    alignment: Alignment,
    on: IntArray,
    weights: FloatArray,
) -> Iterator[Fluctuation]:
    """
    Compute the fluctuation of several sets of models.

    Parameters
    ----------
    engine : str
        ``"dask"`` or ``"dask:ADDRESS"``.
    sets : sequence of (str, CoordinateSource, int)
        What to call it, the models (Å), and the position of the center.
    topology : Topology
        The beads.
    alignment : Alignment
        How models are brought onto the mean.
    on : ndarray, dtype=int64, shape=(b,)
        Beads that are superposed or centred on.
    weights : ndarray, dtype=float64, shape=(n,)
        Weights of the superposition.

    Yields
    ------
    fluctuation : Fluctuation
        In the order of the sets, in the bytes of one machine.
    """
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    how: dict[str, Any] = {"alignment": alignment, "on": on, "weights": weights}
    with connected(engine.partition(":")[2]) as connection:
        requests = [
            {"members": share_members(connection.scratch, x, name), "center": center}
            for name, x, center in sets
        ]
        job = how | {"requests": requests, "topology": topology_words(topology)}
        folder = connection.scratch.stage("fluctuation", job | {"alignment": str(alignment)})
        calls = [
            (f"fluctuation-{name}", (str(folder), at))
            for at, (name, x, _) in enumerate(sets)
            if MovesPlan(x.shape).whole
        ]

        def divided(at: int) -> Fluctuation:
            name, x, center = sets[at]
            sums = _FarSums(connection, folder, at, name, x.shape, over)
            with one_blas_thread():
                return fluctuation(x, topology, center=center, sums=sums, **how)

        over = Event()
        # A round waits for the one before: several clusters at a time keep workers busy.
        with ThreadPoolExecutor(_TOGETHER) as together:
            near = together.submit(lambda: iter(list(connection.results(fluctuations, calls))))
            far = {
                at: together.submit(divided, at)
                for at, (_, x, _) in enumerate(sets)
                if not MovesPlan(x.shape).whole
            }
            try:
                for at, (_, x, _) in enumerate(sets):
                    if at in far:
                        yield far.pop(at).result()
                    else:
                        yield _read(folder, at, x.shape[0], str(alignment), next(near.result()))
            finally:
                over.set()
                together.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class MovesPlan:
    """
    In which tasks the fluctuation of one cluster is computed.

    Parameters
    ----------
    shape : tuple of int
        Models, beads, 3.

    Examples
    --------
    >>> MovesPlan((100, 100, 3)).whole
    True
    >>> MovesPlan((4000, 300, 3)).rounds
    5
    """

    shape: tuple[int, int, int]

    @property
    def whole(self) -> bool:
        """Whether all of it is one task: also with many rounds of the mean it is short."""
        return self.seconds("places") * _FEW_ROUNDS + self.seconds("moves") < _SECONDS

    @property
    def rounds(self) -> int:
        """How many rounds of the mean one task does; 1 where a round is several tasks."""
        if self.models("places") < self.shape[0]:
            return 1
        return max(1, int(_SECONDS / max(self.seconds("places"), 1e-9)))

    def models(self, what: What) -> int:
        """
        Return how many models one task sums over.

        Parameters
        ----------
        what : str
            As for `congruence.compute.fluctuation_sums.BlockSums.of`.

        Returns
        -------
        models : int
            Whole blocks.
        """
        from congruence.compute.fluctuation_sums import block_models

        return _BLOCKS[what] * block_models(self.shape[1])

    def seconds(self, what: What) -> float:
        """
        Estimate the time of the longest task.

        Parameters
        ----------
        what : str
            As for `models`.

        Returns
        -------
        seconds : float
            Of one core, for one round.
        """
        return 3 * self.shape[1] * min(self.shape[0], self.models(what)) * _VALUE_SECONDS[what]


def _read(folder: Path, at: int, models: int, alignment: str, rounds: int) -> Fluctuation:
    columns = load_array(folder / f"fluctuation-{at}.npy")
    return Fluctuation(
        rmsf=columns[:, 0].copy(),
        compat=columns[:, 1].copy(),
        mean=columns[:, 3:].copy(),
        rigid=columns[:, 2] != 0.0,
        models=models,
        alignment=alignment,
        iterations=rounds,
    )


@dataclass(frozen=True)
class _FarSums:
    """Sums over blocks of one set, from the workers; a `congruence.compute.fluctuation_sums.Sums`."""

    connection: Connection
    folder: Path
    at: int
    name: str
    shape: tuple[int, int, int]
    over: Event  # nobody waits any more
    numbers: Iterator[int] = field(default_factory=count)
    ahead: list[FloatArray] = field(default_factory=list)  # means, and sums laid on them

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        if self.over.is_set():
            raise CancelledError
        plan = MovesPlan(self.shape)
        if what == "places" and plan.rounds > 1:
            yield self._total(at[0], plan.rounds)
            return
        m, step = self.shape[0], plan.models(what)
        number, about = self._about(at)
        calls = []
        for start in range(0, m, step):
            out = self._file(f"{number}-sums-{start}")
            piece = (start, min(start + step, m))
            words = (str(self.folder), self.at, what, about, out, *piece)
            name = f"fluctuation-{_TITLES[what]}-{self.name}-{start}"
            calls.append(Call(block_sums, name, words))
        for call, _ in self.connection.run(calls):
            made = Path(call.words[4])
            yield from load_array(made)
            made.unlink(missing_ok=True)

    def _total(self, mean: FloatArray, rounds: int) -> FloatArray:
        """Return the sum of positions laid on a mean; perhaps it was computed ahead."""
        if not (self.ahead and np.array_equal(self.ahead[0][0], mean)):
            number, (about,) = self._about((mean,))
            out = Path(self._file(f"{number}-rounds"))
            words = (str(self.folder), self.at, about, str(out), rounds)
            name = f"fluctuation-mean-{self.name}-0"
            list(self.connection.run([Call(mean_rounds, name, words)]))
            self.ahead[:] = list(load_array(out))
            out.unlink(missing_ok=True)
        _, total = self.ahead.pop(0)
        return np.asarray(total)

    def _about(self, at: Sequence[FloatArray]) -> tuple[int, list[str]]:
        """Write the arrays that sums are about."""
        number = next(self.numbers)
        about = [self._file(f"{number}-about-{k}") for k in range(len(at))]
        for path, array in zip(about, at, strict=True):
            save_array(Path(path), array)
        return number, about

    def _file(self, name: str) -> str:
        return str(self.folder / f"{self.at}-{name}.npy")


def fluctuations(folder: str, at: int) -> int:
    """
    Compute how much the beads of one cluster move into ``fluctuation-AT.npy``, as one task.

    Parameters
    ----------
    folder : str
        The stage.
    at : int
        Position of the cluster.

    Returns
    -------
    iterations : int
        Rounds until the mean no longer changed.
    """
    from congruence.compute.fluctuation import fluctuation
    from congruence.compute.rectangle import one_blas_thread

    job = read_job(folder)
    request = job["requests"][at]
    with one_blas_thread():
        found = fluctuation(
            members_from(request["members"]),
            topology_from(job["topology"]),
            alignment=job["alignment"],
            center=request["center"],
            on=np.array(job["on"], np.int64),
            weights=np.array(job["weights"], np.float64),
        )
    columns = np.column_stack([found.rmsf, found.compat, found.rigid, found.mean])
    save_array(Path(folder) / f"fluctuation-{at}.npy", columns)
    return found.iterations


def block_sums(
    folder: str, at: int, what: What, about: list[str], out: str, start: int, stop: int
) -> None:
    """
    Sum over some blocks of the models of one cluster, each block by itself; one task.

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
    start, stop : int
        Which of the models: whole blocks, or to the last.
    """
    from congruence.compute.rectangle import one_blas_thread

    path = Path(out)
    if path.exists():
        return
    sums = _sums(folder, at, start, stop)
    arrays = [load_array(Path(file)) for file in about]
    with one_blas_thread():
        found = np.stack(list(sums(what, *arrays)))
    save_array(path, found)


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
