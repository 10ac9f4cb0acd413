"""``congruence precision`` and ``congruence accuracy`` on runs with planted truth."""

import csv
import json
import shutil

import numpy as np
import pytest

from congruence.cli import _run
from congruence.io.precision_files import read_rmsf
from congruence.io.rmf import open_rmf
from congruence.simulate import read_truth, simulate_runs
from congruence.workflow.config import ClusterConfig
from congruence.workflow.job import cluster_runs
from congruence.workflow.member_sets import read_sets

MODELS = 48


class Field:
    def __init__(self, root):
        self.root = root
        simulate_runs(root / "runs", models=MODELS, runs=4, replicas=1, clusters=2, seed=3)
        self.truth = read_truth(root / "runs" / "truth.json")
        for align in ("none", "superpose"):
            config = ClusterConfig(
                runs=(str(root / "runs"),), rmsd=("*",), align=align, clusters=2,
                densities={"pair": "Alpha + Beta"} if align == "superpose" else {},
                voxel=8.0, members="all",
            )  # fmt: skip
            cluster_runs(config, root / align)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return Field(tmp_path_factory.mktemp("precision"))


def read(path):
    return json.loads(path.read_text())


def planted(field, folder):
    """Pair the clusters of a result with the planted ones, by their sizes."""
    found = read(folder / "clusters.json")["clusters"]
    theirs = {c.size: c for c in field.truth.clusters}
    return [theirs[c["size"]] for c in found]


@pytest.mark.parametrize("align", ["none", "superpose"])
def test_a_clustering_tells_the_planted_precision(field, align):
    folder = field.root / align
    data = read(folder / "precision.json")
    clusters = read(folder / "clusters.json")["clusters"]
    truths = planted(field, folder)
    for found, cluster, truth in zip(data["within"], clusters, truths, strict=True):
        assert truth.measured == found["models"] == cluster["size"]
        everything = found["selections"]["all"]
        assert everything["average_pairwise"] == pytest.approx(cluster["average_rmsd"])
        assert everything["average_pairwise"] == pytest.approx(truth.pairwise[align], abs=2e-4)
        assert everything["average_to_center"] == pytest.approx(truth.to_center[align], abs=2e-4)
        low, high = everything["average_pairwise_interval"]
        assert low < truth.pairwise[align] < high
        n = found["models"]
        biased = everything["compat"]["average_pairwise"]
        assert biased == pytest.approx(everything["average_pairwise"] * (n - 1) / n)
        members = cluster["members"]
        assert members[found["center"]["member"]] == cluster["center_model"]
    (between,) = data["between"]
    assert between["selections"]["all"]["average"] > 5


def test_a_clustering_writes_what_fluctuates(field):
    folder = field.root / "superpose" / "cluster.0"
    with (folder / "rmsf.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    center = open_rmf(folder / "center.rmf3")
    topology = center.topology(1)
    assert len(rows) == len(topology)
    values = np.array([float(row["rmsf"]) for row in rows])
    rigid = np.array([row["rigid"] == "yes" for row in rows])
    assert 0.5 < values[rigid].mean() < values[~rigid].mean()
    assert all(row["precision"] == "high" for row in rows)
    lines = (folder / "center.pdb").read_text().splitlines()
    atoms = [line for line in lines if line.startswith(("ATOM", "HETATM"))]
    assert [float(line[60:66]) for line in atoms] == pytest.approx(values, abs=0.006)
    assert any(line.startswith("REMARK   6 The B-factor column holds the RMSF") for line in lines)
    colors = np.array([center.value(int(n), "shape", "rgb color", 0) for n in topology.node_id])
    bright = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(bright[np.argsort(values)]) > -1e-6).all()
    assert (folder / "rmsf.png").read_bytes().startswith(b"\x89PNG")
    listed = read(field.root / "superpose" / "run.json")["files"]
    assert {"precision.json", "cluster.0/rmsf.csv", "cluster.0/center.pdb"} <= set(listed)


