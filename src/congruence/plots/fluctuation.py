"""How much each residue moves, molecule by molecule, with rigid parts marked."""

from __future__ import annotations

import itertools
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.provenance import versions
from congruence.plots.style import house

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from congruence.core.precision import Fluctuation
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "COLOR_TOP",
    "MoleculeTrace",
    "fluctuation_colors",
    "fluctuation_data",
    "plot_fluctuation",
    "plot_reference_rmsf",
]

COLOR_TOP = 20.0
"""RMSF in Å at the upper end of the colour scale; the lower end is 0."""

_LINE, _COMPAT, _RIGID = "#0072B2", "#D55E00", "#444444"
_PANELS = 12


@dataclass(frozen=True, eq=False)
class MoleculeTrace:
    """
    What is drawn of one molecule.

    Parameters
    ----------
    name : str
        The molecule, with its copy and state.
    residues : ndarray, dtype=int64, shape=(r,)
        Residue numbers, ascending.
    rmsf : ndarray, dtype=float64, shape=(r,)
        RMSF of the bead of each residue in Å.
    compat : ndarray, dtype=float64, shape=(r,)
        What the reference calls RMSF, in Å.
    rigid : ndarray, dtype=bool, shape=(r,)
        Whether the residue is of a rigid part.
    """

    name: str
    residues: IntArray
    rmsf: FloatArray
    compat: FloatArray
    rigid: BoolArray


def fluctuation_data(found: Fluctuation, topology: Topology) -> tuple[MoleculeTrace, ...]:
    """
    Sort the fluctuation of beads by molecule and residue.

    Parameters
    ----------
    found : Fluctuation
        The fluctuation.
    topology : Topology
        Its beads.

    Returns
    -------
    traces : tuple of MoleculeTrace
        One per molecule with residues, in order of appearance.
    """
    traces = []
    for molecule in dict.fromkeys(topology.molecule_index.tolist()):
        beads = np.flatnonzero(topology.molecule_index == molecule).tolist()
        pairs = sorted((r, i) for i in beads for r in topology.residues[i])
        if not pairs:
            continue
        residues, index = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
        traces.append(
            MoleculeTrace(
                str(topology.molecules[molecule]),
                residues,
                found.rmsf[index],
                found.compat[index],
                found.rigid[index],
            )
        )
    return tuple(traces)


def plot_fluctuation(
    traces: Sequence[MoleculeTrace],
    *,
    title: str = "",
    words: str = "",
    thresholds: tuple[float, float] | None = None,
) -> Figure:
    """
    Draw the RMSF along the sequence, one panel a molecule.

    Parameters
    ----------
    traces : sequence of MoleculeTrace
        From `fluctuation_data`; at most twelve are drawn.
    title : str
        Printed above the figure.
    words : str
        How the models were compared, for the caption.
    thresholds : tuple of float, optional
        RMSF of high and of low precision in Å, drawn as lines.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page. `congruence.plots.style.save_figure` writes it.
    """
    from matplotlib.figure import Figure

    shown = list(traces)[:_PANELS]
    columns = 1 if len(shown) == 1 else 2
    rows = max(1, -(-len(shown) // columns))
    lines = textwrap.wrap(_caption(traces, words, thresholds), 112)
    width, panel, foot = 8.0, 1.9, 0.35 + 0.165 * len(lines)
    height = rows * panel + foot + 0.6
    top = max((float(t.rmsf.max()) for t in shown), default=1.0)
    with house():
        figure = Figure(figsize=(width, height))
        grid = figure.add_gridspec(
            rows, columns, left=0.08, right=0.98, hspace=0.75, wspace=0.2,
            bottom=(foot + 0.4) / height, top=1 - 0.6 / height,
        )  # fmt: skip
        for at, trace in enumerate(shown):
            axes = figure.add_subplot(grid[at // columns, at % columns])
            _draw(axes, trace, 1.12 * top or 1.0, thresholds)
        if title:
            figure.text(0.06, 1 - 0.28 / height, title, fontsize=11, weight="bold")
        figure.text(
            0.06, 0.15 / height, "\n".join(lines), fontsize=8.5, va="bottom", linespacing=1.35
        )
    return figure


def _caption(
    traces: Sequence[MoleculeTrace], words: str, thresholds: tuple[float, float] | None
) -> str:
    parts = [
        "Line: RMSF, the root mean square distance of the bead of a residue to its mean position "
        "over the models. Dashed: the standard deviation of its distances to the center model, "
        "which the reference program calls RMSF. Dark bar below: rigid parts, whose beads keep "
        "their distances; the rest is flexible."
    ]
    if thresholds:
        parts.append(
            f"Dotted: at most {thresholds[0]:g} Å is called high precision, {thresholds[1]:g} Å or "
            "more low precision."
        )
    if len(traces) > _PANELS:
        parts.append(f"The first {_PANELS} of {len(traces)} molecules; rmsf.csv has all.")
    parts.append(f"{words} congruence {versions()['congruence']}.".strip())
    return " ".join(parts)


def _draw(
    axes: Axes, trace: MoleculeTrace, top: float, thresholds: tuple[float, float] | None
) -> None:
    from matplotlib.transforms import blended_transform_factory

    for start, stop in _stretches(np.diff(trace.residues) <= 1):
        part = slice(start, stop)
        marker = "." if stop - start == 1 else None
        axes.plot(trace.residues[part], trace.compat[part], color=_COMPAT, lw=0.9, ls="--")
        axes.plot(trace.residues[part], trace.rmsf[part], color=_LINE, lw=1.4, marker=marker)
    for level in thresholds or ():
        if level < top:
            axes.axhline(level, color="#888888", lw=0.8, ls=":")
    below = blended_transform_factory(axes.transData, axes.transAxes)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], trace.rigid.astype(np.int8), [0]))))
    for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
        axes.fill_between(
            [trace.residues[first] - 0.5, trace.residues[last] + 0.5], 0.0, 0.035,
            transform=below, color=_RIGID, lw=0,
        )  # fmt: skip
    axes.set_ylim(0, top)
    span = int(trace.residues[0]), int(trace.residues[-1])
    axes.set_xlim(span[0] - 1, span[1] + 1)
    axes.set_xlabel("residue", labelpad=1)
    axes.set_ylabel("RMSF (Å)")
    axes.set_title(trace.name, fontsize=9.5, loc="left", pad=3)


