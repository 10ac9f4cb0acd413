"""
Any rectangle of a matrix of distances, computed by itself.

Whoever divides a matrix among processes computes rectangles of it. The
arithmetic is that of `congruence.compute.rmsd.rmsd_tiles`, over the same tiles of
128 x 128 models, so that the bytes are the same on equal processors.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.compute._blocks import estimate
from congruence.compute._eigen import stage
from congruence.compute._packing import TILE, Packer
from congruence.compute._resolve import _bead_mask, _bead_weights, _copy_groups, resolve
from congruence.compute._tiles import TileComputer
from congruence.compute.rmsd import _Run
from congruence.core.ensemble import Ensemble
from congruence.core.sources import CondensedSink, as_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from congruence.compute._resolve import Data
    from congruence.compute._tiles import Arithmetic, Precision
    from congruence.compute.metric import Metric
    from congruence.typing import FloatArray

__all__ = [
    "TILE",
    "Rectangles",
    "Settled",
    "bare_metric",
    "one_blas_thread",
    "pair_seconds",
    "settle",
]

_RATE = 3.5e10
_ROTATION_SECONDS = 2.5e-7
_STAGE_SECONDS = 2e-8  # of one thread, beyond what is estimated for all


class Rectangles:
    """
    Rectangles of one matrix of distances.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å; only those of a rectangle are read for it.
    metric : Metric
        The definition of the distance.
    settled : Settled
        The arithmetic, the same for all rectangles.
    kernel : str
        ``"numpy"`` or ``"numba"``; empty for what the number of pairs asks for.
    """

    def __init__(self, data: Data, metric: Metric, settled: Settled, *, kernel: str = "") -> None:
        resolved = resolve(data, metric)
        self.m = resolved.source.shape[0]
        pairs = self.m * (self.m - 1) // 2
        self._computer = TileComputer(
            resolved, stage(pairs, kernel), settled.precision, settled.single_error
        )
        self._packer = Packer(resolved, single=self._computer.laying)

    def compute(self, i: int, j: int, edge: int) -> FloatArray:
        """
        Compute a square of at most `edge` models a side.

        Parameters
        ----------
        i, j : int
            Model of the first row and of the first column, multiples of the edge.
        edge : int
            Models along its edge, a multiple of 128.

        Returns
        -------
        distances : ndarray, dtype=float64, shape=(rows,columns)
            In Å; symmetric on the diagonal. Takes 48 bytes per model and bead
            of both sides beside the result.
        """
        with one_blas_thread():
            rows = {a: self._packer.tile(a) for a in self._starts(i, edge)}
            columns = rows if i == j else {b: self._packer.tile(b) for b in self._starts(j, edge)}
            out = np.zeros((min(edge, self.m - i), min(edge, self.m - j)))
            for a, one in rows.items():
                for b, two in columns.items():
                    if i == j and b < a:
                        continue
                    part = self._computer.distances(one, two)
                    out[a - i : a - i + TILE, b - j : b - j + TILE] = part
        return np.triu(out) + np.triu(out, 1).T if i == j else out

    def _starts(self, first: int, edge: int) -> range:
        return range(first, min(first + edge, self.m), TILE)


@dataclass(frozen=True)
class Settled:
    """
    The arithmetic of one matrix, decided for all of its models.

    Parameters
    ----------
    precision : {"double", "mixed"}
        The arithmetic.
    single_error : float
        How far single precision is trusted, as the first models show it.
    definition : dict of str to str
        What ``rmsd_tiles`` returns.
    """

    precision: Arithmetic
    single_error: float
    definition: dict[str, str] = field(default_factory=dict)


def settle(data: Data, metric: Metric, precision: Precision = "auto") -> Settled:
    """
    Decide on the arithmetic as `congruence.compute.rmsd.rmsd_tiles` does.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å; the first 128 are read.
    metric : Metric
        The definition of the distance.
    precision : {"auto", "double", "mixed"}
        What was asked for.

    Returns
    -------
    settled : Settled
        What was decided.

    Raises
    ------
    ConfigError
        As `congruence.compute.rmsd.rmsd_tiles`.
    ShapeError
        As `congruence.compute.rmsd.rmsd_tiles`.

    Examples
    --------
    >>> from congruence.compute.metric import Metric
    >>> settle(np.zeros((2, 3, 3)), Metric("none")).precision
    'double'
    """
    run = _Run(resolve(data, metric), CondensedSink(0), precision, 1, None)
    with one_blas_thread():
        run._choose_precision()
    return Settled(run.computer.precision, run.computer.single_error, run.definition)


def bare_metric(data: Data, metric: Metric) -> Metric:
    """
    Say a metric without words that need a topology.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models.
    metric : Metric
        The definition of the distance.

    Returns
    -------
    bare : Metric
        The same for plain coordinates: indices of beads, arrays of weights and
        of copies.

    Raises
    ------
    SelectionError
        If a selection matches nothing.
    ShapeError
        If an array does not fit.

    Examples
    --------
    >>> from congruence.compute.metric import Metric
    >>> bare_metric(np.zeros((2, 3, 3)), Metric("center")).measure.tolist()
    [0, 1, 2]
    """
    ensemble = data if isinstance(data, Ensemble) else None
    n = as_source(data).shape[1]
    on, fit = metric.on, metric.fit_weights
    groups = _copy_groups(metric, ensemble, n)
    return replace(
        metric,
        measure=np.flatnonzero(_bead_mask(metric.measure, ensemble, n, "measure")),
        on=None if on is None else np.flatnonzero(_bead_mask(on, ensemble, n, "on")),
        weights=_bead_weights(metric.weights, ensemble, n)[0],
        fit_weights=None if fit is None else _bead_weights(fit, ensemble, n)[0],
        copies=tuple(group.beads for group in groups) or "off",
    )


def pair_seconds(data: Data, metric: Metric) -> tuple[float, int]:
    """
    Estimate the time of one distance on one thread, and the beads behind it.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models.
    metric : Metric
        The definition of the distance.

    Returns
    -------
    seconds : float
        Within a factor of about three; the same on every machine.
    beads : int
        Beads that are packed for each model.
    """
    resolved = resolve(data, metric)
    beads = len(resolved.measure.beads)
    if not resolved.same:
        beads += len(resolved.fit.beads)
    copies = [group.copies for group in resolved.groups if group.fitted]
    m = resolved.source.shape[0]
    plan = estimate(m, beads, alignment=resolved.alignment, copies=copies, threads=1, rate=_RATE)
    more = 0.0 if resolved.planes == 1 else _STAGE_SECONDS * plan.assignments
    if more and not resolved.same:
        more += _ROTATION_SECONDS * plan.assignments
    return plan.seconds / max(plan.tiles * TILE * TILE, 1) + more, beads


_lock = threading.Lock()
_inside: list[Any] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """
    Hold the matrix library to one thread while any thread is inside.

    Yields
    ------
    None
        The limit is that of the process; threads that come and go share it.
    """
    from threadpoolctl import threadpool_limits

    with _lock:
        _inside.append(_inside[0] if _inside else threadpool_limits(1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limits = _inside.pop()
            if not _inside:
                limits.restore_original_limits()
