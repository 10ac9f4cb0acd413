"""Graphics cards, through one array library; and CPU arrays that take the same path in tests."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._device_stage import PLAIN, DeviceStage, or_plain
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

__all__ = ["Arrays", "find_device"]

_MOST_KEPT = 64

_HINT = (
    "Install the extra: pip install 'congruence[gpu]' (torch and array-api-compat; cupy works "
    "too), in the build for your card; or leave out --device gpu."
)


@dataclass(frozen=True, eq=False)
class Arrays:
    """
    A device: namespace, handle and words.

    `library` is "numpy", "torch" or "cupy", `handle` what its functions take as
    device, `card` whether it is a graphics card.
    """

    xp: Any
    library: str
    handle: Any
    name: str
    card: bool
    _kept: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    @property
    def native(self) -> Any:
        """The library itself, for what the standard does not name."""
        return importlib.import_module(self.library)

    @property
    def threaded(self) -> bool:
        """Whether the library takes all cores of the processor by itself."""
        return self.library == "torch" and not self.card

    def array(self, values: npt.NDArray[Any]) -> Any:
        """Return an array of this machine as one of the device, of the same type."""
        values = np.ascontiguousarray(values)
        if self.library == "torch":
            # A tensor would share the memory of what may be reused or is read-only.
            values = values if self.card and values.flags.writeable else values.copy()
            return self.native.from_numpy(values).to(self.handle)
        return self.xp.asarray(values, copy=True)

    def kept(self, values: npt.NDArray[Any]) -> Any:
        """Return a small array of this machine as one of the device, brought there once."""
        key = (values.dtype.str, values.shape, values.tobytes())
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = self.array(values)
        return found

    def host(self, values: Any) -> npt.NDArray[Any]:
        """Return an array of the device as one of this machine."""
        return self.fetch(values)()

    def fetch(self, values: Any) -> Callable[[], npt.NDArray[Any]]:
        """
        Begin to bring an array here; what is returned waits for it and gives it.

        Only for what the device was asked before: what it is asked afterwards goes on.
        """
        if self.library == "torch":
            return self._fetched(values)
        found = values.get() if self.library == "cupy" else values
        return lambda: np.asarray(found)

    def _fetched(self, values: Any) -> Callable[[], npt.NDArray[Any]]:
        if self.handle.type != "cuda":
            here = values.cpu().numpy()
            return lambda: np.asarray(here)
        torch = self.native
        there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        there.copy_(values, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(self.handle))

        def wait() -> npt.NDArray[Any]:
            done.synchronize()
            return np.asarray(there.numpy())

        return wait

    def count(self, table: Any, at: Any) -> None:
        """Add one to numbers of a contiguous table of integers, as often as `at` names each."""
        if self.library == "torch":
            one = self.kept(np.ones(1, dtype=np.int32)).to(table.dtype)
            table.view(-1).scatter_add_(0, at, one.expand(at.shape))
        else:
            self.native.add.at(table.reshape(-1), at, 1)

    def free_bytes(self, otherwise: int) -> int:
        """Return the bytes that are free on a card; for other devices what is given."""
        if self.library == "torch" and self.handle.type == "cuda":
            cuda = self.native.cuda
            # What torch holds back for the next array is free too.
            held = cuda.memory_reserved(self.handle) - cuda.memory_allocated(self.handle)
            return int(cuda.mem_get_info(self.handle)[0] + held)
        if self.library == "cupy":
            return int(self.native.cuda.runtime.memGetInfo()[0])
        return otherwise

    def card_bytes(self) -> int:
        """Return all bytes of a card, free or not; 0 for other devices and where it is not known."""
        if self.library == "torch" and self.handle.type == "cuda":
            return int(self.native.cuda.mem_get_info(self.handle)[1])
        if self.library == "cupy":
            return int(self.native.cuda.runtime.memGetInfo()[1])
        return 0

    def wait(self) -> None:
        """Return when all that was begun is done (for measurements)."""
        if self.library == "torch" and self.handle.type == "cuda":
            self.native.cuda.synchronize(self.handle)
        elif self.library == "cupy":
            self.native.cuda.runtime.deviceSynchronize()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Compute in full precision, NumPy on one thread (blocks are the parallelism)."""
        from threadpoolctl import threadpool_limits

        with ExitStack() as stack:
            if self.library == "numpy":
                stack.enter_context(threadpool_limits(1, user_api="blas"))
            stack.enter_context(self.full_precision())
            try:
                yield
            except (MemoryError, RuntimeError) as error:
                if "OutOfMemory" not in type(error).__name__:
                    raise
                said = str(error).partition("\n")[0]
                raise ConfigError(
                    f"{self.name} has not enough memory: {said}",
                    hint="Free it of other programs, or compute without the device.",
                ) from None

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """Keep float32 products in float32 (no TF32) for a while; nothing for NumPy."""
        if self.library == "cupy":
            with self._cupy_precision():
                yield
            return
        if self.library != "torch":
            yield
            return
        before = self.native.get_float32_matmul_precision()
        self.native.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            self.native.set_float32_matmul_precision(before)

    @contextmanager
    def _cupy_precision(self) -> Iterator[None]:
        core = importlib.import_module("cupy._core._routines_linalg")
        before = core.get_compute_type(np.float32)
        core.set_compute_type(np.float32, core.COMPUTE_TYPE_FP32)
        try:
            yield
        finally:
            core.set_compute_type(np.float32, before)

    def stage(self) -> DeviceStage:
        """Return the work per pair: one kernel with torch and Triton on a card, else step by step."""
        if self.library != "torch" or not self.card or importlib.util.find_spec("triton") is None:
            return PLAIN
        return _kernels()


