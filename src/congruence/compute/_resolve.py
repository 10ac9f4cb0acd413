"""A metric held against data: bead indices, weights and active groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from congruence.compute.assignment import ActiveGroup, fitted_assignments
from congruence.core.ensemble import Ensemble
from congruence.core.results import Alignment
from congruence.core.selection import Selection
from congruence.core.sources import CoordinateSource, as_source
from congruence.core.topology import CopyGroup
from congruence.errors import SelectionError, ShapeError
from congruence.typing import BoolArray, Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from congruence.compute.metric import Beads, BeadWeights, Metric

__all__ = ["Data", "Layer", "Part", "Resolved", "WeightsWord", "resolve"]

Data: TypeAlias = Ensemble | CoordinateSource | FloatArray | Float32Array
WeightsWord: TypeAlias = Literal["residues", "none", "given"]


@dataclass(frozen=True, eq=False)
class Part:
    """Beads of shape (c,b), one row a copy, with the roots of their shares, shape (b,)."""

    beads: IntArray
    root: FloatArray


@dataclass(frozen=True, eq=False)
class Layer:
    """A weighted selection, as the beads outside of active groups and one part per group."""

    parts: tuple[Part, ...]
    beads: IntArray
    share: FloatArray


@dataclass(frozen=True, eq=False)
class Resolved:
    """A metric with everything looked up; `fit` is `measure` itself where they are the same."""

    source: CoordinateSource
    alignment: Alignment
    measure: Layer
    fit: Layer
    groups: tuple[ActiveGroup, ...]
    all_groups: tuple[CopyGroup, ...]
    weights: WeightsWord
    names: tuple[str, ...]
    definition: dict[str, str]

    @property
    def same(self) -> bool:
        """Whether what is measured is what is superposed, with the same weights."""
        return self.fit is self.measure

    @property
    def planes(self) -> int:
        """Rows per model in a packed part: x, y, z apart for a superposition, else joined."""
        return 3 if self.alignment is Alignment.SUPERPOSE else 1

    @cached_property
    def loose(self) -> bool:
        """Whether beads are measured that take no part in the superposition."""
        return self.alignment is Alignment.SUPERPOSE and bool(
            np.setdiff1d(self.measure.beads, self.fit.beads).size
        )

    def assignment(self, active: dict[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        """Return one permutation per group of `all_groups`, from those of the active ones."""
        whole = [tuple(range(len(group.beads))) for group in self.all_groups]
        for at, permutation in active.items():
            whole[self.groups[at].index] = permutation
        return tuple(whole)


def resolve(data: Data, metric: Metric) -> Resolved:
    """Look up selections, weights and copies."""
    ensemble = data if isinstance(data, Ensemble) else None
    source = as_source(data)
    n = source.shape[1]
    measure = _bead_mask(metric.measure, ensemble, n, "measure")
    weights, word = _bead_weights(metric.weights, ensemble, n)
    fit, fit_weights, fit_word = measure, weights, word
    if metric.on is not None:
        fit = _bead_mask(metric.on, ensemble, n, "on")
    if metric.fit_weights is not None and metric.mode is not Alignment.NONE:
        fit_weights, fit_word = _bead_weights(metric.fit_weights, ensemble, n)
    selected = (np.where(measure, weights, 0.0), np.where(fit, fit_weights, 0.0))
    all_groups = _copy_groups(metric, ensemble, n)
    groups = _active(all_groups, (measure, fit), selected, metric.mode)
    beads = tuple(all_groups[group.index].beads for group in groups)
    layer = _layer(measure, weights, beads, "measured")
    same = np.array_equal(measure, fit) and np.allclose(
        _shares(selected[0]), _shares(selected[1]), rtol=1e-13, atol=0
    )
    fit_layer = layer if same else _layer(fit, fit_weights, beads, "superposed")
    resolved = Resolved(
        source=source,
        alignment=metric.mode,
        measure=layer,
        fit=fit_layer,
        groups=groups,
        all_groups=all_groups,
        weights=word,
        names=ensemble.models.names if ensemble is not None else (),
        definition={
            "measure": _describe(metric.measure, layer, n),
            "on": _describe(metric.on, fit_layer, n) if metric.on is not None else "measured beads",
            "weights": word,
            "fit_weights": fit_word,
            "copies": _describe_copies(groups, metric.copies),
        },
    )
    next(fitted_assignments(groups))  # refuses too many before anything is read
    if metric.mode is Alignment.NONE:
        del resolved.definition["on"], resolved.definition["fit_weights"]
    return resolved


def _shares(weights: FloatArray) -> FloatArray:
    total = weights.sum()
    return weights / total if total > 0 else weights


def _bead_mask(beads: Beads | None, ensemble: Ensemble | None, n: int, argument: str) -> BoolArray:
    if beads is None:
        return np.ones(n, dtype=bool)
    if _is_selection(beads):
        if ensemble is None:
            raise SelectionError(
                f"{argument}={beads!r} is a selection, but plain coordinates have no molecules",
                hint="Pass bead indices, or an Ensemble.",
            )
        indices = ensemble.beads(beads)  # type: ignore[arg-type]
    else:
        indices = np.asarray(beads)
        if indices.dtype == bool and indices.shape == (n,):
            indices = np.flatnonzero(indices)
    mask = np.zeros(n, dtype=bool)
    fits = indices.ndim == 1 and indices.dtype.kind in "iu" and indices.size
    if not fits or indices.min() < 0 or indices.max() >= n:
        raise ShapeError(
            f"{argument} must hold one or more bead indices from 0 to {n - 1}, "
            f"found {indices.dtype} of shape {indices.shape}",
            hint="Selections are texts such as 'Rpb4:1-80'; "
            "congruence.core.selection.from_pmi reads the tuples of PMI scripts.",
        )
    mask[indices] = True
    return mask


def _is_selection(beads: object) -> bool:
    if isinstance(beads, str | Selection):
        return True
    several = isinstance(beads, Sequence) and len(beads) > 0
    return several and all(isinstance(b, str | Selection) for b in beads)  # type: ignore[attr-defined]


def _bead_weights(
    weights: BeadWeights, ensemble: Ensemble | None, n: int
) -> tuple[FloatArray, WeightsWord]:
    if isinstance(weights, str):
        if weights == "residues" and ensemble is not None:
            return ensemble.topology.residue_counts.astype(np.float64), "residues"
        return np.ones(n), "none"
    given = np.asarray(weights, np.float64)
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any():
        raise ShapeError(
            f"weights must be {n} finite numbers, none negative; found shape {given.shape}",
            hint="Give one weight for every bead of a model, selected or not.",
        )
    return given, "given"


def _layer(mask: BoolArray, weights: FloatArray, groups: tuple[IntArray, ...], kind: str) -> Layer:
    total = weights[mask].sum()
    if not total > 0:
        raise ShapeError(
            f"the weights of all {int(mask.sum())} {kind} beads are zero",
            hint="Give at least one of them a positive weight.",
        )
    share = weights / total
    rest = mask.copy()
    parts = []
    for beads in groups:
        beads = beads[:, mask[beads[0]]]
        rest[beads] = False
        parts.append(Part(beads, np.sqrt(share[beads[0]])))
    outside = np.flatnonzero(rest)
    parts.insert(0, Part(outside[None], np.sqrt(share[outside])))
    selected = np.flatnonzero(mask)
    return Layer(tuple(parts), selected, share[selected])


def _copy_groups(metric: Metric, ensemble: Ensemble | None, n: int) -> tuple[CopyGroup, ...]:
    if isinstance(metric.copies, str):
        auto = metric.copies == "auto" and ensemble is not None
        return ensemble.topology.copy_groups() if auto and ensemble is not None else ()
    groups = tuple(_as_group(at, group) for at, group in enumerate(metric.copies))
    beads = [group.beads.ravel() for group in groups]
    every = np.concatenate([np.empty(0, np.int64), *beads])
    if len(np.unique(every)) != len(every) or (every < 0).any() or (every >= n).any():
        raise ShapeError(
            f"groups of copies must name beads from 0 to {n - 1}, each at most once",
            hint="A bead belongs to one copy of one group.",
        )
    return groups


def _as_group(at: int, group: CopyGroup | IntArray | Any) -> CopyGroup:
    if isinstance(group, CopyGroup):
        return group
    beads = np.asarray(group)
    if beads.ndim != 2 or len(beads) < 2 or not beads.size or beads.dtype.kind not in "iu":
        raise ShapeError(
            f"a group of copies is an integer array of shape (copies, beads per copy) "
            f"with two or more copies, found {beads.dtype} of shape {beads.shape}"
        )
    return CopyGroup(f"group {at}", -1, tuple(range(len(beads))), beads.astype(np.int64))


def _active(
    groups: tuple[CopyGroup, ...],
    masks: tuple[BoolArray, BoolArray],
    weights: tuple[FloatArray, FloatArray],
    alignment: Alignment,
) -> tuple[ActiveGroup, ...]:
    active = []
    for index, group in enumerate(groups):
        alike = all(
            (values[group.beads] == values[group.beads[0]]).all() for values in (*masks, *weights)
        )
        measured, fitted = (bool(mask[group.beads[0]].any()) for mask in masks)
        fitted = fitted and alignment is Alignment.SUPERPOSE
        if alike and (measured or fitted):
            active.append(ActiveGroup(index, len(group.beads), fitted, group.molecule))
    return tuple(active)


def _describe(beads: Beads | None, layer: Layer, n: int) -> str:
    if isinstance(beads, str | Selection):
        words = str(beads)
    elif beads is not None and _is_selection(beads):
        words = " + ".join(str(b) for b in beads)
    else:
        words = "all beads" if len(layer.beads) == n else "given beads"
    return f"{words} ({len(layer.beads)} of {n} beads)"


def _describe_copies(groups: tuple[ActiveGroup, ...], copies: object) -> str:
    if not groups:
        return "off" if isinstance(copies, str) and copies == "off" else "none to interchange"
    return "interchanged: " + ", ".join(f"{g.name} x {g.copies}" for g in groups)
