"""
A matrix of distances as a folder of tiles, which is its own checkpoint.

Every tile is one ``.npy`` file, written under a temporary name and renamed when
it is whole. Whatever ends the process, the folder holds whole tiles only, and
the next run computes the others. ``manifest.json`` holds the key of the job, so
that tiles of other models or of another definition are never taken.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.sources import CondensedSink
from congruence.errors import FormatError, InputError, OutputError
from congruence.io.store import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.core.sources import TileSink
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["DistanceFolder"]

_MANIFEST = "manifest.json"
_FORMAT = "congruence tiles 1"


class DistanceFolder:
    """
    A folder of tiles as a `TileSink`.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.
    m : int
        Number of models.
    key : str
        What the distances are of: a `congruence.core.provenance.content_key`
        of the inputs, the metric and the precision.
    edge : int
        Models along the edge of a tile; pass the same to ``rmsd_tiles``.
    dtype : type
        `numpy.float32` or `numpy.float64`.

    Raises
    ------
    OutputError
        If the folder holds something else, tiles of another job, or cannot be
        written.
    """

    def __init__(
        self,
        path: Path,
        m: int,
        *,
        key: str,
        edge: int = 1024,
        dtype: type[np.float32 | np.float64] = np.float32,
    ) -> None:
        self.path, self.m, self.edge = Path(path), int(m), int(edge)
        self.dtype = np.dtype(dtype)
        self._manifest = {
            "format": _FORMAT,
            "models": self.m,
            "edge": self.edge,
            "dtype": self.dtype.name,
            "key": key,
        }
        self._open()
        self._done = {at for at in self._places() if self._is_whole(*at)}

    @classmethod
    def existing(cls, path: Path) -> DistanceFolder:
        """
        Open a folder that is there, to read or to finish it.

        Parameters
        ----------
        path : Path
            The folder.

        Returns
        -------
        folder : DistanceFolder
            With the key, edge and type of its manifest.

        Raises
        ------
        InputError
            If there is no manifest.
        FormatError
            If the manifest is not one.
        """
        at = Path(path) / _MANIFEST
        data = read_json(at)
        known = isinstance(data, dict) and data.get("format") == _FORMAT
        if not known or data.get("dtype") not in ("float32", "float64"):
            raise FormatError("is not the manifest of a folder of tiles", path=at)
        dtype = np.float32 if data["dtype"] == "float32" else np.float64
        return cls(path, data["models"], key=data["key"], edge=data["edge"], dtype=dtype)

    def _open(self) -> None:
        manifest = self.path / _MANIFEST
        if manifest.exists():
            found = read_json(manifest)
            if found != self._manifest:
                raise OutputError(
                    f"{self.path} holds tiles of another job: {_difference(found, self._manifest)}",
                    hint="Name another folder, or remove this one to begin anew.",
                )
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise OutputError(
                f"{self.path} is a folder of something else: it has no {_MANIFEST}",
                hint="Name a folder that does not exist yet.",
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob("*.part"):
                left.unlink(missing_ok=True)
            if not manifest.exists():
                temporary = manifest.with_suffix(".part")
                write_json(temporary, self._manifest)
                temporary.replace(manifest)
        except OSError as error:
            raise OutputError(
                f"cannot write tiles into {self.path}: {error.strerror}",
                hint="Choose a folder that can be written.",
            ) from error

    def _places(self) -> Iterator[tuple[int, int]]:
        starts = range(0, self.m, self.edge)
        return ((i, j) for i in starts for j in starts if i <= j)

    def _file(self, i: int, j: int) -> Path:
        return self.path / f"tile-{i:08d}-{j:08d}.npy"

    def _shape(self, i: int, j: int) -> tuple[int, int]:
        return (min(self.edge, self.m - i), min(self.edge, self.m - j))

    def _is_whole(self, i: int, j: int) -> bool:
        try:
            tile = np.load(self._file(i, j), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return False
        return bool(tile.shape == self._shape(i, j) and tile.dtype == self.dtype)

    def done(self) -> set[tuple[int, int]]:
        """
        Return the tiles that need not be computed again.

        Returns
        -------
        done : set of tuple
            First models of rows and columns of the whole tiles.
        """
        return set(self._done)

    @property
    def complete(self) -> bool:
        """Whether all tiles are there."""
        return self._done >= set(self._places())

    def put(self, i: int, j: int, tile: Float32Array | FloatArray) -> None:
        """
        Store a tile.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column, multiples of the edge.
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å.

        Raises
        ------
        OutputError
            If it has another shape than a tile there, or the disk is full.
        """
        if (i, j) not in self._done and (i % self.edge or j % self.edge or i > j):
            raise OutputError(f"({i}, {j}) is not the corner of a tile of {self.edge} models")
        if tile.shape != self._shape(i, j):
            raise OutputError(
                f"tile ({i}, {j}) has shape {tile.shape}, expected {self._shape(i, j)}",
                hint="Compute tiles with the edge of the folder.",
            )
        target = self._file(i, j)
        temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as stream:
                np.save(stream, np.ascontiguousarray(tile, dtype=self.dtype), allow_pickle=False)
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(
                f"cannot write {target}: {error.strerror}",
                hint="The tiles written so far are whole; make room and start again.",
            ) from error
        self._done.add((i, j))

    def tile(self, i: int, j: int) -> Float32Array | FloatArray:
        """
        Read a tile.

        Parameters
        ----------
        i, j : int
            Its first models, ``i <= j``.

        Returns
        -------
        tile : ndarray, dtype=float32 or float64, shape=(rows,columns)
            Distances in Å, mapped from the file.

        Raises
        ------
        InputError
            If it is not there.
        """
        if (i, j) not in self._done:
            raise InputError(
                f"{self.path} has no tile ({i}, {j}): {len(self._done)} tiles are there",
                hint="Compute the distances again with this folder; the missing tiles are made.",
            )
        tile: Float32Array = np.load(self._file(i, j), mmap_mode="r", allow_pickle=False)
        return tile

    def replay(self, sink: TileSink) -> None:
        """
        Put all tiles into another sink.

        Parameters
        ----------
        sink : TileSink
            The sink; tiles that it has done are left out.
        """
        done = sink.done()
        for i, j in self._places():
            if (i, j) not in done:
                sink.put(i, j, self.tile(i, j))

    def rows(self, models: IntArray) -> Float32Array | FloatArray:
        """
        Read the distances of some models to all.

        Parameters
        ----------
        models : ndarray, dtype=int64, shape=(k,)
            The models.

        Returns
        -------
        rows : ndarray, shape=(k,m)
            In Å, in the type of the folder.
        """
        models = np.asarray(models, dtype=np.int64)
        out = np.empty((len(models), self.m), dtype=self.dtype)
        for start in np.unique(models // self.edge * self.edge).tolist():
            own = np.flatnonzero(models // self.edge * self.edge == start)
            local = models[own] - start
            for j in range(0, self.m, self.edge):
                if start <= j:
                    block = self.tile(start, j)[local]
                else:
                    block = self.tile(j, start)[:, local].T
                out[own, j : j + block.shape[1]] = block
        return out

    def condensed(self) -> Float32Array | FloatArray:
        """
        Read the upper triangle, row by row.

        Returns
        -------
        condensed : ndarray, shape=(m*(m-1)/2,)
            In Å, for a `congruence.core.results.DistanceMatrix`.
        """
        sink = CondensedSink(self.m, np.float64 if self.dtype == np.float64 else np.float32)
        self.replay(sink)
        return sink.values

    def remove(self) -> None:
        """Remove the folder and its tiles."""
        shutil.rmtree(self.path)


def _difference(found: Any, expected: dict[str, Any]) -> str:
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        return "its manifest is not known"
    for name, value in expected.items():
        if found.get(name) != value:
            if name == "key":
                return "other models or another definition of the distance"
            return f"{name} {found.get(name)}, here {value}"
    return "its manifest has more entries"
