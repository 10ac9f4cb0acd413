"""Files that name densities: PMI's ``density_custom_ranges`` and TOML tables."""

from __future__ import annotations

import ast
import tomllib
from typing import TYPE_CHECKING

from congruence.core.selection import Selection, Term, from_pmi, parse
from congruence.errors import FormatError, InputError, SelectionError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_density_ranges"]


def read_density_ranges(path: Path) -> dict[str, Selection]:
    """
    Read named selections, one per density map.

    Parameters
    ----------
    path : Path
        Either TOML (``NAME = "SELECTION"`` lines, perhaps under
        ``[densities]``), or the Python text that PMI and sampcon users write:
        ``density_custom_ranges = {"NAME": ["A", (1, 80, "B.1")]}``. The
        latter is read as literals and never run; ``"Name.k"`` is copy *k*.

    Returns
    -------
    ranges : dict of str to Selection
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read.
    FormatError
        If it has neither form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the density ranges {path}: {error}") from error
    toml = path.suffix == ".toml"
    data = _toml(text, path) if toml else _literal(text, path)
    try:
        return {
            str(name): parse(value) if toml and isinstance(value, str) else _selection(value)
            for name, value in data.items()
        }
    except SelectionError as error:
        raise FormatError(error.message, path=path, hint=error.hint) from error


def _toml(text: str, path: Path) -> dict[str, object]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"is not TOML: {error}", path=path) from error
    table = data.get("densities", data)
    return table if isinstance(table, dict) else {}


def _literal(text: str, path: Path) -> dict[str, object]:
    hint = 'Write density_custom_ranges = {"NAME": ["Molecule", (1, 80, "Other")]}.'
    try:
        tree = ast.parse(text)
        for statement in tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="density_custom_ranges")], value=value):
                    data = ast.literal_eval(value)
                    if isinstance(data, dict):
                        return data
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormatError(
            f"cannot be read as literal values: {error}", path=path, hint=hint
        ) from error
    raise FormatError("has no dictionary density_custom_ranges", path=path, hint=hint)


def _selection(value: object) -> Selection:
    if isinstance(value, Selection):
        return value
    if isinstance(value, str) and any(c in value for c in ":@%+*\"'"):
        return parse(value)
    tree = from_pmi(value)
    return Selection(tuple(_with_copy(term) for term in tree.terms))


def _with_copy(term: Term) -> Term:
    name, dot, copy = term.name.rpartition(".")
    if dot and name and copy.isdigit() and term.copy is None:
        return Term(name, term.ranges, copy=int(copy), state=term.state, contained=term.contained)
    return term
