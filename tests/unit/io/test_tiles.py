import json

import numpy as np
import pytest

from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.core.sources import CondensedSink
from congruence.errors import FormatError, InputError, OutputError
from congruence.io.tiles import DistanceFolder

M, EDGE = 300, 128


@pytest.fixture(scope="module")
def models():
    return np.random.default_rng(0).normal(size=(M, 5, 3)) * 10


def filled(path, models, dtype=np.float32):
    folder = DistanceFolder(path, M, key="k", edge=EDGE, dtype=dtype)
    rmsd_tiles(models, folder, Metric("none"), edge=EDGE)
    return folder


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_read_back_as_the_matrix(tmp_path, models, dtype):
    folder = filled(tmp_path / "tiles", models, dtype)
    matrix = rmsd_matrix(models, alignment="none", dtype=dtype)
    assert folder.complete
    assert folder.condensed().tobytes() == matrix.condensed.tobytes()
    again = DistanceFolder.existing(tmp_path / "tiles")
    assert again.complete
    assert again.dtype == dtype
    chosen = np.array([299, 0, 128, 127, 0])
    np.testing.assert_array_equal(again.rows(chosen), matrix.square()[chosen].astype(dtype))
    names = sorted(p.name for p in (tmp_path / "tiles").iterdir())
    assert names[0] == "manifest.json"
    assert names[1:3] == ["tile-00000000-00000000.npy", "tile-00000000-00000128.npy"]
    assert len(names) == 1 + 6


def test_tiles_can_be_put_into_another_sink(tmp_path, models):
    sink = CondensedSink(M, np.float64)
    filled(tmp_path / "t", models, np.float64).replay(sink)
    assert sink.values.tobytes() == rmsd_matrix(models, alignment="none").condensed.tobytes()


def test_only_whole_tiles_count(tmp_path, models):
    path = tmp_path / "tiles"
    filled(path, models)
    whole = {p.name: p.read_bytes() for p in path.iterdir()}
    (path / "tile-00000000-00000128.npy").unlink()
    cut = path / "tile-00000128-00000128.npy"
    cut.write_bytes(cut.read_bytes()[:-100])
    (path / "tile-00000256-00000256.npy").write_bytes(b"")
    np.save(path / "tile-00000000-00000000.npy", np.zeros((3, 3), np.float32))
    (path / "tile-00000000-00000256.npy.77.part").write_bytes(b"half")
    folder = DistanceFolder(path, M, key="k", edge=EDGE)
    assert folder.done() == {(0, 256), (128, 256)}
    assert not folder.complete
    with pytest.raises(InputError, match=r"has no tile \(0, 0\): 2 tiles are there") as caught:
        folder.condensed()
    assert "missing tiles are made" in caught.value.hint
    rmsd_tiles(models, folder, Metric("none"), edge=EDGE)
    assert {p.name: p.read_bytes() for p in path.iterdir()} == whole


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"key": "other"}, "other models or another definition"),
        ({"edge": 256}, "edge 128, here 256"),
        ({"dtype": np.float64}, "dtype float32, here float64"),
        ({"m": 301}, "models 300, here 301"),
    ],
)
def test_tiles_of_another_job_are_refused(tmp_path, words, message):
    DistanceFolder(tmp_path / "t", M, key="k", edge=EDGE)
    with pytest.raises(OutputError, match=message) as caught:
        DistanceFolder(tmp_path / "t", **({"m": M, "key": "k", "edge": EDGE} | words))
    assert "another folder" in caught.value.hint


def test_folders_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="folder of something else"):
        DistanceFolder(tmp_path, M, key="k")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(OutputError, match="manifest is not known"):
        DistanceFolder(tmp_path, M, key="k")
    with pytest.raises(FormatError, match="not the manifest of a folder of tiles"):
        DistanceFolder.existing(tmp_path)
    with pytest.raises(InputError, match="cannot read"):
        DistanceFolder.existing(tmp_path / "nowhere")


def test_wrong_tiles_are_refused(tmp_path):
    folder = DistanceFolder(tmp_path / "t", M, key="k", edge=EDGE)
    with pytest.raises(OutputError, match=r"shape \(2, 2\), expected \(128, 128\)"):
        folder.put(0, 0, np.zeros((2, 2)))
    with pytest.raises(OutputError, match="not the corner of a tile"):
        folder.put(64, 128, np.zeros((128, 128)))
    assert folder.done() == set()


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write tiles into"):
        DistanceFolder(tmp_path / "file" / "t", M, key="k")


def test_a_folder_is_removed_whole(tmp_path, models):
    filled(tmp_path / "t", models).remove()
    assert list(tmp_path.iterdir()) == []
