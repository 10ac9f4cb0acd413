import json
import mmap

import numpy as np
import pytest
from tinyrmf import SYNC, header, long, tiny_frames

from congruence.errors import FormatError, InputError
from congruence.io.rmf import container, open_rmf
from congruence.io.rmf.schema import schema_json
from congruence.io.rmf.transform import matrices
from congruence.io.rmf.wire import read_long, skip_array, skip_long


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="there is no file") as caught:
        open_rmf(tmp_path / "none.rmf3")
    assert caught.value.hint


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        open_rmf(tmp_path)


@pytest.mark.parametrize(
    ("content", "error", "said", "advised"),
    [
        (b"", InputError, "is empty", "leave the file out"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), FormatError, "HDF5", "rmf_update"),
        (b"ATOM      1  N", FormatError, "begins with b'ATOM'", "RMF3 file"),
        (b"Obj\x01", FormatError, "ends inside its header", "killed"),
        (header()[:-20], FormatError, "ends inside its header", "killed"),
        (header(), FormatError, "no whole record", "killed"),
        (header() + b"\0\0" + SYNC, FormatError, "no whole record", "killed"),
        (header("snappy"), FormatError, "codec 'snappy'", "without compression"),
        (header(schema=b'{"type": "record", "name": "Frame", "fields": []}'), FormatError,
         "not that of RMF3", "RMF3 file"),
        (header(schema=b"[{"), FormatError, "not that of RMF3", "RMF3 file"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path, content, error, said, advised):
    path = tmp_path / "bad.rmf3"
    path.write_bytes(content)
    with pytest.raises(error, match=said) as caught:
        open_rmf(path)
    assert str(path) in str(caught.value)
    assert advised in caught.value.hint


def test_schema_may_be_spelled_differently(tmp_path):
    pretty = json.dumps(json.loads(schema_json()), indent=4).encode()
    content = tiny_frames().bytes().replace(header(), header(schema=pretty))
    path = tmp_path / "pretty.rmf3"
    path.write_bytes(content)
    assert len(open_rmf(path)) == 3


def test_a_file_of_frames_only_has_no_nodes(tmp_path):
    tiny = tiny_frames()
    tiny.records = tiny.records[1:]
    file = open_rmf(tiny.write(tmp_path / "x.rmf3"))
    with pytest.raises(FormatError, match="no whole static record"):
        file.topology()


def test_damaged_marker_costs_nothing(tmp_path):
    tiny = tiny_frames(4)
    blocks = list(tiny.blocks())
    blocks[2] = blocks[2][:-3] + b"???"
    path = tmp_path / "x.rmf3"
    path.write_bytes(header() + b"".join(blocks) + b"\0\0" + SYNC)
    file = open_rmf(path)
    assert file.frame_ids == (0, 1, 2, 3)
    assert len(file.losses) == 0


def test_damaged_length_costs_one_block_and_keeps_the_numbers(tmp_path):
    tiny = tiny_frames(5)
    blocks = list(tiny.blocks())
    blocks[3] = long(1) + long(10**9) + blocks[3][3:]
    path = tmp_path / "x.rmf3"
    path.write_bytes(header() + b"".join(blocks) + b"\0\0" + SYNC)
    file = open_rmf(path)
    assert file.frame_ids == (0, 1, 3, 4)
    assert len(file) == 4
    assert np.allclose(file.coordinates([4])[0, 0], (40, 1, 0), atol=1e-6)
    with pytest.raises(InputError, match="no frame 2"):
        file.coordinates([2])
    assert file.coordinates(slice(1, 4)).shape[0] == 2
    reasons = file.losses.by_reason()
    assert reasons.pop("frame: missing between others") == 1
    (reason,) = reasons
    assert reason.startswith("block: damaged, resumed at byte")
    assert all(str(path) in entry.where for entry in file.losses.entries)


def test_trailing_garbage_is_stepped_over(tmp_path):
    path = tmp_path / "x.rmf3"
    path.write_bytes(tiny_frames().bytes() + b"\x02\x80 garbage")
    file = open_rmf(path)
    assert len(file) == 3
    assert file.losses.by_reason() == {"byte: behind the end of a closed file": 10}


def test_odd_numbers_of_frames_are_kept_and_told(tmp_path):
    tiny = tiny_frames(2)
    values = {"physics/coordinates/v3": {12: (0, 0, 0)}}
    tiny.frame(values, number=7).frame(values, number=4).frame(values, number=1)
    file = open_rmf(tiny.write(tmp_path / "x.rmf3"))
    assert file.frame_ids == (0, 1, 7, 4)
    reasons = file.losses.by_reason()
    assert reasons["frame: missing between others"] == 4
    assert reasons["frame 1: a second frame with this number"] == 1
    assert reasons["frame number: out of order; the frame is kept under its number"] == 1


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("per_block", [1, 3, 9])
def test_cut_anywhere_half_frames_are_never_seen(tmp_path, codec, per_block):
    """What a cut file gives is what the whole file gives, for every frame that it has."""
    tiny = tiny_frames(6)
    whole = open_rmf(tiny.write(tmp_path / "whole.rmf3", per_block=per_block, codec=codec))
    expected = whole.coordinates()
    content = whole.path.read_bytes()
    start = len(header(codec))
    path = tmp_path / "cut.rmf3"
    counts = []
    for cut in range(start, len(content), 7 if codec == "null" else 5):
        path.write_bytes(content[:cut])
        try:
            file = open_rmf(path)
        except FormatError as error:
            assert "no whole record" in str(error)
            continue
        counts.append(len(file))
        assert file.frame_ids == tuple(range(len(file)))
        if len(file):
            assert np.array_equal(file.coordinates(), expected[: len(file)])
        if not file.is_closed:
            continue
        assert len(file) == 6
    assert counts == sorted(counts)
    assert counts[-1] == 6
    assert set(counts) >= {1, 2, 3, 4, 5} or codec == "deflate"


def test_cut_file_padded_with_zeros(tmp_path):
    tiny = tiny_frames(3)
    content = tiny.bytes(per_block=9)
    path = tmp_path / "x.rmf3"
    for cut in (len(content) - 60, len(content) - 120, len(content) - 200):
        path.write_bytes(content[:cut] + bytes(4096))
        file = open_rmf(path)
        assert len(file) < 3
        if len(file):
            assert np.allclose(file.coordinates()[:, 0, 0], 10 * np.arange(len(file)))


def test_growing_file_is_partial_until_it_is_whole(tmp_path):
    tiny = tiny_frames(3)
    content = tiny.bytes(closed=False)
    path = tmp_path / "x.rmf3"
    path.write_bytes(content[:-1])  # the last marker is cut
    file = open_rmf(path)
    assert (len(file), file.is_closed, len(file.losses)) == (3, False, 0)
    path.write_bytes(content[:-17])  # and one byte of the last frame
    file = open_rmf(path)
    assert (len(file), file.is_closed) == (2, False)
    assert file.losses.by_reason() == {"record: the file ends inside the block": 1}


def test_negative_counts_of_arrays():
    # 2 items in 2 bytes, then the end
    data = long(-2) + long(2) + long(5) + long(-6) + long(0)
    assert skip_array(data, 0, skip_long) == len(data)


def test_longs():
    for value in (0, -1, 1, 63, 64, -65, 2**31, -(2**63)):
        assert read_long(long(value), 0) == (value, len(long(value)))
    with pytest.raises(ValueError, match="ten bytes"):
        read_long(b"\xff" * 20, 0)
    with pytest.raises(IndexError):
        read_long(b"\x80", 0)


def test_quaternions():
    half = 0.5**0.5
    found = matrices(np.array([[1, 0, 0, 0], [half, half, 0, 0], [3.0, 0, 3.0, 0]]))
    assert np.allclose(found[0], np.eye(3))
    assert np.allclose(found[1] @ [0, 1, 0], [0, 0, 1])
    assert np.allclose(found[2] @ [0, 0, 1], [1, 0, 0])
    assert np.allclose(np.linalg.det(found), 1)


def test_frames_may_declare_nodes(tmp_path):
    tiny = tiny_frames(1)
    values = {"physics/coordinates/v3": {12: (0, 0, 0), 30: (1, 1, 1)}}
    tiny.frame(values)
    tiny.records[-1]["nodes"] = [{"id": 30, "name": "new", "type": 1, "parents": [11]}]
    file = open_rmf(tiny.write(tmp_path / "x.rmf3"))
    assert file.nodes[30].name == "new"
    assert len(file) == 2


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_large_files_are_mapped(tmp_path, monkeypatch, codec):
    path = tiny_frames(4).write(tmp_path / "x.rmf3", codec=codec)
    expected = open_rmf(path).coordinates()
    monkeypatch.setattr(container, "_MAPPED_FROM", 0)
    file = open_rmf(path)
    assert isinstance(file._container.data, mmap.mmap)
    assert np.array_equal(file.coordinates(), expected)
    path.write_bytes(path.read_bytes() + b"garbage")
    assert len(open_rmf(path).losses) == 7
