"""The tiles against explicit residuals after an SVD superposition, pair by pair."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from congruence.compute._tiles import TileComputer
from congruence.compute.rmsd import rmsd_matrix

RNG = np.random.default_rng(11)


def kabsch(x, y, w):
    """Return (rotation, centroid of x, centroid of y) laying x on y."""
    cx, cy = w @ x / w.sum(), w @ y / w.sum()
    u, _, vt = np.linalg.svd(((x - cx) * w[:, None]).T @ (y - cy))
    d = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    return (u @ d @ vt).T, cx, cy


def distance(x, y, alignment, fit, measure, fit_weights, weights):
    if alignment == "center":
        w = fit_weights[fit]
        x, y = x - w @ x[fit] / w.sum(), y - w @ y[fit] / w.sum()
    if alignment == "superpose":
        rotation, cx, cy = kabsch(x[fit], y[fit], fit_weights[fit])
        x, y = (x - cx) @ rotation.T, y - cy
    off = ((x[measure] - y[measure]) ** 2).sum(axis=1)
    return np.sqrt((weights[measure] * off).sum() / weights[measure].sum())


def oracle(models, alignment, fit=None, measure=None, fit_weights=None, weights=None, groups=()):
    n = models.shape[1]
    fit = np.arange(n) if fit is None else fit
    measure = np.arange(n) if measure is None else measure
    weights = np.ones(n) if weights is None else weights
    fit_weights = weights if fit_weights is None else fit_weights
    out = []
    several = itertools.product(*(itertools.permutations(range(len(g))) for g in groups))
    orders = []
    for permutations in several:
        order = np.arange(n)
        for group, permutation in zip(groups, permutations, strict=True):
            order[group] = group[list(permutation)]
        orders.append(order)
    for i, j in itertools.combinations(range(len(models)), 2):
        out.append(
            min(
                distance(models[j][o], models[i], alignment, fit, measure, fit_weights, weights)
                for o in orders
            )
        )
    return np.array(out)


def near(base, size):
    """Return models at a true RMSD of about `size` of each other, turned and 1000 Å away."""
    turns = Rotation.random(12, random_state=3).as_matrix()
    models = base + RNG.normal(size=(12, *base.shape)) * size / np.sqrt(6)
    return np.einsum("mij,mbj->mbi", turns, models) + 1000.0


@pytest.mark.parametrize("size", [0.0, 1e-4, 1e-2, 1.0, 50.0])
@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_superposed_at_every_distance_far_from_the_origin(size, kernel, monkeypatch):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    models = near(RNG.normal(size=(60, 3)) * 60, size)
    found = rmsd_matrix(models, alignment="superpose").condensed
    np.testing.assert_allclose(found, oracle(models, "superpose"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("alignment", ["none", "center"])
@pytest.mark.parametrize("size", [0.0, 1e-4, 1e-2, 50.0])
def test_not_turned_at_every_distance_far_from_the_origin(alignment, size):
    base = RNG.normal(size=(60, 3)) * 60 + 1000.0
    models = base + RNG.normal(size=(12, 60, 3)) * size / np.sqrt(6)
    found = rmsd_matrix(models, alignment=alignment).condensed
    np.testing.assert_allclose(found, oracle(models, alignment), rtol=0, atol=1e-6)


def special_shapes():
    x = RNG.normal(size=(9, 8, 3)) * 40
    line = RNG.normal(size=(9, 8, 1)) * 40 * RNG.normal(size=(9, 1, 3))
    x[5:] = x[:4] * [1, 1, -1]
    chiral = np.array([[3.0, 0, 0], [-3, 0, 0], [0, 3, 0], [0, -3, 0], [0, 0, 5], [1, 1, 1]])
    return {
        "mirror images": x,
        "on a line": line,
        "on a line and not": np.concatenate([line[:4], x[:4]]),
        "nearly on a line": line + RNG.normal(size=line.shape) * 1e-5,
        "flat": x * [1, 1, 0],
        "symmetric mirror images": np.stack([chiral, chiral * [1, 1, -1], -chiral]),
        "one bead": x[:, :1],
        "two beads": x[:, :2],
        "three beads": x[:, :3],
        "all beads in one point": np.repeat(x[:, :1], 8, axis=1),
        "half a million Å away": x + 5e5,
        "tiny": x * 1e-6,
    }


@pytest.mark.parametrize("name", list(special_shapes()))
@pytest.mark.parametrize("kernel", ["numpy", "numba"])
def test_special_shapes(name, kernel, monkeypatch):
    monkeypatch.setenv("CONGRUENCE_KERNEL", kernel)
    models = special_shapes()[name]
    found = rmsd_matrix(models, alignment="superpose").condensed
    np.testing.assert_allclose(found, oracle(models, "superpose"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
def test_weights_and_two_selections(alignment):
    models = RNG.normal(size=(20, 15, 3)) * 30
    weights, fit_weights = RNG.uniform(0, 5, 15), RNG.uniform(0, 5, 15)
    words = {"measure": np.arange(4, 15), "weights": weights}
    if alignment != "none":
        words |= {"on": np.arange(0, 7), "fit_weights": fit_weights}
    found = rmsd_matrix(models, alignment=alignment, **words).condensed
    expected = oracle(models, alignment, np.arange(0, 7), np.arange(4, 15), fit_weights, weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


GROUPS = (np.arange(6).reshape(3, 2), np.arange(6, 12).reshape(2, 3))


def with_copies(noise=3.0):
    base = RNG.normal(size=(15, 3)) * 30
    models = base + RNG.normal(size=(10, 15, 3)) * noise
    for model in models:
        for group in GROUPS:
            model[group] = model[RNG.permutation(group)]
    return np.einsum("mij,mbj->mbi", Rotation.random(10, random_state=2).as_matrix(), models)


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3.0, 30.0])
@pytest.mark.parametrize("alignment", ["none", "center", "superpose"])
def test_copies_against_all_assignments(alignment, noise):
    models = with_copies(noise)
    found = rmsd_matrix(models, alignment=alignment, copies=GROUPS).condensed
    np.testing.assert_allclose(found, oracle(models, alignment, groups=GROUPS), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("fit", "measure"),
    [
        (np.arange(12, 15), None),  # both groups are only measured
        (np.r_[0:6, 12:15], np.arange(12)),  # one is fitted too
        (None, np.arange(6, 15)),  # one is only fitted
        (np.r_[0, 2, 4, 12:15], np.r_[1, 3, 5, 12:15]),  # other beads of the same copies
    ],
)
def test_copies_with_two_selections(fit, measure):
    models = with_copies()
    on = np.arange(15) if fit is None else fit
    found = rmsd_matrix(
        models, alignment="superpose", on=on, measure=measure, copies=GROUPS
    ).condensed
    expected = oracle(models, "superpose", fit, measure, groups=GROUPS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_six_copies_without_superposition():
    group = np.arange(12).reshape(6, 2)
    models = RNG.normal(size=(5, 13, 3)) * 20
    found = rmsd_matrix(models, alignment="center", copies=(group,)).condensed
    np.testing.assert_allclose(found, oracle(models, "center", groups=(group,)), atol=1e-6)


@pytest.mark.parametrize("alignment", ["none", "superpose"])
@pytest.mark.parametrize("size", [0.0, 1e-4, 0.1, 1.0, 10.0])
def test_mixed_precision_holds_a_thousandth(alignment, size):
    models = np.concatenate(
        [near(RNG.normal(size=(400, 3)) * 80, size), near(RNG.normal(size=(400, 3)) * 80, 40.0)]
    )
    found = rmsd_matrix(models, alignment=alignment, precision="mixed")
    assert found.definition["precision"].startswith("mixed")
    np.testing.assert_allclose(found.condensed, oracle(models, alignment), rtol=0, atol=1e-3)


def test_mixed_precision_knows_how_rounding_errors_add_up(monkeypatch):
    """All products of a sum are alike here: errors of one sign add up to 40 units."""
    base = np.sign(RNG.normal(size=(600, 3))) * 45.3
    models = base * RNG.uniform(0.6, 1.4, size=(40, 1, 1))
    exact = rmsd_matrix(models, alignment="superpose", precision="double").condensed
    found = rmsd_matrix(models, alignment="superpose", precision="mixed").condensed
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-3)
    monkeypatch.setattr(TileComputer, "calibrated", lambda self, one: self)
    found = rmsd_matrix(models, alignment="superpose", precision="mixed").condensed
    assert np.abs(found - exact).max() > 1e-3


def test_mixed_precision_with_copies():
    models = with_copies(30.0)
    words = {"alignment": "superpose", "copies": GROUPS, "precision": "mixed"}
    expected = oracle(models, "superpose", groups=GROUPS)
    found = rmsd_matrix(models, **words).condensed
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert (found != rmsd_matrix(models, **words | {"precision": "double"}).condensed).any()
