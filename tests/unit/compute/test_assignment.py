import itertools

import numpy as np
import pytest

from congruence.compute.assignment import (
    ActiveGroup,
    best_assignment,
    best_totals,
    fitted_assignments,
)
from congruence.errors import ConfigError

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("copies", [2, 3, 5, 6, 7])
def test_best_totals_are_those_of_all_permutations(copies):
    scores = RNG.normal(size=(copies, copies, 2, 3))
    every = [
        sum(scores[k, p[k]] for k in range(copies)) for p in itertools.permutations(range(copies))
    ]
    np.testing.assert_allclose(best_totals(scores), np.max(every, axis=0), atol=1e-12)


def test_best_assignment_is_the_cheapest():
    costs = RNG.uniform(size=(4, 4))
    permutation, total = best_assignment(costs)
    cheapest = min(
        itertools.permutations(range(4)), key=lambda p: sum(costs[k, p[k]] for k in range(4))
    )
    assert permutation == cheapest
    assert total == pytest.approx(sum(costs[k, cheapest[k]] for k in range(4)))


def test_nothing_is_exchanged_without_gain():
    assert best_assignment(np.ones((6, 6))) == (tuple(range(6)), 6.0)


def test_fitted_groups_are_coupled_and_the_identity_comes_first():
    groups = [ActiveGroup(0, 2, True), ActiveGroup(1, 4, False), ActiveGroup(2, 3, True)]
    several = list(fitted_assignments(groups))
    assert len(several) == 12
    assert several[0] == {0: (0, 1), 2: (0, 1, 2)}
    assert list(fitted_assignments([groups[1]])) == [{}]


def test_too_many_assignments_are_refused_with_a_way_out():
    groups = [ActiveGroup(0, 8, True, "Nup84")]
    with pytest.raises(ConfigError, match=r"Nup84 \(8 copies\) has 40,320") as caught:
        next(fitted_assignments(groups))
    assert "on=" in caught.value.hint
