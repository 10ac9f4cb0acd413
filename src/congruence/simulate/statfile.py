"""Stat files as PMI writes them: version 2, one dict a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from congruence import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["number", "stat_text"]


def number(value: float) -> str:
    """
    Print a number with twelve digits, which is the same on every machine.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    text : str
        Such as ``"12.5"``.

    Examples
    --------
    >>> number(1 / 3), number(2.0)
    ('0.333333333333', '2.0')
    """
    return repr(float(f"{value:.12g}"))


def stat_text(
    columns: Mapping[str, Sequence[str | int | float]],
    *,
    environ: Mapping[str, str],
    rotate: int = 0,
) -> str:
    """
    Write a stat file.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by column, all of one length.
    environ : mapping of str to str
        What the header claims the environment variables were.
    rotate : int
        By how many places the numbering of the columns is turned: it differs
        from file to file.

    Returns
    -------
    text : str
        Header and rows.

    Examples
    --------
    >>> stat_text({"a": ["1.5"], "b": [0]}, environ={}).splitlines()[1]
    "{0: '1.5', 1: 0} "
    """
    names = list(columns)
    turn = rotate % len(names)
    names = names[turn:] + names[:turn]
    header: dict[str | int, str] = {
        "STAT2HEADER": "STAT2HEADER",
        "STAT2HEADER_ENVIRON": str(dict(environ)),
        "STAT2HEADER_IMP_VERSIONS": str(
            {"IMP_VERSION": f"simulated-{__version__}", "PMI_VERSION": f"simulated-{__version__}"}
        ),
    }
    header.update(enumerate(names))
    rows = zip(*(columns[name] for name in names), strict=True)
    lines = [repr(header), *(repr(dict(enumerate(row))) for row in rows)]
    return "".join(f"{line} \n" for line in lines)
