"""Simulated runs that the benchmarks read; removed when the process ends."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from congruence.simulate import BeadKind, Segment, Subunit, System, simulate_runs, small_system


@functools.cache
def folder() -> Path:
    """Return a temporary folder."""
    path = Path(tempfile.mkdtemp(prefix="congruence-bench-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def runs(kind: str, models: int, residues: int, count: int = 1) -> Path:
    """Simulate `count` runs of "rigid" bodies (residues per subunit) or "flexible" beads (per chain)."""
    path = folder() / f"{kind}-{models}-{residues}-{count}"
    chain = Segment(1, residues, BeadKind.FREE, 1)
    core = Subunit("Core", (Segment(1, 20, BeadKind.RIGID),))
    flexible = System((core, Subunit("Chain", (chain,), 2)), gaussians=False)
    system = flexible if kind == "flexible" else small_system(residues_per_subunit=residues)
    simulate_runs(path, models=models, runs=count, replicas=1, tumble=True, seed=1, system=system)
    return path


def rmf(kind: str, models: int, residues: int) -> Path:
    """Return the file of all models."""
    return runs(kind, models, residues) / "run1/output/rmfs/0.rmf3"
