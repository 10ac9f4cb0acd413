"""New RMF files, read back with fastavro alone."""

import io

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plainrmf import Plain, records

from congruence.errors import ConfigError, OutputError, ShapeError
from congruence.io.rmf.encode import encode_long, encode_longs, encode_string
from congruence.io.rmf.schema import KeyType, NodeType, empty_data
from congruence.io.rmf.write import PRODUCER, RmfWriter, StaticBuilder

XYZ = ("physics", "coordinates")
SCORE = ("feature", "score")


def system(beads=3):
    """root > System > A > beads, one restraint; every type of key is declared."""
    builder = StaticBuilder()
    top = builder.add_node("System", NodeType.REPRESENTATION, 0)
    molecule = builder.add_node("A", NodeType.REPRESENTATION, top)
    ids = [builder.add_node(str(i), NodeType.REPRESENTATION, molecule) for i in range(beads)]
    restraint = builder.add_node("EV", NodeType.FEATURE, 0)
    for node in ids:
        builder.set("physics", "radius", KeyType.FLOAT, node, 2.5)
        builder.set("sequence", "residue indexes", KeyType.INTS, node, [node, -node])
    builder.set("feature", "representation", KeyType.INTS, restraint, ids)
    builder.declare(*XYZ, KeyType.VECTOR3)
    builder.declare(*SCORE, KeyType.FLOAT)
    for kind in KeyType:
        builder.declare("all", kind.value.lower(), kind)
    return builder, ids, restraint


def test_a_file_holds_what_was_put_in(tmp_path):
    builder, ids, restraint = system()
    path = tmp_path / "new.rmf3"
    points = np.array([[0.1, 0, 0], [1, 2, 3], [-1e4, 5.5, 1e-3]])
    with RmfWriter(path, builder.record("three beads")) as out:
        out.add_frame({XYZ: (ids, points), SCORE: ([restraint], [7.0])}, name="first")
        out.add_frame({XYZ: (ids[:1], points[1:2])}, name="zweite ä")
        assert out.frames == 2
    plain = Plain(path)
    assert [f["info"] for f in plain.frames] == [
        {"id": 0, "name": "first", "type": 1, "parents": []},
        {"id": 1, "name": "zweite ä", "type": 1, "parents": []},
    ]
    assert plain.static["info"]["description"] == "three beads"
    assert plain.static["info"]["producer"] == PRODUCER
    assert [(n["name"], n["type"], n["parents"]) for n in plain.static["nodes"]] == [
        ("root", 0, []), ("System", 1, [0]), ("A", 1, [1]),
        ("0", 1, [2]), ("1", 1, [2]), ("2", 1, [2]), ("EV", 3, [0]),
    ]  # fmt: skip
    found = plain.positions(0)
    np.testing.assert_array_equal([found[n] for n in ids], points.astype(np.float32))
    values = plain.values(0)
    assert values["feature", "score", "FLOAT"] == {restraint: 7.0}
    assert values["feature", "representation", "INTS"] == {restraint: ids}
    assert values["sequence", "residue indexes", "INTS"][ids[1]] == [ids[1], -ids[1]]
    assert set(plain.positions(1)) == {ids[0]}


def test_every_type_of_value_in_a_frame(tmp_path):
    builder, ids, _ = system()
    given_values = {
        "int": [0, -1, 2**31 - 1],
        "float": [0.5, -0.25, 1e30],
        "string": ["", "a\nb", "Ωß" * 40],
        "vector3": np.arange(9.0).reshape(3, 3),
        "vector4": np.arange(12.0).reshape(3, 4),
        "ints": [[], [1], list(range(-70, 70))],
        "floats": [[], [0.5], [1.0, 2.0]],
        "strings": [[], ["x"], ["", "yz"]],
        "vector3s": [np.zeros((0, 3)), np.ones((1, 3)), np.arange(6.0).reshape(2, 3)],
    }
    path = tmp_path / "all.rmf3"
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({("all", name): (ids, column) for name, column in given_values.items()})
    table = Plain(path).table(Plain(path).frames[0]["data"])
    for name, column in given_values.items():
        found = list(table["all", name, name.upper()].values())
        if name.startswith("vector"):
            flat = [v if isinstance(v, list) else [v] for v in found]
            found = [[list(part.values()) for part in parts] for parts in flat]
            column = [np.asarray(c).reshape(-1, np.shape(c)[-1]).tolist() for c in column]
        assert found == [pytest.approx(c) if name == "float" else c for c in column], name


