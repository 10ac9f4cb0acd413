"""Readers of options that are neither plain numbers nor plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fractions", "number_or", "units_or_file"]


def number_or(*words: str, low: int) -> Callable[..., int | str | None]:
    """
    Make a reader of whole numbers and some words.

    Parameters
    ----------
    *words : str
        The words.
    low : int
        Smallest number.

    Returns
    -------
    read : callable
        Callback of an option.
    """

    def read(_ctx: click.Context, _option: click.Parameter, value: str | None) -> int | str | None:
        if value is None or value in words:
            return value
        if value.isascii() and value.isdigit() and int(value) >= low:
            return int(value)
        listed = ", ".join(repr(word) for word in words)
        raise click.BadParameter(f"{value!r} is neither {listed} nor a number from {low} on.")

    return read


def fractions(
    _ctx: click.Context, _option: click.Parameter, value: str | None
) -> tuple[float, float] | None:
    """
    Read two fractions with a colon between them; either may be left out.

    Parameters
    ----------
    _ctx, _option : object
        As `click` passes them.
    value : str or None
        What was typed.

    Returns
    -------
    fractions : tuple of float or None
        First and last.

    Raises
    ------
    click.BadParameter
        If these are no fractions.
    """
    if value is None:
        return None
    first, colon, last = value.partition(":")
    try:
        a, b = float(first or 0.0), float(last or 1.0)
    except ValueError:
        a = b = 0.0
    if not (colon and 0 <= a < b <= 1):
        raise click.BadParameter(
            f"{value!r} is no part of a replica; write two fractions from 0 to 1, such as 0.2:1.0."
        )
    return a, b


def units_or_file(
    _ctx: click.Context, _option: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """
    Read groups of interchangeable units, or files of them, a group a line.

    Parameters
    ----------
    _ctx, _option : object
        As `click` passes them.
    value : tuple of str
        What was typed.

    Returns
    -------
    groups : tuple of str
        Such as ``"A.0/B.0 A.1/B.1"``.

    Raises
    ------
    InputError
        If a file cannot be read.
    FormatError
        If a file has another form.
    """
    from pathlib import Path

    from congruence.core.units import units_text
    from congruence.io.sampcon import read_symmetry

    found: list[str] = []
    for text in value:
        # Units of a group are separated by white space, so that one word is a file.
        one_word = len(text.split()) == 1
        found += map(units_text, read_symmetry(Path(text))) if one_word else [text]
    return tuple(found)
