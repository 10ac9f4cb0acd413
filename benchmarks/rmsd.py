"""
Aligned and unaligned RMSD matrices beside mdtraj and scipy.

From an array (m,n,3) of float64 to all distances, packing included. mdtraj
computes whole rows on centred float32 coordinates, which is twice the pairs, and
has no matrix; a fifth of its rows is timed and counted five times. The models
are unstructured noise around a mean: nothing in them can be compressed.

Then what the machine could do at best: the matrix products of all pairs at the
rate of one large product; the share of packing; and rigid bodies, compressed.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np

from benchmarks.measure import Job, Row, Spent, interleaved, using
from congruence.compute._eigen import COMPILED_PAIRS, stage
from congruence.compute._packing import TILE, Packer
from congruence.compute._resolve import resolve
from congruence.compute._tiles import TileComputer
from congruence.compute.compression import compressed_matrix
from congruence.compute.metric import Metric
from congruence.compute.rmsd import estimate, rmsd_matrix

_SHARE = 5
_PEAK_EDGE = 2048


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


def made_bodies(m: int, bodies: int, each: int) -> np.ndarray:
    """Return models of rigid bodies that turn and move by themselves, in Å."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(2)
    shapes = rng.normal(size=(bodies, each, 3)) * 15
    turns = Rotation.random(m * bodies, random_state=3).as_matrix().reshape(m, bodies, 3, 3)
    placed = (
        np.matmul(shapes, turns.transpose(0, 1, 3, 2)) + rng.normal(size=(m, bodies, 1, 3)) * 40
    )
    return placed.reshape(m, bodies * each, 3)


def pack_all(models: np.ndarray, *, single: bool) -> None:
    """Pack all tiles and keep none."""
    resolved = resolve(models, Metric("superpose"))
    computer = TileComputer(resolved, stage(COMPILED_PAIRS), "mixed" if single else "double")
    packer = Packer(resolved, single=computer.laying)
    for start in range(0, len(models), TILE):
        packer.tile(start)


def product(kind: type) -> None:
    """Multiply large square matrices on one thread."""
    from threadpoolctl import threadpool_limits

    square = np.ones((_PEAK_EDGE, _PEAK_EDGE), kind)
    with threadpool_limits(1, user_api="blas"):
        np.matmul(square, square.copy())


def rows(quick: bool) -> list[Row]:
    """Measure both alignments in both precisions, and against what is possible."""
    return [*_peers(quick), *_limits(quick), *_packing(quick), *_compressed(quick)]


def _peers(quick: bool) -> list[Row]:
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
        note += "; the default, aim 9" if name == "superpose, mixed" else ""
        if name == "superpose, double":
            note += f"; our estimate {plan.seconds:.2f} s on one thread"
        out.append(Row(f"RMSD matrix, {name}", spent[name], peer, spent.get(peer), note))
    return out


def tile_loop(models: np.ndarray, precision: Literal["double", "mixed"]) -> partial[None]:
    """Return a job: all pairs of packed tiles of these models, none of them twice."""
    from threadpoolctl import threadpool_limits

    resolved = resolve(models, Metric("superpose"))
    computer = TileComputer(resolved, stage(COMPILED_PAIRS), precision)
    packer = Packer(resolved, single=computer.laying)
    tiles = [packer.tile(start) for start in range(0, len(models), TILE)]

    def loop() -> None:
        with threadpool_limits(1, user_api="blas"):
            for one, two in combinations(tiles, 2):
                computer.distances(one, two)

    return partial(loop)


def _limits(quick: bool) -> list[Row]:
    m, n, repeats = (20, 10, 1) if quick else (5000, 1000, 3)
    models = made_models(m, n)
    some = models if quick else models[: 8 * TILE]
    kinds = {"mixed": np.float32, "double": np.float64}
    jobs: dict[str, Job] = {}
    for precision, kind in kinds.items():
        jobs[f"{precision} peak"] = Job(partial(product, kind))
        words = {"alignment": "superpose", "precision": precision, "dtype": np.float32}
        jobs[precision] = Job(partial(rmsd_matrix, models, **words))
        jobs[f"{precision} loop"] = Job(tile_loop(some, precision))
    spent = interleaved(jobs, repeats)
    share = 18.0 * n * m * (m - 1) / 2 / (2.0 * _PEAK_EDGE**3)
    done = 18.0 * n * len(some) * (len(some) - TILE) / 2 / (2.0 * _PEAK_EDGE**3)
    out = []
    for precision, name, aim in (("mixed", "sgemm", 0.7), ("double", "dgemm", 0.8)):
        best = spent[f"{precision} peak"].times(share)
        rate = 2e-9 * _PEAK_EDGE**3 / max(spent[f"{precision} peak"].cpu, 1e-9)
        loop = _share(spent[f"{precision} peak"].times(max(done, 0.0)), spent[f"{precision} loop"])
        note = (
            f"{m} x {n}; {_share(best, spent[precision]):.0%} of the {rate:.0f} GFLOP/s of one "
            f"large product, whole job; {loop:.0%} in the loop over packed tiles, aim {aim:.0%}"
        )
        out.append(
            Row(
                f"RMSD matrix, superpose, {precision}",
                spent[precision],
                f"{name} alone",
                best,
                note,
            )
        )
    return out


def _packing(quick: bool) -> list[Row]:
    m, n, repeats = (20, 10, 1) if quick else (2000, 5000, 3)
    models = made_models(m, n)
    jobs = {}
    for precision in ("mixed", "double"):
        words = {"alignment": "superpose", "precision": precision}
        jobs[precision] = Job(partial(rmsd_matrix, models, **words))
        jobs[f"{precision} packing"] = Job(partial(pack_all, models, single=precision == "mixed"))
    spent = interleaved(jobs, repeats)
    return [
        Row(
            f"Packing of models, {precision}",
            spent[f"{precision} packing"],
            "whole job",
            spent[precision],
            f"{m} x {n}; share {_share(spent[f'{precision} packing'], spent[precision]):.1%}; aim 10%",
        )
        for precision in ("mixed", "double")
    ]


def _share(part: Spent, whole: Spent) -> float:
    return part.cpu / max(whole.cpu, 1e-9)


def _compressed(quick: bool) -> list[Row]:
    m, bodies, each, repeats = (20, 2, 5, 1) if quick else (5000, 20, 50, 3)
    models = made_bodies(m, bodies, each)
    metric = Metric("superpose")
    out = []
    for precision in ("mixed", "double"):
        words = {"precision": precision, "dtype": np.float32}
        jobs = {
            "ours": Job(partial(compressed_matrix, models, metric, **words)),
            "whole": Job(partial(rmsd_matrix, models, metric, **words)),
        }
        spent = interleaved(jobs, repeats)
        pairs = m * (m - 1) / 2
        note = (
            f"{m} x {bodies * each}, {bodies} rigid bodies; "
            f"{spent['ours'].cpu / pairs * 1e9:.0f} CPU ns per pair, all beads "
            f"{spent['whole'].cpu / pairs * 1e9:.0f}; aim 3"
        )
        out.append(
            Row(
                f"Compressed, superpose, {precision}",
                spent["ours"],
                "all beads",
                spent["whole"],
                note,
            )
        )
    return out
