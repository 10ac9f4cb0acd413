"""Sub-complexes that change places as one, against all exchanges tried one by one."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from congruence.compute.compression import compress, compressed_matrix
from congruence.compute.metric import Metric
from congruence.compute.rmsd import place, rmsd_matrix
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.placement import bead_order
from congruence.core.topology import Molecule, Topology
from congruence.core.units import unit_groups

MODES = ["none", "center", "superpose"]
RNG = np.random.default_rng(8)
# A and B make a sub-complex that is there three times, in an order unlike that of the
# file; C has two copies of its own, D is alone.
MOLECULES = [("A", 0), ("A", 1), ("B", 2), ("C", 0), ("B", 0), ("A", 2), ("C", 1), ("B", 1), ("D", -1)]  # fmt: skip
EACH = 3
UNITS = ["A.0/B.1 B.2/A.1 A.2/B.0"]
ROWS = [[0, 7], [1, 2], [5, 4]]  # the molecules of each unit, A first
OWN = [[3], [6]]


def topology():
    molecules = [Molecule(n, c) for n, c in MOLECULES]
    return Topology.simple(molecules, beads_per_molecule=EACH)


def table(m):
    words, numbers = np.array(["run"] * m, dtype=object), np.arange(m)
    return ModelTable(words, numbers, words, numbers, numbers, words, words, numbers, np.zeros(m))


def models(m=10, noise=2.0):
    """One arrangement whose labels were exchanged, with noise, turned and shifted."""
    base = RNG.normal(size=(len(MOLECULES) * EACH, 3)) * 30
    several = []
    orders = every_order()
    for k in range(m):
        order = orders[RNG.integers(len(orders))]
        turn = Rotation.random(random_state=k).as_matrix()
        several.append((base[order] + RNG.normal(size=base.shape) * noise) @ turn.T + k)
    return np.array(several)


def beads_of(molecules):
    return np.concatenate([np.arange(EACH * i, EACH * i + EACH) for i in molecules])


def every_order(*groups):
    """Order of beads for every exchange: of whole units, and of the copies of C."""
    rows = [np.array([beads_of(r) for r in group]) for group in groups or (ROWS, OWN)]
    orders = []
    for permutations in itertools.product(*(itertools.permutations(range(len(r))) for r in rows)):
        order = np.arange(len(MOLECULES) * EACH)
        for row, permutation in zip(rows, permutations, strict=True):
            order[row] = row[list(permutation)]
        orders.append(order)
    return orders


def distance(x, y, alignment, weights):
    if alignment != "none":
        x, y = x - weights @ x / weights.sum(), y - weights @ y / weights.sum()
    if alignment == "superpose":
        rotation, _ = Rotation.align_vectors(y, x, weights=weights)
        x = rotation.apply(x)
    return np.sqrt((weights * ((x - y) ** 2).sum(axis=1)).sum() / weights.sum())


def brute_force(x, alignment, orders, weights=None):
    weights = np.ones(x.shape[1]) if weights is None else weights
    return [
        min(distance(x[j][order], x[i], alignment, weights) for order in orders)
        for i, j in itertools.combinations(range(len(x)), 2)
    ]


@pytest.mark.parametrize("alignment", MODES)
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_units_beside_ordinary_copies(alignment, precision):
    x = models()
    data = Ensemble(x, topology().with_units(UNITS), table(len(x)))
    assert len(every_order()) == 12
    found = rmsd_matrix(data, alignment=alignment, precision=precision)
    atol = 1e-6 if precision == "double" else 1e-3
    expected = brute_force(x, alignment, every_order())
    np.testing.assert_allclose(found.condensed, expected, rtol=0, atol=atol)
    assert found.definition["copies"] == "interchanged: A/B x 3, C x 2"
    # Exchanging molecule by molecule is another distance, and units alone are too.
    apart = rmsd_matrix(replace(data, topology=topology()), alignment=alignment)
    assert (apart.condensed <= found.condensed + 1e-3).all()
    alone = rmsd_matrix(data, alignment=alignment, copies=unit_groups(data.topology, UNITS))
    expected = brute_force(x, alignment, every_order(ROWS))
    np.testing.assert_allclose(alone.condensed, expected, rtol=0, atol=1e-6)
    assert (alone.condensed - found.condensed).max() > 1


@pytest.mark.parametrize("alignment", MODES)
def test_a_placement_lays_units_where_the_distance_says(alignment):
    x = models()
    data = Ensemble(x, topology().with_units(UNITS), table(len(x)))
    groups = data.topology.copy_groups()
    matrix = rmsd_matrix(data, alignment=alignment).square()
    placements = place(data, range(len(x)), 4, alignment=alignment)
    assert any(p.assignment[0] != (0, 1, 2) for p in placements)
    for member, placement in enumerate(placements):
        placed = placement.apply(x[member], groups)
        if alignment == "center":
            placed, target = placed - placed.mean(axis=0), x[4] - x[4].mean(axis=0)
        else:
            target = x[4]
        rmsd = np.sqrt(((placed - target) ** 2).sum() / len(target))
        assert rmsd == pytest.approx(matrix[member, 4], abs=1e-6)
        # Molecules stay whole and take the place of their like; units stay together.
        owners = bead_order(x.shape[1], groups, placement.assignment).reshape(-1, EACH) // EACH
        assert (owners == owners[:, :1]).all()
        assert [MOLECULES[k][0] for k in owners[:, 0]] == [name for name, _ in MOLECULES]
        assert {tuple(owners[row, 0].tolist()) for row in ROWS} == set(map(tuple, ROWS))


@pytest.mark.parametrize("alignment", MODES)
def test_units_of_pseudo_beads(alignment):
    """Rigid molecules: what is compressed gives the distances of all beads."""
    shapes = {name: RNG.normal(size=(EACH * 4, 3)) * 8 for name in "ABCD"}
    molecules = [Molecule(n, c) for n, c in MOLECULES]
    x = np.array(
        [
            np.concatenate(
                [
                    shapes[n] @ Rotation.random(random_state=99 * k + i).as_matrix()
                    + RNG.normal(size=3) * 40
                    for i, (n, _) in enumerate(MOLECULES)
                ]
            )
            for k in range(40)
        ]
    )
    whole = Topology.simple(molecules, beads_per_molecule=EACH * 4).with_units(UNITS)
    data = Ensemble(x, whole, table(len(x)))
    metric = Metric(alignment)
    found = compress(data, metric, always=True)
    assert found.rank < x.shape[1]
    expected = rmsd_matrix(data, metric)
    direct = rmsd_matrix(found.source, found.metric)
    np.testing.assert_allclose(direct.condensed, expected.condensed, rtol=0, atol=1e-6)
    made = compressed_matrix(data, metric)
    assert made.definition["copies"] == "interchanged: A/B x 3, C x 2"


def test_units_take_part_only_when_measured_alike():
    x = models()
    data = Ensemble(x, topology().with_units(UNITS), table(len(x)))
    part = rmsd_matrix(data, alignment="none", measure="A + B@0 + D")
    # B is measured in one unit only: neither A nor B is exchanged.
    assert part.definition["copies"] == "none to interchange"
    beads = beads_of([i for i, (n, _) in enumerate(MOLECULES) if n in "AD"])
    alike = rmsd_matrix(data, alignment="superpose", measure="A + D")
    assert alike.definition["copies"] == "interchanged: A/B x 3"
    weights = np.isin(np.arange(x.shape[1]), beads).astype(float)
    expected = brute_force(x, "superpose", every_order(ROWS), weights)
    np.testing.assert_allclose(alike.condensed, expected, rtol=0, atol=1e-6)
