"""
Aligned and unaligned RMSD matrices beside mdtraj and scipy.

Run with nothing else running and without the variables that slow OpenBLAS:

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python benchmarks/rmsd.py [MODELS [BEADS [REPEATS]]]

Every row is the median of interleaved repeats, from an array (m,n,3) of float64
to all distances, packing included. mdtraj computes m whole rows on centred
float32 coordinates: twice the pairs.
"""

import os
import sys
import time
from functools import partial

import numpy as np

from congruence.compute.rmsd import estimate, rmsd_matrix


def made_models(m, n):
    """Return turned and shifted models that differ by some 10 Å, in Å."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    models = rng.normal(size=(n, 3)) * 45 + rng.normal(size=(m, n, 3)) * 6
    turns = Rotation.random(m, random_state=1).as_matrix()
    return np.matmul(models, turns.transpose(0, 2, 1)) + rng.normal(size=(m, 1, 3)) * 100


def mdtraj_rows(models, parallel):
    """Compute all rows with mdtraj, precentered; centring is part of it."""
    import mdtraj

    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(models.shape[1]):
        topology.add_atom("CA", mdtraj.element.carbon, residue)
    trajectory = mdtraj.Trajectory(models.astype(np.float32), topology)
    trajectory.center_coordinates()
    for i in range(len(models)):
        mdtraj.rmsd(trajectory, trajectory, i, precentered=True, parallel=parallel)


def scipy_pairs(models):
    """Compute unaligned distances with scipy."""
    from scipy.spatial.distance import pdist

    pdist(models.reshape(len(models), -1)) / np.sqrt(models.shape[1])


def timed(jobs, repeats):
    """Return the median wall and CPU seconds of each job, repeats interleaved."""
    wall = {name: [] for name in jobs}
    cpu = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start, busy = time.perf_counter(), time.process_time()
            job()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
    return {name: (float(np.median(wall[name])), float(np.median(cpu[name]))) for name in jobs}


def main() -> None:
    m, n, repeats = (*(int(v) for v in sys.argv[1:]), *(2000, 1000, 3)[len(sys.argv) - 1 :])
    models = made_models(m, n)
    os.environ.setdefault("CONGRUENCE_KERNEL", "numba")
    rmsd_matrix(models[:2], alignment="superpose")  # compiles, or reads the cache
    ours = {
        f"{alignment}, {precision}": partial(
            rmsd_matrix, models, alignment=alignment, precision=precision
        )
        for alignment in ("superpose", "none")
        for precision in ("double", "mixed")
    }
    peers = {
        "mdtraj": partial(mdtraj_rows, models, True),
        "mdtraj, 1 thread": partial(mdtraj_rows, models, False),
        "pdist": partial(scipy_pairs, models),
    }
    results = timed(ours | peers, repeats)
    pairs = m * (m - 1) / 2
    print(f"{m} models of {n} beads, medians of {repeats}, load {os.getloadavg()[0]:.1f}")
    print("our estimate:", estimate(m, n, alignment="superpose").text())
    print(f"{'':22}{'wall s':>9}{'CPU s':>9}{'CPU ns per unique pair':>25}{'x mdtraj, pdist':>18}")
    for name, (wall, cpu) in results.items():
        still = name.startswith(("none", "pdist"))
        peer = results["pdist" if still else "mdtraj"][0]
        busy = results["pdist" if still else "mdtraj, 1 thread"][1]
        print(
            f"{name:22}{wall:9.2f}{cpu:9.2f}{cpu / pairs * 1e9:25.0f}"
            f"{peer / wall:9.1f}{busy / cpu:6.1f} CPU"
        )
    one = results["mdtraj, 1 thread"][1] / (m * m) * 1e9
    print(f"mdtraj: {one:.0f} CPU ns per computed pair; per computed pair against our unique pair:")
    for name in ("superpose, double", "superpose, mixed"):
        print(f"  {name}: {one / (results[name][1] / pairs * 1e9):.1f}x")


if __name__ == "__main__":
    main()