def test_the_command_says_the_same_as_the_clustering(field, tmp_path, capsys):
    done = _run(["precision", str(field.root / "superpose"), "--out", str(tmp_path / "p"),
                 "--select", "ends=Alpha:1-5 + Beta:1-5"])  # fmt: skip
    assert done == 0
    shown = capsys.readouterr().out
    assert "Precision (Å)" in shown
    within, between = shown.split("Between clusters")
    for name in ("all", "Alpha", "Gamma", "ends"):
        assert f" {name} " in within
        assert f" {name} " in between
    assert "with as few as 4 runs it is crude" in between
    ours, theirs = (
        read(tmp_path / "p" / "precision.json"),
        read(field.root / "superpose" / "precision.json"),
    )
    for a, b in zip(ours["within"], theirs["within"], strict=True):
        for name in ("all", "Alpha", "Beta", "Gamma", "Delta"):
            for word in ("average_pairwise", "average_to_center", "median_to_center"):
                # Members were written with numbers of single precision.
                assert a["selections"][name][word] == pytest.approx(
                    b["selections"][name][word], abs=1e-3
                )
        # The matrix of the run counts, saved in single precision.
        one, two = (s["selections"]["all"]["average_pairwise"] for s in (a, b))
        assert one == pytest.approx(two, rel=1e-6)
        assert a["rmsf"]["mean"] == pytest.approx(b["rmsf"]["mean"], abs=1e-3)
    assert set(ours["between"][0]["selections"]) == set(ours["selections"])
    text = (tmp_path / "p" / "precision.0.0.out").read_text().splitlines()
    assert len(text) == 5 * len(ours["selections"])
    assert text[-1].startswith("All cluster.0 cluster.0 average pairwise distance ")
    biased = ours["within"][0]["selections"]["all"]["compat"]["average_pairwise"]
    assert float(text[-1].split()[-1]) == biased
    residues, _, values = read_rmsf(tmp_path / "p" / "cluster.0" / "rmsf.Delta.dat")
    assert residues.tolist() == list(range(1, 31))
    assert (values > 0).all()
    assert (tmp_path / "p" / "cluster.1" / "center.rmf3").is_file()


def test_members_that_were_not_written_are_read_from_the_runs(field, tmp_path):
    copy = tmp_path / "some"
    shutil.copytree(field.root / "superpose", copy)
    (copy / "cluster.0" / "3.rmf3").unlink()
    (one, _), spread = read_sets([field.root / "superpose"], {})
    (two, _), _ = read_sets([copy], {})
    assert str(spread.alignment) == "superpose"
    # To the precision of the members' files.
    assert np.abs(one.coordinates - two.coordinates).max() < 1e-3
    assert one.frames == two.frames
    assert one.runs == two.runs


def test_swapped_copies_are_as_the_run_matched_them(field):
    """With copies taken as named, Gamma would be tens of Å apart from itself."""
    for found in read(field.root / "superpose" / "precision.json")["within"]:
        assert found["selections"]["Gamma"]["average_pairwise"] < 5
    assert field.truth.swapped.any()


