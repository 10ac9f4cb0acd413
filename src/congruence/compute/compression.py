"""
Fewer beads, the same distances: compression of the bead space.

A rigid body of a thousand beads moves in four dimensions only, so the centred
and weighted models of an ensemble lie in a small subspace of the bead space. In
an orthonormal basis of it a model is a few *pseudo-beads*, and every distance,
aligned or not, is the same up to what the basis leaves out. With residuals
*e_i* and *e_j* of two models, ``0 <= d_true**2 - d**2 <= (e_i + e_j)**2``
whatever the rotation and the assignment of copies: every model is checked
against it, and pairs too close for it are recomputed from all beads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from congruence.compute._basis import Basis, find_basis, pays
from congruence.compute._blocks import put_edge, thread_count
from congruence.compute._packing import Packer
from congruence.compute._repairing import Repairing
from congruence.compute._resolve import Data, Resolved, resolve
from congruence.compute.metric import Metric
from congruence.compute.rmsd import rmsd_tiles
from congruence.core.results import Alignment, DistanceMatrix
from congruence.core.sources import ArraySource, CondensedSink

if TYPE_CHECKING:
    from typing import Any

    from congruence.compute.tiler import Tiler
    from congruence.core.sources import TileSink
    from congruence.typing import FloatArray

__all__ = ["Compression", "compress", "compressed_matrix", "compressed_tiles"]

TOLERANCE = 5e-7
"""Largest change of a distance by compression, in Å, unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Compression:
    """
    An ensemble as pseudo-beads with the same distances.

    Parameters
    ----------
    coordinates : ndarray, dtype=float64, shape=(m,r,3)
        Pseudo-beads in Å.
    metric : Metric
        The distance between models of pseudo-beads.
    residuals : ndarray, dtype=float64, shape=(m,)
        What the basis leaves out of each model, as an RMSD in Å.
    beads : int
        Measured beads before compression.
    tolerance : float
        Largest change of a distance in Å.
    resolved : Resolved
        The metric on all beads.
    """

    coordinates: FloatArray
    metric: Metric
    residuals: FloatArray
    beads: int
    tolerance: float
    resolved: Resolved = field(repr=False)

    @property
    def rank(self) -> int:
        """Number of pseudo-beads."""
        return int(self.coordinates.shape[1])

    @property
    def source(self) -> ArraySource:
        """The pseudo-beads as a coordinate source."""
        return ArraySource(self.coordinates)

    @property
    def near(self) -> float:
        """Distance in Å below which a pair may have to be recomputed from all beads."""
        return float(self.limit(2.0 * self.residuals.max(initial=0.0)))

    def limit(self, both: FloatArray | float) -> FloatArray | float:
        """
        Return the distance from which on a pair is within the tolerance.

        Parameters
        ----------
        both : float or ndarray
            Sum of the residuals of the two models, in Å.

        Returns
        -------
        limit : float or ndarray
            In Å: ``sqrt(limit**2 + both**2) - limit`` is the tolerance.
        """
        return np.maximum(both**2 - self.tolerance**2, 0.0) / (2.0 * self.tolerance)

    def text(self) -> str:
        """
        Say what was done and what it may change.

        Returns
        -------
        text : str
            For ``DistanceMatrix.definition``.
        """
        return (
            f"{self.beads} beads in {self.rank} pseudo-beads, at most "
            f"{self.residuals.max(initial=0.0):.1e} Å of a model left out; "
            f"distances change by at most {self.tolerance:g} Å"
        )

    def tiles(self, sink: TileSink, *, tiler: Tiler = rmsd_tiles, **options: Any) -> dict[str, str]:
        """
        Compute all distances from the pseudo-beads.

        Parameters
        ----------
        sink : TileSink
            Receives the tiles, near pairs recomputed from all beads.
        tiler : Tiler
            What computes the distances of pseudo-beads.
        **options : Any
            Keywords of `congruence.compute.rmsd.rmsd_tiles`.

        Returns
        -------
        definition : dict of str to str
            Words for ``DistanceMatrix.definition``.
        """
        repairing = Repairing(self, sink)
        made = tiler(self.source, repairing, self.metric, **options)
        kept = {name: made[name] for name in ("precision", "device") if name in made}
        return self.resolved.definition | kept | {"compression": self.text()}


