"""Integers that other writers of TTIR use: `index`, quotients rounded up and down, regions that only group."""

import numpy as np
import pytest

from supa.compiler.passes.pipeline import simplify
from supa.compiler.ttir import read
from supa.ir.oracle import Memory, run
from supa.ir.verify import verify

A = np.array([7, -7, 7, -7, 8, -8, 0, 1, -1, 2**31 - 1, -(2**31), -(2**31), 5, -5, 6, -6], np.int32)
B = np.array([2, 2, -2, -2, 4, 4, 3, 3, 3, 2, 2, 3, 5, 5, -5, -5], np.int32)


def kernel(body, arguments):
    types = ", ".join(type_ for type_ in arguments.values())
    named = ", ".join(f"{name}: {type_}" for name, type_ in arguments.items())
    return f""""builtin.module"() ({{
  "tt.func"() <{{function_type = ({types}) -> (), sym_name = "k", sym_visibility = "public"}}> ({{
  ^bb0({named}):
{body}
    "tt.return"() : () -> ()
  }}) : () -> ()
}}) : () -> ()
"""


def checked(text):
    func = simplify(read(text))
    verify(func)
    return func


def quotient(operation):
    tile, pointers, at = "tensor<16xi32>", "tensor<16x!tt.ptr<i32>>", "tensor<16xi32>"
    lines = ['%at = "tt.make_range"() <{end = 16 : i32, start = 0 : i32}> : () -> tensor<16xi32>']
    for name in "abr":
        lines.append(f'%s{name} = "tt.splat"(%{name}) : (!tt.ptr<i32>) -> {pointers}')
        lines.append(f'%p{name} = "tt.addptr"(%s{name}, %at) : ({pointers}, {at}) -> {pointers}')
    for name in "ab":
        sizes = "operandSegmentSizes = array<i32: 1, 0, 0>"
        lines.append(f'%v{name} = "tt.load"(%p{name}) <{{{sizes}}}> : ({pointers}) -> {tile}')
    lines.append(f'%q = "{operation}"(%va, %vb) : ({tile}, {tile}) -> {tile}')
    lines.append(f'"tt.store"(%pr, %q) : ({pointers}, {tile}) -> ()')
    return kernel("\n".join(lines), dict.fromkeys(("%a", "%b", "%r"), "!tt.ptr<i32>"))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("arith.floordivsi", [int(a) // int(b) for a, b in zip(A, B, strict=True)]),
        ("arith.ceildivsi", [-(-int(a) // int(b)) for a, b in zip(A, B, strict=True)]),
        ("arith.ceildivui", [-(-int(a) // int(b)) for a, b in zip(A.view(np.uint32), B.view(np.uint32), strict=True)]),
    ],
)
def test_quotients_rounded_up_or_down(operation, expected):
    memory = Memory()
    regions = [memory.copy_of("a", A), memory.copy_of("b", B), memory.new("r", A.nbytes)]
    run(checked(quotient(operation)), (1,), regions, memory)
    assert regions[2].array(np.uint32).tolist() == [value & 0xFFFFFFFF for value in expected]


LOOP = """
    %zero = "arith.constant"() <{value = 0 : index}> : () -> index
    %one = "arith.constant"() <{value = 1 : index}> : () -> index
    %end = "arith.index_cast"(%n) : (i32) -> index
    "scf.for"(%zero, %end, %one) ({
    ^bb0(%i: index):
      %j = "arith.index_cast"(%i) : (index) -> i32
      %to = "tt.addptr"(%p, %i) : (!tt.ptr<i32>, index) -> !tt.ptr<i32>
      "tt.store"(%to, %j) : (!tt.ptr<i32>, i32) -> ()
      "scf.yield"() : () -> ()
    }) : (index, index, index) -> ()
"""


def test_a_loop_over_index_counts_in_64_bits():
    memory = Memory()
    out = memory.new("p", 32)
    run(checked(kernel(LOOP, {"%p": "!tt.ptr<i32>", "%n": "i32"})), (1,), [out, 5], memory)
    assert out.array(np.int32)[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("cast", "expected"), [("arith.index_cast", -3), ("arith.index_castui", 2**32 - 3)])
def test_index_is_made_with_or_without_the_sign(cast, expected):
    body = f"""
    %wide = "{cast}"(%n) : (i32) -> index
    %same = "{cast}"(%wide) : (index) -> i64
    "tt.store"(%p, %same) : (!tt.ptr<i64>, i64) -> ()
"""
    memory = Memory()
    out = memory.new("p", 8)
    run(checked(kernel(body, {"%p": "!tt.ptr<i64>", "%n": "i32"})), (1,), [out, -3], memory)
    assert out.array(np.int64).tolist() == [expected]


def test_a_region_that_only_groups_runs_in_place():
    body = """
    %r = "scf.execute_region"() ({
      %sum = "arith.addi"(%n, %n) <{overflowFlags = #arith.overflow<none>}> : (i32, i32) -> i32
      "scf.yield"(%sum) : (i32) -> ()
    }) : () -> i32
    "tt.store"(%p, %r) : (!tt.ptr<i32>, i32) -> ()
"""
    memory = Memory()
    out = memory.new("p", 4)
    run(checked(kernel(body, {"%p": "!tt.ptr<i32>", "%n": "i32"})), (1,), [out, 21], memory)
    assert out.array(np.int32).tolist() == [42]
