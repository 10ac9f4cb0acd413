"""
Growth with the number of models, without a matrix in memory.

    python -m benchmarks.large [--full] [--models M ...] [--beads N ...]

Every line is a process of its own, so that its peak memory is its own. Models lie
in a file of float32 and are read in blocks. *rigid* is rigid bodies of 50 beads
with every tenth body replaced by beads that move by themselves; *free* is
unstructured noise that nothing can compress.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, Spent, machine

_BODY = 50
_BLOCK = 512
_WAYS = ("threshold", "threshold mixed", "clara", "scan")


class FileModels:
    """Models of a raw file of float32, read in blocks."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self.path, self.shape = path, shape

    def read(self, start: int, stop: int) -> np.ndarray:
        n = self.shape[1]
        flat = np.fromfile(
            self.path, np.float32, count=(stop - start) * n * 3, offset=start * n * 12
        )
        return flat.reshape(stop - start, n, 3).astype(np.float64)


def write_models(path: Path, kind: str, m: int, n: int) -> None:
    """Write models around 40 arrangements, turned and shifted as a whole."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    bodies = n // _BODY
    shapes = rng.normal(size=(bodies, _BODY, 3)) * 15
    heaps = rng.normal(size=(40, bodies, 1, 3)) * 60
    with path.open("wb") as file:
        for start in range(0, m, _BLOCK):
            count = min(_BLOCK, m - start)
            chosen = heaps[rng.integers(0, 40, count)]
            seeds = rng.integers(0, 2**31, 2)
            turns = Rotation.random(count * bodies, random_state=seeds[0]).as_matrix()
            models = np.einsum("bpi,mbij->mbpj", shapes, turns.reshape(count, bodies, 3, 3))
            models += chosen + rng.normal(size=(count, bodies, 1, 3)) * 3
            loose = models if kind == "free" else models[:, ::10]
            loose += rng.normal(size=loose.shape) * 5
            models = models.reshape(count, n, 3)
            whole = Rotation.random(count, random_state=seeds[1]).as_matrix()
            models = np.matmul(models, whole) + rng.normal(size=(count, 1, 3)) * 100
            models.astype(np.float32).tofile(file)


def one(path: Path, shape: tuple[int, int, int], way: str) -> dict[str, object]:
    """Run one way in this process and say what it took."""
    from congruence.compute.bins import BinsSink
    from congruence.compute.compression import compressed_tiles
    from congruence.compute.medoids import clara
    from congruence.compute.metric import Metric
    from congruence.compute.rmsd import rmsd_matrix
    from congruence.compute.streaming import threshold_clusters

    metric, models = Metric("superpose"), FileModels(path, shape)
    few = np.random.default_rng(0).normal(size=(3, 9, 3))
    rmsd_matrix(few, metric)  # imports and compiled code are not what is measured
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    if way == "clara":
        clusters = clara(models, metric, 40)
        said, note = clusters.definition, f"cost {clusters.cost:.2f} Å"
    elif way == "scan":
        sink = BinsSink(shape[0], np.arange(2.0, 102.0, 0.5), file=path.with_suffix(".bins.npy"))
        said = compressed_tiles(models, sink, metric, edge=1024)
        note = f"{int((sink.bins().counts[76] > 1).sum()):,} models with neighbours"
    else:
        precision = "mixed" if way.endswith("mixed") else "double"
        found = threshold_clusters(models, metric, 40.0, precision=precision)
        said, note = found.definition, f"{found.labels.max() + 1:,} clusters by {found.way}"
    return {
        "cpu": time.process_time() - busy,
        "wall": time.perf_counter() - start,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "before": before * 1024,
        "note": f"{note}; {said.get('compression', 'not compressed').partition(',')[0]}",
    }


def measured(kind: str, m: int, n: int, ways: tuple[str, ...] = _WAYS) -> list[dict[str, object]]:
    """Run the ways in processes of their own on one file."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.f32"
        write_models(path, kind, m, n)
        for way in ways:
            words = [sys.executable, "-m", "benchmarks.large", "--one", str(path), str(m), str(n)]
            run = subprocess.run([*words, way], capture_output=True, text=True, check=True)
            found.append({"kind": kind, "m": m, "n": n, "way": way, **json.loads(run.stdout)})
    return found


def rows(quick: bool) -> list[Row]:
    """Return lines for the common table."""
    m, n = (300, 100) if quick else (3000, 300)
    lines = [line for kind in ("rigid", "free") for line in measured(kind, m, n)]
    return [
        Row(
            f"{line['way']} of {m:,} {line['kind']} models x {n}",
            Spent(float(str(line["wall"])), float(str(line["cpu"]))),
            note=f"peak {float(str(line['peak'])) / 1e6:,.0f} MB; {line['note']}",
        )
        for line in lines
    ]


def exponent(lines: list[dict[str, object]], what: str) -> float:
    """Fit the power of the number of models to all but the smallest."""
    chosen = sorted((float(str(li["m"])), float(str(li[what]))) for li in lines)[1:]
    if len(chosen) < 2:
        return float("nan")
    m, value = np.log(np.array(chosen).T)
    return float(np.polyfit(m, value, 1)[0])


def main() -> None:
    """Print growth curves with fitted exponents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1k to 100k models, 300 to 5k beads")
    parser.add_argument("--models", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--beads", type=int, nargs="+", default=[300])
    parser.add_argument("--kinds", nargs="+", default=["rigid", "free"])
    parser.add_argument("--ways", nargs="+", default=list(_WAYS))
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        path, m, n, way = asked.one
        print(json.dumps(one(Path(path), (int(m), int(n), 3), way)))
        return
    if asked.full:
        asked.models, asked.beads = [1000, 3000, 10_000, 30_000, 100_000], [300, 1000, 5000]
    print(machine() + "\n", flush=True)
    lines = []
    for kind in asked.kinds:
        for n in asked.beads:
            for m in asked.models:
                for line in measured(kind, m, n, tuple(asked.ways)):
                    lines.append(line)
                    print(
                        f"{kind:6}{m:8}{n:6}  {line['way']:16}{line['cpu']:10.2f} CPU s"
                        f"{line['wall']:10.2f} s{float(str(line['peak'])) / 1e6:9.0f} MB  "
                        f"{float(str(line['cpu'])) / (m * (m - 1) / 2) * 1e9:8.0f} ns/pair  {line['note']}",
                        flush=True,
                    )
            for way in asked.ways:
                own = [li for li in lines if (li["kind"], li["n"], li["way"]) == (kind, n, way)]
                print(f"{kind} x {n}, {way}: CPU time grows as m^{exponent(own, 'cpu'):.2f}")


if __name__ == "__main__":
    main()
