"""Coordinates that stay on disk: a file beside the result, mapped and not read as a whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from congruence.typing import FloatArray

__all__ = [
    "Keeping",
    "coordinate_folder",
    "free_room",
    "map_again",
    "mapped_array",
    "said_on_disk",
]

_FILE = "coordinates.npy"
_DISK_SHARE = 0.8
_MEMORY_SHARE = 0.25
_ZEROS = 1 << 24


@dataclass(frozen=True)
class Keeping:
    """
    Where coordinates are kept.

    Parameters
    ----------
    folder : Path or None
        Where they may be kept, in a file that is mapped; in memory if None.
    memory : int
        Bytes at hand. Coordinates that take up to a quarter of it are in
        memory all the same, and so are those that the disk has no room for.
    """

    folder: Path | None = None
    memory: int = 0

    def array(self, shape: tuple[int, int, int]) -> FloatArray:
        """
        Make an array to be filled.

        Parameters
        ----------
        shape : tuple of int
            Shape (m, n, 3).

        Returns
        -------
        array : ndarray or memmap, dtype=float64, shape=(m,n,3)
            See `mapped_array`.

        Raises
        ------
        OutputError
            If a file cannot be written where it should be.
        """
        size = 8 * shape[0] * shape[1] * shape[2]
        if self.folder is None or size <= _MEMORY_SHARE * self.memory:
            return np.empty(shape)
        if self.memory and size > free_room(self.folder):
            return np.empty(shape)
        return mapped_array(self.folder, shape)


def free_room(folder: Path) -> int:
    """
    Return the bytes that files may take in a folder.

    Parameters
    ----------
    folder : Path
        It need not be there yet.

    Returns
    -------
    room : int
        Most of what is free on its disk; 0 when that cannot be told.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return int(_DISK_SHARE * shutil.disk_usage(folder).free)
    except OSError:
        return 0


@contextlib.contextmanager
def coordinate_folder(out: Path) -> Iterator[Path]:
    """
    Name the folder for coordinates of a job, and remove it at the end.

    Parameters
    ----------
    out : Path
        The result folder; ``OUT.coordinates`` is beside it.

    Yields
    ------
    folder : Path
        Not made yet. Removed with the file that `mapped_array` makes, also
        after an error or an interrupt; other files in it are left.
    """
    folder = out.with_name(f"{out.name}.coordinates")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            (folder / _FILE).unlink(missing_ok=True)
            folder.rmdir()


def mapped_array(folder: Path, shape: tuple[int, int, int]) -> FloatArray:
    """
    Make an array whose values are in a file.

    Parameters
    ----------
    folder : Path
        Where; made if need be. What an interrupted job left is overwritten.
    shape : tuple of int
        Shape (m, n, 3).

    Returns
    -------
    array : memmap, dtype=float64, shape=(m,n,3)
        Zeros, to be filled. The room on disk is taken, so that filling it
        cannot fail.

    Raises
    ------
    OutputError
        If the file cannot be written, or there is no room for it.
    """
    path = folder / _FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=shape)
        _take_room(path)
    except OSError as error:
        raise OutputError(
            f"cannot keep the coordinates of {shape[0]:,} models in {folder}: {error.strerror}",
            hint="Make room there, give a result folder on another disk, or say with --memory that "
            "the coordinates may be in memory.",
        ) from error
    return array


def _take_room(path: Path) -> None:
    # A mapped page that finds no room when it is written ends the process.
    size = path.stat().st_size
    with path.open("r+b") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
            return
        start = stream.seek(128)  # the header
        for at in range(start, size, _ZEROS):
            stream.write(bytes(min(_ZEROS, size - at)))


def map_again(array: FloatArray) -> FloatArray:
    """
    Map a filled array anew, so that its values are on disk and cannot be changed.

    Parameters
    ----------
    array : ndarray
        From `mapped_array`; any other is returned as it is.

    Returns
    -------
    array : ndarray
        Read-only; blocks are read when they are used.
    """
    if not isinstance(array, np.memmap) or array.filename is None:
        return array
    array.flush()
    return np.load(array.filename, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


def said_on_disk(array: FloatArray | None) -> tuple[str, ...]:
    """
    Say where coordinates are, if they are not in memory.

    Parameters
    ----------
    array : ndarray or None
        The coordinates.

    Returns
    -------
    said : tuple of str
        One line, or none.
    """
    if not isinstance(array, np.memmap):
        return ()
    from congruence.compute._blocks import size_text

    size = size_text(array.nbytes)
    return (f"coordinates stay on disk, {size} beside the result until the end",)
