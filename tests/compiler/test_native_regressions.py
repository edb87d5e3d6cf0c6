"""Small kernels that native code once got wrong, against the oracle on the same memory."""

import numpy as np
import pytest
from native_calls import Area, Native, compare

from supa.base.dtypes import DTYPES
from supa.compiler.native.host import detect
from supa.compiler.passes import simplify
from supa.ir.oracle.formats import storage_of
from supa.ir.parser import parse_function
from supa.ir.verify import verify

SMALL_FLOATS = ("f16", "bf16", "f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f8E4M3B11FNUZ")


def agree(text, grid, *args, passes=False, host=None):
    """Both ways of running leave the same memory, native code after the passes if wanted; gives the arrays."""
    func, target = parse_function(text), parse_function(text)
    verify(func)
    bound = [Area(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
    native = Native(simplify(target) if passes else target, host or detect())
    difference = compare(func, native, grid, bound)
    assert difference is None, str(difference)
    return [area.array for area in bound if isinstance(area, Area)]


def elementwise(body, element, count=256):
    """A kernel that stores %99, a tile of `count` elements; %2 is the index, %1 an i32 argument, %4 the old tile."""
    tile, pointers = f"tile<{count}x{element}>", f"tile<{count}xptr<{element}>>"
    return f"""func {{sym_name="k"}} {{
  body(%0: ptr<{element}>, %1: i32):
    %2 = range {{start=0, end={count}}} : () -> tile<{count}xi32>
    %100 = splat %0 : (ptr<{element}>) -> {pointers}
    %101 = addptr %100, %2 : ({pointers}, tile<{count}xi32>) -> {pointers}
    %4 = load %101, _, _ : ({pointers}) -> {tile}
{body}
    store %101, %99, _ : ({pointers}, {tile}) -> ()
    return
}}
"""


def random_bits(element, count, seed=0):
    storage = storage_of(DTYPES[element])
    return np.random.default_rng(seed).integers(0, 256, count * storage.itemsize, np.uint8).view(storage)


@pytest.mark.parametrize("function", ["sdiv", "udiv", "srem", "urem"])
@pytest.mark.parametrize("first", [-9, 0, 1000, (1 << 30) - 40, (1 << 31) - 64])
@pytest.mark.parametrize("divisor", [-7, 1, 3, 16, 31, 640, (1 << 30) + 3])
def test_division_of_neighbours_by_one_number(function, first, divisor):
    """A vector of whole numbers in a row is divided by one scalar division, where few quotients begin in it."""
    body = f"""    %5 = constant {{value={first}}} : () -> tile<64xi32>
    %6 = map %2, %5 {{function="add"}} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>
    %7 = splat %1 : (i32) -> tile<64xi32>
    %99 = map %6, %7 {{function="{function}"}} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>"""
    agree(elementwise(body, "i32", 64), (1,), np.zeros(64, np.int32), divisor)


@pytest.mark.parametrize("function", ["sdiv", "udiv", "srem", "urem"])
@pytest.mark.parametrize("reach", [10, 1 << 40, (1 << 51) - 1, 1 << 51, (1 << 63) - 1])
def test_division_of_64_bits_below_and_beyond_what_f64_holds(function, reach):
    body = f"""    %5 = constant {{values={(reach, 3, reach - 1, -reach) * 16}}} : () -> tile<64xi64>
    %99 = map %4, %5 {{function="{function}"}} : (tile<64xi64>, tile<64xi64>) -> tile<64xi64>"""
    values = np.random.default_rng(0).integers(-reach, reach, 64)
    values[:8] = (reach, reach - 1, -reach, 1 - reach, 0, 1, -1, reach // 3 * 3)
    agree(elementwise(body, "i64", 64), (1,), values, 0)


@pytest.mark.parametrize("function", ["sdiv", "udiv", "srem", "urem"])
@pytest.mark.parametrize("element", ["i8", "i16", "i32", "i64"])
def test_division_by_zero_and_of_the_minimum_by_minus_one(function, element):
    bits = DTYPES[element].bits
    lowest, ones = -(1 << (bits - 1)), -1
    type_ = f"tile<4x{element}>"
    body = f"""    %5 = constant {{values=(0, 0, -1, 3)}} : () -> {type_}
    %99 = map %4, %5 {{function="{function}"}} : ({type_}, {type_}) -> {type_}"""
    (found,) = agree(elementwise(body, element, 4), (1,), np.array([0, 5, lowest, 7], f"i{bits // 8}"), 0)
    expected = {
        "sdiv": [ones, ones, lowest, 2], "udiv": [ones, ones, 0, 2], "srem": [0, 5, 0, 1], "urem": [0, 5, lowest, 1],
    }  # fmt: skip
    assert found.tolist() == expected[function]


@pytest.mark.parametrize(
    "value", [1e30, -1e30, 449.0, 1e-30, -0.0, 0.1, float("inf"), float("nan"), 1 + 2.0**-8 + 2.0**-40]
)
@pytest.mark.parametrize("element", SMALL_FLOATS)
def test_constants_of_small_floats_are_rounded_once_and_saturate(element, value):
    body = f"    %99 = constant {{value={value!r}}} : () -> tile<4x{element}>"
    agree(elementwise(body, element, 4), (1,), random_bits(element, 4), 0)


@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize(
    ("element", "first", "second", "function"),
    [("i32", -1, -2, "sub"), ("i64", -2, -1, "sub"), ("f32", 0.0, -0.0, "copysign"), ("f64", -0.0, 0.0, "copysign")],
)
def test_constants_whose_python_hashes_are_equal_are_two(element, first, second, function, passes):
    type_, add = f"tile<4x{element}>", "add" if element[0] == "i" else "fadd"
    body = f"""    %5 = constant {{values={(first, 5, 6, 7)}}} : () -> {type_}
    %6 = constant {{values={(second, 5, 6, 7)}}} : () -> {type_}
    %7 = map %4, %5 {{function="{function}"}} : ({type_}, {type_}) -> {type_}
    %8 = map %4, %6 {{function="{function}"}} : ({type_}, {type_}) -> {type_}
    %99 = map %7, %8 {{function="{add}"}} : ({type_}, {type_}) -> {type_}"""
    (found,) = agree(elementwise(body, element, 4), (1,), np.ones(4, storage_of(DTYPES[element])), 0, passes=passes)
    assert found[0] == (5 if element[0] == "i" else 0)


@pytest.mark.parametrize("value", [0.1, -0.0, -1e-30, 1e30])
@pytest.mark.parametrize("element", SMALL_FLOATS)
def test_constants_are_rounded_before_they_are_folded(element, value):
    body = f"""    %5 = constant {{value={value!r}}} : () -> tile<4x{element}>
    %6 = map %5, %5 {{function="fadd"}} : (tile<4x{element}>, tile<4x{element}>) -> tile<4x{element}>
    %7 = cast %5 {{kind="fpext"}} : (tile<4x{element}>) -> tile<4xf32>
    %8 = cast %6 {{kind="fpext"}} : (tile<4x{element}>) -> tile<4xf32>
    %99 = map %7, %8 {{function="fsub"}} : (tile<4xf32>, tile<4xf32>) -> tile<4xf32>"""
    agree(elementwise(body, "f32", 4), (1,), np.zeros(4, np.float32), 0, passes=True)


@pytest.mark.parametrize("element", SMALL_FLOATS)
def test_nextafter_steps_in_the_operands_own_format(element):
    type_ = f"tile<256x{element}>"
    body = f"""    %5 = constant {{value=1.0}} : () -> {type_}
    %99 = map %4, %5 {{function="nextafter"}} : ({type_}, {type_}) -> {type_}"""
    array = (
        np.arange(256).astype(storage_of(DTYPES[element])) if element.startswith("f8") else random_bits(element, 256)
    )
    agree(elementwise(body, element), (1,), array, 0)


@pytest.mark.parametrize("element", ["f16", "bf16", "f32", "f64"])
def test_nextafter_of_equal_zeros_is_the_second(element):
    type_ = f"tile<2x{element}>"
    body = f"""    %5 = constant {{values=(0.0, -0.0)}} : () -> {type_}
    %99 = map %4, %5 {{function="nextafter"}} : ({type_}, {type_}) -> {type_}"""
    storage = storage_of(DTYPES[element])
    zeros = np.array([1 << (storage.itemsize * 8 - 1), 0], f"u{storage.itemsize}")
    (found,) = agree(elementwise(body, element, 2), (1,), zeros.view(storage), 0)
    assert found.view(zeros.dtype).tolist() == zeros.tolist()[::-1]


@pytest.mark.parametrize("element", SMALL_FLOATS)
def test_fma_of_small_floats_is_rounded_once(element):
    type_ = f"tile<256x{element}>"
    body = f"""    %5 = constant {{value=1.5}} : () -> {type_}
    %6 = constant {{value=0.00390625}} : () -> {type_}
    %7 = map %4, %6, %5 {{function="fma"}} : ({type_}, {type_}, {type_}) -> {type_}
    %99 = map %7, %4, %6 {{function="fma"}} : ({type_}, {type_}, {type_}) -> {type_}"""
    for seed in range(3):
        agree(elementwise(body, element), (1,), random_bits(element, 256, seed), 0)


def test_fma_just_above_the_middle_of_two_bf16():
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<bf16>):
    %1 = constant {{value=87.0}} : () -> bf16
    %2 = constant {{value={2.0**-20}}} : () -> bf16
    %3 = load %0, _, _ : (ptr<bf16>) -> bf16
    %4 = map %1, %3, %2 {{function="fma"}} : (bf16, bf16, bf16) -> bf16
    store %0, %4, _ : (ptr<bf16>, bf16) -> ()
    return
}}
"""
    three, expected = 0x4040, 0x4383  # 3 * 87 = 261 is between 260 and 262, and 2**-20 decides
    (found,) = agree(text, (1,), np.array([three], np.uint16))
    assert found[0] == expected


@pytest.mark.parametrize(
    ("source", "target"), [("f64", "f32"), *((wide, small) for wide in ("f64", "f32") for small in SMALL_FLOATS)]
)
def test_rounding_toward_zero(source, target):
    wide = f"tile<256x{source}>"
    body = f"""    %5 = cast %4 {{kind="fptrunc", rounding="rtz"}} : ({wide}) -> tile<256x{target}>
    %99 = cast %5 {{kind="fpext"}} : (tile<256x{target}>) -> {wide}"""
    for seed in range(2):
        random = np.random.default_rng(seed)
        values = random.standard_normal(256) * 10.0 ** random.integers(-40, 40, 256)
        values[:3] = 1e300, -np.inf, np.nan
        with np.errstate(over="ignore"):
            agree(elementwise(body, source), (1,), values.astype(f"f{DTYPES[source].bytes}"), 0)


def test_narrow_indices_wrap_from_one_lane_to_the_next():
    body = """    %5 = constant {value=5} : () -> tile<256xi32>
    %6 = map %2, %5 {function="add"} : (tile<256xi32>, tile<256xi32>) -> tile<256xi32>
    %7 = cast %6 {kind="trunc"} : (tile<256xi32>) -> tile<256xi8>
    %99 = cast %7 {kind="sext"} : (tile<256xi8>) -> tile<256xi32>"""
    (found,) = agree(elementwise(body, "i32"), (1,), np.zeros(256, np.int32), 0)
    assert found.tolist() == (np.arange(256) + 5).astype(np.int8).tolist()


def test_the_lowest_bit_of_an_index_chooses():
    body = """    %5 = cast %2 {kind="trunc"} : (tile<256xi32>) -> tile<256xi1>
    %6 = constant {value=-1} : () -> tile<256xi32>
    %99 = map %5, %2, %6 {function="select"} : (tile<256xi1>, tile<256xi32>, tile<256xi32>) -> tile<256xi32>"""
    (found,) = agree(elementwise(body, "i32"), (1,), np.zeros(256, np.int32), 0)
    assert found.tolist() == [i if i % 2 else -1 for i in range(256)]


@pytest.mark.parametrize(("function", "value"), [("add", 2147483640), ("mul", -1640531527)])
def test_sums_and_hashes_of_indices_wrap_before_they_are_widened(function, value):
    body = f"""    %5 = splat %1 : (i32) -> tile<256xi32>
    %6 = map %2, %5 {{function="{function}"}} : (tile<256xi32>, tile<256xi32>) -> tile<256xi32>
    %99 = cast %6 {{kind="sext"}} : (tile<256xi32>) -> tile<256xi64>"""
    agree(elementwise(body, "i64"), (1,), np.zeros(256, np.int64), value)


@pytest.mark.parametrize("order", ["ugt", "slt"])
def test_wrapped_products_of_indices_are_compared_as_they_are(order):
    body = f"""    %5 = splat %1 : (i32) -> tile<256xi32>
    %6 = map %2, %5 {{function="mul"}} : (tile<256xi32>, tile<256xi32>) -> tile<256xi32>
    %7 = cast %6 {{kind="sext"}} : (tile<256xi32>) -> tile<256xi64>
    %8 = constant {{value=-1000}} : () -> tile<256xi64>
    %99 = map %7, %8 {{function="icmp_{order}"}} : (tile<256xi64>, tile<256xi64>) -> tile<256xi1>"""
    (found,) = agree(elementwise(body, "i1"), (1,), np.zeros(256, bool), 2147483640)
    assert 0 < found.sum() < 256


@pytest.mark.parametrize(("element", "bins"), [("i8", 128), ("i8", 256), ("i8", 512), ("i1", 2), ("i64", 64)])
def test_histograms_of_narrow_tiles(element, bins):
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<{element}>, %1: ptr<i32>):
    %2 = range {{start=0, end=64}} : () -> tile<64xi32>
    %3 = splat %0 : (ptr<{element}>) -> tile<64xptr<{element}>>
    %4 = addptr %3, %2 : (tile<64xptr<{element}>>, tile<64xi32>) -> tile<64xptr<{element}>>
    %5 = load %4, _, _ : (tile<64xptr<{element}>>) -> tile<64x{element}>
    %6 = histogram %5, _ : (tile<64x{element}>) -> tile<{bins}xi32>
    %7 = range {{start=0, end={bins}}} : () -> tile<{bins}xi32>
    %8 = splat %1 : (ptr<i32>) -> tile<{bins}xptr<i32>>
    %9 = addptr %8, %7 : (tile<{bins}xptr<i32>>, tile<{bins}xi32>) -> tile<{bins}xptr<i32>>
    store %9, %6, _ : (tile<{bins}xptr<i32>>, tile<{bins}xi32>) -> ()
    return
}}
"""
    values = np.arange(-32, 32)
    source = values > 3 if element == "i1" else values.astype(f"i{DTYPES[element].bits // 8}")
    _, counts = agree(text, (1,), source, np.zeros(bins, np.int32))
    inside = source[(source >= 0) & (source < bins)] if element != "i1" else source.astype(int)
    assert counts.tolist() == np.bincount(inside, minlength=bins).tolist()


