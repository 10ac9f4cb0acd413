"""The two samples that are compared, from whatever they are stored in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.provenance import Losses
from congruence.errors import ConfigError, FormatError, InputError
from congruence.workflow.frames import FramePool, read_coordinates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.compute.sampling_uncertainty import Origins
    from congruence.core.good_models import SampleSplit
    from congruence.core.results import DistanceMatrix
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

__all__ = ["Samples", "Split", "open_samples"]

Split: TypeAlias = Literal["run", "folder", "random"]
"""Runs balanced, the runs of either input, or a random half of the runs."""

_MATRICES = ("distances.npy", "Distances_Matrix.data.npy")
_RMF = (".rmf3", ".rmf")


@dataclass(frozen=True, eq=False)
class Samples:
    """
    Two samples of models, those of A first.

    Parameters
    ----------
    kind : {"folder", "frames", "runs", "pdb", "matrix"}
        Where they are from.
    n_a : int
        Models of sample A.
    names : tuple of str
        Name of each model.
    scores : ndarray, dtype=float64, shape=(m,) or None
        Scores, if there are any.
    ensemble : Ensemble or None
        Coordinates; None for a saved matrix.
    matrix : DistanceMatrix or None
        Saved distances.
    pool : FramePool or None
        RMF files that the models are from.
    files : tuple of str
        Input files.
    log : tuple of str
        How the samples came about, in words.
    warnings : tuple of str
        What the user should know about them.
    losses : Losses
        What could not be used.
    origins : Origins or None
        Run, replica and step of each model, where they are known.
    """

    kind: Literal["folder", "frames", "runs", "pdb", "matrix"]
    n_a: int
    names: tuple[str, ...]
    scores: FloatArray | None
    ensemble: Ensemble | None = None
    matrix: DistanceMatrix | None = None
    pool: FramePool | None = None
    files: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    losses: Losses = field(default_factory=Losses)
    origins: Origins | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Models of A and of B."""
        return (self.n_a, len(self.names) - self.n_a)


