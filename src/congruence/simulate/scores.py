"""Scores from coordinates: cross-links, excluded volume, connectivity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from congruence.simulate.subunit import BeadKind, bead_radius

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.simulate.system import System
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["LABEL", "PSI", "CrossLink", "ScoreTable", "Scoring", "choose_crosslinks"]

LABEL = "XL"
"""Label of the cross-link data set."""

PSI = 0.1
"""Assumed share of false cross-links."""

REACH = 25.0
"""Distance in Å at which the likelihood of a cross-link has fallen to one half."""

SLOPE = 0.002
"""Weight of the distances themselves, per Å."""

_SOFTNESS = 3.0
_STIFFNESS = 0.25
_HARDNESS = 0.01
_NEAR, _FAR = 20.0, 35.0
_TRIALS = 400


@dataclass(frozen=True, slots=True)
class CrossLink:
    """
    One cross-link, possibly ambiguous between copies.

    Parameters
    ----------
    number : int
        Its number in the data set.
    names : tuple of str
        The two molecules.
    residues : tuple of int
        The two residues.
    beads : tuple of (int, int)
        Beads of each contribution: one for every choice of copies.
    is_true : bool
        Whether the native structure satisfies it.
    """

    number: int
    names: tuple[str, str]
    residues: tuple[int, int]
    beads: tuple[tuple[int, int], ...]
    is_true: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """
        Name of each contribution, as in the columns of a stat file.

        The form is ``|label|id|prot1|res1|prot2|res2|state|PSI|``.
        """
        ends = "|".join(f"{n}|{r}" for n, r in zip(self.names, self.residues, strict=True))
        return tuple(
            f"|{LABEL}|{self.number}.{c + 1}|{ends}|0|PSI|" for c in range(len(self.beads))
        )


def choose_crosslinks(
    system: System,
    arrangements: FloatArray,
    *,
    count: int = 24,
    telling: int = 1,
    false: int = 2,
    seed: int = 0,
) -> tuple[CrossLink, ...]:
    """
    Invent cross-links that the native structure satisfies best, if not by far.

    Parameters
    ----------
    system : System
        The complex.
    arrangements : ndarray, dtype=float64, shape=(k,n,3)
        Coordinates in Å of the planted arrangements, the native one first.
    count : int
        Number of cross-links, a quarter of them inside one molecule.
    telling : int
        For each other arrangement, how many are shorter than 20 Å in the
        native one and longer than 30 Å, better 40 Å, in that one. The rest are satisfied in
        all arrangements as far as there are such pairs: data that leave more
        than one answer are why models are clustered.
    false : int
        How many are longer than 35 Å in all arrangements.
    seed : int
        Seed.

    Returns
    -------
    crosslinks : tuple of CrossLink
        Fewer than `count` where there are too few such pairs.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    native, others = arrangements[0], len(arrangements) - 1
    one, two = np.triu_indices(len(native), 2)
    # copies are interchangeable, so what joins them to each other tells little
    names = np.array([m.name for m in system.topology.molecules])[system.body]
    between = names[one] != names[two]
    within = system.body[one] == system.body[two]
    distance = _lengths(native[one] - native[two])
    near = distance < _NEAR
    inner = (count - false) // 4
    shared = max(count - false - inner - telling * others, 0)
    wanted: list[tuple[BoolArray, int, Callable[[FloatArray], float]]] = [
        *((between & near, telling, partial(_telling_cost, other=k + 1)) for k in range(others)),
        (between & near, shared, lambda reach: max(float(reach.max()) - REACH + 3.0, 0.0)),
        (within & near & (distance > 6.0), inner, lambda _: 0.0),
        (between & (distance > _FAR), false, lambda reach: 0.0 if reach.min() > _FAR else np.inf),
    ]
    alike: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for bead in range(len(native)):
        alike.setdefault((str(names[bead]), system.topology.residues[bead]), []).append(bead)
    links: dict[tuple[tuple[str, str], tuple[int, int]], CrossLink] = {}
    for mask, number, cost in wanted:
        trials = []
        for pair in rng.permutation(np.flatnonzero(mask))[:_TRIALS].tolist():
            link = _crosslink(system, alike, (int(one[pair]), int(two[pair])))
            trials.append((cost(_reach(link, arrangements)), link))
        trials.sort(key=lambda trial: trial[0])
        fresh = {(x.names, x.residues): x for c, x in reversed(trials) if np.isfinite(c)}
        chosen = [key for key in reversed(fresh) if key not in links][:number]
        links |= {key: fresh[key] for key in chosen}
    return tuple(
        replace(x, number=i, is_true=bool(_reach(x, arrangements)[0] < REACH))
        for i, x in enumerate(links.values())
    )


