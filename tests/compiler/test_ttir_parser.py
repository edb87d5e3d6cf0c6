"""The reader of TTIR, against what Triton prints, Triton's own view of it, and the published float formats."""

import math
import os
import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import supa
from supa.base.dtypes import BF16, DTYPES, F16, F32, I1, I32, I64
from supa.base.errors import CompileError
from supa.base.location import UNKNOWN, Location
from supa.compiler.ttir.floats import float_from_bits, largest, round_to
from supa.compiler.ttir.mlir import parse
from supa.compiler.ttir.structure import UNIT, DialectAttribute, FunctionType, SymbolRef, TupleType
from supa.ir.types import Descriptor, Pointer, Tile

FOLDER = Path(__file__).parent / "ttir"
REFUSED = "block_pointers.raw"
GOLDENS = sorted(path.name.removesuffix(".mlir") for path in FOLDER.glob("*.mlir") if REFUSED not in path.name)


def text_of(name):
    return (FOLDER / f"{name}.mlir").read_text()


def module(body, aliases=""):
    return parse(f'"builtin.module"() ({{\n{body}\n}}) : () -> ()\n{aliases}')


def attribute(text):
    (block,) = module(f'"test.op"() <{{value = {text}}}> : () -> ()').regions[0].blocks
    return block.ops[0].attributes["value"]


def ops_named(name, op_name):
    return [op for op in parse(text_of(name)).walk() if op.name == op_name]


# The texts that Triton prints


@pytest.mark.parametrize("name", GOLDENS)
def test_every_line_of_the_text_becomes_its_operation(name):
    text = text_of(name)
    printed = Counter(re.findall(r'^\s*(?:%[^"=]* = )?"([\w.]+)"\(', text, re.MULTILINE))
    assert Counter(op.name for op in parse(text).walk()) == printed


@pytest.mark.parametrize("name", GOLDENS)
def test_triton_counts_the_same_operands_results_and_regions(name):
    ir = pytest.importorskip("triton._C.libtriton").ir
    context = ir.context()
    ir.load_dialects(context)
    theirs = Counter()
    judged = ir.parse_mlir_module(str(FOLDER / f"{name}.mlir"), context)
    judged.walk(
        lambda op: theirs.update([(op.get_name(), op.get_num_operands(), op.get_num_results(), op.get_num_regions())])
    )
    ours = Counter((op.name, len(op.operands), len(op.results), len(op.regions)) for op in parse(text_of(name)).walk())
    theirs.pop(("builtin.module", 0, 0, 1), None)
    ours.pop(("builtin.module", 0, 0, 1))
    assert ours == theirs


@pytest.mark.parametrize("name", GOLDENS)
def test_every_operand_is_defined_and_every_successor_is_in_its_region(name):
    for op in parse(text_of(name)).walk():
        for region in op.regions:
            for block in region.blocks:
                assert all(argument.owner is block for argument in block.arguments)
                assert all(target in region.blocks for inner in block.ops for target in inner.successors)
        for value in op.operands:
            assert value.owner is not None
        assert all(result.owner is op for result in op.results)


