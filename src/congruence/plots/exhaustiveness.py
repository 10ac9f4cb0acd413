"""The figures of the exhaustiveness tests, each with a caption that says how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.results import Level
from congruence.plots.page import page, signed
from congruence.plots.running import plot_running
from congruence.plots.style import house, save_book

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from congruence.core.exhaustiveness import Exhaustiveness
    from congruence.core.score_results import ScoreComparison, TopScore
    from congruence.typing import BoolArray, FloatArray

__all__ = [
    "ScanData",
    "plot_populations",
    "plot_scan",
    "plot_score_convergence",
    "plot_score_distributions",
    "save_figures",
    "scan_data",
    "step_curve",
]

_A, _B = "#0072B2", "#D55E00"
_CHOSEN = "#009E73"
_GREY = "#8C8C8C"
_MOST_CLUSTERS = 20


def plot_score_convergence(top: TopScore, *, title: str = "") -> Figure:
    """
    Draw how the expected best score falls with the number of models.

    Parameters
    ----------
    top : TopScore
        Test 1.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page.
    """
    caption = signed(
        "Expected best score of random subsets of the models of both samples: mean and standard "
        "deviation over all subsets of a size, computed exactly. The dashed line is the best "
        "score of all models. The curve should be flat at the right. "
        f"{top.verdict.claim}"
    )
    with house():
        figure, (axes,) = page(caption, (3.0,), title or "Convergence of the best score")
        axes.errorbar(
            top.sizes, top.means, yerr=top.deviations, color=_A, marker="o", markersize=4,
            linewidth=1.2, capsize=3,
        )  # fmt: skip
        axes.axhline(float(top.means[-1]), color=_GREY, linewidth=0.9, linestyle="--")
        axes.set_xlim(0, float(top.sizes[-1]) * 1.03)
        axes.set(xlabel="models", ylabel="best score")
        axes.ticklabel_format(useOffset=False)
    return figure


def step_curve(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Return the cumulative distribution of scores.

    Parameters
    ----------
    scores : ndarray, dtype=float64, shape=(n,)
        Scores.

    Returns
    -------
    x, y : ndarray, dtype=float64, shape=(n,)
        Sorted scores, and the share of scores that are at most so large.

    Examples
    --------
    >>> x, y = step_curve(np.array([2.0, 1.0]))
    >>> x.tolist(), y.tolist()
    ([1.0, 2.0], [0.5, 1.0])
    """
    x = np.sort(np.asarray(scores, dtype=np.float64))
    return x, np.arange(1, len(x) + 1) / len(x)


def plot_score_distributions(
    compared: ScoreComparison, a: FloatArray, b: FloatArray, *, title: str = ""
) -> Figure:
    """
    Draw histograms and cumulative distributions of the scores of both samples.

    Parameters
    ----------
    compared : ScoreComparison
        Test 2.
    a, b : ndarray, dtype=float64, shape=(n,)
        Scores of the samples.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page.
    """
    caption = signed(
        "Scores of the models of sample A and of sample B: share of models per bin above, "
        "cumulative below. D is the largest vertical distance of the two cumulative curves, p the "
        f"chance of one as large if both samples were drawn alike ({compared.used}). The samples "
        f"differ if p < 0.05 and D > 0.30. {compared.verdict.claim}"
    )
    with house():
        figure, (upper, lower) = page(caption, (1.9, 1.9), title or "Distributions of scores")
        low, high = (float(f(np.concatenate([a, b]))) for f in (np.min, np.max))
        edges = np.linspace(low, high if high > low else low + 1.0, 41)
        for scores, color, name in ((a, _A, "A"), (b, _B, "B")):
            label = f"sample {name} ({len(scores)} models)"
            share = np.histogram(scores, edges)[0] / len(scores)
            upper.stairs(share, edges, color=color, fill=True, alpha=0.25)
            upper.stairs(share, edges, color=color, linewidth=1.2, label=label)
            x, y = step_curve(scores)
            lower.step(x, y, where="post", color=color, linewidth=1.2)
        upper.legend(frameon=False, fontsize=8.5)
        upper.set(ylabel="share of models", xlim=(edges[0], edges[-1]))
        upper.tick_params(labelbottom=False)
        lower.set(xlabel="score", ylabel="cumulative share", xlim=(edges[0], edges[-1]))
        lower.set_ylim(0, 1.03)
        lower.ticklabel_format(useOffset=False)
        lower.text(
            0.98, 0.08, f"D = {compared.d:.3f}\np = {compared.p[compared.used]:.3g}",
            transform=lower.transAxes, ha="right", va="bottom",
        )  # fmt: skip
    return figure


