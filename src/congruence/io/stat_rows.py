"""
Many lines of a stat file that are built alike, read quickly.

How a line is built is learned once, and checked for every line that follows: what
is read is what `congruence.io.stat_parse.parse_row` reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from congruence.io.stat_parse import MIXED, parse_row, read_value, row_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from congruence.core.models import StatValue
    from congruence.io.stat_parse import Row

__all__ = ["RowReader"]

_TRIES = 8


class RowReader:
    """
    Pull some columns out of many lines.

    Lines that are built like one of the first are cut at their quotes; all
    others are read in full. The result is the same.

    Parameters
    ----------
    keys : sequence of int or str
        Columns to pull: numbers (version 2) or names (version 1).
    """

    def __init__(self, keys: Sequence[int | str]) -> None:
        self._keys = tuple(keys)
        self._layouts: dict[int, _Layout] = {}
        self._tries = _TRIES

    def read(self, line: str) -> tuple[StatValue | None, ...] | Row | None:
        """
        Read one line.

        Parameters
        ----------
        line : str
            The line, without surrounding white space.

        Returns
        -------
        values : tuple, dict or None
            Values of the columns, in order, when the line repeats a known
            layout; else the whole row as `parse_row` gives it.
        """
        plain = "\\" not in line and "\n" not in line
        if plain and self._layouts:
            parts = line.split("'")
            layout = self._layouts.get(len(parts))
            values = None if layout is None else layout.values(parts)
            if values is not None:
                return values
        row = parse_row(line)
        if row is not None and self._tries and plain:
            self._learn(line, row)
        return row

    def _learn(self, line: str, row: Row) -> None:
        self._tries -= 1
        tokens = row_tokens(line)
        named = sum(isinstance(key, str) for key in row)
        if (
            len(tokens) == len(row)
            and named in (0, len(row))
            and all(key in row for key in self._keys)
        ):
            learning = _Learning(frozenset(self._keys))
            for key, (name, value) in zip(row, tokens, strict=True):
                learning.add(key, name, value)
            self._layouts[line.count("'") + 1] = learning.layout(self._keys)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """
    How a line is built, seen as its parts between single quotes.

    A value in single quotes is one part. The parts between such values are a
    gap: one of nothing but keys has to be the same text again, one with numbers
    or text in double quotes has to match a pattern. A line that passes is a row
    for certain, since no backslash hides a quote in it.
    """

    fixed_at: Callable[[Sequence[Any]], tuple[Any, ...]]
    fixed: tuple[str, ...]
    gaps: tuple[tuple[slice, re.Pattern[str]], ...]
    asked: Callable[[Sequence[Any]], tuple[Any, ...]]

    def values(self, parts: list[Any]) -> tuple[StatValue | None, ...] | None:
        """Return the asked values of a line, or None when it is built otherwise."""
        if self.fixed_at(parts) != self.fixed:
            return None
        for where, pattern in self.gaps:
            match = pattern.fullmatch("'".join(parts[where]))
            if match is None:
                return None
            parts.extend(map(read_value, match.groups()))
        return self.asked(parts)


class _Learning:
    """Builds a layout from the keys and values of one line."""

    def __init__(self, wanted: frozenset[int | str]) -> None:
        self._wanted = wanted
        self._fixed: dict[int, str] = {}
        self._gaps: list[tuple[slice, re.Pattern[str]]] = []
        self._place: dict[int | str, int] = {}
        self._loose: list[int | str] = []
        self._at = 0
        self._text = "{"
        self._pattern = re.escape(self._text)
        self._is_mixed = self._is_begun = False

    def add(self, key: int | str, name: str, value: str) -> None:
        """Take a key, its text and the text of its value."""
        self._literal(f"{', ' if self._is_begun else ''}{name}: ")
        self._is_begun = True
        if value[0] == "'":
            self._close()
            self._place[key] = self._at
            self._at += 1
            return
        self._is_mixed = True
        self._text += value
        self._pattern += f"({MIXED})" if key in self._wanted else MIXED
        self._loose += [key] if key in self._wanted else []

    def _literal(self, text: str) -> None:
        self._text += text
        self._pattern += re.escape(text)

    def _close(self) -> None:
        parts = self._text.split("'")
        if self._is_mixed:
            where = slice(self._at, self._at + len(parts))
            self._gaps.append((where, re.compile(self._pattern, re.ASCII)))
        else:
            self._fixed.update(enumerate(parts, self._at))
        self._at += len(parts)
        self._text = self._pattern = ""
        self._is_mixed = False

    def layout(self, asked: Sequence[int | str]) -> _Layout:
        """Return what was learned, for the columns that are asked for."""
        self._literal("}")
        self._close()
        place = self._place | {key: self._at + i for i, key in enumerate(self._loose)}
        fixed = [*self._fixed]
        return _Layout(
            _picker(fixed),
            tuple(self._fixed.values()),
            tuple(self._gaps),
            _picker([place[key] for key in asked]),
        )


def _picker(at: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(at) > 1:
        return itemgetter(*at)
    return lambda parts: tuple(parts[i] for i in at)
