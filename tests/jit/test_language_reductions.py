"""Reductions through Triton's front door whose order or type once gave wrong answers."""

import pytest
import torch
import triton
import triton.language as tl

from supa.base.errors import LaunchError


@triton.jit
def extremes(x_ptr, places_ptr, values_ptr, N: tl.constexpr):
    x = tl.load(x_ptr + tl.arange(0, N))
    tl.store(places_ptr, tl.argmin(x, 0))
    tl.store(places_ptr + 1, tl.argmax(x, 0))
    tl.store(values_ptr, tl.min(x, 0))
    tl.store(values_ptr + 1, tl.max(x, 0))


@pytest.mark.parametrize("count", [2, 8, 16, 256])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.int64])
def test_places_of_extremes(on_device, dtype, count):
    """The last step across lanes compares the right two: LLVM forgot a shuffle of f64 where it was a vector's."""
    on_device(mode="execute")
    random = torch.Generator().manual_seed(count)
    for _ in range(12):
        x = torch.randperm(1000, generator=random)[:count].to(dtype)
        places, values = torch.empty(2, dtype=torch.int32), torch.empty(2, dtype=dtype)
        extremes[(1,)](x, places, values, count)
        assert places.tolist() == [x.argmin().item(), x.argmax().item()]
        assert values.tolist() == [x.min().item(), x.max().item()]


@triton.jit
def checked_sum(a, b):
    tl.device_assert(a + b < 1000, "too large")
    return a + b


@triton.jit(debug=True)
def asserting(x_ptr, total_ptr, rows_ptr, running_ptr, smallest_ptr, M: tl.constexpr, N: tl.constexpr):
    rows, columns = tl.arange(0, M), tl.arange(0, N)
    x = tl.load(x_ptr + rows[:, None] * N + columns[None, :])
    tl.store(rows_ptr + rows, tl.reduce(x, 1, checked_sum))
    tl.store(total_ptr, tl.sum(x))
    tl.store(running_ptr + rows[:, None] * N + columns[None, :], tl.associative_scan(x, 0, checked_sum))
    tl.store(smallest_ptr + columns, tl.argmin(x, 0))


@pytest.mark.parametrize("shape", [(8, 32), (16, 2), (1, 64)])
def test_functions_that_combine_may_assert(on_device, shape):
    on_device(mode="both")
    x = torch.randint(0, 10, shape, dtype=torch.int32)
    total, rows, smallest = (torch.full((n,), -1, dtype=torch.int32) for n in (1, shape[0], shape[1]))
    running = torch.empty_like(x)
    asserting[(1,)](x, total, rows, running, smallest, *shape)
    assert total.item() == x.sum() and torch.equal(rows, x.sum(1).int())
    assert torch.equal(running, x.cumsum(0).int()) and torch.equal(smallest, x.argmin(0).int())
    x[-1, -1] = 1001
    with pytest.raises(LaunchError, match=r"test_language_reductions\.py:\d+:\d+: .*too large"):
        asserting[(1,)](x, total, rows, running, smallest, *shape)


def test_debug_mode_finds_a_sum_that_overflows(on_device):
    on_device(mode="execute")
    x = torch.full((8, 32), 2**26, dtype=torch.int32)
    outs = (torch.zeros(1, dtype=torch.int32), torch.zeros(8, dtype=torch.int32), torch.zeros_like(x))
    with pytest.raises(LaunchError, match=r"overflow detected for operation add|too large"):
        asserting[(1,)](x, *outs, torch.zeros(32, dtype=torch.int32), 8, 32)