# ---- reductions ------------------------------------------------------------------------------------------------

AFFINE = """        %24 = map %20, %22 {function="mul"} : (i32, i32) -> i32
        %25 = map %21, %22 {function="mul"} : (i32, i32) -> i32
        %26 = map %25, %23 {function="add"} : (i32, i32) -> i32
        yield %24, %26 : (i32, i32) -> ()"""
LAST_LARGEST = """        %24 = map %20, %22 {function="icmp_sgt"} : (i32, i32) -> i1
        %25 = map %24, %20, %22 {function="select"} : (i1, i32, i32) -> i32
        %26 = map %24, %21, %23 {function="select"} : (i1, i32, i32) -> i32
        yield %25, %26 : (i32, i32) -> ()"""


@pytest.mark.parametrize("count", [2, 8, 16, 64, 256])
@pytest.mark.parametrize("region", [AFFINE, LAST_LARGEST], ids=["affine", "last largest"])
def test_regions_that_do_not_commute_combine_neighbours_in_order(region, count):
    tile, pointers = f"tile<{count}xi32>", f"tile<{count}xptr<i32>>"
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>, %1: ptr<i32>, %2: ptr<i32>):
    %3 = range {{start=0, end={count}}} : () -> {tile}
    %4 = splat %0 : (ptr<i32>) -> {pointers}
    %5 = addptr %4, %3 : ({pointers}, {tile}) -> {pointers}
    %6 = load %5, _, _ : ({pointers}) -> {tile}
    %7 = splat %1 : (ptr<i32>) -> {pointers}
    %8 = addptr %7, %3 : ({pointers}, {tile}) -> {pointers}
    %9 = load %8, _, _ : ({pointers}) -> {tile}
    %10, %11 = reduce %6, %9 {{axis=0}} : ({tile}, {tile}) -> (i32, i32) {{
      combine(%20: i32, %21: i32, %22: i32, %23: i32):
{region}
    }}
    store %2, %10, _ : (ptr<i32>, i32) -> ()
    %30 = constant {{value=1}} : () -> i32
    %31 = addptr %2, %30 : (ptr<i32>, i32) -> ptr<i32>
    store %31, %11, _ : (ptr<i32>, i32) -> ()
    return
}}
"""
    random = np.random.default_rng(count)
    agree(text, (1,), *random.integers(-5, 6, (2, count)).astype(np.int32), np.zeros(2, np.int32))


def test_the_offsets_of_a_reduction_with_two_outer_dimensions():
    shape, rest = "2x32x4xf16", "2x32xf16"
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<f16>, %1: ptr<f16>):
    %2 = range {{start=0, end=256}} : () -> tile<256xi32>
    %3 = splat %0 : (ptr<f16>) -> tile<256xptr<f16>>
    %4 = addptr %3, %2 : (tile<256xptr<f16>>, tile<256xi32>) -> tile<256xptr<f16>>
    %5 = load %4, _, _ : (tile<256xptr<f16>>) -> tile<256xf16>
    %6 = reshape %5 : (tile<256xf16>) -> tile<{shape}>
    %7 = reduce %6 {{axis=2}} : (tile<{shape}>) -> tile<{rest}> {{
      combine(%20: f16, %21: f16):
        %22 = map %20, %21 {{function="fmax"}} : (f16, f16) -> f16
        yield %22 : (f16) -> ()
    }}
    %8 = reshape %7 : (tile<{rest}>) -> tile<64xf16>
    %9 = range {{start=0, end=64}} : () -> tile<64xi32>
    %10 = splat %1 : (ptr<f16>) -> tile<64xptr<f16>>
    %11 = addptr %10, %9 : (tile<64xptr<f16>>, tile<64xi32>) -> tile<64xptr<f16>>
    store %11, %8, _ : (tile<64xptr<f16>>, tile<64xf16>) -> ()
    return
}}
"""
    source = np.random.default_rng(0).standard_normal(256).astype(np.float16)
    _, found = agree(text, (1,), source, np.zeros(64, np.float16))
    assert np.array_equal(found, source.reshape(64, 4).max(1))


