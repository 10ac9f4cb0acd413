"""Planted truth is found again, on few seeds; ``benchmarks/calibration.py`` has many."""

import importlib
from pathlib import Path

from scipy.stats import binom


def test_planted_truth_is_found_as_often_as_95_of_100_allow(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    calibration = importlib.import_module("benchmarks.calibration")
    first = calibration.FIRST_SEED + 5_000
    for name, (right, asked) in calibration.rates(80, range(first, first + 4), counts=(2,)).items():
        # Fewer are found in less than one of 1,000 if 95 of 100 are.
        assert right >= binom.ppf(0.001, asked, 0.95), name
