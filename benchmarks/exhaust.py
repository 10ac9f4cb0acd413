"""
``congruence exhaust``: CPU seconds of the whole process, with and without uncertainty.

Two runs of 800 models of about 700 beads, two densities; the first line is with
empty caches. Stage times are of one more run each, in which the functions of
`STAGES` are timed; what is left over is imports, writing and the terminal.

``python -m benchmarks.exhaust --data DIR --density NAME=SEL`` measures runs of your own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sample
from benchmarks.measure import Row, Spent, machine, table
from benchmarks.start import spent_by

COMMAND = "from congruence.cli import main; main()"
STAGES = {
    "reading": "congruence.workflow.exhaust:open_samples",
    "distances": "congruence.workflow.exhaust:measure",
    "tests": "congruence.workflow.exhaust:assess",
    "uncertainty": "congruence.compute.exhaustiveness_uncertainty:with_uncertainty",
    "maps": "congruence.workflow.exhaust:_Job._with_maps",
    "centers": "congruence.workflow.exhaust:write_centers",
    "figures": "congruence.plots.exhaustiveness:save_figures",
    "writing": "congruence.workflow.exhaust:_Job.write",
    "showing": "congruence.cli.exhaust:_show",
}
"""Functions that are timed. Writing holds maps, centers and figures."""

TIMED = """
import importlib, json, sys, time
stages, out = json.loads(sys.argv.pop(1)), sys.argv.pop(1)
spent = {}

def timed(name, function):
    def run(*args, **words):
        start = time.process_time()
        try:
            return function(*args, **words)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - start
    return run

start = time.process_time()
for name, place in stages.items():
    module, _, path = place.partition(":")
    home = importlib.import_module(module)
    *classes, last = path.split(".")
    for part in classes:
        home = getattr(home, part)
    setattr(home, last, timed(name, getattr(home, last)))
spent["first imports"] = time.process_time()
from congruence.cli import main
try:
    main()
finally:
    spent["in all"] = time.process_time()
    open(out, "w").write(json.dumps(spent))
"""


@dataclass(frozen=True)
class Asked:
    """What is tested."""

    runs: Path
    densities: tuple[str, ...]
    note: str

    def arguments(self, out: Path) -> list[str]:
        words = ["exhaust", str(self.runs), "--name", "bench", "--align", "superpose"]
        for text in self.densities:
            words += ["--density", text]
        return [*words, "--out", str(out), "--force"]


def rows(quick: bool) -> list[Row]:
    """Measure on simulated runs."""
    return measured(_simulated(*((60, 25) if quick else (1600, 174))), 1 if quick else 3)


def _simulated(models: int, residues: int) -> Asked:
    from congruence.io.rmf import open_rmf

    runs = sample.runs("rigid", models, residues, 2)
    beads = len(open_rmf(runs / "native.rmf3").topology())
    return Asked(runs, ("A=Alpha", "B=Beta"), f"{models} models of {beads} beads")


def measured(asked: Asked, repeats: int) -> list[Row]:
    """Run the command in processes of its own, first with empty caches."""
    cache = sample.folder() / "exhaust-caches"
    shutil.rmtree(cache, ignore_errors=True)
    environ = {**os.environ, "CONGRUENCE_CACHE": str(cache / "models")}
    environ |= {"MPLCONFIGDIR": str(cache / "figures"), "NUMBA_CACHE_DIR": str(cache / "numba")}
    words = asked.arguments(sample.folder() / "exhausted")
    (first,) = spent_by(["-c", COMMAND, *words], 1, env=environ)
    found = [Row("exhaust, empty caches", first, note=asked.note)]
    for what, more in (("exhaust", []), ("exhaust without uncertainty", ["--no-uncertainty"])):
        taken = spent_by(["-c", COMMAND, *words, *more], repeats, env=environ)
        wall, cpu = (statistics.median(getattr(t, f) for t in taken) for f in ("wall", "cpu"))
        note = f"median of {repeats}; {_stages([*words, *more], environ)}"
        found.append(Row(what, Spent(wall, cpu), note=note))
    return found


def _stages(words: list[str], environ: dict[str, str]) -> str:
    """Return the CPU seconds of each stage of one run."""
    out = sample.folder() / "stages.json"
    spent_by(["-c", TIMED, json.dumps(STAGES), str(out), *words], 1, env=environ)
    spent: dict[str, float] = json.loads(out.read_text())
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in spent.items())


def main() -> None:
    """Measure simulated runs, or others when they are given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exhaust", description=__doc__)
    parser.add_argument("--data", type=Path, help="runs of your own")
    parser.add_argument("--density", action="append", default=[], help="NAME=SEL")
    chosen = parser.parse_args()
    if chosen.data is None:
        found = rows(quick=False)
    else:
        asked = Asked(chosen.data.resolve(), tuple(chosen.density), chosen.data.name)
        found = measured(asked, 3)
    print(machine() + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
