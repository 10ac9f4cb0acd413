"""
The steps of an analysis, one call each.

``open_runs(...)`` finds the runs, ``.choose(...)`` ranks and filters their
models, ``.load(...)`` reads coordinates into an `Ensemble`. From there on
`congruence.rmsd_matrix` and `congruence.cluster` take over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from congruence.core.ensemble import Ensemble
from congruence.core.provenance import Losses, Origin
from congruence.errors import InputError
from congruence.workflow.frames import FramePool, read_coordinates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from congruence.core.models import ModelTable
    from congruence.io.runs import ReadNotes, Run
    from congruence.workflow.on_disk import Keeping

__all__ = ["ChosenModels", "RunSet", "open_runs"]


@dataclass(frozen=True, eq=False)
class RunSet:
    """
    Sampling runs that were found.

    Parameters
    ----------
    runs : tuple of Run
        In natural order of their names.
    losses : Losses
        What could not be used so far.
    """

    runs: tuple[Run, ...]
    losses: Losses = field(default_factory=Losses)

    def choose(
        self,
        *,
        score: str | None = None,
        best: int | None = None,
        below: float | None = None,
        features: Sequence[str] = (),
        **filters: Any,
    ) -> ChosenModels:
        """
        Rank the models of all runs and keep some.

        Parameters
        ----------
        score : str, optional
            Score column; found among the known ones if absent.
        best : int, optional
            Number of best-scoring models over all runs.
        below : float, optional
            Keep models with a score strictly below.
        features : sequence of str
            Keep columns whose name contains one of these texts.
        **filters : Any
            ``every`` (frames 0, g, 2g, ... of each replica), ``frames``
            (fractions of each replica) and ``where`` (conditions such as
            ``"Column<5"``).

        Returns
        -------
        chosen : ChosenModels
            Models with whole frames, best score first. Frames are checked
            in rank order until `best` whole ones are found, no further.

        Raises
        ------
        InputError
            If the score is unknown or ambiguous, or no model is left.
        """
        from congruence.compute.filtering import choose_models, parse_condition, take_whole
        from congruence.io.rmf_paths import RULES
        from congruence.io.runs import ReadNotes, find_score_key, list_columns, read_scores

        notes = ReadNotes()
        columns = list_columns(self.runs)
        conditions = tuple(parse_condition(c) for c in filters.pop("where", ()))
        table = read_scores(
            self.runs,
            score_key=find_score_key(columns, score),
            features=tuple(features),
            columns=tuple(c.column for c in conditions),
            losses=self.losses,
            notes=notes,
        )
        _note_rowless(self.runs, table, self.losses)
        choice = choose_models(table, below=below, where=conditions, **filters)
        told = {e.where for e in self.losses.entries if e.what == "coordinates of rows"}
        self.losses.entries.extend(
            e for e in choice.left_out if e.where not in told or "RMF file" not in e.why
        )
        pool = FramePool(
            self.losses,
            score_files=_read_files(self.runs, self.losses),
            found_by={RULES[rule]: count for rule, count in sorted(notes.rules.items())},
        )
        rows = take_whole(table, choice.rows, best, pool.has_frame, losses=self.losses)
        log = _log(table, choice.steps, notes, best=best, taken=len(rows))
        if not len(rows):
            raise _nothing_left(len(self.runs), len(table), log, self.losses)
        return ChosenModels(table.take(rows), pool, len(table), log)


def _read_files(runs: Sequence[Run], losses: Losses) -> tuple[str, ...]:
    """Return the files with scores that could be read, those without a chosen row included."""
    unread = {e.where for e in losses.entries if e.what == "file"}
    replicas = (r for run in runs for segment in run.segments for r in segment.replicas)
    return tuple(r.path for r in replicas if r.path not in unread)


def _note_rowless(runs: Sequence[Run], table: ModelTable, losses: Losses) -> None:
    """Note the stat files that have no row: jobs that were killed before the first frame."""
    known = {*map(str, table.source), *(e.where.partition(",")[0] for e in losses.entries)}
    for run in runs:
        for replica in (r for segment in run.segments for r in segment.replicas):
            if replica.kind == "stat" and replica.path not in known:
                losses.add(replica.path, "stat file", "it has no rows")


def _nothing_left(runs: int, rows: int, log: Sequence[str], losses: Losses) -> InputError:
    causes = [str(e) for e in losses.entries[:3]]
    where = f"{runs} run" + ("s" if runs > 1 else "")
    if not rows:
        return InputError(
            f"there are no models in {where}",
            hint="; ".join(causes) or "No file has a whole row or frame.",
        )
    return InputError(f"no model is left of {rows:,} in {where}", hint="; ".join((*log, *causes)))


def _log(
    table: ModelTable,
    steps: Sequence[tuple[str, int]],
    notes: ReadNotes,
    *,
    best: int | None,
    taken: int,
) -> tuple[str, ...]:
    from congruence.io.rmf_paths import RULES

    ranked = f"ranked by {table.score_key}" if table.score_key else "not ranked"
    lines = [f"{ranked}; {len(table):,} models in all", *notes.texts]
    if set(notes.rules) - {"beside"}:
        lines += [
            f"RMF file of {count:,} rows: {RULES[rule]}"
            for rule, count in sorted(notes.rules.items())
        ]
    lines += [f"{name}: {left:,} models left" for name, left in steps[1:]]
    if best is not None and taken < best:
        lines.append(f"only {taken:,} models with whole frames, {best:,} were asked for")
    return tuple(lines)


@dataclass(frozen=True, eq=False)
class ChosenModels:
    """
    Models that were chosen, not read yet.

    Parameters
    ----------
    table : ModelTable
        Best score first.
    pool : FramePool
        Their RMF files.
    total : int
        Number of models that were there to choose from.
    log : tuple of str
        What each filter left, in words.
    """

    table: ModelTable
    pool: FramePool
    total: int
    log: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def load(
        self,
        *,
        resolution: float = 1.0,
        state: int | Literal["all"] = 0,
        advance: Callable[[int, int], None] = lambda done, total: None,
        engine: str = "local",
        keeping: Keeping | None = None,
    ) -> Ensemble:
        """
        Read the coordinates.

        Parameters
        ----------
        resolution : float
            Residues per bead of the representation to read.
        state : int or "all"
            State to read; files without states have one.
        advance : callable
            Called with models done and in all.
        engine : str
            ``"local"``, or the Dask cluster whose workers read.
        keeping : Keeping, optional
            Where the coordinates are kept; in memory by default. A file is
            mapped, and is yours to remove.

        Returns
        -------
        ensemble : Ensemble
            Global coordinates in Å.

        Raises
        ------
        InputError
            If the files differ in topology.
        """
        coordinates, topology = read_coordinates(
            self.pool,
            self.table,
            resolution=resolution,
            state=state,
            advance=advance,
            engine=engine,
            keeping=keeping,
        )
        origin = Origin(
            total=self.total,
            log=self.log,
            score_files=self.pool.score_files,
            found_by=self.pool.found_by,
            options={"resolution": resolution, "state": state},
            losses=self.pool.losses,
        )
        return Ensemble(coordinates, topology, self.table, origin)


def open_runs(*specs: str | Path, losses: Losses | None = None) -> RunSet:
    """
    Find sampling runs.

    Parameters
    ----------
    *specs : str or Path
        Folders, glob patterns, stat or RMF files, or ``NAME=FOLDER,FOLDER``
        for the segments of a restarted run.
    losses : Losses, optional
        Collector to share.

    Returns
    -------
    runs : RunSet
        The runs, in natural order.

    Raises
    ------
    InputError
        If nothing is found.
    """
    from congruence.io.runs import find_runs

    collected = losses if losses is not None else Losses()
    return RunSet(find_runs([str(s) for s in specs]), collected)
