"""What goes from block to block of one call of the entry: the place in the grid, fetching ahead of the next block."""

import ctypes
import dataclasses

import numpy as np
import pytest
from native_calls import Area, Native, slot

from supa.compiler.native.build import build
from supa.compiler.native.generate import generate
from supa.compiler.native.generator import Rounding
from supa.compiler.native.host import detect
from supa.ir.parser import parse_function
from supa.program.abi import Launch

PLACES = """func {sym_name="places"} {
  body(%0: ptr<i32>, %1: ptr<i32>):
    %2 = program_id {axis=0} : () -> i32
    %3 = program_id {axis=1} : () -> i32
    %4 = program_id {axis=2} : () -> i32
    %5 = load %1, _, _ : (ptr<i32>) -> i32
    %6 = constant {value=100} : () -> i32
    %7 = map %4, %6 {function="mul"} : (i32, i32) -> i32
    %8 = map %7, %3 {function="add"} : (i32, i32) -> i32
    %9 = map %8, %6 {function="mul"} : (i32, i32) -> i32
    %10 = map %9, %2 {function="add"} : (i32, i32) -> i32
    %11 = addptr %0, %5 : (ptr<i32>, i32) -> ptr<i32>
    store %11, %10, _ : (ptr<i32>, i32) -> ()
    %12 = constant {value=1} : () -> i32
    %13 = map %5, %12 {function="add"} : (i32, i32) -> i32
    store %1, %13, _ : (ptr<i32>, i32) -> ()
    return
}
"""


@pytest.mark.parametrize("grid", [(7, 1, 1), (1, 5, 1), (1, 1, 4), (3, 4, 5), (1, 3, 2), (2, 1, 3)])
def test_blocks_know_their_place_wherever_a_call_begins(grid: tuple[int, int, int]) -> None:
    native = Native(parse_function(PLACES))
    x, y, z = grid
    expected = [i + 100 * (j + 100 * k) for k in range(z) for j in range(y) for i in range(x)]
    for first in range(len(expected)):
        found, next_ = Area(np.full(len(expected) + 1, -1, np.int32)), Area(np.array([first], np.int32))
        slots = np.array([slot(found, None), slot(next_, None)], np.uint64)
        launch = Launch()
        launch.grid[:] = grid
        native.entry(slots.ctypes.data, ctypes.addressof(launch), first, len(expected), 0)
        np.testing.assert_array_equal(found.array, [-1] * first + expected[first:] + [-1])


def row_kernel(*, again: bool, columns: int = 1024) -> str:
    """x[row] summed; with `again` its elements are read a second time, after the sum is known, and added to it."""
    t, p, i = f"tile<{columns}xf32>", f"tile<{columns}xptr<f32>>", f"tile<{columns}xi32>"
    second = f"""
    %12 = splat %9 : (f32) -> {t}
    %13 = map %8, %12 {{function="fadd"}} : ({t}, {t}) -> {t}
    %14 = splat %1 : (ptr<f32>) -> {p}
    %15 = addptr %14, %5 : ({p}, {i}) -> {p}
    store %15, %13, _ : ({p}, {t}) -> ()"""
    return f"""func {{sym_name="rows"}} {{
  body(%0: ptr<f32>, %1: ptr<f32>, %2: i32):
    %3 = program_id {{axis=0}} : () -> i32
    %4 = map %3, %2 {{function="mul"}} : (i32, i32) -> i32
    %5 = range {{start=0, end={columns}}} : () -> {i}
    %6 = addptr %0, %4 : (ptr<f32>, i32) -> ptr<f32>
    %7 = splat %6 : (ptr<f32>) -> {p}
    %17 = addptr %7, %5 : ({p}, {i}) -> {p}
    %8 = load %17, _, _ : ({p}) -> {t}
    %9 = reduce %8 {{axis=0}} : ({t}) -> f32 {{
      combine(%10: f32, %11: f32):
        %16 = map %10, %11 {{function="fadd"}} : (f32, f32) -> f32
        yield %16 : (f32) -> ()
    }}{second if again else ""}
    return
}}
"""


def prefetches(text: str) -> int:
    host = dataclasses.replace(detect(), vector_bits=512)
    return generate(parse_function(text), host, Rounding()).text.count("call void @llvm.prefetch")


def test_a_row_that_is_read_twice_fetches_the_next_one_meanwhile() -> None:
    assert prefetches(row_kernel(again=True)) > 0


def test_what_is_read_once_and_computes_little_leaves_it_to_the_hardware() -> None:
    assert prefetches(row_kernel(again=False)) == 0


@pytest.mark.parametrize("columns", [16, 1 << 17])
def test_tiles_that_are_tiny_or_do_not_stay_in_the_caches_fetch_nothing(columns: int) -> None:
    assert prefetches(row_kernel(again=True, columns=columns)) == 0


def test_fetching_ahead_changes_no_answer_and_reaches_into_nothing() -> None:
    x = np.random.default_rng(5).standard_normal((3, 1024)).astype(np.float32)
    source, target = Area(x), Area(np.zeros(1024, np.float32))
    for blocks in (1, 3):
        native = Native(parse_function(row_kernel(again=True)))
        native((blocks,), (source, target, 1024))
        row = x[blocks - 1].astype(np.float64)
        np.testing.assert_allclose(target.array, row + row.sum(), rtol=0, atol=1e-4)
        assert source.guards_are_whole() and target.guards_are_whole()


CARRIED = """func {sym_name="carried"} {
  body(%0: ptr<f32>, %1: i32):
    %2 = range {start=0, end=4096} : () -> tile<4096xi32>
    %3 = splat %0 : (ptr<f32>) -> tile<4096xptr<f32>>
    %4 = addptr %3, %2 : (tile<4096xptr<f32>>, tile<4096xi32>) -> tile<4096xptr<f32>>
    %5 = constant {value=0.0} : () -> tile<4096xf32>
    %6 = constant {value=0} : () -> i32
    %7 = constant {value=1} : () -> i32
    %8 = for %6, %1, %7, %5 : (i32, i32, i32, tile<4096xf32>) -> tile<4096xf32> {
      body(%9: i32, %10: tile<4096xf32>):
        %11 = load %4, _, _ : (tile<4096xptr<f32>>) -> tile<4096xf32>
        %12 = map %10, %11 {function="fadd"} : (tile<4096xf32>, tile<4096xf32>) -> tile<4096xf32>
        yield %12 : (tile<4096xf32>) -> ()
    }
    %13 = reduce %8 {axis=0} : (tile<4096xf32>) -> f32 {
      combine(%14: f32, %15: f32):
        %16 = map %14, %15 {function="fadd"} : (f32, f32) -> f32
        yield %16 : (f32) -> ()
    }
    store %0, %13, _ : (ptr<f32>, f32) -> ()
    return
}
"""


def test_no_loop_becomes_a_call_of_the_c_library() -> None:
    """What lives across a call is kept in memory, in the loops before it too: accumulators among them."""
    assembly = build(generate(parse_function(CARRIED), detect(), Rounding()).text, detect(), listing=True).assembly
    assert "carried.entry" in assembly and "memset" not in assembly
