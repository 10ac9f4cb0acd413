import pickle

import numpy as np
import pytest
from devices import DEVICES, TORCH, usable
from rigidmodels import rigid_models

from congruence.compute import _device_arrays, _device_pairs
from congruence.compute.compression import compress
from congruence.compute.device import DeviceTiler
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_tiles
from congruence.core.sources import CondensedSink
from congruence.errors import ConfigError, ShapeError

GROUPS = (np.arange(6).reshape(3, 2), np.arange(6, 12).reshape(2, 3))
WEIGHTS = np.random.default_rng(3).uniform(0, 5, 15)
METRICS = {
    "none": Metric("none"),
    "center": Metric("center"),
    "superpose": Metric("superpose"),
    "weights": Metric("superpose", weights=WEIGHTS),
    "copies, none": Metric("none", copies=GROUPS),
    "copies, center": Metric("center", copies=GROUPS),
    "copies, superpose": Metric("superpose", copies=GROUPS),
    "other beads superposed": Metric(
        "superpose", on=np.arange(7), measure=np.arange(4, 15), weights=WEIGHTS
    ),
    "other weights centred": Metric("center", weights=WEIGHTS, fit_weights=WEIGHTS[::-1].copy()),
    "copies measured only": Metric("superpose", on=np.arange(12, 15), copies=GROUPS),
    "copies of one group fitted": Metric(
        "superpose", on=np.r_[0:6, 12:15], measure=np.arange(12), copies=GROUPS
    ),
}


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(160, 15, 3)) * 30
    found[7] = found[150]
    found[8] = found[3] + 1e-5 * rng.normal(size=(15, 3))
    return found


@pytest.fixture(params=DEVICES)
def device(request):
    with usable(request.param) as word:
        yield word


def distances(tiler, models, metric, **options):
    sink = CondensedSink(len(models), dtype=np.float64)
    return sink.values, tiler(models, sink, metric, **options)


@pytest.mark.parametrize("name", list(METRICS))
@pytest.mark.parametrize(("precision", "bound"), [("double", 1e-7), ("mixed", 1e-3)])
def test_distances_are_those_of_the_processor(device, models, name, precision, bound):
    metric = METRICS[name]
    found, words = distances(DeviceTiler(device, block=128), models, metric, precision=precision)
    expected, plain = distances(rmsd_tiles, models, metric, precision=precision)
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    assert words["precision"] == plain["precision"]
    assert {key: words[key] for key in plain} == plain
    assert device.partition(":")[0] in words["device"]


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_bytes_do_not_depend_on_tiles_memory_or_threads(device, precision):
    models = np.random.default_rng(5).normal(size=(600, 4, 3)) * 30
    metric, tiler = METRICS["superpose"], DeviceTiler(device, block=256)
    first, _ = distances(tiler, models, metric, precision=precision, edge=128)
    for options in ({"edge": 384}, {"edge": 256, "memory": 1, "threads": 1}, {"edge": 1024}):
        again, _ = distances(tiler, models, metric, precision=precision, **options)
        assert again.tobytes() == first.tobytes()


class Tiles:
    def __init__(self, there):
        self.there, self.found = there, {}

    def done(self):
        return self.there

    def put(self, i, j, tile):
        self.found[i, j] = tile


@pytest.mark.parametrize("block", [128, 384])
@pytest.mark.parametrize("edge", [128, 256, 384])
def test_only_missing_tiles_are_put_and_told(edge, block):
    models = np.random.default_rng(5).normal(size=(700, 4, 3)) * 30
    whole, _ = distances(rmsd_tiles, models, METRICS["none"])
    square = np.zeros((700, 700))
    square[np.triu_indices(700, 1)] = whole
    square += square.T
    everything = [(i, j) for i in range(0, 700, edge) for j in range(i, 700, edge)]
    sink, told = Tiles(set(everything[1:2])), []
    tiler = DeviceTiler("numpy", block=block)
    tiler(models, sink, METRICS["none"], edge=edge, progress=lambda *at: told.append(at))
    assert sorted(sink.found) == sorted(set(everything) - sink.there)
    for (i, j), tile in sink.found.items():
        np.testing.assert_allclose(tile, square[i : i + edge, j : j + edge], atol=1e-9)
    total = len(everything)
    assert told == [(k, total) for k in range(len(sink.there) + 1, total + 1)]


