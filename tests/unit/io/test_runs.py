"""Run folders: what is found, in which order, and which file each row means."""

from pathlib import Path

import numpy as np
import pytest

import congruence.io.rmf
from congruence.core.provenance import Losses
from congruence.errors import FormatError, InputError
from congruence.io.rmf_paths import resolve_rmf
from congruence.io.runs import (
    ReadNotes,
    expand_features,
    find_runs,
    find_score_key,
    list_columns,
    natural_key,
    read_scores,
)


def stat_text(names, rows):
    header = {"STAT2HEADER": "STAT2HEADER", **dict(enumerate(names))}
    return "".join(f"{line} \n" for line in [header, *(dict(enumerate(r)) for r in rows)])


def make_run(folder, replicas, names=("Total_Score", "rmf_file", "rmf_frame_index")):
    """Write an output folder; `replicas` maps numbers to lists of scores."""
    (folder / "rmfs").mkdir(parents=True, exist_ok=True)
    for number, scores in replicas.items():
        rmf = folder / "rmfs" / f"{number}.rmf3"
        rmf.touch()
        rows = [(s, f"output/rmfs//{number}.rmf3", i) for i, s in enumerate(scores)]
        (folder / f"stat.{number}.out").write_text(stat_text(names, rows))
    return folder


def names_of(runs):
    return [run.name for run in runs]


def read(runs, **keywords):
    losses, notes = Losses(), ReadNotes()
    options = {"score_key": "Total_Score", **keywords}
    return read_scores(runs, losses=losses, notes=notes, **options), losses, notes


def test_an_output_folder_itself_and_the_folder_above(tmp_path):
    top = tmp_path / "top"
    out = make_run(top / "mid" / "run1" / "output", {0: ["1"]})
    for spec in (out, out.parent, str(top / "mid"), f"{top}/mid/run*", top):
        runs = find_runs([spec])
        assert names_of(runs) == ["run1"]
        assert runs[0].segments[0].folder == str(out)


def test_runs_and_replicas_are_in_natural_order(tmp_path):
    for i in (10, 2, 1):
        make_run(tmp_path / f"run{i}", {k: ["1"] for k in (10, 9, 0)})
    runs = find_runs([tmp_path])
    assert names_of(runs) == ["run1", "run2", "run10"]
    assert [i for i, _ in runs[0].replicas] == [0, 9, 10]


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for i in (3, 1, 2):
        make_run(tmp_path / f"run{i}", {k: ["1"] for k in range(12)})
    expected = find_runs([tmp_path])
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(listed(self), reverse=True))
    assert find_runs([tmp_path]) == expected


def test_hidden_and_deeper_folders_are_not_entered(tmp_path):
    make_run(tmp_path / ".hidden" / "output", {0: ["1"]})
    make_run(tmp_path / "a" / "b" / "c" / "d", {0: ["1"]})
    with pytest.raises(InputError, match=r"no run found.*it holds .hidden, a") as caught:
        find_runs([tmp_path])
    assert "stat.N.out" in caught.value.hint


def test_names_are_short_and_unique(tmp_path):
    for name in ("a/run1", "b/run1", "b/run2"):
        make_run(tmp_path / name / "output", {0: ["1"]})
    assert names_of(find_runs([tmp_path])) == ["a-run1", "b-run1", "run2"]


def test_what_is_named_twice_is_taken_once(tmp_path):
    make_run(tmp_path / "run1" / "output", {0: ["1"], 1: ["2"]})
    specs = [
        tmp_path,
        tmp_path / "run1",
        f"{tmp_path}/run1/output/stat.*.out",
        f"{tmp_path}/run?/*",
    ]
    runs = find_runs(specs)
    assert names_of(runs) == ["run1"]
    assert [r.kind for _, (r,) in runs[0].replicas] == ["stat", "stat"]


