"""Thresholds on columns, as users write them."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from congruence.typing import BoolArray, FloatArray

__all__ = ["Condition", "parse_condition"]

_OPERATORS: dict[str, Callable[[FloatArray, float], BoolArray]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(
    r"(.*\S)\s*(<=|>=|==|!=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf)\s*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """
    A threshold on a column.

    Parameters
    ----------
    column : str
        Full name of the column, or of the score.
    operator : str
        One of ``<``, ``<=``, ``>``, ``>=``, ``==`` and ``!=``.
    value : float
        The threshold.
    """

    column: str
    operator: str
    value: float

    def holds(self, values: FloatArray) -> BoolArray:
        """
        Tell where the condition holds.

        Parameters
        ----------
        values : ndarray, dtype=float64, shape=(n,)
            Values of the column.

        Returns
        -------
        holds : ndarray, dtype=bool, shape=(n,)
            False where the value is not a number, unless the operator is ``!=``.
        """
        return _OPERATORS[self.operator](values, self.value)

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.value:g}"


def parse_condition(text: str) -> Condition:
    """
    Read a condition such as ``Total_Score<150``.

    Parameters
    ----------
    text : str
        Column, operator and number. The last operator that a number follows
        counts, since names of columns may contain anything.

    Returns
    -------
    condition : Condition
        The condition.

    Raises
    ------
    ConfigError
        If the text has another form.

    Examples
    --------
    >>> parse_condition("Distance_|A|1|<?|B|2| <= 30")
    Condition(column='Distance_|A|1|<?|B|2|', operator='<=', value=30.0)
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"condition '{text}' cannot be read: expected a column, an operator and a number",
            hint=f"Write it like Total_Score<150; operators are {' '.join(_OPERATORS)}.",
        )
    return Condition(match[1].strip(), match[2], float(match[3]))
