"""Clusters again from a saved matrix."""

import shutil

import numpy as np
import pytest
from jobfolders import congruence, labels, models, record, tree

import congruence as cg


@pytest.fixture
def again(result, no_figure):
    """Run ``recluster`` on the common result; members are not written again."""

    def run(out, *words):
        return congruence("recluster", result, "--members", "none", *words, "--out", out)

    return run


def test_other_clusters_without_new_distances(result, again, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("congruence.workflow.job.measure", None)
    before = tree(result)
    assert again(tmp_path / "out", "--clusters", "2") == 0
    assert "matrix: 64 models, alignment superpose" in capsys.readouterr().err
    assert set(labels(tmp_path / "out")) == {0, 1}
    assert tree(result) == before
    said = record(tmp_path / "out")["exhaustiveness"]
    assert said.startswith("exhaustiveness at a glance: ")
    assert "congruence exhaust" in said
    for name in ("distances.npy", "distances.json"):
        assert (tmp_path / "out" / name).read_bytes() == (result / name).read_bytes()
    same = [
        n
        for n in models(result)
        if n not in ("cluster", "member", "distance_to_center", "assignment")
    ]
    for name in same:
        assert models(tmp_path / "out")[name].tolist() == models(result)[name].tolist()
    assert record(tmp_path / "out")["log"][-1] == f"clustered again from {result}"


def test_the_same_options_give_the_same_clusters_and_files(result, tmp_path, no_figure):
    assert congruence("recluster", result, "--out", tmp_path / "out") == 0
    one, two = tree(tmp_path / "out"), tree(result)
    assert {n for n in two if n.endswith((".rmf3", ".mrc"))} <= set(one)
    assert labels(tmp_path / "out").tolist() == labels(result).tolist()
    differing = {n for n in one if n in two and one[n] != two[n]}
    differing -= {n for n in differing if "/center." in n}  # coloured by the precision
    assert not [n for n in differing if n.endswith((".rmf3", ".mrc", ".pdb"))]


@pytest.mark.parametrize("method", ["threshold", "hierarchical"])
def test_thresholds(method, again, tmp_path):
    assert again(tmp_path / "out", "--method", method, "--threshold", "8") == 0
    said = record(tmp_path / "out", "clusters.json")
    assert said["method"] == method
    assert len(said["clusters"]) == 3


def test_hdbscan(again, tmp_path, capsys):
    assert again(tmp_path / "out", "--method", "hdbscan") == 0
    assert record(tmp_path / "out", "clusters.json")["method"] == "hdbscan"


def test_a_foreign_matrix_with_names(result, tmp_path, capsys, no_figure):
    square = cg.load_matrix(result).square()
    np.save(tmp_path / "square.npy", square)
    (tmp_path / "names.txt").write_text("".join(f"model-{i}\n" for i in range(64)))
    words = (tmp_path / "square.npy", "--names", tmp_path / "names.txt", "--clusters", "3")
    assert congruence("recluster", *words, "--out", tmp_path / "out") == 0
    assert "cluster.0" not in capsys.readouterr().out
    table = models(tmp_path / "out")
    assert table["name"].tolist() == [f"model-{i}" for i in range(64)]
    assert np.array_equal(table["cluster"].astype(int), labels(result))
    assert set(tree(tmp_path / "out")) - {"run.json"} == set(record(tmp_path / "out")["files"])


BAD = {
    "nowhere": (lambda p: p, "cannot be read"),
    "text": (lambda p: p.write_text("1 2 3") and p, "npy"),
    "not square": (lambda p: np.save(p, np.zeros((3, 4))), ""),
    "not a number": (lambda p: np.save(p, np.full(3, np.nan)), ""),
    "not condensed": (lambda p: np.save(p, np.zeros(4)), ""),
    "pickle": (lambda p: np.save(p, np.array([{}], dtype=object), allow_pickle=True), ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_matrix_that_is_none(name, tmp_path, capsys):
    make, message = BAD[name]
    path = tmp_path / "matrix.npy"
    make(path)
    before = sorted(tmp_path.iterdir())
    assert congruence("recluster", path, "--out", tmp_path / "out") == 3
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert str(path) in told
    assert message in told
    assert sorted(tmp_path.iterdir()) == before


def test_densities_need_models(result, tmp_path, capsys):
    words = ("--density", "Alpha", "--out", tmp_path / "out")
    assert congruence("recluster", result / "distances.npy", *words) == 3
    assert "densities need models" in capsys.readouterr().err


def broken_copy(result, tmp_path, name, text=None):
    folder = tmp_path / "result"
    folder.mkdir()
    for file in ("distances.npy", "distances.json", "models.csv", "run.json", "config.toml"):
        shutil.copy(result / file, folder / file)
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["distances.npy", "distances.json", "run.json", "config.toml"])
@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_result_that_is_damaged(name, text, result, tmp_path, capsys):
    folder = broken_copy(result, tmp_path, name, text)
    assert congruence("recluster", folder, "--clusters", "2", "--out", tmp_path / "out") == 3
    told = capsys.readouterr().err
    assert "error: " in told
    assert name in told
    assert not (tmp_path / "out").exists()


def test_tables_of_another_run(result, tmp_path, capsys):
    table = (result / "models.csv").read_text().splitlines(keepends=True)
    folder = broken_copy(result, tmp_path, "models.csv", "".join(table[:-3]))
    assert congruence("recluster", folder, "--out", tmp_path / "out") == 3
    assert "has 61 models, but the matrix beside it 64" in capsys.readouterr().err


def test_rmf_files_that_are_gone(result, tmp_path, capsys):
    table = (result / "models.csv").read_text()
    folder = broken_copy(
        result, tmp_path, "models.csv", table.replace("rmfs/0.rmf3", "rmfs/9.rmf3")
    )
    assert congruence("recluster", folder, "--out", tmp_path / "out") == 3
    told = capsys.readouterr().err
    assert "9.rmf3" in told
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_written_from_python(small, tmp_path, no_figure):
    ensemble = cg.open_runs(small).choose().load(resolution=10)
    metric = cg.Metric("superpose", measure=["Alpha", "Gamma"], on="Alpha", copies="off")
    matrix = cg.rmsd_matrix(ensemble, metric)
    clustering = cg.cluster(matrix, k=3)
    out = cg.write_clusters(
        tmp_path / "one", ensemble, matrix, clustering, metric=metric, resolution=10
    )
    assert congruence("recluster", out, "--clusters", "3", "--out", tmp_path / "two") == 0
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert set(one) == set(two)  # the saved matrix is of 32 bits, so that tables differ in digit 8
    assert not [n for n in one if one[n] != two[n] and n.endswith((".rmf3", ".pdb", ".npy"))]
    assert labels(tmp_path / "one").tolist() == labels(tmp_path / "two").tolist()


def test_the_record_keeps_what_was_read_and_by_whom(small, result, tmp_path, no_figure):
    assert congruence("recluster", result, "--clusters", "2", "--out", tmp_path / "two") == 0
    first, second = record(result), record(tmp_path / "two")
    read = {e["path"]: e for e in second["inputs"]}
    assert all(read[e["path"]] == e for e in first["inputs"])
    own = {p.rpartition("/")[2] for p in read if p.startswith(str(result))}
    assert own == {"config.toml", "distances.json", "distances.npy", "models.csv", "run.json"}
    assert second["rmf_files_found"] == first["rmf_files_found"]


def test_a_metric_without_words(small, tmp_path, capsys, no_figure):
    ensemble = cg.open_runs(small).choose(best=6).load()
    metric = cg.Metric("none", measure=np.arange(9))
    matrix = cg.rmsd_matrix(ensemble, metric)
    out = cg.write_clusters(
        tmp_path / "one", ensemble, matrix, cg.cluster(matrix, k=2), metric=metric
    )
    assert congruence("recluster", out, "--out", tmp_path / "two") == 3
    assert "does not say 'align' and 'rmsd'" in capsys.readouterr().err
    words = (out / "distances.npy", "--clusters", "2", "--out", tmp_path / "two")
    assert congruence("recluster", *words) == 0
