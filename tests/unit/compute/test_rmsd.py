import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from congruence.compute import _blocks, _packing
from congruence.compute._tiles import chosen_precision
from congruence.compute.metric import Metric
from congruence.compute.rmsd import estimate, place, rmsd_matrix, rmsd_tiles
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.results import Alignment
from congruence.core.sources import ArraySource, CondensedSink
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, SelectionError, ShapeError

RNG = np.random.default_rng(21)
MODES = ["none", "center", "superpose"]


def table(m):
    names, numbers = np.array(["run"] * m, dtype=object), np.arange(m)
    return ModelTable(names, numbers, names, numbers, numbers, names, names, numbers, np.zeros(m))


def ensemble(coordinates, *molecules, residues=1):
    topology = Topology.simple(
        list(molecules), beads_per_molecule=coordinates.shape[1] // len(molecules)
    )
    if residues != 1:
        spans = tuple(tuple(range(10 * i, 10 * i + 1 + i % residues)) for i in range(len(topology)))
        topology = Topology(
            **{
                **{f: getattr(topology, f) for f in topology.__dataclass_fields__},
                "residues": spans,
            }
        )
    return Ensemble(coordinates, topology, table(len(coordinates)))


TWO = (Molecule("A", 0), Molecule("B", 0))
COPIES = (Molecule("A", 0), Molecule("A", 1), Molecule("B", 0))


def test_distances_that_can_be_checked_by_hand():
    x = np.zeros((3, 2, 3))
    x[1] += [3.0, 4, 0]
    x[2, 1] = [0, 0, 2]
    matrix = rmsd_matrix(x, alignment="none")
    np.testing.assert_allclose(matrix.condensed, [5.0, np.sqrt(2), np.sqrt((25 + 29) / 2)])
    centered = rmsd_matrix(x, alignment="center")
    np.testing.assert_allclose(centered.condensed, [0.0, 1.0, 1.0], atol=1e-12)
    assert (matrix.alignment, matrix.weights, matrix.m) == (Alignment.NONE, "none", 3)


def test_residues_weigh_the_beads_of_an_ensemble():
    x = RNG.normal(size=(4, 6, 3))
    data = ensemble(x, *TWO, residues=3)
    w = data.topology.residue_counts
    assert w.tolist() == [1, 2, 3, 1, 2, 3]
    matrix = rmsd_matrix(data, alignment="none")
    expected = [
        np.sqrt((w * ((x[i] - x[j]) ** 2).sum(1)).sum() / w.sum())
        for i, j in itertools.combinations(range(4), 2)
    ]
    np.testing.assert_allclose(matrix.condensed, expected)
    assert matrix.weights == "residues"
    assert matrix.names == data.models.names
    plain = rmsd_matrix(data, alignment="none", weights="none")
    np.testing.assert_allclose(plain.condensed, rmsd_matrix(x, alignment="none").condensed)


def test_fit_weights_none_is_another_distance_and_is_recorded():
    data = ensemble(RNG.normal(size=(4, 6, 3)) * 9, *TWO, residues=3)
    same = rmsd_matrix(data, alignment="superpose")
    imp = rmsd_matrix(data, alignment="superpose", fit_weights="none")
    assert (imp.condensed > same.condensed).all()
    assert imp.definition["fit_weights"] == "none"
    assert imp.definition["weights"] == "residues"


def test_selections_of_an_ensemble_are_those_beads():
    x = RNG.normal(size=(5, 8, 3)) * 10
    data = ensemble(x, *TWO)
    found = rmsd_matrix(data, alignment="superpose", measure="A + B", on="A:1-4")
    expected = rmsd_matrix(x, alignment="superpose", on=np.arange(4))
    np.testing.assert_array_equal(found.condensed, expected.condensed)
    assert found.definition["on"] == "A:1-4 (4 of 8 beads)"
    several = rmsd_matrix(data, alignment="none", measure=["A", "B:2"])
    np.testing.assert_array_equal(
        several.condensed, rmsd_matrix(x, alignment="none", measure=np.r_[0:4, 5]).condensed
    )


