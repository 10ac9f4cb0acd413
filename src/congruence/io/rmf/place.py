"""
Put a model elsewhere: relabel its copies, move its frame rigidly.

Particles keep their node ids and everything that refers to them. Labels of
copies change hands in the static part; positions change in the frame, in
outermost reference frames and in coordinates that no reference frame holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ConfigError
from congruence.io.rmf.edit import StaticTable, is_null
from congruence.io.rmf.schema import DATA_FIELDS, KeyType, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.placement import Placement
    from congruence.core.topology import CopyGroup
    from congruence.io.rmf.edit import KeyName
    from congruence.typing import FloatArray

__all__ = ["FRAME_KEYS", "FrameMover", "quaternion", "relabel"]

_V3, _V4 = KeyType.VECTOR3, KeyType.VECTOR4
_ROTATION: KeyName = ("physics", "rotation", _V4)
_TRANSLATION: KeyName = ("physics", "translation", _V3)
FRAME_KEYS: tuple[KeyName, ...] = (_ROTATION, _TRANSLATION)
"""Keys of a reference frame, which a moved frame may need though its file had none."""

_VARIANCES: KeyName = ("physics", "variances", _V3)
_POINTS: tuple[KeyName, ...] = (
    ("physics", "coordinates", _V3),
    ("shape", "coordinates", _V3),
)
_POINT_LISTS: tuple[KeyName, ...] = (("shape", "coordinates list", KeyType.VECTOR3S),)
_TURNS: tuple[KeyName, ...] = (("physics", "orientation", _V4), ("shape", "orientation", _V4))
_LABELS: tuple[KeyName, ...] = (
    ("sequence", "copy index", KeyType.INT),
    ("sequence", "chain id", KeyType.STRING),
    ("sequence", "label asym id", KeyType.STRING),
)
_NONE = -1


def relabel(
    table: StaticTable,
    groups: Sequence[CopyGroup],
    assignment: Sequence[Sequence[int]],
) -> None:
    """
    Let copies of a molecule change places.

    Copy *k* becomes the particles of copy ``assignment[g][k]``: those get its
    copy index and chain, and its place among their siblings.

    Parameters
    ----------
    table : StaticTable
        Static part of a file; it is changed.
    groups : sequence of CopyGroup
        Copy groups of the file's topology.
    assignment : sequence of sequence of int
        One permutation per group.

    Raises
    ------
    ConfigError
        If permutations and groups do not match, or the file has not exactly
        one molecule node for each copy.
    """
    if len(groups) != len(assignment):
        raise ConfigError(
            f"{len(assignment)} permutations of copies for {len(groups)} groups of copies",
            hint="Take the groups from Topology.copy_groups() of the same beads.",
        )
    order = list(table.nodes)
    for group, permutation in zip(groups, assignment, strict=True):
        if sorted(permutation) != list(range(len(group.copies))):
            raise ConfigError(
                f"{tuple(permutation)} is not a permutation of the {len(group.copies)} copies "
                f"of {group.molecule}",
                hint="Give each copy of the group once.",
            )
        for part in group.molecules:
            nodes = [_molecule_node(table, part, copy) for copy in part.copies]
            slots = [order.index(node) for node in nodes]
            for key in _LABELS:
                _hand_over(table, key, nodes, permutation)
            for slot, taken in zip(slots, permutation, strict=True):
                order[slot] = nodes[taken]
    table.reorder(order)


def _molecule_node(table: StaticTable, group: CopyGroup, copy: int) -> int:
    copies = table.column(("sequence", "copy index", KeyType.INT))
    found = [
        node
        for node, index in copies.items()
        if index == copy
        and table.nodes[node].name == group.molecule
        and _state(table, node) == group.state
    ]
    if len(found) != 1:
        raise ConfigError(
            f"{len(found)} nodes are copy {copy} of {group.molecule} in state {group.state}, "
            "expected one",
            hint="Copies of this file cannot be interchanged; compare without assignment.",
        )
    return found[0]


def _state(table: StaticTable, node: int) -> int:
    states = table.column(("sequence", "state index", KeyType.INT))
    while node not in states:
        parents = table.nodes[node].parents
        if not parents:
            return _NONE
        node = parents[0]
    return int(states[node])


def _hand_over(
    table: StaticTable, key: KeyName, nodes: Sequence[int], permutation: Sequence[int]
) -> None:
    labels = table.column(key)
    for node, taken in zip(nodes, permutation, strict=True):
        if node in labels:
            table.set(key, nodes[taken], labels[node])
        elif nodes[taken] in labels:
            table.remove(key, nodes[taken])


def quaternion(rotation: FloatArray) -> FloatArray:
    """
    Turn a rotation matrix into a quaternion.

    Parameters
    ----------
    rotation : ndarray, dtype=float64, shape=(3,3)
        Proper rotation.

    Returns
    -------
    quaternion : ndarray, dtype=float64, shape=(4,)
        Unit quaternion (w, x, y, z) with w >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> quaternion(np.diag([1.0, -1.0, -1.0])).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    r = np.asarray(rotation, dtype=np.float64)
    # Four times the outer product of the quaternion with itself: its longest row is exact enough.
    product = np.array(
        [
            [1 + r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[1, 0] + r[0, 1], 1 - r[0, 0] + r[1, 1] - r[2, 2], r[2, 1] + r[1, 2]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2]],
        ]
    )  # fmt: skip
    row: FloatArray = product[int(np.argmax(np.diag(product)))]
    row = row / np.linalg.norm(row)
    return -row if row[0] < 0 else row


