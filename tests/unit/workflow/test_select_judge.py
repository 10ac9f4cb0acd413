"""How many of the chosen models are independent, as `congruence select` says it."""

import numpy as np
import pytest

from congruence.core.good_models import SampleSplit
from congruence.core.models import ModelTable
from congruence.workflow.select_judge import diagnose

RUNS, LENGTH = 4, 40


def diagnosis(scores):
    m = RUNS * LENGTH
    run = np.repeat([f"run{i}" for i in range(RUNS)], LENGTH).astype(object)
    step, zeros = np.tile(np.arange(LENGTH), RUNS), np.zeros(m, dtype=np.int64)
    table = ModelTable(run, zeros, run, step, step, run, run, step, scores, score_key="s")
    split = SampleSplit(np.arange(m) < m // 2, "by runs", "run")
    return diagnose(table, split)


def test_independent_models_are_counted_as_such():
    found = diagnosis(np.random.default_rng(1).normal(size=RUNS * LENGTH))
    _, independence, scores = found.verdicts
    assert independence.level == "ok"
    assert "keep to scores" not in independence.evidence
    assert sum(found.effective.values()) > 100
    assert "not to be quoted" not in scores.claim


@pytest.mark.parametrize("gap", [10.0, 30.0])
def test_runs_that_keep_to_their_own_scores_are_few_models(gap):
    noise = np.random.default_rng(2).normal(size=RUNS * LENGTH)
    found = diagnosis(noise + gap * np.repeat([0, 1, 1, 0], LENGTH))
    _, independence, scores = found.verdicts
    # each run on its own looks well sampled
    assert sum(found.effective.values()) > 80
    assert independence.level == "warning"
    assert independence.claim.endswith(" 4 independent ones.")
    assert "replicas keep to scores of their own" in independence.evidence
    assert "the plain p is too small and is not to be quoted" in scores.claim
