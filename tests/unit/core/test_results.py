import numpy as np
import pytest
from scipy.spatial.distance import squareform

from congruence.core.grid import DensityMap, Grid
from congruence.core.provenance import Losses, content_key, versions
from congruence.core.results import Alignment, DistanceMatrix
from congruence.core.sources import ArraySource, CondensedSink, as_source
from congruence.errors import ShapeError


def matrix(m=7):
    values = np.random.default_rng(m).random(m * (m - 1) // 2).astype(np.float32)
    return DistanceMatrix(values, m, Alignment.NONE, names=tuple(f"n{i}" for i in range(m)))


@pytest.mark.parametrize("m", [1, 2, 3, 7])
def test_square_and_rows_agree_with_scipy(m):
    one = matrix(m)
    full = squareform(one.condensed) if m > 1 else np.zeros((1, 1))
    assert np.array_equal(one.square(), full)
    for i in range(m):
        assert np.array_equal(one.row(i), full[i])


def test_take_is_a_submatrix_in_the_given_order():
    one, picked = matrix(), np.array([4, 0, 6])
    taken = one.take(picked)
    assert np.array_equal(taken.square(), one.square()[np.ix_(picked, picked)])
    assert taken.names == ("n4", "n0", "n6")


def test_a_wrong_size_is_refused():
    with pytest.raises(ShapeError, match="3 models has 3 values"):
        DistanceMatrix(np.zeros(4), 3, Alignment.NONE)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_sink_puts_tiles_where_squareform_does(size):
    m = 7
    full = matrix(m).square().astype(np.float32)
    sink = CondensedSink(m)
    for i in range(0, m, size):
        for j in range(i, m, size):
            sink.put(i, j, full[i : i + size, j : j + size])
    assert np.array_equal(sink.values, squareform(full.astype(float)).astype(np.float32))
    assert sink.done() == set()


def test_sources():
    data = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    source = as_source(data)
    assert source.shape == (2, 4, 3)
    assert source.read(1, 2).dtype == np.float64
    assert as_source(source) is source
    with pytest.raises(ShapeError, match="models, beads, 3"):
        ArraySource(np.zeros((4, 3)))


def test_a_grid_holds_its_box_on_the_common_lattice():
    grid = Grid.around(np.array([-3.2, 0.0, 7.0]), np.array([4.0, 0.0, 9.0]), voxel=2.5, padding=6)
    low, n = np.array(grid.origin), np.array(grid.shape)
    assert np.allclose(low / 2.5, np.round(low / 2.5))
    assert (low <= np.array([-9.2, -6, 1])).all()
    assert (low + (n - 1) * 2.5 >= np.array([10, 6, 15])).all()
    assert grid.size == n.prod()


@pytest.mark.parametrize("voxel", [0.0, -1.0, float("nan")])
def test_impossible_voxels_are_refused(voxel):
    with pytest.raises(ShapeError, match="voxel"):
        Grid.around(np.zeros(3), np.ones(3), voxel=voxel, padding=1)


def test_mass_of_a_map():
    one = DensityMap("a", Grid((0, 0, 0), (2, 2, 2), 2.0), np.full((2, 2, 2), 0.5, np.float32))
    assert one.mass == 32.0


def test_losses_are_counted_by_reason():
    losses = Losses()
    losses.add("stat.0.out, line 3", "row", "unreadable")
    losses.add("stat.1.out", "row", "unreadable", count=4)
    losses.add("0.rmf3", "frame", "cut")
    assert len(losses) == 6
    assert losses.by_reason() == {"row: unreadable": 5, "frame: cut": 1}
    assert str(losses.entries[1]) == "stat.1.out: 4 rows left out: unreadable"


def test_versions_name_nothing_of_the_user(monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    assert "hunter2" not in str(versions())
    assert content_key([1]) != content_key([2])


def test_a_union_of_grids_holds_them_all():
    one = Grid((-10.0, 0.0, 5.0), (3, 4, 5), 5.0)
    two = Grid((0.0, -15.0, 5.0), (3, 1, 6), 5.0)
    assert Grid.union([one, two]) == Grid((-10.0, -15.0, 5.0), (5, 7, 6), 5.0)
    with pytest.raises(ShapeError, match="different voxels"):
        Grid.union([one, Grid((0, 0, 0), (1, 1, 1), 3.0)])


def test_what_is_left_out_is_counted_in_words():
    losses = Losses()
    losses.add("a.rmf3", "record", "cut", 3)
    losses.add("b.rmf3", "RMF file", "gone")
    losses.add("c.out", "coordinates of rows", "gone", 2)
    assert [str(e) for e in losses.entries] == [
        "a.rmf3: 3 records left out: cut",
        "b.rmf3: 1 RMF file left out: gone",
        "c.out: 2 coordinates of rows left out: gone",
    ]
