"""The choice of models, on tables whose answer can be checked by hand."""

import math

import numpy as np
import pytest

from congruence.compute.filtering import (
    choose_models,
    choose_reference,
    parse_condition,
    take_whole,
)
from congruence.core.models import ModelTable
from congruence.core.provenance import Losses
from congruence.errors import ConfigError, SelectionError


def table(scores, *, replicas=None, frames=None, source="stat.0.out", rows=None, **columns):
    m = len(scores)
    replica = np.array(replicas if replicas is not None else [0] * m, dtype=np.int64)
    step = np.array([int((replica[:i] == replica[i]).sum()) for i in range(m)], dtype=np.int64)

    def texts(value):
        return np.array([value] * m, dtype=object)

    return ModelTable(
        run=texts("r"),
        replica=replica,
        source=texts(source),
        row=step if rows is None else np.array(rows, dtype=np.int64),
        step=step,
        rmf_file=texts("0.rmf3"),
        file=texts("0.rmf3"),
        frame=np.arange(m) if frames is None else np.array(frames, dtype=np.int64),
        score=np.array(scores, dtype=np.float64),
        score_key="Total_Score",
        columns={k: np.array(v, dtype=object) for k, v in columns.items()},
    )


def chosen(*args, **keywords):
    return choose_models(*args, **keywords).rows.tolist()


def test_lowest_scores_first_and_ties_in_table_order():
    t = table([3, 1, 2, 1, 3])
    assert chosen(t) == [1, 3, 2, 0, 4]
    assert chosen(t, best=3) == [1, 3, 2]
    assert chosen(t, best=99) == [1, 3, 2, 0, 4]


def test_below_is_strict():
    assert chosen(table([1, 2, 3]), below=2.0) == [0]


def test_fractions_are_of_each_replica():
    t = table(range(7), replicas=[0, 0, 0, 0, 1, 1, 1])
    assert chosen(t, frames=(0.5, 1)) == [2, 3, 5, 6]
    assert chosen(t, frames=(0, 0.5)) == [0, 1, 4]


def test_fractions_meet_without_gap_or_overlap():
    t = table(range(100))
    parts = [chosen(t, frames=(a, b)) for a, b in ((0, 0.29), (0.29, 0.57), (0.57, 1))]
    assert [len(p) for p in parts] == [29, 28, 43]
    assert [row for part in parts for row in part] == list(range(100))


def test_every_keeps_the_first_step_of_each_replica():
    t = table(range(7), replicas=[0, 0, 0, 0, 1, 1, 1])
    assert chosen(t, every=3) == [0, 3, 4]


def test_conditions_on_columns_and_the_score():
    t = table([1, 2, 3, 4], psi=["0.1", 0.2, "None", "0.4"])
    assert chosen(t, where=["psi>=0.2"]) == [1, 3]
    assert chosen(t, where=["psi>=0.2", "Total_Score<4"]) == [1]
    assert chosen(t, where=["psi!=0.2"]) == [0, 3]
    choice = choose_models(t, where=[parse_condition("psi != 0.2")])
    assert [(e.where, e.count) for e in choice.left_out] == [("column psi", 1)]


def test_unusable_models_are_never_chosen_and_counted():
    t = table([1, math.nan, 2, 3], frames=[0, 1, -1, 3])
    choice = choose_models(t)
    assert choice.rows.tolist() == [0, 3]
    assert [(e.why, e.count) for e in choice.left_out] == [("Total_Score is no number", 1)]
    assert choice.steps == (("all rows", 4), ("with coordinates", 3), ("usable", 2))
    t.file[0] = ""
    assert chosen(t) == [3]


def test_the_steps_tell_how_many_were_left():
    choice = choose_models(
        table(range(10)), frames=(0.2, 1), every=2, where=["Total_Score>2"], below=8, best=2
    )
    assert choice.steps == (
        ("all rows", 10),
        ("frames 0.2 to 1 of each replica", 8),
        ("every 2", 4),
        ("Total_Score > 2", 3),
        ("score below 8", 2),
        ("best 2", 2),
    )
    assert len(choice) == 2
    assert choice.log[-1] == "best 2: 2"


def test_an_empty_table_and_an_empty_choice():
    assert chosen(table([]), frames=(0, 1), every=2, below=1.0, best=1) == []
    assert chosen(table([5]), below=1.0) == []


