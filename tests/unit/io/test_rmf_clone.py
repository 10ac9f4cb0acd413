"""Members from source frames: nothing lost, nothing changed but what was asked."""

import numpy as np
import pytest
from plainrmf import Plain, records

from congruence.core.placement import Placement
from congruence.core.provenance import Losses
from congruence.core.topology import CopyGroup, Molecule, Topology
from congruence.errors import ConfigError, FormatError, OutputError
from congruence.io.rmf.build import PRODUCER, StaticBuilder
from congruence.io.rmf.clone import MemberWriter, write_member
from congruence.io.rmf.combine import Member, write_models
from congruence.io.rmf.edit import StaticTable
from congruence.io.rmf.history import (
    ClusterProvenance,
    CombineProvenance,
    FilterProvenance,
    SoftwareProvenance,
)
from congruence.io.rmf.match import match_nodes
from congruence.io.rmf.place import quaternion
from congruence.io.rmf.schema import KeyType, NodeType
from congruence.io.rmf.write import RmfWriter

REPR, FEATURE = NodeType.REPRESENTATION, NodeType.FEATURE
F, INT, II, S, V3, V4 = (
    KeyType.FLOAT,
    KeyType.INT,
    KeyType.INTS,
    KeyType.STRING,
    KeyType.VECTOR3,
    KeyType.VECTOR4,
)
HALF_TURN = np.diag([-1.0, -1.0, 1.0])
MOTION = Placement(HALF_TURN, np.array([10.0, 20.0, 30.0]))
GROUP = CopyGroup("A", 0, (0, 1), np.array([[0, 1, 2], [3, 4, 5]]))


class System:
    """
    Two copies of A: a rigid body holding bead 1 and a nested frame with bead 2,
    the flexible bead 3, and the orphan root of a coarse alternative with its
    own frame. A restraint on two beads, a chain of two provenance nodes.
    """

    def __init__(self, *, restraints_first=False, extra=None, mass=(100.0, 100.0)):
        b = self.builder = StaticBuilder()
        self.at = {}
        self.mass = mass
        if restraints_first:
            self.restraint(b)
        self.hierarchy(b)
        if not restraints_first:
            self.restraint(b)
        b.set("feature", "representation", II, self.at["EV"], [self.at["0", 1], self.at["1", 2]])
        if extra:
            node = b.add_node(extra, FEATURE, self.at["EV"])
            b.set("feature", "representation", II, node, [self.at["0", 1]])
            b.set("feature", "score", F, node, 5.0)
            self.at["extra"] = node
        for key, kind in (("physics/translation", V3), ("feature/score", F), ("stat/x", S)):
            b.declare(*key.split("/"), kind)

    def restraint(self, b):
        self.at["EV"] = b.add_node("EV", FEATURE, 0)
        b.set("IMP restraint files", "filename", S, self.at["EV"], "../data/map.txt")

    def hierarchy(self, b):
        top = b.add_node("System", REPR, 0)
        state = b.add_node("State_0", REPR, top)
        b.set("sequence", "state index", INT, state, 0)
        for copy in "01":
            self.molecule(b, state, copy)
        first = b.add_node("sampling", NodeType.PROVENANCE, top)
        b.set("provenance", "sampling method", S, first, "Monte Carlo")
        self.at["script"] = script = b.add_node("script", NodeType.PROVENANCE, first)
        b.set("provenance", "script filename", S, script, "/abs/modeling.py")

    def molecule(self, b, state, copy):
        node = b.add_node("A", REPR, state)
        b.set("sequence", "molecule", INT, node, 1)
        b.set("sequence", "copy index", INT, node, int(copy))
        b.set("sequence", "chain id", S, node, "AB"[int(copy)])
        body = b.add_node("body", REPR, node)
        nested = b.add_node("nested", REPR, body)
        beads = {1: b.add_node("1", REPR, body), 2: b.add_node("2", REPR, nested)}
        beads[3] = b.add_node("3", REPR, node)
        coarse = b.add_node("coarse", REPR, None)
        b.set("alternatives", "roots", II, body, [coarse])
        b.set("alternatives", "types", II, body, [0])
        for number, bead in beads.items():
            self.at[copy, number] = bead
            b.set("physics", "radius", F, bead, 2.0)
            b.set("physics", "mass", F, bead, self.mass[int(copy)])
            b.set("sequence", "residue indexes", II, bead, [number])
        b.set("physics", "coordinates", V3, beads[1], (1, 0, 0))
        b.set("physics", "coordinates", V3, beads[2], (0, 1, 0))
        b.set("physics", "coordinates", V3, coarse, (0, 0, 0))
        b.set("physics", "rotation", V4, nested, (0.5, 0.5, 0.5, 0.5))
        b.set("physics", "translation", V3, nested, (0, 0, 1))
        self.at[copy, "body"], self.at[copy, "coarse"] = body, coarse

    def write(self, path, frames=2, **more):
        rng = np.random.default_rng(7)
        frames_of = [self.at[c, n] for c in "01" for n in ("body", "coarse")]
        loose = [self.at[c, 3] for c in "01"]
        with RmfWriter(path, self.builder.record("made here", "IMP 2.0")) as out:
            for frame in range(frames):
                turns = rng.normal(size=(4, 4))
                turns /= np.linalg.norm(turns, axis=1, keepdims=True)
                values = {
                    ("physics", "rotation"): (frames_of, turns),
                    ("physics", "translation"): (frames_of, rng.normal(size=(4, 3)) * 50),
                    ("physics", "coordinates"): (loose, rng.normal(size=(2, 3)) * 50),
                    ("feature", "score"): ([self.at["EV"]], [frame + 0.5]),
                    ("stat", "x"): ([0], [f"value {frame}"]),
                    **more,
                }
                out.add_frame(values, name=f"f{frame}")
        return Plain(path)


