"""Where this package keeps what it may make again: the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["CACHE_OFF", "VARIABLE", "user_cache"]

VARIABLE = "CONGRUENCE_CACHE"
"""Environment variable that names the cache folder, or says ``off``."""

CACHE_OFF = ("off", "0", "no", "false")
"""Values of the variable that name no folder."""


def user_cache() -> Path | None:
    """
    Return the cache folder of this package, which need not be there yet.

    Returns
    -------
    folder : Path or None
        What ``CONGRUENCE_CACHE`` names. Where it names nothing, or says ``off``:
        ``congruence`` in the cache folder of the platform, which is
        ``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS,
        ``%LOCALAPPDATA%`` on Windows. None when there is no home.
    """
    named = os.environ.get(VARIABLE, "")
    try:
        if named and named.lower() not in CACHE_OFF:
            return Path(named).expanduser()
        if sys.platform == "darwin":
            base = Path("~/Library/Caches")
        elif sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local")
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
        return base.expanduser() / "congruence"
    except RuntimeError:  # there is no home
        return None
