"""Loads, stores, atomics and descriptors, and what the oracle finds wrong with them: kernels in the text form."""

import numpy as np
import pytest
import torch

from supa.base.errors import LaunchError
from supa.ir.oracle import DescriptorValue, FindingError, Memory, Strict, run
from supa.ir.parser import parse_function
from supa.ir.verify import verify

COLLECT = Strict(on_finding="collect")


def kernel(text):
    func = parse_function(text)
    verify(func)
    return func


COPY = kernel("""
func {sym_name="copy"} {
  body(%0: ptr<f32>, %1: ptr<f32>, %2: i32):
    %3 = program_id {axis=0} : () -> i32
    %4 = constant {value=8} : () -> i32
    %5 = map %3, %4 {function="mul"} : (i32, i32) -> i32
    %6 = splat %5 : (i32) -> tile<8xi32>
    %7 = range {start=0, end=8} : () -> tile<8xi32>
    %8 = map %6, %7 {function="add"} : (tile<8xi32>, tile<8xi32>) -> tile<8xi32>
    %9 = splat %2 : (i32) -> tile<8xi32>
    %10 = map %8, %9 {function="icmp_slt"} : (tile<8xi32>, tile<8xi32>) -> tile<8xi1>
    %11 = splat %0 : (ptr<f32>) -> tile<8xptr<f32>>
    %12 = addptr %11, %8 : (tile<8xptr<f32>>, tile<8xi32>) -> tile<8xptr<f32>>
    %13 = load %12, %10 : (tile<8xptr<f32>>, tile<8xi1>) -> tile<8xf32> loc("copy.py":4:9)
    %14 = splat %1 : (ptr<f32>) -> tile<8xptr<f32>>
    %15 = addptr %14, %8 : (tile<8xptr<f32>>, tile<8xi32>) -> tile<8xptr<f32>>
    store %15, %13, %10 : (tile<8xptr<f32>>, tile<8xf32>, tile<8xi1>) -> () loc("copy.py":5:5)
    return
}
""")


def finding(func, grid, args, memory, **knobs):
    with pytest.raises(FindingError) as error:
        run(func, grid, args, memory, strict=Strict(**knobs))
    return error.value.finding


@pytest.mark.parametrize("n", [1, 8, 13, 21])
def test_masked_copy_of_ragged_sizes(n):
    memory = Memory()
    x = np.arange(n, dtype=np.float32)
    source, target = memory.copy_of("x", x), memory.new("y", 4 * 24)
    run(COPY, (3,), [source, target, n], memory)
    assert np.array_equal(target.array(np.float32)[:n], x)
    assert np.isnan(target.array(np.float32)[n:]).all()


def test_real_memory_of_arrays_and_tensors():
    x, y = np.arange(10, dtype=np.float32), torch.zeros(10)
    memory = Memory()
    memory.at("x", x), memory.at("y", y)
    run(COPY, (2,), [x.ctypes.data, y.data_ptr(), 10], memory)
    assert np.array_equal(y.numpy(), x)


def test_out_of_bounds_names_line_program_element_and_region():
    memory = Memory()
    source, target = memory.copy_of("x", np.zeros(12, np.float32)), memory.new("y", 64)
    found = finding(COPY, (2,), [source, target, 16], memory)
    assert (found.kind, found.program_id, found.element, found.region) == ("out of bounds", (1, 0, 0), (4,), "x")
    assert str(found) == (
        "copy.py:4:9: out of bounds: 4 bytes at offset 48 of x, which has 48 bytes"
        " (load, program (1, 0, 0), element (4,))"
    )
    report = run(COPY, (2,), [source, target, 16], memory, strict=COLLECT)
    assert [f.kind for f in report.findings] == ["out of bounds"]


def test_use_after_free_misalignment_and_unwritten_bytes():
    memory = Memory()
    source, target = memory.copy_of("x", np.zeros(9, np.float32)), memory.new("y", 64)
    assert finding(COPY, (1,), [source.base + 2, target, 8], memory).kind == "misaligned"
    found = finding(COPY, (1,), [target, source, 8], memory)
    assert (found.kind, found.region) == ("uninitialised", "y")
    run(COPY, (1,), [target, source, 8], memory, strict=Strict(uninitialised=False))
    memory.free(target)
    assert finding(COPY, (1,), [source, target, 8], memory).kind == "use after free"


