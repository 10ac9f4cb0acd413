"""
One line of a stat file: the text of a Python dict, read without evaluating it.

Rows are recognised by regular expressions that match a whole line or nothing,
so the rows that count as valid do not depend on the columns that are asked for.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.core.models import StatValue

__all__ = ["Row", "RowReader", "parse_row"]

Row: TypeAlias = "dict[int | str, StatValue | None]"
"""One parsed line: column number (or name) to value as stored."""

_STRING = r"""(?:'[^'\\\n]*+'|"[^"\\\n]*+")"""
_NUMBER = r"[-+]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+"
_WRAPPED = rf"(?:np|numpy)\.(?:float|int|uint)\d++\((?:{_NUMBER}|[-+]?+(?:inf|nan))\)"
_BARE = rf"(?:{_NUMBER}L?+|[-+]?+(?:inf|nan)|None|True|False|{_WRAPPED})"
_VALUE = rf"(?:{_STRING}|{_BARE})"
_INDEX = r"\d{1,9}+"
_KEY = rf"(?:{_INDEX}|{_STRING})"

# Escapes that Python itself accepts without a warning; a line with any other is no valid row.
_ESCAPE = r"""\\(?:[\\'"abfnrtv]|[0-3]?[0-7]{1,2}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|U0010[0-9a-fA-F]{4})"""
_ESCAPED = rf"""u?+(?:'(?:[^'\\\n]|{_ESCAPE})*+'|"(?:[^"\\\n]|{_ESCAPE})*+")"""


def _patterns(key: str, value: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    whole = re.compile(rf"\{{(?:{key}: {value}(?:, (?!\}})|(?=\}})))*+\}}", re.ASCII)
    return whole, re.compile(rf"({key}): ({value})", re.ASCII)


_PLAIN = _patterns(_KEY, _VALUE)
_WITH_ESCAPES = _patterns(rf"(?:{_INDEX}|{_ESCAPED})", rf"(?:{_ESCAPED}|{_BARE})")
_CONSTANTS: dict[str, StatValue | None] = {"None": None, "True": True, "False": False}
_LONGEST_LITERAL = 1 << 20
_MOST_LAYOUT_COLUMNS = 64
_LAYOUT_TRIES = 4


def parse_row(line: str) -> Row | None:
    """
    Read one line.

    Parameters
    ----------
    line : str
        The line, without surrounding white space.

    Returns
    -------
    row : dict or None
        Column number (version 2) or name (version 1) to value: strings as
        they are, bare numbers as numbers (``np.float64(1.5)``, ``nan`` and
        ``inf`` too), nested lists as their text. None when the line is not
        the text of a dict.

    Examples
    --------
    >>> parse_row("{0: '12.5', 1: nan, 2: np.float64(1.5)}")
    {0: '12.5', 1: nan, 2: 1.5}
    >>> parse_row("{0: '12.5', 1: 'ab{0: '1', 1: 'c'}") is None
    True
    """
    if not line.startswith("{"):
        return None
    whole, item = _PLAIN
    if whole.fullmatch(line):
        # quotes are cut off here rather than in _value: files of 400 columns are read twice as fast
        return {
            int(k) if k.isdigit() else k[1:-1]: v[1:-1] if v[0] == "'" else _value(v)
            for k, v in item.findall(line)
        }
    whole, item = _WITH_ESCAPES
    if whole.fullmatch(line):
        return {int(k) if k.isdigit() else str(_value(k)): _value(v) for k, v in item.findall(line)}
    return _literal_row(line)


def _value(token: str) -> StatValue | None:
    first = token[0]
    if first in "'\"u":
        body = token[1:-1] if first != "u" else token[2:-1]
        # a single string literal that the pattern has approved: only its escapes are decoded
        return str(ast.literal_eval(token)) if "\\" in body else body
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    return _number(token)


def _number(token: str) -> StatValue:
    token = token.rstrip("L")
    if token.endswith(")"):
        token = token[token.index("(") + 1 : -1]
    try:
        return int(token)
    except ValueError:
        return float(token)


def _literal_row(line: str) -> Row | None:
    """Read a dict with unusual spacing or nested values; backslashes were dealt with before."""
    if "\\" in line or len(line) > _LONGEST_LITERAL:
        return None
    try:
        found = ast.literal_eval(line)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(type(k) in (int, str) for k in found):
        return None
    if any(isinstance(v, bytes | complex | set) for v in found.values()):
        return None
    scalar = (str, int, float, type(None))
    return {k: v if isinstance(v, scalar) else repr(v) for k, v in found.items()}


class RowReader:
    """
    Pull some columns out of many lines.

    The order of columns in the first lines is remembered, and lines that
    repeat it are matched by one compiled pattern; all others are read in
    full. The result is the same.

    Parameters
    ----------
    keys : sequence of int or str
        Columns to pull: numbers (version 2) or names (version 1).
    """

    def __init__(self, keys: Sequence[int | str]) -> None:
        self._keys = tuple(keys)
        self._layout: re.Pattern[str] | None = None
        self._order: tuple[int, ...] = ()
        self._tries = _LAYOUT_TRIES if len(self._keys) <= _MOST_LAYOUT_COLUMNS else 0

    def read(self, line: str) -> list[StatValue | None] | Row | None:
        """
        Read one line.

        Parameters
        ----------
        line : str
            The line, without surrounding white space.

        Returns
        -------
        values : list, dict or None
            Values of the columns, in order, when the line repeats the known
            layout; else the whole row as `parse_row` gives it.
        """
        if self._layout is not None:
            match = self._layout.fullmatch(line)
            if match is not None:
                tokens = match.groups()
                return [_value(tokens[i]) for i in self._order]
        row = parse_row(line)
        if row is not None and self._tries and "\\" not in line:
            self._learn(row)
        return row

    def _learn(self, row: Row) -> None:
        self._tries -= 1
        place = {key: i for i, key in enumerate(row)}
        if not all(key in place for key in self._keys):
            return
        asked = sorted(set(self._keys), key=place.__getitem__)
        tokens = tuple(str(k) if isinstance(k, int) else repr(k) for k in asked)
        named = all(isinstance(k, str) for k in row)
        if not named and any(isinstance(k, str) for k in row):
            return
        self._layout = _layout(tokens, tuple(place[k] for k in asked), len(row), named)
        self._order = tuple(asked.index(k) for k in self._keys)


@lru_cache(maxsize=64)
def _layout(
    tokens: tuple[str, ...], places: tuple[int, ...], n: int, named: bool
) -> re.Pattern[str]:
    """Compile a pattern for lines of n columns that captures the values at some places."""
    key = _STRING if named else _INDEX
    skipped = f"{key}: {_VALUE}"
    parts: list[str] = []
    last = -1
    for token, place in zip(tokens, places, strict=True):
        parts += [_skip(skipped, place - last - 1), rf"{re.escape(token)}: ({_VALUE})"]
        last = place
    parts.append(_skip(skipped, n - 1 - last))
    return re.compile(r"\{" + ", ".join(p for p in parts if p) + r"\}", re.ASCII)


def _skip(item: str, count: int) -> str:
    if count < 2:
        return item * count
    return rf"{item}(?:, {item}){{{count - 1}}}+"
