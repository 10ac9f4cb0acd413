"""
What a Dask worker does: each function is one task.

Tasks take texts and numbers, open the data themselves, compute on one thread,
and leave their result as a file in the folder of their stage. A task whose file
is there already has nothing to do: when a worker is killed after it wrote a
tile, that tile is not computed again.
"""

from __future__ import annotations

import json
import pkgutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ConfigError, CongruenceError, MissingDependencyError
from congruence.workflow.dask_memory import learn_sizes
from congruence.workflow.dask_scratch import FileSource, read_job, save_array
from congruence.workflow.dask_words import metric_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.compute.metric import Metric
    from congruence.compute.tiler import Tiler
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

__all__ = ["distances", "perform", "read_models", "set_distances"]


def perform(target: str, words: str) -> Any:
    """
    Do a task.

    Parameters
    ----------
    target : str
        ``MODULE:FUNCTION``.
    words : str
        Its arguments, as JSON.

    Returns
    -------
    result : Any
        What the function returns.

    Raises
    ------
    CongruenceError
        What it raises.

    Examples
    --------
    >>> perform("operator:add", "[1, 2]")
    3
    """
    learn_sizes()
    return pkgutil.resolve_name(target)(*json.loads(words))


def distances(folder: str, squares: list[tuple[int, int]]) -> dict[str, str]:
    """
    Compute squares of distances, each into ``tile-I-J.npy``; those that are there are left.

    Parameters
    ----------
    folder : str
        The stage.
    squares : list of (int, int)
        Model of the first row and of the first column of each.

    Returns
    -------
    words : dict of str to str
        What a device adds to the definition; else nothing.

    Raises
    ------
    CongruenceError
        If the worker cannot see the data, or the device is not there.
    """
    paths = {(i, j): Path(folder) / f"tile-{i}-{j}.npy" for i, j in squares}
    missing = {at: path for at, path in paths.items() if not path.exists()}
    if not missing:
        return {}
    compute = _squares(read_job(folder))
    words: dict[str, str] = {}
    for (i, j), path in missing.items():
        tile, words = compute(i, j)
        save_array(path, tile)
    return words


def _squares(job: dict[str, Any]) -> Callable[[int, int], tuple[FloatArray, dict[str, str]]]:
    """Return what computes a square, and what a device adds to the definition."""
    source, metric = FileSource(Path(job["coordinates"])), metric_from(job["metric"])
    if job["device"] == "gpu":
        return lambda i, j: _on_gpu(source, metric, (i, j), job)
    from congruence.compute.rectangle import Rectangles, Settled

    settled = Settled(job["precision"], job["single_error"])
    rectangles = Rectangles(source, metric, settled, kernel=job["kernel"])
    return lambda i, j: (rectangles.compute(i, j, job["edge"]), {})


def _on_gpu(
    source: CoordinateSource, metric: Metric, at: tuple[int, int], job: dict[str, Any]
) -> tuple[FloatArray, dict[str, str]]:
    from congruence.compute.device import DeviceTiler

    try:
        return on_device(DeviceTiler("gpu"), source, metric, at, job)
    except MissingDependencyError as error:  # cannot be sent as it is
        raise ConfigError(f"on {socket.gethostname()}: {error.message}", hint=error.hint) from None


def on_device(
    tiler: Tiler,
    source: CoordinateSource,
    metric: Metric,
    at: tuple[int, int],
    job: dict[str, Any],
) -> tuple[FloatArray, dict[str, str]]:
    """
    Compute a tile with a tiler that knows whole matrices only.

    Parameters
    ----------
    tiler : Tiler
        What computes; told that all tiles but one are done.
    source : CoordinateSource
        All models.
    metric : Metric
        The definition of the distance.
    at : tuple of int
        Model of the first row and of the first column.
    job : dict
        Holds ``edge`` and ``precision``.

    Returns
    -------
    tile : ndarray, dtype=float64, shape=(rows,columns)
        In Å.
    words : dict of str to str
        What the tiler says of its arithmetic and device.
    """
    edge = int(job["edge"])
    sink = _OneTile((0, 0 if at[0] == at[1] else edge), edge)
    both = _Pair(source, sorted(set(at)), edge)
    definition = tiler(both, sink, metric, precision=job["precision"], edge=edge, threads=1)
    return sink.tile, {k: definition[k] for k in ("precision", "device") if k in definition}


class _Pair:
    """Two stretches of models, one after the other, as a `CoordinateSource`."""

    def __init__(self, source: CoordinateSource, starts: list[int], edge: int) -> None:
        m, n, _ = source.shape
        blocks = [source.read(start, min(start + edge, m)) for start in starts]
        self._coordinates = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        self.shape = (len(self._coordinates), n, 3)

    def read(self, start: int, stop: int) -> FloatArray:
        return self._coordinates[start:stop]


class _OneTile:
    """A sink that wants one tile of the three of two stretches."""

    def __init__(self, wanted: tuple[int, int], edge: int) -> None:
        self._done = {(0, 0), (0, edge), (edge, edge)} - {wanted}
        self.tile: FloatArray = np.empty((0, 0))

    def done(self) -> set[tuple[int, int]]:
        return self._done

    def put(self, i: int, j: int, tile: Any) -> None:
        self.tile = np.asarray(tile, np.float64)


def read_models(folder: str, first: int, pieces: list[tuple[str, list[int]]]) -> dict[str, Any]:
    """
    Read frames of some files into ``block-FIRST.npy``.

    Parameters
    ----------
    folder : str
        The stage.
    first : int
        Number of the block.
    pieces : list of (str, list of int)
        Files, and frames of each.

    Returns
    -------
    found : dict
        ``differing``: files with other radii or masses than the first file;
        ``unlike``: a file with another topology, where the block ends; and
        ``unread``: a file that cannot be opened.

    Raises
    ------
    FormatError
        If a frame is damaged.
    """
    from congruence.io.rmf import open_rmf

    job = read_job(folder)
    how = {"resolution": job["resolution"], "state": job["state"]}
    found: dict[str, Any] = {"differing": [], "unlike": "", "unread": ""}
    expected: Topology | None = None
    blocks = []
    for path, frames in [(job["first"], None), *pieces]:
        try:
            file = open_rmf(path)
        except CongruenceError:
            return found | {"unread": path}
        topology = file.topology(**how)
        expected = expected or topology
        if topology.key != expected.key:
            return found | {"unlike": path}
        if topology is not expected and topology.property_differences(expected):
            found["differing"].append(path)
        if frames is not None:
            blocks.append(file.coordinates(frames, **how))
    save_array(Path(folder) / f"block-{first}.npy", np.concatenate(blocks))
    return found


def set_distances(folder: str, sets: list[int]) -> None:
    """
    Compute all distances of some selections within clusters, each into ``distances-AT.npy``.

    Parameters
    ----------
    folder : str
        The stage.
    sets : list of int
        Positions among the requests of the stage.
    """
    from congruence.compute.rectangle import one_blas_thread
    from congruence.compute.rmsd import rmsd_matrix

    requests = read_job(folder)["requests"]
    for at in sets:
        path = Path(folder) / f"distances-{at}.npy"
        if path.exists():
            continue
        members = FileSource(Path(requests[at]["members"]))
        metric = metric_from(requests[at]["metric"])
        with one_blas_thread():
            made = rmsd_matrix(members, metric, precision="double", threads=1).condensed
        save_array(path, made)