# ---- the order of accesses -------------------------------------------------------------------------------------


def moves(count, target, tail):
    """Loads from %5, `target` gives the pointer %9 from the index %2, `tail` uses both."""
    return f"""func {{sym_name="k"}} {{
  body(%0: ptr<f32>):
    %2 = range {{start=0, end={count}}} : () -> tile<{count}xi32>
    %4 = splat %0 : (ptr<f32>) -> tile<{count}xptr<f32>>
    %5 = addptr %4, %2 : (tile<{count}xptr<f32>>, tile<{count}xi32>) -> tile<{count}xptr<f32>>
    %6 = load %5, _, _ : (tile<{count}xptr<f32>>) -> tile<{count}xf32>
{target}
    %9 = addptr %4, %8 : (tile<{count}xptr<f32>>, tile<{count}xi32>) -> tile<{count}xptr<f32>>
{tail}
    return
}}
"""


REVERSED = """    %7 = constant {value=63} : () -> tile<64xi32>
    %8 = map %7, %2 {function="sub"} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>"""
FOLDED = """    %7 = constant {value=3} : () -> tile<64xi32>
    %8 = map %2, %7 {function="and"} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>"""
STORE = "    store %9, %6, _ : (tile<64xptr<f32>>, tile<64xf32>) -> ()"
STORE_BOTH = """    %10 = constant {value=7.0} : () -> tile<64xf32>
    store %5, %10, _ : (tile<64xptr<f32>>, tile<64xf32>) -> ()
    %11 = constant {value=8} : () -> tile<64xi32>
    %12 = map %2, %11 {function="icmp_slt"} : (tile<64xi32>, tile<64xi32>) -> tile<64xi1>
    store %9, %6, %12 : (tile<64xptr<f32>>, tile<64xf32>, tile<64xi1>) -> ()"""
