import gc
import pickle
import threading
import warnings

import numpy as np
import pytest
from tinyrmf import NODES, QUARTER, STATIC, Tiny, tiny_frames

from congruence.errors import FormatError, InputError, SelectionError
from congruence.io.rmf import open_rmf
from congruence.io.rmf.schema import NodeType, encode_record


@pytest.fixture
def file(tmp_path):
    return open_rmf(tiny_frames().write(tmp_path / "tiny.rmf3"))


LAYOUTS = [
    {"per_block": n, "codec": codec, "closed": closed}
    for n in (1, 2, 9)
    for codec in ("null", "deflate")
    for closed in (True, False)
]


@pytest.mark.parametrize("how", LAYOUTS)
def test_every_way_of_blocking_gives_the_same(tmp_path, how):
    file = open_rmf(tiny_frames(5).write(tmp_path / "x.rmf3", **how))
    assert len(file) == 5
    assert file.is_closed == how["closed"]
    assert len(file.losses) == 0
    assert file.frame_ids == (0, 1, 2, 3, 4)
    got = file.coordinates([4, 1])
    assert np.allclose(got[0], [(40, 1, 0), (38, 0, 0), (0, 4, 0)], atol=1e-6)
    assert np.allclose(got[1], [(10, 1, 0), (8, 0, 0), (0, 1, 0)], atol=1e-6)


def test_frame_of_a_fragment_moves_its_beads(file):
    # a quarter turn takes (1,0,0) to (0,1,0) and (0,2,0) to (-2,0,0)
    expected = [[(10 * k, 1, 0), (10 * k - 2, 0, 0), (0, k, 0)] for k in range(3)]
    assert np.allclose(file.coordinates(), expected, atol=1e-6)
    assert file.coordinates().dtype == np.float64


def test_alternative_does_not_take_its_owners_frame(file):
    topology = file.topology(10)
    assert topology.bead_name == ("Fragment [1-3)", "loose")
    assert np.allclose(file.coordinates([2], 10), [[(7, 8, 9), (0, 2, 0)]])


def test_topology_columns(file):
    topology = file.topology(1)
    assert topology.residues == ((1,), (2,), (3, 4, 5))
    assert topology.radius.tolist() == [2.0, 2.5, 5.0]
    assert topology.mass.tolist() == [100.0, 110.0, 330.0]
    assert topology.residue_type == ("MET", "GLY", "")
    assert topology.node_id.tolist() == [5, 6, 12]
    assert topology.resolution[:2].tolist() == [1.0, 1.0]
    assert np.isnan(topology.resolution[2])
    first, second = topology.molecules
    assert (first.name, first.copy, first.state, first.chain, first.sequence) == (
        "A", 0, 0, "A", "MG")  # fmt: skip
    assert (second.name, second.copy, second.chain) == ("A", 1, "B")


@pytest.mark.parametrize(
    ("want", "names"),
    [
        (0, ["1", "2", "loose"]),
        (3, ["1", "2", "loose"]),  # 3/1 - 1 = 2 < 10/3 - 1
        (3.3, ["Fragment [1-3)", "loose"]),
        (100, ["Fragment [1-3)", "loose"]),
        ("all", ["1", "2", "Fragment [1-3)", "gauss", "loose"]),
    ],
)
def test_nearest_representation_is_chosen(file, want, names):
    assert list(file.topology(want).bead_name) == names


def test_gaussians(file):
    centers, covariances, masses = file.gaussians([1, 2])
    # its own frame only: (0,0,0) -> (1,0,0); a quarter turn swaps x and y
    assert np.allclose(centers, [[(1, 0, 0)], [(1, 0, 0)]])
    assert np.allclose(covariances, [[np.diag([9, 4, 16])]] * 2, atol=1e-5)
    assert masses.tolist() == [211.0]
    assert file.gaussian_topology().residues == ((1, 2),)


