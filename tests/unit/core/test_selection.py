import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from congruence.core.selection import Selection, Term, from_pmi, parse
from congruence.core.topology import Molecule, Topology
from congruence.errors import SelectionError


def coarse():
    """Two copies of A in state 0, one in state 1, and a name that needs quotes; 10-residue beads."""
    molecules = [
        Molecule("A", 0, 0),
        Molecule("A", 1, 0),
        Molecule("A", 0, 1),
        Molecule("Med-7.a", 0, 0),
    ]
    beads = 3
    n = beads * len(molecules)
    return Topology(
        molecules=tuple(molecules),
        molecule_index=np.repeat(np.arange(4), beads),
        residues=tuple(tuple(range(10 * b + 1, 10 * b + 11)) for _ in range(4) for b in range(beads)),
        radius=np.ones(n),
        mass=np.ones(n),
        resolution=np.full(n, 10.0),
        bead_name=("b",) * n,
        residue_type=("",) * n,
        atom_name=("",) * n,
        node_id=np.arange(n),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "beads"),
    [
        ("*", list(range(12))),
        ("A", list(range(9))),
        ("A@0", [0, 1, 2, 6, 7, 8]),
        ("A%0", [0, 1, 2, 3, 4, 5]),
        ("A@0%1", [6, 7, 8]),
        ("A%1@0", [6, 7, 8]),
        ("A:10@0%0", [0]),
        ("A:10-11@0%0", [0, 1]),
        ("A:15-@1", [4, 5]),
        ("A:1,30@1", [3, 5]),
        ("A:1-2,25-@1", [3, 5]),
        ('"Med-7.a":21-30', [11]),
        ("'Med-7.a' + A@1", [3, 4, 5, 9, 10, 11]),
        (" A : 1 @ 1 ", [3]),
    ],
)
def test_what_is_selected(text, beads):
    assert np.flatnonzero(parse(text).mask(coarse())).tolist() == beads


@pytest.mark.parametrize(
    ("item", "beads"),
    [
        ("A", list(range(9))),
        ((5, 15, "A", 1), [3, 4]),
        ((5, 15, "A", None, 1), [6, 7]),
        ((1, -1, "A", 0, 0), [0, 1, 2]),
        ((5, -1, "A", 0, 0), [1, 2]),
        (("A", 1), [3, 4, 5]),
        ([(1, 1, "A", 0, 0), "Med-7.a"], [0, 9, 10, 11]),
    ],
)
def test_pmi_tuples(item, beads):
    assert np.flatnonzero(from_pmi(item).mask(coarse())).tolist() == beads


@pytest.mark.parametrize(
    "item", [[], (), ("A",), (1, 2), (1, 2, 3), 7, None, (1, 2, "A", "x"), ["A", 5]]
)
def test_odd_pmi_items_are_refused(item):
    with pytest.raises(SelectionError, match="PMI selection"):
        from_pmi(item)


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "A+", "A:", "A:-", "A:x", "A:5-3", "A@", "A@1@2", "A B", "Med-7", "A..1", '"A'],
)
def test_grammar_errors_have_hints(text):
    with pytest.raises(SelectionError) as caught:
        parse(text)
    assert caught.value.hint
    assert repr(text) in caught.value.message


def test_nothing_selected_lists_molecules_and_proposes():
    with pytest.raises(SelectionError) as caught:
        parse("'med-7.a'").mask(coarse())
    assert 'A:1-30 (copies 0, 1), "Med-7.a":1-30' in caught.value.message
    assert caught.value.hint == "Did you mean '\"Med-7.a\"'?"


def test_one_bad_term_of_a_union_is_an_error():
    with pytest.raises(SelectionError, match="'A:500' matches nothing"):
        parse("A + A:500").mask(coarse())


names = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda name: not {"'", '"'} <= set(name)
)
spans = st.tuples(st.integers(-99, 999), st.none() | st.integers(0, 99)).map(
    lambda t: (t[0], None if t[1] is None else t[0] + t[1])
)
terms = st.builds(
    Term,
    name=names,
    ranges=st.lists(spans.filter(lambda s: s[1] is None or s[1] >= 0 or s[0] == s[1]), max_size=3).map(tuple),
    copy=st.none() | st.integers(0, 20),
    state=st.none() | st.integers(0, 5),
)  # fmt: skip


@given(st.lists(terms, min_size=1, max_size=3).map(lambda t: Selection(tuple(t))))
def test_text_and_tree_are_one(selection):
    assert parse(str(selection)) == selection


def test_molecules_without_beads_are_not_listed():
    one_state = coarse().take(np.arange(9, 12))
    with pytest.raises(SelectionError) as caught:
        parse("A").mask(one_state)
    assert 'molecules here: "Med-7.a":1-30' in caught.value.message
    assert "A:" not in caught.value.message
