"""The distance matrix, ordered by its tree, with the clusters beside it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.provenance import versions
from congruence.errors import ShapeError
from congruence.plots._matrix_parts import (
    JOINS,
    LARGE,
    Page,
    draw_clusters,
    draw_heat_map,
    draw_tree,
    note,
)
from congruence.plots.style import house, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.typing import Float32Array, FloatArray, IntArray

__all__ = ["MatrixData", "Span", "matrix_data", "plot_matrix", "save_figure"]

_PIXELS = 1000

_ALIGNMENT = {
    "none": "without alignment",
    "center": "after removing the centroids",
    "superpose": "after optimal superposition",
}
_METHODS = {
    "kmeans": "k-means on the rows of the matrix",
    "threshold": "neighbours within a threshold",
    "hierarchical": "cut of the average-linkage tree",
    "hdbscan": "HDBSCAN",
    "clara": "medoids found in samples, CLARA",
    "minibatch_kmeans": "k-means on batches of coordinates",
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


def matrix_data(
    matrix: DistanceMatrix,
    clustering: Clustering | None = None,
    *,
    models: IntArray | None = None,
) -> MatrixData:
    """
    Order a matrix by its average-linkage tree.

    Parameters
    ----------
    matrix : DistanceMatrix
        Distances in Å.
    clustering : Clustering, optional
        Clusters of the same models, or of more.
    models : ndarray, dtype=int64, shape=(m,), optional
        Which of the clustered models the matrix is of; all by default. The
        caption says that it is a sample.

    Returns
    -------
    data : MatrixData
        What is to be drawn.

    Raises
    ------
    ShapeError
        If the clustering is not of as many models.

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
    if clustering is not None and len(clustering.labels if models is None else models) != m:
        raise ShapeError(
            f"a clustering of {len(clustering.labels)} models for a matrix of {m}",
            hint="Give the clustering that was made from this matrix.",
        )
    if m < 2:
        order, tree = np.arange(m), np.empty((0, 4))
    else:
        condensed = matrix.condensed.astype(np.float64)
        tree = linkage(condensed, "average")
        if m <= LARGE:
            tree = optimal_leaf_ordering(tree, condensed)
        order = leaves_list(tree).astype(np.int64)
    block = 1 if m <= LARGE else -(-m // _PIXELS)
    every = np.zeros(m, dtype=np.int64) if clustering is None else clustering.labels
    labels = every if models is None else every[models]
    values, counts = np.unique(every, return_counts=True)
    return MatrixData(
        order=order,
        tree=tree,
        image=_image(matrix, order, block),
        block=block,
        spans=_spans(labels[order]) if clustering is not None else (),
        sizes=dict(zip(values.tolist(), counts.tolist(), strict=True)) if clustering else {},
        caption=_caption(matrix, clustering, block, len(every)),
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


def _caption(matrix: DistanceMatrix, clustering: Clustering | None, block: int, m: int) -> str:
    parts = [_how_to_read(matrix.m, clustering, block)] if matrix.m > 1 else []
    if matrix.m < m:
        parts.insert(
            0,
            f"A sample of {matrix.m:,} of {m:,} models, taken evenly from all clusters and scores.",
        )
    words = "; ".join(f"{k}: {v}" for k, v in matrix.definition.items())
    parts.append(
        f"Alignment mode '{matrix.alignment}' ({_ALIGNMENT[str(matrix.alignment)]}), weights "
        f"'{matrix.weights}' ({_WEIGHTS[matrix.weights]}){'; ' if words else ''}{words}. "
        f"congruence {versions()['congruence']}."
    )
    return " ".join(parts)


def _how_to_read(m: int, clustering: Clustering | None, block: int) -> str:
    parts = [
        f"RMSD between {m} models, in the order of the tree above: a cell is the "
        "distance of two models, dark where they are alike, so that groups of like models are "
        "dark squares on the diagonal. The tree joins two groups at the mean RMSD between their "
        "models (average linkage)."
    ]
    if clustering is not None:
        given = "".join(f", {k} = {_plain(k, v)}" for k, v in clustering.parameters.items())
        parts.append(
            f"The coloured strips are the clusters ({_METHODS.get(clustering.method, clustering.method)}"
            f"{given}), numbered by size; they need not be branches of the tree."
        )
    if block > 1:
        parts.append(
            f"Of so many models the map shows means over {block} x {block} distances and the tree "
            f"its {JOINS} highest joins."
        )
    return " ".join(parts)


def _plain(name: str, value: str | float) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} Å" if name == "threshold" else text


def plot_matrix(data: MatrixData, *, title: str = "") -> Figure:
    """
    Draw the matrix with its tree, its clusters and a caption.

    Parameters
    ----------
    data : MatrixData
        From `matrix_data`.
    title : str
        Printed above the figure; the numbers of models and clusters unless
        given.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One page. `style.save_figure` writes it.
    """
    from matplotlib.figure import Figure

    with house():
        lines = textwrap.wrap(data.caption, 112)
        height = (8.2 if len(data.order) > 1 else 1.5) + 0.17 * len(lines)
        figure = Figure(figsize=(8.0, height))
        place = Page(figure, 8.0, height)
        if len(data.order) < 2:
            note(place)
        else:
            draw_heat_map(place, data)
            draw_tree(place, data)
            draw_clusters(place, data)
        figure.text(0.5 / 8.0, 1 - 0.35 / height, title or _title(data), fontsize=11, weight="bold")
        figure.text(
            0.5 / 8.0, 0.2 / height, "\n".join(lines), fontsize=8.5, va="bottom", linespacing=1.35
        )
    return figure


def _title(data: MatrixData) -> str:
    m, k = len(data.order), sum(1 for label in data.sizes if label >= 0)
    m = max(m, sum(data.sizes.values()))
    clusters = f", {k} cluster{'s' * (k != 1)}" if data.sizes else ""
    return f"{m} model{'s' * (m != 1)}{clusters}"
