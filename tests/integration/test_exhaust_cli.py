"""``congruence exhaust`` from the command line, on simulated sampling."""

import json
import shutil

import numpy as np
import pytest

from congruence.cli import _run
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, FormatError, InputError
from congruence.io.pdb import write_pdb
from congruence.io.pdb_models import read_pdb_models
from congruence.io.rmf import open_rmf
from congruence.io.rmf.clone import MemberWriter
from congruence.io.sampcon import list_models, read_output_json, read_symmetry
from congruence.io.sampcon_published import read_published
from congruence.simulate import simulate_runs
from congruence.workflow.samples import open_samples
from congruence.workflow.swaps import swap_groups


@pytest.fixture(scope="module")
def sampling(tmp_path_factory):
    home = tmp_path_factory.mktemp("sampling")
    simulate_runs(home, models=80, runs=2, clusters=2, seed=4)
    return home


@pytest.fixture(scope="module")
def runs(sampling):
    return sorted(str(p) for p in sampling.iterdir() if p.is_dir() and p.name.startswith("run"))


def rmf_files(runs):
    return [f for f in open_samples(runs).files if f.endswith("0.rmf3")]


@pytest.fixture(autouse=True)
def without_figures(request, monkeypatch):
    """Drawing takes most of the time of a small job; one test looks at it."""
    if "explains_itself" not in request.node.name:
        monkeypatch.setattr("congruence.plots.exhaustiveness.save_figures", lambda *_, **__: ())


@pytest.fixture(scope="module")
def good(runs, tmp_path_factory):
    """A good-scoring folder of twelve models a sample, made of both runs."""
    home, number = tmp_path_factory.mktemp("good"), 0
    for sample, run in zip("AB", runs, strict=True):
        (home / f"sample_{sample}").mkdir()
        path = next(f for f in rmf_files(runs) if f"{run}/" in f)
        writer = MemberWriter(open_rmf(path))
        for frame in range(12):
            writer.write(frame, home / f"sample_{sample}" / f"{number}.rmf3")
            number += 1
        values = np.random.default_rng(number).normal(size=12)
        (home / f"scores{sample}.txt").write_text("".join(f"{v}\n" for v in values))
    return home


def run(*words):
    return _run(["exhaust", *map(str, words)])


def test_runs_become_two_samples_and_a_folder_that_explains_itself(runs, tmp_path, capsys):
    out = tmp_path / "out"
    words = (*runs, "--name", "demo", "--align", "superpose", "--density", "all=*", "--out", out)
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert "held against" in text
    assert "Exhaustiveness of the sampling of demo was tested on two samples of 40 and 40" in text
    data = json.loads((out / "exhaustiveness.json").read_text())
    assert data["models"] == {"A": 40, "B": 40}
    assert [v["reference"] for v in data["verdicts"][:3]] == ["10.1016/j.bpj.2017.10.005"] * 3
    assert data["statement"] + "\n" == (out / "statement.txt").read_text()
    assert data["sampling_precision"]["right"]["resolution"] <= 0.1
    listed = json.loads((out / "run.json").read_text())
    written = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert set(listed["files"]) | {"run.json"} == written
    assert {"figures.pdf", "threshold_scan.png", "report.html", "scan.csv", "models.csv"} <= written
    assert "IMP.sampcon" not in (out / "exhaustiveness.json").read_text()
    for cluster in data["clusters"]:
        home = f"cluster.{cluster['cluster']}"
        assert {f"{home}/LPD_all.mrc", f"{home}/Sample_A/LPD_all.mrc"} <= written
        assert f"{home}/cluster_center_model.rmf3" in written
    assert len(data["maps"]) == len(data["clusters"])
    assert all(m["cc"] > 0.3 for m in data["maps"])
    rows = (out / "models.csv").read_text().splitlines()
    assert len(rows) == 81
    assert run(*words) == 3
    assert "--force" in capsys.readouterr().err
    before = (out / "exhaustiveness.json").read_bytes(), (out / "figures.pdf").read_bytes()
    assert run(*words, "--force", "--json") == 0
    assert json.loads(capsys.readouterr().out) == data
    assert before == ((out / "exhaustiveness.json").read_bytes(), (out / "figures.pdf").read_bytes())  # fmt: skip