def test_a_matrix_that_is_there_is_not_computed(models):
    class Broken(Tiles):
        def put(self, i, j, tile):
            raise AssertionError

    DeviceTiler("numpy")(models, Broken({(0, 0)}), METRICS["none"], edge=384)


def test_blocks_follow_from_the_data(models):
    from congruence.compute._device_blocks import block_size
    from congruence.compute._resolve import resolve

    class Large:
        def __init__(self, m, n):
            self.shape = (m, n, 3)

        def read(self, start, stop):
            raise AssertionError

    def size(m, n, **words):
        return block_size(resolve(Large(m, n), Metric("superpose", **words)))

    assert size(5, 10) == 128
    assert size(300, 10) == 512
    assert size(100_000, 1000) == 2048
    assert size(100_000, 100_000) < 512
    assert size(100_000, 100, copies=(np.arange(40).reshape(4, 10),)) == 1024


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (Metric("none", copies=(np.arange(12).reshape(6, 2),)), "more than 5"),
        (METRICS["copies, superpose"], "12 assignments"),
    ],
)
def test_too_many_copies_are_left_to_the_processor(models, metric, said, monkeypatch):
    monkeypatch.setattr(_device_pairs, "_MOST_ASSIGNMENTS", 6)
    found, words = distances(DeviceTiler("numpy"), models[:5], metric)
    expected, plain = distances(rmsd_tiles, models[:5], metric)
    assert found.tobytes() == expected.tobytes()
    assert said in words["device"]
    assert words | {"device": ""} == plain | {"device": ""}


