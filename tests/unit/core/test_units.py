import numpy as np
import pytest

from congruence.core.topology import Molecule, Topology
from congruence.core.units import parse_units, unit_groups, units_text
from congruence.errors import ConfigError, CongruenceError, InputError

SIX = [("A", 0), ("A", 1), ("A", 2), ("B", 0), ("B", 1), ("B", 2)]


def topology(molecules=SIX, beads=2, state=-1):
    several = [Molecule(name, copy, state) for name, copy in molecules]
    return Topology.simple(several, beads_per_molecule=beads)


def test_units_are_read_and_written():
    units = parse_units("  A.0/B.1\tA.1/B.0 ")
    assert units == (("A.0", "B.1"), ("A.1", "B.0"))
    assert parse_units(units_text(units)) == units
    assert parse_units("C.d.0 C.d.1") == (("C.d.0",), ("C.d.1",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A.0 A", "no copy number"),
        ("A.0", "two or more units"),
        ("", "two or more units"),
        ("A.0 A.1/B.1", "equally many parts"),
        ("A.0/B.0 A.1/B.0", "'B.0' is named twice"),
    ],
)
def test_units_that_cannot_be_read(text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_units(text)
    assert caught.value.hint


def test_a_group_holds_equivalent_beads_molecule_by_molecule():
    (group,) = unit_groups(topology(), ["B.2/A.0 A.1/B.0"])
    assert (group.molecule, group.copies) == ("B/A", (0, 1))
    assert group.beads.tolist() == [[0, 1, 10, 11], [2, 3, 6, 7]]
    assert [(p.molecule, p.copies) for p in group.parts] == [("A", (0, 1)), ("B", (2, 0))]
    np.testing.assert_array_equal(np.hstack([p.beads for p in group.parts]), group.beads)


def test_a_unit_of_one_molecule_is_a_group_of_copies():
    (group,) = unit_groups(topology(), ["A.2 A.0"])
    assert (group.molecule, group.copies, group.parts) == ("A", (2, 0), ())
    assert group.molecules == (group,)


def test_a_molecule_may_be_in_a_unit_more_than_once():
    four = [("A", k) for k in range(4)]
    (group,) = unit_groups(topology(four, beads=1), ["A.0/A.1 A.3/A.2"])
    assert group.beads.tolist() == [[0, 1], [3, 2]]
    assert [p.copies for p in group.parts] == [(0, 3), (1, 2)]


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (["A.0 A.9"], r"'A\.9', which is not"),
        (["A.0 B.0"], "different residues"),
        (["A.0 A.1", "A.1 A.2"], r"'A\.1' is in more than one unit"),
    ],
)
def test_units_that_do_not_fit_the_models(units, words):
    with pytest.raises(InputError, match=words) as caught:
        topology().with_units(units)
    assert caught.value.hint


def test_units_of_unequal_beads_are_refused():
    heavy = topology()
    heavy.mass[0] = 999.0
    with pytest.raises(InputError, match="radius or mass"):
        unit_groups(heavy, ["A.0 A.1"])
    short = topology().take(np.arange(1, 12))
    with pytest.raises(InputError, match="1 and 2 beads"):
        unit_groups(short, ["A.0 A.1"])


def test_units_change_places_within_a_state():
    both = [Molecule(n, c, s) for s in (0, 1) for n, c in (("A", 0), ("A", 1), ("B", 0))]
    both += [Molecule("B", 1, 1)]
    data = Topology.simple(both, beads_per_molecule=1)
    (group,) = unit_groups(data, ["A.0/B.0 A.1/B.1"])
    assert (group.state, group.beads.tolist()) == (1, [[3, 5], [4, 6]])
    assert [g.state for g in unit_groups(data, ["A.0 A.1"])] == [0, 1]
    torn = [Molecule("A", 0, 0), Molecule("A", 1, 1)]
    with pytest.raises(InputError, match="no state holds all"):
        unit_groups(Topology.simple(torn, beads_per_molecule=1), ["A.0 A.1"])


def test_other_copies_stay_interchangeable_beside_units():
    data = topology().with_units(["A.0/B.0 A.1/B.1"])
    assert [g.molecule for g in data.copy_groups()] == ["A/B"]
    more = topology([*SIX, ("A", 3), ("C", 0), ("C", 1)]).with_units(["A.0/B.0 A.1/B.1"])
    assert [(g.molecule, g.copies) for g in more.copy_groups()] == [
        ("A/B", (0, 1)),
        ("A", (2, 3)),
        ("C", (0, 1)),
    ]
    assert more.with_units([]) is more


def test_units_survive_a_selection_of_beads_only_when_whole():
    data = topology().with_units(["A.0/B.0 A.1/B.1"])
    both = data.take(np.array([0, 2, 6, 8]))
    assert [g.beads.tolist() for g in both.copy_groups()] == [[[0, 2], [1, 3]]]
    torn = data.take(np.array([0, 1, 2, 3, 6, 7]))
    assert torn.copy_groups() == ()
    assert data.key == topology().key


def test_errors_of_units_are_of_the_house():
    with pytest.raises(CongruenceError):
        topology().with_units(["nonsense"])
