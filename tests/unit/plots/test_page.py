"""Pages of figures."""

import re

from congruence.plots.page import page
from congruence.plots.style import house, save_book


def test_a_page_needs_two_fonts_and_its_words_are_whole(tmp_path):
    """Ligatures would take a third font, and each takes a tenth of a second."""
    caption = "A different, efficient, flat fit of the offline files. " * 4
    with house():
        figure, _ = page(caption, (1.0,), "An efficient difference of fluctuations")
    said = " ".join(text.get_text() for text in reversed(figure.texts[1:]))
    assert said == caption.strip()
    book, picture = save_book({"one": figure}, tmp_path, "book")
    assert picture.name == "one.png"
    assert len(re.findall(rb"/FontFile2", book.read_bytes())) == 2


def test_the_lines_of_a_caption_stand_below_each_other_inside_the_page():
    with house():
        figure, (axes,) = page("word " * 120, (1.0,), "Title")
    heights = [text.get_position()[1] for text in figure.texts[1:]]
    assert heights == sorted(heights)
    assert heights[0] > 0
    label = 0.5 / figure.get_figheight()  # labels of the axes
    assert heights[-1] < axes.get_position().y0 - label
