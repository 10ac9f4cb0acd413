"""Placed models: many at once are what each is alone."""

import numpy as np
import pytest

from congruence.core import placement as module
from congruence.core.placement import PlacedModels, Placement
from congruence.core.sources import ArraySource
from congruence.core.topology import CopyGroup

RNG = np.random.default_rng(3)
GROUP = CopyGroup("A", 0, (0, 1), np.array([[0, 1], [2, 3]]))


def placed():
    x = RNG.normal(size=(40, 7, 3)) * 30
    models = RNG.permutation(40)[:25]
    rotations = np.linalg.qr(RNG.normal(size=(25, 3, 3)))[0]
    swaps = [((1, 0),), ((0, 1),), ()]
    placements = [Placement(r, RNG.normal(size=3), swaps[i % 3]) for i, r in enumerate(rotations)]
    placements[4] = Placement()
    return x, PlacedModels(ArraySource(x), models, tuple(placements), (GROUP,))


@pytest.mark.parametrize("together", [1, 64, 1 << 17])
def test_many_are_placed_as_each_alone(together, monkeypatch):
    monkeypatch.setattr(module, "_TOGETHER", together)
    x, models = placed()
    alone = [p.apply(x[i], (GROUP,)) for i, p in zip(models.models, models.placements, strict=True)]
    assert models.read(0, 25).tobytes() == np.stack(alone).tobytes()
    assert models.read(3, 99).tobytes() == np.stack(alone[3:]).tobytes()
    assert models.read(25, 30).shape == (0, 7, 3)


def test_the_source_is_not_changed():
    x, models = placed()
    before = x.copy()
    models.read(0, 25)
    assert np.array_equal(x, before)