@dataclass(frozen=True, eq=False)
class ScanData:
    """
    What the figure of the scan shows.

    Parameters
    ----------
    thresholds : ndarray, dtype=float64, shape=(t,)
        In Å.
    p, v, coverage : ndarray, dtype=float64, shape=(t,)
        p-value, Cramér's V, percentage of models in kept clusters; p and V
        are NaN where no cluster is kept.
    several : ndarray, dtype=bool, shape=(t,)
        Where two or more clusters are kept, so that the test can fail.
    chosen : float
        Sampling precision in Å; NaN when not converged.
    caption : str
        How to read the figure.
    """

    thresholds: FloatArray
    p: FloatArray
    v: FloatArray
    coverage: FloatArray
    several: BoolArray
    chosen: float
    caption: str


def _who(result: Exhaustiveness) -> str:
    if result.sample is None:
        return f"All {sum(result.sizes)} models"
    return f"A stratified sample of {sum(result.sample.sizes)} of {sum(result.sizes)} models"


def scan_data(result: Exhaustiveness) -> ScanData:
    """
    Compute what the figure of the scan shows.

    Parameters
    ----------
    result : Exhaustiveness
        The result.

    Returns
    -------
    data : ScanData
        With the numbers of the result's mode.
    """
    compat = result.mode == "compat"
    scan, found = result.scan, result.precision
    kept = scan.column("kept")
    p, v = scan.column("p_compat" if compat else "p"), scan.column("v_compat" if compat else "v")
    p[kept == 0], v[kept == 0] = np.nan, np.nan
    said = (
        f"The green line is the sampling precision, {found.threshold:.2f} Å (resolution "
        f"{found.resolution:.2g} Å)."
        if found.converged
        else "No threshold passes: the sampling is not exhaustive."
    )
    caption = signed(
        f"{_who(result)} clustered at {len(scan.thresholds)} thresholds. A cluster "
        f"is kept if it holds {scan.smallest} or more models of each sample. A threshold passes "
        "where more than 80 % of the models are in kept clusters and p > 0.05 or V < 0.10 (dashed "
        "lines); open symbols: one kept cluster, where p is 1 and V is 0 whatever the samples "
        f"hold. {said}{' Numbers as the reference program has them (compat).' if compat else ''}"
    )
    return ScanData(scan.thresholds, p, v, scan.column("coverage"), kept > 1, found.value, caption)


def plot_scan(data: ScanData, *, title: str = "") -> Figure:
    """
    Draw p, V and coverage over the thresholds.

    Parameters
    ----------
    data : ScanData
        From `scan_data`.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page.
    """
    with house():
        figure, panels = page(data.caption, (1.3, 1.3, 1.3), title or "Scan of thresholds")
        several = data.several
        for axes, values, limit, name, top in zip(
            panels,
            (data.p, data.v, data.coverage),
            (0.05, 0.10, 80.0),
            ("p-value", "Cramér's V", "models in kept\nclusters (%)"),
            (1.05, None, 105.0),
            strict=True,
        ):
            axes.plot(data.thresholds, values, color=_GREY, linewidth=0.8, zorder=1)
            axes.scatter(data.thresholds[several], values[several], s=11, color=_A, zorder=2)
            axes.scatter(
                data.thresholds[~several], values[~several], s=11, facecolors="white",
                edgecolors=_A, linewidths=0.8, zorder=2,
            )  # fmt: skip
            axes.axhline(limit, color=_GREY, linewidth=0.9, linestyle="--")
            if np.isfinite(data.chosen):
                axes.axvline(data.chosen, color=_CHOSEN, linewidth=1.6, zorder=0)
            highest = np.nanmax([*values, 1.5 * limit])
            axes.set_ylim(-0.04 * (top or highest), top or 1.08 * highest)
            axes.set_ylabel(name)
        for axes in panels[:-1]:
            axes.tick_params(labelbottom=False)
            axes.sharex(panels[-1])
        panels[-1].set_xlabel("clustering threshold (Å)")
        panels[-1].set_xlim(0, float(data.thresholds[-1]) * 1.03)
    return figure