def test_how_models_are_compared_can_be_changed(field, capsys):
    target = str(field.root / "superpose" / "cluster.0")
    values = {}
    for align in ("none", "center", "superpose"):
        assert _run(["precision", target, "--align", align, "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["compared"]["alignment"] == align
        values[align] = data["within"][0]["selections"]["all"]["average_pairwise"]
    assert values["none"] >= values["center"] >= values["superpose"] > 0
    for style in ("pairwise_rmsd", "pairwise_drmsd_k", "pairwise_drms_k", "pairwise_drmsd_Q"):
        assert _run(["precision", target, "--style", style, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["style"] == style
        assert 0 < found["within"][0]["selections"]["all"]["average_pairwise"] < 10


def test_folders_of_another_program_need_an_alignment(field, tmp_path, capsys):
    strange = tmp_path / "theirs" / "cluster.0"
    strange.mkdir(parents=True)
    for k in range(4):
        shutil.copy(field.root / "superpose" / "cluster.0" / f"{k}.rmf3", strange)
    assert _run(["precision", str(strange)]) == 3
    error = capsys.readouterr().err
    assert "(--align)" in error
    assert "hint:" in error
    assert _run(["precision", str(strange), "--align", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["within"][0]
    assert found["models"] == 4
    assert "runs of the models are not known" in found["selections"]["all"]["no_interval"]
    shutil.copy(field.root / "superpose" / "cluster.0" / "stat.out", strange)
    assert _run(["precision", str(strange.parent), "--align", "none", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["within"][0]
    assert "not known" not in found["selections"]["all"]["no_interval"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["runs"], "holds no clusters"),
        (["superpose", "--select", "x=Nosuch"], "selection 'Nosuch' matches nothing"),
        (["superpose", "--high", "20"], "thresholds of patches"),
        (["superpose", "--out", "runs"], "is not empty"),
        (["superpose", "none"], "compared models in different ways"),
    ],
)
def test_errors_say_what_to_do(field, capsys, monkeypatch, words, message):
    monkeypatch.chdir(field.root)
    assert _run(["precision", *words]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert "hint:" in error


@pytest.mark.parametrize("align", ["none", "superpose"])
def test_accuracy_is_that_which_was_planted(field, tmp_path, align, capsys):
    out = tmp_path / "a"
    native = field.root / "runs" / "native.rmf3"
    words = ["accuracy", str(field.root / align), "--reference", f"{native}:0", "--out", str(out)]
    assert _run([*words, "--select", "pair=Alpha + Beta"]) == 0
    shown = capsys.readouterr().out
    assert "Placement of molecules" in shown
    assert "with as few as 4 runs it is crude" in shown
    data = read(out / "accuracy.json")
    frame = {"none": "as written", "superpose": "superposed"}[align]
    for found, truth in zip(data["sets"], planted(field, field.root / align), strict=True):
        selections = found["frames"][frame]["selections"]
        assert list(selections) == ["all", "Alpha", "Beta", "Gamma", "Delta", "pair"]
        assert selections["all"]["average"] == pytest.approx(truth.accuracy[align], abs=1e-3)
        assert selections["all"]["interval_runs"] == 4
        assert selections["all"]["interval_is_crude"]
        low, high = selections["all"]["average_interval"]
        assert low <= truth.accuracy[align] <= high
    with (out / "accuracy.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == MODELS * 2 * 6
    with (out / "placement.csv").open() as stream:
        placed = list(csv.DictReader(stream))
    assert len(placed) == MODELS * 2 * 5
    assert {row["molecule"] for row in placed} >= {"Gamma@0%0", "Gamma@1%0"}


def test_accuracy_against_a_pdb_by_a_mapping(field, tmp_path, capsys):
    from congruence.io.pdb import write_pdb

    native = open_rmf(field.root / "runs" / "native.rmf3")
    topology = native.topology(1)
    beads = np.flatnonzero([topology.molecules[m].name == "Alpha" for m in topology.molecule_index])
    (points,) = native.coordinates([0])
    write_pdb(tmp_path / "alpha.pdb", points[beads], topology.take(beads))
    target = [str(field.root / "none"), "--reference", str(tmp_path / "alpha.pdb")]
    assert _run(["accuracy", *target]) == 3
    assert "--map" in capsys.readouterr().err
    assert _run(["accuracy", *target, "--map", "Alpha=A", "--json"]) == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert data["not_in_reference"]["molecules"] == [
        "Beta@0%0",
        "Gamma@0%0",
        "Gamma@1%0",
        "Delta@0%0",
    ]
    assert "not in the reference: Beta" in captured.err
    assert _run(["accuracy", *target, "--map", "Alpha"]) == 2
    whole = ["accuracy", str(field.root / "none"), "--reference", str(native.path), "--json"]
    assert _run(whole) == 0
    other = json.loads(capsys.readouterr().out)
    for one, two in zip(data["sets"], other["sets"], strict=True):
        # Beads of a loop stand in the PDB at their middle residue only.
        a, b = (s["frames"]["as written"]["selections"]["Alpha"] for s in (one, two))
        assert a["beads"] <= b["beads"]
        assert a["average"] == pytest.approx(b["average"], rel=0.2)


@pytest.mark.parametrize(
    "words", [["--map", "Gamma=C,D"], ["--map", "Gamma=C", "--map", "Gamma=D"]]
)
def test_chains_of_a_pdb_may_be_interchangeable_copies(field, tmp_path, capsys, words):
    from congruence.io.pdb import write_pdb

    native = open_rmf(field.root / "runs" / "native.rmf3")
    topology = native.topology(1)
    (points,) = native.coordinates([0])
    write_pdb(tmp_path / "native.pdb", points, topology)
    common = ["accuracy", str(field.root / "none"), "--json", "--reference"]
    assert _run([*common, str(native.path)]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert _run([*common, str(tmp_path / "native.pdb"), *words]) == 0
    chains = json.loads(capsys.readouterr().out)
    for one, two in zip(chains["sets"], whole["sets"], strict=True):
        a, b = (s["frames"]["as written"]["selections"]["Gamma"] for s in (one, two))
        # A bead of a loop stands in the PDB at its middle residue only, and may be left out.
        assert 0.9 * b["beads"] <= a["beads"] <= b["beads"]
        assert a["average"] == pytest.approx(b["average"], rel=0.2)
    assert _run([*common, str(tmp_path / "native.pdb"), "--map", "Gamma=C,Q"]) == 3
    assert "no molecule 'Q'" in capsys.readouterr().err


def write_structure(native, path):
    """Write one CA per residue with gemmi, chains A to E; the entities of mmCIF have names."""
    gemmi = pytest.importorskip("gemmi")
    topology = native.topology(1)
    (points,) = native.coordinates([0])
    model = gemmi.Model("1")
    for index in dict.fromkeys(topology.molecule_index.tolist()):
        chain = gemmi.Chain(topology.molecules[index].chain)
        for bead in np.flatnonzero(topology.molecule_index == index).tolist():
            for number in topology.residues[bead]:
                residue, atom = gemmi.Residue(), gemmi.Atom()
                residue.name, residue.seqid = "ALA", gemmi.SeqId(number, " ")
                residue.entity_type = gemmi.EntityType.Polymer
                atom.name, atom.element = "CA", gemmi.Element("C")
                atom.pos = gemmi.Position(*points[bead].tolist())
                residue.add_atom(atom)
                chain.add_residue(residue)
        model.add_chain(chain)
    structure = gemmi.Structure()
    structure.add_model(model)
    structure.setup_entities()
    if path.suffix == ".pdb":
        structure.write_pdb(str(path))
        return
    block = structure.make_mmcif_document().sole_block()
    block.find("_entity.", ["id"]).loop.add_columns(["_entity.pdbx_description"], "?")
    names = {m.chain: m.name for m in topology.molecules}
    for row in block.find("_entity.", ["id", "pdbx_description"]):
        row[1] = names[row[0]]
    document = gemmi.cif.Document()
    document.add_copied_block(block)
    document.write_file(str(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("native.cif", ()),
        ("native.pdb", ("Alpha=A", "Beta=B", "Gamma=C,D", "Delta=E")),
    ],
)
def test_the_same_structure_in_other_formats_gives_the_same_accuracy(
    field, tmp_path, capsys, name, words
):
    native = open_rmf(field.root / "runs" / "native.rmf3")
    write_structure(native, tmp_path / name)
    common = ["accuracy", str(field.root / "superpose"), "--json", "--reference"]
    assert _run([*common, str(native.path)]) == 0
    of_rmf = json.loads(capsys.readouterr().out)
    assert _run([*common, str(tmp_path / name), *(w for m in words for w in ("--map", m))]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["not_in_reference"] == {"molecules": [], "beads": 0, "selections": []}
    for one, two in zip(found["sets"], of_rmf["sets"], strict=True):
        for frame in ("as written", "superposed"):
            for selection, ours in one["frames"][frame]["selections"].items():
                theirs = two["frames"][frame]["selections"][selection]
                assert ours["beads"] == theirs["beads"]
                # A PDB file has three decimals.
                assert ours["average"] == pytest.approx(theirs["average"], abs=2e-3)
            for ours, theirs in zip(
                one["frames"][frame]["placement"], two["frames"][frame]["placement"], strict=True
            ):
                assert ours["molecule"] == theirs["molecule"]
                assert ours["translation"] == pytest.approx(theirs["translation"], abs=2e-3)
                assert ours["rotation_degrees"] == pytest.approx(
                    theirs["rotation_degrees"], abs=0.1
                )