@pytest.fixture
def source(tmp_path):
    return System().write(tmp_path / "source.rmf3")


def changed(before, after):
    """Number of differing values by (category, key)."""
    assert set(before) == set(after)
    found = {}
    for key, column in before.items():
        assert set(column) == set(after[key]), key
        number = sum(after[key][n] != v for n, v in column.items())
        if number:
            found[key[:2]] = number
    return found


def test_a_clone_is_its_frame(source, tmp_path):
    path = tmp_path / "member.rmf3"
    write_member(source, 1, path)
    clone = Plain(path)
    assert (clone.statics, len(clone)) == (1, 1)
    assert clone.frame_payload(0).body == source.frame_payload(1).body
    assert clone.frames[0]["info"] == {"id": 0, "name": "f1", "type": 1, "parents": []}
    assert changed(source.values(1), clone.values(0)) == {}
    assert clone.static["nodes"] == source.static["nodes"]
    assert clone.static["keys"] == source.static["keys"]
    assert clone.static["info"]["producer"] == f"IMP 2.0; {PRODUCER}"
    assert clone.static["info"]["description"] == "made here\nframe 1 of source.rmf3"
    assert path.read_bytes()[-18:-16] == b"\0\0"


def test_cloning_a_clone_names_congruence_once(source, tmp_path):
    write_member(source, 1, tmp_path / "one", frame_name="center", description="text")
    write_member(Plain(tmp_path / "one"), 0, tmp_path / "two")
    again = Plain(tmp_path / "two")
    assert again.static["info"]["producer"] == f"IMP 2.0; {PRODUCER}"
    assert again.static["info"]["description"] == "made here\ntext\nframe 0 of one"
    assert again.frames[0]["info"]["name"] == "center"


def test_moving_changes_outermost_frames_and_free_beads_only(source, tmp_path):
    path = tmp_path / "moved.rmf3"
    write_member(source, 0, path, placement=MOTION)
    clone = Plain(path)
    assert changed(source.values(0), clone.values(0)) == {
        ("physics", "rotation"): 4,
        ("physics", "translation"): 4,
        ("physics", "coordinates"): 2,
    }
    before, after = source.positions(0), clone.positions(0)
    assert len(before) == 8
    for node, point in before.items():
        expected = np.array([10 - point[0], 20 - point[1], 30 + point[2]])
        np.testing.assert_allclose(after[node], expected, atol=2e-5)
    assert clone.static["keys"] == source.static["keys"]


