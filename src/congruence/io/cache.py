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
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import content_key
from congruence.errors import CongruenceError
from congruence.io.store import file_key, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import FloatArray

__all__ = ["VARIABLE", "CoordinateCache", "cache_folder", "coordinates_key"]

VARIABLE = "CONGRUENCE_CACHE"
"""Environment variable that names the cache folder, or says ``off``."""

DECODER = 1
"""Version of what is computed from the files; changed whenever coordinates may."""

LIMIT = 8 << 30
"""Bytes that the cache may take, unless told otherwise."""

_SMALLEST = 1 << 20
_OFF = ("off", "0", "no", "false")


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
    named = os.environ.get(VARIABLE, "")
    if named.lower() in _OFF:
        return None
    if named:
        return Path(named).expanduser() / "coordinates"
    if sys.platform == "darwin":
        base = Path("~/Library/Caches")
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return base.expanduser() / "congruence" / "coordinates"
    except RuntimeError:  # there is no home
        return None


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
        try:
            notes = read_json(self._notes(key))
            coordinates = np.load(self._array(key), allow_pickle=False)
        except (CongruenceError, OSError, ValueError, EOFError):
            return None
        whole = (
            isinstance(notes, dict)
            and coordinates.shape == shape
            and coordinates.dtype == np.float64
            and notes.get("crc32") == zlib.crc32(coordinates.data)
        )
        if not whole:
            self._remove(key)
            return None
        for file in (self._array(key), self._notes(key)):
            with contextlib.suppress(OSError):
                os.utime(file)
        return coordinates, notes.get("notes", {})

    def store(self, key: str, coordinates: FloatArray, notes: dict[str, Any]) -> bool:
        """
        Keep an entry.

        Parameters
        ----------
        key : str
            From `coordinates_key`.
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            In Å.
        notes : dict
            JSON-able values to return with it.

        Returns
        -------
        kept : bool
            False when it is too small to be worth it (below 1 MiB), too large,
            or cannot be written.
        """
        if self.folder is None or not _SMALLEST <= coordinates.nbytes <= self.limit // 2:
            return False
        coordinates = np.ascontiguousarray(coordinates, dtype=np.float64)
        described = {"crc32": zlib.crc32(coordinates.data), "notes": notes}
        parts = [f.with_name(f"{f.name}.{os.getpid()}.part") for f in self._files(key)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with parts[0].open("wb") as stream:
                np.save(stream, coordinates, allow_pickle=False)
            write_json(parts[1], described)
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
