"""
Stat files read ahead by several processes.

Threads cannot help, since reading text holds the interpreter. Processes cost some
tenths of a second to start, so they are used for large inputs only. They
are plain interpreters that are told a file and answer with its columns as JSON: the
script of the user is not imported again, and nothing is unpickled. What a process
cannot answer, for whatever reason, is read here, so that columns, errors and losses
are the same either way.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import LeftOut, Losses
from congruence.errors import CongruenceError
from congruence.io.stat import StatHeader, StatTable, read_stat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

__all__ = ["LARGE", "StatAhead", "serve"]

LARGE = 512 << 20
"""Bytes of stat files from which on processes are started."""

_MOST = 8
_SERVE = "from congruence.io.stat_ahead import serve; serve()"


class StatAhead:
    """
    Reader of stat files, which may have read them already.

    Use it as a context; at its end the processes end.

    Parameters
    ----------
    paths : sequence of str
        Files that will be asked for, in this order.
    columns : sequence of str
        Their columns.
    large : int
        Bytes of all files from which on processes are started.
    processes : int, optional
        Most processes; one for each available core by default, at most 8.
    """

    def __init__(
        self,
        paths: Sequence[str],
        columns: Sequence[str],
        *,
        large: int = LARGE,
        processes: int | None = None,
    ) -> None:
        self._columns = tuple(columns)
        self._coming: dict[str, Future[tuple[StatTable, Losses] | None]] = {}
        self._workers: list[_Worker] = []
        self._threads: ThreadPoolExecutor | None = None
        count = min(processes or _cores(), len(paths), _MOST)
        if count > 1 and _bytes(paths) >= large and _is_python():
            self._start(list(dict.fromkeys(paths)), count)

    def _start(self, paths: list[str], count: int) -> None:
        with contextlib.suppress(OSError):
            self._workers.extend(_Worker() for _ in range(count))
        if not self._workers:
            return
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            idle.put(worker)

        def ask(path: str) -> tuple[StatTable, Losses] | None:
            worker = idle.get()
            try:
                return worker.ask(path, self._columns)
            finally:
                idle.put(worker)

        self._threads = ThreadPoolExecutor(len(self._workers))
        self._coming = {path: self._threads.submit(ask, path) for path in paths}

    @property
    def processes(self) -> int:
        """Processes that were started."""
        return len(self._workers)

    def __enter__(self) -> StatAhead:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.close()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def read(self, path: str, columns: Sequence[str], *, losses: Losses) -> StatTable:
        """
        Read columns of a stat file, as `congruence.io.stat.read_stat` does.

        Parameters
        ----------
        path : str
            The file.
        columns : sequence of str
            Names of the columns.
        losses : Losses
            Receives rows that are damaged or unfinished, and missing values.

        Returns
        -------
        table : StatTable
            One row per complete line.

        Raises
        ------
        InputError
            If the file cannot be read.
        FormatError
            If it is no stat file, or its header is lost.
        """
        coming = self._coming.pop(path, None) if tuple(columns) == self._columns else None
        found = None if coming is None else coming.result()
        if found is None:
            return read_stat(path, columns, losses=losses)
        losses.entries.extend(found[1].entries)
        return found[0]


class _Worker:
    """A process that reads stat files, one at a time."""

    def __init__(self) -> None:
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
        )

    def ask(self, path: str, columns: tuple[str, ...]) -> tuple[StatTable, Losses] | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([path, columns]).encode() + b"\n")
            self._process.stdin.flush()
            return _unpacked(json.loads(self._process.stdout.readline()))
        except (OSError, ValueError):  # the process has ended
            return None

    def close(self) -> None:
        self._process.kill()
        # What a process that has ended did not take cannot be flushed.
        with contextlib.suppress(OSError), self._process:
            pass


def serve(asked: IO[bytes] | None = None, answers: IO[bytes] | None = None) -> None:
    """
    Answer questions for files until there are no more: what a process does.

    Parameters
    ----------
    asked : binary file, optional
        Lines of JSON, a path and columns each; standard input by default.
    answers : binary file, optional
        Where answers go, a line each: ``null`` for a file that cannot be read;
        standard output by default.
    """
    asked, answers = asked or sys.stdin.buffer, answers or sys.stdout.buffer
    for line in asked:
        path, columns = json.loads(line)
        losses = Losses()
        try:
            answer = _packed(read_stat(path, columns, losses=losses), losses)
        except CongruenceError:  # the asking process will meet it itself
            answer = None
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _packed(table: StatTable, losses: Losses) -> dict[str, Any]:
    return {
        "path": table.path,
        "header": asdict(table.header),
        "columns": {name: values.tolist() for name, values in table.columns.items()},
        "lines": table.lines.tolist(),
        "end": table.end,
        "size": table.size,
        "losses": [asdict(entry) for entry in losses.entries],
    }


def _unpacked(answer: dict[str, Any] | None) -> tuple[StatTable, Losses] | None:
    if answer is None:
        return None
    losses = Losses([LeftOut(**entry) for entry in answer.pop("losses")])
    header = answer.pop("header")
    header["names"] = tuple(header["names"])
    lines = np.array(answer.pop("lines"), dtype=np.int64)
    columns = {}
    for name, values in answer.pop("columns").items():
        columns[name] = np.empty(len(values), dtype=object)
        columns[name][:] = values
    table = StatTable(header=StatHeader(**header), columns=columns, lines=lines, **answer)
    return table, losses


def _bytes(paths: Sequence[str]) -> int:
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            total += Path(path).stat().st_size
    return total


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_python() -> bool:
    """Tell whether what runs us is an interpreter, not a program that has one inside."""
    return Path(sys.executable or "").name.startswith(("python", "pypy"))