def test_two_programs_writing_one_place_race():
    memory = Memory()
    target = memory.new("y", 64)
    text = """
func {sym_name="clash"} {
  body(%0: ptr<i32>):
    %1 = program_id {axis=0} : () -> i32
    store %0, %1 : (ptr<i32>, i32) -> () loc("clash.py":3:1)
    return
}
"""
    found = finding(kernel(text), (2,), [target], memory)
    assert (found.kind, found.program_id, found.other_program, str(found.location)) == (
        "race", (1, 0, 0), 0, "clash.py:3:1",
    )  # fmt: skip
    same = kernel(text.replace("program_id {axis=0}", "constant {value=7}"))
    assert finding(same, (2,), [target], memory).kind == "race"
    run(same, (2,), [target], memory, strict=Strict(equal_writes_race=False))
    run(kernel(text), (2,), [target], memory, strict=Strict(races=False))
    assert target.array(np.int32)[0] == 1


NEIGHBOUR = """
func {{sym_name="neighbour"}} {{
  body(%0: ptr<i32>, %1: ptr<i32>):
    %2 = program_id {{axis=0}} : () -> i32
    %3 = addptr %0, %2 : (ptr<i32>, i32) -> ptr<i32>
    store %3, %2 : (ptr<i32>, i32) -> ()
    %4 = constant {{value=1}} : () -> i32
    {sync}
    %6 = constant {{value=0}} : () -> i32
    %7 = map %2, %4 {{function="sub"}} : (i32, i32) -> i32
    %8 = map %7, %6 {{function="smax"}} : (i32, i32) -> i32
    %9 = addptr %0, %8 : (ptr<i32>, i32) -> ptr<i32>
    %10 = load %9 : (ptr<i32>) -> i32 loc("n.py":9:9)
    return
}}
"""


def test_reading_what_another_program_wrote_races_unless_atomics_order_it():
    memory = Memory()
    values, counter = memory.new("v", 32), memory.copy_of("c", np.zeros(1, np.int32))
    barrier = kernel(NEIGHBOUR.format(sync="barrier"))
    found = finding(barrier, (4,), [values, counter], memory)
    assert (found.kind, found.program_id, str(found.location)) == ("race", (1, 0, 0), "n.py:9:9")
    atomic = '%5 = atomic_rmw %1, %4 {kind="add"} : (ptr<i32>, i32) -> i32'
    run(kernel(NEIGHBOUR.format(sync=atomic)), (4,), [values, counter], memory)
    assert counter.array(np.int32)[0] == 4
    relaxed = atomic.replace('"add"', '"add", order="relaxed"')
    assert finding(kernel(NEIGHBOUR.format(sync=relaxed)), (4,), [values, counter], memory).kind == "race"


RMW = """
func {{sym_name="rmw"}} {{
  body(%0: ptr<{t}>, %1: ptr<{t}>, %2: ptr<{t}>):
    %3 = range {{start=0, end=8}} : () -> tile<8xi32>
    %4 = splat %1 : (ptr<{t}>) -> tile<8xptr<{t}>>
    %5 = addptr %4, %3 : (tile<8xptr<{t}>>, tile<8xi32>) -> tile<8xptr<{t}>>
    %6 = load %5 : (tile<8xptr<{t}>>) -> tile<8x{t}>
    %7 = splat %0 : (ptr<{t}>) -> tile<8xptr<{t}>>
    %8 = atomic_rmw %7, %6 {{kind="{kind}"}} : (tile<8xptr<{t}>>, tile<8x{t}>) -> tile<8x{t}>
    %9 = splat %2 : (ptr<{t}>) -> tile<8xptr<{t}>>
    %10 = addptr %9, %3 : (tile<8xptr<{t}>>, tile<8xi32>) -> tile<8xptr<{t}>>
    store %10, %8 : (tile<8xptr<{t}>>, tile<8x{t}>) -> ()
    return
}}
"""
COMBINE = {
    "add": lambda a, b: a + b, "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "smax": max, "smin": min, "umax": lambda a, b: max(a, b, key=lambda v: v % 2**32),
    "umin": lambda a, b: min(a, b, key=lambda v: v % 2**32), "xchg": lambda a, b: b, "fadd": lambda a, b: a + b,
}  # fmt: skip


