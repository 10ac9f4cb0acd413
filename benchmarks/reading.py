"""
RMF3 files to arrays, beside fastavro.

fastavro decodes one record after the other, and what it gives goes to the same
arrays; numpy composes the rigid motions of all frames at once. The peer is
helped: nodes, keys and owners of beads are given to it. What congruence knows of
files seen before is forgotten before every repeat.
"""

from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import sample
from benchmarks.measure import Job, Row, interleaved
from congruence.io.rmf import index, open_rmf, static
from congruence.io.rmf.values import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from congruence.io.rmf import RmfFile

_CHUNK = 64
FIELDS = {
    "coordinates": ("vector3_data", ("x", "y", "z")),
    "translation": ("vector3_data", ("x", "y", "z")),
    "rotation": ("vector4_data", ("w", "x", "y", "z")),
}


def forget() -> None:
    """Forget what was learned from files read before."""
    static._parts.clear()
    static._models.clear()
    index._stores.clear()


def opened(path: Path) -> RmfFile:
    """Open a file anew and index it."""
    forget()
    file = open_rmf(path)
    file.topology(1)
    return file


@dataclass(frozen=True)
class Known:
    """What the peer is told of a file: columns of nodes, keys, static values, rigid frames."""

    columns: dict[str, dict[int, int]]
    keys: dict[str, int]
    start: dict[str, np.ndarray]
    owner: np.ndarray

    @classmethod
    def of(cls, path: Path) -> Known:
        file = opened(path)
        beads = file._read_beads(1, None, 0)
        around = beads._frames(
            file._values.templates([*file._index.frames().values()], "vector3_data"), file._values
        )
        nodes = {"coordinates": beads.columns.nodes, "translation": around.plan.nodes}
        nodes["rotation"] = around.plan.nodes
        owner = np.full(len(beads.columns), -1)
        owner[around.plan.moved] = around.plan.owner
        start = {"coordinates": beads._local, "translation": around.translation}
        start["rotation"] = around.rotation
        return cls(
            columns={k: {int(n): i for i, n in enumerate(v)} for k, v in nodes.items()},
            keys={k: file._tables.find("physics", k, f)[0].id for k, (f, _) in FIELDS.items()},
            start=start,
            owner=owner,
        )

    def of_frames(self, path: Path) -> Known:
        """Keep only the nodes that frames hold values of: what frame sections are."""
        held: dict[str, set[int]] = {name: set() for name in FIELDS}
        for record in records(path):
            for name, (field, _) in FIELDS.items():
                for section in record["data"].get(field, []):
                    if section["key"] == self.keys[name]:
                        held[name].update(v["id"] for v in section["values"])
        columns = {
            name: {node: i for i, node in enumerate(n for n in nodes if n in held[name])}
            for name, nodes in self.columns.items()
        }
        start = {
            name: self.start[name][[self.columns[name][node] for node in nodes]]
            for name, nodes in columns.items()
        }
        return Known(columns, self.keys, start, self.owner)

    def arrays(self, frames: int) -> dict[str, np.ndarray]:
        return {k: np.repeat(v[None], frames, axis=0) for k, v in self.start.items()}


def sections(file: RmfFile, known: Known) -> dict[str, np.ndarray]:
    """Read the three sections of all frames with congruence."""
    frames = [*file._index.frames().values()]
    out = known.arrays(len(frames))
    for name, array in out.items():
        keys = file._tables.find("physics", name, FIELDS[name][0])
        columns = Columns(np.array([*known.columns[name]]))
        # In chunks that stay in the cache, as the reader does.
        for at in range(0, len(frames), _CHUNK):
            part = slice(at, at + _CHUNK)
            file._values.fill(array[part], frames[part], keys, columns)
    return out


def records(path: Path) -> Any:
    """Open a file with fastavro and step over the static record."""
    import fastavro

    reader = fastavro.reader(io.BytesIO(path.read_bytes()))
    next(reader)
    return reader


def decoded(reader: Iterable[Any], known: Known, frames: int) -> dict[str, np.ndarray]:
    """Take the same from records of fastavro."""
    out = known.arrays(frames)
    at = 0
    for record in reader:
        if "producer" in record["info"]:
            continue
        for name, (field, letters) in FIELDS.items():
            for section in record["data"][field]:
                if section["key"] == known.keys[name]:
                    _take(out[name][at], section["values"], known.columns[name], letters)
        at += 1
    return out


def _take(out: np.ndarray, values: list[Any], columns: dict[int, int], letters: Any) -> None:
    found = [
        (columns[v["id"]], *(v["value"][c] for c in letters)) for v in values if v["id"] in columns
    ]
    if found:
        table = np.array(found)
        out[table[:, 0].astype(int)] = table[:, 1:]