ATOMIC = '    %10 = atomic_rmw %9, %6, _ {kind="fadd"} : (tile<64xptr<f32>>, tile<64xf32>) -> tile<64xf32>'
REREAD = """    %20 = load %9, _, _ : (tile<64xptr<f32>>) -> tile<64xf32>
    %21 = map %20, %6 {function="fadd"} : (tile<64xf32>, tile<64xf32>) -> tile<64xf32>
    store %9, %21, _ : (tile<64xptr<f32>>, tile<64xf32>) -> ()"""


@pytest.mark.parametrize("target", [REVERSED, FOLDED], ids=["reversed", "folded"])
@pytest.mark.parametrize("tail", [STORE, STORE_BOTH, ATOMIC, REREAD], ids=["store", "both", "atomic", "reread"])
def test_all_elements_are_read_before_any_is_written(target, tail):
    array = np.arange(64, dtype=np.float32)
    (found,) = agree(moves(64, target, tail), (1,), array)
    if target is REVERSED and tail is STORE:
        assert np.array_equal(found, array[::-1])


def test_f16_where_the_host_has_no_instruction_for_it(monkeypatch):
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", "128")
    type_, wide = "tile<65536xf16>", "tile<65536xf32>"
    body = f"""    %5 = cast %4 {{kind="fpext"}} : ({type_}) -> {wide}
    %6 = constant {{value=1.0009765625}} : () -> {wide}
    %7 = map %5, %6 {{function="fmul"}} : ({wide}, {wide}) -> {wide}
    %99 = cast %7 {{kind="fptrunc"}} : ({wide}) -> {type_}"""
    func = parse_function(elementwise(body, "f16", 65536))
    area = Area(np.arange(65536).astype(np.uint16).view(np.float16))
    difference = compare(func, Native(func, detect.__wrapped__()), (1,), [area, 0])
    assert difference is None, str(difference)