def test_files_of_one_folder_are_one_run(tmp_path):
    out = make_run(tmp_path / "mine", {0: ["1"], 1: ["2"], 2: ["3"]})
    runs = find_runs([out / "stat.2.out", out / "stat.0.out"])
    assert names_of(runs) == ["mine"]
    assert [i for i, _ in runs[0].replicas] == [0, 2]


def test_folders_of_rmf_files_without_stat_files(tmp_path):
    for name in ("rmfs/10.rmf3", "rmfs/2.rmf3", "initial.0.rmf3", "rmfs/notes.txt"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).touch()
    (tmp_path / "bare").mkdir()
    for name in ("native.rmf3", "trajectory.rmf", "initial.3.rmf3"):
        (tmp_path / "bare" / name).touch()
    (run,) = find_runs([tmp_path / "out"])
    assert [(i, r.kind) for i, (r,) in run.replicas] == [(2, "rmf"), (10, "rmf")]
    assert find_runs([tmp_path / "out" / "rmfs"])[0].name == "out"
    (bare,) = find_runs([tmp_path / "bare"])
    assert [Path(r.path).name for _, (r,) in bare.replicas] == ["native.rmf3", "trajectory.rmf"]
    (single,) = find_runs([tmp_path / "bare" / "trajectory.rmf"])
    assert single.name == "bare"


@pytest.mark.parametrize("spec", ["nowhere", "nowhere*", "x=nowhere"])
def test_specs_that_lead_nowhere(tmp_path, spec, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="nowhere") as caught:
        find_runs([spec])
    assert caught.value.hint


def test_named_segments_join_their_replicas(tmp_path):
    one = make_run(tmp_path / "out", {0: ["5.5", "4.5"], 1: ["9.5"]})
    two = make_run(tmp_path / "out_restart", {0: ["3.5"], 1: ["2.5", "1.5"]})
    for runs in (
        find_runs([f"r1={one},{two}"]),
        find_runs([], named={"r1": [one, two]}),
        find_runs([tmp_path, f"r1={one},{two}"]),
    ):
        assert names_of(runs) == ["r1"]
        table, losses, _ = read(runs)
        assert table.score.tolist() == [5.5, 4.5, 3.5, 9.5, 2.5, 1.5]
        assert table.step.tolist() == [0, 1, 2, 0, 1, 2]
        assert table.replica.tolist() == [0, 0, 0, 1, 1, 1]
        assert set(table.run) == {"r1"}
        assert not losses.entries


def test_named_segments_have_to_be_single_folders(tmp_path):
    make_run(tmp_path / "a" / "output", {0: ["1"]})
    make_run(tmp_path / "b" / "output", {0: ["1"]})
    with pytest.raises(InputError, match="holds 2 runs, expected 1"):
        find_runs([f"r={tmp_path}"])
    with pytest.raises(InputError, match="more than once"):
        find_runs([f"r={tmp_path}/a,{tmp_path}/b", f"s={tmp_path}/a"])
    with pytest.raises(InputError, match="'r' is used 2 times"):
        find_runs([f"r={tmp_path}/a", f"r={tmp_path}/b"])


@pytest.mark.parametrize(
    ("first", "second", "left", "lost"),
    [
        (["5.1", "4.2", "3.3"], ["3.3", "2.2"], [5.1, 4.2, 3.3, 2.2], 1),
        (["5.1", "4.2", "3.3"], ["4.2", "3.3", "2.2"], [5.1, 4.2, 3.3, 2.2], 2),
        (["5.1", "4.23456", "3.3"], ["4.23456", "2.2"], [5.1, 4.23456, 3.3, 2.2], 1),
        (["5.1", "4.2", "3.3"], ["4.2", "2.2"], [5.1, 4.2, 3.3, 4.2, 2.2], 0),
        (["0.0", "0.0"], ["0.0", "0.0"], [0.0] * 4, 0),
        (["0.0"], ["0.0"], [0.0] * 2, 0),
        (["7.5", "7.5"], ["7.5"], [7.5] * 3, 0),
        ([], ["1.5"], [1.5], 0),
        (["1.5"], [], [1.5], 0),
    ],
)
def test_rows_repeated_at_the_seam_of_a_restart(tmp_path, first, second, left, lost):
    one, two = make_run(tmp_path / "a", {0: first}), make_run(tmp_path / "b", {0: second})
    table, losses, _ = read(find_runs([f"r={one},{two}"]))
    assert table.score.tolist() == left
    assert table.step.tolist() == list(range(len(left)))
    assert len(losses) == lost


