"""Members of clusters, superposed and relabelled as their run did, from what it wrote."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.ensemble import Ensemble
from congruence.core.placement import PlacedModels
from congruence.core.results import Alignment
from congruence.core.sources import ArraySource
from congruence.errors import ConfigError, FormatError, InputError
from congruence.workflow.config import ClusterConfig, load_config
from congruence.workflow.folder import RUN_JSON, listed_files
from congruence.workflow.frames import FramePool, read_coordinates
from congruence.workflow.spread import MemberSet, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from congruence.core.models import ModelTable
    from congruence.core.results import DistanceMatrix
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray

__all__ = ["read_sets"]


def read_sets(
    paths: Sequence[Path],
    options: dict[str, Any],
    *,
    alignment_needed: bool = True,
    pool: FramePool | None = None,
    engine: str = "local",
) -> tuple[list[MemberSet], Spread]:
    """
    Read the members of clusters.

    Parameters
    ----------
    paths : sequence of Path
        Result folders (all their clusters), or folders of clusters: of a
        result folder, or any folder with ``0.rmf3``, ``1.rmf3``, ...
    options : dict
        What shall differ from the run: ``align``, ``align_on``, ``rmsd``,
        ``weights``, ``copies``, ``resolution``, ``state``. `align` is needed
        where no run says it.
    alignment_needed : bool
        Whether it is an error when the alignment is not known; else members
        are taken as they are.
    pool : FramePool, optional
        Open files to share.
    engine : str
        ``"local"``, or the Dask cluster whose workers read.

    Returns
    -------
    sets : list of MemberSet
        One per cluster, in the order given.
    spread : Spread
        How they are compared.

    Raises
    ------
    InputError
        If a folder holds no members, or the clusters differ in topology.
    ConfigError
        If the alignment is not known.
    """
    read = _Reader(pool or FramePool(), engine)
    folders = [folder for path in paths for folder in _cluster_folders(path)]
    configs = [_run_config(folder) for folder in folders]
    config = _agreed(folders, configs, options)
    if config.align is None and alignment_needed:
        raise ConfigError(
            f"how the members of {folders[0]} were superposed is not known (--align)",
            hint="Say --align none when they are compared as they are, as IMP's Precision does; "
            "'superpose' or 'center' to bring each pair together first.",
        )
    from congruence.io.matrix import load_matrix
    from congruence.io.matrix_absent import is_absent

    own = dict.fromkeys(f.parent for f, c in zip(folders, configs, strict=True) if c is not None)
    matrices = {parent: None if is_absent(parent) else load_matrix(parent) for parent in own}
    # Where it is not needed, models are taken as they are.
    alignment = Alignment(config.align or "none")
    sets = [
        _own_set(folder, config, read, matrices[folder.parent])
        if folder.parent in matrices
        else _set(folder, config, read)
        for folder in folders
    ]
    _same_topology(sets)
    spread = Spread(
        alignment,
        config.rmsd,
        config.align_on,
        config.weights,
        config.copies,
    )
    if any(known is not None and _differs(known, config) for known in configs):
        sets = [replace(s, matrix=None) for s in sets]
    return sets, spread


def _differs(own: ClusterConfig, config: ClusterConfig) -> bool:
    names = ("align", "align_on", "rmsd", "weights", "copies", "swaps", "resolution", "state")
    return any(getattr(own, name) != getattr(config, name) for name in names)


def _cluster_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise InputError(
            f"there is no folder {path}",
            hint="Give a result folder of congruence, or folders of clusters with 0.rmf3, 1.rmf3 ...",
        )
    if (path / "0.rmf3").is_file() or path.name.startswith("cluster."):
        return [path]
    found = [p for p in path.glob("cluster.*") if p.is_dir() and p.suffix[1:].isdecimal()]
    if not found:
        raise InputError(
            f"{path} holds no clusters",
            hint="Give a result folder of congruence, or folders of clusters with 0.rmf3, 1.rmf3 ...",
        )
    return sorted(found, key=lambda p: int(p.suffix[1:]))


def _run_config(folder: Path) -> ClusterConfig | None:
    parent = folder.parent
    if listed_files(parent) is None or not (parent / "config.toml").is_file():
        return None
    path = parent / "config.toml"
    return ClusterConfig.checked(load_config(path), where=str(path))


def _agreed(
    folders: Sequence[Path], configs: Sequence[ClusterConfig | None], options: dict[str, Any]
) -> ClusterConfig:
    known = [c for c in configs if c is not None]
    base = known[0] if known else ClusterConfig()
    for folder, config in zip(folders, configs, strict=True):
        if config is not None and _differs(base, config) and "align" not in options:
            raise ConfigError(
                f"{folder} and {folders[0]} are of runs that compared models in different ways",
                hint="Say how to compare them with --align and --align-on.",
            )
    if options.get("align") == "none" and "align_on" not in options:
        options = {**options, "align_on": ()}
    return ClusterConfig.checked({**base.model_dump(), **options}, where="the options")


@dataclass(frozen=True)
class _Reader:
    """What reads frames."""

    pool: FramePool
    engine: str

    def first_frames(
        self, paths: Sequence[str], config: ClusterConfig, where: Path
    ) -> tuple[FloatArray, Topology]:
        """Read one model from each file."""
        how: dict[str, Any] = {
            "resolution": config.resolution,
            "state": None if config.state == "all" else config.state,
        }
        first = self.pool.get(paths[0]).topology(**how)
        points = np.empty((len(paths), len(first), 3))
        if self.engine == "local":
            for at, path in enumerate(paths):
                file = self.pool.get(path)
                _same_beads(first, file.topology(**how), where)
                points[at] = file.coordinates([0], **how)[0]
            return points, first
        from congruence.workflow.dask_steps import read_files

        def put(start: int, block: FloatArray) -> None:
            points[start : start + len(block)] = block

        files = [(path, (0,)) for path in paths]
        _, stopped = read_files(
            self.engine, files, len(first), **how, put=put, advance=lambda done: None
        )
        if stopped:
            # What is wrong with the file is found and told as on one machine.
            _same_beads(first, self.pool.get(stopped).topology(**how), where)
            raise InputError(
                f"Dask workers cannot read {stopped}, which this machine can",
                hint="Workers must see the clusters under the same paths and with the same rights.",
            )
        return points, first


def _same_beads(first: Topology, other: Topology, where: Path) -> None:
    if first.key != other.key:
        raise InputError(
            f"members of {where} differ in topology: {first.first_difference(other)}",
            hint="Compare models of one system.",
        )


def _set(folder: Path, config: ClusterConfig, read: _Reader) -> MemberSet:
    written = _written(folder)
    if not written:
        raise InputError(
            f"{folder} holds no members", hint="Members are 0.rmf3, 1.rmf3, ... in that folder."
        )
    coordinates, topology = _from_members(folder, written, config, read)
    frames = tuple((str(folder / f"{k}.rmf3"), 0) for k in written)
    runs = _runs_of_stat(folder / "stat.out", written)
    return MemberSet(str(folder), ArraySource(coordinates), topology, frames, runs, folder=folder)


def _written(folder: Path) -> list[int]:
    return sorted(int(p.stem) for p in folder.glob("*.rmf3") if p.stem.isdecimal())


def _from_members(
    folder: Path, members: Iterable[int], config: ClusterConfig, read: _Reader
) -> tuple[FloatArray, Topology]:
    paths = [str(folder / f"{k}.rmf3") for k in members]
    points, topology = read.first_frames(paths, config, folder)
    return points, topology.with_units(config.swaps)


def _runs_of_stat(path: Path, members: Sequence[int]) -> tuple[str, ...]:
    """Tell the run of each member by the folder of its RMF file; nothing when not known."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [ast.literal_eval(lines[k]) for k in members]
        names = [str(row.get("rmf_file_full_path") or row["rmf_file"]) for row in rows]
    except (OSError, ValueError, SyntaxError, IndexError, KeyError, AttributeError):
        return ()
    return tuple(name.replace("//", "/").rpartition("/rmfs/")[0] for name in names)


