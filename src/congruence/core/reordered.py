"""An ensemble in another order, without a copy of its coordinates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from congruence.core.ensemble import Ensemble
    from congruence.typing import FloatArray, IntArray

__all__ = ["reordered"]


class _InOrder:
    """Coordinates in an order; models are asked for by a slice or by their indices, and copied."""

    def __init__(self, values: FloatArray, order: IntArray) -> None:
        self._values, self._order = values, order
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, key: Any) -> FloatArray:
        if isinstance(key, tuple):
            models, *rest = key
            return self[models][(slice(None), *rest)]
        found: FloatArray = self._values[self._order[key]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        return np.asarray(self._values[self._order], dtype=dtype)


def reordered(ensemble: Ensemble, order: IntArray) -> Ensemble:
    """
    Return all models of an ensemble in another order; coordinates are not copied.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    order : ndarray, dtype=int64, shape=(m,)
        A permutation: which model comes first, second, ...

    Returns
    -------
    ensemble : Ensemble
        To be read in blocks; `numpy.asarray` of its coordinates copies them.
    """
    values = cast("FloatArray", _InOrder(ensemble.coordinates, np.asarray(order, dtype=np.int64)))
    return replace(ensemble, coordinates=values, models=ensemble.models.take(order))
