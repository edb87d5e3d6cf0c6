"""Operations on whole tiles in random kernels: reductions, scans, products, histograms, regions. Not tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from program_choices import BIT_MAPS, FLOAT_MAPS, INTEGER_MAPS, INTEGER_REDUCTIONS, MOST_ELEMENTS
from program_products import dot, dot_scaled
from program_values import ValueWriter

from supa.base.dtypes import BF16, F16, F32, F64, I1, I8, I16, I32, I64, DType
from supa.ir import ops
from supa.ir.core import Block, Value
from supa.ir.functions import FUNCTIONS
from supa.ir.rewrite import Builder
from supa.ir.types import Tile, element_of, shape_of


class TileWriter(ValueWriter):
    """Writes what works on more than one element of a tile."""

    def _tile_op(self, type_: Any, depth: int) -> Value:
        shape, element = type_.shape, type_.element
        kind = self.choose.pick(
            ("reduce", "reduce", "scan", "dot", "scaled", "histogram", "region", "packed", "exchange")
        )
        if kind == "dot" and len(shape) in (2, 3) and element in (F16, BF16, F32, F64, I32):
            return dot(self, type_)
        if kind == "scaled" and len(shape) in (2, 3) and element in (F32, F16, BF16):
            return dot_scaled(self, type_)
        if kind == "histogram" and len(shape) == 1 and element is I32:
            return self._histogram(type_, depth)
        if kind == "region":
            return self._region(type_, depth)
        if kind == "packed":
            return self._packed(type_, depth)
        if kind == "exchange" and element is not I1 and type_.size > 1:
            return self._exchange(type_, depth)
        if kind == "scan" and max(shape) <= MOST_ELEMENTS:
            return self._scan(type_, depth)
        return self._reduce(type_, depth)

    def product(self) -> Value:
        """A product for its own sake."""
        return dot(self, Tile(self.choose.pick(self.shapes), self.choose.pick((F32, I32))))

    def _scan(self, type_: Any, depth: int) -> Value:
        sources, region = self._combination(type_, depth)
        axis = self.choose.integer(0, len(type_.shape) - 1)
        made = self.builder.create(ops.Scan, sources, axis=axis, reverse=self.choose.chance(50), regions=[region])
        return self._first(made.results)

    def _first(self, results: Sequence[Value]) -> Value:
        """The first of several results; the others may be used later."""
        self.visible += results[1:]
        return results[0]

    def _total(self, type_: Any, depth: int) -> Value:
        if self.choose.chance(20):
            value = self.value(Tile(self.choose.pick([(1,), (1, 1)]), type_), depth)
            return self.builder.value(ops.Reshape, [value], type_)
        return self._reduce(type_, depth)

    def _reduce(self, type_: Any, depth: int) -> Value:
        shape, element = shape_of(type_), element_of(type_)
        axis = self.choose.integer(0, len(shape))
        room = MOST_ELEMENTS // int(np.prod(shape, dtype=np.int64))
        most = max(0, min(room, 256).bit_length() - 1)
        extent = 1 << self.choose.integer(0 if self.choose.chance(50) else most // 2, most)
        sources, region = self._combination(Tile((*shape[:axis], extent, *shape[axis:]), element), depth)
        return self._first(self.builder.create(ops.Reduce, sources, axis=axis, regions=[region]).results)

    def _combination(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """Sources and an associative region, whose first result has the element type of `type_`."""
        element = type_.element
        assert isinstance(element, DType)
        if element.is_float:
            return self._float_combination(type_, depth)
        kind = self.choose.pick(("one", "one", "pair", "affine", "first", "arg", "mixed"))
        if kind == "affine" and element is not I1:
            return self._affine(type_, depth)
        if kind == "arg":
            return self._arg(type_, depth)
        if kind in ("pair", "mixed"):
            other = self.choose.pick((I8, I16, I32, I64)) if kind == "mixed" else element
            sources = [self.value(type_, depth), self.value(Tile(type_.shape, other), depth)]
            return sources, self._region_of([element, other, element, other], lambda b, v: [
                b.map(self.choose.pick(INTEGER_REDUCTIONS), v[0], v[2]),
                b.map(self.choose.pick(INTEGER_REDUCTIONS), v[1], v[3]),
            ])  # fmt: skip
        if kind == "first":
            side = self.choose.integer(0, 1)
            return [self.value(type_, depth)], self._region_of([element] * 2, lambda b, v: [v[side]])
        function = self.choose.pick(INTEGER_REDUCTIONS)
        flip = self.choose.chance(30)
        return [self.value(type_, depth)], self._region_of(
            [element] * 2, lambda b, v: [b.map(function, *(reversed(v) if flip else v))]
        )

    def _float_combination(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        element = type_.element
        kind = self.choose.pick(("sum", "extreme", "extreme", "arg"))
        if kind == "sum" and element in (F32, F64):
            return [self.whole(type_.shape, element)], self._region_of([element] * 2, lambda b, v: [b.map("fadd", *v)])
        if kind == "arg":
            return self._arg(type_, depth)
        source = self.map("fadd", self.value(type_, depth), self.constant(0.0, type_))  # no -0
        function = self.choose.pick(("fmin", "fmax", "fminimum", "fmaximum"))
        return [source], self._region_of([element] * 2, lambda b, v: [b.map(function, *v)])

    def _arg(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """The extreme element and its index; ties by the index, or by the order of the operands."""
        element = type_.element
        assert isinstance(element, DType)
        value = self.clean(self.value(type_, depth))
        index = self.flat_index(type_.shape)
        above, equal = ("fcmp_ogt", "fcmp_oeq") if element.is_float else ("icmp_sgt", "icmp_eq")
        above = self.choose.pick((above, above.replace("gt", "lt")))
        plain = self.choose.chance(30)

        def write(b: Builder, v: Sequence[Value]) -> list[Value]:
            better = b.map(above, v[0], v[2])
            if not plain:
                tie = b.map("and", b.map(equal, v[0], v[2]), b.map("icmp_slt", v[1], v[3]))
                better = b.map("or", better, tie)
            return [b.map("select", better, v[0], v[2]), b.map("select", better, v[1], v[3])]

        return [value, index], self._region_of([element, I32] * 2, write)

    def _affine(self, type_: Tile, depth: int) -> tuple[list[Value], Block]:
        """x -> a x + b, composed: associative, not commutative."""
        sources = [self.value(type_, depth), self.value(type_, depth)]
        return sources, self._region_of([type_.element] * 4, lambda b, v: [
            b.map("mul", v[0], v[2]),
            b.map("add", b.map("mul", v[1], v[2]), v[3]),
        ])  # fmt: skip

    def _region_of(self, elements: Sequence[Any], write: Callable[[Builder, Sequence[Value]], list[Value]]) -> Block:
        block = Block(elements)
        builder = Builder(block)
        builder.create(ops.Yield, write(builder, block.args))
        return block

    def _region(self, type_: Tile, depth: int) -> Value:
        """A map_region with a branch."""
        element = type_.element
        sources = [self.value(type_, depth), self.value(type_, depth)]
        maps = FLOAT_MAPS if element.is_float else (BIT_MAPS if element is I1 else INTEGER_MAPS)
        binary = [name for name in maps if FUNCTIONS[name].arity == 2 and name not in ("fmin", "fmax", "copysign")]

        def write(b: Builder, v: Sequence[Value]) -> list[Value]:
            test = v[0] if element is I1 else b.map("fcmp_olt" if element.is_float else "icmp_slt", v[0], v[1])
            sides = []
            for _ in range(2):
                side = Block()
                inner = Builder(side)
                inner.create(ops.Yield, [inner.map(self.choose.pick(binary), v[0], v[1])])
                sides.append(side)
            return [b.value(ops.If, [test], element, regions=sides)]

        return self.builder.value(ops.MapRegion, sources, type_, regions=[self._region_of([element] * 2, write)])

    def _packed(self, type_: Tile, depth: int) -> Value:
        """A map_region over neighbours, of one or two results, sometimes with a loop in it."""
        element = type_.element
        pack = self.choose.pick([count for count in (1, 2, 2, 4, 8) if count <= type_.size])
        sources = [self.value(type_, depth) for _ in range(self.choose.integer(1, 2))]
        maps = FLOAT_MAPS if element.is_float else (BIT_MAPS if element is I1 else INTEGER_MAPS)
        binary = [name for name in maps if FUNCTIONS[name].arity == 2 and name not in ("fmin", "fmax", "copysign")]
        count = self.choose.integer(1, 2)

        def write(b: Builder, v: Sequence[Value]) -> list[Value]:
            known = list(v)
            for _ in range(self.choose.integer(1, 3)):
                known.append(b.map(self.choose.pick(binary), self.choose.pick(known), self.choose.pick(known)))
            if type_.size <= 64 and self.choose.chance(30):
                known.append(self._repeated(b, self.choose.pick(binary), known[-1], known[0]))
            return [self.choose.pick(known) for _ in range(count * pack)]

        region = self._region_of([element] * (pack * len(sources)), write)
        return self._first(
            self.builder.create(ops.MapRegion, sources, [type_] * count, pack=pack, regions=[region]).results
        )

    def _repeated(self, b: Builder, function: str, start: Value, other: Value) -> Value:
        """A loop over scalars."""
        body = Block([I32, start.type])
        inner = Builder(body)
        inner.create(ops.Yield, [inner.map(function, body.args[1], other)])
        bounds = [b.constant(number, I32) for number in (0, self.choose.integer(0, 3), 1)]
        return b.value(ops.For, [*bounds, start], start.type, regions=[body])

    def _exchange(self, type_: Tile, depth: int) -> Value:
        """A step of a sorting network: each element and its partner, whose index differs in one bit."""
        element = type_.element
        assert isinstance(element, DType)
        word = {8: I8, 16: I16, 32: I32, 64: I64}[element.bits]
        value = self.clean(self.value(type_, depth))
        if element.is_float:
            value = self.cast(value, word, "bitcast")
        bits = type_.size.bit_length() - 1
        axis = self.choose.integer(0, bits - 1)
        shape = (2,) * bits if self.choose.chance(40) and bits < 10 else (1 << axis, 2, 1 << (bits - axis - 1))
        axis = axis if len(shape) != 3 else 1
        cube = self.builder.value(ops.Reshape, [value], Tile(shape, word))
        both = self.builder.value(
            ops.Reduce, [cube], axis=axis,
            regions=[self._region_of([word] * 2, lambda b, v: [b.map("xor", *v)])],
        )  # fmt: skip
        if len(shape) > 1:
            both = self.builder.value(ops.ExpandDims, [both], axis=axis)
            both = self.builder.value(ops.Broadcast, [both], Tile(shape, word))
        else:
            both = self.splat(both, shape)
        partner = self.map("xor", cube, both)
        upper = self.map("icmp_ne", self.map("and", self.flat_index(shape), self.constant(
            1 << self.choose.integer(0, bits - 1), Tile(shape, I32))), self.constant(0, Tile(shape, I32)))  # fmt: skip
        better = self.map("xor", self.map(self.choose.pick(("icmp_sgt", "icmp_ult")), cube, partner), upper)
        made = self.builder.value(ops.Reshape, [self.map("select", better, cube, partner)], Tile(type_.shape, word))
        return self.cast(made, element, "bitcast") if element.is_float else made

    def _histogram(self, type_: Tile, depth: int) -> Value:
        source = self.value(Tile(self.choose.pick(self.shapes), self.choose.pick((I8, I16, I32, I64))), depth)
        mask = self.mask(source.type.shape) if self.choose.chance(30) else None
        return self.builder.value(ops.Histogram, [source, mask], type_)
