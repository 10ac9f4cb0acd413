"""How sure an exhaustiveness test is, as data, rows and a sentence."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from congruence.core.uncertainty import Resampled, SamplingUncertainty

__all__ = ["RUNNING", "uncertainty_data", "uncertainty_rows", "uncertainty_sentence"]


RUNNING = "while sampling"
"""First column of the rows on growing parts of the sampling, which a figure shows too."""

_MOST_CLUSTERS = 10


def uncertainty_data(found: SamplingUncertainty) -> dict[str, Any]:
    """
    Return everything as JSON-able data.

    Parameters
    ----------
    found : SamplingUncertainty
        The uncertainty.

    Returns
    -------
    data : dict
        The part ``uncertainty`` of ``exhaustiveness.json``. A number that is
        not finite is null there; ``open_above`` says that an end is infinite.
    """
    running, spread = found.running, found.by_split
    return {
        "sampling_precision": _interval(found.precision),
        "populations": [_interval(p) for p in found.populations],
        "scores": {name: _interval(r) for name, r in found.score_intervals.items()},
        "models_for_each_independent_one": found.g,
        "score_test": None if found.scores is None else dataclasses.asdict(found.scores),
        "score_test_by_split": None
        if spread is None
        else {"D": spread.value, "splits": spread.splits, "p": spread.share_as_large},
        "populations_test": None
        if found.chi2_p is None
        else {"p": found.chi2_p[0], "p_corrected": found.chi2_p[1]},
        "running": {
            "models": running.models,
            "steps": running.steps,
            "sampling_precision": running.values,
            "lines": running.lines,
            "advice": found.verdicts[-1].advice,
        },
        "samples_alone": [dataclasses.asdict(a) for a in found.alone],
        "notes": found.notes,
    }


def _interval(number: Resampled) -> dict[str, Any]:
    return {
        **dataclasses.asdict(number),
        "known": number.is_known,
        "open_above": math.isinf(number.high),
    }


def uncertainty_rows(found: SamplingUncertainty) -> list[tuple[str, str]]:
    """
    Return what the terminal shows.

    Parameters
    ----------
    found : SamplingUncertainty
        The uncertainty.

    Returns
    -------
    rows : list of (str, str)
        Quantity and value.
    """
    rows = [("sampling precision (Å)", _words(found.precision))]
    shown = found.populations[:_MOST_CLUSTERS]
    rows += [(f"population of cluster {i}", _words(p)) for i, p in enumerate(shown)]
    rows += [(f"plain {n} of the scores", _words(r)) for n, r in found.score_intervals.items()]
    if found.scores is not None:
        a, b = found.scores.effective_sizes
        n_a, n_b = found.scores.sizes
        rows.append(("independent models, by scores", f"{a:.0f} of {n_a} A, {b:.0f} of {n_b} B"))
        rows.append(
            (
                "p of the score test",
                f"{found.scores.p:.3g}, corrected {found.scores.p_corrected:.3g}",
            )
        )
    rows.append(("models for each independent one", f"{found.g:.2f}"))
    if found.chi2_p is not None:
        plain, corrected = found.chi2_p
        rows.append(("p of the populations", f"{plain:.3g}, corrected {corrected:.3g}"))
    if found.by_split is not None:
        s = found.by_split
        rows.append(
            (
                "p of the score test over runs",
                f"{s.share_as_large:.3g} ({s.splits} ways to part them)",
            )
        )
    for alone in found.alone:
        value = f"{alone.value:.2f} \u00c5" if math.isfinite(alone.value) else "none"
        how = "by runs" if alone.unit == "run" else "one run, its models parted at random"
        rows.append((f"sampling precision, {alone.sample} alone", f"{value} ({how})"))
    rows += [(RUNNING, line) for line in found.running.lines]
    numbers = (found.precision, *found.populations, *found.score_intervals.values())
    notes = [n.note for n in numbers if n.note and n.is_known]
    rows += [("note", note) for note in dict.fromkeys((*notes, *found.notes))]
    return rows


def _words(number: Resampled) -> str:
    if math.isinf(number.value):
        number = dataclasses.replace(number, value=math.nan)
    return str(number).replace("nan", "none").replace("inf;", "none at all;")


def uncertainty_sentence(found: SamplingUncertainty) -> str:
    """
    Say how sure the sampling precision is, for a paper.

    Parameters
    ----------
    found : SamplingUncertainty
        The uncertainty.

    Returns
    -------
    text : str
        A sentence; empty when there is no interval over runs.
    """
    number = found.precision
    if not number.is_known or number.unit != "run" or not math.isfinite(number.low):
        return ""
    level = f"{100 * number.level:g} %"
    if math.isinf(number.high):
        return (
            f"Resampling the {number.units} runs, the {level} interval of the sampling precision "
            f"begins at {number.low:.1f} \u00c5 and has no upper end."
        )
    return (
        f"The {level} interval of the sampling precision from resampling the {number.units} runs "
        f"is {number.low:.1f} to {number.high:.1f} \u00c5."
    )
