"""
Aligned and unaligned RMSD matrices beside mdtraj and scipy.

From an array (m,n,3) of float64 to all distances, packing included. mdtraj
computes whole rows on centred float32 coordinates, which is twice the pairs, and
has no matrix; a fifth of its rows is timed and counted five times. The models
are unstructured noise around a mean: nothing in them can be compressed.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.measure import Job, Row, interleaved, using
from congruence.compute.rmsd import estimate, rmsd_matrix

_SHARE = 5


def made_models(m: int, n: int) -> np.ndarray:
    """Return turned and shifted models that differ by some 10 Å, in Å."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    models = rng.normal(size=(n, 3)) * 45 + rng.normal(size=(m, n, 3)) * 6
    turns = Rotation.random(m, random_state=1).as_matrix()
    return np.matmul(models, turns.transpose(0, 2, 1)) + rng.normal(size=(m, 1, 3)) * 100


def mdtraj_rows(models: np.ndarray) -> None:
    """Compute a share of all rows with mdtraj, precentered, on one thread."""
    import mdtraj

    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(models.shape[1]):
        topology.add_atom("CA", mdtraj.element.carbon, residue)
    trajectory = mdtraj.Trajectory(models.astype(np.float32), topology)
    trajectory.center_coordinates()
    for i in range(0, len(models), _SHARE):
        mdtraj.rmsd(trajectory, trajectory, i, precentered=True, parallel=False)


def scipy_pairs(models: np.ndarray) -> None:
    """Compute unaligned distances with scipy."""
    from scipy.spatial.distance import pdist

    pdist(models.reshape(len(models), -1)) / np.sqrt(models.shape[1])


def _has(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def rows(quick: bool) -> list[Row]:
    """Measure both alignments in both precisions."""
    m, n, repeats = (20, 10, 1) if quick else (2000, 1000, 5)
    models = made_models(m, n)
    if not quick:
        # Compile, or read the cache.
        using("numba", partial(rmsd_matrix, models[:2], alignment="superpose"))
    jobs = {
        f"{alignment}, {precision}": Job(
            partial(rmsd_matrix, models, alignment=alignment, precision=precision)
        )
        for alignment in ("superpose", "none")
        for precision in ("double", "mixed")
    }
    if _has("mdtraj"):
        jobs["mdtraj"] = Job(partial(mdtraj_rows, models))
    jobs["scipy pdist"] = Job(partial(scipy_pairs, models))
    spent = interleaved(jobs, repeats)
    if "mdtraj" in spent:
        spent["mdtraj"] = spent["mdtraj"].times(_SHARE)
    pairs = m * (m - 1) / 2
    plan = estimate(m, n, alignment="superpose", threads=1)
    out = []
    for name in list(spent)[:4]:
        peer = "mdtraj" if name.startswith("superpose") else "scipy pdist"
        note = f"{m} x {n}; {spent[name].cpu / pairs * 1e9:.0f} CPU ns per unique pair"
        if peer in spent:
            note += f", {peer} {spent[peer].cpu / pairs * 1e9:.0f}"
        note += "; aim 9" if name == "superpose, double" else ""
        if name == "superpose, double":
            note += f"; our estimate {plan.seconds:.2f} s on one thread"
        out.append(Row(f"RMSD matrix, {name}", spent[name], peer, spent.get(peer), note))
    return out
