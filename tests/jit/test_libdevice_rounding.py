"""Directed roundings of libdevice against exact fractions; Bessel functions of order n and norms against mpmath."""

import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import rounding_kernels as kernels
import torch

N = 512
NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def neighbours(value, dtype):
    """The numbers of a format at or below, and at or above, an exact value."""
    largest = np.finfo(dtype).max
    if abs(value) > Fraction(float(largest)):
        return (largest, dtype(np.inf)) if value > 0 else (dtype(-np.inf), -largest)
    with np.errstate(all="ignore"):
        near = np.clip(dtype(float(value)), -largest, largest)
        below = near if Fraction(float(near)) <= value else np.nextafter(near, dtype(-np.inf))
        above = near if Fraction(float(near)) >= value else np.nextafter(near, dtype(np.inf))
    return below, above


def roots(value, dtype):
    near = dtype(math.sqrt(value))
    square = Fraction(float(near)) ** 2
    below = near if square <= value else np.nextafter(near, dtype(0))
    above = near if square >= value else np.nextafter(near, dtype(np.inf))
    return below, above


def directed(below, above, zero_is_negative=False):
    """Toward zero, down, up."""
    toward = below if below >= 0 else above
    if below == above == 0:
        return [toward, -below if zero_is_negative else below, above]
    return [toward, below, above]


def operands(dtype, seed):
    """Numbers of all magnitudes, subnormals and neighbours of 1 among them; sums that cancel."""
    random = np.random.default_rng(seed)
    width = np.uint32 if dtype == np.float32 else np.uint64
    a, b, c = (random.integers(0, np.iinfo(width).max, N, dtype=width, endpoint=True).view(dtype) for _ in range(3))
    a, b, c = (np.where(np.isfinite(x), x, dtype(1)) for x in (a, b, c))
    third = N // 3
    a[:third], b[:third], c[:third] = (random.standard_normal((3, third)) * 4).astype(dtype)
    with np.errstate(all="ignore"):
        c[third : 2 * third] = np.nan_to_num(a * b, posinf=1, neginf=1)[third : 2 * third] * dtype(-1)
        b[::7] = a[::7] * dtype(1 + 4 * np.finfo(dtype).eps)
    b = np.where((b == 0) | ~np.isfinite(b), dtype(3), b)
    return a, b, c


def exact(operation, a, b, c):
    return {
        "add": lambda: a + b, "sub": lambda: a - b, "mul": lambda: a * b, "div": lambda: a / b,
        "fma": lambda: a * b + c, "rcp": lambda: 1 / a,
    }[operation]()  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_arithmetic_rounds_as_its_name_says(on_device, dtype):
    on_device(mode="execute")
    kind = NUMPY[dtype]
    a, b, c = operands(kind, 3)
    a[a == 0] = kind(1)
    out = torch.full((21, N), torch.nan, dtype=dtype)
    kernels.rounded_kernel[(1,)](*(torch.from_numpy(x.copy()) for x in (a, b, c)), out, N=N)
    found = out.numpy()
    limit = Fraction(2) ** (980 if kind == np.float64 else 200)
    for index, operation in enumerate(("add", "sub", "mul", "div", "fma", "rcp", "sqrt")):
        for lane in range(N):
            x, y, z = (Fraction(float(value[lane])) for value in (a, b, c))
            if operation == "sqrt":
                expected = directed(*roots(abs(x), kind))
            else:
                if operation == "fma" and (abs(x * y) > limit or abs(x * y) < 1 / limit):
                    continue  # said to be exact but for products near the limits of f64
                expected = directed(*neighbours(exact(operation, x, y, z), kind))
            got = [float(found[3 * index + mode, lane]) for mode in range(3)]
            assert got == [float(value) for value in expected], (operation, a[lane], b[lane], c[lane])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_that_are_not_finite_pass_and_zeros_have_their_sign(on_device, dtype):
    on_device(mode="execute")
    a = torch.ones(N, dtype=dtype)
    b, c = -a, torch.zeros_like(a)
    a[:4] = torch.tensor([math.inf, math.nan, -math.inf, 0.0])
    b[:4] = torch.tensor([1.0, 1.0, 2.0, 0.0])
    out = torch.full((21, N), 7, dtype=dtype)
    kernels.rounded_kernel[(1,)](a, b, c, out, N=N)
    sums = out[:3]
    assert torch.isposinf(sums[:, 0]).all() and torch.isnan(sums[:, 1]).all() and torch.isneginf(sums[:, 2]).all()
    assert torch.signbit(sums[:, 3]).tolist() == [False, False, False]  # +0 + +0
    assert torch.signbit(sums[:, 4]).tolist() == [False, True, False]  # 1 + -1
    assert torch.isposinf(out[9:12, 0]).all()


