"""Building and rewriting: inference, patterns to a fixpoint, dead code, common subexpressions."""

import pytest

from supa.base.dtypes import F32, I32
from supa.base.errors import VerifyError
from supa.base.location import Location
from supa.ir import ops
from supa.ir.core import Block
from supa.ir.rewrite import Builder, apply_patterns, erase_dead, merge_common, replace
from supa.ir.text import print_function
from supa.ir.types import Pointer, Tile
from supa.ir.verify import verify


def finish(builder):
    builder.create(ops.Return)
    func = ops.Func((), (), {"sym_name": "k"}, [builder.block])
    verify(func)
    return func


def start(*types):
    block = Block(types)
    return Builder(block, location=Location("k.py", 1, 2)), *block.args


def test_result_types_are_inferred():
    builder, x, pointer = start(Tile((4, 8), F32), Pointer(I32))
    assert builder.value(ops.Transpose, [x], order=(1, 0)).type == Tile((8, 4), F32)
    assert builder.value(ops.Load, [pointer]).type == I32
    assert builder.map("fcmp_olt", x, x).type.element.name == "i1"
    assert builder.create(ops.Range, (), start=0, end=4).location == Location("k.py", 1, 2)
    with pytest.raises(TypeError, match="the result types of splat can not be inferred"):
        builder.value(ops.Splat, [x])
    with pytest.raises(VerifyError, match=r"k\.py:1:2: map: expected operands of add to be integers"):
        builder.map("add", x, x)


def double_to_shift(op, builder):
    """x * 2 -> x + x."""
    if op.function != "mul":
        return False
    left, right = op.arguments
    if not isinstance(right.op, ops.Constant) or right.op.value != 2:
        return False
    replace(op, [builder.map("add", left, left)])
    return True


def add_zero(op, builder):
    if op.function == "add" and isinstance(op.arguments[1].op, ops.Constant) and op.arguments[1].op.value == 0:
        op.result.replace_by(op.arguments[0])
        op.drop()
        return True
    return False


def test_patterns_run_until_none_matches_and_inside_regions():
    builder, x, pointer = start(I32, Pointer(I32))
    two, zero = builder.constant(2, I32), builder.constant(0, I32)
    body = Block([I32, I32])
    inner = Builder(body)
    inner.create(ops.Yield, [inner.map("mul", inner.map("add", body.args[1], zero), two)])
    looped = builder.value(ops.For, [zero, x, two, x], regions=[body])
    builder.create(ops.Store, [pointer, looped])
    func = finish(builder)
    assert apply_patterns(func, {ops.Map: [add_zero, double_to_shift]}) == 2
    verify(func)
    assert print_function(func, locations=False).count("map") == 1
    assert 'map %6, %6 {function="add"}' in print_function(func, locations=False)
    assert erase_dead(func) == 0


def test_patterns_that_never_settle_are_stopped():
    builder, x, pointer = start(I32, Pointer(I32))
    builder.create(ops.Store, [pointer, builder.map("add", x, x)])

    def again(op, builder):
        replace(op, [builder.map("add", *op.arguments)])
        return True

    with pytest.raises(RuntimeError, match="patterns do not settle: the last matched map"):
        apply_patterns(finish(builder), {ops.Map: [again]}, limit=50)


def test_dead_code_goes_and_effects_stay():
    builder, x, pointer = start(I32, Pointer(I32))
    builder.map("add", builder.map("mul", x, x), x)  # a chain nobody uses
    builder.value(ops.Load, [pointer])
    builder.value(ops.Load, [pointer], volatile=True)
    builder.value(ops.AtomicRmw, [pointer, x], kind="add")
    quiet, loud = Block([I32]), Block([I32])
    Builder(quiet).create(ops.Yield)
    Builder(loud).create(ops.Store, [pointer, x])
    Builder(loud).create(ops.Yield)
    builder.create(ops.For, [x, x, x], regions=[quiet])
    builder.create(ops.For, [x, x, x], regions=[loud])
    func = finish(builder)
    assert erase_dead(func) == 4
    verify(func)
    assert [op.name for op in func.regions[0].ops] == ["load", "atomic_rmw", "for", "return"]


def test_equal_pure_operations_merge_and_zeros_stay_apart():
    builder, x, pointer = start(F32, Pointer(F32))
    plus, minus, again = (builder.constant(value, F32) for value in (0.0, -0.0, 0.0))
    sums = [builder.map("fadd", x, value) for value in (plus, minus, again)]
    loads = [builder.value(ops.Load, [pointer]) for _ in range(2)]
    for value in (*sums, *loads):
        builder.create(ops.Store, [pointer, value])
    func = finish(builder)
    assert merge_common(func) == 2
    verify(func)
    names = [op.name for op in func.regions[0].ops]
    assert (names.count("constant"), names.count("map"), names.count("load")) == (2, 2, 2)
