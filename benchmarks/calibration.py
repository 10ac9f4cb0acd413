"""
How often planted truth is found, on seeds that nothing was tuned on.

    python -m benchmarks.calibration [SEEDS [MODELS ...]]

For each size and seed models are simulated and analysed: the number of clusters
by the advice, precision and accuracy of the native cluster by their intervals
over runs, and the tests of exhaustive sampling on runs that share all clusters
and on runs that do not. The planted precision and accuracy are those of a
sampling of the same arrangements that is ten times larger, or so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.accuracy import accuracy, compare, match_reference
from congruence.compute.clustering import cluster
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.precision import precision
from congruence.compute.rmsd import rmsd_matrix
from congruence.core.precision import ReferenceStructure
from congruence.core.results import Level
from congruence.simulate.arrangement import compose
from congruence.simulate.ensemble import as_ensemble
from congruence.simulate.sampling import Sampling, Simulation

if TYPE_CHECKING:
    from congruence.compute.accuracy import Compared
    from congruence.core.ensemble import Ensemble
    from congruence.core.results import DistanceMatrix

__all__ = ["Trial", "accuracy_trial", "advice_trial", "exhaustiveness_trial", "main"]

FIRST_SEED = 730_000
"""Tests and tuning use small seeds."""
SIZES = (80, 200, 400)
RUNS = 8
COUNTS = (1, 2, 3, 4)
PLANTED_MEMBERS = 700
EVEN, ONE_SIDED = (0.6, 0.4), (0.8, 0.2)


@dataclass(frozen=True)
class Trial:
    """What was found for one seed, right or not, by name."""

    right: dict[str, bool]


def _matrix(ensemble: Ensemble) -> DistanceMatrix:
    return rmsd_matrix(ensemble, alignment="superpose")


def advice_trial(models: int, seed: int, planted: int) -> Trial:
    """Plant clusters of equal shares, and ask how many there are."""
    drawn = Sampling(
        models, runs=4, replicas=1, clusters=planted, weights=(1.0,) * planted, seed=seed
    )
    ensemble = as_ensemble(Simulation(drawn))
    found = cluster(_matrix(ensemble), scores=ensemble.models.score, seed=seed)
    return Trial({f"advice, {planted} planted": len(found.clusters) == planted})


def _to_native(simulation: Simulation, ensemble: Ensemble) -> Compared:
    """Lay each model on the native structure, copies matched."""
    native = simulation.native()
    places = compose(simulation.system, native)[0]
    topology = ensemble.topology
    reference = ReferenceStructure(topology, places, "native")
    return compare(
        ensemble.coordinates,
        match_reference(topology, reference),
        alignment="superpose",
        weights=topology.residue_counts.astype(np.float64),
    )


def accuracy_trial(models: int, seed: int, *, autocorrelation: float = 0.0) -> Trial:
    """Find the native cluster, and see whether the intervals hold what was planted."""
    drawn = Sampling(
        models, runs=RUNS, replicas=1, weights=EVEN, autocorrelation=autocorrelation, seed=seed
    )
    simulation = Simulation(drawn)
    ensemble = as_ensemble(simulation)
    matrix = _matrix(ensemble)
    native = simulation.labels == 0
    found = max(
        (c.members for c in cluster(matrix, k=2, seed=seed).clusters),
        key=lambda members: int(native[members].sum()),
    )
    runs = ensemble.models.run[found].tolist()
    spread = precision(matrix.take(found).square(), runs=runs, seed=seed)
    every = np.ones(len(ensemble.topology), dtype=bool)
    near = accuracy(_to_native(simulation, ensemble.take(found)), every, runs=runs, seed=seed)
    wide = Simulation(
        Sampling(int(PLANTED_MEMBERS / EVEN[0]), runs=1, replicas=1, weights=EVEN, seed=seed)
    )
    members = as_ensemble(wide).take(np.flatnonzero(wide.labels == 0))
    planted = float(_matrix(members).condensed.mean())
    planted_accuracy = float(_to_native(wide, members).distances(every).mean())
    name = f"time {autocorrelation:g}"
    return Trial(
        {
            f"precision in its interval, {name}": spread.pairwise_interval is not None
            and planted in spread.pairwise_interval,
            f"accuracy in its interval, {name}": near.interval is not None
            and planted_accuracy in near.interval,
            f"precision within 5 %, {name}": abs(spread.pairwise / planted - 1) < 0.05,
            f"accuracy within 5 %, {name}": abs(float(near.distances.mean()) / planted_accuracy - 1)
            < 0.05,
        }
    )


def exhaustiveness_trial(models: int, seed: int) -> Trial:
    """Test runs that share clusters in one proportion, and runs that do not."""
    right = {}
    other = ONE_SIDED[::-1]
    for name, weights, passes in (
        ("exhaustive passes", EVEN, True),
        ("non-exhaustive fails", (ONE_SIDED, ONE_SIDED, other, other), False),
    ):
        drawn = Sampling(models, runs=4, replicas=1, weights=weights, seed=seed)
        ensemble = as_ensemble(Simulation(drawn))
        n_a = int(np.isin(ensemble.models.run.astype(str), ["run1", "run2"]).sum())
        result = assess(_matrix(ensemble), n_a, ensemble.models.score, settings=Settings(seed=seed))
        failed = any(v.level is Level.FAIL for v in result.verdicts)
        right[name] = failed is not passes
    return Trial(right)


def rates(
    models: int, seeds: range, *, counts: tuple[int, ...] = COUNTS
) -> dict[str, tuple[int, int]]:
    """Count, by name, how often the answer is right, and how often it was asked."""
    found: dict[str, list[bool]] = {}
    for seed in seeds:
        trials = [advice_trial(models, seed, k) for k in counts]
        trials += [accuracy_trial(models, seed), accuracy_trial(models, seed, autocorrelation=2.0)]
        trials.append(exhaustiveness_trial(models, seed))
        for trial in trials:
            for name, right in trial.right.items():
                found.setdefault(name, []).append(right)
    return {name: (sum(values), len(values)) for name, values in found.items()}


def main() -> None:
    """Print a table: rows are questions, columns numbers of models."""
    words = [int(w) for w in sys.argv[1:]]
    seeds = range(FIRST_SEED, FIRST_SEED + (words[0] if words else 100))
    sizes = tuple(words[1:]) or SIZES
    tables = [rates(m, seeds) for m in sizes]
    print(
        "| planted truth found, of "
        + str(len(seeds))
        + " seeds | "
        + " | ".join(f"{m} models" for m in sizes)
        + " |"
    )
    print("|---|" + "---|" * len(sizes))
    for name in tables[0]:
        print(f"| {name} | " + " | ".join(str(t[name][0]) for t in tables) + " |")


if __name__ == "__main__":
    main()