# ---- loops shared by what computes and what stores ---------------------------------------------------------------


def test_a_tile_updated_in_place_while_neighbours_are_still_read(monkeypatch):
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", "128")  # the neighbours are more than one vector
    pack = range(8)
    scalars = ", ".join(f"%{20 + index}: i32" for index in pack)
    lines = "\n".join(
        f'            %{40 + index} = map %{20 + index}, %{20 + (index + 1) % 8} {{function="sub"}} : (i32, i32) -> i32'
        for index in pack
    )
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>):
    %1 = range {{start=0, end=64}} : () -> tile<64xi32>
    %2 = splat %0 : (ptr<i32>) -> tile<64xptr<i32>>
    %3 = addptr %2, %1 : (tile<64xptr<i32>>, tile<64xi32>) -> tile<64xptr<i32>>
    %4 = load %3, _, _ : (tile<64xptr<i32>>) -> tile<64xi32>
    %5 = constant {{value=0}} : () -> i32
    %6 = constant {{value=3}} : () -> i32
    %7 = constant {{value=1}} : () -> i32
    %8 = for %5, %6, %7, %4 : (i32, i32, i32, tile<64xi32>) -> tile<64xi32> {{
      body(%10: i32, %11: tile<64xi32>):
        %12 = map_region %11 {{pack=8}} : (tile<64xi32>) -> tile<64xi32> {{
          body({scalars}):
{lines}
            yield {", ".join(f"%{40 + index}" for index in pack)} : ({", ".join(["i32"] * 8)}) -> ()
        }}
        yield %12 : (tile<64xi32>) -> ()
    }}
    store %3, %8, _ : (tile<64xptr<i32>>, tile<64xi32>) -> ()
    return
}}
"""
    array = np.random.default_rng(0).integers(-1000, 1000, 64).astype(np.int32)
    (found,) = agree(text, (1,), array, host=detect.__wrapped__())
    expected = array.reshape(8, 8)
    for _ in range(3):
        expected = expected - np.roll(expected, -1, 1)
    assert np.array_equal(found, expected.reshape(-1))


@pytest.mark.parametrize("bits", ["128", "512"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_repeated_addresses_are_stored_in_order_beside_a_reduction(axis, bits, monkeypatch):
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", bits)
    shape = (2, 32, 4)
    rest = [extent for dim, extent in enumerate(shape) if dim != axis]
    left, count = rest[0] * rest[1], "x".join(map(str, rest))
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>, %1: ptr<i32>, %2: ptr<i32>):
    %3 = range {{start=0, end=256}} : () -> tile<256xi32>
    %4 = reshape %3 : (tile<256xi32>) -> tile<2x32x4xi32>
    %5 = splat %0 : (ptr<i32>) -> tile<2x32x4xptr<i32>>
    %6 = addptr %5, %4 : (tile<2x32x4xptr<i32>>, tile<2x32x4xi32>) -> tile<2x32x4xptr<i32>>
    %7 = load %6, _, _ : (tile<2x32x4xptr<i32>>) -> tile<2x32x4xi32>
    %8 = constant {{value=13}} : () -> tile<2x32x4xi32>
    %9 = map %4, %8 {{function="urem"}} : (tile<2x32x4xi32>, tile<2x32x4xi32>) -> tile<2x32x4xi32>
    %10 = splat %1 : (ptr<i32>) -> tile<2x32x4xptr<i32>>
    %11 = addptr %10, %9 : (tile<2x32x4xptr<i32>>, tile<2x32x4xi32>) -> tile<2x32x4xptr<i32>>
    store %11, %7, _ : (tile<2x32x4xptr<i32>>, tile<2x32x4xi32>) -> ()
    %12 = reduce %7 {{axis={axis}}} : (tile<2x32x4xi32>) -> tile<{count}xi32> {{
      combine(%20: i32, %21: i32):
        %22 = map %20, %21 {{function="add"}} : (i32, i32) -> i32
        yield %22 : (i32) -> ()
    }}
    %13 = range {{start=0, end={left}}} : () -> tile<{left}xi32>
    %30 = reshape %13 : (tile<{left}xi32>) -> tile<{count}xi32>
    %14 = splat %2 : (ptr<i32>) -> tile<{count}xptr<i32>>
    %15 = addptr %14, %30 : (tile<{count}xptr<i32>>, tile<{count}xi32>) -> tile<{count}xptr<i32>>
    store %15, %12, _ : (tile<{count}xptr<i32>>, tile<{count}xi32>) -> ()
    return
}}
"""
    array = np.random.default_rng(0).integers(-1000, 1000, 256).astype(np.int32)
    zeros = np.zeros(13, np.int32), np.zeros(left, np.int32)
    _, stored, sums = agree(text, (1,), array, *zeros, host=detect.__wrapped__())
    assert stored.tolist() == [array[np.arange(256) % 13 == cell][-1] for cell in range(13)]
    assert np.array_equal(sums, array.reshape(shape).sum(axis).reshape(-1))


