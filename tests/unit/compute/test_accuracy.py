"""Accuracy against a known structure: what is matched, copies, placement errors."""

from dataclasses import replace

import numpy as np
import pytest

from congruence.compute.accuracy import accuracy, compare, match_reference, placement_errors
from congruence.core.precision import ReferenceStructure
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, SelectionError, ShapeError

RNG = np.random.default_rng(11)


def system(*molecules, beads=4):
    return Topology.simple(list(molecules), beads_per_molecule=beads)


def reference(topology, points, **more):
    return ReferenceStructure(topology, points, "native", **more)


def everything(topology):
    return np.ones(len(topology), dtype=bool)


def turned(angle):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def test_a_part_is_compared_with_the_whole():
    whole = system(*(Molecule(n, 0) for n in "PABQ"))
    there = RNG.normal(scale=20, size=(16, 3))
    model = system(Molecule("B", 0), Molecule("A", 0))
    here = np.concatenate([there[8:12], there[4:8]])
    match = match_reference(model, reference(whole, there))
    assert match.missing_molecules == ()
    moved = (here + np.array([3.0, 0, 4]))[None]
    plain = compare(moved, match, alignment="none", weights=np.ones(8))
    assert plain.distances(everything(model)) == pytest.approx([5.0])
    laid = compare(moved @ turned(40).T, match, alignment="superpose", weights=np.ones(8))
    assert laid.distances(everything(model)) == pytest.approx([0.0], abs=1e-9)
    mirrored = compare(-moved, match, alignment="superpose", weights=np.ones(8))
    assert mirrored.distances(everything(model))[0] > 1
    shifted = compare(moved, match, alignment="center", weights=np.ones(8))
    assert shifted.distances(everything(model)) == pytest.approx([0.0], abs=1e-9)


def test_beads_stand_where_the_mean_of_their_residues_is():
    fine = system(Molecule("A", 0), beads=9)
    there = np.zeros((9, 3))
    there[:, 0] = np.arange(9)
    coarse = replace(
        system(Molecule("A", 0), beads=4),
        residues=((1, 2, 3), (4, 5, 6), (9, 10, 11), (9, 10)),
    )
    match = match_reference(coarse, reference(fine, there))
    assert match.beads.tolist() == [0, 1, 3]
    assert match.places[:, 0].tolist() == [1, 4, 8]
    assert match.missing_beads == 1  # one of three residues only
    back = match_reference(fine, reference(coarse.take(np.array([0, 1])), there[[1, 4]]))
    assert back.beads.tolist() == [0, 1, 2, 3, 4, 5]
    assert back.places[:, 0].tolist() == [1, 1, 1, 4, 4, 4]


def test_residues_weigh_in_the_distance():
    coarse = replace(system(Molecule("A", 0), beads=2), residues=((1, 2, 3), (4,)))
    match = match_reference(coarse, reference(coarse, np.zeros((2, 3))))
    model = np.array([[[0.0, 0, 0], [2, 0, 0]]])
    compared = compare(model, match, alignment="none", weights=np.array([3.0, 1.0]))
    assert compared.distances(everything(coarse)) == pytest.approx([1.0])
    assert compared.distances(np.array([False, True])) == pytest.approx([2.0])


COPIES = (Molecule("A", 0), Molecule("C", 0), Molecule("C", 1), Molecule("C", 2))


@pytest.mark.parametrize("alignment", ["none", "superpose"])
def test_swapped_copies_are_matched(alignment):
    topology = system(*COPIES)
    there = RNG.normal(scale=20, size=(4, 4, 3))
    models = np.stack(
        [there[[0, *order]].reshape(16, 3) for order in ([1, 2, 3], [2, 3, 1], [3, 2, 1])]
    )
    if alignment == "superpose":
        models = models @ turned(77).T + 5
    match = match_reference(topology, reference(topology, there.reshape(16, 3)))
    compared = compare(models, match, alignment=alignment, weights=np.ones(16))
    assert compared.distances(everything(topology)) == pytest.approx([0, 0, 0], abs=1e-9)
    one = np.isin(topology.molecule_index, [1])
    assert compared.distances(one) == pytest.approx([0, 0, 0], abs=1e-9)
    errors = placement_errors(compared, topology)
    assert [e.molecule for e in errors] == ["A@0", "C@0", "C@1", "C@2"]
    for error in errors:
        assert error.translation == pytest.approx([0, 0, 0], abs=1e-6)


