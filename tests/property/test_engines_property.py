"""Every engine, device and precision against explicit superpositions by SVD, on hard cases."""

import logging
from contextlib import ExitStack

import numpy as np
import pytest
from devices import cards
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from congruence.compute.compression import compress
from congruence.compute.device import DeviceTiler
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_matrix, rmsd_tiles
from congruence.core.sources import CondensedSink
from congruence.errors import ShapeError
from congruence.workflow.dask_cluster import keep_engine
from congruence.workflow.dask_engine import DaskTiler

MODELS = 9


def kernel(name, precision):
    def compute(models, mode):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONGRUENCE_KERNEL", name)
            return rmsd_matrix(models, alignment=mode, precision=precision).condensed

    return compute


def device(name, precision):
    def compute(models, mode):
        sink = CondensedSink(len(models), dtype=np.float64)
        DeviceTiler(name)(models, sink, Metric(mode), precision=precision)
        return sink.values

    return compute


def compressed(name):
    def compute(models, mode):
        found = compress(models, Metric(mode), always=True)
        if found is None:  # no smaller basis: what a job would do then
            return rmsd_matrix(models, alignment=mode).condensed
        sink = CondensedSink(len(models), dtype=np.float64)
        found.tiles(sink, tiler=DeviceTiler(name) if name else rmsd_tiles)
        return sink.values

    return compute


ENGINES = {
    "numpy kernel": (kernel("numpy", "double"), 1e-6),
    "numba kernel": (kernel("numba", "double"), 1e-6),
    "numpy kernel, mixed": (kernel("numpy", "mixed"), 1e-3),
    "numba kernel, mixed": (kernel("numba", "mixed"), 1e-3),
    "compressed": (compressed(""), 2e-6),
    "compressed, numpy device": (compressed("numpy"), 2e-6),
    "numpy device": (device("numpy", "double"), 1e-6),
    "numpy device, mixed": (device("numpy", "mixed"), 1e-3),
    "torch": (device("torch:cpu", "double"), 1e-6),
    "torch, mixed": (device("torch:cpu", "mixed"), 1e-3),
}
for card in cards():
    ENGINES[card] = (device(card, "double"), 1e-6)
    ENGINES[f"{card}, mixed"] = (device(card, "mixed"), 1e-3)