@pytest.mark.parametrize("view", ["bitcast", "integer"])
def test_an_address_made_by_casts_meets_the_memory_it_is_in(view):
    count = 64
    made = {
        "bitcast": """    %7 = cast %0 {kind="bitcast"} : (ptr<i32>) -> ptr<i8>
    %8 = splat %7 : (ptr<i8>) -> tile<64xptr<i8>>
    %9 = constant {value=4} : () -> tile<64xi32>
    %10 = map %30, %9 {function="mul"} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>
    %11 = addptr %8, %10 : (tile<64xptr<i8>>, tile<64xi32>) -> tile<64xptr<i8>>
    %12 = cast %11 {kind="bitcast"} : (tile<64xptr<i8>>) -> tile<64xptr<i32>>""",
        "integer": """    %7 = cast %0 {kind="ptrtoint"} : (ptr<i32>) -> i64
    %8 = splat %7 : (i64) -> tile<64xi64>
    %9 = constant {value=4} : () -> tile<64xi64>
    %10 = cast %30 {kind="sext"} : (tile<64xi32>) -> tile<64xi64>
    %11 = map %9, %10 {function="mul"} : (tile<64xi64>, tile<64xi64>) -> tile<64xi64>
    %13 = map %8, %11 {function="add"} : (tile<64xi64>, tile<64xi64>) -> tile<64xi64>
    %12 = cast %13 {kind="inttoptr"} : (tile<64xi64>) -> tile<64xptr<i32>>""",
    }[view]
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>):
    %2 = range {{start=0, end=64}} : () -> tile<64xi32>
    %3 = splat %0 : (ptr<i32>) -> tile<64xptr<i32>>
    %4 = addptr %3, %2 : (tile<64xptr<i32>>, tile<64xi32>) -> tile<64xptr<i32>>
    %5 = load %4, _, _ : (tile<64xptr<i32>>) -> tile<64xi32>
    %6 = constant {{value=63}} : () -> tile<64xi32>
    %30 = map %6, %2 {{function="sub"}} : (tile<64xi32>, tile<64xi32>) -> tile<64xi32>
{made}
    store %12, %5, _ : (tile<64xptr<i32>>, tile<64xi32>) -> ()
    return
}}
"""
    (found,) = agree(text, (1,), np.arange(count, dtype=np.int32))
    assert found.tolist() == list(range(count))[::-1]


@pytest.mark.parametrize("bits", ["128", "512"])
def test_signalling_nans_of_f16_lose_against_numbers(bits, monkeypatch):
    """Hosts without an instruction for f16 kept them signalling, and LLVM's maximum then gives a NaN."""
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", bits)
    text = """func {sym_name="k"} {
  body(%0: ptr<f16>, %1: ptr<f16>):
    %2 = range {start=0, end=16} : () -> tile<16xi32>
    %3 = splat %0 : (ptr<f16>) -> tile<16xptr<f16>>
    %4 = addptr %3, %2 : (tile<16xptr<f16>>, tile<16xi32>) -> tile<16xptr<f16>>
    %5 = load %4, _, _ : (tile<16xptr<f16>>) -> tile<16xf16>
    %6 = constant {value=16} : () -> i32
    %7 = constant {value=1} : () -> i64
    %8 = make_descriptor %1, %6, %7 : (ptr<f16>, i32, i64) -> desc<16xf16>
    %9 = constant : () -> i32
    descriptor_reduce %8, %5, %9 {kind="max"} : (desc<16xf16>, tile<16xf16>, i32) -> ()
    return
}
"""
    signalling = np.array([0x7D00, 0xFD01, 0x3C00, 0x0000] * 4, np.uint16).view(np.float16)
    _, found = agree(text, (1,), signalling, np.full(16, 0.5, np.float16), host=detect.__wrapped__())
    assert found.tolist() == [0.5, 0.5, 1.0, 0.5] * 4


