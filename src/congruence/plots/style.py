"""The look that all figures share, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from matplotlib.figure import Figure

__all__ = [
    "CLUSTER_COLORS",
    "NO_CLUSTER",
    "OTHER_CLUSTERS",
    "cluster_color",
    "house",
    "save_book",
    "save_figure",
]

CLUSTER_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#F0E442")
"""Colours of the largest clusters: told apart by colour-blind people too (Okabe and Ito)."""
OTHER_CLUSTERS = ("#7A7A7A", "#A8A8A8")
"""Colours of all clusters after these, in turn."""
NO_CLUSTER = "#E4E4E4"
"""Colour of models that belong to no cluster."""

_RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 11.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "pdf.fonttype": 42,
    "text.hinting": "none",  # at 200 dots per inch letters need none, and are drawn faster
    "savefig.dpi": 200,
    "figure.dpi": 100,
}
_PACKING = {"compress_level": 3}  # a tenth larger than by default, in half the time


def house() -> AbstractContextManager[None]:
    """
    Return a context in which figures are drawn in the style of the house.

    Returns
    -------
    context : context manager
        Settings of the user (``matplotlibrc``) do not count inside it, and
        are back after it.
    """
    from matplotlib import style

    context: AbstractContextManager[None] = style.context(["default", _RC])
    return context


def cluster_color(label: int) -> str:
    """
    Return the colour of a cluster.

    Parameters
    ----------
    label : int
        Number of the cluster; negative for models in none.

    Returns
    -------
    color : str
        As ``"#rrggbb"``.

    Examples
    --------
    >>> cluster_color(0)
    '#E69F00'
    """
    if label < 0:
        return NO_CLUSTER
    if label < len(CLUSTER_COLORS):
        return CLUSTER_COLORS[label]
    return OTHER_CLUSTERS[label % 2]


def save_figure(figure: Figure, stem: str | Path) -> tuple[Path, Path]:
    """
    Write a figure as PDF and as PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    stem : str or Path
        Path without an ending; its folder must be there.

    Returns
    -------
    paths : tuple of Path
        ``stem.pdf`` and ``stem.png`` (200 dots per inch).

    Raises
    ------
    OutputError
        If the files cannot be written.

    Notes
    -----
    The files hold no date: equal figures are equal files.
    """
    stem = Path(stem)
    paths = stem.with_name(stem.name + ".pdf"), stem.with_name(stem.name + ".png")
    try:
        with house():
            figure.savefig(paths[0], metadata={"CreationDate": None})
            figure.savefig(paths[1], metadata={"Software": None})
    except OSError as error:
        raise OutputError(
            f"{stem}: the figure cannot be written: {error.strerror}",
            hint="Choose a folder that is there and that you may write to.",
        ) from error
    return paths


def save_book(figures: Mapping[str, Figure], folder: str | Path, name: str) -> tuple[Path, ...]:
    """
    Write figures as PNG, and all of them as the pages of one PDF file.

    Parameters
    ----------
    figures : mapping of str to matplotlib.figure.Figure
        Name of each and the figure, in the order of the pages.
    folder : str or Path
        Where to write; it must be there.
    name : str
        Name of the PDF file, without its ending.

    Returns
    -------
    paths : tuple of Path
        The PDF file, then the PNG files (200 dots per inch).

    Raises
    ------
    OutputError
        If the files cannot be written.

    Notes
    -----
    Fonts are embedded once and not once a figure, which takes half a second of
    each. The files hold no date: equal figures are equal files.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    folder = Path(folder)
    book = folder / f"{name}.pdf"
    paths = [book]
    try:
        with house(), PdfPages(book, metadata={"CreationDate": None}) as pages:
            for stem, figure in figures.items():
                pages.savefig(figure)
                paths.append(folder / f"{stem}.png")
                figure.savefig(paths[-1], metadata={"Software": None}, pil_kwargs=_PACKING)
    except OSError as error:
        raise OutputError(
            f"{folder}: the figures cannot be written: {error.strerror}",
            hint="Choose a folder that is there and that you may write to.",
        ) from error
    return tuple(paths)
