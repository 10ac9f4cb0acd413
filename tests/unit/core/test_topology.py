from dataclasses import replace

import numpy as np
import pytest

from congruence.core.placement import Placement, bead_order
from congruence.core.topology import Molecule, Topology
from congruence.errors import ShapeError


def two_copies():
    return Topology.simple(
        [Molecule("A", 0, 0), Molecule("B", 0, 0), Molecule("A", 1, 0)], beads_per_molecule=2
    )


def test_copy_groups_are_found_by_name_and_state():
    (group,) = two_copies().copy_groups()
    assert (group.molecule, group.copies) == ("A", (0, 1))
    assert group.beads.tolist() == [[0, 1], [4, 5]]


def test_copies_of_different_beads_are_not_interchangeable():
    topology = two_copies()
    residues = (*topology.residues[:5], (99,))
    assert replace(topology, residues=residues).copy_groups() == ()


def test_the_same_name_in_two_states_is_not_a_copy():
    topology = Topology.simple([Molecule("A", 0, 0), Molecule("A", 0, 1)], beads_per_molecule=1)
    assert topology.copy_groups() == ()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"radius": np.full(6, 9.0)}, True),
        ({"node_id": np.arange(6) + 50}, True),
        ({"bead_name": ("x",) * 6}, True),
        ({"residues": ((1,), (2,), (1,), (2,), (1,), (3,))}, False),
        ({"resolution": np.full(6, 10.0)}, False),
    ],
)
def test_what_makes_a_topology_the_same(change, same):
    one, two = two_copies(), replace(two_copies(), **change)
    assert (one.key == two.key) is same
    assert bool(one.first_difference(two)) is not same


def test_the_first_difference_is_told():
    two = replace(two_copies(), residues=((1,), (2,), (1,), (7,), (1,), (3,)))
    assert two_copies().first_difference(two) == (
        "bead 3 is B@0%0 2 at resolution 1 in the first and B@0%0 7 at resolution 1 in the second"
    )


def test_a_shorter_list_is_told():
    assert two_copies().first_difference(two_copies().take(np.arange(4))) == (
        "the first has 6 beads and the second 4"
    )


def test_differing_radii_are_counted():
    two = replace(two_copies(), radius=np.array([3, 3, 3, 3, 4, 5.0]))
    assert two_copies().property_differences(two) == 2


def test_columns_of_other_length_are_refused():
    with pytest.raises(ShapeError, match="'mass' has 1 entries, expected 6"):
        replace(two_copies(), mass=np.ones(1))


def test_placement_moves_and_relabels():
    topology = two_copies()
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    place = Placement(quarter, np.array([0, 0, 5.0]), ((1, 0),))
    points = np.arange(18.0).reshape(6, 3)
    placed = place.apply(points, topology.copy_groups())
    x, y, z = points[4]
    assert placed[0].tolist() == [-y, x, z + 5]
    assert place.relabels and not place.is_still and not place.is_identity


def test_three_copies_take_each_others_place():
    topology = Topology.simple([Molecule("A", c) for c in range(3)], beads_per_molecule=2)
    order = bead_order(6, topology.copy_groups(), ((2, 0, 1),))
    assert order.tolist() == [4, 5, 0, 1, 2, 3]


def test_the_identity_placement_changes_no_bit():
    points = np.random.default_rng(0).normal(size=(6, 3))
    assert Placement().is_identity
    assert np.array_equal(Placement().apply(points, two_copies().copy_groups()), points)
