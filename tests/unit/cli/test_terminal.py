import io
import subprocess
import sys

import click
import pytest

from congruence.cli import terminal
from congruence.cli.terminal import TerminalReporter
from congruence.cli.words import fractions, number_or


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def test_a_quick_step_says_nothing_in_a_log(clock, capsys):
    reporter = TerminalReporter()
    for done in range(1, 6):
        reporter.advance("reading", done, 5)
    assert capsys.readouterr().err == ""


def test_a_long_step_says_how_far_it_is_now_and_then(clock, capsys):
    reporter = TerminalReporter()
    for done in range(1, 1001):
        clock[0] += 0.1
        reporter.advance("reading", done, 1000)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert told[-1] == "reading: 1,000 of 1,000"
    reporter.advance("reading", 3, 3)
    assert capsys.readouterr().err == ""


def test_quiet_keeps_warnings(capsys):
    reporter = TerminalReporter(quiet=True)
    reporter.say("a line")
    reporter.advance("step", 1, 2)
    reporter.warn("look here")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "warning: look here\n")


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    reporter = TerminalReporter()
    reporter.advance("reading", 1, 3)
    assert reporter._bar is not None
    reporter.say("next")
    assert reporter._bar is None
    reporter.advance("reading", 3, 3)
    assert reporter._bar is None
    assert "next" in sys.stderr.getvalue()


def test_numbers_or_words():
    read = number_or("all", "none", low=1)
    assert [read(None, None, text) for text in ("all", "7", None)] == ["all", 7, None]
    for text in ("0", "-1", "7.5", "some", "²", ""):
        with pytest.raises(click.BadParameter, match="neither 'all', 'none' nor a number from 1"):
            read(None, None, text)


def test_fractions():
    said = ["0.2:0.7", ":0.5", "0.5:", ":"]
    read = [fractions(None, None, text) for text in said]
    assert read == [(0.2, 0.7), (0.0, 0.5), (0.5, 1.0), (0.0, 1.0)]
    for text in ("0.5", "0.7:0.2", "a:b", "0:2", "nan:1", "-1:1", "1:1"):
        with pytest.raises(click.BadParameter, match="two fractions"):
            fractions(None, None, text)


def test_nothing_is_looked_through_when_the_program_ends():
    """What is registered first is called last: after the objects were set aside."""
    script = """
import atexit, gc, os
atexit.register(lambda: os.write(1, b"frozen" if gc.get_freeze_count() else b"free"))
from congruence.cli import main
main(["--version"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.endswith(b"frozen")
