"""
Tasks as they are handed to a Dask cluster, and what comes back of them.

A task goes out as the name of its function and JSON: a worker that has no
congruence can read that much, and answers with an error instead of losing the
messages of its scheduler.
"""

from __future__ import annotations

import json
import operator
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Call", "other_workers", "refuse", "result", "submit"]

_PERFORM = "congruence.workflow.dask_tasks:perform"


@dataclass(frozen=True)
class Call:
    """
    One task.

    Parameters
    ----------
    function : callable
        Of an importable module; its result should be small.
    name : str
        For the dashboard; the only one of its kind among the calls of one run.
    words : tuple
        JSON-able arguments.
    after : tuple of str
        Names of earlier calls that must be done first.
    followers : int
        Number of later calls that wait for it.
    spends : tuple of Path
        Files that nobody needs when it and all calls before it are done; they
        are left empty, which says that there is nothing to do again.
    """

    function: Callable[..., Any]
    name: str
    words: tuple[Any, ...]
    after: tuple[str, ...] = ()
    followers: int = 0
    spends: tuple[Path, ...] = ()


def submit(client: Any, call: Call, token: str, after: Sequence[Any] = ()) -> Any:
    """
    Hand in a task.

    Parameters
    ----------
    client : Client
        Of the cluster.
    call : Call
        The task.
    token : str
        What tells this job from others on the scheduler.
    after : sequence of Future
        What must be done first.

    Returns
    -------
    future : Future
        Of its result.
    """
    key = f"{call.name}-{token}"
    target = f"{call.function.__module__}:{call.function.__qualname__}"
    words = json.dumps(call.words, default=str)
    task: Any = (operator.call, (pkgutil.resolve_name, _PERFORM), target, words)
    if after:
        task = (operator.getitem, [task, list(after)], 0)
    (future,) = client.get({key: task}, [key], sync=False)
    return future


def result(client: Any, name: str, future: Any) -> Any:
    """
    Wait for a task.

    Parameters
    ----------
    client : Client
        Of the cluster.
    name : str
        Of the task.
    future : Future
        What it gives.

    Returns
    -------
    result : Any
        What the function returned.

    Raises
    ------
    CongruenceError
        What the task has raised.
    InputError
        If the cluster has lost it.
    ConfigError
        If a worker has no congruence, or another one.
    """
    import distributed

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
    except (ImportError, AttributeError) as error:
        # A worker that came later, or else a worker that lacks something.
        refuse(other_workers(client), error)
        if not isinstance(error, ImportError):
            raise
        raise ConfigError(
            f"a Dask worker cannot do the task {name}: {error}",
            hint="Install 'congruence[dask]' in the environment of the workers.",
        ) from error


def other_workers(client: Any) -> list[str]:
    """
    Find workers that do not have the congruence of this process.

    Parameters
    ----------
    client : Client
        Of the cluster.

    Returns
    -------
    found : list of str
        Which has what.
    """
    mine = pkgutil.resolve_name("congruence:__version__")
    found = []
    answers = client.run(pkgutil.resolve_name, "congruence:__version__", on_error="return")
    for worker, version in sorted(answers.items()):
        if isinstance(version, Exception):
            found.append(f"{worker} has no congruence")
        elif version != mine:
            found.append(f"{worker} has congruence {version}")
    return found


def refuse(workers: Sequence[str], error: Exception | None = None) -> None:
    """
    Refuse workers that do not have the congruence of this process.

    Parameters
    ----------
    workers : sequence of str
        From `other_workers`.
    error : Exception, optional
        What has shown them.

    Raises
    ------
    ConfigError
        If there are any.
    """
    if workers:
        raise ConfigError(
            f"Dask workers do not have the congruence of this job: {workers[0]}"
            + (f" (and {len(workers) - 1} more)" if len(workers) > 1 else ""),
            hint="Install 'congruence[dask]' of the same version in the environment of the "
            "workers, or end these workers.",
        ) from error
