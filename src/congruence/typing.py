"""
Names for arrays.

Shapes are given in docstrings with *m* models, *n* beads and *k* clusters;
lengths are in Å and masses in Da unless stated otherwise.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "ByteArray", "Float32Array", "FloatArray", "IntArray", "ObjectArray"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
ByteArray: TypeAlias = npt.NDArray[np.uint8]
ObjectArray: TypeAlias = npt.NDArray[Any]
