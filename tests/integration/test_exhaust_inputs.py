"""``congruence exhaust`` on all kinds of input, with memory that is short, and what it refuses."""

import json

import numpy as np
import pytest

from congruence.cli import _run
from congruence.compute.rmsd import place, rmsd_matrix
from congruence.core.placement import PlacedModels
from congruence.io.matrix import save_matrix
from congruence.io.pdb import write_pdb
from congruence.io.rmf import open_rmf
from congruence.io.rmf.clone import MemberWriter
from congruence.io.sampcon import read_output_json
from congruence.simulate import BeadKind, Segment, Subunit, System, simulate_runs
from congruence.workflow.exhaust_distances import Distance
from congruence.workflow.exhaust_options import ExhaustOptions
from congruence.workflow.samples import open_samples


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Drawing takes most of the time of a small job."""
    monkeypatch.setattr("congruence.plots.exhaustiveness.save_figures", lambda *_, **__: ())


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A system of two copies of a complex A/B beside a core, sampled by two runs."""
    home = tmp_path_factory.mktemp("sym")
    body, small = (Segment(1, 12, BeadKind.RIGID),), (Segment(1, 8, BeadKind.RIGID),)
    subunits = (Subunit("Core", body), Subunit("A", body, 2), Subunit("B", small, 2))
    system = System(subunits, gaussians=False)
    simulate_runs(home / "runs", system=system, models=60, runs=2, replicas=1, clusters=2, seed=3)
    (home / "symmetry.txt").write_text("A.0/B.0 A.1/B.1\n")
    (home / "good").mkdir()
    number = 0
    for sample, run in zip("AB", ("run1", "run2"), strict=True):
        writer = MemberWriter(open_rmf(home / "runs" / run / "output/rmfs/0.rmf3"))
        (home / "good" / f"sample_{sample}").mkdir()
        for frame in range(15):
            writer.write(frame, home / "good" / f"sample_{sample}" / f"{number}.rmf3")
            number += 1
    return home


def run(*words):
    return _run(["exhaust", *map(str, words), "--name", "x", "--no-uncertainty"])


def inputs_of(home, kind):
    if kind == "runs":
        return [str(home / "runs")]
    if kind == "folder":
        return [str(home / "good")]
    return [str(home / "runs" / r / "output/rmfs/0.rmf3") for r in ("run1", "run2")]


def swapped(ensemble, i, j):
    """Measure two models with the blocks A/B as they are and exchanged."""
    two = [[1, 3], [2, 4]]  # molecules Core, A.0, A.1, B.0, B.1
    at = ensemble.topology.molecule_index
    blocks = [np.concatenate([np.flatnonzero(at == k) for k in block]) for block in two]
    other = ensemble.coordinates[j].copy()
    other[np.concatenate(blocks)] = ensemble.coordinates[j][np.concatenate(blocks[::-1])]
    pairs = (np.stack([ensemble.coordinates[i], y]) for y in (ensemble.coordinates[j], other))
    return [rmsd_matrix(p, alignment="superpose", weights="none").condensed[0] for p in pairs]