def _own_set(
    folder: Path, config: ClusterConfig, read: _Reader, matrix: DistanceMatrix | None
) -> MemberSet:
    from congruence.io.store import read_csv, read_json
    from congruence.workflow.saved import read_models

    parent = folder.parent
    record = read_json(parent / RUN_JSON)
    table = read_models(parent / "models.csv", str(record.get("score", "")))
    columns = read_csv(parent / "models.csv")
    label = folder.suffix[1:]
    rows = [i for i, c in enumerate(columns["cluster"]) if c == label]
    try:
        rows.sort(key=lambda i: int(columns["member"][i]))
    except ValueError as error:
        raise FormatError(
            f"holds no order of members: {error}", path=parent / "models.csv"
        ) from error
    if not rows:
        raise InputError(f"{parent} has no cluster {label}", hint="Its models.csv lists them.")
    members, written = np.array(rows, dtype=np.int64), _written(folder)
    part = table.take(members)
    if written == list(range(len(members))):
        coordinates, topology = _from_members(folder, written, config, read)
    else:
        coordinates, topology = _placed(part, config, read, folder)
    return MemberSet(
        f"cluster.{label}",
        ArraySource(coordinates),
        topology,
        tuple(zip(map(str, part.file), map(int, part.frame), strict=True)),
        tuple(map(str, part.run)),
        matrix,
        members,
        folder,
    )


def _placed(
    table: ModelTable, config: ClusterConfig, read: _Reader, folder: Path
) -> tuple[FloatArray, Topology]:
    """Read members from the files of the sampling and lay them on the first again."""
    from congruence.compute.rmsd import place
    from congruence.workflow.job import job_metric

    try:
        coordinates, topology = read_coordinates(
            read.pool,
            table,
            resolution=config.resolution,
            state=config.state,
            engine=read.engine,
        )
    except InputError as error:
        raise InputError(
            f"not all members of {folder} were written, and those of the sampling cannot be read: "
            f"{error.message}",
            hint="Run this in the folder where 'congruence cluster' ran, or cluster again with "
            "--members all.",
        ) from error
    topology = topology.with_units(config.swaps)
    ensemble = Ensemble(coordinates, topology, table)
    every = np.arange(len(table))
    placements = place(ensemble, every, 0, job_metric(config))
    placed = PlacedModels(ensemble, every, placements, topology.copy_groups())
    return placed.read(0, len(table)), topology


def _same_topology(sets: Sequence[MemberSet]) -> None:
    for other in sets[1:]:
        if other.topology.key != sets[0].topology.key:
            raise InputError(
                f"{sets[0].name} and {other.name} differ in topology: "
                f"{sets[0].topology.first_difference(other.topology)}",
                hint="Compare clusters of one system.",
            )
