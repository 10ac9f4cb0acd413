"""Pages of figures: panels below each other, over a caption that says how to read them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from congruence.core.provenance import versions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["page", "signed"]

_WIDTH = 6.4


def page(caption: str, heights: tuple[float, ...], title: str) -> tuple[Figure, list[Axes]]:
    """
    Lay axes below each other, over a caption.

    Parameters
    ----------
    caption : str
        How to read the figure.
    heights : tuple of float
        Heights of the axes in inches.
    title : str
        Printed above.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The page.
    axes : list of matplotlib.axes.Axes
        From top to bottom.
    """
    from matplotlib.figure import Figure

    lines = textwrap.wrap(caption, 92)
    below = 0.35 + 0.165 * len(lines)
    height = sum(heights) + 0.14 * (len(heights) - 1) + 0.5 + 0.5 + below
    figure = Figure(figsize=(_WIDTH, height))
    axes, top = [], height - 0.5
    for h in heights:
        axes.append(figure.add_axes((0.8 / _WIDTH, (top - h) / height, 5.3 / _WIDTH, h / height)))
        top -= h + 0.14
    figure.text(0.3 / _WIDTH, 1 - 0.3 / height, title, fontsize=11, weight="bold")
    for above, line in enumerate(reversed(lines)):
        figure.text(0.3 / _WIDTH, (0.19 + 0.16 * above) / height, line, fontsize=8.5)
    for text in figure.texts:
        if hasattr(text, "set_fontfeatures"):  # from matplotlib 3.11 on there are ligatures
            # The PDF would hold a font of its own for them, and text of several lines keeps them.
            text.set_fontfeatures(("-liga",))
    return figure, axes


def signed(text: str) -> str:
    """
    Add the program and its version to a caption.

    Parameters
    ----------
    text : str
        The caption.

    Returns
    -------
    text : str
        The caption, signed.
    """
    return f"{text} congruence {versions()['congruence']}."
