"""Compressed distances are those of all beads, whatever the ensemble looks like."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rigidmodels import rigid_models

from congruence.compute.compression import compress
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.core.sources import CondensedSink

MODES = st.sampled_from(["none", "center", "superpose"])
SEEDS = st.integers(0, 2**31 - 1)
COPIES = (np.arange(30).reshape(3, 10),)


def both(models, metric):
    compression = compress(models, metric, always=True)
    if compression is None:
        return None
    sink = CondensedSink(len(models), np.float64)
    compression.tiles(sink, edge=128)
    return compression, sink.values, rmsd_matrix(models, metric).condensed


@settings(max_examples=25, deadline=None)
@given(
    SEEDS,
    MODES,
    st.integers(1, 4),
    st.integers(0, 5),
    st.sampled_from([np.float64, np.float32]),
    st.booleans(),
    st.sampled_from([0.0, 1e5]),
)
def test_rigid_bodies(seed, mode, bodies, flexible, stored, weighted, far):
    models = rigid_models(seed, bodies=bodies, flexible=flexible, models=40)
    models[7], models[9] = models[3], models[3] + 1e-4
    models = models.astype(stored).astype(np.float64) + far
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 20, models.shape[1]).astype(float) if weighted else "none"
    made = both(models, Metric(mode, weights=weights))
    if made is None:
        return
    compression, found, expected = made
    assert compression.rank <= 4 * bodies + flexible + 2
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@settings(max_examples=8, deadline=None)
@given(SEEDS, MODES, st.integers(0, 3))
def test_interchangeable_copies_can_still_be_exchanged(seed, mode, flexible):
    models = rigid_models(seed, bodies=3, beads=10, flexible=flexible, models=12)
    rng = np.random.default_rng(seed)
    for model in models:
        model[:30] = model[COPIES[0][rng.permutation(3)].ravel()]
    made = both(models, Metric(mode, copies=COPIES, weights="none"))
    assert made is not None
    np.testing.assert_allclose(made[1], made[2], atol=1e-6, rtol=0)


@settings(max_examples=15, deadline=None)
@given(SEEDS, MODES, st.sampled_from(["free", "line", "one bead", "two beads", "same", "flat"]))
def test_other_ensembles(seed, mode, kind):
    rng = np.random.default_rng(seed)
    models = rng.normal(size=(20, 8, 3)) * 20
    if kind == "line":
        models[:, :, 1:] = 5.0
    elif kind == "one bead":
        models = models[:, :1]
    elif kind == "two beads":
        models = models[:, :2]
    elif kind == "same":
        models[:] = models[0]
    elif kind == "flat":
        models[:, :, 2] = 0.0
    made = both(models, Metric(mode))
    assert made is not None
    np.testing.assert_allclose(made[1], made[2], atol=1e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(SEEDS, MODES, st.floats(1e-7, 1e-5))
def test_what_is_left_out_stays_within_its_bound(seed, mode, noise):
    models = rigid_models(seed, models=30)
    models += np.random.default_rng(seed).normal(size=models.shape) * noise
    models[5] = models[4] + np.random.default_rng(seed + 1).normal(size=models[4].shape) * noise
    metric = Metric(mode)
    compression = compress(models, metric, always=True)
    assert compression is not None
    assert compression.rank < 20
    raw = rmsd_matrix(compression.source, compression.metric).condensed
    true = rmsd_matrix(models, metric).condensed
    first, second = np.triu_indices(len(models), 1)
    both_left = compression.residuals[first] + compression.residuals[second]
    difference = true**2 - raw**2
    slack = 1e-9 * (1 + true**2)
    assert (difference >= -slack).all()
    assert (difference <= both_left**2 + slack).all()
