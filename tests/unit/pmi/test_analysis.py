"""Labelled points: values from the reference's own tests, all checkable by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from congruence.errors import ConfigError, InputError, SelectionError, ShapeError
from congruence.io.mrc import read_mrc
from congruence.pmi.analysis import Alignment, Clustering, GetModelDensity, get_hiers_from_rmf

TRIO = [
    {"prot1": [(0, 0, 0)], "prot2..1": [(1, 1, 1)], "prot2..2": [(2, 2, 2)]},
    {"prot1": [(0, 0, 0)], "prot2..1": [(2, 2, 2)], "prot2..2": [(2, 1, 1)]},
    {"prot1": [(0, 0, 0)], "prot2..1": [(2, 2, 2)], "prot2..2": [(1, 1, 1)]},
]
WEIGHTS = {"prot1": [1], "prot2..1": [10], "prot2..2": [10]}


def rigid(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.linalg.det(q), rng.normal(size=3) * 50


def moved(points, rotation, shift):
    return {k: [tuple(rotation @ np.array(p) + shift) for p in v] for k, v in points.items()}


@given(st.integers(0, 10_000))
def test_align_undoes_a_rigid_motion(seed):
    template = {"prot1": [(1, 0, 0)], "prot2": [(0, 0, 1)], "prot3": [(0, 1, 0)]}
    query = moved(template, *rigid(np.random.default_rng(seed)))
    rmsd, motion = Alignment(template, query).align()
    assert rmsd == pytest.approx(0, abs=1e-7)
    back = {k: motion.apply(np.array(v), ()) for k, v in query.items()}
    assert Alignment(template, back).get_rmsd() == pytest.approx(0, abs=1e-7)
    one_more = {**back, "prot4": [(2, 1, 1)]}
    assert Alignment({**template, "prot4": [(1, 1, 1)]}, one_more).get_rmsd() == pytest.approx(0.5)


def test_two_points_on_a_line_align():
    one = {"prot1": [(1, 0, 0)], "prot2": [(0, 0, 0)]}
    query = moved(one, *rigid(np.random.default_rng(4)))
    rmsd, motion = Alignment(one, query).align()
    assert rmsd == pytest.approx(0, abs=1e-7)
    assert motion.apply(np.array(query["prot1"]), ()) == pytest.approx(np.array([[1.0, 0, 0]]))


def test_rmsd_of_one_shifted_point_in_two():
    one = {"prot1": [(0, 0, 0)], "prot2": [(1, 1, 1)]}
    two = {"prot1": [(0, 0, 0)], "prot2": [(2, 1, 1)]}
    assert Alignment(one, two).get_rmsd() == pytest.approx(1 / math.sqrt(2))
    weights = {"prot1": [1], "prot2": [10]}
    assert Alignment(one, two, weights).get_rmsd() == pytest.approx(math.sqrt(10 / 11))


def test_copies_take_each_others_place():
    assert Alignment(TRIO[0], TRIO[1]).get_rmsd() == pytest.approx(1 / math.sqrt(3))
    assert Alignment(TRIO[0], TRIO[2]).get_rmsd() == pytest.approx(0, abs=1e-7)


def test_points_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="no points labelled 'b'"):
        Alignment({"a": [(0, 0, 0)]}, {"b": [(0, 0, 0)]})
    with pytest.raises(ShapeError, match="has 1 points in one model and 2"):
        Alignment({"a": [(0, 0, 0)] * 2}, {"a": [(0, 0, 0)]})
    with pytest.raises(ShapeError, match="no points"):
        Alignment({}, {})
    with pytest.raises(ShapeError, match="1 points and weights of shape"):
        Alignment({"a": [(0, 0, 0)]}, {"a": [(0, 0, 0)]}, {"a": [1, 2]}).get_rmsd()


@pytest.fixture
def trio():
    clustering = Clustering(WEIGHTS)
    for i, coords in enumerate(TRIO):
        clustering.fill(f"m{i}", coords)
    clustering.dist_matrix()
    return clustering


def test_matrix_of_three_models(trio):
    d = trio.get_dist_matrix()
    assert d[0, 0] == 0
    assert d[1, 0] == d[0, 1] == pytest.approx(math.sqrt(10 / 21))
    assert d[2, 0] == pytest.approx(0, abs=1e-9)
    assert trio.model_list_names == ["m0", "m1", "m2"]


def test_a_template_superposes_on_its_labels():
    points = {"a": [(0, 0, 0), (3, 0, 0), (0, 4, 0), (0, 0, 5)], "b": [(1, 1, 1)]}
    other = moved({**points, "b": [(1, 1, 3)]}, *rigid(np.random.default_rng(0)))
    clustering = Clustering()
    clustering.set_template({"a": points["a"]})
    clustering.fill("one", points)
    clustering.fill("two", other)
    clustering.dist_matrix()
    assert clustering.raw_distance_matrix[0, 1] == pytest.approx(math.sqrt(4 / 5))


def test_clusters_and_their_names(trio):
    trio.do_cluster(2, seed=5)
    assert trio.get_cluster_labels() == [0, 1]
    assert trio.structure_cluster_ids == [0, 1, 0]
    assert trio.get_cluster_label_names(0) == ["m0", "m2"]
    assert trio.get_cluster_label_indexes(1) == [1]
    assert [trio.get_cluster_label_size(i) for i in (0, 1)] == [2, 1]
    assert trio.get_cluster_label_average_rmsd(0) == pytest.approx(0, abs=1e-9)
    assert trio.get_cluster_label_average_rmsd(1) == 0
    with pytest.raises(InputError, match="no cluster 2"):
        trio.get_cluster_label_names(2)
    with pytest.raises(ConfigError, match="4 clusters"):
        trio.do_cluster(4)


def test_questions_before_their_time_say_what_to_call():
    with pytest.raises(ConfigError) as caught:
        Clustering().get_dist_matrix()
    assert "dist_matrix()" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        Clustering().get_cluster_labels()
    assert "do_cluster" in caught.value.hint


def test_save_and_load(trio, tmp_path):
    trio.do_cluster(2)
    stem = str(tmp_path / "distances.mat")
    trio.save_distance_matrix_file(stem)
    again = Clustering()
    again.load_distance_matrix_file(stem)
    assert np.array_equal(again.get_dist_matrix(), trio.get_dist_matrix())
    assert again.get_dist_matrix().dtype == np.float64
    assert again.structure_cluster_ids == [0, 1, 0]
    assert again.get_cluster_label_names(0) == ["m0", "m2"]


def test_a_pickle_of_the_reference_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "d.data").write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError, match="pickle") as caught:
        Clustering().load_distance_matrix_file(str(tmp_path / "d"))
    assert "load_distance_matrix_file=False" in caught.value.hint
    with pytest.raises(InputError, match="no file"):
        Clustering().load_distance_matrix_file(str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3)), {"program": "congruence", "names": ["a", "b"]}),
        (np.full((2, 2), np.nan), {"program": "congruence", "names": ["a", "b"]}),
        (np.zeros((2, 2)), {"program": "congruence", "names": ["a"]}),
        (np.zeros((2, 2)), {"names": ["a", "b"]}),
        (np.array([{}, {}], dtype=object), {"program": "congruence", "names": ["a", "b"]}),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, array, words):
    np.save(tmp_path / "d.npy", array, allow_pickle=True)
    (tmp_path / "d.json").write_text(json.dumps(words))
    with pytest.raises(InputError) as caught:
        Clustering().load_distance_matrix_file(str(tmp_path / "d"))
    assert "again" in caught.value.hint


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_the_matrix_is_drawn(trio, tmp_path, suffix):
    trio.do_cluster(2)
    path = tmp_path / f"clustermatrix.{suffix}"
    trio.plot_matrix(str(path))
    first = path.read_bytes()
    assert first[:4] in (b"%PDF", b"\x89PNG")
    trio.plot_matrix(str(path))
    assert path.read_bytes() == first


def test_densities_of_models_read_one_by_one(sampling, tmp_path):
    root, _ = sampling
    rmf = str(root / "run1" / "output" / "rmfs" / "0.rmf3")
    tool = GetModelDensity({"beta": ["Beta"], "part": [("Gamma", 0), (1, 3, "Alpha")]}, voxel=4.0)
    for frame in (0, 1):
        tool.add_subunits_density(get_hiers_from_rmf(None, frame, rmf)[0])
    assert tool.get_density_keys() == ["beta", "part"]
    tool.write_mrc(str(tmp_path / "maps"), suffix="x")
    first = (tmp_path / "maps" / "beta.x.mrc").read_bytes()
    tool.write_mrc(str(tmp_path / "maps"), suffix="x")
    assert (tmp_path / "maps" / "beta.x.mrc").read_bytes() == first
    density = read_mrc(tmp_path / "maps" / "beta.x.mrc")
    hierarchy = get_hiers_from_rmf(None, 0, rmf)[0]
    beta = [m.name == "Beta" for m in hierarchy.topology.molecules]
    mine = np.array(beta)[hierarchy.topology.molecule_index]
    assert density.mass == pytest.approx(hierarchy.topology.mass[mine].sum(), rel=1e-3)
    low = np.array(density.grid.origin)
    high = low + (np.array(density.grid.shape) - 1) * density.grid.voxel
    assert (hierarchy.coordinates[mine] > low).all()
    assert (hierarchy.coordinates[mine] < high).all()


def test_density_errors(sampling):
    root, _ = sampling
    rmf = str(root / "run1" / "output" / "rmfs" / "0.rmf3")
    with pytest.raises(ConfigError, match="no model was added"):
        GetModelDensity({"a": ["Alpha"]}).write_mrc()
    with pytest.raises(ConfigError, match="no density 'b'"):
        GetModelDensity({"a": ["Alpha"]}).get_density("b")
    with pytest.raises(InputError, match="cannot add"):
        GetModelDensity({"a": ["Alpha"]}).add_subunits_density("hierarchy")
    with pytest.raises(SelectionError, match="Alpha"):
        GetModelDensity({"a": ["Nobody"]}).add_subunits_density(get_hiers_from_rmf(None, 0, rmf))
