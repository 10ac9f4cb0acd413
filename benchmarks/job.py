"""
A whole job, from runs to the result folder: the first run, and the second.

Before the first run the caches of congruence, numba and matplotlib are empty.
A job below a million pairs compiles nothing, so that the first run pays for
little more than reading the models.

``python -m benchmarks.job --data DIR --rmsd SEL`` measures a job on runs of
your own, with all members, besides the simulated ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sample
from benchmarks.measure import Row, machine, table
from benchmarks.start import spent_by

JOB = """
import sys
from congruence.cli import main
try:
    main()
finally:
    assert "numba" not in sys.modules, "a small job waited for the compiler"
"""


@dataclass(frozen=True)
class Asked:
    """What a job is about."""

    runs: Path
    rmsd: tuple[str, ...]
    densities: tuple[str, ...]
    note: str

    def arguments(self, out: Path) -> list[str]:
        words = ["cluster", str(self.runs), "--out", str(out), "--force", "--align", "superpose"]
        words += ["--clusters", "2", "--members", "all"]
        for text in self.rmsd:
            words += ["--rmsd", text]
        for text in self.densities:
            words += ["--density", text]
        return words


def rows(quick: bool) -> list[Row]:
    """Measure the first and the second run on simulated models, and what the numba cache holds."""
    sizes = ((20, 25),) if quick else ((200, 30), (500, 88))
    return [row for m, residues in sizes for row in measured(_simulated(m, residues), quick)]


def _simulated(models: int, residues: int) -> Asked:
    from congruence.io.rmf import open_rmf

    runs = sample.runs("rigid", models, residues, 2)
    beads = len(open_rmf(runs / "native.rmf3").topology())
    return Asked(runs, ("*",), ("Alpha", "Gamma"), f"{models} models of {beads} beads")


def measured(asked: Asked, quick: bool = False) -> list[Row]:
    """Run a job in processes of its own, first with empty caches."""
    cache, out = sample.folder() / "caches", sample.folder() / "results"
    shutil.rmtree(cache, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    environ = {k: v for k, v in os.environ.items() if k != "CONGRUENCE_KERNEL"}
    environ |= {"CONGRUENCE_CACHE": str(cache / "models"), "MPLCONFIGDIR": str(cache / "figures")}
    environ |= {"NUMBA_CACHE_DIR": str(cache / "numba")}
    taken = spent_by(["-c", JOB, *asked.arguments(out)], 1 if quick else 2, env=environ)
    compiled = sum(1 for _ in cache.rglob("*.nb*"))
    files = sum(1 for path in out.rglob("*") if path.is_file())
    note = f"{asked.note}; {files} files; {compiled} functions compiled"
    names = ("first", "second")
    return [Row(f"whole job, {w} run", t, note=note) for w, t in zip(names, taken, strict=False)]


def main() -> None:
    """Measure jobs on simulated models, and on others when they are given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.job", description=__doc__)
    parser.add_argument("--data", type=Path, help="runs of your own")
    parser.add_argument("--rmsd", action="append", help="selection measured; each gets a density")
    chosen = parser.parse_args()
    found = rows(quick=False)
    if chosen.data is not None:
        selections = tuple(chosen.rmsd or ("*",))
        named = tuple(s if s.isalnum() else f"selection{i}={s}" for i, s in enumerate(selections))
        found += measured(Asked(chosen.data.resolve(), selections, named, chosen.data.name))
    print(machine() + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
