"""
How often planted truth is found, on seeds that nothing was tuned on.

    python -m benchmarks.calibration [SEEDS [MODELS ...]] [--null SETS] [--out FILE]

For each size and seed models are simulated and analysed (`benchmarks.planted`):
the number of clusters by the advice, precision, accuracy and population of the
native cluster by their intervals over runs, and the tests of exhaustive sampling
on runs that share all clusters and on runs that do not. ``--null`` tests two
samples of the same sampling instead. With ``--out`` every answer is a line of
JSON in a file; what is in it is not asked again, so that a run goes on where it
stopped, and several at once (``--first``) fill one file. ``--table`` asks nothing.
``--files`` simulates files and analyses them with the commands of congruence.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.planted import SPREAD, Planted, Trial, exhaustiveness, how_many, null, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Bound", "bound", "from_files", "main", "null_table", "planted_table", "questions"]

FIRST_SEED = 730_000
"""Tests and tuning use small seeds."""
SIZES = (80, 200, 400)
_TURN = (1, 3, 4)
_TIME = 2.0
_EVERY = 10

Line = dict[str, Any]
Bound = tuple[float, float]


def bound(question: str) -> Bound | None:
    """
    Return the shares between which the answer has to be right.

    Parameters
    ----------
    question : str
        Its name.

    Returns
    -------
    bound : tuple of float or None
        None where the number is only shown.
    """
    if "interval" in question:
        return (0.90, 0.99)
    return None if "within" in question else (0.95, 1.0)


def questions(planted: Planted, models: int) -> Trial:
    """
    Ask everything of one seed at one size.

    Parameters
    ----------
    planted : Planted
        The seed.
    models : int
        Models in each data set.

    Returns
    -------
    trial : Trial
        All answers.
    """
    return (
        how_many(planted, models, _TURN[planted.seed % len(_TURN)])
        + spread(planted, models)
        + spread(planted, models, time=_TIME)
        + exhaustiveness(planted, models)
    )


def answers(
    kind: str, seeds: Iterable[int], sizes: Iterable[int], known: Iterable[Line] = ()
) -> Iterator[Line]:
    """
    Ask what is not known yet.

    Parameters
    ----------
    kind : {"planted", "null"}
        What is asked.
    seeds : iterable of int
        Seeds.
    sizes : iterable of int
        Numbers of models.
    known : iterable of dict
        Lines that are there.

    Yields
    ------
    line : dict
        Kind, size, seed and the answers, as they go into the file.
    """
    done = {(line["kind"], line["models"], line["seed"]) for line in known}
    sizes = tuple(sizes)
    for seed in seeds:
        planted = Planted(seed)
        for models in sizes:
            if (kind, models, seed) in done:
                continue
            trial = (questions if kind == "planted" else null)(planted, models)
            yield {
                "kind": kind,
                "models": models,
                "seed": seed,
                "right": {k: bool(v) for k, v in trial.right.items()},
                "values": {k: round(float(v), 6) for k, v in trial.values.items()},
            }


def _columns(lines: list[Line], part: str) -> tuple[list[int], dict[str, dict[int, list[Any]]]]:
    """Sort answers by name and by size."""
    sizes = sorted({line["models"] for line in lines})
    found: dict[str, dict[int, list[Any]]] = {}
    for line in sorted(lines, key=lambda x: (x["models"], x["seed"])):
        for name, value in line[part].items():
            found.setdefault(name, {m: [] for m in sizes})[line["models"]].append(value)
    return sizes, found


def planted_table(lines: Iterable[Line]) -> list[str]:
    """
    Write a table: rows are questions, columns numbers of models.

    Parameters
    ----------
    lines : iterable of dict
        From `answers`.

    Returns
    -------
    table : list of str
        In Markdown; a number outside of its bounds has a mark.
    """
    mine = [line for line in lines if line["kind"] == "planted"]
    if not mine:
        return []
    sizes, found = _columns(mine, "right")
    out = ["| planted truth found | asked for | " + " | ".join(f"{m} models" for m in sizes) + " |"]
    out.append("|---|---|" + "---|" * len(sizes))
    for name, by_size in found.items():
        limits = bound(name)
        cells = []
        for m in sizes:
            right, asked = sum(by_size[m]), len(by_size[m])
            outside = limits and not limits[0] <= right / max(asked, 1) <= limits[1]
            cells.append(f"{right} of {asked}" + (" (!)" if outside else ""))
        wanted = "" if limits is None else f"{limits[0]:.0%} to {limits[1]:.0%}"
        out.append(f"| {name} | {wanted} | " + " | ".join(cells) + " |")
    _, values = _columns(mine, "values")
    if "separation" in values:
        apart = [v for column in values["separation"].values() for v in column]
        within = [v for column in values["precision_planted"].values() for v in column]
        out.append(
            f"\nBeads {SPREAD:g} Å about their places; planted precision {min(within):.1f} to "
            f"{max(within):.1f} Å, nearest arrangements {min(apart):.1f} to {max(apart):.1f} Å apart."
        )
    return out


def null_table(lines: Iterable[Line]) -> list[str]:
    """
    Write how p-values are distributed where nothing differs.

    Parameters
    ----------
    lines : iterable of dict
        From `answers`.

    Returns
    -------
    table : list of str
        In Markdown: p-value of a test that the p-values are uniform, and the
        share of them below 0.05.
    """
    from scipy.stats import kstest

    mine = [line for line in lines if line["kind"] == "null"]
    if not mine:
        return []
    sizes, found = _columns(mine, "values")
    out = ["| nothing differs | " + " | ".join(f"{m} models" for m in sizes) + " |"]
    out.append("|---|" + "---|" * len(sizes))
    for name, by_size in found.items():
        cells = []
        for m in sizes:
            p = np.array(by_size[m])
            uniform = float(kstest(p, "uniform").pvalue) if len(p) > 1 else float("nan")
            cells.append(f"uniform p = {uniform:.2g}; {np.mean(p < 0.05):.1%} below 0.05 of {len(p)}")  # fmt: skip
        out.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, by_size in _columns(mine, "right")[1].items():
        cells = [f"{sum(by_size[m])} of {len(by_size[m])}" for m in sizes]
        out.append(f"| {name} | " + " | ".join(cells) + " |")
    return out


def from_files(seed: int, models: int, folder: Path) -> dict[str, float]:
    """
    Simulate files, analyse them with the commands, and read what they wrote.

    Parameters
    ----------
    seed : int
        Seed.
    models : int
        Number of models.
    folder : Path
        An empty folder.

    Returns
    -------
    numbers : dict of str to float
        Clusters found; precision and accuracy of the native cluster in Å, and
        what the simulation says they are.
    """
    import subprocess
    import sys

    from congruence.simulate import read_truth, simulate_runs

    simulate_runs(
        folder / "runs", models=models, runs=4, replicas=2, weights=(0.6, 0.4), spread=SPREAD,
        seed=seed,
    )  # fmt: skip
    truth = read_truth(folder / "runs" / "truth.json")
    runs = [str(p) for p in sorted((folder / "runs").glob("run*"))]
    out = folder / "out"

    def call(*words: str) -> None:
        command = [sys.executable, "-m", "congruence", *words]
        subprocess.run(command, check=True, capture_output=True)

    call(
        "cluster",
        *runs,
        "--rmsd",
        "*",
        "--align",
        "superpose",
        "--out",
        str(out),
        "--best",
        str(models),
    )
    native = str(folder / "runs" / "native.rmf3")
    call("accuracy", str(out), "--reference", native, "--out", str(folder / "near"))
    within = json.loads((out / "precision.json").read_text(encoding="utf-8"))["within"]
    near = json.loads((folder / "near" / "accuracy.json").read_text(encoding="utf-8"))["sets"]
    average = [s["frames"]["superposed"]["selections"]["all"]["average"] for s in near]
    best = int(np.argmin(average))
    return {
        "clusters": len(within),
        "precision": within[best]["selections"]["all"]["average_pairwise"],
        "precision, truth.json": truth.clusters[0].pairwise["superpose"],
        "accuracy": average[best],
        "accuracy, truth.json": truth.clusters[0].accuracy["superpose"],
    }


def _read(path: Path | None) -> list[Line]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration")
    parser.add_argument("seeds", nargs="?", type=int, default=100)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--null", type=int, default=0, metavar="SETS", help="null data sets")
    parser.add_argument("--out", type=Path, help="file of answers, added to")
    parser.add_argument("--table", action="store_true", help="show the file, ask nothing")
    parser.add_argument("--files", type=int, default=0, metavar="SEEDS", help="from end to end")
    return parser.parse_args()


def main() -> None:
    """Ask, and print tables as they grow."""
    options = _options()
    if options.files:
        for seed in range(options.first, options.first + options.files):
            with tempfile.TemporaryDirectory() as folder:
                print(seed, from_files(seed, options.sizes[0], Path(folder)), flush=True)
        return
    lines = _read(options.out)
    kind, count = ("null", options.null) if options.null else ("planted", options.seeds)
    table = null_table if options.null else planted_table
    seeds = range(options.first, options.first + count)
    fresh = iter(()) if options.table else answers(kind, seeds, options.sizes, lines)
    for asked, line in enumerate(fresh, start=1):
        lines.append(line)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if asked % (_EVERY * len(options.sizes)) == 0:
            print("\n".join(table(lines)), flush=True)
    if options.table:
        print("\n".join([*planted_table(lines), "", *null_table(lines)]))
    else:
        print("\n".join(table(lines)))


if __name__ == "__main__":
    main()
