"""``congruence select`` on simulated runs: what it writes, and what it says of bad input."""

import shutil

import numpy as np
import pytest
from jobfolders import congruence, models, record, tree

from congruence.errors import FormatError
from congruence.io.good_models import read_origins
from congruence.io.rmf import open_rmf
from congruence.simulate import simulate_runs

D = "CrossLinkingMassSpectrometryRestraint_Distance_"
EASY = ("--where", "Total_Score<1000")
FAR = ("--links", D, "--max-distance", "500")


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """Six runs of one replica with 8 frames each."""
    folder = tmp_path_factory.mktemp("six") / "runs"
    simulate_runs(folder, models=48, runs=6, replicas=1, clusters=2, seed=4)
    return folder


def refused(capsys, *words, code=3):
    assert congruence(*words) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


def test_the_folder_other_tools_read(six, tmp_path, capsys):
    out = tmp_path / "good_scoring_models"
    assert congruence("select", six, "--links", D, "--max-distance", 35, "--satisfied", 0.8, *EASY, "--out", out) == 0  # fmt: skip
    table, run = models(out), record(out)
    m = len(table["model"])
    assert run["models"] == m
    assert run["samples"]["A"] + run["samples"]["B"] == m
    for sample in "AB":
        numbers = table["model"][table["sample"] == sample]
        written = {p.name for p in (out / f"sample_{sample}").iterdir()}
        assert written == {f"{n}.rmf3" for n in numbers}
        scores = [float(s) for s in (out / f"scores{sample}.txt").read_text().split()]
        assert scores == table["score"][table["sample"] == sample].astype(float).tolist()
    assert len((out / "model_ids_scores.txt").read_text().splitlines()) == m + 1
    assert sorted(run["files"]) == sorted(set(tree(out)) - {"run.json"})
    said = capsys.readouterr().out
    assert "runs kept whole" in said
    assert "with runs resampled" in said
    # each run in one sample
    for name in set(table["run"]):
        assert len(set(table["sample"][table["run"] == name])) == 1


def test_the_files_hold_the_frames_they_are_said_to_hold(six, tmp_path):
    out = tmp_path / "out"
    assert congruence("select", six, *EASY, "--out", out) == 0
    table = models(out)
    for i in (0, 17, len(table["model"]) - 1):
        written = open_rmf(out / f"sample_{table['sample'][i]}" / f"{i}.rmf3")
        source = open_rmf(table["file"][i])
        expected = source.coordinates([int(table["frame"][i])], 1.0)
        np.testing.assert_array_equal(written.coordinates([0], 1.0), expected)
        kinds = {step.kind: dict(step.fields) for step in written.provenance()}
        assert kinds["combined"] == {"runs": 6, "frames": 48}
        assert kinds["filter"]["frames"] == len(table["model"])