def _stretches(joined: BoolArray) -> list[tuple[int, int]]:
    """Divide neighbours at the gaps of the numbering."""
    cuts = [0, *(np.flatnonzero(~joined) + 1).tolist(), len(joined) + 1]
    return list(itertools.pairwise(cuts))


def plot_reference_rmsf(
    name: str,
    residues: Sequence[Sequence[int]],
    values: FloatArray,
    y_range: tuple[float, float] | None = None,
) -> Figure:
    """
    Draw the figure that stands beside ``rmsf.NAME.dat``.

    Parameters
    ----------
    name : str
        Name of the molecule.
    residues : sequence of sequence of int
        Residues of each bead.
    values : ndarray, dtype=float64, shape=(b,)
        Value of each bead in Å.
    y_range : tuple of float, optional
        Range of the axis in Å.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel.
    """
    from matplotlib.figure import Figure

    x = [r for numbers in residues for r in numbers]
    y = [float(v) for numbers, v in zip(residues, values, strict=True) for _ in numbers]
    with house():
        figure = Figure(figsize=(7.0, 2.6))
        axes = figure.add_axes((0.09, 0.18, 0.88, 0.69))
        axes.plot(x, y, color=_LINE, lw=1.4)
        axes.set_xlabel("residue")
        axes.set_ylabel("deviation (Å)")
        axes.set_title(
            f"{name}: standard deviation of distances to the center", fontsize=9.5, loc="left"
        )
        if y_range is not None:
            axes.set_ylim(*y_range)
        elif y:
            axes.set_ylim(0, 1.1 * max(y) or 1.0)
    return figure


def fluctuation_colors(values: FloatArray, top: float = COLOR_TOP) -> FloatArray:
    """
    Return a colour for each RMSF, dark blue at 0 and yellow at `top` and above.

    The scale (cividis) reads the same with all common kinds of colour vision
    and is the same for every ensemble.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(n,)
        RMSF in Å.
    top : float
        Upper end in Å.

    Returns
    -------
    colors : ndarray, dtype=float64, shape=(n,3)
        Red, green and blue from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = fluctuation_colors(np.array([0.0, 99.0])).round(2).tolist()
    >>> low[2] > low[0], high[0] > high[2]
    (True, True)
    """
    from matplotlib import colormaps

    shares = np.clip(np.asarray(values, np.float64) / top, 0.0, 1.0)
    return np.asarray(colormaps["cividis"](shares), dtype=np.float64)[:, :3]
