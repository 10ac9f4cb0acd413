"""
What compilers leave scalar: sums of short rows, as code for the vectors of the processor.

Every product and sum is rounded alone, so that all processors give the same
bits. Bounds are not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from congruence.compute._density_window import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG, _SHORT = ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_WIDE = ir.VectorType(ir.DoubleType(), LANES // 2)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)

TILE_ROWS = (2, 4, 5, 6, 7, 8, 10)
"""Rows that a tile may have."""


class _Writer:
    """Writes instructions on arrays of float32, which are named by their place among the arguments."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.build = builder
        self._data = {
            which: context.make_array(kind)(context, builder, arguments[which]).data
            for which, kind in enumerate(signature.args)
            if isinstance(kind, types.Array)
        }

    def plus(self, one: Any, two: Any) -> Any:
        """Add integers; Python's are constants."""
        return self.build.add(
            *(ir.Constant(_LONG, i) if isinstance(i, int) else i for i in (one, two))
        )

    def loaded(self, which: int, at: Any) -> Any:
        return self.build.load(self._pointer(which, at), align=4)

    def store(self, vector: Any, which: int, at: Any) -> None:
        self.build.store(vector, self._pointer(which, at), align=4)

    def add_wide(self, vector: Any, which: int, at: Any) -> None:
        """Add a vector to values of an array of float64."""
        half = _WIDE.count
        for first in (0, half):
            lanes = ir.Constant(ir.VectorType(_SHORT, half), [first + i for i in range(half)])
            part = self.build.fpext(self.build.shuffle_vector(vector, vector, lanes), _WIDE)
            place = self.build.gep(self._data[which], [self.plus(at, first)])
            pointer = self.build.bitcast(place, _WIDE.as_pointer())
            self.build.store(self.sum(self.build.load(pointer, align=8), part), pointer, align=8)

    def every(self, number: Any) -> Any:
        """Repeat a number in all lanes."""
        empty = ir.Constant(_VECTOR, ir.Undefined)
        lone = self.build.insert_element(empty, number, ir.Constant(_SHORT, 0))
        none = ir.Constant(ir.VectorType(_SHORT, LANES), [0] * LANES)
        return self.build.shuffle_vector(lone, empty, none)

    def repeated(self, which: int, at: Any) -> Any:
        return self.every(self.build.load(self.build.gep(self._data[which], [at])))

    def times(self, one: Any, two: Any) -> Any:
        return self.build.fmul(one, two)

    def sum(self, one: Any, two: Any) -> Any:
        return self.build.fadd(one, two)

    def loop(
        self, count: Any, start: list[Any], steps: list[Any], body: Callable[..., list[Any]]
    ) -> list[Any]:
        """
        Run a body `count` times, at least once; return its last sums.

        It gets as many integers as there are steps, which grow by these from
        0 on, and the sums, and returns the new sums.
        """
        build, before = self.build, self.build.block
        inside, after = (build.append_basic_block(name) for name in ("inside", "after"))
        build.branch(inside)
        build.position_at_end(inside)
        growing = [build.phi(_LONG) for _ in (1, *steps)]
        sums = [build.phi(_VECTOR) for _ in start]
        new = body(*growing[1:], sums)
        for at, step in zip(growing, (1, *steps), strict=True):
            at.add_incoming(ir.Constant(_LONG, 0), before)
            at.add_incoming(self.plus(at, step), inside)
        for total, first, last in zip(sums, start, new, strict=True):
            total.add_incoming(first, before)
            total.add_incoming(last, inside)
        build.cbranch(build.icmp_signed("<", self.plus(growing[0], 1), count), inside, after)
        build.position_at_end(after)
        return new

    def _pointer(self, which: int, at: Any) -> Any:
        return self.build.bitcast(self.build.gep(self._data[which], [at]), _VECTOR.as_pointer())


def _rows_mixed(
    context: Any, into: Any, at: Any, one: Any, two: Any, table: Any, first: Any, second: Any
) -> Any:
    """Set LANES values to ``one * table[first :] + two * table[second :]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Writer(context, builder, signature, arguments)
        parts = [
            write.times(write.every(scale), write.loaded(4, start))
            for scale, start in zip(arguments[2:4], arguments[5:], strict=True)
        ]
        write.store(write.sum(*parts), 0, arguments[1])
        return context.get_dummy_value()

    return types.void(into, at, one, two, table, first, second), code


def _tile_added(context: Any, into: Any, tile: Any, weights: Any, points: Any) -> Any:
    """
    Add outer products of `count` points to a tile, in float64, of rows of LANES values.

    `tile` is where it starts, how far its rows are apart, and their number, of
    TILE_ROWS. `points` is their count, how far their weights are apart, and
    where those of the first start: `x`, `y`, `z`. These are LANES along
    x, as many as rows along y, one along z. The sum stays in registers.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Writer(context, builder, signature, arguments)
        at, row, rows = (builder.extract_value(arguments[1], i) for i in range(3))
        count, size, x, y, z = (builder.extract_value(arguments[3], i) for i in range(5))
        done = builder.append_basic_block("done")
        choice = builder.switch(rows, done)
        for many in TILE_ROWS:
            block = builder.append_basic_block("rows")
            choice.add_case(ir.Constant(_LONG, many), block)
            builder.position_at_end(block)

            def body(point: Any, sums: list[Any]) -> list[Any]:
                line = write.times(
                    write.loaded(2, write.plus(point, x)),
                    write.repeated(2, write.plus(point, z)),
                )
                first = write.plus(point, y)
                return [
                    write.sum(total, write.times(write.repeated(2, write.plus(first, q)), line))
                    for q, total in enumerate(sums)
                ]

            place = at
            for total in write.loop(count, [_ZERO] * many, [size], body):
                write.add_wide(total, 0, place)
                place = write.plus(place, row)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    several: Any = types.UniTuple
    return types.void(into, several(types.int64, 3), weights, several(types.int64, 5)), code


def _filtered(vectors: int) -> Any:
    """Return code that convolves `vectors` times LANES values with an even kernel."""

    def made(
        context: Any, into: Any, to: Any, part: Any, at: Any, step: Any, taps: Any, reach: Any
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            write = _Writer(context, builder, signature, arguments)
            _, to, _, at, step, _, reach = arguments
            places = [write.plus(at, LANES * v) for v in range(vectors)]
            here = write.repeated(5, ir.Constant(_LONG, 0))

            def body(tap: Any, away: Any, sums: list[Any]) -> list[Any]:
                weight = write.repeated(5, write.plus(tap, 1))
                away = write.plus(away, step)
                pairs = [
                    write.sum(
                        write.loaded(2, builder.sub(place, away)),
                        write.loaded(2, write.plus(place, away)),
                    )
                    for place in places
                ]
                return [
                    write.sum(total, write.times(weight, pair))
                    for total, pair in zip(sums, pairs, strict=True)
                ]

            start = [write.times(here, write.loaded(2, place)) for place in places]
            for v, total in enumerate(write.loop(reach, start, [1, step], body)):
                write.store(total, 0, write.plus(to, LANES * v))
            return context.get_dummy_value()

        i = types.int64
        return types.void(into, i, part, i, i, taps, i), code

    return intrinsic(made)


mix_rows: Any = intrinsic(_rows_mixed)
add_tile: Any = intrinsic(_tile_added)
filter_one: Any = _filtered(1)
filter_two: Any = _filtered(2)
filter_four: Any = _filtered(4)