def test_good_scoring_models_in_the_formats_of_the_reference(good, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(good, "--name", "x", "--align", "none", "--compat", "sampcon", "--step", 5, "--out", out) == 0  # fmt: skip
    data = read_output_json(out / "x.output.json")
    assert data["producer"]["name"] == "IMP.sampcon"
    assert data["producer"]["written_by"].startswith("congruence")
    assert len(data["input_frames"]) == 24
    assert data["density_custom_ranges"] == []
    grid = read_published(out).grid
    assert [row[0] for row in grid] == data["chi_square_grid_stats"]["cutoffs"]
    capsys.readouterr()
    again = tmp_path / "again"
    assert run(out, "--name", "x", "--samples", 12, 12, "--step", 5, "--compat", "sampcon", "--out", again) == 0  # fmt: skip
    assert "The published numbers agree with the matrix" in capsys.readouterr().out
    given = tmp_path / "given"
    assert run(good, "--name", "x", "--align", "none", "--compat", "sampcon", "--step", 5, "--threshold", 40, "--out", given) == 0  # fmt: skip
    assert "precision" not in read_output_json(given / "x.output.json")
    assert not (given / "x.ChiSquare_Grid_Stats.txt").exists()


def test_a_failed_check_leaves_with_4_after_writing(good, tmp_path, capsys):
    out = tmp_path / "out"
    words = (good, "--name", "x", "--align", "superpose", "--out", out, "--fail-on", "note")
    assert run(*words) == 4
    assert "verdicts are note or worse" in capsys.readouterr().err
    assert (out / "run.json").exists()


def test_two_multi_frame_files(runs, tmp_path):
    files = rmf_files(runs)[:2]
    samples = open_samples(files)
    assert samples.kind == "frames"
    assert samples.sizes == tuple(len(open_rmf(f)) for f in files)
    assert samples.scores is None
    assert "tests 1 and 2 are left out" in samples.warnings[0]


def test_a_matrix_with_sizes_and_without_an_alignment(tmp_path, capsys):
    points = np.random.default_rng(0).normal(size=40)
    np.save(tmp_path / "d.npy", np.abs(points[:, None] - points))
    words = (tmp_path / "d.npy", "--name", "x", "--out", tmp_path / "out")
    assert run(*words) == 3
    assert "--samples NA NB" in capsys.readouterr().err
    assert run(*words, "--samples", 19, 20) == 3
    assert "do not make the 40" in capsys.readouterr().err
    assert run(*words, "--samples", 20, 20, "--density", "A") == 3
    assert "no coordinates" in capsys.readouterr().err
    assert run(*words, "--samples", 0, 40) == 3
    assert "sample A is empty" in capsys.readouterr().err
    assert run(*words, "--samples", 20, 20) == 0
    assert "Distances between models were given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: shutil.rmtree(g / "sample_B"), "sample_B is not a folder"),
        (lambda g: [p.unlink() for p in (g / "sample_A").iterdir()], "the sample is empty"),
        (lambda g: (g / "scoresA.txt").write_text("1\n2\n"), "holds 2 scores, but sample A has 12"),
        (lambda g: (g / "scoresB.txt").write_text("1\nnan\n"), "the score is nan"),
        (lambda g: (g / "scoresB.txt").write_text("1\nx\n"), "'x' is no number"),
        (lambda g: (g / "scoresB.txt").write_text(""), "is empty"),
        (lambda g: (g / "sample_A" / "0.rmf3").rename(g / "sample_A" / "a.rmf3"), "no number"),
        (lambda g: [p.unlink() for p in (g / "sample_A").iterdir() if p.stem != "0"] and [p.unlink() for p in g.glob("scores*")] and [p.unlink() for p in (g / "sample_B").iterdir() if int(p.stem) > 16], "at least 10"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_used(good, tmp_path, capsys, change, words):
    broken = tmp_path / "broken"
    shutil.copytree(good, broken)
    change(broken)
    assert run(broken, "--name", "x", "--align", "none", "--out", tmp_path / "out") == 3
    error = capsys.readouterr().err
    assert words in error
    assert "hint: " in error
    assert not (tmp_path / "out").exists()


def test_all_models_identical(good, tmp_path, capsys):
    same = tmp_path / "same"
    shutil.copytree(good, same)
    for path in same.glob("sample_*/*.rmf3"):
        shutil.copy(good / "sample_A" / "0.rmf3", path)
    assert run(same, "--name", "x", "--align", "none", "--out", tmp_path / "out") == 3
    assert "all models are identical" in capsys.readouterr().err


def test_the_alignment_has_no_default(good, tmp_path, capsys):
    assert run(good, "--name", "x", "--out", tmp_path / "out") == 3
    assert "alignment of the distance is missing" in capsys.readouterr().err


def pdb_sample(folder, seed, names=("A", "B"), models=8):
    topology = Topology.simple([Molecule(n, 0, chain=n) for n in names], beads_per_molecule=5)
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for k in range(models):
        write_pdb(folder / f"{k}.pdb", rng.normal(size=(len(topology), 3)) * 10, topology)
    return folder


def test_pdb_ensembles(tmp_path, capsys):
    a, b = (pdb_sample(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 1)))
    samples = open_samples([a, b])
    assert (samples.kind, samples.sizes, len(samples.ensemble.topology)) == ("pdb", (8, 8), 10)
    out = tmp_path / "out"
    assert run(a, b, "--name", "x", "--align", "superpose", "--threshold", 60, "--smallest", 2, "--density", "A", "--out", out) == 0  # fmt: skip
    assert (out / "cluster.0" / "cluster_center_model.pdb").exists()
    assert (out / "cluster.0" / "Sample_B" / "LPD_A.mrc").exists()
    other = pdb_sample(tmp_path / "other", 2, names=("A",))
    capsys.readouterr()
    assert run(a, other, "--name", "x", "--align", "none", "--out", tmp_path / "no") == 3
    assert "not of one system" in capsys.readouterr().err


def test_what_is_read_of_a_pdb_file(tmp_path):
    text = """\
MODEL        1
ATOM      1  CA  ALA A   1       1.000   2.000   3.000  1.00  0.00           C
ATOM      2  HA  ALA A   1       9.000   9.000   9.000  1.00  0.00           H
ATOM      3  CA AGLY B   2       4.000   5.000   6.000  0.50  0.00           C
ATOM      4  CA BGLY B   2       7.000   8.000   9.000  0.50  0.00           C
HETATM    5  O   HOH A 900       0.000   0.000   0.000  1.00  0.00           O
ENDMDL
MODEL        2
ATOM      1  CA  ALA A   1       1.500   2.000   3.000  1.00  0.00           C
ATOM      3  CA AGLY B   2       4.500   5.000   6.000  0.50  0.00           C
ENDMDL
"""
    path = tmp_path / "x.pdb"
    path.write_text(text)
    coordinates, topology = read_pdb_models(path)
    assert coordinates.tolist() == [[[1, 2, 3], [4, 5, 6]], [[1.5, 2, 3], [4.5, 5, 6]]]
    assert topology.molecule_names == ("A", "B")
    assert topology.mass.tolist() == [12.011, 12.011]
    path.write_text(text.replace("4.500", "    x"))
    with pytest.raises(FormatError, match="line 10"):
        read_pdb_models(path)
    path.write_text("REMARK nothing\n")
    with pytest.raises(FormatError, match="no atoms"):
        read_pdb_models(path)
    path.write_text(text.replace("CA AGLY B   2       4.500", "CB AGLY B   2       4.500"))
    with pytest.raises(FormatError, match="other atoms"):
        read_pdb_models(path)


def test_the_order_of_models_is_that_of_their_numbers(tmp_path):
    for name in ("10.rmf3", "9.rmf3", "100.rmf3"):
        (tmp_path / name).touch()
    assert [p.name for p in list_models(tmp_path)] == ["9.rmf3", "10.rmf3", "100.rmf3"]


def test_samples_are_made_of_whole_runs(sampling, tmp_path):
    home = tmp_path / "four"
    simulate_runs(home, models=60, runs=4, replicas=1, clusters=2, seed=6)
    runs = [str(home / f"run{i}") for i in (1, 2, 3, 4)]
    for split in ("run", "random"):
        samples = open_samples(runs, split=split, seed=7)
        assert samples.sizes == (30, 30)
        mine, rest = (set(part) for part in (samples.origins.run[:30], samples.origins.run[30:]))
        assert len(mine) == len(rest) == 2 and not mine & rest
        assert samples.names == open_samples(runs, split=split, seed=7).names
    one, two = str(home / "run3"), [str(home / "run1"), str(home / "run2")]
    first = open_samples([one, str(home / "run4")], split="folder")
    assert set(first.origins.run[: first.n_a]) == {"run3"}
    with pytest.raises(ConfigError, match="two inputs"):
        open_samples([str(home)], split="folder")
    alone = open_samples([one])
    assert alone.sizes == (7, 8)
    assert any("one run" in w for w in alone.warnings)
    assert len(open_samples(two).names) == 30


def test_uncertainty_is_shown_written_and_judged(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    home, out = tmp_path / "runs", tmp_path / "out"
    simulate_runs(home, models=160, runs=4, replicas=1, clusters=2, seed=9)
    words = (home, "--name", "x", "--align", "superpose", "--out", out)
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert "after 160 models the sampling precision was" in text
    assert "A alone" in text
    data = json.loads((out / "exhaustiveness.json").read_text())
    found = data["uncertainty"]
    interval = found["sampling_precision"]
    assert interval["unit"] == "run" and interval["units"] == 4
    assert interval["value"] == pytest.approx(data["sampling_precision"]["right"]["value"])
    assert interval["low"] <= interval["value"]
    assert len(found["populations"]) == len(data["clusters"])
    for cluster, share in zip(data["clusters"], found["populations"], strict=True):
        assert share["value"] == pytest.approx(sum(cluster["models"].values()) / 160)
    assert found["running"]["models"][-1] == 160
    assert found["running"]["advice"].startswith(("Stop", "Go on"))
    assert any(v["advice"] == found["running"]["advice"] for v in data["verdicts"])
    assert [a["unit"] for a in found["samples_alone"]] == ["run", "run"]
    assert run(*words, "--force", "--no-uncertainty") == 0
    again = json.loads((out / "exhaustiveness.json").read_text())
    assert again["uncertainty"] is None
    assert len(again["verdicts"]) == len(data["verdicts"]) - 2
    capsys.readouterr()


def test_runs_of_a_good_scoring_folder_are_those_of_its_table(runs, tmp_path, capsys):
    good = tmp_path / "good"
    assert _run(["select", *runs, "--where", "Total_Score<1e9", "--out", str(good)]) == 0
    samples = open_samples([good])
    assert set(samples.origins.run) == set(samples.ensemble.models.run) == {"run1", "run2"}
    assert samples.warnings == ()
    (good / "models.csv").write_text("model,sample\n0,A\n")
    spoiled = open_samples([good])
    assert spoiled.origins is None
    assert "not known" in spoiled.warnings[0]
    capsys.readouterr()


def test_symmetric_units_of_any_order(tmp_path):
    path = tmp_path / "symmetry.txt"
    path.write_text("A.0/B.0 B.1/A.1 A.2/B.2\n\nC.d.0 C.d.1\n")
    groups = read_symmetry(path)
    assert groups[1] == (("C.d.0",), ("C.d.1",))
    order = [("A", 0), ("A", 1), ("A", 2), ("B", 0), ("B", 1), ("B", 2), ("C.d", 1), ("C.d", 0)]
    topology = Topology.simple([Molecule(n, c) for n, c in order], beads_per_molecule=2)
    three, two = swap_groups(topology, groups)
    assert three.beads.tolist() == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    assert two.beads.tolist() == [[14, 15], [12, 13]]
    with pytest.raises(InputError, match=r"'A\.9', which is not"):
        swap_groups(topology, [(("A.0",), ("A.9",))])
    with pytest.raises(InputError, match="different residues"):
        swap_groups(topology, [(("A.0",), ("B.0",))])


@pytest.mark.parametrize(
    ("text", "words"),
    [("A.0 A\n", "no copy number"), ("A.0\n", "two or more"), ("A.0 A.1/B.1\n", "equally many"), ("A.0 A.0\n", "twice"), ("A.0 A.1\nA.1 A.2\n", "'A.1' is named twice")],
)  # fmt: skip
def test_symmetry_files_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(FormatError, match=words):
        read_symmetry(tmp_path / "s.txt")


def test_symmetric_copies_relabel_maps_and_distances(runs, tmp_path):
    out = tmp_path / "out"
    copies = open_samples(runs).ensemble.topology.copy_groups()
    assert copies
    name = copies[0].molecule
    symmetry = tmp_path / "s.txt"
    symmetry.write_text(" ".join(f"{name}.{c}" for c in copies[0].copies) + "\n")
    common = (*runs, "--name", "x", "--align", "superpose", "--compat", "sampcon", "--step", 5)
    assert run(*common, "--symmetry", symmetry, "--out", out) == 0
    assert run(*common, "--out", tmp_path / "plain") == 0
    swapped, plain = (np.load(p / "Distances_Matrix.data.npy") for p in (out, tmp_path / "plain"))
    assert (swapped <= plain + 1e-5).all()
    assert (swapped < plain - 1).any()
