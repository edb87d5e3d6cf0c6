"""The verifier: what it refuses, word for word, and that every operation has a type rule."""

from pathlib import Path

import pytest

from supa.base.dtypes import F32, I32
from supa.base.errors import VerifyError
from supa.ir import ops
from supa.ir.core import OPERATIONS, Block
from supa.ir.parser import parse_function
from supa.ir.rewrite import Builder
from supa.ir.rules import TYPE_RULES
from supa.ir.verify import TERMINATORS, verify

GOLDEN = Path(__file__).with_name("kernel.tile").read_text()


def test_every_operation_has_a_type_rule_and_every_region_a_terminator():
    assert sorted(cls.name for cls in TYPE_RULES) == sorted(OPERATIONS)
    regions = {(cls, label) for cls in OPERATIONS.values() for label in cls.region_names}
    assert regions == set(TERMINATORS)


HEAD = (
    'func {sym_name="k"} {\n  body(%0: i32, %1: f32, %2: ptr<f32>, %3: tile<4x8xf32>, %4: tile<4x8xi32>, %5: i1):\n    '
)
PLACE = ' loc("u.py":7:3)'
REFUSED = [
    ('%6 = map %0 {function="fadd"} : (i32) -> i32', "map: expected 2 operands of fadd, found 1"),
    ('%6 = map %0, %0 {function="fadd"} : (i32, i32) -> i32', "map: expected operands of fadd to be floats, found i32"),
    ('%6 = map %1, %1 {function="add"} : (f32, f32) -> f32', "map: expected operands of add to be integers, found f32"),
    ('%6 = map %1, %3 {function="fadd"} : (f32, tile<4x8xf32>) -> f32',
     "map: expected operands of fadd of one type f32, found tile<4x8xf32>"),
    ('%6 = map %1, %1 {function="fcmp_olt"} : (f32, f32) -> f32', "map: expected results (i1), found (f32)"),
    ('%6 = map %1 {function="magic"} : (f32) -> f32', "map: expected a function of ir.functions, found 'magic'"),
    ('%6 = map %1 {function=3} : (f32) -> f32', "map: expected function of type str, found 3"),
    ('%6 = map %1 : (f32) -> f32', "map: expected attribute function, found none"),
    ('%6 = map %5, %3, %3 {function="select"} : (i1, tile<4x8xf32>, tile<4x8xf32>) -> tile<4x8xf32>',
     "map: expected the condition as tile<4x8xi1>, found i1"),
    ('%6 = map %1 {function="exp", speed="fast"} : (f32) -> f32',
     "map: expected attributes out of (function), found speed"),
    ('%6 = cast %1 {kind="sitofp"} : (f32) -> f32',
     "cast: expected types that sitofp converts (signed integer to float, to nearest even), found f32 to f32"),
    ('%6 = load %1 : (f32) -> f32', "load: expected a pointer or a tile of pointers, found f32"),
    ('%6 = load %2, %0 : (ptr<f32>, i32) -> f32', "load: expected a mask of type i1, found i32"),
    ('%6 = load %2, %5, %0 : (ptr<f32>, i1, i32) -> f32', "load: expected other of type f32, found i32"),
    ('store %2, %0 : (ptr<f32>, i32) -> ()', "store: expected a value of type f32, found i32"),
    ('store %2, _ : (ptr<f32>) -> ()', "store: expected operand 1 (value), found none"),
    ('store %2 : (ptr<f32>) -> ()', "store: expected 3 operands, found 1"),
    ('%6 = atomic_rmw %2, %1 {kind="add"} : (ptr<f32>, f32) -> f32',
     "atomic_rmw: expected elements that add combines, found f32"),
    ('%6 = addptr %2, %1 : (ptr<f32>, f32) -> ptr<f32>', "addptr: expected integer offsets of shape (), found f32"),
    ('%6 = transpose %3 {order=(0, 0)} : (tile<4x8xf32>) -> tile<4x4xf32>',
     "transpose: expected an order of the dimensions 0 to 1, found (0, 0)"),
    ('%6 = reshape %3 : (tile<4x8xf32>) -> tile<4x4xf32>',
     "reshape: expected a result of 32 elements of f32, found tile<4x4xf32>"),
    ('%6 = broadcast %3 : (tile<4x8xf32>) -> tile<8x8xf32>',
     "broadcast: expected a result that tile<4x8xf32> can be repeated to, found tile<8x8xf32>"),
    ('%6 = dot %3, %3, %3 : (tile<4x8xf32>, tile<4x8xf32>, tile<4x8xf32>) -> tile<4x8xf32>',
     "dot: expected operands (m, k) and (k, n), or both with one leading batch, found (4, 8) and (4, 8)"),
    ('%6 = constant {value=300} : () -> i8', "constant: expected a value of i8, found 300"),
    ('%6 = constant {value=0.5} : () -> i8', "constant: expected a value of i8, found 0.5"),
    ('%6 = program_id {axis=3} : () -> i32', "program_id: expected axis as one of 0, 1, 2, found 3"),
    ('yield', "yield: expected a terminator at the end of region body only, found one at position 0"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refusals(line, message):
    text = HEAD + line + PLACE + "\n    return\n}\n"
    with pytest.raises(VerifyError) as error:
        verify(parse_function(text))
    assert str(error.value) == "u.py:7:3: " + message


REDUCE = """%6 = reduce %3 {axis=AXIS} : (tile<4x8xf32>) -> tile<4xf32> loc("u.py":7:3) {
      combine(%7: f32, %8: TYPE):
        BODY
    }"""


@pytest.mark.parametrize(("axis", "type_", "body", "message"), [
    ("2", "f32", "yield %7 : (f32) -> ()", "reduce: expected an axis from 0 to 1, found 2"),
    ("0", "f32", "yield %7 : (f32) -> ()", "reduce: expected results (tile<8xf32>), found (tile<4xf32>)"),
    ("1", "i32", "yield %7 : (f32) -> ()", "reduce: expected arguments of combine: (f32, f32), found (f32, i32)"),
    ("1", "f32", "yield %0 : (i32) -> ()", "reduce: expected values yielded by combine: (f32), found (i32)"),
    ("1", "f32", "barrier", "reduce: expected region combine to end in yield, found barrier"),
])  # fmt: skip
def test_refused_regions(axis, type_, body, message):
    text = HEAD + REDUCE.replace("AXIS", axis).replace("TYPE", type_).replace("BODY", body) + "\n    return\n}\n"
    with pytest.raises(VerifyError) as error:
        verify(parse_function(text))
    assert str(error.value) == "u.py:7:3: " + message


def small():
    block = Block([I32])
    builder = Builder(block)
    first = builder.create(ops.Map, [block.args[0]], function="abs")
    second = builder.create(ops.Map, [first.result], function="abs")
    builder.create(ops.Return)
    return ops.Func((), (), {"sym_name": "k"}, [block]), first, second


def test_use_before_definition_and_out_of_scope():
    func, first, second = small()
    block = func.regions[0]
    block.ops[0], block.ops[1] = second, first
    with pytest.raises(VerifyError, match="operands defined above and in scope, found a value of type i32 that is not"):
        verify(func)
    text = HEAD + "%6 = if %5 : (i1) -> i32 {\n then():\n %7 = map %0 {function=\"abs\"} : (i32) -> i32\n" \
        " yield %7 : (i32) -> ()\n otherwise():\n yield %7 : (i32) -> ()\n }\n return\n}\n"  # fmt: skip
    with pytest.raises(VerifyError, match="yield: expected operands defined above and in scope"):
        verify(parse_function(text))


def test_forgotten_uses_and_lost_parents():
    func, first, second = small()
    first.result.uses.clear()
    with pytest.raises(VerifyError, match="expected 1 recorded uses of a value of type i32, found 0"):
        verify(func)
    func, first, second = small()
    second.parent = None
    with pytest.raises(VerifyError, match="an operation that knows its block"):
        verify(func)
    func, first, second = small()
    first.results[0].type = F32
    with pytest.raises(VerifyError, match=r"map: expected results \(i32\), found \(f32\)"):
        verify(func)


def test_the_golden_kernel_is_accepted():
    verify(parse_function(GOLDEN))
