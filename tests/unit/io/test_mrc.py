"""MRC files: what is written, what is read, what is refused."""

import gzip
import struct

import mrcfile
import numpy as np
import pytest

from congruence.core.grid import DensityMap, Grid
from congruence.errors import FormatError, OutputError
from congruence.io.mrc import read_mrc, write_mrc


@pytest.fixture
def density():
    values = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    return DensityMap("Rpb4 copy 1", Grid((-10.0, 5.5, 0.0), (2, 3, 4), 3.3), values, 17)


@pytest.fixture
def written(tmp_path, density):
    path = tmp_path / "Rpb4.mrc"
    write_mrc(path, density, notes=["alignment: superpose", "map resolution 20 Å"])
    return path


def patched(path, at, *values, kind="<i"):
    data = bytearray(path.read_bytes())
    for i, value in enumerate(values):
        struct.pack_into(kind, data, at + 4 * i, value)
    path.write_bytes(bytes(data))
    return path


def test_round_trip(written, density):
    back = read_mrc(written)
    assert (back.name, back.models, back.grid) == ("Rpb4 copy 1", 17, density.grid)
    assert back.values.dtype == np.float32
    assert np.array_equal(back.values, density.values)


def test_header_is_mrc2014(written):
    head = written.read_bytes()[:1024]
    assert struct.unpack("<10i", head[:40]) == (2, 3, 4, 2, 0, 0, 0, 2, 3, 4)
    np.testing.assert_allclose(struct.unpack("<6f", head[40:64]), (6.6, 9.9, 13.2, 90, 90, 90))
    assert struct.unpack("<3i", head[64:76]) == (1, 2, 3)
    np.testing.assert_allclose(struct.unpack("<3f", head[76:88]), (0, 23, 11.5))
    assert struct.unpack("<i", head[88:92]) == (1,)
    assert struct.unpack("<i", head[108:112]) == (20140,)
    assert struct.unpack("<3f", head[196:208]) == (-10.0, 5.5, 0.0)
    assert head[208:216] == b"MAP \x44\x44\x00\x00"
    assert struct.unpack("<f", head[216:220])[0] == pytest.approx(np.arange(24).std())
    assert struct.unpack("<i", head[220:224]) == (4,)
    labels = [head[224 + 80 * i : 304 + 80 * i].rstrip(b"\0 ").decode() for i in range(4)]
    assert labels[0].startswith("congruence ")
    assert labels[1:] == [
        "models: 17; name: Rpb4 copy 1",
        "alignment: superpose",
        "map resolution 20 A",
    ]


def test_mrcfile_finds_it_valid(written, capsys):
    assert mrcfile.validate(written)
    capsys.readouterr()


def test_same_map_same_bytes(tmp_path, density):
    for name in ("a.mrc", "b.mrc"):
        write_mrc(tmp_path / name, density)
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mrc", "b.mrc"]


def test_a_failed_write_leaves_the_old_file(written, density, monkeypatch):
    before = written.read_bytes()

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("mrcfile.mrcfile.MrcFile.set_data", fail)
    with pytest.raises(OSError, match="disk full"):
        write_mrc(written, density)
    assert written.read_bytes() == before
    assert [p.name for p in written.parent.iterdir()] == ["Rpb4.mrc"]


def test_refuses_what_cannot_be_written(tmp_path, density):
    with pytest.raises(OutputError, match="labels") as caught:
        write_mrc(tmp_path / "a.mrc", density, notes=["x"] * 9)
    assert "Shorten" in caught.value.hint
    with pytest.raises(OutputError, match="no folder"):
        write_mrc(tmp_path / "none" / "a.mrc", density)
    density.values[0, 0, 0] = np.nan
    with pytest.raises(OutputError, match="not finite"):
        write_mrc(tmp_path / "a.mrc", density)


def test_reads_the_headers_of_the_reference(written, density):
    patched(written, 16, 1, 1, 1)  # start indices
    patched(written, 76, *[float("nan")] * 3, kind="<f")
    patched(written, 88, 1065353216)  # space group
    patched(written, 196, 0.0, 0.0, 0.0, kind="<f")
    patched(written, 212, 0)  # machine stamp
    patched(written, 224, *[0] * 200)  # labels
    back = read_mrc(written)
    assert back.grid.origin == (0.0, 0.0, 0.0)
    assert (back.name, back.models) == ("Rpb4", 1)
    assert np.array_equal(back.values, density.values)


def test_start_indices_place_a_map_without_origin(written):
    patched(written, 16, -3, 2, 1)
    patched(written, 196, 0.0, 0.0, 0.0, kind="<f")
    np.testing.assert_allclose(read_mrc(written).grid.origin, (-9.9, 6.6, 3.3))


def test_axes_in_another_order_are_turned(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)  # x, y, z
    path = tmp_path / "turned.mrc"
    with mrcfile.new(path) as file:
        file.set_data(values)  # columns are z, rows y, sections x
        file.header.mapc, file.header.mapr, file.header.maps = 3, 2, 1
        file.header.mx, file.header.my, file.header.mz = 2, 3, 4
        file.header.cella = (2.0, 3.0, 4.0)
        file.nstart = (7, 5, 3)  # along z, y, x
    back = read_mrc(path)
    assert back.grid == Grid((3.0, 5.0, 7.0), (2, 3, 4), 1.0)
    assert np.array_equal(back.values, values.transpose(2, 1, 0))


def test_other_modes_and_packed_files(written, density, tmp_path):
    packed = tmp_path / "b.mrc.gz"
    packed.write_bytes(gzip.compress(written.read_bytes()))
    assert np.array_equal(read_mrc(packed).values, density.values)
    path = tmp_path / "int.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.arange(8, dtype=np.int16).reshape(2, 2, 2))
        file.voxel_size = 2.0
    assert read_mrc(path).values.ravel().tolist() == list(range(8))


def test_the_empty_map_of_the_reference_is_named(tmp_path, written):
    patched(written, 0, *[-(2**31)] * 3)
    written.write_bytes(written.read_bytes()[:1024])
    with pytest.raises(FormatError, match="-2147483648 x -2147483648") as caught:
        read_mrc(written)
    assert "selection was empty" in caught.value.hint
    assert caught.value.path == str(written)


def test_a_packed_file_cut_short_is_refused(written, tmp_path):
    packed = tmp_path / "b.mrc.gz"
    packed.write_bytes(gzip.compress(written.read_bytes())[:-40])
    with pytest.raises(FormatError, match=r"no whole MRC file|one whole volume"):
        read_mrc(packed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:1100]), "1100 bytes, its header asks for 1120"),
        (lambda p: p.write_bytes(p.read_bytes()[:500]), "no whole MRC file"),
        (lambda p: p.write_bytes(b"HELLO" * 400), "no whole MRC file"),
        (lambda p: patched(p, 0, 60000, 60000, 60000), "its header asks for"),
        (lambda p: patched(p, 12, 4), "mode is 4"),
        (lambda p: patched(p, 12, 99), "mode is 99"),
        (lambda p: patched(p, 64, 1, 1, 3), "axis order"),
        (lambda p: patched(p, 40, 9.0, kind="<f"), "expected cubes"),
        (lambda p: patched(p, 52, 80.0, kind="<f"), "cell angles"),
        (lambda p: patched(p, 1028, float("inf"), kind="<f"), "not finite"),
        (lambda p: p.unlink(), "no such file"),
    ],
)
def test_corrupt_files_are_refused(written, change, message):
    change(written)
    with pytest.raises(FormatError, match=message):
        read_mrc(written)
