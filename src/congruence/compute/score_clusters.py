"""Clusters in the space of scores, which tell terms that trade off against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from congruence.core.good_models import ScoreClusters
from congruence.errors import ConfigError, MissingDependencyError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import FloatArray

__all__ = ["score_clusters", "standardized"]

_COMPAT_SIZE, _COMPAT_SAMPLES = 150, 5
_SHARE, _LEAST = 20, 10


def standardized(values: FloatArray) -> FloatArray:
    """
    Give every score mean 0 and standard deviation 1.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(m,c)
        Scores.

    Returns
    -------
    scaled : ndarray, dtype=float64, shape=(m,c)
        A score that never changes becomes 0.

    Examples
    --------
    >>> standardized(np.array([[1.0, 7.0], [3.0, 7.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    deviation = values.std(axis=0)
    centered: FloatArray = values - values.mean(axis=0)
    scaled = np.zeros_like(centered)
    np.divide(centered, deviation, out=scaled, where=deviation > 0)
    return scaled


def score_clusters(
    values: FloatArray,
    columns: Sequence[str],
    *,
    standardize: bool = True,
    min_cluster_size: int | None = None,
    min_samples: int | None = None,
    compat: bool = False,
) -> ScoreClusters:
    """
    Cluster models by their scores with HDBSCAN.

    Parameters
    ----------
    values : ndarray, dtype=float64, shape=(m,c)
        Scores of each model.
    columns : sequence of str
        Their names.
    standardize : bool
        Give every score the same spread first; else the one with the largest
        unit decides.
    min_cluster_size : int, optional
        Smallest cluster; if absent a twentieth of the models, at least 10
        (150 in compat mode).
    min_samples : int, optional
        Neighbours that make a place dense; 5 if absent.
    compat : bool
        As PMI_analysis: scores as they are, clusters of 150 and more.

    Returns
    -------
    clusters : ScoreClusters
        Labels as the package `hdbscan` gives them; the implementation of
        scikit-learn gives others.

    Raises
    ------
    MissingDependencyError
        If `hdbscan` is not installed.
    ShapeError
        If a score is not finite, or the shapes do not fit.
    ConfigError
        If there are too few models.

    Notes
    -----
    Campello et al. 2013, doi:10.1007/978-3-642-37456-2_14.
    """
    try:
        from hdbscan import HDBSCAN
    except ImportError as error:
        raise MissingDependencyError(
            "hdbscan", extra="hdbscan", purpose="clustering in the space of scores"
        ) from error
    if values.ndim != 2 or values.shape[1] != len(columns) or not columns:
        raise ShapeError(f"scores have shape {values.shape}, expected (m, {len(columns)})")
    if not np.isfinite(values).all():
        bad = [
            c for c, column in zip(columns, values.T, strict=True) if not np.isfinite(column).all()
        ]
        raise ShapeError(
            f"score {bad[0]} is not a number for some models",
            hint="Leave out the score, or these models with a condition on it.",
        )
    m = len(values)
    size = min_cluster_size or (_COMPAT_SIZE if compat else max(_LEAST, m // _SHARE))
    samples = min_samples or _COMPAT_SAMPLES
    if m <= max(size, samples) or size < 2:
        raise ConfigError(
            f"{m} models cannot be clustered into clusters of {size} and more",
            hint="Choose more models, or a smaller cluster size.",
        )
    scale = standardize and not compat
    labels = HDBSCAN(min_cluster_size=size, min_samples=samples).fit_predict(
        standardized(values) if scale else values
    )
    return ScoreClusters(np.asarray(labels, dtype=np.int64), tuple(columns), scale, size, samples)
