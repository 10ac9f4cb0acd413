"""Representations of one molecule at several resolutions, and which of them is nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from congruence.core.topology import ABSENT

__all__ = ["GAUSSIANS", "PARTICLES", "Context", "Resolution", "distance"]

Resolution: TypeAlias = "float | Literal['all']"
"""Wanted residues per bead, or every representation at once."""

PARTICLES, GAUSSIANS = 0, 1
"""Kinds of representation, as ``alternatives/types`` numbers them."""

_NAN = float("nan")


def distance(a: float, b: float) -> float:
    """
    Measure how far two resolutions are apart.

    Parameters
    ----------
    a, b : float
        Resolutions, 0 or more.

    Returns
    -------
    distance : float
        The larger over the smaller less one; infinite if one of them is 0,
        NaN (never closer than anything) if both are.

    Examples
    --------
    >>> distance(1, 10), distance(0, 5)
    (9.0, inf)
    """
    low, high = min(a, b), max(a, b)
    if low == 0:
        return math.inf if high > 0 else _NAN
    return high / low - 1


@dataclass(frozen=True, slots=True)
class Context:
    """
    What the path from the root to a node says about it.

    Parameters
    ----------
    name : str
        Of the molecule.
    copy, state : int
        Indices, or -1.
    chain, sequence, chain_type : str
        Of the molecule.
    resolution : float
        Of the representation; NaN if the file does not say.
    gaussian : bool
        Whether the path goes through a Gaussian representation.
    marked : bool
        Whether it goes through a node that is marked as a molecule.
    """

    name: str = ""
    copy: int = ABSENT
    state: int = ABSENT
    chain: str = ""
    sequence: str = ""
    chain_type: str = ""
    resolution: float = _NAN
    gaussian: bool = False
    marked: bool = False
