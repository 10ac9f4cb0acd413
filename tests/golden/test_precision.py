"""
The facade's Precision against IMP.pmi.analysis.Precision (IMP develop, January 2025).

Members are those of the golden clusterings, read from the source files by their rank
lists: no run is aligned, so that the members written there are the frames themselves.
"""

import json
import re

import numpy as np
import pytest
from goldenmembers import recorded_cluster, resolved
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.errors import SelectionError
from congruence.io.precision_files import read_rmsf
from congruence.pmi.analysis import Precision

pytestmark = [pytest.mark.golden, needs_shared]

RUNS = sorted(p.name for p in (GOLDEN / "precision").glob("*.pairwise_*"))
NUMBER = re.compile(r"(?<![\w.'])-?\d+(?:\.\d+)?(?:e-?\d+)?$")


def selections(recorded):
    return {k: [tuple(v) if isinstance(v, list) else v for v in vs] for k, vs in recorded.items()}


def pi_close(ours, theirs):
    return ours == pytest.approx(theirs, rel=1e-6, abs=1e-9)


class Run:
    def __init__(self, name):
        self.golden = GOLDEN / "precision" / name
        self.record = json.loads((self.golden / "record.json").read_text())
        self.tool = Precision(None, 1, selections(self.record["selections"]))
        self.tool.set_precision_style(self.record["style"])
        self.sets = self.record["cluster_dirs"]
        self.members = {}
        for number, folder in enumerate(self.sets):
            cluster = recorded_cluster(self.record["b_run"], number)
            pairs = list(zip(map(str, cluster.files), cluster.frames, strict=True))
            self.members[folder] = pairs
            self.tool.add_structures(iter(pairs), folder)


@pytest.fixture(scope="module")
def runs():
    made = {}

    def get(name):
        if name not in made:
            made[name] = Run(name)
        return made[name]

    return get


def same_text(ours, theirs, tiny=1e-9):
    """Compare words, order and numbers; return how many numbers were compared."""
    compared, head, noise = 0, "", set()
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if " centroid rmf name (" in b:
            assert a.split(" centroid rmf name ")[0] == b.split(" centroid rmf name ")[0]
            continue
        assert NUMBER.sub("#", a) == NUMBER.sub("#", b)
        x, y = float(NUMBER.search(a)[0]), float(NUMBER.search(b)[0])
        if " average centroid distance " in b:
            head = b.split(" average ")[0]
            # A rigid body has no dRMSD: which model is the center is decided by rounding alone.
            noise |= {head} if y < tiny else set()
        if " centroid index " in b:
            assert x == y or head in noise
        else:
            assert pi_close(x, y)
        compared += 1
    return compared


@pytest.mark.parametrize("name", RUNS)
def test_precision_files(runs, name, tmp_path):
    run = runs(name)
    compared = 0
    for path in sorted(run.golden.glob("precision.*.out")):
        i, j = (int(k) for k in path.name.split(".")[1:3])
        center = run.tool.get_precision(run.sets[i], run.sets[j], str(tmp_path / path.name))
        assert center == run.record["centroid_return"][f"{i},{j}"]
        ours = (tmp_path / path.name).read_text().splitlines()
        theirs = path.read_text().splitlines()
        compared += same_text(ours, theirs)
        if i == j:
            last = next(line for line in reversed(ours) if "centroid rmf name" in line)
            assert last.endswith(f"centroid rmf name {run.members[run.sets[i]][center]!r}")
    assert compared >= 3 * 3


