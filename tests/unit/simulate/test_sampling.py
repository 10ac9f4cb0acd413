import numpy as np
import pytest

from congruence.core.sources import CoordinateSource
from congruence.errors import ConfigError
from congruence.simulate import Sampling, Simulation, simulate_ensemble, small_system
from congruence.simulate.arrangement import compose, copy_order
from congruence.simulate.ensemble import as_ensemble
from congruence.simulate.geometry import rmsd_tables

SMALL = small_system(residues_per_subunit=20)


def simulation(**parameters):
    return Simulation(Sampling(**parameters), SMALL)


def test_models_are_shared_out_evenly():
    some = simulation(models=11, runs=2, replicas=2)
    assert some.sampling.frames().tolist() == [3, 3, 3, 2]
    assert some.run.tolist() == [0] * 6 + [1] * 5
    assert some.replica.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]
    assert some.frame.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]


def test_a_million_models_are_a_source_that_is_read_in_pieces():
    many = simulation(models=1_000_000)
    assert isinstance(many, CoordinateSource)
    assert many.shape == (1_000_000, len(SMALL.topology), 3)
    assert np.isfinite(many.read(499_998, 500_002)).all()
    assert many.read(5, 5).shape == (0, len(SMALL.topology), 3)


def test_weights_are_kept():
    labels = simulation(models=8000, clusters=3, weights=(1.0, 2.0, 1.0)).labels
    assert np.allclose(np.bincount(labels) / 8000, [0.25, 0.5, 0.25], atol=0.03)


def test_weights_per_run_make_a_sampling_that_is_not_exhaustive():
    some = simulation(models=400, weights=((1.0, 0.0), (0.0, 1.0)))
    assert np.array_equal(some.labels, some.run)


def test_spread_is_the_displacement_of_rigid_beads():
    some = simulation(models=2000, clusters=1, spread=3.0, swaps=0.0)
    rigid = SMALL.kind == 0
    native = compose(SMALL, some.native())
    shift = (some.read(0, 2000) - native)[:, rigid]
    assert np.sqrt((shift**2).sum(axis=2).mean()) == pytest.approx(3.0, rel=0.05)


def test_spread_zero_gives_the_native_structure():
    some = simulation(models=4, clusters=1, spread=0.0, swaps=0.0)
    assert np.abs(some.read(0, 4) - compose(SMALL, some.native())).max() < 1e-4


def test_swapped_models_are_the_others_with_copies_exchanged():
    one, two = (simulation(models=20, swaps=s, tumble=True) for s in (0.0, 1.0))
    assert not one.swapped.any()
    assert two.swapped.all()
    exchanged = two.read(0, 20)[:, copy_order(SMALL)]
    assert np.abs(exchanged - one.read(0, 20)).max() < 1e-4
    assert np.abs(two.read(0, 20) - one.read(0, 20)).max() > 5.0


def test_tumbling_moves_models_as_wholes():
    still, moved = (simulation(models=20, tumble=t) for t in (False, True))
    weights = np.ones(len(SMALL.topology))
    plain, best = rmsd_tables(still.read(0, 20), moved.read(0, 20), weights)
    assert np.diag(best).max() < 1e-3
    assert np.diag(plain).min() > 5.0
    untumbled = compose(SMALL, moved.poses(np.arange(20), tumble=False))
    assert np.array_equal(untumbled, still.read(0, 20))


def test_autocorrelation_keeps_models_alike_for_a_while():
    def similarity(tau, lag):
        some = simulation(
            models=256, runs=1, replicas=1, clusters=1, swaps=0.0, autocorrelation=tau
        )
        shift = some.read(0, 256) - compose(SMALL, some.native())
        return (shift[lag:] * shift[:-lag]).mean() / (shift**2).mean()

    assert abs(similarity(0.0, 1)) < 0.1
    assert similarity(10.0, 1) == pytest.approx(np.exp(-0.1), abs=0.08)
    assert similarity(10.0, 10) == pytest.approx(np.exp(-1.0), abs=0.2)


def test_autocorrelated_labels_change_seldom():
    labels = simulation(models=1000, runs=1, replicas=1, autocorrelation=20.0).labels
    assert 0 < (labels[1:] != labels[:-1]).mean() < 0.1


def test_outliers_belong_to_no_cluster_and_lie_apart():
    some = simulation(models=200, outliers=0.25, spread=1.0)
    out = some.labels < 0
    assert 25 < out.sum() < 80
    xyz, weights = some.read(0, 200), np.ones(len(SMALL.topology))
    near = rmsd_tables(xyz[out], xyz, weights)[1] + 100.0 * np.eye(200)[out]
    assert near.min() > 4.0


def test_bodies_touch_and_do_not_lie_in_each_other():
    for arrangement in simulation(clusters=3).arrangements:
        xyz = arrangement.coordinates(SMALL)
        apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
        for body in range(SMALL.bodies):
            others = apart[SMALL.body == body][:, SMALL.body != body]
            assert others.min() == pytest.approx(9.0, abs=0.01)


def test_ensemble_is_what_the_simulation_reads():
    coordinates, labels, truth = simulate_ensemble(models=12, system=SMALL, seed=9)
    some = simulation(models=12, seed=9)
    assert np.array_equal(coordinates, some.read(0, 12))
    assert np.array_equal(labels, truth.labels)
    ensemble = as_ensemble(some)
    assert ensemble.shape == coordinates.shape
    assert ensemble.models.names[3] == "run1/output/rmfs/1.rmf3|0"


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": 3},
        {"runs": 0},
        {"seed": -1},
        {"outliers": 1.5},
        {"spread": -1.0},
        {"spread": (1.0, 2.0, 3.0)},
        {"autocorrelation": -1.0},
        {"weights": (1.0, 1.0, 1.0)},
        {"weights": (0.0, 0.0)},
        {"weights": (-1.0, 2.0)},
        {"weights": ((1.0, 1.0), (1.0,))},
        {"weights": ((1.0, 1.0),) * 3},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        Sampling(**wrong)


def test_another_sampling_of_the_same_clusters_is_independent_of_the_first():
    first = simulation(models=60, clusters=2, seed=3)
    other = Simulation(Sampling(models=60, clusters=2, seed=4), SMALL, around=first.arrangements)
    assert other.arrangements is first.arrangements
    one, two = (s.read(0, 60) for s in (first, other))
    assert not np.isclose(one, two).all(axis=(1, 2)).any()
    means = [x[(s.labels == 0) & ~s.swapped].mean(axis=0) for x, s in ((one, first), (two, other))]
    assert np.sqrt(((means[0] - means[1]) ** 2).sum(axis=1).mean()) < 2.0
    with pytest.raises(ConfigError, match="2 arrangements for 3 clusters"):
        Simulation(Sampling(clusters=3), SMALL, around=first.arrangements)
