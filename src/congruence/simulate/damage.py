"""Damage simulated runs as killed jobs and lost files do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    import os

__all__ = ["Damage", "damage_run"]

Damage: TypeAlias = Literal[
    "truncated_rmf", "unfinished_row", "broken_row", "header_only", "missing_rmf", "missing_stat"
]
"""What can happen to the files of a replica."""


def damage_run(run_dir: str | os.PathLike[str], damage: Damage, *, replica: int = 0) -> Path:
    """
    Damage the files of one replica of a simulated run.

    Parameters
    ----------
    run_dir : str or os.PathLike
        Folder of the run, such as ``out/run1``.
    damage : Damage
        ``"truncated_rmf"``: the RMF ends in the middle of a block, as when
        the job was killed; ``"unfinished_row"``: the last row of the stat
        file stops in its middle; ``"broken_row"``: a row in the middle is
        no dict; ``"header_only"``: the stat file has no rows;
        ``"missing_rmf"`` and ``"missing_stat"``: the file is not there.
    replica : int
        Which replica.

    Returns
    -------
    path : Path
        The file that was damaged.

    Raises
    ------
    ConfigError
        If there is no such damage.
    InputError
        If the file is not there.
    """
    if damage not in get_args(Damage):
        raise ConfigError(
            f"there is no damage '{damage}'", hint=f"One of {', '.join(get_args(Damage))}."
        )
    output = Path(run_dir) / "output"
    of_rmf = damage in ("truncated_rmf", "missing_rmf")
    path = output / "rmfs" / f"{replica}.rmf3" if of_rmf else output / f"stat.{replica}.out"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file to damage", hint="Give the folder of a simulated run."
        )
    if damage in ("missing_rmf", "missing_stat"):
        path.unlink()
        return path
    content = path.read_bytes()
    path.write_bytes(_truncated(content) if of_rmf else _damaged_rows(content, damage))
    return path


def _truncated(content: bytes) -> bytes:
    """Cut into the last tenth, well before the block that ends the file."""
    return content[: len(content) - max(40, len(content) // 10)]


def _damaged_rows(content: bytes, damage: Damage) -> bytes:
    lines = content.splitlines(keepends=True)
    if damage == "header_only":
        return lines[0]
    if damage == "unfinished_row":
        return b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2]
    middle = (len(lines) + 1) // 2
    lines[middle] = lines[middle][:40] + b"\n"
    return b"".join(lines)