def test_narrowing_rounds_as_its_name_says(on_device):
    on_device(mode="execute")
    x = np.concatenate([operands(np.float64, 5)[0][: N // 2], operands(np.float32, 6)[0][: N // 2].astype(float)])
    out = torch.full((3, N), torch.nan)
    kernels.narrowed_kernel[(1,)](torch.from_numpy(x), out, N=N)
    for lane in range(N):
        expected = directed(*neighbours(Fraction(float(x[lane])), np.float32))
        assert [float(value) for value in out[:, lane]] == [float(value) for value in expected], x[lane]


def test_integers_round_as_their_names_say(on_device):
    on_device(mode="execute")
    random = np.random.default_rng(9)
    x = random.integers(-(2**63), 2**63 - 1, N) >> random.integers(0, 63, N)
    x[:6] = [2**63 - 1, -(2**63), 2**31 - 1, -(2**31), 0, 2**24 + 1]
    floats, doubles = torch.full((12, N), torch.nan), torch.full((6, N), torch.nan, dtype=torch.float64)
    kernels.integers_kernel[(1,)](torch.from_numpy(x), floats, doubles, N=N)
    for lane in range(N):
        value = int(x[lane])
        int32 = (value + 2**31) % 2**32 - 2**31
        for row, number in enumerate((value, value % 2**64, int32, value % 2**32)):
            expected = directed(*neighbours(Fraction(number), np.float32))
            assert [float(v) for v in floats[3 * row : 3 * row + 3, lane]] == [float(v) for v in expected], number
            if row < 2:
                expected = directed(*neighbours(Fraction(number), np.float64))
                assert [float(v) for v in doubles[3 * row : 3 * row + 3, lane]] == [float(v) for v in expected], number


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bessel_functions_of_order_n_and_norms(on_device, dtype):
    on_device(mode="execute")
    random, count = np.random.default_rng(2), 64
    n = torch.from_numpy(random.integers(0, 60, count).astype(np.int32))
    x = torch.from_numpy(np.exp(random.uniform(-6, 5, count))).to(dtype)
    n[1], x[1] = -3, 1.0
    n[2], x[2] = 4, 0.0
    out = torch.full((7, count), torch.nan, dtype=dtype)
    kernels.bessel_kernel[(1,)](n, x, out, N=count)
    unit, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    bound = 1 if dtype == torch.float32 else 20  # f64: a rounding for each of many steps
    assert torch.isnan(out[:2, 1]).all() and out[0, 2] == 0 and out[1, 2] == -math.inf and out[2, 0] == out[0, 0]
    for lane in [0, *range(3, count)]:
        order, at = int(n[lane]), mp.mpf(float(x[lane]))
        for row, function in enumerate((mp.besselj, mp.bessely)):
            expected, found = function(order, at), float(out[row, lane])
            if abs(expected) > torch.finfo(dtype).max:
                assert found == -math.inf
                continue
            size = max(abs(expected), mp.sqrt(2 / (mp.pi * at)) if at > order else 0, tiny)
            assert abs(found - expected) <= bound * unit * size, (function.__name__, order, float(at))
        for row, factors in ((3, (1, 0.5, 3)), (5, (1, 0.5, 3, 1))):
            norm = mp.sqrt(sum((mp.mpf(float(x[lane] * factor))) ** 2 for factor in factors))
            assert abs(float(out[row, lane]) - norm) <= 2 * unit * norm
            assert abs(float(out[row + 1, lane]) - 1 / norm) <= 2 * unit / norm