def test_copies_are_exchanged_only_when_selected_alike():
    x = RNG.normal(size=(6, 9, 3)) * 10
    x[1] = x[0][[3, 4, 5, 0, 1, 2, 6, 7, 8]]
    data = ensemble(x, *COPIES)
    assert rmsd_matrix(data, alignment="none").condensed[0] < 1e-9
    assert rmsd_matrix(data, alignment="none", copies="off").condensed[0] > 1
    whole = rmsd_matrix(data, alignment="none")
    assert whole.definition["copies"] == "interchanged: A x 2"
    one = rmsd_matrix(data, alignment="none", measure="A@0 + B")
    assert one.definition["copies"] == "none to interchange"
    assert one.condensed[0] > 1
    fixed = rmsd_matrix(data, alignment="superpose", measure="A", on="A@0 + B")
    assert fixed.definition["copies"] == "none to interchange"


def test_copies_of_unequal_weights_are_not_exchanged():
    x = RNG.normal(size=(3, 4, 3))
    groups = (np.array([[0, 1], [2, 3]]),)
    weights = np.array([1.0, 1, 1, 2])
    matrix = rmsd_matrix(x, alignment="none", weights=weights, copies=groups)
    off = rmsd_matrix(x, alignment="none", weights=weights)
    np.testing.assert_array_equal(matrix.condensed, off.condensed)
    assert (matrix.weights, matrix.definition["copies"]) == ("given", "none to interchange")


@pytest.mark.parametrize("alignment", MODES)
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_bytes_do_not_depend_on_threads_blocks_or_edges(alignment, precision):
    m = 300
    x = RNG.normal(size=(m, 20, 3)) * 30
    x[17] = x[250]
    reference = rmsd_matrix(x, alignment=alignment, precision=precision, threads=1).condensed
    again = rmsd_matrix(x, alignment=alignment, precision=precision, threads=3).condensed
    assert reference.tobytes() == again.tobytes()
    for edge, memory, threads in ((128, 1, 2), (256, 10**9, 2), (256, 128 * 20 * 3 * 8 * 2, 1)):
        sink = CondensedSink(m, dtype=np.float64)
        words = {"precision": precision, "edge": edge, "memory": memory, "threads": threads}
        rmsd_tiles(Reading(x), sink, Metric(alignment), **words)
        assert sink.values.tobytes() == reference.tobytes()


class Reading:
    """A source that counts what it is asked for."""

    def __init__(self, x):
        self.x, self.models, self.largest = x, 0, 0
        self.shape = x.shape

    def read(self, start, stop):
        self.models += stop - start
        self.largest = max(self.largest, stop - start)
        return self.x[start:stop]


def test_a_source_is_read_in_tiles_and_again_when_memory_is_small():
    x = RNG.normal(size=(600, 4, 3))
    whole, small = Reading(x), Reading(x)
    sink = CondensedSink(600)
    rmsd_tiles(whole, sink, Metric("superpose"), edge=128)
    rmsd_tiles(small, sink, Metric("superpose"), edge=128, memory=1)
    assert whole.models == 600
    assert whole.largest == small.largest == 128
    assert small.models > 600


class Remembering:
    def __init__(self, done=()):
        self.already, self.tiles = set(done), {}

    def done(self):
        return self.already

    def put(self, i, j, tile):
        self.tiles[i, j] = tile


def test_tiles_that_are_done_are_not_computed_again():
    x = RNG.normal(size=(300, 5, 3)) * 20
    every, rest, calls = Remembering(), Remembering({(0, 0), (0, 128)}), []
    rmsd_tiles(x, every, Metric("superpose"), edge=128)
    rmsd_tiles(
        x,
        rest,
        Metric("superpose"),
        edge=128,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert list(every.tiles) == [(0, 0), (0, 128), (0, 256), (128, 128), (128, 256), (256, 256)]
    assert list(rest.tiles) == list(every.tiles)[2:]
    assert calls == [(3, 6), (4, 6), (5, 6), (6, 6)]
    for key, tile in rest.tiles.items():
        np.testing.assert_array_equal(tile, every.tiles[key])
    diagonal = every.tiles[256, 256]
    assert diagonal.shape == (44, 44)
    np.testing.assert_array_equal(diagonal, diagonal.T)
    assert not diagonal.diagonal().any()


def test_result_in_single_storage_is_the_rounded_one():
    x = RNG.normal(size=(9, 5, 3)) * 20
    single = rmsd_matrix(x, alignment="superpose", dtype=np.float32).condensed
    double = rmsd_matrix(x, alignment="superpose").condensed
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))