def test_rows_that_name_one_frame_twice(tmp_path):
    out = make_run(tmp_path / "a", {0: ["1", "2"]})
    with (out / "stat.0.out").open("a") as file:
        file.write("{0: '3', 1: 'output/rmfs//0.rmf3', 2: 1} \n")
    link = tmp_path / "b"
    link.mkdir()
    (link / "rmfs").symlink_to(out / "rmfs")
    (link / "stat.0.out").write_text((out / "stat.0.out").read_text())
    table, losses, _ = read(find_runs([out, link]))
    assert table.score.tolist() == [1.0, 3.0]
    assert [(Path(e.where).parent.name, e.count) for e in losses.entries] == [("a", 1), ("b", 3)]


def test_columns_missing_in_one_file_are_padded_not_shifted(tmp_path):
    names = ("Total_Score", "rmf_file", "rmf_frame_index", "psi_b", "psi_a")
    for number, columns, values in (
        (0, names, ("1", "output/rmfs/0.rmf3", 0, "b0", "a0")),
        (1, names[:3], ("2", "output/rmfs/1.rmf3", 0)),
        (2, names[:4], ("3", "output/rmfs/2.rmf3", 0, "b2")),
    ):
        make_run(tmp_path, {number: []})
        (tmp_path / f"stat.{number}.out").write_text(stat_text(columns, [values]))
    runs = find_runs([tmp_path])
    table, _, _ = read(runs, features=["psi"], columns=["psi_b"])
    assert list(table.columns) == ["Total_Score", "psi_b", "psi_a"]
    assert table.columns["psi_a"].tolist() == ["a0", None, None]
    assert table.columns["psi_b"].tolist() == ["b0", None, "b2"]
    assert table.columns["Total_Score"].tolist() == ["1", "2", "3"]
    assert list_columns(runs) == {"Total_Score": 3, "psi_a": 1, "psi_b": 2}


def test_frames_are_counted_when_not_all_rows_have_coordinates(tmp_path):
    out = make_run(tmp_path, {0: []})
    rows = [(str(i), "output/rmfs//0.rmf3", i if i % 3 == 0 else "-1") for i in range(8)]
    text = stat_text(("Total_Score", "rmf_file", "rmf_frame_index"), rows)
    (out / "stat.0.out").write_text(text)
    table, losses, notes = read(find_runs([out]))
    assert table.frame.tolist() == [0, -1, -1, 1, -1, -1, 2, -1]
    assert "5 of 8 rows were saved without coordinates" in notes.texts[0]
    assert notes.rules == {"beside": 3}
    assert not losses.entries


def test_a_damaged_row_does_not_shift_counted_frames(tmp_path):
    out = make_run(tmp_path, {0: []})
    rows = [(str(i), "output/rmfs//0.rmf3", i if i % 2 == 0 else "-1") for i in range(8)]
    lines = stat_text(("Total_Score", "rmf_file", "rmf_frame_index"), rows).splitlines()
    lines[3] = "{damaged"
    (out / "stat.0.out").write_text("\n".join(lines) + "\n")
    table, _, _ = read(find_runs([out]))
    assert table.row.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert table.frame.tolist() == [0, -1, -1, 2, -1, 3, -1]


