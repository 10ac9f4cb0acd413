"""
What a job shares with its Dask workers: arrays and small JSON in one folder.

Workers open the data themselves. An array is one ``.npy`` file that is read in
blocks and never kept open; a stage of a job is a folder with a ``job.json``. All
files are written under a temporary name and renamed when they are whole.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.ensemble import Ensemble
from congruence.core.provenance import versions
from congruence.core.sources import ArraySource
from congruence.errors import ConfigError, InputError, OutputError
from congruence.io.store import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.core.placement import PlacedModels
    from congruence.core.sources import CoordinateSource
    from congruence.typing import FloatArray

__all__ = [
    "FileSource",
    "Scratch",
    "load_array",
    "read_job",
    "save_array",
]

_BLOCK = 1 << 25
_PATIENCE = 10.0


class FileSource:
    """
    Coordinates in an ``.npy`` file as a `CoordinateSource`.

    Parameters
    ----------
    path : Path
        A float64 array of shape (m,n,3) in C order.

    Raises
    ------
    InputError
        If it is not there, or not such an array.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        array = load_array(self.path, mapped=True)
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.float64:
            raise InputError(f"{path} holds {array.dtype} of shape {array.shape}, not coordinates")
        m, n, _ = array.shape
        self._shape = (m, n, 3)
        self._offset = int(getattr(array, "offset", 0))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (m, n, 3)."""
        return self._shape

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
        m, n, _ = self._shape
        stop = min(stop, m)
        values = (stop - start) * n * 3
        at = self._offset + start * n * 24
        # Opened for each block: on a network drive an open file could not be removed.
        return np.fromfile(self.path, np.float64, values, offset=at).reshape(-1, n, 3)


def load_array(path: Path, *, mapped: bool = False) -> Any:
    """
    Read an array that another machine has written.

    Parameters
    ----------
    path : Path
        The ``.npy`` file.
    mapped : bool
        Map it instead.

    Returns
    -------
    array : ndarray
        What it holds.

    Raises
    ------
    InputError
        If it is not there, also after a moment.
    """
    _await(path)
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _await(path: Path) -> None:
    """Wait for a file that a network drive does not show yet."""
    until = time.monotonic() + _PATIENCE
    while not path.exists():
        if time.monotonic() > until:
            raise InputError(
                f"{path} cannot be seen on {socket.gethostname()}",
                hint="Dask workers must see the output folder and the runs under the same paths: "
                "use a file system that all machines share.",
            )
        time.sleep(0.2)


def save_array(path: Path, array: Any) -> None:
    """
    Write an array, whole or not at all.

    Parameters
    ----------
    path : Path
        The ``.npy`` file.
    array : ndarray
        What to write.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    part = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path}: {error.strerror}", hint="Make room on the shared file system."
        ) from error