def test_a_static_outermost_frame_moves_in_the_frame(tmp_path):
    system = System()
    for copy in "01":
        for name in ("body", "coarse"):
            system.builder.set("physics", "rotation", V4, system.at[copy, name], (1, 0, 0, 0))
            system.builder.set("physics", "translation", V3, system.at[copy, name], (1, 2, 3))
    static = tmp_path / "static.rmf3"
    with RmfWriter(static, system.builder.record()) as out:
        out.add_frame({("feature", "score"): ([system.at["EV"]], [1.0])})
    path = tmp_path / "moved.rmf3"
    write_member(Plain(static), 0, path, placement=MOTION)
    before, after = Plain(static).positions(0), Plain(path).positions(0)
    assert Plain(path).static["data"] == Plain(static).static["data"]
    for node, point in before.items():
        np.testing.assert_allclose(after[node], MOTION.apply(point[None], ())[0], atol=1e-5)


def test_gaussians_turn_with_the_model(tmp_path):
    builder = StaticBuilder()
    top = builder.add_node("System", REPR, 0)
    long, ball, bead = (builder.add_node(n, REPR, top) for n in ("long", "ball", "bead"))
    for node, axes in ((long, (4, 1, 1)), (ball, (2, 2, 2))):
        builder.set("physics", "coordinates", V3, node, (1, 2, 3))
        builder.set("physics", "variances", V3, node, axes)
    builder.set("physics", "coordinates", V3, bead, (5, 5, 5))
    path = tmp_path / "gaussians.rmf3"
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({})
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    write_member(Plain(path), 0, tmp_path / "m", placement=Placement(turn, np.array([0, 0, 1.0])))
    moved = Plain(tmp_path / "m")
    values = moved.values(0)
    assert list(values["physics", "rotation", "VECTOR4"]) == [long]
    assert values["physics", "rotation", "VECTOR4"][long]["z"] == pytest.approx(np.sqrt(0.5))
    assert values["physics", "variances", "VECTOR3"] == Plain(path).values(0)["physics", "variances", "VECTOR3"]  # fmt: skip
    for node, expected in ((long, (-2, 1, 4)), (ball, (-2, 1, 4)), (bead, (-5, 5, 6))):
        np.testing.assert_allclose(moved.positions(0)[node], expected, atol=1e-6)
    # what is written does not depend on what was written before
    writer = MemberWriter(Plain(path))
    writer.write(0, tmp_path / "a")
    writer.write(0, tmp_path / "b", placement=Placement(turn))
    writer.write(0, tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_shapes_move_with_the_model(tmp_path):
    builder = StaticBuilder()
    node = builder.add_node("segment", NodeType.GEOMETRY, 0)
    ends = [(0, 0, 0), (1, 0, 0)]
    builder.set("shape", "coordinates list", KeyType.VECTOR3S, node, ends)
    path = tmp_path / "shapes.rmf3"
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({})
    write_member(Plain(path), 0, tmp_path / "m", placement=MOTION)
    values = Plain(tmp_path / "m").values(0)
    found = values["shape", "coordinates list", "VECTOR3S"][node]
    assert [tuple(p.values()) for p in found] == [(10, 20, 30), (9, 20, 30)]


def test_null_frames_in_a_frame_fall_back_to_static(tmp_path):
    """A bead whose reference frame is stored as null in the frame has the static one."""
    system = System()
    source = system.write(tmp_path / "s", frames=1)
    nested = next(n["id"] for n in source.static["nodes"] if n["name"] == "nested")
    block = source.frames[0]["data"]["vector4_data"][0]["values"]
    inf = float("inf")
    block.append({"id": nested, "value": {"w": inf, "x": inf, "y": inf, "z": inf}})
    write_member(source, 0, tmp_path / "m", placement=MOTION)
    after = Plain(tmp_path / "m").values(0)["physics", "rotation", "VECTOR4"]
    assert after[nested]["w"] == inf, "a nested frame is left alone"


SWAP = Placement(HALF_TURN, np.array([1.0, 2.0, 3.0]), ((1, 0),))


def test_relabelled_copies_keep_their_particles(source, tmp_path):
    path = tmp_path / "swapped.rmf3"
    write_member(source, 1, path, placement=SWAP, groups=(GROUP,))
    clone = Plain(path)
    labels, before = source.beads(1)
    relabelled, after = clone.beads(0)
    assert relabelled == labels
    assert [(lab["copy index"], lab["chain id"]) for lab, _, _ in labels] == [(0, "A")] * 3 + [(1, "B")] * 3  # fmt: skip
    np.testing.assert_allclose(after, SWAP.apply(before, (GROUP,)), atol=2e-5)
    # node by node: positions moved rigidly, restraints as they were, labels changed hands
    for node, point in source.positions(1).items():
        rigid = HALF_TURN @ point + [1, 2, 3]
        np.testing.assert_allclose(clone.positions(0)[node], rigid, atol=2e-5)
    counts = changed(source.values(1), clone.values(0))
    assert counts["sequence", "copy index"] == counts["sequence", "chain id"] == 2
    assert ("feature", "representation") not in counts
    seen = set()
    for node in clone.static["nodes"]:
        assert seen.issuperset(node["parents"]), "parents come first"
        seen.add(node["id"])


def test_a_cycle_of_three_copies_goes_the_right_way(tmp_path):
    builder = StaticBuilder()
    top = builder.add_node("State_0", REPR, 0)
    builder.set("sequence", "state index", INT, top, 0)
    for copy in range(3):
        node = builder.add_node("A", REPR, top)
        builder.set("sequence", "molecule", INT, node, 1)
        builder.set("sequence", "copy index", INT, node, copy)
        if copy != 1:
            builder.set("sequence", "chain id", S, node, "X-Z"[copy])
        bead = builder.add_node("1", REPR, node)
        builder.set("physics", "coordinates", V3, bead, (copy, 0, 0))
        builder.add_node("B" * (copy + 1), REPR, top)
    path = tmp_path / "three.rmf3"
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({})
    group = CopyGroup("A", 0, (0, 1, 2), np.array([[0], [1], [2]]))
    write_member(
        Plain(path), 0, tmp_path / "m", placement=Placement(assignment=((1, 2, 0),)), groups=(group,)
    )  # fmt: skip
    clone = Plain(tmp_path / "m")
    labels, points = clone.beads(0)
    assert labels == Plain(path).beads(0)[0]
    assert points[:, 0].tolist() == [1, 2, 0]
    names = [n["name"] for n in clone.static["nodes"] if n["parents"] == [top]]
    assert names == ["A", "B", "A", "BB", "A", "BBB"]


def test_a_sub_complex_changes_place_molecule_by_molecule(tmp_path):
    builder = StaticBuilder()
    top = builder.add_node("State_0", REPR, 0)
    builder.set("sequence", "state index", INT, top, 0)
    for at, (name, copy) in enumerate([("A", 0), ("A", 1), ("B", 1), ("B", 0)]):
        node = builder.add_node(name, REPR, top)
        builder.set("sequence", "molecule", INT, node, 1)
        builder.set("sequence", "copy index", INT, node, copy)
        bead = builder.add_node("1", REPR, node)
        builder.set("physics", "coordinates", V3, bead, (at, 0, 0))
    path = tmp_path / "units.rmf3"
    with RmfWriter(path, builder.record()) as out:
        out.add_frame({})
    four = [Molecule("A", 0, 0), Molecule("A", 1, 0), Molecule("B", 1, 0), Molecule("B", 0, 0)]
    topology = Topology.simple(four, beads_per_molecule=1).with_units(["B.0/A.0 A.1/B.1"])
    groups = topology.copy_groups()
    placement = Placement(assignment=((1, 0),))
    write_member(Plain(path), 0, tmp_path / "m", placement=placement, groups=groups)
    clone = Plain(tmp_path / "m")
    labels, points = clone.beads(0)
    assert labels == Plain(path).beads(0)[0]
    assert points[:, 0].tolist() == [1, 0, 3, 2]
    np.testing.assert_array_equal(points, placement.apply(Plain(path).beads(0)[1], groups))


@pytest.mark.parametrize(
    ("groups", "assignment", "words"),
    [
        ((), ((1, 0),), "1 permutations of copies for 0 groups"),
        ((GROUP,), ((1, 1),), "not a permutation"),
        ((CopyGroup("A", 0, (0, 2), GROUP.beads),), ((1, 0),), "0 nodes are copy 2 of A"),
        ((CopyGroup("A", 1, (0, 1), GROUP.beads),), ((1, 0),), "in state 1"),
    ],
)
def test_assignments_that_do_not_fit(source, tmp_path, groups, assignment, words):
    path = tmp_path / "m"
    with pytest.raises(ConfigError, match=words) as caught:
        write_member(source, 0, path, placement=Placement(assignment=assignment), groups=groups)
    assert caught.value.hint
    assert not path.exists()


def test_new_provenance_goes_on_top(source, tmp_path):
    steps = (
        CombineProvenance(2, 400),
        FilterProvenance("Total score", -7.5, 20),
        SoftwareProvenance("congruence", "0.1", "https://example.org"),
        ClusterProvenance(12, 3.25, "../LPD_A.mrc"),
    )
    write_member(source, 0, tmp_path / "m", provenance=steps)
    clone = Plain(tmp_path / "m")
    values = clone.values(0)
    node, chain = 1, []
    while True:
        below = [n for n in clone.static["nodes"] if n["parents"] == [node] and n["type"] == 9]
        if not below:
            break
        assert len(below) == 1
        node = below[0]["id"]
        told = {k[1]: c[node] for k, c in values.items() if k[0] == "provenance" and node in c}
        chain.append((below[0]["name"], told))
    assert chain == [
        ("cluster", {"cluster members": 12, "cluster precision": 3.25, "cluster density": "../LPD_A.mrc"}),
        ("software", {"software name": "congruence", "software version": "0.1", "software location": "https://example.org"}),
        ("filter", {"filter method": "Total score", "filter threshold": -7.5, "filter frames": 20}),
        ("combined", {"combined runs": 2, "combined frames": 400}),
        ("sampling", {"sampling method": "Monte Carlo"}),
        ("script", {"script filename": "/abs/modeling.py"}),
    ]  # fmt: skip
    kept = {k: v for k, v in values.items() if k[0] != "provenance"}
    assert kept == {k: v for k, v in source.values(0).items() if k[0] != "provenance"}


def test_one_writer_serves_files_of_different_provenance(source, tmp_path):
    writer = MemberWriter(source)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for k in range(2):
        steps = (ClusterProvenance(k + 1, 2.0, name=f"cluster.{k}"),)
        writer.under(steps).write(0, tmp_path / "a" / str(k))
        write_member(source, 0, tmp_path / "b" / str(k), provenance=steps)
        assert (tmp_path / "a" / str(k)).read_bytes() == (tmp_path / "b" / str(k)).read_bytes()
    writer.write(0, tmp_path / "a" / "bare")
    write_member(source, 0, tmp_path / "b" / "bare")
    assert (tmp_path / "a" / "bare").read_bytes() == (tmp_path / "b" / "bare").read_bytes()


def test_paths_point_to_the_same_files(tmp_path):
    (tmp_path / "run" / "rmfs").mkdir(parents=True)
    (tmp_path / "out" / "cluster.0").mkdir(parents=True)
    system = System()
    system.builder.set("provenance", "image files", KeyType.STRINGS, 0, ["a.png", "", "/b.png"])
    system.builder.set("stat", "my_filename", S, 0, "kept.txt")
    source = system.write(tmp_path / "run" / "rmfs" / "0.rmf3")
    path = tmp_path / "out" / "cluster.0" / "0.rmf3"
    write_member(source, 0, path)
    values = Plain(path).values(0)
    moved = values["IMP restraint files", "filename", "STRING"][system.at["EV"]]
    assert moved == "../../run/data/map.txt"
    assert (path.parent / moved).resolve() == (tmp_path / "run" / "data" / "map.txt").resolve()
    assert values["provenance", "script filename", "STRING"] == {system.at["script"]: "/abs/modeling.py"}  # fmt: skip
    assert values["provenance", "image files", "STRINGS"][0] == ["../../run/rmfs/a.png", "", "/b.png"]  # fmt: skip
    assert values["stat", "my_filename", "STRING"] == {0: "kept.txt"}


def test_no_folder_to_write_to(source, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_member(source, 0, tmp_path / "none" / "m.rmf3")


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 2, 3)])
@pytest.mark.parametrize("angle", [0.0, 1e-6, 1.0, 3.0, np.pi, 5.0])
def test_quaternion_turns_as_its_matrix(axis, angle):
    unit = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -unit[2], unit[1]], [unit[2], 0, -unit[0]], [-unit[1], unit[0], 0]])
    matrix = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    expected = np.array([np.cos(angle / 2), *(np.sin(angle / 2) * unit)])
    found = quaternion(matrix)
    assert found[0] >= 0
    assert min(np.abs(found - expected).max(), np.abs(found + expected).max()) < 1e-12


