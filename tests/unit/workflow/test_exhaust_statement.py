"""What goes into a paper does not quote a p-value that the verdicts warn of."""

import re
from dataclasses import replace

import pytest

from congruence.compute.exhaustiveness_uncertainty import with_uncertainty
from congruence.compute.exhaustiveness_verdicts import assess
from congruence.compute.rmsd import rmsd_matrix
from congruence.compute.sampling_uncertainty import Origins
from congruence.core.results import Level
from congruence.simulate import Sampling, Simulation
from congruence.simulate.ensemble import as_ensemble
from congruence.workflow.exhaust_statement import statement


def judged(time):
    sampling = Sampling(120, runs=6, replicas=1, autocorrelation=time, spread=6.0, seed=21)
    drawn = Simulation(sampling)
    ensemble = as_ensemble(drawn)
    matrix = rmsd_matrix(ensemble, alignment="superpose")
    scores = ensemble.models.score
    origins = Origins(ensemble.models.run, drawn.replica, drawn.frame)
    result = assess(matrix, int((drawn.run < 3).sum()), scores)
    return with_uncertainty(result, matrix, origins, scores)


@pytest.fixture(scope="module")
def correlated():
    return judged(5.0)


def test_independent_models_are_quoted_with_the_plain_p():
    result = judged(0.0)
    text = statement(result, "t")
    assert f"p = {result.scores.p['exact']:.2g}, exact)" in text
    assert "independent models among them" not in text


def test_correlated_models_are_quoted_with_their_number_of_independent_ones(correlated):
    text = statement(correlated, "t")
    known = correlated.uncertainty.scores
    assert known.inefficiency > 1.5
    assert f"p = {known.p_corrected:.2g} for the " in text
    assert "exact" not in text
    (g,) = re.findall(r"with one independent model in ([\d.]+)", text)
    assert float(g) == pytest.approx(correlated.uncertainty.g, abs=0.06)


def test_a_difference_that_correlation_explains_is_called_that(correlated):
    scores = correlated.scores
    failed = replace(scores, verdict=replace(scores.verdict, level=Level.FAIL))
    known = replace(correlated.uncertainty.scores, p_corrected=0.4)
    uncertain = replace(correlated.uncertainty, scores=known)
    text = statement(replace(correlated, scores=failed, uncertainty=uncertain), "t")
    assert "differ (Kolmogorov-Smirnov" in text
    assert "but no more than those of correlated models do (p = 0.4 for the" in text
