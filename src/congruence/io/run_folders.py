"""From what a user names to runs, segments and replicas, in an order of their own."""

from __future__ import annotations

import glob
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from congruence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Replica", "Run", "Segment", "find_runs", "natural_key", "rmf_files"]

_STAT = re.compile(r"stat\.(\d+)\.out")
_INITIAL = re.compile(r"initial\.\d+\.rmf3?")
_GROUP = re.compile(r"([^=/\\]+)=(.+)")
_RMF_SUFFIXES = (".rmf3", ".rmf")
_DEPTH = 2
_HINT = (
    "Name an output folder of PMI (it holds stat.N.out files and a folder rmfs), a folder of such runs, "
    "a pattern, stat or RMF files, or restarted segments as NAME=FOLDER,FOLDER."
)


@dataclass(frozen=True, slots=True)
class Replica:
    """
    One file with rows of scores.

    Parameters
    ----------
    index : int
        Number of the replica (the process, not a temperature).
    path : str
        A stat file, or an RMF file whose frames carry their scores.
    kind : str
        ``"stat"`` or ``"rmf"``.
    """

    index: int
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One output folder: a run, or a part of it between two restarts.

    Parameters
    ----------
    folder : str
        The output folder.
    replicas : tuple of Replica
        By number.
    """

    folder: str
    replicas: tuple[Replica, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """
    One sampling trajectory.

    Parameters
    ----------
    name : str
        Short and unique among the runs found together.
    segments : tuple of Segment
        Output folders, in the order of the sampling; mostly one.
    """

    name: str
    segments: tuple[Segment, ...]

    @property
    def replicas(self) -> tuple[tuple[int, tuple[Replica, ...]], ...]:
        """Number of each replica and its files, one per segment that has it."""
        found: dict[int, list[Replica]] = {}
        for segment in self.segments:
            for replica in segment.replicas:
                found.setdefault(replica.index, []).append(replica)
        return tuple((i, tuple(found[i])) for i in sorted(found))


_Group: TypeAlias = tuple[str, tuple[Segment, ...]]


def natural_key(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """
    Return a key that sorts numbers inside names as numbers.

    Parameters
    ----------
    text : str
        A name or path.

    Returns
    -------
    key : tuple
        Equal only for equal texts.

    Examples
    --------
    >>> sorted(["run10", "run2", "run1"], key=natural_key)
    ['run1', 'run2', 'run10']
    """
    parts = re.split(r"([0-9]+)", text)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts), text


def find_runs(
    specs: Sequence[str | Path], *, named: Mapping[str, Sequence[str | Path]] | None = None
) -> tuple[Run, ...]:
    """
    Find sampling runs.

    Parameters
    ----------
    specs : sequence of str or Path
        Each is an output folder (``stat.N.out`` files, or a folder ``rmfs``),
        a folder whose sub-folder ``output`` is one, a folder that holds
        several of these one or two levels down, a folder of RMF files, a
        pattern, a stat or RMF file (files of one folder make one run), or
        ``NAME=FOLDER,FOLDER``: segments of one run that was restarted.
    named : mapping of str to sequence, optional
        Further restarted runs: name to folders, in order.

    Returns
    -------
    runs : tuple of Run
        In the order of `specs`, and in natural order within one. What is
        named twice is taken once.

    Raises
    ------
    InputError
        If a spec leads to no run, or a name is used twice.

    Notes
    -----
    In a folder with stat files, RMF files are not looked for: the rows say
    where they are. Hidden folders are not entered.
    """
    groups: list[_Group] = []
    for spec in specs:
        group = _as_group(str(spec))
        if group:
            groups.append((group[0], _group_segments(*group)))
        else:
            groups += [("", (segment,)) for segment in _expand(spec)]
    for name, parts in (named or {}).items():
        groups.append((name, _group_segments(name, parts)))
    return _name(_merged(groups))


def _as_group(spec: str) -> tuple[str, list[str | Path]] | None:
    match = _GROUP.fullmatch(spec)
    if match is None or Path(spec).exists():
        return None
    parts: list[str | Path] = [p.strip() for p in match[2].split(",") if p.strip()]
    return match[1].strip(), parts


def _group_segments(name: str, parts: Sequence[str | Path]) -> tuple[Segment, ...]:
    segments = []
    for part in parts:
        found = _expand(part)
        if len(found) != 1:
            raise InputError(
                f"segment '{part}' of run '{name}' holds {len(found)} runs, expected 1: "
                + ", ".join(s.folder for s in found[:4]),
                hint="Name the output folder of each segment, in the order of the sampling.",
            )
        segments += found
    if not segments:
        raise InputError(f"run '{name}' has no segments", hint=_HINT)
    return tuple(segments)


def _expand(spec: str | Path) -> list[Segment]:
    path = Path(spec)
    if path.is_dir():
        segments = list(_segments(path, _DEPTH))
        if not segments and (bare := _rmf_replicas(path)):
            segments = [Segment(_home(path), bare)]
    elif path.exists():
        segments = [_file_segment(path)]
    else:
        segments = _expand_pattern(str(spec))
    if not segments:
        raise InputError(f"no run found in {path}: {_contents(path)}", hint=_HINT)
    return segments


def _expand_pattern(spec: str) -> list[Segment]:
    matches = sorted(glob.glob(spec), key=natural_key)  # noqa: PTH207 - absolute patterns too
    if not matches:
        pattern = glob.has_magic(spec)
        raise InputError(
            f"the pattern {spec} matches nothing" if pattern else f"{spec} does not exist",
            hint=_HINT,
        )
    segments = [segment for match in matches for segment in _expand_match(Path(match))]
    if not segments:
        raise InputError(f"no run found in the {len(matches)} matches of {spec}", hint=_HINT)
    return segments


def _expand_match(path: Path) -> list[Segment]:
    """Expand a match of a pattern; one that is no run is no error."""
    name = path.name
    is_stat = (
        name.startswith("stat") and path.suffix == ".out" and not name.startswith("stat_replica")
    )
    is_rmf = path.suffix in _RMF_SUFFIXES and not _INITIAL.fullmatch(name)
    try:
        return _expand(path) if path.is_dir() or is_stat or is_rmf else []
    except InputError:
        return []


def _contents(path: Path) -> str:
    try:
        names = sorted((p.name for p in path.iterdir()), key=natural_key)
    except OSError as problem:
        return f"it cannot be listed ({problem.strerror or problem})"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"it holds {', '.join(names[:6])}{more}" if names else "it is empty"


def _segments(folder: Path, depth: int) -> Iterator[Segment]:
    """Yield the output folders in a folder, not looking into those found."""
    for candidate in (folder, folder / "output"):
        replicas = _stat_replicas(candidate) or _rmf_replicas(candidate / "rmfs")
        if replicas:
            yield Segment(str(candidate), replicas)
            return
    if depth:
        for child in _listed(folder):
            if child.is_dir() and not child.name.startswith("."):
                yield from _segments(child, depth - 1)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda p: natural_key(p.name))
    except OSError:
        return []


def _stat_replicas(folder: Path) -> tuple[Replica, ...]:
    found = [(m, p) for p in _listed(folder) if (m := _STAT.fullmatch(p.name))]
    return tuple(Replica(int(m[1]), str(p), "stat") for m, p in found)


def _rmf_replicas(folder: Path) -> tuple[Replica, ...]:
    files = [p for p in _listed(folder) if p.suffix in _RMF_SUFFIXES and p.is_file()]
    return _numbered([p for p in files if not _INITIAL.fullmatch(p.name)])


def rmf_files(folder: Path) -> tuple[tuple[int, str], ...]:
    """
    List the RMF files of a folder whose names are numbers.

    Parameters
    ----------
    folder : Path
        Mostly the folder ``rmfs`` of a run.

    Returns
    -------
    files : tuple of (int, str)
        Number and path, in natural order.
    """
    files = [p for p in _listed(folder) if p.suffix in _RMF_SUFFIXES]
    return tuple((int(p.stem), str(p)) for p in files if p.stem.isdecimal())


def _numbered(files: Sequence[Path]) -> tuple[Replica, ...]:
    """Give RMF files the numbers of their names if these are distinct, else of their order."""
    by_name = [int(p.stem) for p in files if p.stem.isdecimal()]
    numbers = by_name if len(set(by_name)) == len(files) else range(len(files))
    return tuple(Replica(i, str(p), "rmf") for i, p in zip(numbers, files, strict=True))


def _home(folder: Path) -> str:
    """Return the output folder of a folder of RMF files."""
    return str(folder.parent if folder.name == "rmfs" else folder)


def _file_segment(path: Path) -> Segment:
    folder = path.parent
    if path.suffix in _RMF_SUFFIXES:
        return Segment(_home(folder), _numbered([path]))
    match = _STAT.fullmatch(path.name)
    return Segment(str(folder), (Replica(int(match[1]) if match else 0, str(path), "stat"),))


def _merged(groups: Sequence[_Group]) -> list[_Group]:
    """Join files of one folder into one segment, and drop what was named before."""
    claimed = [_folder_key(s) for name, segments in groups if name for s in segments]
    for name, segments in groups:
        shared = [s.folder for s in segments if name and claimed.count(_folder_key(s)) > 1]
        if shared:
            raise InputError(
                f"folder {shared[0]} is a segment more than once (run '{name}')",
                hint="Name each folder in one restarted run only.",
            )
    seen: dict[str, list[Segment]] = {}
    order: list[tuple[str, list[str]]] = []
    for name, segments in groups:
        keys = [_folder_key(s) for s in segments]
        if not name and keys[0] in claimed:
            continue
        fresh = [k for k in keys if k not in seen]
        for key, segment in zip(keys, segments, strict=True):
            seen.setdefault(key, []).append(segment)
        if fresh:
            order.append((name, fresh))
    return [(name, tuple(_joined(seen[key]) for key in keys)) for name, keys in order]


def _folder_key(segment: Segment) -> str:
    return str(Path(segment.folder).resolve())


def _joined(segments: list[Segment]) -> Segment:
    by_path = {str(Path(r.path).resolve()): r for s in reversed(segments) for r in s.replicas}
    # rows of stat files say where their RMF files are: taking both would double the models
    chosen = [r for r in by_path.values() if r.kind == "stat"] or list(by_path.values())
    replicas = sorted(chosen, key=lambda r: (r.index, natural_key(r.path)))
    if len({r.index for r in replicas}) < len(replicas):
        replicas = [Replica(i, r.path, r.kind) for i, r in enumerate(replicas)]
    return Segment(segments[0].folder, tuple(replicas))


def _name(groups: list[_Group]) -> tuple[Run, ...]:
    given = [name for name, _ in groups if name]
    twice = sorted({n for n in given if given.count(n) > 1})
    if twice:
        raise InputError(
            f"run name '{twice[0]}' is used {given.count(twice[0])} times",
            hint="Give each restarted run a name of its own.",
        )
    unnamed = [_parts(segments[0].folder) for name, segments in groups if not name]
    short = iter(_short_names(unnamed, given))
    return tuple(Run(name or next(short), segments) for name, segments in groups)


def _parts(folder: str) -> tuple[str, ...]:
    parts = Path(folder).resolve().parts[1:]
    while len(parts) > 1 and parts[-1] in ("output", "rmfs"):
        parts = parts[:-1]
    return parts or ("run",)


def _short_names(folders: Sequence[tuple[str, ...]], given: Sequence[str]) -> list[str]:
    """Name folders by their last part, and as many parents as tell them apart."""
    depth = [1] * len(folders)
    while True:
        names = ["-".join(p[-d:]) for p, d in zip(folders, depth, strict=True)]
        count = Counter([*names, *given])
        deeper = [i for i, p in enumerate(folders) if count[names[i]] > 1 and depth[i] < len(p)]
        if not deeper:
            break
        for i in deeper:
            depth[i] += 1
    taken = set(given)
    for i, name in enumerate(names):
        number = 2
        while names[i] in taken:
            names[i] = f"{name}-{number}"
            number += 1
        taken.add(names[i])
    return names
