"""The command line on real data, held against what the reference program gave."""

import json

import numpy as np
import pytest
from jobfolders import congruence, labels, models, record
from sharedpaths import DATA, GOLDEN, needs_shared
from sklearn.metrics import adjusted_rand_score

import congruence as cg

pytestmark = [pytest.mark.golden, needs_shared]


@pytest.fixture(autouse=True)
def no_figure(monkeypatch):
    monkeypatch.setattr("congruence.workflow.results.draw", lambda *_: None)
    monkeypatch.setattr("congruence.workflow.results.write_precision", lambda *_, **__: None)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("align_n10_k3", ("--align", "superpose", "--best", "10", "--clusters", "3")),
        ("noalign_n10_k2", ("--align", "none", "--best", "10", "--clusters", "2")),
        ("noalign_n100_k3", ("--align", "none", "--best", "100", "--clusters", "3")),
    ],
)
def test_the_stalk_clusters_as_the_reference_does(run, words, tmp_path):
    """Residue beads weigh the same, so both definitions of the distance agree."""
    expected = json.loads((GOLDEN / "clustering" / run / "record.json").read_text())
    square = np.load(GOLDEN / "clustering" / run / "distance.rawmatrix.pkl.npy")
    data, out = DATA / "rpb47" / "output_test", tmp_path / "out"
    asked = ("--rmsd", "Rpb4", "--rmsd", "Rpb7", "--members", "none")
    assert congruence("cluster", data, *asked, *words, "--out", out) == 0
    table = models(out)
    here = [
        f"{f.removeprefix(str(data) + '/')}|{k}"
        for f, k in zip(table["file"], table["frame"], strict=True)
    ]
    there = [
        n.removeprefix("pmi/test/input/output_test/")
        for n in expected["model_list_names_in_rank_order"]
    ]
    assert here == there
    assert np.abs(cg.load_matrix(out).square() - square).max() < 1e-3
    assert adjusted_rand_score(labels(out), expected["kmeans_labels"]) == 1.0
    mine = {c["size"]: c["average_rmsd"] for c in record(out, "clusters.json")["clusters"]}
    sizes = {str(k): expected["kmeans_labels"].count(k) for k in set(expected["kmeans_labels"])}
    for label, mean in expected["average_rmsd"].items():
        assert mine[sizes[label]] == pytest.approx(mean, abs=1e-3)


def test_scores_in_rmf_files(tmp_path, capsys):
    data = DATA / "rpb47_scores_in_rmf" / "output_test_rmf"
    words = ("--rmsd", "Rpb4", "--align", "none", "--every", "20", "--clusters", "2")
    assert congruence("cluster", data, *words, "--members", "1", "--out", tmp_path / "out") == 0
    said = record(tmp_path / "out")
    assert (said["score"], said["models_to_choose_from"]) == ("Total_Score", 798)
    assert len(labels(tmp_path / "out")) == 40
    assert congruence("inspect", data) == 0
    shown = capsys.readouterr().out
    assert "output_test_rmf: 8 files, 798 rows" in shown
    assert "RMSD_None: " in shown


def test_the_oldest_layout(tmp_path, capsys):
    data = DATA / "mediator_pmi1" / "output"
    words = ("--rmsd", "med5 + med14", "--align", "superpose", "--state", "0", "--resolution", "1")
    more = ("--score", "SimplifiedModel_Total_Score_None", "--best", "10", "--clusters", "2")
    out = tmp_path / "out"
    assert congruence("cluster", data, *words, *more, "--members", "center", "--out", out) == 0
    table = models(out)
    scores = table["score"].astype(float)
    assert (np.diff(scores) >= 0).all()
    assert scores[0] == pytest.approx(301.05, abs=0.01)
    assert record(out)["models_to_choose_from"] == 364
    assert "states:" not in capsys.readouterr().err
    for number in range(2):
        center = cg.open_rmf(out / f"cluster.{number}" / "center.rmf3")
        source = record(out, "clusters.json")["clusters"][number]["center_model"]
        file = cg.open_rmf(table["file"][source])
        one = center.coordinates([0], 1)[0]
        two = file.coordinates([int(table["frame"][source])], 1)[0]
        between = [np.linalg.norm(x - x[0], axis=1) for x in (one, two)]
        assert between[0] == pytest.approx(between[1], abs=2e-3)


@pytest.mark.parametrize(("resolution", "beads"), [("1", 467), ("30", 144)])
def test_inspect_the_oldest_layout(resolution, beads, capsys):
    assert congruence("inspect", DATA / "mediator_pmi1" / "output", "--resolution", resolution) == 0
    shown = capsys.readouterr().out
    assert f"Molecules: {beads} beads at resolution {resolution}" in shown
    assert "SimplifiedModel_Total_Score_None" in shown
    assert "about 364 rows" in shown


TWO = ("--rmsd", "*", "--align", "none", "--clusters", "2", "--members", "none")


@pytest.mark.parametrize(
    ("state", "beads"), [((), 1221), (("--state", "1"), 1221), (("--state", "all"), 2442)]
)
def test_two_states_and_fewer_frames_than_rows(state, beads, tmp_path, capsys):
    data, out = DATA / "two_states" / "output1", tmp_path / "out"
    assert congruence("cluster", data, *TWO, *state, "--out", out) == 0
    told = capsys.readouterr().err
    assert f"models: 29 of 33, {beads:,} beads each" in told
    assert "warning: left out 4 models: the frame that the stat file names is not in it" in told
    note = "states: 0, 1; state 0 is analysed (--state chooses another, or all)"
    assert (note in told) == (not state)
    lost = record(out)["left_out"]
    assert lost["count"] == 4
    assert all("output1/rmfs/" in entry["where"] for entry in lost["entries"])


def test_a_state_that_is_not_there(tmp_path, capsys):
    data = DATA / "two_states" / "output1"
    assert congruence("cluster", data, *TWO, "--state", "2", "--out", tmp_path / "out") == 3
    told = capsys.readouterr().err
    assert "has no state 2" in told
    assert "It has: 0, 1." in told
    assert not (tmp_path / "out").exists()


def test_copies_of_the_real_test(tmp_path, capsys):
    data = DATA / "copies"
    words = ("--rmsd", "*", "--align", "superpose", "--clusters", "1", "--members", "all")
    assert congruence("cluster", data, *words, "--out", tmp_path / "out") == 0
    assert "interchangeable copies: " in capsys.readouterr().err
    assert len(labels(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    "data", ["rnapolii/native.rmf3", "residue_beads", "threshold_runs", "copies"]
)
def test_inspect_and_init_take_everything(data, capsys):
    import tomllib

    assert congruence("inspect", DATA / data) == 0
    assert "Molecules: " in capsys.readouterr().out
    assert congruence("init", DATA / data, "--out", "-") == 0
    said = tomllib.loads(capsys.readouterr().out)
    assert said["runs"] == [str(DATA / data)]
    assert said["rmsd"]
