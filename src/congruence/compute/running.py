"""How a number changes while sampling goes on, and whether to go on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.precision_uncertainty import PrecisionOfModels
from congruence.core.results import Level, Verdict
from congruence.core.uncertainty import RunningEstimate
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from congruence.core.uncertainty import Resampled
    from congruence.typing import FloatArray, IntArray

__all__ = ["advise_stopping", "prefixes", "running_estimate"]

_LAST_PART = 1 / 3
_LEAST_LOOKS = 3
_TOLERANCE = 0.1
_LEAST_INDEPENDENT = 50.0
_WIDEST = 0.5


def prefixes(steps: npt.ArrayLike, *, points: int = 10) -> tuple[tuple[int, IntArray], ...]:
    """
    List the models of growing stretches of sampling.

    Parameters
    ----------
    steps : array-like of int, shape=(m,)
        Step of each model in its replica. All runs grow in parallel.
    points : int
        Number of stretches: the first m/p models, 2m/p, ..., all; each whole to
        its last step, so that no run is ahead of another.

    Returns
    -------
    stretches : tuple of (int, ndarray)
        Last step, and the models up to it, ascending; stretches that would be
        equal are listed once.

    Raises
    ------
    ShapeError
        If there are no models.
    ConfigError
        If `points` is below 1.

    Examples
    --------
    >>> [(s, p.tolist()) for s, p in prefixes([0, 1, 2, 0, 1, 2], points=3)]
    [(0, [0, 3]), (1, [0, 1, 3, 4]), (2, [0, 1, 2, 3, 4, 5])]
    """
    when = np.asarray(steps, dtype=np.int64)
    if not len(when):
        raise ShapeError("there are no models to look at")
    if points < 1:
        raise ConfigError(f"points is {points}, expected 1 or more")
    ordered = np.sort(when)
    m = len(when)
    last = [int(ordered[math.ceil(m * (k + 1) / points) - 1]) for k in range(points)]
    return tuple((step, np.flatnonzero(when <= step)) for step in dict.fromkeys(last))


def running_estimate(
    statistic: Callable[[IntArray], float],
    steps: npt.ArrayLike,
    *,
    points: int = 10,
    name: str = "sampling precision",
    unit: str = "Å",
) -> RunningEstimate:
    """
    Compute a number after more and more of the sampling.

    Parameters
    ----------
    statistic : callable
        Takes the numbers of some models, ascending; returns the number, NaN or
        infinity where they are too few to tell.
    steps : array-like of int, shape=(m,)
        Step of each model in its replica.
    points : int
        How often to look.
    name, unit : str
        What the number is.

    Returns
    -------
    running : RunningEstimate
        One value for each stretch.

    Raises
    ------
    ShapeError
        If there are no models.
    """
    found = prefixes(steps, points=points)
    values: Sequence[float] | FloatArray
    if isinstance(statistic, PrecisionOfModels):  # of all stretches together
        counts = np.zeros((len(found), len(found[-1][1])), dtype=np.int64)
        for row, (_, models) in zip(counts, found, strict=True):
            row[models] = 1
        values = statistic.of_counts(counts)
    else:
        values = [float(statistic(models)) for _, models in found]
    return RunningEstimate(
        steps=np.array([step for step, _ in found], dtype=np.int64),
        models=np.array([len(models) for _, models in found], dtype=np.int64),
        values=np.array(values, dtype=np.float64),
        name=name,
        unit=unit,
    )


def advise_stopping(
    running: RunningEstimate,
    *,
    tolerance: float | None = None,
    interval: Resampled | None = None,
    goal: float | None = None,
    independent: float | None = None,
) -> Verdict:
    """
    Advise whether to stop sampling or to go on.

    To stop, the number must exist and have stayed within the tolerance over the
    last third of the looks (three at least). If they are given, its interval must
    be from independent runs and end at most half the number (or the tolerance)
    above it and not above the goal, and there must be 50 independent models.

    Parameters
    ----------
    running : RunningEstimate
        From `running_estimate`.
    tolerance : float, optional
        Largest change that counts as none, in the unit of the number; a tenth
        of the last value if absent. Not smaller than the resolution of the
        number.
    interval : Resampled, optional
        Of the last value. A number that no longer moves may still be another
        one with other runs: then longer runs do not help, further ones do.
    goal : float, optional
        What the number should come down to.
    independent : float, optional
        Effective number of models.

    Returns
    -------
    verdict : Verdict
        Its advice begins with ``Stop`` or ``Go on``.

    Notes
    -----
    One look at data that are there. Looking after every few models and stopping
    at the first good answer makes errors more frequent than the interval says:
    fix the number of looks beforehand.
    """
    last = float(running.values[-1])
    models = f"{int(running.models[-1]):,} models"
    if not math.isfinite(last):
        return Verdict(
            Level.FAIL,
            f"After {models} there is no {running.name}.",
            evidence=running.lines[-1],
            threshold="it exists",
            advice="Go on: sample more, in more independent runs.",
        )
    looks = max(_LEAST_LOOKS, math.ceil(_LAST_PART * len(running.values)))
    recent = running.values[-looks:]
    allowed = tolerance if tolerance is not None else _TOLERANCE * abs(last)
    change = float(np.ptp(recent)) if np.isfinite(recent).all() else math.inf
    settled = len(running.values) >= _LEAST_LOOKS and change <= allowed
    over = f"the last {min(looks, len(recent))} of {len(running.values)} looks"
    moved = f"{change:.3g} {running.unit}".strip() if math.isfinite(change) else "not there yet"
    evidence = f"change over {over}: {moved}; now {last:.4g} {running.unit}".rstrip()
    if interval is not None and interval.is_known:
        ends = f"{interval.low:.4g} to {interval.high:.4g}".replace("inf", "none at all")
        evidence += (
            f"; {100 * interval.level:g} % interval {ends} ({interval.units} {interval.unit}s)"
        )
    threshold = f"at most {allowed:.3g} {running.unit}".rstrip()
    if not settled:
        claim = f"The {running.name} has not settled after {models}."
        advice = "Go on: sample more before you rely on it."
        return Verdict(Level.WARNING, claim, evidence, threshold, advice=advice)
    if interval is not None:
        threshold += f"; an interval over runs that ends at most {100 * _WIDEST:g} % above it"
    for why, advice in (
        _goal_missed(running, interval, goal),
        _too_few(independent),
        _runs_disagree(running, interval, allowed),
    ):
        if why:
            return Verdict(Level.WARNING, why, evidence, threshold, advice=advice)
    return Verdict(
        Level.OK,
        f"The {running.name} has settled after {models}.",
        evidence,
        threshold,
        advice="Stop: more models of the same kind would hardly change it.",
    )


def _goal_missed(
    running: RunningEstimate, interval: Resampled | None, goal: float | None
) -> tuple[str, str]:
    last = float(running.values[-1])
    upper = interval.high if interval is not None and interval.is_known else last
    if goal is None or upper <= goal:
        return "", ""
    return (
        f"The {running.name} may be as large as {upper:.4g} {running.unit}, above the goal of "
        f"{goal:g}.",
        "Go on: sample more before you rely on it.",
    )


def _too_few(independent: float | None) -> tuple[str, str]:
    if independent is None or independent >= _LEAST_INDEPENDENT:
        return "", ""
    return (
        f"There are only about {independent:.0f} independent models.",
        "Go on: sample more before you rely on it.",
    )


def _runs_disagree(
    running: RunningEstimate, interval: Resampled | None, allowed: float
) -> tuple[str, str]:
    """Tell why runs like these do not settle the number, however still it stands."""
    if interval is None:
        return "", ""
    last = float(running.values[-1])
    still = f"The {running.name} no longer changes"
    if not interval.is_known or interval.unit != "run":
        return (
            f"{still}, but whether other runs would agree cannot be told.",
            "Go on: sample more independent runs, two or more for each sample.",
        )
    if math.isinf(interval.high):
        return (
            f"{still}, but with other runs of the same kind there might be none.",
            "Go on: add independent runs; longer ones would not tell.",
        )
    if interval.high > last + max(_WIDEST * abs(last), allowed):
        return (
            f"{still}, but runs disagree on it: it may be as large as {interval.high:.4g} "
            f"{running.unit}.".replace(" .", "."),
            "Go on: add independent runs; longer ones would not narrow the interval.",
        )
    return "", ""