def run_beside_make(script):
    """Runs Python where `make.py` and `kernels.py` can be imported, in its own process: they import triton."""
    path = str(Path(supa.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


def test_goldens_are_what_triton_prints_today():
    if pytest.importorskip("triton").__version__ != "3.7.1":
        pytest.skip("the goldens are Triton 3.7.1's")
    script = (
        "import make\nfor name, golden in make.GOLDENS.items():\n"
        "    assert make.text_of(golden) == (make.FOLDER / f'{name}.mlir').read_text(), name\n"
    )
    done = run_beside_make(script)
    assert done.returncode == 0, done.stderr


def test_generic_text_leaves_the_module_as_it_was():
    pytest.importorskip("triton")
    script = (
        "import make\nmodule = make.build(make.GOLDENS['softmax'])\nbefore = str(module)\n"
        "assert make.generic_text(module) == make.generic_text(module)\nassert str(module) == before\n"
        "assert 'tt.func public @softmax' in before\n"
    )
    done = run_beside_make(script)
    assert done.returncode == 0, done.stderr


# What they say


def test_arguments_wear_the_users_names_types_and_hints():
    (function,) = ops_named("vector_add", "tt.func")
    arguments = function.regions[0].entry.arguments
    assert [value.name for value in arguments] == ["x", "y", "out", "n"]
    assert [value.type for value in arguments] == [Pointer(F32)] * 3 + [I32]
    assert function.attributes["sym_name"] == "vector_add"
    assert function.attributes["arg_attrs"] == ({"tt.divisibility": 16},) * 4
    assert function.attributes["function_type"] == FunctionType((*[Pointer(F32)] * 3, I32), ())
    assert function.attributes["noinline"] is False


def test_locations_are_the_lines_of_the_kernel():
    lines = (FOLDER / "kernels.py").read_text().splitlines()
    for op in ops_named("softmax", "tt.load") + ops_named("softmax", "tt.store"):
        line = lines[op.location.line - 1]
        assert op.location.file == "kernels.py"
        assert op.name.replace("tt.", "tl.") in line
        assert re.match(r"\b\w", line[op.location.column - 1 :])
        assert re.match(r"\W\w", line[op.location.column - 2 :])  # a word begins there


def test_inlined_operations_know_their_caller():
    lines = (FOLDER / "kernels.py").read_text().splitlines()
    inlined = [op.location for op in parse(text_of("matmul")).walk() if op.location.caller]
    leaky = [place for place in inlined if "tl.where(x >= 0" in lines[place.line - 1]]
    assert leaky
    assert all("leaky(total)" in lines[place.caller.line - 1] for place in leaky)


def test_minus_infinity_is_read_as_such():
    constants = [op.attributes["value"] for op in ops_named("attention", "arith.constant")]
    splats = [value for value in constants if getattr(value, "is_splat", False) and value.values[0] == -math.inf]
    assert Tile((64, 64), F32) in [value.type for value in splats]


def test_early_return_is_a_graph_of_blocks():
    (function,) = ops_named("early_return", "tt.func")
    entry, *rest = function.regions[0].blocks
    assert len(rest) == 4
    assert entry.ops[-1].name == "cf.cond_br"
    assert entry.ops[-1].successors == rest[:2]
    assert entry.ops[-1].attributes["operandSegmentSizes"] == (1, 0, 0)


def test_results_of_one_operation_are_told_apart():
    ops = list(parse(text_of("argmax")).walk())
    (reduce,) = [op for op in ops if op.name == "tt.reduce"]
    stores = [op for op in ops if op.name == "tt.store"]
    assert [result.type for result in reduce.results] == [Tile((4,), F32), Tile((4,), I32)]
    assert [store.operands[1] for store in stores] == list(reduce.results)
    assert len(reduce.regions[0].entry.arguments) == 4


def test_descriptors_carry_block_element_and_sign():
    (function,) = ops_named("host_descriptor", "tt.func")
    descriptors = [value.type for value in function.regions[0].entry.arguments if isinstance(value.type, Descriptor)]
    assert descriptors == [Descriptor((16, 64), F16), Descriptor((16, 64), BF16), Descriptor((8, 8), I32, False)]


def test_escapes_of_inline_assembly_are_undone():
    (assembly,) = ops_named("inline_assembly", "tt.elementwise_inline_asm")
    assert assembly.attributes["asm_string"] == '{\n\t.reg .b32 "odd";\n\tshl.b32 $0, $1, 1;\n}'


def test_calls_name_functions_of_the_module():
    names = {op.attributes["sym_name"] for op in ops_named("nested_calls", "tt.func")}
    assert {op.attributes["callee"].name for op in ops_named("nested_calls", "tt.call")} < names


def test_block_pointers_before_their_pass_are_refused():
    with pytest.raises(CompileError, match="rewrite_tensor_pointer"):
        parse(text_of(REFUSED))


# Types


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((dtype.name, dtype) for dtype in DTYPES.values()),
        ("!tt.ptr<!tt.ptr<f32>>", Pointer(Pointer(F32))),
        ("!tt.ptr<f32, 1>", Pointer(F32)),
        ("tensor<128x64xf32>", Tile((128, 64), F32)),
        ("tensor<4x!tt.ptr<!tt.ptr<i64>>>", Tile((4,), Pointer(Pointer(I64)))),
        ("tensor<f32>", Tile((), F32)),
        ("tensor<4xf32, #blocked>", Tile((4,), F32)),
        ("tensor<4xf32, #ttg.slice<{dim = 1, parent = #ttg.slice<{dim = 2, parent = #b}>}>>", Tile((4,), F32)),
        ("!tt.tensordesc<tensor<128x64xf16>>", Descriptor((128, 64), F16)),
        ("!tt.tensordesc<128x64xf16>", Descriptor((128, 64), F16)),
        ("!tt.tensordesc<tensor<8xsi32>>", Descriptor((8,), I32)),
        ("!tt.tensordesc<8xui32>", Descriptor((8,), I32, False)),
        ("index", I64),
        ("tuple<i32, tuple<>>", TupleType((I32, TupleType(())))),
        ("(i1, f32) -> (i32, i64)", FunctionType((I1, F32), (I32, I64))),
        ("() -> ()", FunctionType((), ())),
    ],
)
def test_types(text, expected):
    assert attribute(text) == expected
    assert attribute(text) == expected  # and remembered


