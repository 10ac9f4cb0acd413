"""
Fluctuation: how much each bead moves within a set of models, and where it is precise.

The RMSF of a bead is the root mean square of its distances to its mean
position, after all models were laid on that mean. It is in Å and can be
compared between ensembles: nothing is scaled to the smallest and largest value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.fluctuation_sums import (
    BlockSums,
    beads_in_order,
    neighbour_triples,
    shares,
)
from congruence.core.precision import Fluctuation, Patch
from congruence.core.results import Alignment
from congruence.core.sources import as_source
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from congruence.compute.fluctuation_sums import Sums
    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["compat_rmsf", "fluctuation", "patches"]

HIGH_PRECISION = 5.0
LOW_PRECISION = 15.0
RIGID = 0.02

_ROUNDS = 100
_SETTLED = 1e-6


def fluctuation(
    models: CoordinateSource | FloatArray,
    topology: Topology,
    *,
    alignment: Alignment | str,
    center: int,
    on: IntArray | None = None,
    weights: FloatArray | None = None,
    sums: Sums | None = None,
) -> Fluctuation:
    """
    Compute the RMSF of every bead.

    With superposition the models are laid on their mean and the mean is taken
    again until it moves by less than 1e-6 Å. Copies are not exchanged: give
    models that are relabelled already. Cost: 9 m n operations a round.

    Parameters
    ----------
    models : CoordinateSource or ndarray, shape=(m,n,3)
        Models in Å, read in blocks.
    topology : Topology
        The *n* beads, for neighbours in molecules.
    alignment : Alignment or {"none", "center", "superpose"}
        How the models are brought onto the mean.
    center : int
        Center model, for the compat column: the models as given, not moved.
    on : ndarray, dtype=int64, shape=(b,), optional
        Beads that are superposed or centred on; all by default.
    weights : ndarray, dtype=float64, shape=(n,), optional
        Weights of the superposition; residues per bead by default.
    sums : Sums, optional
        What sums over blocks of the same models in the same way; by default
        `congruence.compute.fluctuation_sums.BlockSums`, one block after the other.

    Returns
    -------
    fluctuation : Fluctuation
        RMSF, compat and mean of every bead, in Å.

    Raises
    ------
    ShapeError
        If there is no model, shapes do not fit or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from congruence.core.topology import Molecule, Topology
    >>> one = Topology.simple([Molecule("A")], beads_per_molecule=1)
    >>> x = np.array([[[0.0, 0, 0]], [[4.0, 0, 0]]])
    >>> found = fluctuation(x, one, alignment="none", center=0)
    >>> found.rmsf.tolist(), found.compat.tolist(), found.mean.tolist()
    ([2.0], [2.0], [[2.0, 0.0, 0.0]])
    """
    source, mode = as_source(models), Alignment(alignment)
    m, n, _ = source.shape
    if not m or n != len(topology) or not 0 <= center < m:
        raise ShapeError(f"{m} models of {n} beads, center {center}, {len(topology)} beads named")
    given = topology.residue_counts.astype(np.float64) if weights is None else weights
    over = np.arange(n) if on is None else on
    if sums is None:
        sums = BlockSums(source, topology, alignment=mode, on=over, weights=given)
    middle = np.asarray(source.read(center, center + 1)[0], np.float64)
    mean, rounds = _settle(sums, mode, middle, m, (over, shares(given, over)))
    squares, apart = np.zeros(n), np.zeros(n)
    low, high = np.full((3, n), np.inf), np.full((3, n), -np.inf)
    for found in sums("moves", mean, middle):
        squares += found[0]
        apart += found[1]
        low, high = np.minimum(low, found[2:5]), np.maximum(high, found[5:])
    deviations = np.zeros(n)
    for found in sums("deviations", middle, apart / m):
        deviations += found
    return Fluctuation(
        rmsf=np.sqrt(squares / m),
        compat=np.sqrt(deviations / m),
        mean=mean,
        rigid=_rigid(low, high, topology, m),
        models=m,
        alignment=str(mode),
        iterations=rounds,
    )


def _settle(
    sums: Sums, mode: Alignment, start: FloatArray, m: int, fit: tuple[IntArray, FloatArray]
) -> tuple[FloatArray, int]:
    """Return the mean that models are laid on, and the rounds that it took."""
    on, share = fit
    mean = start
    for done in range(1, _ROUNDS + 1):
        total = np.zeros_like(mean)
        for found in sums("places", mean):
            total += found
        before, mean = mean, total / m
        if mode is Alignment.NONE:
            return mean, 0
        moved = np.sqrt(((mean - before)[on] ** 2).sum(axis=1) @ share)
        if moved < _SETTLED or mode is Alignment.CENTER:
            return mean, done
    return mean, _ROUNDS


def _rigid(low: FloatArray, high: FloatArray, topology: Topology, models: int) -> BoolArray:
    """Find beads that keep their distances to the next two beads of their molecule."""
    rigid = np.zeros(len(topology), dtype=np.bool_)
    triples = neighbour_triples(topology)
    if models > 1 and len(triples):
        kept = high[:, : len(triples)] - low[:, : len(triples)] < RIGID
        rigid[triples[kept.all(axis=0)]] = True
    return rigid


def compat_rmsf(coordinates: FloatArray, center: int) -> FloatArray:
    """
    Compute what IMP's ``Precision.get_rmsf`` calls RMSF.

    It is the population standard deviation of the distances of a bead to its
    place in the center model, whose own distance of zero counts. It is not a
    root mean square: a bead that is always 10 Å off has none.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,n,3)
        Models in Å, not superposed here.
    center : int
        The center model.

    Returns
    -------
    values : ndarray, dtype=float64, shape=(n,)
        In Å.

    Examples
    --------
    >>> import numpy as np
    >>> compat_rmsf(np.array([[[0.0, 0, 0]], [[3.0, 0, 0]], [[-3.0, 0, 0]]]), 0).round(6).tolist()
    [1.414214]
    """
    distances = np.sqrt(((coordinates - coordinates[center]) ** 2).sum(axis=2))
    values: FloatArray = distances.std(axis=0)
    return values


def patches(
    rmsf: FloatArray,
    topology: Topology,
    *,
    high: float = HIGH_PRECISION,
    low: float = LOW_PRECISION,
    shortest: int = 5,
) -> tuple[Patch, ...]:
    """
    Find stretches of residues that are precise, and stretches that are not.

    A patch is a run of beads of one molecule, in the order of their residues,
    whose RMSF is at most `high` (high precision) or at least `low` (low
    precision). Thresholds are in Å and the same for every ensemble. Beads
    that are near in space but not in sequence are not joined.

    Parameters
    ----------
    rmsf : ndarray, dtype=float64, shape=(n,)
        RMSF of each bead in Å.
    topology : Topology
        The beads.
    high, low : float
        Thresholds in Å.
    shortest : int
        Residues that a patch must have.

    Returns
    -------
    patches : tuple of Patch
        By molecule and residue.

    Raises
    ------
    ConfigError
        If `high` is not below `low`.

    Examples
    --------
    >>> import numpy as np
    >>> from congruence.core.topology import Molecule, Topology
    >>> six = Topology.simple([Molecule("A")], beads_per_molecule=6)
    >>> found = patches(np.array([1.0, 1, 1, 9, 20, 20]), six, shortest=2)
    >>> [(p.kind, p.first, p.last) for p in found]
    [('high', 1, 3), ('low', 5, 6)]
    """
    if not 0 <= high < low:
        raise ConfigError(
            f"the thresholds of patches are {high:g} and {low:g} Å",
            hint="High precision is below the first, low precision above the second.",
        )
    if len(rmsf) != len(topology):
        raise ShapeError(f"{len(rmsf)} values for {len(topology)} beads")
    kinds = np.where(rmsf <= high, "high", np.where(rmsf >= low, "low", ""))
    found = []
    for molecule in dict.fromkeys(topology.molecule_index.tolist()):
        beads = [i for i in beads_in_order(topology, molecule) if topology.residues[i]]
        start = 0
        for at in range(1, len(beads) + 1):
            if at == len(beads) or kinds[beads[at]] != kinds[beads[start]]:
                run = np.array(beads[start:at], dtype=np.int64)
                if kinds[run[0]] and topology.residue_counts[run].sum() >= shortest:
                    found.append(_patch(run, str(kinds[run[0]]), rmsf, topology))
                start = at
    return tuple(found)


def _patch(beads: IntArray, kind: str, rmsf: FloatArray, topology: Topology) -> Patch:
    numbers = [r for i in beads.tolist() for r in topology.residues[i]]
    return Patch(
        molecule=str(topology.molecules[int(topology.molecule_index[beads[0]])]),
        kind=kind,
        first=min(numbers),
        last=max(numbers),
        beads=len(beads),
        rmsf=float(np.sqrt(np.average(rmsf[beads] ** 2, weights=topology.residue_counts[beads]))),
    )
