"""
How beads of clusters move, on a Dask cluster.

Several small clusters are one task, one that is larger is a task. Of a large one each round
of the mean is divided: a task sums over blocks of models, and the sums are added here in
their order. What one task could sum in less than a second is summed for several rounds of
the mean by each.
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
from congruence.workflow.dask_move_tasks import all_moves, block_sums, fluctuations, mean_rounds
from congruence.workflow.dask_portions import more, together
from congruence.workflow.dask_scratch import load_array, save_array
from congruence.workflow.dask_words import share_members, topology_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.compute.fluctuation_sums import What
    from congruence.core.results import Alignment
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["MovesPlan", "set_fluctuations"]

_BLOCKS = {"places": 4, "moves": 2, "deviations": 6}
"""Blocks of 4 million coordinates that one task sums over, about: half a second to one."""

_SECONDS = 0.7
_AIM = 0.9
_VALUE_SECONDS = {"places": 3.5e-8, "moves": 1.2e-7, "deviations": 2e-8}
_MODEL_SECONDS = {"places": 2.5e-5, "moves": 2.5e-5, "deviations": 0.0}
"""Seconds of one core for each coordinate, and for each model; where they are superposed."""
_LIKELY, _ENOUGH, _FEW_ROUNDS = 6, 12, 20
"""Rounds that a mean takes: mostly, such that few take more, and that one task could do."""
_MOST = 2.0
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

        def divided(at: int, begun: Sequence[FloatArray] = ()) -> Fluctuation:
            name, x, center = sets[at]
            sums = _FarSums(connection, folder, at, name, x.shape, over, ahead=list(begun))
            with one_blas_thread():
                return fluctuation(x, topology, center=center, sums=sums, **how)

        def made(at: int, rounds: int) -> Fluctuation:
            if rounds < 0:  # its mean goes on changing
                return divided(at, load_array(folder / f"{at}-begun.npy"))
            return _read(folder, at, sets[at][1].shape[0], str(alignment), rounds)

        over, small = Event(), [at for at, (_, x, _) in enumerate(sets) if MovesPlan(x.shape).whole]
        calls = _small_calls(folder, sets, small)
        # A round waits for the one before: several clusters at a time keep workers busy.
        with ThreadPoolExecutor(_TOGETHER) as pool:
            near = pool.submit(
                lambda: [k for found in connection.results(fluctuations, calls) for k in found]
            )
            far = {at: pool.submit(divided, at) for at in range(len(sets)) if at not in small}
            try:
                for at in range(len(sets)):
                    if at in far:
                        yield far.pop(at).result()
                    else:
                        yield made(at, near.result()[small.index(at)])
            finally:
                over.set()
                pool.shutdown(wait=False, cancel_futures=True)


def _small_calls(
    folder: Path, sets: Sequence[tuple[str, CoordinateSource, int]], small: Sequence[int]
) -> list[tuple[str, tuple[Any, ...]]]:
    """Join clusters that are short by themselves into tasks."""
    plans = [MovesPlan(sets[at][1].shape) for at in small]
    calls = []
    for task in together([plan.total(_LIKELY) for plan in plans], _SECONDS):
        mine = [small[k] for k in task]
        # If all of their means take so many rounds they take two seconds together.
        most = sum(plans[k].total(_FEW_ROUNDS) for k in task)
        rounds = max(_ENOUGH, _FEW_ROUNDS * _MOST / max(most, 1e-9))
        name = more(f"fluctuation-{sets[mine[0]][0]}", len(mine))
        calls.append((name, (str(folder), mine, int(rounds))))
    return calls


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
    3
    """

    shape: tuple[int, int, int]

    def total(self, rounds: int) -> float:
        """
        Estimate the time of all of it.

        Parameters
        ----------
        rounds : int
            Of the mean.

        Returns
        -------
        seconds : float
            Of one core.
        """
        every = (0, self.shape[0])
        after = self.seconds("moves", every) + self.seconds("deviations", every)
        return rounds * self.seconds("places", every) + after

    @property
    def whole(self) -> bool:
        """Whether all of it is one task: also with many rounds of the mean it is short."""
        return self.total(_FEW_ROUNDS) < 2 * _SECONDS

    @property
    def rounds(self) -> int:
        """How many rounds of the mean one task does; 1 where a round is several tasks."""
        pieces = self.pieces("places")
        if len(pieces) > 1:
            return 1
        return max(1, int(_SECONDS / max(self.seconds("places", pieces[0]), 1e-9)))

    def pieces(self, what: What) -> list[tuple[int, int]]:
        """
        Divide the models into tasks.

        Parameters
        ----------
        what : str
            As for `congruence.compute.fluctuation_sums.BlockSums.of`.

        Returns
        -------
        pieces : list of (int, int)
            First model of each, and one past the last: whole blocks, or to the last.
        """
        from congruence.compute.fluctuation_sums import block_models

        m, n, _ = self.shape
        step = block_models(n)
        blocks = [(start, min(start + step, m)) for start in range(0, m, step)]
        seconds = [self.seconds(what, block) for block in blocks]
        aim = min(_BLOCKS[what] * self.seconds(what, (0, step)), _AIM)
        tasks = together(seconds, aim)
        return [(blocks[task.start][0], blocks[task.stop - 1][1]) for task in tasks]

    def seconds(self, what: What, piece: tuple[int, int]) -> float:
        """
        Estimate the time of a task.

        Parameters
        ----------
        what : str
            As for `pieces`.
        piece : tuple of int
            First model, and one past the last.

        Returns
        -------
        seconds : float
            Of one core, for one round.
        """
        model = 3 * self.shape[1] * _VALUE_SECONDS[what] + _MODEL_SECONDS[what]
        return (piece[1] - piece[0]) * model


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
    following: list[FloatArray] = field(default_factory=list)  # mean distances, and deviations

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        if self.over.is_set():
            raise CancelledError
        pieces = MovesPlan(self.shape).pieces(what)
        if what == "places" and (len(pieces) == 1 or self.ahead):
            yield self._total(at[0], MovesPlan(self.shape).rounds)
            return
        if what == "deviations" and self.following and np.array_equal(self.following[0], at[1]):
            yield from self.following[1:]
            return
        number, about = self._about(at)
        if what == "moves" and len(pieces) == 1:
            yield from self._moves(self._file(f"{number}-moves"), about)
            return
        calls = []
        for piece in pieces:
            out = self._file(f"{number}-sums-{piece[0]}")
            words = (str(self.folder), self.at, what, about, out, piece)
            name = f"fluctuation-{_TITLES[what]}-{self.name}-{piece[0]}"
            calls.append(Call(block_sums, name, words))
        for call, _ in self.connection.run(calls):
            made = Path(call.words[4])
            yield from load_array(made)
            made.unlink(missing_ok=True)

    def _moves(self, out: str, about: list[str]) -> Iterator[FloatArray]:
        """Yield the moves, and keep the deviations that are asked for next."""
        words = (str(self.folder), self.at, about, out)
        name = f"fluctuation-rmsf-{self.name}-0"
        list(self.connection.run([Call(all_moves, name, words)]))
        found = load_array(Path(out))
        Path(out).unlink(missing_ok=True)
        blocks = (len(found) - 1) // 2
        self.following[:] = list(found[blocks:, 0])
        yield from found[:blocks]

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
