"""
Models of several files as the frames of one.

The first file gives node and key ids. Values that are static but not equal in
all files go into the frames; nodes that only some files have are added.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.core.provenance import Losses
from congruence.errors import ConfigError, FormatError
from congruence.io.rmf.clone import decode_body, encode_body, move_paths, sign
from congruence.io.rmf.edit import StaticTable, data_columns, data_record, is_null
from congruence.io.rmf.history import add_provenance
from congruence.io.rmf.match import map_value, match_nodes
from congruence.io.rmf.place import FRAME_KEYS, FrameMover, relabel
from congruence.io.rmf.schema import KeyType
from congruence.io.rmf.write import RmfWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from congruence.core.placement import Placement
    from congruence.core.topology import CopyGroup
    from congruence.io.rmf.clone import FrameSource
    from congruence.io.rmf.edit import KeyName
    from congruence.io.rmf.history import ProvenanceStep
    from congruence.io.rmf.schema import Record

__all__ = ["Member", "write_models"]

_IDENTITY: frozenset[KeyName] = frozenset(
    {
        ("sequence", "residue index", KeyType.INT),
        ("sequence", "residue indexes", KeyType.INTS),
        ("sequence", "copy index", KeyType.INT),
        ("sequence", "state index", KeyType.INT),
        ("sequence", "molecule", KeyType.INT),
        ("sequence", "explicit resolution", KeyType.FLOAT),
        ("alternatives", "types", KeyType.INTS),
    }
)
"""What must be equal for two beads to be the same."""

_HINT = "Only models with the same topology fit into one file."
_MOVERS_KEPT = 32
_SCORE: KeyName = ("feature", "score", KeyType.FLOAT)
_UNORDERED: KeyName = ("feature", "representation", KeyType.INTS)


@dataclass(frozen=True, eq=False)
class Member:
    """
    One model of a cluster.

    Parameters
    ----------
    source : FrameSource
        The file it is in, as `open_rmf` returns it.
    frame : int
        Its frame there.
    placement : Placement, optional
        Where to put it.
    groups : tuple of CopyGroup
        Copy groups that the assignment refers to.
    frame_name : str
        Name of the frame; empty for the name it has.
    """

    source: FrameSource
    frame: int
    placement: Placement | None = None
    groups: tuple[CopyGroup, ...] = ()
    frame_name: str = ""

    @property
    def variant(self) -> tuple[int, tuple[tuple[int, ...], ...]]:
        """Members that share a static part: the same file, the same assignment."""
        place = self.placement
        return id(self.source), place.assignment if place is not None and place.relabels else ()


@dataclass(eq=False)
class _Variant:
    """How one file, with one assignment, becomes part of the joined file."""

    keys: dict[tuple[KeyType, int], KeyName]
    nodes: dict[int, int]
    other: dict[tuple[KeyName, int], Any] = field(default_factory=dict)
    lacking: set[tuple[KeyName, int]] = field(default_factory=set)


def write_models(
    members: Iterable[Member],
    path: str | os.PathLike[str],
    *,
    provenance: Sequence[ProvenanceStep] = (),
    description: str = "",
    losses: Losses | None = None,
) -> None:
    """
    Write models of one topology, from one or several files, into one file.

    Copies that change places take over the nodes of the other copy, and
    restraints on them are mapped along: the tree of a file is the same for
    all its frames.

    Parameters
    ----------
    members : iterable of Member
        The models, in the order of the frames.
    path : str or os.PathLike
        File to write.
    provenance : sequence of ProvenanceStep
        Steps to put on top of the chain of the first file, oldest first.
    description : str
        Added to the first file's description; empty for a count of models.
    losses : Losses, optional
        Collects values that could not be taken over.

    Raises
    ------
    ConfigError
        If there is no member.
    FormatError
        If the files differ in topology.
    OutputError
        If the file cannot be written.
    """
    members = list(members)
    if not members:
        raise ConfigError(
            "a file of models needs at least one model",
            hint="Leave empty clusters out.",
        )
    path = Path(path)
    join = _Join(members, path.parent, losses if losses is not None else Losses())
    files = len({id(member.source) for member in members})
    text = description or f"{len(members)} models from {files} files"
    described, producer = sign(join.union.info, text)
    join.union.info.update(description=described, producer=producer)
    static = join.union.copy()
    add_provenance(static, provenance)
    with RmfWriter(path, static.record()) as out:
        for member in members:
            name = member.frame_name or member.source.frame_payload(member.frame).name
            out.add_body(join.body(member), name=name)


class _Join:
    """The static part that all files share, and what the frames of each add to it."""

    def __init__(self, members: list[Member], folder: Path, losses: Losses) -> None:
        self._folder = folder
        self._losses = losses
        self._movers: OrderedDict[int, FrameMover] = OrderedDict()
        self._variants: dict[tuple[int, tuple[tuple[int, ...], ...]], _Variant] = {}
        self.union = self._table(members[0])
        for member in members:
            if member.variant not in self._variants:
                self._variants[member.variant] = self._meet(member)
        self._settle()

    def _table(self, member: Member) -> StaticTable:
        table = StaticTable(member.source.static_record())
        move_paths(table, member.source.path.parent, self._folder)
        if member.placement is not None and member.placement.relabels:
            relabel(table, member.groups, member.placement.assignment)
        for key in FRAME_KEYS:
            table.key_id(key)
        return table

    def _meet(self, member: Member) -> _Variant:
        """Match a file to what is there, add what is new and note what differs."""
        if not self._variants:
            keys = {(key[2], number): key for key, number in self.union.keys.items()}
            return _Variant(keys, {node: node for node in self.union.nodes})
        table = self._table(member)
        keys = {(key[2], number): key for key, number in table.keys.items()}
        try:
            variant = _Variant(keys, match_nodes(self.union, table))
            known = set(variant.nodes.values())
            self._add_nodes(table, variant.nodes)
            for key in table.keys:
                self.union.key_id(key)
            for key in list(self.union.keys):
                self._compare(key, table.column(key), variant, known)
        except FormatError as error:
            raise FormatError(error.message, path=member.source.path, hint=error.hint) from error
        return variant

    def _add_nodes(self, table: StaticTable, nodes: dict[int, int]) -> None:
        table.reorder(table.nodes)
        for row in table.nodes.values():
            if row.id not in nodes:
                parents = tuple(nodes[p] for p in row.parents if p in nodes)
                nodes[row.id] = self.union.new_node(row.name, row.type, parents)

    def _compare(
        self, key: KeyName, column: dict[int, Any], variant: _Variant, known: set[int]
    ) -> None:
        here = {n: v for n, v in self.union.column(key).items() if not is_null(key[2], v)}
        seen = set()
        differing = 0
        for node, value in column.items():
            if node not in variant.nodes or is_null(key[2], value):
                continue
            mapped = variant.nodes[node]
            new = map_value(key, value, variant.nodes)
            seen.add(mapped)
            if mapped not in known and key != _SCORE:
                self.union.set(key, mapped, new)
            elif mapped not in here or not _equal(key, here[mapped], new):
                variant.other[key, mapped] = new
                differing += 1
        lacking = {(key, node) for node in here if node in known and node not in seen}
        variant.lacking |= lacking
        if key in _IDENTITY and (differing or lacking):
            raise FormatError(
                f"{differing + len(lacking)} nodes differ in '{key[0]}/{key[1]}' from the first file",
                hint=_HINT,
            )

    def _settle(self) -> None:
        """Take out of the static part what some file does not have."""
        variants = self._variants.values()
        have = [set(variant.nodes.values()) for variant in variants]
        leaving = {entry: None for variant in variants for entry in sorted(variant.lacking)}
        for node in self.union.column(_SCORE):
            if not all(node in nodes for nodes in have):
                leaving[_SCORE, node] = None
        for key, node in leaving:
            value = self.union.column(key)[node]
            for variant, nodes in zip(variants, have, strict=True):
                if node in nodes and (key, node) not in variant.lacking:
                    variant.other.setdefault((key, node), value)
            self.union.remove(key, node)

    def body(self, member: Member) -> bytes:
        """Encode the frame of a member, after its info, in the ids of the first file."""
        body = member.source.frame_payload(member.frame).body
        variant = self._variants[member.variant]
        place = member.placement
        moves = place is not None and not place.is_still
        same = variant is next(iter(self._variants.values()))
        if same and not moves and not variant.other:
            return body
        record = decode_body(body)
        if place is not None and moves:
            self._mover(member.source).move(record["data"], place)
        columns = self._translated(member, record, variant)
        for (key, node), value in variant.other.items():
            column = columns.setdefault((key[2], self.union.key_id(key)), {})
            if node not in column or is_null(key[2], column[node]):
                column[node] = value
        return encode_body({**record, "nodes": [], "keys": [], "data": data_record(columns)})

    def _mover(self, source: FrameSource) -> FrameMover:
        mover = self._movers.pop(id(source), None)
        if mover is None:
            mover = FrameMover(StaticTable(source.static_record()))
        self._movers[id(source)] = mover
        if len(self._movers) > _MOVERS_KEPT:
            self._movers.popitem(last=False)
        return mover

    def _translated(
        self, member: Member, record: Record, variant: _Variant
    ) -> dict[tuple[KeyType, int], dict[int, Any]]:
        columns: dict[tuple[KeyType, int], dict[int, Any]] = {}
        lost = 0
        for (kind, number), column in data_columns(record["data"]).items():
            key = variant.keys.get((kind, number))
            if key is None:
                lost += len(column)
                continue
            new = columns.setdefault((kind, self.union.key_id(key)), {})
            for node, value in column.items():
                if node in variant.nodes:
                    new[variant.nodes[node]] = map_value(key, value, variant.nodes)
                else:
                    lost += 1
        if lost:
            where = f"{member.source.path}, frame {member.frame}"
            self._losses.add(where, "values", "their key or node is not in the static part", lost)
        return columns


def _equal(key: KeyName, one: Any, two: Any) -> bool:
    if key == _UNORDERED:
        return sorted(one) == sorted(two)
    return bool(one == two)
