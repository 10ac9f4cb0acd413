"""RMSF about the mean, compat, rigid parts, patches."""

import numpy as np
import pytest

from congruence.compute.fluctuation import compat_rmsf, fluctuation, patches
from congruence.compute.fluctuation_sums import BlockSums
from congruence.core.sources import ArraySource
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, ShapeError


def chain(n, *more):
    return Topology.simple([Molecule(name) for name in ("A", *more)], beads_per_molecule=n)


def rotations(rng, m):
    q, _ = np.linalg.qr(rng.normal(size=(m, 3, 3)))
    return q * np.sign(np.linalg.det(q))[:, None, None]


def test_by_hand():
    x = np.array([[[0.0, 0, 0], [10, 0, 0]], [[0, 0, 0], [10, 6, 0]], [[0, 0, 0], [10, 0, 8]]])
    found = fluctuation(x, chain(2), alignment="none", center=0)
    assert found.mean.tolist() == [[0, 0, 0], [10, 2, 8 / 3]]
    squares = [4 + 64 / 9, 16 + 64 / 9, 4 + 256 / 9]
    assert found.rmsf == pytest.approx([0, np.sqrt(np.mean(squares))])
    assert found.compat == pytest.approx([0, np.std([0, 6, 8])])
    assert found.iterations == 0


def test_compat_is_blind_for_a_steady_offset():
    x = np.zeros((5, 1, 3))
    x[1:, 0, 0] = 10.0
    assert compat_rmsf(x, 0)[0] == pytest.approx(4.0)
    both = fluctuation(np.concatenate([x[:1], -x, x]), chain(1), alignment="none", center=0)
    assert both.rmsf[0] > 1.9 * both.compat[0]


def test_motions_of_the_whole_are_removed():
    rng = np.random.default_rng(1)
    shape = rng.normal(scale=20, size=(30, 3))
    turned = np.einsum("mij,nj->mni", rotations(rng, 40), shape)
    turned += rng.normal(scale=50, size=(40, 1, 3))
    found = fluctuation(turned, chain(30), alignment="superpose", center=3)
    assert found.rmsf.max() < 1e-6
    assert found.rigid.all()
    assert fluctuation(turned, chain(30), alignment="none", center=3).rmsf.min() > 10
    shifted = shape + rng.normal(scale=50, size=(40, 1, 3))
    assert fluctuation(shifted, chain(30), alignment="center", center=0).rmsf.max() < 1e-9


def test_planted_rmsf_is_found():
    rng = np.random.default_rng(2)
    shape, sigma = rng.normal(scale=30, size=(40, 3)), np.linspace(0.8, 1.6, 40)
    x = shape + rng.normal(size=(400, 40, 3)) * sigma[:, None]
    x = np.einsum("mij,mnj->mni", rotations(rng, 400), x)
    found = fluctuation(x, chain(40), alignment="superpose", center=0)
    assert found.rmsf == pytest.approx(np.sqrt(3) * sigma, rel=0.1)
    assert 1 < found.iterations < 20
    assert not found.rigid.any()


def test_only_some_beads_are_superposed():
    rng = np.random.default_rng(3)
    core, arm = rng.normal(scale=20, size=(10, 3)), rng.normal(scale=20, size=(5, 3)) + 50
    x = np.concatenate([np.tile(core, (30, 1, 1)), arm + rng.normal(scale=8, size=(30, 1, 3))], 1)
    x = np.einsum("mij,mnj->mni", rotations(rng, 30), x)
    found = fluctuation(x, chain(15), alignment="superpose", center=0, on=np.arange(10))
    assert found.rmsf[:10].max() < 1e-6
    assert found.rmsf[10:].min() > 5
    assert found.rigid.tolist() == [True] * 15


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(17, 6, 3))
    whole = fluctuation(x, chain(3, "B"), alignment="superpose", center=1)
    monkeypatch.setattr("congruence.compute.fluctuation_sums._BLOCK", 3 * 6 * 4)
    parts = fluctuation(x, chain(3, "B"), alignment="superpose", center=1)
    for name in ("rmsf", "compat", "mean"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-6)


@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
def test_sums_of_others_are_added_in_the_same_order(monkeypatch, alignment):
    monkeypatch.setattr("congruence.compute.fluctuation_sums._BLOCK", 3 * 6 * 4)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(35, 6, 3)) * 20
    x[:, 3:] = x[:1, 3:]
    chains = chain(3, "B")
    asked = []

    def elsewhere(what, *at):
        asked.append(what)
        for start in (0, 8, 28):  # whole blocks of 4 models
            part = ArraySource(x[start : {0: 8, 8: 28, 28: 35}[start]])
            yield from BlockSums(
                part, chains, alignment=alignment, on=np.arange(6), weights=np.ones(6)
            )(what, *at)

    words = {"alignment": alignment, "center": 1, "weights": np.ones(6)}
    one = fluctuation(x, chains, **words)
    two = fluctuation(x, chains, **words, sums=elsewhere)
    for name in ("rmsf", "compat", "mean", "rigid"):
        np.testing.assert_array_equal(getattr(two, name), getattr(one, name))
    assert two.iterations == one.iterations
    assert asked == ["places"] * max(one.iterations, 1) + ["moves", "deviations"]


def test_rigid_parts_end_where_flexible_ones_begin():
    rng = np.random.default_rng(5)
    body = rng.normal(scale=10, size=(6, 3))
    x = np.tile(np.concatenate([body, rng.normal(scale=10, size=(4, 3))]), (20, 1, 1))
    x[:, 6:] += rng.normal(scale=1, size=(20, 4, 3))
    found = fluctuation(x, chain(10), alignment="none", center=0)
    assert found.rigid.tolist() == [True] * 6 + [False] * 4
    one = fluctuation(x[:1], chain(10), alignment="superpose", center=0)
    assert not one.rigid.any()
    assert one.rmsf.max() < 1e-12


def test_patches_are_stretches_of_one_molecule():
    rmsf = np.array([1, 1, 8, 1, 1, 1, 1, 1, 30, 30, 30, 8], dtype=float)
    found = patches(rmsf, chain(6, "B"), high=2, low=20, shortest=2)
    assert [(p.molecule, p.kind, p.first, p.last, p.beads) for p in found] == [
        ("A", "high", 1, 2, 2), ("A", "high", 4, 6, 3),
        ("B", "high", 1, 2, 2), ("B", "low", 3, 5, 3),
    ]  # fmt: skip
    assert found[-1].rmsf == 30
    assert [p.kind for p in patches(rmsf, chain(6, "B"), high=2, low=20, shortest=3)] == [
        "high",
        "low",
    ]


def test_thresholds_of_patches_are_in_order():
    with pytest.raises(ConfigError, match="5 and 5 Å"):
        patches(np.ones(3), chain(3), high=5, low=5)
    with pytest.raises(ShapeError, match="2 values for 3 beads"):
        patches(np.ones(2), chain(3))


def test_bad_models_are_refused():
    with pytest.raises(ShapeError, match="not finite"):
        fluctuation(np.full((2, 3, 3), np.nan), chain(3), alignment="none", center=0)
    with pytest.raises(ShapeError, match="center 2"):
        fluctuation(np.zeros((2, 3, 3)), chain(3), alignment="none", center=2)
    with pytest.raises(ShapeError, match="weights"):
        fluctuation(
            np.zeros((2, 3, 3)), chain(3), alignment="superpose", center=0, weights=np.zeros(3)
        )
