import builtins

import numpy as np
import pytest

from congruence.compute.good_models import (
    choose_good,
    group_links,
    link_columns,
    link_distances,
    range_criterion,
    reference_columns,
    satisfied_fraction,
)
from congruence.compute.sample_split import split_by_number, split_by_rank, split_evenly
from congruence.compute.score_clusters import score_clusters
from congruence.core.good_models import LinkCriterion, RangeCriterion
from congruence.core.models import ModelTable, to_floats
from congruence.errors import (
    ConfigError,
    InputError,
    MissingDependencyError,
    SelectionError,
    ShapeError,
)

D = "CrossLinkingMassSpectrometryRestraint_Distance_"


def column(number, one, at, two, to):
    return f"{D}|XL|{number}|{one}|{at}|{two}|{to}|0|PSI|"


def table_of(run, columns, *, replica=None):
    m = len(run)
    texts = np.array(["f"] * m, dtype=object)
    stored = {k: np.array(v, dtype=object) for k, v in columns.items()}
    score = to_floats(stored["Total_Score"]) if "Total_Score" in stored else np.zeros(m)
    zeros = np.zeros(m, dtype=np.int64)
    return ModelTable(
        run=np.array(run, dtype=object),
        replica=zeros if replica is None else np.array(replica),
        source=texts,
        row=np.arange(m),
        step=np.arange(m),
        rmf_file=texts,
        file=texts,
        frame=np.arange(m),
        score=score,
        score_key="Total_Score",
        columns=stored,
    )


def runs_of(*sizes):
    names = [f"run{i + 1}" for i in range(len(sizes))]
    return table_of(np.repeat(names, sizes).tolist(), {})


# --- cross-links


def test_copies_and_repeated_pairs_are_one_link():
    names = [
        column("0.1", "A.0", 5, "B.0", 9),
        column("0.2", "A.1", 5, "B.0", 9),
        column("7.1", "A", 5, "B", 9),  # another identifier, the same residues
        column("1.1", "A", 6, "B", 9),
    ]
    assert list(group_links(names).values()) == [tuple(names[:3]), (names[3],)]


def test_the_order_of_proteins_matters_as_in_the_reference():
    names = [column("0.1", "A", 5, "B", 9), column("1.1", "B", 9, "A", 5)]
    assert len(group_links(names)) == 2


def test_names_without_fields_are_links_of_their_own():
    assert len(group_links(["Distance_1", "Distance_2"])) == 2


def test_the_nearest_alternative_counts_and_a_missing_one_does_not():
    values = {
        "a": np.array([30.0, np.nan]),
        "b": np.array([10.0, 12.0]),
        "c": np.array([1, np.nan]),
    }
    found = link_distances(values, [("a", "b"), ("c",)])
    np.testing.assert_array_equal(found, [[10, 1], [12, np.nan]])


def test_both_ends_of_the_range_are_inside():
    d = np.array([[5.0, 15.0], [4.999, 15.0], [5.0, 15.001], [np.nan, 6.0]])
    found = satisfied_fraction(d, LinkCriterion(D, 15.0, 5.0))
    np.testing.assert_array_equal(found, [1.0, 0.5, 0.5, np.nan])


def test_keywords_of_the_reference():
    names = [column("0.1", "A", 5, "B", 9), "Total_Score", "Chen_Score"]
    assert reference_columns("Total_Score", names) == ("Total_Score",)
    assert reference_columns("XL", names) == (names[0],)
    with pytest.raises(SelectionError, match="no column is called 'Score'"):
        reference_columns("Score", names)


def test_links_by_beginning_or_by_part_of_the_name():
    names = [column("0.1", "A", 5, "B", 9), "XL_Score", "My_Distance_XL_1"]
    assert link_columns(D, names) == (names[0],)
    assert link_columns("|XL|", names) == (names[0],)
    with pytest.raises(SelectionError, match="near names") as caught:
        link_columns("CrossLinkingMassSpectrometryRestraint_Distances", names)
    assert "congruence inspect" in caught.value.hint


# --- criteria


