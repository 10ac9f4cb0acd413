"""
The job behind ``congruence exhaust``: two samples in, a result folder out.

See ``docs/explanation/exhaustiveness.md`` for what each number is.
"""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.compute.exhaustiveness_differences import unmeasured_distance
from congruence.compute.exhaustiveness_sampled import assess_sampled
from congruence.compute.exhaustiveness_verdicts import assess, map_verdict
from congruence.core.provenance import Losses, versions
from congruence.core.results import Level
from congruence.errors import CheckFailedError, ConfigError
from congruence.workflow.exhaust_distances import Distance, Measured, given_matrix, measure
from congruence.workflow.exhaust_maps import MapMaker, write_centers
from congruence.workflow.exhaust_report import write_report
from congruence.workflow.exhaust_sample import (
    SampledScan,
    check_compat_fits,
    sampled_scan,
    sampled_uncertainty,
)
from congruence.workflow.exhaust_statement import statement
from congruence.workflow.exhaust_tables import (
    SCAN_HEADER,
    against_published,
    member_rows,
    result_data,
    scan_rows,
)
from congruence.workflow.folder import RUN_JSON, check_target, result_folder
from congruence.workflow.on_disk import Keeping, coordinate_folder, said_on_disk
from congruence.workflow.reporting import Reporter, Silent
from congruence.workflow.samples import open_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.exhaustiveness import Exhaustiveness
    from congruence.core.results import Verdict
    from congruence.workflow.exhaust_options import ExhaustOptions
    from congruence.workflow.sample_files import Samples

__all__ = ["ExhaustSummary", "check_levels", "exhaust"]


@dataclass(frozen=True, eq=False)
class ExhaustSummary:
    """
    What came of a job.

    Parameters
    ----------
    out : Path
        The result folder.
    result : Exhaustiveness
        The tests.
    losses : Losses
        What could not be used.
    name : str
        Name of the system.
    """

    out: Path
    result: Exhaustiveness
    losses: Losses
    name: str


