"""
Result folders that are written whole or not at all.

A job writes into ``OUT.partial`` beside ``OUT`` and moves it into place at the
end, so that nothing half written ever stands under a final name and an earlier
result stays as it was until the new one is complete.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from congruence.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RUN_JSON", "check_target", "listed_files", "result_folder"]

RUN_JSON = "run.json"
_MARKER = ".congruence-partial"


def listed_files(out: Path) -> tuple[str, ...] | None:
    """
    Read which files of a folder are ours.

    Parameters
    ----------
    out : Path
        A folder.

    Returns
    -------
    files : tuple of str or None
        Relative paths that its ``run.json`` lists, or None when there is no
        ``run.json`` of ours. Names that would leave the folder are ignored.
    """
    try:
        data = json.loads((out / RUN_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("program") != "congruence":
        return None
    files = [name for name in data.get("files", []) if isinstance(name, str)]
    inside = [n for n in files if not Path(n).is_absolute() and ".." not in Path(n).parts]
    return (*inside, RUN_JSON)


def check_target(out: Path, *, force: bool) -> None:
    """
    Refuse an output folder that cannot be used, before any work is done.

    Parameters
    ----------
    out : Path
        The folder to be written.
    force : bool
        Whether an earlier result of ours may be replaced.

    Raises
    ------
    OutputError
        If something stands there that must not be replaced, or the folder
        cannot be written.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise OutputError(
            f"the output {out} exists and is not a folder", hint="Give another folder with --out."
        )
    if out.is_dir() and any(out.iterdir()):
        ours = listed_files(out)
        if ours is None:
            raise OutputError(
                f"the output folder {out} is not empty and holds no {RUN_JSON} of congruence",
                hint="Give another folder with --out; --force replaces only what congruence wrote.",
            )
        if not force:
            raise OutputError(
                f"the output folder {out} holds an earlier result",
                hint="Use --force to replace it, or give another folder with --out.",
            )
    parent = _existing_parent(out.absolute().parent)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write in {parent}: permission denied",
            hint="Give a folder that you may write with --out.",
        )


def _existing_parent(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


@contextlib.contextmanager
def result_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """
    Give a folder to write in, and move it into place when all went well.

    Parameters
    ----------
    out : Path
        Where the result shall stand.
    force : bool
        Whether an earlier result of ours may be replaced; files of `out` that
        its ``run.json`` does not list stay.

    Yields
    ------
    partial : Path
        An empty folder beside `out`. It is removed when the block raises.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    """
    check_target(out, force=force)
    partial = out.with_name(f"{out.name}.partial")
    _clear_partial(partial)
    try:
        (partial / _MARKER).parent.mkdir(parents=True)
        (partial / _MARKER).touch()
        yield partial
        (partial / _MARKER).unlink()
        _move_into_place(partial, out)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise OutputError(
            f"cannot write the results to {out}: {error.strerror}",
            hint="Nothing was changed there. Free some space or give another folder with --out.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _clear_partial(partial: Path) -> None:
    """Remove what a killed job left; never anything that is not ours."""
    if not partial.exists():
        return
    if not (partial / _MARKER).is_file():
        raise OutputError(
            f"{partial} exists and was not written by congruence",
            hint="Results are written there first: move it away, or give another --out.",
        )
    shutil.rmtree(partial)


_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


def _move_into_place(partial: Path, out: Path) -> None:
    if not out.exists():
        partial.rename(out)
        return
    old = listed_files(out) or ()
    new = [p.relative_to(partial) for p in sorted(partial.rglob("*")) if p.is_file()]
    new.sort(key=lambda name: str(name) == RUN_JSON)  # what tells a whole result comes last
    strangers = [n for n in new if (out / n).exists() and str(n) not in old]
    if strangers:
        raise OutputError(
            f"{out / strangers[0]} exists and was not written by congruence",
            hint="Move it away, or give another folder with --out.",
        )
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as backup:
        replaced = [Path(name) for name in old if (out / name).is_file()]
        placed: list[Path] = []
        try:
            for name in replaced:
                _move(out / name, Path(backup) / name)
            for name in new:
                _move(partial / name, out / name)
                placed.append(name)
        except OSError:
            for name in placed:
                (out / name).unlink()
            for name in replaced:
                if (Path(backup) / name).exists():
                    _move(Path(backup) / name, out / name)
            raise
    _drop_empty_folders(out)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _drop_empty_folders(out: Path) -> None:
    for path in sorted((p for p in out.rglob("*") if p.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()
