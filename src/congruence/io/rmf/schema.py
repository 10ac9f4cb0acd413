"""
The record schema of RMF3 files, and records to and from bytes.

An RMF3 file is an Avro object container whose records all have the one type
``Frame``: a *static* record (``info`` is a ``FileInfo``) or a *frame* record
(``info`` is a ``FrameInfo``). Static records are few and are decoded with
fastavro here; frame records are many and have their own fast path in
`congruence.io.rmf.frames`.
"""

from __future__ import annotations

import enum
import io
import json
from functools import cache
from typing import Any, BinaryIO, TypeAlias

__all__ = [
    "DATA_FIELDS",
    "INVALID_INT",
    "KeyType",
    "NodeType",
    "Record",
    "decode_record",
    "empty_data",
    "encode_record",
    "read_record",
    "schema_json",
]

Record: TypeAlias = dict[str, Any]
"""A decoded record, shaped as the schema says."""

INVALID_INT = 2147483647
"""Integer that stands for no value."""


class NodeType(enum.IntEnum):
    """Types of node."""

    INVALID = -1
    ROOT = 0
    REPRESENTATION = 1
    GEOMETRY = 2
    FEATURE = 3
    ALIAS = 4
    CUSTOM = 5
    BOND = 6
    ORGANIZATIONAL = 7
    LINK = 8
    PROVENANCE = 9


class KeyType(enum.StrEnum):
    """Types of key, as the schema spells them."""

    INT = "INT"
    FLOAT = "FLOAT"
    STRING = "STRING"
    INTS = "INTS"
    FLOATS = "FLOATS"
    STRINGS = "STRINGS"
    VECTOR3 = "VECTOR3"
    VECTOR4 = "VECTOR4"
    VECTOR3S = "VECTOR3S"


DATA_FIELDS: tuple[tuple[str, str, str], ...] = (
    ("int_data", "key", "id"),
    ("float_data", "key", "id"),
    ("string_data", "key", "id"),
    ("vector3_data", "key", "id"),
    ("vector4_data", "key", "id"),
    ("ints_data", "key", "key"),
    ("floats_data", "id", "id"),
    ("strings_data", "id", "id"),
    ("vector3s_data", "key", "id"),
    ("vector4s_data", "key", "id"),
)
"""Fields of ``data`` in file order: field, name of the key's id, name of the node's id."""

_RECORD_NAMES = {
    "int_data": ("IntNodeData", "IntValue"),
    "float_data": ("FloatNodeData", "FloatValue"),
    "string_data": ("StringNodeData", "StringValue"),
    "vector3_data": ("Vector3NodeData", "Vector3Value"),
    "vector4_data": ("Vector4NodeData", "Vector4Value"),
    "ints_data": ("IntsNodeData", "IntsValue"),
    "floats_data": ("FloatsNodeData", "FloatsValue"),
    "strings_data": ("StringsNodeData", "StringsValue"),
    "vector3s_data": ("Vector3sNodeData", "Vector3sValue"),
    "vector4s_data": ("Vector4sNodeData", "Vector4sValue"),
}


def _array(items: Any) -> Record:
    return {"type": "array", "items": items}


def _record(name: str, fields: list[tuple[str, Any]]) -> Record:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": kind} for field, kind in fields],
    }


def _value_types() -> dict[str, Any]:
    vector3 = _record("Vector3", [(axis, "float") for axis in "xyz"])
    vector4 = _record("Vector4", [(axis, "float") for axis in "wxyz"])
    return {
        "int_data": "int",
        "float_data": "float",
        "string_data": "string",
        "vector3_data": vector3,
        "vector4_data": vector4,
        "ints_data": _array("int"),
        "floats_data": _array("float"),
        "strings_data": _array("string"),
        "vector3s_data": _array("Vector3"),
        "vector4s_data": _array("Vector4"),
    }


def _data_schema() -> Record:
    values = _value_types()
    fields = []
    for field, key_name, node_name in DATA_FIELDS:
        per_key, per_value = _RECORD_NAMES[field]
        value = _record(per_value, [(node_name, "int"), ("value", values[field])])
        fields.append(
            (field, _array(_record(per_key, [(key_name, "int"), ("values", _array(value))])))
        )
    return _record("TypeDatas", fields)


def _schema() -> Record:
    label = _record("Label", [("id", "int"), ("name", "string")])
    node_set = _record("NodeSet", [("id", "int"), ("nodes", _array("int"))])
    frame_info = _record(
        "FrameInfo",
        [("id", "int"), ("name", "string"), ("type", "int"), ("parents", _array("int"))],
    )
    file_info = _record(
        "FileInfo",
        [
            ("description", "string"),
            ("producer", "string"),
            ("categories", _array(label)),
            ("node_types", _array("Label")),
            ("frame_types", _array("Label")),
            ("node_sets", _array(node_set)),
        ],
    )
    node = _record(
        "Node",
        [("id", "int"), ("name", "string"), ("type", "int"), ("parents", _array("int"))],
    )
    key_type = {"type": "enum", "name": "Type", "symbols": [k.value for k in KeyType]}
    key = _record(
        "KeyInfo", [("id", "int"), ("name", "string"), ("category", "int"), ("type", key_type)]
    )
    return _record(
        "Frame",
        [
            ("info", [frame_info, file_info]),
            ("nodes", _array(node)),
            ("keys", _array(key)),
            ("data", _data_schema()),
        ],
    )


@cache
def schema_json() -> bytes:
    """
    Return the schema as it is written into the header of a file.

    Returns
    -------
    schema : bytes
        Compact JSON.
    """
    return json.dumps(_schema(), separators=(",", ":")).encode()


@cache
def _parsed() -> Any:
    import fastavro

    return fastavro.parse_schema(_schema())


def decode_record(payload: bytes) -> Record:
    """
    Decode one record.

    Parameters
    ----------
    payload : bytes
        Bytes that begin with the record.

    Returns
    -------
    record : dict
        ``info``, ``nodes``, ``keys`` and ``data``, shaped as the schema says.
        A static record's ``info`` has the field ``producer``.
    """
    return read_record(io.BytesIO(payload))


def read_record(stream: BinaryIO) -> Record:
    """
    Decode the record at the position of a stream.

    Parameters
    ----------
    stream : binary stream
        Positioned at the record; left right behind it.

    Returns
    -------
    record : dict
        Shaped as `decode_record` returns it.
    """
    import fastavro

    record: Record = fastavro.schemaless_reader(stream, _parsed(), None)  # type: ignore[assignment]
    return record


def encode_record(record: Record) -> bytes:
    """
    Encode one record.

    Parameters
    ----------
    record : dict
        Shaped as `decode_record` returns it.

    Returns
    -------
    payload : bytes
        The record in Avro binary form; arrays are written in one block, as
        the RMF library does.
    """
    import fastavro

    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(), record)
    return out.getvalue()


def empty_data() -> Record:
    """
    Return the data part of a record without values.

    Returns
    -------
    data : dict
        Ten empty lists, by field.
    """
    return {field: [] for field, _, _ in DATA_FIELDS}
