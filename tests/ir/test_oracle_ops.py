"""Every operation on tiles through the oracle, against NumPy and torch."""

import numpy as np
import pytest
import torch

from supa.base.dtypes import BF16, F8E4M3FN, F16, F32, F64, I1, I8, I32, I64
from supa.base.errors import UnsupportedError
from supa.ir import ops, oracle
from supa.ir.core import OPERATIONS, Block
from supa.ir.oracle import Numerics, from_float64, to_float64
from supa.ir.rewrite import Builder
from supa.ir.types import Tile

RNG = np.random.default_rng(1)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_every_operation_has_a_rule():
    assert sorted(cls.name for cls in oracle.RULES) == sorted(OPERATIONS)


def test_shapes(evaluate):
    x = f32(4, 8)

    def build(b, v):
        wide = b.value(ops.ExpandDims, [v], axis=1)
        return [
            b.value(ops.Broadcast, [wide], Tile((4, 2, 8), F32)),
            b.value(ops.Reshape, [v], Tile((2, 16), F32)),
            b.value(ops.Transpose, [v], order=(1, 0)),
        ]

    broadcast, reshaped, transposed = evaluate(build, (x, F32))
    assert np.array_equal(broadcast, np.repeat(x[:, None], 2, axis=1))
    assert np.array_equal(reshaped, x.reshape(2, 16))
    assert np.array_equal(transposed, x.T)


def test_join_split_cat_gather_range(evaluate):
    x, y, index = f32(8), f32(8), np.array([3, 3, 0, 7], np.int32)

    def build(b, v, w, i):
        joined = b.value(ops.Join, [v, w])
        left, right = b.create(ops.Split, [joined]).results
        scalar = b.value(ops.Reshape, [b.value(ops.Range, (), start=5, end=6)], I32)
        return [joined, left, right, b.value(ops.Cat, [v, w]), b.value(ops.Gather, [v, i], axis=0), scalar]

    joined, left, right, cat, gathered, scalar = evaluate(build, (x, F32), (y, F32), (index, I32))
    assert np.array_equal(joined, np.stack([x, y], -1))
    assert np.array_equal(left, x) and np.array_equal(right, y)
    assert np.array_equal(cat, np.concatenate([x, y]))
    assert np.array_equal(gathered, x[index]) and scalar == 5


def test_gather_along_the_first_of_two_axes(evaluate):
    x, index = f32(4, 2), np.array([[3, 0], [1, 2]], np.int64)
    (found,) = evaluate(lambda b, v, i: b.value(ops.Gather, [v, i], axis=0), (x, F32), (index, I64))
    assert np.array_equal(found, torch.gather(torch.from_numpy(x), 0, torch.from_numpy(index)).numpy())


def test_constants(evaluate):
    def build(b):
        return [
            b.constant(float("-inf"), Tile((4,), F32)),
            b.constant(-0.0, Tile((2,), BF16)),
            b.constant(-1, Tile((2,), I64)),
            b.constant(True, Tile((2,), I1)),
            b.value(ops.Constant, (), Tile((2, 2), I8), values=(1, 2, 255, -1)),
        ]

    low, zero, minus, true, mixed = evaluate(build)
    assert np.array_equal(low, np.full(4, -np.inf)) and zero.tolist() == [0x8000, 0x8000]
    assert minus.tolist() == [-1, -1] and true.all() and mixed.tolist() == [[1, 2], [-1, -1]]


def test_map_and_cast(evaluate):
    x, y = f32(16), f32(16)

    def build(b, v, w):
        less = b.map("fcmp_olt", v, w)
        narrow = b.value(ops.Cast, [v], Tile((16,), F16), kind="fptrunc")
        bits = b.value(ops.Cast, [v], Tile((16,), I32), kind="bitcast")
        return [b.map("select", less, v, w), narrow, bits, b.map("fma", v, w, v)]

    least, narrow, bits, fma = evaluate(build, (x, F32), (y, F32))
    assert np.array_equal(least, np.minimum(x, y))
    assert np.array_equal(narrow, torch.from_numpy(x).half().numpy())
    assert np.array_equal(bits, x.view(np.int32))
    assert np.array_equal(fma, (x.astype(np.float64) * y + x).astype(np.float32))


