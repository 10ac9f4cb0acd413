"""Stat files read by several processes: the same columns, losses and errors as without."""

import io
import json
import sys

import numpy as np
import pytest

from congruence.core.provenance import Losses
from congruence.errors import FormatError, InputError
from congruence.io import stat_ahead
from congruence.io.runs import find_runs, read_scores
from congruence.io.stat import read_stat
from congruence.io.stat_ahead import StatAhead, serve
from congruence.simulate import simulate_runs

COLUMNS = ("score", "frame", "lacking")
HEADER = "{'STAT2HEADER': 'STAT2HEADER', 'STAT2HEADER_IMP_VERSIONS': \"{'IMP_VERSION': '2'}\", 0: 'score', 1: 'frame', 2: 'other'} \n"


@pytest.fixture
def files(tmp_path):
    texts = {
        "whole": HEADER + "{0: '1.50', 1: 0, 2: 'å'} \n{0: nan, 1: 1, 2: \"it's\"} \n",
        "damaged": HEADER + "{0: '1', 1: 0, 2: '2'} \n{0: 'x' 1: 2} \n{0: '3', 1: 4, 2: 'cut",
        "none": "",
        "binary": "\0\0",
        "one": "{'score': None, 'frame': True}\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return [str(tmp_path / name) for name in (*texts, "missing")]


def found(read, path):
    losses = Losses()
    try:
        table = read(path, COLUMNS, losses=losses)
    except InputError as problem:
        return type(problem), problem.message, problem.hint, losses.entries
    columns = {name: repr(values.tolist()) for name, values in table.columns.items()}
    assert all(values.dtype == object for values in table.columns.values())
    about = (table.path, table.header, columns, table.lines.tolist(), table.end, table.size)
    return (*about, losses.entries)


def test_processes_give_what_one_gives(files):
    with StatAhead(files, COLUMNS, large=0, processes=2) as ahead:
        assert ahead.processes == 2
        # the damaged and the binary file are among them, and the order is another
        for path in reversed(files):
            assert found(ahead.read, path) == found(read_stat, path)
    assert [worker._process.poll() is not None for worker in ahead._workers] == [True, True]


def test_a_file_that_cannot_be_used_raises_its_own_error(files):
    with StatAhead(files, COLUMNS, large=0, processes=2) as ahead:
        with pytest.raises(FormatError, match="not a stat file"):
            ahead.read(files[3], COLUMNS, losses=Losses())
        with pytest.raises(InputError, match="cannot be read"):
            ahead.read(files[5], COLUMNS, losses=Losses())


@pytest.mark.parametrize("how", ["dead", "absent", "no python"])
def test_without_processes_files_are_read_here(files, monkeypatch, how):
    if how == "dead":
        monkeypatch.setattr(stat_ahead, "_SERVE", "raise SystemExit(3)")
    else:
        place = {"absent": "/there/is/no/python3", "no python": "/usr/bin/viewer"}[how]
        monkeypatch.setattr(sys, "executable", place)
    with StatAhead(files, COLUMNS, large=0, processes=2) as ahead:
        assert bool(ahead.processes) == (how == "dead")
        for path in files:
            assert found(ahead.read, path) == found(read_stat, path)


def test_small_inputs_and_other_columns_start_nothing(files):
    with StatAhead(files, COLUMNS) as ahead:
        assert ahead.processes == 0
        assert found(ahead.read, files[0]) == found(read_stat, files[0])
    with StatAhead(files[:2], ("score",), large=0, processes=2) as ahead:
        assert found(ahead.read, files[0]) == found(read_stat, files[0])


def test_answers_are_lines_of_json(files):
    asked = b"".join(json.dumps([path, ["score"]]).encode() + b"\n" for path in files[:4:3])
    serve(io.BytesIO(asked), answers := io.BytesIO())
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first["columns"] == {"score": ["1.50", pytest.approx(float("nan"), nan_ok=True)]}
    assert first["header"]["imp_versions"] == {"IMP_VERSION": "2"}
    assert second is None


def test_the_table_of_models_is_the_same(tmp_path, monkeypatch):
    simulate_runs(tmp_path, models=24, runs=2, replicas=2, seed=3)
    runs = find_runs([str(tmp_path)])
    tables = []
    for large in (stat_ahead.LARGE, 0):
        monkeypatch.setattr(StatAhead.__init__, "__kwdefaults__", {"large": large, "processes": 2})
        tables.append(
            read_scores(runs, score_key="Total_Score", features=("Link",), losses=Losses())
        )
    one, two = tables
    assert one.names == two.names
    np.testing.assert_array_equal(one.score, two.score)
    assert {k: v.tolist() for k, v in one.columns.items()} == {
        k: v.tolist() for k, v in two.columns.items()
    }
