import ast
import json
import shutil

import numpy as np
import pytest

from congruence.errors import ConfigError, FormatError, InputError, OutputError
from congruence.io.rmf import open_rmf
from congruence.simulate import (
    BeadKind,
    Sampling,
    Segment,
    Simulation,
    Subunit,
    System,
    damage_run,
    read_truth,
    simulate_runs,
    small_system,
)
from congruence.simulate.arrangement import compose
from congruence.simulate.exchange import exchange

SECRET = {"USER": "somebody", "API_TOKEN": "do-not-copy-me"}
SMALL = small_system(residues_per_subunit=20, last_name="Delta-2")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    truth = simulate_runs(root, models=60, replicas=3, system=SMALL, environ=SECRET)
    return root, truth


@pytest.fixture
def copied(written, tmp_path):
    return shutil.copytree(written[0], tmp_path / "copy")


def table(path):
    header, *rows = [ast.literal_eval(line) for line in path.read_text().splitlines()]
    names = {k: v for k, v in header.items() if isinstance(k, int)}
    return header, [{names[k]: v for k, v in row.items()} for row in rows]


def test_the_folder_is_laid_out_as_pmi_does(written):
    found = {str(p.relative_to(written[0])) for p in written[0].rglob("*") if p.is_file()}
    expected = {"native.rmf3", "truth.json", "crosslinks.csv"}
    for run in ("run1", "run2"):
        for n in range(3):
            names = (f"stat.{n}.out", f"stat_replica.{n}.out", f"initial.{n}.rmf3")
            expected |= {f"{run}/output/{name}" for name in (*names, f"rmfs/{n}.rmf3")}
    assert found == expected


def test_stat_files_have_pmis_shape(written):
    path = written[0] / "run1/output/stat.1.out"
    text = path.read_text()
    assert text.endswith("} \n")
    assert all(line.endswith("} ") for line in text.split("\n")[:-1])
    header, rows = table(path)
    assert header["STAT2HEADER"] == "STAT2HEADER"
    assert ast.literal_eval(header["STAT2HEADER_ENVIRON"]) == SECRET
    assert set(ast.literal_eval(header["STAT2HEADER_IMP_VERSIONS"])) == {
        "IMP_VERSION",
        "PMI_VERSION",
    }
    assert sorted(k for k in header if isinstance(k, int)) == list(range(len(header) - 3))
    kinds = {name: type(value) for name, value in rows[0].items()}
    assert kinds.pop("rmf_frame_index") is int
    assert set(kinds.values()) == {str}
    assert len(rows) == 10


def test_numbering_differs_between_replicas(written):
    one, two = (table(written[0] / f"run1/output/stat.{n}.out")[0] for n in (0, 1))
    assert one[0] != two[0]
    assert set(one.values()) == set(two.values())


def test_total_score_is_the_sum_of_the_restraints(written):
    _, rows = table(written[0] / "run2/output/stat.0.out")
    for row in rows:
        restraints = [
            v for k, v in row.items()
            if k.startswith(("ConnectivityRestraint_", "ExcludedVolumeSphere_"))
            or k.endswith(("_Data_Score_XL", "_Linear_Score_XL"))
        ]  # fmt: skip
        assert len(restraints) == SMALL.bodies + 3
        assert float(row["Total_Score"]) == pytest.approx(sum(map(float, restraints)), abs=1e-6)


def test_replicas_have_different_temperatures_at_every_step(written):
    for run in ("run1", "run2"):
        tables = [table(written[0] / run / f"output/stat_replica.{n}.out")[1] for n in range(3)]
        assert [len(t) for t in tables] == [30] * 3
        for step in zip(*tables, strict=True):
            assert len({row["ReplicaExchange_CurrentTemp"] for row in step}) == 3
        first = tables[0][0]
        assert type(first["score"]) is float
        assert first["ReplicaExchange_SwapSuccessRatio"] == "0"


