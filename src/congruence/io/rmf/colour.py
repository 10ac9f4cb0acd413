"""Colours of beads: added to one frame of a file, with everything else as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from congruence.io.rmf.clone import decode_body, encode_body, move_paths, sign
from congruence.io.rmf.container_write import ContainerWriter
from congruence.io.rmf.edit import StaticTable
from congruence.io.rmf.encode import frame_record
from congruence.io.rmf.schema import DATA_FIELDS, KeyType, Record, encode_record

if TYPE_CHECKING:
    import os

    from congruence.io.rmf.clone import FrameSource
    from congruence.typing import FloatArray, IntArray

__all__ = ["write_colored"]

COLOR = ("shape", "rgb color", KeyType.VECTOR3)
"""Key of the colour of a node: red, green and blue from 0 to 1."""

_FIELD = "vector3_data"


def write_colored(
    source: FrameSource,
    frame: int,
    path: str | os.PathLike[str],
    *,
    nodes: IntArray,
    colors: FloatArray,
    description: str = "",
) -> None:
    """
    Write one frame as a file of its own, beads coloured.

    Colours of other nodes stay as they are; every other value does, too.

    Parameters
    ----------
    source : FrameSource
        The file that the frame is in, as `open_rmf` returns it.
    frame : int
        Frame of the source.
    path : str or os.PathLike
        File to write.
    nodes : ndarray, dtype=int64, shape=(k,)
        Nodes to colour, as ``Topology.node_id`` has them.
    colors : ndarray, dtype=float64, shape=(k,3)
        Red, green and blue from 0 to 1.
    description : str
        Added to the file's description, for example what the colours mean.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    table = StaticTable(source.static_record())
    payload = source.frame_payload(frame)
    body = decode_body(payload.body)
    # A colour of the frame would win over the static one.
    _without_colors(body["data"], table.key_id(COLOR), set(nodes.tolist()))
    for node, (red, green, blue) in zip(nodes.tolist(), colors.tolist(), strict=True):
        table.set(COLOR, node, {"x": red, "y": green, "z": blue})
    move_paths(table, source.path.parent, path.parent)
    record = table.record()
    described, producer = sign(table.info, description or f"frame {frame} of {source.path.name}")
    record["info"].update(description=described, producer=producer)
    static = encode_record(record)
    with ContainerWriter(path, seed=static) as out:
        out.append(static)
        out.append(frame_record(0, encode_body(body), name=payload.name, type=payload.type))


def _without_colors(data: Record, key: int, nodes: set[int]) -> None:
    names = {field: (key_name, node_name) for field, key_name, node_name in DATA_FIELDS}
    key_name, node_name = names[_FIELD]
    for block in data[_FIELD]:
        if block[key_name] == key:
            block["values"] = [v for v in block["values"] if v[node_name] not in nodes]
