"""AnalysisReplicaExchange0 on a simulated sampling with planted clusters."""

import ast
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from congruence.errors import ConfigError, InputError, OutputError, SelectionError
from congruence.io.mrc import read_mrc
from congruence.io.rmf import open_rmf
from congruence.pmi.lending import NotProvidedError
from congruence.pmi.macros import AnalysisReplicaExchange0

NAMES = ("Alpha", "Beta", "Gamma", "Delta")
ALL = {name: name for name in NAMES}


@pytest.fixture
def macro(sampling, tmp_path, monkeypatch):
    root, _ = sampling
    (tmp_path / "modeling").symlink_to(root)
    (tmp_path / "analysis").mkdir()
    monkeypatch.chdir(tmp_path / "analysis")
    return AnalysisReplicaExchange0(
        None, merge_directories=["../modeling/run1", "../modeling/run2"]
    )


def rows(path):
    return [ast.literal_eval(line) for line in Path(path).read_text().splitlines()]


def planted(truth):
    places = zip(truth.run, truth.replica, truth.frame, truth.labels, strict=True)
    return {
        f"../modeling/run{r + 1}/output/rmfs/{p}.rmf3|{f}": int(label) for r, p, f, label in places
    }


def test_signatures_are_those_of_the_reference():
    constructor = inspect.signature(AnalysisReplicaExchange0)
    assert list(constructor.parameters) == [
        "model", "merge_directories", "stat_file_name_suffix", "best_pdb_name_suffix",
        "do_clean_first", "do_create_directories", "global_output_directory",
        "replica_stat_file_suffix", "global_analysis_result_directory", "test_mode",
    ]  # fmt: skip
    clustering = inspect.signature(AnalysisReplicaExchange0.clustering)
    defaults = {k: v.default for k, v in clustering.parameters.items() if v.default is not v.empty}
    assert defaults == {
        "score_key": "Total_Score", "rmf_file_key": "rmf_file",
        "rmf_file_frame_key": "rmf_frame_index", "state_number": 0, "prefiltervalue": None,
        "feature_keys": (), "outputdir": "./", "alignment_components": None,
        "number_of_best_scoring_models": 10, "rmsd_calculation_components": None,
        "distance_matrix_file": "distances.mat", "load_distance_matrix_file": False,
        "skip_clustering": False, "number_of_clusters": 1, "display_plot": False,
        "exit_after_display": True, "get_every": 1, "first_and_last_frames": None,
        "density_custom_ranges": None, "write_pdb_with_centered_coordinates": False,
        "voxel_size": 5.0,
    }  # fmt: skip


def test_stat_files_are_listed_by_folder_in_natural_order(macro):
    assert macro.stat_files == [
        f"../modeling/run{r}/output/stat.{s}.out" for r in (1, 2) for s in (0, 1)
    ]


def test_planted_clusters_are_found_and_written(macro, sampling):
    _, truth = sampling
    features = ["CrossLinking"]
    components = dict(ALL)
    macro.clustering(
        rmsd_calculation_components=components,
        alignment_components=components,
        number_of_best_scoring_models=24,
        number_of_clusters=2,
        feature_keys=features,
        density_custom_ranges={"Beta": ["Beta"]},
        outputdir="nested/out",
    )
    assert components == ALL
    assert features == ["CrossLinking"]
    found = macro.cluster_obj
    by_name = planted(truth)
    labels = [by_name[name] for name in found.model_list_names]
    pairs = set(zip(labels, found.structure_cluster_ids, strict=True))
    assert len(pairs) == 2
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 2
    for label in found.get_cluster_labels():
        folder = Path("nested/out") / f"cluster.{label}"
        size = found.get_cluster_label_size(label)
        lines = rows(folder / "stat.out")
        assert len(lines) == size
        assert float(lines[0]["AVERAGE_RMSD"]) == macro.get_cluster_rmsd(label)
        assert list(lines[0])[:4] == ["AVERAGE_RMSD", "Total_Score", "rmf_file", "rmf_frame_index"]
        assert all("CrossLinking" in key for key in list(lines[0])[4:])
        scores = [float(line["Total_Score"]) for line in lines]
        assert scores == sorted(scores)
        written = {p.name for p in folder.iterdir()}
        expected = {f"{k}.{end}" for k in range(size) for end in ("rmf3", "pdb")}
        assert written == expected | {"stat.out", "Beta.mrc"}
    assert not list(Path("nested/out").rglob(".part*"))