@pytest.mark.parametrize(
    "text",
    ["f31", "i0", "tensor<?xf32>", "tensor<4xf32, 3>", "tensor<4xf32, #a<#b<1>", "!tt.ptr<f32, 3>",
     "!ttg.memdesc<4xf32>", "ui32", "tensor<4xtensor<4xf32>>", "tensor<4xf32",
     "!tt.tensordesc<4x!tt.ptr<f32>>", "vector<4xf32>"],
)  # fmt: skip
def test_other_types_are_refused(text):
    with pytest.raises(CompileError, match="expected"):
        attribute(text)


# Attributes


def bits_of(value, form="<f"):
    return struct.pack(form, value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16 : i32", 16), ("-1 : i64", -1), ("-2147483648 : i32", -(2**31)), ("7", 7), ("3 : index", 3),
        ("true", True), ("false", False), ("unit", UNIT), ('"a\\0Ab\\22\\\\"', 'a\nb"\\'), ('"\\C3\\A9"', "é"),
        ("1.500000e+00 : f32", 1.5), ("-0.5 : f16", -0.5), ("0x7F800000 : f32", math.inf),
        ("0xFF800000 : f32", -math.inf), ("0x7C00 : f16", math.inf), ("0xFF80 : bf16", -math.inf),
        ("0x7FF0000000000000 : f64", math.inf), ("0x3F800000 : f32", 1.0), ("0x7F7FFFFF : f32", 3.4028234663852886e38),
        ("@kernel", SymbolRef("kernel")), ('@"a b"::@c', SymbolRef("a b::c")),
        ("[1, [true], {a}]", (1, (True,), {"a": UNIT})),
        ("array<i32>", ()), ("array<i32: 1, -2>", (1, -2)), ("array<i1: true, false>", (True, False)),
        ("array<f32: 1.0, 0x7F800000>", (1.0, math.inf)),
        ("#arith.fastmath<none>", DialectAttribute("arith.fastmath", "none")),
        ("#a.b.c<x = <y -> \">\">, #z>", DialectAttribute("a.b.c", "x = <y -> \">\">, #z")),
        ("#ub.poison", DialectAttribute("ub.poison", "")), ("{}", {}),
        ('{a = 1 : i32, "b c" = "}"}', {"a": 1, "b c": "}"}),
    ],
)  # fmt: skip
def test_attributes(text, expected):
    value = attribute(text)
    assert value == expected
    assert type(value) is type(expected)


def test_decimals_are_rounded_to_their_type():
    assert attribute("1.000000e-01 : f32") == struct.unpack("<f", bits_of(0.1))[0] != 0.1
    assert attribute("0.1 : f64") == 0.1
    assert math.copysign(1.0, attribute("-0.000000e+00 : f32")) == -1.0
    assert math.isnan(attribute("0x7FC00000 : f32"))