@pytest.mark.parametrize("kind", ["runs", "folder", "frames"])
@pytest.mark.parametrize("compat", [False, True])
def test_complexes_that_may_swap_are_measured_and_placed_as_blocks(home, kind, compat, tmp_path):
    out, symmetry = tmp_path / "out", home / "symmetry.txt"
    words = [
        *inputs_of(home, kind),
        "--align",
        "superpose",
        "--symmetry",
        symmetry,
        "--smallest",
        3,
    ]
    words += ["--density", "a0=A@0", "--density", "a1=A@1", "--out", out, "--weights", "none"]
    assert run(*words, *(["--compat", "sampcon", "--step", 1] if compat else [])) == 0
    data = json.loads((out / "exhaustiveness.json").read_text())
    ensemble = open_samples(inputs_of(home, kind)).ensemble
    m = len(ensemble)
    name = "Distances_Matrix.data.npy" if compat else "distances.npy"
    condensed = np.load(out / name)
    both = np.array([swapped(ensemble, 0, j) for j in range(1, m)])
    assert condensed[: m - 1] == pytest.approx(both.min(axis=1), abs=2e-6)
    # Some models are nearer with the complexes exchanged, or nothing is tested.
    assert (both[:, 1] < both[:, 0] - 1).any()
    options = ExhaustOptions("x", align="superpose", weights="none", symmetry=symmetry)
    distance = Distance.of(ensemble, options)
    for cluster in data["clusters"]:
        members = np.array(cluster["members"])
        center = cluster["center"]
        placed = PlacedModels(
            ensemble, members, place(ensemble, members, center, distance.metric), distance.groups
        )
        apart = placed.read(0, len(members)) - ensemble.coordinates[center]
        found = np.sqrt((apart**2).sum(axis=2).mean(axis=1))
        assert found.max() == pytest.approx(cluster["max_to_center"], abs=1e-5)
        assert found.sum() / (len(members) - 1) == pytest.approx(cluster["precision"], abs=1e-5)
        assert (out / f"cluster.{cluster['cluster']}" / "Sample_A" / "LPD_a1.mrc").exists()
    assert data["clusters"]
    assert all(found["cc"] > 0.5 for found in data["maps"])


def test_memory_that_holds_no_matrix_changes_nothing_but_the_time(home, tmp_path, capsys):
    found = []
    for name, memory in (("much", "1G"), ("little", "20k")):
        words = ("--align", "superpose", "--weights", "none", "--copies", "off", "--smallest", 3)
        out = tmp_path / name
        assert run(*inputs_of(home, "runs"), *words, "--memory", memory, "--threads", 1, "--out", out) == 0  # fmt: skip
        said = capsys.readouterr().err
        assert ("no matrix is kept" in said) is (name == "little")
        assert ("coordinates stay on disk" in said) is (name == "little")
        assert "60 models of 52 beads" in said  # the plan, before the start
        assert (out / "distances.npy").exists() is (name == "much")
        found.append(json.loads((out / "exhaustiveness.json").read_text()))
    one, two = found
    assert one["scan"] == two["scan"]
    assert one["sampling_precision"] == two["sampling_precision"]
    assert [c["members"] for c in one["clusters"]] == [c["members"] for c in two["clusters"]]
    for a, b in zip(one["clusters"], two["clusters"], strict=True):
        for key in ("precision", "mean_pairwise", "medoid", "max_to_center"):
            assert a[key] == pytest.approx(b[key], abs=1e-6)
    assert not list(tmp_path.glob(".congruence*"))
    assert not list(tmp_path.glob("*.coordinates"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "nope"), "expected local, dask or dask:ADDRESS"),
        (("--memory", "much"), "not a size of memory"),
    ],
)
def test_resources_that_are_none(home, tmp_path, capsys, words, said):
    out = tmp_path / "out"
    assert run(*inputs_of(home, "runs"), "--align", "none", *words, "--out", out) == 3
    assert said in capsys.readouterr().err


def matrix_at(folder, alignment="superpose"):
    points = np.random.default_rng(8).normal(size=(60, 5, 3))
    save_matrix(rmsd_matrix(points, alignment=alignment), folder)
    return folder


def test_the_alignment_of_our_own_matrix_is_known(tmp_path, capsys):
    folder = matrix_at(tmp_path / "m")
    words = ("--samples", 30, 30, "--smallest", 2)
    assert run(folder, *words, "--align", "none", "--out", tmp_path / "a") == 3
    error = capsys.readouterr().err
    assert "--align none, but the file beside the matrix says" in error
    assert "measured with alignment superpose" in error
    assert run(folder, *words, "--align", "superpose", "--out", tmp_path / "b") == 0
    assert run(folder, *words, "--out", tmp_path / "c") == 0
    assert "after optimal superposition" in (tmp_path / "c" / "statement.txt").read_text()
    capsys.readouterr()


