"""Kernels named like functions of the C library are kernels all the same."""

import torch
import triton
import triton.language as tl


@triton.jit
def sin(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + i, mask=i < n).to(tl.float64)
    tl.store(out_ptr + i, tl.math.sin(x), mask=i < n)


@triton.jit
def abort(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out_ptr + i, tl.load(x_ptr + i, mask=i < n) * 2, mask=i < n)


def test_a_kernel_named_like_the_function_it_calls(on_device):
    on_device(mode="execute")
    x = torch.linspace(-3, 3, 37, dtype=torch.float64)
    out = torch.full_like(x, float("nan"))
    sin[(1,)](x, out, 37, BLOCK=64)
    torch.testing.assert_close(out, torch.sin(x), rtol=1e-14, atol=1e-15)


def test_a_kernel_named_like_a_function_of_the_runtime(on_device):
    on_device(mode="both")
    x = torch.arange(5.0)
    out = torch.full_like(x, float("nan"))
    abort[(1,)](x, out, 5, BLOCK=8)
    assert torch.equal(out, x * 2)