@pytest.mark.parametrize(
    ("text", "column", "sign", "value"),
    [
        ("Total_Score<150", "Total_Score", "<", 150.0),
        ("a<=1e-3", "a", "<=", 1e-3),
        ("a >= -.5", "a", ">=", -0.5),
        ("a==5", "a", "==", 5.0),
        ("a!=+5.", "a", "!=", 5.0),
        ("a>inf", "a", ">", math.inf),
        ("Distance_|A|1|B<2>3|<30", "Distance_|A|1|B<2>3|", "<", 30.0),
        ("a<5>3", "a<5", ">", 3.0),
        ("a b>1", "a b", ">", 1.0),
    ],
)
def test_conditions_are_split_at_the_last_operator(text, column, sign, value):
    condition = parse_condition(text)
    assert (condition.column, condition.operator, condition.value) == (column, sign, value)


@pytest.mark.parametrize(
    "text", ["", "a", "a<", "<5", "a=5", "a<b", "a<5x", "a<nan", "a<__import__"]
)
def test_what_is_no_condition(text):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        parse_condition(text)
    assert "Total_Score<150" in caught.value.hint


@pytest.mark.parametrize(
    "keywords",
    [
        {"best": 0},
        {"every": 0},
        {"below": math.nan},
        {"frames": (0.5, 0.5)},
        {"frames": (-0.1, 1)},
        {"frames": (0, 1.5)},
        {"frames": (math.nan, 1)},
    ],
)
def test_numbers_out_of_range_are_refused(keywords):
    with pytest.raises(ConfigError) as caught:
        choose_models(table([1]), **keywords)
    assert caught.value.hint


def test_a_column_that_was_not_read_is_an_error():
    with pytest.raises(SelectionError, match=r"no column 'ps'.*psi"):
        choose_models(table([1], psi=[1]), where=["ps<1"])


@pytest.mark.parametrize(
    ("g", "version2", "version1"),
    [(1, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4], [1, 3, 5]), (3, [1, 4], [2, 5]), (4, [2], [3])],
)  # fmt: skip
def test_the_reference_counts_the_header_line(g, version2, version1):
    t = table(range(6))
    assert choose_reference(t, get_every=g).rows.tolist() == version2
    one = choose_reference(t, get_every=g, version1=["stat.0.out"])
    assert one.rows.tolist() == version1
    from_rmf = choose_reference(table(range(6), source="rmfs/0.rmf3"), get_every=g)
    assert len(from_rmf) == 6


def test_the_reference_counts_damaged_lines():
    t = table(range(4), rows=[0, 2, 3, 4])
    assert choose_reference(t, get_every=2).rows.tolist() == [0, 1, 3]


def test_the_reference_cuts_the_joined_list_before_ranking():
    t = table([9, 1, 8, 2, 7, 3, 6, 4, 5, 0], replicas=[0] * 5 + [1] * 5)
    assert choose_reference(t, first_and_last_frames=(0.15, 0.55)).rows.tolist() == [1, 3, 4, 2]
    assert len(choose_reference(t, first_and_last_frames=(0, 1))) == 10
    assert 9 not in choose_reference(t, first_and_last_frames=(0, 1.1)).rows
    limited = choose_reference(t, prefiltervalue=6.0, number_of_best_scoring_models=3)
    assert limited.rows.tolist() == [9, 1, 3]
    assert limited.steps[2] == ("prefiltervalue 6", 6)


def test_the_reference_choice_skips_what_it_cannot_open():
    choice = choose_reference(table([1, 2, math.nan], frames=[-1, 0, 1]))
    assert choice.rows.tolist() == [1]
    assert [(e.why, e.count) for e in choice.left_out] == [("Total_Score is no number", 1)]


def test_whole_frames_are_taken_in_rank_order_and_no_more_is_opened():
    t = table([4, 3, 2, 1, 0])
    asked = []

    def has_frame(file, frame):
        asked.append((file, frame))
        return frame not in (3, 4)

    losses = Losses()
    rows = take_whole(t, choose_models(t).rows, 2, has_frame, losses=losses)
    assert rows.tolist() == [2, 1]
    assert asked == [("0.rmf3", f) for f in (4, 3, 2, 1)]
    assert [(e.where, e.count) for e in losses.entries] == [("0.rmf3", 2)]
    assert take_whole(t, rows, None, has_frame, losses=losses).tolist() == [2, 1]
    assert take_whole(t, rows, 0, has_frame, losses=losses).dtype == np.int64