@pytest.mark.parametrize("bits", ["128", "512"])
@pytest.mark.parametrize("value", [76, 77, -1])
def test_a_scalar_store_under_one_bit_of_what_was_loaded(value, bits, monkeypatch):
    """LLVM 22 takes a mask of one lane, cut from a 32-bit load, for its sign on hosts of 128 bits."""
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", bits)
    text = """func {sym_name="k"} {
  body(%0: ptr<i16>, %1: ptr<i32>):
    %3 = constant {value=1} : () -> i32
    %4 = constant {value=7} : () -> i16
    %8 = constant {value=3.0} : () -> f16
    %5 = cast %8 {kind="fptoui"} : (f16) -> i1
    %6 = load %1, %5, %3 : (ptr<i32>, i1, i32) -> i32
    %7 = cast %6 {kind="trunc"} : (i32) -> i1
    store %0, %4, %7 : (ptr<i16>, i16, i1) -> ()
    return
}
"""
    found, _ = agree(text, (1,), np.array([-3], np.int16), np.array([value], np.int32), host=detect.__wrapped__())
    assert found.tolist() == [7 if value & 1 else -3]


@pytest.mark.parametrize("vector_bits", [128, 512])
@pytest.mark.parametrize(("kind", "infinite"), [("sitofp", "fptosi"), ("uitofp", "fptoui")])
def test_integers_beyond_f16_come_back_from_infinity(kind, infinite, vector_bits, monkeypatch):
    tile = "tile<64xi32>"
    body = f"""    %5 = constant {{value=1048576}} : () -> {tile}
    %6 = map %2, %5 {{function="mul"}} : ({tile}, {tile}) -> {tile}
    %7 = cast %6 {{kind="{kind}"}} : ({tile}) -> tile<64xf16>
    %99 = cast %7 {{kind="{infinite}"}} : (tile<64xf16>) -> tile<64xi64>"""
    monkeypatch.setenv("SUPA_HOST_VECTOR_BITS", str(vector_bits))
    (found,) = agree(elementwise(body, "i64", 64), (1,), np.zeros(64, np.int64), 0, host=detect.__wrapped__())
    assert found[0] == 0 and (found[1:] == (2**63 - 1 if infinite == "fptosi" else -1)).all()


