"""Matrices that come back as they were, and files that are refused."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from congruence.core.results import Alignment, DistanceMatrix
from congruence.errors import FormatError, InputError, OutputError
from congruence.io.matrix import load_matrix, save_matrix

SQUARE = np.array([[0.0, 1, 2], [1, 0, 3], [2, 3, 0]])


def some(m=3, **words):
    n = m * (m - 1) // 2
    return DistanceMatrix(
        np.arange(1, n + 1, dtype=np.float32), m, words.pop("alignment", Alignment.CENTER), **words
    )


def npy(folder, array, name="foreign.npy"):
    path = folder / name
    np.save(path, array)
    return path


@pytest.mark.parametrize("m", [1, 2, 5])
def test_a_saved_matrix_comes_back(tmp_path, m):
    names = tuple(f"α{i}.rmf3|{i}" for i in range(m))
    matrix = some(m, names=names, weights="none", definition={"selection": "A; B"})
    folder = save_matrix(matrix, tmp_path / "new" / "folder")
    for path in (folder, folder / "distances.npy", folder / "distances.json"):
        back = load_matrix(path)
        assert back.condensed.tolist() == matrix.condensed.tolist()
        assert back.condensed.dtype == np.float32
        assert (back.m, back.names, back.alignment) == (m, names, Alignment.CENTER)
        assert (back.weights, back.definition) == ("none", {"selection": "A; B"})


def test_the_words_say_what_the_numbers_are(tmp_path):
    save_matrix(some(3), tmp_path)
    words = json.loads((tmp_path / "distances.json").read_text(encoding="utf-8"))
    assert (words["m"], words["unit"], words["dtype"], words["alignment"]) == (
        3,
        "Å",
        "float32",
        "center",
    )
    assert words["version"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["distances.json", "distances.npy"]


def test_equal_matrices_are_equal_files_and_are_replaced(tmp_path):
    save_matrix(some(4), tmp_path / "a")
    save_matrix(some(3), tmp_path / "b")
    save_matrix(some(4), tmp_path / "b")
    for name in ("distances.npy", "distances.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_float64_is_stored_as_float32(tmp_path):
    matrix = DistanceMatrix(np.array([1 / 3]), 2, Alignment.NONE)
    assert load_matrix(save_matrix(matrix, tmp_path)).condensed[0] == np.float32(1 / 3)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "<i4"])
@pytest.mark.parametrize("array", [SQUARE, np.array([1.0, 2, 3])], ids=["square", "condensed"])
def test_foreign_matrices_are_read(tmp_path, array, dtype):
    back = load_matrix(npy(tmp_path, array.astype(dtype)))
    assert back.condensed.tolist() == [1.0, 2.0, 3.0]
    assert back.condensed.dtype == (np.float32 if dtype[1:] in ("f4", "f2") else np.float64)
    assert (back.m, back.alignment, back.names) == (3, Alignment.NONE, ())
    assert back.definition["source"] == "foreign.npy"


def test_a_square_matrix_of_many_rows_keeps_its_order(tmp_path):
    x = np.random.default_rng(0).random(300)
    square = np.abs(x[:, None] - x)
    back = load_matrix(npy(tmp_path, square))
    assert np.array_equal(back.square(), square)


def test_our_array_alone_is_read_as_a_foreign_one(tmp_path):
    save_matrix(some(3), tmp_path)
    (tmp_path / "distances.json").unlink()
    assert load_matrix(tmp_path / "distances.npy").alignment == Alignment.NONE


def test_rounding_does_not_make_a_matrix_asymmetric(tmp_path):
    square = SQUARE.copy()
    square[2, 1] += 2e-6
    square[1, 1] = 2e-6
    assert load_matrix(npy(tmp_path, square)).condensed.tolist() == [1, 2, 3]


def test_names_come_from_a_text_file(tmp_path):
    (tmp_path / "names.txt").write_bytes(b"\xef\xbb\xbfone \r\ntwo\r\nthree\r\n\r\n")
    path = npy(tmp_path, SQUARE)
    assert load_matrix(path, tmp_path / "names.txt").names == ("one", "two", "three")
    (tmp_path / "names.txt").write_text("one\n\nthree")
    assert load_matrix(path, tmp_path / "names.txt").names == ("one", "", "three")
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    with pytest.raises(FormatError, match="2 names for a matrix of 3 models") as caught:
        load_matrix(path, tmp_path / "names.txt")
    assert "One name a line" in caught.value.hint


def changed(i, j, value):
    square = SQUARE.copy()
    square[i, j] = value
    return square


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (changed(2, 1, 3.1), r"not symmetric: 3 from model 1 to 2, but 3.1 from 2 to 1"),
        (changed(1, 1, 0.5), r"distance of model 1 to itself is 0.5, expected 0"),
        (changed(0, 2, np.nan), r"row 0, column 2: the distance of models 0 and 2 is nan"),
        (np.ones((2, 3)), "2 x 3 is not square"),
        (np.ones(4), "4 values are no condensed matrix: 3 models have 3 and 4 have 6"),
        (np.array([1.0, 2, np.inf]), "first is inf, of models 1 and 2"),
        (np.array([1, 2, 3, 4, -5.0, 6]), "first is -5, of models 1 and 3"),
        (np.ones((2, 2, 2)), "found 3 dimensions"),
        (np.float64(3.0), "found 0 dimensions"),
        (np.array([1j]), "type complex128"),
        (np.array(["a"]), "expected real numbers"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path, array, message):
    path = npy(tmp_path, array)
    with pytest.raises(FormatError, match=message) as caught:
        load_matrix(path)
    assert "foreign.npy" in caught.value.message
    assert caught.value.hint


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "evil.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="pickled Python objects, which are never loaded"):
        load_matrix(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY", b"PK\x03\x04" + bytes(40)])
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"not an \.npy file"):
        load_matrix(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.npy: cannot be read: No such file") as caught:
        load_matrix(tmp_path / "nothing.npy")
    assert "distances.npy" in caught.value.hint
    with pytest.raises(InputError, match=r"distances\.json: cannot be read"):
        load_matrix(tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_matrix(some(), tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 4}, "says 4 models, but distances.npy beside it has 3"),
        ({"crc32": 1}, "not the array that was saved"),
        ({"format": "else"}, "does not say 'congruence distance matrix'"),
        ({"format_version": 2}, "format version 2, expected 1"),
        ({"alignment": "best"}, "unknown alignment 'best'"),
        ({"weights": ["x"]}, "weights"),
        ({"names": ["a"]}, "1 names for 3 models"),
        ({"names": 3}, "'names' is no list"),
        ({"definition": []}, "'definition' no table"),
    ],
)
def test_words_that_do_not_fit_are_refused(tmp_path, change, message):
    path = save_matrix(some(3), tmp_path) / "distances.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=message) as caught:
        load_matrix(tmp_path)
    assert caught.value.hint


def test_words_that_are_no_json_are_refused(tmp_path):
    (save_matrix(some(3), tmp_path) / "distances.json").write_text("{")
    with pytest.raises(FormatError, match="not a JSON file"):
        load_matrix(tmp_path)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    at=st.integers(0, 151),
    byte=st.integers(0, 255),
    cut=st.one_of(st.none(), st.integers(0, 152)),
)
def test_damaged_files_raise_our_errors_only(tmp_path, at, byte, cut):
    path = npy(tmp_path, np.array([1.0, 2, 3]))
    data = bytearray(path.read_bytes())
    data[at] = byte
    path.write_bytes(data[:cut])
    try:
        assert load_matrix(path).condensed.dtype.kind == "f"
    except InputError as error:
        assert error.hint