def test_mixed_precision_is_given_up_for_models_too_close():
    x = RNG.normal(size=(1, 50, 3)) * 80 + RNG.normal(size=(40, 50, 3)) * 0.1
    matrix = rmsd_matrix(x, alignment="superpose", precision="mixed")
    assert "too close" in matrix.definition["precision"]
    np.testing.assert_array_equal(matrix.condensed, rmsd_matrix(x, alignment="superpose").condensed)


def test_large_jobs_are_mixed_unless_told_otherwise():
    x = RNG.normal(size=(1415, 6, 3)) * 30
    x[[7, 900, 1400]] = x[5] + [[[1e-4, 0, 0]], [[0.0, 0, 0]], [[0.01, 0, 0]]]
    words = {"alignment": "none", "threads": 1}
    small = rmsd_matrix(x[:1414], **words)
    assert small.definition["precision"] == "double"
    large, exact = rmsd_matrix(x, **words), rmsd_matrix(x, **words, precision="double")
    assert (large.definition["precision"], exact.definition["precision"]) == ("mixed", "double")
    off = np.abs(large.condensed - exact.condensed)
    assert 1e-9 < off.max() < 1e-3
    near = large.square()[5, [7, 900, 1400]]
    np.testing.assert_allclose(near, [1e-4, 0.0, 0.01], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(small.square(), exact.square()[:1414, :1414])


def test_auto_precision_follows_the_number_of_pairs():
    assert chosen_precision("auto", 999_999) == "double"
    assert chosen_precision("auto", 1_000_000) == "mixed"
    assert chosen_precision("double", 10**9) == "double"
    assert chosen_precision("mixed", 1) == "mixed"


def test_where_other_beads_are_superposed_auto_is_double():
    x = RNG.normal(size=(1415, 5, 3)) * 30
    found = rmsd_matrix(x, alignment="superpose", on=np.arange(4), threads=1)
    assert found.definition["precision"] == "double"


def test_without_numba_everything_but_the_time_is_the_same():
    """In an interpreter that has no numba: superposition and copies, beyond a million pairs."""
    script = """
import sys
sys.modules["numba"] = None
import numpy as np
from congruence.compute.rmsd import place, rmsd_matrix
x = np.load(sys.argv[1])
groups = (np.array([[0, 1], [2, 3]]),)
found = rmsd_matrix(x, alignment="superpose", copies=groups, precision="double")
place(x, [3], 1, alignment="superpose", copies=groups)
assert "numba.core" not in sys.modules
np.save(sys.argv[2], found.condensed)
"""
    x = RNG.normal(size=(1420, 6, 3)) * 30
    groups = (np.array([[0, 1], [2, 3]]),)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "x.npy", Path(folder) / "d.npy"
        np.save(given, x)
        subprocess.run([sys.executable, "-c", script, given, made], check=True)
        without = np.load(made)
    found = rmsd_matrix(x, alignment="superpose", copies=groups, precision="double").condensed
    np.testing.assert_allclose(without, found, rtol=0, atol=1e-9)


@pytest.mark.parametrize("m", [1, 2, 128, 129])
def test_numbers_of_models_at_the_edge_of_a_tile(m):
    x = RNG.normal(size=(m, 3, 3))
    found = rmsd_matrix(x, alignment="center").square()
    y = x - x.mean(axis=1, keepdims=True)
    expected = np.sqrt(((y[:, None] - y[None]) ** 2).sum(axis=(2, 3)) / 3)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_compiled_and_plain_kernels_agree(monkeypatch):
    x = RNG.normal(size=(140, 10, 3)) * 30
    found = {}
    for kernel in ("numpy", "numba"):
        monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
        found[kernel] = rmsd_matrix(x, alignment="superpose").condensed
    np.testing.assert_allclose(found["numpy"], found["numba"], rtol=0, atol=1e-9)


def test_small_jobs_wait_for_no_compiler(monkeypatch):
    from congruence.compute._eigen import COMPILED_PAIRS, largest_eigenvalues, stage

    monkeypatch.delenv("CONGRUENCE_KERNEL", raising=False)
    assert stage(COMPILED_PAIRS - 1).solve is largest_eigenvalues
    assert stage(COMPILED_PAIRS).solve is not largest_eigenvalues


def test_placements_keep_to_their_alignment():
    data = ensemble(RNG.normal(size=(4, 9, 3)) * 10, *COPIES)
    still = place(data, [0, 1, 2, 3], 2, alignment="none")
    assert all(p.is_still for p in still)
    assert still[2].is_identity
    assert still[2].assignment == ((0, 1),)
    shifted = place(data, [1], 2, alignment="center")[0]
    np.testing.assert_array_equal(shifted.rotation, np.eye(3))
    assert shifted.translation.any()
    assert place(data, [1], 2, alignment="none", copies="off")[0].assignment == ()


def test_placements_name_every_group_of_the_topology():
    x = RNG.normal(size=(2, 8, 3)) * 10
    x[1] = x[0][[2, 3, 0, 1, 6, 7, 4, 5]]
    four = (Molecule("A", 0), Molecule("A", 1), Molecule("B", 0), Molecule("B", 1))
    data = ensemble(x, *four)
    assert place(data, [1], 0, alignment="none")[0].assignment == ((1, 0), (1, 0))
    only = place(data, [1], 0, alignment="none", measure="B")[0]
    assert only.assignment == ((0, 1), (1, 0))


def test_not_finite_models_are_named():
    x = RNG.normal(size=(200, 4, 3))
    x[150, 2, 1] = np.nan
    x[3, 0, 0] = np.inf
    with pytest.raises(ShapeError, match=r"model 3 are not finite"):
        rmsd_matrix(x, alignment="superpose")
    with pytest.raises(ShapeError, match=r"model 150 "):
        place(x, [150], 1, alignment="center")
    x[150] = 0.0
    found = rmsd_matrix(x, alignment="none", measure=np.array([1, 2]))
    assert np.isfinite(found.condensed).all()


def test_a_free_turn_about_a_line_is_refused():
    x = RNG.normal(size=(5, 6, 3))
    with pytest.raises(ShapeError, match="lie on a line") as caught:
        rmsd_matrix(x, alignment="superpose", on=np.array([0, 1]))
    assert "three or more" in caught.value.hint
    inside = rmsd_matrix(x, alignment="superpose", on=np.array([0, 1]), measure=np.array([0, 1]))
    assert len(inside.condensed) == 10


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({}, ConfigError, "alignment of the distance is missing"),
        ({"alignment": "align"}, ConfigError, "none, center, superpose"),
        ({"alignment": "none", "on": np.arange(2)}, ConfigError, "'on' names beads"),
        ({"alignment": "none", "weights": "mass"}, ConfigError, "weights is 'mass'"),
        ({"alignment": "none", "copies": "yes"}, ConfigError, "copies is 'yes'"),
        ({"alignment": "none", "measure": "A"}, SelectionError, "plain coordinates"),
        ({"alignment": "none", "measure": np.array([9])}, ShapeError, "from 0 to 5"),
        ({"alignment": "none", "measure": np.array([], int)}, ShapeError, "one or more"),
        ({"alignment": "none", "measure": np.array([0.5])}, ShapeError, "float64"),
        ({"alignment": "none", "weights": np.zeros(6)}, ShapeError, "are zero"),
        ({"alignment": "none", "weights": -np.ones(6)}, ShapeError, "none negative"),
        ({"alignment": "none", "weights": np.ones(5)}, ShapeError, "weights must be 6"),
        ({"alignment": "none", "copies": (np.arange(6),)}, ShapeError, "shape"),
        ({"alignment": "none", "copies": (np.zeros((2, 1), int),)}, ShapeError, "at most once"),
        ({"alignment": "none", "threads": 0}, ConfigError, "threads is 0"),
        ({"alignment": "none", "precision": "half"}, ConfigError, "precision"),
        ({"metric": Metric("none"), "weights": "none"}, ConfigError, "both a metric and weights"),
    ],
)
def test_unusable_calls_are_refused(words, error, match):
    with pytest.raises(error, match=match):
        rmsd_matrix(np.zeros((3, 6, 3)), **words)


