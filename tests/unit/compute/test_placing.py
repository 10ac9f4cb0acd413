"""Where models go, whoever goes with them."""

import numpy as np
import pytest

from congruence.compute import placing
from congruence.compute.placing import place
from congruence.errors import ShapeError

RNG = np.random.default_rng(5)
COPIES = (np.array([[0, 1, 2], [3, 4, 5]]), np.array([[6], [7]]))
WORDS = [
    {"alignment": "none", "copies": COPIES},
    {"alignment": "center"},
    {"alignment": "superpose"},
    {"alignment": "superpose", "copies": COPIES},
    {"alignment": "superpose", "copies": COPIES, "on": np.arange(6)},
    {"alignment": "superpose", "copies": COPIES, "measure": np.arange(8)},
]


def bytes_of(placement):
    return (
        placement.rotation.tobytes(),
        placement.translation.tobytes(),
        placement.assignment,
    )


@pytest.mark.parametrize("words", WORDS)
def test_a_placement_does_not_depend_on_who_else_is_placed(words, monkeypatch):
    x = RNG.normal(size=(30, 12, 3)) * 20 + 100
    members = [7, 3, 29, 3, 0, 12]
    together = place(x, members, 12, **words)
    alone = [place(x, [member], 12, **words)[0] for member in members]
    monkeypatch.setattr(placing, "_TOGETHER", 2 * 3 * 12)
    few = place(x, members, 12, **words)
    for others in (alone, few):
        assert [bytes_of(p) for p in others] == [bytes_of(p) for p in together]
    assert together[-1].is_identity


def test_copies_that_may_as_well_stay_are_not_exchanged():
    """Copies in one place leave the assignment open: the slow way decides, as for single pairs."""
    x = RNG.normal(size=(4, 12, 3)) * 20
    x[:, 3:6] = x[:, 0:3]
    for placement in place(x, [1, 2, 3], 0, alignment="superpose", copies=COPIES[:1]):
        assert placement.assignment == ((0, 1),)


def test_exchanged_copies_are_found_among_many():
    x = np.repeat(RNG.normal(size=(1, 12, 3)) * 20, 6, axis=0)
    x[::2] = x[::2][:, [3, 4, 5, 0, 1, 2, 7, 6, 8, 9, 10, 11]]
    found = place(x, range(6), 1, alignment="superpose", copies=COPIES)
    exchanged, same = ((1, 0), (1, 0)), ((0, 1), (0, 1))
    assert [p.assignment for p in found] == [exchanged, same] * 3


def test_the_model_that_is_not_finite_is_named():
    x = RNG.normal(size=(20, 4, 3))
    x[13, 2, 1] = np.nan
    with pytest.raises(ShapeError, match="model 13 are not finite"):
        place(x, [5, 13, 7], 1, alignment="superpose")
    with pytest.raises(ShapeError, match="model 13 are not finite"):
        place(x, [5], 13, alignment="superpose")
    assert len(place(x, [5, 7], 1, alignment="superpose")) == 2


def test_nobody_to_place():
    assert place(np.zeros((2, 4, 3)), [], 0, alignment="superpose") == ()