def exhaust(
    inputs: Sequence[str | Path],
    out: str | Path,
    options: ExhaustOptions,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> ExhaustSummary:
    """
    Test two samples for exhaustive sampling and write a result folder.

    Parameters
    ----------
    inputs : sequence of str or Path
        See ``samples.open_samples``.
    out : str or Path
        The folder to write, whole or not at all.
    options : ExhaustOptions
        What to do.
    force : bool
        Replace an earlier result of congruence.
    reporter : Reporter, optional
        Told of progress.

    Returns
    -------
    summary : ExhaustSummary
        Where the results are, and the results.

    Raises
    ------
    InputError
        If the inputs cannot be used, see ``samples.open_samples`` and
        ``compute.exhaustiveness.check_samples``.
    ConfigError
        If options do not fit the inputs.
    OutputError
        If the folder cannot be written.
    """
    from threadpoolctl import threadpool_limits

    reporter, out = reporter or Silent(), Path(out)
    check_target(out, force=force)
    with ExitStack() as home:
        folder = home.enter_context(coordinate_folder(out))
        samples = open_samples(
            inputs,
            scores=options.scores,
            sizes=options.sizes,
            split=options.split,
            seed=options.seed,
            resolution=options.resolution,
            state=options.state,
            choice=options.choice,
            keeping=Keeping(folder, options.resources.bytes),
            engine=options.engine,
        )
        xyz = None if samples.ensemble is None else samples.ensemble.coordinates
        for line in (*samples.log, *said_on_disk(xyz)):
            reporter.say(line)
        for line in samples.warnings:
            reporter.warn(line)
        # One BLAS thread: products are small, or threads of our own share them out, and
        # threads that wait burn as much as they work.
        home.enter_context(threadpool_limits(1, user_api="blas"))
        job = _Job(samples, options, reporter, home, out)
        result = job.assess(_published_folder(inputs, options))
        with result_folder(out, force=force) as partial:
            result = job.write(partial, result)
    return ExhaustSummary(out, result, samples.losses, options.name)


def _published_folder(inputs: Sequence[str | Path], options: ExhaustOptions) -> Path | None:
    """Return the folder of published numbers: the given one, or that of the matrix itself."""
    if options.published is not None or not options.compat or len(inputs) != 1:
        return options.published
    here = Path(inputs[0])
    here = here if here.is_dir() else here.parent
    return here if len(list(here.glob("*.ChiSquare_Grid_Stats.txt"))) == 1 else None


def check_levels(verdicts: Sequence[Verdict], fail_on: str | None) -> None:
    """
    Fail if a verdict is as serious as asked for.

    Parameters
    ----------
    verdicts : sequence of Verdict
        The verdicts.
    fail_on : {"note", "warning", "fail"} or None
        Level from which on it is a failure.

    Raises
    ------
    CheckFailedError
        If one is; the first of them is told.
    """
    if fail_on is None:
        return
    order = list(Level)
    bad = [v for v in verdicts if order.index(v.level) >= order.index(Level(fail_on))]
    if bad:
        raise CheckFailedError(
            f"{len(bad)} of {len(verdicts)} verdicts are {fail_on} or worse: {bad[0].claim}",
            hint=bad[0].advice,
        )


class _Job:
    scan: SampledScan | None = None

    def __init__(
        self,
        samples: Samples,
        options: ExhaustOptions,
        reporter: Reporter,
        home: ExitStack,
        out: Path,
    ) -> None:
        self.samples, self.options, self.reporter = samples, options, reporter
        self._home, self._out = home, out
        self.distance: Distance | None = None
        self.selections = {}
        if samples.ensemble is not None:
            self.distance = Distance.of(samples.ensemble, options)
            self.selections = {
                name: samples.ensemble.beads(text) for name, text in options.densities.items()
            }
        elif options.densities or options.rmsd or options.symmetry:
            raise ConfigError(
                "a distance matrix has no coordinates: no densities, selections or symmetry",
                hint="Give the models themselves.",
            )
        self.measured = self._measured()
        self.every = self.measured.pairs if self.scan is None else self.scan.every.pairs

    def _measured(self) -> Measured:
        if self.distance is None or self.samples.ensemble is None:
            given = given_matrix(self.samples, self.options, self.reporter)
            return self._sampled(given) or given
        check_compat_fits(self.samples, self.distance, self.options, self._out)
        return self._sampled(None) or measure(
            self.samples.ensemble, self.distance, self.options, self.reporter, scratch=self._scratch
        )

    def _sampled(self, given: Measured | None) -> Measured | None:
        self.scan = sampled_scan(
            self.samples, self.distance, given, self.options, self.reporter, self._scratch
        )
        return None if self.scan is None else self.scan.measured

    def _scratch(self) -> Path:
        from tempfile import TemporaryDirectory

        self._out.parent.mkdir(parents=True, exist_ok=True)
        made = TemporaryDirectory(prefix=".congruence-", dir=self._out.parent)
        return Path(self._home.enter_context(made))

    def assess(self, published: Path | None) -> Exhaustiveness:
        """Run the tests that need no maps."""
        from congruence.io.sampcon_published import read_published

        measured = self.measured
        words: dict[str, Any] = {
            "settings": self.options.settings,
            "other": measured.other,
            "progress": lambda done, total: self.reporter.advance("thresholds", done, total),
        }
        scores = self.samples.scores
        if self.scan is None:
            result = assess(measured.pairs, self.samples.n_a, scores, **words)
        else:
            result = assess_sampled(
                measured.pairs, self.scan.sample, self.scan.every, scores, **words
            )
        result = self._with_uncertainty(result)
        rows = result.differences
        if self.distance is not None and self.distance.other is not None and measured.other is None:
            own = unmeasured_distance(result.definition, measured.pairs.m, result.mode)
            rows = (own, *rows)
        verdicts = result.verdicts
        if published is not None:
            more, verdict = against_published(result, read_published(published))
            rows, verdicts = (*rows, *more), (*verdicts, verdict)
        return dataclasses.replace(result, differences=rows, verdicts=verdicts)

    def _with_uncertainty(self, result: Exhaustiveness) -> Exhaustiveness:
        from congruence.compute.exhaustiveness_uncertainty import with_uncertainty

        samples = self.samples
        if not self.options.uncertainty:
            return result
        if samples.origins is None:
            self.reporter.say("runs of the models are not known: no intervals")
            return result
        self.reporter.say("resampling runs (--no-uncertainty leaves this out)")
        if self.scan is not None:
            return sampled_uncertainty(result, self.scan, samples, self.options.seed)
        return with_uncertainty(
            result, self.measured.pairs, samples.origins, samples.scores, seed=self.options.seed
        )

    def write(self, partial: Path, result: Exhaustiveness) -> Exhaustiveness:
        """Write everything; return the result with its maps."""
        from congruence.io.matrix import save_matrix
        from congruence.io.store import write_csv, write_json
        from congruence.plots.exhaustiveness import save_figures

        options, matrix = self.options, self.measured.matrix
        json_name = f"{options.name}.output.json" if options.compat else "exhaustiveness.json"
        result = self._with_maps(partial, result)
        centers = write_centers(partial, self.samples, result, json_name=json_name)
        if options.compat:
            self._write_compat(partial, result, centers)
        elif matrix is not None:
            save_matrix(matrix, partial)
        write_json(partial / "exhaustiveness.json", result_data(result, options.name))
        write_csv(partial / "scan.csv", SCAN_HEADER, scan_rows(result))
        distances: dict[int, float] = {}
        for cluster in result.clusters:
            to_center = self.every.to_center(cluster.members)
            distances.update(zip(cluster.members.tolist(), to_center.tolist(), strict=True))
        header, rows = member_rows(result, self.samples, distances)
        write_csv(partial / "models.csv", header, rows)
        text = statement(result, options.name) + "\n"
        (partial / "statement.txt").write_text(text, encoding="utf-8")
        self.reporter.say("drawing")
        figures = save_figures(result, self.samples.scores, partial, name=options.name)
        write_report(partial, result, figures, self.samples, options)
        self._write_run_json(partial)
        return result

    def _with_maps(self, partial: Path, result: Exhaustiveness) -> Exhaustiveness:
        if not self.selections or not result.clusters or self.samples.ensemble is None:
            return result
        assert self.distance is not None
        options = self.options
        maker = MapMaker(
            self.samples.ensemble,
            self.samples.n_a,
            self.distance.metric,
            self.distance.groups,
            self.selections,
            options.voxel,
            options.map_resolution,
            options.compat,
        )
        maps = maker.write(partial, result, self.reporter)
        return dataclasses.replace(
            result, maps=maps, verdicts=(*result.verdicts, map_verdict(maps))
        )

    def _write_compat(
        self, partial: Path, result: Exhaustiveness, centers: tuple[str, ...]
    ) -> None:
        from congruence.io.sampcon_write import (
            output_data,
            write_identities,
            write_output_json,
            write_protocol,
        )

        samples, options = self.samples, self.options
        given = options.threshold is not None
        write_protocol(partial, options.name, result, self.measured.matrix, given=given)
        inputs: dict[str, Any] = {"input_frames": list(samples.names)}
        if samples.kind == "frames":
            inputs = {"input_files": dict(zip("AB", samples.files, strict=False))}
        else:
            write_identities(partial, samples.names, samples.n_a)
        data = output_data(
            result,
            inputs=inputs,
            ranges={name: _domains(text) for name, text in options.densities.items()},
            centers=centers,
            given=given,
        )
        write_output_json(partial / f"{options.name}.output.json", data)

    def _write_run_json(self, partial: Path) -> None:
        from congruence.io.store import file_key, write_json

        samples, losses = self.samples, self.samples.losses
        written = [p.relative_to(partial).as_posix() for p in partial.rglob("*") if p.is_file()]
        arguments = {
            k: str(v) if isinstance(v, Path) else v
            for k, v in dataclasses.asdict(self.options).items()
        }
        if self.scan is None:
            del arguments["scan_models"]  # it changed nothing
        arguments["scores"] = [str(p) for p in self.options.scores or ()]
        data = {
            "program": "congruence",
            "command": "exhaust",
            "versions": versions(),
            "arguments": arguments,
            "seed": self.options.seed,
            "samples": {"kind": samples.kind, "A": samples.sizes[0], "B": samples.sizes[1]},
            "log": samples.log,
            "warnings": samples.warnings,
            "left_out": {"count": len(losses), "by_reason": losses.by_reason()},
            "inputs": [{"path": name, **file_key(Path(name))} for name in samples.files],
            "files": sorted(n for n in written if not Path(n).name.startswith(".")),
        }
        write_json(partial / RUN_JSON, data)


def _domains(text: str) -> list[Any]:
    """Write a selection as the domains of a range file."""
    from congruence.core.selection import parse

    found: list[Any] = []
    for term in parse(text).terms:
        name = term.name + (f".{term.copy}" if term.copy is not None else "")
        found += [[a, b if b is not None else -1, name] for a, b in term.ranges] or [name]
    return found
