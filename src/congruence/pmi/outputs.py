"""
The folders that scripts read afterwards: members, stat file, densities.

Every file appears under its name only when it is whole. A manifest lists what
was written, so that what an earlier clustering left behind can be removed
without touching anything else.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import CongruenceError, OutputError
from congruence.pmi.distances import Carrier

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from congruence.core.models import StatValue
    from congruence.core.placement import PlacedModels, Placement
    from congruence.core.topology import CopyGroup, Topology
    from congruence.io.rmf.clone import MemberWriter
    from congruence.io.rmf.history import ProvenanceStep
    from congruence.typing import IntArray
    from congruence.workflow.frames import FramePool

__all__ = [
    "MANIFEST",
    "Member",
    "MemberFiles",
    "OutputFolder",
    "whole_file",
    "write_densities",
]

MANIFEST = "congruence.json"
MAP_RESOLUTION = 20.0


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """
    Give a name to write under, and move the file into place when all went well.

    Parameters
    ----------
    path : Path
        Where the file shall stand.

    Yields
    ------
    part : Path
        A hidden name beside it with the same suffix.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    part = path.with_name(f".part.{path.name}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="Check that the folder may be written to and that the disk is not full.",
        ) from error
    finally:
        part.unlink(missing_ok=True)


class OutputFolder:
    """
    The folder ``outputdir``, and what was written in it.

    Parameters
    ----------
    root : str or os.PathLike
        The folder.
    create : bool
        Whether to make it when it is missing.
    clean : bool
        Whether to remove, at the end, files of an earlier run that its
        manifest lists and that were not written again.

    Raises
    ------
    OutputError
        If the folder is missing and may not be made, or cannot be made.
    """

    def __init__(self, root: str | os.PathLike[str], *, create: bool, clean: bool) -> None:
        self.root = Path(root)
        self._clean = clean
        self._written: list[str] = []
        if not create and not self.root.is_dir():
            raise OutputError(
                f"there is no folder {self.root} and do_create_directories is False",
                hint="Make the folder first, or leave do_create_directories at True.",
            )
        self._make(self.root)

    @staticmethod
    def _make(folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {folder}: {error.strerror or error}",
                hint="Give another outputdir.",
            ) from error

    @contextlib.contextmanager
    def file(self, *parts: str) -> Iterator[Path]:
        """
        Give a name to write a file of this folder under.

        Parameters
        ----------
        *parts : str
            Sub-folders and the name of the file.

        Yields
        ------
        part : Path
            Where to write.
        """
        path = self.root.joinpath(*parts)
        self._make(path.parent)
        with whole_file(path) as part:
            yield part
        self._written.append(path.relative_to(self.root).as_posix())

    def finish(self, about: Mapping[str, object], *, kind: str) -> None:
        """
        Write the manifest and remove what an earlier run left.

        Parameters
        ----------
        about : mapping of str to object
            What the manifest shall say besides the files.
        kind : str
            First letters of the sub-folders that this run has written anew;
            other files of an earlier run stay.
        """
        from congruence.io.store import write_json

        earlier = self._earlier()
        stale = {n for n in earlier if self._clean and n.startswith(kind)} - set(self._written)
        files = sorted({*self._written, *earlier} - stale)
        with whole_file(self.root / MANIFEST) as part:
            write_json(part, {"program": "congruence", **about, "files": files})
        for name in sorted(stale):
            (self.root / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                (self.root / name).parent.rmdir()

    def _earlier(self) -> list[str]:
        from congruence.io.store import read_json

        try:
            data = read_json(self.root / MANIFEST)
        except CongruenceError:
            return []
        if not isinstance(data, dict) or data.get("program") != "congruence":
            return []
        names = [Path(str(name)) for name in data.get("files", ())]
        inside = [n for n in names if not n.is_absolute() and ".." not in n.parts]
        return [n.as_posix() for n in inside if (self.root / n).is_file()]


@dataclass(frozen=True, eq=False)
class Member:
    """
    A model that is written.

    Parameters
    ----------
    file : str
        Its RMF file.
    frame : int
        Its frame.
    row : dict of str to StatValue
        Its line of the stat file.
    placement : Placement
        Where it is put.
    """

    file: str
    frame: int
    row: dict[str, StatValue]
    placement: Placement


class MemberFiles:
    """
    Writer of the RMF and PDB files of members.

    Parameters
    ----------
    pool : FramePool
        RMF files of the models.
    state : int or None
        State of the PDB files.
    groups : tuple of CopyGroup
        Groups of the assignments.
    provenance : sequence of ProvenanceStep
        Steps that are added to each member's history, oldest first.
    """

    def __init__(
        self,
        pool: FramePool,
        state: int | None,
        groups: tuple[CopyGroup, ...],
        provenance: Sequence[ProvenanceStep] = (),
    ) -> None:
        self._pool = pool
        self._state = state
        self._groups = groups
        self._provenance = tuple(provenance)
        self._sources: dict[str, tuple[MemberWriter, Carrier]] = {}

    def write_rmf(self, member: Member, path: Path) -> None:
        """
        Write one frame with everything its file knows about it.

        Parameters
        ----------
        member : Member
            The model.
        path : Path
            File to write, in the folder where it will be.
        """
        writer, carrier = self._source(member.file)
        writer.write(member.frame, path, placement=carrier.carry(member.placement))

    def write_pdb(self, member: Member, path: Path, *, centered: bool) -> None:
        """
        Write the finest beads of one frame in the text of the reference.

        Parameters
        ----------
        member : Member
            The model.
        path : Path
            File to write.
        centered : bool
            Whether to remove the mean of the written beads.
        """
        from congruence.io.pdb import write_pdb_reference

        carrier, source = self._source(member.file)[1], self._pool.get(member.file)
        topology = source.topology(0, state=self._state)
        (coordinates,) = source.coordinates([member.frame], 0, state=self._state)
        placed = carrier.carry(member.placement).apply(coordinates, carrier.groups)
        write_pdb_reference(path, placed, topology, centered=centered)

    def _source(self, file: str) -> tuple[MemberWriter, Carrier]:
        from congruence.io.rmf.clone import MemberWriter

        if file not in self._sources:
            source = self._pool.get(file)
            carrier = Carrier(self._groups, source.topology(0, state=self._state))
            writer = MemberWriter(source, groups=carrier.groups, provenance=self._provenance)
            self._sources[file] = (writer, carrier)
        return self._sources[file]


def write_densities(
    out: OutputFolder,
    folder: str,
    placed: PlacedModels,
    topology: Topology,
    selections: Mapping[str, IntArray],
    *,
    voxel: float,
) -> None:
    """
    Write the densities of the placed members of a cluster.

    Parameters
    ----------
    out : OutputFolder
        Where to write.
    folder : str
        Sub-folder.
    placed : PlacedModels
        The members.
    topology : Topology
        Their beads.
    selections : mapping of str to ndarray, dtype=int64
        Beads of each density; each becomes ``LABEL.mrc``.
    voxel : float
        Edge of a voxel in Å.
    """
    from congruence.compute.density import common_grid, densities
    from congruence.io.mrc import write_mrc

    if not selections:
        return
    union = np.unique(np.concatenate(list(selections.values())))
    grid = common_grid(placed, beads=union, voxel=voxel, map_resolution=MAP_RESOLUTION)
    maps = densities(placed, topology, selections, grid=grid, map_resolution=MAP_RESOLUTION)
    for label, density in maps.items():
        with out.file(folder, f"{label}.mrc") as part:
            write_mrc(part, density)
