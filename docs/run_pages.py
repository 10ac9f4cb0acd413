"""
Run what the pages say: every block that follows the line ``<!-- test -->``.

A ``console`` block holds commands (``$ ...``) and what they print; a
``python`` block holds code, and what it prints stands in a ``text`` block that
follows the line ``<!-- prints -->``. Blocks of a page run in their order, in
one folder. ``<!-- test: exit 3 -->`` expects another exit code. ``...`` in an
output stands for anything.

    python docs/run_pages.py            compare, tell what differs
    python docs/run_pages.py --write    put today's output into the pages

A block with a line that is only ``...`` is shortened by hand and never written.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
README = DOCS.parent / "README.md"

_BLOCK = re.compile(
    r"<!-- (?P<what>test|prints)(?:: exit (?P<exit>\d+))? -->\n+"
    r"(?P<open>```(?P<language>\w+)\n)(?P<body>.*?)(?P<close>^```$)",
    re.DOTALL | re.MULTILINE,
)
_VARIES = ((re.compile(r"estimated .*"), "estimated ..."),)
_SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass
class Difference:
    """Where a page and the program do not agree."""

    page: Path
    what: str
    expected: str
    got: str

    def __str__(self) -> str:
        return (
            f"{self.page}: {self.what}\n--- the page says\n{self.expected}\n--- it is\n{self.got}"
        )


def tested_pages() -> list[Path]:
    """Pages with at least one tested block."""
    pages = [README, *sorted(DOCS.rglob("*.md"))]
    return [p for p in pages if _BLOCK.search(p.read_text(encoding="utf-8"))]


def prepare(folder: Path) -> None:
    """Make what the pages start from: the simulated runs of the demonstration."""
    from congruence import simulate_runs

    simulate_runs(folder / "congruence-demo" / "runs", seed=0)


def run_page(page: Path, folder: Path, *, write: bool = False) -> list[Difference]:
    """Run the blocks of a page in a folder; a copy of the page is changed when writing."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    differences: list[Difference] = []
    pieces, end, printed = [], 0, ""
    with contextlib.chdir(folder):
        for block in _BLOCK.finditer(text):
            body = block["body"]
            if block["what"] == "prints":
                fresh = printed
                if not _agree(body, printed):
                    differences.append(Difference(page, "the code prints", body, printed))
            elif block["language"] == "python":
                fresh, printed = body, _run_python(body, names)
            else:
                fresh = _run_console(page, body, int(block["exit"] or 0), differences)
            if "..." in body.splitlines() or block["language"] == "python":
                fresh = body
            pieces += [text[end : block.start("body")], fresh]
            end = block.end("body")
    pieces.append(text[end:])
    if write and (new := "".join(pieces)) != text:
        page.write_text(new, encoding="utf-8")
    return differences


def _run_console(page: Path, body: str, code: int, differences: list[Difference]) -> str:
    fresh = []
    for command, expected in _commands(body):
        got, status = _run_command(command)
        if status != code:
            differences.append(Difference(page, f"exit code of {command}", str(code), str(status)))
        if not _agree(expected, got):
            differences.append(Difference(page, command, expected, got))
        for pattern, instead in _VARIES:
            got = pattern.sub(instead, got)
        fresh.append(f"$ {command}\n{got}")
    return "".join(fresh)


def _commands(body: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    lines = iter(body.splitlines(keepends=True))
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\\n"):
                command += next(lines)
            found.append((command.rstrip("\n"), ""))
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def _agree(expected: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(expected, got, _SAME)


def _run_python(code: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "exec"), names)
    return _tidy(out.getvalue())


def _run_command(command: str) -> tuple[str, int]:
    words = shlex.split(command.replace("\\\n", " "))
    if words[0] == "congruence" and not set("|>$") & set(command):
        return _run_congruence(words[1:])
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command,
        shell=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
    )
    return _tidy(done.stdout), done.returncode


def _run_congruence(words: list[str]) -> tuple[str, int]:
    from congruence.cli import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(words)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
    return _tidy(out.getvalue()), status


def _tidy(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _main() -> int:
    os.environ.setdefault("COLUMNS", "80")
    failed = 0
    for page in tested_pages():
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder))
            for difference in run_page(page, Path(folder), write="--write" in sys.argv):
                failed += 1
                print(difference)
    print(f"{failed} differences")
    return 1 if failed else 0


if __name__ == "__main__":
    if shutil.which("congruence", path=Path(sys.executable).parent) is None:
        sys.exit("install congruence first: pip install .")
    sys.exit(_main())
