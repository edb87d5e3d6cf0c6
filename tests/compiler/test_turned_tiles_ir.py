"""Which tiles turn so that their memory runs along the last dimension; the turned kernel is valid and says the same."""

import pytest

from supa.compiler.native.turned import with_turned_tiles
from supa.ir import ops
from supa.ir.parser import parse_function
from supa.ir.types import shape_of
from supa.ir.verify import verify

INDEX = "tile<32x8xi32>"
POINTERS = "tile<32x8xptr<f32>>"


def kernel(stride_rows, stride_columns, store_rows, store_columns, between="", stored="%9"):
    """Loads a 32x8 tile with the given strides along its rows and columns, and stores one with the others."""
    text = """func {sym_name="k"} {
  body(%0: ptr<f32>, %1: ptr<f32>):
    %2 = range {start=0, end=32} : () -> tile<32xi32>
    %3 = range {start=0, end=8} : () -> tile<8xi32>
"""
    for name, base, rows, columns in (("a", 0, stride_rows, stride_columns), ("b", 1, store_rows, store_columns)):
        number = 10 if name == "a" else 20
        text += f"""    %{number + 30} = expand_dims %2 {{axis=1}} : (tile<32xi32>) -> tile<32x1xi32>
    %{number + 31} = expand_dims %3 {{axis=0}} : (tile<8xi32>) -> tile<1x8xi32>
    %{number + 7} = broadcast %{number + 30} : (tile<32x1xi32>) -> {INDEX}
    %{number + 8} = broadcast %{number + 31} : (tile<1x8xi32>) -> {INDEX}
    %{number} = constant {{value={rows}}} : () -> {INDEX}
    %{number + 1} = constant {{value={columns}}} : () -> {INDEX}
    %{number + 2} = map %{number + 7}, %{number} {{function="mul"}} : ({INDEX}, {INDEX}) -> {INDEX}
    %{number + 3} = map %{number + 8}, %{number + 1} {{function="mul"}} : ({INDEX}, {INDEX}) -> {INDEX}
    %{number + 4} = map %{number + 2}, %{number + 3} {{function="add"}} : ({INDEX}, {INDEX}) -> {INDEX}
    %{number + 5} = splat %{base} : (ptr<f32>) -> {POINTERS}
    %{number + 6} = addptr %{number + 5}, %{number + 4} : ({POINTERS}, {INDEX}) -> {POINTERS}
"""
    return f"""{text}    %9 = load %16, _, _ : (tile<32x8xptr<f32>>) -> tile<32x8xf32>
{between}    store %26, {stored}, _ : (tile<32x8xptr<f32>>, tile<32x8xf32>) -> ()
    return
}}
"""


def loaded_shape(text):
    func = parse_function(text)
    verify(func)
    found = with_turned_tiles(func)
    verify(found)
    return next(shape_of(op.result.type) for op in found.walk() if isinstance(op, ops.Load))


@pytest.mark.parametrize(
    ("strides", "shape"),
    [
        ((1, 64, 1, 64), (8, 32)),  # both along the first dimension
        ((64, 1, 64, 1), (32, 8)),  # both along the last
        ((1, 64, 64, 1), (32, 8)),  # one each: writing counts more
        ((64, 1, 1, 64), (8, 32)),
        ((1, 0, 1, 64), (8, 32)),  # one row for all
    ],
)
def test_memory_runs_along_the_last_dimension(strides, shape):
    assert loaded_shape(kernel(*strides)) == shape


def test_what_is_tied_to_its_place_does_not_turn():
    between = """    %60 = reshape %9 : (tile<32x8xf32>) -> tile<16x16xf32>
    %61 = map %60, %60 {function="fadd"} : (tile<16x16xf32>, tile<16x16xf32>) -> tile<16x16xf32>
    %62 = reshape %61 : (tile<16x16xf32>) -> tile<32x8xf32>
"""
    assert loaded_shape(kernel(1, 64, 1, 64, between, "%62")) == (32, 8)


def test_a_transposition_between_a_turned_tile_and_another_goes():
    between = """    %60 = transpose %9 {order=(1, 0)} : (tile<32x8xf32>) -> tile<8x32xf32>
    %61 = transpose %60 {order=(1, 0)} : (tile<8x32xf32>) -> tile<32x8xf32>
"""
    func = with_turned_tiles(parse_function(kernel(1, 64, 64, 1, between, "%61")))
    verify(func)
    assert sum(isinstance(op, ops.Transpose) for op in func.walk()) == 1
