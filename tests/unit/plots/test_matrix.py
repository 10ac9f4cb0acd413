"""What the figure of a matrix shows, and that it can be drawn and written."""

import itertools
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.spatial.distance import squareform

from congruence.core.results import Alignment, Cluster, Clustering, DistanceMatrix
from congruence.errors import OutputError, ShapeError
from congruence.plots import _matrix_parts, matrix
from congruence.plots.matrix import Span, matrix_data, plot_matrix, save_figure
from congruence.plots.style import CLUSTER_COLORS, NO_CLUSTER, OTHER_CLUSTERS, cluster_color


def line(*places, **words):
    x = np.array(places, dtype=float)
    i, j = np.triu_indices(len(x), 1)
    return DistanceMatrix(np.abs(x[i] - x[j]), len(x), Alignment.SUPERPOSE, **words)


def labelled(*labels, method="kmeans", **parameters):
    labels = np.array(labels)
    clusters = tuple(
        Cluster(int(n), np.flatnonzero(labels == n), 0, 0, 0.0)
        for n in np.unique(labels[labels >= 0])
    )
    return Clustering(labels, clusters, method, parameters)


def texts(figure):
    return " ".join(
        " ".join(t.get_text().split())
        for t in figure.findobj(match=lambda a: hasattr(a, "get_text"))
    )


FIVE = line(0, 10, 1, 11, 2)
FIVE_LABELS = labelled(0, 1, 0, 1, 0, k=2, seed=0)


def test_heights_are_mean_distances_of_the_groups():
    data = matrix_data(FIVE, FIVE_LABELS)
    # 0|1, 10|11 at 1; {0,1}|2 at (2+1)/2; {0,1,2}|{10,11} at the mean of six distances.
    assert data.tree[:, 2].tolist() == pytest.approx([1, 1, 1.5, (10 + 11 + 9 + 10 + 8 + 9) / 6])


def test_the_order_puts_neighbours_together():
    data = matrix_data(FIVE, FIVE_LABELS)
    places = np.array([0, 10, 1, 11, 2])[data.order]
    assert places.tolist() in ([0, 1, 2, 10, 11], [11, 10, 2, 1, 0])
    assert np.array_equal(data.image, FIVE.square()[np.ix_(data.order, data.order)])
    assert {(s.label, s.stop - s.start) for s in data.spans} == {(0, 3), (1, 2)}
    assert data.sizes == {0: 3, 1: 2}


def test_a_cluster_that_is_no_branch_has_several_spans():
    data = matrix_data(line(0, 1, 2, 3), labelled(0, 1, 0, 1))
    assert len(data.spans) == 4
    assert [s.stop for s in data.spans] == [s.start for s in data.spans[1:]] + [4]


def test_large_matrices_are_shown_as_means_of_blocks(monkeypatch):
    monkeypatch.setattr(matrix, "LARGE", 4)
    monkeypatch.setattr(matrix, "_PIXELS", 3)
    data = matrix_data(FIVE, FIVE_LABELS)
    full = FIVE.square()[np.ix_(data.order, data.order)]
    assert data.block == 2
    assert data.image.shape == (3, 3)
    assert data.image[0, 1] == pytest.approx(full[:2, 2:4].mean())
    assert data.image[2, 1] == pytest.approx(full[4:, 2:4].mean())
    assert data.image[2, 2] == 0.0
    assert "means over 2 x 2 distances" in data.caption
    assert "blocks" not in matrix_data(line(0, 1)).caption


def test_joins_touch_their_children_and_carry_the_common_cluster():
    data = matrix_data(FIVE, FIVE_LABELS)
    lines, labels = _matrix_parts._joins(data)
    assert sorted(labels) == [-2, 0, 0, 1]
    assert labels[-1] == -2
    heights = [tuple(segment[:, 1]) for segment in lines]
    assert heights[0] == (0.0, 1.0, 1.0, 0.0)
    assert heights[-1][1] == pytest.approx(9.5)
    assert {heights[-1][0], heights[-1][3]} == {1.0, 1.5}
    # Leaves sit at the middles of the cells.
    feet = [x for segment in lines for x, y in segment if y == 0.0]
    assert sorted(feet) == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_only_the_highest_joins_of_a_large_tree_are_drawn(monkeypatch):
    monkeypatch.setattr(_matrix_parts, "LARGE", 4)
    monkeypatch.setattr(_matrix_parts, "JOINS", 2)
    lines, _ = _matrix_parts._joins(matrix_data(FIVE))
    assert [segment[1, 1] for segment in lines] == pytest.approx([1.5, 9.5])


def test_the_caption_says_how_the_distances_were_made():
    made = replace(FIVE, definition={"selection": "Rpb4"}, weights="none")
    caption = matrix_data(made, labelled(0, 0, 0, 1, 1, method="threshold", threshold=12.5)).caption
    for words in (
        "5 models",
        "'superpose' (after optimal superposition)",
        "weights 'none'",
        "selection: Rpb4",
        "neighbours within a threshold, threshold = 12.5 Å",
        "average linkage",
    ):
        assert words in caption
    assert re.search(r"congruence \d", caption)


def test_the_figure_names_units_clusters_and_method():
    figure = plot_matrix(matrix_data(FIVE, labelled(0, -1, 0, 1, 0)))
    shown = texts(figure)
    for words in (
        "RMSD (Å)",
        "average-linkage RMSD (Å)",
        "cluster 0 3 models",
        "cluster 1 1 model",
    ):
        assert words in shown
    assert "no cluster 1 model" in shown
    assert "5 models, 2 clusters" in shown
    assert "Mine" in texts(plot_matrix(matrix_data(FIVE), title="Mine"))


