"""Coordinates that stay on disk: a file beside the result, mapped and not read as a whole."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from congruence.typing import FloatArray

__all__ = ["coordinate_folder", "map_again", "mapped_array"]

_FILE = "coordinates.npy"
_ZEROS = 1 << 24


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