@pytest.mark.parametrize("kind", COMBINE)
def test_atomics_act_lane_by_lane(kind):
    name, dtype = ("f32", np.float32) if kind == "fadd" else ("i32", np.int32)
    values = np.array([5, -3, 12, 7, -100, 6, 0, 9], dtype)
    memory = Memory()
    cell, given, old = memory.copy_of("c", np.array([42], dtype)), memory.copy_of("v", values), memory.new("o", 32)
    run(kernel(RMW.format(t=name, kind=kind)), (1,), [cell, given, old], memory)
    expected = [42]
    for value in values.tolist():
        expected.append(COMBINE[kind](expected[-1], int(value)))
    assert old.array(dtype).tolist() == expected[:-1] and cell.array(dtype)[0] == expected[-1]


LOCK = """
func {sym_name="lock"} {
  body(%0: ptr<i32>, %1: ptr<i32>):
    %2 = constant : () -> i32
    %3 = constant {value=1} : () -> i32
    while {
      before():
        %4 = atomic_cas %0, %2, %3 : (ptr<i32>, i32, i32) -> i32
        %5 = map %4, %3 {function="icmp_eq"} : (i32, i32) -> i1
        condition %5 : (i1) -> ()
      after():
        yield
    }
    %6 = load %1 : (ptr<i32>) -> i32
    %7 = map %6, %3 {function="add"} : (i32, i32) -> i32
    store %1, %7 : (ptr<i32>, i32) -> ()
    %8 = atomic_rmw %0, %2 {kind="xchg"} : (ptr<i32>, i32) -> i32
    return
}
"""


def test_a_lock_orders_its_section_and_a_held_one_ends_in_an_error():
    memory = Memory()
    lock, count = memory.copy_of("lock", np.zeros(1, np.int32)), memory.copy_of("count", np.zeros(1, np.int32))
    run(kernel(LOCK), (5,), [lock, count], memory)
    assert count.array(np.int32)[0] == 5
    lock.array(np.int32)[0] = 1
    with pytest.raises(LaunchError, match=r"program \(0, 0, 0\) waits in this loop for what only another program"):
        run(kernel(LOCK), (5,), [lock, count], memory)


def test_an_endless_loop_that_changes_something_ends_at_the_bound():
    text = """
func {sym_name="endless"} {
  body(%0: i32):
    %1 = constant {value=true} : () -> i1
    %2 = while %0 : (i32) -> i32 loc("e.py":2:1) {
      before(%3: i32):
        condition %1, %3 : (i1, i32) -> ()
      after(%4: i32):
        %5 = map %4, %0 {function="add"} : (i32, i32) -> i32 loc("e.py":3:1)
        yield %5 : (i32) -> ()
    }
    return
}
"""
    with pytest.raises(LaunchError, match=r"e\.py:3:1: program \(0, 0, 0\) did not end after 1000 operations"):
        run(kernel(text), (1,), [1], Memory(), strict=Strict(max_steps=1000))


DESCRIPTORS = """
func {{sym_name="d"}} {{
  body(%0: ptr<{t}>, %1: ptr<{t}>, %2: i32, %3: i32, %4: i64, %5: i32, %6: i32):
    %7 = constant {{value=1}} : () -> i64
    %8 = make_descriptor %0, %2, %3, %4, %7{padding} : (ptr<{t}>, i32, i32, i64, i64) -> desc<4x8x{t}>
    %9 = make_descriptor %1, %2, %3, %4, %7 : (ptr<{t}>, i32, i32, i64, i64) -> desc<4x8x{t}>
    %10 = descriptor_load %8, %5, %6 : (desc<4x8x{t}>, i32, i32) -> tile<4x8x{t}>
    {write}
    return
}}
"""
STORE = "descriptor_store %9, %10, %5, %6 : (desc<4x8x{t}>, tile<4x8x{t}>, i32, i32) -> ()"
REDUCE = 'descriptor_reduce %9, %10, %5, %6 {{kind="{k}"}} : (desc<4x8x{t}>, tile<4x8x{t}>, i32, i32) -> ()'