def test_the_same_words_write_the_same_bytes(six, tmp_path):
    for name in ("one", "two"):
        assert congruence("select", six, *EASY, "--out", tmp_path / name, "--seed", 3) == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_origins_are_read_back(six, tmp_path):
    out = tmp_path / "out"
    assert congruence("select", six, *EASY, "--no-extract", "--out", out) == 0
    found, table = read_origins(out), models(out)
    assert found.run.tolist() == table["run"].tolist()
    assert (found.in_a == (table["sample"] == "A")).all()
    assert found.step.tolist() == table["step"].astype(int).tolist()
    assert not (out / "sample_A").exists()
    counted = found.a_then_b()
    numbers = table["model"].astype(int)
    expected = [numbers[table["sample"] == sample].tolist() for sample in "AB"]
    assert counted.index.tolist() == expected[0] + expected[1]
    assert (counted.run == table["run"][counted.index]).all()
    assert read_origins(six) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("models.csv", "model,run\n0,a\n", "has no column 'sample'"),
        ("model_ids_scores.txt", "Model_index Run_id Replica_id Frame_id\n0 1 0\n", "line 2"),
        ("model_ids_scores.txt", "", "has no models"),
        (
            "model_ids_scores.txt",
            "Model_index Run_id Replica_id Frame_id\n9 1 0 5\n",
            "have model 9",
        ),
        ("model_ids_scores.txt", "Model_index Run_id Replica_id Frame_id\n0 1 x 5\n", "no whole"),
    ],
)
def test_damaged_tables_are_told(tmp_path, name, text, message):
    (tmp_path / "model_sample_ids.txt").write_text("0 A\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_origins(tmp_path)


def test_json_holds_the_verdicts(six, tmp_path, capsys):
    import json

    assert congruence("select", six, *EASY, "--no-extract", "--out", tmp_path / "o", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert {v["level"] for v in shown["verdicts"]} <= {"ok", "note", "warning", "fail"}
    assert shown["score_test"]["intervals"]["D"]["units"] == 6
    assert set(shown["effective_models"]) == {f"run{i}" for i in range(1, 7)}


def test_equilibration_and_score_clusters(six, tmp_path):
    out = tmp_path / "out"
    words = ("--equilibrate", "--cluster-scores", "Total_Score", "--min-cluster-size", 5)
    assert congruence("select", six, *EASY, *words, "--no-extract", "--out", out) == 0
    run, table = record(out), models(out)
    assert len(run["equilibration"]) == 6
    starts = {row["run"]: row["t0"] for row in run["equilibration"]}
    assert all(int(s) >= starts[r] for r, s in zip(table["run"], table["step"], strict=True))
    found = run["score_clusters"]
    counted = [int((table["score_cluster"] == str(c["cluster"])).sum()) for c in found["clusters"]]
    assert counted == [c["models"] for c in found["clusters"]]
    assert sum(counted) + found["noise"] == len(table["model"])


def test_compat_orders_runs_as_text_and_splits_by_number(tmp_path):
    folder = tmp_path / "runs"
    simulate_runs(folder, models=20, runs=2, replicas=1, clusters=1, seed=1)
    (folder / "run2").rename(folder / "run10")
    out = tmp_path / "out"
    words = (*EASY, "--print", "Total_Score", "--compat", "sampcon", "--no-extract")
    assert congruence("select", folder, *words, "--out", out) == 0
    assert list(dict.fromkeys(models(out)["run"])) == ["1", "10"]
    values = (out / "scoresA.txt").read_text().split()
    assert all(len(v.partition(".")[2]) == 2 for v in values)
    shutil.move(folder / "run1", folder / "run20")
    assert congruence("select", folder, *words, "--out", out, "--force") == 0
    assert (out / "scoresA.txt").read_text() == ""
    assert "One sample is empty" in record(out)["verdicts"][0]["claim"]


def test_one_run_is_parted_and_the_user_is_told(six, tmp_path, capsys):
    assert congruence("select", six / "run1", *EASY, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "warning: Good models come from one run" in said
    assert "no interval" in said
    assert record(tmp_path / "out")["samples"]["unit"] == "model"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ((), "no criteria for good models", "--where"),
        (("--where", "Total_Score<-1000"), "the nearest value is", "Loosen"),
        (("--where", "Total_Scor<5"), "'Total_Scor' does not exist", "written in full"),
        (("--where", "Total_Score!=5"), "operator '!='", "Use <"),
        (("--where", "nonsense"), "cannot be read", "Write it like"),
        (("--links", "Dust", "--max-distance", "5"), "contains 'Dust'", "inspect"),
        (("--links", D, "--max-distance", "1"), "would let it pass", "Loosen"),
        (("--links", D, "--max-distance", "5", "--min-distance", "9"), "are no range", ""),
        ((*FAR, "--compat", "sampcon"), "column Total_Score of the table", "--print Total_Score"),
        ((*EASY, "--compat", "sampcon", "--equilibrate"), "neither equilibration", "Leave out"),
        ((*EASY, "--print", "No_Such"), "No_Such", ""),
    ],
)
def test_bad_input_is_told(six, tmp_path, capsys, words, message, hint):
    told = refused(capsys, "select", six, *words, "--out", tmp_path / "out")
    assert message in told
    assert hint in told
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--links", D), "--links needs --max-distance"),
        (("--max-distance", "5"), "need --links"),
        (("--links", D, "--max-distance", "5", "--max-distance", "6"), "given 2 times for 1"),
        (("--links", D, "--max-distance", "5", "--satisfied", "1.5"), "is no fraction"),
        (("--links", D, "--max-distance", "5", "--satisfied", "x"), "is no fraction"),
    ],
)
def test_wrong_usage(six, tmp_path, capsys, words, message):
    told = refused(capsys, "select", six, *words, "--out", tmp_path / "out", code=2)
    assert message in told


def test_an_earlier_result_is_replaced_only_when_asked(six, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("select", six, *EASY, "--no-extract", "--out", out)
    assert congruence(*words) == 0
    assert congruence(*words) == 3
    assert "earlier result" in capsys.readouterr().err
    assert congruence(*words, "--force") == 0
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.txt").write_text("mine")
    assert congruence("select", six, *EASY, "--out", strange, "--force") == 3
    assert (strange / "thesis.txt").read_text() == "mine"


def test_models_without_a_frame_are_left_out_and_told(six, tmp_path, capsys):
    folder = shutil.copytree(six, tmp_path / "runs")
    rmf = folder / "run3" / "output" / "rmfs" / "0.rmf3"
    rmf.write_bytes(rmf.read_bytes()[:-4000])
    out = tmp_path / "out"
    assert congruence("select", folder, *EASY, "--out", out) == 0
    lost = record(out)["left_out"]["count"]
    assert lost > 0
    assert len(models(out)["model"]) < 48
    assert "left out" in capsys.readouterr().err
    shutil.rmtree(out)
    assert congruence("select", folder, *EASY, "--out", out, "--strict") == 3
    assert not out.exists()


def test_runs_that_hold_nothing(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    told = refused(capsys, "select", tmp_path / "empty", *EASY, "--out", tmp_path / "out")
    assert "no run found" in told
