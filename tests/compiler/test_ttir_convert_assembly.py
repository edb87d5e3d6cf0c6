"""Inline PTX becomes tile operations: answers in the oracle against NumPy and the PTX manual; refusals."""

import numpy as np
import pytest

from supa.base.errors import UnsupportedError
from supa.compiler.passes import simplify
from supa.compiler.ttir import read
from supa.ir.oracle import Memory, run
from supa.ir.verify import verify

N = 16
RANDOM = np.random.default_rng(11)
TYPES = {np.dtype(np.int32): "i32", np.dtype(np.float32): "f32", np.dtype(np.float16): "f16", np.dtype(np.int64): "i64"}


def text_of(assembly, inputs, result, pack=1):
    """A kernel that applies the assembly to tiles loaded from its arguments and stores what comes out."""
    types = [TYPES[array.dtype] for array in inputs]
    lines = ['%at = "tt.make_range"() <{end = 16 : i32, start = 0 : i32}> : () -> tensor<16xi32>']
    for index, type_ in enumerate([*types, result]):
        pointers = f"tensor<16x!tt.ptr<{type_}>>"
        lines.append(f'%s{index} = "tt.splat"(%p{index}) : (!tt.ptr<{type_}>) -> {pointers}')
        lines.append(f'%a{index} = "tt.addptr"(%s{index}, %at) : ({pointers}, tensor<16xi32>) -> {pointers}')
    for index, type_ in enumerate(types):
        sizes = "operandSegmentSizes = array<i32: 1, 0, 0>"
        lines.append(
            f'%v{index} = "tt.load"(%a{index}) <{{{sizes}}}> : (tensor<16x!tt.ptr<{type_}>>) -> tensor<16x{type_}>'
        )
    operands = ", ".join(f"%v{index}" for index in range(len(types)))
    signature = f"({', '.join(f'tensor<16x{type_}>' for type_ in types)}) -> tensor<16x{result}>"
    escaped = assembly.replace("\n", "\\0A")
    attributes = f'asm_string = "{escaped}", constraints = "", packed_element = {pack} : i32, pure = true'
    lines.append(f'%r = "tt.elementwise_inline_asm"({operands}) <{{{attributes}}}> : {signature} loc("user.py":9:4)')
    last = len(types)
    lines.append(f'"tt.store"(%a{last}, %r) : (tensor<16x!tt.ptr<{result}>>, tensor<16x{result}>) -> ()')
    arguments = [f"!tt.ptr<{type_}>" for type_ in [*types, result]]
    named = ", ".join(f"%p{index}: {type_}" for index, type_ in enumerate(arguments))
    body = "\n".join(lines)
    return f""""builtin.module"() ({{
  "tt.func"() <{{function_type = ({", ".join(arguments)}) -> (), sym_name = "k", sym_visibility = "public"}}> ({{
  ^bb0({named}):
{body}
"tt.return"() : () -> ()
  }}) : () -> ()
}}) : () -> ()
"""


def computed(assembly, *inputs, result=None):
    dtype = np.dtype(result or inputs[0].dtype)
    func = simplify(read(text_of(assembly, inputs, TYPES[dtype])))
    verify(func)
    memory = Memory()
    regions = [memory.copy_of(f"in{index}", array) for index, array in enumerate(inputs)]
    out = memory.new("out", N * dtype.itemsize)
    run(func, (1,), [*regions, out], memory)
    return out.array(dtype).copy()


def words():
    return RANDOM.integers(-(2**31), 2**31, N).astype(np.int32)


def floats():
    return RANDOM.standard_normal(N).astype(np.float32)