def test_fewer_copies_than_the_reference_and_more():
    there = RNG.normal(scale=20, size=(4, 4, 3))
    whole = reference(system(*COPIES), there.reshape(16, 3))
    single = system(Molecule("C", 0))
    for k in (1, 2, 3):
        compared = compare(
            there[[k]], match_reference(single, whole), alignment="none", weights=np.ones(4)
        )
        assert compared.distances(everything(single)) == pytest.approx([0.0])
    little = reference(single, there[2])
    model = system(*COPIES)
    compared = compare(
        there.reshape(1, 16, 3),
        match_reference(model, little),
        alignment="none",
        weights=np.ones(16),
    )
    assert compared.distances(everything(model)) == pytest.approx([0.0])
    assert compared.beads.tolist() == [[8, 9, 10, 11]]


def test_a_mapping_names_counterparts_and_fixes_copies():
    there = RNG.normal(scale=20, size=(2, 4, 3))
    chains = reference(
        system(Molecule("X", 0), Molecule("Y", 0)),
        there.reshape(8, 3),
        aliases={"Subunit C": ("X", "Y")},
    )
    model = system(Molecule("C", 0), Molecule("C", 1))
    swapped = there[::-1].reshape(1, 8, 3)
    with pytest.raises(SelectionError, match=r"no residue of the model's molecules") as caught:
        match_reference(model, chains)
    assert "--map" in caught.value.hint
    by_name = match_reference(model, chains, {"C": "subunit c"})
    free = compare(swapped, by_name, alignment="none", weights=np.ones(8))
    assert free.distances(everything(model)) == pytest.approx([0.0])
    for names in ("X,Y", "Y, X"):
        listed = match_reference(model, chains, {"C": names})
        found = compare(swapped, listed, alignment="none", weights=np.ones(8))
        assert found.distances(everything(model)) == pytest.approx([0.0])
    with pytest.raises(SelectionError, match="no molecule 'Z'"):
        match_reference(model, chains, {"C": "X,Z"})
    fixed = match_reference(model, chains, {"C@0": "X", "C@1": "Y"})
    assert fixed.copies == ()
    assert (
        compare(swapped, fixed, alignment="none", weights=np.ones(8)).distances(everything(model))[
            0
        ]
        > 1
    )
    with pytest.raises(SelectionError, match="no molecule 'Z'"):
        match_reference(model, chains, {"C": "Z"})
    with pytest.raises(SelectionError, match="no molecule 'D' to be mapped"):
        match_reference(model, chains, {"D": "X"})


def test_missing_molecules_are_named():
    model = system(Molecule("A", 0), Molecule("B", 0))
    there = RNG.normal(size=(4, 3))
    match = match_reference(model, reference(system(Molecule("A", 0)), there))
    assert match.missing_molecules == ("B@0",)
    compared = compare(np.zeros((1, 8, 3)), match, alignment="none", weights=np.ones(8))
    with pytest.raises(SelectionError, match="no bead of the selection"):
        accuracy(compared, model.molecule_index == 1)
    with pytest.raises(SelectionError, match="superposed"):
        compare(
            np.zeros((1, 8, 3)), match, alignment="superpose", weights=np.ones(8),
            on=model.molecule_index == 1,
        )  # fmt: skip