@pytest.mark.parametrize("value", ["nan", "inf", "0.5"])
def test_addresses_made_of_floats(value):
    """How addresses grow is asked of what they are made of, which may be no integer at all."""
    square, pointers = "tile<32x32xi32>", "tile<32x32xptr<i32>>"
    text = f"""func {{sym_name="k"}} {{
  body(%0: ptr<i32>):
    %1 = range {{start=0, end=32}} : () -> tile<32xi32>
    %2 = expand_dims %1 {{axis=1}} : (tile<32xi32>) -> tile<32x1xi32>
    %3 = expand_dims %1 {{axis=0}} : (tile<32xi32>) -> tile<1x32xi32>
    %4 = broadcast %2 : (tile<32x1xi32>) -> {square}
    %5 = broadcast %3 : (tile<1x32xi32>) -> {square}
    %6 = constant {{value=32}} : () -> {square}
    %7 = map %5, %6 {{function="mul"}} : ({square}, {square}) -> {square}
    %8 = cast %4 {{kind="sitofp"}} : ({square}) -> tile<32x32xf32>
    %9 = constant {{value={value}}} : () -> tile<32x32xf32>
    %10 = map %8, %9 {{function="fmul"}} : (tile<32x32xf32>, tile<32x32xf32>) -> tile<32x32xf32>
    %11 = cast %10 {{kind="fptosi"}} : (tile<32x32xf32>) -> {square}
    %12 = constant {{value=31}} : () -> {square}
    %13 = map %11, %12 {{function="and"}} : ({square}, {square}) -> {square}
    %14 = map %7, %13 {{function="add"}} : ({square}, {square}) -> {square}
    %15 = splat %0 : (ptr<i32>) -> {pointers}
    %16 = addptr %15, %14 : ({pointers}, {square}) -> {pointers}
    store %16, %5, _ : ({pointers}, {square}) -> ()
    return
}}
"""
    (found,) = agree(text, (1,), np.full(1024, -1, np.int32))
    assert found.max() == 31