def test_descriptor_moves_only_what_is_inside_the_tensor():
    x = np.arange(70, dtype=np.float32).reshape(7, 10)
    memory = Memory()
    source, target = memory.copy_of("x", x), memory.copy_of("y", np.full((7, 10), -1, np.float32))
    func = kernel(DESCRIPTORS.format(t="f32", padding="", write=STORE.format(t="f32")))
    run(func, (1,), [source, target, 7, 10, 10, 5, 4], memory)
    expected = np.full((7, 10), -1, np.float32)
    expected[5:, 4:] = x[5:, 4:]
    assert np.array_equal(target.array(np.float32, (7, 10)), expected)


@pytest.mark.parametrize(("padding", "value"), [("", 0.0), (' {padding="nan"}', np.nan)])
def test_descriptor_padding(padding, value):
    write = """%11 = range {start=0, end=32} : () -> tile<32xi32>
    %12 = reshape %11 : (tile<32xi32>) -> tile<4x8xi32>
    %13 = splat %1 : (ptr<f32>) -> tile<4x8xptr<f32>>
    %14 = addptr %13, %12 : (tile<4x8xptr<f32>>, tile<4x8xi32>) -> tile<4x8xptr<f32>>
    store %14, %10 : (tile<4x8xptr<f32>>, tile<4x8xf32>) -> ()"""
    x = np.arange(70, dtype=np.float32).reshape(7, 10)
    memory = Memory()
    source, target = memory.copy_of("x", x), memory.new("y", 128)
    func = kernel(DESCRIPTORS.format(t="f32", padding=padding, write=write))
    run(func, (1,), [source, target, 7, 10, 10, -1, 6], memory)
    expected = np.full((4, 8), value, np.float32)
    expected[1:, :4] = x[:3, 6:]
    assert np.array_equal(target.array(np.float32, (4, 8)), expected, equal_nan=True)


