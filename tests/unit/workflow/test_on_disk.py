import errno

import numpy as np
import pytest

from congruence.errors import OutputError
from congruence.workflow.on_disk import (
    Keeping,
    coordinate_folder,
    map_again,
    mapped_array,
    said_on_disk,
)

SHAPE = (5, 4, 3)


@pytest.mark.parametrize("allocates", [True, False])
def test_what_was_filled_is_on_disk(tmp_path, monkeypatch, allocates):
    if not allocates:
        monkeypatch.delattr("os.posix_fallocate", raising=False)
    expected = np.random.default_rng(0).normal(size=SHAPE)
    with coordinate_folder(tmp_path / "new" / "out") as folder:
        array = mapped_array(folder, SHAPE)
        assert not array.any()
        array[:] = expected
        again = map_again(array)
        assert isinstance(again, np.memmap)
        assert again.tobytes() == expected.tobytes()
        file = folder / "coordinates.npy"
        assert np.load(file).tobytes() == expected.tobytes()
        assert file.stat().st_blocks * 512 >= expected.nbytes
        with pytest.raises(ValueError, match="read-only"):
            again[0] = 1.0
    assert not folder.exists()
    assert folder.name == "out.coordinates"


def test_an_array_in_memory_stays_as_it_is():
    array = np.zeros(SHAPE)
    assert map_again(array) is array


def test_what_an_ended_job_left_is_overwritten_and_other_files_are_left(tmp_path):
    mapped_array(tmp_path / "out.coordinates", (50, 4, 3))[:] = 1.0
    (tmp_path / "out.coordinates" / "mine").write_text("")
    with coordinate_folder(tmp_path / "out") as folder:
        assert not mapped_array(folder, SHAPE).any()
    assert [p.name for p in folder.iterdir()] == ["mine"]


def test_a_full_disk_is_told_before_anything_is_read(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with (
        pytest.raises(OutputError, match=r"5 models in .*No space left") as caught,
        coordinate_folder(tmp_path / "out") as folder,
    ):
        mapped_array(folder, SHAPE)
    assert "--memory" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_what_fits_stays_in_memory(tmp_path, monkeypatch):
    folder, size = tmp_path / "out.coordinates", 8 * 5 * 4 * 3
    for keeping in (Keeping(), Keeping(None, 1), Keeping(folder, 4 * size)):
        assert not isinstance(keeping.array(SHAPE), np.memmap)
    assert not folder.exists()
    found = Keeping(folder, 4 * size - 1).array(SHAPE)
    assert isinstance(found, np.memmap)
    assert said_on_disk(found) == (
        "coordinates stay on disk, 0 MB beside the result until the end",
    )
    assert said_on_disk(np.zeros(3)) == said_on_disk(None) == ()


def test_without_room_on_disk_they_are_in_memory(tmp_path, monkeypatch):
    folder = tmp_path / "out.coordinates"
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    assert not isinstance(Keeping(folder, 1).array(SHAPE), np.memmap)
    # What was decided before is not decided again.
    assert isinstance(Keeping(folder).array(SHAPE), np.memmap)
