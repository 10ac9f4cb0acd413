"""
How beads of clusters move, on a Dask cluster.

A small cluster is one task. Of a large one each round of the mean is divided: a
task sums over blocks of models, and the sums are added here in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
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

    from congruence.compute.fluctuation_sums import What
    from congruence.core.results import Alignment
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray

__all__ = ["block_sums", "fluctuations", "set_fluctuations"]

_BLOCKS = {"places": 4, "moves": 2, "deviations": 6}
"""Blocks of 4 million coordinates that one task sums over: most of a second."""

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
            if not _divided(x)
        ]
        rounds = connection.results(fluctuations, calls)
        for at, (name, x, center) in enumerate(sets):
            if not _divided(x):
                yield _read(folder, at, x.shape[0], str(alignment), next(rounds))
                continue
            sums = _FarSums(connection, folder, at, name, x.shape)
            with one_blas_thread():
                found = fluctuation(x, topology, center=center, sums=sums, **how)
            yield found


def _divided(source: CoordinateSource) -> bool:
    from congruence.compute.fluctuation_sums import block_models

    return source.shape[0] > block_models(source.shape[1])


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
    rounds: Iterator[int] = field(default_factory=count)

    def __call__(self, what: What, *at: FloatArray) -> Iterator[FloatArray]:
        from congruence.compute.fluctuation_sums import block_models

        m, n, _ = self.shape
        step = _BLOCKS[what] * block_models(n)
        number = next(self.rounds)
        about = [str(self.folder / f"{self.at}-{number}-about-{k}.npy") for k in range(len(at))]
        for path, array in zip(about, at, strict=True):
            save_array(Path(path), array)
        calls = []
        for start in range(0, m, step):
            out = str(self.folder / f"{self.at}-{number}-sums-{start}.npy")
            piece = (start, min(start + step, m))
            words = (str(self.folder), self.at, what, about, out, *piece)
            name = f"fluctuation-{_TITLES[what]}-{self.name}-{start}"
            calls.append(Call(block_sums, name, words))
        for call, _ in self.connection.run(calls):
            made = Path(call.words[4])
            yield from load_array(made)
            made.unlink(missing_ok=True)


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
    from congruence.compute.fluctuation_sums import BlockSums
    from congruence.compute.rectangle import one_blas_thread
    from congruence.core.results import Alignment

    path = Path(out)
    if path.exists():
        return
    job = read_job(folder)
    sums = BlockSums(
        members_from(job["requests"][at]["members"], start, stop),
        topology_from(job["topology"]),
        alignment=Alignment(job["alignment"]),
        on=np.array(job["on"], np.int64),
        weights=np.array(job["weights"], np.float64),
    )
    arrays = [load_array(Path(file)) for file in about]
    with one_blas_thread():
        found = np.stack(list(sums(what, *arrays)))
    save_array(path, found)
