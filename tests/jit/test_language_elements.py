"""Functions of elements that users write themselves, through Triton's front door."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def sums_and_differences(a0, a1, b0, b1):
    return a0 + b0, a1 - b1, a0 * b0, a1 * b1


@triton.jit
def packed(x_ptr, y_ptr, z_ptr, w_ptr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    at = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    z, w = tl.map_elementwise(sums_and_differences, tl.load(x_ptr + at), tl.load(y_ptr + at), pack=2)
    tl.store(z_ptr + at, z)
    tl.store(w_ptr + at, w)


@pytest.mark.parametrize("shape", [(1, 2), (4, 8), (64, 32), (256, 1)])
def test_map_elementwise_of_packs(on_device, shape):
    on_device(mode="execute")
    x, y = torch.randint(-99, 99, shape, dtype=torch.int32), torch.randint(-99, 99, shape, dtype=torch.int32)
    z, w = torch.empty_like(x), torch.empty_like(x)
    packed[(1,)](x, y, z, w, *shape)
    expected = (x + y).flatten()
    expected[1::2] = (x - y).flatten()[1::2]
    assert torch.equal(z.flatten(), expected)
    assert torch.equal(w, x * y)


@triton.jit
def collatz_steps(n, limit):
    steps = 0
    while (n != 1) & (steps < limit):
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps, n


@triton.jit
def powers(a, b, n, m):
    first, second = a, b
    for _ in range(n):
        first *= a
    for index in range(m):
        if index % 2 == 0:
            second *= b
    return first, second


@triton.jit
def looping_elements_kernel(x_ptr, steps_ptr, last_ptr, power_ptr, N: tl.constexpr):
    at = tl.arange(0, N)
    x = tl.load(x_ptr + at)
    steps, last = tl.map_elementwise(collatz_steps, x, x * 0 + 40)
    tl.store(steps_ptr + at, steps)
    tl.store(last_ptr + at, last)
    tl.store(power_ptr + at, tl.map_elementwise(powers, x, x % 5, pack=2)[0])


def collatz(n, limit):
    steps = 0
    while n != 1 and steps < limit:
        n, steps = (n // 2 if n % 2 == 0 else 3 * n + 1), steps + 1
    return steps, n


def test_functions_of_elements_may_loop_as_long_as_each_needs(on_device):
    on_device(mode="execute")
    x = torch.randint(1, 60, (64,), dtype=torch.int32)
    steps, last, power = (torch.full((64,), -1, dtype=torch.int32) for _ in range(3))
    looping_elements_kernel[(1,)](x, steps, last, power, N=64)
    expected = [collatz(n, 40) for n in x.tolist()]
    assert list(zip(steps.tolist(), last.tolist(), strict=True)) == expected
    for at in range(0, 64, 2):
        a, b, n, m = x[at].item(), x[at + 1].item(), x[at].item() % 5, x[at + 1].item() % 5
        first, second = a ** (n + 1), b ** (1 + (m + 1) // 2)
        assert power[at : at + 2].tolist() == [(v + 2**31) % 2**32 - 2**31 for v in (first, second)]
