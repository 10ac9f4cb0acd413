"""How much memory a job may take on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from congruence.errors import ConfigError

__all__ = ["memory_at_hand", "parse_bytes"]

_SHARE = 0.7
_UNKNOWN = 4 << 30
_CGROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def memory_at_hand(
    *, cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")
) -> int:
    """
    Return the bytes that a job may take.

    Parameters
    ----------
    cgroup : Path
        Root of the control groups, which limit containers and batch jobs.
    meminfo : Path
        What the kernel says of memory.

    Returns
    -------
    memory : int
        Seven tenths of what is free within all limits; 4 GiB where nothing is known.
    """
    free = [limit for limit in (_available(meminfo), *_limits(cgroup)) if limit is not None]
    return int(_SHARE * min(free)) if free else _UNKNOWN


def _available(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None


def _limits(cgroup: Path) -> list[int | None]:
    found: list[int | None] = []
    for limit, used in _CGROUPS:
        try:
            most = int((cgroup / limit).read_text(encoding="ascii"))
            found.append(max(0, most - int((cgroup / used).read_text(encoding="ascii"))))
        except (OSError, ValueError):  # "max" is no limit
            continue
    return found


def parse_bytes(text: str) -> int:
    """
    Read a size such as ``4G``.

    Parameters
    ----------
    text : str
        A number with k, M, G or T (powers of 1000) and perhaps a B.

    Returns
    -------
    size : int
        In bytes.

    Raises
    ------
    ConfigError
        If it is none.

    Examples
    --------
    >>> parse_bytes("1.5 GB")
    1500000000
    """
    plain = text.strip().lower().removesuffix("b").removesuffix("i").strip()
    unit = plain[-1:] if plain[-1:].isalpha() else ""
    try:
        size = float(plain.removesuffix(unit)) * _UNITS[unit]
        if size > 0:
            return int(size)
    except (KeyError, ValueError, OverflowError):
        pass
    raise ConfigError(f"'{text}' is not a size of memory", hint="Write it as 4G or 800M.")
