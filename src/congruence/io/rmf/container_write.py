"""Write the container of an RMF3 file: header, blocks, the empty last block."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from congruence.errors import ConfigError, OutputError
from congruence.io.rmf.encode import encode_long, encode_string
from congruence.io.rmf.schema import schema_json

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ContainerWriter"]


class ContainerWriter:
    """
    Append encoded records to a file that appears when it is whole.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Until `close` the bytes go to a hidden file beside it.
    seed : bytes
        What the marker between blocks is a digest of.
    codec : {"null", "deflate"}
        How blocks are stored.
    block_size : int
        Bytes of records that are collected into one block; a longer record
        has a block of its own.

    Raises
    ------
    OutputError
        If the file cannot be written.
    ConfigError
        If there is no such codec.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        seed: bytes,
        codec: Literal["null", "deflate"] = "null",
        block_size: int = 1 << 16,
    ) -> None:
        if codec not in ("null", "deflate"):
            raise ConfigError(
                f"there is no codec '{codec}' in RMF files",
                hint="Use 'null' (as IMP writes) or 'deflate' (smaller, slower).",
            )
        self.path = Path(path)
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._codec = codec
        self._block_size = block_size
        self._sync = hashlib.sha256(seed).digest()[:16]
        self._pending: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None
        try:
            self._file = self._partial.open("wb")
        except OSError as problem:
            raise self._unwritable(problem) from problem
        self._write(self._header())

    def __enter__(self) -> ContainerWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _unwritable(self, problem: OSError) -> OutputError:
        return OutputError(
            f"{self.path}: cannot be written: {problem.strerror}",
            hint="Check that the folder exists, that you may write there and that there is room.",
        )

    def _header(self) -> bytes:
        schema = schema_json()
        return b"".join(
            (
                b"Obj\x01",
                encode_long(2),
                encode_string("avro.codec"),
                encode_string(self._codec),
                encode_string("avro.schema"),
                encode_long(len(schema)),
                schema,
                b"\0",
                self._sync,
            )
        )

    def _write(self, data: bytes) -> None:
        if self._file is None:
            raise OutputError(f"{self.path}: is closed already", hint="Write before closing.")
        try:
            self._file.write(data)
        except OSError as problem:
            self.discard()
            raise self._unwritable(problem) from problem

    def append(self, record: bytes) -> None:
        """
        Append one record.

        Parameters
        ----------
        record : bytes
            An encoded record.
        """
        if self._pending and self._size + len(record) > self._block_size:
            self._flush()
        self._pending.append(record)
        self._size += len(record)

    def _flush(self) -> None:
        payload = b"".join(self._pending)
        if self._codec == "deflate":
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            payload = packer.compress(payload) + packer.flush()
        head = encode_long(len(self._pending)) + encode_long(len(payload))
        self._write(head + payload + self._sync)
        self._pending.clear()
        self._size = 0

    def close(self) -> None:
        """Write what is pending and the empty block, and give the file its name."""
        if self._file is None:
            return
        if self._pending:
            self._flush()
        self._write(b"\0\0" + self._sync)
        try:
            self._file.close()
            self._partial.replace(self.path)
        except OSError as problem:
            self.discard()
            raise self._unwritable(problem) from problem
        self._file = None

    def discard(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partial.unlink(missing_ok=True)
