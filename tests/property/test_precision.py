"""What must hold for all models: invariance, symmetry, bounds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from congruence.compute.fluctuation import fluctuation
from congruence.compute.pair_styles import STYLES, style_distances
from congruence.compute.precision import precision
from congruence.core.topology import Molecule, Topology


@st.composite
def ensembles(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    m, n = draw(st.integers(2, 7)), draw(st.integers(4, 9))
    scale = draw(st.sampled_from([1e-3, 1.0, 100.0]))
    return rng, rng.normal(scale=30, size=(n, 3)) + rng.normal(scale=scale, size=(m, n, 3))


def motions(rng, x):
    q, _ = np.linalg.qr(rng.normal(size=(len(x), 3, 3)))
    q *= np.sign(np.linalg.det(q))[:, None, None]
    return np.einsum("mij,mnj->mni", q, x) + rng.normal(scale=40, size=(len(x), 1, 3))


@given(ensembles(), st.sampled_from(STYLES[1:]))
@settings(max_examples=40, deadline=None)
def test_internal_distances_do_not_see_motions(ensemble, style):
    rng, x = ensemble
    before = style_distances(x, x, style)
    after = style_distances(motions(rng, x), motions(rng, x), style)
    assert np.allclose(after, before, atol=1e-7, rtol=1e-6)
    assert (np.diag(before) == 0).all()


@given(ensembles(), st.sampled_from(STYLES))
@settings(max_examples=40, deadline=None)
def test_two_sets_are_part_of_one(ensemble, style):
    _, x = ensemble
    whole = style_distances(x, x, style)
    assert np.allclose(style_distances(x[:1], x[1:], style), whole[:1, 1:])
    if style != "pairwise_drms_k":
        assert np.array_equal(whole, whole.T)


@given(ensembles())
@settings(max_examples=40, deadline=None)
def test_precision_does_not_depend_on_order_and_has_its_bounds(ensemble):
    rng, x = ensemble
    square = style_distances(x, x, "pairwise_rmsd")
    order = rng.permutation(len(x))
    one, two = precision(square), precision(square[np.ix_(order, order)])
    assert np.isclose(one.pairwise, two.pairwise)
    assert np.isclose(one.to_center, two.to_center)
    # The medoid is at most as far from the others as an average model.
    assert one.to_center <= one.pairwise * (1 + 1e-12)
    assert one.to_center <= one.max_to_center
    assert one.compat.average_pairwise <= one.pairwise
    m = len(x)
    assert np.isclose(one.compat.average_pairwise, one.pairwise * (m - 1) / m)


@given(ensembles())
@settings(max_examples=30, deadline=None)
def test_rmsf_does_not_see_motions_and_is_smallest_superposed(ensemble):
    rng, x = ensemble
    topology = Topology.simple([Molecule("A")], beads_per_molecule=x.shape[1])

    def total(models, alignment):
        found = fluctuation(models, topology, alignment=alignment, center=0)
        return np.sqrt((found.rmsf**2).mean())

    superposed = total(x, "superpose")
    assert np.isclose(total(motions(rng, x), "superpose"), superposed, rtol=1e-3, atol=1e-6)
    assert superposed <= total(x, "center") + 1e-6
    assert total(x, "center") <= total(x, "none") + 1e-9
    # Mean square distance of two models is twice that to the mean.
    square = style_distances(x, x, "pairwise_rmsd")
    m = len(x)
    assert np.isclose((square**2).sum() / m**2, 2 * total(x, "none") ** 2)