def test_bf16_arithmetic_is_torchs(evaluate):
    x, y = (from_float64(f32(256), BF16) for _ in range(2))
    (found,) = evaluate(lambda b, v, w: b.map("fmul", v, w), (x, BF16), (y, BF16))
    a, b = (torch.from_numpy(v.view(np.int16).copy()).view(torch.bfloat16) for v in (x, y))
    assert np.array_equal(found.view(np.int16), (a * b).view(torch.int16).numpy())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reduce(evaluate, region, axis):
    x = RNG.integers(-99, 99, (4, 8, 2)).astype(np.int32)

    def build(b, v):
        combine = region([I32, I32], lambda r, left, right: r.map("add", left, right))
        return b.value(ops.Reduce, [v], regions=[combine], axis=axis)

    (found,) = evaluate(build, (x, I32))
    assert np.array_equal(found, x.sum(axis))


def argmax_region(region):
    def build(r, value, index, new_value, new_index):
        better = r.map("fcmp_ogt", value, new_value)
        tie = r.map("and", r.map("fcmp_oeq", value, new_value), r.map("icmp_slt", index, new_index))
        keep = r.map("or", better, tie)
        return [r.map("select", keep, value, new_value), r.map("select", keep, index, new_index)]

    return region([F32, I32, F32, I32], build)


def test_argmax_prefers_the_first_of_equals(evaluate, region):
    x = np.array([[1, 5, 5, 2], [7, 7, 7, 7]], np.float32)
    index = np.broadcast_to(np.arange(4, dtype=np.int32), (2, 4))

    def build(b, v, i):
        return b.create(ops.Reduce, [v, i], regions=[argmax_region(region)], axis=1).results

    best, where = evaluate(build, (x, F32), (index, I32))
    assert best.tolist() == [5, 7] and where.tolist() == [1, 0]


def test_reduction_keeps_the_order_of_neighbours(evaluate, region):
    """Composition of affine functions does not commute; checked against a loop."""
    a, c = (RNG.integers(-3, 3, 16).astype(np.int32) for _ in range(2))

    def compose(r, a0, c0, a1, c1):  # x -> a1 (a0 x + c0) + c1
        return [r.map("mul", a0, a1), r.map("add", r.map("mul", a1, c0), c1)]

    def build(b, v, w):
        reduced = b.create(ops.Reduce, [v, w], regions=[region([I32] * 4, compose)], axis=0).results
        forward = b.create(ops.Scan, [v, w], regions=[region([I32] * 4, compose)], axis=0).results
        return [*reduced, *forward]

    factor, offset, factors, offsets = evaluate(build, (a, I32), (c, I32))
    expected = [(1, 0)]
    for one, other in zip(a, c, strict=True):
        expected.append((expected[-1][0] * int(one), int(one) * expected[-1][1] + int(other)))
    assert (int(factor), int(offset)) == expected[-1]
    assert list(zip(factors.tolist(), offsets.tolist(), strict=True)) == expected[1:]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_scan(evaluate, region, axis, reverse):
    x = RNG.integers(-9, 9, (4, 8)).astype(np.int32)

    def build(b, v):
        combine = region([I32, I32], lambda r, left, right: r.map("add", left, right))
        return b.value(ops.Scan, [v], regions=[combine], axis=axis, reverse=reverse)

    (found,) = evaluate(build, (x, I32))
    flipped = np.flip(x, axis) if reverse else x
    expected = np.cumsum(flipped, axis)
    assert np.array_equal(found, np.flip(expected, axis) if reverse else expected)


def test_scan_region_with_control_flow(evaluate, region):
    x = RNG.integers(-9, 9, 8).astype(np.int32)

    def larger(r, left, right):
        yes, no = (region([], lambda inner, value=value: [value]) for value in (left, right))
        return r.value(ops.If, [r.map("icmp_sgt", left, right)], I32, regions=[yes, no])

    combine = region([I32, I32], larger)
    (found,) = evaluate(lambda b, v: b.value(ops.Scan, [v], regions=[combine], axis=0), (x, I32))
    assert np.array_equal(found, np.maximum.accumulate(x))