@pytest.mark.parametrize(
    ("text", "type_", "values"),
    [
        ("dense<0xFF800000> : tensor<128xf32>", Tile((128,), F32), (-math.inf,)),
        ("dense<-1.5> : tensor<2x2xf16>", Tile((2, 2), F16), (-1.5,)),
        ("dense<true> : tensor<8xi1>", Tile((8,), I1), (True,)),
        ("dense<-7> : tensor<8xi32>", Tile((8,), I32), (-7,)),
        ("dense<[[1, 2], [3, -4]]> : tensor<2x2xi64>", Tile((2, 2), I64), (1, 2, 3, -4)),
        ("dense<[1.0, 0x7F800000]> : tensor<2xf32>", Tile((2,), F32), (1.0, math.inf)),
        ("dense<[true, false]> : tensor<2xi1>", Tile((2,), I1), (True, False)),
        ('dense<"0x0000803F000080FF"> : tensor<2xf32>', Tile((2,), F32), (1.0, -math.inf)),
        ('dense<"0xFFFFFFFF02000000"> : tensor<2xi32>', Tile((2,), I32), (-1, 2)),
        ("dense<> : tensor<0xi32>", Tile((0,), I32), ()),
    ],
)
def test_dense_constants(text, type_, values):
    constant = attribute(text)
    assert (constant.type, constant.values) == (type_, values)
    assert constant.is_splat == (len(values) == 1)


@pytest.mark.parametrize(
    "text",
    ["0xFF800000", "0xFF800000 : i32", "0x1FF800000 : f32", "1 : f32", "1.5 : i32", "300 : i8", "true : i32",
     "dense<1> : tensor<4xf32>", "dense<0xFF800000> : tensor<4xi32>", "dense<[1, 2]> : tensor<3xi32>", "1e400 : f64",
     "dense<[[1], [2, 3]]> : tensor<2x2xi32>", 'dense<"0x00"> : tensor<2xf32>', 'dense<"0x01"> : tensor<8xi1>',
     "dense<1> : i32", "dense_resource<a> : tensor<4xf32>", "sparse<> : tensor<4xf32>", "#unknown", "#ttg.x<a<b>",
     "affine_map<(d0) -> (d0)>", "7.0e4 : f16", "{a = 1, a = 2}", "dense<> : tensor<4xi32>", "(1.0, 2.0)", '"open'],
)  # fmt: skip
def test_other_attributes_are_refused(text):
    with pytest.raises(CompileError, match=r"<ttir>:2:\d+: expected"):
        attribute(text)


def test_attribute_aliases():
    op = module('"test.op"() {a = #one, b = #one} : () -> ()', "#one = 1 : i32\n#two = #two\n").regions[0].entry.ops[0]
    assert op.attributes == {"a": 1, "b": 1}
    with pytest.raises(CompileError, match="expected a known attribute"):
        module('"test.op"() {a = #two} : () -> ()', "#two = #two\n")


# Floats


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_every_8_bit_pattern_is_torchs(name):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(256, dtype=torch.uint8).view(getattr(torch, name)).double().tolist()
    dtype = next(dtype for dtype in DTYPES.values() if dtype.name.lower() == name.replace("float8_", "f8"))
    ours = [float_from_bits(dtype, bits) for bits in range(256)]
    same = [a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(ours, theirs, strict=True)]
    assert all(same)
    assert largest(dtype) == torch.finfo(getattr(torch, name)).max


def test_e4m3b11_has_bias_11_and_one_nan():
    dtype = DTYPES["f8E4M3B11FNUZ"]
    assert float_from_bits(dtype, 11 << 3) == 1.0
    assert [bits for bits in range(256) if math.isnan(float_from_bits(dtype, bits))] == [0x80]
    assert largest(dtype) == 30.0


@given(st.floats(width=64, allow_nan=False, allow_infinity=False, min_value=-3e38, max_value=3e38))
def test_rounding_to_f32_is_the_machines(value):
    assert bits_of(round_to(F32, value)) == bits_of(value)


@given(st.floats(width=64, min_value=-65000, max_value=65000))
def test_rounding_to_f16_is_the_machines(value):
    assert bits_of(round_to(F16, value), "<e") == bits_of(value, "<e")


# Operations, blocks, locations


