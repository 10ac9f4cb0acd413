"""
The facade against AnalysisReplicaExchange0 of IMP.pmi (IMP develop, January 2025).

Every golden run is driven through the facade with the constructor and the keywords of
its record. The densities of the reference are those of a formula with an approximate
exponential and a drifting grid: our members put through that formula give its maps
to the last bit of float32, and the right maps correlate with them.
"""

import ast
import json

import numpy as np
import pytest
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.compute.density_compat import reference_density
from congruence.io.mrc import read_mrc
from congruence.io.rmf import open_rmf
from congruence.pmi.macros import AnalysisReplicaExchange0

pytestmark = [pytest.mark.golden, needs_shared]

RUNS = GOLDEN / "clustering"
WITH_MATRIX = [
    "alignRpb4_n10_k2", "align_n10_k3", "every2_only", "every3_n30_k2", "noalign_n100_k3",
    "noalign_n10_k2", "pmi2_copies_align", "pmi2_copies_noalign", "pmi2_sample_n20_k2",
    "prefilter_every2_ff", "rmfstat_n20_k2", "sampcon_beads_align_n30_k2", "sampcon_beads_n30_k2",
]  # fmt: skip


FULL = "rmf_file_full_path"


class Run:
    """One golden run and what the facade made of the same call."""

    def __init__(self, name, folder):
        self.golden = RUNS / name
        self.record = json.loads((self.golden / "record.json").read_text())
        self.keywords = self.record["clustering_kwargs"] | {
            "outputdir": str(folder / "out"),
            "distance_matrix_file": str(folder / "distances"),
            "display_plot": False,
        }
        constructor = dict(self.record["constructor"])
        constructor["merge_directories"] = [
            str(DATA / path) for path in constructor["merge_directories"]
        ]
        self.macro = AnalysisReplicaExchange0(None, **constructor)
        self.macro.clustering(**self.keywords)
        self.out = folder / "out"
        self.matrix = folder / "distances.npy"

    def folders(self):
        """Pair the golden folders of clusters with ours, by the best member."""
        best = {_first(path): path.parent for path in self.out.glob("*/stat*.out")}
        golden = sorted(self.golden.glob("out/*/stat*.out"))
        return [(path.parent, best[_first(path)]) for path in golden]


def rows(path):
    return [ast.literal_eval(line) for line in path.read_text().splitlines()]


def _place(row):
    parts = row["rmf_file"].replace("//", "/").split("/")
    return "/".join(parts[-3:]), row["rmf_frame_index"]


