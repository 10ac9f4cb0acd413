import os
import sys
from pathlib import Path

import numpy as np
import pytest

from congruence.io.cache import VARIABLE, CoordinateCache, cache_folder, coordinates_key

SHAPE = (100, 500, 3)  # 1.2 MB


def coordinates(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape)


def test_what_was_stored_comes_back(tmp_path):
    cache = CoordinateCache(tmp_path / "c")
    assert cache.load("k", SHAPE) is None
    assert cache.store("k", coordinates(), {"differing": 2})
    found, notes = cache.load("k", SHAPE)
    assert found.tobytes() == coordinates().tobytes()
    assert notes == {"differing": 2}
    assert cache.load("other", SHAPE) is None
    assert not list((tmp_path / "c").glob("*.part"))


@pytest.mark.parametrize(
    "harm",
    [
        lambda array, notes: array.write_bytes(array.read_bytes()[:-8]),
        lambda array, notes: array.write_bytes(b""),
        lambda array, notes: array.write_bytes(array.read_bytes()[:-8] + b"12345678"),
        lambda array, notes: notes.write_text("{"),
        lambda array, notes: notes.write_text("[]"),
        lambda array, notes: notes.unlink(),
    ],
)
def test_entries_that_are_not_whole_are_not_used(tmp_path, harm):
    cache = CoordinateCache(tmp_path)
    cache.store("k", coordinates(), {})
    harm(tmp_path / "k.npy", tmp_path / "k.json")
    assert cache.load("k", SHAPE) is None
    cache.store("k", coordinates(), {})
    assert cache.load("k", SHAPE) is not None


def test_entries_of_another_shape_are_not_used(tmp_path):
    cache = CoordinateCache(tmp_path)
    cache.store("k", coordinates(), {})
    assert cache.load("k", (500, 100, 3)) is None


def test_the_least_recently_used_goes_first(tmp_path):
    cache = CoordinateCache(tmp_path, limit=3_700_000)
    for number, key in enumerate("abc"):
        assert cache.store(key, coordinates(number), {})
        for file in tmp_path.glob(f"{key}.*"):
            os.utime(file, (number, number))
    assert cache.load("a", SHAPE) is not None
    cache.store("d", coordinates(9), {})
    assert sorted(p.stem for p in tmp_path.glob("*.npy")) == ["a", "c", "d"]
    assert sorted(p.stem for p in tmp_path.glob("*.json")) == ["a", "c", "d"]
    assert cache.size() <= 3_700_000


@pytest.mark.parametrize(("shape", "limit"), [((10, 10, 3), 1 << 30), (SHAPE, 2_000_000)])
def test_what_is_too_small_or_too_large_is_not_kept(tmp_path, shape, limit):
    assert not CoordinateCache(tmp_path, limit=limit).store("k", coordinates(0, shape), {})
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    cache = CoordinateCache(tmp_path / "file" / "c")
    assert not cache.store("k", coordinates(), {})
    assert cache.load("k", SHAPE) is None
    nothing = CoordinateCache(None)
    assert not nothing.store("k", coordinates(), {})
    assert nothing.load("k", SHAPE) is None
    assert nothing.size() == 0


def test_the_key_is_of_content_frames_and_reading(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"one" * 100_000)
    two.write_bytes(b"two" * 100_000)
    files = [(str(two), [0, 3]), (str(one), [1])]
    words = {"resolution": 1.0, "state": 0}
    key, order = coordinates_key(files, **words)
    again, other_order = coordinates_key(files[::-1], **words)
    assert key == again
    assert [files[i] for i in order] == [files[::-1][i] for i in other_order]
    moved = tmp_path / "moved"
    two.rename(moved)
    assert coordinates_key([(str(moved), [0, 3]), files[1]], **words)[0] == key
    with moved.open("r+b") as stream:  # in the middle, where no digest looks
        stream.seek(150_000)
        stream.write(b"#")
    assert coordinates_key([(str(moved), [0, 3]), files[1]], **words)[0] != key
    others = [
        coordinates_key([(str(moved), [0, 2]), files[1]], **words),
        coordinates_key([files[1]], **words),
        coordinates_key([(str(moved), [0, 3]), files[1]], resolution=10.0, state=0),
        coordinates_key([(str(moved), [0, 3]), files[1]], resolution=1.0, state="all"),
    ]
    moved.write_bytes(b"two" * 99_999 + b"tw!")
    others.append(coordinates_key([(str(moved), [0, 3]), files[1]], **words))
    assert len({key, *(other[0] for other in others)}) == 6
    assert coordinates_key(files, **words) is None


def test_entries_are_kept_in_another_order_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("congruence.io.cache._BLOCK", 7 * SHAPE[1] * SHAPE[2])
    cache = CoordinateCache(tmp_path)
    rows = np.random.default_rng(1).permutation(SHAPE[0])
    assert cache.store("k", coordinates(), {"differing": 1}, rows)
    kept = np.load(tmp_path / "k.npy")
    assert kept.tobytes() == coordinates()[rows].tobytes()
    np.save(tmp_path / "as numpy", kept)
    assert (tmp_path / "as numpy.npy").read_bytes() == (tmp_path / "k.npy").read_bytes()
    filled = np.empty(SHAPE)
    assert cache.fill("k", filled, rows) == {"differing": 1}
    assert filled.tobytes() == coordinates().tobytes()


@pytest.mark.parametrize("word", ["off", "OFF", "0"])
def test_it_can_be_switched_off(monkeypatch, word):
    monkeypatch.setenv(VARIABLE, word)
    assert cache_folder() is None


def test_the_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine" / "coordinates"
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "congruence" / "coordinates"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "congruence" / "coordinates"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "congruence" / "coordinates"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == Path(tmp_path / "local" / "congruence" / "coordinates")
