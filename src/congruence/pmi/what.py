"""What one clustering is about, as scripts say it and as saved matrices remember it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from congruence.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["What"]


@dataclass(frozen=True, eq=False)
class What:
    """
    What is measured, superposed, mapped and written; as scripts say it.

    Parameters
    ----------
    measured, superposed : mapping of str to object, or None
        ``rmsd_calculation_components`` and ``alignment_components``.
    densities : mapping of str to object
        ``density_custom_ranges``.
    state_number : int
        Position of the state, from 0.
    voxel : float
        Edge of a voxel in Å.
    centered : bool
        Whether PDB files have their mean removed.
    """

    measured: Mapping[str, Any] | None
    superposed: Mapping[str, Any] | None = None
    densities: Mapping[str, Any] = field(default_factory=dict)
    state_number: int = 0
    voxel: float = 5.0
    centered: bool = False

    def as_data(self) -> dict[str, Any]:
        """
        Return what defines the distances, as JSON gives it back.

        Returns
        -------
        data : dict
            Components and state; tuples are lists.
        """
        return {
            "rmsd_calculation_components": _plain(self.measured),
            "alignment_components": _plain(self.superposed or None),
            "state_number": self.state_number,
        }

    def agreeing_with(self, about: Mapping[str, Any], stem: str) -> What:
        """
        Compare with what a saved matrix was made of.

        Parameters
        ----------
        about : mapping of str to Any
            What was saved beside the matrix.
        stem : str
            Path of the matrix, for messages.

        Returns
        -------
        what : What
            The same, or with the saved components where none are given.

        Raises
        ------
        ConfigError
            If components are given and differ.
        """
        saved = {name: about.get(name) for name in self.as_data()}
        if self.measured is None:
            return replace(
                self,
                measured=_pmi(saved["rmsd_calculation_components"]),
                superposed=_pmi(saved["alignment_components"]),
                state_number=int(saved["state_number"] or 0),
            )
        for name, value in self.as_data().items():
            if value != saved[name]:
                raise ConfigError(
                    f"the matrix {stem}.npy was made with {name}={saved[name]!r}, now it is {value!r}",
                    hint="Compute it again with load_distance_matrix_file=False, or give another "
                    "distance_matrix_file.",
                )
        return self


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _pmi(value: Any) -> Any:
    """Undo `_plain`: a list that holds a number is a tuple of PMI."""
    if isinstance(value, dict):
        return {k: _pmi(v) for k, v in value.items()}
    if isinstance(value, list):
        parts = [_pmi(v) for v in value]
        return tuple(parts) if any(isinstance(v, int) for v in parts) else parts
    return value
