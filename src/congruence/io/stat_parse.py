"""
One line of a stat file: the text of a Python dict, read without evaluating it.

Rows are recognised by regular expressions that match a whole line or nothing,
so the rows that count as valid do not depend on the columns that are asked for.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from congruence.core.models import StatValue

__all__ = ["MIXED", "Row", "parse_row", "read_value", "row_tokens"]

Row: TypeAlias = "dict[int | str, StatValue | None]"
"""One parsed line: column number (or name) to value as stored."""

_DOUBLE = r'"[^"\\\n]*+"'
_STRING = rf"""(?:'[^'\\\n]*+'|{_DOUBLE})"""
_NUMBER = r"[-+]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+"
_WRAPPED = rf"(?:np|numpy)\.(?:float|int|uint)\d++\((?:{_NUMBER}|[-+]?+(?:inf|nan))\)"
_BARE = rf"(?:{_NUMBER}L?+|[-+]?+(?:inf|nan)|None|True|False|{_WRAPPED})"
_VALUE = rf"(?:{_STRING}|{_BARE})"
MIXED = rf"(?:{_DOUBLE}|{_BARE})"
"""Pattern of a value that is not in single quotes."""
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
        # quotes are cut off here rather than in read_value: files of 400 columns are read twice as fast
        return {
            int(k) if k.isdigit() else k[1:-1]: v[1:-1] if v[0] == "'" else read_value(v)
            for k, v in item.findall(line)
        }
    whole, item = _WITH_ESCAPES
    if whole.fullmatch(line):
        return {
            int(k) if k.isdigit() else str(read_value(k)): read_value(v)
            for k, v in item.findall(line)
        }
    return _literal_row(line)


def row_tokens(line: str) -> list[tuple[str, str]]:
    """
    Cut a plain line into keys and values.

    Parameters
    ----------
    line : str
        The line, without surrounding white space.

    Returns
    -------
    tokens : list of (str, str)
        Text of each key and value; empty when the line is no row, or has
        escapes, nested values or unusual spacing.
    """
    whole, item = _PLAIN
    return item.findall(line) if whole.fullmatch(line) else []


def read_value(token: str) -> StatValue | None:
    """
    Read a value.

    Parameters
    ----------
    token : str
        A text that the patterns of this module have approved.

    Returns
    -------
    value : str, int, float or None
        What it stands for.
    """
    first = token[0]
    if first in "'\"u":
        body = token[1:-1] if first != "u" else token[2:-1]
        # a single string literal that the pattern has approved: only its escapes are decoded
        return str(ast.literal_eval(token)) if "\\" in body else body
    if token in _CONSTANTS:
        return _CONSTANTS[token]
    return _number(token)


def _number(token: str) -> StatValue:
    if token[-1] in ")L":
        token = token[token.find("(") + 1 :].rstrip(")L")
    try:
        return float(token) if "." in token else int(token)
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
