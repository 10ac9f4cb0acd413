"""
Fluctuation: how much each bead moves within a set of models, and where it is precise.

The RMSF of a bead is the root mean square of its distances to its mean
position, after all models were laid on that mean. It is in Å and can be
compared between ensembles: nothing is scaled to the smallest and largest value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.compute.superpose import optimal_rotations
from congruence.core.precision import Fluctuation, Patch
from congruence.core.results import Alignment
from congruence.core.sources import as_source
from congruence.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from congruence.core.sources import CoordinateSource
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["compat_rmsf", "fluctuation", "patches"]

HIGH_PRECISION = 5.0
LOW_PRECISION = 15.0
RIGID = 0.02

_BLOCK = 1 << 22
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
    fit = _Fit(source, mode, np.arange(n) if on is None else on, given)
    mean, rounds = fit.settle(center)
    total = np.zeros(n)
    for block in fit.placed(mean):
        total += ((block - mean) ** 2).sum(axis=(0, 2))
    return Fluctuation(
        rmsf=np.sqrt(total / m),
        compat=_compat(source, center),
        mean=mean,
        rigid=_rigid(source, topology),
        models=m,
        alignment=str(mode),
        iterations=rounds,
    )


class _Fit:
    """Lays models on a mean, block by block."""

    def __init__(
        self, source: CoordinateSource, mode: Alignment, on: IntArray, weights: FloatArray
    ) -> None:
        self.source, self.mode, self.on = source, mode, on
        chosen = np.asarray(weights, np.float64)[on]
        if not len(on) or not chosen.sum() > 0:
            raise ShapeError(
                f"the weights of all {len(on)} superposed beads are zero",
                hint="Give at least one of them a positive weight.",
            )
        self.share = chosen / chosen.sum()

    def settle(self, center: int) -> tuple[FloatArray, int]:
        """Return the mean that models are laid on, and the rounds that it took."""
        m = self.source.shape[0]
        mean = np.asarray(self.source.read(center, center + 1)[0], np.float64)
        for done in range(1, _ROUNDS + 1):
            total = np.zeros_like(mean)
            for block in self.placed(mean):
                total += block.sum(axis=0)
            before, mean = mean, total / m
            if self.mode is Alignment.NONE:
                return mean, 0
            moved = np.sqrt(((mean - before)[self.on] ** 2).sum(axis=1) @ self.share)
            if moved < _SETTLED or self.mode is Alignment.CENTER:
                return mean, done
        return mean, _ROUNDS

    def placed(self, mean: FloatArray) -> Iterator[FloatArray]:
        """Yield the models laid on a mean."""
        for block in _blocks(self.source):
            if self.mode is Alignment.NONE:
                yield block
                continue
            at = self.share @ block[:, self.on]
            to = self.share @ mean[self.on]
            shifted = block - at[:, None]
            if self.mode is Alignment.SUPERPOSE:
                target = (mean[self.on] - to) * self.share[:, None]
                rotation, _ = optimal_rotations(target.T @ shifted[:, self.on])
                shifted = shifted @ rotation.swapaxes(1, 2)
            yield shifted + to


def _blocks(source: CoordinateSource) -> Iterator[FloatArray]:
    m, n, _ = source.shape
    step = max(1, _BLOCK // (3 * n))
    for start in range(0, m, step):
        block = np.asarray(source.read(start, min(m, start + step)), np.float64)
        if not np.isfinite(block).all():
            raise ShapeError(
                f"models {start} to {start + len(block) - 1} hold coordinates that are not finite"
            )
        yield block


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


def _compat(source: CoordinateSource, center: int) -> FloatArray:
    (middle,) = np.asarray(source.read(center, center + 1), np.float64)

    def mean(of: Callable[[FloatArray], FloatArray]) -> FloatArray:
        total = np.zeros(source.shape[1])
        for block in _blocks(source):
            total += of(np.sqrt(((block - middle) ** 2).sum(axis=2))).sum(axis=0)
        return total / source.shape[0]

    average = mean(lambda distances: distances)
    values: FloatArray = np.sqrt(mean(lambda distances: (distances - average) ** 2))
    return values


def _rigid(source: CoordinateSource, topology: Topology) -> BoolArray:
    """Find beads that keep their distances to the next two beads of their molecule."""
    rigid = np.zeros(len(topology), dtype=np.bool_)
    if source.shape[0] < 2:
        return rigid
    triples = _triples(topology)
    if not len(triples):
        return rigid
    low = np.full((3, len(triples)), np.inf)
    high = -low
    for block in _blocks(source):
        for side, (i, j) in enumerate(((0, 1), (1, 2), (0, 2))):
            vectors = block[:, triples[:, i]] - block[:, triples[:, j]]
            lengths = np.sqrt((vectors**2).sum(axis=2))
            np.minimum(low[side], lengths.min(axis=0), out=low[side])
            np.maximum(high[side], lengths.max(axis=0), out=high[side])
    rigid[triples[((high - low) < RIGID).all(axis=0)]] = True
    return rigid


def _triples(topology: Topology) -> IntArray:
    found = []
    for molecule in dict.fromkeys(topology.molecule_index.tolist()):
        beads = _in_order(topology, molecule)
        found += list(zip(beads, beads[1:], beads[2:], strict=False))
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def _in_order(topology: Topology, molecule: int) -> list[int]:
    beads = np.flatnonzero(topology.molecule_index == molecule).tolist()
    return sorted(beads, key=lambda i: topology.residues[i])


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
        beads = [i for i in _in_order(topology, molecule) if topology.residues[i]]
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
