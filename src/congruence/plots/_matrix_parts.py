"""The pieces that the figure of a distance matrix is put together from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.plots.style import cluster_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from congruence.plots.matrix import MatrixData, Span
    from congruence.typing import FloatArray

JOINS = 500
"""Joins of the tree that are drawn when not all can be seen."""
LARGE = 2000
"""Models above which not everything is drawn."""

_LABELS = 12
_NO_COMMON = -2
_LEFT, _SIDE = 1.75, 5.1
_TREE_TOP, _TREE = 0.6, 1.55
_STRIP, _GAP = 0.16, 0.05
_MAP_TOP = _TREE_TOP + _TREE + _STRIP + 2 * _GAP


@dataclass(frozen=True)
class Page:
    """Places axes by inches from the left and from the top of a page."""

    figure: Figure
    width: float
    height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        return self.figure.add_axes(
            (
                left / self.width,
                bottom / self.height,
                width / self.width,
                height / self.height,
            )
        )


def note(place: Page) -> None:
    axes = place.axes(0.5, _TREE_TOP, place.width - 1.0, 0.6)
    axes.set_axis_off()
    axes.text(
        0.0,
        0.5,
        "One model: there are no distances to show and no tree to draw.",
        va="center",
        fontsize=10,
    )


def draw_heat_map(place: Page, data: MatrixData) -> None:
    m = len(data.order)
    axes = place.axes(_LEFT, _MAP_TOP, _SIDE, _SIDE)
    top = float(data.image.max())
    shown = axes.imshow(
        data.image,
        cmap="viridis",
        vmin=0.0,
        vmax=top if top > 0 else 1.0,
        extent=(0, m, m, 0),
        interpolation="nearest",
        aspect="auto",
    )
    for side in axes.spines.values():
        side.set_visible(True)
    for span in data.spans:
        if span.stop - span.start >= max(2, m // 50) and len(data.sizes) > 1:
            _outline(axes, span)
    axes.set_xlabel(f"{m} models, in the order of the tree")
    axes.set_yticks([])
    axes.set_xticks([])
    bar = place.axes(_LEFT + _SIDE + 0.15, _MAP_TOP, 0.18, _SIDE)
    place.figure.colorbar(shown, cax=bar, label="RMSD (Å)")


def _outline(axes: Axes, span: Span) -> None:
    from matplotlib.patches import Rectangle

    side = span.stop - span.start
    axes.add_patch(
        Rectangle(
            (span.start, span.start), side, side, fill=False, edgecolor="white", linewidth=1.2
        )
    )


def draw_tree(place: Page, data: MatrixData) -> None:
    from matplotlib.collections import LineCollection

    m = len(data.order)
    axes = place.axes(_LEFT, _TREE_TOP, _SIDE, _TREE)
    lines, labels = _joins(data)
    axes.add_collection(
        LineCollection(
            lines,
            colors=["#222222" if n == _NO_COMMON else cluster_color(n) for n in labels],
            linewidths=1.4 if m <= 60 else 1.0 if m <= 250 else 0.7,
            capstyle="projecting",
        )
    )
    top = float(data.tree[-1, 2])
    axes.set_xlim(0, m)
    axes.set_ylim(0, top * 1.05 if top > 0 else 1.0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_ylabel("average-linkage\nRMSD (Å)")


def _joins(data: MatrixData) -> tuple[list[FloatArray], list[int]]:
    """Lines of the joins of the tree, lowest first, each with its models' common cluster."""
    m = len(data.order)
    x, y = np.zeros(2 * m - 1), np.zeros(2 * m - 1)
    x[data.order] = np.arange(m) + 0.5
    label = np.full(2 * m - 1, _NO_COMMON)
    for span in data.spans:
        label[data.order[span.start : span.stop]] = span.label
    lines, labels = [], []
    for node, (one, two, height) in enumerate(data.tree[:, :3].tolist(), start=m):
        a, b = int(one), int(two)
        x[node], y[node] = (x[a] + x[b]) / 2, height
        label[node] = label[a] if label[a] == label[b] else _NO_COMMON
        if node >= 2 * m - 1 - JOINS or m <= LARGE:
            lines.append(np.array([(x[a], y[a]), (x[a], height), (x[b], height), (x[b], y[b])]))
            labels.append(int(label[node]) if label[node] != -1 else _NO_COMMON)
    return lines, labels


def draw_clusters(place: Page, data: MatrixData) -> None:
    if not data.spans:
        return
    m = len(data.order)
    above = place.axes(_LEFT, _MAP_TOP - _STRIP - _GAP, _SIDE, _STRIP)
    beside = place.axes(_LEFT - _STRIP - _GAP, _MAP_TOP, _STRIP, _SIDE)
    # A thin gap tells neighbours of the same grey apart.
    edge: dict[str, Any] = {"linewidth": 0.6 if len(data.spans) <= 60 else 0, "edgecolor": "white"}
    for span in data.spans:
        color, side = cluster_color(span.label), span.stop - span.start
        above.barh(0, side, left=span.start, height=1, color=color, **edge)
        beside.bar(0, side, bottom=span.start, width=1, color=color, **edge)
    above.set(xlim=(0, m), ylim=(-0.5, 0.5))
    beside.set(ylim=(m, 0), xlim=(-0.5, 0.5))
    for axes in (above, beside):
        axes.set_axis_off()
    _label_clusters(beside, data)


def _label_clusters(axes: Axes, data: MatrixData) -> None:
    """Name the clusters at their longest stretch, moved apart where they would touch."""
    m = len(data.order)
    longest: dict[int, Span] = {}
    for span in data.spans:
        known = longest.get(span.label)
        if known is None or span.stop - span.start > known.stop - known.start:
            longest[span.label] = span
    named = [n for n in sorted(longest, key=lambda n: (n < 0, n)) if n < _LABELS]
    named.sort(key=lambda n: longest[n].start)
    wanted = [(longest[n].start + longest[n].stop) / 2 / m for n in named]
    for label, want, at in zip(named, wanted, _apart(wanted, 0.062), strict=True):
        name = f"cluster {label}" if label >= 0 else "no cluster"
        size = data.sizes[label]
        axes.annotate(
            f"{name}\n{size} model{'s' * (size != 1)}",
            xy=(-0.6, want * m),
            xytext=(-2.2, at * m),
            ha="right",
            va="center",
            fontsize=8.5,
            linespacing=1.15,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": cluster_color(label) if label >= 0 else "#999999",
                "linewidth": 1.4,
                "relpos": (1.0, 0.5),  # from the label's edge: no line runs through another label
                "shrinkA": 2,
                "shrinkB": 0,
            },
        )
    more = len([n for n in longest if n >= _LABELS])
    if more:
        axes.text(
            -2.2,
            m * 1.03,
            f"and {more} smaller",
            ha="right",
            va="center",
            fontsize=8.5,
            clip_on=False,
        )


def _apart(wanted: list[float], gap: float) -> list[float]:
    """Move ascending places in 0 to 1 so that neighbours are a gap apart."""
    places = list(wanted)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    limit = 1.0 - gap / 2
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    return places
