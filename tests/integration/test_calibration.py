"""Planted truth is found again, on few seeds; ``benchmarks/calibration.py`` has many."""

import importlib
import json
from pathlib import Path

import pytest
from scipy.stats import binom

SEEDS = 10
MODELS = 80


@pytest.fixture(scope="module")
def calibration():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        yield importlib.import_module("benchmarks.calibration")


@pytest.fixture(scope="module")
def trials(calibration):
    """Everything but the number of clusters, which takes longest, of some seeds."""
    planted = importlib.import_module("benchmarks.planted")
    first = calibration.FIRST_SEED + 5_000
    found = []
    for seed in range(first, first + SEEDS):
        mine = planted.Planted(seed, pool=1200)
        trial = planted.spread(mine, MODELS, time=2.0) + planted.exhaustiveness(mine, MODELS)
        found.append(trial.right)
    return found


@pytest.mark.parametrize(
    "question",
    [
        "precision in its interval, models that forget in 2 frames",
        "accuracy in its interval, models that forget in 2 frames",
        "population in its interval, models that forget in 2 frames",
        "sampling with opposite shares fails",
        "sampling of which one half missed a cluster fails",
    ],
)
def test_planted_truth_is_found_as_often_as_95_of_100_allow(trials, question):
    # Fewer are found in less than one of 1,000 if 95 of 100 are.
    assert sum(t[question] for t in trials) >= binom.ppf(0.001, SEEDS, 0.95)


def test_an_exhaustive_sampling_passes_and_its_clusters_are_counted(calibration):
    planted = importlib.import_module("benchmarks.planted")
    first, wrong = calibration.FIRST_SEED + 6_000, 0
    for seed in range(first, first + 4):
        right = planted.spread(planted.Planted(seed, pool=1200), MODELS).right
        assert right["number of clusters, 2 planted"]
        wrong += not right["exhaustive sampling passes"]
    assert wrong <= binom.ppf(0.999, 4, 0.05)


def test_answers_are_kept_and_not_asked_again(calibration):
    (line,) = calibration.answers("null", [7], [40])
    assert json.loads(json.dumps(line)) == line
    assert (line["kind"], line["models"], line["seed"]) == ("null", 40, 7)
    assert not list(calibration.answers("null", [7], [40], [line]))
    table = calibration.null_table([line])
    assert any(row.startswith("| score p, independent | ") for row in table)
    assert calibration.planted_table([line]) == []


def test_a_number_outside_of_its_bounds_is_marked(calibration):
    lines = [
        {"kind": "planted", "models": 80, "seed": seed, "values": {},
         "right": {"x in its interval": seed > 20, "y fails": True, "z within 5 %": False}}
        for seed in range(100)
    ]  # fmt: skip
    table = calibration.planted_table(lines)
    assert table[2:5] == [
        "| x in its interval | 90% to 99% | 79 of 100 (!) |",
        "| y fails | 95% to 100% | 100 of 100 |",
        "| z within 5 % |  | 0 of 100 |",
    ]
