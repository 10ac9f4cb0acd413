"""Real stat files of ten years of PMI, against Python's own parser and the reference's numbers."""

import ast

import pytest
from sharedpaths import DATA, needs_shared

from congruence.compute.filtering import choose_reference
from congruence.core.provenance import Losses
from congruence.io.runs import expand_features, find_runs, find_score_key, list_columns, read_scores
from congruence.io.stat import read_header, read_stat, sample

pytestmark = [pytest.mark.golden, needs_shared]

FILES = sorted(DATA.rglob("stat*.out")) if DATA.is_dir() else []


def test_there_are_files():
    assert len(FILES) == 40


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(DATA)))
def test_every_value_is_what_python_reads(path):
    losses = Losses()
    table = read_stat(path, losses=losses)
    rows = [ast.literal_eval(t) for t in path.read_text().split("\n") if t.strip()]
    key = {name: name for name in table.header.names}
    if table.header.version == 2:
        key = {name: number for number, name in rows[0].items() if isinstance(number, int)}
        rows = rows[1:]
    assert set(table.columns) == set(key)
    for name, values in table.columns.items():
        assert values.tolist() == [row[key[name]] for row in rows]
    some = list(key)[::7]
    few = read_stat(path, some, losses=losses)
    assert all(few.columns[n].tolist() == table.columns[n].tolist() for n in some)
    assert not losses.entries
    sampled = sample(path, head=5, tail=5, columns=some, losses=losses)
    assert abs(sampled.rows - len(table)) <= 0.25 * len(table)


def test_the_mediator_file_has_409_columns():
    header = read_header(DATA / "mediator_pmi1/output/stat.2.out")
    assert len(header.names) == 409
    assert len(read_stat(DATA / "mediator_pmi1/output/stat.2.out", [], losses=Losses())) == 168


def test_the_version_1_file():
    table = read_stat(DATA / "two_states/output1/statv1.out", losses=Losses())
    assert (table.header.version, len(table), len(table.columns)) == (1, 16, 25)


def scores(folder, key, features=()):
    runs = find_runs([folder])
    return read_scores(runs, score_key=key, features=features, losses=Losses())


def test_every_third_row_of_the_mediator():
    path = DATA / "mediator_pmi1/output/stat.2.out"
    columns = list_columns(find_runs([path]))
    key = find_score_key(columns)
    assert key == "SimplifiedModel_Total_Score_None"
    assert len({*expand_features(columns, ["Score"]), "rmf_file", "rmf_frame_index"}) == 86
    table = scores(path, key)
    kept = sorted(choose_reference(table, get_every=3).rows.tolist())
    assert len(kept) == 56
    assert table.frame[kept][:4].tolist() == [1, 4, 7, 10]
    assert table.score[kept[0]] == 363.124295505


def test_below_ten_of_every_second_row():
    table = scores(DATA / "two_states/output1", "AtomicXLRestraint")
    choice = choose_reference(table, get_every=2, prefiltervalue=10.0)
    assert [count for _, count in choice.steps[:3]] == [33, 17, 12]


def test_the_ten_best_of_the_main_data_set():
    table = scores(DATA / "rpb47/output_test", "Total_Score")
    rows = choose_reference(table, number_of_best_scoring_models=10).rows
    found = [name.rsplit("/", 1)[1] for name in table.take(rows).names]
    assert found == [
        "4.rmf3|10", "7.rmf3|16", "7.rmf3|17", "7.rmf3|38", "3.rmf3|56",
        "2.rmf3|30", "6.rmf3|71", "4.rmf3|49", "5.rmf3|36", "4.rmf3|61",
    ]  # fmt: skip
    assert table.score[rows[0]] == 5.15861356095