def _compose(first: FloatArray, second: FloatArray) -> FloatArray:
    """Multiply quaternions; the second, of shape (k,4), turns first."""
    w, v = first[0], first[1:]
    a, u = second[:, :1], second[:, 1:]
    turned = np.hstack([w * a - (u @ v)[:, None], w * u + a * v + np.cross(v, u)])
    unit: FloatArray = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    return unit


class FrameMover:
    """
    Move frames of one file.

    Parameters
    ----------
    table : StaticTable
        Static part of the file. Keys for reference frames are declared in
        it, should the file have none.
    """

    def __init__(self, table: StaticTable) -> None:
        self._keys = {
            key: table.key_id(key)
            for key in (*FRAME_KEYS, _VARIANCES, *_POINTS, *_POINT_LISTS, *_TURNS)
            if key in FRAME_KEYS or key in table.keys
        }
        self._static = {
            key: {n: v for n, v in table.column(key).items() if not is_null(key[2], v)}
            for key in self._keys
        }
        self._above = _above(table)
        # Of the last frame; the next one is most often divided alike.
        self._parts: dict[tuple[frozenset[int], frozenset[int]], tuple[list[int], set[int]]] = {}

    def move(self, data: Record, placement: Placement) -> None:
        """
        Apply the rigid motion of a placement to a frame.

        Gaussians go with their reference frame; one that is not round and
        has no reference frame at or above it gets one, since its axes
        cannot be turned otherwise.

        Parameters
        ----------
        data : dict
            Data of the frame's record; it is changed. Values that were
            static are added.
        placement : Placement
            Its rotation and translation are used.
        """
        values = {key: self._effective(data, key) for key in self._keys}
        turn = quaternion(placement.rotation)
        axes = values.get(_VARIANCES, {})
        outer, free = self._outermost(values[_ROTATION], axes)
        framed = [n for n in outer if n in values[_ROTATION]]
        if framed:
            turns = _compose(turn, _rows([values[_ROTATION][n] for n in framed], "wxyz"))
            self._put(data, _ROTATION, dict(zip(framed, _vectors(turns), strict=True)))
            zero = {"x": 0.0, "y": 0.0, "z": 0.0}
            origins = [values[_TRANSLATION].get(n, zero) for n in framed]
            moved = _moved(placement, origins)
            self._put(data, _TRANSLATION, dict(zip(framed, moved, strict=True)))
        bare = [n for n in outer if n not in values[_ROTATION]]
        self._put(data, _ROTATION, dict.fromkeys(bare, _vectors(turn[None])[0]))
        shift = _vectors(np.asarray(placement.translation)[None])[0]
        self._put(data, _TRANSLATION, dict.fromkeys(bare, shift))
        self._move_free(data, values, free, placement)

    def _move_free(
        self,
        data: Record,
        values: dict[KeyName, dict[int, Any]],
        free: set[int],
        placement: Placement,
    ) -> None:
        for key in self._keys:
            mine = [n for n in values[key] if n in free]
            found = [values[key][n] for n in mine]
            if not mine:
                continue
            if key in _POINTS:
                new: list[Any] = _moved(placement, found)
            elif key in _POINT_LISTS:
                new = [_moved(placement, points) for points in found]
            elif key in _TURNS:
                new = _vectors(_compose(quaternion(placement.rotation), _rows(found, "wxyz")))
            else:
                continue
            self._put(data, key, dict(zip(mine, new, strict=True)))

    def _effective(self, data: Record, key: KeyName) -> dict[int, Any]:
        kind = key[2]
        values = dict(self._static[key])
        field, key_name, node_name = _field(kind)
        for block in data[field]:
            if block[key_name] == self._keys[key]:
                found = ((v[node_name], v["value"]) for v in block["values"])
                values.update((n, v) for n, v in found if not is_null(kind, v))
        return values

    def _outermost(
        self, rotations: dict[int, Any], axes: dict[int, Any]
    ) -> tuple[list[int], set[int]]:
        """Find nodes that begin a moved part, and nodes that no such part holds."""
        oblong = frozenset(n for n, variances in axes.items() if _is_oblong(variances))
        key = (frozenset(rotations), oblong)
        if key not in self._parts:
            self._parts = {key: self._divided(*key)}
        return self._parts[key]

    def _divided(
        self, rotations: frozenset[int], oblong: frozenset[int]
    ) -> tuple[list[int], set[int]]:
        outer: list[int] = []
        free: set[int] = {_NONE}
        for node, above in self._above:
            if above not in free:
                continue
            if node in rotations or node in oblong:
                outer.append(node)
            else:
                free.add(node)
        return outer, free

    def _put(self, data: Record, key: KeyName, new: dict[int, Any]) -> None:
        if not new:
            return
        field, key_name, node_name = _field(key[2])
        number = self._keys[key]
        block = next((b for b in data[field] if b[key_name] == number), None)
        if block is None:
            block = {key_name: number, "values": []}
            data[field].append(block)
        seen = set()
        for value in block["values"]:
            node = value[node_name]
            seen.add(node)
            value["value"] = new.get(node, value["value"])
        block["values"] += [{node_name: n, "value": v} for n, v in new.items() if n not in seen]


