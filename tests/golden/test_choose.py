"""The models that the reference chose, file by file and frame by frame, in rank order."""

import json

import pytest
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.compute.filtering import choose_reference
from congruence.core.provenance import Losses
from congruence.io.runs import ReadNotes, find_runs, find_score_key, list_columns, read_scores

pytestmark = [pytest.mark.golden, needs_shared]

# names in the records -> places in the shared data
PLACES = (
    ("pmi/test/input/output_test_rmf/", "rpb47_scores_in_rmf/output_test_rmf/"),
    ("pmi/test/input/output_test/", "rpb47/output_test/"),
    ("pmi/test/input/pmi2_copies_", "copies/pmi2_copies_"),
    ("pmi/test/input/pmi2_sample_", "residue_beads/pmi2_sample_"),
    ("imp-sampcon/test/input/modeling/", "threshold_runs/"),
)
OPTIONS = ("prefiltervalue", "get_every", "first_and_last_frames", "number_of_best_scoring_models")


def records():
    for path in sorted(GOLDEN.glob("clustering/*/record.json")):
        record = json.loads(path.read_text())
        if "model_list_names_in_rank_order" in record:
            yield pytest.param(record, id=record["run"])


def here(name):
    for there, place in PLACES:
        if name.startswith(there):
            return f"{DATA}/{place}{name.removeprefix(there)}"
    raise AssertionError(name)


def test_there_are_records():
    assert len(list(records())) == 13


@pytest.mark.parametrize("record", list(records()))
def test_the_reference_choice_is_reproduced(record):
    asked = record["clustering_kwargs"]
    folders = record["constructor"]["merge_directories"]
    runs = find_runs([DATA / folder for folder in folders])
    losses, notes = Losses(), ReadNotes()
    table = read_scores(
        runs,
        score_key=find_score_key(list_columns(runs), asked.get("score_key")),
        features=asked.get("feature_keys", ()),
        losses=losses,
        notes=notes,
    )
    choice = choose_reference(table, **{k: asked[k] for k in OPTIONS if k in asked})
    assert list(table.take(choice.rows).names) == [
        here(name) for name in record["model_list_names_in_rank_order"]
    ]
    assert set(notes.rules) <= {"beside"}
    assert not losses.entries
