"""The two samples that are compared, from whatever they are stored in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from congruence.errors import ConfigError, InputError
from congruence.workflow.on_disk import Keeping
from congruence.workflow.sample_files import Reading, Samples, read_pair, without_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.good_models import SampleSplit
    from congruence.core.models import ModelTable

__all__ = ["Split", "open_samples"]

Split: TypeAlias = Literal["run", "folder", "random"]
"""Runs balanced, the runs of either input, or a random half of the runs."""

_MATRICES = ("distances.npy", "Distances_Matrix.data.npy")
_RMF = (".rmf3", ".rmf")


def open_samples(  # noqa: PLR0913 - what samples are, and how they are read
    inputs: Sequence[str | Path],
    *,
    scores: tuple[Path, Path] | None = None,
    sizes: tuple[int, int] | None = None,
    split: Split = "run",
    seed: int = 0,
    resolution: float = 1.0,
    state: int | Literal["all"] = 0,
    choice: dict[str, Any] | None = None,
    keeping: Keeping | None = None,
    engine: str = "local",
) -> Samples:
    """
    Find and read two samples.

    Parameters
    ----------
    inputs : sequence of str or Path
        A folder with ``sample_A`` and ``sample_B`` (one model a file); two RMF
        files, each frame a model; two PDB files or folders of PDB files; a
        distance matrix (``.npy``, or a folder that holds one); or run folders.
    scores : tuple of (Path, Path), optional
        Score files of A and of B; those of a good-scoring folder are found.
    sizes : tuple of (int, int), optional
        Models of A and of B in a distance matrix.
    split : {"run", "folder", "random"}
        How runs become samples: balanced, as `split_evenly` does; the runs of
        the first and of the second input; a random half. A run is split only
        if it is the only one.
    seed : int
        Seed of the random split.
    resolution : float
        Residues per bead to read.
    state : int or "all"
        State to read.
    choice : dict, optional
        How models of runs are chosen, as for ``RunSet.choose``.
    keeping : Keeping, optional
        Where coordinates of RMF files are kept; in memory by default.
    engine : str
        ``"local"``, or the Dask cluster whose workers read RMF files.

    Returns
    -------
    samples : Samples
        The samples, with coordinates or a matrix.

    Raises
    ------
    InputError
        If nothing is found, a sample is empty, samples are of different
        systems, or scores do not match the models.
    """
    paths = [Path(p) for p in inputs]
    reading = Reading(scores, resolution, state, keeping or Keeping(), engine)
    if len(paths) == 1 and (found := _matrix_path(paths[0])) is not None:
        samples = _from_matrix(found, scores, sizes)
    elif len(paths) == 1 and _is_sample_folder(paths[0]):
        samples = reading.folder(paths[0])
    elif len(paths) == 2 and all(p.is_file() and p.suffix in _RMF for p in paths):
        samples = reading.frames(paths[0], paths[1])
    elif len(paths) == 2 and all(_pdb_files(p) for p in paths):
        samples = reading.pdb(_pdb_files(paths[0]), _pdb_files(paths[1]))
    else:
        samples = _from_runs([str(p) for p in inputs], split, seed, reading, choice or {})
    _check_scores(samples)
    return samples


def _matrix_path(path: Path) -> Path | None:
    if path.is_dir():
        return next((path / n for n in _MATRICES if (path / n).is_file()), None)
    return path if path.suffix == ".npy" else None


def _is_sample_folder(path: Path) -> bool:
    return any((path / name).is_dir() for name in ("sample_A", "sample_B"))


def _pdb_files(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,) if path.suffix == ".pdb" else ()
    if not path.is_dir() or not any(p.suffix == ".pdb" for p in path.iterdir()):
        return ()
    from congruence.io.runs import natural_key

    return tuple(sorted(path.glob("*.pdb"), key=lambda p: natural_key(p.name)))


def _check_scores(samples: Samples) -> None:
    if samples.scores is not None and len(samples.scores) != len(samples.names):
        raise InputError(
            f"{len(samples.scores)} scores for {len(samples.names)} models",
            hint="Score files hold one score a line, in the order of the models.",
        )


def _from_matrix(
    path: Path, scores: tuple[Path, Path] | None, sizes: tuple[int, int] | None
) -> Samples:
    from congruence.io.matrix import load_matrix
    from congruence.io.sampcon import read_scores

    matrix = load_matrix(path)
    if sizes is None and scores is not None:
        sizes = (len(read_scores(scores[0])), len(read_scores(scores[1])))
    if sizes is None:
        raise ConfigError(
            f"{path} holds distances of {matrix.m} models; how many are of sample A is not said",
            hint="Give the sizes with --samples NA NB, or scores of both samples with --scores.",
        )
    if sum(sizes) != matrix.m:
        raise InputError(
            f"samples of {sizes[0]} and {sizes[1]} models do not make the {matrix.m} of {path}",
            hint="Scores and distances must be of the same models, A first.",
        )
    names = matrix.names or tuple(str(i) for i in range(matrix.m))
    files = (str(path), *(str(p) for p in scores or ()))
    log = (f"distances read from {path.name}",)
    return Samples("matrix", sizes[0], names, read_pair(scores, sizes), matrix=matrix, files=files, log=log)  # fmt: skip


def _split(table: ModelTable, specs: list[str], split: Split, seed: int) -> SampleSplit:
    from congruence.compute.sample_split import split_at_random, split_by_input, split_evenly
    from congruence.workflow.steps import open_runs

    if split == "run":
        return split_evenly(table, seed=seed)
    if split == "random":
        return split_at_random(table, seed=seed)
    first = [run.name for run in open_runs(specs[0]).runs]
    names = set(table.run.tolist())
    if len(specs) < 2 or not names - set(first):
        raise ConfigError(
            f"a split by folder needs two inputs with runs, the first has {len(first)} of "
            f"{len(names)} runs",
            hint="Give the folders of the two samples, or split by run.",
        )
    return split_by_input(table, first)


def _words(split: SampleSplit) -> str:
    a, b = (", ".join(names) for names in split.units)
    return f"{split.how}: A {a}; B {b}" if a and b else split.how


def _from_runs(
    specs: list[str], split: Split, seed: int, reading: Reading, choice: dict[str, Any]
) -> Samples:
    from congruence.compute.sampling_uncertainty import Origins
    from congruence.workflow.steps import open_runs

    if reading.scores is not None:
        raise ConfigError(
            "--scores is for models without scores of their own; runs have theirs",
            hint="Say which column with --score.",
        )
    found = open_runs(*specs)
    chosen = found.choose(**choice)
    # in the order of sampling, not of rank, so that the samples do not hang on the score
    rank = {run.name: i for i, run in enumerate(found.runs)}
    number = np.array([rank[name] for name in chosen.table.run.tolist()], dtype=np.int64)
    in_time = np.lexsort((chosen.table.step, chosen.table.replica, number))
    parted = _split(chosen.table.take(in_time), specs, split, seed)
    in_a = parted.in_a
    order = np.concatenate([in_time[in_a], in_time[~in_a]])
    ensemble = replace(chosen, table=chosen.table.take(order)).load(
        resolution=reading.resolution,
        state=reading.state,
        engine=reading.engine,
        keeping=reading.keeping,
    )
    table = ensemble.models
    has_scores = bool(table.score_key) and bool(np.isfinite(table.score).all())
    scores = table.score if has_scores else None
    one_run = len(set(table.run.tolist())) == 1
    lone = "both samples are of one run: they are not independent, and tests pass too easily"
    return Samples(
        "runs",
        int(in_a.sum()),
        table.names,
        scores,
        ensemble=ensemble,
        pool=chosen.pool,
        files=tuple(sorted({*map(str, table.source), *map(str, table.file)} - {""})),
        log=(*chosen.log, _words(parted)),
        warnings=(*((lone,) if one_run else ()), *without_scores(scores)),
        losses=found.losses,
        origins=Origins(table.run, table.replica, table.step),
    )