@pytest.mark.parametrize(
    ("assembly", "reference"),
    [
        ("add.rn.f32 $0, $1, $2;", lambda a, b: a + b),
        ("mul.ftz.f32 $0, $1, $2;", lambda a, b: a * b),
        ("div.full.f32 $0, $1, $2;", lambda a, b: a / b),
        ("max.f32 $0, $1, $2;", np.maximum),
        ("fma.rn.f32 $0, $1, $2, 0f3F800000;", lambda a, b: a * b + 1),
        ("sub.f32 $0, $1, $2; abs.f32 $0, $0;", lambda a, b: np.abs(a - b)),
        ("{ .reg .pred p; setp.lt.f32 p, $1, $2; selp.f32 $0, $1, $2, p; }", np.minimum),
    ],
)
def test_arithmetic_on_floats(assembly, reference):
    a, b = floats(), floats()
    expected = reference(a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(computed(assembly, a, b), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("assembly", "reference"),
    [
        ("ex2.approx.ftz.f32 $0, $1;", np.exp2),
        ("lg2.approx.f32 $0, $1;", np.log2),
        ("rcp.approx.ftz.f32 $0, $1;", lambda x: 1 / x),
        ("sqrt.approx.f32 $0, $1;", np.sqrt),
        ("rsqrt.approx.f32 $0, $1;", lambda x: 1 / np.sqrt(x)),
        ("tanh.approx.f32 $0, $1;", np.tanh),
        ("neg.ftz.f32 $0, $1;", np.negative),
    ],
)
def test_functions_of_one_float(assembly, reference):
    x = np.abs(floats()) + np.float32(0.1)
    np.testing.assert_allclose(computed(assembly, x), reference(x.astype(np.float64)), rtol=1e-6, atol=1e-6)


def bitwise_table(a, b, c, table):
    """PTX manual, lop3: the result's bit is bit (a << 2 | b << 1 | c) of the table."""
    total = np.zeros(N, np.int64)
    for bit in range(32):
        index = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | (c >> bit & 1)
        total |= (table >> index & 1).astype(np.int64) << bit
    return total.astype(np.uint32).view(np.int32)


@pytest.mark.parametrize("table", [0x00, 0xEA, 0x96, 0xE8, 0xFF])
def test_any_logic_of_three_words(table):
    a, b, c = words(), words(), words()
    assert np.array_equal(computed(f"lop3.b32 $0, $1, $2, $3, {table:#x};", a, b, c), bitwise_table(a, b, c, table))


def test_bytes_chosen_from_two_words():
    a, b = words(), words()
    eight = np.concatenate([a.view(np.uint8).reshape(N, 4), b.view(np.uint8).reshape(N, 4)], 1)
    expected = np.ascontiguousarray(eight[:, [0, 4, 1, 5]]).view(np.int32).reshape(N)
    assert np.array_equal(computed("prmt.b32 $0, $1, $2, 0x5140;", a, b), expected)


@pytest.mark.parametrize(
    ("assembly", "reference"),
    [
        ("shr.u32 $0, $1, 3;", lambda a: (a.view(np.uint32) >> 3).view(np.int32)),
        ("shr.s32 $0, $1, 3;", lambda a: a >> 3),
        ("not.b32 $0, $1;", np.invert),
        ("mad.lo.s32 $0, $1, 3, 7;", lambda a: a * 3 + 7),
        ("/* to and fro */ {\n.reg .b32 t<2>;\nmov.b32 t0, $1; // here\nxor.b32 $0, t0, 0x80008000;\n}",
         lambda a: a ^ np.int32(-2147450880)),
        ("min.u32 $0, $1, 7;", lambda a: np.minimum(a.view(np.uint32), 7).view(np.int32)),
        ("mov.b32 $0, 0f3F800000;", lambda a: np.full(N, 0x3F800000, np.int32)),
    ],
)  # fmt: skip
def test_integers(assembly, reference):
    a = words()
    assert np.array_equal(computed(assembly, a), reference(a))


def test_rounding_to_tf32_goes_to_the_nearest_and_halves_away_from_zero():
    one, step = np.float32(1), np.float32(2**-10)
    x = np.full(N, one, np.float32)
    x[:6] = [1 + step / 2, -(1 + step / 2), 1 + step / 4, 3.4028235e38, np.inf, np.nan]
    found = computed("cvt.rna.tf32.f32 $0, $1;", x)
    assert found[:5].tolist() == [1 + step, -(1 + step), 1.0, np.inf, np.inf] and np.isnan(found[5])


def test_conversions():
    x = (floats() * 100).astype(np.float32)
    assert np.array_equal(computed("cvt.rni.s32.f32 $0, $1;", x, result=np.int32), np.rint(x).astype(np.int32))
    assert np.array_equal(computed("cvt.rzi.s32.f32 $0, $1;", x, result=np.int32), np.trunc(x).astype(np.int32))
    assert np.array_equal(computed("cvt.rn.f16.f32 $0, $1;", x, result=np.float16), x.astype(np.float16))
    i = words()
    assert np.array_equal(computed("cvt.rn.f32.s32 $0, $1;", i, result=np.float32), i.astype(np.float32))
    assert np.array_equal(computed("cvt.s64.s32 $0, $1;", i, result=np.int64), i.astype(np.int64))


@pytest.mark.parametrize(
    "assembly",
    [
        "mov.u32 $0, %tid.x;",
        "mov.u32 $0, $1; bra there;",
        "a: mov.b32 $0, $1; b: @p bra a; nanosleep 1; bra b;",
        "@p mov.b32 $0, $1;",
        "shfl.sync.bfly.b32 $0, $1, 16, 31, 0xffffffff;",
        "cvt.rn.satfinite.e3m2x2.f32 $0, $1, $1;",
        "add.sat.u32 $0, $1, $1;",
        "add.cc.u32 $0, $1, $1;",
        "ld.shared.b32 $0, [$1];",
        "mov.b32 $0, {a, b};",
        "add.s32 $0, $1;",
        "shl.b32 $3, $1, 1;",
    ],
)
def test_what_is_not_read_is_refused_at_the_users_line(assembly):
    with pytest.raises(UnsupportedError, match=r"user.py:9:5: .*not|nothing is written|no line has"):
        read(text_of(assembly, [words()], "i32"))


def test_a_tile_that_is_no_whole_number_of_packs_is_refused():
    with pytest.raises(UnsupportedError, match="no whole number of packs of 32"):
        read(text_of("mov.b32 $0, $1;", [words()], "i32", pack=32))
