"""An ensemble in another order reads like a copy in that order, however it is asked."""

import numpy as np

from congruence.compute.rmsd import rmsd_matrix
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.reordered import reordered
from congruence.core.topology import Molecule, Topology

RNG = np.random.default_rng(3)
M = 9


def made():
    names, numbers = np.array([f"run{i}" for i in range(M)], dtype=object), np.arange(M)
    table = ModelTable(
        names, numbers, names, numbers, numbers, names, names, numbers, np.arange(float(M))
    )
    topology = Topology.simple([Molecule("A", 0), Molecule("A", 1)], beads_per_molecule=5)
    return Ensemble(RNG.normal(size=(M, 10, 3)) * 20, topology, table)


def test_all_ways_to_ask_give_the_copy_in_that_order():
    whole = made()
    order = RNG.permutation(M)
    copied, found = whole.take(order), reordered(whole, order)
    expected = copied.coordinates
    assert found.shape == copied.shape
    assert found.models.run.tolist() == copied.models.run.tolist()
    np.testing.assert_array_equal(np.asarray(found.coordinates), expected)
    np.testing.assert_array_equal(found.read(2, 7), expected[2:7])
    np.testing.assert_array_equal(found.coordinates[4], expected[4])
    np.testing.assert_array_equal(found.coordinates[[3, 1]][:, 2:5], expected[[3, 1]][:, 2:5])
    np.testing.assert_array_equal(found.coordinates[1:4, [0, 3]], expected[1:4][:, [0, 3]])
    np.testing.assert_array_equal(found.take(np.array([5, 0])).coordinates, expected[[5, 0]])
    one, two = (rmsd_matrix(e, alignment="superpose").condensed for e in (found, copied))
    np.testing.assert_array_equal(one, two)
