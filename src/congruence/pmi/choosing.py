"""
From stat files to chosen models, as the reference chooses them.

`find_stat_files` lists the files of the merged directories, `choose` reads and
ranks their rows, `Chosen` is what came out: a table of models, their lines for
stat files, and the counts that the provenance of written models tells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.models import ModelTable
from congruence.errors import ConfigError, FormatError, InputError
from congruence.pmi.voice import current_reporter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.models import StatValue
    from congruence.io.rmf.history import ProvenanceStep
    from congruence.io.runs import Run
    from congruence.workflow.frames import FramePool

__all__ = ["Chosen", "Wishes", "choose", "find_stat_files"]

_OLD_SCORE = "SimplifiedModel_Total_Score_None"


@dataclass(frozen=True)
class Wishes:
    """
    How models are chosen; fields as in the reference.

    Parameters
    ----------
    score_key : str
        Column to rank by.
    number_of_best_scoring_models : int
        How many.
    prefiltervalue : float or None
        Only scores strictly below.
    get_every : int
        Lines whose number this divides, the header being line 1.
    first_and_last_frames : tuple of float or None
        Fractions of the joined list of all files.
    feature_keys : tuple of str
        Texts that names of further columns contain.
    """

    score_key: str = "Total_Score"
    number_of_best_scoring_models: int = 10
    prefiltervalue: float | None = None
    get_every: int = 1
    first_and_last_frames: tuple[float, float] | None = None
    feature_keys: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Chosen:
    """
    Chosen models, best score first.

    Parameters
    ----------
    table : ModelTable
        Where they are.
    rows : tuple of dict of str to StatValue
        Their lines for stat files: score, file, frame and features, as stored.
    counts : dict of str to float
        ``files`` and ``rows`` there were, ``every`` and ``below`` that the
        filters left.
    """

    table: ModelTable
    rows: tuple[dict[str, StatValue], ...]
    counts: dict[str, float] = field(default_factory=dict)

    def steps(self) -> tuple[ProvenanceStep, ...]:
        """
        Say how the models were chosen, for the history of written models.

        Returns
        -------
        steps : tuple of ProvenanceStep
            Oldest first.
        """
        from congruence.io.rmf.history import CombineProvenance, FilterProvenance

        counts = {k: int(v) for k, v in self.counts.items() if k != "threshold"}
        steps: list[ProvenanceStep] = []
        if counts["files"] > 1:
            steps.append(CombineProvenance(counts["files"], counts["rows"]))
        if "every" in counts:
            steps.append(FilterProvenance("Keep fraction", 0.0, counts["every"]))
        if "below" in counts:
            threshold = float(self.counts["threshold"])
            steps.append(FilterProvenance("Total score", threshold, counts["below"]))
        return (*steps, FilterProvenance("Best scoring", 0.0, len(self.table)))

    def as_data(self) -> dict[str, Any]:
        """
        Return what `from_data` makes the same object of.

        Returns
        -------
        data : dict
            JSON-able.
        """
        return {
            "score_key": self.table.score_key,
            "files": self.table.file.tolist(),
            "frames": self.table.frame.tolist(),
            "scores": self.table.score.tolist(),
            "rows": [dict(row) for row in self.rows],
            "counts": self.counts,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any], *, path: str) -> Chosen:
        """
        Make chosen models of saved data.

        Parameters
        ----------
        data : dict
            From `as_data`.
        path : str
            Where it was saved, for messages.

        Returns
        -------
        chosen : Chosen
            The models.

        Raises
        ------
        FormatError
            If something is missing.
        """
        try:
            m = len(data["files"])
            empty = np.zeros(m, dtype=np.int64)
            words = np.full(m, "", dtype=object)
            table = ModelTable(
                run=words,
                replica=empty,
                source=words,
                row=empty,
                step=empty,
                rmf_file=words,
                file=np.array(data["files"], dtype=object),
                frame=np.array(data["frames"], dtype=np.int64),
                score=np.array(data["scores"], dtype=np.float64),
                score_key=str(data["score_key"]),
            )
            return cls(table, tuple(dict(row) for row in data["rows"]), dict(data["counts"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"does not say which models the matrix is of ({json.dumps(str(error))})",
                path=path,
                hint="Compute it again with load_distance_matrix_file=False.",
            ) from error


def find_stat_files(directories: Sequence[str], output: str, *, suffix: str = "stat") -> list[str]:
    """
    List the stat files of some runs, or their RMF files where there are none.

    Parameters
    ----------
    directories : sequence of str
        ``merge_directories``.
    output : str
        ``global_output_directory``, relative to each of them.
    suffix : str
        First part of the name of stat files.

    Returns
    -------
    files : list of str
        In the order of `directories`, natural order within one. A warning
        names the directories without any.
    """
    from congruence.io.runs import natural_key

    files: list[str] = []
    for directory in directories:
        folder = Path(directory) / output
        found = [str(p) for p in folder.glob(f"{suffix}.*.out")]
        if not found:
            found = [str(p) for p in (folder / "rmfs").glob("*.rmf3")]
            if found:
                current_reporter().say(
                    f"{folder} has no stat files; scores are read from its RMF files"
                )
        if not found:
            there = "has no stat files" if folder.is_dir() else "does not exist"
            current_reporter().warn(f"{folder} {there}; it is left out")
        files += sorted(found, key=natural_key)
    return files


def choose(stat_files: Sequence[str], wishes: Wishes, pool: FramePool) -> Chosen:
    """
    Read scores and take the best models whose frames are there.

    Parameters
    ----------
    stat_files : sequence of str
        Stat or RMF files, in the order in which ties keep.
    wishes : Wishes
        How to choose.
    pool : FramePool
        RMF files; its losses receive what could not be used.

    Returns
    -------
    chosen : Chosen
        At least one model.

    Raises
    ------
    InputError
        If there are no files, the score is in none, or no model is left.
    """
    from congruence.compute.filtering import choose_reference, take_whole
    from congruence.io.runs import list_columns, read_scores

    runs = _runs(stat_files)
    columns = list_columns(runs, losses=pool.losses)
    score_key = _score_key(columns, wishes.score_key)
    table = read_scores(
        runs,
        score_key=score_key,
        features=_known_features(columns, wishes.feature_keys),
        losses=pool.losses,
    )
    choice = choose_reference(
        table,
        prefiltervalue=wishes.prefiltervalue,
        get_every=wishes.get_every,
        first_and_last_frames=wishes.first_and_last_frames,
        version1=_without_header(stat_files) if wishes.get_every > 1 else (),
    )
    pool.losses.entries.extend(choice.left_out)
    best = wishes.number_of_best_scoring_models
    if best < 1:
        raise ConfigError(f"number_of_best_scoring_models is {best}, expected at least 1")
    kept = take_whole(table, choice.rows, best, pool.has_frame, losses=pool.losses)
    if not len(kept):
        left = ", ".join(f"{name}: {count}" for name, count in choice.steps)
        raise InputError(
            f"no model is left of {len(table)} in {len(stat_files)} files ({left})",
            hint="Loosen prefiltervalue or first_and_last_frames, and check that the RMF files "
            "lie beside the stat files.",
        )
    return _chosen(table.take(kept), len(stat_files), choice.steps, wishes)


def _runs(stat_files: Sequence[str]) -> tuple[Run, ...]:
    from congruence.io.runs import Replica, Run, Segment

    if not stat_files:
        raise InputError(
            "there are no stat files",
            hint="Check merge_directories and global_output_directory (relative to the current "
            "folder), or set the attribute stat_files.",
        )
    missing = [path for path in stat_files if not Path(path).is_file()]
    if missing:
        raise InputError(f"the stat file {missing[0]} does not exist", hint="Check stat_files.")
    # One run keeps the order of the list, which ties and first_and_last_frames depend on.
    replicas = tuple(
        Replica(at, str(path), "rmf" if str(path).endswith((".rmf3", ".rmf")) else "stat")
        for at, path in enumerate(stat_files)
    )
    folder = str(Path(stat_files[0]).parent)
    return (Run(Path(folder).name or "run", (Segment(folder, replicas),)),)


def _score_key(columns: dict[str, int], asked: str) -> str:
    from congruence.io.runs import find_score_key

    if not columns:
        current_reporter().warn("no scores are stored: every model counts as score 0")
        return ""
    if asked not in columns and _OLD_SCORE in columns:
        current_reporter().warn(f"there is no score '{asked}'; '{_OLD_SCORE}' is used")
        return _OLD_SCORE
    return find_score_key(columns, asked)


def _known_features(columns: dict[str, int], asked: Sequence[str]) -> list[str]:
    known = [text for text in asked if any(text in name for name in columns)]
    unknown = [text for text in asked if text not in known]
    if unknown:
        current_reporter().warn(f"no column holds the text of feature_keys {', '.join(unknown)}")
    return known


def _without_header(stat_files: Sequence[str]) -> set[str]:
    from congruence.io.stat import read_header

    texts = [path for path in stat_files if not str(path).endswith((".rmf3", ".rmf"))]
    return {str(path) for path in texts if read_header(path).version == 1}


def _chosen(
    table: ModelTable, files: int, steps: Sequence[tuple[str, int]], wishes: Wishes
) -> Chosen:
    left = dict(steps)
    counts: dict[str, float] = {"files": files, "rows": left["all rows"]}
    if wishes.get_every != 1:
        counts["every"] = left[f"get_every {wishes.get_every}"]
    if wishes.prefiltervalue is not None:
        counts["threshold"] = wishes.prefiltervalue
        counts["below"] = next(n for name, n in steps if name.startswith("prefiltervalue"))
    return Chosen(table, tuple(_row(table, at) for at in range(len(table))), counts)


def _row(table: ModelTable, at: int) -> dict[str, StatValue]:
    row: dict[str, StatValue] = {}
    if table.score_key:
        row[table.score_key] = table.columns[table.score_key][at]
    row["rmf_file"] = str(table.rmf_file[at])
    row["rmf_frame_index"] = int(table.frame[at])
    # A file that lacks a column says None, as the reference does for columns never set.
    features = ((name, values[at]) for name, values in table.columns.items())
    row.update({n: "None" if v is None else v for n, v in features if n != table.score_key})
    return row