@pytest.mark.parametrize("name", RUNS)
def test_rmsf_files(runs, name, tmp_path):
    run = runs(name)
    compared = 0
    for number, folder in enumerate(run.sets):
        run.tool.get_rmsf(structure_set_name=folder, outdir=str(tmp_path / str(number)))
        golden = run.golden / f"rmsf.cluster.{number}"
        names = sorted(p.name for p in golden.iterdir())
        assert sorted(p.name for p in (tmp_path / str(number)).iterdir()) == names
        for path in sorted(golden.glob("*.dat")):
            mine, theirs = read_rmsf(tmp_path / str(number) / path.name), read_rmsf(path)
            assert np.array_equal(mine[0], theirs[0])
            assert np.array_equal(mine[1], theirs[1])
            assert mine[2] == pytest.approx(theirs[2], rel=1e-6, abs=1e-9)
            compared += 1
    assert compared == 2 * len(run.sets)


@pytest.mark.parametrize("name", RUNS)
def test_accuracy(runs, name):
    run = runs(name)
    compared = 0
    for case in run.record["accuracy"].values():
        if "error" in case:
            continue
        reference, frame = case["reference"]
        if reference in {f"{folder}0.rmf3" for folder in run.sets}:
            folder, _, number = reference.rpartition("/")
            reference, frame = run.members[folder + "/"][int(number.removesuffix(".rmf3"))]
        run.tool.set_reference_structure(str(resolved(str(reference))), frame)
        for key, expected in case.items():
            label, _, aligned = key.partition(".aligned_on_")
            if not label.startswith("cluster."):
                continue
            folder = run.sets[int(label.removeprefix("cluster."))]
            found = (
                run.tool.get_rmsd_wrt_reference_structure_with_alignment(
                    folder, {"all": "All"}.get(aligned, aligned)
                )
                if aligned
                else run.tool.get_average_distance_wrt_reference_structure(folder)
            )
            assert list(found) == list(expected)
            for selection, values in expected.items():
                for word, value in values.items():
                    # The reference superposes with numbers of single precision.
                    loose = 2e-6 if aligned else 1e-9
                    assert found[selection][word] == pytest.approx(value, rel=1e-6, abs=loose)
                    compared += 1
    assert compared > 10


def test_models_of_two_molecules_against_a_structure_of_twelve(runs):
    """Where the reference fails; the distances of the molecules that both have, by hand."""
    from congruence.io.rmf import open_rmf

    run = runs("noalign_n10_k2.pairwise_rmsd")
    native = open_rmf(DATA / "rnapolii" / "native.rmf3")
    whole, (there,) = native.topology(1), native.coordinates([0], 1)
    place = {
        (whole.molecules[m].name, whole.residues[i][0]): there[i]
        for i, m in enumerate(whole.molecule_index.tolist())
    }
    run.tool.set_reference_structure(str(native.path), 0)
    found = run.tool.get_average_distance_wrt_reference_structure(run.sets[0])
    expected = []
    for path, frame in run.members[run.sets[0]]:
        file = open_rmf(path)
        topology, (here,) = file.topology(1), file.coordinates([frame], 1)
        keys = [
            (topology.molecules[m].name, topology.residues[i][0])
            for i, m in enumerate(topology.molecule_index.tolist())
        ]
        shared = [i for i, key in enumerate(keys) if key in place]
        assert len(shared) > 300
        target = np.array([place[keys[i]] for i in shared])
        expected.append(np.sqrt(((here[shared] - target) ** 2).sum(axis=1).mean()))
    assert found["All"]["all_distances"] == pytest.approx(expected, rel=1e-9)
    assert found["All"]["minimum_distance"] == pytest.approx(min(expected))


COPIES = GOLDEN / "precision" / "copies"


def copies():
    tool = Precision(None, 1, {"Prot1": ["Prot1"], "r1_5": [(1, 5, "Prot1")]})
    names = [f"copies/pmi2_copies_{k}/rmfs/0.rmf3" for k in (0, 1)]
    tool.add_structures([(str(DATA / name), 0) for name in names], "set")
    return tool


@pytest.mark.parametrize(
    "path", sorted(COPIES.glob("precision.pairwise_*.out")), ids=lambda p: p.name
)
def test_the_last_copy_counts(path, tmp_path):
    tool = copies()
    tool.set_precision_style(path.name.split(".")[1])
    tool.get_precision("set", "set", str(tmp_path / "out"))
    assert same_text((tmp_path / "out").read_text().splitlines(), path.read_text().splitlines())