def test_a_batch_has_the_bytes_of_its_frames(tmp_path):
    builder, ids, restraint = system()
    points = np.random.default_rng(3).normal(size=(7, 3, 3))
    scores = points[:, :1, 0]
    one, many = tmp_path / "one.rmf3", tmp_path / "many.rmf3"
    with RmfWriter(one, builder.record()) as out:
        for frame in range(7):
            out.add_frame({XYZ: (ids, points[frame]), SCORE: ([restraint], scores[frame])})
    with RmfWriter(many, builder.record()) as out:
        out.add_frames({XYZ: (ids, points), SCORE: ([restraint], scores)}, batch=3)
    assert one.read_bytes() == many.read_bytes()
    assert len(Plain(one)) == 7


def test_nodes_and_keys_may_change_between_frames(tmp_path):
    builder, ids, restraint = system()
    path = tmp_path / "changing.rmf3"
    nodes = np.array(ids)
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({XYZ: (nodes, np.zeros((3, 3)))})
        nodes[:] = nodes[::-1].copy()
        out.add_frame({XYZ: (nodes, np.arange(9.0).reshape(3, 3))})
        out.add_frame({SCORE: ([restraint], [1.0]), XYZ: (nodes[:2], np.ones((2, 3)))})
        out.add_frame({})
    plain = Plain(path)
    assert plain.positions(1)[ids[2]].tolist() == [0, 1, 2]
    assert sorted(plain.positions(2)) == sorted(nodes[:2].tolist())
    assert plain.table(plain.frames[3]["data"]) == {}


def test_static_records_among_the_frames(tmp_path):
    builder, ids, restraint = system()
    first = builder.record("d")
    late = builder.add_node("'0', '1'", NodeType.FEATURE, restraint)
    builder.set("feature", "representation", KeyType.INTS, late, ids[:2])
    whole = builder.record()
    second = {**whole, "info": {**whole["info"], "categories": []}, "keys": []}
    second["nodes"] = whole["nodes"][-1:]
    second["data"] = {**empty_data(), "ints_data": whole["data"]["ints_data"][1:]}  # fmt: skip
    path = tmp_path / "late.rmf3"
    with RmfWriter(path, first) as out:
        out.add_frame({SCORE: ([restraint], [0.0])})
        with pytest.raises(ConfigError, match="not distinct nodes"):
            out.add_frame({SCORE: ([late], [0.0])})
        out.write_static(second)
        out.add_frame({SCORE: ([late], [2.0])})
    kinds = ["S" if "producer" in r["info"] else r["info"]["id"] for r in records(path)]
    assert kinds == ["S", 0, "S", 1]
    assert Plain(path).values(1)["feature", "score", "FLOAT"] == {late: 2.0}


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_container(tmp_path, codec):
    builder, ids, _ = system()
    path = tmp_path / "blocks.rmf3"
    points = np.zeros((50, 3, 3))
    with RmfWriter(path, builder.record(), codec=codec, block_size=200) as out:
        out.add_frames({XYZ: (ids, points)})
    data = path.read_bytes()
    assert data[:4] == b"Obj\x01"
    assert data[-18:-16] == b"\0\0", "a closed file ends with an empty block"
    sync = data[-16:]
    with path.open("rb") as stream:
        reader = fastavro.block_reader(stream)
        assert reader.codec == codec
        counts = [block.num_records for block in reader]
    assert sum(counts) == 51
    assert counts[0] == 1, "the static record is longer than a block"
    assert max(counts) > 1
    assert data.count(sync) == len(counts) + 1


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a", "b"):
        builder, ids, _ = system()
        with RmfWriter(tmp_path / name, builder.record()) as out:
            out.add_frame({XYZ: (ids, np.ones((3, 3)))})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    builder, ids, _ = system()
    path = tmp_path / "half.rmf3"
    path.write_bytes(b"older")
    with pytest.raises(KeyError), RmfWriter(path, builder.record()) as out:
        out.add_frame({XYZ: (ids, np.ones((3, 3)))})
        assert path.read_bytes() == b"older"
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["half.rmf3"]
    assert path.read_bytes() == b"older"


def test_no_frame_is_no_file(tmp_path):
    with pytest.raises(OutputError, match="no frame") as caught:
        RmfWriter(tmp_path / "x.rmf3", system()[0].record()).close()
    assert "frame 0" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_writing_after_closing(tmp_path):
    builder, ids, _ = system()
    out = RmfWriter(tmp_path / "x.rmf3", builder.record(), block_size=1)
    out.add_frame({XYZ: (ids, np.ones((3, 3)))})
    out.close()
    with pytest.raises(OutputError, match="closed"):
        for _ in range(2):
            out.add_frame({XYZ: (ids, np.ones((3, 3)))})


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="cannot be written") as caught:
        RmfWriter(tmp_path / "none" / "x.rmf3", system()[0].record())
    assert "folder" in caught.value.hint