def _first(stat):
    row = rows(stat)[0]
    return tuple(str(v) for k, v in row.items() if k not in ("AVERAGE_RMSD", "rmf_file", FULL))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = Run(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get


def tail(name):
    return "/".join(name.replace("/./", "/").split("/")[-3:])


def partition(labels):
    return {frozenset(np.flatnonzero(np.array(labels) == k).tolist()) for k in set(labels)}


@pytest.mark.parametrize("name", WITH_MATRIX)
def test_same_models_distances_and_clusters(runs, name):
    run = runs(name)
    found, record = run.macro.cluster_obj, run.record
    expected = [tail(n) for n in record["model_list_names_in_rank_order"]]
    assert [tail(n) for n in found.model_list_names] == expected
    golden = np.load(run.golden / "distance.rawmatrix.pkl.npy")
    written = np.load(run.matrix)
    assert written.dtype == np.float64
    assert written.shape == golden.shape
    assert np.abs(written - golden).max() < 1e-8
    assert partition(found.structure_cluster_ids) == partition(record["kmeans_labels"])
    theirs = {
        frozenset(np.flatnonzero(np.array(record["kmeans_labels"]) == int(k)).tolist()): rmsd
        for k, rmsd in record["average_rmsd"].items()
    }
    for label in found.get_cluster_labels():
        members = frozenset(found.get_cluster_label_indexes(label))
        assert run.macro.get_cluster_rmsd(label) == pytest.approx(theirs[members], abs=1e-8)


@pytest.mark.parametrize("name", [*WITH_MATRIX, "skip_align_n10"])
def test_stat_files_say_the_same(runs, name):
    for golden, ours in runs(name).folders():
        (path,) = golden.glob("stat*.out")
        theirs, mine = rows(path), rows(ours / path.name)
        assert [list(row) for row in mine] == [list(row) for row in theirs]
        for a, b in zip(theirs, mine, strict=True):
            assert _place(a) == _place(b)
            average = float(a.pop("AVERAGE_RMSD", 0))
            assert float(b.pop("AVERAGE_RMSD", 0)) == pytest.approx(average, abs=1e-8)
            for row in (a, b):
                full = row.pop(FULL, "")
                assert full.endswith(tail(full))
                row.pop("rmf_file")
            assert a == b


@pytest.mark.parametrize("name", ["rpb47", "skip"])
def test_rmf_file_is_as_stored(runs, name):
    run = runs({"rpb47": "align_n10_k3", "skip": "skip_align_n10"}[name])
    for golden, ours in run.folders():
        (path,) = golden.glob("stat*.out")
        stored = [row["rmf_file"] for row in rows(path)]
        assert [row["rmf_file"] for row in rows(ours / path.name)] == stored


@pytest.mark.parametrize("name", ["noalign_n10_k2", "alignRpb4_n10_k2"])
def test_members_have_the_same_coordinates_and_the_same_pdb_text(runs, name):
    compared = 0
    for golden, ours in runs(name).folders():
        for path in sorted(golden.glob("*.pdb")):
            assert (ours / path.name).read_text() == path.read_text()
        for path in sorted(golden.glob("*.rmf3")):
            # Coarser beads are not compared: the reference leaves them where they were.
            theirs, mine = open_rmf(path), open_rmf(ours / path.name)
            assert mine.topology(1).key == theirs.topology(1).key
            a, b = (f.coordinates([0], 1) for f in (theirs, mine))
            assert np.abs(a - b).max() < 1e-4
            compared += 1
    assert compared == 10


MAPS = [
    "alignRpb4_n10_k2", "align_n10_k3", "noalign_n10_k2", "noalign_n100_k3", "every3_n30_k2",
    "pmi2_sample_n20_k2", "rmfstat_n20_k2", "sampcon_beads_align_n30_k2", "skip_align_n10",
]  # fmt: skip


def maps(run):
    for golden, ours in run.folders():
        count = len(list(ours.glob("*.rmf3")))
        end = ".0.rmf3" if ours.name.startswith("all_models") else ".rmf3"
        members = [open_rmf(ours / f"{k}{end}") for k in range(count)]
        for path in sorted(golden.glob("*.mrc")):
            yield read_mrc(path), read_mrc(ours / path.name), members


@pytest.mark.parametrize("name", MAPS)
def test_our_members_give_the_maps_of_the_reference_by_its_formula(runs, name):
    compared = 0
    for golden, _, members in maps(runs(name)):
        topology = members[0].topology(0)
        mine = [topology.molecules[i].name == golden.name for i in topology.molecule_index]
        beads = np.flatnonzero(mine)
        xyz = [file.coordinates([0], 0)[0, beads] for file in members]
        made = reference_density(
            xyz, topology.radius[beads], topology.mass[beads], voxel=golden.grid.voxel
        )
        assert made.grid == golden.grid
        assert np.abs(made.values - golden.values).max() < 1e-6
        compared += 1
    assert compared


@pytest.mark.parametrize("name", MAPS)
def test_our_maps_agree_with_those_of_the_reference(runs, name):
    for golden, ours, _ in maps(runs(name)):
        theirs, mine = _on_one_grid(golden, ours)
        # The grid of the reference drifts by half a voxel with each model: 1.5 Å, or 2.5 Å.
        enough = 0.99 if golden.grid.voxel == 3 else 0.91
        assert np.corrcoef(theirs.ravel(), mine.ravel())[0, 1] >= enough
        shift = np.abs(_center(golden) - _center(ours)).max() / golden.grid.voxel
        assert shift <= (0.5 if golden.grid.voxel == 3 else 0.6)


def _axes(grid):
    return [o + grid.voxel * np.arange(n) for o, n in zip(grid.origin, grid.shape, strict=True)]


def _on_one_grid(golden, ours):
    """Read both maps at the voxels of the golden one; ours between its own by cubic splines."""
    from scipy.ndimage import map_coordinates

    x, y, z = _axes(golden.grid)
    points = np.stack(np.meshgrid(z, y, x, indexing="ij"))
    origin = np.array(ours.grid.origin[::-1]).reshape(3, 1, 1, 1)
    at = (points - origin) / ours.grid.voxel
    return golden.values, map_coordinates(ours.values.astype(float), at, order=3)


def _center(density):
    weights = density.values.astype(float)
    z, y, x = (weights.sum(axis=tuple({0, 1, 2} - {d})) for d in range(3))
    pairs = zip((x, y, z), _axes(density.grid), strict=True)
    return np.array([(w * a).sum() / w.sum() for w, a in pairs])


def test_swapped_copies_are_one_cluster_with_a_sharp_map(tmp_path):
    """Row 13 of the reference's own tests: 100 Å apart without interchange, below 1.5 Å with."""
    folders = [str(DATA / "copies" / f"pmi2_copies_{i}") for i in (0, 1)]
    macro = AnalysisReplicaExchange0(None, folders, global_output_directory="./")

    def run(best, out):
        macro.clustering(
            feature_keys=["Total_Score"],
            alignment_components={"Prot1": "Prot1"},
            rmsd_calculation_components={"Prot1": "Prot1"},
            number_of_best_scoring_models=best,
            density_custom_ranges={"copy 0": [("Prot1", 0)], "copy 1": [("Prot1", 1)]},
            outputdir=str(tmp_path / out),
            distance_matrix_file=str(tmp_path / out / "d"),
        )
        return [read_mrc(tmp_path / out / "cluster.0" / f"copy {i}.mrc") for i in (0, 1)]

    one, both = run(1, "one"), run(20, "both")
    assert macro.get_cluster_rmsd(0) == pytest.approx(0.6660057214588085, abs=1e-6)
    for single, mean in zip(one, both, strict=True):
        assert mean.values.max() > 0.9 * single.values.max()
    first, second = (open_rmf(tmp_path / "both" / "cluster.0" / f"{k}.rmf3") for k in (0, 1))
    assert first.topology(1).key == second.topology(1).key
    d = first.coordinates([0], 1)[0] - second.coordinates([0], 1)[0]
    w = first.topology(1).residue_counts
    rmsd = np.sqrt((w * (d**2).sum(axis=1)).sum() / w.sum())
    assert rmsd == pytest.approx(macro.get_cluster_rmsd(0), abs=1e-4)


def test_two_samples_are_two_clusters_with_their_history(runs):
    """Row 10 of the reference's own tests."""
    run = runs("pmi2_sample_n20_k2")
    for label in (0, 1):
        folder = run.out / f"cluster.{label}"
        assert len(list(folder.glob("*.pdb"))) == 10
        (sample,) = {row["rmf_file"].split("//")[0] for row in rows(folder / "stat.out")}
        assert sample in ("pmi2_sample_0", "pmi2_sample_1")
        steps = open_rmf(folder / "0.rmf3").provenance()
        assert [step.kind for step in steps] == ["cluster", "filter", "combined"]
        assert steps[0].fields["members"] == 10
        assert dict(steps[1].fields) == {"method": "Best scoring", "threshold": 0, "frames": 20}
        assert dict(steps[2].fields) == {"frames": 20, "runs": 2}
        for name in ("Prot1", "Prot2"):
            density = read_mrc(folder / f"{name}.mrc")
            low, high = (np.array([a[e] for a in _axes(density.grid)]) for e in (0, -1))
            topology = open_rmf(folder / "0.rmf3").topology(0)
            mine = [topology.molecules[i].name == name for i in topology.molecule_index]
            for k in range(10):
                xyz = open_rmf(folder / f"{k}.rmf3").coordinates([0], 0)[0, mine]
                assert (xyz > low).all()
                assert (xyz < high).all()


@pytest.mark.parametrize(
    ("components", "first", "second"),
    [
        (
            {"a": (1, 73, "Rpb4"), "b": (80, -1, "Rpb7"), "c": (60, 90, "Rpb4")},
            117.8195355175,
            117.4514242103,
        ),
        ({"Rpb4": "Rpb4", "Rpb7": "Rpb7"}, 121.3575090062, 120.3304614641),
    ],
)
def test_overlapping_ranges_and_ranges_to_the_end(tmp_path, components, first, second):
    """Values of the reference, from the specification of the format."""
    folder = str(DATA / "rpb47" / "output_test")
    macro = AnalysisReplicaExchange0(None, [folder], global_output_directory="./")
    macro.clustering(
        rmsd_calculation_components=components,
        number_of_best_scoring_models=3,
        outputdir=str(tmp_path),
        distance_matrix_file=str(tmp_path / "d"),
    )
    d = macro.cluster_obj.raw_distance_matrix
    assert d[0, 1] == pytest.approx(first, abs=1e-8)
    assert d[0, 2] == pytest.approx(second, abs=1e-8)


def test_a_model_of_pmi_1_and_its_old_score_name(tmp_path):
    """The reference of today cannot cluster this file; here it can."""
    folder = str(DATA / "mediator_pmi1")
    macro = AnalysisReplicaExchange0(None, [folder])
    with pytest.warns(UserWarning, match="'SimplifiedModel_Total_Score_None' is used"):
        macro.clustering(
            rmsd_calculation_components={"med2": "med2", "part": (1, 100, "med16")},
            alignment_components={"med2": "med2"},
            number_of_best_scoring_models=4,
            number_of_clusters=2,
            feature_keys=["Score"],
            outputdir=str(tmp_path),
            distance_matrix_file=str(tmp_path / "d"),
            density_custom_ranges={"med2": [(1, 100, "med2")]},
        )
    assert sorted(macro.cluster_obj.structure_cluster_ids)[-1] == 1


def test_the_second_of_two_states(tmp_path):
    folder = str(DATA / "two_states" / "output1")
    macro = AnalysisReplicaExchange0(None, [folder], global_output_directory="./")
    second = open_rmf(f"{folder}/rmfs/0.rmf3").topology(1, state=1)
    name = second.molecules[second.molecule_index[0]].name
    with pytest.warns(UserWarning, match="left out"):
        macro.clustering(
            score_key="AtomicXLRestraint",
            state_number=1,
            rmsd_calculation_components={name: name},
            number_of_best_scoring_models=3,
            outputdir=str(tmp_path),
            distance_matrix_file=str(tmp_path / "d"),
        )
    assert macro.cluster_obj.raw_distance_matrix.shape == (3, 3)
    whole = open_rmf(tmp_path / "cluster.0" / "0.rmf3").topology(1)
    assert len({m.state for m in whole.molecules}) == 2
