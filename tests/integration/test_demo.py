"""The demonstration, as a newcomer starts it."""

import subprocess
import sys

from jobfolders import congruence, record, tree


def test_the_demonstration_runs_end_to_end_and_again(tmp_path):
    """A true process, without words of ours."""
    words = [sys.executable, "-m", "congruence", "demo"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "congruence-demo"
    assert "planted: 2 clusters" in done.stderr
    assert "warning" not in done.stderr
    assert "results: congruence-demo/results" in done.stdout
    assert len(record(out / "results", "clusters.json")["clusters"]) == 2
    before = tree(out)
    assert {"cluster.0/center.rmf3", "cluster.0/Gamma.mrc", "dist_matrix.pdf"} <= set(
        tree(out / "results")
    )
    assert len(before) > 50


def test_a_folder_of_others_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert congruence("demo", "--out", tmp_path) == 3
    assert "is not empty and is no demonstration" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert congruence("demo", "--out", tmp_path / "file") == 3
    assert "error: " in capsys.readouterr().err
