"""
Compiled functions, whose machine code is kept in the user's cache folder.

``NUMBA_CACHE_DIR`` names another folder. Where the folder cannot be written,
numba takes its own choice: beside the source, or its own folder in the home.
Without any of these, functions are compiled anew in each process.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numba

from congruence.core.user_cache import user_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["compiled"]


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator as `numba.njit` with these options, with a cache if there can be one."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            with _kernel_folder():
                return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder to cache in
            return numba.njit(**options)(function)

    return decorate


def _config() -> Any:
    return numba.config


@contextmanager
def _kernel_folder() -> Iterator[None]:
    """Let numba take our folder, for functions decorated here and not for those of the user."""
    folder, config = user_cache(), _config()
    chosen = config.CACHE_DIR
    if folder is not None and not chosen:
        # Where it cannot be written, numba goes on to its own folders.
        config.CACHE_DIR = str(folder / "kernels")
    try:
        yield
    finally:
        config.CACHE_DIR = chosen