def open_samples(
    inputs: Sequence[str | Path],
    *,
    scores: tuple[Path, Path] | None = None,
    sizes: tuple[int, int] | None = None,
    split: Split = "run",
    seed: int = 0,
    resolution: float = 1.0,
    state: int | Literal["all"] = 0,
    choice: dict[str, Any] | None = None,
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
    reading = _Reading(scores, resolution, state)
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


def _read_pair(scores: tuple[Path, Path] | None, sizes: tuple[int, int]) -> FloatArray | None:
    from congruence.io.sampcon import read_scores

    if scores is None:
        return None
    both = [read_scores(path) for path in scores]
    for sample, path, values, size in zip("AB", scores, both, sizes, strict=True):
        if len(values) != size:
            raise InputError(
                f"{path} holds {len(values)} scores, but sample {sample} has {size} models",
                hint="The scores must be of these models, one a line and in their order.",
            )
    return np.concatenate(both)


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
    return Samples("matrix", sizes[0], names, _read_pair(scores, sizes), matrix=matrix, files=files, log=log)  # fmt: skip


@dataclass(frozen=True)
class _Reading:
    scores: tuple[Path, Path] | None
    resolution: float
    state: int | Literal["all"]

    def folder(self, path: Path) -> Samples:
        from congruence.io.sampcon import list_models

        a, b = list_models(path / "sample_A"), list_models(path / "sample_B")
        found = self.scores
        usual = (path / "scoresA.txt", path / "scoresB.txt")
        if found is None and all(p.is_file() for p in usual):
            found = usual
        if a[0].suffix == ".pdb":
            numbers = [p.name.partition(".")[0] for p in (*a, *b)]
            origins, why = folder_origins(path, numbers, len(a))
            samples = _Reading(found, self.resolution, self.state).pdb(a, b)
            origins = origins if len(samples.names) == len(numbers) else None
            return replace(samples, origins=origins, warnings=(*samples.warnings, *why))
        files = [str(p) for p in (*a, *b)]
        scores = _read_pair(found, (len(a), len(b)))
        log = (f"{len(a)} models in sample_A and {len(b)} in sample_B, ordered by number",)
        origins, why = folder_origins(path, [p.name.partition(".")[0] for p in (*a, *b)], len(a))
        samples = self._rmf("folder", len(a), files, [0] * len(files), scores, log, origins)
        return replace(samples, warnings=(*samples.warnings, *why))

    def frames(self, a: Path, b: Path) -> Samples:
        pool = FramePool()
        ids = [pool.get(str(p)).frame_ids for p in (a, b)]
        for sample, path, frames in zip("AB", (a, b), ids, strict=True):
            if not frames:
                raise InputError(
                    f"sample {sample} is empty: {path} has no whole frame",
                    hint="Give an RMF file with a frame for each model.",
                )
        files = [str(a)] * len(ids[0]) + [str(b)] * len(ids[1])
        sizes = (len(ids[0]), len(ids[1]))
        log = (f"{sizes[0]} frames of {a.name} and {sizes[1]} of {b.name}",)
        return self._rmf(
            "frames", sizes[0], files, [*ids[0], *ids[1]], _read_pair(self.scores, sizes), log
        )

    def _rmf(
        self,
        kind: Literal["folder", "frames"],
        n_a: int,
        files: list[str],
        frames: list[int],
        scores: FloatArray | None,
        log: tuple[str, ...],
        origins: Origins | None = None,
    ) -> Samples:
        pool = FramePool()
        table = _table(files, frames, scores, n_a)
        if origins is not None:
            table = replace(table, run=origins.run, replica=origins.replica, step=origins.step)
        coordinates, topology = read_coordinates(
            pool, table, resolution=self.resolution, state=self.state
        )
        names = tuple(files) if kind == "folder" else table.names
        return Samples(
            kind,
            n_a,
            names,
            scores,
            ensemble=Ensemble(coordinates, topology, table),
            pool=pool,
            files=tuple(dict.fromkeys(files)),
            log=log,
            warnings=_without_scores(scores),
            losses=pool.losses,
            origins=origins,
        )

    def pdb(self, a: Sequence[Path], b: Sequence[Path]) -> Samples:
        from congruence.io.pdb_models import read_pdb_models

        parts: list[FloatArray] = []
        files: list[str] = []
        frames: list[int] = []
        first: Topology | None = None
        n_a = 0
        for path in (*a, *b):
            coordinates, topology = read_pdb_models(path)
            if first is not None and topology.key != first.key:
                raise InputError(
                    f"the models are not of one system: {a[0]} and {path} differ: "
                    f"{first.first_difference(topology)}",
                    hint="Give two samples of the same molecules.",
                )
            first = first or topology
            parts.append(coordinates)
            files += [str(path)] * len(coordinates)
            frames += range(len(coordinates))
            n_a += len(coordinates) if len(parts) <= len(a) else 0
        assert first is not None
        scores = _read_pair(self.scores, (n_a, len(files) - n_a))
        table = _table(files, frames, scores, n_a)
        log = (f"{n_a} and {len(files) - n_a} models of PDB files",)
        return Samples(
            "pdb",
            n_a,
            tuple(files) if len(set(files)) == len(files) else table.names,
            scores,
            ensemble=Ensemble(np.concatenate(parts), first, table),
            files=tuple(dict.fromkeys(files)),
            log=log,
            warnings=_without_scores(scores),
        )


def folder_origins(
    path: Path, numbers: Sequence[str], n_a: int
) -> tuple[Origins | None, tuple[str, ...]]:
    """
    Find which runs the models of a good-scoring folder came from.

    Parameters
    ----------
    path : Path
        The folder.
    numbers : sequence of str, length m
        Number of each model, those of A first.
    n_a : int
        Models of A.

    Returns
    -------
    origins : Origins or None
        None when the folder does not tell.
    warnings : tuple of str
        Why not, when it has a table that does not fit.
    """
    from congruence.compute.sampling_uncertainty import Origins
    from congruence.io.good_models import read_origins

    try:
        found = read_origins(path)
    except FormatError as error:
        return None, (f"runs of the models are not known: {error}",)
    if found is None:
        return None, ()
    found = found.a_then_b()
    if [int(n) for n in numbers] != found.index.tolist() or int(found.in_a.sum()) != n_a:
        return None, (f"runs of the models are not known: the table in {path} is of other models",)
    return Origins(found.run, found.replica, found.step), ()


def _without_scores(scores: FloatArray | None) -> tuple[str, ...]:
    return () if scores is not None else ("there are no scores: tests 1 and 2 are left out",)


def _table(files: list[str], frames: list[int], scores: FloatArray | None, n_a: int) -> ModelTable:
    m = len(files)
    names = np.array(files, dtype=object)
    rows = np.array(frames, dtype=np.int64)
    return ModelTable(
        run=np.array(["A"] * n_a + ["B"] * (m - n_a), dtype=object),
        replica=np.zeros(m, dtype=np.int64),
        source=names,
        row=rows,
        step=rows,
        rmf_file=names,
        file=names,
        frame=rows,
        score=np.full(m, np.nan) if scores is None else scores,
        score_key="" if scores is None else "score",
    )


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
    specs: list[str], split: Split, seed: int, reading: _Reading, choice: dict[str, Any]
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
    ensemble = chosen.load(resolution=reading.resolution, state=reading.state).take(order)
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
        warnings=(*((lone,) if one_run else ()), *_without_scores(scores)),
        losses=found.losses,
        origins=Origins(table.run, table.replica, table.step),
    )
