"""Run an analysis script that was written for IMP; the only place where user code runs."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from congruence.errors import CongruenceError, InputError
from congruence.pmi.lending import lent_modules
from congruence.pmi.voice import current_reporter, speaking_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from congruence.workflow.reporting import Reporter

__all__ = ["ScriptError", "run_script"]

# The launcher's own variable comes first: inside a batch job SLURM_PROCID may be that of a daemon.
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")

_PYTHON2_NAMES = {
    "basestring", "cPickle", "ConfigParser", "long", "Queue", "raw_input", "reduce", "StringIO",
    "unicode", "urllib2", "xrange",
}  # fmt: skip

_PYTHON2_HINT = (
    "The script must be Python 3. If it was written for Python 2, '2to3 -w SCRIPT' converts it; "
    "often parentheses around what is printed are all that is missing."
)


class ScriptError(CongruenceError):
    """
    A script that failed by an error of its own.

    Parameters
    ----------
    message : str
        The error with its traceback inside the script.
    hint : str, optional
        What to do about it.
    """

    exit_code = 1


def run_script(
    path: str | os.PathLike[str], argv: Sequence[str] = (), *, reporter: Reporter | None = None
) -> int:
    """
    Run a script with the facade lent under the names of IMP and RMF.

    It runs as ``python SCRIPT ARGS`` would: as ``__main__``, in the current
    working directory, its own folder first in ``sys.path``. Afterwards
    ``sys.argv``, ``sys.path``, the working directory and the imported modules of IMP
    are as before. Under MPI only the process of rank 0 runs it.

    Parameters
    ----------
    path : str or os.PathLike
        The script.
    argv : sequence of str
        Its arguments, without the name of the script.
    reporter : Reporter, optional
        Hears what the facade says; by default only warnings are issued.

    Returns
    -------
    status : int
        Exit status of the script; 0 at once in a process of another rank.

    Raises
    ------
    InputError
        If the script is missing or is not Python 3.
    ScriptError
        If the script fails by an error of its own.
    CongruenceError
        As the facade raises it, with the line of the script in its message.
    """
    if not _is_first_rank():
        return 0
    script = Path(path)
    if not script.is_file():
        raise InputError(
            f"there is no script {script}",
            hint="Give the path of a Python script, then its arguments.",
        )
    with speaking_to(reporter), lent_modules(), _process_state(script, argv):
        return _run(script)


def _is_first_rank() -> bool:
    for name in _RANKS:
        text = os.environ.get(name, "").strip()
        if text:
            return not text.isdigit() or int(text) == 0
    return True


@contextlib.contextmanager
def _process_state(script: Path, argv: Sequence[str]) -> Iterator[None]:
    folder = script.resolve().parent
    before = (sys.argv, list(sys.path), Path.cwd(), set(sys.modules))
    sys.argv = [str(script), *argv]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before[0], before[1]
        os.chdir(before[2])
        _forget_beside(folder, set(sys.modules) - before[3])


def _forget_beside(folder: Path, names: set[str]) -> None:
    """Drop modules beside the script, which must not be taken for those of the next script."""
    for name in names:
        top = name.partition(".")[0]
        if (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file():
            file = getattr(sys.modules[name], "__file__", None)
            if file and folder in Path(file).resolve().parents:
                del sys.modules[name]


def _run(script: Path) -> int:
    try:
        # Running the user's script is what the caller asked for; nothing else is ever executed.
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as stop:
        return _status(stop)
    except SyntaxError as error:
        where = f"{error.filename or script}, line {error.lineno}"
        raise InputError(f"{where}: {error.msg}", hint=_PYTHON2_HINT) from error
    except CongruenceError as error:
        _add_line(error, script)
        raise
    except Exception as error:
        raise _script_error(error, script) from error
    return 0


def _status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code
    current_reporter().warn(str(stop.code))
    return 1


def _add_line(error: CongruenceError, script: Path) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(script)]
    if lines:
        error.message = f"{script}, line {lines[-1]}: {error.message}"
        error.args = (error.message,)


def _script_error(error: Exception, script: Path) -> ScriptError:
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(script):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    old = isinstance(error, NameError | ImportError) and error.name in _PYTHON2_NAMES
    return ScriptError(
        f"the script {script} failed\n{''.join(lines).rstrip()}",
        hint=_PYTHON2_HINT if old else "The error is in the script itself, at the line shown.",
    )