def test_members_are_where_the_distances_say(macro):
    macro.clustering(
        rmsd_calculation_components=ALL,
        alignment_components={"Alpha": "Alpha", "Gamma": "Gamma"},
        number_of_best_scoring_models=10,
        number_of_clusters=2,
        outputdir="out",
        density_custom_ranges={"Gamma 0": [("Gamma", 0)], "all": list(NAMES)},
        voxel_size=4.0,
    )
    found = macro.cluster_obj
    members = found.get_cluster_label_indexes(0)
    files = [open_rmf(f"out/cluster.0/{k}.rmf3") for k in range(len(members))]
    topology = files[0].topology(1)
    weights = topology.residue_counts
    xyz = [f.coordinates([0], 1)[0] for f in files]
    for k, model in enumerate(members):
        rmsd = np.sqrt((weights * ((xyz[k] - xyz[0]) ** 2).sum(axis=1)).sum() / weights.sum())
        assert rmsd == pytest.approx(found.raw_distance_matrix[members[0], model], abs=1e-4)
    density = read_mrc("out/cluster.0/all.mrc")
    assert density.mass == pytest.approx(topology.mass.sum(), rel=1e-3)
    half = read_mrc("out/cluster.0/Gamma 0.mrc")
    assert half.grid == density.grid
    steps = files[0].provenance()
    assert [s.kind for s in steps[:3]] == ["cluster", "filter", "combined"]
    assert steps[0].fields["members"] == len(members)
    assert steps[2].fields == {"runs": 4, "frames": 24}
    assert [s.kind for s in steps[3:]] == ["sampling", "script", "software", "software"]


def test_the_same_call_gives_the_same_bytes(macro):
    def run(out):
        macro.clustering(
            rmsd_calculation_components=ALL,
            number_of_best_scoring_models=8,
            number_of_clusters=3,
            outputdir=out,
            distance_matrix_file=f"{out}/d",
            display_plot=True,
            exit_after_display=False,
            density_custom_ranges={"Beta": ["Beta"]},
        )
        return {
            p.relative_to(out): p.read_bytes() for p in sorted(Path(out).rglob("*")) if p.is_file()
        }

    assert run("one") == run("two")


def test_a_loaded_matrix_gives_the_same_and_other_clusters(macro):
    common = {"number_of_best_scoring_models": 12, "rmsd_calculation_components": ALL}
    macro.clustering(**common, number_of_clusters=2, outputdir="a")
    first = {p.name: p.read_bytes() for p in Path("a/cluster.0").iterdir()}
    matrix = Path("distances.mat.npy").read_bytes()
    assert np.load("distances.mat.npy").shape == (12, 12)
    macro.stat_files = []
    macro.clustering(load_distance_matrix_file=True, number_of_clusters=2, outputdir="b")
    assert {p.name: p.read_bytes() for p in Path("b/cluster.0").iterdir()} == first
    macro.clustering(**common, load_distance_matrix_file=True, number_of_clusters=4, outputdir="c")
    assert len(macro.cluster_obj.get_cluster_labels()) == 4
    assert Path("distances.mat.npy").read_bytes() == matrix
    assert len(set(json.loads(Path("distances.mat.json").read_text())["labels"])) == 4
    with pytest.raises(ConfigError, match="rmsd_calculation_components"):
        macro.clustering(
            rmsd_calculation_components={"Beta": "Beta"}, load_distance_matrix_file=True
        )


