"""
The command line: ``congruence COMMAND``.

Commands are thin: they turn words into a configuration, hand it to
`congruence.workflow` and show what comes back. Only this package prints.
Exit codes: 0 done, 1 a bug, 2 wrong usage, 3 input or configuration unusable,
4 a requested check failed, 130 interrupted.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import signal
import sys
import traceback

import click

from congruence import __version__

__all__ = ["main"]

_COMMANDS = {
    "cluster": ("congruence.cli.cluster", "Cluster the best models of sampling runs."),
    "recluster": ("congruence.cli.recluster", "Cluster again from a saved distance matrix."),
    "precision": ("congruence.cli.precision", "How far clusters' members are from each other."),
    "accuracy": ("congruence.cli.accuracy", "How far they are from a known structure."),
    "select": ("congruence.cli.select", "Choose good-scoring models, as two samples."),
    "exhaust": ("congruence.cli.exhaust", "Test whether sampling was exhaustive."),
    "inspect": ("congruence.cli.inspect", "Show what is in runs, stat files and RMF files."),
    "init": ("congruence.cli.init", "Write a commented configuration for runs."),
    "demo": ("congruence.cli.demo", "Simulate a sampling and analyse it."),
    "bench": ("congruence.cli.bench", "Measure how fast this machine is."),
    "run-script": ("congruence.cli.script", "Run an existing IMP analysis script, without IMP."),
}


class _PipeClosedError(Exception):
    """The reader of our output went away, as ``head`` does: that is its right."""


class _LazyGroup(click.Group):
    """Commands are imported when they run, so that help is quick."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # click would leave with code 1
            raise _PipeClosedError from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="congruence")
def _root() -> None:
    """Analyse ensembles of integrative structural models."""


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command line and leave with its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Words after ``congruence``; those of the process if absent.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know the letter Å
            stream.reconfigure(errors="replace")
    with contextlib.suppress(ValueError, AttributeError):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Loading large packages makes many objects and no rubbish: seldom looking saves a tenth.
    gc.set_threshold(50_000, 20, 100)
    # Nor is there any to be found at the end, where Python would look through everything.
    atexit.register(gc.freeze)
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    from congruence.errors import CongruenceError

    try:
        result = _root.main(args=arguments, prog_name="congruence", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return 2 if isinstance(error, click.UsageError) else 3
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; no result was changed", err=True)
        return 130
    except CongruenceError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)
        return error.exit_code
    except (BrokenPipeError, _PipeClosedError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        click.echo("error: there is not enough memory for this job", err=True)
        click.echo("hint: Choose fewer models, for example with --best or --every.", err=True)
        return 3
    except Exception as error:  # noqa: BLE001 - the last resort, so that nobody sees a traceback
        return _confess(error)
    return result if isinstance(result, int) else 0


def _confess(error: Exception) -> int:
    """Tell that there is a bug, and how to see more of it."""
    if os.environ.get("CONGRUENCE_DEBUG"):
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    click.echo(
        f"this is a bug in congruence {__version__}: {type(error).__name__}: {text}", err=True
    )
    click.echo(
        "hint: No result was changed. Please report it with the traceback that the same command "
        "prints after 'export CONGRUENCE_DEBUG=1'.",
        err=True,
    )
    return 1
