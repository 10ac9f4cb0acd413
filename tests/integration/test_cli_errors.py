"""Bad input and bad places: a clear error or a counted warning, and never half a result."""

import errno
import itertools
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from jobfolders import ASKED, congruence, models, places, record, tree

import congruence as cg
from congruence.simulate import damage_run, simulate_runs

QUICK = (*ASKED, "--clusters", "2", "--members", "none")


@pytest.fixture
def runs(small, tmp_path):
    """Runs that may be broken: 2 runs of 2 replicas with 5 frames each."""
    return shutil.copytree(small, tmp_path / "runs")


def refused(capsys, *words, code=3):
    """Run a job that must fail; return what it said, and see that it left nothing."""
    assert congruence(*words) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


def fails(capsys, runs, *words, code=3):
    out = runs.parent / "out"
    told = refused(capsys, "cluster", runs, *words, "--out", out, code=code)
    assert not out.exists()
    assert not list(runs.parent.glob("*.partial"))
    return told


def goes_on(capsys, runs, *words, left, lost):
    """Run a job that leaves something out; it must say so in three places, and strictly fail."""
    out = runs.parent / "out"
    assert congruence("cluster", runs, *QUICK, *words, "--out", out) == 0
    shown = capsys.readouterr()
    said = record(out)["left_out"]
    assert len(models(out)["model"]) == left
    assert said["count"] == lost
    assert sum(said["by_reason"].values()) == lost
    assert all(entry["where"].startswith(str(runs)) for entry in said["entries"])
    assert shown.err.count("warning: left out") == len(said["by_reason"])
    assert shown.err.index("warning") < shown.err.index("plan:")
    assert f"where and why: {out / 'run.json'}" in shown.out
    shutil.rmtree(out)
    strict = fails(capsys, runs, *QUICK, *words, "--strict")
    assert f"{lost} things had to be left out, and --strict was given" in strict
    return shown.err


# ---------------------------------------------------------------- stat files and folders


def test_a_folder_that_is_not_there(capsys, tmp_path):
    told = fails(capsys, tmp_path / "nowhere", *QUICK)
    assert f"error: {tmp_path / 'nowhere'} does not exist" in told
    assert "hint: Name an output folder of PMI" in told


def test_a_folder_without_runs(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no run found" in fails(capsys, tmp_path / "empty", *QUICK)


def test_an_empty_stat_file(capsys, runs, no_figure):
    (runs / "run1" / "output" / "stat.0.out").write_text("")
    told = goes_on(capsys, runs, left=15, lost=1)
    assert f"1 stat file: it has no rows (in {runs}/run1/output/stat.0.out)" in told


def test_a_stat_file_with_nothing_but_a_header(capsys, runs, no_figure):
    damage_run(runs / "run1", "header_only")
    assert "it has no rows" in goes_on(capsys, runs, left=15, lost=1)


@pytest.mark.parametrize("empty", [b"", b"header"])
def test_all_stat_files_empty(capsys, runs, empty):
    for run in (1, 2):
        for replica in (0, 1):
            damage_run(runs / f"run{run}", "header_only", replica=replica)
            if not empty:
                (runs / f"run{run}" / "output" / f"stat.{replica}.out").write_bytes(b"")
    told = fails(capsys, runs, *QUICK)
    assert "error: there are no models in 2 runs" in told
    assert "it has no rows" in told


@pytest.mark.parametrize("garbage", [b"\x00\xff\xfe" * 999, b"not a dict\n" * 50, b"{" * 5000])
def test_a_stat_file_of_garbage(capsys, runs, no_figure, garbage):
    (runs / "run1" / "output" / "stat.0.out").write_bytes(garbage)
    assert "stat.0.out" in goes_on(capsys, runs, left=15, lost=1)


def test_an_unfinished_row(capsys, runs, no_figure):
    damage_run(runs / "run1", "unfinished_row")
    assert "unfinished" in goes_on(capsys, runs, left=19, lost=1)


def test_a_broken_row(capsys, runs, no_figure):
    damage_run(runs / "run2", "broken_row", replica=1)
    assert "line 4" in goes_on(capsys, runs, left=19, lost=1)


def test_a_lost_stat_file(capsys, runs, no_figure):
    damage_run(runs / "run1", "missing_stat")
    assert "no stat file has its scores" in goes_on(capsys, runs, left=15, lost=1)


def test_many_reasons_are_summed_up(capsys, runs, no_figure):
    for run in (1, 2):
        for replica in (0, 1):
            path = runs / f"run{run}" / "output" / f"stat.{replica}.out"
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join([*lines[:2], f"[{run}{replica}\n", "\x01{}\n", *lines[2:]]))
    out = runs.parent / "out"
    assert congruence("cluster", runs, *QUICK, "--out", out) == 0
    assert record(out)["left_out"]["count"] == 8
    assert 1 <= capsys.readouterr().err.count("warning: left out") <= 9


