"""The whole job on simulated runs: planted truth, what is written, how options reach it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import mrcfile
import numpy as np
import pytest
from jobfolders import (
    ASKED,
    SECRET,
    congruence,
    labels,
    models,
    places,
    planted,
    record,
    tree,
)
from sklearn.metrics import adjusted_rand_score

import congruence as cg
from congruence.simulate import simulate_runs, small_system

# ---------------------------------------------------------------- planted truth


def test_the_planted_clusters_are_found_without_being_told_their_number(truth, result):
    expected = planted(truth[0])
    assert record(result, "clusters.json")["advice"]["clusters"] == 3
    assert adjusted_rand_score([expected[at] for at in places(result)], labels(result)) == 1.0


def test_runs_and_halves_are_counted(truth, result):
    expected = planted(truth[0])
    table = models(result)
    for cluster in record(result, "clusters.json")["clusters"]:
        mine = [
            at
            for at, k in zip(places(result), table["cluster"], strict=True)
            if int(k) == cluster["cluster"]
        ]
        by_run = {name: sum(at[0] == name for at in mine) for name in ("run1", "run2")}
        assert cluster["size_by_run"] == by_run
        assert cluster["size_by_half"] == list(by_run.values())
        assert cluster["size"] == len(mine)
        assert len({expected[at] for at in mine}) == 1


def test_the_center_is_the_medoid_and_the_spread_is_the_mean_distance(result):
    square = cg.load_matrix(result).square()
    for cluster in record(result, "clusters.json")["clusters"]:
        mine = cluster["members"]
        inside = square[np.ix_(mine, mine)]
        assert cluster["center_model"] == mine[int(inside.sum(axis=1).argmin())]
        n = len(mine)
        assert cluster["average_rmsd"] == pytest.approx(inside.sum() / (n * (n - 1)), abs=1e-5)


def members(out, cluster):
    return record(out, "clusters.json")["clusters"][cluster]["members"]


def weighted(one, two, topology):
    w = topology.residue_counts
    return np.sqrt((w * ((one - two) ** 2).sum(axis=-1)).sum(axis=-1) / w.sum())


def test_members_lie_on_the_first_at_the_distance_of_the_matrix(result):
    square = cg.load_matrix(result).square()
    for cluster in range(3):
        mine = members(result, cluster)
        files = [
            cg.open_rmf(result / f"cluster.{cluster}" / f"{at}.rmf3") for at in range(len(mine))
        ]
        topology = files[0].topology(1)
        points = np.array([f.coordinates([0], 1)[0] for f in files])
        assert all(f.topology(1).key == topology.key for f in files)
        found = weighted(points, points[0], topology)
        assert found == pytest.approx(square[mine[0], mine], abs=2e-3)


def test_some_members_were_relabelled(result):
    table = models(result)
    assert any("1 0" in text for text in table["assignment"].tolist())


def test_center_models_and_pdb_files_hold_the_same_members(result):
    folder = result / "cluster.1"
    mine = members(result, 1)
    joined = cg.open_rmf(folder / "models.rmf3")
    points = joined.coordinates(None, 1)
    assert len(joined) == len(mine)
    assert joined.frame_names == tuple(map(str, range(len(mine))))
    for at in range(len(mine)):
        file = cg.open_rmf(folder / f"{at}.rmf3")
        assert points[at] == pytest.approx(file.coordinates([0], 1)[0], abs=1e-4)
        assert pdb_points(folder / f"{at}.pdb") == pytest.approx(points[at], abs=1e-3)
    center = record(result, "clusters.json")["clusters"][1]["center_model"]
    at = mine.index(center)
    of_center = cg.open_rmf(folder / "center.rmf3").coordinates([0], 1)[0]
    assert of_center == pytest.approx(points[at], abs=1e-4)


def pdb_points(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]
    return np.array([[float(line[i : i + 8]) for i in (30, 38, 46)] for line in lines])


def test_the_mass_of_a_map_is_the_mass_of_its_beads(result):
    topology = cg.open_rmf(result / "cluster.0" / "0.rmf3").topology(1)
    for name, selection in (("Alpha", "Alpha"), ("both", "Gamma")):
        beads = cg.Selection.__module__ and topology.mass[bead_mask(topology, selection)]
        for cluster in range(3):
            density = cg.read_mrc(result / f"cluster.{cluster}" / f"{name}.mrc")
            assert density.mass == pytest.approx(beads.sum(), rel=5e-3)


def bead_mask(topology, text):
    from congruence.core.selection import parse

    return parse(text).mask(topology)


def test_maps_of_all_clusters_share_one_grid(result):
    grids = {cg.read_mrc(path).grid for path in result.glob("cluster.*/*.mrc")}
    assert len(grids) == 1


def test_scores_of_members_are_kept(result):
    rows = [eval_row(line) for line in (result / "cluster.0" / "stat.out").read_text().splitlines()]
    table = models(result)
    mine = members(result, 0)
    assert [float(r["Total_Score"]) for r in rows] == table["score"][mine].astype(float).tolist()
    assert [r["rmf_frame_index"] for r in rows] == table["frame"][mine].astype(int).tolist()
    assert all("CrossLinkingMassSpectrometryRestraint_Data_Score_XL" in r for r in rows)


def eval_row(line):
    import ast

    return ast.literal_eval(line)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory):
    """One arrangement without any spread; only the copies of some models are exchanged."""
    folder = tmp_path_factory.mktemp("swapped") / "runs"
    found = simulate_runs(folder, models=8, clusters=1, spread=0.0, swaps=0.5, seed=1)
    assert 0 < found.swapped.sum() < 8
    return folder


def test_exchanged_copies_are_at_distance_zero_and_give_sharp_maps(swapped, tmp_path, no_figure):
    words = ("--rmsd", "*", "--align", "none", "--clusters", "1", "--density", "copies=Gamma@0")
    assert congruence("cluster", swapped, *words, "--out", tmp_path / "auto") == 0
    assert congruence("cluster", swapped, *words, "--copies", "off", "--out", tmp_path / "off") == 0
    assert cg.load_matrix(tmp_path / "auto").condensed.max() < 1e-3
    assert cg.load_matrix(tmp_path / "off").condensed.max() > 5
    one = cg.open_runs(swapped).choose(best=1).load()
    alone = cg.localization_density(
        one,
        one.topology,
        beads=one.beads("Gamma@0"),
        grid=cg.read_mrc(tmp_path / "auto" / "cluster.0" / "copies.mrc").grid,
    )
    sharp = cg.read_mrc(tmp_path / "auto" / "cluster.0" / "copies.mrc").values.max()
    blurred = cg.read_mrc(tmp_path / "off" / "cluster.0" / "copies.mrc").values.max()
    assert sharp >= 0.99 * alone.values.max()
    assert blurred < 0.9 * sharp


def test_units_that_are_named_are_exchanged_and_written(swapped, tmp_path, no_figure):
    words = ("--rmsd", "*", "--align", "none", "--clusters", "1")
    (tmp_path / "units.txt").write_text("Gamma.0 Gamma.1\n")
    for name, more in (
        ("auto", ()),
        ("line", ("--swaps", "Gamma.1 Gamma.0")),
        ("file", ("--swaps", tmp_path / "units.txt")),
    ):
        assert congruence("cluster", swapped, *words, *more, "--out", tmp_path / name) == 0
    auto, line = (cg.load_matrix(tmp_path / name).condensed for name in ("auto", "line"))
    np.testing.assert_allclose(line, auto, atol=1e-6)
    assert 'swaps = ["Gamma.0 Gamma.1"]' in (tmp_path / "file" / "config.toml").read_text()
    assigned = set(models(tmp_path / "file")["assignment"])
    assert {"Gamma: 0 1", "Gamma: 1 0"} <= assigned
    out = tmp_path / "again"
    assert congruence("recluster", tmp_path / "file", "--clusters", "2", "--out", out) == 0
    assert 'swaps = ["Gamma.0 Gamma.1"]' in (out / "config.toml").read_text()
    off = ("--swaps", "Gamma.1 Gamma.0", "--copies", "off")
    assert congruence("cluster", swapped, *words, *off, "--out", tmp_path / "no") == 3


# ---------------------------------------------------------------- the same job said in other words


def test_python_gives_the_same_folder(runs, result, tmp_path):
    chosen = cg.open_runs(runs).choose(features=["Cross"])
    ensemble = chosen.load()
    metric = cg.Metric("superpose", measure=["*"])
    matrix = cg.rmsd_matrix(ensemble, metric)
    clustering = cg.cluster(matrix, scores=ensemble.models.score, runs=ensemble.models.run)
    densities = {"Alpha": "Alpha", "both": "Gamma"}
    out = cg.write_clusters(
        tmp_path / "out",
        ensemble,
        matrix,
        clustering,
        metric=metric,
        densities=densities,
        models_rmf=True,
    )
    mine, expected = tree(out), tree(result)
    assert set(mine) == set(expected)
    said_elsewhere = {"config.toml", "run.json"}
    differing = {name for name in mine if mine[name] != expected[name]} - said_elsewhere
    # provenance in RMF files tells of the number of runs and models, which both know
    assert not differing
    own, theirs = record(out), record(result)
    for said in ("inputs", "log", "rmf_files_found", "models_to_choose_from", "left_out"):
        assert own[said] == theirs[said]


SELECTION = "Alpha + Gamma:3-12@0"


def test_a_selection_means_the_same_everywhere(runs, tmp_path, no_figure):
    common = ("--align", "none", "--best", "12", "--clusters", "2", "--members", "none")
    assert congruence("cluster", runs, "--rmsd", SELECTION, *common, "--out", tmp_path / "a") == 0
    config = tmp_path / "job.toml"
    config.write_text(
        f'runs = ["{runs}"]\nrmsd = ["Alpha", "Gamma:3-12@0"]\nalign = "none"\nbest = 12\n'
        'clusters = 2\nmembers = "none"\n'
    )
    assert congruence("cluster", "--config", config, "--out", tmp_path / "b") == 0
    ensemble = cg.open_runs(runs).choose(best=12).load()
    matrix = cg.rmsd_matrix(ensemble, cg.Metric("none", measure=SELECTION))
    one, two = cg.load_matrix(tmp_path / "a"), cg.load_matrix(tmp_path / "b")
    assert np.array_equal(one.condensed, two.condensed)
    assert np.array_equal(one.condensed, matrix.condensed.astype(np.float32))
    assert len(ensemble.beads(SELECTION)) == 28 + 10


def test_what_is_typed_wins_over_a_file(runs, tmp_path, no_figure):
    config = tmp_path / "job.toml"
    config.write_text(
        f'runs = ["{runs}"]\nrmsd = ["Alpha"]\nalign = "superpose"\nbest = 30\nclusters = 2\n'
        'members = "none"\n[densities]\nA = "Alpha"\nB = "Beta"\n'
    )
    words = ("--best", "9", "--align", "center", "--density", "B=Gamma", "--density", "C=Delta")
    assert congruence("cluster", "--config", config, *words, "--out", tmp_path / "out") == 0
    said = record(tmp_path / "out")["arguments"]
    assert (said["best"], said["align"], said["clusters"]) == (9, "center", 2)
    assert said["densities"] == {"A": "Alpha", "B": "Gamma", "C": "Delta"}
    assert len(labels(tmp_path / "out")) == 9


def test_the_written_configuration_repeats_the_job(runs, result, tmp_path):
    assert (
        congruence("cluster", "--config", result / "config.toml", "--out", tmp_path / "again") == 0
    )
    assert tree(tmp_path / "again") == tree(result)


def test_a_dry_run_writes_nothing(runs, tmp_path, capsys):
    before = tree(runs)
    words = ("--dry-run", "--best", "7", "--out", tmp_path / "out")
    assert congruence("cluster", runs, *ASKED, *words) == 0
    shown = capsys.readouterr()
    assert list(tmp_path.iterdir()) == []
    assert tree(runs) == before
    assert "nothing was written" in shown.out
    assert "models: 7 of 64, 117 beads each" in shown.err
    assert "plan: 21 distances between 7 models" in shown.err
    assert congruence("cluster", runs, *ASKED, *words, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"dry_run": True, "models": 7, "left_out": 0}


def test_json_is_all_that_stands_on_standard_output(runs, tmp_path, capsys, no_figure):
    words = ("--best", "8", "--members", "none", "--json", "--out", tmp_path / "out")
    assert congruence("cluster", runs, *ASKED, *words) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == record(tmp_path / "out", "clusters.json")
    assert shown.err == ""


def test_what_a_user_reads(runs, tmp_path, capsys, no_figure):
    out = tmp_path / "out"
    assert congruence("cluster", runs, *ASKED, "--density", "Alpha", "--out", out) == 0
    shown = capsys.readouterr()
    told = shown.err.splitlines()
    assert told[0] == "runs: 2 (run1, run2)"
    assert told[1] == "ranked by Total_Score; 64 models in all"
    assert told[2] == "interchangeable copies: Gamma (copies 0, 1)"
    assert told[3] == "models: 64 of 64, 117 beads each"
    assert told[4].startswith("plan: 2,016 distances between 64 models of 117 beads")
    assert any(line.startswith("number of clusters: 3 clusters") for line in told)
    assert "warning" not in shown.err
    assert shown.out.split()[:2] == ["cluster", "models"]
    assert shown.out.splitlines()[-1].startswith(f"results: {out}")


# ---------------------------------------------------------------- choosing models


@pytest.fixture(scope="module")
def all_models(result):
    table = models(result)
    table["step"] = table["step"].astype(int)
    table["score"] = table["score"].astype(float)
    return table


def chosen(runs, out, *words):
    more = ("--clusters", "1", "--members", "none", "--out", out)
    assert congruence("cluster", runs, "--rmsd", "Delta", "--align", "none", *words, *more) == 0
    return places(out)


DATA_SCORE = "CrossLinkingMassSpectrometryRestraint_Data_Score_XL"
CHOICES = {
    "best": (("--best", "11"), lambda t: np.arange(64) < 11),
    "every": (("--every", "3"), lambda t: t["step"] % 3 == 0),
    "frames": (("--frames", "0.25:0.5"), lambda t: (t["step"] >= 4) & (t["step"] < 8)),
    "open end": (("--frames", "0.5:"), lambda t: t["step"] >= 8),
    "below": (("--below", "18"), lambda t: t["score"] < 18),
    "where": (("--where", f"{DATA_SCORE}<=9"), lambda t: t[DATA_SCORE].astype(float) <= 9),
    "two": (
        ("--where", f"{DATA_SCORE}>7", "--where", f"{DATA_SCORE}<10"),
        lambda t: (t[DATA_SCORE].astype(float) > 7) & (t[DATA_SCORE].astype(float) < 10),
    ),
    "all": (
        ("--every", "2", "--frames", "0:0.75", "--below", "21", "--best", "6"),
        lambda t: first(6, (t["step"] % 2 == 0) & (t["step"] < 12) & (t["score"] < 21)),
    ),
}


def first(n, mask):
    return mask & (np.cumsum(mask) <= n)


@pytest.mark.parametrize("name", CHOICES)
def test_models_are_chosen_as_asked(name, runs, result, all_models, tmp_path, no_figure):
    words, rule = CHOICES[name]
    mask = rule(all_models)
    everything = places(result)
    expected = [everything[i] for i in np.flatnonzero(mask)]
    assert 2 <= len(expected) < 64
    assert chosen(runs, tmp_path / "out", *words) == expected


def test_features_are_kept_as_they_were_stored(runs, tmp_path, no_figure):
    chosen(
        runs, tmp_path / "out", "--best", "5", "--feature", "ExcludedVolume", "--feature", "Psi_PSI"
    )
    table = models(tmp_path / "out")
    assert "ExcludedVolumeSphere_Score" in table
    assert "CrossLinkingMassSpectrometryRestraint_Psi_PSI_XL" in table
    assert not [name for name in table if "Connectivity" in name]
    raw = (runs / "run1" / "output" / "stat.0.out").read_text()
    row = [i for i in range(5) if table["source"][i].endswith("run1/output/stat.0.out")]
    assert all(table["ExcludedVolumeSphere_Score"][i] in raw for i in row)


def test_another_score_ranks_the_models(runs, tmp_path, no_figure):
    chosen(runs, tmp_path / "out", "--best", "9", "--score", DATA_SCORE)
    scores = models(tmp_path / "out")["score"].astype(float)
    assert (np.diff(scores) >= 0).all()
    assert record(tmp_path / "out")["score"] == DATA_SCORE


def test_globs_and_named_runs(runs, tmp_path, no_figure):
    of_one = chosen(f"{runs}/run1*", tmp_path / "glob")
    assert {run for run, _, _ in of_one} == {"run1"}
    assert len(of_one) == 32
    of_two = chosen(runs / "run1" / "output", tmp_path / "folder", "--run", f"second={runs}/run2")
    assert {run for run, _, _ in of_two} == {"run1", "second"}
    joined = chosen_named(f"joined={runs}/run1,{runs}/run2", tmp_path / "joined")
    assert {run for run, _, _ in joined} == {"joined"}
    assert len(joined) == 64
    steps = models(tmp_path / "joined")["step"].astype(int)
    assert sorted(steps.tolist()) == sorted([*range(32), *range(32)])


def chosen_named(name, out):
    more = ("--clusters", "1", "--members", "none", "--out", out)
    assert congruence("cluster", "--run", name, "--rmsd", "Delta", "--align", "none", *more) == 0
    return places(out)


def test_only_files_of_chosen_models_are_opened(tmp_path, monkeypatch, no_figure):
    import congruence.io.rmf as rmf

    runs = tmp_path / "runs"
    simulate_runs(runs, models=24, runs=2, replicas=6, clusters=1, seed=2)
    opened = set()
    real = rmf.open_rmf

    def spy(path):
        opened.add(str(path))
        return real(path)

    monkeypatch.setattr(rmf, "open_rmf", spy)
    chosen(runs, tmp_path / "out", "--best", "3")
    used = set(models(tmp_path / "out")["file"].tolist())
    assert opened == used
    assert len(opened) <= 3


# ---------------------------------------------------------------- what is written


MEMBERS = {
    "none": [],
    "center": "center",
    "3": [0, 1, 2],
    "all": list(range(12)),
    "auto": list(range(12)),
}


@pytest.mark.parametrize("asked", MEMBERS)
def test_members_are_written_as_asked(asked, runs, tmp_path, no_figure):
    words = ("--best", "12", "--clusters", "1", "--members", asked, "--out", tmp_path / "out")
    assert congruence("cluster", runs, *ASKED, *words) == 0
    folder = tmp_path / "out" / "cluster.0"
    written = sorted(int(p.stem) for p in folder.glob("*.rmf3") if p.stem.isdigit())
    assert sorted(int(p.stem) for p in folder.glob("[0-9]*.pdb")) == written
    expected = MEMBERS[asked]
    if expected == "center":
        said = record(tmp_path / "out", "clusters.json")["clusters"][0]
        expected = [said["members"].index(said["center_model"])]
    assert written == expected
    assert (folder / "center.rmf3").exists() == (asked != "none")
    assert (folder / "stat.out").read_text().count("\n") == 12


def test_voxel_and_resolution_of_maps(runs, tmp_path, no_figure):
    words = ("--best", "6", "--clusters", "1", "--members", "none", "--density", "Alpha:1-10")
    sizes = {}
    for voxel, resolution in ((2, 20), (4, 20), (4, 8)):
        out = tmp_path / f"{voxel}.{resolution}"
        shape = ("--voxel", voxel, "--map-resolution", resolution, "--out", out)
        assert congruence("cluster", runs, *ASKED, *words, *shape) == 0
        (path,) = (out / "cluster.0").glob("*.mrc")
        with mrcfile.open(path) as file:
            assert file.voxel_size.x == pytest.approx(voxel)
            sizes[voxel, resolution] = float(file.data.max())
    assert sizes[4, 8] > 1.5 * sizes[4, 20]
    assert sizes[2, 20] == pytest.approx(sizes[4, 20], rel=0.1)


RANGES = 'density_custom_ranges = {"first": ["Alpha", (1, 10, "Gamma.1")], "second": ["Beta"]}\n'
TOML = '[densities]\nfirst = "Alpha + Gamma:1-10@1"\nsecond = "Beta"\n'


def test_density_files_of_both_forms_say_the_same(runs, tmp_path, no_figure):
    words = ("--best", "6", "--clusters", "1", "--members", "none", "--out")
    for name, text in (("ranges.txt", RANGES), ("ranges.toml", TOML)):
        (tmp_path / name).write_text(text)
        out = tmp_path / f"{name}.out"
        file = ("--densities", tmp_path / name)
        assert congruence("cluster", runs, *ASKED, *file, *words, out) == 0
    one, two = (
        tree(tmp_path / f"{name}.out" / "cluster.0") for name in ("ranges.txt", "ranges.toml")
    )
    assert one == two
    assert {"first.mrc", "second.mrc"} <= set(one)


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndensity_custom_ranges = {'a': [os.mkdir('evaluated') or 'Alpha']}\n",
        "density_custom_ranges = {'a': [__import__('os').mkdir('evaluated') or 'Alpha']}\n",
        "__import__('os').mkdir('evaluated')\n",
    ],
)
def test_density_files_are_never_run(text, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ranges.txt").write_text(text)
    words = ("--densities", "ranges.txt", "--out", "out")
    assert congruence("cluster", runs, *ASKED, *words) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["ranges.txt"]
    assert "density_custom_ranges" in capsys.readouterr().err


def test_models_that_pdb_cannot_hold_are_written_as_mmcif(tmp_path, no_figure):
    runs = tmp_path / "runs"
    system = small_system(residues_per_subunit=20, copies=60)
    simulate_runs(runs, models=2, runs=1, replicas=1, clusters=1, system=system, seed=1)
    words = ("--rmsd", "Alpha", "--align", "none", "--copies", "off", "--clusters", "1")
    assert congruence("cluster", runs, *words, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out" / "cluster.0"
    assert {p.suffix for p in folder.iterdir()} == {".cif", ".rmf3", ".out"}
    assert (folder / "0.cif").read_text().startswith("data_")


def test_the_environment_of_the_sampling_is_nowhere(runs, result, tmp_path, capfd):
    assert SECRET in (runs / "run1" / "output" / "stat.0.out").read_text()
    assert not [name for name, data in tree(result).items() if SECRET.encode() in data]
    congruence("inspect", runs, "--full", "--json")
    congruence("inspect", runs)
    congruence("init", runs, "--out", "-")
    congruence(
        "cluster", runs, *ASKED, "--dry-run", "--score", "SECRET_TOKEN", "--out", tmp_path / "o"
    )
    congruence("cluster", runs, *ASKED, "--dry-run", "--feature", "HOME", "--out", tmp_path / "o")
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err
    assert "Total_Score" in shown.out


def test_the_record_lists_every_file_and_input(runs, result):
    said = record(result)
    assert said["files"] == sorted(set(tree(result)) - {"run.json"})
    paths = {entry["path"] for entry in said["inputs"]}
    assert paths == {str(p) for p in runs.glob("run*/output/**/[0-9].rmf3")} | {
        str(p) for p in runs.glob("run*/output/stat.*.out")
    }
    assert said["left_out"] == {"count": 0, "by_reason": {}, "entries": []}
    (rule,) = said["rmf_files_found"]
    assert "beside the stat file" in rule
    assert said["rmf_files_found"][rule] == said["models_to_choose_from"]


def test_a_job_in_which_no_model_is_in_a_cluster(runs, tmp_path, capfd):
    words = ("--rmsd", "*", "--align", "superpose", "--method", "hdbscan", "--density", "Alpha")
    out = tmp_path / "out"
    assert congruence("cluster", runs, "--best", 4, *words, "--out", out) == 0
    said = json.loads((out / "clusters.json").read_text())
    assert said["clusters"] == []
    assert said["in_no_cluster"] == [0, 1, 2, 3]
    assert (out / "dist_matrix.png").exists()
    assert not list(out.glob("cluster.*/*"))
    assert "4 models belong to no cluster" in capfd.readouterr().out


def test_stat_files_that_gave_no_model_are_recorded_as_read(runs, tmp_path, no_figure):
    words = ("--rmsd", "*", "--align", "none", "--clusters", "1", "--members", "none")
    assert congruence("cluster", runs, "--best", 1, *words, "--out", tmp_path / "out") == 0
    said = [entry["path"] for entry in record(tmp_path / "out")["inputs"]]
    stats = {str(p) for p in runs.glob("run*/output/stat.*.out")}
    assert stats <= set(said)
    assert len(said) == len(stats) + 1


# ---------------------------------------------------------------- determinism and killed jobs


def subprocess_words(*words):
    return [sys.executable, "-m", "congruence", *map(str, words)]


def test_one_thread_another_order_and_another_place_give_the_same_bytes(runs, result, tmp_path):
    """A process on one core, in another folder, over a copy made in reversed order."""
    copy = tmp_path / runs.parent.name / "runs"  # RMF files keep relative paths
    out = tmp_path / result.parent.name / "out"
    for path in sorted(runs.rglob("*"), reverse=True):
        if path.is_file():
            (copy / path.relative_to(runs)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy / path.relative_to(runs))
    words = ("--density", "Alpha", "--density", "both=Gamma", "--models-rmf", "--feature", "Cross")
    environ = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "PYTHONHASHSEED": "7",
        "PYTHONIOENCODING": "ascii",
    }
    done = subprocess.run(
        subprocess_words("cluster", "runs", *ASKED, *words, "--out", f"../{out.parent.name}/out"),
        cwd=copy.parent,
        env=environ,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    assert done.returncode == 0, done.stderr
    assert "average RMSD" in done.stdout
    mine, expected = tree(out), tree(result)
    assert set(mine) == set(expected)
    for name, data in expected.items():
        assert path_free(mine[name], name, b"runs") == path_free(data, name, str(runs).encode()), (
            name
        )


def path_free(data, name, runs):
    """Leave out the one thing that may differ: the path by which the runs were named."""
    if name.endswith(".pdb"):  # titles are wrapped
        return [line for line in data.splitlines() if not line.startswith(b"TITLE")]
    text = name.endswith((".csv", ".json", ".toml", ".out"))
    return data.replace(runs, b"runs") if text else data


def started(words, cwd):
    """Start a job that stops before its figure, when all members are written."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # also where it is ignored
        "import congruence.workflow.results as results\n"
        "results.draw = lambda *_: time.sleep(120)\n"
        "results.write_precision = lambda *_, **__: None\n"
        "from congruence.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], cwd=cwd, stderr=subprocess.PIPE, text=True
    )


def test_killed_jobs_leave_what_was_there(small, tmp_path, no_figure):
    words = ("cluster", small, *ASKED, "--clusters", "2", "--force", "--out")
    signals = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
    before = {}
    for name in ("kill", "term"):
        assert congruence(*words, tmp_path / name) == 0
        before[name] = tree(tmp_path / name)
    jobs = {name: started((*words, name, "--best", "9"), tmp_path) for name in signals}
    for name, job in jobs.items():
        wait_for(tmp_path / f"{name}.partial" / "models.csv", job)
        job.send_signal(signals[name])
    for name, job in jobs.items():
        _, told = job.communicate(timeout=30)
        assert job.returncode == (-9 if name == "kill" else 130), told
        assert name == "kill" or "interrupted" in told
    for name, files in before.items():
        assert tree(tmp_path / name) == files
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kill", "kill.partial", "term"]
    for name in signals:
        assert congruence(*words, tmp_path / name, "--best", "9") == 0
        assert len(labels(tmp_path / name)) == 9
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(signals)


def wait_for(path, job):
    end = time.monotonic() + 60
    while not path.exists():
        assert job.poll() is None, job.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)
