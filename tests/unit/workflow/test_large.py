import json

import numpy as np
import pytest
from rigidmodels import rigid_models

from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.topology import Molecule, Topology
from congruence.errors import InputError, OutputError
from congruence.workflow.large import distances_key, measure_distances, remove_tiles
from congruence.workflow.resources import Resources

METRIC = Metric("superpose")


def ensemble(seed=0, models=300):
    topology = Topology.simple([Molecule("A", 0), Molecule("B", 0)], beads_per_molecule=10)
    words, numbers = np.full(models, "run1", dtype=object), np.arange(models)
    table = ModelTable(
        words, 0 * numbers, words, numbers, numbers, words, words, numbers, 1.0 * numbers
    )
    return Ensemble(rigid_models(seed, models=models, beads=10), topology, table)


def test_small_jobs_leave_nothing_behind(tmp_path):
    matrix = measure_distances(ensemble(), METRIC, tiles=tmp_path / "t")
    assert matrix.condensed.tobytes() == rmsd_matrix(ensemble(), METRIC).condensed.tobytes()
    assert not list(tmp_path.iterdir())


def test_large_jobs_continue_from_their_tiles(tmp_path):
    tiles = tmp_path / "t"
    words = {"tiles": tiles, "resources": Resources(checkpoint_pairs=100)}
    matrix = measure_distances(ensemble(), METRIC, **words)
    plain = rmsd_matrix(ensemble(), METRIC)
    assert matrix.condensed.tobytes() == plain.condensed.tobytes()
    assert matrix.definition == plain.definition
    assert (matrix.alignment, matrix.weights, matrix.names) == (
        plain.alignment,
        plain.weights,
        plain.names,
    )
    calls = []
    again = measure_distances(
        ensemble(), METRIC, progress=lambda done, total: calls.append(done), **words
    )
    assert calls == []
    assert again.condensed.tobytes() == plain.condensed.tobytes()
    with pytest.raises(OutputError, match="other models or another definition"):
        measure_distances(ensemble(seed=1), METRIC, **words)
    remove_tiles(tiles, 299)
    assert tiles.exists()
    remove_tiles(tiles, 300)
    assert not tiles.exists()
    remove_tiles(tiles, 300)


def test_what_does_not_fit_is_refused_with_a_way_out():
    with pytest.raises(InputError, match=r"300 models take 0\.0 GB") as caught:
        measure_distances(ensemble(), METRIC, resources=Resources(memory=1000))
    assert "threshold_clusters" in caught.value.hint


def test_the_key_follows_coordinates_and_definition():
    keys = {
        distances_key(ensemble(), METRIC),
        distances_key(ensemble(1), METRIC),
        distances_key(ensemble(), Metric("center")),
        distances_key(ensemble(), Metric("superpose", measure=np.arange(10))),
        distances_key(ensemble(), Metric("superpose", measure=np.arange(11))),
        distances_key(ensemble(), Metric("superpose", copies=(np.arange(20).reshape(2, 10),))),
        distances_key(ensemble(), Metric("superpose", measure=("A", "B"))),
        distances_key(ensemble(), METRIC, Resources(precision="mixed")),
    }
    assert len(keys) == 8
    assert distances_key(ensemble(), METRIC) in keys
    assert distances_key(ensemble(), METRIC, Resources(memory=9, threads=7)) in keys
    assert json.dumps(sorted(keys))
