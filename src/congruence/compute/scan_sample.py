"""A stratified choice of the models on which a scan of very many is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.scan_sample import ScanSample
from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import IntArray, ObjectArray

__all__ = ["scan_sample"]


def scan_sample(
    n_a: int,
    m: int,
    size: int,
    *,
    runs: Sequence[str] | ObjectArray | None = None,
    seed: int = 0,
) -> ScanSample:
    """
    Choose models of both samples in proportion, and of each run inside.

    Parameters
    ----------
    n_a : int
        Models of sample A, the first of all.
    m : int
        All models.
    size : int
        Models to take.
    runs : sequence of str, length m, optional
        Run of each model.
    seed : int
        Seed of the choice.

    Returns
    -------
    sample : ScanSample
        Of min(size, m) models. The share of A, and of each run in it, is that of
        all models up to one. Each run is cut into equal stretches of models in
        their order, and one at random is taken of each.

    Raises
    ------
    ConfigError
        If less than one model of either sample would be taken.

    Examples
    --------
    >>> found = scan_sample(60, 100, 10, runs=["a"] * 30 + ["b"] * 30 + ["c"] * 40)
    >>> found.sizes, np.bincount(found.models // 10).tolist()
    ((6, 4), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    """
    size = min(size, m)
    rng = np.random.default_rng(seed)
    samples = [np.arange(n_a), np.arange(n_a, m)]
    quotas = _shares(np.array([len(s) for s in samples]), size)
    if min(quotas) < 1 <= min(n_a, m - n_a):
        raise ConfigError(
            f"{size} of {m} models ({n_a} A, {m - n_a} B) leave no model of a sample for the scan",
            hint="Scan more models.",
        )
    names = None if runs is None else np.array([str(r) for r in runs])
    taken: list[IntArray] = []
    for models, quota in zip(samples, quotas.tolist(), strict=True):
        strata = [models] if names is None else _by_run(models, names[models])
        shares = _shares(np.array([len(s) for s in strata]), quota)
        taken += [_one_of_each(s, k, rng) for s, k in zip(strata, shares.tolist(), strict=True)]
    chosen = np.sort(np.concatenate(taken))
    a, b = quotas.tolist()
    different = 0 if names is None else len(np.unique(names))
    return ScanSample(chosen, (a, b), (n_a, m - n_a), different, seed)


def _by_run(models: IntArray, names: ObjectArray) -> list[IntArray]:
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(names[order][1:] != names[order][:-1]) + 1
    return np.split(models[order], starts)


def _shares(sizes: IntArray, size: int) -> IntArray:
    """Return parts of `size` in proportion; the largest remainders get what rounding left."""
    whole = max(int(sizes.sum()), 1)
    shares: IntArray = sizes * size // whole
    order = np.argsort(-(sizes * size % whole), kind="stable")
    shares[order[: size - int(shares.sum())]] += 1
    return shares


def _one_of_each(models: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """Take one model at random of each of `count` equal stretches."""
    edges = np.arange(count + 1, dtype=np.int64) * len(models) // max(count, 1)
    return models[rng.integers(edges[:-1], edges[1:])] if count else models[:0]