# -- models of several files in one -----------------------------------------------------------


def nodes_of(joined, source):
    return match_nodes(StaticTable(joined.static), StaticTable(source.static))


def test_frames_of_replicas_read_back_equal(tmp_path):
    one = System().write(tmp_path / "1.rmf3")
    two = System(restraints_first=True, mass=(100.0, 90.0)).write(tmp_path / "2.rmf3")
    path = tmp_path / "models.rmf3"
    members = [Member(two, 1), Member(one, 0), Member(two, 0, MOTION, frame_name="x")]
    losses = Losses()
    write_models(members, path, losses=losses)
    joined = Plain(path)
    assert [f["info"]["name"] for f in joined.frames] == ["f1", "f0", "x"]
    assert [f["info"]["id"] for f in joined.frames] == [0, 1, 2]
    assert joined.statics == 1
    assert len(losses) == 0
    assert joined.frame_payload(0).body == two.frame_payload(1).body, "the first file gives the ids"
    for index, member in enumerate(members[:2]):
        nodes = nodes_of(joined, member.source)
        assert set(nodes) == set(member.source.nodes)
        before, after = member.source.positions(member.frame), joined.positions(index)
        assert {nodes[n]: p.tolist() for n, p in before.items()} == {
            n: p.tolist() for n, p in after.items()
        }
        values, found = member.source.values(member.frame), joined.values(index)
        for key, name in ((k, n) for k in (("physics", "mass", "FLOAT"), ("feature", "score", "FLOAT"), ("stat", "x", "STRING")) for n in values[k]):  # fmt: skip
            assert found[key][nodes[name]] == values[key][name], key
    np.testing.assert_allclose(joined.beads(2)[1], MOTION.apply(two.beads(0)[1], ()), atol=2e-5)
    representation = joined.values(1)["feature", "representation", "INTS"]
    nodes = nodes_of(joined, one)
    expected = [nodes[n] for n in one.values(0)["feature", "representation", "INTS"][nodes_back(nodes, "EV", one)]]  # fmt: skip
    assert sorted(*representation.values()) == sorted(expected)


