"""
The connection to a Dask cluster: one for a job, made when first needed.

``dask`` starts workers on this machine and ends them with the job;
``dask:ADDRESS`` uses a cluster that is there and leaves it running.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import logging
import os
import socket
import tempfile
import uuid
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from congruence.core.provenance import counted
from congruence.errors import ConfigError, InputError
from congruence.workflow.dask_scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from congruence.workflow.config import ClusterConfig

__all__ = ["Connection", "connected", "keep_engine", "on_engine"]

P = ParamSpec("P")
R = TypeVar("R")

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
        self._say, self._timeout = say, timeout
        self._client: Any = None
        self._cluster: Any = None
        self._scratch: Scratch | None = None

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
        """Threads of all workers that are there now."""
        return sum(int(count) for count in self.client.nthreads().values())

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
            self._say(
                f"Dask cluster on {where}: waiting for its first worker; dashboard {dashboard}"
            )
        ask = importlib.metadata.version, "congruence"
        first = self._client.submit(*ask, key=f"hello-{uuid.uuid4().hex[:8]}", pure=False)
        wrong = []
        if first.exception() is not None:
            wrong = ["a worker has no congruence"]
        else:
            mine = importlib.metadata.version("congruence")
            for worker, found in sorted(self._client.run(*ask, on_error="return").items()):
                if found != mine:
                    what = (
                        "no congruence" if isinstance(found, Exception) else f"congruence {found}"
                    )
                    wrong.append(f"{worker} has {what}")
        if wrong:
            raise ConfigError(
                f"Dask workers do not have the congruence of this job: {wrong[0]}"
                + (f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""),
                hint="Install 'congruence[dask]' of the same version in the environment of the "
                "workers.",
            )
        there = counted(self.threads, "worker thread")
        self._say(f"Dask cluster on {where}: {there}; dashboard {dashboard}")

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
        window: int | None = None,
    ) -> Generator[R, None, None]:
        """
        Run tasks and yield their results in order.

        Parameters
        ----------
        function : callable
            Of an importable module; its results should be small.
        calls : iterable of (str, tuple)
            Name of each task for the dashboard, and its arguments.
        window : int, optional
            Tasks handed in ahead of the first one that is not done; all by default.

        Yields
        ------
        result : Any
            Of each task, in the order of the calls.

        Raises
        ------
        CongruenceError
            What a task has raised, or that the cluster has lost it.
        """
        client, token = self.client, uuid.uuid4().hex[:8]
        coming = iter(calls)
        waiting: deque[tuple[str, Any]] = deque()
        try:
            while True:
                while window is None or len(waiting) < window:
                    call = next(coming, None)
                    if call is None:
                        break
                    name, words = call
                    # Names are those of the job alone: another one may use the same scheduler.
                    future = client.submit(function, *words, key=f"{name}-{token}", pure=False)
                    waiting.append((name, future))
                if not waiting:
                    return
                name, future = waiting.popleft()
                yield _result(name, future)
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """Leave the cluster, or end the one that was started, and remove the shared folder."""
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


def _result(name: str, future: Any) -> Any:
    distributed = _distributed()
    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise InputError(
            f"the Dask task {name} was lost with several workers, one after the other",
            hint="The workers may have too little memory, or are killed by the batch system: see "
            "their logs, give each more memory, or start fewer threads per worker.",
        ) from error
    except distributed.CancelledError as error:
        raise InputError(
            f"the Dask task {name} was cancelled: the scheduler is gone or was restarted",
            hint="Start the scheduler again and repeat the command.",
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a Dask worker has no module '{error.name}'",
            hint="Install 'congruence[dask]' in the environment of the workers.",
        ) from error


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