def test_map_region_packs_neighbours(evaluate, region):
    x, y = RNG.integers(0, 99, (2, 4)).astype(np.int32), RNG.integers(0, 99, (2, 4)).astype(np.int32)

    def build(b, v, w):
        body = region([I32] * 4, lambda r, x0, x1, y0, y1: [r.map("add", x0, y1), r.map("sub", x1, y0)])
        return b.value(ops.MapRegion, [v, w], Tile((2, 4), I32), regions=[body], pack=2)

    (found,) = evaluate(build, (x, I32), (y, I32))
    expected = np.stack([x[:, ::2] + y[:, 1::2], x[:, 1::2] - y[:, ::2]], -1).reshape(2, 4)
    assert np.array_equal(found, expected)


def test_histogram_counts_only_what_is_in_range_and_not_masked(evaluate):
    x, mask = RNG.integers(-3, 12, 64).astype(np.int32), RNG.integers(0, 2, 64).astype(bool)

    def build(b, v, m):
        return [b.value(ops.Histogram, [v, m], Tile((8,), I32)), b.value(ops.Histogram, [v], Tile((8,), I32))]

    masked, whole = evaluate(build, (x, I32), (mask, I1))
    assert np.array_equal(masked, [(x[mask] == n).sum() for n in range(8)])
    assert np.array_equal(whole, [(x == n).sum() for n in range(8)])


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("element", [F16, BF16, F32, F64, F8E4M3FN])
def test_dot(evaluate, element, batch):
    result = F64 if element is F64 else F32
    left, right = (from_float64(f32(*batch, *shape), element) for shape in ((4, 16), (16, 8)))
    total = from_float64(f32(*batch, 4, 8), result)

    def build(b, v, w, t):
        return b.value(ops.Dot, [v, w, t])

    (found,) = evaluate(build, (left, element), (right, element), (total, result))
    exact = [torch.from_numpy(to_float64(v, element)) for v in (left, right)]
    expected = (torch.matmul(*exact) + torch.from_numpy(total.astype(np.float64))).numpy()
    bits = 48 if result is F64 else 23
    assert np.allclose(found, expected, rtol=2.0**-bits, atol=2.0**-bits * 8)


def test_integer_dot_wraps_in_i32(evaluate):
    left, right = (RNG.integers(-128, 128, shape).astype(np.int8) for shape in ((4, 16), (16, 8)))
    total = np.full((4, 8), 2**31 - 1, np.int32)
    (found,) = evaluate(lambda b, v, w, t: b.value(ops.Dot, [v, w, t]), (left, I8), (right, I8), (total, I32))
    with np.errstate(over="ignore"):
        assert np.array_equal(found, left.astype(np.int32) @ right.astype(np.int32) + total)


def truncated(x, bits):
    return (x.view(np.uint32) >> (23 - bits) << (23 - bits)).view(np.float32)


