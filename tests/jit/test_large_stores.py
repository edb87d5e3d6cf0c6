"""Launches that write more than the host's cache holds: stores past the caches, aligned or not, with ragged ends."""

import pytest
import torch
import triton
import triton.language as tl


@triton.jit
def double(x, out, n, first, BLOCK: tl.constexpr):
    for start in range(tl.program_id(0) * BLOCK, n, tl.num_programs(0) * BLOCK):
        i = start + tl.arange(0, BLOCK)
        tl.store(out + first + i, tl.load(x + i, mask=i < n) * 2, mask=i < n)


@pytest.mark.parametrize("first", [0, 1, 16])
@pytest.mark.parametrize("blocks", [64, 5000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_large_copies(first, blocks, dtype):
    n = (40 << 20) // dtype.itemsize + 13
    x, out = torch.randn(1000).to(dtype).repeat(n // 1000 + 1)[:n], torch.zeros(n + 32, dtype=dtype)
    double[(blocks,)](x, out, n, first, BLOCK=4096)
    assert torch.equal(out[first : first + n], x * 2)
    assert not out[:first].any() and not out[first + n :].any()
