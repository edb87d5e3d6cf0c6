"""Kernels of one program, in any size of tile. Not tests."""

import triton
import triton.language as tl


@triton.jit
def softmax(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=float("-inf"))
    power = tl.exp(x - tl.max(x, 0))
    tl.store(out_ptr + at, power / tl.sum(power, 0), mask=at < n)


@triton.jit
def product(a_ptr, b_ptr, out_ptr, size, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    total = tl.zeros((M, N), tl.float32)
    for start in range(0, size, K):
        a = tl.load(a_ptr + m[:, None] * size + start + k[None, :])
        b = tl.load(b_ptr + (start + k[:, None]) * N + n[None, :])
        total = tl.dot(a, b, total, input_precision="ieee")
    tl.store(out_ptr + m[:, None] * N + n[None, :], total)