@functools.cache
def _kernels() -> DeviceStage:
    """Return the kernels; those that cannot be compiled are told once a process."""
    from congruence.compute import _device_triton

    return DeviceStage(
        or_plain(_device_triton.bounded_turned, PLAIN.turned),
        or_plain(_device_triton.near_turned, PLAIN.near),
        or_plain(_device_triton.largest_eigenvalues, PLAIN.largest),
    )


def find_device(word: str) -> Arrays:
    """
    Find a device.

    Parameters
    ----------
    word : str
        ``"gpu"`` for the first card of torch or cupy; ``"torch:NAME"`` for a
        device of torch; ``"cupy"``; ``"numpy"``.

    Returns
    -------
    device : Arrays
        The device.

    Raises
    ------
    ConfigError
        If the word is another, a package is missing, or there is no card.
    """
    if word == "gpu":
        return _first_card()
    library, _, handle = word.partition(":")
    if library == "torch" and handle:
        return _torch(handle)
    if word == "cupy":
        return _cupy()
    if word == "numpy":
        return Arrays(_load("numpy"), "numpy", None, "numpy arrays (cpu)", card=False)
    raise ConfigError(
        f"unknown device {word!r}",
        hint="Use 'gpu' (the first card), 'torch:cuda:1' or another device of torch, or 'cupy'.",
    )


def _first_card() -> Arrays:
    found = []
    torch = _import("torch")
    if torch is None:
        found.append("torch is not installed")
    elif torch.cuda.is_available():
        return _torch("cuda:0")
    elif hasattr(torch, "xpu") and torch.xpu.is_available():
        return _torch("xpu:0")
    else:
        found.append(f"torch {torch.__version__} sees no CUDA, ROCm or XPU device")
        if torch.backends.mps.is_available():
            found.append("the Apple device has no double precision")
    cupy = _import("cupy")
    if cupy is None:
        found.append("cupy is not installed")
    elif cupy.cuda.is_available():
        return _cupy()
    else:
        found.append(f"cupy {cupy.__version__} sees no device")
    raise ConfigError(f"no graphics card can be used: {'; '.join(found)}", hint=_HINT)


def _torch(handle: str) -> Arrays:
    xp, torch = _load("torch"), _import("torch")
    try:
        device = torch.device(handle)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        said = str(error).partition("\n")[0]
        raise ConfigError(f"torch cannot use the device {handle!r}: {said}", hint=_HINT) from None
    name = f"torch {torch.__version__} on {device}"
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)} ({name})"
    return Arrays(xp, "torch", device, name, card=device.type != "cpu")


def _cupy() -> Arrays:
    xp, cupy = _load("cupy"), _import("cupy")
    if not cupy.cuda.is_available():
        raise ConfigError(f"cupy {cupy.__version__} sees no device", hint=_HINT)
    kind = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return Arrays(xp, "cupy", None, f"{kind} (cupy {cupy.__version__})", card=True)


def _load(library: str) -> Any:
    if _import(library) is None:
        raise ConfigError(f"the package '{library}' is not installed", hint=_HINT)
    namespace = _import(f"array_api_compat.{library}")
    if namespace is None:
        raise ConfigError("the package 'array-api-compat' is not installed", hint=_HINT)
    return namespace


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