def test_a_missing_molecule_is_an_error_and_no_crash(tmp_path):
    tool = copies()
    tool.selection_dictionary = {"nosuch": ["nosuch"]}
    with pytest.raises(SelectionError, match=r"nosuch.*matches nothing"):
        tool.get_precision("set", "set", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


class TestValuesOfTheReferencesOwnTests:
    """Rows 11 and 12 of what PMI's own tests expect, and section 18 of the specification."""

    @pytest.fixture
    def tool(self):
        parts = {"Prot1": ["Prot1"], "Prot2": ["Prot2"], "Prot1_Prot2": ["Prot1", "Prot2"]}
        tool = Precision(None, resolution=1, selection_dictionary=parts)
        for k in (0, 1):
            path = DATA / "residue_beads" / f"pmi2_sample_{k}" / "rmfs" / "0.rmf3"
            for frame in range(5):
                tool.add_structure(str(path), frame, f"set{k}", setup_index_map=True)
        return tool

    def test_precision(self, tool, tmp_path):
        values = json.loads((GOLDEN / "pmi_test_values" / "values.json").read_text())
        for i, j in ((0, 0), (0, 1), (1, 1)):
            center = tool.get_precision(f"set{i}", f"set{j}", str(tmp_path / "out"))
            assert center == values["11_centroid"][f"set{i},set{j}"]
            expected = values[f"11_set{i}_set{j}"]
            assert same_text((tmp_path / "out").read_text().splitlines(), expected)

    def test_skip(self, tool, tmp_path):
        tool.get_precision("set0", "set0", str(tmp_path / "out"), skip=2)
        last = (tmp_path / "out").read_text().splitlines()[-1]
        assert float(last.split()[-1]) == pytest.approx(0.8003831347, abs=1e-10)

    @pytest.mark.parametrize(
        ("style", "value"),
        [
            ("pairwise_drmsd_k", 0.0933023795),
            ("pairwise_drms_k", 0.0841025821),
            ("pairwise_drmsd_Q", 0.0933023795),
            ("pairwise_rmsd", 1.0157569099),
        ],
    )
    def test_styles(self, tool, tmp_path, style, value):
        tool.set_precision_style(style)
        tool.get_precision("set0", "set0", str(tmp_path / "out"), selection_keywords=["Prot1"])
        (*_, last) = lines = (tmp_path / "out").read_text().splitlines()
        assert len(lines) == 5
        assert float(last.split()[-1]) == pytest.approx(value, abs=1e-10)

    def test_rmsf(self, tool, tmp_path):
        tool.get_rmsf("set0", str(tmp_path))
        for name in ("Prot1", "Prot2"):
            mine = read_rmsf(tmp_path / f"rmsf.{name}.dat")
            theirs = read_rmsf(GOLDEN / "pmi_test_values" / f"rmsf.{name}.dat")
            for a, b in zip(mine, theirs, strict=True):
                assert a == pytest.approx(b, rel=1e-6, abs=1e-9)

    def test_accuracy(self, tool):
        tool.set_precision_style("pairwise_rmsd")
        path = DATA / "residue_beads" / "pmi2_sample_0" / "rmfs" / "0.rmf3"
        tool.set_reference_structure(str(path), 0)
        plain = tool.get_average_distance_wrt_reference_structure("set0")
        moved = tool.get_rmsd_wrt_reference_structure_with_alignment("set0", "Prot1")
        expected = {
            "Prot1": (1.4098698716, 0.0989338111),
            "Prot2": (1.5703317100, 5.6360207607),
            "All": (1.5261769924, 4.2377323215),
        }
        for name, (first, second) in expected.items():
            assert plain[name]["average_distance"] == pytest.approx(first, abs=1e-9)
            assert moved[name]["average_distance"] == pytest.approx(second, abs=2e-7)
