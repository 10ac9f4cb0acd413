"""The reference program's partitions of its own matrices."""

import json

import numpy as np
import pytest
from sharedpaths import GOLDEN, needs_shared

from congruence.compute.clustering import cluster
from congruence.core.results import Alignment, DistanceMatrix

RECORDS = sorted(
    path
    for path in (GOLDEN / "clustering").glob("*/record.json")
    if (path.parent / "distance.rawmatrix.pkl.npy").is_file()
)

pytestmark = [pytest.mark.golden, needs_shared]


def partition(labels):
    return {frozenset(np.flatnonzero(labels == n).tolist()) for n in np.unique(labels)}


def test_there_are_records():
    assert len(RECORDS) >= 13


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.parent.name)
def test_kmeans_gives_the_partition_of_the_reference(path, dtype):
    record = json.loads(path.read_text(encoding="utf-8"))
    square = np.load(path.parent / "distance.rawmatrix.pkl.npy", allow_pickle=False)
    labels = np.array(record["kmeans_labels"])
    condensed = square[np.triu_indices(len(square), 1)]
    if record["distance_matrix_upper"] is not None:
        assert condensed == pytest.approx(record["distance_matrix_upper"], abs=1e-12)
    matrix = DistanceMatrix(condensed.astype(dtype), len(square), Alignment.NONE)
    found = cluster(matrix, k=len(set(labels.tolist())))
    assert partition(found.labels) == partition(labels)
    for ours in found.clusters:
        theirs = record["average_rmsd"][str(labels[ours.members[0]])]
        assert ours.average_rmsd == pytest.approx(theirs, abs=1e-6 if dtype == np.float64 else 1e-4)
        # Models are in rank order, so the first member of the reference is our best.
        assert ours.best == np.flatnonzero(labels == labels[ours.members[0]])[0]
