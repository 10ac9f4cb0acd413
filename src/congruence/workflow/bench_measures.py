"""What `congruence.workflow.bench` measures, one function for each part."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._products import LIBRARY, compiled_products
from congruence.workflow.bench import Measure, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from congruence.compute.metric import Metric
    from congruence.compute.tiler import Tiler
    from congruence.typing import FloatArray
    from congruence.workflow.bench import BenchSize
    from congruence.workflow.resources import Resources

__all__ = [
    "Computer",
    "clusters",
    "densities",
    "distances",
    "fastest_products",
    "find_computer",
    "made_models",
    "reading",
]

_EDGE = 384  # the product that distances are made of: 128 models on each side, x y z
_DEPTH = 1000
_PRODUCTS = 12
_ON_CARD = 4096
_FLOP = {"superpose": 18, "none": 6}
_NEAR, _PLACES = 12.0, 8


@dataclass(frozen=True, slots=True)
class Computer:
    """
    What computes distances.

    Parameters
    ----------
    name : str
        ``"cpu"``, or the name of a card.
    tiler : Tiler
        The function.
    threads : int
        Threads of this process.
    """

    name: str
    tiler: Tiler
    threads: int

    @property
    def is_card(self) -> bool:
        """Whether it is a graphics card."""
        return self.name != "cpu"


def find_computer(resources: Resources) -> Computer:
    """
    Find what computes distances.

    Parameters
    ----------
    resources : Resources
        Device and threads.

    Returns
    -------
    computer : Computer
        The device.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    from congruence.compute._blocks import thread_count

    tiler = resources.tiler()
    name = "cpu" if resources.device == "cpu" else str(getattr(tiler, "name", "gpu"))
    return Computer(name, tiler, thread_count(resources.threads))


def made_models(m: int, n: int, seed: int) -> FloatArray:
    """
    Make models around a few arrangements that nothing can compress.

    Parameters
    ----------
    m, n : int
        Models and beads.
    seed : int
        Seed.

    Returns
    -------
    models : ndarray, dtype=float64, shape=(m,n,3)
        In Å.
    """
    rng = np.random.default_rng(seed)
    places = rng.normal(scale=45.0, size=(_PLACES, n, 3))
    models: FloatArray = places[rng.integers(_PLACES, size=m)]
    models += rng.normal(scale=6.0, size=(m, n, 3))
    return models


def reading(folder: Path, size: BenchSize, seed: int) -> list[Measure]:
    """
    Measure reading of RMF and stat files.

    Parameters
    ----------
    folder : Path
        Where runs are simulated.
    size : BenchSize
        How much.
    seed : int
        Seed of the simulation.

    Returns
    -------
    measures : list of Measure
        Opening and reading, frames alone, few and all columns.
    """
    from congruence.core.provenance import Losses
    from congruence.io.rmf import open_rmf
    from congruence.io.stat import read_stat
    from congruence.simulate import simulate_runs, small_system

    system = small_system(residues_per_subunit=size.residues)
    simulate_runs(
        folder, models=size.frames, runs=2, replicas=1, tumble=True, seed=seed, system=system
    )
    paths = sorted(folder.glob("run*/output/rmfs/0.rmf3"))
    files = [open_rmf(path) for path in paths]
    n = len(files[0].topology())
    records = sum(len(f.frame_payload(i).body) for f in files for i in range(len(f))) / 1e6
    count = sum(map(len, files))
    models = f"{count:,} models of {n:,} beads"
    stats = sorted(folder.glob("run*/output/stat.0.out"))

    def columns(names: tuple[str, ...] | None) -> None:
        for path in stats:
            read_stat(path, names, losses=Losses())

    few = ("Total_Score", "rmf_file", "rmf_frame_index")
    whole = repeated(lambda: [open_rmf(p).coordinates() for p in paths], size.repeats)
    frames = repeated(lambda: [f.coordinates() for f in files], size.repeats)
    some, every = (repeated(partial(columns, c), size.repeats) for c in (few, None))
    wide = len(read_stat(stats[0], losses=Losses()).columns)
    return [
        Measure("rmf-models", "RMF files, opened and read", count, "models", *whole, note=models),
        Measure("rmf-frames", "RMF frames to coordinates", records, "MB", *frames, note=models),
        Measure("stat-few", "stat files, 3 columns", count, "rows", *some, note=f"of {wide}"),
        Measure("stat-all", "stat files, all columns", count, "rows", *every, note=f"{wide}"),
    ]


def fastest_products(computer: Computer) -> dict[str, float]:
    """
    Measure matrix products, which distances can at best be as fast as.

    Parameters
    ----------
    computer : Computer
        The device.

    Returns
    -------
    gflops : dict of str to float
        ``"double"`` and ``"single"``: GFLOP in a second of CPU time with all
        threads at work; on a card in a second by the clock. The best of several.
    """
    kinds = {"double": np.float64, "single": np.float32}
    product = _card_product if computer.is_card else _core_products
    return {name: product(dtype, computer.threads) / 1e9 for name, dtype in kinds.items()}


def _core_products(dtype: Any, threads: int) -> float:
    from threadpoolctl import threadpool_limits

    flop = 2.0 * _EDGE * _EDGE * _DEPTH * _PRODUCTS * threads
    taken = []
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as workers:
        for work in _ways(dtype):
            all_of_them = partial(_all_done, workers, work, threads)
            taken += [repeated(all_of_them, 1)[1] for _ in range(7)]
    return flop / max(min(taken), 1e-9)


def _all_done(workers: ThreadPoolExecutor, work: Callable[[int], None], threads: int) -> None:
    for _ in workers.map(work, range(threads)):
        pass


