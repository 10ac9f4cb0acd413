"""RMF reading against what IMP and the RMF library gave, and the format's self-check tables."""

import ast
import functools
import gzip
import json

import numpy as np
import pytest
from sharedpaths import DATA, GOLDEN, SPEC, needs_shared

from congruence.io.rmf import open_rmf

pytestmark = [pytest.mark.golden, needs_shared]

PLACES = {
    "native": "rnapolii/native.rmf3",
    "pmi2_copies_0": "copies/pmi2_copies_0/rmfs/0.rmf3",
    "pmi2_copies_1": "copies/pmi2_copies_1/rmfs/0.rmf3",
    "pmi2_sample_0": "residue_beads/pmi2_sample_0/rmfs/0.rmf3",
    "pmi2_sample_1": "residue_beads/pmi2_sample_1/rmfs/0.rmf3",
    "pmi2_sample_res5": "residue_beads/pmi2_sample_res5/rmfs/0.rmf3",
    "pmi_2": "mediator_pmi1/output/rmfs/2.rmf3",
    "pmi_output_test_0": "rpb47/output_test/rmfs/0.rmf3",
    "pmi_output_test_4": "rpb47/output_test/rmfs/4.rmf3",
    "pmi_output_test_rmf_0": "rpb47_scores_in_rmf/output_test_rmf/rmfs/0.rmf3",
    "sampcon_run1_0": "threshold_runs/run1/output/rmfs/0.rmf3",
    "deposition_0": "rnapolii/trajectory.rmf3",
    "output1_0": "two_states/output1/rmfs/0.rmf3",
    "output2_0": "two_states/output2/rmfs/0.rmf3",
    "symm_c0": "spots/cluster_center_model.rmf",
}
SELECTED = ["native", "pmi2_copies_0", "pmi2_sample_0", "pmi2_sample_res5", "pmi_2",
            "pmi_output_test_0", "pmi_output_test_rmf_0", "sampcon_run1_0"]  # fmt: skip
RAW = [name for name in PLACES if name != "none"]


@functools.cache
def file_of(name):
    return open_rmf(DATA / PLACES[name])


@pytest.mark.parametrize("name", SELECTED)
def test_beads_equal_those_of_imp(name):
    """IMP.rmf + IMP.atom.Selection: same beads, same order, same place."""
    with (GOLDEN / "rmf" / f"{name}.json").open() as stream:
        golden = json.load(stream)
    arrays = np.load(GOLDEN / "rmf" / f"{name}.npz")
    file = file_of(name)
    assert len(file) == golden["number_of_frames"]
    assert file.producer == golden["rmf_producer"]
    checked = 0
    for selection, about in golden["selections"].items():
        if not about["n"] or about["kwargs"].find("representation_type") >= 0:
            continue
        words = json.loads(about["kwargs"].replace("'", '"'))
        # IMP does not know the PMI1 layout: it returns all resolutions at once
        want = "all" if name == "pmi_2" else words.get("resolution", 0)
        topology = file.topology(want)
        xyz = file.coordinates(golden["frames"], want)
        beads = np.arange(len(topology))
        if "molecule" in words:
            names = [topology.molecules[i].name for i in topology.molecule_index]
            beads = np.flatnonzero(np.array(names) == words["molecule"])
        assert len(beads) == about["n"], selection
        kept = topology.take(beads)
        assert np.abs(xyz[:, beads] - arrays[f"{selection}_xyz"]).max() < 1e-4
        assert np.allclose(kept.radius, arrays[f"{selection}_radius"], atol=1e-4)
        assert np.allclose(kept.mass, arrays[f"{selection}_mass"], atol=1e-3)
        molecules = [kept.molecules[i] for i in kept.molecule_index]
        ours = [
            (n, m.name, m.copy, m.state, list(r))
            for n, m, r in zip(kept.bead_name, molecules, kept.residues, strict=True)
        ]
        assert ours == [tuple(p[:5]) for p in about["particles"]], selection
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("name", ["native", "pmi_output_test_0", "pmi_output_test_rmf_0"])
def test_gaussians_equal_those_of_imp(name):
    with (GOLDEN / "rmf" / f"{name}.json").open() as stream:
        golden = json.load(stream)
    arrays = np.load(GOLDEN / "rmf" / f"{name}.npz")
    file = file_of(name)
    found = file.gaussians(golden["frames"])
    assert np.abs(found.centers - arrays["densities_xyz"]).max() < 1e-4
    assert np.allclose(found.masses, arrays["densities_mass"], atol=1e-3)
    last = found.covariances[-1]
    first = found.covariances[0]
    theirs = arrays["densities_global_covariance"]
    scale = np.abs(theirs).max()
    assert min(np.abs(last - theirs).max(), np.abs(first - theirs).max()) < 1e-5 * scale


