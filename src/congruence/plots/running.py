"""The sampling precision after more and more of the sampling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.plots.page import page, signed
from congruence.plots.style import house

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from congruence.core.uncertainty import Resampled, SamplingUncertainty

__all__ = ["plot_running", "running_caption"]

_LINE, _BAND, _GREY = "#0072B2", "#009E73", "#8C8C8C"


def running_caption(found: SamplingUncertainty) -> str:
    """
    Say how to read the figure of the running estimate.

    Parameters
    ----------
    found : SamplingUncertainty
        The uncertainty.

    Returns
    -------
    caption : str
        Ends with the advice to stop or to go on.
    """
    from_runs = {"run": "whole runs", "block": "blocks within runs, too narrow"}
    interval = found.precision
    said = (
        f"The bar is the {100 * interval.level:g} % interval of the last one from resampling "
        f"{from_runs[interval.unit]}"
        + (
            ", open upwards: with other runs none might exist. "
            if math.isinf(interval.high)
            else ". "
        )
        if interval.is_known
        else "There is no interval: independent runs are too few. "
    )
    advice = f"{found.verdicts[-1].claim} {found.verdicts[-1].advice}" if found.verdicts else ""
    missing = not np.isfinite(found.running.values).all()
    return signed(
        "Sampling precision of the first models of every run, all runs growing together. The "
        "curve should be flat at the right. "
        + ("Crosses: no threshold passes yet. " if missing else "")
        + said
        + advice
    )


def plot_running(found: SamplingUncertainty, *, title: str = "") -> Figure:
    """
    Draw the running estimate of the sampling precision.

    Parameters
    ----------
    found : SamplingUncertainty
        The uncertainty.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page.
    """
    running = found.running
    known = np.isfinite(running.values)
    with house():
        figure, (axes,) = page(
            running_caption(found), (3.0,), title or "Sampling precision while sampling went on"
        )
        axes.plot(
            running.models[known], running.values[known], color=_LINE, marker="o", markersize=4,
            linewidth=1.2,
        )  # fmt: skip
        last = float(running.models[-1])
        highest = float(running.values[known].max()) if known.any() else 1.0
        if found.precision.is_known and math.isfinite(found.precision.low):
            highest = max(highest, _bar(axes, found.precision, last, highest))
        missing = running.models[~known]
        axes.plot(
            missing, np.zeros(len(missing)), color=_GREY, marker="x", linestyle="", markersize=6,
            clip_on=False,
        )  # fmt: skip
        axes.set_xlim(0, 1.05 * last)
        axes.set_ylim(0, 1.12 * highest)
        axes.set(xlabel="models", ylabel="sampling precision (\u00c5)")
    return figure


def _bar(axes: Axes, interval: Resampled, x: float, highest: float) -> float:
    """Draw the interval; return the height that it needs."""
    open_above = math.isinf(interval.high)
    top = 1.2 * max(highest, interval.low) if open_above else interval.high
    axes.vlines(1.02 * x, interval.low, top, color=_BAND, linewidth=2.0)
    ends = [interval.low] if open_above else [interval.low, top]
    axes.plot(
        [1.02 * x] * len(ends), ends, color=_BAND, marker="_", markersize=9, markeredgewidth=2.0,
        linestyle="",
    )  # fmt: skip
    if open_above:
        axes.plot([1.02 * x], [top], color=_BAND, marker="^", markersize=6, linestyle="")
    return top