# ---------------------------------------------------------------- RMF files


def test_an_rmf_file_of_garbage(capsys, runs, no_figure):
    (runs / "run1" / "output" / "rmfs" / "0.rmf3").write_bytes(b"\x00\xff" * 5000)
    told = goes_on(capsys, runs, left=15, lost=6)
    assert "1 RMF file: begins with" in told
    assert "5 models" in told


def test_an_empty_rmf_file(capsys, runs, no_figure):
    (runs / "run1" / "output" / "rmfs" / "0.rmf3").write_bytes(b"")
    goes_on(capsys, runs, left=15, lost=6)


def test_an_rmf_file_that_is_gone(capsys, runs, no_figure):
    damage_run(runs / "run1", "missing_rmf")
    told = goes_on(capsys, runs, left=15, lost=5)
    assert "no such file was found: output/rmfs//0.rmf3" in told
    assert "RMF file of 5 rows: no such file was found" in told


def test_every_rmf_file_is_gone(capsys, runs):
    shutil.rmtree(runs / "run1" / "output" / "rmfs")
    shutil.rmtree(runs / "run2" / "output" / "rmfs")
    told = fails(capsys, runs, *QUICK)
    assert "error: no model is left of 20 in 2 runs" in told
    assert "no such file was found" in told


def test_a_frame_that_is_not_there(capsys, runs, no_figure):
    path = runs / "run1" / "output" / "stat.0.out"
    lines = path.read_text().splitlines(keepends=True)
    assert lines[-1].endswith(": 4} \n")
    path.write_text("".join([*lines[:-1], lines[-1].replace(": 4} ", ": 400} ")]))
    told = goes_on(capsys, runs, left=19, lost=1)
    assert "the frame that the stat file names is not in it" in told


def blocks(path):
    """Return where the blocks of an Avro container begin and end."""
    data = path.read_bytes()
    at = [i for i in range(len(data) - 15) if data[i : i + 16] == data[-16:]]
    return [i + 16 for i in at], len(data)