def test_a_block_may_use_what_a_later_block_defines():
    body = """
    "tt.func"() ({
      "cf.br"()[^bb2] : () -> ()
    ^bb1:  // pred: ^bb2
      "test.nest"() ({
        "test.use"(%v#1) : (f32) -> ()
      }) : () -> ()
      "test.use"(%v#1) : (f32) -> ()
    ^bb2:  // pred: ^bb0
      %v:2 = "test.make"() : () -> (i32, f32)
      "cf.br"()[^bb1] : () -> ()
    }) : () -> ()"""
    first, second, third = module(body).regions[0].entry.ops[0].regions[0].blocks
    make = third.ops[0]
    nested = second.ops[0].regions[0].entry.ops[0]
    assert first.ops[0].successors == [third]
    assert nested.operands == second.ops[1].operands == [make.results[1]]
    assert make.results[1].owner is make
    assert make.results[1].type == F32


def test_sibling_regions_may_use_the_same_names():
    body = """
    "scf.if"() ({
      %0 = "test.a"() : () -> i32
      "scf.yield"(%0) : (i32) -> ()
    }, {
      %0 = "test.b"() : () -> i32
      "scf.yield"(%0) : (i32) -> ()
    }) : () -> ()"""
    for region in module(body).regions[0].entry.ops[0].regions:
        assert region.entry.ops[1].operands == [region.entry.ops[0].results[0]]


def location_of(text, aliases=""):
    return module(f'"test.op"() : () -> () loc({text})', aliases).regions[0].entry.ops[0].location


def test_locations():
    callee, caller, outermost = Location("a.py", 1, 3), Location("b.py", 4, 6), Location("c.py", 7, 9)
    assert location_of('"a.py":1:2') == callee
    assert location_of('"a.py":1:2 to 3:4') == location_of('"a.py":1:2 to :4') == callee
    assert location_of('"name"("a.py":1:2)') == callee
    assert location_of("unknown") == location_of('"name"') == UNKNOWN
    assert location_of('fused[unknown, "a.py":1:2, "b.py":4:5]') == callee
    assert location_of('fused<"meta">["a.py":1:2]') == callee
    called = location_of('callsite(callsite("a.py":1:2 at "b.py":4:5) at "c.py":7:8)')
    assert called == Location("a.py", 1, 3, caller=Location("b.py", 4, 6, caller=outermost))
    assert location_of("#loc2", '#loc2 = loc("x"(#loc))\n#loc = loc("b.py":4:5)\n') == caller


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('"test.op"(%a) : (i32) -> ()', "%a is defined nowhere"),
        ('%a = "test.op"() : () -> ()', "expected 0 result names"),
        ('"test.op"() : () -> i32', "expected 1 result names"),
        ('%a = "test.op"() : () -> i32\n%a = "test.op"() : () -> i32', "%a is defined already"),
        ('%a = "test.op"() : () -> i32\n"test.op"(%a) : (f32) -> ()', "expected an operand of type i32"),
        ('"test.op"(%a) : (f32) -> ()\n%a = "test.op"() : () -> i32', "expected an operand of type f32"),
        ('%a = "test.op"() : () -> i32\n"test.op"(%a) : () -> ()', "expected 1 operand types"),
        ('"test.op"()[^bb9] : () -> ()', "expected the block \\^bb9"),
        ('"test.op"() <{a = 1}> {a = 1} : () -> ()', "'a' is a property too"),
        ('"test.op"() : () -> () loc(#loc7)', "#loc7 is not"),
        ("tt.return", "generic form"),
        ('"test.op"()', "expected ':'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(body, message):
    with pytest.raises(CompileError, match=message) as caught:
        module(body)
    assert caught.value.location.file == "<ttir>"
    assert caught.value.location.line >= 2


def test_locations_that_refer_to_themselves_are_refused():
    with pytest.raises(CompileError, match="refers to itself"):
        location_of("#loc1", "#loc1 = loc(#loc2)\n#loc2 = loc(#loc1)\n")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_text_is_refused_or_read_and_never_crashes(data):
    text = text_of("early_return")
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 12))
    patch = data.draw(st.text(alphabet='"%#^()[]{}<>:,=x0loc \n', max_size=4))
    try:
        parse(text[:start] + patch + text[start + length :])
    except CompileError as error:
        assert error.location.line >= 1
