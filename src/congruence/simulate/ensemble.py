"""Simulated models as arrays, for tests and benchmarks that need no files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.simulate.sampling import Sampling, Simulation
from congruence.simulate.system import System, small_system
from congruence.simulate.write import describe, scoring_of

if TYPE_CHECKING:
    from congruence.simulate.truth import Truth
    from congruence.typing import FloatArray, IntArray

__all__ = ["Simulated", "as_ensemble", "simulate_ensemble"]


class Simulated(NamedTuple):
    """
    Models and their planted truth.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        In Å.
    labels : ndarray, dtype=int64, shape=(m,)
        Planted clusters; -1 for outliers.
    truth : Truth
        All that was planted.
    """

    coordinates: FloatArray
    labels: IntArray
    truth: Truth


def simulate_ensemble(
    sampling: Sampling | None = None, *, system: System | None = None, **changes: Any
) -> Simulated:
    """
    Simulate models in memory.

    Parameters
    ----------
    sampling : Sampling, optional
        What to simulate.
    system : System, optional
        The complex; by default `small_system`.
    **changes : Any
        Parameters of `Sampling` that replace those of `sampling`.

    Returns
    -------
    simulated : Simulated
        Coordinates, labels and truth; equal to what `simulate_runs` writes
        with the same parameters. For more models than fit into memory read
        a `Simulation` in pieces.

    Raises
    ------
    ConfigError
        If a parameter is out of its range.

    Examples
    --------
    >>> coordinates, labels, truth = simulate_ensemble(models=8, clusters=2, seed=1)
    >>> coordinates.shape, len(labels), len(truth.clusters)
    ((8, 117, 3), 8, 2)
    """
    simulation = Simulation(replace(sampling or Sampling(), **changes), system or small_system())
    coordinates = simulation.read(0, simulation.sampling.models)
    return Simulated(coordinates, simulation.labels, describe(simulation))


def as_ensemble(simulation: Simulation) -> Ensemble:
    """
    Return a simulation as the one data structure.

    Parameters
    ----------
    simulation : Simulation
        The simulation.

    Returns
    -------
    ensemble : Ensemble
        All models with their total scores, as if they had been read from
        files.
    """
    m = simulation.sampling.models
    coordinates = simulation.read(0, m)
    folders = [f"run{r + 1}" for r in simulation.run.tolist()]
    replicas = simulation.replica.tolist()
    ends = [f"{f}/output/stat.{k}.out" for f, k in zip(folders, replicas, strict=True)]
    files = [f"{f}/output/rmfs/{k}.rmf3" for f, k in zip(folders, replicas, strict=True)]
    stored = [f"output/rmfs//{k}.rmf3" for k in replicas]
    table = ModelTable(
        run=np.array(folders, dtype=object),
        replica=simulation.replica,
        source=np.array(ends, dtype=object),
        row=simulation.frame,
        step=simulation.frame,
        rmf_file=np.array(stored, dtype=object),
        file=np.array(files, dtype=object),
        frame=simulation.frame,
        score=scoring_of(simulation).table(coordinates).total,
        score_key="Total_Score",
    )
    return Ensemble(coordinates, simulation.system.topology, table)