def test_dot_takes_tf32_as_the_chip_does(evaluate):
    left, right, total = f32(4, 16), f32(16, 4), np.zeros((4, 4), np.float32)

    def run(precision, numerics=None):
        def build(b, v, w, t):
            return b.value(ops.Dot, [v, w, t], precision=precision)

        return evaluate(build, (left, F32), (right, F32), (total, F32), numerics=numerics)[0]

    plus = Numerics(tf32_mantissa_bits=15, tf32_rounding="truncate")
    expected = truncated(left, 15).astype(np.float64) @ truncated(right, 15).astype(np.float64)
    assert np.allclose(run("tf32", plus), expected, rtol=0, atol=1e-6)
    exact = left.astype(np.float64) @ right
    errors = {name: np.abs(run(name) - exact).max() for name in ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")}
    assert errors["ieee"] < 1e-6 and errors["bf16x6"] < 1e-6 and errors["tf32x3"] < 1e-5 < errors["tf32"] < 2e-2
    assert errors["bf16x6"] < errors["bf16x3"] < 1e-3


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def test_dot_scaled(evaluate):
    """Left e4m3 with e8m0 scales, right e2m1 packed along k with scales of groups of 16 in f8E4M3FN."""
    m, n, k = 4, 8, 64
    left = from_float64(RNG.standard_normal((m, k)), F8E4M3FN)
    left_scale = RNG.integers(120, 134, (m, 2)).astype(np.uint8).view(np.int8)
    right = RNG.integers(0, 256, (k // 2, n)).astype(np.uint8)
    right_scale = from_float64(RNG.uniform(0.5, 4, (n, 4)), F8E4M3FN)
    total = f32(m, n)

    def build(b, v, s, w, u, t):
        return b.value(ops.DotScaled, [v, s, w, u, t], left_format="e4m3", right_format="e2m1")

    (found,) = evaluate(
        build, (left, F8E4M3FN), (left_scale, I8), (right.view(np.int8), I8), (right_scale, F8E4M3FN), (total, F32)
    )
    a = torch.from_numpy(left).view(torch.float8_e4m3fn).double().numpy()
    a = a * np.repeat(2.0 ** (left_scale.view(np.uint8).astype(float) - 127), 32, axis=1)
    b = np.empty((k, n))
    b[0::2], b[1::2] = E2M1[right & 15], E2M1[right >> 4]
    scales = torch.from_numpy(right_scale).view(torch.float8_e4m3fn).double().numpy()
    b = b * np.repeat(scales, 16, axis=1).T
    assert np.allclose(found, a @ b + total, rtol=1e-6, atol=1e-5)


def test_dot_scaled_packed_along_rows_and_nan_scale(evaluate):
    left = RNG.integers(0, 256, (2, 32)).astype(np.uint8)
    right = f32(32, 2).astype(np.float16)
    scale = np.array([[127], [255], [128], [126]], np.uint8)
    total = np.zeros((4, 2), np.float32)

    def build(b, v, s, w, t):
        return b.value(ops.DotScaled, [v, s, w, None, t], left_format="e2m1", right_format="fp16", left_k_pack=False)

    (found,) = evaluate(build, (left.view(np.int8), I8), (scale.view(np.int8), I8), (right, F16), (total, F32))
    a = np.empty((4, 32))
    a[0::2], a[1::2] = E2M1[left & 15], E2M1[left >> 4]
    expected = (a @ right.astype(np.float64)) * np.array([1, np.nan, 2, 0.5])[:, None]
    assert np.allclose(found, expected, rtol=1e-6, equal_nan=True)


def test_control_flow(evaluate, region):
    """Collatz steps by while, a sum by for, a choice by if."""

    def build(b, v):
        one, two, three = (b.constant(n, I32) for n in (1, 2, 3))
        zero = b.constant(0, I32)
        head = Block([I32, I32])
        h = Builder(head)
        h.create(ops.Condition, [h.map("icmp_ne", head.args[0], one), *head.args])
        body = Block([I32, I32])
        r = Builder(body)
        n, steps = body.args
        even = region([], lambda inner: [inner.map("sdiv", n, two)])
        odd = region([], lambda inner: [inner.map("add", inner.map("mul", n, three), one)])
        is_even = r.map("icmp_eq", r.map("srem", n, two), zero)
        following = r.value(ops.If, [is_even], I32, regions=[even, odd])
        r.create(ops.Yield, [following, r.map("add", steps, one)])
        looped = b.create(ops.While, [v, zero], regions=[head, body]).results
        total = region([I32, I32], lambda r, i, s: [r.map("add", s, i)])
        summed = b.value(ops.For, [zero, v, two, zero], regions=[total])
        return [looped[0], looped[1], summed]

    end, steps, summed = evaluate(build, (np.array(27, np.int32), I32))
    assert (int(end), int(steps), int(summed)) == (1, 111, sum(range(0, 27, 2)))


def test_inline_assembly_is_refused(evaluate):
    def build(b, v):
        return b.value(ops.InlineAsm, [v], v.type, text="foo.b32 $0, $1;", constraints="=r,r")

    with pytest.raises(UnsupportedError, match=r"test\.py:1:1: inline assembly 'foo\.b32 \$0, \$1;'"):
        evaluate(build, (np.zeros(4, np.int32), I32))
