"""Very many models in ``congruence exhaust``: a scan on a sample, clusters of all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from congruence.compute.exhaustiveness_sampled import EveryModel, on_sample
from congruence.compute.pairs import MatrixPairs
from congruence.compute.scan_sample import scan_sample
from congruence.errors import ConfigError
from congruence.workflow.exhaust_distances import Measured, measure, streamed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from congruence.compute.plan import MatrixPlan
    from congruence.core.ensemble import Ensemble
    from congruence.core.exhaustiveness import Exhaustiveness
    from congruence.core.results import DistanceMatrix
    from congruence.core.scan_sample import ScanSample
    from congruence.typing import IntArray
    from congruence.workflow.exhaust_distances import Distance
    from congruence.workflow.exhaust_options import ExhaustOptions
    from congruence.workflow.reporting import Reporter
    from congruence.workflow.sample_files import Samples

__all__ = [
    "SampledScan",
    "check_compat_fits",
    "sample_data",
    "sampled_scan",
    "sampled_uncertainty",
]


@dataclass(frozen=True, eq=False)
class SampledScan:
    """
    What a scan on a sample is made from.

    Parameters
    ----------
    sample : ScanSample
        Its models.
    measured : Measured
        Their distances; the matrix is None, or the given one of all models.
    every : EveryModel
        All models.
    """

    sample: ScanSample
    measured: Measured
    every: EveryModel


def sampled_scan(
    samples: Samples,
    distance: Distance | None,
    given: Measured | None,
    options: ExhaustOptions,
    reporter: Reporter,
    scratch: Callable[[], Path],
) -> SampledScan | None:
    """
    Choose the models of the scan, if all are too many, and measure them.

    Parameters
    ----------
    samples : Samples
        All models.
    distance : Distance or None
        What is measured.
    given : Measured or None
        A matrix of all models, where there are no coordinates.
    options : ExhaustOptions
        With the number of models up to which all are scanned.
    reporter : Reporter
        Told the plan before the start.
    scratch : callable
        Makes a folder for what memory does not hold.

    Returns
    -------
    scan : SampledScan or None
        None where all models are scanned: up to `options.scan_models`, and always
        in compat mode.

    Raises
    ------
    ConfigError
        If too few are left for a scan, or what computes is not there.
    """
    m = sum(samples.sizes)
    if options.compat or m <= options.scan_models:
        return None
    runs = None if samples.origins is None else samples.origins.run
    sample = scan_sample(samples.n_a, m, options.scan_models, runs=runs, seed=options.seed)
    reporter.say(f"threshold scan, sampling precision and uncertainty: {sample.text}")
    if samples.ensemble is None or distance is None:
        assert given is not None
        reporter.say("clusters at the sampling precision: of all models, from the matrix")
        return _of_matrix(given, sample)
    every = _every(samples.ensemble, distance, options, reporter)
    chosen = samples.ensemble.take(sample.models)
    found = measure(chosen, distance, options, reporter, scratch=scratch)
    # A matrix of the sample must not be taken for that of all models.
    return SampledScan(sample, replace(found, matrix=None), every)


def _of_matrix(given: Measured, sample: ScanSample) -> SampledScan:
    whole = given.pairs

    def find(threshold: float) -> tuple[tuple[IntArray, ...], int]:
        return whole.clusters(threshold), whole.close([threshold])[0]

    part: DistanceMatrix = whole.take(sample.models)
    return SampledScan(sample, Measured(MatrixPairs(part), given.matrix), EveryModel(whole, find))


def _every(
    ensemble: Ensemble, distance: Distance, options: ExhaustOptions, reporter: Reporter
) -> EveryModel:
    from congruence.compute.plan import plan_matrix

    m, n, _ = ensemble.shape
    plan = plan_matrix(
        m, n, max(options.resources.bytes, 1), "threshold", alignment=distance.metric.mode,
        copies=[len(g.copies) for g in distance.groups],
    )  # fmt: skip
    reporter.say(
        f"clusters at the sampling precision: of all models; {_without_matrix(plan)}; then one "
        "more pass for their spread"
    )
    resources = options.resources

    def find(threshold: float) -> tuple[tuple[IntArray, ...], int]:
        from congruence.compute.streaming import threshold_clusters

        reporter.say(f"clustering all {m:,} models at {threshold:.3f} \u00c5")
        how: dict[str, Any] = {"memory": resources.bytes, "threads": options.threads}
        how |= {"precision": resources.precision, "tiler": resources.tiler()}
        how["progress"] = partial(reporter.advance, "distances")
        found = threshold_clusters(ensemble, distance.metric, threshold, **how)
        return found.clusters(), found.close_pairs

    return EveryModel(streamed(ensemble, distance, options, reporter, None), find)


def _without_matrix(plan: MatrixPlan) -> str:
    # Clusters at one threshold never take a matrix here, even where it would fit.
    if plan.way == "condensed":
        return "one bit for each pair, no distances; the clusters are exact"
    return plan.text().rstrip(".")


def check_compat_fits(
    samples: Samples, distance: Distance, options: ExhaustOptions, out: Path
) -> None:
    """
    Refuse compat mode for models whose scan does not fit, as it is never sampled.

    Parameters
    ----------
    samples : Samples
        All models.
    distance : Distance
        What is measured.
    options : ExhaustOptions
        Mode and resources.
    out : Path
        The result folder; bins of pairs are kept beside it.

    Raises
    ------
    ConfigError
        If there are more models than are scanned otherwise, and neither memory
        nor disk holds a byte a pair.
    """
    from congruence.compute.plan import plan_matrix

    if not options.compat or samples.ensemble is None:
        return
    m, n, _ = samples.ensemble.shape
    if m <= options.scan_models:
        return
    plan = plan_matrix(
        m, n, max(options.resources.bytes, 1), "scan", alignment=distance.metric.mode,
        thresholds=100,
    )  # fmt: skip
    home = next(p for p in (out.absolute(), *out.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(home).free
    if plan.disk_bytes > free:
        raise ConfigError(
            f"the scan of {m:,} models takes {plan.disk_bytes / 1e9:.3g} GB on disk beside {out}, "
            f"where {free / 1e9:.3g} GB are free; with --compat sampcon it is never made on a "
            "sample",
            hint="Leave out --compat: the scan is then made on a stratified sample of "
            f"{options.scan_models:,} models (--scan-models). Or take fewer models (--best, "
            "--every), more --memory, or another disk.",
        )


def sampled_uncertainty(
    result: Exhaustiveness, scan: SampledScan, samples: Samples, seed: int
) -> Exhaustiveness:
    """
    Resample the runs of the models of the scan.

    Parameters
    ----------
    result : Exhaustiveness
        Of `congruence.compute.exhaustiveness_sampled.assess_sampled`.
    scan : SampledScan
        What it was made from.
    samples : Samples
        All models, whose runs are known.
    seed : int
        Seed of the resampling.

    Returns
    -------
    result : Exhaustiveness
        With intervals; its clusters are those of all models.
    """
    from congruence.compute.exhaustiveness_uncertainty import with_uncertainty
    from congruence.compute.sampling_uncertainty import Origins

    assert samples.origins is not None
    chosen, known = scan.sample.models, samples.origins
    origins = Origins(known.run[chosen], known.replica[chosen], known.step[chosen])
    scores = None if samples.scores is None else samples.scores[chosen]
    found = with_uncertainty(on_sample(result), scan.measured.pairs, origins, scores, seed=seed)
    assert found.uncertainty is not None
    note = f"resampled were the models of the scan: {scan.sample.text}"
    uncertainty = replace(found.uncertainty, notes=(note, *found.uncertainty.notes))
    return replace(result, uncertainty=uncertainty, verdicts=found.verdicts)


def sample_data(sample: ScanSample) -> dict[str, Any]:
    """
    Return the sample as JSON-able data.

    Parameters
    ----------
    sample : ScanSample
        Models of a scan.

    Returns
    -------
    data : dict
        For ``exhaustiveness.json``, where the scan was not made on all models.
    """
    point = sample.every
    return {
        "text": sample.text,
        "models": {"A": sample.sizes[0], "B": sample.sizes[1]},
        "of": {"A": sample.of[0], "B": sample.of[1]},
        "runs": sample.runs,
        "seed": sample.seed,
        "clusters_of_all_models": None
        if point is None
        else {
            "p": point.p,
            "cramers_v": point.v,
            "coverage_percent": point.coverage,
            "populations": point.table,
            "outside": point.rest,
            "pairs_at_threshold": sample.close_pairs,
        },
        "members": sample.models,
    }