REDUCTIONS = {
    "add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "inc": lambda y, x: np.where(y >= x, 0, y + 1), "dec": lambda y, x: np.where((y == 0) | (y > x), x, y - 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_descriptor_reduce(kind):
    rng = np.random.default_rng(4)
    x, y = (rng.integers(0, 50, (6, 8)).astype(np.int32) for _ in range(2))
    memory = Memory()
    source, target = memory.copy_of("x", x), memory.copy_of("y", y)
    func = kernel(DESCRIPTORS.format(t="i32", padding="", write=REDUCE.format(t="i32", k=kind)))
    run(func, (1,), [source, target, 6, 8, 8, 4, 0], memory)
    expected = y.copy()
    expected[4:] = REDUCTIONS[kind](y[4:], x[4:])
    assert np.array_equal(target.array(np.int32, (6, 8)), expected)


def test_descriptor_gather_and_scatter():
    text = """
func {sym_name="rows"} {
  body(%0: ptr<f16>, %1: ptr<f16>, %2: ptr<i32>, %3: i32):
    %4 = constant {value=6} : () -> i32
    %5 = constant {value=16} : () -> i32
    %6 = constant {value=16} : () -> i64
    %7 = constant {value=1} : () -> i64
    %8 = make_descriptor %0, %4, %5, %6, %7 : (ptr<f16>, i32, i32, i64, i64) -> desc<1x8xf16>
    %9 = make_descriptor %1, %4, %5, %6, %7 : (ptr<f16>, i32, i32, i64, i64) -> desc<1x8xf16>
    %10 = range {start=0, end=4} : () -> tile<4xi32>
    %11 = splat %2 : (ptr<i32>) -> tile<4xptr<i32>>
    %12 = addptr %11, %10 : (tile<4xptr<i32>>, tile<4xi32>) -> tile<4xptr<i32>>
    %13 = load %12 : (tile<4xptr<i32>>) -> tile<4xi32>
    %14 = descriptor_gather %8, %13, %3 : (desc<1x8xf16>, tile<4xi32>, i32) -> tile<4x8xf16>
    descriptor_scatter %9, %14, %10, %3 : (desc<1x8xf16>, tile<4x8xf16>, tile<4xi32>, i32) -> ()
    return
}
"""
    x, rows = np.arange(96, dtype=np.float16).reshape(6, 16), np.array([5, 0, 9, 2], np.int32)
    memory = Memory()
    regions = [memory.copy_of("x", x), memory.copy_of("y", np.full((6, 16), -1, np.float16)), memory.copy_of("r", rows)]
    run(kernel(text), (1,), [*regions, 12], memory)
    expected = np.full((6, 16), -1, np.float16)
    expected[:4, 12:] = np.stack([x[5], x[0], np.zeros(16), x[2]])[:, 12:]
    assert np.array_equal(regions[1].array(np.float16, (6, 16)), expected)


def test_assert_print_and_values_that_become_infinite():
    text = """
func {sym_name="say"} {
  body(%0: f32, %1: i32):
    print %0, %1 {prefix=" x: ", signed=(true, false)} : (f32, i32) -> ()
    %2 = range {start=0, end=2} : () -> tile<2xi32>
    print %2 {prefix=" r: ", hexadecimal=true} : (tile<2xi32>) -> ()
    %3 = map %0, %0 {function="fmul"} : (f32, f32) -> f32 loc("s.py":4:2)
    %4 = splat %1 : (i32) -> tile<2xi32>
    %5 = map %2, %4 {function="icmp_ne"} : (tile<2xi32>, tile<2xi32>) -> tile<2xi1>
    assert %5 {message="must differ"} : (tile<2xi1>) -> () loc("s.py":5:2)
    return
}
"""
    func = kernel(text)
    report = run(func, (1,), [1.5, -1], Memory())
    assert report.printed == [
        "pid (0, 0, 0) idx () x: (operand 0) 1.500000", "pid (0, 0, 0) idx () x: (operand 1) 4294967295",
        "pid (0, 0, 0) idx (0) r: 0x00000000", "pid (0, 0, 0) idx (1) r: 0x00000001",
    ]  # fmt: skip
    found = finding(func, (1,), [1.5, 1], Memory())
    assert (found.kind, found.message, found.element) == ("assertion", "must differ", (1,))
    found = finding(func, (1,), [3e38, -1], Memory(), not_finite=True)
    assert (found.kind, str(found.location)) == ("not finite", "s.py:4:2")


def test_wrong_arguments_are_refused():
    with pytest.raises(LaunchError, match="copy takes 3 arguments, 1 are given"):
        run(COPY, (1,), [0], Memory())


def test_a_descriptor_as_argument_and_a_block_of_lower_rank():
    text = """
func {sym_name="host"} {
  body(%0: desc<1x8xf32>, %1: ptr<f32>):
    %2 = constant {value=2} : () -> i32
    %3 = descriptor_load %0, %2, %2 : (desc<1x8xf32>, i32, i32) -> tile<8xf32>
    %4 = range {start=0, end=8} : () -> tile<8xi32>
    %5 = splat %1 : (ptr<f32>) -> tile<8xptr<f32>>
    %6 = addptr %5, %4 : (tile<8xptr<f32>>, tile<8xi32>) -> tile<8xptr<f32>>
    store %6, %3 : (tile<8xptr<f32>>, tile<8xf32>) -> ()
    return
}
"""
    x = np.arange(40, dtype=np.float32).reshape(4, 10)
    memory = Memory()
    source, target = memory.copy_of("x", x), memory.new("y", 32)
    described = DescriptorValue(base=source.base, extents=(4, 9), strides=(10, 1))
    run(kernel(text), (1,), [described, target], memory)
    assert target.array(np.float32).tolist() == [*x[2, 2:9], 0.0]
    with pytest.raises(LaunchError, match="an argument of type desc<1x8xf32> can not be 3"):
        run(kernel(text), (1,), [3, target], memory)


def test_compare_and_swap_compares_bits_lane_by_lane():
    text = """
func {sym_name="cas"} {
  body(%0: ptr<i32>):
    %1 = range {start=0, end=4} : () -> tile<4xi32>
    %2 = splat %0 : (ptr<i32>) -> tile<4xptr<i32>>
    %3 = constant {value=1} : () -> tile<4xi32>
    %4 = map %1, %3 {function="add"} : (tile<4xi32>, tile<4xi32>) -> tile<4xi32>
    %5 = atomic_cas %2, %1, %4 : (tile<4xptr<i32>>, tile<4xi32>, tile<4xi32>) -> tile<4xi32>
    %6 = addptr %2, %4 : (tile<4xptr<i32>>, tile<4xi32>) -> tile<4xptr<i32>>
    store %6, %5 : (tile<4xptr<i32>>, tile<4xi32>) -> ()
    return
}
"""
    for first, old, last in ((0, [0, 1, 2, 3], 4), (2, [2, 2, 2, 3], 4), (9, [9, 9, 9, 9], 9)):
        memory = Memory()
        cells = memory.copy_of("c", np.array([first, 0, 0, 0, 0], np.int32))
        run(kernel(text), (1,), [cells], memory)
        assert cells.array(np.int32).tolist() == [last, *old]


def test_a_gather_beyond_its_tile_is_found():
    text = """
func {sym_name="far"} {
  body():
    %0 = range {start=0, end=4} : () -> tile<4xi32>
    %1 = range {start=2, end=6} : () -> tile<4xi32>
    %2 = gather %0, %1 {axis=0} : (tile<4xi32>, tile<4xi32>) -> tile<4xi32> loc("g.py":2:2)
    return
}
"""
    found = finding(kernel(text), (1,), [], Memory())
    assert str(found) == (
        "g.py:2:2: out of bounds: index 4 along axis 0 of extent 4 (gather, program (0, 0, 0), element (2,))"
    )


def test_loops_count_unsigned_and_refuse_a_step_that_does_not_advance():
    text = """
func {sym_name="loop"} {
  body(%0: i32, %1: i32, %2: i32, %3: ptr<i32>):
    %4 = for %0, %1, %2, %0 {unsigned=true} : (i32, i32, i32, i32) -> i32 loc("l.py":2:2) {
      body(%5: i32, %6: i32):
        yield %5 : (i32) -> ()
    }
    store %3, %4 : (ptr<i32>, i32) -> ()
    return
}
"""
    memory = Memory()
    target = memory.new("y", 4)
    run(kernel(text), (1,), [2**31 - 2, -(2**31) + 3, 2, target], memory)
    assert target.array(np.int32)[0] == -(2**31) + 2
    run(kernel(text.replace("unsigned=true", "unsigned=false")), (1,), [5, -5, 2, target], memory)
    assert target.array(np.int32)[0] == 5
    with pytest.raises(LaunchError, match=r"l\.py:2:2: a loop of program \(0, 0, 0\) has step 0, expected above 0"):
        run(kernel(text), (1,), [0, 4, 0, target], memory)


def test_regions_may_not_overlap_and_strided_arrays_span_all_their_bytes():
    memory = Memory()
    x = np.zeros((4, 6), np.float32)
    assert memory.at("x", x[::2, 1:3]).data.size == 4 * (2 * 6 + 1) + 4
    with pytest.raises(ValueError, match="region whole overlaps x"):
        memory.at("whole", x)


def test_masked_lanes_without_other_are_poison_or_zero():
    for knob, expected in (("poison", np.nan), ("zero", 0.0)):
        memory = Memory()
        func = kernel("""
func {sym_name="poison"} {
  body(%0: ptr<f32>, %1: i1):
    %2 = load %0, %1 : (ptr<f32>, i1) -> f32
    store %0, %2 : (ptr<f32>, f32) -> ()
    return
}
""")
        cell = memory.new("c", 4)
        run(func, (1,), [cell, False], memory, strict=Strict(unspecified=knob))
        assert np.array_equal(cell.array(np.float32), [expected], equal_nan=True)
