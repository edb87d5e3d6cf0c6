"""Checks of whole tiles that become NaN or infinite: products and sums of finite elements that do not fit their format.

Tiles are turned into flags, a byte for each element, and the runtime decides (`program.abi`, `product`). Operands are
looked at only where some result is not finite. Not here: element-wise operations (`checks`).
"""

from __future__ import annotations

from math import prod

from supa.base.dtypes import I8, DType
from supa.compiler.native.buffers import Buffer
from supa.compiler.native.checks import GROWING, Checks, not_finite, site_of
from supa.compiler.native.combination import identity_function
from supa.compiler.native.generator import Generator
from supa.compiler.native.loops import Loops, choose_space
from supa.compiler.native.plan import Nest
from supa.ir import ops
from supa.ir.core import Op, Value
from supa.ir.types import element_of, shape_of


class ProductWatch:
    """Made before a product is computed, because it may overwrite its accumulator; `finish` afterwards."""

    def __init__(self, generator: Generator, op: ops.Dot, from_zero: bool) -> None:
        self.generator, self.op = generator, op
        known = _checks_of(generator, op)
        self.on = known is not None
        self.sums = _flags(generator, op.accumulator) if self.on and not from_zero else None

    def finish(self) -> None:
        """Look at the result and, where it is not finite, at the operands."""
        if not self.on:
            return
        *batch, m, k = shape_of(self.op.left.type)
        sizes = (prod(batch), m, shape_of(self.op.right.type)[-1], k)
        _report(self.generator, self.op, "dot", self.sums, (self.op.left, self.op.right), sizes)


def watch_reductions(generator: Generator, nest: Nest) -> None:
    """After a nest: sums and products along an axis."""
    for root in nest.roots:
        op = root.op
        if root.kind != "reduce" or not isinstance(op, ops.Reduce) or _checks_of(generator, op) is None:
            continue
        if (function := identity_function(op)) in GROWING:
            shape = shape_of(op.sources[0].type)
            sizes = (prod(shape[: op.axis]), 1, prod(shape[op.axis + 1 :]), shape[op.axis])
            _report(generator, op, f"reduce {function}", None, (None, op.sources[0]), sizes)


def _checks_of(generator: Generator, op: Op) -> Checks | None:
    known = generator.environment.checks
    element = element_of(op.results[0].type)
    is_float = isinstance(element, DType) and element.is_float
    return known if known is not None and "nan" in known.kinds and is_float else None


def _report(
    generator: Generator,
    op: Op,
    what: str,
    sums: Buffer | None,
    operands: tuple[Value | None, Value],
    sizes: tuple[int, int, int, int],
) -> None:
    known, emitter = generator.environment.checks, generator.emitter
    assert known is not None
    site = known.site(op, "not_finite", site_of(op, "not_finite", what))
    with generator.scope():
        result = _flags(generator, op.results[0])
        bad = _any(generator, result)
        look, done = emitter.fresh_label("look"), emitter.fresh_label("looked")
        emitter.do(f"br i1 {bad}, label %{look}, label %{done}")
        emitter.label(look)
        left, right = (_flags(generator, value) if value is not None else None for value in operands)
        tiles = ", ".join(f"ptr {flags.address if flags is not None else 'null'}" for flags in (left, right, sums))
        table = f"@supa.sizes.{'.'.join(map(str, sizes))}"
        numbers = ", ".join(f"i64 {size}" for size in sizes)
        emitter.definitions[table] = f"{table} = private constant [4 x i64] [{numbers}]\n"
        emitter.definitions["@supa.product"] = _PRODUCT
        emitter.do(
            f"call void @supa.product(ptr %launch, i32 {site}, i64 %block, {tiles}, ptr {result.address}, ptr {table})"
        )
        emitter.do(f"br label %{done}")
        emitter.label(done)


def _flags(generator: Generator, value: Value) -> Buffer:
    """A byte for each element: 0 where it is finite."""
    shape, element = shape_of(value.type), element_of(value.type)
    assert isinstance(element, DType)
    flags = generator.new_buffer(shape, I8)
    space = choose_space(shape, None, generator.width)
    loops = Loops(generator.emitter, generator.environment, shape, space)
    ev, index = loops.evaluator, loops.indices[0]
    bad = not_finite(ev, ev.at(value, index), element)
    byte = ev.apply("zext {t} {0} to {r}", (bad,), "i8")
    ev.write_buffer(flags, index, byte, loops.level)
    loops.finish()
    return flags


def _any(generator: Generator, flags: Buffer) -> str:
    """Whether some byte is not zero, an i1."""
    emitter = generator.emitter
    slot = emitter.alloca("i8")
    emitter.do(f"store i8 0, ptr {slot}")
    with emitter.loop(flags.size) as at:
        address = emitter.op(f"getelementptr i8, ptr {flags.address}, i64 {at}")
        one, before = emitter.op(f"load i8, ptr {address}"), emitter.op(f"load i8, ptr {slot}")
        emitter.do(f"store i8 {emitter.op(f'or i8 {one}, {before}')}, ptr {slot}")
    found = emitter.op(f"load i8, ptr {slot}")
    return emitter.op(f"icmp ne i8 {found}, 0")


_PRODUCT = """define internal void @supa.product(ptr %launch, i32 %site, i64 %block, ptr %left, ptr %right, ptr %sums,
    ptr %result, ptr %sizes) nounwind {
  %at = getelementptr i8, ptr %launch, i64 32
  %sanitizer = load ptr, ptr %at
  %none = icmp eq ptr %sanitizer, null
  br i1 %none, label %done, label %go
go:
  %product.at = getelementptr i8, ptr %sanitizer, i64 24
  %product = load ptr, ptr %product.at
  call void %product(ptr %sanitizer, i32 %site, i64 %block, ptr %left, ptr %right, ptr %sums, ptr %result, ptr %sizes)
  br label %done
done:
  ret void
}
"""