def _telling_cost(reach: FloatArray, *, other: int) -> float:
    return max(float(_FAR + 5.0 - reach[other]), 0.0) if reach[other] > 30.0 else np.inf


def _reach(link: CrossLink, arrangements: FloatArray) -> FloatArray:
    """Shortest distance of all contributions, in each arrangement."""
    one, two = np.array(link.beads).T
    reach: FloatArray = _lengths(arrangements[:, one] - arrangements[:, two]).min(axis=1)
    return reach


def _crosslink(
    system: System, alike: dict[tuple[str, tuple[int, ...]], list[int]], ends: tuple[int, int]
) -> CrossLink:
    """Link two beads and, when they are of copies, those that cannot be told from them."""
    topology = system.topology
    name1, name2 = (topology.molecules[system.body[b]].name for b in ends)
    residues1, residues2 = (topology.residues[b] for b in ends)
    one, two = alike[name1, residues1], alike[name2, residues2]
    same = system.body[ends[0]] == system.body[ends[1]]
    pairs = zip(one, two, strict=True) if same else product(one, two)
    return CrossLink(0, (name1, name2), (residues1[0], residues2[0]), tuple(pairs), True)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """
    Scores of *m* models, without unit; distances in Å.

    Parameters
    ----------
    distances : ndarray, dtype=float64, shape=(m,c)
        Of each contribution of each cross-link, between bead centres.
    likelihoods : ndarray, dtype=float64, shape=(m,c)
        Of each contribution alone.
    data : ndarray, dtype=float64, shape=(m,)
        Cross-link score: minus the logarithm of all likelihoods.
    linear : ndarray, dtype=float64, shape=(m,)
        Slope times the sum of distances.
    connectivity : ndarray, dtype=float64, shape=(m,b)
        Of each molecule: harmonic springs between flexible neighbours.
    excluded_volume : ndarray, dtype=float64, shape=(m,)
        Overlap of beads of different molecules, at resolution 10.
    """

    distances: FloatArray
    likelihoods: FloatArray
    data: FloatArray
    linear: FloatArray
    connectivity: FloatArray
    excluded_volume: FloatArray

    @property
    def total(self) -> FloatArray:
        """Sum of all restraints, shape (m,); lower is better."""
        total: FloatArray = (
            self.data + self.linear + self.connectivity.sum(axis=1) + self.excluded_volume
        )
        return total


