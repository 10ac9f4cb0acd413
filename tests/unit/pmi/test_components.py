"""Components of scripts: expansion over copies, ranges, interchangeable beads, weights."""

import numpy as np
import pytest

from congruence.core.placement import Placement
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, SelectionError
from congruence.pmi.components import (
    Component,
    Parts,
    density_beads,
    expand,
    interchangeable,
    resolve_components,
)
from congruence.pmi.distances import Carrier, metric_of, parts_of

ONE_STATE = Topology.simple(
    [Molecule("A", 0, 0), Molecule("A", 1, 0), Molecule("B", 0, 0)], beads_per_molecule=4
)
TWO_STATES = Topology.simple(
    [Molecule("A", 0, 0), Molecule("A", 1, 0), Molecule("B", 0, 0), Molecule("A", 0, 1)],
    beads_per_molecule=4,
)


def beads(components, topology=ONE_STATE):
    found = resolve_components(components, topology, topology, argument="components")
    return {c.label: c.beads.tolist() for c in found}


def test_a_bare_name_with_copies_becomes_one_component_per_copy():
    assert beads({"x": "A", "y": "B"}) == {
        "A..0": [0, 1, 2, 3],
        "A..1": [4, 5, 6, 7],
        "y": [8, 9, 10, 11],
    }


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ((2, 3, "B"), [9, 10]),
        ((1, -1, "B"), [8, 9, 10, 11]),
        ((3, -1, "B"), [10, 11]),
        ((2, 3, "A"), [1, 2, 5, 6]),
        ((2, 3, "A", 1), [5, 6]),
        ((2, 3, "A", None, 0), [1, 2, 5, 6]),
        (("A", 1), [4, 5, 6, 7]),
        (["B", (1, 1, "A", 0)], [0, 8, 9, 10, 11]),
    ],
)
def test_items_select_their_beads(item, expected):
    assert beads({"x": item}) == {"x": expected}


def test_labels_with_dots_are_left_alone():
    assert set(beads({"A..7": "A"})) == {"A..7"}


def test_with_several_states_the_label_names_the_state():
    molecules = TWO_STATES.molecules
    assert set(expand({"x": "A"}, molecules, 0)) == {"A.0..0", "A.0..1"}
    assert set(expand({"x": "A"}, molecules, 1)) == {"x"}


def test_a_component_that_selects_nothing_is_an_error_that_names_it():
    with pytest.raises(SelectionError, match=r"components\['x'\].*molecules here: A") as caught:
        beads({"good": "B", "x": "NoSuch"})
    assert caught.value.hint
    with pytest.raises(SelectionError, match="cannot read the PMI selection"):
        beads({"x": (1, "B")})


@pytest.mark.parametrize("components", [None, {}, ["A"]])
def test_no_components_are_an_error_that_lists_the_molecules(components):
    with pytest.raises(ConfigError, match="expected a dictionary") as caught:
        beads(components)
    assert "A, B" in caught.value.hint


def test_copies_are_interchangeable_as_whole_molecules():
    parts = [Component("A..0", np.array([0, 1])), Component("A..1", np.array([4, 5]))]
    (group,) = interchangeable(parts, ONE_STATE)
    assert (group.molecule, group.state, group.copies) == ("A", 0, (0, 1))
    assert group.beads.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_labels_alike_on_different_molecules_interchange_their_beads():
    parts = [Component("x..0", np.array([0, 1])), Component("x..1", np.array([8, 9]))]
    (group,) = interchangeable(parts, ONE_STATE)
    assert group.beads.tolist() == [[0, 1], [8, 9]]
    carrier = Carrier((group,), ONE_STATE)
    assert carrier.groups == ()
    assert carrier.carry(Placement(assignment=((1, 0),))).assignment == ()


def test_components_that_differ_in_length_are_not_interchanged_and_said_so():
    parts = [Component("A..0", np.array([0, 1])), Component("A..1", np.array([4]))]
    with pytest.warns(UserWarning, match=r"A\.\. differ in their number of beads"):
        assert interchangeable(parts, ONE_STATE) == ()


def test_a_placement_is_carried_to_another_representation():
    finer = Topology.simple(
        [Molecule("B", 0, 0), Molecule("A", 1, 0), Molecule("A", 0, 0)], beads_per_molecule=6
    )
    groups = interchangeable(
        resolve_components({"x": "A"}, ONE_STATE, ONE_STATE, argument="x"), ONE_STATE
    )
    carrier = Carrier(groups, finer)
    assert carrier.groups[0].copies == (0, 1)
    assert carrier.groups[0].beads[0].tolist() == list(range(12, 18))
    xyz = np.arange(54.0).reshape(18, 3)
    swapped = carrier.carry(Placement(assignment=((1, 0),))).apply(xyz, carrier.groups)
    assert np.array_equal(swapped[12:], xyz[6:12])
    assert np.array_equal(swapped[:6], xyz[:6])


def test_overlapping_components_count_twice():
    parts = Parts((Component("a", np.array([0, 1])), Component("b", np.array([1, 2]))))
    assert parts.counts(parts.measured, 4).tolist() == [1, 2, 1, 0]
    metric = metric_of(parts, np.array([1.0, 5, 1, 1]))
    assert np.asarray(metric.weights).tolist() == [1, 10, 1, 0]
    assert str(metric.mode) == "none"


def test_superposition_has_no_weights_and_the_rmsd_has():
    parts = parts_of({"A": (1, 2, "A", 0)}, {"B": "B"}, ONE_STATE, ONE_STATE)
    metric = metric_of(parts, np.full(12, 5.0))
    assert str(metric.mode) == "superpose"
    assert np.asarray(metric.on).tolist() == [8, 9, 10, 11]
    assert np.asarray(metric.fit_weights)[8:].tolist() == [1, 1, 1, 1]
    assert np.asarray(metric.weights)[:3].tolist() == [5, 5, 0]


def test_ranges_of_alignment_components_are_honoured_and_said_so():
    with pytest.warns(UserWarning, match="'B' has 2 beads and these are superposed"):
        parts = parts_of({"B": "B"}, {"B": (1, 2, "B")}, ONE_STATE, ONE_STATE)
    assert parts.superposed[0].beads.tolist() == [8, 9]


def test_densities_by_label():
    ranges = {"stalk": ["B", (1, 2, "A", 0)], "copy": [("A", 1)], "bare": "B"}
    found = {k: v.tolist() for k, v in density_beads(ranges, ONE_STATE).items()}
    assert found == {"stalk": [0, 1, 8, 9, 10, 11], "copy": [4, 5, 6, 7], "bare": [8, 9, 10, 11]}


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"x": ["NoSuch"]}, "matches nothing"),
        ({"x": [(5000, 6000, "B")]}, "matches nothing"),
        ({"x": ["B", 1, -1]}, "cannot read"),
        ({"a/b": ["B"]}, "name of a file"),
    ],
)
def test_density_errors_name_the_density(ranges, words):
    with pytest.raises((SelectionError, ConfigError), match=words) as caught:
        density_beads(ranges, ONE_STATE)
    assert "density_custom_ranges" in str(caught.value)