def test_unreadable_frames_scores_and_missing_files_are_counted(tmp_path):
    out = make_run(tmp_path, {0: ["1"]})
    with (out / "stat.0.out").open("a") as file:
        file.write("{0: 'None', 1: 'output/rmfs//0.rmf3', 2: 1} \n")
        file.write("{0: '3', 1: 'output/rmfs//0.rmf3', 2: 'x'} \n")
        file.write("{0: '4', 1: 'output/rmfs//9.rmf3', 2: 0} \n")
    (out / "rmfs" / "7.rmf3").touch()
    table, losses, notes = read(find_runs([out]))
    assert table.frame.tolist() == [0, 1, -1, 0]
    assert [bool(f) for f in table.file] == [True, True, True, False]
    assert np.isnan(table.score).tolist() == [False, True, False, False]
    assert notes.rules == {"beside": 2, "none": 1}
    assert [e.what for e in losses.entries] == [
        "frame numbers",
        "coordinates of rows",
        "RMF file",
    ]


def test_a_stat_file_without_frames(tmp_path):
    (tmp_path / "stat.0.out").write_text(stat_text(("Total_Score",), [("1",), ("2",)]))
    table, losses, _ = read(find_runs([tmp_path]))
    assert table.frame.tolist() == [-1, -1]
    assert losses.by_reason() == {"coordinates of rows: no column rmf_frame_index": 2}


def test_one_file_that_is_no_stat_file_does_not_stop_the_others(tmp_path):
    make_run(tmp_path, {0: ["1"], 1: ["2"]})
    (tmp_path / "stat.1.out").write_bytes(b"\x00" * 99)
    table, losses, _ = read(find_runs([tmp_path]))
    assert table.score.tolist() == [1.0]
    assert any("not a stat file" in e.why for e in losses.entries)
    (tmp_path / "stat.0.out").write_bytes(b"\x00" * 99)
    (tmp_path / "stat.1.out").unlink()
    with pytest.raises(FormatError, match="not a stat file"):
        read(find_runs([tmp_path]))


def test_replicas_that_have_not_started_are_empty(tmp_path):
    make_run(tmp_path, {0: ["1"], 1: []})
    (tmp_path / "stat.2.out").write_text("")
    table, losses, _ = read(find_runs([tmp_path]))
    assert table.score.tolist() == [1.0]
    assert not losses.entries


class FakeRmf:
    """Four frames, of which one is damaged."""

    keys = ("Total_Score", "psi")
    losses = Losses()

    def __len__(self):
        return 4

    def has_frame(self, frame):
        return frame != 2

    def stat_keys(self):
        return self.keys

    def stat(self, keys, frames):
        return {k: np.array([f"{k}{f}" if k == "psi" else f for f in frames], object) for k in keys}


@pytest.mark.parametrize("keys", [("Total_Score", "psi"), ()])
def test_rmf_files_with_and_without_scores(tmp_path, monkeypatch, keys):
    (tmp_path / "rmfs").mkdir()
    (tmp_path / "rmfs" / "3.rmf3").touch()
    fake = FakeRmf()
    fake.keys = keys
    monkeypatch.setattr(congruence.io.rmf, "open_rmf", lambda path: fake)
    runs = find_runs([tmp_path])
    score_key = find_score_key(list_columns(runs))
    table, _, notes = read(runs, score_key=score_key, features=keys[1:])
    assert table.frame.tolist() == [0, 1, 3]
    assert table.replica.tolist() == [3, 3, 3]
    assert set(table.file) == {str(tmp_path / "rmfs" / "3.rmf3")}
    if keys:
        assert table.score.tolist() == [0.0, 1.0, 3.0]
        assert table.columns["psi"].tolist() == ["psi0", "psi1", "psi3"]
    else:
        assert table.score.tolist() == [0.0, 0.0, 0.0]
        assert notes.texts == ["no scores are stored: every model has score 0"]


