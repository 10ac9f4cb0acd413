import numpy as np
import pytest

from congruence.simulate import Sampling, Simulation, small_system
from congruence.simulate.arrangement import compose, copy_order
from congruence.simulate.scores import PSI, CrossLink, Scoring
from congruence.simulate.write import scoring_of

SMALL = small_system(residues_per_subunit=20)


@pytest.mark.parametrize("seed", range(4))
def test_the_native_cluster_scores_best_on_average(seed):
    simulation = Simulation(Sampling(models=300, clusters=3, outliers=0.1, seed=seed))
    total = scoring_of(simulation).table(simulation.read(0, 300)).total
    means = {k: total[simulation.labels == k].mean() for k in (-1, 0, 1, 2)}
    assert min(means, key=means.get) == 0
    assert max(means, key=means.get) == -1


def test_true_crosslinks_are_short_and_false_ones_long_in_the_native_structure():
    simulation = Simulation()
    scoring = scoring_of(simulation)
    distances = scoring.table(compose(simulation.system, simulation.native())).distances[0]
    at = 0
    for link in scoring.crosslinks:
        mine = distances[at : at + len(link.beads)]
        assert (mine.min() < 20.0) if link.is_true else (mine.min() > 35.0)
        at += len(link.beads)
    assert [x.is_true for x in scoring.crosslinks].count(False) == 2
    assert any(len(x.beads) == 2 for x in scoring.crosslinks)
    assert len({label for x in scoring.crosslinks for label in x.labels}) == at


def test_scores_do_not_see_which_copy_is_which():
    simulation = Simulation(Sampling(models=10), SMALL)
    scoring, xyz = scoring_of(simulation), simulation.read(0, 10)
    one, two = scoring.table(xyz), scoring.table(xyz[:, copy_order(SMALL)])
    assert np.allclose(one.total, two.total)


def test_one_crosslink_by_hand():
    link = CrossLink(3, ("Alpha", "Beta"), (1, 8), ((0, 30),), True)
    assert link.labels == ("|XL|3.1|Alpha|1|Beta|8|0|PSI|",)
    xyz = np.zeros((2, len(SMALL.topology), 3))
    xyz[:, 30, 2] = [25.0, 1000.0]
    table = Scoring(SMALL, (link,)).table(xyz)
    assert table.distances.tolist() == [[25.0], [1000.0]]
    assert np.allclose(table.likelihoods, [[0.5], [PSI]])
    assert np.allclose(table.data, -np.log([0.5, PSI]))
    assert np.allclose(table.linear, [0.05, 2.0])


def test_an_ambiguous_crosslink_needs_one_contribution_only():
    link = CrossLink(0, ("Alpha", "Gamma"), (1, 1), ((0, 40), (0, 60)), True)
    xyz = np.zeros((1, len(SMALL.topology), 3))
    xyz[0, 60, 0] = 1000.0
    near = 1 / (1 + np.exp(-25 / 3))
    assert Scoring(SMALL, (link,)).table(xyz).data[0] == pytest.approx(
        -np.log(PSI + (1 - 2 * PSI) * near)
    )


def test_bodies_far_apart_do_not_overlap_and_chains_that_break_cost():
    simulation = Simulation(Sampling(models=4), SMALL)
    xyz, scoring = compose(SMALL, simulation.native()), scoring_of(simulation)
    apart = xyz + 1000.0 * SMALL.body[None, :, None]
    assert scoring.table(apart).excluded_volume[0] == 0.0
    same_place = np.concatenate([xyz, xyz])
    same_place[1, SMALL.body == 1] = same_place[1, SMALL.body == 0][: (SMALL.body == 1).sum()]
    volume = scoring.table(same_place).excluded_volume
    assert volume[1] > volume[0] + 1.0
    broken = xyz.copy()
    broken[0, np.flatnonzero(SMALL.body == 4)[-1]] += 100.0
    change = scoring.table(broken).connectivity - scoring.table(xyz).connectivity
    assert change[0, :4].tolist() == [0.0] * 4
    assert change[0, 4] > 100.0


def test_no_crosslinks_score_nothing():
    table = Scoring(SMALL, ()).table(np.zeros((3, len(SMALL.topology), 3)))
    assert table.data.tolist() == [0.0] * 3
    assert table.distances.shape == (3, 0)
