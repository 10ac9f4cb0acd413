"""
Components as scripts name them: what is measured, superposed and mapped.

A dictionary of labels and PMI selections becomes one entry per label with its
beads. A molecule given by its bare name that has several copies becomes one
component per copy, labelled ``NAME..COPY``; labels that agree before ``..``
are interchangeable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.core.selection import Selection, Term, from_pmi
from congruence.core.topology import CopyGroup
from congruence.errors import ConfigError, SelectionError
from congruence.pmi.voice import current_reporter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.core.topology import Molecule, Topology
    from congruence.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "Component",
    "Parts",
    "density_beads",
    "expand",
    "interchangeable",
    "resolve_components",
]


@dataclass(frozen=True, eq=False)
class Component:
    """
    A label and the beads that it stands for.

    Parameters
    ----------
    label : str
        The label, after copies were told apart.
    beads : ndarray, dtype=int64, shape=(b,)
        Bead indices, ascending.
    """

    label: str
    beads: IntArray


@dataclass(frozen=True, eq=False)
class Parts:
    """
    What is measured, what is superposed and what may be interchanged.

    Parameters
    ----------
    measured : tuple of Component
        Components of the RMSD, by label.
    superposed : tuple of Component
        Components to superpose on, by label; none when models stay as they are.
    groups : tuple of CopyGroup
        Interchangeable copies.
    """

    measured: tuple[Component, ...]
    superposed: tuple[Component, ...] = ()
    groups: tuple[CopyGroup, ...] = ()

    def counts(self, components: Sequence[Component], n: int) -> FloatArray:
        """
        Count how often each bead occurs, as overlapping components count twice.

        Parameters
        ----------
        components : sequence of Component
            `measured` or `superposed`.
        n : int
            Number of beads of a model.

        Returns
        -------
        counts : ndarray, dtype=float64, shape=(n,)
            0 for beads that do not occur.
        """
        counts = np.zeros(n)
        for component in components:
            counts[component.beads] += 1
        return counts

    def words(self, n: int) -> dict[str, str]:
        """
        Say what the distance is made of.

        Parameters
        ----------
        n : int
            Number of beads of a model.

        Returns
        -------
        words : dict of str to str
            For ``DistanceMatrix.definition``.
        """

        def named(components: tuple[Component, ...]) -> str:
            beads = int((self.counts(components, n) > 0).sum())
            return f"{', '.join(c.label for c in components)} ({beads} of {n} beads)"

        words = {"measure": named(self.measured), "weights": "residues"}
        if self.superposed:
            words |= {"on": named(self.superposed), "fit_weights": "none"}
        return words


def expand(
    components: Mapping[str, object], molecules: Sequence[Molecule], state: int
) -> dict[str, Selection]:
    """
    Turn components into selections, one per copy where a bare name is ambiguous.

    Parameters
    ----------
    components : mapping of str to object
        Labels, and ``"Name"`` or tuples as `congruence.core.selection.from_pmi`
        reads them; a list is the union of its items.
    molecules : sequence of Molecule
        All molecules of the file, of every state.
    state : int
        State index that is analysed; -1 in files without states.

    Returns
    -------
    selections : dict of str to Selection
        By label, in the order given.

    Raises
    ------
    SelectionError
        If a value cannot be read.

    Examples
    --------
    >>> from congruence.core.topology import Molecule
    >>> two = [Molecule("A", 0), Molecule("A", 1)]
    >>> {k: str(v) for k, v in expand({"all": "A"}, two, -1).items()}
    {'A..0': 'A@0', 'A..1': 'A@1'}
    """
    several = len({m.state for m in molecules}) > 1
    selections: dict[str, Selection] = {}
    for label, value in components.items():
        copies = [m.copy for m in molecules if m.name == value and m.state == state]
        if isinstance(value, str) and ".." not in label and len(set(copies)) > 1:
            base = f"{value}.{state}" if several else value
            for copy in copies:
                selections[f"{base}..{copy}"] = Selection((Term(value, copy=copy),))
        else:
            selections[label] = from_pmi(value)
    return selections


def resolve_components(
    components: Mapping[str, object] | None, whole: Topology, topology: Topology, *, argument: str
) -> tuple[Component, ...]:
    """
    Find the beads of each component.

    Parameters
    ----------
    components : mapping of str to object, or None
        As scripts give them.
    whole : Topology
        Beads of every state of the file.
    topology : Topology
        Beads of the state that is analysed.
    argument : str
        Name of the argument, for messages.

    Returns
    -------
    components : tuple of Component
        Sorted by label.

    Raises
    ------
    ConfigError
        If there are no components, or they are no dictionary.
    SelectionError
        If a component cannot be read or selects nothing.
    """
    here = [topology.molecules[i].name for i in dict.fromkeys(topology.molecule_index.tolist())]
    names = ", ".join(dict.fromkeys(name for name in here if name))
    if not isinstance(components, dict) or not components:
        raise ConfigError(
            f"{argument} is {components!r}, expected a dictionary of labels and selections",
            hint=f'Write {argument}={{"Name": "Name"}}; molecules here: {names}.',
        )
    state = topology.molecules[int(topology.molecule_index[0])].state if len(topology) else -1
    found = []
    for label, selection in _named(components, whole, state, argument).items():
        beads = np.flatnonzero(_mask(selection, topology, f"{argument}[{label!r}]"))
        found.append(Component(label, beads))
    return tuple(sorted(found, key=lambda component: component.label))


def _named(
    components: Mapping[str, object], whole: Topology, state: int, argument: str
) -> dict[str, Selection]:
    try:
        return expand(components, whole.molecules, state)
    except SelectionError as error:
        raise SelectionError(f"{argument}: {error.message}", hint=error.hint) from error


def _mask(selection: Selection, topology: Topology, where: str) -> BoolArray:
    try:
        return selection.mask(topology)
    except SelectionError as error:
        raise SelectionError(f"{where}: {error.message}", hint=error.hint) from error


def interchangeable(components: Sequence[Component], topology: Topology) -> tuple[CopyGroup, ...]:
    """
    Group the components whose labels agree before ``..``.

    Where they are copies of one molecule, the whole molecules form the group,
    so that an assignment holds for everything made from a model.

    Parameters
    ----------
    components : sequence of Component
        Components of an RMSD.
    topology : Topology
        The beads.

    Returns
    -------
    groups : tuple of CopyGroup
        Components that differ in their number of beads are left out, with a
        warning.
    """
    families: dict[str, list[Component]] = {}
    for component in components:
        families.setdefault(component.label.split("..")[0], []).append(component)
    groups = []
    for base, members in families.items():
        if len(members) < 2:
            continue
        if len({len(member.beads) for member in members}) > 1:
            current_reporter().warn(
                f"components {base}.. differ in their number of beads and are not interchanged"
            )
            continue
        groups.append(_group(base, members, topology))
    return tuple(groups)


def _group(base: str, members: Sequence[Component], topology: Topology) -> CopyGroup:
    own = [set(topology.molecule_index[member.beads].tolist()) for member in members]
    for group in topology.copy_groups():
        rows = {
            int(topology.molecule_index[beads[0]]): row for row, beads in enumerate(group.beads)
        }
        if all(len(mine) == 1 and mine <= rows.keys() for mine in own):
            chosen = [rows[mine.pop()] for mine in own]
            if len(set(chosen)) == len(chosen):
                copies = tuple(group.copies[row] for row in chosen)
                return CopyGroup(group.molecule, group.state, copies, group.beads[chosen])
            break
    beads = np.stack([member.beads for member in members])
    return CopyGroup(base, -1, tuple(range(len(members))), beads)


def density_beads(ranges: Mapping[str, object], topology: Topology) -> dict[str, IntArray]:
    """
    Find the beads of each density.

    Parameters
    ----------
    ranges : mapping of str to object
        Labels and lists of PMI selections.
    topology : Topology
        The beads.

    Returns
    -------
    beads : dict of str to ndarray, dtype=int64
        By label, in the order given.

    Raises
    ------
    ConfigError
        If a label cannot be the name of a file.
    SelectionError
        If a selection cannot be read or selects nothing.
    """
    found = {}
    for label, value in ranges.items():
        where = f"density_custom_ranges[{label!r}]"
        if not label or "/" in label or label.startswith("."):
            raise ConfigError(
                f"{where}: the label cannot be the name of a file", hint="Leave out slashes."
            )
        try:
            selection = from_pmi(value)
        except SelectionError as error:
            raise SelectionError(f"{where}: {error.message}", hint=error.hint) from error
        found[label] = np.flatnonzero(_mask(selection, topology, where))
    return found
