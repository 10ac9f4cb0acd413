"""
The scan of thresholds beside a plain vectorised version.

Run with nothing else running:

    python benchmarks/scan.py [MODELS [THRESHOLDS]]

The plain version compares the full matrix at every threshold and follows the
definition with NumPy; it is timed at few thresholds, and the whole is their
mean times the number of thresholds. Both must give the same tables.
"""

import os
import sys
import time

import numpy as np

from congruence.compute.exhaustiveness import scan_thresholds, threshold_grid
from congruence.compute.homogeneity import homogeneity
from congruence.core.results import Alignment, DistanceMatrix

TIMED = 4


def made_distances(m):
    """Return distances of models around twelve places, in Å."""
    from scipy.spatial.distance import pdist

    rng = np.random.default_rng(0)
    places = rng.normal(size=(12, 6)) * 20
    models = places[rng.integers(12, size=m)] + rng.normal(size=(m, 6)) * 6
    return DistanceMatrix(pdist(models).astype(np.float32), m, Alignment.NONE, "none")


def plain_clusters(square, threshold):
    """Cluster by the definition, with whole rows and columns."""
    near = square <= threshold
    free = np.ones(len(square), dtype=bool)
    counts = near.sum(axis=1)
    clusters = []
    while free.any():
        center = int(np.where(free, counts, -1).argmax())
        members = np.flatnonzero(near[center] & free)
        clusters.append(members)
        free[members] = False
        counts -= near[:, members].sum(axis=1)
    return clusters


def main() -> None:
    """Print the seconds of both."""
    m, thresholds = (*(int(v) for v in sys.argv[1:]), *(10_000, 100)[len(sys.argv) - 1 :])
    matrix = made_distances(m)
    in_a = np.arange(m) < m // 2
    low, high = float(matrix.condensed.min()), float(matrix.condensed.max())
    grid, step = threshold_grid(matrix, (high - low) / (thresholds + 1))
    start = time.perf_counter()
    scan = scan_thresholds(matrix, in_a, grid, step=step)
    ours = time.perf_counter() - start
    square = matrix.square().astype(np.float32)
    chosen = np.linspace(0, len(grid) - 1, TIMED + 2).astype(int)[1:-1]
    start = time.perf_counter()
    for k in chosen:
        point = homogeneity(plain_clusters(square, grid[k]), in_a)
        assert point.table.tolist() == scan.points[k].table.tolist()
    plain = (time.perf_counter() - start) / len(chosen) * len(grid)
    print(f"{m} models, {len(grid)} thresholds, load {os.getloadavg()[0]:.1f}")
    print(f"one pass: {ours:.1f} s; plain vectorised: about {plain:.0f} s ({plain / ours:.0f}x)")


if __name__ == "__main__":
    main()
