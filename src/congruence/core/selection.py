"""
The one selection language, and the reading of PMI tuples into it.

A selection is a union of terms joined by ``+``; a term is a molecule name with
an optional residue range, copy and state::

    Rpb4                every bead of every copy of Rpb4, in every state
    Rpb4:1-100          beads that hold any of residues 1 to 100
    Rpb4:50-            from residue 50 to the end
    Rpb4:1-20,40-60     several ranges
    Rpb4@0              copy 0
    Rpb4%1              state 1
    "Med-7.a":5@1       names with other characters than letters, digits and _
    *                   every bead
    Rpb4:1-80 + Rpb7    a union

A bead of several residues is selected as a whole by any one of them.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import SelectionError

if TYPE_CHECKING:
    from congruence.core.topology import Molecule, Topology
    from congruence.typing import BoolArray

__all__ = ["Selection", "Term", "from_pmi", "parse"]

_GRAMMAR = "A term is NAME[:FIRST-LAST[,...]][@COPY][%STATE]; join terms with +."
_TERM = re.compile(
    r"""\s*(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>\w+|\*))
    (?:\s*:\s*(?P<ranges>-?\d*(?:-\d*)?(?:\s*,\s*-?\d+(?:-\d*)?)*))?
    (?P<tags>(?:\s*[@%]\s*\d+)*)\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Term:
    """
    One molecule, or a part of it.

    Parameters
    ----------
    name : str
        Exact name of the molecule; ``"*"`` for every bead.
    ranges : tuple of (int, int or None)
        Inclusive residue ranges, ``None`` meaning to the end; empty for all.
    copy : int or None
        Copy index, or None for all copies.
    state : int or None
        State index, or None for all states.
    contained : bool
        Select only beads that lie wholly inside the ranges, as PMI does for
        a tuple that ends in -1.
    """

    name: str
    ranges: tuple[tuple[int, int | None], ...] = ()
    copy: int | None = None
    state: int | None = None
    contained: bool = False

    def __str__(self) -> str:
        name = self.name if re.fullmatch(r"\w+|\*", self.name) else _quoted(self.name)
        spans = ",".join(
            f"{a}" if a == b else f"{a}-{'' if b is None else b}" for a, b in self.ranges
        )
        text = name + (f":{spans}" if spans else "")
        text += f"@{self.copy}" if self.copy is not None else ""
        return text + (f"%{self.state}" if self.state is not None else "")

    def _takes(self, molecule: Molecule) -> bool:
        return (
            self.name in ("*", molecule.name)
            and self.copy in (None, molecule.copy)
            and self.state in (None, molecule.state)
        )

    def _holds(self, residues: tuple[int, ...]) -> bool:
        if not self.ranges:
            return True
        inside = (any(a <= r and (b is None or r <= b) for a, b in self.ranges) for r in residues)
        return (all(inside) and bool(residues)) if self.contained else any(inside)

    def mask(self, topology: Topology) -> BoolArray:
        """
        Return which beads the term names.

        Parameters
        ----------
        topology : Topology
            The beads.

        Returns
        -------
        mask : ndarray, dtype=bool, shape=(n,)
            True for the selected beads.

        Raises
        ------
        SelectionError
            If nothing is selected; the message lists the molecules that
            exist and the hint proposes the nearest name.
        """
        taken = np.array([self._takes(m) for m in topology.molecules], dtype=bool)
        mask = taken[topology.molecule_index] if len(topology) else np.zeros(0, dtype=bool)
        if self.ranges:
            for i in np.flatnonzero(mask).tolist():
                mask[i] = self._holds(topology.residues[i])
        if not mask.any():
            raise _nothing(self, topology)
        return mask


def _quoted(name: str) -> str:
    return f"'{name}'" if '"' in name else f'"{name}"'


@dataclass(frozen=True, slots=True)
class Selection:
    """
    A union of terms.

    Parameters
    ----------
    terms : tuple of Term
        At least one.

    Examples
    --------
    >>> str(parse("Rpb4:1-100@0 + 'Med-7'"))
    'Rpb4:1-100@0 + "Med-7"'
    """

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))

    def mask(self, topology: Topology) -> BoolArray:
        """
        Return which beads the selection names.

        Parameters
        ----------
        topology : Topology
            The beads.

        Returns
        -------
        mask : ndarray, dtype=bool, shape=(n,)
            True for the selected beads.

        Raises
        ------
        SelectionError
            If any term selects nothing.
        """
        mask = np.zeros(len(topology), dtype=bool)
        for term in self.terms:
            mask |= term.mask(topology)
        return mask


def parse(text: str) -> Selection:
    """
    Read a selection.

    Parameters
    ----------
    text : str
        In the language of this module.

    Returns
    -------
    selection : Selection
        The tree; whether it matches anything is known only with a topology.

    Raises
    ------
    SelectionError
        If the text does not follow the grammar.

    Examples
    --------
    >>> parse("Rpb7:80-").terms[0].ranges
    ((80, None),)
    """
    terms, at = [], 0
    while True:
        match = _TERM.match(text, at)
        if match is None:
            raise SelectionError(
                f"cannot read selection {text!r} at character {at + 1}",
                hint=f'{_GRAMMAR} Quote names with other characters: "Med-7".',
            )
        terms.append(_term(match, text))
        at = match.end()
        if at == len(text):
            return Selection(tuple(terms))
        if text[at] != "+":
            raise SelectionError(
                f"cannot read selection {text!r}: unexpected {text[at]!r} at character {at + 1}",
                hint=f'{_GRAMMAR} Quote names with dots, dashes or spaces: "Med-7".',
            )
        at += 1