def test_nested_frames(tmp_path):
    nodes = [*NODES[:4], (4, "body", 1, (3,)), (5, "bead", 1, (4,))]
    values = {
        "physics/radius/f": {5: 1.0},
        "physics/mass/f": {5: 1.0},
        "physics/coordinates/v3": {5: (1, 0, 0)},
        "physics/rotation/v4": {5: (2, 0, 0, 2)},  # not normalised
        "physics/translation/v3": {5: (0, 0, 5)},
    }
    tiny = Tiny().static(nodes, values)
    tiny.frame({"physics/rotation/v4": {4: QUARTER}, "physics/translation/v3": {4: (1, 0, 0)}})
    tiny.frame({})
    file = open_rmf(tiny.write(tmp_path / "nested.rmf3"))
    # own frame: (0,1,5); then the body's: (-1,0,5) + (1,0,0); without the body (0,1,5)
    assert np.allclose(file.coordinates(), [[(0, 0, 5)], [(0, 1, 5)]], atol=1e-6)


def test_null_in_a_frame_is_the_static_value(tmp_path):
    tiny = Tiny().static(NODES, STATIC)
    inf = float("inf")
    tiny.frame({"physics/coordinates/v3": {5: (inf, 1, 1), 12: (3, 3, 3)}})
    file = open_rmf(tiny.write(tmp_path / "null.rmf3"))
    assert np.allclose(file.coordinates()[0], [(1, 0, 0), (0, 2, 0), (3, 3, 3)])
    assert file.value(5, "physics", "coordinates", 0) == (1.0, 0.0, 0.0)


def test_scores(file):
    scores = file.restraint_scores()
    assert list(scores) == ["Score", "Score/term", "Score (2)"]
    assert scores["Score"].tolist() == [0.5, 0.0, 2.5]  # IMP does not store zeros
    assert scores["Score (2)"].tolist() == [0.0, 0.0, 0.0]
    first, term, _ = file.restraints()
    assert (first.weight, first.nodes, first.info["type"]) == (2.0, (5, 12), "Test")
    assert (term.parent, term.node_id) == ("Score", 17)


def test_provenance_is_newest_first(file):
    sampling, script = file.provenance()
    assert (sampling.kind, dict(sampling.fields)) == (
        "sampling", {"frames": 3, "method": "Monte Carlo"})  # fmt: skip
    assert (script.kind, script.fields["filename"]) == ("script", "run.py")
    assert file.structure_provenance() == {}


def test_statistics(file):
    assert file.stat_keys() == ("Total", "energy", "step")
    assert {k: v.tolist() for k, v in file.stat().items()} == {
        "Total": ["1.5", "1.25", "2.25"],
        "energy": [0.5, 0.5, 2.5],
        "step": [0, 1, 2],
    }
    assert file.stat(["step"], [2, 0])["step"].tolist() == [2, 0]
    with pytest.raises(SelectionError, match="'nothing'") as caught:
        file.stat(["nothing"])
    assert "Total, energy, step" in caught.value.hint


def test_values_and_defaults(file):
    assert file.value(13, "feature", "score", 1) == 0.0
    assert file.value(13, "feature", "score") is None
    assert file.value(3, "sequence", "chain type") == "UnknownChainType"
    assert file.value(4, "sequence", "chain type") is None
    assert file.value(12, "physics", "coordinates") is None
    assert file.value(12, "physics", "coordinates", 2) == (0.0, 2.0, 0.0)
    assert file.nodes[4].children == (5, 6)
    assert file.nodes[7].parents == ()
    assert file.nodes[13].type is NodeType.FEATURE


def test_frames_are_copied_byte_by_byte(tmp_path):
    tiny = tiny_frames()
    file = open_rmf(tiny.write(tmp_path / "x.rmf3", per_block=9))
    payload = file.frame_payload(2)
    assert encode_record(tiny.records[3]).endswith(payload.body)
    assert encode_record(tiny.records[3]) == bytes([0, 4, 0, 2, 0]) + payload.body
    assert (payload.id, payload.name, payload.type, payload.parents) == (2, "", 1, ())


