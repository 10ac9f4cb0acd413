"""From runs to two samples that are independent of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import BoolArray

__all__ = ["Split", "split_runs"]

Split: TypeAlias = Literal["run", "folder", "random"]
"""Every other run, the runs of either input, or a random half of the runs."""


def split_runs(
    run_of: Sequence[str], runs: Sequence[str], split: Split, *, seed: int = 0, first: int = 0
) -> tuple[BoolArray, str]:
    """
    Put the models of runs into two samples, never splitting one of several runs.

    Parameters
    ----------
    run_of : sequence of str, length m
        Run of each model.
    runs : sequence of str
        All runs, in natural order; those without models do not count.
    split : {"run", "folder", "random"}
        Every other run; the first `first` runs; a random half of the runs.
    seed : int
        Seed of the random split.
    first : int
        Number of runs of the first folder.

    Returns
    -------
    in_a : ndarray, dtype=bool, shape=(m,)
        Models of sample A.
    words : str
        What was done.

    Raises
    ------
    ConfigError
        If the runs are not of two folders.

    Examples
    --------
    >>> split_runs(["x", "y", "x", "z"], ["x", "y", "z"], "run")[0].tolist()
    [True, False, True, True]
    """
    present = [name for name in runs if name in set(run_of)]
    rng = np.random.default_rng(seed)
    if split == "folder":
        if not 0 < first < len(runs):
            raise ConfigError(
                f"a split by folder needs two inputs with runs, the first has {first} of "
                f"{len(runs)} runs",
                hint="Give the folders of the two samples, or split by run.",
            )
        mine = set(runs[:first])
        words = f"A are the runs of the first input: {', '.join(runs[:first])}"
    elif len(present) == 1:
        in_a = np.zeros(len(run_of), dtype=bool)
        in_a[rng.permutation(len(run_of))[: len(run_of) // 2]] = True
        return in_a, f"the only run was split into random halves (seed {seed})"
    elif split == "random":
        mine = set(np.array(present, dtype=object)[rng.permutation(len(present))[: len(present) // 2]])  # fmt: skip
        words = f"A are the runs {', '.join(n for n in present if n in mine)} (random, seed {seed})"
    else:
        mine = set(present[::2])
        words = f"A are the runs {', '.join(present[::2])}; B are {', '.join(present[1::2])}"
    return np.array([name in mine for name in run_of], dtype=bool), words
