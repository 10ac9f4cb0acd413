"""The demonstration: a simulated sampling, analysed end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence.errors import OutputError
from congruence.workflow.config import ClusterConfig
from congruence.workflow.job import JobSummary, cluster_runs

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.core.topology import Molecule
    from congruence.workflow.reporting import Reporter

__all__ = ["run_demo"]


def run_demo(out: Path, *, seed: int, reporter: Reporter) -> JobSummary:
    """
    Simulate runs of a small complex and cluster their best models.

    Parameters
    ----------
    out : Path
        Folder for ``runs`` and ``results``; ours are replaced.
    seed : int
        Seed of the simulation and of the clustering.
    reporter : Reporter
        Told of progress.

    Returns
    -------
    summary : JobSummary
        What the analysis came to.

    Raises
    ------
    OutputError
        If the folder holds something else.
    """
    from congruence.simulate import simulate_runs

    runs = out / "runs"
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file", hint="Give a folder with --out.")
    if out.exists() and any(out.iterdir()) and not (runs / "truth.json").is_file():
        raise OutputError(
            f"{out} is not empty and is no demonstration of congruence",
            hint="Give another folder with --out.",
        )
    reporter.say(f"simulating a sampling in {runs}")
    truth = simulate_runs(runs, seed=seed)
    reporter.say(
        f"planted: {len(truth.clusters)} clusters in {len(truth.labels):,} models, "
        "two copies of one subunit that take each other's place"
    )
    names = sorted({m.name for m in _molecules(runs)})
    config = ClusterConfig(
        runs=(str(runs),),
        features=("CrossLinking", "ExcludedVolume"),
        rmsd=("*",),
        align="superpose",
        densities={name: f'"{name}"' for name in names},
        seed=seed,
    )
    return cluster_runs(config, out / "results", force=True, reporter=reporter)


def _molecules(runs: Path) -> tuple[Molecule, ...]:
    from congruence.io.rmf import open_rmf

    return open_rmf(runs / "native.rmf3").topology(1).molecules
