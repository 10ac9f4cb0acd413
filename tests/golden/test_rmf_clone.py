"""Real frames cloned, moved, relabelled and joined, compared value by value."""

import itertools
from functools import cache

import numpy as np
import pytest
from plainrmf import Plain
from sharedpaths import DATA, needs_shared

from congruence.core.placement import Placement
from congruence.io.rmf import open_rmf
from congruence.io.rmf.clone import MemberWriter, write_member
from congruence.io.rmf.combine import Member, write_models
from congruence.io.rmf.edit import StaticTable
from congruence.io.rmf.history import ClusterProvenance, CombineProvenance
from congruence.io.rmf.match import match_nodes

pytestmark = [pytest.mark.golden, needs_shared]

FILES = {
    "rpb47": ("rpb47/output_test/rmfs/3.rmf3", 78),
    "late static records": ("threshold_runs/run1/output/rmfs/0.rmf3", 49),
    "scores in rmf": ("rpb47_scores_in_rmf/output_test_rmf/rmfs/3.rmf3", 57),
    "two states": ("two_states/output1/rmfs/0.rmf3", 13),
    "copies": ("copies/pmi2_copies_0/rmfs/0.rmf3", 0),
    "rnapolii": ("rnapolii/trajectory.rmf3", 99),
    "mediator": ("mediator_pmi1/output/rmfs/3.rmf3", 100),
    "five residues a bead": ("residue_beads/pmi2_sample_res5/rmfs/0.rmf3", 9),
    "spots": ("spots/cluster_center_model.rmf", 0),
}
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
MOTION = Placement(TURN, np.array([-31.5, 12.25, 80.0]))
RESOLUTIONS = (0, 1, 10)
PATH_KEYS = {("provenance", "script filename"), ("IMP restraint files", "filename")}
FRAME_KEYS = {("physics", key) for key in ("rotation", "translation", "coordinates")}


@pytest.fixture(params=FILES.values(), ids=FILES.keys())
def example(request):
    path, frame = request.param
    return open_rmf(DATA / path), frame


NODE_VALUED = {"bonded 0", "bonded 1", "aliased", "reference", "roots", "representation"}


def node_value(key, value, nodes):
    if key[1] not in NODE_VALUED:
        return value
    if isinstance(value, int):
        return nodes.get(value, value)
    mapped = [nodes.get(v, v) for v in value]
    return sorted(mapped) if key[1] == "representation" else mapped


def differing(before, after, nodes=None):
    """Keys, as (category, name), whose values are not all the same."""
    nodes = nodes or {}
    found = {key[:2] for key in after.keys() - before.keys()}
    for key, column in before.items():
        mine = {nodes.get(n, n): node_value(key, v, nodes) for n, v in column.items()}
        if mine != {n: node_value(key, v, {}) for n, v in after.get(key, {}).items()}:
            found.add(key[:2])
    return found


@cache
def plain(path):
    return Plain(path)


def test_a_clone_differs_in_nothing(example, tmp_path):
    source, frame = example
    path = tmp_path / "member.rmf3"
    write_member(source, frame, path)
    before, clone = plain(source.path), Plain(path)
    assert (clone.statics, len(clone)) == (1, 1)
    assert clone.frame_payload(0).body == before.frame_payload(frame).body
    assert differing(before.values(frame), clone.values(0)) <= PATH_KEYS
    assert set(clone.nodes) == set(before.nodes)
    assert {k: sorted(n["parents"]) for k, n in clone.nodes.items()} == {
        k: sorted(n["parents"]) for k, n in before.nodes.items()
    }
    assert set(clone.keys.values()) == set(before.keys.values())
    member = open_rmf(path)
    assert member.is_closed
    for resolution in RESOLUTIONS:
        assert member.topology(resolution).key == source.topology(resolution).key
        np.testing.assert_array_equal(
            member.coordinates([0], resolution), source.coordinates([frame], resolution)
        )


def test_a_moved_member_is_its_model_elsewhere(example, tmp_path):
    source, frame = example
    path = tmp_path / "moved.rmf3"
    writer = MemberWriter(source, provenance=[CombineProvenance(2, 9), ClusterProvenance(4, 5.0)])
    writer.write(frame, path, placement=MOTION)
    member = open_rmf(path)
    for resolution in RESOLUTIONS:
        expected = MOTION.apply(source.coordinates([frame], resolution)[0], ())
        found = member.coordinates([0], resolution)[0]
        np.testing.assert_allclose(found, expected, atol=2e-5 if np.abs(expected).max() < 300 else 2e-4)  # fmt: skip
    before, clone = plain(source.path), Plain(path)
    kept = {k: v for k, v in clone.values(0).items() if k[0] != "provenance"}
    theirs = {k: v for k, v in before.values(frame).items() if k[0] != "provenance"}
    assert differing(theirs, kept) <= PATH_KEYS | FRAME_KEYS
    steps = [(s.kind, dict(s.fields)) for s in member.provenance()]
    assert steps[:2] == [
        ("cluster", {"members": 4, "precision": 5.0}),
        ("combined", {"runs": 2, "frames": 9}),
    ]
    assert [s.kind for s in source.provenance()] == [kind for kind, _ in steps[2:]]
    scores, after = source.restraint_scores([frame]), member.restraint_scores([0])
    assert scores.keys() == after.keys()
    assert all(np.array_equal(scores[name], after[name]) for name in scores)