def test_a_matrix_loaded_elsewhere_says_which_file_is_missing(macro, tmp_path, monkeypatch):
    macro.clustering(rmsd_calculation_components=ALL, distance_matrix_file=str(tmp_path / "d"))
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match=r"rmf3, which .*d\.npy has models of, does not exist"):
        macro.clustering(
            load_distance_matrix_file=True,
            distance_matrix_file=str(tmp_path / "d"),
            outputdir=str(tmp_path),
        )


def test_ranges_survive_saving(macro):
    part = {"a": (1, 6, "Alpha"), "b": (3, -1, "Beta"), "c": [("Gamma", 1), "Delta"]}
    macro.clustering(
        rmsd_calculation_components=part, alignment_components={"Beta": "Beta"}, outputdir="a"
    )
    first = Path("a/cluster.0/3.rmf3").read_bytes()
    macro.clustering(load_distance_matrix_file=True, outputdir="b")
    assert Path("b/cluster.0/3.rmf3").read_bytes() == first


def test_a_pickled_matrix_is_refused(macro):
    Path("distances.mat.data").write_bytes(b"\x80\x04N.")
    Path("distances.mat.npy").write_bytes(b"")
    with pytest.raises(InputError, match="is a pickle of IMP"):
        macro.clustering(rmsd_calculation_components=ALL, load_distance_matrix_file=True)


def test_clusters_of_an_earlier_run_do_not_stay(macro):
    kind = {"rmsd_calculation_components": ALL, "outputdir": "out"}
    macro.clustering(skip_clustering=True, outputdir="out", number_of_best_scoring_models=2)
    macro.clustering(**kind, number_of_clusters=4)
    Path("out/cluster.3/mine.txt").write_text("a note of the user")
    macro.clustering(**kind, number_of_clusters=2)
    assert sorted(p.name for p in Path("out").glob("cluster.*")) == [
        "cluster.0",
        "cluster.1",
        "cluster.3",
    ]
    assert [p.name for p in Path("out/cluster.3").iterdir()] == ["mine.txt"]
    assert len(list(Path("out/all_models.0").iterdir())) == 5
    kept = AnalysisReplicaExchange0(None, ["../modeling/run1"], do_clean_first=False)
    kept.clustering(**kind, number_of_clusters=1)
    assert Path("out/cluster.1/0.pdb").exists()


def test_skipping_the_clustering_writes_all_models(macro):
    macro.clustering(
        skip_clustering=True, number_of_best_scoring_models=3, density_custom_ranges={"B": ["Beta"]}
    )
    folder = Path("all_models.0")
    assert {p.name for p in folder.iterdir()} == {
        *(f"{k}.0.{end}" for k in range(3) for end in ("pdb", "rmf3")),
        "stat.0.out",
        "B.mrc",
    }
    lines = rows(folder / "stat.0.out")
    assert lines[2]["local_pdb_file_name"] == "2.0.pdb"
    assert lines[2]["local_rmf_frame_number"] == 0
    source = open_rmf(lines[2]["rmf_file_full_path"])
    mine = open_rmf(folder / "2.0.rmf3").coordinates([0], 1)
    assert np.array_equal(mine, source.coordinates([lines[2]["rmf_frame_index"]], 1))
    assert macro.cluster_obj is None


def test_display_ends_the_script_after_the_plot(macro):
    with pytest.raises(SystemExit) as caught:
        macro.clustering(rmsd_calculation_components=ALL, display_plot=True, outputdir="out")
    assert caught.value.code == 0
    assert Path("out/dist_matrix.pdf").read_bytes().startswith(b"%PDF")
    assert not Path("out/cluster.0").exists()


def test_centered_pdb_files_have_no_mean(macro):
    def mean():
        lines = Path("cluster.0/0.pdb").read_text().splitlines()
        atoms = [line for line in lines if line.startswith("ATOM")]
        return np.mean([[float(a[30 + 8 * d : 38 + 8 * d]) for d in range(3)] for a in atoms], 0)

    macro.clustering(rmsd_calculation_components=ALL, write_pdb_with_centered_coordinates=True)
    assert mean() == pytest.approx(np.zeros(3), abs=1e-3)
    macro.clustering(rmsd_calculation_components=ALL)
    assert np.abs(mean()).max() > 1e-2