@pytest.mark.parametrize("name", RAW)
def test_raw_values_equal_those_of_the_rmf_library(name):
    with gzip.open(GOLDEN / "rmf_raw" / f"{name}.json.gz") as stream:
        golden = json.load(stream)
    file = file_of(name)
    assert len(file) == golden["n_frames"]
    assert len(file.nodes) == golden["n_nodes"]
    for number, node_name, _, children in golden["tree"]:
        node = file.nodes[number]
        assert (node.name, list(node.children)) == (node_name, children)
    kinds = {"root", "representation", "feature", "bond", "organizational", "alias", "provenance"}
    for number, _, kind, _ in golden["tree"]:
        assert kind not in kinds or file.nodes[number].type.name.lower() == kind
    compared = 0
    tables = [(None, golden["static"])]
    tables += [(int(k), frame["values"]) for k, frame in golden["frames"].items()]
    for frame, values in tables:
        for key, by_node in values.items():
            category, key_name = key.split(".", 1)
            for node, value in by_node.items():
                ours = file.value(int(node), category, key_name, frame)
                theirs = flat(value)
                assert ours is not None, (key, node, frame)
                assert same(flat(ours), theirs), (key, node, frame, ours, value)
                compared += 1
    assert compared >= 90


def flat(value):
    if isinstance(value, list | tuple):
        return [item for part in value for item in flat(part)]
    return [value]


def same(ours, theirs):
    if len(ours) != len(theirs):
        return False
    return all(
        a == b if isinstance(b, str) else a == pytest.approx(b, rel=1e-6, abs=1e-9)
        for a, b in zip(ours, theirs, strict=True)
    )


