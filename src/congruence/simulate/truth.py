"""The planted truth, and how precise and how accurate the planted clusters are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import FormatError
from congruence.simulate.arrangement import compose, copy_order
from congruence.simulate.geometry import rmsd_tables

if TYPE_CHECKING:
    import os

    from congruence.simulate.sampling import Simulation
    from congruence.simulate.scores import CrossLink
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["ClusterTruth", "Truth", "measure", "read_truth"]

MEASURED = 100
"""Members of a cluster that are measured, evenly spaced, when there are more."""

DEFINITION = {
    "weights": "residues per bead",
    "copies": "matched: the smaller RMSD of the two assignments of copies 0 and 1",
    "alignment none": "coordinates before the models were tumbled, as they are",
    "alignment superpose": "best proper rotation and translation, same weights",
    "pairwise": "mean RMSD in Å over all pairs of two different measured members",
    "to_center": "mean RMSD in Å of the measured members to the center, itself left out",
    "center": "measured member with the smallest sum of RMSD to the others",
    "accuracy": "mean RMSD in Å of the measured members to the native structure",
}
"""What the numbers of `ClusterTruth` mean."""


@dataclass(frozen=True, slots=True)
class ClusterTruth:
    """
    One planted cluster, measured on the 32-bit coordinates of the files.

    Parameters
    ----------
    index : int
        Its number; 0 is native.
    size : int
        Number of models.
    measured : int
        How many of them were measured.
    spread : float
        What was planted, in Å.
    pairwise : dict of str to float
        Mean pairwise RMSD in Å by alignment, ``"none"`` and ``"superpose"``.
    to_center : dict of str to float
        Mean RMSD to the center in Å, by alignment.
    center : dict of str to int
        The center (a model), by alignment; -1 for an empty cluster.
    accuracy : dict of str to float
        Mean RMSD to the native structure in Å, by alignment.
    """

    index: int
    size: int
    measured: int
    spread: float
    pairwise: dict[str, float]
    to_center: dict[str, float]
    center: dict[str, int]
    accuracy: dict[str, float]


@dataclass(frozen=True, eq=False)
class Truth:
    """
    What was planted; one entry per model in the order run, replica, frame.

    Parameters
    ----------
    sampling : dict
        The parameters of the simulation.
    molecules : tuple of str
        Molecules, as ``"Gamma@1%0"``.
    run : ndarray, dtype=int64, shape=(m,)
        0-based run; the folder is ``run1`` for run 0.
    replica : ndarray, dtype=int64, shape=(m,)
        Replica in its run.
    frame : ndarray, dtype=int64, shape=(m,)
        Frame in the file of the replica.
    labels : ndarray, dtype=int64, shape=(m,)
        Planted cluster; 0 is native, -1 an outlier.
    swapped : ndarray, dtype=bool, shape=(m,)
        Whether copies 0 and 1 are exchanged.
    clusters : tuple of ClusterTruth
        The planted clusters.
    crosslinks : tuple of dict
        The cross-links: ``id``, ``protein1``, ``residue1``, ``protein2``,
        ``residue2``, ``is_true`` and the ``columns`` of their contributions.
    native_score : float
        Total score of the native structure.
    """

    sampling: dict[str, Any]
    molecules: tuple[str, ...]
    run: IntArray
    replica: IntArray
    frame: IntArray
    labels: IntArray
    swapped: BoolArray
    clusters: tuple[ClusterTruth, ...]
    crosslinks: tuple[dict[str, Any], ...]
    native_score: float

    def __len__(self) -> int:
        return len(self.labels)

    def write(self, path: str | os.PathLike[str]) -> None:
        """
        Write the truth as JSON.

        Parameters
        ----------
        path : str or os.PathLike
            The file.
        """
        models = {
            "run": self.run.tolist(),
            "replica": self.replica.tolist(),
            "frame": self.frame.tolist(),
            "cluster": self.labels.tolist(),
            "swapped": np.flatnonzero(self.swapped).tolist(),
        }
        content = {
            "what": "planted truth of simulated sampling",
            "sampling": self.sampling,
            "molecules": self.molecules,
            "native_score": self.native_score,
            "definition": DEFINITION,
            "clusters": [asdict(c) for c in self.clusters],
            "crosslinks": self.crosslinks,
            "models": models,
        }
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in content.items())
        Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read_truth(path: str | os.PathLike[str]) -> Truth:
    """
    Read the truth that was written with a simulation.

    Parameters
    ----------
    path : str or os.PathLike
        The file ``truth.json``.

    Returns
    -------
    truth : Truth
        As it was planted.

    Raises
    ------
    FormatError
        If the file is not one that `Truth.write` wrote.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        models = content["models"]
        labels = np.array(models["cluster"], dtype=np.int64)
        swapped = np.zeros(len(labels), dtype=bool)
        swapped[models["swapped"]] = True
        return Truth(
            sampling=content["sampling"],
            molecules=tuple(content["molecules"]),
            run=np.array(models["run"], dtype=np.int64),
            replica=np.array(models["replica"], dtype=np.int64),
            frame=np.array(models["frame"], dtype=np.int64),
            labels=labels,
            swapped=swapped,
            clusters=tuple(ClusterTruth(**c) for c in content["clusters"]),
            crosslinks=tuple(content["crosslinks"]),
            native_score=content["native_score"],
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as problem:
        raise FormatError(
            f"cannot be read as the truth of a simulation: {problem!r}",
            path=path,
            hint="Simulate the runs again, or give the truth.json beside them.",
        ) from problem


def measure(simulation: Simulation) -> tuple[ClusterTruth, ...]:
    """
    Measure the planted clusters.

    Parameters
    ----------
    simulation : Simulation
        The simulation.

    Returns
    -------
    clusters : tuple of ClusterTruth
        All planted clusters, also those that no model visited.
    """
    native = compose(simulation.system, simulation.native())
    return tuple(_cluster(simulation, k, native) for k in range(simulation.sampling.clusters))


def _cluster(simulation: Simulation, index: int, native: FloatArray) -> ClusterTruth:
    members = np.flatnonzero(simulation.labels == index)
    picked = np.linspace(0, len(members) - 1, min(MEASURED, len(members))).round().astype(np.int64)
    chosen = members[picked]
    pairwise, to_center, center, accuracy = {}, {}, {}, {}
    for name, table, to_native in _tables(simulation, chosen, native):
        n = len(chosen)
        sums = table.sum(axis=1)
        best = int(sums.round(6).argmin()) if n else -1
        pairwise[name] = round(float(sums.sum()) / (n * (n - 1)), 6) if n > 1 else 0.0
        to_center[name] = round(float(sums[best]) / (n - 1), 6) if n > 1 else 0.0
        center[name] = int(chosen[best]) if n else -1
        accuracy[name] = round(float(to_native.mean()), 6) if n else 0.0
    spread = simulation.sampling.spreads[index]
    sizes = (len(members), len(chosen))
    return ClusterTruth(index, *sizes, spread, pairwise, to_center, center, accuracy)


def _tables(
    simulation: Simulation, models: IntArray, native: FloatArray
) -> list[tuple[str, FloatArray, FloatArray]]:
    """Measure models against each other and the native one, in both alignments."""
    order = copy_order(simulation.system)
    weights = simulation.system.topology.residue_counts.astype(np.float64)

    def smallest(one: FloatArray, two: FloatArray) -> list[FloatArray]:
        pairs = zip(
            rmsd_tables(one, two, weights), rmsd_tables(one[:, order], two, weights), strict=True
        )
        return [np.minimum(plain, exchanged) for plain, exchanged in pairs]

    xyz = compose(simulation.system, simulation.poses(models, tumble=False))
    plain, best = smallest(xyz, xyz)
    plain_native, best_native = smallest(xyz, native)
    if simulation.sampling.tumble:
        xyz = compose(simulation.system, simulation.poses(models))
        best, best_native = smallest(xyz, xyz)[1], smallest(xyz, native)[1]
    np.fill_diagonal(plain, 0.0)
    np.fill_diagonal(best, 0.0)
    return [("none", plain, plain_native), ("superpose", best, best_native)]


def crosslink_rows(crosslinks: tuple[CrossLink, ...]) -> tuple[dict[str, Any], ...]:
    """
    Describe cross-links.

    Parameters
    ----------
    crosslinks : tuple of CrossLink
        The cross-links.

    Returns
    -------
    rows : tuple of dict
        As in `Truth.crosslinks`.
    """
    return tuple(
        {
            "id": x.number,
            "protein1": x.names[0],
            "residue1": x.residues[0],
            "protein2": x.names[1],
            "residue2": x.residues[1],
            "is_true": x.is_true,
            "columns": list(x.labels),
        }
        for x in crosslinks
    )