def test_models_too_close_for_mixed_are_computed_in_double():
    rng = np.random.default_rng(1)
    close = rng.normal(size=(20, 3)) * 50 + rng.normal(size=(60, 20, 3)) * 1e-3
    found, words = distances(DeviceTiler("numpy"), close, METRICS["superpose"], precision="mixed")
    assert words["precision"] == "double (models too close for mixed)"
    expected, _ = distances(rmsd_tiles, close, METRICS["superpose"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("few", [0, 10_000])
def test_close_pairs_in_mixed_are_repaired_one_by_one_or_by_block(device, few, monkeypatch):
    monkeypatch.setattr(_device_pairs, "_FEW", few)
    rng = np.random.default_rng(1)
    heaps = rng.normal(size=(9, 20, 3)) * 50
    close = heaps[rng.integers(0, 9, 200)] + rng.normal(size=(200, 20, 3)) * 1e-3
    found, words = distances(
        DeviceTiler(device, block=128), close, METRICS["superpose"], precision="mixed"
    )
    expected, _ = distances(rmsd_tiles, close, METRICS["superpose"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    near = expected < 0.1
    np.testing.assert_allclose(found[near], expected[near], rtol=0, atol=1e-6)
    assert words["precision"] == "mixed"


def test_auto_is_what_it_is_on_the_processor(models, monkeypatch):
    tiler = DeviceTiler("numpy")
    assert distances(tiler, models, METRICS["none"])[1]["precision"] == "double"
    monkeypatch.setattr("congruence.compute._tiles.COMPILED_PAIRS", 1000)
    assert distances(tiler, models, METRICS["none"])[1]["precision"] == "mixed"


@pytest.mark.parametrize("name", ["none", "superpose", "copies, superpose"])
def test_the_error_of_single_precision_is_measured(device, models, name, monkeypatch):
    """A card that loses more digits than expected only recomputes more pairs."""

    def rounded(self, x, y):
        whole = real(self, x, y)
        return whole * (1.0 + 2e-5) if str(x.dtype).endswith("float32") else whole

    real = _device_pairs.Pairs._product
    monkeypatch.setattr(_device_pairs.Pairs, "_product", rounded)
    found, words = distances(
        DeviceTiler(device, block=128), models * 4, METRICS[name], precision="mixed"
    )
    expected, _ = distances(rmsd_tiles, models * 4, METRICS[name], precision="double")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert "double" in words["precision"]


def test_steps_that_did_not_converge_are_recomputed(models, monkeypatch):
    monkeypatch.setattr("congruence.compute._device_stage.STEPS", 3)
    expected, _ = distances(rmsd_tiles, models[:60], METRICS["superpose"])
    for name in ("superpose", "other beads superposed"):
        expected, _ = distances(rmsd_tiles, models[:60], METRICS[name])
        found, _ = distances(DeviceTiler("numpy"), models[:60], METRICS[name])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_float32_products_are_not_rounded_further():
    torch = pytest.importorskip("torch", reason=TORCH)
    before = torch.get_float32_matmul_precision()
    arrays = _device_arrays.find_device("torch:cpu")
    torch.set_float32_matmul_precision("medium")
    try:
        with arrays.working():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_memory_of_the_device_that_is_not_enough(models, monkeypatch):
    class OutOfMemoryError(RuntimeError):
        pass

    def between(self, start, other):
        raise OutOfMemoryError("Tried to allocate 3.00 GiB")

    monkeypatch.setattr(_device_pairs.Pairs, "between", between)
    with pytest.raises(ConfigError, match=r"numpy arrays .* not enough memory.*3.00 GiB") as caught:
        distances(DeviceTiler("numpy"), models, METRICS["none"])
    assert "device" in caught.value.hint


def test_an_array_of_the_device_shares_no_memory(device):
    arrays = _device_arrays.find_device(device)
    values = np.arange(3.0)
    there = arrays.array(values)
    values[:] = 9
    assert arrays.host(there).tolist() == [0, 1, 2]


def test_a_tiler_can_be_sent_to_a_worker(models):
    again = pickle.loads(pickle.dumps(DeviceTiler("numpy", block=256)))
    found, _ = distances(again, models[:9], METRICS["superpose"])
    assert found.tobytes() == distances(DeviceTiler("numpy", block=256), models[:9], METRICS["superpose"])[0].tobytes()  # fmt: skip


def without(monkeypatch, *names):
    real = _device_arrays._import
    monkeypatch.setattr(
        _device_arrays, "_import", lambda name: None if name in names else real(name)
    )


@pytest.mark.parametrize(
    ("word", "missing", "said"),
    [
        ("gpu", ("torch", "cupy"), "torch is not installed; cupy is not installed"),
        ("torch:cpu", ("torch",), "'torch' is not installed"),
        ("cupy", ("cupy",), "'cupy' is not installed"),
        ("numpy", ("array_api_compat.numpy",), "'array-api-compat' is not installed"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(word, missing, said, monkeypatch):
    without(monkeypatch, *missing)
    with pytest.raises(ConfigError, match=said) as caught:
        DeviceTiler(word)
    assert "congruence[gpu]" in caught.value.hint


def test_no_card_is_said_with_what_was_found(monkeypatch):
    torch = pytest.importorskip("torch", reason=TORCH)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    without(monkeypatch, "cupy")
    with pytest.raises(ConfigError, match=r"sees no CUDA, ROCm or XPU device; cupy is not"):
        DeviceTiler("gpu")


def test_a_device_that_torch_does_not_know():
    pytest.importorskip("torch", reason=TORCH)
    with pytest.raises(ConfigError, match="cannot use the device 'quantum'"):
        DeviceTiler("torch:quantum")


@pytest.mark.parametrize("word", ["tpu", "torch", ""])
def test_unknown_devices(word):
    with pytest.raises(ConfigError, match="unknown device"):
        DeviceTiler(word)


def test_arguments_that_do_not_fit(models):
    with pytest.raises(ConfigError, match="block is 100"):
        DeviceTiler("numpy", block=100)
    with pytest.raises(ConfigError, match="edge is 100"):
        distances(DeviceTiler("numpy"), models, METRICS["none"], edge=100)
    with pytest.raises(ConfigError, match="precision is 'half'"):
        distances(DeviceTiler("numpy"), models, METRICS["none"], precision="half")
    with pytest.raises(ShapeError, match="0 models"):
        distances(DeviceTiler("numpy"), models[:0], METRICS["none"])
    broken = models.copy()
    broken[150, 3, 1] = np.nan
    with pytest.raises(ShapeError, match="model 150"):
        distances(DeviceTiler("numpy", block=128), broken, METRICS["superpose"])


def test_pseudo_beads_on_a_device_say_both():
    models = rigid_models(0, models=260, bodies=2, beads=40)
    packed = compress(models, METRICS["superpose"], always=True)
    plain, found = (CondensedSink(260, dtype=np.float64) for _ in range(2))
    words = packed.tiles(plain)
    assert packed.tiles(found, tiler=DeviceTiler("numpy")) == words | {
        "device": "numpy arrays (cpu)"
    }
    np.testing.assert_allclose(found.values, plain.values, rtol=0, atol=1e-6)
