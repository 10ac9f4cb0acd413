"""Statistics that a run stored with its frames, as keys of the root node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import FormatError
from congruence.io.rmf.schema import INVALID_INT
from congruence.io.rmf.values import Columns, FrameValues, read_scalars
from congruence.io.rmf.wire import BROKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.io.rmf.container import Container
    from congruence.io.rmf.index import FrameIndex, FrameRef
    from congruence.io.rmf.tables import Key, StaticTables
    from congruence.typing import ObjectArray

__all__ = ["stat_columns", "stat_names"]

_FIELDS = ("string_data", "int_data", "float_data")
_ROOT = 0


def stat_names(tables: StaticTables) -> tuple[str, ...]:
    """
    Return the names of the statistics of a file.

    Parameters
    ----------
    tables : StaticTables
        Static data.

    Returns
    -------
    names : tuple of str
        Sorted.
    """
    return tuple(
        sorted({k.name for k in tables.keys if k.category == "stat" and k.field in _FIELDS})
    )


def stat_columns(
    tables: StaticTables,
    container: Container,
    index: FrameIndex,
    frames: Sequence[FrameRef],
    names: Sequence[str],
) -> dict[str, ObjectArray]:
    """
    Read statistics of some frames.

    Parameters
    ----------
    tables : StaticTables
        Static data: a frame that holds no value has the static one.
    container : Container
        The file.
    index : FrameIndex
        Its frames.
    frames : sequence of FrameRef
        Which frames.
    names : sequence of str
        Which statistics.

    Returns
    -------
    columns : dict of str to ndarray, dtype=object, shape=(f,)
        By name.

    Raises
    ------
    FormatError
        If a frame is damaged.
    """
    columns: dict[str, ObjectArray] = {}
    wanted: dict[str, dict[int, str]] = {field: {} for field in _FIELDS}
    for name in names:
        columns[name] = np.full(len(frames), None, dtype=object)
        for key in (k for field in _FIELDS for k in tables.find("stat", name, field)):
            wanted[key.field][key.id] = name
            static = tables.column("stat", name, key.field).get(_ROOT)
            if static is not None:
                columns[name][:] = static
    for field in ("int_data", "string_data"):
        if wanted[field]:
            for row, frame in enumerate(frames):
                for number, value in _scalars(container, index, frame, field, wanted[field]):
                    columns[wanted[field][number]][row] = value
    reader = FrameValues(container, index)
    for key in (k for name in names for k in tables.find("stat", name, "float_data")):
        for row, score in _floats(reader, frames, key):
            columns[key.name][row] = score
    return columns


def _floats(reader: FrameValues, frames: Sequence[FrameRef], key: Key) -> list[tuple[int, float]]:
    root = Columns(np.array([_ROOT], dtype=np.int64))
    # nulls leave what is there: start from null, so that a stored NaN is kept
    out = np.full((len(frames), 1, 1), np.inf)
    reader.fill(out, frames, [key], root)
    return [(row, value) for row, value in enumerate(out[:, 0, 0].tolist()) if value != np.inf]


def _scalars(
    container: Container, index: FrameIndex, frame: FrameRef, field: str, wanted: dict[int, str]
) -> list[tuple[int, int | str]]:
    layout = index.layout(frame)
    start = layout.ints if field == "int_data" else layout.strings
    try:
        found = read_scalars(container.window(frame.block).data, start, field, set(wanted), _ROOT)
    except BROKEN as error:
        raise FormatError(
            f"frame {frame.info.id} is damaged ({error})",
            path=container.path,
            location=f"byte {frame.block.offset}",
            hint="Leave this frame out.",
        ) from error
    return [(number, v) for number, v in found.items() if v not in ("", INVALID_INT)]
