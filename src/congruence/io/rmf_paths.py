"""Where the coordinates of a stat row are: from the stored text to a file that exists."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RULES", "ResolvedRmf", "resolve_rmf"]

RULES = {
    "beside": "the last two parts of the stored path, beside the stat file",
    "parent": "the stored path, relative to the folder above the stat file's",
    "stored": "the stored path as it is",
    "rmfs": "the file's name in the rmfs folder beside the stat file",
    "none": "no such file was found",
}
"""What each rule of `resolve_rmf` means."""


@dataclass(frozen=True, slots=True)
class ResolvedRmf:
    """
    The file that a stored ``rmf_file`` stands for.

    Parameters
    ----------
    path : str or None
        A file that exists, or None.
    rule : str
        Key of `RULES` that found it; ``"none"`` without a file.
    """

    path: str | None
    rule: str


def resolve_rmf(stat_path: str | Path, rmf_file: str) -> ResolvedRmf:
    """
    Find the RMF file that a row of a stat file names.

    The stored text is relative to the folder in which the sampling was
    started, or absolute on another machine. The rules of `RULES` are tried in
    their order, and the first that leads to an existing file holds.

    Parameters
    ----------
    stat_path : str or Path
        The stat file. (A row read from an RMF file needs no resolution.)
    rmf_file : str
        Text of the column ``rmf_file``.

    Returns
    -------
    resolved : ResolvedRmf
        The path begins as `stat_path` does: it is relative when that is.
    """
    stored = rmf_file.strip()
    if not stored or "\x00" in stored:
        return ResolvedRmf(None, "none")
    for rule, candidate in _candidates(os.path.dirname(stat_path), stored):  # noqa: PTH120
        path = os.path.normpath(candidate)
        if os.path.isfile(path):  # noqa: PTH113 - text paths keep the stored form
            return ResolvedRmf(path, rule)
    return ResolvedRmf(None, "none")


def _candidates(root: str, stored: str) -> Iterator[tuple[str, str]]:
    path = os.path.normpath(stored.replace("\\", "/"))
    folder, name = os.path.split(path)
    if os.path.abspath(root) in path:  # noqa: PTH100
        yield "beside", path
    else:
        yield "beside", os.path.join(root, os.path.basename(folder), name)  # noqa: PTH118, PTH119
    yield "parent", os.path.join(root, os.pardir, path)  # noqa: PTH118
    yield "stored", path
    yield "rmfs", os.path.join(root, "rmfs", name)  # noqa: PTH118
