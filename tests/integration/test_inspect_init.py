"""What ``inspect`` tells of runs, and the configuration that ``init`` writes for them."""

import json
import shutil
import tomllib

import pytest
from jobfolders import congruence, labels, tree

from congruence.simulate import damage_run, simulate_runs


@pytest.fixture
def runs(small, tmp_path):
    return shutil.copytree(small, tmp_path / "runs")


def looked(capsys, *words):
    assert congruence("inspect", *words) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def test_runs_molecules_and_scores_are_shown(small, capsys):
    shown = looked(capsys, small)
    assert f"run1: 2 files, 10 rows; 5 frames in {small}/run1/output/rmfs/0.rmf3\n" in shown
    assert "Molecules: 117 beads at resolution 1" in shown
    assert "Gamma" in shown
    assert "0, 1" in shown
    assert "Total_Score: " in shown
    assert "ranges of the rows sampled" in shown
    assert "left out" not in shown


def test_full_reads_everything(small, capsys):
    shown = looked(capsys, small, "--full")
    assert "10 rows; 10 frames in" in shown
    assert "and 1 more" in shown
    assert "sampled" not in shown


def test_resolution(small, capsys):
    assert "Molecules: 24 beads at resolution 10" in looked(capsys, small, "--resolution", "10")


def test_long_files_are_sampled_unless_all_is_asked_for(tmp_path, capsys):
    simulate_runs(tmp_path / "runs", models=300, runs=1, replicas=1, clusters=1, seed=1)
    part = json.loads(looked(capsys, tmp_path / "runs", "--json"))
    whole = json.loads(looked(capsys, tmp_path / "runs", "--json", "--full"))
    assert (part["full"], whole["full"]) == (False, True)
    assert (part["runs"][0]["estimated"], whole["runs"][0]["estimated"]) == (True, False)
    assert whole["runs"][0]["rows"] == 300
    assert part["runs"][0]["rows"] == pytest.approx(300, rel=0.1)
    values = [
        next(s["values"] for s in d["scores"] if s["name"] == "Total_Score") for d in (part, whole)
    ]
    assert values == [100, 300]
    assert "about " in looked(capsys, tmp_path / "runs")


def test_json_holds_all(small, capsys):
    data = json.loads(looked(capsys, small, "--json"))
    assert [run["name"] for run in data["runs"]] == ["run1", "run2"]
    gamma = next(m for m in data["molecules"] if m["name"] == "Gamma")
    assert (gamma["copies"], gamma["residues"], gamma["beads"]) == ([0, 1], [1, 30], 56)
    assert data["score_keys"] == ["Total_Score"]
    assert data["left_out"] == []


def test_one_rmf_file(small, capsys):
    shown = looked(capsys, small / "native.rmf3")
    assert "1 rows; 1 frames" in shown
    assert "Scores: none are stored" in shown


def test_damage_is_told_and_located(runs, capsys):
    stat = runs / "run1" / "output" / "stat.0.out"
    stat.write_text("garbage\n" * 9)
    damage_run(runs / "run1", "header_only", replica=1)
    damage_run(runs / "run2", "missing_rmf", replica=0)
    (runs / "run2" / "output" / "rmfs" / "1.rmf3").write_bytes(b"garbage" * 99)
    for words in ((), ("--full",)):
        shown = looked(capsys, runs, *words)
        assert (
            f"left out: 1 file: not a stat file: expected one Python dict per line (in {stat})"
            in shown
        )
        assert f"left out: 1 stat file: it has no rows (in {runs}/run1/output/stat.1.out)" in shown
        assert "left out: 1 RMF file: no such file was found: output/rmfs//0.rmf3" in shown
        assert "left out: 1 RMF file: begins with" in shown
        assert "no RMF file to read" in shown


def test_nothing_that_can_be_read(runs, capsys):
    for path in runs.glob("run*/output/stat.*.out"):
        path.write_text("garbage\n" * 9)
    assert congruence("inspect", runs) == 3
    told = capsys.readouterr().err
    assert "error: nothing can be read in" in told
    assert "stat.0.out" in told


def test_a_path_that_is_not_there(capsys, tmp_path):
    assert congruence("inspect", tmp_path / "nowhere") == 3
    assert "does not exist" in capsys.readouterr().err


# ---------------------------------------------------------------- init


def test_the_configuration_is_toml_with_a_comment_on_every_option(small, capsys):
    assert congruence("init", small, "--out", "-") == 0
    text = capsys.readouterr().out
    data = tomllib.loads(text)
    assert data["runs"] == [str(small)]
    assert data["score"] == "Total_Score"
    assert data["rmsd"] == ["Alpha", "Beta", "Gamma", "Delta"]
    assert data["densities"] == {n: n for n in ("Alpha", "Beta", "Gamma", "Delta")}
    assert "# Gamma: residues 1-30, 56 beads, copies 0, 1, state 0\n" in text
    assert "# run1: 2 files, 10 rows\n" in text
    lines = text.splitlines()
    options = [i for i, line in enumerate(lines) if " =" in line and lines[i - 1] != ""]
    assert all(lines[i - 1].startswith("# ") for i in options if not lines[i].startswith('"'))
    assert not [line for line in lines if line != line.rstrip()]


def test_the_configuration_runs_once_align_is_filled_in(small, tmp_path, capsys, no_figure):
    config, out = tmp_path / "job.toml", tmp_path / "out"
    assert congruence("init", small, "--out", config) == 0
    assert f"fill in 'align', then: congruence cluster --config {config}" in capsys.readouterr().out
    assert congruence("cluster", "--config", config, "--out", out) == 3
    assert "no alignment mode was given" in capsys.readouterr().err
    config.write_text(config.read_text().replace("# align =", 'align = "superpose"'))
    assert congruence("cluster", "--config", config, "--out", out) == 0
    assert len(labels(out)) == 20
    assert {"Alpha.mrc", "Beta.mrc", "Gamma.mrc", "Delta.mrc"} <= set(tree(out / "cluster.0"))


def test_names_that_need_quotes(tmp_path, capsys, no_figure):
    from congruence.simulate import small_system

    runs, config = tmp_path / "runs", tmp_path / "job.toml"
    system = small_system(last_name="Delta-2.b c")
    simulate_runs(runs, models=8, runs=1, replicas=1, clusters=1, system=system, seed=1)
    assert congruence("init", runs, "--out", config) == 0
    config.write_text(config.read_text().replace("# align =", 'align = "none"'))
    words = ("--members", "none", "--clusters", "1")
    assert congruence("cluster", "--config", config, *words, "--out", tmp_path / "out") == 0
    assert "Delta-2.b c.mrc" in tree(tmp_path / "out" / "cluster.0")


def test_an_existing_file_is_not_replaced(small, tmp_path, capsys):
    config = tmp_path / "job.toml"
    config.write_text("mine")
    assert congruence("init", small, "--out", config) == 3
    assert "--force" in capsys.readouterr().err
    assert config.read_text() == "mine"
    assert congruence("init", small, "--out", config, "--force") == 0
    assert tomllib.loads(config.read_text())["score"] == "Total_Score"


def test_a_place_that_cannot_be_written(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert congruence("init", small, "--out", tmp_path / "file" / "job.toml") == 3
    assert "cannot write" in capsys.readouterr().err
