"""What the figures of the exhaustiveness tests show."""

import numpy as np

from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.core.results import Alignment, DistanceMatrix
from congruence.plots.exhaustiveness import plot_populations, plot_scan, save_figures, scan_data


def result_of(apart=30.0, n_a=40, **settings):
    rng = np.random.default_rng(0)
    places = rng.normal(size=80) + apart * (np.arange(80) % 2)
    i, j = np.triu_indices(80, 1)
    matrix = DistanceMatrix(np.abs(places[i] - places[j]), 80, Alignment.NONE, "none")
    scores = rng.normal(size=80)
    return assess(matrix, n_a, scores, settings=Settings(**settings)), scores


def test_the_scan_is_marked_where_the_test_can_fail():
    result, _ = result_of(step=3.0)
    data = scan_data(result)
    kept = result.scan.column("kept")
    assert data.several.tolist() == (kept > 1).tolist()
    assert np.isnan(data.p[kept == 0]).all()
    assert data.chosen == result.precision.threshold
    assert "green line is the sampling precision" in data.caption
    (p, v, coverage) = plot_scan(data).axes
    assert [a.get_ylabel() for a in (p, v)] == ["p-value", "Cramér's V"]
    assert coverage.get_xlabel() == "clustering threshold (Å)"


def test_not_converged_draws_no_line_and_no_bars():
    result, _ = result_of(n_a=74)
    data = scan_data(result)
    assert np.isnan(data.chosen)
    assert "not exhaustive" in data.caption
    (axes,) = plot_populations(result).axes
    assert [t.get_text() for t in axes.texts] == ["no clusters"]
    assert len(plot_scan(data).axes[0].lines) == len(plot_scan(scan_data(result_of()[0])).axes[0].lines) - 1  # fmt: skip


def assess_without_scores():
    rng = np.random.default_rng(1)
    places = rng.normal(size=30)
    i, j = np.triu_indices(30, 1)
    matrix = DistanceMatrix(np.abs(places[i] - places[j]), 30, Alignment.NONE, "none")
    return assess(matrix, 15)


def test_without_scores_two_figures_are_written(tmp_path):
    paths = save_figures(assess_without_scores(), None, tmp_path, name="x")
    names = ["threshold_scan", "cluster_populations"]
    assert [p.name for p in paths] == ["figures.pdf", *(f"{n}.png" for n in names)]
    assert paths[0].read_bytes().count(b"/Type /Page ") == 2
    assert all(p.stat().st_size > 1000 for p in paths)
