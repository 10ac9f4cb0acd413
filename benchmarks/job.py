"""
A whole job, from runs to the result folder, with an empty cache of numba.

The second run shows what the first one paid once: nothing, since a job below a
million pairs never waits for a compiler.
"""

from __future__ import annotations

import os
import shutil

from benchmarks import sample
from benchmarks.measure import Row
from benchmarks.start import spent_by

JOB = """
import sys
from pathlib import Path
from congruence.workflow.config import ClusterConfig
from congruence.workflow.job import cluster_runs
config = ClusterConfig(
    runs=(sys.argv[1],), rmsd=("*",), align="superpose", clusters=2,
    densities={"Alpha": "Alpha", "Gamma": "Gamma"},
)
cluster_runs(config, Path(sys.argv[2]), force=True)
assert "numba" not in sys.modules, "a small job waited for the compiler"
"""


def rows(quick: bool) -> list[Row]:
    """Measure the first and the second run, and name what the numba cache holds after it."""
    sizes = ((20, 25),) if quick else ((200, 30), (500, 88))
    return [row for models, residues in sizes for row in _job(models, residues, quick)]


def _job(models: int, residues: int, quick: bool) -> list[Row]:
    from congruence.io.rmf import open_rmf

    runs = sample.runs("rigid", models, residues, 2)
    beads = len(open_rmf(runs / "native.rmf3").topology())
    cache = sample.folder() / "numba"
    shutil.rmtree(cache, ignore_errors=True)
    environ = {k: v for k, v in os.environ.items() if k != "CONGRUENCE_KERNEL"}
    environ["NUMBA_CACHE_DIR"] = str(cache)
    out = str(sample.folder() / "results")
    taken = spent_by(["-c", JOB, str(runs), out], 1 if quick else 2, env=environ)
    compiled = sum(1 for _ in cache.rglob("*.nb*")) if cache.exists() else 0
    note = f"{models} models of {beads} beads; {compiled} functions compiled"
    names = ("first", "second")
    return [Row(f"whole job, {w} run", t, note=note) for w, t in zip(names, taken, strict=False)]
