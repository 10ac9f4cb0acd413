"""Parts of an HTML page that stands alone: no scripts, no fonts, no other files."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from congruence.core.results import Verdict

__all__ = ["figure", "page", "paragraph", "section", "table", "verdict"]

# Okabe and Ito's colours, darkened until white text on them can be read; the sign and the word
# say the same for those who see no colours.
_LEVELS = {
    "ok": ("#00704f", "\u2713"),
    "note": ("#0a629c", "\u2139"),
    "warning": ("#a34700", "\u26a0"),
    "fail": ("#9b1c31", "\u2717"),
}

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: #1b1f24;
  background: #ffffff; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans",
  "DejaVu Sans", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-bottom: .3rem;
  border-bottom: 1px solid #d0d7de; }
p { margin: .5rem 0; }
.quiet { color: #57606a; }
.statement { border-left: 4px solid #0a629c; background: #f4f8fb; padding: .75rem 1rem;
  margin: .5rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0;
  border-bottom: 1px solid #e4e8ec; overflow-wrap: anywhere; }
th { font-weight: 600; color: #424a53; border-bottom: 2px solid #d0d7de; }
td:not(.number) { min-width: 7.5rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.verdict { display: grid; grid-template-columns: 7.5rem 1fr; gap: 0 1rem; padding: .8rem 0;
  border-bottom: 1px solid #e4e8ec; }
.level { align-self: start; color: #ffffff; border-radius: .25rem; padding: .1rem .5rem;
  font-size: .85rem; font-weight: 600; text-align: center; }
.claim { font-weight: 600; margin: 0; }
.verdict p { margin: .15rem 0; overflow-wrap: anywhere; }
figure { margin: 1.25rem 0; padding: 1rem; border: 1px solid #d0d7de; border-radius: .35rem; }
figure img { display: block; width: 100%; max-width: 44rem; height: auto; margin: 0 auto; }
a { color: #0a629c; }
@media (max-width: 36rem) { .verdict { grid-template-columns: 1fr; gap: .4rem; }
  .level { justify-self: start; } }
@media print { body { max-width: none; padding: 0; } figure, .verdict, tr { break-inside: avoid; } }
""".strip()


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """
    Put parts on a page.

    Parameters
    ----------
    title : str
        Title and heading.
    lead : str
        One line below the heading.
    parts : iterable of str
        HTML of the functions below.

    Returns
    -------
    html : str
        A whole document.
    """
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="quiet">{escape(lead)}</p>\n{body}\n'
        "</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """
    Put parts under a heading.

    Parameters
    ----------
    heading : str
        The heading.
    *parts : str
        HTML.

    Returns
    -------
    html : str
        The section.
    """
    inner = "\n".join(parts)
    return f"<section>\n<h2>{escape(heading)}</h2>\n{inner}\n</section>"


def paragraph(text: str, kind: str = "") -> str:
    """
    Write a paragraph.

    Parameters
    ----------
    text : str
        The text.
    kind : str
        ``"quiet"``, ``"statement"`` or nothing.

    Returns
    -------
    html : str
        The paragraph.

    Examples
    --------
    >>> paragraph("p < 0.05")
    '<p>p &lt; 0.05</p>'
    """
    of_kind = f' class="{escape(kind)}"' if kind else ""
    return f"<p{of_kind}>{escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> str:
    """
    Write a table.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : iterable of sequence of str
        Cells.
    numbers : int
        So many of the last columns hold numbers and are set to the right.

    Returns
    -------
    html : str
        The table; it scrolls where the window is narrower.
    """
    first = len(header) - numbers

    def row(cells: Sequence[str], tag: str) -> str:
        kinds = ("" if at < first else ' class="number"' for at in range(len(cells)))
        pairs = zip(kinds, cells, strict=True)
        inner = "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in pairs)
        return f"<tr>{inner}</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    head = row(header, "th")
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def verdict(found: Verdict) -> str:
    """
    Show a verdict with everything that it says.

    Parameters
    ----------
    found : Verdict
        The verdict.

    Returns
    -------
    html : str
        Level, claim, evidence, threshold, advice and reference.
    """
    level = str(found.level)
    color, sign = _LEVELS[level]
    lines = [f'<p class="claim">{escape(found.claim)}</p>', f"<p>{escape(found.evidence)}</p>"]
    if found.threshold:
        lines.append(f'<p class="quiet">Held against: {escape(found.threshold)}</p>')
    if found.advice:
        lines.append(f"<p><strong>What to do:</strong> {escape(found.advice)}</p>")
    if found.reference:
        doi = escape(found.reference)
        lines.append(
            f'<p class="quiet">Reference: <a href="https://doi.org/{doi}">doi:{doi}</a></p>'
        )
    return (
        f'<div class="verdict"><span class="level" style="background:{color}">{sign} '
        f"{escape(level.upper())}</span><div>{''.join(lines)}</div></div>"
    )


def figure(path: Path, text: str) -> str:
    """
    Put a picture into the page.

    Parameters
    ----------
    path : Path
        A PNG file.
    text : str
        What it shows, for those who cannot see it.

    Returns
    -------
    html : str
        The figure, with the bytes of the file.
    """
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(text)}"></figure>'
