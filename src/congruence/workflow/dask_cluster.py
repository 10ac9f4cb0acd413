"""
The connection to a Dask cluster: one for a job, made when first needed.

``dask`` starts workers on this machine and ends them with the job;
``dask:ADDRESS`` uses a cluster that is there and leaves it running.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import pkgutil
import socket
import tempfile
import time
import uuid
from collections import deque
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from congruence.errors import ConfigError
from congruence.workflow.dask_futures import Call, other_workers, refuse, result, submit
from congruence.workflow.dask_ready import forget, tell
from congruence.workflow.dask_scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from congruence.workflow.config import ClusterConfig

__all__ = ["Connection", "connected", "keep_engine", "on_engine"]

P = ParamSpec("P")
R = TypeVar("R")

_MOMENT = 2.0

TIMEOUT = 15.0
"""Seconds to wait for a scheduler to answer."""

_HINT = (
    "Start one with 'dask scheduler' and workers with 'dask worker ADDRESS'; the address is what "
    "the scheduler prints, such as tcp://node7:8786. Without an address, --engine dask starts "
    "workers on this machine."
)


class Connection:
    """
    A Dask cluster and the folder that is shared with its workers.

    Parameters
    ----------
    address : str
        Of the scheduler, or the path of its scheduler file (``.json``); empty to
        start workers on this machine.
    out : Path, optional
        Result folder of the job, beside which the shared folder is made.
    workers : int, optional
        Workers to start on this machine; one for each core by default.
    say : callable, optional
        Told of the connection.
    timeout : float
        Seconds to wait for a scheduler to answer.
    """

    def __init__(
        self,
        address: str = "",
        *,
        out: Path | None = None,
        workers: int | None = None,
        say: Callable[[str], None] = lambda text: None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.address, self._out, self._workers = address, out, workers
        self.say, self._timeout = say, timeout
        self._client: Any = None
        self._cluster: Any = None
        self._scratch: Scratch | None = None
        self._asked, self._threads = float("-inf"), 0
        self.told: dict[str, str] = {}  # what workers were told to get ready, and by which name

    @property
    def client(self) -> Any:
        """
        The client; connects when first asked for.

        Raises
        ------
        ConfigError
            If ``distributed`` is not installed, or no scheduler answers.
        """
        if self._client is None:
            self._connect()
        return self._client

    @property
    def scratch(self) -> Scratch:
        """The folder that is shared with the workers; connects first."""
        if self._scratch is None and self.client is not None:
            local = self._out is None and not self.address
            parent = Path(tempfile.gettempdir()) if local else None
            self._scratch = Scratch(self._out, parent)
        assert self._scratch is not None
        return self._scratch

    @property
    def threads(self) -> int:
        """Threads of all workers that are there; asked for every two seconds at most."""
        now = time.monotonic()
        if now > self._asked + _MOMENT:
            self._asked = now
            self._threads = sum(int(count) for count in self.client.nthreads().values())
        return self._threads

    def _connect(self) -> None:
        distributed = _distributed()
        if not self.address:
            self._cluster = distributed.LocalCluster(
                n_workers=self._workers or _cores(),
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what tasks raise is told once, by us
            )
            self._client = distributed.Client(self._cluster, set_as_default=False)
        else:
            self._client = self._existing(distributed.Client)
        self._greet()

    def _greet(self) -> None:
        """Wait for a worker, and refuse workers that could not even read what they are sent."""
        where, dashboard = self.address or "this machine", self._client.dashboard_link
        if not self.threads:
            self.say(
                f"Dask cluster on {where}: waiting for its first worker; dashboard {dashboard}"
            )
        ask = pkgutil.resolve_name, "congruence:__version__"
        first = self._client.submit(*ask, key=f"hello-{uuid.uuid4().hex[:8]}", pure=False)
        first.exception()  # what it is, all workers are asked
        refuse(other_workers(self._client))
        tell(self, "imports", {})
        self._asked = float("-inf")
        there = "1 worker thread" if self.threads == 1 else f"{self.threads:,} worker threads"
        self.say(f"Dask cluster on {where}: {there}; dashboard {dashboard}")

    def _existing(self, client: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {"timeout": self._timeout, "set_as_default": False}
        try:
            if self.address.endswith(".json"):
                if not Path(self.address).is_file():
                    raise FileNotFoundError(f"there is no scheduler file {self.address}")
                return client(scheduler_file=self.address, **options)
            _knock(self.address, self._timeout)
            return client(self.address, **options)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {self.address}: {error}", hint=_HINT
            ) from error

    def results(
        self,
        function: Callable[..., R],
        calls: Iterable[tuple[str, tuple[Any, ...]]],
        *,
        window: Callable[[], int] | None = None,
    ) -> Generator[R, None, None]:
        """
        Run tasks and yield their results in order.

        Parameters
        ----------
        function : callable
            Of an importable module; its results should be small.
        calls : iterable of (str, tuple)
            Name of each task for the dashboard, and its arguments.
        window : callable, optional
            Gives how many tasks are handed in ahead of the first one that is not
            done; all by default.

        Yields
        ------
        result : Any
            Of each task, in the order of the calls.

        Raises
        ------
        CongruenceError
            What a task has raised, or that the cluster has lost it.
        """
        several = (Call(function, name, words) for name, words in calls)
        with closing(self.run(several, window=window)) as running:
            for _, found in running:
                yield found

    def run(
        self, calls: Iterable[Call], *, window: Callable[[], int] | None = None
    ) -> Generator[tuple[Call, Any], None, None]:
        """
        Run tasks that may wait for each other, and yield them in order.

        Parameters
        ----------
        calls : iterable of Call
            Each after those that it waits for.
        window : callable, optional
            As for `results`.

        Yields
        ------
        call : Call
            In the order given; what it spends is empty now.
        result : Any
            Of the task.

        Raises
        ------
        CongruenceError
            As for `results`.
        """
        client, token = self.client, uuid.uuid4().hex[:8]
        coming = iter(calls)
        waiting: deque[tuple[Call, Any]] = deque()
        kept: dict[str, tuple[Any, int]] = {}  # futures that later calls wait for, and how many
        try:
            while True:
                while window is None or len(waiting) < window():
                    call = next(coming, None)
                    if call is None:
                        break
                    # Names are those of the job alone: another one may use the same scheduler.
                    future = submit(client, call, token, [kept[name][0] for name in call.after])
                    waiting.append((call, future))
                    for name in call.after:
                        _follow(kept, name)
                    if call.followers:
                        kept[call.name] = future, call.followers
                if not waiting:
                    return
                call, future = waiting.popleft()
                found = result(client, call.name, future)
                for path in call.spends:
                    path.open("wb").close()
                yield call, found
        finally:
            for future in (*(f for _, f in waiting), *(f for f, _ in kept.values())):
                future.cancel()

    def close(self) -> None:
        """Leave the cluster, or end the one that was started, and remove the shared folder."""
        if self._client is not None and self._cluster is None:
            forget(self)
        self.told.clear()
        for part in (self._client, self._cluster):
            if part is not None:
                part.close()
        self._client = self._cluster = None
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "--engine dask needs the package 'distributed', which is not installed",
            hint="Install it with: pip install 'congruence[dask]'",
        ) from error


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _knock(address: str, timeout: float) -> None:
    """Try the port first: a client that fails to connect keeps trying in the background."""
    scheme, _, place = address.rpartition("://")
    if scheme in ("", "tcp", "tls"):
        host, _, port = place.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("an address is HOST:PORT")
        socket.create_connection((host.strip("[]"), int(port)), timeout).close()


def _follow(kept: dict[str, tuple[Any, int]], name: str) -> None:
    """Count one call that waits for a task; after the last it is not kept."""
    future, left = kept.pop(name)
    if left > 1:
        kept[name] = future, left - 1


_KEPT: dict[str, Connection] = {}


@contextmanager
def connected(address: str, *, workers: int | None = None) -> Iterator[Connection]:
    """
    Give the connection that is kept for an address, or one for the moment.

    Parameters
    ----------
    address : str
        As for `Connection`.
    workers : int, optional
        Workers to start on this machine.

    Yields
    ------
    connection : Connection
        Closed afterwards unless `keep_engine` keeps it.
    """
    kept = _KEPT.get(address)
    if kept is not None:
        yield kept
        return
    connection = Connection(address, workers=workers)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def keep_engine(
    engine: str,
    *,
    out: Path | None = None,
    workers: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """
    Use one cluster for all steps inside.

    Parameters
    ----------
    engine : str
        ``"local"`` (nothing happens), ``"dask"`` or ``"dask:ADDRESS"``.
    out : Path, optional
        Result folder; what workers need is written to ``OUT.dask`` and removed.
    workers : int, optional
        Workers to start on this machine; one for each core by default.
    say : callable, optional
        Told of the connection, which is made when the first step needs it.

    Yields
    ------
    None
        The steps find the connection by the address.
    """
    address = engine.partition(":")[2]
    if engine == "local" or address in _KEPT:
        yield
        return
    connection = _KEPT[address] = Connection(address, out=out, workers=workers, say=say)
    try:
        yield
    finally:
        del _KEPT[address]
        connection.close()


def on_engine(
    function: Callable[Concatenate[ClusterConfig, Path, P], R],
) -> Callable[Concatenate[ClusterConfig, Path, P], R]:
    """
    Let a job use one cluster for all its steps.

    Parameters
    ----------
    function : callable
        Takes a configuration and the result folder.

    Returns
    -------
    function : callable
        The same, inside of `keep_engine`.
    """

    def run(config: ClusterConfig, out: Path, *args: P.args, **kwargs: P.kwargs) -> R:
        reporter: Any = kwargs.get("reporter")
        say = reporter.say if reporter is not None else lambda text: None
        with keep_engine(config.engine, out=out, workers=config.threads, say=say):
            return function(config, out, *args, **kwargs)

    return functools.update_wrapper(run, function)  # type: ignore[return-value]