@dataclass(frozen=True, eq=False)
class Scoring:
    """
    The restraints on a complex.

    Parameters
    ----------
    system : System
        The complex.
    crosslinks : tuple of CrossLink
        The cross-links.
    """

    system: System
    crosslinks: tuple[CrossLink, ...]

    @cached_property
    def pairs(self) -> IntArray:
        """Beads of every contribution, shape (c,2)."""
        pairs = [pair for link in self.crosslinks for pair in link.beads]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def _first(self) -> IntArray:
        sizes = [len(link.beads) for link in self.crosslinks]
        return np.cumsum([0, *sizes[:-1]], dtype=np.int64)

    @cached_property
    def bonds(self) -> IntArray:
        """Neighbours in sequence that are not both rigid, shape (k,2)."""
        one = np.arange(len(self.system.topology) - 1)
        body, rigid = self.system.body, self.system.kind == BeadKind.RIGID
        keep = (body[one] == body[one + 1]) & ~(rigid[one] & rigid[one + 1])
        return np.stack([one[keep], one[keep] + 1], axis=1)

    @cached_property
    def _coarse(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Pairs of coarse beads of different molecules, and the sums of their radii."""
        system = self.system
        mass = np.add.reduceat(system.topology.mass, system.coarse_starts)
        radius = np.array([bead_radius(m) for m in mass])
        owner = system.body[system.coarse_starts]
        one, two = np.triu_indices(len(owner), 1)
        apart = owner[one] != owner[two]
        return one[apart], two[apart], (radius[one] + radius[two])[apart]

    def overlaps(self, coordinates: FloatArray) -> FloatArray:
        """
        Measure the overlap of each pair of coarse beads of two molecules.

        Parameters
        ----------
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            Fine beads in Å.

        Returns
        -------
        overlaps : ndarray, dtype=float64, shape=(m,p)
            Score of each pair, 0 where they do not overlap.
        """
        one, two, reach = self._coarse
        coarse = self.system.coarsen(coordinates)
        gap = np.maximum(reach - _lengths(coarse[:, one] - coarse[:, two]), 0.0)
        return _HARDNESS * gap * gap

    def worst_overlap(self, coordinates: FloatArray) -> tuple[tuple[int, int], int]:
        """
        Find the pair of coarse beads that overlaps most in one model.

        Parameters
        ----------
        coordinates : ndarray, dtype=float64, shape=(n,3)
            Fine beads in Å.

        Returns
        -------
        beads : tuple of int
            First fine bead of either.
        pair : int
            Column of the pair in `overlaps`.
        """
        one, two, _ = self._coarse
        pair = int(self.overlaps(coordinates[None])[0].argmax())
        starts = self.system.coarse_starts
        return (int(starts[one[pair]]), int(starts[two[pair]])), pair

    def table(self, coordinates: FloatArray) -> ScoreTable:
        """
        Score models.

        Parameters
        ----------
        coordinates : ndarray, dtype=float64, shape=(m,n,3)
            In Å.

        Returns
        -------
        table : ScoreTable
            Of these models.
        """
        step = max(1, 1_000_000 // max(1, len(self._coarse[0])))
        parts = [
            self._part(coordinates[i : i + step]) for i in range(0, max(len(coordinates), 1), step)
        ]
        return ScoreTable(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _part(self, xyz: FloatArray) -> tuple[FloatArray, ...]:
        distances = _lengths(xyz[:, self.pairs[:, 0]] - xyz[:, self.pairs[:, 1]])
        near = 1.0 / (1.0 + np.exp(np.minimum((distances - REACH) / _SOFTNESS, 500.0)))
        miss = np.multiply.reduceat(1.0 - near, self._first, axis=1) if len(self.pairs) else near
        data = -np.log(PSI + (1.0 - 2.0 * PSI) * (1.0 - miss)).sum(axis=1)
        return (
            distances,
            PSI + (1.0 - 2.0 * PSI) * near,
            data,
            SLOPE * distances.sum(axis=1),
            self._connectivity(xyz),
            self.overlaps(xyz).sum(axis=1),
        )

    def _connectivity(self, xyz: FloatArray) -> FloatArray:
        one, two = self.bonds.T
        rest = _lengths(self.system.local[one] - self.system.local[two])
        gap = _lengths(xyz[:, one] - xyz[:, two]) - rest
        out = np.zeros((len(xyz), self.system.bodies))
        for body in range(self.system.bodies):
            out[:, body] = _STIFFNESS * (gap[:, self.system.body[one] == body] ** 2).sum(axis=1)
        return out


def _lengths(vectors: FloatArray) -> FloatArray:
    lengths: FloatArray = np.sqrt((vectors * vectors).sum(axis=-1))
    return lengths
