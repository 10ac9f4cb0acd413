"""
Good-scoring models: thresholds on scores and on satisfied cross-links.

Criteria are closed ranges. A cross-link criterion looks at all distance columns
of a kind: columns of one pair of residues (copies of a molecule are not told
apart) are one ambiguous link, whose distance is the smallest; a model passes
when the fraction of links in range is.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from congruence.core.good_models import GoodModels, LinkCriterion, RangeCriterion
from congruence.core.models import to_floats
from congruence.core.provenance import LeftOut
from congruence.errors import ConfigError, InputError, SelectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from congruence.core.models import ModelTable
    from congruence.typing import BoolArray, FloatArray

    Criterion: TypeAlias = LinkCriterion | RangeCriterion

__all__ = [
    "REFERENCE_DISTANCES",
    "choose_good",
    "group_links",
    "link_columns",
    "link_distances",
    "range_criterion",
    "reference_columns",
    "satisfied_fraction",
]

REFERENCE_DISTANCES = "CrossLinkingMassSpectrometryRestraint_Distance_"
"""What PMI's cross-link distance columns begin with."""

_FIELDS = 7
_NO_CRITERIA = "Give --links with --max-distance, or --where 'Total_Score<100', or both."


def group_links(columns: Iterable[str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """
    Group cross-link distance columns into links.

    The name of a column is split at ``|``; fields 4 to 7 are protein, residue,
    protein, residue; what follows the first ``.`` of a protein is its copy and
    is dropped. Columns with the same four belong to one ambiguous link, whatever
    the identifier of the link and the name of the data set.

    Parameters
    ----------
    columns : iterable of str
        Names of columns. One without seven fields is a link of its own.

    Returns
    -------
    links : dict of tuple to tuple of str
        Columns of each link, both in order of appearance.

    Examples
    --------
    >>> names = ["D_|XL|1.1|A.0|5|B|9|0|PSI|", "D_|XL|1.2|A.1|5|B|9|0|PSI|"]
    >>> group_links(names)[("A", "5", "B", "9")] == tuple(names)
    True
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for column in columns:
        fields = column.split("|")
        key: tuple[str, ...] = (column,)
        if len(fields) >= _FIELDS:
            one, at, two, to = fields[3:_FIELDS]
            key = (one.split(".")[0], at, two.split(".")[0], to)
        found.setdefault(key, []).append(column)
    return {key: tuple(names) for key, names in found.items()}


def link_columns(keyword: str, names: Iterable[str]) -> tuple[str, ...]:
    """
    Find the distance columns that a keyword means.

    Parameters
    ----------
    keyword : str
        What their names begin with; failing that, what they contain beside
        the word ``Distance``.
    names : iterable of str
        All columns.

    Returns
    -------
    columns : tuple of str
        In the order of `names`.

    Raises
    ------
    SelectionError
        If there are none.
    """
    known = list(names)
    found = [n for n in known if n.startswith(keyword)]
    found = found or [n for n in known if keyword in n and "distance" in n.lower()]
    if not found:
        raise _no_column(f"no column of distances begins with or contains '{keyword}'", known)
    return tuple(found)


def reference_columns(keyword: str, names: Iterable[str]) -> tuple[str, ...]:
    """
    Find the columns that a keyword of the reference program's selection means.

    Parameters
    ----------
    keyword : str
        Full name of a column, or part of the name of cross-link distances.
    names : iterable of str
        All columns.

    Returns
    -------
    columns : tuple of str
        One, or several distances.

    Raises
    ------
    SelectionError
        If there are none.
    """
    known = list(names)
    if keyword in known:
        return (keyword,)
    found = tuple(n for n in known if n.startswith(REFERENCE_DISTANCES) and keyword in n)
    if not found:
        raise _no_column(
            f"no column is called '{keyword}' and no cross-link distance has it", known
        )
    return found


def _no_column(message: str, known: Sequence[str]) -> SelectionError:
    name = message.partition("'")[2].partition("'")[0]
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.4)
    near = near or [n for n in known if "distance" in n.lower()][:4] or sorted(known)[:8]
    more = f"; near names: {', '.join(near)}" if near else "; there are no columns"
    return SelectionError(
        message + more,
        hint="Names are case-sensitive. 'congruence inspect RUNS' lists all columns.",
    )


def link_distances(values: Mapping[str, FloatArray], links: Iterable[Sequence[str]]) -> FloatArray:
    """
    Return the distance of each link, the smallest over its alternatives.

    Parameters
    ----------
    values : mapping of str to ndarray, dtype=float64, shape=(m,)
        Distances in Å, by column; NaN where missing.
    links : iterable of sequence of str
        Columns of each link.

    Returns
    -------
    distances : ndarray, dtype=float64, shape=(m,links)
        In Å; NaN where all alternatives are missing.
    """
    found = [
        np.fmin.reduce([values[column] for column in columns]) for columns in links
    ]  # fmin: a missing alternative is no reason to lose the others
    return np.array(found, dtype=np.float64).T


def satisfied_fraction(distances: FloatArray, criterion: LinkCriterion) -> FloatArray:
    """
    Return the fraction of links in range.

    Parameters
    ----------
    distances : ndarray, dtype=float64, shape=(m,links)
        Distance of each link in Å.
    criterion : LinkCriterion
        The range.

    Returns
    -------
    fraction : ndarray, dtype=float64, shape=(m,)
        0 to 1; NaN for a model without the distance of some link.

    Examples
    --------
    >>> d = np.array([[10.0, 15.0], [10.0, 15.1]])
    >>> satisfied_fraction(d, LinkCriterion("D_", 15.0)).tolist()
    [1.0, 0.5]
    """
    inside = (distances >= criterion.min_distance) & (distances <= criterion.max_distance)
    fraction: FloatArray = inside.sum(axis=1) / distances.shape[1]
    fraction[np.isnan(distances).any(axis=1)] = np.nan
    return fraction


def range_criterion(column: str, operator: str, value: float) -> RangeCriterion:
    """
    Turn a condition into a range.

    Parameters
    ----------
    column : str
        Full name of the score.
    operator : {"<", "<=", ">", ">=", "=="}
        Operator.
    value : float
        Threshold.

    Returns
    -------
    criterion : RangeCriterion
        Open where the operator is strict.

    Raises
    ------
    ConfigError
        If the operator is another one.
    """
    if operator in ("<", "<="):
        return RangeCriterion(column, high=value, high_open=operator == "<")
    if operator in (">", ">="):
        return RangeCriterion(column, low=value, low_open=operator == ">")
    if operator == "==":
        return RangeCriterion(column, low=value, high=value)
    raise ConfigError(
        f"operator '{operator}' cannot choose good models",
        hint="Use <, <=, >, >= or ==.",
    )


def choose_good(
    table: ModelTable,
    criteria: Sequence[Criterion],
    columns: Mapping[str, Sequence[str]],
    *,
    usable: BoolArray | None = None,
) -> GoodModels:
    """
    Choose the models that pass all criteria.

    Parameters
    ----------
    table : ModelTable
        All rows, in reading order.
    criteria : sequence of LinkCriterion or RangeCriterion
        What a good model fulfils.
    columns : mapping of str to sequence of str
        For each keyword of a cross-link criterion its columns of the table.
    usable : ndarray, dtype=bool, shape=(m,), optional
        Models that may be chosen at all.

    Returns
    -------
    good : GoodModels
        At least one model.

    Raises
    ------
    ConfigError
        If there are no criteria.
    SelectionError
        If a column is not in the table.
    InputError
        If no model passes; the message says how near the nearest one comes.
    """
    if not criteria:
        raise ConfigError("there are no criteria for good models", hint=_NO_CRITERIA)
    keep = np.ones(len(table), dtype=bool) if usable is None else usable.copy()
    steps = [("all rows", len(table))]
    if usable is not None:
        steps.append(("usable", int(keep.sum())))
    left_out: list[LeftOut] = []
    values, links, alone = [], {}, []
    for criterion in criteria:
        if isinstance(criterion, LinkCriterion):
            value, count = _fractions(table, criterion, columns[criterion.keyword])
            links[criterion.keyword] = count
            passed = (value >= criterion.low) & (value <= criterion.high)
        else:
            value = _column(table, criterion.column)
            passed = criterion.passes(value)
        if missing := int((keep & np.isnan(value)).sum()):
            why = f"the value of {criterion.name} is missing or no number"
            left_out.append(LeftOut("criteria", "models", why, missing))
        alone.append(passed)
        keep &= passed
        values.append(value)
        steps.append((str(criterion), int(keep.sum())))
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise _nothing_passes(table, criteria, values, alone, columns)
    names = tuple(c.name for c in criteria)
    return GoodModels(
        rows,
        table.take(rows),
        names,
        np.array(values).T[rows],
        tuple(steps),
        links,
        tuple(left_out),
    )


def _fractions(
    table: ModelTable, criterion: LinkCriterion, columns: Sequence[str]
) -> tuple[FloatArray, int]:
    links = list(group_links(columns).values())
    distances = link_distances({c: _column(table, c) for c in columns}, links)
    return satisfied_fraction(distances, criterion), len(links)


def _column(table: ModelTable, name: str) -> FloatArray:
    if name in table.columns:
        return to_floats(table.columns[name])
    if name == table.score_key:
        return table.score
    raise _no_column(f"no column is called '{name}'", sorted(table.columns))


def _nothing_passes(
    table: ModelTable,
    criteria: Sequence[Criterion],
    values: Sequence[FloatArray],
    alone: Sequence[BoolArray],
    columns: Mapping[str, Sequence[str]],
) -> InputError:
    told = []
    for criterion, value, passed in zip(criteria, values, alone, strict=True):
        if passed.any():
            told.append(f"{criterion}: {int(passed.sum()):,} models pass this alone")
        elif isinstance(criterion, LinkCriterion):
            told.append(_nearest_links(table, criterion, value, columns[criterion.keyword]))
        else:
            told.append(_nearest_value(table, criterion, value))
    return InputError(
        f"none of {len(table):,} models passes all criteria; " + "; ".join(told),
        hint="Loosen a criterion, or sample more. 'congruence inspect RUNS' shows the ranges of scores.",
    )


def _where(table: ModelTable, row: int) -> str:
    return f"run {table.run[row]}, replica {table.replica[row]}, row {table.row[row]}"


def _nearest_value(table: ModelTable, criterion: RangeCriterion, value: FloatArray) -> str:
    if np.isnan(value).all():
        return f"{criterion}: no model has a number there"
    away = np.fmax(criterion.low - value, value - criterion.high)
    row = int(np.nanargmin(away))
    return f"{criterion}: the nearest value is {value[row]:.6g} ({_where(table, row)})"


def _nearest_links(
    table: ModelTable, criterion: LinkCriterion, value: FloatArray, columns: Sequence[str]
) -> str:
    if np.isnan(value).all():
        return f"{criterion}: no model has all distances"
    away = np.fmax(criterion.low - value, value - criterion.high)
    row = int(np.nanargmin(away))
    text = (
        f"{criterion}: the nearest model satisfies {100 * value[row]:.4g} % ({_where(table, row)})"
    )
    links = list(group_links(columns).values())
    distances = link_distances({c: _column(table, c) for c in columns}, links)
    needed = math.ceil(criterion.low * len(links) - 1e-9)
    if needed < 1 or criterion.min_distance > 0 or value[row] > criterion.high:
        return text
    reach = float(np.nanmin(np.sort(distances, axis=1)[:, needed - 1]))
    return f"{text}; a maximum distance of {reach:.6g} Å would let it pass"