@pytest.mark.parametrize("name", ["rpb47", "rnapolii"])
def test_gaussians_follow(name, tmp_path):
    path, frame = FILES[name]
    source = open_rmf(DATA / path)
    write_member(source, frame, tmp_path / "m", placement=MOTION)
    before, after = source.gaussians([frame]), open_rmf(tmp_path / "m").gaussians([0])
    assert before.centers.shape[1] >= 10
    np.testing.assert_allclose(after.centers[0], MOTION.apply(before.centers[0], ()), atol=2e-4)
    turned = TURN @ before.covariances[0] @ TURN.T
    np.testing.assert_allclose(after.covariances[0], turned, rtol=1e-5, atol=1e-3)


def test_embedded_statistics_survive(tmp_path):
    path, frame = FILES["scores in rmf"]
    source = open_rmf(DATA / path)
    write_member(source, frame, tmp_path / "m", placement=MOTION)
    member = open_rmf(tmp_path / "m")
    keys = source.stat_keys()
    assert len(keys) > 10
    assert member.stat_keys() == keys
    for key, (mine,) in member.stat().items():
        assert mine == source.stat()[key][frame], key
    assert member.stat()["rmf_frame_index"] == [57]


@pytest.mark.parametrize("name", ["copies", "spots"])
def test_relabelled_copies(name, tmp_path):
    path, frame = FILES[name]
    source = open_rmf(DATA / path)
    groups = source.topology(1).copy_groups()
    assert groups
    swaps = itertools.product(*(itertools.permutations(range(len(g.copies))) for g in groups))
    for number, assignment in enumerate(itertools.islice(swaps, 1, 4)):
        place = Placement(MOTION.rotation, MOTION.translation, assignment)
        target = tmp_path / f"{number}.rmf3"
        write_member(source, frame, target, placement=place, groups=groups)
        write_models([Member(source, frame), Member(source, frame, place, groups)], tmp_path / "j")
        for file, index in ((open_rmf(target), 0), (open_rmf(tmp_path / "j"), 1)):
            assert file.topology(1).key == source.topology(1).key
            assert file.topology(1).molecules == source.topology(1).molecules
            expected = place.apply(source.coordinates([frame], 1)[0], groups)
            found = file.coordinates([index], 1)[0]
            np.testing.assert_allclose(found, expected, atol=2e-4)
            coarse = source.topology(10).copy_groups()
            expected = place.apply(source.coordinates([frame], 10)[0], coarse)
            np.testing.assert_allclose(file.coordinates([index], 10)[0], expected, atol=2e-4)


REPLICAS = {
    "mediator": ("mediator_pmi1/output/rmfs/2.rmf3", "mediator_pmi1/output/rmfs/3.rmf3"),
    "rpb47": ("rpb47/output_test/rmfs/3.rmf3", "rpb47/output_test/rmfs/5.rmf3"),
    "late static records": ("threshold_runs/run1/output/rmfs/0.rmf3", "threshold_runs/run2/output/rmfs/0.rmf3"),
    "two states": ("two_states/output1/rmfs/0.rmf3", "two_states/output1/rmfs/1.rmf3"),
    "scores in rmf": ("rpb47_scores_in_rmf/output_test_rmf/rmfs/3.rmf3", "rpb47_scores_in_rmf/output_test_rmf/rmfs/0.rmf3"),
}  # fmt: skip


@pytest.mark.parametrize("names", REPLICAS.values(), ids=REPLICAS.keys())
def test_joined_replicas_read_back_equal(names, tmp_path):
    sources = [open_rmf(DATA / name) for name in names]
    members = [Member(s, frame) for frame in (0, 8) for s in sources if frame < len(s)]  # fmt: skip
    path = tmp_path / "models.rmf3"
    write_models(members, path)
    joined = open_rmf(path)
    assert len(joined) == len(members)
    for resolution in RESOLUTIONS:
        found = joined.coordinates(None, resolution)
        assert joined.topology(resolution).key == sources[0].topology(resolution).key
        for index, member in enumerate(members):
            expected = member.source.coordinates([member.frame], resolution)[0]
            np.testing.assert_array_equal(found[index], expected)
    result = Plain(path)
    for source in sources:
        own = plain(source.path)
        nodes = match_nodes(StaticTable(result.static), StaticTable(source.static_record()))
        assert set(nodes) == set(own.nodes)
        index = next(i for i, m in enumerate(members) if m.source is source)
        frame = members[index].frame
        assert differing(own.values(frame), result.values(index), nodes) <= PATH_KEYS


def test_members_are_reproducible(tmp_path):
    path, frame = FILES["rpb47"]
    for name in ("a", "b"):
        source = open_rmf(DATA / path)
        write_member(source, frame, tmp_path / name, placement=MOTION)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
