"""
Memory of a Dask worker: freed arrays are used again.

A worker that has a nanny is started with ``MALLOC_TRIM_THRESHOLD_``, so that it gives
memory back early. That variable also stops the C library from learning how large the arrays
of a program are: from then on each one above 128 KiB is mapped from the system, filled
with zeros page by page, and unmapped. Tasks that make many arrays of a megabyte, as ours do, then take
up to six times as long.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

__all__ = ["learn_sizes"]

_TRIM, _MAP = -1, -3
"""Of ``malloc.h``: M_TRIM_THRESHOLD and M_MMAP_THRESHOLD."""

_LARGEST = 32 << 20
"""What the C library learns at most on 64 bits; it keeps twice as much."""


@cache
def learn_sizes() -> bool:
    """
    Let the C library keep what the largest arrays take, as in a process without a nanny.

    Nothing is changed where no nanny has asked for something else, where the
    thresholds of mapping were chosen by hand, and without the GNU C library.

    Returns
    -------
    changed : bool
        Whether anything was changed; once for a process.
    """
    chosen = os.environ
    if "MALLOC_TRIM_THRESHOLD_" not in chosen or "MALLOC_MMAP_THRESHOLD_" in chosen:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another system, or another C library
        return False
    return bool(mallopt(_MAP, _LARGEST) and mallopt(_TRIM, 2 * _LARGEST))
