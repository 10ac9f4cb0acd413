"""Distances against the matrices that the reference program wrote."""

import json

import numpy as np
import pytest
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.compute.rmsd import place, rmsd_matrix
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable

pytestmark = [pytest.mark.golden, needs_shared]

# Paths in the records, as the README of the golden files translates them.
PLACES = {
    "pmi/test/input/output_test_rmf/": "rpb47_scores_in_rmf/output_test_rmf/",
    "pmi/test/input/output_test/": "rpb47/output_test/",
    "pmi/test/input/pmi2_copies": "copies/pmi2_copies",
    "pmi/test/input/pmi2_sample": "residue_beads/pmi2_sample",
    "imp-sampcon:test/input/modeling/": "threshold_runs/",
    "imp-sampcon/test/input/modeling/": "threshold_runs/",
}


def load(record):
    from congruence.io.rmf import open_rmf

    names = record["model_list_names_in_rank_order"]
    topology, frames = None, []
    files = {}
    for name in names:
        path, frame = name.rsplit("|", 1)
        for old, new in PLACES.items():
            if path.startswith(old):
                path = new + path.removeprefix(old)
                break
        file = files.setdefault(path, open_rmf(DATA / path))
        topology = topology or file.topology(1)
        frames.append(file.coordinates([int(frame)], 1)[0])
    m = len(names)
    text, numbers = np.array(names, dtype=object), np.arange(m)
    table = ModelTable(text, numbers, text, numbers, numbers, text, text, numbers, np.zeros(m))
    return Ensemble(np.array(frames, dtype=np.float64), topology, table)


def reference(run):
    record = json.loads((GOLDEN / "clustering" / run / "record.json").read_text())
    square = np.load(GOLDEN / "clustering" / run / "distance.rawmatrix.pkl.npy")
    return record, square


CASES = [
    ("noalign_n10_k2", "none", "Rpb4 + Rpb7", None),
    ("noalign_n100_k3", "none", "Rpb4 + Rpb7", None),
    ("align_n10_k3", "superpose", "Rpb4 + Rpb7", None),
    ("alignRpb4_n10_k2", "superpose", "Rpb4 + Rpb7", "Rpb4"),
    ("rmfstat_n20_k2", "none", "Rpb4 + Rpb7", None),
    ("pmi2_copies_noalign", "none", "Prot1", None),
    ("pmi2_copies_align", "superpose", "Prot1", None),
    ("pmi2_sample_n20_k2", "none", "Prot1 + Prot2", None),
    ("sampcon_beads_n30_k2", "none", "Rpb1", None),
    ("sampcon_beads_align_n30_k2", "superpose", "Rpb1", None),
]


@pytest.mark.parametrize(("run", "alignment", "measure", "on"), CASES)
def test_matrix_of_the_reference(run, alignment, measure, on):
    record, expected = reference(run)
    data = load(record)
    words = {"alignment": alignment, "measure": measure, "on": on, "fit_weights": "none"}
    matrix = rmsd_matrix(data, **words)
    np.testing.assert_allclose(matrix.square(), expected, rtol=0, atol=1e-9)
    for member, placement in zip(
        [1, len(data) - 1], place(data, [1, len(data) - 1], 0, **words), strict=True
    ):
        placed = placement.apply(data.coordinates[member], data.topology.copy_groups())
        beads = data.beads(measure)
        w = data.topology.residue_counts[beads]
        off = ((placed - data.coordinates[0])[beads] ** 2).sum(axis=1)
        assert np.sqrt((w * off).sum() / w.sum()) == pytest.approx(expected[0, member], abs=1e-9)


def test_copies_are_exchanged_under_superposition():
    record, expected = reference("pmi2_copies_align")
    data = load(record)
    words = {"alignment": "superpose", "measure": "Prot1", "fit_weights": "none"}
    assert expected[0, 1] == pytest.approx(0.6660057214588085, abs=1e-12)
    assert place(data, [1], 0, **words)[0].assignment == ((1, 0),)
    off = rmsd_matrix(data, **words, copies="off").condensed[0]
    assert off > expected[0, 1] + 0.01


def test_motion_of_the_reference():
    record, _ = reference("align_n10_k3")
    words = {"alignment": "superpose", "measure": "Rpb4 + Rpb7", "fit_weights": "none"}
    placement = place(load(record), [1], 0, **words)[0]
    (w, x, y, z), translation = record["transformations_quat_trans"]["0,1"]
    expected = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    np.testing.assert_allclose(placement.rotation, expected, atol=1e-6)
    np.testing.assert_allclose(placement.translation, translation, atol=1e-3)