class Scratch:
    """
    The folder that a job shares with its workers.

    Parameters
    ----------
    out : Path or None
        Result folder of the job: the folder is ``OUT.dask`` beside it. Without
        one a new folder in `parent`.
    parent : Path, optional
        The current folder by default.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """

    def __init__(self, out: Path | None = None, parent: Path | None = None) -> None:
        try:
            if out is None:
                parent = parent or Path.cwd()
                self.path = Path(tempfile.mkdtemp(prefix="congruence-dask-", dir=parent))
            else:
                self.path = out.absolute().with_name(f"{out.name}.dask")
                _empty(self.path)
        except OSError as error:
            raise OutputError(
                f"cannot make a folder for Dask workers: {error.strerror}",
                hint="Choose an output folder on a file system that the workers share.",
            ) from error
        self._shared: dict[int, tuple[object, Path]] = {}
        self._stages = self._files = 0

    def stage(self, name: str, job: dict[str, Any]) -> Path:
        """
        Make a folder for one stage of a job.

        Parameters
        ----------
        name : str
            Name of the stage.
        job : dict
            JSON-able values that its tasks read with `read_job`.

        Returns
        -------
        folder : Path
            The folder.
        """
        self._stages += 1
        folder = self.path / f"{self._stages}-{name}"
        folder.mkdir()
        part = folder / "job.part"
        write_json(part, {"versions": versions()} | job)
        part.replace(folder / "job.json")
        return folder

    def share(self, source: CoordinateSource) -> Path:
        """
        Write coordinates for the workers, once for each array.

        Parameters
        ----------
        source : CoordinateSource
            The models, in Å.

        Returns
        -------
        path : Path
            The file.
        """
        owner = _owner(source)
        known = self._shared.get(id(owner))
        if known is not None:
            return known[1]
        path = self.path / f"coordinates-{self._files}.npy"
        self._files += 1
        m, n, _ = source.shape
        step = max(1, _BLOCK // max(24 * n, 1))
        try:
            out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(m, n, 3))
            for start in range(0, m, step):
                out[start : start + step] = source.read(start, min(start + step, m))
            out.flush()
            del out
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        # Kept with its owner, so that no other object can have the same id.
        self._shared[id(owner)] = (owner, path)
        return path

    @contextmanager
    def lent(self, source: CoordinateSource) -> Iterator[Path]:
        """
        Write coordinates that are needed for a moment.

        Parameters
        ----------
        source : CoordinateSource
            The models, in Å.

        Yields
        ------
        path : Path
            The file, which is removed afterwards unless it was there before.
        """
        owner = _owner(source)
        known = id(owner) in self._shared
        path = self.share(source)
        try:
            yield path
        finally:
            if not known:
                del self._shared[id(owner)]
                path.unlink(missing_ok=True)

    def share_placed(self, placed: PlacedModels, name: str) -> dict[str, Any]:
        """
        Write the placements of some models.

        Parameters
        ----------
        placed : PlacedModels
            The models at their placements.
        name : str
            Name for the files.

        Returns
        -------
        words : dict
            JSON-able, for `placed_from`.
        """
        moved = placed.placements
        files = {
            "members": np.asarray(placed.models, np.int64),
            "rotations": np.array([p.rotation for p in moved]).reshape(-1, 3, 3),
            "translations": np.array([p.translation for p in moved]).reshape(-1, 3),
            "assignments": np.array(
                [[k for g in p.assignment for k in g] for p in moved], np.int64
            ),
        }
        words: dict[str, Any] = {"coordinates": str(self.share(placed.source))}
        for part, array in files.items():
            path = self.path / f"{name}-{part}.npy"
            save_array(path, array)
            words[part] = str(path)
        sizes = [len(g) for g in moved[0].assignment] if moved else []
        groups = [group.beads.tolist() for group in placed.groups]
        return words | {"sizes": sizes, "groups": groups}

    def remove(self) -> None:
        """Remove the folder, as far as that goes."""
        shutil.rmtree(self.path, ignore_errors=True)


def _owner(source: CoordinateSource) -> object:
    """Return the array behind a source that reads it as it is; else the source."""
    # Others hold an array, too, and read it in another way.
    return source.coordinates if type(source) in (ArraySource, Ensemble) else source  # type: ignore[attr-defined]


_MARKER = ".congruence-dask"


def _empty(path: Path) -> None:
    """Make a folder, in the place of one that a killed job left."""
    if path.exists():
        if not (path / _MARKER).is_file() and any(path.iterdir()):
            raise OutputError(
                f"{path} is in the way: Dask workers would be given that folder",
                hint="Rename it, or choose another output folder.",
            )
        shutil.rmtree(path)
    path.mkdir(parents=True)
    (path / _MARKER).touch()


def read_job(folder: str) -> dict[str, Any]:
    """
    Read what a stage is about, on a worker.

    Parameters
    ----------
    folder : str
        From `Scratch.stage`.

    Returns
    -------
    job : dict
        What was given there.

    Raises
    ------
    InputError
        If the worker cannot see the folder.
    ConfigError
        If the worker has another version of congruence.
    """
    path = Path(folder) / "job.json"
    _await(path)
    job: dict[str, Any] = read_json(path)
    mine, theirs = versions()["congruence"], job["versions"]["congruence"]
    if mine != theirs:
        raise ConfigError(
            f"the Dask worker on {socket.gethostname()} has congruence {mine}, the job {theirs}",
            hint="Install the same version in the environment of the workers.",
        )
    return job
