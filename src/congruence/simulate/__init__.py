"""
Sampling that never happened, with planted truth.

`simulate_runs` writes replica-exchange runs of a small complex in the formats of
PMI (stat files, RMF3 files), so that an analysis can be tried where the answer
is known::

    from congruence.simulate import simulate_runs

    truth = simulate_runs("simulated", models=400, clusters=2, seed=1)
    truth.labels             # the planted cluster of each model
    truth.clusters[0]        # its precision and accuracy, measured

Each model is the arrangement of its cluster (the first is the native one; the
others have the subunits elsewhere) plus a jitter of every rigid body, plus the
noise of flexible beads; copies of a subunit are exchanged in some models, and
the whole may tumble as it does without a map. Scores are computed from the
coordinates: cross-links, excluded volume, connectivity.

Where no files are needed, `simulate_ensemble` returns arrays, and `Simulation`
is a coordinate source of any number of models that are drawn when they are
read. `damage_run` breaks files as killed jobs do.

From beads to files the modules are `system` (the complex), `arrangement` (where its
bodies are), `parameters` and `sampling` (models around arrangements), `scores`, `truth`, `layout`
(the nodes of an RMF file), `exchange`, `statfile` and `write`.
"""

from __future__ import annotations

from congruence.simulate.damage import damage_run
from congruence.simulate.ensemble import Simulated, simulate_ensemble
from congruence.simulate.sampling import Sampling, Simulation
from congruence.simulate.subunit import BeadKind, Segment, Subunit
from congruence.simulate.system import System, small_system
from congruence.simulate.truth import ClusterTruth, Truth, read_truth
from congruence.simulate.write import simulate_runs

__all__ = [
    "BeadKind",
    "ClusterTruth",
    "Sampling",
    "Segment",
    "Simulated",
    "Simulation",
    "Subunit",
    "System",
    "Truth",
    "damage_run",
    "read_truth",
    "simulate_ensemble",
    "simulate_runs",
    "small_system",
]
