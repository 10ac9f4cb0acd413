"""The page that explains an exhaustiveness test."""

import re
from html.parser import HTMLParser

import numpy as np

from congruence.compute.exhaustiveness_verdicts import assess
from congruence.core.results import Alignment, DistanceMatrix, Level, Verdict
from congruence.report.exhaustiveness import FIGURES, exhaustiveness_page
from congruence.report.html import figure, page, paragraph, section, table, verdict

_EMPTY = {"meta", "img", "link", "br", "input"}


class Balanced(HTMLParser):
    """Counts tags; a page is whole when every one of them is closed in its order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html):
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.seen


def result_of(apart=30.0):
    rng = np.random.default_rng(5)
    places = rng.normal(size=80) + apart * (np.arange(80) % 2)
    i, j = np.triu_indices(80, 1)
    matrix = DistanceMatrix(np.abs(places[i] - places[j]), 80, Alignment.NONE, "none")
    return assess(matrix, 40, rng.normal(size=80))


def test_texts_of_users_are_texts_and_not_html():
    nasty = '<script>alert("x")</script> & co'
    whole = page(nasty, nasty, [section(nasty, paragraph(nasty), table([nasty], [[nasty]]))])
    tags = [tag for tag, _ in read(whole)]
    assert "script" not in tags
    assert whole.count("&lt;script&gt;") == 7  # each time it is given, and in the title


def test_a_verdict_is_shown_with_all_that_it_says():
    found = Verdict(Level.WARNING, "a claim", "p < 1", "a limit", "10.1/x", "do this")
    html = verdict(found)
    for words in ("WARNING", "a claim", "p &lt; 1", "a limit", "https://doi.org/10.1/x", "do this"):
        assert words in html
    read(html)


def test_the_page_needs_no_other_file(tmp_path):
    result = result_of()
    paths = []
    for name in FIGURES:
        path = tmp_path / f"{name}.png"
        path.write_bytes(b"\x89PNG" + name.encode())
        paths.append(path)
    html = exhaustiveness_page(
        result, name="a & b", statement="Said.", uncertainty=[("interval", "1 to 2")],
        settings=[("seed", "0")], figures=[*paths, tmp_path / "figures.pdf"],
    )  # fmt: skip
    tags = read(html)
    sources = [attrs["src"] for tag, attrs in tags if tag == "img"]
    assert len(sources) == len(FIGURES)
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    links = [attrs["href"] for tag, attrs in tags if tag == "a"]
    assert links and all(link.startswith("https://doi.org/") for link in links)
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe"}
    assert not re.search(r"url\(|@import", html)
    for v in result.verdicts:
        assert v.claim.replace("'", "&#x27;") in html
    for d in result.differences:
        assert d.quantity.replace("'", "&#x27;") in html
    assert "Exhaustiveness of the sampling of a &amp; b" in html
    assert "1 to 2" in html


def test_without_clusters_and_figures_it_says_so():
    rng = np.random.default_rng(6)
    places = np.where(np.arange(80) < 40, 0.0, 60.0) + rng.normal(size=80)
    i, j = np.triu_indices(80, 1)
    matrix = DistanceMatrix(np.abs(places[i] - places[j]), 80, Alignment.NONE, "none")
    result = assess(matrix, 40)
    html = exhaustiveness_page(
        result, name="x", statement="", uncertainty=(), settings=(), figures=()
    )
    assert "a test failed" in html
    assert "Figures" not in html
    assert "How sure" not in html
    if not result.clusters:
        assert "no threshold is justified" in html


def test_a_picture_is_carried_in_the_page(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"\x00\x01")
    assert 'src="data:image/png;base64,AAE="' in figure(path, "what it shows")