def test_one_model_is_one_cluster(macro):
    macro.clustering(
        rmsd_calculation_components=ALL, number_of_best_scoring_models=1, display_plot=True,
        exit_after_display=False, density_custom_ranges={"B": ["Beta"]},
    )  # fmt: skip
    assert macro.get_cluster_rmsd(0) == 0
    assert Path("cluster.0/B.mrc").exists()


def test_names_that_do_not_exist_are_errors_before_anything_is_read(macro):
    with pytest.raises(SelectionError, match="NoSuch"):
        macro.clustering(rmsd_calculation_components={"Beta": "Beta", "X": "NoSuch"})
    with pytest.raises(SelectionError, match=r"alignment_components\['X'\]"):
        macro.clustering(rmsd_calculation_components=ALL, alignment_components={"X": "NoSuch"})
    with pytest.raises(SelectionError, match=r"density_custom_ranges\['X'\]"):
        macro.clustering(rmsd_calculation_components=ALL, density_custom_ranges={"X": ["N"]})
    with pytest.raises(InputError, match="score column 'NoSuchKey' does not exist"):
        macro.clustering(rmsd_calculation_components=ALL, score_key="NoSuchKey")
    with pytest.raises(InputError, match="state_number is 1, but"):
        macro.clustering(rmsd_calculation_components=ALL, state_number=1)
    with pytest.raises(ConfigError, match="rmsd_calculation_components is None"):
        macro.clustering()
    with pytest.raises(ConfigError, match="rmf_file_key"):
        macro.clustering(rmsd_calculation_components=ALL, rmf_file_key="file")
    assert not list(Path().glob("cluster.*"))


def test_numbers_that_cannot_be_are_errors(macro):
    with pytest.raises(ConfigError, match="5 clusters asked for, but there are 3 models"):
        macro.clustering(
            rmsd_calculation_components=ALL, number_of_best_scoring_models=3, number_of_clusters=5
        )
    with pytest.raises(ConfigError, match="expected at least 1"):
        macro.clustering(rmsd_calculation_components=ALL, number_of_best_scoring_models=0)
    with pytest.raises(InputError, match="no model is left of 24") as caught:
        macro.clustering(rmsd_calculation_components=ALL, prefiltervalue=-1e9)
    assert "prefiltervalue" in caught.value.message


def test_an_alignment_label_that_is_not_measured_is_honoured(macro):
    macro.clustering(
        rmsd_calculation_components={"Beta": "Beta"}, alignment_components={"Alpha": "Alpha"}
    )
    names = [n.split("|") for n in macro.cluster_obj.model_list_names[:2]]
    files = [(open_rmf(file), int(frame)) for file, frame in names]
    topology = files[0][0].topology(1)
    mask = {n: np.isin(topology.molecule_index, _index(topology, n)) for n in ("Alpha", "Beta")}
    x, y = (f.coordinates([frame], 1)[0] for f, frame in files)
    from congruence.compute.superpose import superpose

    motion = superpose(y[mask["Alpha"]], x[mask["Alpha"]])
    d = x[mask["Beta"]] - motion.apply(y, ())[mask["Beta"]]
    w = topology.residue_counts[mask["Beta"]]
    expected = np.sqrt((w * (d**2).sum(axis=1)).sum() / w.sum())
    assert macro.cluster_obj.raw_distance_matrix[0, 1] == pytest.approx(expected, abs=1e-6)


def _index(topology, name):
    return [i for i, m in enumerate(topology.molecules) if m.name == name]


def test_features_that_no_column_has_are_told(macro):
    with pytest.warns(UserWarning, match="feature_keys NoSuchFeature"):
        macro.clustering(
            rmsd_calculation_components=ALL, feature_keys=["NoSuchFeature", "CrossLinking"]
        )
    assert any("CrossLinking" in key for key in rows("cluster.0/stat.out")[0])