def test_static_records_are_merged_by_key_and_node(tmp_path):
    tiny = tiny_frames(2)
    tiny.static(
        [(18, "late", 3, (13,)), (2, "renamed", 1, ())],
        {"feature/representation/I": {18: [6]}, "physics/radius/f": {12: 6.0}},
        description="second",
        producer="",
    )
    tiny.frame({"physics/coordinates/v3": {12: (0, 0, 0)}})
    file = open_rmf(tiny.write(tmp_path / "late.rmf3", per_block=2))
    assert (file.description, file.producer) == ("second", "test")
    assert file.value(13, "feature", "representation") == (5, 12)
    assert file.value(18, "feature", "representation") == (6,)
    assert file.topology().radius[-1] == 6.0
    assert file.nodes[2].name == "renamed"
    assert len(file) == 3
    again = Tiny()
    again.records = [file.static_record(), *(r for r in tiny.records if "id" in r["info"])]
    copy = open_rmf(again.write(tmp_path / "copy.rmf3"))
    assert copy.nodes == file.nodes
    assert copy.static_record() == file.static_record()
    assert np.array_equal(copy.coordinates(), file.coordinates())


def test_missing_frame_is_named(file):
    with pytest.raises(InputError, match=r"no frame 3: it holds 3 whole frames, numbered 0 to 2"):
        file.coordinates([0, 3])
    assert file.has_frame(2)
    assert not file.has_frame(3)
    assert file.coordinates(slice(1, 99)).shape == (2, 3, 3)
    assert file.coordinates([]).shape == (0, 3, 3)
    assert file.coordinates(1).shape == (1, 3, 3)


def test_states(tmp_path, file):
    assert len(file.topology(state=0)) == 3
    with pytest.raises(SelectionError, match="no state 7") as caught:
        file.topology(state=7)
    assert "0" in caught.value.hint
    two = Tiny().static(
        [(0, "root", 0, ()), (1, "S0", 1, (0,)), (2, "S1", 1, (0,)), (3, "b", 1, (1,)),
         (4, "b", 1, (2,))],
        {"sequence/state index/i": {1: 0, 2: 1}, "physics/radius/f": {3: 1.0, 4: 1.0},
         "physics/mass/f": {3: 1.0, 4: 1.0}, "physics/coordinates/v3": {3: (0, 0, 0), 4: (1, 1, 1)}},
    ).frame({})  # fmt: skip
    file = open_rmf(two.write(tmp_path / "two.rmf3"))
    assert file.topology().state.tolist() == [0, 1]
    assert file.coordinates(state=1).tolist() == [[[1.0, 1.0, 1.0]]]
    without = Tiny().static(
        [(0, "root", 0, ()), (1, "b", 1, (0,))],
        {"physics/radius/f": {1: 1.0}, "physics/mass/f": {1: 1.0},
         "physics/coordinates/v3": {1: (0, 0, 0)}},
    ).frame({})  # fmt: skip
    assert len(open_rmf(without.write(tmp_path / "none.rmf3")).topology(state=1)) == 1


def test_odd_graphs(tmp_path):
    nodes = [*NODES[:4], (4, "x", 1, (3, 2)), (5, "new kind", 99, (3,)), (3, "A", 1, (4,))]
    values = {"physics/radius/f": {}, "physics/mass/f": {}}
    tiny = Tiny().static([*nodes, (6, "b", 1, (4,))], {
        "physics/radius/f": {6: 1.0, 5: 1.0}, "physics/coordinates/v3": {6: (1, 2, 3)}})  # fmt: skip
    file = open_rmf(tiny.frame(values).write(tmp_path / "odd.rmf3"))
    assert file.nodes[5].type is NodeType.INVALID
    assert file.nodes[4].parents == (3, 2)
    assert file.topology().bead_name == ("b",)  # once, though on two paths and a loop