def test_placement_by_hand():
    topology = system(Molecule("A", 0), Molecule("B", 0), beads=5)
    there = RNG.normal(scale=10, size=(10, 3))
    model = there.copy()
    middle = model[5:].mean(axis=0)
    model[5:] = (model[5:] - middle) @ turned(30).T + middle + [0, 6.0, 8.0]
    match = match_reference(topology, reference(topology, there))
    one, two = placement_errors(
        compare(model[None], match, alignment="none", weights=np.ones(10)), topology
    )
    assert one.translation == pytest.approx([0.0], abs=1e-9)
    assert one.rotation == pytest.approx([0.0], abs=1e-5)
    assert two.translation == pytest.approx([10.0])
    assert two.rotation == pytest.approx([30.0])
    assert two.internal == pytest.approx([0.0], abs=1e-9)
    on = topology.molecule_index == 0
    moved = model[None] @ turned(100).T - 40
    laid = compare(moved, match, alignment="superpose", weights=np.ones(10), on=on)
    again = placement_errors(laid, topology)[1]
    assert again.translation == pytest.approx([10.0])
    assert again.rotation == pytest.approx([30.0])


def test_a_line_of_beads_has_no_rotation():
    topology = system(Molecule("A", 0), Molecule("B", 0), beads=3)
    there = RNG.normal(scale=10, size=(6, 3))
    there[3:] = np.outer(np.arange(3), [1.0, 2, 3])
    match = match_reference(topology, reference(topology, there))
    compared = compare(there[None], match, alignment="none", weights=np.ones(6))
    rotation = [e.rotation[0] for e in placement_errors(compared, topology)]
    assert np.isnan(rotation).tolist() == [False, True]


def test_an_average_has_an_interval_over_runs():
    topology = system(Molecule("A", 0))
    there = RNG.normal(scale=10, size=(4, 3))
    models = there + RNG.normal(size=(12, 4, 3))
    match = match_reference(topology, reference(topology, there))
    compared = compare(models, match, alignment="none", weights=np.ones(4))
    found = accuracy(compared, everything(topology), runs=list("abcd" * 3))
    assert found.average in found.interval
    assert found.minimum == found.distances[found.nearest] <= found.median
    assert accuracy(compared, everything(topology)).no_interval


def test_too_many_copies_and_bad_numbers():
    topology = system(*(Molecule("C", k) for k in range(8)), beads=1)
    there = RNG.normal(size=(8, 3))
    match = match_reference(topology, reference(topology, there))
    with pytest.raises(ConfigError, match="40,320 ways") as caught:
        compare(there[None], match, alignment="none", weights=np.ones(8))
    assert "--map" in caught.value.hint
    with pytest.raises(ShapeError, match="not finite"):
        compare(there[None] * np.nan, match, alignment="none", weights=np.ones(8))


@pytest.mark.parametrize("seed", range(8))
def test_planted_accuracy_and_swapped_copies(seed):
    """The numbers that the simulation measured on its own coordinates, in its own way."""
    from congruence.simulate import Sampling, Simulation, small_system
    from congruence.simulate.arrangement import compose
    from congruence.simulate.truth import measure

    simulation = Simulation(Sampling(models=60, clusters=1, swaps=0.5, seed=seed), small_system())
    topology = simulation.system.topology
    truth = measure(simulation)[0]
    native = compose(simulation.system, simulation.native())[0]
    match = match_reference(topology, reference(topology, native))
    weights = topology.residue_counts.astype(float)
    for alignment in ("none", "superpose"):
        compared = compare(simulation.read(0, 60), match, alignment=alignment, weights=weights)
        names = [f"run{k}" for k in simulation.run]
        found = accuracy(compared, everything(topology), runs=names)
        assert found.average == pytest.approx(truth.accuracy[alignment], abs=1e-4)
        assert truth.accuracy[alignment] in found.interval
    (gamma,) = match.copies
    at = compared.places[:, len(match.beads)]
    swapped = (at == gamma.places[1, 0]).all(axis=1)
    assert swapped.any()
    assert (swapped == simulation.swapped).all()