def test_saved_rows_are_those_at_the_lowest_temperature(written):
    for n in range(3):
        _, saved = table(written[0] / f"run1/output/stat.{n}.out")
        _, steps = table(written[0] / f"run1/output/stat_replica.{n}.out")
        lowest = [r for r in steps if r["ReplicaExchange_CurrentTemp"] == "1.0"]
        assert [float(r["Total_Score"]) for r in saved] == [r["score"] for r in lowest]
        for mine, theirs in zip(saved, lowest, strict=True):
            for name in ("MinTempFrequency", "MaxTempFrequency", "SwapSuccessRatio"):
                assert mine[f"ReplicaExchange_{name}"] == theirs[f"ReplicaExchange_{name}"]


def test_scores_in_the_rmf_are_likelihoods_of_the_stat_file(written):
    import fastavro

    _, rows = table(written[0] / "run1/output/stat.1.out")
    with (written[0] / "run1/output/rmfs/1.rmf3").open("rb") as stream:
        static, *frames = list(fastavro.reader(stream))
    names = {n["id"]: n["name"] for n in static["nodes"]}
    checked = 0
    for frame, row in zip(frames, rows, strict=True):
        for value in frame["data"]["float_data"][0]["values"]:
            column = f"CrossLinkingMassSpectrometryRestraint_Score_{names[value['id']]}"
            if column in row:
                assert value["value"] == pytest.approx(np.exp(-float(row[column])), abs=1e-6)
                checked += 1
    assert checked == 10 * sum(len(x["columns"]) for x in written[1].crosslinks)


def test_native_structure_and_resolutions_are_read_back(written):
    file = open_rmf(written[0] / "native.rmf3")
    fine, coarse = file.coordinates(), file.coordinates(resolution=10)
    assert file.topology().key == SMALL.topology.key
    assert np.abs(coarse - SMALL.coarsen(fine)).max() < 1e-4
    assert file.topology().residue_type[0] == SMALL.topology.residue_type[0] != ""
    assert np.allclose(file.topology().radius, SMALL.topology.radius, rtol=1e-6)
    assert np.allclose(file.topology().mass, SMALL.topology.mass, rtol=1e-6)


def test_truth_is_read_back(written):
    root, truth = written
    again = read_truth(root / "truth.json")
    for name in ("run", "replica", "frame", "labels", "swapped"):
        assert np.array_equal(getattr(again, name), getattr(truth, name))
    assert again.clusters == truth.clusters
    assert again.crosslinks == truth.crosslinks
    assert again.molecules[-1] == "Delta-2@0%0"
    assert len(again) == 60


def test_truth_measures_the_planted_clusters(written):
    native, other = written[1].clusters
    assert native.size + other.size == 60
    for cluster in (native, other):
        # twice the spread squared, and flexible beads have more
        assert 2.0 * 1.2 < cluster.pairwise["none"] < 2.0 * 2.2
        assert cluster.pairwise["superpose"] < cluster.pairwise["none"]
        assert cluster.to_center["none"] < cluster.pairwise["none"]
        assert written[1].labels[cluster.center["none"]] == cluster.index
    assert native.accuracy["superpose"] < 4.0 < 8.0 < other.accuracy["superpose"]


def test_a_cluster_nobody_visited_is_there_with_size_zero(tmp_path):
    truth = simulate_runs(tmp_path, models=4, weights=(1.0, 0.0), system=SMALL)
    assert [c.size for c in truth.clusters] == [4, 0]
    assert truth.clusters[1].center == {"none": -1, "superpose": -1}


def test_bad_truth_is_refused(tmp_path):
    for content in ("", "[]", json.dumps({"models": {}})):
        (tmp_path / "truth.json").write_text(content)
        with pytest.raises(FormatError) as caught:
            read_truth(tmp_path / "truth.json")
        assert caught.value.hint
    with pytest.raises(FormatError):
        read_truth(tmp_path / "nothing.json")


