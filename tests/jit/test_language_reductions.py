"""Reductions through Triton's front door whose order or type once gave wrong answers."""

import pytest
import torch
import triton
import triton.language as tl


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