def _ways(dtype: Any) -> Iterator[Callable[[int], None]]:
    """Yield the library's way to multiply, and ours of single precision where there is one."""
    rows = np.random.default_rng(0).normal(size=(_EDGE, _DEPTH))
    a = rows.astype(dtype)

    def library(_: int) -> None:
        b, out = a.T.copy(), np.empty((_EDGE, _EDGE), dtype)
        for _ in range(_PRODUCTS):
            np.matmul(a, b, out=out)

    yield library
    with suppress(ImportError):
        own = compiled_products()
        if dtype is np.float32 and own is not LIBRARY:
            laid = own.laid(rows)
            own.multiplied(laid[:1], laid[:1])  # compiles

            def compiled(_: int) -> None:
                other = laid.copy()
                for _ in range(_PRODUCTS):
                    own.multiplied(laid, other)

            yield compiled


def _card_product(dtype: Any, _threads: int) -> float:
    from congruence.compute._device_arrays import find_device

    card = find_device("gpu")
    values = np.random.default_rng(0).normal(size=(_ON_CARD, _ON_CARD)).astype(dtype)
    a = card.array(values)

    def work() -> None:
        for _ in range(_PRODUCTS):
            card.xp.matmul(a, a)
        card.wait()

    with card.full_precision():
        work()
        taken = [repeated(work, 1)[0] for _ in range(5)]
    return 2.0 * _ON_CARD**3 * _PRODUCTS / max(min(taken), 1e-9)


def distances(
    computer: Computer, size: BenchSize, seed: int, gflops: dict[str, float]
) -> list[Measure]:
    """
    Measure all pairs of models, superposed and not, in both precisions.

    Parameters
    ----------
    computer : Computer
        The device.
    size : BenchSize
        How much.
    seed : int
        Seed of the models.
    gflops : dict of str to float
        From `fastest_products`.

    Returns
    -------
    measures : list of Measure
        Four.
    """
    from congruence.compute.metric import Metric

    m, n = size.models, size.beads
    models = made_models(m, n, seed)
    pairs = m * (m - 1) // 2
    found = []
    for alignment, word in (("superpose", "superposed"), ("none", "as they are")):
        for precision, kind in (("double", "double"), ("mixed", "single")):
            job = _matrix(computer, models, Metric(alignment), precision)
            job()  # compiles, or wakes a card
            wall, cpu = repeated(job, size.repeats)
            flop = float(_FLOP[alignment]) * n * pairs
            taken = wall if computer.is_card else cpu
            found.append(
                Measure(
                    f"pairs-{alignment}-{precision}",
                    f"distances, {word}, {precision}",
                    pairs,
                    "pairs",
                    wall,
                    cpu,
                    peak=flop / max(taken, 1e-9) / 1e9 / gflops[kind],
                    note=f"{m:,} models of {n:,} beads",
                )
            )
    return found


def _matrix(
    computer: Computer, models: FloatArray, metric: Metric, precision: Any
) -> Callable[[], object]:
    from congruence.core.sources import CondensedSink

    def job() -> object:
        sink = CondensedSink(len(models), dtype=np.float32)
        edge = 2048 if computer.is_card else 128
        return computer.tiler(
            models, sink, metric, precision=precision, edge=edge, threads=computer.threads
        )

    return job


def densities(size: BenchSize, seed: int) -> list[Measure]:
    """
    Measure a localization density with voxels of 5 Å, on one core.

    Parameters
    ----------
    size : BenchSize
        How much.
    seed : int
        Seed of the models.

    Returns
    -------
    measures : list of Measure
        One.
    """
    from congruence.compute.density import common_grid, localization_density

    models = made_models(size.mapped, size.beads, seed)
    mass = np.full(size.beads, 110.0)
    grid = common_grid(models)
    job = partial(localization_density, models, mass, grid=grid)
    job()
    taken = repeated(job, size.repeats)
    boxes = " x ".join(map(str, grid.shape))
    note = f"{size.mapped:,} models of {size.beads:,} beads, {boxes} voxels of 5 Å"
    return [Measure("density", "density", size.mapped * size.beads, "beads", *taken, note=note)]


def clusters(computer: Computer, size: BenchSize, seed: int) -> list[Measure]:
    """
    Measure k-means on a matrix, and threshold clusters without one.

    Parameters
    ----------
    computer : Computer
        The device.
    size : BenchSize
        How much.
    seed : int
        Seed of the models and of k-means.

    Returns
    -------
    measures : list of Measure
        Two.
    """
    from congruence.compute.clustering import cluster
    from congruence.compute.metric import Metric
    from congruence.compute.rmsd import rmsd_matrix
    from congruence.compute.streaming import threshold_clusters

    few = made_models(size.clustered, size.beads, seed)
    matrix = rmsd_matrix(few, alignment="superpose", threads=computer.threads)
    models = made_models(size.models, size.beads, seed)
    options: dict[str, Any] = {"threads": computer.threads, "tiler": computer.tiler}
    stream = partial(threshold_clusters, models, Metric("superpose"), _NEAR, **options)
    stream()
    kmeans = repeated(partial(cluster, matrix, seed=seed), size.repeats)
    within = repeated(stream, size.repeats)
    return [
        Measure(
            "kmeans",
            "k-means, number advised",
            size.clustered,
            "models",
            *kmeans,
            note="from a matrix",
        ),
        Measure(
            "threshold",
            "threshold clusters, no matrix",
            size.models * (size.models - 1) // 2,
            "pairs",
            *within,
            note=f"{size.models:,} models of {size.beads:,} beads",
        ),
    ]