def test_an_earlier_simulation_is_replaced_and_nothing_else(copied, tmp_path):
    (copied / "run1/output/notes.txt").write_text("mine")
    simulate_runs(copied, models=4, runs=1, replicas=1, system=SMALL)
    found = {str(p.relative_to(copied)) for p in copied.rglob("*") if p.is_file()}
    assert "run1/output/notes.txt" in found
    assert "run1/output/stat.0.out" in found
    assert not {"run1/output/stat.1.out", "run2/output/stat.0.out"} & found
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("do not lose")
    with pytest.raises(OutputError, match="holds no simulation"):
        simulate_runs(tmp_path / "other", models=4, system=SMALL)
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        simulate_runs(tmp_path / "file", models=4, system=SMALL)


def test_damage_to_rmf_files(copied):
    whole = (copied / "run1/output/rmfs/0.rmf3").stat().st_size
    path = damage_run(copied / "run1", "truncated_rmf")
    assert 0.8 * whole < path.stat().st_size < whole - 30
    file = open_rmf(path)
    assert 0 < len(file.coordinates()) < 10
    assert len(file.losses) > 0
    assert not damage_run(copied / "run1", "missing_rmf", replica=1).exists()


def test_damage_to_stat_files(copied):
    run = copied / "run1"
    lines = (run / "output/stat.0.out").read_bytes().count(b"\n")
    path = damage_run(run, "unfinished_row")
    text = path.read_text()
    assert text.count("\n") == lines - 1
    assert not text.endswith("\n")
    broken = damage_run(run, "broken_row", replica=1).read_text().splitlines()
    assert [not line.endswith("} ") for line in broken].count(True) == 1
    assert damage_run(run, "header_only", replica=2).read_text().count("\n") == 1
    assert not damage_run(run, "missing_stat", replica=2).exists()
    with pytest.raises(InputError, match="no such file"):
        damage_run(run, "missing_stat", replica=2)
    with pytest.raises(ConfigError) as caught:
        damage_run(run, "flood")
    assert "truncated_rmf" in caught.value.hint


@pytest.mark.parametrize("frames", [[1], [5, 1], [7, 30, 8, 9]])
def test_each_replica_is_lowest_as_often_as_asked(frames):
    frames = np.array(frames)
    steps = exchange(frames, np.random.default_rng(0))
    assert (np.sort(steps.level, axis=1) == np.arange(len(frames))).all()
    assert (steps.level == 0).sum(axis=0).tolist() == frames.tolist()
    assert len(set(steps.temperatures)) == len(frames)


def test_frequencies_are_of_the_steps_before():
    steps = exchange(np.array([20, 20]), np.random.default_rng(1))
    columns = steps.columns(0)
    lowest = steps.level[:, 0] == 0
    assert columns["ReplicaExchange_MinTempFrequency"][0] == "0"
    for i in (1, 17, 39):
        assert float(columns["ReplicaExchange_MinTempFrequency"][i]) == pytest.approx(
            lowest[:i].mean()
        )


@pytest.mark.parametrize(
    ("segments", "beads"),
    [
        ((Segment(1, 30, BeadKind.FREE, 5),), 6),
        ((Segment(1, 30, BeadKind.NESTED, 5),), 6),
        ((Segment(1, 30, BeadKind.RIGID),), 30),
        ((Segment(1, 3, BeadKind.FREE, 5),), 1),
    ],
    ids=["free", "nested", "rigid", "one bead"],
)
@pytest.mark.parametrize("names", ["A", "AB"])
def test_systems_of_one_kind_of_bead_are_written_as_they_were_drawn(
    tmp_path, segments, beads, names
):
    system = System(tuple(Subunit(name, segments) for name in names))
    sampling = Sampling(models=8, runs=1, replicas=2, seed=3)
    simulate_runs(tmp_path / "out", sampling, system=system)
    planted = Simulation(sampling, system)
    for replica in range(2):
        file = open_rmf(tmp_path / f"out/run1/output/rmfs/{replica}.rmf3")
        mine = np.flatnonzero(planted.chain == replica)
        expected = compose(system, planted.poses(mine))
        assert file.coordinates().shape == (len(mine), len(names) * beads, 3)
        assert np.abs(file.coordinates() - expected).max() < 1e-4