def composed(parts: dict[str, np.ndarray], owner: np.ndarray) -> np.ndarray:
    """Bring local coordinates to global ones."""
    xyz, moved = parts["coordinates"], np.flatnonzero(owner >= 0)
    if len(moved):
        q = parts["rotation"] / np.linalg.norm(parts["rotation"], axis=2, keepdims=True)
        w, u = q[:, owner[moved], :1], q[:, owner[moved], 1:]
        v = xyz[:, moved]
        turned = v + 2 * w * np.cross(u, v) + 2 * np.cross(u, np.cross(u, v))
        xyz[:, moved] = turned + parts["translation"][:, owner[moved]]
    return xyz


def single_files(path: Path, count: int) -> list[Path]:
    """Write frames as files of their own."""
    from congruence.io.rmf.clone import MemberWriter

    folder = path.parent / "single"
    folder.mkdir(exist_ok=True)
    writer = MemberWriter(open_rmf(path))
    paths = [folder / f"{i}.rmf3" for i in range(count)]
    for i, single in enumerate(paths):
        writer.write(i, single)
    return paths


def _read_all(paths: list[Path]) -> np.ndarray:
    return np.concatenate([open_rmf(p).coordinates() for p in paths])


def _decode_all(paths: list[Path], known: Known) -> np.ndarray:
    return np.concatenate([composed(decoded(records(p), known, 1), known.owner) for p in paths])


def rows(quick: bool) -> list[Row]:
    """Measure files of rigid bodies, of flexible beads, and of single frames."""
    models, repeats, singles = (40, 1, 4) if quick else (2000, 3, 300)
    out = []
    for kind, residues in (("rigid", 250), ("flexible", 500)):
        path = sample.rmf(kind, models, 25 if quick else residues)
        out += _whole_file(path, f"{kind} beads", models, repeats)
    paths = single_files(path, singles)
    known = Known.of(paths[0])
    assert np.abs(_read_all(paths[:2]) - _decode_all(paths[:2], known)).max() < 1e-3
    spent = interleaved(
        {
            "ours": Job(lambda _: _read_all(paths), lambda: forget() or True),
            "fastavro": Job(lambda: _decode_all(paths, known)),
        },
        repeats,
    )
    size = sum(p.stat().st_size for p in paths)
    note = f"{singles} files, {size / 1e6:.0f} MB; aim 15 times"
    out.append(
        Row("coordinates of single-frame files", spent["ours"], "fastavro", spent["fastavro"], note)
    )
    several = copies(sample.rmf("flexible", models, 25 if quick else 500), 4)
    out.append(_by_threads("4 files of flexible beads", several, repeats))
    out.append(_by_threads("single-frame files", paths, repeats))
    return out


def copies(path: Path, count: int) -> list[Path]:
    """Copy a file."""
    made = [path.with_name(f"copy{i}.rmf3") for i in range(count)]
    for copy in made:
        shutil.copy(path, copy)
    return made


def _by_threads(what: str, paths: list[Path], repeats: int) -> Row:
    """Read whole files by one thread, which is called the peer, and by two."""

    def read(threads: int) -> None:
        with ThreadPoolExecutor(threads) as workers:
            for _ in workers.map(lambda p: open_rmf(p).coordinates(), paths):
                pass

    jobs = {n: Job(partial(lambda n, _: read(n), n), lambda: forget() or True) for n in (1, 2)}
    spent = interleaved({str(n): job for n, job in jobs.items()}, repeats)
    size = sum(p.stat().st_size for p in paths) / 1e6
    note = f"{len(paths)} files, {size:.0f} MB; the ratio in brackets says what a second core gives"
    return Row(f"coordinates of {what}, 2 threads", spent["2"], "1 thread", spent["1"], note)


def _whole_file(path: Path, kind: str, frames: int, repeats: int) -> list[Row]:
    known = Known.of(path)
    held = known.of_frames(path)
    ours, theirs = sections(opened(path), held), decoded(records(path), held, frames)
    assert all(np.array_equal(ours[k], theirs[k]) for k in FIELDS)
    spent = interleaved(
        {
            "sections": Job(lambda file: sections(file, held), lambda: opened(path)),
            "decoded": Job(lambda r: decoded(r, held, frames), lambda: records(path)),
            "global": Job(lambda _: open_rmf(path).coordinates(), lambda: forget() or True),
            "composed": Job(lambda: composed(decoded(records(path), known, frames), known.owner)),
        },
        repeats,
    )
    beads = len(known.owner)
    size = path.stat().st_size / 1e6
    rate = size / max(spent["sections"].cpu, 1e-9)
    about = f"{frames} frames of {beads} {kind}, {size:.0f} MB"
    return [
        Row(
            f"frame sections to arrays, {kind}",
            spent["sections"],
            "fastavro",
            spent["decoded"],
            f"{about}, {rate:.0f} MB/s a core; aims 40 times, 300 MB/s a core",
        ),
        Row(
            f"global coordinates with opening, {kind}",
            spent["global"],
            "fastavro + numpy",
            spent["composed"],
            f"{about}; aim 10 times",
        ),
    ]
