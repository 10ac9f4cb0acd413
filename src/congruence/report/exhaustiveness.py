"""The page on the exhaustiveness of sampling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from congruence.core.results import Level
from congruence.report.html import figure, page, paragraph, section, table, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.exhaustiveness import Exhaustiveness

__all__ = ["FIGURES", "exhaustiveness_page"]

FIGURES = {
    "score_convergence": "Expected best score against the number of models",
    "score_distributions": "Histograms and cumulative distributions of the scores of A and B",
    "threshold_scan": "p-value, Cramér's V and coverage against the clustering threshold",
    "cluster_populations": "Share of the models of A and of B in each cluster",
    "running_precision": "Sampling precision against the number of models",
}
"""Name and description of each figure, in their order on the page."""

_WORST = {
    Level.OK: "every test is passed",
    Level.NOTE: "no test failed; there are notes",
    Level.WARNING: "no test failed; there are warnings",
    Level.FAIL: "a test failed",
}
_WORDS = (
    ("sample A, sample B", "the two independent halves of the sampling that are compared"),
    ("sampling precision", "the finest clustering threshold at which both samples fill the same clusters in the same proportions; a radius in \u00c5, for the distance named in the settings"),
    ("resolution", "so many \u00c5 below the sampling precision the test fails; without it numbers of two studies cannot be compared"),
    ("p, Cram\u00e9r's V", "of the chi-square test that clusters are shared in proportion; it passes if p > 0.05 or V < 0.10, with more than 80 % of the models in kept clusters"),
    ("kept cluster", "one with enough models of each sample, see the settings"),
    ("precision of a cluster", "mean distance of its members to its center, in \u00c5"),
    ("compat, right", "as imp-sampcon computes a number, and as its definition says"),
    ("interval", "from drawing whole runs with replacement; frames of one run are not independent"),
)  # fmt: skip


def exhaustiveness_page(
    result: Exhaustiveness,
    *,
    name: str,
    statement: str,
    uncertainty: Sequence[tuple[str, str]],
    settings: Sequence[tuple[str, str]],
    figures: Sequence[Path],
) -> str:
    """
    Explain a result on one page.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    name : str
        Name of the system.
    statement : str
        Sentences for a paper.
    uncertainty : sequence of (str, str)
        Rows of the table on intervals; empty when runs are not known.
    settings : sequence of (str, str)
        How the numbers were made.
    figures : sequence of Path
        PNG files, known by the names in `FIGURES`.

    Returns
    -------
    html : str
        The page; it needs no other file.
    """
    worst = max((v.level for v in result.verdicts), key=list(Level).index, default=Level.OK)
    n_a, n_b = result.sizes
    lead = f"{n_a:,} models in sample A, {n_b:,} in sample B: {_WORST[worst]}."
    parts = [
        section("In a paper", paragraph(statement, "statement")),
        section(
            "Verdicts",
            paragraph(
                "Each test says what it claims, on what evidence, held against what, and what to "
                "do next. A passed test is no proof: what neither sample found, no test sees.",
                "quiet",
            ),
            *(verdict(v) for v in result.verdicts),
        ),
        *_clusters(result),
    ]
    if uncertainty:
        parts.append(section("How sure", table(("quantity", "value"), uncertainty)))
    parts += [*_differences(result), *_figures(figures)]
    parts.append(section("Settings", table(("setting", "value"), settings)))
    parts.append(section("Words", table(("word", "meaning"), _WORDS)))
    return page(f"Exhaustiveness of the sampling of {name}", lead, parts)


def _clusters(result: Exhaustiveness) -> list[str]:
    if not result.clusters:
        said = "There is no cluster: no threshold is justified."
        return [section("Clusters", paragraph(said))]
    maps: dict[int, list[float]] = {}
    for found in result.maps:
        maps.setdefault(found.cluster, []).append(found.cc)
    header = ["cluster", "A", "B", "share", "precision", "mean pairwise", "largest", "center"]
    header += ["lowest map cc"] if maps else []
    rows = []
    for c in result.clusters:
        share = 100.0 * len(c.members) / sum(result.sizes)
        row = [str(c.index), str(c.sizes[0]), str(c.sizes[1]), f"{share:.1f} %"]
        row += [f"{v:.2f} \u00c5" for v in (c.precision, c.mean_pairwise, c.max_to_center)]
        row.append(f"model {c.center}")
        # Rounded down: maps that differ do not correlate by 1.
        worst = math.floor(1000.0 * min(maps.get(c.index, [0.0]))) / 1000.0
        rows.append([*row, f"{worst:.3f}"] if c.index in maps else row)
    said = (
        f"Clusters at {result.threshold:.3f} \u00c5 with {result.scan.smallest} or more models of each "
        "sample. Largest: distance of the member farthest from the center; mean pairwise: over all "
        "pairs of members."
    )
    return [section("Clusters", paragraph(said, "quiet"), table(header, rows, numbers=len(header)))]


def _differences(result: Exhaustiveness) -> list[str]:
    if not result.differences:
        return []
    said = (
        "What imp-sampcon computes (compat) beside what the definition says (right), each with its "
        "own weights and copies. "
        f"In this run {result.mode} chose the threshold."
    )
    rows = [(d.quantity, d.compat, d.right, d.reason) for d in result.differences]
    return [
        section(
            "Where compat and right differ",
            paragraph(said, "quiet"),
            table(("quantity", "compat", "right", "reason"), rows),
        )
    ]


def _figures(paths: Sequence[Path]) -> list[str]:
    by_name = {path.stem: path for path in paths if path.suffix == ".png"}
    shown = [figure(by_name[n], text) for n, text in FIGURES.items() if n in by_name]
    return [section("Figures", *shown)] if shown else []