def nodes_back(nodes, name, plain):
    return next(n for n in nodes if plain.nodes[n]["name"] == name)


def test_terms_that_only_some_files_have(tmp_path):
    one = System().write(tmp_path / "1.rmf3", frames=1)
    two = System(extra="'1', '3'").write(tmp_path / "2.rmf3", frames=1)
    for order in ([one, two], [two, one]):
        path = tmp_path / "models.rmf3"
        write_models([Member(s, 0) for s in order], path)
        joined = Plain(path)
        extra = next(n for n, row in joined.nodes.items() if row["name"] == "'1', '3'")
        assert joined.nodes[joined.nodes[extra]["parents"][0]]["name"] == "EV"
        scores = [
            joined.values(i).get(("feature", "score", "FLOAT"), {}).get(extra) for i in (0, 1)
        ]
        assert scores == [5.0 if s is two else None for s in order], "no score of another file"
        acts_on = joined.values(0)["feature", "representation", "INTS"][extra]
        assert [joined.nodes[n]["name"] for n in acts_on] == ["1"]


def test_values_that_a_file_lacks_do_not_leak_into_its_frames(tmp_path):
    with_color, without = System(), System()
    bead = with_color.at["0", 3]
    with_color.builder.set("physics", "diffusion coefficient", F, bead, 0.5)
    one = with_color.write(tmp_path / "1.rmf3", frames=1)
    two = without.write(tmp_path / "2.rmf3", frames=1)
    for order in ([one, two], [two, one]):
        write_models([Member(s, 0) for s in order], tmp_path / "models.rmf3")
        joined = Plain(tmp_path / "models.rmf3")
        key = ("physics", "diffusion coefficient", "FLOAT")
        found = [joined.values(i).get(key, {}).get(bead) for i in (0, 1)]
        assert found == [0.5 if s is one else None for s in order]