def spec_rows(header):
    """Rows of a table of the format's text that begins with a header."""
    lines = (SPEC / "rmf3-format.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(header))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def located(path):
    here = DATA / path
    return here if here.exists() else DATA / path.replace("cluster.0/", "")


def test_table_of_files():
    rows = list(spec_rows("| file | bytes | blocks |"))
    assert len(rows) == 12
    for path, size, _, records, nodes, represented, beads, molecules, refs, producer in rows:
        file = open_rmf(located(path))
        assert file.path.stat().st_size == int(size)
        assert len(file) == int(records.split("+")[1])
        assert len(file.nodes) == int(nodes)
        kinds = [node.type.name for node in file.nodes.values()]
        assert kinds.count("REPRESENTATION") == int(represented)
        flat_layout = "mediator" in path
        counts = [len(file.topology("all" if flat_layout else want)) for want in (0, 1, 10)]
        assert counts == [int(n) for n in beads.split("/")]
        found = {(m.state, m.name, m.copy) for m in file.topology(1).molecules}
        assert len(found) == int(molecules)
        assert file.producer.startswith(producer)
        per_frame, static = (int(n) for n in refs.split("/"))
        rotations = [n for n in file.nodes if file.value(n, "physics", "rotation") is not None]
        assert len(rotations) == static
        assert per_frame == count_rotations(file)
        assert file.is_closed == ("two_states" not in path)


def count_rotations(file):
    from congruence.io.rmf.schema import decode_record

    data = decode_record(bytes(5) + file.frame_payload(file.frame_ids[0]).body)["data"]
    keys = {
        k["id"]
        for k in file.static_record()["keys"]
        if (k["name"], k["type"]) == ("rotation", "VECTOR4")
    }
    return sum(len(b["values"]) for b in data["vector4_data"] if b["key"] in keys)


def test_table_of_coordinates():
    rows = list(spec_rows("| file | frame | node | state |"))
    assert len(rows) > 60
    for path, frame, node, state, molecule, copy, residues, radius, *xyz in rows:
        file = open_rmf(located(path))
        want = "all" if "mediator" in path else 1
        topology = file.topology(want)
        (bead,) = np.flatnonzero(topology.node_id == int(node))
        found = topology.molecules[topology.molecule_index[bead]]
        assert found.name == molecule
        assert found.state == (-1 if state == "-" else int(state))
        assert found.copy == (-1 if copy == "-" else int(copy))
        if residues.startswith("atom"):
            _, atom, _, _, number = residues.split()
            assert topology.atom_name[bead] == atom
            assert topology.residues[bead] == (int(number),)
        else:
            first, *last = (int(n) for n in residues.split("-"))
            assert topology.residues[bead][0] == first
            assert topology.residues[bead][-1] == (last[0] if last else first)
        assert topology.radius[bead] == pytest.approx(float(radius), abs=1e-4)
        ours = file.coordinates([int(frame)], want)[0, bead]
        assert np.abs(ours - [float(v) for v in xyz]).max() < 1.5e-4


def test_pmi1_layout_has_one_representation_per_resolution():
    file = file_of("pmi_2")

    def counts(want):
        topology = file.topology(want)
        names = [topology.molecules[i].name for i in topology.molecule_index]
        return {n: names.count(n) for n in dict.fromkeys(names)}

    beads = {"med2": 11, "med3": 10, "med5": 29, "med15": 28}
    assert counts(1) == {**beads, "med16": 378, "med14": 11}
    assert counts(10)["med16"] < 100 < 2000 < counts(0)["med16"]
    assert len(file.topology("all")) == 3468
    assert set(file.topology(1).resolution[~np.isnan(file.topology(1).resolution)]) == {1.0}
    gaussians = file.gaussians([0])
    assert len(gaussians.masses) == 16


def test_statistics_fall_back_to_static_values():
    file = open_rmf(DATA / "rpb47_scores_in_rmf/output_test_rmf/rmfs/3.rmf3")
    stat = file.stat(["rmf_frame_index", "rmf_file", "MonteCarlo_Nframe"])
    assert stat["rmf_frame_index"].tolist() == list(range(100))
    assert {type(v) for v in stat["rmf_frame_index"]} == {int}
    assert set(stat["rmf_file"]) == {"output_test_rmf/rmfs//3.rmf3"}
    assert file.stat(["rmf_frame_index"], [7, 3])["rmf_frame_index"].tolist() == [7, 3]


def test_late_static_records_keep_their_values():
    """The RMF library drops them: it merges by key, not by key and node."""
    file = file_of("sampcon_run1_0")
    late = [node for node in (40, 41, 42) if file.value(node, "feature", "representation")]
    assert late == [40, 41, 42]
    label = "CrossLinkingMassSpectrometryRestraint_Data"
    assert file.restraint_scores()[label].shape == (50,)
    assert [step.kind for step in file.provenance()] == [
        "sampling", "script", "software", "software"]  # fmt: skip
    assert file.provenance()[0].fields["frames"] == 50


def test_cross_link_scores_are_likelihoods():
    """The RMF file holds exp(-score) of the stat file, in all 50 frames."""
    label = "CrossLinkingMassSpectrometryRestraint_Data"
    scores = file_of("sampcon_run1_0").restraint_scores()[label]
    stat = (DATA / "threshold_runs/run1/output/stat.0.out").read_text().splitlines()
    numbers = {name: number for number, name in ast.literal_eval(stat[0]).items()}
    column = next(v for k, v in numbers.items() if str(k).startswith(f"{label}_Score"))
    theirs = [float(ast.literal_eval(line)[column]) for line in stat[1:]]
    assert np.abs(scores - np.exp(-np.array(theirs))).max() < 1e-7


def test_frames_that_the_stat_file_lists_and_the_rmf_file_lacks():
    file = open_rmf(DATA / "two_states/output1/rmfs/0.rmf3")
    assert not file.is_closed
    assert file.has_frame(13)
    assert not file.has_frame(14)
    assert len(file.losses) == 0


def test_values_equal_those_of_fastavro():
    import fastavro

    file = file_of("deposition_0")
    with file.path.open("rb") as stream:
        records = [r for r in fastavro.reader(stream) if "id" in r["info"]]
    keys = {(k.category, k.name): k.id for k in file._tables.keys if k.field == "vector3_data"}
    key = keys["physics", "translation"]
    from congruence.io.rmf.values import Columns

    for number in (0, 57, 99):
        (block,) = [b for b in records[number]["data"]["vector3_data"] if b["key"] == key]
        theirs = {v["id"]: tuple(v["value"].values()) for v in block["values"]}
        columns = Columns(np.array(sorted(theirs)))
        out = np.zeros((1, len(columns), 3))
        found = file._tables.find("physics", "translation", "vector3_data")
        file._values.fill(out, [file._frame(number)], found, columns)
        assert [tuple(row) for row in out[0]] == [theirs[n] for n in sorted(theirs)]
