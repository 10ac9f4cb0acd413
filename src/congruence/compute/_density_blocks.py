"""Models in blocks of a fixed size, whatever the parts they come in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from congruence.compute import _density_numpy
from congruence.compute._eigen import COMPILED_PAIRS
from congruence.core.sources import CoordinateSource
from congruence.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from congruence.core.grid import Grid
    from congruence.typing import FloatArray, IntArray

_BLOCK_VALUES = 1 << 22
_STRETCH_SECONDS = 1.0
_READ_SECONDS = 7e-8
_BEAD_SECONDS = 2e-7
_PLAIN_SECONDS = 4e-7  # by NumPy
_VOXEL_SECONDS = 1e-7
_COMPILED_MODELS = 1 + round((2 * COMPILED_PAIRS) ** 0.5)

Models: TypeAlias = "CoordinateSource | FloatArray | Iterable[FloatArray]"
"""A source, an array of shape (m,n,3), or an iterable of such arrays."""


def loops(models: int) -> Any:
    """
    Choose the module of the loops: compiled for jobs whose distances are.

    `models` is how many there are, or are known of. The variable
    CONGRUENCE_KERNEL decides otherwise; without numba NumPy is used.
    """
    kernel = os.environ.get("CONGRUENCE_KERNEL", "")
    if kernel == "numpy" or (kernel != "numba" and models < _COMPILED_MODELS):
        return _density_numpy
    try:
        from congruence.compute import _density_kernels
    except ImportError:
        return _density_numpy
    return _density_kernels


def fixed_blocks(models: Models) -> Iterator[FloatArray]:
    """
    Yield finite float64 blocks whose sizes depend on the number of beads only.

    Sums over models in these blocks therefore have one order.
    """
    pending: list[FloatArray] = []
    step, seen, n = 1, 0, -1
    for part in _parts(models):
        if n < 0:
            n = part.shape[1]
            step = block_models(n)
        if part.shape[1] != n:
            raise ShapeError(f"models have {part.shape[1]} beads, those before had {n}")
        pending.append(part)
        while sum(map(len, pending)) >= step:
            whole = np.concatenate(pending) if len(pending) > 1 else pending[0]
            yield _finite(whole[:step], seen)
            pending = [whole[step:]]
            seen += step
    if sum(map(len, pending)):
        yield _finite(np.concatenate(pending), seen)


def block_models(n: int) -> int:
    """Return how many models of *n* beads are in a block."""
    return max(1, _BLOCK_VALUES // max(3 * n, 1))


def stretch(n: int, selected: int, grid: Grid, job: int = 0) -> int:
    """
    Return the number of blocks that are summed on a lattice of their own.

    They take one core about a second, or several times as long as a lattice is
    written, read and added. It depends on the numbers of beads, voxels and
    models of the `job` only (0: not known, taken for many): sums of stretches
    are added in their order, whoever computes them.
    """
    plain = 0 < job < _COMPILED_MODELS
    seconds = n * _READ_SECONDS + selected * (_PLAIN_SECONDS if plain else _BEAD_SECONDS)
    block = block_models(n) * seconds
    return max(1, round(max(_STRETCH_SECONDS, grid.size * _VOXEL_SECONDS) / block))


def plus(sums: list[FloatArray], more: list[FloatArray]) -> list[FloatArray]:
    """
    Add arrays to earlier ones, in place.

    Parameters
    ----------
    sums, more : list of ndarray
        Of the same shapes; of either there may be fewer.

    Returns
    -------
    sums : list of ndarray
        As many as the longer has.
    """
    for total, part in zip(sums, more, strict=False):
        total += part
    return sums + more[len(sums) :]


def extent(models: Models, beads: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """Return the corners, shape (3,), of the box of some beads; infinite for none."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for block in fixed_blocks(models):
        part = (block if beads is None else block[:, beads]).reshape(-1, 3)
        if len(part):
            low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
    return low, high


def rereadable(models: Models) -> Models:
    """Return models that can be read twice."""
    if isinstance(models, CoordinateSource | np.ndarray):
        return models
    return list(models)


def _parts(models: Models) -> Iterator[FloatArray]:
    if isinstance(models, CoordinateSource):
        m, n, _ = models.shape
        step = block_models(n)
        parts: Iterable[FloatArray] = (models.read(i, min(i + step, m)) for i in range(0, m, step))
    else:
        parts = (models,) if isinstance(models, np.ndarray) else models
    for part in parts:
        block = np.asarray(part)
        if block.ndim != 3 or block.shape[2] != 3:
            raise ShapeError(
                f"coordinates must have shape (models, beads, 3), found {block.shape}",
                hint="A single model is coordinates[None].",
            )
        yield block


def _finite(part: FloatArray, before: int) -> FloatArray:
    block = np.ascontiguousarray(part, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):  # several times faster than a look at each
            return block
    good = np.isfinite(block).all(axis=2)
    if not good.all():
        model, bead = np.argwhere(~good)[0].tolist()
        raise ShapeError(
            f"model {before + model} has no finite coordinates for bead {bead}",
            hint="Leave that model out, or leave the bead out of the topology.",
        )
    return block
