"""Samples as they lie in files: folders of models, multi-frame RMF files, PDB files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.provenance import Losses
from congruence.errors import FormatError, InputError
from congruence.workflow.frames import FramePool, read_coordinates
from congruence.workflow.on_disk import Keeping

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.compute.sampling_uncertainty import Origins
    from congruence.core.results import DistanceMatrix
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

__all__ = ["Reading", "Samples", "folder_origins", "read_pair", "without_scores"]


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


def read_pair(scores: tuple[Path, Path] | None, sizes: tuple[int, int]) -> FloatArray | None:
    """
    Read the scores of both samples.

    Parameters
    ----------
    scores : tuple of (Path, Path) or None
        Files of A and of B.
    sizes : tuple of (int, int)
        Models of A and of B.

    Returns
    -------
    scores : ndarray, dtype=float64, shape=(m,) or None
        Those of A first; None without files.

    Raises
    ------
    InputError
        If a file does not hold one score for each model.
    """
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


_IN_MEMORY = Keeping()


@dataclass(frozen=True)
class Reading:
    """
    How samples are read.

    Parameters
    ----------
    scores : tuple of (Path, Path) or None
        Score files of A and of B.
    resolution : float
        Residues per bead to read.
    state : int or "all"
        State to read.
    keeping : Keeping
        Where the coordinates of RMF files are kept.
    engine : str
        ``"local"``, or the Dask cluster whose workers read RMF files.
    """

    scores: tuple[Path, Path] | None
    resolution: float
    state: int | Literal["all"]
    keeping: Keeping = _IN_MEMORY
    engine: str = "local"

    def folder(self, path: Path) -> Samples:
        """
        Read a folder with ``sample_A`` and ``sample_B``, one model a file.

        Parameters
        ----------
        path : Path
            The folder.

        Returns
        -------
        samples : Samples
            In the order of the numbers of the files.

        Raises
        ------
        InputError
            If a sample is empty or the models are not of one system.
        """
        from congruence.io.sampcon import list_models

        a, b = list_models(path / "sample_A"), list_models(path / "sample_B")
        found = self.scores
        usual = (path / "scoresA.txt", path / "scoresB.txt")
        if found is None and all(p.is_file() for p in usual):
            found = usual
        if a[0].suffix == ".pdb":
            numbers = [p.name.partition(".")[0] for p in (*a, *b)]
            origins, why = folder_origins(path, numbers, len(a))
            samples = replace(self, scores=found).pdb(a, b)
            origins = origins if len(samples.names) == len(numbers) else None
            return replace(samples, origins=origins, warnings=(*samples.warnings, *why))
        files = [str(p) for p in (*a, *b)]
        scores = read_pair(found, (len(a), len(b)))
        log = (f"{len(a)} models in sample_A and {len(b)} in sample_B, ordered by number",)
        origins, why = folder_origins(path, [p.name.partition(".")[0] for p in (*a, *b)], len(a))
        samples = self._rmf("folder", len(a), files, [0] * len(files), scores, log, origins)
        return replace(samples, warnings=(*samples.warnings, *why))

    def frames(self, a: Path, b: Path) -> Samples:
        """
        Read two RMF files, of which each frame is a model.

        Parameters
        ----------
        a, b : Path
            The files.

        Returns
        -------
        samples : Samples
            In the order of the frames.

        Raises
        ------
        InputError
            If a file has no whole frame or the models are not of one system.
        """
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
            "frames", sizes[0], files, [*ids[0], *ids[1]], read_pair(self.scores, sizes), log
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
            pool,
            table,
            resolution=self.resolution,
            state=self.state,
            keeping=self.keeping,
            engine=self.engine,
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
            warnings=without_scores(scores),
            losses=pool.losses,
            origins=origins,
        )

    def pdb(self, a: Sequence[Path], b: Sequence[Path]) -> Samples:
        """
        Read PDB files, of which each model or file is a model.

        Parameters
        ----------
        a, b : sequence of Path
            The files of both samples.

        Returns
        -------
        samples : Samples
            In the order of the files.

        Raises
        ------
        InputError
            If the models are not of one system.
        """
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
        scores = read_pair(self.scores, (n_a, len(files) - n_a))
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
            warnings=without_scores(scores),
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


def without_scores(scores: FloatArray | None) -> tuple[str, ...]:
    """
    Warn of missing scores.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(m,) or None
        Scores.

    Returns
    -------
    warnings : tuple of str
        Empty when there are scores.
    """
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
