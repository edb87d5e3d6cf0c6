"""Masked loads of two registers, one of which no lane asks for."""

import numpy as np
import pytest
from program_check import host_of
from test_native_regressions import agree

from supa.base.dtypes import DTYPES
from supa.ir.oracle.formats import storage_of


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("element", ["i64", "f64"])
@pytest.mark.parametrize("first", [-4, -1, 4, 6])
def test_a_load_whose_first_or_last_half_is_known_to_be_masked_off(first, element, bits):
    """LLVM 22 loaded the half that no lane asked for, without a mask, where vectors have 256 bits."""
    tile, pointers = f"tile<8x{element}>", f"tile<8xptr<{element}>>"
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<{element}>, %1: ptr<{element}>, %2: i32):
    %3 = range {{start=0, end=8}} : () -> tile<8xi32>
    %4 = constant {{value={first}}} : () -> tile<8xi32>
    %5 = map %3, %4 {{function="add"}} : (tile<8xi32>, tile<8xi32>) -> tile<8xi32>
    %6 = constant {{value=8}} : () -> tile<8xi32>
    %7 = map %5, %6 {{function="icmp_ult"}} : (tile<8xi32>, tile<8xi32>) -> tile<8xi1>
    %8 = constant {{value=5}} : () -> i32
    %9 = map %2, %8 {{function="icmp_slt"}} : (i32, i32) -> i1
    %10 = splat %9 : (i1) -> tile<8xi1>
    %11 = map %10, %7 {{function="and"}} : (tile<8xi1>, tile<8xi1>) -> tile<8xi1>
    %12 = splat %0 : (ptr<{element}>) -> {pointers}
    %13 = addptr %12, %5 : ({pointers}, tile<8xi32>) -> {pointers}
    %14 = load %13, %11, _ : ({pointers}, tile<8xi1>) -> {tile}
    %15 = splat %1 : (ptr<{element}>) -> {pointers}
    %16 = addptr %15, %3 : ({pointers}, tile<8xi32>) -> {pointers}
    store %16, %14, _ : ({pointers}, {tile}) -> ()
    return
}}
"""
    values = np.arange(1, 9).astype(storage_of(DTYPES[element]))
    _, found = agree(text, (1,), values, np.zeros_like(values), 1, passes=True, host=host_of(bits))
    places = np.arange(8) + first
    assert found.tolist() == [values[at] if 0 <= at < 8 else 0 for at in places]