def test_all_criteria_must_hold_and_each_step_is_counted():
    a, b = column("0.1", "A", 5, "B", 9), column("1.1", "A", 6, "B", 9)
    table = table_of(
        ["r"] * 4, {a: [1, 1, 99, 1], b: ["2", "2", "2", "99"], "Total_Score": [5, -1, -1, -1]}
    )
    links = LinkCriterion(D, 15.0, low=0.5)
    good = choose_good(table, [links, RangeCriterion("Total_Score", high=0)], {D: (a, b)})
    assert good.rows.tolist() == [1, 2, 3]
    assert good.values.tolist() == [[1.0, -1.0], [0.5, -1.0], [0.5, -1.0]]
    assert [n for _, n in good.steps] == [4, 4, 3]
    assert good.links == {D: 2}


@pytest.mark.parametrize(
    ("operator", "passing"), [("<", [0]), ("<=", [0, 1]), (">", [2]), (">=", [1, 2]), ("==", [1])]
)
def test_strict_and_closed_ranges(operator, passing):
    table = table_of(["r"] * 3, {"s": [1, 2, 3]})
    assert choose_good(table, [range_criterion("s", operator, 2.0)], {}).rows.tolist() == passing


def test_unequal_is_no_range():
    with pytest.raises(ConfigError, match="operator '!='"):
        range_criterion("s", "!=", 1.0)


def test_values_that_are_no_numbers_never_pass_and_are_reported():
    table = table_of(["r"] * 3, {"s": [1, "None", 1]})
    good = choose_good(table, [RangeCriterion("s", high=2)], {})
    assert good.rows.tolist() == [0, 2]
    assert [(e.count, e.what) for e in good.left_out] == [(1, "models")]


def test_without_criteria_it_says_what_to_give():
    with pytest.raises(ConfigError, match="no criteria") as caught:
        choose_good(table_of(["r"], {"s": [1]}), [], {})
    assert "--where" in caught.value.hint


def test_when_nothing_passes_the_nearest_value_is_told():
    a, b = column("0.1", "A", 5, "B", 9), column("1.1", "A", 6, "B", 9)
    table = table_of(["r1", "r2"], {a: [40, 18.5], b: [3, 14], "Total_Score": [7.25, 9]})
    with pytest.raises(InputError) as caught:
        choose_good(
            table, [LinkCriterion(D, 12.0), RangeCriterion("Total_Score", high=0)], {D: (a, b)}
        )
    text = caught.value.message
    assert "none of 2 models passes" in text
    assert "the nearest model satisfies 50 % (run r1, replica 0, row 0)" in text
    assert "a maximum distance of 18.5 Å would let it pass" in text
    assert "the nearest value is 7.25 (run r1, replica 0, row 0)" in text


def test_criteria_that_exclude_each_other_are_told_apart():
    table = table_of(["r"] * 2, {"s": [1, 9], "t": [9, 1]})
    with pytest.raises(InputError, match=r"s <= 2: 1 models pass this alone; t <= 2: 1 models"):
        choose_good(table, [RangeCriterion("s", high=2), RangeCriterion("t", high=2)], {})


def test_a_column_without_numbers_is_told():
    table = table_of(["r"] * 2, {"s": ["None", "None"]})
    with pytest.raises(InputError, match="no model has a number there"):
        choose_good(table, [RangeCriterion("s", high=2)], {})


def test_an_unknown_column_is_an_error_with_near_names():
    with pytest.raises(SelectionError, match=r"'Total_Scor'; near names: Total_Score"):
        choose_good(
            table_of(["r"], {"Total_Score": [1]}), [RangeCriterion("Total_Scor", high=2)], {}
        )


# --- two samples


def test_the_most_even_split_by_runs_is_found():
    split = split_evenly(runs_of(50, 10, 30, 30))
    assert sorted(split.sizes) == [60, 60]
    assert sorted(map(sorted, split.units)) == [["run1", "run2"], ["run3", "run4"]]


def test_runs_are_never_split_and_samples_have_as_many_runs():
    rng = np.random.default_rng(0)
    for _ in range(30):
        sizes = rng.integers(1, 40, size=rng.integers(2, 9))
        table = runs_of(*sizes)
        split = split_evenly(table, seed=1)
        a, b = split.units
        assert abs(len(a) - len(b)) <= 1
        assert not set(a) & set(b)
        assert set(np.unique(table.run[split.in_a].astype(str))) == set(a)