def _above(table: StaticTable) -> list[tuple[int, int]]:
    """List each node after the one whose reference frame it starts from."""
    owners = table.owners()

    def start(node: int) -> int:
        row = table.nodes.get(node)
        if row is None:
            return _NONE
        if row.parents:
            return row.parents[0]
        owner = table.nodes.get(owners.get(node, _NONE))
        return owner.parents[0] if owner is not None and owner.parents else _NONE

    listed: dict[int, int] = {}
    for node in table.nodes:
        path: list[int] = []
        while node in table.nodes and node not in listed and node not in path:
            path.append(node)
            node = start(node)
        listed.update((n, start(n)) for n in reversed(path))
    known = {_NONE, *listed}
    return [(n, above if above in known else _NONE) for n, above in listed.items()]


def _is_oblong(variances: Record) -> bool:
    return len({variances[axis] for axis in "xyz"}) > 1


def _field(kind: KeyType) -> tuple[str, str, str]:
    return next(f for f in DATA_FIELDS if f[0] == f"{kind.value.lower()}_data")


def _rows(values: Sequence[Record], names: str) -> FloatArray:
    return np.array([[v[name] for name in names] for v in values], dtype=np.float64)


def _vectors(rows: FloatArray) -> list[Record]:
    names = "wxyz"[-rows.shape[1] :]
    return [dict(zip(names, row, strict=True)) for row in rows.tolist()]


def _moved(placement: Placement, points: Sequence[Record]) -> list[Record]:
    if not points:
        return []
    return _vectors(_rows(points, "xyz") @ placement.rotation.T + placement.translation)
