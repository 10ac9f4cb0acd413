"""
Questions whose answer was planted, each asked of one seed.

A seed plans where the subunits are in each cluster. Everything that is drawn
around these arrangements (each data set, and the large sampling that the planted
precision and accuracy are measured on) has a seed of its own, spawned from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from congruence.compute.accuracy import accuracy, compare, match_reference
from congruence.compute.chain_correlation import chains_inefficiency
from congruence.compute.clustering import cluster
from congruence.compute.correlated_scores import compare_correlated, judge_scores
from congruence.compute.equilibration import chains_of
from congruence.compute.exhaustiveness import scan_thresholds
from congruence.compute.exhaustiveness_verdicts import Settings, assess
from congruence.compute.precision import precision
from congruence.compute.precision_uncertainty import population_statistic
from congruence.compute.resampling import percentiles_over_runs
from congruence.compute.rmsd import rmsd_matrix
from congruence.core.precision import ReferenceStructure
from congruence.core.results import Level
from congruence.simulate.arrangement import compose, copy_order, plan_arrangements
from congruence.simulate.ensemble import as_ensemble
from congruence.simulate.geometry import rmsd_tables
from congruence.simulate.sampling import Sampling, Simulation
from congruence.simulate.system import small_system

if TYPE_CHECKING:
    from congruence.compute.accuracy import Compared
    from congruence.core.ensemble import Ensemble
    from congruence.core.results import Cluster, DistanceMatrix
    from congruence.simulate.arrangement import Arrangement
    from congruence.typing import BoolArray, FloatArray

__all__ = ["SPREAD", "Planted", "Trial", "exhaustiveness", "how_many", "null", "spread"]

SPREAD = 6.0
"""Of a bead about its place, in Å: two models of a cluster are some 8 Å apart."""
RUNS = 8
EVEN = (0.6, 0.4)
ONE_SIDED = (0.8, 0.2)
FIXED = 16.0
"""Threshold in Å of the chi-square test that is not chosen from the data."""
MOST = 4
POOL = 9600
_GROUP = 60
_FORGETS = 5.0
_TWO_CLUSTERS_BELOW = 150


@dataclass(frozen=True)
class Trial:
    """
    What was found in one data set.

    Parameters
    ----------
    right : dict of str to bool
        By question.
    values : dict of str to float
        Numbers behind it.
    """

    right: dict[str, bool] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: Trial) -> Trial:
        return Trial(self.right | other.right, self.values | other.values)


def spawned(seed: int, *key: int) -> int:
    """Return a seed that depends on another one and on what it is for."""
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return int(state[0]) >> 1


@dataclass(frozen=True)
class Planted:
    """
    Arrangements of one seed, and the precision and accuracy of the native one.

    Parameters
    ----------
    seed : int
        The seed.
    pool : int
        Members that the planted precision and accuracy are measured on.
    """

    seed: int
    pool: int = POOL

    @cached_property
    def _arrangements(self) -> tuple[Arrangement, ...]:
        return plan_arrangements(small_system(), MOST, spawned(self.seed, 0))

    def draw(self, *key: int, **parameters: Any) -> Simulation:
        """Draw models around the arrangements with a seed of their own."""
        words: dict[str, Any] = {"runs": RUNS, "replicas": 1, "spread": SPREAD, **parameters}
        sampling = Sampling(**words, seed=spawned(self.seed, *key))
        return Simulation(sampling, around=self._arrangements[: sampling.clusters])

    def to_native(self, simulation: Simulation, coordinates: FloatArray) -> Compared:
        """Lay each model on the native structure, copies matched."""
        places = compose(simulation.system, simulation.native())[0]
        topology = simulation.system.topology
        match = match_reference(topology, ReferenceStructure(topology, places, "native"))
        weights = topology.residue_counts.astype(np.float64)
        return compare(coordinates, match, alignment="superpose", weights=weights)

    @cached_property
    def truth(self) -> tuple[float, float]:
        """Precision and accuracy in Å of the native cluster, from many other members."""
        wide = self.draw(1, models=self.pool, runs=1, weights=(1.0, 0.0))
        coordinates = wide.read(0, self.pool)
        near = self.to_native(wide, coordinates).distances(_every(wide))
        ensemble = as_ensemble(self.draw(1, models=2, runs=1))
        pairs = [
            float(_matrix(ensemble, coordinates[i : i + _GROUP]).condensed.mean())
            for i in range(0, self.pool, _GROUP)
        ]
        return float(np.mean(pairs)), float(near.mean())

    @cached_property
    def separation(self) -> float:
        """Smallest distance of two arrangements in Å, superposed and copies matched."""
        system = small_system()
        places = np.stack([a.coordinates(system) for a in self._arrangements])
        weights = system.topology.residue_counts.astype(np.float64)
        exchanged = places[:, copy_order(system)]
        tables = [rmsd_tables(one, places, weights)[1] for one in (places, exchanged)]
        return float(np.minimum(*tables)[np.triu_indices(MOST, 1)].min())


def _every(simulation: Simulation) -> BoolArray:
    return np.ones(len(simulation.system.topology), dtype=np.bool_)


def _matrix(ensemble: Ensemble, coordinates: FloatArray | None = None) -> DistanceMatrix:
    if coordinates is not None:
        table = ensemble.models.take(np.zeros(len(coordinates), dtype=np.int64))
        ensemble = type(ensemble)(coordinates, ensemble.topology, table)
    return rmsd_matrix(ensemble, alignment="superpose", threads=1)


def how_many(planted: Planted, models: int, clusters: int) -> Trial:
    """Plant clusters of equal shares in four runs; two have shares of their own in `spread`."""
    shares = (1.0,) * clusters
    drawn = planted.draw(2, models, clusters, models=models, runs=4, clusters=clusters, weights=shares)  # fmt: skip
    found = cluster(_matrix(as_ensemble(drawn)), seed=planted.seed % 1000)
    name = "number of clusters, 1, 3 or 4 planted in turn"
    return Trial({name: len(found.clusters) == clusters}, {"clusters planted": clusters})


def spread(planted: Planted, models: int, *, time: float = 0.0) -> Trial:
    """Find the native cluster in eight runs; see whether intervals hold what was planted."""
    drawn = planted.draw(3, models, int(time), models=models, weights=EVEN, autocorrelation=time)
    ensemble, truth = as_ensemble(drawn), planted.truth
    matrix, seed = _matrix(ensemble), planted.seed % 1000
    found = cluster(matrix, k=None if time == 0.0 else 2, seed=seed)
    mine = max(found.clusters, key=lambda c: int((drawn.labels[c.members] == 0).sum()))
    how = "independent models" if time == 0.0 else f"models that forget in {time:g} frames"
    trial = _intervals(planted, drawn, ensemble, mine, matrix, how)
    in_a = drawn.run < RUNS // 2
    (share,) = percentiles_over_runs(
        population_statistic(np.where(np.isin(np.arange(matrix.m), mine.members), 0, -1), 1),
        ensemble.models.run,
        samples=in_a,
        seed=seed,
    )
    trial.right[f"population in its interval, {how}"] = share.low <= EVEN[0] <= share.high
    if time == 0.0:
        trial.right["number of clusters, 2 planted"] = len(found.clusters) == 2
        failed = _fails(matrix, int(in_a.sum()), ensemble.models.score, seed)
        trial.right["exhaustive sampling passes"] = not failed
        trial.values.update(precision_planted=truth[0], accuracy_planted=truth[1])
        trial.values["separation"] = planted.separation
    return trial


def _intervals(
    planted: Planted,
    drawn: Simulation,
    ensemble: Ensemble,
    mine: Cluster,
    matrix: DistanceMatrix,
    how: str,
) -> Trial:
    runs, seed = ensemble.models.run[mine.members].tolist(), planted.seed % 1000
    within = precision(matrix.take(mine.members).square(), runs=runs, seed=seed)
    compared = planted.to_native(drawn, ensemble.coordinates[mine.members])
    near = accuracy(compared, _every(drawn), runs=runs, seed=seed)
    right, values = {}, {}
    for name, value, interval, truth in (
        ("precision", within.pairwise, within.pairwise_interval, planted.truth[0]),
        ("accuracy", near.average, near.interval, planted.truth[1]),
    ):
        right[f"{name} in its interval, {how}"] = interval is not None and truth in interval
        right[f"{name} within 5 %, {how}"] = abs(value / truth - 1) < 0.05
        values[f"{name} {how}"] = value / truth
        if interval is not None:
            values[f"half width, {name} {how}"] = (interval.high - interval.low) / 2 / truth
    return Trial(right, values)


def _fails(matrix: DistanceMatrix, n_a: int, scores: FloatArray, seed: int) -> bool:
    result = assess(matrix, n_a, scores, settings=Settings(seed=seed))
    return any(v.level is Level.FAIL for v in result.verdicts)


def exhaustiveness(planted: Planted, models: int) -> Trial:
    """Test runs of which each half favours a cluster, and runs of which one half misses one."""
    right = {}
    two_halves: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
        "sampling with opposite shares fails": (ONE_SIDED, ONE_SIDED[::-1]),
        "sampling of which one half missed a cluster fails": (EVEN, (1.0, 0.0)),
    }
    for number, (name, (a, b)) in enumerate(two_halves.items()):
        drawn = planted.draw(
            4, models, number, models=models, weights=(a,) * (RUNS // 2) + (b,) * (RUNS // 2)
        )
        ensemble = as_ensemble(drawn)
        n_a = int((drawn.run < RUNS // 2).sum())
        scores = ensemble.models.score
        right[name] = _fails(_matrix(ensemble), n_a, scores, planted.seed % 1000)
    return Trial(right)


def null(planted: Planted, models: int) -> Trial:
    """Draw two samples of the same sampling, with and without memory, and test them."""
    clusters = MOST if models > _TWO_CLUSTERS_BELOW else 2
    values: dict[str, float] = {}
    right = {}
    for time, how in ((0.0, "independent"), (_FORGETS, "correlated")):
        # With samples of equal sizes a p-value takes few values, and is not uniform.
        drawn = planted.draw(
            5, models, int(time), models=models + 3, clusters=clusters,
            weights=(1.0,) * clusters, autocorrelation=time,
        )  # fmt: skip
        ensemble = as_ensemble(drawn)
        in_a = drawn.run < RUNS // 2
        chains = chains_of(ensemble.models.run, drawn.replica, drawn.frame)
        scores = compare_correlated(ensemble.models.score, in_a, chains)
        values[f"score p, {how}"] = scores.p
        values[f"score p for effective sizes, {how}"] = scores.p_corrected
        matrix = _matrix(ensemble)
        (point,) = scan_thresholds(matrix, in_a, [FIXED]).points
        if point.kept > 1:
            values[f"population p at {FIXED:g} Å, {how}"] = point.p
            center = int(matrix.square().sum(axis=1).argmin())
            g = max(
                chains_inefficiency(v, chains, in_a)
                for v in (matrix.row(center), ensemble.models.score)
            )
            name = f"population p for effective sizes at {FIXED:g} Å, {how}"
            values[name] = float(chdtrc(point.dof, point.chi2 / g))
        right[f"says that the plain p is not to be quoted, {how}"] = (
            "not to be quoted" in judge_scores(scores).claim
        )
    return Trial(right, values)
