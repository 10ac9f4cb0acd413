"""The distance matrix, ordered by its tree, with the clusters beside it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.provenance import versions
from congruence.plots.style import cluster_color, house, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["MatrixData", "Span", "matrix_data", "plot_matrix", "save_figure"]

_LARGE = 2000
_PIXELS = 1000
_JOINS = 500
_LABELS = 12
_NO_COMMON = -2

_ALIGNMENT = {
    "none": "without alignment",
    "center": "after removing the centroids",
    "superpose": "after optimal superposition",
}
_WEIGHTS = {"residues": "weighted by residues per bead", "none": "unweighted"}


@dataclass(frozen=True, slots=True)
class Span:
    """
    Neighbours in the drawn order that are of one cluster.

    Parameters
    ----------
    label : int
        Number of the cluster, negative for none.
    start, stop : int
        First place, and one past the last.
    """

    label: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class MatrixData:
    """
    What the figure of a distance matrix shows.

    Parameters
    ----------
    order : ndarray, dtype=int64, shape=(m,)
        Models from left to right and from top to bottom.
    tree : ndarray, dtype=float64, shape=(m-1,4)
        Average linkage of the distances, as `scipy.cluster.hierarchy` has it;
        heights in Å.
    image : ndarray, dtype=float32, shape=(p,p)
        Distances in Å in this order; means of blocks when `block` is above 1.
    block : int
        Models per row of the image.
    spans : tuple of Span
        Stretches of one cluster, from left to right. A cluster may have
        several: it need not be a branch of the tree.
    sizes : dict of int to int
        Models of each cluster; -1 for those in none.
    caption : str
        How to read the figure and how the distances were made.
    """

    order: IntArray
    tree: FloatArray
    image: Float32Array
    block: int
    spans: tuple[Span, ...]
    sizes: dict[int, int] = field(default_factory=dict)
    caption: str = ""


def matrix_data(matrix: DistanceMatrix, clustering: Clustering | None = None) -> MatrixData:
    """
    Order a matrix by its average-linkage tree.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    clustering : Clustering, optional
        Clusters of the same models.

    Returns
    -------
    data : MatrixData
        What is to be drawn.

    Notes
    -----
    Up to 2,000 models the order of the leaves is the one with the smallest
    sum of distances between neighbours (Bar-Joseph et al. 2001,
    doi:10.1093/bioinformatics/17.suppl_1.S22); above that it is the tree's,
    and the image holds means of blocks. Time grows as m²; memory is 4 m²
    bytes.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

    m = matrix.m
    if m < 2:
        order, tree = np.arange(m), np.empty((0, 4))
    else:
        condensed = matrix.condensed.astype(np.float64)
        tree = linkage(condensed, "average")
        if m <= _LARGE:
            tree = optimal_leaf_ordering(tree, condensed)
        order = leaves_list(tree).astype(np.int64)
    block = 1 if m <= _LARGE else -(-m // _PIXELS)
    labels = np.zeros(m, dtype=np.int64) if clustering is None else clustering.labels
    values, counts = np.unique(labels, return_counts=True)
    return MatrixData(
        order=order,
        tree=tree,
        image=_image(matrix, order, block),
        block=block,
        spans=_spans(labels[order]) if clustering is not None else (),
        sizes=dict(zip(values.tolist(), counts.tolist(), strict=True)) if clustering else {},
        caption=_caption(matrix, clustering, block),
    )


def _image(matrix: DistanceMatrix, order: IntArray, block: int) -> Float32Array:
    starts = np.arange(0, len(order), block)
    lengths = np.diff(np.append(starts, len(order)))
    image = np.zeros((len(starts), len(starts)))
    for place, model in enumerate(order.tolist()):
        image[place // block] += np.add.reduceat(matrix.row(model)[order], starts)
    return np.asarray(image / np.outer(lengths, lengths), dtype=np.float32)


def _spans(labels: IntArray) -> tuple[Span, ...]:
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    stops = np.append(starts[1:], len(labels))
    return tuple(Span(int(labels[a]), int(a), int(b)) for a, b in zip(starts, stops, strict=True))


def _caption(matrix: DistanceMatrix, clustering: Clustering | None, block: int) -> str:
    m = matrix.m
    parts = [
        f"RMSD between {m} model{'s' * (m != 1)}, in the order of the tree above: a cell is the "
        "distance of two models, dark where they are alike, so that groups of like models are "
        "dark squares on the diagonal. The tree joins two groups at the mean RMSD between their "
        "models (average linkage)."
    ]
    if clustering is not None:
        given = ", ".join(f"{k} {_plain(v)}" for k, v in clustering.parameters.items())
        parts.append(
            "The coloured strip is the cluster of each model "
            f"({clustering.method}{': ' if given else ''}{given})."
        )
    if block > 1:
        parts.append(
            f"Of so many models the map shows means over {block} x {block} distances and the tree "
            f"its {_JOINS} highest joins."
        )
    words = "; ".join(f"{k}: {v}" for k, v in matrix.definition.items())
    parts.append(
        f"Alignment mode '{matrix.alignment}' ({_ALIGNMENT[str(matrix.alignment)]}), weights "
        f"'{matrix.weights}' ({_WEIGHTS[matrix.weights]}){'; ' if words else ''}{words}. "
        f"congruence {versions()['congruence']}."
    )
    return " ".join(parts)


def _plain(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def plot_matrix(data: MatrixData, *, title: str = "") -> Figure:
    """
    Draw the matrix with its tree, its clusters and a caption.

    Parameters
    ----------
    data : MatrixData
        From `matrix_data`.
    title : str
        Printed above the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page. `style.save_figure` writes it.
    """
    from matplotlib.figure import Figure

    with house():
        lines = textwrap.wrap(data.caption, 112)
        height = 8.35 + 0.165 * len(lines)
        figure = Figure(figsize=(8.0, height))
        place = _Page(figure, 8.0, height)
        if len(data.order) < 2:
            _note(figure, place)
        else:
            _draw_heat_map(place, data)
            _draw_tree(place, data)
            _draw_clusters(place, data)
        if title:
            figure.text(0.5 / 8.0, 1 - 0.32 / height, title, fontsize=11, weight="bold")
        figure.text(
            0.5 / 8.0, 0.2 / height, "\n".join(lines), fontsize=8.5, va="bottom", linespacing=1.35
        )
    return figure


@dataclass(frozen=True)
class _Page:
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


_LEFT, _SIDE = 1.75, 5.1
_TREE_TOP, _TREE = 0.6, 1.55
_STRIP, _GAP = 0.16, 0.05
_MAP_TOP = _TREE_TOP + _TREE + _STRIP + 2 * _GAP


def _note(figure: Figure, place: _Page) -> None:
    axes = place.axes(_LEFT, _MAP_TOP, _SIDE, _SIDE)
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        "One model: there are no distances to show and no tree to draw.",
        ha="center",
        va="center",
        fontsize=10,
    )


def _draw_heat_map(place: _Page, data: MatrixData) -> None:
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


def _draw_tree(place: _Page, data: MatrixData) -> None:
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
        if node >= 2 * m - 1 - _JOINS or m <= _LARGE:
            lines.append(np.array([(x[a], y[a]), (x[a], height), (x[b], height), (x[b], y[b])]))
            labels.append(int(label[node]) if label[node] != -1 else _NO_COMMON)
    return lines, labels


def _draw_clusters(place: _Page, data: MatrixData) -> None:
    if not data.spans:
        return
    m = len(data.order)
    above = place.axes(_LEFT, _MAP_TOP - _STRIP - _GAP, _SIDE, _STRIP)
    beside = place.axes(_LEFT - _STRIP - _GAP, _MAP_TOP, _STRIP, _SIDE)
    for span in data.spans:
        color, side = cluster_color(span.label), span.stop - span.start
        above.barh(0, side, left=span.start, height=1, color=color, linewidth=0)
        beside.bar(0, side, bottom=span.start, width=1, color=color, linewidth=0)
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
