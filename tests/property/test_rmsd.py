import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from congruence.compute.rmsd import place, rmsd_matrix
from congruence.core.topology import CopyGroup

MODES = st.sampled_from(["none", "center", "superpose"])
SEEDS = st.integers(0, 2**32 - 1)
GROUPS = (
    CopyGroup("A", -1, (0, 1, 2), np.arange(6).reshape(3, 2)),
    CopyGroup("B", -1, (0, 1), np.arange(6, 10).reshape(2, 2)),
)


def models(seed, m=4, n=12, spread=20.0):
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(1, n, 3)) * 30
    return base + rng.normal(size=(m, n, 3)) * spread + rng.normal(size=(m, 1, 3)) * spread


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(
        np.float64, (4, 5, 3), elements=st.floats(-1e4, 1e4, allow_subnormal=False, width=32)
    )
)
def test_superposition_is_below_centring_is_below_nothing(x):
    none, center, superposed = (
        rmsd_matrix(x, alignment=mode).condensed for mode in ("none", "center", "superpose")
    )
    assert (superposed >= 0).all()
    assert (superposed <= center + 1e-6).all()
    assert (center <= none + 1e-6).all()


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.floats(0, 1e4))
def test_rigid_motions_change_no_superposed_distance(seed, far):
    x = models(seed)
    turns = Rotation.random(len(x), random_state=seed % 1000).as_matrix()
    moved = np.einsum("mij,mbj->mbi", turns, x) + far
    found, expected = (rmsd_matrix(c, alignment="superpose", copies=GROUPS) for c in (moved, x))
    np.testing.assert_allclose(found.condensed, expected.condensed, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, MODES, st.permutations(range(6)))
def test_the_order_of_models_permutes_the_matrix(seed, alignment, order):
    x = models(seed, m=6)
    square = rmsd_matrix(x, alignment=alignment).square()
    permuted = rmsd_matrix(x[order], alignment=alignment).square()
    np.testing.assert_allclose(permuted, square[np.ix_(order, order)], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, MODES)
def test_exchanging_copies_changes_no_distance(seed, alignment):
    x = models(seed)
    rng = np.random.default_rng(seed)
    exchanged = x.copy()
    for model in exchanged:
        for group in GROUPS:
            model[group.beads] = model[rng.permutation(group.beads)]
    found, expected = (
        rmsd_matrix(c, alignment=alignment, copies=GROUPS).condensed for c in (exchanged, x)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    apart = rmsd_matrix(x, alignment=alignment, copies="off").condensed
    assert (found <= apart + 1e-6).all()


@settings(max_examples=60, deadline=None)
@given(
    SEEDS,
    MODES,
    st.sampled_from([None, np.arange(6, 12), np.arange(0, 6)]),
    st.sampled_from([None, np.arange(12), np.r_[0:6, 10:12], np.r_[6:12], np.r_[0, 10, 11]]),
    st.sampled_from([0.0, 1e-4, 1.0, 20.0]),
    st.booleans(),
)
def test_after_placement_the_distance_is_the_entry_of_the_matrix(
    seed, alignment, measure, on, spread, copies
):
    x = models(seed, spread=spread)
    rng = np.random.default_rng(seed)
    for model in x:
        for group in GROUPS:
            model[group.beads] = model[rng.permutation(group.beads)]
    weights = np.r_[np.tile([1.0, 3.0], 5), 2.0, 5.0]
    words = {"alignment": alignment, "measure": measure, "weights": weights}
    words |= {"copies": GROUPS if copies else "off"}
    if alignment != "none":
        words |= {"on": on, "fit_weights": "none" if seed % 2 else None}
    row = rmsd_matrix(x, **words).row(1)
    w = weights if measure is None else weights[measure]
    for member, placement in zip([3, 1, 0], place(x, [3, 1, 0], 1, **words), strict=True):
        placed = placement.apply(x[member], GROUPS if copies else ())
        off = ((placed - x[1]) ** 2).sum(axis=1)
        off = off if measure is None else off[measure]
        np.testing.assert_allclose(np.sqrt((w * off).sum() / w.sum()), row[member], atol=1e-6)