def test_the_alignment_of_another_matrix_is_the_word_of_the_user(tmp_path, capsys):
    matrix_at(tmp_path / "m")
    (tmp_path / "m" / "distances.json").unlink()
    words = (tmp_path / "m" / "distances.npy", "--samples", 30, 30, "--smallest", 2)
    assert run(*words, "--align", "center", "--out", tmp_path / "a") == 0
    assert "alignment: center, as the user says" in capsys.readouterr().err
    text = (tmp_path / "a" / "statement.txt").read_text()
    assert "were given, as RMSDs after removing the centroids" in text
    assert "center, as the user says" in (tmp_path / "a" / "report.html").read_text()
    assert run(*words, "--out", tmp_path / "b") == 0
    assert "alignment: not known" in capsys.readouterr().err


def test_a_matrix_with_what_is_no_number_names_the_models(tmp_path, capsys):
    square = np.random.default_rng(9).random((30, 30))
    square = square + square.T
    np.fill_diagonal(square, 0)
    square[4, 9] = square[9, 4] = np.nan
    np.save(tmp_path / "d.npy", square)
    assert run(tmp_path / "d.npy", "--samples", 15, 15, "--out", tmp_path / "o") == 3
    assert "models 4 and 9 is nan" in capsys.readouterr().err


def test_coordinates_that_are_no_numbers_name_the_file(home, tmp_path, capsys):
    samples = open_samples(inputs_of(home, "frames"))
    for name in "ab":
        (tmp_path / name).mkdir()
        for k in range(8):
            at = tmp_path / name / f"{k}.pdb"
            write_pdb(at, samples.ensemble.coordinates[k], samples.ensemble.topology)
    broken = tmp_path / "b" / "3.pdb"
    text = broken.read_text().splitlines()
    first = next(i for i, line in enumerate(text) if line.startswith(("ATOM", "HETATM")))
    text[first] = text[first][:30] + "     nan" + text[first][38:]
    broken.write_text("\n".join(text) + "\n")
    words = (tmp_path / "a", tmp_path / "b", "--align", "superpose", "--out", tmp_path / "o")
    assert run(*words) == 3
    error = capsys.readouterr().err
    assert "3.pdb" in error
    assert "hint: " in error


def test_a_threshold_needs_no_step_in_compat_mode(home, tmp_path):
    # All distances are within ten angstroms: the reference program's own step leaves no threshold.
    rng = np.random.default_rng(10)
    np.save(tmp_path / "d.npy", rmsd_matrix(rng.normal(size=(60, 4, 3)), alignment="none").square())
    words = (tmp_path / "d.npy", "--samples", 30, 30, "--compat", "sampcon", "--smallest", 2)
    out = tmp_path / "out"
    assert run(*words, "--threshold", 2.0, "--out", out) == 0
    data = read_output_json(out / "x.output.json")
    assert data["clustering_threshold"] == 2.0
    assert "precision" not in data
    said = (out / "statement.txt").read_text()
    assert "Clusters were made at a threshold of 2.0 Å instead." in said
    assert run(*words, "--out", tmp_path / "no") == 3


def test_every_cluster_is_in_the_statement_and_the_report(tmp_path, capsys):
    places = np.repeat([0.0, 40.0, 90.0, 150.0], [40, 30, 24, 22])
    places = places + np.random.default_rng(11).normal(size=len(places))
    order = np.concatenate([np.arange(0, len(places), 2), np.arange(1, len(places), 2)])
    np.save(tmp_path / "d.npy", np.abs(places[order][:, None] - places[order]))
    half = len(places) // 2
    out = tmp_path / "out"
    words = ("--samples", half, half, "--step", 6, "--out", out)
    assert run(tmp_path / "d.npy", *words) == 0
    text = (out / "statement.txt").read_text()
    found = json.loads((out / "exhaustiveness.json").read_text())["clusters"]
    assert len(found) == 4
    assert [f"Cluster {k} holds" in text for k in range(4)] == [True] * 4
    page = (out / "report.html").read_text()
    assert text.strip().replace("'", "&#x27;") in page
    assert "report.html" in json.loads((out / "run.json").read_text())["files"]
    capsys.readouterr()
