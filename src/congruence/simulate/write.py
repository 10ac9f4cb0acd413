"""Write a simulation as the folders and files of PMI replica-exchange runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import OutputError
from congruence.io.rmf.write import RmfWriter
from congruence.simulate.arrangement import Poses, compose
from congruence.simulate.exchange import Exchange, exchange
from congruence.simulate.layout import Layout, lay_out
from congruence.simulate.sampling import Sampling, Simulation
from congruence.simulate.scores import LABEL, PSI, ScoreTable, Scoring, choose_crosslinks
from congruence.simulate.statfile import number, stat_text
from congruence.simulate.system import System, small_system
from congruence.simulate.truth import Truth, crosslink_rows, measure

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from congruence.typing import FloatArray, IntArray

__all__ = ["describe", "scoring_of", "simulate_runs"]

_BATCH = 1024
_OURS = (
    "run*/output/stat.*.out",
    "run*/output/stat_replica.*.out",
    "run*/output/initial.*.rmf3",
    "run*/output/rmfs/*.rmf3",
    "native.rmf3",
    "crosslinks.csv",
    "truth.json",
)


def scoring_of(simulation: Simulation) -> Scoring:
    """
    Return the restraints of a simulation.

    Parameters
    ----------
    simulation : Simulation
        The simulation.

    Returns
    -------
    scoring : Scoring
        Its complex with its cross-links.
    """
    places = np.stack([a.coordinates(simulation.system) for a in simulation.arrangements])
    links = choose_crosslinks(simulation.system, places, seed=simulation.sampling.seed)
    return Scoring(simulation.system, links)


def describe(simulation: Simulation, scoring: Scoring | None = None) -> Truth:
    """
    Return the planted truth of a simulation.

    Parameters
    ----------
    simulation : Simulation
        The simulation.
    scoring : Scoring, optional
        Its restraints, when they are at hand.

    Returns
    -------
    truth : Truth
        Labels, precision and accuracy of the clusters, cross-links.
    """
    scoring = scoring or scoring_of(simulation)
    native = scoring.table(compose(simulation.system, simulation.native()))
    return Truth(
        sampling=simulation.sampling.as_dict(),
        molecules=tuple(str(m) for m in simulation.system.topology.molecules),
        run=simulation.run,
        replica=simulation.replica,
        frame=simulation.frame,
        labels=simulation.labels,
        swapped=simulation.swapped,
        clusters=measure(simulation),
        crosslinks=crosslink_rows(scoring.crosslinks),
        native_score=float(number(native.total[0])),
    )


def simulate_runs(
    out_dir: str | os.PathLike[str],
    sampling: Sampling | None = None,
    *,
    system: System | None = None,
    environ: Mapping[str, str] | None = None,
    **changes: Any,
) -> Truth:
    """
    Write replica-exchange runs with planted clusters as PMI writes them.

    Parameters
    ----------
    out_dir : str or os.PathLike
        Folder that gets ``run1/output/`` (``stat.N.out``,
        ``stat_replica.N.out``, ``initial.N.rmf3``, ``rmfs/N.rmf3``) and so
        on for each run, ``native.rmf3``, ``crosslinks.csv`` and
        ``truth.json``.
    sampling : Sampling, optional
        What to simulate; by default 2 runs of 2 replicas with 100 models each.
    system : System, optional
        The complex; by default `small_system`, with 117 beads.
    environ : mapping of str to str, optional
        Environment variables that the stat files claim to have seen; the
        real ones are never written.
    **changes : Any
        Parameters of `Sampling` that replace those of `sampling`, for
        example ``models``, ``runs``, ``replicas``, ``clusters``, ``spread``,
        ``seed``, ``tumble``.

    Returns
    -------
    truth : Truth
        What was planted, as in ``truth.json``.

    Raises
    ------
    OutputError
        If the folder holds anything but an earlier simulation, which is
        replaced, or cannot be written.
    ConfigError
        If a parameter is out of its range.

    Notes
    -----
    Equal parameters give equal bytes. Each step of a run is saved by the one
    replica that is at the lowest temperature.
    """
    simulation = Simulation(replace(sampling or Sampling(), **changes), system or small_system())
    root = Path(out_dir)
    scoring = scoring_of(simulation)
    truth = describe(simulation, scoring)
    try:
        _clear(root)
        root.mkdir(parents=True, exist_ok=True)
        _write_crosslinks(root / "crosslinks.csv", scoring)
        _write_structure(root / "native.rmf3", lay_out(scoring), scoring, simulation.native())
        for run in range(simulation.sampling.runs):
            _Run(simulation, scoring, run, environ or {}).write(root / f"run{run + 1}" / "output")
        truth.write(root / "truth.json")
    except OSError as problem:
        raise OutputError(
            f"{root}: cannot be written: {problem}", hint="Choose a folder that can be written to."
        ) from problem
    return truth


def _clear(root: Path) -> None:
    """Remove the files of an earlier simulation, and nothing else."""
    if not root.exists() or not any(root.iterdir()):
        return
    if not (root / "truth.json").is_file():
        raise OutputError(
            f"{root}: the folder is not empty and holds no simulation",
            hint="Simulate into a new folder, or remove this one.",
        )
    for pattern in _OURS:
        for path in root.glob(pattern):
            path.unlink()


def _write_crosslinks(path: Path, scoring: Scoring) -> None:
    lines = ["id,prot1,res1,prot2,res2"]
    for link in scoring.crosslinks:
        (one, two), (first, second) = link.names, link.residues
        lines.append(f"{link.number},{one},{first},{two},{second}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_structure(path: Path, layout: Layout, scoring: Scoring, poses: Poses) -> None:
    table = scoring.table(compose(scoring.system, poses))
    with RmfWriter(path, layout.static) as out:
        out.add_frames(layout.frame_values(poses, table))


@dataclass(frozen=True, eq=False)
class _Run:
    """One run: an exchange and the files of its replicas."""

    simulation: Simulation
    scoring: Scoring
    run: int
    environ: Mapping[str, str] = field(repr=False)

    def _rng(self, purpose: int, replica: int = 0) -> np.random.Generator:
        key = (3, self.run, purpose, replica)
        seed = np.random.SeedSequence(self.simulation.sampling.seed, spawn_key=key)
        return np.random.default_rng(seed)

    def write(self, folder: Path) -> None:
        """Write all files of the run."""
        (folder / "rmfs").mkdir(parents=True, exist_ok=True)
        replicas = self.simulation.sampling.replicas
        mine = slice(self.run * replicas, (self.run + 1) * replicas)
        steps = exchange(self.simulation.sampling.frames()[mine], self._rng(0))
        for replica in range(replicas):
            self._write_initial(folder / f"initial.{replica}.rmf3", replica)
            totals = self._write_replica(folder, steps, replica)
            self._write_stat_replica(folder, steps, replica, totals)

    def _lay_out(self, to_root: str, frames: int) -> Layout:
        replicas = self.simulation.sampling.replicas
        return lay_out(self.scoring, to_root=to_root, frames=frames, replicas=replicas)

    def _write_initial(self, path: Path, replica: int) -> None:
        """Write one scattered model, from before the sampling."""
        replicas = self.simulation.sampling.replicas
        first = np.searchsorted(self._scattered.chain, [self.run * replicas + replica])
        poses = self._scattered.poses(first)
        _write_structure(path, self._lay_out("../../", 1), self.scoring, poses)

    @cached_property
    def _scattered(self) -> Simulation:
        sampling = self.simulation.sampling
        changed = replace(sampling, outliers=1.0, seed=sampling.seed + 1)
        return Simulation(changed, self.simulation.system)

    def _write_replica(self, folder: Path, steps: Exchange, replica: int) -> list[str]:
        """Write the RMF and the stat file; return the total scores."""
        chain = self.run * self.simulation.sampling.replicas + replica
        models = np.flatnonzero(self.simulation.chain == chain)
        layout = self._lay_out("../../../", steps.level.shape[0])
        columns: dict[str, list[str | int | float]] = {}
        with RmfWriter(folder / "rmfs" / f"{replica}.rmf3", layout.static) as out:
            late: int | None = None
            # one replica of each run learns of a new pair term half way
            learns = replica == 0 and len(models) > 1 and self.simulation.system.bodies > 1
            at = len(models) // 2 if learns else len(models)
            for start, stop in _pieces(len(models), at):
                poses = self.simulation.poses(models[start:stop])
                xyz = compose(self.simulation.system, poses)
                table = self.scoring.table(xyz)
                if start == at:
                    beads, late = self.scoring.worst_overlap(xyz[0])
                    out.write_static(layout.late_record(self._nodes(layout, beads)))
                term = None if late is None else self.scoring.overlaps(xyz)[:, late]
                out.add_frames(layout.frame_values(poses, table, term))
                for name, values in self._scores(table).items():
                    columns.setdefault(name, []).extend(values)
        saved = np.flatnonzero(steps.level[:, replica] == 0)
        columns |= self._sampler(steps, replica, saved)
        columns["rmf_file"] = [f"output/rmfs//{replica}.rmf3"] * len(models)
        columns["rmf_frame_index"] = list(range(len(models)))
        text = stat_text(columns, environ=self.environ, rotate=7 * replica + self.run)
        (folder / f"stat.{replica}.out").write_text(text, encoding="utf-8")
        return [str(v) for v in columns["Total_Score"]]

    def _nodes(self, layout: Layout, beads: tuple[int, int]) -> tuple[int, int]:
        """Nodes of two coarse beads, given by their first fine beads."""
        one, two = np.searchsorted(self.simulation.system.coarse_starts, beads).tolist()
        return int(layout.coarse[one]), int(layout.coarse[two])

    def _scores(self, table: ScoreTable) -> dict[str, list[str]]:
        restraint = "CrossLinkingMassSpectrometryRestraint"
        columns: dict[str, FloatArray] = {"Total_Score": table.total}
        for body, (subunit, copy) in enumerate(self.simulation.system.molecules):
            label = subunit.name + (f".{copy}" if copy else "")
            columns[f"ConnectivityRestraint_Score_{label}"] = table.connectivity[:, body]
        columns["ExcludedVolumeSphere_Score"] = table.excluded_volume
        columns[f"{restraint}_Data_Score_{LABEL}"] = table.data
        columns[f"{restraint}_Linear_Score_{LABEL}"] = table.linear
        labels = [label for link in self.scoring.crosslinks for label in link.labels]
        for i, label in enumerate(labels):
            columns[f"{restraint}_Score_{label}"] = -np.log(table.likelihoods[:, i])
        for i, label in enumerate(labels):
            columns[f"{restraint}_Distance_{label}"] = table.distances[:, i]
        text = {name: [number(v) for v in values.tolist()] for name, values in columns.items()}
        for name, value in (
            (f"PriorPsi_Score_{LABEL}", "0.0"),
            (f"PriorSig_Score_{LABEL}", "0.0"),
            (f"Psi_PSI_{LABEL}", repr(PSI)),
        ):
            text[f"{restraint}_{name}"] = [value] * len(table.data)
        return text

    def _sampler(
        self, steps: Exchange, replica: int, saved: IntArray
    ) -> dict[str, list[str | int | float]]:
        """Columns of the sampler at the saved steps."""
        columns: dict[str, list[str | int | float]] = {}
        rng = self._rng(1, replica)
        movers = [f"RigidBody {m}" for m in self.simulation.system.topology.molecules]
        for i, mover in enumerate([*movers, "BallMover-flexible"]):
            tries = 10.0 * (saved + 1)
            accepted = np.cumsum(rng.binomial(10, 0.3 + 0.05 * (i % 5), len(saved)))
            share = np.minimum(accepted * (saved + 1) / np.arange(1, len(saved) + 1) / tries, 1.0)
            name = f"MonteCarlo_Acceptance_{mover.replace('@', '..').replace('%0', '')}_{i}"
            columns[name] = [number(v) for v in share.tolist()]
        columns["MonteCarlo_Temperature"] = ["1.0"] * len(saved)
        columns["MonteCarlo_Nframe"] = [str(s) for s in saved.tolist()]
        for name, values in steps.columns(replica).items():
            columns[name] = [values[s] for s in saved.tolist()]
        seconds = 0.05 + 0.01 * rng.random(len(saved))
        columns["Stopwatch_None_delta_seconds"] = [number(v) for v in seconds.round(6).tolist()]
        return columns

    def _write_stat_replica(
        self, folder: Path, steps: Exchange, replica: int, totals: list[str]
    ) -> None:
        level = steps.level[:, replica]
        saved = [float(t) for t in totals]
        # a replica that is not saved scores as the saved do, worse by its temperature
        rng = self._rng(2, replica)
        hot = rng.choice(saved, len(level)) + 8.0 * steps.temperatures[level] * rng.random(
            len(level)
        )
        score = [float(number(v)) for v in hot.tolist()]
        for value, step in zip(saved, np.flatnonzero(level == 0).tolist(), strict=True):
            score[step] = value
        columns: dict[str, list[Any]] = {**steps.columns(replica), "score": score}
        text = stat_text(columns, environ=self.environ, rotate=replica)
        (folder / f"stat_replica.{replica}.out").write_text(text, encoding="utf-8")


def _pieces(models: int, at: int) -> list[tuple[int, int]]:
    """Cut the models into batches, with a cut at one place."""
    cuts = sorted({*range(0, models, _BATCH), min(at, models), models})
    return list(pairwise(cuts))