def test_too_many_copies_under_superposition_are_refused_before_reading():
    source = Reading(RNG.normal(size=(3, 8, 3)))
    with pytest.raises(ConfigError, match="40,320"):
        rmsd_matrix(source, alignment="superpose", copies=(np.arange(8)[:, None],))
    assert source.models == 0
    on = {"on": np.array([8, 9, 10]), "copies": (np.arange(8)[:, None],)}
    assert rmsd_matrix(RNG.normal(size=(3, 11, 3)), alignment="superpose", **on).m == 3


def test_other_refusals():
    with pytest.raises(ShapeError, match="must have shape"):
        rmsd_matrix(np.zeros((3, 3)), alignment="none")
    with pytest.raises(ShapeError, match="nothing can be compared"):
        rmsd_matrix(np.zeros((0, 5, 3)), alignment="none")
    with pytest.raises(ConfigError, match="multiple of 128"):
        rmsd_tiles(np.zeros((2, 2, 3)), CondensedSink(2), Metric("none"), edge=100)
    with pytest.raises(ShapeError, match="model 7 does not exist"):
        place(np.zeros((2, 2, 3)), [7], 0, alignment="none")


def test_errors_leave_the_threads_in_order():
    def fails(item):
        if item == 5:
            raise ValueError(item)
        return item * item

    seen = []
    with pytest.raises(ValueError, match="5"):
        seen.extend(_blocks.in_order(fails, range(50), 2))
    assert list(_blocks.in_order(lambda v: v + 1, range(20), 3)) == [(v, v + 1) for v in range(20)]


