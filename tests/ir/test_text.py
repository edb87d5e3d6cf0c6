"""The text form: a golden kernel, random kernels that must come back the same, and mistakes with their line."""

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supa.base.dtypes import BF16, DTYPES, F32, I1, I32
from supa.base.location import UNKNOWN, Location
from supa.ir import ops
from supa.ir.core import Block
from supa.ir.parser import ParseError, parse_function
from supa.ir.rewrite import Builder
from supa.ir.text import print_function
from supa.ir.types import Descriptor, Pointer, Tile
from supa.ir.verify import verify

GOLDEN = Path(__file__).with_name("kernel.tile").read_text()


def test_the_golden_kernel_comes_back_and_is_well_formed():
    func = parse_function(GOLDEN)
    verify(func)
    assert print_function(func) == GOLDEN


def test_locations_keep_their_callers():
    func = parse_function(GOLDEN)
    load = next(op for op in func.walk() if isinstance(op, ops.Load))
    assert load.location == Location("lib.py", 3, 9, Location('a "b".py', 12, 5))
    assert load.cache == "ca" and load.other is None
    assert "loc(" not in print_function(func, locations=False)


def test_comments_and_blank_lines_are_skipped():
    assert print_function(parse_function("// made by hand\n\n" + GOLDEN)) == GOLDEN


def bits(value):
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


FLOATS = st.one_of(
    st.floats(),
    st.sampled_from([math.inf, -math.inf, -0.0, 5e-324, 1e16, 0.1]),
    st.integers(0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF).map(lambda b: struct.unpack("<d", struct.pack("<Q", b))[0]),
)


@given(st.one_of(FLOATS, st.integers(-(2**63), 2**64 - 1), st.booleans()))
def test_every_constant_comes_back_bit_by_bit(value):
    block = Block()
    Builder(block).create(ops.Constant, (), [F32], value=value)
    Builder(block).create(ops.Return)
    func = ops.Func((), (), {"sym_name": "c"}, [block])
    again = parse_function(print_function(func))
    assert bits(again.regions[0].ops[0].value) == bits(value)


TEXT = st.text(max_size=8)
PLACES = st.recursive(
    st.just(None),
    lambda inner: st.builds(Location, TEXT, st.integers(0, 999), st.integers(0, 99), inner),
    max_leaves=3,
)
SCALARS = st.recursive(st.sampled_from(list(DTYPES.values())), lambda inner: st.builds(Pointer, inner), max_leaves=2)
SHAPES = st.lists(st.sampled_from([1, 2, 4, 16]), min_size=1, max_size=3).map(tuple)
TYPES = st.one_of(
    SCALARS,
    st.builds(Tile, SHAPES, SCALARS),
    st.builds(Descriptor, SHAPES, st.sampled_from([F32, BF16, I32]), st.booleans()),
)


@st.composite
def functions(draw):
    """Well-scoped operations of any kind and depth; not well typed: the text form does not care."""
    block = Block(draw(st.lists(TYPES, max_size=3)))
    fill(draw, block, list(block.args), depth=0)
    names = tuple(draw(st.lists(TEXT, max_size=2)))
    return ops.Func((), (), {"sym_name": draw(TEXT), "arg_names": names}, [block], draw(PLACES) or UNKNOWN)


def fill(draw, block, visible, depth):
    visible = list(visible)
    for _ in range(draw(st.integers(0, 3))):
        builder = Builder(block, location=draw(PLACES) or UNKNOWN)
        operands = draw(st.lists(st.sampled_from([None, *visible]), max_size=3))
        results = draw(st.lists(TYPES, max_size=2))
        regions = []
        kind = draw(st.sampled_from([ops.Map, ops.Load, ops.Constant, ops.If, ops.While]))
        if kind in (ops.If, ops.While):
            if depth == 2:
                continue
            regions = [Block(draw(st.lists(TYPES, max_size=2))) for _ in kind.region_names]
            for region in regions:
                fill(draw, region, [*visible, *region.args], depth + 1)
        attributes = draw(st.dictionaries(
            st.sampled_from(["value", "values", "cache", "function"]),
            st.one_of(TEXT, st.integers(), FLOATS, st.booleans(), st.tuples(st.integers(), TEXT)),
        ))  # fmt: skip
        if kind is ops.Load:
            operands = (operands + [None] * 3)[:3]
        visible += builder.create(kind, operands, results, regions=regions, **attributes).results


@settings(max_examples=60, deadline=None)
@given(functions())
def test_random_functions_come_back(func):
    text = print_function(func)
    again = parse_function(text)
    assert print_function(again) == text
    for one, other in zip(func.walk(), again.walk(), strict=True):
        assert one.name == other.name and one.location == other.location
        assert [v.type for v in one.results] == [v.type for v in other.results]
        assert [v and v.type for v in one.operands] == [v and v.type for v in other.operands]


HEAD = 'func {sym_name="k"} {\n  body(%0: i32):\n'
MISTAKES = [
    ("", "line 1: expected a function, found the end of the text"),
    ("return\n", "line 1: expected a func, found return"),
    (HEAD + "    frobnicate %0\n", "line 3, column 5: expected an operation of the tile IR, found frobnicate %0"),
    (HEAD + "    yield %7 : () -> ()\n", "line 3, column 11: expected a value defined above, found %7 : () -> ()"),
    (HEAD + "    yield %0 : (f32) -> ()\n",
     "line 3, column 27: expected operand types (i32) as the operands were defined, found the end of the line"),
    (HEAD + "    %0 = constant : () -> i32\n", "line 3: %0 is defined twice"),
    (HEAD + "    %1 = constant {value=abc} : () -> i32\n",
     "line 3, column 26: expected an attribute's value, found abc} : () -> i32"),
    (HEAD + "    %1 = constant : () -> i31\n", "line 3, column 27: expected a type, found i31"),
    (HEAD + "    return\n", "line 4: expected '}', found the end of the text"),
    (HEAD + "    return\n}\nreturn\n", "line 5, column 1: expected the end of the text, found return"),
    (HEAD + "    return loc(3)\n", "line 3, column 16: expected a file's name, found 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes_are_refused_with_their_line(text, message):
    with pytest.raises(ParseError) as error:
        parse_function(text)
    assert str(error.value) == message


def test_types_read_as_they_print():
    assert str(Tile((2, 4), Pointer(Pointer(F32)))) == "tile<2x4xptr<ptr<f32>>>"
    assert str(Descriptor((1, 8), I32, False)) == "desc<1x8xi32, unsigned>"
    assert str(Tile((4,), I1)) == "tile<4xi1>"
