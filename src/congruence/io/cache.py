"""
Coordinates that were read before, in the user's cache folder.

An entry is one ``.npy`` file and a small JSON beside it, named by a key of what
was read: content of the files, frames, resolution, state and version of the
decoder; never by path or time. An entry that is not whole is not used. The folder
is bounded: what was not used for longest is removed first.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import content_key
from congruence.core.user_cache import CACHE_OFF, VARIABLE, user_cache
from congruence.errors import CongruenceError
from congruence.io.store import file_key, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from congruence.typing import FloatArray, IntArray

__all__ = ["VARIABLE", "CoordinateCache", "cache_folder", "coordinates_key"]

DECODER = 1
"""Version of what is computed from the files; changed whenever coordinates may."""

LIMIT = 8 << 30
"""Bytes that the cache may take, unless told otherwise."""

_SMALLEST = 1 << 20
_BLOCK = 1 << 22  # numbers


def cache_folder() -> Path | None:
    """
    Return where coordinates are kept.

    Returns
    -------
    folder : Path or None
        What ``CONGRUENCE_CACHE`` names; None when it says ``off``. Without it
        the cache folder of the platform: ``$XDG_CACHE_HOME`` or ``~/.cache``,
        ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows.
    """
    if os.environ.get(VARIABLE, "").lower() in CACHE_OFF:
        return None
    folder = user_cache()
    return None if folder is None else folder / "coordinates"


def coordinates_key(
    files: Sequence[tuple[str, Sequence[int]]], *, resolution: float, state: int | str
) -> tuple[str, list[int]] | None:
    """
    Name coordinates by the content that they are read from.

    Parameters
    ----------
    files : sequence of (str, sequence of int)
        Paths with the frames read from each; their order does not count.
    resolution : float
        Residues per bead.
    state : int or str
        State, or ``"all"``.

    Returns
    -------
    key : tuple of (str, list of int) or None
        The key, and the positions of the files in the order in which their
        coordinates are stored. None when a file cannot be read. A file counts
        with its size, the time of its last change and the digest of its first
        and last 64 KiB.
    """
    parts: list[tuple[str, list[int], int]] = []
    for at, (path, frames) in enumerate(files):
        try:
            content = file_key(Path(path))
            changed = Path(path).stat().st_mtime_ns
        except (CongruenceError, OSError):
            return None
        name = f"{content['sha256']} {content['size']} {changed}"
        parts.append((name, [int(f) for f in frames], at))
    parts.sort()
    named = [part[:2] for part in parts]
    key = content_key("coordinates", DECODER, float(resolution), str(state), named)
    return key, [at for _, _, at in parts]


class CoordinateCache:
    """
    Arrays of coordinates by key.

    Nothing here raises: a cache that cannot be read or written is no cache.

    Parameters
    ----------
    folder : Path or None
        Where; None for a cache that holds nothing.
    limit : int
        Bytes that all entries may take; an entry of more than half is not kept.
    """

    def __init__(self, folder: Path | None, *, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit

    def load(
        self, key: str, shape: tuple[int, int, int]
    ) -> tuple[FloatArray, dict[str, Any]] | None:
        """
        Return an entry, if it is there and whole.

        Parameters
        ----------
        key : str
            From `coordinates_key`.
        shape : tuple of int
            Shape (m, n, 3) that it must have.

        Returns
        -------
        entry : tuple or None
            Coordinates in Å and the notes that were stored with them.
        """
        if self.folder is None:
            return None
        coordinates = np.empty(shape)
        notes = self.fill(key, coordinates)
        return None if notes is None else (coordinates, notes)

    def fill(
        self, key: str, coordinates: FloatArray, rows: IntArray | None = None
    ) -> dict[str, Any] | None:
        """
        Fill an array with an entry, block by block.

        Parameters
        ----------
        key : str
            From `coordinates_key`.
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            Filled, in Å; with anything when there is no whole entry.
        rows : ndarray, dtype=int64, shape=(m,), optional
            Where each model of the entry goes; in order by default.

        Returns
        -------
        notes : dict or None
            What was stored with it; None when there is no whole entry.
        """
        if self.folder is None:
            return None
        try:
            notes = read_json(self._notes(key))
            with self._array(key).open("rb") as stream:
                found = _read(stream, coordinates, rows)
        except (CongruenceError, OSError, ValueError, EOFError):
            return None
        if not isinstance(notes, dict) or found is None or notes.get("crc32") != found:
            self._remove(key)
            return None
        for file in self._files(key):
            with contextlib.suppress(OSError):
                os.utime(file)
        kept: dict[str, Any] = notes.get("notes", {})
        return kept

    def store(
        self,
        key: str,
        coordinates: FloatArray,
        notes: dict[str, Any],
        rows: IntArray | None = None,
    ) -> bool:
        """
        Keep an entry; written block by block.

        Parameters
        ----------
        key : str
            From `coordinates_key`.
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            In Å.
        notes : dict
            JSON-able values to return with it.
        rows : ndarray, dtype=int64, shape=(m,), optional
            The order in which models are kept; as they are by default.

        Returns
        -------
        kept : bool
            False when it is too small to be worth it (below 1 MiB), too large,
            or cannot be written.
        """
        if self.folder is None or not _SMALLEST <= coordinates.nbytes <= self.limit // 2:
            return False
        parts = [f.with_name(f"{f.name}.{os.getpid()}.part") for f in self._files(key)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with parts[0].open("wb") as stream:
                found = _write(stream, coordinates, rows)
            write_json(parts[1], {"crc32": found, "notes": notes})
            for part, file in zip(parts, self._files(key), strict=True):
                part.replace(file)
        except OSError:
            for part in parts:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            return False
        self._bound(keep=key)
        return True

    def size(self) -> int:
        """
        Return the bytes that all entries take.

        Returns
        -------
        size : int
            Zero for no cache.
        """
        return sum(size for _, _, size in self._entries())

    def _entries(self) -> list[tuple[float, str, int]]:
        """Return time of last use, key and size of each entry, oldest first."""
        found = []
        if self.folder is not None and self.folder.is_dir():
            for file in self.folder.glob("*.npy"):
                with contextlib.suppress(OSError):
                    status = file.stat()
                    found.append((status.st_mtime, file.stem, status.st_size))
        return sorted(found)

    def _bound(self, keep: str) -> None:
        entries = self._entries()
        total = sum(size for _, _, size in entries)
        for _, key, size in entries:
            if total <= self.limit:
                break
            if key != keep:
                self._remove(key)
                total -= size

    def _files(self, key: str) -> tuple[Path, Path]:
        return self._array(key), self._notes(key)

    def _array(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.npy"

    def _notes(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.json"

    def _remove(self, key: str) -> None:
        for file in self._files(key):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield rows of a few megabytes each."""
    step = max(1, _BLOCK // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _write(stream: BinaryIO, coordinates: FloatArray, rows: IntArray | None) -> int:
    """Write a ``.npy`` file; return the checksum of its values."""
    header = {"descr": "<f8", "fortran_order": False, "shape": coordinates.shape}
    np.lib.format.write_array_header_1_0(stream, header)
    found = 0
    for part in _blocks(coordinates.shape):
        chosen = coordinates[part] if rows is None else coordinates[rows[part]]
        block = np.ascontiguousarray(chosen, dtype="<f8")
        found = zlib.crc32(block.data, found)
        stream.write(block.data)
    return found


def _read(stream: BinaryIO, coordinates: FloatArray, rows: IntArray | None) -> int | None:
    """Read a ``.npy`` file; return the checksum of its values, None for another array."""
    if np.lib.format.read_magic(stream) != (1, 0):
        return None
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if shape != coordinates.shape or fortran or dtype != np.dtype("<f8"):
        return None
    found = 0
    for part in _blocks(shape):
        models = part.stop - part.start
        block = np.fromfile(stream, dtype="<f8", count=models * shape[1] * shape[2])
        found = zlib.crc32(block.data, found)
        target = part if rows is None else rows[part]
        coordinates[target] = block.reshape(models, *shape[1:])
    return found