def test_an_rmf_file_that_cannot_be_read_does_not_stop_the_others(tmp_path, monkeypatch):
    (tmp_path / "rmfs").mkdir()
    for name in ("0.rmf3", "1.rmf3"):
        (tmp_path / "rmfs" / name).touch()

    def open_rmf(path):
        if path.endswith("0.rmf3"):
            raise InputError(f"{path} is empty", hint="none")
        return FakeRmf()

    monkeypatch.setattr(congruence.io.rmf, "open_rmf", open_rmf)
    runs = find_runs([tmp_path])
    losses = Losses()
    list_columns(runs, losses=losses)
    table = read_scores(runs, score_key="Total_Score", losses=losses)
    assert table.replica.tolist() == [1, 1, 1]
    assert [(e.what, e.count) for e in losses.entries] == [("file", 1)]


@pytest.mark.parametrize(
    ("stored", "existing", "rule"),
    [
        ("output/rmfs//0.rmf3", "run/output/rmfs/0.rmf3", "beside"),
        ("/home/other/pmi//rmfs//0.rmf3", "run/output/rmfs/0.rmf3", "beside"),
        ("output/deep/rmfs/0.rmf3", "run/output/deep/rmfs/0.rmf3", "parent"),
        ("elsewhere/rmfs/0.rmf3", "elsewhere/rmfs/0.rmf3", "stored"),
        ("output/mine/0.rmf3", "run/output/rmfs/0.rmf3", "rmfs"),
        ("output/rmfs/0.rmf3", "run/output/other/1.rmf3", "none"),
        ("", "run/output/rmfs/0.rmf3", "none"),
        ("a\x00b", "run/output/rmfs/0.rmf3", "none"),
    ],
)
def test_where_a_stored_path_leads(tmp_path, monkeypatch, stored, existing, rule):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / existing
    file.parent.mkdir(parents=True)
    file.touch()
    for stat in ("run/output/stat.0.out", tmp_path / "run/output/stat.0.out"):
        found = resolve_rmf(stat, stored)
        assert found.rule == rule
        if rule == "none":
            assert found.path is None
        else:
            assert Path(found.path).samefile(file)


def test_a_stored_path_inside_the_stat_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "a" / "rmfs").mkdir(parents=True)
    (tmp_path / "a" / "rmfs" / "0.rmf3").touch()
    stored = f"{tmp_path}/a//rmfs//0.rmf3"
    assert resolve_rmf(tmp_path / "stat.0.out", stored).path == f"{tmp_path}/a/rmfs/0.rmf3"


def test_the_score_column_is_found_or_asked_for():
    assert find_score_key(["x", "SimplifiedModel_Total_Score_None"]).endswith("_None")
    assert find_score_key(["Total_Score", "x"], "x") == "x"
    assert find_score_key([]) == ""
    with pytest.raises(InputError, match=r"near names: Total_Score$") as caught:
        find_score_key(["Total_Score", "sigma"], "total_score")
    assert "case-sensitive" in caught.value.hint
    with pytest.raises(InputError, match="several columns"):
        find_score_key(["Total_Score", "SimplifiedModel_Total_Score"])
    with pytest.raises(InputError, match=r"candidates: EV_Score, XL_Score") as caught:
        find_score_key(["XL_Score", "sigma", "EV_Score"])
    assert "which column" in caught.value.hint


def test_features_are_texts_inside_names():
    names = ["B_Score_2", "B_Score_1", "A_Score", "psi"]
    assert expand_features(names, ["psi", "_Score", "B"]) == (
        "psi", "A_Score", "B_Score_1", "B_Score_2",
    )  # fmt: skip
    with pytest.raises(InputError, match="feature 'score' does not exist"):
        expand_features(names, ["score"])


def test_columns_that_do_not_exist_are_errors(tmp_path):
    make_run(tmp_path, {0: ["1"]})
    runs = find_runs([tmp_path])
    for keywords in ({"score_key": "Score"}, {"columns": ["nothing"]}, {"features": ["nothing"]}):
        with pytest.raises(InputError, match="does not exist"):
            read(runs, **keywords)


def test_natural_order():
    names = ["a10", "a9", "a", "b1", "10", "9", "a9b2", "a9b10"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a9", "a9b2", "a9b10", "a10", "b1"]