def _term(match: re.Match[str], text: str) -> Term:
    name = match["double"] or match["single"] or match["bare"]
    tags = re.findall(r"([@%])\s*(\d+)", match["tags"] or "")
    kinds = [kind for kind, _ in tags]
    if len(set(kinds)) != len(kinds):
        raise SelectionError(f"selection {text!r} gives a copy or a state twice", hint=_GRAMMAR)
    chosen = {kind: int(number) for kind, number in tags}
    ranges = () if match["ranges"] is None else _ranges(match["ranges"], text)
    return Term(name, ranges, copy=chosen.get("@"), state=chosen.get("%"))


def _ranges(spec: str, text: str) -> tuple[tuple[int, int | None], ...]:
    ranges: list[tuple[int, int | None]] = []
    for part in spec.split(","):
        match = re.fullmatch(r"\s*(-?\d+)(-(\d*))?\s*", part)
        if match is None:
            raise SelectionError(
                f"cannot read the residue range {part.strip()!r} in selection {text!r}",
                hint="Write 5, 5-20 or 5- (to the end).",
            )
        first = int(match[1])
        last = first if match[2] is None else (int(match[3]) if match[3] else None)
        if last is not None and last < first:
            raise SelectionError(
                f"the residue range {part.strip()!r} in selection {text!r} runs backwards",
                hint=f"Did you mean {last}-{first}?",
            )
        ranges.append((first, last))
    return tuple(ranges)


def from_pmi(item: object) -> Selection:
    """
    Read a selection as PMI scripts write it.

    Parameters
    ----------
    item : str, tuple or list
        ``"Name"``, ``(start, stop, "Name")``, ``(start, stop, "Name", copy)``,
        ``(start, stop, "Name", copy, state)``, ``("Name", copy)``, or a list
        of these for their union. ``stop = -1`` means to the end; then, as in
        PMI, a bead that straddles ``start`` is left out. A ``start`` of at
        most 1 with ``stop = -1`` is the whole molecule.

    Returns
    -------
    selection : Selection
        The same tree that `parse` makes.

    Raises
    ------
    SelectionError
        If the item has none of these forms.

    Examples
    --------
    >>> str(from_pmi(["Rpb4", (1, 80, "Rpb7")]))
    'Rpb4 + Rpb7:1-80'
    """
    if isinstance(item, list):
        terms = tuple(t for part in item for t in from_pmi(part).terms)
        if terms:
            return Selection(terms)
    elif isinstance(item, str):
        return Selection((Term(item),))
    elif isinstance(item, tuple):
        term = _pmi_tuple(item)
        if term is not None:
            return Selection((term,))
    raise SelectionError(
        f"cannot read the PMI selection {item!r}",
        hint='Write "Name", (start, stop, "Name"), (start, stop, "Name", copy) or a list of these.',
    )


def _pmi_tuple(item: tuple[object, ...]) -> Term | None:
    match item:
        case (str() as name, int() as copy):
            return Term(name, copy=copy)
        case (int() as start, int() as stop, str() as name, *rest) if len(rest) <= 2:
            tags = [None if r is None else r for r in rest] + [None, None]
            copy_tag, state_tag = tags[0], tags[1]
            if not all(t is None or isinstance(t, int) for t in (copy_tag, state_tag)):
                return None
            ranges: tuple[tuple[int, int | None], ...] = ((start, None if stop == -1 else stop),)
            whole = stop == -1 and start <= 1
            return Term(
                name,
                () if whole else ranges,
                copy=copy_tag if isinstance(copy_tag, int) else None,
                state=state_tag if isinstance(state_tag, int) else None,
                contained=stop == -1 and not whole,
            )
    return None


def _nothing(term: Term, topology: Topology) -> SelectionError:
    present = dict.fromkeys(topology.molecules[i].name for i in topology.molecule_index.tolist())
    names = tuple(name for name in present if name)
    listed = ", ".join(_listed(topology, name) for name in names) or "none"
    message = f"selection '{term}' matches nothing; molecules here: {listed}"
    if term.name != "*" and term.name not in names:
        near = difflib.get_close_matches(term.name, names, n=1, cutoff=0.4) or [
            name for name in names if name.lower() == term.name.lower()
        ]
        hint = f"Did you mean '{Term(near[0])}'?" if near else "Use one of the names listed."
    else:
        hint = "The molecule exists; check the residues, the copy and the state."
    return SelectionError(message, hint=hint)


def _listed(topology: Topology, name: str) -> str:
    mine = [i for i, m in enumerate(topology.molecules) if m.name == name]
    beads = np.flatnonzero(np.isin(topology.molecule_index, mine)).tolist()
    numbers = [r for i in beads for r in topology.residues[i]]
    span = f":{min(numbers)}-{max(numbers)}" if numbers else ""
    copies = sorted({topology.molecules[i].copy for i in mine})
    tag = f" (copies {', '.join(map(str, copies))})" if len(copies) > 1 else ""
    return f"{Term(name)}{span}{tag}"
