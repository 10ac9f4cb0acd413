"""
Members of clusters as files of their own, with nothing lost.

A frame goes into a new file byte for byte, with everything that its file
knows about it: restraints, scores, provenance, statistics, unknown keys.
Only what is asked for changes: position, labels of copies, provenance.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from congruence.io.rmf.build import PRODUCER
from congruence.io.rmf.container_write import ContainerWriter
from congruence.io.rmf.edit import StaticTable
from congruence.io.rmf.encode import encode_string, frame_record
from congruence.io.rmf.history import ProvenanceStep, add_provenance
from congruence.io.rmf.place import FrameMover, relabel
from congruence.io.rmf.schema import KeyType, Record, decode_record, encode_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.placement import Placement
    from congruence.core.topology import CopyGroup

__all__ = [
    "FrameSource",
    "MemberWriter",
    "PayloadLike",
    "decode_body",
    "encode_body",
    "move_paths",
    "sign",
    "write_member",
]

_KEPT = 64
"""Static records that a `MemberWriter` keeps encoded; there is one per assignment of copies."""

_NO_INFO = b"\0\0\0\2\0"
"""Info of a frame 0 without a name: what stands before a body."""


class PayloadLike(Protocol):
    """What a reader gives of one frame; only what is used here."""

    @property
    def name(self) -> str:
        """Name of the frame."""

    @property
    def type(self) -> int:
        """Type of the frame."""

    @property
    def body(self) -> bytes:
        """Record of the frame after its info."""


class FrameSource(Protocol):
    """A file that frames are taken from; `RmfFile` is one."""

    @property
    def path(self) -> Path:
        """The file."""

    def static_record(self) -> Record:
        """Return all static records merged into one."""

    def frame_payload(self, frame: int, /) -> PayloadLike:
        """Return the bytes of one frame."""


def decode_body(body: bytes) -> Record:
    """
    Decode what follows the info of a frame.

    Parameters
    ----------
    body : bytes
        Record of the frame after its info.

    Returns
    -------
    record : dict
        With ``nodes``, ``keys`` and ``data``; ``info`` has no meaning.
    """
    return decode_record(_NO_INFO + body)


def encode_body(record: Record) -> bytes:
    """
    Encode a frame without its info.

    Parameters
    ----------
    record : dict
        As `decode_body` returns it.

    Returns
    -------
    body : bytes
        For `RmfWriter.add_body`.
    """
    return encode_record(record)[len(_NO_INFO) :]


def move_paths(table: StaticTable, old: Path, new: Path) -> None:
    """
    Let relative paths still point to the same files from another folder.

    Parameters
    ----------
    table : StaticTable
        Static part of a file; it is changed.
    old : Path
        Folder of the file that the paths were written for.
    new : Path
        Folder of the file that they will be in.
    """
    here, there = old.resolve(), new.resolve()
    if here == there:
        return
    for key in [k for k in table.keys if _is_path(k)]:
        for node, value in table.column(key).items():
            if isinstance(value, str):
                table.set(key, node, _moved_path(value, here, there))
            else:
                table.set(key, node, [_moved_path(v, here, there) for v in value])


def _is_path(key: tuple[str, str, KeyType]) -> bool:
    category, name, kind = key
    if category == "stat" or kind not in (KeyType.STRING, KeyType.STRINGS):
        return False
    named = name in ("cluster density", "image files", "path")
    return named or name.endswith(("filename", "filenames"))


def _moved_path(value: str, old: Path, new: Path) -> str:
    if not value or PurePosixPath(value).is_absolute() or Path(value).is_absolute():
        return value
    try:
        return Path(os.path.relpath(old / value, new)).as_posix()
    except ValueError:  # another drive
        return (old / value).as_posix()


def sign(info: Record, description: str) -> tuple[str, str]:
    """
    Add to description and producer of a file.

    Parameters
    ----------
    info : dict
        Info of the static record.
    description : str
        Text to add.

    Returns
    -------
    description : str
        What was there, then the text on a line of its own.
    producer : str
        What was there, then congruence and its version.
    """
    before = info["description"] if info["description"].strip() else ""
    producer = info["producer"]
    if PRODUCER not in producer:
        producer = "; ".join(part for part in (producer, PRODUCER) if part)
    return "\n".join(part for part in (before, description) if part), producer


class MemberWriter:
    """
    Write frames of one file as files of their own.

    What frames have in common is prepared once.

    Parameters
    ----------
    source : FrameSource
        The file that the frames are in.
    groups : tuple of CopyGroup
        Copy groups that assignments refer to.
    provenance : sequence of ProvenanceStep
        Steps to put on top of the file's chain, oldest first.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        groups: tuple[CopyGroup, ...] = (),
        provenance: Sequence[ProvenanceStep] = (),
    ) -> None:
        self._source = source
        self._groups = groups
        self._provenance = tuple(provenance)
        self._table = StaticTable(source.static_record())
        self._moving: tuple[StaticTable, FrameMover] | None = None
        self._encoded: dict[tuple[Path, bool, tuple[tuple[int, ...], ...]], bytes] = {}

    def under(self, provenance: Sequence[ProvenanceStep]) -> MemberWriter:
        """
        Return a writer of the same frames that puts other steps on top of the file's chain.

        Parameters
        ----------
        provenance : sequence of ProvenanceStep
            Oldest first.

        Returns
        -------
        writer : MemberWriter
            What the frames have in common is not prepared again.
        """
        writer = copy.copy(self)
        writer._provenance, writer._encoded = tuple(provenance), {}
        return writer

    def write(
        self,
        frame: int,
        path: str | os.PathLike[str],
        *,
        placement: Placement | None = None,
        frame_name: str = "",
        description: str = "",
    ) -> None:
        """
        Write one frame.

        Parameters
        ----------
        frame : int
            Frame of the source.
        path : str or os.PathLike
            File to write.
        placement : Placement, optional
            Where to put the model.
        frame_name : str
            Name of the frame; empty for the name it has.
        description : str
            Added to the file's description; empty for where it came from.

        Raises
        ------
        ConfigError
            If the assignment does not fit the file.
        OutputError
            If the file cannot be written.
        """
        path = Path(path)
        payload = self._source.frame_payload(frame)
        body = self._placed(payload.body, placement)
        text = description or f"frame {frame} of {self._source.path.name}"
        described, producer = sign(self._table.info, text)
        static = b"\2" + encode_string(described) + encode_string(producer)
        static += self._static(path.parent, placement)
        record = frame_record(0, body, name=frame_name or payload.name, type=payload.type)
        with ContainerWriter(path, seed=static) as out:
            out.append(static)
            out.append(record)

    def _placed(self, body: bytes, placement: Placement | None) -> bytes:
        if placement is None or placement.is_still:
            return body
        if self._moving is None:
            table = self._table.copy()
            self._moving = (table, FrameMover(table))
        record = decode_body(body)
        self._moving[1].move(record["data"], placement)
        return encode_body(record)

    def _static(self, folder: Path, placement: Placement | None) -> bytes:
        """Encode the static record, after its description and producer."""
        moves = placement is not None and not placement.is_still
        relabels = placement is not None and placement.relabels
        key = (folder, moves, placement.assignment if placement and relabels else ())
        if key in self._encoded:
            return self._encoded[key]
        table = (self._moving[0] if moves and self._moving else self._table).copy()
        move_paths(table, self._source.path.parent, folder)
        if placement is not None and relabels:
            relabel(table, self._groups, placement.assignment)
        add_provenance(table, self._provenance)
        record: dict[str, Any] = table.record()
        record["info"].update(description="", producer="")
        encoded = encode_record(record)[3:]
        if len(self._encoded) < _KEPT:
            self._encoded[key] = encoded
        return encoded