def plot_populations(result: Exhaustiveness, *, title: str = "") -> Figure:
    """
    Draw how many models of each sample the clusters hold.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page; a note when there is no cluster.
    """
    n_a, n_b = result.sizes
    clusters = result.clusters[:_MOST_CLUSTERS]
    more = len(result.clusters) - len(clusters)
    caption = signed(
        f"Share of the models of sample A ({n_a}) and of sample B ({n_b}) in each kept cluster at "
        f"a threshold of {result.threshold:.2f} Å, with the numbers of models above and the precision of the cluster "
        "(mean distance to its center) below. Exhaustive sampling gives bars of equal height."
        + (f" {more} smaller clusters are not shown." if more else "")
        if clusters
        else "No cluster is shown: the sampling is not exhaustive, and no threshold is justified."
    )
    with house():
        figure, (axes,) = page(caption, (2.8,), title or "Populations of clusters")
        if not clusters:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no clusters", ha="center", va="center", color=_GREY)
            return figure
        place = np.arange(len(clusters))
        for side, total, color, name in ((0, n_a, _A, "A"), (1, n_b, _B, "B")):
            shares = [100.0 * c.sizes[side] / total for c in clusters]
            bars = axes.bar(
                place + (side - 0.5) * 0.38, shares, 0.36, color=color, label=f"sample {name}"
            )
            if len(clusters) <= 10:
                axes.bar_label(bars, [str(c.sizes[side]) for c in clusters], fontsize=8, padding=1)
        names = [f"{c.index}\n{c.precision:.1f} Å" for c in clusters]
        axes.set_xticks(place, names if len(clusters) <= 10 else [str(c.index) for c in clusters])
        axes.set(ylabel="models of the sample (%)", xlim=(-0.7, max(len(clusters), 3) - 0.3))
        axes.set_xlabel("cluster")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.08)
        axes.legend(frameon=False, fontsize=8.5)
    return figure


def save_figures(
    result: Exhaustiveness, scores: FloatArray | None, folder: Path, *, name: str = ""
) -> tuple[Path, ...]:
    """
    Draw all figures of a result as PNG, and as the pages of one PDF file.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    scores : ndarray, dtype=float64, shape=(m,) or None
        Scores, A first.
    folder : Path
        Where to write.
    name : str
        Name of the system, for the titles.

    Returns
    -------
    paths : tuple of Path
        What was written: ``figures.pdf``, and ``score_convergence.png``,
        ``score_distributions.png``, ``threshold_scan.png``,
        ``cluster_populations.png``, ``running_precision.png``.
    """
    lead = f"{name}: " if name else ""
    figures = {}
    if result.top_score is not None:
        figures["score_convergence"] = plot_score_convergence(
            result.top_score, title=f"{lead}convergence of the best score"
        )
    if result.scores is not None and scores is not None:
        a, b = scores[: result.sizes[0]], scores[result.sizes[0] :]
        figures["score_distributions"] = plot_score_distributions(
            result.scores, a, b, title=f"{lead}distributions of scores"
        )
    failed = any(v.level is Level.FAIL for v in result.verdicts)
    figures["threshold_scan"] = plot_scan(
        scan_data(result),
        title=f"{lead}scan of thresholds{' (a test failed)' if failed else ''}",
    )
    figures["cluster_populations"] = plot_populations(
        result, title=f"{lead}populations of clusters"
    )
    if result.uncertainty is not None:
        figures["running_precision"] = plot_running(
            result.uncertainty, title=f"{lead}sampling precision while sampling went on"
        )
    return save_book(figures, folder, "figures")