CLUSTER = {"dask": ("double", 1e-6), "dask, mixed": ("mixed", 1e-3)}
NAMES = [*ENGINES, *CLUSTER]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Return what finds an engine and its bound; a cluster is started for who wants it."""
    with ExitStack() as stack:
        address = []

        def dask(precision):
            if not address:
                distributed = pytest.importorskip("distributed", reason="needs the extra dask")
                words = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
                made = distributed.LocalCluster(n_workers=1, threads_per_worker=1, **words)
                address.append(stack.enter_context(made).scheduler_address)
                out = tmp_path_factory.mktemp("dask") / "out"
                stack.enter_context(keep_engine(f"dask:{address[0]}", out=out))

            def compute(models, mode):
                sink = CondensedSink(len(models), dtype=np.float64)
                DaskTiler(address[0])(models, sink, Metric(mode), precision=precision)
                return sink.values

            return compute

        def find(name):
            if name in CLUSTER:
                precision, bound = CLUSTER[name]
                return dask(precision), bound
            if name.startswith("torch"):
                torch = pytest.importorskip("torch", reason="needs the extra gpu (torch)")
                torch.set_num_threads(1)  # small arrays on busy cores
            return ENGINES[name]

        yield find


def duplicates(rng):
    models = rng.normal(size=(MODELS, 8, 3)) * 40
    models[3:6] = models[0]
    models[6] = models[1] + rng.normal(size=(8, 3)) * 1e-5
    return models


def mirror_images(rng):
    models = rng.normal(size=(MODELS, 8, 3)) * 40
    models[5:] = models[:4] * [1, 1, -1]
    return models


def symmetric_mirror_images(rng):
    shape = np.array([[3.0, 0, 0], [-3, 0, 0], [0, 3, 0], [0, -3, 0], [0, 0, 5], [1, 1, 1]])
    models = np.repeat(shape[None] * rng.uniform(1, 9), MODELS, axis=0)
    models[1::3] *= [1, 1, -1]
    models[2::3] *= -1
    return models


def collinear(rng):
    return rng.normal(size=(MODELS, 8, 1)) * 40 * rng.normal(size=(MODELS, 1, 3))


def collinear_and_not(rng):
    models = collinear(rng)
    models[4:] = rng.normal(size=(MODELS - 4, 8, 3)) * 40
    return models


def nearly_collinear(rng):
    models = collinear(rng)
    return models + rng.normal(size=models.shape) * 1e-5


def flat(rng):
    return rng.normal(size=(MODELS, 8, 3)) * 40 * [1, 1, 0]


def rigid(rng):
    bodies = rng.normal(size=(2, 10, 3)) * 15
    turns = Rotation.random(2 * MODELS, random_state=int(rng.integers(2**31))).as_matrix()
    models = np.einsum("bpi,mbij->mbpj", bodies, turns.reshape(MODELS, 2, 3, 3))
    return (models + rng.normal(size=(MODELS, 2, 1, 3)) * 20).reshape(MODELS, 20, 3)


CASES = {
    "any": lambda rng: rng.normal(size=(MODELS, 8, 3)) * 40,
    "duplicates": duplicates,
    "mirror images": mirror_images,
    "symmetric mirror images": symmetric_mirror_images,
    "collinear": collinear,
    "collinear and not": collinear_and_not,
    "nearly collinear": nearly_collinear,
    "one bead": lambda rng: rng.normal(size=(MODELS, 1, 3)) * 40,
    "two beads": lambda rng: rng.normal(size=(MODELS, 2, 3)) * 40,
    "three beads": lambda rng: rng.normal(size=(MODELS, 3, 3)) * 40,
    "all beads in one point": lambda rng: np.repeat(rng.normal(size=(MODELS, 1, 3)), 8, axis=1),
    "far from the origin": lambda rng: rng.normal(size=(MODELS, 8, 3)) * 40 + 1e5,
    "flat": flat,
    "rigid bodies": rigid,
    "tiny": lambda rng: rng.normal(size=(MODELS, 8, 3)) * 1e-5,
}


def turned(models, rng):
    """Turn and shift every model, which no superposed distance may notice."""
    turns = Rotation.random(len(models), random_state=int(rng.integers(2**31))).as_matrix()
    return np.matmul(models, turns) + rng.normal(size=(len(models), 1, 3)) * 50


def explicit(models, mode):
    """Return condensed distances by an SVD of each pair and explicit residuals."""
    found = []
    for i in range(len(models)):
        for j in range(i + 1, len(models)):
            x, y = models[i], models[j]
            if mode != "none":
                x, y = x - x.mean(axis=0), y - y.mean(axis=0)
            if mode == "superpose":
                u, _, vt = np.linalg.svd(x.T @ y)
                u[:, 2] *= np.sign(np.linalg.det(u @ vt))
                y = y @ (u @ vt).T
            found.append(np.sqrt(((x - y) ** 2).sum() / x.shape[0]))
    return np.array(found)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    case=st.sampled_from(list(CASES)),
    mode=st.sampled_from(["none", "center", "superpose"]),
)
def test_every_engine_gives_what_a_superposition_by_svd_gives(engine, name, seed, case, mode):
    compute, bound = engine(name)
    rng = np.random.default_rng(seed)
    models = turned(CASES[case](rng), rng)
    np.testing.assert_allclose(compute(models, mode), explicit(models, mode), rtol=0, atol=bound)


@pytest.mark.parametrize("name", NAMES)
def test_every_hard_case_superposed(engine, name):
    compute, bound = engine(name)
    for case, make in CASES.items():
        rng = np.random.default_rng(17)
        models = turned(make(rng), rng)
        np.testing.assert_allclose(
            compute(models, "superpose"),
            explicit(models, "superpose"),
            rtol=0,
            atol=bound,
            err_msg=case,
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_every_engine_refuses_what_is_not_finite(engine, name, value):
    compute, _ = engine(name)
    models = np.random.default_rng(0).normal(size=(MODELS, 8, 3))
    models[6, 2, 1] = value
    for mode in ("none", "center", "superpose"):
        with pytest.raises(ShapeError, match="model 6 are not finite"):
            compute(models, mode)
