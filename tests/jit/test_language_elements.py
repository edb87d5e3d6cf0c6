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
