"""Clusters without a matrix are those of the matrix."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from congruence.compute.clustering import threshold_labels
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.streaming import threshold_clusters


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.sampled_from(["none", "center", "superpose"]),
    st.integers(1, 300),
    st.floats(0.0, 1.5),
    st.sampled_from([10, 600, 4000]),
)
def test_threshold_clusters_are_those_of_the_matrix(seed, mode, m, share, memory):
    rng = np.random.default_rng(seed)
    heaps = rng.normal(size=(5, 6, 3)) * 10
    models = heaps[rng.integers(0, 5, m)] + rng.normal(size=(m, 6, 3)) * 4
    models[m // 2] = models[0]
    matrix = rmsd_matrix(models, alignment=mode)
    middle = float(np.median(matrix.condensed)) if m > 1 else 1.0
    # Thresholds that are distances themselves are the hard ones.
    wanted = float(matrix.condensed[seed % len(matrix.condensed)]) if m > 1 and seed % 2 else middle
    expected = threshold_labels(matrix, share * wanted)
    kept = threshold_clusters(models, Metric(mode), share * wanted)
    assert kept.way == "bits"
    assert kept.labels.tolist() == expected.tolist()
    again = threshold_clusters(models, Metric(mode), share * wanted, memory=memory)
    assert again.labels.tolist() == expected.tolist()
    assert again.close_pairs == kept.close_pairs
