"""What is in runs and files, found out quickly: the work behind ``congruence inspect``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.models import to_floats
from congruence.core.provenance import LeftOut, Losses
from congruence.errors import InputError
from congruence.workflow.config import ClusterConfig, toml_text
from congruence.workflow.frames import FramePool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.topology import Topology
    from congruence.io.rmf import RmfFile
    from congruence.io.runs import Replica, Run
    from congruence.typing import FloatArray

__all__ = ["MoleculeFound", "Overview", "RunFound", "ScoreFound", "config_text", "look"]

_HEAD = 50


@dataclass(frozen=True)
class RunFound:
    """
    One run.

    Parameters
    ----------
    name : str
        Name of the run.
    folders : tuple of str
        Its segments.
    files : int
        Files with rows of scores.
    rows : int
        Rows in them.
    estimated : bool
        Whether `rows` was estimated from parts of the files.
    frames : int
        Frames in the RMF files that were looked into.
    rmf : str
        The first of these, or empty.
    rmf_files : int
        Number of these.
    """

    name: str
    folders: tuple[str, ...]
    files: int
    rows: int
    estimated: bool
    frames: int
    rmf: str
    rmf_files: int


@dataclass(frozen=True)
class MoleculeFound:
    """
    One molecule of one state.

    Parameters
    ----------
    name : str
        Its name.
    state : int
        Its state; -1 when the file has none.
    copies : tuple of int
        Its copies; (-1,) when the file has none.
    residues : tuple of int
        First and last residue.
    beads : int
        Beads of all copies together.
    """

    name: str
    state: int
    copies: tuple[int, ...]
    residues: tuple[int, int]
    beads: int


@dataclass(frozen=True)
class ScoreFound:
    """
    One numerical column.

    Parameters
    ----------
    name : str
        The column.
    low, high : float
        Smallest and largest value seen.
    values : int
        Number of values seen.
    """

    name: str
    low: float
    high: float
    values: int


@dataclass(frozen=True)
class Overview:
    """
    What was found.

    Parameters
    ----------
    runs : tuple of RunFound
        The runs.
    molecules : tuple of MoleculeFound
        Molecules of the first RMF file that could be read.
    beads : int
        Its beads at `resolution`.
    resolution : float
        Residues per bead that were asked for.
    scores : tuple of ScoreFound
        Numerical columns by name.
    score_keys : tuple of str
        Columns that are known as total scores.
    full : bool
        Whether everything was read; else ranges are of head and tail rows.
    left_out : tuple of LeftOut
        What could not be used.
    """

    runs: tuple[RunFound, ...]
    molecules: tuple[MoleculeFound, ...]
    beads: int
    resolution: float
    scores: tuple[ScoreFound, ...]
    score_keys: tuple[str, ...]
    full: bool
    left_out: tuple[LeftOut, ...]

    def data(self) -> dict[str, Any]:
        """
        Return the overview as plain data.

        Returns
        -------
        data : dict
            JSON-able.
        """
        return asdict(self)


def look(paths: Sequence[str], *, full: bool = False, resolution: float = 1.0) -> Overview:
    """
    Look into runs and files.

    Parameters
    ----------
    paths : sequence of str
        Run folders, globs, stat or RMF files.
    full : bool
        Read every row and count every frame, not only the first RMF file of
        a run and head and tail of each stat file.
    resolution : float
        Residues per bead to count beads at.

    Returns
    -------
    overview : Overview
        What was found.

    Raises
    ------
    InputError
        If nothing is found, or nothing that is found can be read.
    """
    from congruence.io.runs import KNOWN_SCORE_KEYS, find_runs

    losses = Losses()
    pool = FramePool(losses)
    columns: dict[str, list[FloatArray]] = {}
    found, topology = [], None
    for run in find_runs(list(paths)):
        mine, file = _look_at_run(run, pool, columns, full=full)
        found.append(mine)
        if topology is None and file is not None:
            topology = file.topology(resolution)
    if topology is None and not columns and losses.entries:
        raise InputError(
            f"nothing can be read in {', '.join(map(str, paths))}",
            hint="; ".join(map(str, losses.entries[:3])),
        )
    scores = tuple(s for name in sorted(columns) if (s := _range(name, columns[name])))
    return Overview(
        runs=tuple(found),
        molecules=_molecules(topology) if topology is not None else (),
        beads=len(topology) if topology is not None else 0,
        resolution=resolution,
        scores=scores,
        score_keys=tuple(k for k in KNOWN_SCORE_KEYS if k in columns),
        full=full,
        left_out=tuple(losses.entries),
    )


def _look_at_run(
    run: Run, pool: FramePool, columns: dict[str, list[FloatArray]], *, full: bool
) -> tuple[RunFound, RmfFile | None]:
    rows, estimated, frames, opened = 0, False, 0, 0
    first: RmfFile | None = None
    replicas = [r for segment in run.segments for r in segment.replicas]
    for replica in replicas:
        count, guessed, rmf = _look_at_replica(replica, pool, columns, full=full)
        rows, estimated = rows + count, estimated or guessed
        if rmf and (full or first is None) and (file := pool.open(rmf)) is not None:
            frames, opened = frames + len(file), opened + 1
            pool.losses.entries.extend(file.losses.entries)
            first = first or file
    found = RunFound(
        name=run.name,
        folders=tuple(s.folder for s in run.segments),
        files=len(replicas),
        rows=rows,
        estimated=estimated,
        frames=frames,
        rmf=str(first.path) if first is not None else "",
        rmf_files=opened,
    )
    return found, first


def _look_at_replica(
    replica: Replica, pool: FramePool, columns: dict[str, list[FloatArray]], *, full: bool
) -> tuple[int, bool, str]:
    from congruence.io.rmf_paths import RULES, resolve_rmf
    from congruence.io.stat import read_stat, sample

    if replica.kind == "rmf":
        return _look_at_rmf_scores(replica, pool, columns, full=full)
    estimated = False
    try:
        if full:
            table = read_stat(replica.path, losses=pool.losses)
            rows = len(table)
        else:
            part = sample(replica.path, head=_HEAD, tail=_HEAD, losses=pool.losses)
            table, rows, estimated = part.table, part.rows, part.estimated
    except InputError as problem:
        why = problem.message.removeprefix(replica.path).lstrip(":, ")
        pool.losses.add(replica.path, "file", why)
        return 0, False, ""
    if not rows:
        pool.losses.add(replica.path, "stat file", "it has no rows")
    for name, values in table.columns.items():
        columns.setdefault(name, []).append(to_floats(values))
    stored = table.columns.get("rmf_file")
    path = resolve_rmf(replica.path, str(stored[0])).path if stored is not None and rows else None
    if stored is not None and rows and path is None:
        pool.losses.add(replica.path, "RMF file", f"{RULES['none']}: {stored[0]}")
    return rows, estimated, path or ""


def _look_at_rmf_scores(
    replica: Replica, pool: FramePool, columns: dict[str, list[FloatArray]], *, full: bool
) -> tuple[int, bool, str]:
    file = pool.open(replica.path)
    if file is None:
        return 0, False, ""
    rows = len(file)
    frames = (
        range(rows) if full or rows <= 2 * _HEAD else [*range(_HEAD), *range(rows - _HEAD, rows)]
    )
    if file.stat_keys() and rows:
        for name, values in file.stat(frames=list(frames)).items():
            columns.setdefault(name, []).append(to_floats(values))
    return rows, False, replica.path


def _range(name: str, parts: list[FloatArray]) -> ScoreFound | None:
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    if not len(values) or name == "rmf_frame_index":
        return None
    return ScoreFound(name, float(values.min()), float(values.max()), len(values))


def _molecules(topology: Topology) -> tuple[MoleculeFound, ...]:
    found = []
    for state, name in dict.fromkeys((m.state, m.name) for m in topology.molecules):
        mine = [i for i, m in enumerate(topology.molecules) if (m.state, m.name) == (state, name)]
        beads = np.flatnonzero(np.isin(topology.molecule_index, mine)).tolist()
        numbers = [r for b in beads for r in topology.residues[b]] or [0]
        copies = tuple(topology.molecules[i].copy for i in mine)
        found.append(MoleculeFound(name, state, copies, (min(numbers), max(numbers)), len(beads)))
    return tuple(found)


def config_text(paths: Sequence[str]) -> str:
    """
    Write a commented configuration for what is found.

    Parameters
    ----------
    paths : sequence of str
        Run folders, globs, stat or RMF files.

    Returns
    -------
    text : str
        TOML for ``congruence cluster --config``. The alignment mode has to be
        filled in: there is no good default.

    Raises
    ------
    InputError
        If nothing is found.
    """
    from congruence.core.selection import Selection, Term

    overview = look(paths)
    names = dict.fromkeys(m.name for m in overview.molecules if m.name)
    terms = tuple(str(Selection((Term(name),))) for name in names)
    key = overview.score_keys[0] if len(overview.score_keys) == 1 else None
    config = ClusterConfig(
        runs=tuple(str(Path(p)) if "=" not in p else p for p in paths),
        score=key,
        best=100,
        rmsd=terms,
        densities=dict(zip(names, terms, strict=True)),
    )
    head = ["# Written by 'congruence init'. Run it with:", "#   congruence cluster --config THIS_FILE --out DIR", "#"]  # fmt: skip
    head += [
        f"# {r.name}: {r.files} files, {'about ' if r.estimated else ''}{r.rows} rows"
        for r in overview.runs
    ]
    head += [
        f"# {m.name}: residues {m.residues[0]}-{m.residues[1]}, {m.beads} beads"
        + ("" if m.copies == (-1,) else f", copies {', '.join(map(str, m.copies))}")
        + ("" if m.state < 0 else f", state {m.state}")
        for m in overview.molecules
    ]
    return "\n".join([*head, "", toml_text(config, comments=True)])