def compress(
    data: Data,
    metric: Metric,
    *,
    tolerance: float = TOLERANCE,
    always: bool = False,
    threads: int | None = None,
) -> Compression | None:
    """
    Find pseudo-beads with the same distances, if there are few enough.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å; read in blocks, once or more often.
    metric : Metric
        The definition of the distance.
    tolerance : float
        Largest change of a distance in Å.
    always : bool
        Compress also where it costs more than it saves.
    threads : int, optional
        Threads; all available cores by default.

    Returns
    -------
    compression : Compression or None
        None when other beads are superposed than measured (or with other
        weights), when every bead moves by itself, or when there are so few
        models that the search for a basis costs more than it saves. The
        decision depends on the data and the metric only.

    Raises
    ------
    ConfigError
        As `congruence.compute.rmsd.rmsd_matrix`.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.

    Notes
    -----
    The basis is found from models evenly spread over the ensemble; models that
    it does not describe are added until it does. Costs 6 m n r
    multiplications for each time, keeps 24 m r bytes.

    Examples
    --------
    Two rigid bodies of 50 beads move in eight dimensions:

    >>> rng = np.random.default_rng(0)
    >>> bodies = rng.normal(size=(2, 50, 3))
    >>> turned = [(bodies @ np.linalg.qr(rng.normal(size=(2, 3, 3)))[0]
    ...           + rng.normal(size=(2, 1, 3))).reshape(100, 3) for _ in range(40)]
    >>> compress(np.array(turned), Metric("superpose"), always=True).rank
    8
    """
    from threadpoolctl import threadpool_limits

    resolved = resolve(data, metric)
    m = resolved.source.shape[0]
    # A rotation found on other beads cannot be found from the measured ones.
    if m < 2 or (resolved.planes == 3 and not resolved.same):
        return None
    if not always and not pays(resolved, (1,) * (1 + len(resolved.groups))):
        return None
    packer = Packer(resolved)
    workers = thread_count(threads)
    with threadpool_limits(1, user_api="blas"):
        found = find_basis(packer, tolerance=tolerance, always=always, threads=workers)
        if found is None:
            return None
        basis, coordinates, residuals = found
    return Compression(
        coordinates=coordinates,
        metric=_pseudo_metric(resolved, basis),
        residuals=residuals,
        beads=len(resolved.measure.beads),
        tolerance=tolerance,
        resolved=resolved,
    )


def _pseudo_metric(resolved: Resolved, basis: Basis) -> Metric:
    # Centroids are removed already, perhaps those of other beads than the measured ones.
    return Metric(
        resolved.alignment if resolved.planes == 3 else Alignment.NONE,
        weights=basis.weights(),
        copies=tuple(basis.groups()) or "off",
    )


def compressed_tiles(
    data: Data,
    sink: TileSink,
    metric: Metric,
    *,
    tiler: Tiler = rmsd_tiles,
    threads: int | None = None,
    **options: Any,
) -> dict[str, str]:
    """
    Compute all distances, from pseudo-beads where that pays.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    sink : TileSink
        Receives the tiles.
    metric : Metric
        The definition of the distance.
    tiler : Tiler
        What computes the distances.
    threads : int, optional
        Threads; all available cores by default.
    **options : Any
        Further keywords of `congruence.compute.rmsd.rmsd_tiles`.

    Returns
    -------
    definition : dict of str to str
        Words for ``DistanceMatrix.definition``; ``"compression"`` among them
        says what was done when it was.

    Raises
    ------
    ConfigError
        As `congruence.compute.rmsd.rmsd_tiles`.
    ShapeError
        As `congruence.compute.rmsd.rmsd_tiles`.
    """
    compression = compress(data, metric, threads=threads)
    if compression is None:
        return tiler(data, sink, metric, threads=threads, **options)
    return compression.tiles(sink, tiler=tiler, threads=threads, **options)


def compressed_matrix(
    data: Data,
    metric: Metric,
    *,
    dtype: type[np.float64 | np.float32] = np.float64,
    **options: Any,
) -> DistanceMatrix:
    """
    Compute a matrix in memory, from pseudo-beads where that pays.

    Parameters
    ----------
    data : Ensemble, CoordinateSource or ndarray, shape=(m,n,3)
        The models, in Å.
    metric : Metric
        The definition of the distance.
    dtype : type
        `numpy.float64` or `numpy.float32`.
    **options : Any
        Keywords of `compressed_tiles`.

    Returns
    -------
    matrix : DistanceMatrix
        In double precision within 1e-6 Å what
        `congruence.compute.rmsd.rmsd_matrix` gives, else within 1e-3 Å.

    Raises
    ------
    ConfigError
        As `congruence.compute.rmsd.rmsd_matrix`.
    ShapeError
        As `congruence.compute.rmsd.rmsd_matrix`.
    """
    resolved = resolve(data, metric)
    sink = CondensedSink(resolved.source.shape[0], dtype=dtype)
    options = {"edge": put_edge(sink.m)} | options
    definition = compressed_tiles(data, sink, metric, **options)
    return DistanceMatrix(
        condensed=sink.values,
        m=sink.m,
        alignment=resolved.alignment,
        weights=resolved.weights,
        names=resolved.names,
        definition=definition,
    )
