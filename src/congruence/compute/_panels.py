"""
Matrix products of single precision for processors with AVX-512.

Rows lie in panels: number after number, those of all rows of a panel side by
side. Of two panels, eight rows of one and all of the other are multiplied at a
time, in as many registers as there are sums; nothing is copied or packed for it.
Each sum of `_DEPTH` products is rounded as one chain of fused steps and then
added to the others, so that the result depends on the two rows alone.

Goto and van de Geijn, doi:10.1145/1356052.1356053.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from congruence.compute._compiling import compiled

if TYPE_CHECKING:
    from congruence.typing import Float32Array, FloatArray

__all__ = ["panels", "product", "wide"]

LANES = 16
_WIDE, _NARROW = 3, 2  # vectors across a panel
_ROWS = 8
_DEPTH = 512
"""Numbers summed in registers: of two panels they fit the second cache."""

_LONG, _SHORT = ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def wide() -> bool:
    """Tell whether numba compiles for vectors of 16 numbers of single precision."""
    from numba.core.registry import cpu_target

    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return "+avx512f" in features.split(",")


def panels(rows: FloatArray) -> Float32Array:
    """
    Lay rows into panels.

    Parameters
    ----------
    rows : ndarray, dtype=float64, shape=(rows,width)
        A multiple of 32 or of 48 rows.

    Returns
    -------
    panels : ndarray, dtype=float32, shape=(panels,width,32 or 48)
        C-contiguous.
    """
    count, width = rows.shape
    size = LANES * (_NARROW if count % (LANES * _WIDE) else _WIDE)
    split = rows.reshape(count // size, size, width).transpose(0, 2, 1)
    return np.ascontiguousarray(split, np.float32)


def product(one: Float32Array, two: Float32Array) -> Float32Array:
    """
    Multiply all rows of some panels with all rows of others.

    Parameters
    ----------
    one, two : ndarray, dtype=float32, shape=(panels,width,size)
        From `panels`, of the same width and size.

    Returns
    -------
    product : ndarray, dtype=float32, shape=(rows,rows)
        Inner products.
    """
    shape = len(one) * one.shape[2], len(two) * two.shape[2]
    if not one.shape[1]:
        return np.zeros(shape, np.float32)
    out = np.empty(shape, np.float32)
    _multiply(one, two, out)
    return out


class _Sums:
    """Writes the instructions that multiply eight rows of one panel with all of another."""

    def __init__(self, vectors: int, context: Any, build: Any, signature: Any, given: Any) -> None:
        self.build, self.vectors = build, vectors
        data = [
            context.make_array(kind)(context, build, value).data
            for kind, value in zip(signature.args[:3], given, strict=False)
        ]
        where, self.step, self.count, self.done = given[3:]
        self.rows, self.columns, self.out = (
            build.gep(start, [build.extract_value(where, k)]) for k, start in enumerate(data)
        )
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        insert: Any = cgutils.get_or_insert_function
        self.fused = insert(build.module, kind, "llvm.fma.v16f32")

    def write(self) -> None:
        sums = self._summed()
        fresh = self.build.icmp_signed("==", self.done, ir.Constant(_LONG, 0))
        with self.build.if_else(fresh) as (begin, go_on):
            with begin:
                self._store(sums, add=False)
            with go_on:
                self._store(sums, add=True)

    def _summed(self) -> list[Any]:
        """Run over the numbers; return the sums, row by row."""
        build, before = self.build, self.build.block
        loop, after = (build.append_basic_block(name) for name in ("numbers", "summed"))
        build.branch(loop)
        build.position_at_end(loop)
        at = build.phi(_LONG)
        rows, columns = build.phi(self.rows.type), build.phi(self.columns.type)
        sums = [build.phi(_VECTOR) for _ in range(_ROWS * self.vectors)]
        right = [self._load(columns, v) for v in range(self.vectors)]
        left = [self._repeated(rows, r) for r in range(_ROWS)]
        new = [
            build.call(self.fused, [left[k // self.vectors], right[k % self.vectors], total])
            for k, total in enumerate(sums)
        ]
        size = ir.Constant(_LONG, LANES * self.vectors)
        following = build.add(at, ir.Constant(_LONG, 1))
        moving = [(at, ir.Constant(_LONG, 0), following)]
        moving += [
            (p, p0, build.gep(p, [size])) for p, p0 in ((rows, self.rows), (columns, self.columns))
        ]
        moving += [
            (s, ir.Constant(_VECTOR, [0.0] * LANES), n) for s, n in zip(sums, new, strict=True)
        ]
        for value, start, end in moving:
            value.add_incoming(start, before)
            value.add_incoming(end, loop)
        build.cbranch(build.icmp_signed("<", following, self.count), loop, after)
        build.position_at_end(after)
        return new

    def _store(self, sums: list[Any], *, add: bool) -> None:
        row = self.out
        for k, total in enumerate(sums):
            place = self._vector(row, k % self.vectors)
            value = self.build.fadd(self.build.load(place, align=4), total) if add else total
            self.build.store(value, place, align=4)
            if k % self.vectors == self.vectors - 1:
                row = self.build.gep(row, [self.step])

    def _vector(self, start: Any, which: int) -> Any:
        place = self.build.gep(start, [ir.Constant(_LONG, which * LANES)])
        return self.build.bitcast(place, _VECTOR.as_pointer())

    def _load(self, start: Any, which: int) -> Any:
        return self.build.load(self._vector(start, which), align=4)

    def _repeated(self, start: Any, which: int) -> Any:
        number = self.build.load(self.build.gep(start, [ir.Constant(_LONG, which)]))
        empty = ir.Constant(_VECTOR, ir.Undefined)
        lone = self.build.insert_element(empty, number, ir.Constant(_SHORT, 0))
        return self.build.shuffle_vector(
            lone, empty, ir.Constant(ir.VectorType(_SHORT, LANES), [0] * LANES)
        )


def _adding(vectors: int) -> Any:
    """Return code for panels of so many vectors; `where` it begins in each array."""

    def made(
        context: Any, one: Any, two: Any, out: Any, where: Any, step: Any, count: Any, done: Any
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Sums(vectors, context, builder, signature, arguments).write()
            return context.get_dummy_value()

        return types.void(one, two, out, where, *[types.int64] * 3), code

    return intrinsic(made)


_add_wide: Any = _adding(_WIDE)
_add_narrow: Any = _adding(_NARROW)


@compiled(nogil=True, error_model="numpy")
def _multiply(one: Any, two: Any, out: Any) -> None:
    width, size = one.shape[1:]
    step = out.shape[1]
    for number in range(0, width, _DEPTH):
        count = min(_DEPTH, width - number)
        for q in range(two.shape[0]):
            right = (q * width + number) * size
            for i in range(0, out.shape[0], _ROWS):
                left = (i // size * width + number) * size + i % size
                where = (left, right, i * step + q * size)
                if size == _WIDE * LANES:
                    _add_wide(one, two, out, where, step, count, number)
                else:
                    _add_narrow(one, two, out, where, step, count, number)