def test_a_relabelled_member_takes_over_the_nodes_of_the_other_copy(source, tmp_path):
    path = tmp_path / "models.rmf3"
    members = [Member(source, 0), Member(source, 1, SWAP, (GROUP,)), Member(source, 1)]
    write_models(members, path)
    joined = Plain(path)
    for index, member in enumerate(members):
        labels, points = joined.beads(index)
        before_labels, before = source.beads(member.frame)
        assert labels == before_labels
        place = member.placement or Placement()
        np.testing.assert_allclose(points, place.apply(before, (GROUP,)), atol=2e-5)
    at = System().at
    acts_on = [joined.values(i)["feature", "representation", "INTS"][at["EV"]] for i in range(3)]
    assert acts_on[0] == acts_on[2] == [at["0", 1], at["1", 2]]
    assert acts_on[1] == [at["1", 1], at["0", 2]], "the restraint follows its particles"


def test_files_of_different_topology_do_not_mix(source, tmp_path):
    other = System()
    other.builder.add_node("tail", REPR, other.at["1", "body"])
    path = tmp_path / "models.rmf3"
    two = other.write(tmp_path / "other.rmf3")
    with pytest.raises(
        FormatError, match=r"other\.rmf3.*differ under 'body'.*missing.*'tail'"
    ) as caught:
        write_models([Member(source, 0), Member(two, 0)], path)
    assert "same topology" in caught.value.hint
    renumbered = System()
    renumbered.builder.set("sequence", "residue indexes", II, renumbered.at["0", 1], [9])
    three = renumbered.write(tmp_path / "third.rmf3")
    with pytest.raises(FormatError, match="1 nodes differ in 'sequence/residue indexes'"):
        write_models([Member(source, 0), Member(three, 0)], path)
    assert not path.exists()


def test_values_of_unknown_nodes_are_counted(source, tmp_path):
    other = System(restraints_first=True).write(tmp_path / "2.rmf3")
    block = other.frames[0]["data"]["float_data"][0]["values"]
    block.append({"id": 9999, "value": 1.0})
    losses = Losses()
    write_models([Member(source, 0), Member(other, 0)], tmp_path / "m", losses=losses)
    assert len(losses) == 1
    assert "2.rmf3, frame 0" in losses.entries[0].where


def test_models_of_nothing(tmp_path):
    with pytest.raises(ConfigError, match="at least one"):
        write_models([], tmp_path / "m")


def test_joined_files_are_reproducible(source, tmp_path):
    two = System(restraints_first=True, extra="x").write(tmp_path / "2.rmf3")
    members = [Member(source, 0, SWAP, (GROUP,)), Member(two, 1), Member(source, 1)]
    for name in ("a", "b"):
        write_models(members, tmp_path / name, provenance=[CombineProvenance(1, 3)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(records(tmp_path / "a")) == 4