def write_member(
    source: FrameSource,
    frame: int,
    path: str | os.PathLike[str],
    *,
    placement: Placement | None = None,
    groups: tuple[CopyGroup, ...] = (),
    provenance: Sequence[ProvenanceStep] = (),
    frame_name: str = "",
    description: str = "",
) -> None:
    """
    Write one frame as a file of its own, with nothing lost.

    Reference frames that are not nested, and coordinates outside reference
    frames, are moved by the placement and stored in the frame; relabelled
    copies keep their particles and change their copy index, chain and order.
    Relative paths are rewritten for the new folder. Every other value is the
    source's. For many frames of a file use `MemberWriter`.

    Parameters
    ----------
    source : FrameSource
        The file that the frame is in, as `open_rmf` returns it.
    frame : int
        Frame of the source.
    path : str or os.PathLike
        File to write.
    placement : Placement, optional
        Where to put the model.
    groups : tuple of CopyGroup
        Copy groups that the assignment refers to.
    provenance : sequence of ProvenanceStep
        Steps to put on top of the file's chain, oldest first.
    frame_name : str
        Name of the frame; empty for the name it has.
    description : str
        Added to the file's description; empty for where it came from.

    Raises
    ------
    ConfigError
        If the assignment does not fit the file.
    OutputError
        If the file cannot be written.
    """
    writer = MemberWriter(source, groups=groups, provenance=provenance)
    writer.write(frame, path, placement=placement, frame_name=frame_name, description=description)