def test_codec_that_rmf_does_not_have(tmp_path):
    with pytest.raises(ConfigError, match="snappy"):
        RmfWriter(tmp_path / "x.rmf3", system()[0].record(), codec="snappy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({("physics", "mass"): ([3], [1.0])}, ConfigError, "'physics/mass' is not declared"),
        ({XYZ: ([3, 99], np.zeros((2, 3)))}, ConfigError, "distinct nodes"),
        ({XYZ: ([3, 3], np.zeros((2, 3)))}, ConfigError, "distinct nodes"),
        ({XYZ: ([3, 4], np.zeros((3, 3)))}, ShapeError, r"\(1, 3, 3\), expected \(1, 2, 3\)"),
        ({XYZ: ([3, 4], np.zeros((2, 4)))}, ShapeError, "expected"),
        ({("all", "int"): ([3], [2**31])}, ShapeError, "32 bits"),
        ({("all", "string"): ([3, 4], ["one"])}, ShapeError, "expected"),
    ],
)
def test_values_that_do_not_fit(tmp_path, values, error, words):
    with pytest.raises(error, match=words) as caught, RmfWriter(tmp_path / "x", system()[0].record()) as out:  # fmt: skip
        out.add_frame(values)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_batches_of_different_length(tmp_path):
    builder, ids, restraint = system()
    with pytest.raises(ShapeError, match=r"\[2, 3\] frames"), RmfWriter(tmp_path / "x", builder.record()) as out:  # fmt: skip
        out.add_frames({XYZ: (ids, np.zeros((2, 3, 3))), SCORE: ([restraint], np.zeros((3, 1)))})


def test_a_key_of_two_types_is_refused_in_frames(tmp_path):
    builder, ids, _ = system()
    builder.declare("physics", "coordinates", KeyType.FLOAT)
    with pytest.raises(ConfigError, match="declared with 2 types"), RmfWriter(tmp_path / "x", builder.record()) as out:  # fmt: skip
        out.add_frame({XYZ: (ids, np.zeros((3, 3)))})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (KeyType.INT, 2**31),
        (KeyType.INT, 1.5),
        (KeyType.INT, "x"),
        (KeyType.FLOAT, "x"),
        (KeyType.STRING, 5),
        (KeyType.STRINGS, "abc"),
        (KeyType.INTS, [1, 2.5]),
        (KeyType.VECTOR3, [1.0, 2.0]),
    ],
)
def test_static_values_of_the_wrong_type(kind, value):
    with pytest.raises(ConfigError, match=f"takes {kind.value}") as caught:
        StaticBuilder().set("c", "k", kind, 0, value)
    assert caught.value.hint


def test_nodes_that_are_not_there():
    builder = StaticBuilder()
    with pytest.raises(ConfigError, match="no node 7"):
        builder.add_node("x", NodeType.CUSTOM, 7)
    with pytest.raises(ConfigError, match="no node -1"):
        builder.set("c", "k", KeyType.INT, -1, 0)
    assert builder.add_node("orphan", NodeType.REPRESENTATION, None) == 1
    assert builder.record()["nodes"][1]["parents"] == []


def test_key_ids_count_per_type_and_the_last_value_wins():
    builder = StaticBuilder()
    builder.set("a", "x", KeyType.INT, 0, 1)
    builder.set("b", "x", KeyType.FLOAT, 0, 1)
    builder.set("a", "y", KeyType.INT, 0, 2)
    builder.set("a", "y", KeyType.INT, 0, 3)
    record = builder.record()
    assert [(k["type"], k["id"], k["category"]) for k in record["keys"]] == [
        ("INT", 0, 0),
        ("FLOAT", 0, 1),
        ("INT", 1, 0),
    ]
    assert record["data"]["int_data"][1] == {"key": 1, "values": [{"id": 0, "value": 3}]}


def test_a_score_beyond_32_bits_is_no_value(tmp_path):
    builder, _, restraint = system()
    with RmfWriter(tmp_path / "x", builder.record()) as out:
        out.add_frame({SCORE: ([restraint], [1e300])})
    assert Plain(tmp_path / "x").values(0)["feature", "score", "FLOAT"] == {restraint: np.inf}


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_avro_longs(numbers):
    code = encode_longs(np.array(numbers, dtype=np.int64))
    stream = io.BytesIO(code)
    assert [fastavro.schemaless_reader(stream, {"type": "long"}, None) for _ in numbers] == numbers
    assert stream.read() == b""
    assert code == b"".join(encode_long(n) for n in numbers)


@given(st.text())
def test_texts_are_avro_strings(text):
    stream = io.BytesIO(encode_string(text))
    assert fastavro.schemaless_reader(stream, {"type": "string"}, None) == text
    assert stream.read() == b""
