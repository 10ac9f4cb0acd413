"""How long it takes to start: medians of processes of their own."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from benchmarks.measure import Row, Spent

_MAIN = "from congruence.cli import main; main()"
COMMANDS = {
    "import congruence (aim 0.10 s)": ["-c", "import congruence"],
    "congruence --help (aim 0.30 s)": ["-c", _MAIN, "--help"],
    "congruence cluster --help": ["-c", _MAIN, "cluster", "--help"],
    "bare Python": ["-c", "pass"],
}


def spent_by(arguments: list[str], repeats: int, **words: object) -> list[Spent]:
    """Run a Python process several times and return what each took."""
    taken = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, **words)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append(Spent(wall, cpu))
    return taken


def rows(quick: bool) -> list[Row]:
    """Measure the import and the help."""
    repeats = 1 if quick else 10
    out = []
    for name, arguments in COMMANDS.items():
        taken = spent_by(arguments, repeats)
        wall, cpu = (statistics.median(getattr(t, f) for t in taken) for f in ("wall", "cpu"))
        out.append(Row(name, Spent(wall, cpu), note=f"{repeats} processes"))
    return out