def test_missing_directories_are_told_and_no_files_are_an_error(macro):
    with pytest.warns(UserWarning, match="nowhere/output does not exist"):
        empty = AnalysisReplicaExchange0(None, merge_directories=["nowhere"])
    with pytest.raises(InputError, match="no stat files") as caught:
        empty.clustering(rmsd_calculation_components=ALL)
    assert "merge_directories" in caught.value.hint
    empty.stat_files = ["gone/stat.0.out"]
    with pytest.raises(InputError, match=r"gone/stat\.0\.out does not exist"):
        empty.clustering(rmsd_calculation_components=ALL)
    empty.stat_files = list(macro.stat_files)
    empty.clustering(rmsd_calculation_components=ALL)
    assert empty.cluster_obj.model_list_names


def test_a_lone_directory_may_be_given_as_text(macro):
    one = AnalysisReplicaExchange0(None, merge_directories="../modeling/run1")
    assert len(one.stat_files) == 2


def test_an_old_score_name_is_used_and_told(macro, tmp_path):
    old = tmp_path / "old"
    (old / "output").mkdir(parents=True)
    source = Path("../modeling/run1/output")
    for name in ("stat.0.out", "stat.1.out"):
        text = (source / name).read_text()
        renamed = text.replace("'Total_Score'", "'SimplifiedModel_Total_Score_None'")
        (old / "output" / name).write_text(renamed)
    (old / "output" / "rmfs").symlink_to(source.resolve() / "rmfs")
    macro = AnalysisReplicaExchange0(None, merge_directories=[str(old)])
    with pytest.warns(UserWarning, match="'SimplifiedModel_Total_Score_None' is used"):
        macro.clustering(rmsd_calculation_components=ALL, number_of_best_scoring_models=3)
    assert "SimplifiedModel_Total_Score_None" in rows("cluster.0/stat.out")[0]


def test_rmf_files_stand_in_where_there_are_no_stat_files(macro, tmp_path):
    bare = tmp_path / "bare" / "output"
    bare.mkdir(parents=True)
    (bare / "rmfs").symlink_to(Path("../modeling/run1/output/rmfs").resolve())
    macro = AnalysisReplicaExchange0(None, merge_directories=[str(bare.parent)])
    assert [Path(p).name for p in macro.stat_files] == ["0.rmf3", "1.rmf3"]
    with pytest.warns(UserWarning, match="every model counts as score 0"):
        macro.clustering(rmsd_calculation_components=ALL, number_of_best_scoring_models=4)
    assert len(macro.cluster_obj.model_list_names) == 4


def test_a_lost_rmf_file_costs_its_models_only(macro, sampling, tmp_path):
    root, _ = sampling
    shutil.copytree(root / "run1", tmp_path / "run1")
    (tmp_path / "run1" / "output" / "rmfs" / "0.rmf3").unlink()
    macro = AnalysisReplicaExchange0(None, merge_directories=[str(tmp_path / "run1")])
    with pytest.warns(UserWarning, match="left out"):
        macro.clustering(rmsd_calculation_components=ALL, number_of_best_scoring_models=50)
    assert all("1.rmf3" in name for name in macro.cluster_obj.model_list_names)
    assert json.loads(Path("congruence.json").read_text())["left_out"]


def test_an_output_folder_that_cannot_be_is_an_error_before_any_work(macro):
    Path("file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        macro.clustering(rmsd_calculation_components=ALL, outputdir="file/out")
    strict = AnalysisReplicaExchange0(None, ["../modeling/run1"], do_create_directories=False)
    with pytest.raises(OutputError, match="do_create_directories is False"):
        strict.clustering(rmsd_calculation_components=ALL, outputdir="not there")


def test_the_rest_of_the_interface(macro):
    with pytest.warns(UserWarning, match="add_protocol_output is ignored"):
        macro.add_protocol_output(object())
    with pytest.raises(NotProvidedError, match="get_modeling_trajectory"):
        macro.get_modeling_trajectory(outputdir="x")
    with pytest.raises(ConfigError, match="no clusters yet"):
        macro.get_cluster_rmsd(0)
