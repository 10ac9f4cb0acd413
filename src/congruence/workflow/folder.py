"""
Result folders that are written whole or not at all.

A job writes into ``OUT.partial`` beside ``OUT`` and moves it into place at the
end, so that nothing half written ever stands under a final name and an earlier
result stays as it was until the new one is complete. A job that is killed at any
moment leaves the earlier result, or one that the next job puts back.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["RUN_JSON", "check_target", "inputs_record", "listed_files", "result_folder"]

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


def inputs_record(
    names: Iterable[str], *, whole: bool = False, earlier: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """
    Name the content of the files that a job has read.

    Parameters
    ----------
    names : iterable of str
        Paths of the files; empty names are passed over.
    whole : bool
        Digest whole files and not only their ends.
    earlier : iterable of mapping
        Records that an earlier job made of files; kept for those not in `names`.

    Returns
    -------
    inputs : list of dict
        Path, size and digest, in the order of the paths.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    from congruence.io.store import file_key

    found: dict[str, dict[str, Any]] = {
        name: {"path": name, **file_key(Path(name), whole=whole)} for name in {*names} - {""}
    }
    kept = {str(entry["path"]): dict(entry) for entry in earlier if "path" in entry}
    together = kept | found
    return [together[name] for name in sorted(together)]


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
    if out.name in ("", ".."):
        raise OutputError(
            f"the output {out} has no name of its own",
            hint="Give a new folder, for example --out results.",
        )
    _recover(out)
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
    if not parent.is_dir():
        raise OutputError(
            f"the output {out} cannot be made: {parent} is a file",
            hint="Give another folder with --out.",
        )
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
    ours = (partial / _MARKER).is_file() or listed_files(partial) is not None
    if not ours and any(partial.iterdir()):
        raise OutputError(
            f"{partial} exists and was not written by congruence",
            hint="Results are written there first: move it away, or give another --out.",
        )
    shutil.rmtree(partial)


_DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY),
}


def _set_aside(out: Path) -> Path:
    """Return where an earlier result stands while the new one takes its place."""
    return out.with_name(f".{out.name}.congruence-earlier")


def _recover(out: Path) -> None:
    """Put back the earlier result of a job that was killed while replacing it."""
    earlier = _set_aside(out)
    if listed_files(earlier) is None:
        return
    if out.exists():
        shutil.rmtree(earlier, ignore_errors=True)
    else:
        earlier.rename(out)


def _move_into_place(partial: Path, out: Path) -> None:
    if not out.exists():
        (partial / _MARKER).unlink()
        partial.rename(out)
        return
    _take_along_strangers(out, partial)
    shutil.copymode(out, partial)
    (partial / _MARKER).unlink()
    earlier = _set_aside(out)
    try:
        out.rename(earlier)
        partial.rename(out)
    except BaseException:
        if not out.exists():
            earlier.rename(out)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _take_along_strangers(out: Path, partial: Path) -> None:
    """Link the files of `out` that are not ours into the folder that replaces it."""
    ours = set(listed_files(out) or ())
    for folder, folders, files in os.walk(out):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        for path in (here / name for name in sorted(files + links)):
            name = path.relative_to(out)
            if name.as_posix() not in ours:
                _link(path, partial / name)


def _link(path: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise OutputError(
            f"{path} exists and was not written by congruence",
            hint="Move it away, or give another folder with --out.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(path, target, follow_symlinks=False)
