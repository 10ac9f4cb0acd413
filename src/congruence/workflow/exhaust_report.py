"""The page that explains an exhaustiveness test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence.core.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.exhaustiveness import Exhaustiveness
    from congruence.workflow.exhaust_options import ExhaustOptions
    from congruence.workflow.sample_files import Samples

__all__ = ["REPORT", "settings_rows", "write_report"]

REPORT = "report.html"
_KINDS = {
    "folder": "a folder of good-scoring models, one a file",
    "frames": "two RMF files, each frame a model",
    "runs": "sampling runs",
    "pdb": "PDB files",
    "matrix": "a distance matrix",
}


def write_report(
    folder: Path,
    result: Exhaustiveness,
    figures: Sequence[Path],
    samples: Samples,
    options: ExhaustOptions,
) -> Path:
    """
    Write ``report.html``.

    Parameters
    ----------
    folder : Path
        Where to.
    result : Exhaustiveness
        The result.
    figures : sequence of Path
        PNG files; they are copied into the page.
    samples : Samples
        What was tested.
    options : ExhaustOptions
        How.

    Returns
    -------
    path : Path
        The page.
    """
    from congruence.report.exhaustiveness import exhaustiveness_page
    from congruence.workflow.exhaust_statement import statement
    from congruence.workflow.exhaust_uncertainty import RUNNING, uncertainty_rows

    found = result.uncertainty
    html = exhaustiveness_page(
        result,
        name=options.name,
        statement=statement(result, options.name),
        uncertainty=[]
        if found is None
        else [r for r in uncertainty_rows(found) if r[0] != RUNNING],
        settings=settings_rows(result, samples, options),
        figures=figures,
    )
    path = folder / REPORT
    path.write_text(html, encoding="utf-8")
    return path


def settings_rows(
    result: Exhaustiveness, samples: Samples, options: ExhaustOptions
) -> list[tuple[str, str]]:
    """
    Say how the numbers were made.

    Parameters
    ----------
    result : Exhaustiveness
        The result.
    samples : Samples
        What was tested.
    options : ExhaustOptions
        How.

    Returns
    -------
    rows : list of (str, str)
        Setting and value.
    """
    definition, scan = result.definition, result.scan
    alignment = definition.get("alignment", str(result.alignment))
    rows = [
        ("input", _KINDS[samples.kind]),
        *(("samples", line) for line in samples.log),
        *(("warning", line) for line in samples.warnings),
        ("definitions", f"{result.mode}"),
        ("alignment", alignment),
        *((word, definition[word]) for word in _DEFINITION if word in definition),
        ("thresholds", f"{len(scan.thresholds)}, {scan.step:.4g} \u00c5 apart"),
        ("kept cluster", f"{scan.smallest} or more models of each sample"),
    ]
    if result.sample is not None:
        rows.append(("models of the scan", result.sample.text))
    if options.threshold is not None:
        rows.append(("clustered at", f"{options.threshold:g} \u00c5, as the user says"))
    if options.densities:
        shape = f"voxel {options.voxel:g} \u00c5, map resolution {options.map_resolution:g} \u00c5"
        rows.append(("densities", f"{', '.join(options.densities)}; {shape}"))
    left_out = samples.losses.by_reason()
    rows += [("left out", f"{count:,}: {reason}") for reason, count in left_out.items()]
    rows += [("seed", str(options.seed)), ("version", f"congruence {versions()['congruence']}")]
    return rows


_DEFINITION = ("measure", "on", "weights", "copies", "precision", "compression", "source")