def test_an_rmf_file_that_is_cut_anywhere(capsys, tmp_path, no_figure):
    """At every boundary of a block and inside every block: whole frames are used."""
    runs, count = tmp_path / "runs", 190
    simulate_runs(runs, models=count, runs=1, replicas=1, clusters=1, seed=1)
    path = runs / "run1" / "output" / "rmfs" / "0.rmf3"
    whole = path.read_bytes()
    expected = cg.open_rmf(path).coordinates(None, 1)
    ends, size = blocks(path)
    assert ends[-1] == size
    assert len(ends) >= 5
    inside = [(a + b) // 2 for a, b in itertools.pairwise(ends)]
    cuts = sorted(
        {ends[0] // 2, *ends, *inside, *(end - 9 for end in ends), *(end + 9 for end in ends[:-1])}
    )
    seen = []
    for cut in cuts:
        path.write_bytes(whole[:cut])
        out = tmp_path / f"out.{cut}"
        words = ("--rmsd", "Delta", "--align", "none", "--clusters", "1", "--members", "none")
        code = congruence("cluster", runs, *words, "--out", out)
        frames = sorted(frame for *_, frame in places(out)) if code == 0 else []
        assert (code, out.exists()) == ((0, True) if frames else (3, False))
        assert frames == list(range(len(frames)))
        if frames:
            assert record(out)["left_out"]["count"] == count - len(frames)
            assert np.array_equal(cg.open_rmf(path).coordinates(frames, 1), expected[: len(frames)])
        seen.append(len(frames))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, count)
    assert len(set(seen)) >= 5
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "bug" not in told


def test_files_of_different_systems(capsys, runs):
    from congruence.simulate import small_system

    other = runs.parent / "other"
    system = small_system(last_name="Epsilon")
    simulate_runs(other, models=4, runs=1, replicas=1, clusters=1, system=system, seed=1)
    told = fails(capsys, runs, *QUICK, "--run", f"other={other}/run1", "--rmsd", "Alpha")
    assert "error: the models do not have the same topology" in told
    assert "Delta" in told
    assert "Epsilon" in told


# ---------------------------------------------------------------- options that do not fit


CASES = {
    "more clusters than models": (
        ("--clusters", "21"),
        "error: 21 clusters were asked for, but there are 20 models",
        "at most 20",
    ),
    "one model": (
        ("--best", "1"),
        "2 clusters were asked for, but there is one model",
        "at most 1",
    ),
    "score": (
        ("--score", "Total_score"),
        "score column 'Total_score' does not exist",
        "Total_Score",
    ),
    "feature": (("--feature", "Crosslink"), "feature 'Crosslink' does not exist", "CrossLinking"),
    "where": (("--where", "Total<3"), "column 'Total' does not exist", "Total_Score"),
    "condition": (("--where", "Total_Score~3"), "cannot be read", "Total_Score<150"),
    "molecule": (
        ("--rmsd", "Gama"),
        "molecules here: Alpha:1-30, Beta:1-30",
        "Did you mean 'Gamma'?",
    ),
    "residues": (("--rmsd", "Beta:40-50"), "matches nothing", "check the residues"),
    "copy": (("--rmsd", "Gamma@2"), "Gamma:1-30 (copies 0, 1)", "check the residues, the copy"),
    "density": (("--density", "X=Nix"), "selection 'Nix' matches nothing", "names listed"),
    "density name": (("--density", "a/b=Alpha"), "density name 'a/b' cannot be a file name", ""),
    "align on": (
        ("--align-on", "Gama"),
        "selection 'Gama' matches nothing",
        "Did you mean 'Gamma'?",
    ),
    "nothing below": (("--below", "-9"), "no model is left of 20", "score below -9: 0 models left"),
    "state": (("--state", "3"), "has no state 3", "It has: 0"),
    "two ways": (("--threshold", "5"), "give clusters or threshold, not both", ""),
    "density file": (
        ("--densities", "nowhere.toml"),
        "cannot read the density ranges",
        "nowhere.toml",
    ),
    "config file": (("--config", "nowhere.toml"), "cannot read the configuration", "No such file"),
}


@pytest.mark.parametrize("name", CASES)
def test_options_that_do_not_fit(name, capsys, small, tmp_path):
    words, message, hint = CASES[name]
    rmsd = () if "--rmsd" in words else ("--rmsd", "*")
    asked = (*rmsd, "--align", "superpose", "--clusters", "2", *words)
    out = tmp_path / "out"
    told = refused(capsys, "cluster", small, *asked, "--out", out)
    assert list(tmp_path.iterdir()) == []
    assert message in told
    assert hint in told


METHODS = {
    ("--threshold", "5"): "method kmeans takes no threshold",
    ("--method", "threshold"): "method threshold needs a threshold in Å",
    ("--method", "hdbscan", "--clusters", "3"): "finds the number of clusters itself",
    ("--voxel", "inf"): "finite number",
}


@pytest.mark.parametrize("words", METHODS)
def test_methods_are_checked_before_anything_is_read(words, capsys, small, tmp_path, monkeypatch):
    monkeypatch.setattr("congruence.workflow.job.open_runs", None)
    told = refused(capsys, "cluster", small, *ASKED, *words, "--out", tmp_path / "out")
    assert METHODS[words] in told


REQUIRED = {
    "--align": ("--rmsd", "*"),
    "--rmsd": ("--align", "none"),
}


@pytest.mark.parametrize("missing", REQUIRED)
def test_what_has_no_default_is_asked_for(missing, capsys, small, tmp_path):
    told = refused(capsys, "cluster", small, *REQUIRED[missing], "--out", tmp_path / "out")
    assert f"({missing})" in told
    assert "hint: " in told


def test_no_runs(capsys, tmp_path):
    assert "no runs were given" in refused(capsys, "cluster", *ASKED, "--out", tmp_path / "out")


USAGE = [
    ("cluster",),
    ("cluster", "runs", "--bset", "3", "--out", "o"),
    ("cluster", "runs", "--best", "0", "--out", "o"),
    ("cluster", "runs", "--voxel", "0", "--out", "o"),
    ("cluster", "runs", "--align", "sideways", "--out", "o"),
    ("cluster", "runs", "--frames", "0.9:0.1", "--out", "o"),
    ("cluster", "runs", "--frames", "0.9", "--out", "o"),
    ("cluster", "runs", "--members", "some", "--out", "o"),
    ("cluster", "runs", "--members", "0", "--out", "o"),
    ("cluster", "runs", "--state", "-1", "--out", "o"),
    ("clutser",),
    ("inspect",),
    ("recluster", "--out", "o"),
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_usage(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = refused(capsys, *words, code=2)
    assert "Error: " in told
    assert "--help" in told
    assert list(tmp_path.iterdir()) == []


CONFIGS = {
    "bset = 3": "there is no option 'bset'",
    "best = ": "is not valid TOML",
    'best = "many"': "option 'best' is 'many', expected a valid integer",
    'state = "first"': "option 'state' is 'first', expected a number from 0 on, or 'all'",
    "members = 0": "option 'members' is 0, expected 'auto'",
    "frames = [0.5, 0.1]": "option 'frames': must be two fractions",
    'align = "none"\nalign_on = ["Alpha"]': "align_on needs align = center or superpose",
    "densities = 3": "option 'densities' is 3",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_configurations_are_strict(text, capsys, small, tmp_path):
    config = tmp_path / "job.toml"
    config.write_text(text + "\n")
    words = ("--align", "none", "--rmsd", "*") if "align" not in text else ("--rmsd", "*")
    told = refused(capsys, "cluster", small, "--config", config, *words, "--out", tmp_path / "out")
    assert CONFIGS[text] in told
    assert str(config) in told
    assert [p.name for p in tmp_path.iterdir()] == ["job.toml"]


def test_a_score_that_is_ambiguous(capsys, runs):
    for path in runs.glob("run*/output/stat.[0-9].out"):
        path.write_text(
            path.read_text().replace("ExcludedVolumeSphere_Score", "SimplifiedModel_Total_Score")
        )
    told = fails(capsys, runs, *QUICK)
    assert (
        "several columns can be the total score: Total_Score, SimplifiedModel_Total_Score" in told
    )
    assert "--score" in told


# ---------------------------------------------------------------- places that cannot be written


@pytest.fixture
def earlier(small, tmp_path, no_figure):
    out = tmp_path / "out"
    assert congruence("cluster", small, *QUICK, "--best", "6", "--out", out) == 0
    return out, tree(out)


def test_an_earlier_result_is_not_replaced_without_force(earlier, small, capsys):
    out, before = earlier
    capsys.readouterr()
    told = refused(capsys, "cluster", small, *QUICK, "--out", out)
    assert "holds an earlier result" in told
    assert "--force" in told
    assert tree(out) == before
    (out / "notes.txt").write_text("mine")
    assert congruence("cluster", small, *QUICK, "--out", out, "--force") == 0
    assert len(models(out)["model"]) == 20
    assert (out / "notes.txt").read_text() == "mine"


def test_a_job_that_fails_leaves_the_earlier_result(earlier, small, capsys):
    out, before = earlier
    refused_words = ("--force", "--clusters", "99", "--out", out)
    assert congruence("cluster", small, *QUICK, *refused_words) == 3
    assert tree(out) == before


def test_a_folder_of_others_is_refused(capsys, small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    told = refused(capsys, "cluster", small, *QUICK, "--force", "--out", tmp_path / "out")
    assert "is not empty and holds no run.json" in told


def test_the_output_is_a_file(capsys, small, tmp_path):
    (tmp_path / "out").write_text("")
    told = refused(capsys, "cluster", small, *QUICK, "--force", "--out", tmp_path / "out")
    assert "exists and is not a folder" in told
    told = refused(capsys, "cluster", small, *QUICK, "--out", tmp_path / "out" / "deeper")
    assert "is a file" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; see the next test")
def test_a_folder_that_may_not_be_written(capsys, small, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    told = refused(capsys, "cluster", small, *QUICK, "--out", tmp_path / "locked" / "out")
    assert "permission denied" in told


def test_permission_denied_wherever_it_shows(capsys, small, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("congruence.workflow.folder.Path.mkdir", denied)
    told = refused(capsys, "cluster", small, *QUICK, "--out", tmp_path / "out")
    assert "cannot write the results" in told
    assert "Permission denied" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [100, 15_000, 27_500, 60_000])
def test_a_disk_that_is_full(size, capsys, small, tmp_path, monkeypatch):
    """Files may not grow above a size: writers of stat, RMF, map and figure meet it in turn."""
    monkeypatch.setattr("congruence.workflow.results.write_precision", lambda *_, **__: None)
    out = tmp_path / "out"
    words = (
        "--clusters",
        "1",
        "--members",
        "2",
        "--density",
        "Alpha",
        "--voxel",
        "4",
        "--best",
        "6",
    )
    assert congruence("cluster", small, *ASKED, "--clusters", "1", "--best", "2", "--out", out) == 0
    before = tree(out)
    capsys.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        code = congruence("cluster", small, *ASKED, *words, "--force", "--out", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = capsys.readouterr().err
    assert code == 3, told
    assert "File too large" in told
    assert "hint: " in told
    assert tree(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


# ---------------------------------------------------------------- bugs, interruptions, pipes


@pytest.fixture
def broken(monkeypatch):
    def job(*_, **__):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("congruence.workflow.job.cluster_runs", job)


def test_a_bug_is_confessed_in_one_line(broken, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("CONGRUENCE_DEBUG", raising=False)
    told = refused(capsys, "cluster", "runs", "--out", tmp_path / "out", code=1)
    bug, hint = told.splitlines()
    assert bug.startswith("this is a bug in congruence")
    assert bug.endswith("ZeroDivisionError: division by zero")
    assert "CONGRUENCE_DEBUG=1" in hint


def test_the_traceback_of_a_bug_can_be_had(broken, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CONGRUENCE_DEBUG", "1")
    assert congruence("cluster", "runs", "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told
    assert told.index("Traceback") < told.index("this is a bug")


@pytest.mark.parametrize(
    ("problem", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted; no result was changed"),
        (MemoryError(), 3, "not enough memory"),
        (cg.CongruenceError("a plain error"), 3, "error: a plain error"),
    ],
)
def test_other_ends_of_a_job(problem, code, message, capsys, tmp_path, monkeypatch):
    def job(*_, **__):
        raise problem

    monkeypatch.setattr("congruence.workflow.job.cluster_runs", job)
    assert message in refused(capsys, "cluster", "runs", "--out", tmp_path / "out", code=code)


def test_a_failed_check_has_a_code_of_its_own(capsys, tmp_path, monkeypatch):
    from congruence.errors import CheckFailedError

    def job(*_, **__):
        raise CheckFailedError("no convergence")

    monkeypatch.setattr("congruence.workflow.job.cluster_runs", job)
    assert "no convergence" in refused(capsys, "cluster", "r", "--out", tmp_path / "out", code=4)


def test_a_pipe_that_closes_and_a_terminal_without_letters(small):
    """Two processes: a reader that goes away, and an output that knows ASCII only."""
    words = [sys.executable, "-m", "congruence", "inspect", str(small), "--full", "--json"]
    one = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    one.stdout.close()
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "congruence", "cluster", "--help"]
    two = subprocess.run(words, env=ascii_only, capture_output=True, text=True)
    assert one.wait(timeout=60) == 0
    assert one.stderr.read() == b""
    one.stderr.close()
    assert two.returncode == 0
    assert "Clustering threshold in " in two.stdout