def test_no_split_into_equally_many_runs_is_more_even():
    import itertools

    sizes = [13, 2, 8, 21, 34, 5]
    split = split_evenly(runs_of(*sizes))
    best = min(abs(sum(sizes) - 2 * sum(c)) for c in itertools.combinations(sizes, 3))
    assert abs(split.sizes[0] - split.sizes[1]) == best


def test_ties_are_broken_by_the_seed_and_repeat():
    table = runs_of(*[10] * 8)
    units = {split_evenly(table, seed=seed).units for seed in range(20)}
    assert len(units) > 3
    assert split_evenly(table, seed=4).units == split_evenly(table, seed=4).units


def test_many_runs_are_balanced_too():
    rng = np.random.default_rng(2)
    table = runs_of(*rng.integers(1, 100, size=40))
    split = split_evenly(table, seed=0)
    assert abs(split.sizes[0] - split.sizes[1]) <= 2
    assert [len(u) for u in split.units] == [20, 20]


def test_a_single_run_is_parted_by_replicas_if_it_can_be():
    table = table_of(["r"] * 6, {}, replica=[0, 0, 0, 1, 1, 2])
    split = split_evenly(table)
    assert split.unit == "replica"
    assert sorted(split.sizes) == [3, 3]
    assert "not independent" in split.how


def test_a_single_replica_is_parted_at_random_in_drawn_order():
    split = split_evenly(runs_of(7), seed=1)
    assert split.unit == "model"
    assert split.sizes == (3, 4)
    assert sorted(split.listed.tolist()) == list(range(7))
    assert split.in_a[split.listed].tolist() == [True] * 3 + [False] * 4
    assert split_evenly(runs_of(7), seed=1).in_a.tolist() == split.in_a.tolist()


def test_one_model_cannot_be_two_samples():
    for split in (split_evenly, split_by_rank):
        with pytest.raises(InputError, match="two samples need one each"):
            split(runs_of(1))


def test_split_by_rank_takes_the_first_half():
    assert split_by_rank(runs_of(2, 2, 2)).in_a.tolist() == [True] * 2 + [False] * 4


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [("34", ""), ("12345", "12"), ("01234", "012"), ("12", "1")],
)
def test_the_reference_splits_by_the_value_of_the_number(numbers, expected):
    table = table_of(list(numbers), {})
    split = split_by_number(table, runs=len(numbers))
    assert "".join(table.run[split.in_a]) == expected


def test_the_reference_needs_numbers():
    with pytest.raises(ConfigError, match="no number"):
        split_by_number(table_of(["x"], {}), runs=2)


# --- clusters of scores


def two_groups(rng):
    values = rng.normal(size=(200, 2))
    values[120:, 0] += 12.0
    return values * [1.0, 1000.0]


def test_scores_are_standardized_so_that_no_unit_decides():
    values = two_groups(np.random.default_rng(0))
    found = score_clusters(values, ["a", "b"], min_cluster_size=30)
    assert found.standardized
    assert len(found.sizes) == 2
    assert sum(found.sizes) + found.noise == 200
    assert len(set(found.labels[:120][found.labels[:120] >= 0])) == 1
    raw = score_clusters(values, ["a", "b"], min_cluster_size=30, standardize=False)
    assert sorted(raw.sizes) != sorted(found.sizes)


def test_compat_takes_raw_scores_and_large_clusters():
    values = np.concatenate([two_groups(np.random.default_rng(s)) for s in range(3)])
    found = score_clusters(values, ["a", "b"], compat=True)
    assert (found.min_cluster_size, found.min_samples, found.standardized) == (150, 5, False)


def test_too_few_models_for_clusters():
    with pytest.raises(ConfigError, match="12 models cannot be clustered"):
        score_clusters(np.zeros((12, 1)), ["a"], min_cluster_size=20)
    with pytest.raises(ShapeError, match="score b is not a number"):
        score_clusters(np.array([[1.0, np.nan]] * 30), ["a", "b"])
    with pytest.raises(ShapeError, match=r"expected \(m, 1\)"):
        score_clusters(np.zeros((12, 2)), ["a"])


def test_without_hdbscan_it_says_how_to_get_it(monkeypatch):
    plain = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "hdbscan":
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match="hdbscan") as caught:
        score_clusters(np.zeros((30, 1)), ["a"])
    assert "congruence[hdbscan]" in caught.value.hint
