"""What an earlier run of the sampling exhaustiveness protocol found, read from its files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from congruence.errors import FormatError, InputError
from congruence.io.sampcon import read_members, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Published", "read_published"]


@dataclass(frozen=True)
class Published:
    """
    Numbers of an earlier run of the protocol, as far as its files are there.

    Parameters
    ----------
    name : str
        Name of the system.
    grid : tuple of (float, float, float, float)
        Threshold, p, V and coverage of each row.
    sampling : tuple of float
        Sampling precision, p, V, coverage; three decimals.
    populations : tuple of (int, int)
        Models of A and B of each cluster.
    precisions : tuple of float
        Precision of each cluster in Å; three decimals.
    members : dict of int to tuple of int
        Members of each cluster.
    """

    name: str
    grid: tuple[tuple[float, ...], ...] = ()
    sampling: tuple[float, ...] = ()
    populations: tuple[tuple[int, int], ...] = ()
    precisions: tuple[float, ...] = ()
    members: dict[int, tuple[int, ...]] = field(default_factory=dict)


def read_published(folder: Path) -> Published:
    """
    Read what an earlier run of the protocol found.

    Parameters
    ----------
    folder : Path
        Holds ``NAME.ChiSquare_Grid_Stats.txt`` and the files beside it.

    Returns
    -------
    published : Published
        What the files say; what is missing is empty.

    Raises
    ------
    InputError
        If there is no such file, or there are several names.
    FormatError
        If a file does not have its format.
    """
    ending = ".ChiSquare_Grid_Stats.txt"
    names = sorted(p.name.removesuffix(ending) for p in folder.glob(f"*{ending}"))
    if len(names) != 1:
        raise InputError(
            f"{folder} holds {len(names)} files *{ending}, expected one"
            + (f": {', '.join(names[:4])}" if names else ""),
            hint="Give the folder with the output of the sampling exhaustiveness protocol.",
        )
    stem = folder / names[0]

    def table(part: str) -> Iterator[tuple[float, ...]]:
        path = stem.with_name(f"{names[0]}.{part}.txt")
        return _table(path) if path.exists() else iter(())

    members = {}
    for path in sorted(folder.glob("cluster.*.all.txt")):
        number = path.name.split(".")[1]
        if number.isdigit():
            members[int(number)] = tuple(read_members(path).tolist())
    return Published(
        names[0],
        tuple(table("ChiSquare_Grid_Stats")),
        _third_line(stem.with_name(f"{names[0]}.Sampling_Precision_Stats.txt")),
        tuple((int(a), int(b)) for _, a, b in table("Cluster_Population")),
        _sentences(stem.with_name(f"{names[0]}.Cluster_Precision.txt")),
        members,
    )


def _table(path: Path) -> Iterator[tuple[float, ...]]:
    for number, line in enumerate(text_lines(path), start=1):
        try:
            yield tuple(float(word) for word in line.split())
        except ValueError:
            raise FormatError(
                f"{line[:60]!r} is no row of numbers", path=path, location=f"line {number}"
            ) from None


def _third_line(path: Path) -> tuple[float, ...]:
    if not path.exists():
        return ()
    lines = text_lines(path)
    try:
        return tuple(float(word) for word in lines[2].split())
    except (IndexError, ValueError):
        raise FormatError("has no numbers", path=path, location="line 3") from None


def _sentences(path: Path) -> tuple[float, ...]:
    if not path.exists():
        return ()
    found = []
    for number, line in enumerate(text_lines(path), start=1):
        match = re.search(r"(-?[\d.]+(?:e[-+]?\d+)?|nan) A\s*$", line)
        if match is None:
            raise FormatError("names no precision", path=path, location=f"line {number}")
        found.append(float(match[1]))
    return tuple(found)