def test_fonts_are_readable_and_all_inside_the_page():
    figure = plot_matrix(matrix_data(line(*range(30)), labelled(*range(30))))
    FigureCanvasAgg(figure).draw()
    page = figure.bbox
    for text in figure.findobj(match=lambda a: hasattr(a, "get_fontsize")):
        if text.get_text() and text.get_visible():
            assert text.get_fontsize() >= 8, text
            box = text.get_window_extent()
            assert page.x0 <= box.x0, text
            assert box.x1 <= page.x1, text
            assert page.y0 <= box.y0, text
            assert box.y1 <= page.y1, text
    assert "and 18 smaller" in texts(figure)


def test_names_of_clusters_do_not_overlap():
    figure = plot_matrix(matrix_data(line(*range(12)), labelled(*range(12))))
    FigureCanvasAgg(figure).draw()
    boxes = sorted(
        (
            t.get_window_extent()
            for t in figure.findobj(match=lambda a: hasattr(a, "get_text"))
            if "cluster " in t.get_text() and "\n1 model" in t.get_text()
        ),
        key=lambda b: b.y0,
    )
    assert len(boxes) == 12
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))


@pytest.mark.parametrize("m", [1, 2, 3])
def test_few_models_can_be_drawn(m, tmp_path):
    data = matrix_data(line(*range(m)), labelled(*([0] * m)))
    figure = plot_matrix(data)
    assert isinstance(figure, Figure)
    pdf, png = save_figure(figure, tmp_path / "dist_matrix.v1")
    assert (pdf.name, png.name) == ("dist_matrix.v1.pdf", "dist_matrix.v1.png")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert ("One model: there are no distances" in texts(figure)) == (m == 1)


def test_identical_models_can_be_drawn():
    figure = plot_matrix(matrix_data(line(4, 4, 4)))
    FigureCanvasAgg(figure).draw()
    assert "3 models" in texts(figure)


_DRAW = """
import sys, numpy as np
from congruence.core.results import Alignment, DistanceMatrix
from congruence.plots.matrix import matrix_data, plot_matrix, save_figure
x = np.random.default_rng(0).random(9)
i, j = np.triu_indices(9, 1)
save_figure(plot_matrix(matrix_data(DistanceMatrix(abs(x[i] - x[j]), 9, Alignment.NONE))), sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""


def test_equal_figures_are_equal_files(tmp_path):
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", _DRAW, str(tmp_path / name)],
            env={"PYTHONHASHSEED": seed, "MPLBACKEND": "agg", "HOME": str(tmp_path)},
            check=True,
            capture_output=True,
        )
    for ending in (".pdf", ".png"):
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_a_folder_that_is_not_there_is_an_error_with_a_hint(tmp_path):
    figure = plot_matrix(matrix_data(line(0)))
    with pytest.raises(OutputError, match="cannot be written") as caught:
        save_figure(figure, tmp_path / "no" / "figure")
    assert caught.value.hint


def test_clusters_have_colours_of_their_own():
    assert len({cluster_color(n) for n in range(7)}) == len(CLUSTER_COLORS) == 7
    assert cluster_color(-1) == NO_CLUSTER
    assert {cluster_color(7), cluster_color(8)} == set(OTHER_CLUSTERS)


def test_labels_are_moved_apart_and_stay_inside():
    places = _matrix_parts._apart([0.01, 0.02, 0.97, 0.98], 0.1)
    assert all(b - a >= 0.1 - 1e-12 for a, b in itertools.pairwise(places))
    assert places[-1] <= 0.95
    assert _matrix_parts._apart([0.2, 0.8], 0.1) == [0.2, 0.8]


def test_spans_are_stretches_of_equal_labels():
    assert matrix._spans(np.array([2, 2, -1, 0])) == (Span(2, 0, 2), Span(-1, 2, 3), Span(0, 3, 4))


def test_the_tree_is_that_of_the_distances_not_of_the_rows():
    from scipy.cluster.hierarchy import is_valid_linkage, linkage

    d = np.random.default_rng(1).random(45)
    data = matrix_data(DistanceMatrix(d, 10, Alignment.NONE))
    assert is_valid_linkage(data.tree)
    assert data.tree[:, 2] == pytest.approx(linkage(d, "average")[:, 2])
    assert data.tree[0, 2] == squareform(d)[np.triu_indices(10, 1)].min()


def test_a_clustering_of_other_models_is_refused():
    with pytest.raises(ShapeError, match="clustering of 2 models for a matrix of 5"):
        matrix_data(FIVE, labelled(0, 1))


def test_models_that_are_all_in_no_cluster_can_be_drawn():
    shown = texts(plot_matrix(matrix_data(FIVE, labelled(-1, -1, -1, -1, -1, method="hdbscan"))))
    assert "5 models, 0 clusters" in shown
    assert "no cluster 5 models" in shown


def test_a_sample_of_the_clustered_models_is_said_to_be_one():
    labels = labelled(*([0] * 40 + [1] * 20))
    models = np.array([0, 7, 30, 45, 59])
    data = matrix_data(line(0, 1, 2, 30, 31), labels, models=models)
    assert data.sizes == {0: 40, 1: 20}
    assert sorted((s.label, s.stop - s.start) for s in data.spans) == [(0, 3), (1, 2)]
    assert data.caption.startswith("A sample of 5 of 60 models")
    assert "60 models, 2 clusters" in texts(plot_matrix(data))
    with pytest.raises(ShapeError):
        matrix_data(line(0, 1, 2, 30), labels, models=models)