def test_estimates_grow_as_the_work_does():
    small = estimate(1000, 500, alignment="superpose", threads=2, rate=1e11)
    large = estimate(100_000, 500, alignment="superpose", threads=2, rate=1e11)
    still = estimate(100_000, 500, alignment="none", threads=2, rate=1e11)
    assert (small.pairs, small.tiles) == (499_500, 36)
    assert large.seconds > 1000 * small.seconds
    assert still.seconds < large.seconds
    assert large.memory_bytes > 100_000 * 500 * 24
    assert estimate(64, 10, alignment="superpose", copies=(4, 2), rate=1e11).assignments == 48
    assert "4,999,950,000 distances" in large.text()
    assert "h with 2 threads" in large.text() or "min with 2 threads" in large.text()
    assert estimate(300, 50, alignment="none").seconds > 0


def test_the_last_tile_is_padded_with_its_last_model():
    from congruence.compute._resolve import resolve

    x = RNG.normal(size=(130, 3, 3))
    packed = _packing.Packer(resolve(ArraySource(x), Metric("superpose"))).tile(128)
    assert (packed.start, packed.count, len(packed.measure.squares)) == (128, 2, 128)
    assert (packed.measure.squares[1:] == packed.measure.squares[1]).all()


def test_the_kernel_works_where_nothing_can_be_cached(monkeypatch):
    from congruence.compute import _compiling

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function)

    monkeypatch.setattr(_compiling.numba, "njit", njit)
    assert _compiling.compiled()(len) == ("compiled", len)


def test_without_numba_the_plain_kernel_is_used(monkeypatch):
    import congruence.compute
    from congruence.compute._eigen import largest_eigenvalues, stage

    monkeypatch.delattr(congruence.compute, "_kernels", raising=False)
    monkeypatch.setitem(sys.modules, "congruence.compute._kernels", None)
    assert stage(10**9, "numba").solve is largest_eigenvalues
