"""What a distance between two models is: the words of its definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from congruence.core.results import Alignment
from congruence.core.selection import Selection
from congruence.core.topology import CopyGroup
from congruence.errors import ConfigError
from congruence.typing import FloatArray, IntArray

__all__ = ["BeadWeights", "Beads", "Copies", "Metric", "MetricWords", "given_metric"]

Beads: TypeAlias = str | Selection | Sequence[str | Selection] | IntArray
"""Beads, by a selection (ensembles only) or by their indices."""

BeadWeights: TypeAlias = Literal["residues", "none"] | FloatArray
"""Weight of each bead: its number of residues, one, or an array of shape (n,)."""

Copies: TypeAlias = Literal["auto", "off"] | tuple[CopyGroup | IntArray, ...]
"""Interchangeable copies: those of the topology, none, or given groups of shape (c,b)."""


class MetricWords(TypedDict, total=False):
    """The fields of a `Metric` as keywords of a call."""

    alignment: Alignment | str
    measure: Beads | None
    on: Beads | None
    weights: BeadWeights
    fit_weights: BeadWeights | None
    copies: Copies


@dataclass(frozen=True, eq=False)
class Metric:
    """
    Definition of the distance between two models.

    The distance is the root of ``sum(w * |x - y|**2) / sum(w)`` over the
    measured beads, after the second model was brought onto the first, and the
    smallest over all assignments of interchangeable copies.

    Parameters
    ----------
    alignment : Alignment or {"none", "center", "superpose"}
        Coordinates as they are; centroids removed; optimal proper rotation.
    measure : str, Selection, sequence of them or ndarray of int, optional
        Beads whose distances count; all by default.
    on : str, Selection, sequence of them or ndarray of int, optional
        Beads whose centroid is removed, or that are superposed; the measured
        ones by default.
    weights : {"residues", "none"} or ndarray, dtype=float64, shape=(n,)
        Weight of each of the *n* beads of a model. ``"residues"`` needs a
        topology; for a plain array all weights are then equal.
    fit_weights : {"residues", "none"} or ndarray, dtype=float64, shape=(n,), optional
        Weights of the centroid and of the superposition; `weights` by default.
        ``"none"`` together with ``weights="residues"`` is what IMP does.
        Without effect when `alignment` is ``"none"``.
    copies : {"auto", "off"} or tuple of CopyGroup or of ndarray of int, shape=(c,b)
        Interchangeable copies: ``Topology.copy_groups()``, none, or the given
        groups, row *k* holding the beads of copy *k* (of sub-complexes see
        `congruence.core.units.unit_groups`). A group takes part when
        the same beads with the same weights are selected in each of its
        copies, among the measured and among the fitted beads.

    Raises
    ------
    ConfigError
        If a word is not one of the above, or `on` is given without alignment.

    Examples
    --------
    >>> Metric("superpose", measure="Rpb4 + Rpb7", on="Rpb4").alignment
    <Alignment.SUPERPOSE: 'superpose'>
    """

    alignment: Alignment | str
    measure: Beads | None = None
    on: Beads | None = None
    weights: BeadWeights = "residues"
    fit_weights: BeadWeights | None = None
    copies: Copies = "auto"

    def __post_init__(self) -> None:
        modes = [mode.value for mode in Alignment]
        if self.alignment not in modes:
            raise ConfigError(
                f"alignment is {self.alignment!r}, expected one of {', '.join(modes)}",
                hint="Use 'none' when a map or a fixed part gives the frame, else 'superpose'.",
            )
        object.__setattr__(self, "alignment", Alignment(self.alignment))
        if self.alignment is Alignment.NONE and self.on is not None:
            raise ConfigError(
                "'on' names beads to superpose, but the alignment is 'none'",
                hint="Leave out 'on', or choose alignment 'superpose' or 'center'.",
            )
        for name, value, words in (
            ("weights", self.weights, ("residues", "none")),
            ("fit_weights", self.fit_weights, ("residues", "none")),
            ("copies", self.copies, ("auto", "off")),
        ):
            if isinstance(value, str) and value not in words:
                raise ConfigError(
                    f"{name} is {value!r}, expected {' or '.join(map(repr, words))} or arrays"
                )

    @property
    def mode(self) -> Alignment:
        """The alignment, as an `Alignment`."""
        return Alignment(self.alignment)


def given_metric(metric: Metric | None, words: MetricWords) -> Metric:
    """
    Return the metric that a call was given, whole or in words.

    Parameters
    ----------
    metric : Metric or None
        The metric, if it was given whole.
    words : MetricWords
        Its fields, if it was given in words.

    Returns
    -------
    metric : Metric
        The metric.

    Raises
    ------
    ConfigError
        If both were given, or the words name no alignment.

    Examples
    --------
    >>> given_metric(None, {"alignment": "center"}).mode
    <Alignment.CENTER: 'center'>
    """
    if metric is not None and words:
        raise ConfigError(
            f"both a metric and {', '.join(words)} were given", hint="Give one or the other."
        )
    if metric is not None:
        return metric
    if "alignment" not in words:
        raise ConfigError(
            "the alignment of the distance is missing",
            hint="Say alignment='none' when a map or a fixed part gives the frame, 'superpose' "
            "when models may turn and shift, 'center' when they may only shift.",
        )
    return Metric(**words)