def test_no_node_0(tmp_path):
    tiny = Tiny().static([(4, "b", 1, ())], {
        "physics/radius/f": {4: 1.0}, "physics/coordinates/v3": {4: (1, 2, 3)}}).frame({})  # fmt: skip
    file = open_rmf(tiny.write(tmp_path / "rootless.rmf3"))
    assert file.coordinates().tolist() == [[[1.0, 2.0, 3.0]]]
    assert any("node 0" in entry.why for entry in file.losses.entries)


def test_pmi1_layout(tmp_path):
    nodes = [
        (0, "root", 0, ()), (1, "P0", 1, (0,)), (2, "m", 1, (1,)), (3, "Beads", 1, (2,)),
        (4, "m_Res:1", 1, (2,)), (5, "m_Res:10", 1, (2,)), (6, "Densities", 1, (2,)),
        (7, "flex", 1, (3,)), (8, "r1", 1, (4,)), (9, "r10", 1, (5,)), (10, "g", 1, (6,)),
    ]  # fmt: skip
    leaves = range(7, 11)
    tiny = Tiny().static(nodes, {
        "sequence/molecule/i": {2: 1},
        "physics/radius/f": dict.fromkeys(leaves, 1.0),
        "physics/mass/f": dict.fromkeys(leaves, 1.0),
        "physics/variances/v3": dict.fromkeys(leaves, (1, 1, 1)),
        "physics/coordinates/v3": dict.fromkeys(leaves, (0, 0, 0)),
    }).frame({})  # fmt: skip
    file = open_rmf(tiny.write(tmp_path / "pmi1.rmf3"))
    assert file.topology(0).bead_name == ("flex", "r1")
    assert file.topology(2).bead_name == ("flex", "r1")
    assert file.topology(10).bead_name == ("flex", "r10")
    assert file.topology("all").bead_name == ("flex", "r1", "r10", "g")
    assert file.gaussian_topology().bead_name == ("g",)
    assert file.topology(10).resolution[1] == 10.0


def test_leaves_without_position_are_counted(tmp_path):
    tiny = Tiny().static(
        [*NODES[:4], (4, "here", 1, (3,)), (5, "nowhere", 1, (3,))],
        {"physics/radius/f": {4: 1.0, 5: 1.0}, "physics/coordinates/v3": {4: (0, 0, 0)}},
    ).frame({})  # fmt: skip
    file = open_rmf(tiny.write(tmp_path / "x.rmf3"))
    assert file.topology().bead_name == ("here",)
    assert file.losses.by_reason() == {
        "bead at resolution 1: without a radius or without coordinates": 1
    }


def test_frame_without_the_coordinates_of_a_bead(tmp_path):
    tiny = tiny_frames(2).frame({})
    file = open_rmf(tiny.write(tmp_path / "x.rmf3"))
    assert file.coordinates([0, 1]).shape == (2, 3, 3)
    with pytest.raises(FormatError, match=r"frame 2.*'loose'.*no coordinates"):
        file.coordinates()


def test_files_with_equal_static_data_share_their_topology(tmp_path):
    one = open_rmf(tiny_frames(1).write(tmp_path / "1.rmf3", per_block=9))
    two = open_rmf(tiny_frames(1).write(tmp_path / "2.rmf3", per_block=9))
    assert one.topology() is two.topology()


def test_pickled_as_its_path(file):
    again = pickle.loads(pickle.dumps(file))
    assert np.array_equal(again.coordinates(), file.coordinates())


def test_read_by_several_threads(tmp_path):
    path = tiny_frames(40).write(tmp_path / "x.rmf3", codec="deflate", per_block=3)
    expected = open_rmf(path).coordinates()
    file, found = open_rmf(path), []
    threads = [
        threading.Thread(target=lambda k=k: found.append((k, file.coordinates([k, 39 - k]))))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(np.array_equal(x, expected[[k, 39 - k]]) for k, x in found)


def test_no_file_stays_open(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        path = tiny_frames().write(tmp_path / "x.rmf3")
        len(open_rmf(path))
        gc.collect()
    path.unlink()


def test_impossible_resolution(file):
    with pytest.raises(InputError, match="resolution -1"):
        file.topology(-1)
