"""Which bead of a model stands where in a reference structure."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ConfigError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from congruence.core.precision import ReferenceStructure
    from congruence.core.topology import Topology
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = ["CopyMatch", "ReferenceMatch", "assignments", "match_reference", "slots"]

MAX_MATCHES = 5040
"""Largest number of ways to match copies that are tried."""

Pairs = tuple[tuple[int, int], ...]
"""Which copy of the model is at which copy of the reference."""


@dataclass(frozen=True, eq=False)
class CopyMatch:
    """
    Copies of a molecule that may take any copy's place in the reference.

    Parameters
    ----------
    molecule : str
        Name of the molecule.
    beads : ndarray, dtype=int64, shape=(c,b)
        Beads of each copy of the model.
    places : ndarray, dtype=float64, shape=(r,b,3)
        Where they are in each copy of the reference, in Å.
    """

    molecule: str
    beads: IntArray
    places: FloatArray

    def pairings(self) -> list[Pairs]:
        """
        Return all ways to match the copies; as many as the fewer copies allow.

        Returns
        -------
        pairings : list of tuple of (int, int)
            Copy of the model and copy of the reference; in order first.
        """
        model, reference = len(self.beads), len(self.places)
        if model <= reference:
            ways = itertools.permutations(range(reference), model)
            return [tuple(enumerate(way)) for way in ways]
        ways = itertools.permutations(range(model), reference)
        return [tuple((k, at) for at, k in enumerate(way)) for way in ways]


@dataclass(frozen=True, eq=False)
class ReferenceMatch:
    """
    Beads of a model and their places in a reference.

    Parameters
    ----------
    beads : ndarray, dtype=int64, shape=(b,)
        Beads that have one place only.
    places : ndarray, dtype=float64, shape=(b,3)
        Their places in Å.
    copies : tuple of CopyMatch
        Molecules whose copies may be matched in several ways.
    missing_molecules : tuple of str
        Molecules of the model that the reference does not have.
    missing_beads : int
        Beads of the other molecules that stand for residues of which the
        reference has less than half.
    """

    beads: IntArray
    places: FloatArray
    copies: tuple[CopyMatch, ...]
    missing_molecules: tuple[str, ...]
    missing_beads: int


def match_reference(
    topology: Topology, reference: ReferenceStructure, mapping: Mapping[str, str] | None = None
) -> ReferenceMatch:
    """
    Match the beads of a model with a reference.

    Parameters
    ----------
    topology : Topology
        Beads of the model.
    reference : ReferenceStructure
        The reference.
    mapping : mapping of str to str, optional
        Name of a molecule (``"Rpb4"``, or ``"Rpb4@1"`` for a copy) to that of
        its counterpart in the reference; equal names by default. Several
        counterparts (``"C,D"``) are copies that take each other's place.

    Returns
    -------
    match : ReferenceMatch
        Beads whose residues the reference has, at least by half; the place of
        a bead is the mean of those residues.

    Raises
    ------
    SelectionError
        If nothing matches, or a name of the mapping is unknown.
    """
    there = _Residues(reference)
    named = dict(mapping or {})
    _check_mapping(named, topology)
    fixed: list[tuple[IntArray, FloatArray]] = []
    copies: list[CopyMatch] = []
    missing: list[str] = []
    lost = 0
    for own, target, explicit in _families(topology, named):
        chains = there.find(target, explicit=explicit)
        if not chains:
            missing += [str(topology.molecules[i]) for i in own]
            continue
        found = _family(topology, own, [there.table(c) for c in chains])
        lost += found[2]
        fixed += found[0]
        copies += found[1]
    beads = np.concatenate([np.empty(0, np.int64), *(b for b, _ in fixed)])
    places = np.concatenate([np.empty((0, 3)), *(p for _, p in fixed)])
    if not len(beads) and not copies:
        known = ", ".join(there.names())
        raise SelectionError(
            f"the reference {reference.source} has no residue of the model's molecules "
            f"({', '.join(topology.molecule_names)}); it has: {known}",
            hint="Name the counterparts with --map NAME=NAME, for example --map Rpb4=D.",
        )
    order = np.argsort(beads, kind="stable")
    return ReferenceMatch(beads[order], places[order], tuple(copies), tuple(missing), lost)


class _Residues:
    """The reference, by molecule and residue."""

    def __init__(self, reference: ReferenceStructure) -> None:
        self._reference = reference
        topology = reference.topology
        held = dict.fromkeys(topology.molecule_index.tolist())
        states = {topology.molecules[i].state for i in held}
        self._molecules = [i for i in held if topology.molecules[i].state == min(states)]

    def names(self) -> list[str]:
        molecules = self._reference.topology.molecules
        return list(dict.fromkeys(molecules[i].name for i in self._molecules))

    def find(self, target: str, *, explicit: bool) -> list[int]:
        """Return the molecules of a name, or of several with commas, by copy."""
        found = self._of(target)
        for part in [] if found else target.split(","):
            these = self._of(part.strip())
            if explicit and not these:
                known = ", ".join([*self.names(), *self._reference.aliases])
                raise SelectionError(
                    f"the reference {self._reference.source} has no molecule '{part.strip()}'",
                    hint=f"It has: {known}.",
                )
            found += [i for i in these if i not in found]
        return found

    def _of(self, target: str) -> list[int]:
        """Return the molecules of one name; further names count where none has it."""
        molecules = self._reference.topology.molecules
        name, copy = _split(target)
        found = [i for i in self._molecules if molecules[i].name == name]
        if not found:
            chains = {c for k, v in self._reference.aliases.items() if _same(k, name) for c in v}
            found = [i for i in self._molecules if molecules[i].name in chains]
        if copy is not None:
            found = [i for i in found if molecules[i].copy == copy]
        return sorted(found, key=lambda i: molecules[i].copy)

    def table(self, molecule: int) -> dict[int, FloatArray]:
        topology = self._reference.topology
        sums: dict[int, list[FloatArray]] = {}
        for bead in np.flatnonzero(topology.molecule_index == molecule).tolist():
            for residue in topology.residues[bead]:
                sums.setdefault(residue, []).append(self._reference.coordinates[bead])
        return {r: np.mean(points, axis=0) for r, points in sums.items()}


def _same(one: str, two: str) -> bool:
    return one.casefold() == two.casefold()


def _split(name: str) -> tuple[str, int | None]:
    tagged = re.fullmatch(r"(.+)@(\d+)", name)
    return (tagged[1], int(tagged[2])) if tagged else (name, None)


def _check_mapping(mapping: Mapping[str, str], topology: Topology) -> None:
    known = {m.name for m in topology.molecules} | {
        f"{m.name}@{m.copy}" for m in topology.molecules
    }
    for name in mapping:
        if name not in known:
            raise SelectionError(
                f"the model has no molecule '{name}' to be mapped",
                hint=f"It has: {', '.join(topology.molecule_names)}.",
            )


def _families(
    topology: Topology, mapping: Mapping[str, str]
) -> Iterator[tuple[list[int], str, bool]]:
    """Yield the copies of a molecule that have one counterpart, and its name."""
    held = dict.fromkeys(topology.molecule_index.tolist())
    families: dict[tuple[str, str, int], list[int]] = {}
    for i in held:
        molecule = topology.molecules[i]
        tagged = mapping.get(f"{molecule.name}@{molecule.copy}")
        target = tagged or mapping.get(molecule.name) or molecule.name
        families.setdefault((molecule.name, target, molecule.state), []).append(i)
    for (name, target, _), own in families.items():
        explicit = target != name or name in mapping
        yield own, target, explicit


def _family(
    topology: Topology, own: list[int], tables: Sequence[dict[int, FloatArray]]
) -> tuple[list[tuple[IntArray, FloatArray]], list[CopyMatch], int]:
    """Match copies with tables: those alike among each other, the others in order."""
    beads = [np.flatnonzero(topology.molecule_index == i) for i in own]
    alike = all(
        len(b) == len(beads[0])
        and all(
            topology.residues[i] == topology.residues[j]
            for i, j in zip(b.tolist(), beads[0].tolist(), strict=True)
        )
        for b in beads
    )
    if alike and (len(own) > 1 or len(tables) > 1):
        each = [_places(topology, beads[0], table) for table in tables]
        common = np.all([held for held, _ in each], axis=0)
        lost = int((~common).sum()) * len(own)
        if not common.any():
            return [], [], lost
        rows = np.stack(beads)[:, common]
        return (
            [],
            [
                CopyMatch(
                    topology.molecules[own[0]].name, rows, np.stack([p[common] for _, p in each])
                )
            ],
            lost,
        )
    fixed, lost = [], 0
    for mine, table in zip(beads, tables, strict=False):
        held, places = _places(topology, mine, table)
        lost += int((~held).sum())
        fixed.append((mine[held], places[held]))
    return fixed, [], lost


def _places(
    topology: Topology, beads: IntArray, table: dict[int, FloatArray]
) -> tuple[BoolArray, FloatArray]:
    held, places = np.zeros(len(beads), dtype=bool), np.full((len(beads), 3), np.nan)
    for at, bead in enumerate(beads.tolist()):
        numbers = topology.residues[bead]
        found = [table[r] for r in numbers if r in table]
        if numbers and 2 * len(found) >= len(numbers):
            held[at], places[at] = True, np.mean(found, axis=0)
    return held, places


def assignments(match: ReferenceMatch) -> Iterator[tuple[Pairs, ...]]:
    """
    Yield every way to match the copies of all molecules.

    Raises
    ------
    ConfigError
        If there are more than `MAX_MATCHES`.
    """
    counts = [
        math.perm(max(len(c.beads), len(c.places)), min(len(c.beads), len(c.places)))
        for c in match.copies
    ]
    if math.prod(counts) > MAX_MATCHES:
        names = ", ".join(f"{c.molecule} ({len(c.beads)} copies)" for c in match.copies)
        raise ConfigError(
            f"copies of {names} can be matched with the reference in {math.prod(counts):,} ways; "
            f"at most {MAX_MATCHES:,} are tried",
            hint="Say which copy is which with --map NAME@COPY=NAME@COPY.",
        )
    yield from itertools.product(*(c.pairings() for c in match.copies))


def slots(match: ReferenceMatch, several: tuple[Pairs, ...]) -> tuple[IntArray, FloatArray]:
    """Return the beads and their places for one way to match the copies, by place."""
    beads, places = [match.beads], [match.places]
    for copies, pairs in zip(match.copies, several, strict=True):
        for model, reference in pairs:
            beads.append(copies.beads[model])
            places.append(copies.places[reference])
    return np.concatenate(beads), np.concatenate(places)
