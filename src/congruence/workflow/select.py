"""Choosing good-scoring models: from runs to a folder with two samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from congruence.core.good_models import LinkCriterion, RangeCriterion
from congruence.core.provenance import Losses
from congruence.errors import ConfigError, InputError
from congruence.workflow.folder import check_target, result_folder
from congruence.workflow.frames import FramePool
from congruence.workflow.reporting import Reporter, Silent, refuse_losses, tell_losses
from congruence.workflow.select_judge import Diagnosis, diagnose
from congruence.workflow.select_write import write_selection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.good_models import GoodModels, SampleSplit, ScoreClusters
    from congruence.core.models import ModelTable
    from congruence.core.uncertainty import SeriesSize
    from congruence.io.runs import Run
    from congruence.typing import BoolArray

    Criterion: TypeAlias = LinkCriterion | RangeCriterion

__all__ = ["SelectOptions", "Selected", "select_models", "select_runs"]

_REFERENCE_SCORE = "Total_Score"


@dataclass(frozen=True)
class SelectOptions:
    """
    Everything that ``congruence select`` is told.

    Parameters
    ----------
    runs : tuple of str
        Run folders, patterns, stat or RMF files, ``NAME=SEGMENT,SEGMENT``.
    links : tuple of LinkCriterion
        Criteria on cross-links.
    where : tuple of str
        Conditions on any column, such as ``"Total_Score<100"``.
    printed : tuple of str
        Further columns for the tables.
    score : str, optional
        Score column; found among the known ones if absent.
    split : {"balanced", "rank"}
        How runs are parted into two samples.
    equilibrate : bool
        Leave out the part of each replica before equilibration.
    cluster_scores : tuple of str
        Columns in which to cluster the models.
    min_cluster_size : int, optional
        Smallest such cluster.
    extract : bool
        Write one RMF file per model.
    compat : {"sampcon"}, optional
        Choose, number and split as the reference program does.
    seed : int
        Seed of everything random.
    strict : bool
        Stop when any input had to be left out.
    """

    runs: tuple[str, ...]
    links: tuple[LinkCriterion, ...] = ()
    where: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    score: str | None = None
    split: Literal["balanced", "rank"] = "balanced"
    equilibrate: bool = False
    cluster_scores: tuple[str, ...] = ()
    min_cluster_size: int | None = None
    extract: bool = True
    compat: Literal["sampcon"] | None = None
    seed: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        if not self.links and not self.where:
            raise ConfigError(
                "there are no criteria for good models",
                hint="Give --links with --max-distance, or --where 'Total_Score<100', or both.",
            )
        for link in self.links:
            if not link.min_distance <= link.max_distance:
                raise ConfigError(
                    f"distances from {link.min_distance:g} to {link.max_distance:g} Å are no range"
                )
            if not 0 <= link.low <= link.high <= 1:
                raise ConfigError(
                    f"the fraction of satisfied links is {link.low:g} to {link.high:g}, "
                    "expected numbers from 0 to 1"
                )
        if self.compat and (self.equilibrate or self.split != "balanced"):
            raise ConfigError(
                "the reference program knows neither equilibration nor other splits",
                hint="Leave out --compat, or --equilibrate and --split.",
            )


@dataclass(frozen=True, eq=False)
class Selected:
    """
    Good models and the two samples.

    Parameters
    ----------
    options : SelectOptions
        What was asked for.
    good : GoodModels
        The models, numbered from 0 in this order.
    split : SampleSplit
        Their samples.
    printed : tuple of str
        Names of further columns for the tables.
    score : str
        Name of the score.
    runs : int
        Runs that there were.
    total : int
        Models that there were to choose from.
    equilibration : tuple of SeriesSize
        What was found before choosing; empty when not asked for.
    clusters : ScoreClusters or None
        Clusters in the space of scores.
    diagnosis : Diagnosis
        What to think of the two samples.
    losses : Losses
        What was left out.
    out : Path or None
        Where it was written.
    """

    options: SelectOptions
    good: GoodModels
    split: SampleSplit
    printed: tuple[str, ...]
    score: str
    runs: int
    total: int
    equilibration: tuple[SeriesSize, ...] = ()
    clusters: ScoreClusters | None = None
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    losses: Losses = field(default_factory=Losses)
    out: Path | None = None


def select_runs(
    options: SelectOptions,
    out: Path,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Selected:
    """
    Choose good models and write them as two samples.

    Parameters
    ----------
    options : SelectOptions
        What to choose.
    out : Path
        The folder to write, conventionally called ``good_scoring_models``.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    selected : Selected
        What was chosen.

    Raises
    ------
    InputError
        If the runs cannot be read or no model passes.
    ConfigError
        If the options do not fit.
    OutputError
        If the folder cannot be written.
    """
    reporter = reporter or Silent()
    check_target(out, force=force)
    losses = Losses()
    pool = FramePool(losses)
    selected = select_models(options, pool=pool, reporter=reporter)
    tell_losses(losses, reporter)
    refuse_losses(losses, strict=options.strict)
    with result_folder(out, force=force) as partial:
        write_selection(selected, pool, partial, reporter)
    return Selected(**{**vars(selected), "out": out})


def select_models(
    options: SelectOptions, *, pool: FramePool, reporter: Reporter | None = None
) -> Selected:
    """
    Choose good models and part them into two samples.

    Parameters
    ----------
    options : SelectOptions
        What to choose.
    pool : FramePool
        Opens RMF files; its losses receive what is left out.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    selected : Selected
        Nothing is written.

    Raises
    ------
    InputError
        If the runs cannot be read or no model passes.
    ConfigError
        If the options do not fit.
    """
    from congruence.compute.good_models import choose_good
    from congruence.io.runs import find_runs, list_columns

    reporter = reporter or Silent()
    runs = find_runs(options.runs)
    columns = list_columns(runs, losses=pool.losses)
    criteria, link_names = _criteria(options, columns)
    score = _score(options, list(columns))
    table = _read(options, runs, _wanted(options, criteria, link_names), score, pool.losses)
    reporter.say(f"runs: {len(runs)} with {len(table):,} models")
    usable, sizes = _usable(options, table, criteria, pool.losses)
    if options.equilibrate:
        starts = [size.t0 for size in sizes]
        reporter.say(f"equilibration: replicas start at rows {min(starts)} to {max(starts)}")
    good = choose_good(table, criteria, link_names, usable=usable)
    pool.losses.entries.extend(good.left_out)
    good = _with_frames(options, good, pool)
    for name, count in good.steps[1:]:
        reporter.say(f"{name}: {count:,} models left")
    split = _split(options, good.table, len(runs))
    printed = tuple(dict.fromkeys((*options.printed, *options.cluster_scores)))
    return Selected(
        options,
        good,
        split,
        tuple(name for name in printed if name not in good.names),
        score,
        len(runs),
        len(table),
        sizes,
        _cluster_scores(options, good.table),
        diagnose(good.table, split, seed=options.seed),
        pool.losses,
    )


def _criteria(
    options: SelectOptions, columns: dict[str, int]
) -> tuple[list[Criterion], dict[str, tuple[str, ...]]]:
    from congruence.compute.filtering import parse_condition
    from congruence.compute.good_models import link_columns, range_criterion, reference_columns

    find = reference_columns if options.compat else link_columns
    link_names = {link.keyword: find(link.keyword, columns) for link in options.links}
    conditions = [parse_condition(text) for text in options.where]
    ranges = [range_criterion(c.column, c.operator, c.value) for c in conditions]
    return [*options.links, *ranges], link_names


def _score(options: SelectOptions, columns: list[str]) -> str:
    from congruence.compute.filtering import parse_condition
    from congruence.io.runs import find_score_key

    if not options.compat:
        return find_score_key(columns, options.score)
    asked = {*options.printed, *(link.keyword for link in options.links)}
    asked |= {parse_condition(text).column for text in options.where}
    if options.score not in (None, _REFERENCE_SCORE) or _REFERENCE_SCORE not in asked:
        raise ConfigError(
            f"the reference program takes its scores from a column {_REFERENCE_SCORE} of the table",
            hint=f"Add --print {_REFERENCE_SCORE}, or leave out --compat.",
        )
    return find_score_key(columns, _REFERENCE_SCORE)


def _wanted(
    options: SelectOptions, criteria: Sequence[Criterion], link_names: dict[str, tuple[str, ...]]
) -> list[str]:
    names = [name for found in link_names.values() for name in found]
    names += [c.column for c in criteria if isinstance(c, RangeCriterion)]
    return list(dict.fromkeys((*names, *options.printed, *options.cluster_scores)))


def _read(
    options: SelectOptions, runs: Sequence[Run], columns: list[str], score: str, losses: Losses
) -> ModelTable:
    from congruence.io.good_models import read_reference_rows
    from congruence.io.runs import list_columns, read_scores

    if not options.compat:
        table = read_scores(runs, score_key=score, columns=columns, losses=losses)
    else:
        missing = [c for c in columns if c not in list_columns(runs)]
        if missing:
            raise InputError(
                f"column '{missing[0]}' does not exist",
                hint="Names are case-sensitive; 'congruence inspect RUNS' lists all columns.",
            )
        table = read_reference_rows(runs, columns, score_key=score, losses=losses)
    if not len(table):
        raise InputError("the runs have no models", hint="No file has a whole row or frame.")
    return table


def _usable(
    options: SelectOptions, table: ModelTable, criteria: Sequence[Criterion], losses: Losses
) -> tuple[BoolArray | None, tuple[SeriesSize, ...]]:
    """Tell which models may be chosen: those with coordinates, after equilibration."""
    from congruence.compute.equilibration import equilibrated, series_sizes

    if options.compat:
        return None, ()
    written = (table.frame >= 0) & (table.file != "")
    told = {entry.where for entry in losses.entries if entry.what == "coordinates of rows"}
    for source in dict.fromkeys(table.source[~written].tolist()):
        if source not in told:
            count = int((~written & (table.source == source)).sum())
            losses.add(source, "models", "no coordinates were written", count)
    scored = np.isfinite(table.score)
    if unscored := int((written & ~scored).sum()):
        losses.add(f"column {table.score_key}", "models", "the score is no number", unscored)
    written &= scored
    if not options.equilibrate:
        return (None if written.all() else written), ()
    scores = [c.column for c in criteria if isinstance(c, RangeCriterion)]
    names = dict.fromkeys([*([table.score_key] if table.score_key else []), *scores])
    sizes = series_sizes(table, list(names))
    return written & equilibrated(table, sizes), sizes


def _with_frames(options: SelectOptions, good: GoodModels, pool: FramePool) -> GoodModels:
    """Leave out models whose frame is not in its file, or damaged."""
    if not options.extract:
        return good
    table, whole = good.table, np.ones(len(good), dtype=bool)
    missing: dict[str, int] = {}
    for i, (file, frame) in enumerate(zip(table.file.tolist(), table.frame.tolist(), strict=True)):
        whole[i] = pool.has_frame(file, frame)
        if not whole[i]:
            missing[file] = missing.get(file, 0) + 1
    for file, count in missing.items():
        pool.losses.add(file, "models", "the frame is not in the file, or damaged", count)
    if not whole.any():
        raise InputError(
            f"none of the {len(good):,} good models has a whole frame",
            hint="; ".join(str(e) for e in pool.losses.entries[-3:]),
        )
    return good if whole.all() else good.take(np.flatnonzero(whole))


def _split(options: SelectOptions, table: ModelTable, runs: int) -> SampleSplit:
    from congruence.compute.sample_split import split_by_number, split_by_rank, split_evenly

    if options.compat:
        return split_by_number(table, runs=runs, seed=options.seed)
    return {"balanced": split_evenly, "rank": split_by_rank}[options.split](
        table, seed=options.seed
    )


def _cluster_scores(options: SelectOptions, table: ModelTable) -> ScoreClusters | None:
    from congruence.compute.score_clusters import score_clusters
    from congruence.core.models import to_floats

    if not options.cluster_scores:
        return None
    values = np.array([to_floats(table.columns[c]) for c in options.cluster_scores]).T
    return score_clusters(
        values,
        options.cluster_scores,
        min_cluster_size=options.min_cluster_size,
        compat=options.compat is not None,
    )
